/// HTTP/1 requests and responses in any order, cut anywhere, with gaps.
#include "tests/fuzz/http/stream_feeder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::sensor;
  static const ww::Settings settings = [] {
    ww::Settings s;
    s.set("app-layer.protocols.http.libhtp.default-config.lzma-enabled", "yes");
    return s;
  }();
  const auto parser = find_protocol("http")->make(settings);
  test::feed_parser(*parser, data, size);
  return 0;
}
