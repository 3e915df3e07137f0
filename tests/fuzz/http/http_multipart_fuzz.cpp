/// Form uploads: whole and in pieces must give the same files.
#include <cstdlib>
#include <string>

#include "sensors/protocols/http/multipart.hpp"

namespace {

struct Record final : ww::sensor::http::MultipartSink {
  std::string text;
  void on_file(std::string_view name) override { text.append("<").append(name).append(">"); }
  void on_file_data(ww::Bytes data) override { text += ww::as_text(data); }
  void on_file_end(bool whole) override { text += whole ? "</>" : "<cut/>"; }
  void on_fault(Fault fault) override { text += static_cast<char>('0' + static_cast<int>(fault)); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto run = [&](std::size_t piece) {
    Record r;
    ww::sensor::http::Multipart form("x", r);
    for (std::size_t at = 1; at < size; at += piece)
      form.feed(ww::Bytes(data + at, std::min(piece, size - at)));
    form.finish();
    return r.text;
  };
  // Beyond the part header limit the point where it gives up depends on the pieces.
  if (size < ww::sensor::http::Multipart::max_part_header && run(size) != run(1U + data[0] % 32))
    std::abort();
  return 0;
}
