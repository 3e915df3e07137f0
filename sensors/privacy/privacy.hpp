#pragma once
/// Tokenisation of patients' identifiers before an event is spooled: nothing behind this stage sees
/// an NHS number.
///
/// An NHS number is ten digits, alone or in the printed form 3-3-4 with spaces or dashes, whose
/// last digit is the modulus-11 check digit and whose first digit is issued: 4, 6, 7 (England,
/// Wales, Isle of Man), 3 (Northern Ireland) or 9 (test records). 0 to 2 are left: they are
/// Scotland's birth dates, and every time in seconds. It becomes `nhs_` and 16 characters of a
/// keyed hash: the same person has the same token at every sensor that has the same key, and nobody
/// without the key can go from number to token.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/result.hpp"

namespace ww {

/// Ten digits with a right check digit in an issued range.
[[nodiscard]] bool is_nhs_number(std::string_view ten_digits);

class Privacy {
 public:
  /// @param key_file  at least 32 octets, readable by the sensor only
  [[nodiscard]] static Result<std::unique_ptr<Privacy>, Problem> from_key_file(
      const std::string& key_file);
  explicit Privacy(std::string_view key);

  /// Replaces every NHS number in an event's JSON text. Numbers that stand outside of strings
  /// become strings.
  /// @return false when there was none (then `out` is untouched)
  [[nodiscard]] bool tokenise(std::string_view json, std::string& out) const;
  /// The token of one number.
  [[nodiscard]] std::string token(std::string_view ten_digits) const;

 private:
  std::string key_;
};

}  // namespace ww
