/// Content-Encoding: whatever comes in, the result stays within its bound.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "collector/ingest/body.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr const char* encodings[] = {"zstd", "gzip", "deflate", "snappy", "identity"};
  static constexpr std::size_t bound = 1U << 16;
  if (size == 0) return 0;
  const auto r = ww::collector::decode_body(
      encodings[data[0] % 5], std::string(reinterpret_cast<const char*>(data) + 1, size - 1),
      bound);
  if (r && r->size() > bound) std::abort();
  return 0;
}
