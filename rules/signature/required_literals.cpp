#define PCRE2_CODE_UNIT_WIDTH 8
#include "rules/signature/required_literals.hpp"

#include <pcre2.h>

#include <algorithm>
#include <bitset>

#include "rules/signature/text.hpp"

namespace ww::sig {

namespace {

constexpr std::size_t least_octets = 2, most_literals = 3;

bool digit(char c) { return c >= '0' && c <= '9'; }

/// Walks the top level of a pattern and keeps its best run of literals.
class Walk {
 public:
  Walk(std::string_view pattern, bool nocase) : p_(pattern), nocase_(nocase) {}

  std::vector<std::string> run() {
    while (i_ < p_.size() && !doubt_) step();
    end_run();
    if (doubt_) return {};
    std::stable_sort(runs_.begin(), runs_.end(),
                     [](const auto& a, const auto& b) { return strength(a) > strength(b); });
    runs_.erase(std::unique(runs_.begin(), runs_.end()), runs_.end());
    if (runs_.size() > most_literals) runs_.resize(most_literals);
    return std::move(runs_);
  }

 private:
  [[nodiscard]] bool more(std::size_t n = 0) const { return i_ + n < p_.size(); }

  void end_run() {
    if (run_.size() >= least_octets) runs_.push_back(run_);
    run_.clear();
  }

  void literal(char c) {
    ++i_;
    bool some = true, once = true;
    quantifier(some, once);
    if (nocase_ && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (!some) return end_run();
    run_ += c;
    if (!once) end_run();
  }
  /// Something that is not one known octet.
  void other() {
    end_run();
    bool some = true, once = true;
    quantifier(some, once);
  }

  /// Reads what may follow an item. `some`: it occurs at least once; `once`: just once.
  void quantifier(bool& some, bool& once) {
    if (!more()) return;
    const char c = p_[i_];
    if (c == '*' || c == '?') {
      some = once = false;
      ++i_;
    } else if (c == '+') {
      once = false;
      ++i_;
    } else if (c == '{') {
      // {n}, {n,}, {n,m}; anything else is text in one version and a quantifier in another
      const auto close = p_.find('}', i_);
      const auto body = close == std::string_view::npos ? "" : p_.substr(i_ + 1, close - i_ - 1);
      if (body.empty() || !digit(body[0]) ||
          body.find_first_not_of("0123456789,") != std::string_view::npos) {
        doubt_ = true;
        return;
      }
      some = body.substr(0, body.find(',')).find_first_not_of('0') != std::string_view::npos;
      once = body == "1";
      i_ = close + 1;
    } else {
      return;
    }
    if (more() && (p_[i_] == '?' || p_[i_] == '+')) ++i_;
    // One quantifier only stands on another through a group.
    if (more() && (p_[i_] == '*' || p_[i_] == '+' || p_[i_] == '?')) doubt_ = true;
  }

  void step() {
    const char c = p_[i_];
    switch (c) {
      case '|':
        doubt_ = true;  // no side of it is in every match
        return;
      case '(':
        group();
        return;
      case '[':
        ++i_;
        skip_class();
        other();
        return;
      case '.':
        ++i_;
        other();
        return;
      case '^':
      case '$':
        ++i_;
        other();
        return;
      case '\\':
        escape();
        return;
      case '*':
      case '+':
      case '?':
      case '{':
      case ')':
        doubt_ = true;
        return;
      default:
        literal(c);
    }
  }

  void escape() {
    ++i_;
    if (!more()) {
      doubt_ = true;
      return;
    }
    const char e = p_[i_];
    const bool alphanumeric =
        digit(e) || (e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || (e & 0x80) != 0;
    if (!alphanumeric) return literal(e);
    switch (e) {
      case 'n':
        return literal('\n');
      case 'r':
        return literal('\r');
      case 't':
        return literal('\t');
      case 'f':
        return literal('\f');
      case 'x': {
        const int high = more(1) ? hex_digit(p_[i_ + 1]) : -1;
        const int low = more(2) ? hex_digit(p_[i_ + 2]) : -1;
        if (high < 0 || low < 0) {
          doubt_ = true;
          return;
        }
        i_ += 2;
        return literal(static_cast<char>(high << 4 | low));
      }
      case 'd':
      case 'D':
      case 's':
      case 'S':
      case 'w':
      case 'W':
      case 'h':
      case 'H':
      case 'v':
      case 'V':
      case 'N':
      case 'R':
      case 'b':
      case 'B':
      case 'A':
      case 'z':
      case 'Z':
        ++i_;
        return other();
      default:
        doubt_ = true;
    }
  }

  /// Past the end of a class whose bracket was read.
  void skip_class() {
    if (more() && p_[i_] == '^') ++i_;
    if (more() && p_[i_] == ']') ++i_;
    while (more() && p_[i_] != ']') {
      if (p_[i_] == '\\') {
        if (more(1) && p_[i_ + 1] == 'Q') doubt_ = true;
        ++i_;
      } else if (p_[i_] == '[' && more(1) &&
                 (p_[i_ + 1] == ':' || p_[i_ + 1] == '.' || p_[i_ + 1] == '=')) {
        const char kind[] = {p_[i_ + 1], ']', 0};
        const auto close = p_.find(kind, i_ + 2);
        // What looks like a named set and is none ends the class at another place.
        if (close == std::string_view::npos || p_[i_ + 1] != ':' ||
            p_.substr(i_ + 2, close - i_ - 2).find_first_not_of("abcdefghijklmnopqrstuvwxyz^") !=
                std::string_view::npos)
          doubt_ = true;
        else
          i_ = close + 1;
      }
      ++i_;
    }
    if (!more()) doubt_ = true;
    ++i_;
  }

  /// Past a group; nothing in it is looked at.
  void group() {
    std::size_t depth = 0;
    while (more() && !doubt_) {
      const char c = p_[i_];
      if (c == '\\') {
        if (more(1) && (p_[i_ + 1] == 'Q' || p_[i_ + 1] == 'E')) doubt_ = true;
        i_ += 2;
        continue;
      }
      if (c == '[') {
        ++i_;
        skip_class();
        continue;
      }
      ++i_;
      if (c == '(') {
        ++depth;
        // Verbs, comments and options change how the rest is read; conditions are let be.
        if (more() && p_[i_] == '*') doubt_ = true;
        if (more(1) && p_[i_] == '?') {
          const char k = p_[i_ + 1];
          const bool plain = k == ':' || k == '=' || k == '!' || k == '>' || k == '<' || k == 'P';
          if (!plain) doubt_ = true;
        }
      } else if (c == ')' && --depth == 0) {
        break;
      }
    }
    if (depth != 0) doubt_ = true;
    other();
  }

  std::string_view p_;
  bool nocase_;
  std::size_t i_ = 0;
  bool doubt_ = false;
  std::string run_;
  std::vector<std::string> runs_;
};

}  // namespace

int strength(std::string_view s) {
  std::bitset<256> seen;
  int score = 0;
  for (const char ch : s) {
    const auto c = static_cast<std::uint8_t>(ch);
    if (seen.test(c)) {
      ++score;
      continue;
    }
    seen.set(c);
    if (c >= 'a' && c <= 'z')
      score += 3;
    else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
      score += 4;
    else if (c == 0 || c == ' ' || c == '/' || c == 0xff)
      score += 2;
    else
      score += c >= 32 && c < 127 ? 4 : 6;
  }
  return score;
}

bool usual_syntax(std::uint32_t options) {
  constexpr std::uint32_t understood = PCRE2_CASELESS | PCRE2_MULTILINE | PCRE2_DOTALL |
                                       PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_UNGREEDY;
  return (options & ~understood) == 0;
}

RequiredLiterals required_literals(std::string_view pattern, std::uint32_t options) {
  if (!usual_syntax(options)) return {};
  const bool nocase = (options & PCRE2_CASELESS) != 0;
  return {Walk(pattern, nocase).run(), nocase};
}

}  // namespace ww::sig
