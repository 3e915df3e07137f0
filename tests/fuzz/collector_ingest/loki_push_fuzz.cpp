/// Loki push: the first octet chooses JSON, protobuf, or protobuf inside snappy.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <simdjson.h>

#include "collector/ingest/body.hpp"
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
  if (input.empty()) return 0;
  const auto body = input.substr(1);
  if (data[0] % 3 == 0) {
    (void)parse_loki_json(body, limits, batch);
  } else if (data[0] % 3 == 1) {
    (void)parse_loki_protobuf(body, limits, batch);
  } else if (const auto plain = snappy_decode(body, 1U << 20)) {
    (void)parse_loki_protobuf(*plain, limits, batch);
  }
  check(batch);
  return 0;
}
