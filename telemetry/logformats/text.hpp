#pragma once
/// Small text helpers that formats share.
#include <cstdint>
#include <optional>
#include <string_view>

#include "telemetry/logformats/record.hpp"

namespace ww::logs {

[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
[[nodiscard]] inline bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
[[nodiscard]] inline bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }
[[nodiscard]] std::string_view trim(std::string_view s);
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
/// All of the text as a decimal number.
[[nodiscard]] std::optional<std::int64_t> to_number(std::string_view s);
/// Hex pairs to octets in the record's memory; nothing when the text is not an even number of hex
/// digits.
[[nodiscard]] std::optional<std::string_view> decode_hex(Record& record, std::string_view hex);

/// Reads `key=value key="quoted \" value"` pairs separated by spaces (or commas) into the record.
/// @param lenient  words without '=' are skipped instead of ending the reading
/// @return         how many pairs were read; stops at the first word that is not a pair unless
/// lenient
struct PairsRead {
  std::size_t pairs = 0;
  std::size_t loose_words = 0;
  bool complete = false;
};
[[nodiscard]] PairsRead read_pairs(std::string_view text, Record& record, bool lenient);

/// Syslog message texts often carry a format of their own (CEF, LEEF, JSON, auditd): tries those,
/// keeps the outer header's host, severity and facility. @return true when one fitted
bool parse_inner(std::string_view message, const struct Context& context, Record& record);

/// Sigma's linux service for a program name ("sshd", "sudo", "CRON" -> cron, ...), or "" for none.
[[nodiscard]] std::string_view linux_service(std::string_view program);

}  // namespace ww::logs
