/// Elasticsearch bulk bodies.
#include "tests/fuzz/collector_ingest/batch.hpp"

using namespace ww;
using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = text_of(data, size);
  const auto limits = small_limits();
  auto batch = empty_batch();
  const auto r = parse_bulk(input, "index", limits, batch);
  if (r) (void)bulk_answer(*r, 1, true);
  check(batch);
  return 0;
}
