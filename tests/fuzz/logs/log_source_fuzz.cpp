/// Many lines through one source with joining, a restart at a place that the input chooses; and a
/// declared format.
#include <cstdlib>
#include <string>

#include "telemetry/logformats/declared.hpp"
#include "telemetry/logformats/format.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww;
  if (size < 2 || size > 64 << 10) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  if (data[0] == 0xFF) {
    (void)logs::make_declared_format(text, "fuzz.yaml");
    return 0;
  }
  logs::SourceParser::Options options;
  options.max_record_octets = 4096;
  options.max_pending = 4;
  if ((data[0] & 1) != 0) options.format = "auditd";
  if ((data[0] & 2) != 0) options.multiline_start = "^[A-Z]";
  auto parser = logs::SourceParser::make(options, logs::Formats::builtin());
  if (!parser) std::abort();
  std::size_t fed = 0, emitted = 0, line_number = 0;
  std::string out;
  const auto emit = [&](logs::Record& r, std::string_view line) {
    out.clear();
    logs::append_log_event(out, r, {}, line, Timestamp{});
    emitted += line.size();
  };
  for (std::size_t at = 0; at < text.size();) {
    auto end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    const auto line = text.substr(at, end - at);
    (*parser)->feed(line, Timestamp{}, emit);
    fed += line.size();
    at = end + 1;
    if (++line_number == data[1]) {
      const auto saved = (*parser)->save();
      parser = logs::SourceParser::make(options, logs::Formats::builtin());
      (*parser)->restore(saved);
    }
  }
  (*parser)->flush(Timestamp{}, emit);
  if (emitted < fed) std::abort();  // joined lines gain line feeds; nothing is lost
  return 0;
}
