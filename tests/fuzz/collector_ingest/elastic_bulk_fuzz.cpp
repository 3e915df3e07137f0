/// Elasticsearch bulk bodies.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <simdjson.h>

#include "collector/ingest/foreign.hpp"

namespace {

using namespace ww;
using namespace ww::collector;

// What the pipeline is given must be one JSON object each, whatever came in.
void check(const Batch& batch) {
  static simdjson::dom::parser parser;
  for (const auto& e : batch.events) {
    simdjson::dom::element root;
    if (parser.parse(e.json).get(root) != simdjson::SUCCESS || !root.is_object()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ForeignLimits limits;
  limits.max_events = 200;
  Batch batch;
  batch.received = {1'790'000'000'000'000};
  const auto r = parse_bulk(input, "index", limits, batch);
  if (r) (void)bulk_answer(*r, 1, true);
  check(batch);
  return 0;
}
