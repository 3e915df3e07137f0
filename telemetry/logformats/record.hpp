#pragma once
/// What a log format makes of a line: a record of views into the line or into the record's own
/// memory. One Record is reused for every line of a source, so nothing is allocated per line once
/// it has grown.
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"

namespace ww::logs {

/// One named value. `json` values are written as they are, so they must be valid JSON.
struct Part {
  enum class Kind : std::uint8_t { text, json };
  std::string_view name;
  std::string_view value;
  Kind kind = Kind::text;
};

class Record {
 public:
  Record() = default;
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  std::optional<Timestamp> time;  ///< absent: the line has none, the time of arrival counts
  std::string_view product, service, category;
  std::string_view host;
  std::string_view severity;  ///< one of severity_name()
  std::string_view facility;
  std::string_view message;
  std::string_view format;
  /// Names may repeat; the writer folds repeats into an array in order.
  std::vector<Part> fields;
  /// A whole JSON object that serves as `fields`; what `fields` holds beside it (of a header around
  /// it) is written too, save what the object names itself.
  std::string_view fields_object;

  void clear();
  void add(std::string_view name, std::string_view value) {
    fields.push_back({name, value, Part::Kind::text});
  }
  void add_json(std::string_view name, std::string_view json) {
    fields.push_back({name, json, Part::Kind::json});
  }
  void add_number(std::string_view name, std::int64_t value);
  /// The value when it is a plain JSON integer in canonical form, else text.
  void add_number_or_text(std::string_view name, std::string_view value);
  [[nodiscard]] std::string_view field(std::string_view name) const;

  /// Memory that lives until clear().
  [[nodiscard]] std::string_view keep(std::string_view text);
  [[nodiscard]] std::span<char> reserve(std::size_t octets);

 private:
  static constexpr std::size_t inline_octets = 8192;
  char inline_[inline_octets];
  std::pmr::monotonic_buffer_resource arena_{inline_, inline_octets};
};

/// Syslog severity 0..7 as EVE-side text: emergency, alert, critical, error, warning, notice,
/// informational, debug.
[[nodiscard]] std::string_view severity_name(unsigned severity);
/// Any usual spelling ("ERR", "warn", "Info", "FATAL", "5") to severity_name(), or "".
[[nodiscard]] std::string_view severity_from_text(std::string_view text);
/// The letter that loggers shorten a level to (F, E, W, N, I, D, T, V), or "".
[[nodiscard]] std::string_view severity_from_letter(char letter);
/// Syslog facility 0..23: kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv,
/// ftp, ..., local7.
[[nodiscard]] std::string_view facility_name(unsigned facility);
[[nodiscard]] std::optional<unsigned> facility_number(std::string_view name);

/// How the line came to us; written into every event of the source.
struct Origin {
  std::string_view source = "file";  ///< file, syslog, journald, windows, stdin
  std::string_view file;             ///< path of the tailed file, or ""
  std::string_view sender;  ///< address of the network sender, or "" (written as fields.sender)
};

/// Appends the event as one JSON object without a newline and without the `ww` envelope:
/// {"timestamp":..,"event_type":"log","log":{..}}.
/// @param line      the original octets; written as base64 `raw` when they are not valid UTF-8
/// @param received  used when the record has no time of its own
void append_log_event(std::string& out, const Record& record, const Origin& origin,
                      std::string_view line, Timestamp received);

}  // namespace ww::logs
