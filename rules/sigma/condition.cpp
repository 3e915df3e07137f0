#include "rules/sigma/condition.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace ww::sigma {
namespace {

constexpr std::size_t max_depth = 100;
constexpr std::size_t max_choose = 20'000;  // combinations of `N of` with N > 1

bool name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '*' || c == '-' ||
         c == '.' || c == '?' || static_cast<unsigned char>(c) >= 0x80;
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

class Parser {
 public:
  Parser(std::string_view text, const std::vector<std::string>& identifiers)
      : identifiers_(identifiers) {
    for (std::size_t i = 0; i < text.size();) {
      const char c = text[i];
      if (std::isspace(static_cast<unsigned char>(c)) != 0) {
        ++i;
      } else if (c == '(' || c == ')') {
        tokens_.emplace_back(1, c);
        ++i;
      } else if (name_char(c)) {
        auto end = i;
        while (end < text.size() && name_char(text[end])) ++end;
        tokens_.emplace_back(text.substr(i, end - i));
        i = end;
      } else {
        error_ = c == '|'
                     ? "aggregations after '|' are not part of Sigma 2: write a correlation rule"
                     : std::string("unexpected character '") + c + "' in the condition";
        return;
      }
    }
  }

  Result<Condition, std::string> run() {
    if (!error_.empty()) return fail(error_);
    if (tokens_.empty()) return fail(std::string("the condition is empty"));
    auto out = any(0);
    if (!error_.empty()) return fail(error_);
    if (at_ < tokens_.size()) return fail("unexpected '" + tokens_[at_] + "' in the condition");
    return out;
  }

 private:
  [[nodiscard]] bool is(std::string_view word, std::size_t ahead = 0) const {
    return at_ + ahead < tokens_.size() && lower(tokens_[at_ + ahead]) == word;
  }
  Condition bad(std::string message) {
    if (error_.empty()) error_ = std::move(message);
    return {};
  }

  Condition any(std::size_t depth) { return chain(depth, "or", Condition::Op::any_of); }
  Condition chain(std::size_t depth, std::string_view word, Condition::Op op) {
    Condition out;
    out.op = op;
    do {
      out.parts.push_back(op == Condition::Op::any_of ? chain(depth, "and", Condition::Op::all_of)
                                                      : unary(depth));
      if (!error_.empty()) return {};
    } while (is(word) && ++at_ != 0);
    return out.parts.size() == 1 ? std::move(out.parts[0]) : out;
  }

  Condition unary(std::size_t depth) {
    if (depth > max_depth) return bad("the condition is nested too deeply");
    if (at_ >= tokens_.size()) return bad("the condition ends where an identifier is expected");
    if (is("not") && at_ + 1 < tokens_.size()) {
      ++at_;
      Condition out;
      out.op = Condition::Op::negate;
      out.parts.push_back(unary(depth + 1));
      return out;
    }
    const std::string token = tokens_[at_++];
    if (token == "(") {
      auto out = any(depth + 1);
      if (!error_.empty()) return {};
      if (at_ >= tokens_.size() || tokens_[at_] != ")")
        return bad("a '(' in the condition is not closed");
      ++at_;
      return out;
    }
    if (token == ")") return bad("unexpected ')' in the condition");
    if (is("of") && is_quantifier(token)) return quantified(token);
    const auto word = lower(token);
    if (word == "and" || word == "or" || word == "not" || word == "of")
      return bad("'" + token + "' where an identifier is expected");
    return identifier(token);
  }

  static bool is_quantifier(const std::string& token) {
    const auto word = lower(token);
    return word == "all" || word == "any" ||
           std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  Condition identifier(const std::string& name) {
    if (std::find(identifiers_.begin(), identifiers_.end(), name) == identifiers_.end()) {
      if (name.find('*') != std::string::npos)
        return bad("'" + name + "' needs a quantifier: write '1 of " + name + "' or 'all of " +
                   name + "'");
      return bad("the condition names '" + name + "', which the detection does not define");
    }
    Condition out;
    out.text = name;
    return out;
  }

  Condition quantified(const std::string& quantifier) {
    ++at_;  // of
    if (at_ >= tokens_.size())
      return bad("'" + quantifier + " of' needs an identifier, a pattern or 'them'");
    std::vector<std::string> names;
    const std::string target = tokens_[at_++];
    if (target == "(") {  // a list in parentheses: 1 of (a b)
      while (at_ < tokens_.size() && tokens_[at_] != ")") select(tokens_[at_++], names);
      if (at_ >= tokens_.size()) return bad("a '(' in the condition is not closed");
      ++at_;
    } else {
      select(target, names);
    }
    if (names.empty()) return bad("'" + quantifier + " of " + target + "' selects no identifier");
    Condition out;
    out.text = quantifier + " of " + target;
    for (const auto& name : names) {
      Condition one;
      one.text = name;
      out.parts.push_back(std::move(one));
    }
    const auto word = lower(quantifier);
    if (word == "all") {
      out.op = Condition::Op::all_of;
      return out;
    }
    std::size_t wanted = 1;
    if (word != "any" &&
        std::from_chars(word.data(), word.data() + word.size(), wanted).ec != std::errc{})
      return bad("'" + quantifier + "' is not a quantifier");
    if (wanted == 0) return bad("'0 of' is always true: leave it out");
    out.op = Condition::Op::any_of;
    if (wanted > 1) return choose(out, wanted);
    return out;
  }

  void select(const std::string& target, std::vector<std::string>& names) {
    const bool them = lower(target) == "them";
    const auto pattern = Str::parse(target);
    for (const auto& name : identifiers_) {
      // As the reference implementation has it, a pattern takes identifiers with a leading
      // underscore only when it starts with one itself.
      const bool hidden = name.starts_with('_') && (them || !target.starts_with('_'));
      if (!hidden && (them || wildcard_match(pattern.pieces(), name)) &&
          std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
    }
  }

  /// N of many: an or over all ways to take N.
  Condition choose(const Condition& from, std::size_t wanted) {
    const auto n = from.parts.size();
    Condition out;
    out.text = from.text;
    if (wanted > n) {
      out.op = Condition::Op::constant;
      return out;
    }
    out.op = Condition::Op::any_of;
    std::vector<std::size_t> pick(wanted);
    for (std::size_t i = 0; i < wanted; ++i) pick[i] = i;
    for (;;) {
      Condition one;
      one.op = Condition::Op::all_of;
      for (const auto i : pick) one.parts.push_back(from.parts[i]);
      out.parts.push_back(std::move(one));
      if (out.parts.size() > max_choose)
        return bad("'" + from.text + "' has too many combinations");
      std::size_t k = wanted;
      while (k > 0 && pick[k - 1] == n - wanted + k - 1) --k;
      if (k == 0) return out;
      ++pick[k - 1];
      for (auto j = k; j < wanted; ++j) pick[j] = pick[j - 1] + 1;
    }
  }

  const std::vector<std::string>& identifiers_;
  std::vector<std::string> tokens_;
  std::size_t at_ = 0;
  std::string error_;
};

}  // namespace

Result<Condition, std::string> parse_condition(std::string_view text,
                                               const std::vector<std::string>& identifiers) {
  return Parser(text, identifiers).run();
}

}  // namespace ww::sigma
