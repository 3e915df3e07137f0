/// RFC 6587 framing: cutting the stream anywhere gives the same messages, and none is over the
/// limit.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "collector/ingest/syslog_server.hpp"

namespace {

std::vector<std::string> messages(std::string_view stream, std::size_t cut) {
  ww::collector::SyslogFramer framer(64);
  std::vector<std::string> out;
  std::string m;
  for (const auto part : {stream.substr(0, cut), stream.substr(cut)}) {
    framer.feed(part);
    while (framer.next(m)) out.push_back(m);
  }
  if (framer.rest(m)) out.push_back(m);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = messages(stream, stream.size());
  if (messages(stream, data[0] % stream.size()) != whole) std::abort();
  for (std::size_t i = 0; i + 1 < whole.size(); ++i)
    if (whole[i].size() > 64 || whole[i].empty()) std::abort();
  return 0;
}
