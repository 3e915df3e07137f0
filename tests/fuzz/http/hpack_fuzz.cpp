/// Header blocks one after another on one connection: the table must stay within its limit.
#include <cstdlib>

#include "sensors/protocols/http2/hpack.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::sensor::http2;
  HpackDecoder decoder;
  ww::ByteReader in(ww::Bytes(data, size));
  while (!in.empty()) {
    const auto length = std::min<std::size_t>(in.u8(), in.left());
    std::vector<HpackEntry> entries;
    (void)decoder.decode(in.bytes(length), entries);
    if (decoder.table_octets() > HpackLimits{}.table) std::abort();
  }
  return 0;
}
