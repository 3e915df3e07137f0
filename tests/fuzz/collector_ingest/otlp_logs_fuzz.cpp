/// OTLP logs: the first octet chooses JSON or the wire format.
#include "tests/fuzz/collector_ingest/batch.hpp"

using namespace ww;
using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = text_of(data, size);
  const auto limits = small_limits();
  auto batch = empty_batch();
  if (input.empty()) return 0;
  (void)(data[0] % 2 == 0 ? parse_otlp_json(input.substr(1), limits, batch)
                          : parse_otlp_protobuf(input.substr(1), limits, batch));
  check(batch);
  return 0;
}
