/// HTTP/2 frames of both directions, cut anywhere. The client's preface is put before the input.
#include "tests/fuzz/http/stream_feeder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::sensor;
  static const ww::Settings settings;
  constexpr std::string_view preface("\0\0\x18PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 27);
  std::string input(preface);
  input.append(reinterpret_cast<const char*>(data), size);
  const auto parser = find_protocol("http2")->make(settings);
  test::feed_parser(*parser, reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  return 0;
}
