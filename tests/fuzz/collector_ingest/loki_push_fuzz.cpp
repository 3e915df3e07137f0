/// Loki push: the first octet chooses JSON, protobuf, or protobuf inside snappy.
#include "collector/ingest/body.hpp"
#include "tests/fuzz/collector_ingest/batch.hpp"

using namespace ww;
using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = text_of(data, size);
  const auto limits = small_limits();
  auto batch = empty_batch();
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
