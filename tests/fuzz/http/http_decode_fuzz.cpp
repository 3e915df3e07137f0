/// Content codings: whole and in pieces must give the same.
#include <cstdlib>

#include "sensors/protocols/http/decode.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::sensor::http;
  constexpr const char* fields[] = {
      "gzip", "deflate", "br", "lzma", "gzip, deflate", "br, gzip, lzma", "deflate, deflate"};
  if (size < 2) return 0;
  DecodeLimits limits;
  limits.layers = 3;
  limits.lzma_layers = 3;
  limits.time_microseconds = UINT32_MAX;  // the result must not depend on the machine here
  const auto run = [&](std::size_t piece) {
    std::string out;
    const DecodeReport report = [](DecodeEvent) {};
    const BodyDecoder::Output take = [&](ww::Bytes b) { out += ww::as_text(b); };
    BodyDecoder d(parse_codings(fields[data[0] % std::size(fields)], limits, report), limits);
    for (std::size_t at = 2; at < size; at += piece)
      d.decode(ww::Bytes(data + at, std::min(piece, size - at)), take, report);
    d.finish(take, report);
    return out;
  };
  const auto whole = run(size);
  if (whole.size() < limits.bomb_octets && run(1U + data[1] % 64) != whole) std::abort();
  return 0;
}
