#include "sensors/privacy/privacy.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

namespace ww {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool word_char(char c) {
  return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// A number that starts at `at`: its ten digits and where it ends, or false.
bool number_at(std::string_view s, std::size_t at, std::array<char, 10>& digits, std::size_t& end) {
  std::size_t n = 0, i = at;
  char separator = 0;
  while (i < s.size() && n < 10) {
    if (digit(s[i])) {
      digits[n++] = s[i++];
    } else if ((n == 3 || n == 6) && (s[i] == ' ' || s[i] == '-') &&
               (n == 3 || separator == s[i])) {
      if (n == 6 && separator == 0) return false;
      separator = s[i++];
    } else {
      return false;
    }
  }
  if (n != 10) return false;
  // 3-3-4 has both separators: after three digits one was seen, so length is 12.
  if (separator != 0 && i - at != 12) return false;
  end = i;
  return true;
}

/// Whether the key of the bare number that follows speaks of a patient: counters and sizes are not
/// touched.
bool named_as_patient(std::string_view before) {
  while (!before.empty() && (before.back() == ' ' || before.back() == ':')) before.remove_suffix(1);
  if (before.empty() || before.back() != '"') return false;
  before.remove_suffix(1);
  const auto start = before.rfind('"');
  if (start == std::string_view::npos || before.size() - start > 128) return false;
  std::string key;
  for (const char c : before.substr(start + 1))
    key += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return key.find("nhs") != std::string::npos || key.find("patient") != std::string::npos ||
         key.find("subject") != std::string::npos;
}

}  // namespace

bool is_nhs_number(std::string_view d) {
  if (d.size() != 10) return false;
  int sum = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    if (!digit(d[i])) return false;
    if (i < 9) sum += (d[i] - '0') * static_cast<int>(10 - i);
  }
  if (d[0] < '3' || d[0] == '5' || d[0] == '8') return false;
  const int check = (11 - sum % 11) % 11;
  return check != 10 && check == d[9] - '0';
}

Privacy::Privacy(std::string_view key) : key_(key) {}

Result<std::unique_ptr<Privacy>, Problem> Privacy::from_key_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return fail(Problem{"cannot read the privacy key", path,
                        "make one: head -c 32 /dev/urandom > FILE; chmod 600 FILE"});
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & 077) != 0)
    return fail(Problem{"the privacy key is readable by others", path, "chmod 600 " + path});
  const std::string key((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (key.size() < 32)
    return fail(Problem{"the privacy key is shorter than 32 octets", path,
                        "make one: head -c 32 /dev/urandom > FILE"});
  return std::make_unique<Privacy>(key);
}

std::string Privacy::token(std::string_view ten_digits) const {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(ten_digits.data()), ten_digits.size(), mac, &length);
  // 80 bits in Crockford's base 32, lower case: no collision to expect among 100 million people.
  static constexpr char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string out = "nhs_";
  std::uint64_t bits = 0;
  int have = 0;
  for (int i = 0; i < 10; ++i) {
    bits = (bits << 8) | mac[i];
    have += 8;
    while (have >= 5) {
      have -= 5;
      out += alphabet[(bits >> have) & 31];
    }
  }
  return out;
}

bool Privacy::tokenise(std::string_view json, std::string& out) const {
  bool in_string = false, found = false;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      in_string = !in_string;
      continue;
    }
    if (c == '\\' && in_string) {
      // An escape is not a digit; of \u0037 the digits are not text either.
      i += i + 1 < json.size() && json[i + 1] == 'u' ? 5 : 1;
      continue;
    }
    if (!digit(c)) continue;
    // Only whole words: not the middle of a longer number, a hash or an identifier, not a decimal
    // part.
    std::size_t end = i;
    std::array<char, 10> digits{};
    const char before = i > 0 ? json[i - 1] : ' ';
    const bool starts = !word_char(before) && before != '.' && before != '-' && before != '+';
    if (starts && number_at(json, i, digits, end)) {
      const char after = end < json.size() ? json[end] : ' ';
      const bool ends = !word_char(after) && after != '-' &&
                        !(after == '.' && end + 1 < json.size() && digit(json[end + 1])) &&
                        !(!in_string && (after == 'e' || after == 'E'));
      const bool apart = in_string || (end - i == 10 && named_as_patient(json.substr(0, i)));
      if (ends && apart && is_nhs_number({digits.data(), 10})) {
        if (!found) out.clear();
        found = true;
        out += json.substr(copied, i - copied);
        if (!in_string) out += '"';
        out += token({digits.data(), 10});
        if (!in_string) out += '"';
        copied = end;
        i = end - 1;
        continue;
      }
    }
    while (i + 1 < json.size() && digit(json[i + 1])) ++i;
  }
  if (found) out += json.substr(copied);
  return found;
}

}  // namespace ww
