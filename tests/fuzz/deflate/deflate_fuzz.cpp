/// Any octets as DEFLATE: what zlib makes of them an octet at a time, ours must make of them at
/// every cut and with every room for output. Inputs that begin with a high bit are packed first and
/// damaged with their own octets, so that what lies deep in a valid stream is reached too.
#include <cstdlib>

#include "tests/telemetry/deflate/reference.hpp"

namespace {

using namespace ww::deflate;

/// Text of the input, repeated to be longer than the window where `long_one` says so; some octets
/// of its stream are then changed.
std::string damaged(std::string_view in, int level, int strategy, bool long_one) {
  const auto half = in.size() / 2;
  std::string text(in.substr(0, half));
  while (long_one && half != 0 && text.size() < 70'000)
    text += in.substr(0, text.size() % half + 1);
  auto out = packed(text, level, -MAX_WBITS, strategy);
  for (auto at = half; at + 3 < in.size(); at += 3) {
    const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(in[at + i]); };
    const std::size_t place = (octet(0) * 256U + octet(1)) % out.size();
    if (octet(2) % 4 == 0) out[place] = static_cast<char>(octet(2));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Decoder decoder(Format::raw);
  if (size < 4) return 0;
  const auto how = data[0];
  std::uint32_t state = data[1] * 256U + data[2] + 1U;
  std::string stream(reinterpret_cast<const char*>(data) + 3, size - 3);
  if ((how & 0x80) != 0) {
    constexpr int strategies[] = {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
    stream = damaged(stream, 1 + how % 9, strategies[(how >> 4) & 3], (how & 0x40) != 0);
  }
  const auto random = [&] {
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
  };
  const auto piece = [&]() -> std::size_t {
    return random() % 4 == 0 ? random() % 1500 : random() % 24;
  };
  const auto most = [&]() -> std::size_t {
    const auto r = random();
    return r % 4 == 0 ? 1 + random() % 16 : r % 4 == 1 ? 1 + random() % 8192 : SIZE_MAX;
  };
  const auto all = [] { return SIZE_MAX; };
  for (const auto format : {Format::raw, Format::zlib}) {
    const auto expected = zlibs(format, stream);
    if (!(ours(format, stream, all, all, decoder) == expected)) std::abort();
    if (!(ours(format, stream, piece, most, decoder) == expected)) std::abort();
  }
  const auto whole = ours(Format::gzip, stream, all, all, decoder);
  if (!(ours(Format::gzip, stream, piece, most, decoder) == whole)) std::abort();
  return 0;
}
