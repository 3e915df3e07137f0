/// One line through one format (the first octet chooses, those behind the last one detect), written
/// as an event: always valid JSON, never a crash.
#include <simdjson.h>

#include <cstdlib>
#include <string>

#include "telemetry/logformats/format.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww;
  if (size < 1 || size > 64 << 10) return 0;
  const auto& formats = logs::Formats::builtin();
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  static logs::Record record;
  static std::string out;
  const logs::Context context{Timestamp{1'795'312'200'000'000}, &logs::Zone::utc()};
  const std::size_t n = data[0];
  record.clear();
  if (n >= formats.all().size()) {
    const logs::Format* hint = nullptr;
    logs::parse_line(formats, line, context, record, hint);
  } else if (!formats.all()[n]->parse(line, context, record)) {
    return 0;
  }
  out.clear();
  logs::append_log_event(out, record, {}, line, context.reference);
  static simdjson::dom::parser parser;
  if (parser.parse(out).error() != simdjson::SUCCESS) std::abort();
  return 0;
}
