#include <algorithm>
#include <charconv>

#include "playbooks/json_text.hpp"
#include "playbooks/pattern_node.hpp"
#include "telemetry/base64.hpp"
#include "telemetry/clock.hpp"

namespace ww::playbooks {
namespace {

struct Token {
  enum class Kind : std::uint8_t {
    end,
    word,
    variable,
    text,
    number,
    time,
    octets,
    sign
  } kind = Kind::end;
  std::string text;
  double number = 0;
  std::size_t at = 0;
};

bool is_word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

/// Text into tokens; stops at the first mistake.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Result<Token, PatternError> next() {
    skip_space();
    Token t;
    t.at = at_;
    if (at_ == text_.size()) return t;
    const char c = text_[at_];
    if (c == '\'') return quoted(t);
    if (c == '$' && text_.substr(at_).starts_with("$$")) return dollar(t);
    if ((c == 't' || c == 'b' || c == 'h') && at_ + 1 < text_.size() && text_[at_ + 1] == '\'')
      return special(t, c);
    if (is_digit(c) || ((c == '-' || c == '+') && at_ + 1 < text_.size() &&
                        (is_digit(text_[at_ + 1]) || text_[at_ + 1] == '.')))
      return number(t);
    if (is_word_start(c)) {
      while (at_ < text_.size() &&
             (is_word_start(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '-'))
        t.text += text_[at_++];
      t.kind = Token::Kind::word;
      return t;
    }
    t.kind = Token::Kind::sign;
    for (const std::string_view s : {"==", "!=", "<>", "<=", ">="})
      if (text_.substr(at_).starts_with(s)) {
        t.text = s;
        at_ += 2;
        return t;
      }
    if (std::string_view("[]()=<>,.:*").find(c) == std::string_view::npos)
      return fail(PatternError{"unexpected character", at_});
    t.text = c;
    ++at_;
    return t;
  }

 private:
  void skip_space() {
    while (at_ < text_.size()) {
      if (std::string_view(" \t\r\n\f\v").find(text_[at_]) != std::string_view::npos) {
        ++at_;
      } else if (text_.substr(at_).starts_with("//")) {
        at_ = std::min(text_.size(), text_.find('\n', at_));
      } else if (text_.substr(at_).starts_with("/*")) {
        const auto end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return;
      }
    }
  }
  Result<Token, PatternError> quoted(Token t) {
    t.kind = Token::Kind::text;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\'') {
        ++at_;
        return t;
      }
      if (text_[at_] == '\\') {
        ++at_;
        if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '\\'))
          return fail(PatternError{"only \\' and \\\\ may be escaped", at_ - 1});
      }
      t.text += text_[at_];
    }
    return fail(PatternError{"the text has no closing quote", t.at});
  }
  Result<Token, PatternError> dollar(Token t) {
    const auto end = text_.find("$$", at_ + 2);
    if (end == std::string_view::npos || end == at_ + 2)
      return fail(PatternError{"$$ without a name and a second $$", t.at});
    t.kind = Token::Kind::variable;
    t.text = text_.substr(at_, end + 2 - at_);
    at_ = end + 2;
    return t;
  }
  Result<Token, PatternError> special(Token t, char kind) {
    ++at_;
    auto inner = quoted(t);
    if (!inner) return inner;
    inner->at = t.at;
    if (kind == 't') {
      if (!inner->text.ends_with('Z') || !parse_time(inner->text))
        return fail(PatternError{"t'...' must be a time such as 2026-01-31T00:00:00Z", t.at});
      inner->kind = Token::Kind::time;
      return inner;
    }
    inner->kind = Token::Kind::octets;
    if (kind == 'b') {
      auto octets = decode_base64(inner->text);
      if (!octets) return fail(PatternError{"b'...' must be base64", t.at});
      inner->text = std::move(*octets);
      return inner;
    }
    std::string octets;
    if (inner->text.size() % 2 != 0) return fail(PatternError{"h'...' needs pairs of hex", t.at});
    for (std::size_t i = 0; i < inner->text.size(); i += 2) {
      unsigned v = 0;
      const auto* p = inner->text.data() + i;
      if (std::from_chars(p, p + 2, v, 16).ptr != p + 2)
        return fail(PatternError{"h'...' needs pairs of hex digits", t.at});
      octets += static_cast<char>(v);
    }
    inner->text = std::move(octets);
    return inner;
  }
  Result<Token, PatternError> number(Token t) {
    t.kind = Token::Kind::number;
    auto end = at_ + 1;
    while (end < text_.size() && (is_digit(text_[end]) || text_[end] == '.')) ++end;
    t.text = text_.substr(at_, end - at_);
    const auto* from = t.text.data() + (t.text.starts_with('+') ? 1 : 0);
    const auto done = std::from_chars(from, t.text.data() + t.text.size(), t.number);
    if (done.ec != std::errc() || done.ptr != t.text.data() + t.text.size())
      return fail(PatternError{"not a number: " + t.text, t.at});
    at_ = end;
    return t;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

using NodePtr = std::shared_ptr<const PatternNode>;

/// Recursive descent. `observation` levels: FOLLOWEDBY < OR < AND < qualified; in brackets OR <
/// AND.
class Parser {
 public:
  Parser(std::vector<Token> tokens, const PatternLimits& limits)
      : tokens_(std::move(tokens)), limits_(limits) {}

  Result<Pattern, PatternError> parse() {
    auto root = followed_by(0);
    if (!root) return fail(root.error());
    if (peek().kind != Token::Kind::end) return error("the end was expected here");
    out_.root = std::move(*root);
    return std::move(out_);
  }

 private:
  using Parsed = Result<NodePtr, PatternError>;
  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool sign(std::string_view s) {
    if (peek().kind != Token::Kind::sign || peek().text != s) return false;
    ++at_;
    return true;
  }
  bool is_word(std::string_view w, std::size_t ahead = 0) const {
    return peek(ahead).kind == Token::Kind::word && upper(peek(ahead).text) == w;
  }
  bool word(std::string_view w) {
    if (!is_word(w)) return false;
    ++at_;
    return true;
  }
  tl::unexpected<PatternError> error(std::string what) const {
    return fail(PatternError{std::move(what), peek().at});
  }
  bool room() { return ++nodes_ <= limits_.nodes; }

  Parsed joined(std::size_t depth, std::string_view word_between, PatternNode::Kind kind,
                Parsed (Parser::*part)(std::size_t)) {
    if (depth > limits_.depth) return error("nested too deep");
    auto first = (this->*part)(depth + 1);
    if (!first || !is_word(word_between)) return first;
    PatternNode n;
    n.kind = kind;
    n.parts.push_back(std::move(*first));
    while (word(word_between)) {
      auto next = (this->*part)(depth + 1);
      if (!next) return next;
      n.parts.push_back(std::move(*next));
    }
    if (!room()) return error("too many parts");
    return std::make_shared<const PatternNode>(std::move(n));
  }
  Parsed followed_by(std::size_t depth) {
    auto out = joined(depth, "FOLLOWEDBY", PatternNode::Kind::followed_by, &Parser::either);
    if (out && (*out)->kind == PatternNode::Kind::followed_by) out_.temporal = true;
    return out;
  }
  Parsed either(std::size_t depth) {
    return joined(depth, "OR", PatternNode::Kind::any, &Parser::both);
  }
  Parsed both(std::size_t depth) {
    return joined(depth, "AND", PatternNode::Kind::all, &Parser::qualified);
  }
  Parsed qualified(std::size_t depth) {
    auto inner = observation(depth);
    while (inner && (is_word("WITHIN") || is_word("REPEATS") || is_word("START"))) {
      out_.temporal = true;
      if (word("START")) {
        if (peek().kind != Token::Kind::time) return error("START needs t'...'");
        ++at_;
        if (!word("STOP")) return error("START needs STOP");
        if (peek().kind != Token::Kind::time) return error("STOP needs t'...'");
        ++at_;
      } else {
        const bool within = word("WITHIN");
        if (!within) ++at_;
        if (peek().kind != Token::Kind::number || peek().number <= 0)
          return error("a number above zero was expected");
        ++at_;
        if (!word(within ? "SECONDS" : "TIMES"))
          return error(within ? "WITHIN needs SECONDS" : "REPEATS needs TIMES");
      }
      PatternNode n;
      n.kind = PatternNode::Kind::qualified;
      n.parts.push_back(std::move(*inner));
      if (!room()) return error("too many parts");
      inner = std::make_shared<const PatternNode>(std::move(n));
    }
    return inner;
  }
  Parsed observation(std::size_t depth) {
    if (depth > limits_.depth) return error("nested too deep");
    if (sign("(")) {
      auto inner = inside_ ? comparisons(depth + 1) : followed_by(depth + 1);
      if (inner && !sign(")")) return error(") was expected");
      return inner;
    }
    if (!inside_ && sign("[")) {
      inside_ = true;
      auto inner = comparisons(depth + 1);
      inside_ = false;
      if (inner && !sign("]")) return error("] was expected");
      return inner;
    }
    return comparison();
  }
  Parsed comparisons(std::size_t depth) {
    return joined(depth, "OR", PatternNode::Kind::any, &Parser::comparisons_and);
  }
  Parsed comparisons_and(std::size_t depth) {
    return joined(depth, "AND", PatternNode::Kind::all, &Parser::observation);
  }

  Parsed comparison() {
    PatternNode n;
    n.kind = PatternNode::Kind::comparison;
    if (!room()) return error("too many comparisons");
    bool negated = false;
    if (is_word("NOT") && is_word("EXISTS", 1)) {
      negated = true;
      ++at_;
    }
    if (word("EXISTS")) {
      n.comparison = Comparison::exists;
      n.negated = negated;
      auto path = operand();
      if (!path) return fail(path.error());
      if (!path->path) return error("EXISTS needs a path");
      n.left = std::move(*path);
      return std::make_shared<const PatternNode>(std::move(n));
    }
    auto left = operand();
    if (!left) return fail(left.error());
    n.left = std::move(*left);
    n.negated = word("NOT");
    const auto op = comparison_operator();
    if (!op) {
      // A flag by itself, as playbooks write it: true when the variable is.
      if (n.left.path && !n.negated) {
        n.right.value = {PatternValue::Kind::flag, {}, 1};
        return std::make_shared<const PatternNode>(std::move(n));
      }
      return error("a comparison such as =, IN or LIKE was expected");
    }
    n.comparison = *op;
    if (*op == Comparison::in) {
      if (!sign("(")) return error("IN needs a list in brackets");
      do {
        auto value = operand();
        if (!value) return fail(value.error());
        if (value->path) return error("a list holds constants only");
        n.set.push_back(std::move(value->value));
        if (!room()) return error("the list is too long");
      } while (sign(","));
      if (!sign(")")) return error(") was expected");
      return std::make_shared<const PatternNode>(std::move(n));
    }
    const auto at = peek();
    auto right = operand();
    if (!right) return fail(right.error());
    n.right = std::move(*right);
    const bool text_only = *op == Comparison::like || *op == Comparison::matches ||
                           *op == Comparison::subset || *op == Comparison::superset;
    if (text_only && !n.right.path && n.right.value.kind != PatternValue::Kind::text)
      return fail(PatternError{"this comparison needs text in quotes", at.at});
    return std::make_shared<const PatternNode>(std::move(n));
  }

  std::optional<Comparison> comparison_operator() {
    static constexpr std::pair<std::string_view, Comparison> signs[] = {
        {"=", Comparison::equal},      {"==", Comparison::equal},
        {"!=", Comparison::not_equal}, {"<>", Comparison::not_equal},
        {"<", Comparison::less},       {"<=", Comparison::less_equal},
        {">", Comparison::greater},    {">=", Comparison::greater_equal}};
    static constexpr std::pair<std::string_view, Comparison> words[] = {
        {"IN", Comparison::in},
        {"LIKE", Comparison::like},
        {"MATCHES", Comparison::matches},
        {"ISSUBSET", Comparison::subset},
        {"ISSUPERSET", Comparison::superset}};
    for (const auto& [s, c] : signs)
      if (sign(s)) return c;
    for (const auto& [w, c] : words)
      if (word(w)) return c;
    return {};
  }

  Result<Operand, PatternError> operand() {
    Operand out;
    const auto& t = peek();
    switch (t.kind) {
      case Token::Kind::text:
        out.value = {PatternValue::Kind::text, t.text, 0};
        break;
      case Token::Kind::number:
        out.value = {PatternValue::Kind::number, t.text, t.number};
        break;
      case Token::Kind::time:
        out.value = {PatternValue::Kind::time, t.text, 0};
        break;
      case Token::Kind::octets:
        out.value = {PatternValue::Kind::octets, t.text, 0};
        break;
      case Token::Kind::word:
        if (!(peek(1).kind == Token::Kind::sign && peek(1).text == ":")) {
          const auto w = upper(t.text);
          if (w != "TRUE" && w != "FALSE")
            return error("a path (type:property) or a constant was expected");
          out.value = {PatternValue::Kind::flag, {}, w == "TRUE" ? 1.0 : 0.0};
          break;
        }
        [[fallthrough]];
      case Token::Kind::variable: {
        auto p = path();
        if (!p) return fail(p.error());
        out.path = std::move(*p);
        out_.paths.push_back(*out.path);
        return out;
      }
      default:
        return error("a path (type:property) or a constant was expected");
    }
    ++at_;
    return out;
  }

  Result<PatternPath, PatternError> path() {
    PatternPath p;
    p.type = peek().text;
    ++at_;
    if (!sign(":")) return error(": was expected behind the type");
    do {
      const auto& t = peek();
      if (t.kind != Token::Kind::word && t.kind != Token::Kind::text)
        return error("a property name was expected");
      p.steps.push_back(t.text);
      ++at_;
      while (peek().kind == Token::Kind::sign && peek().text == "[" &&
             (peek(1).kind == Token::Kind::number ||
              (peek(1).kind == Token::Kind::sign && peek(1).text == "*"))) {
        ++at_;
        p.steps.push_back("[" + peek().text + "]");
        ++at_;
        if (!sign("]")) return error("] was expected");
        if (!room()) return error("the path is too long");
      }
      if (!room()) return error("the path is too long");
    } while (sign("."));
    return p;
  }

  std::vector<Token> tokens_;
  PatternLimits limits_;
  std::size_t at_ = 0, nodes_ = 0;
  bool inside_ = false;
  Pattern out_;
};

}  // namespace

std::string PatternPath::text() const {
  std::string out = type + ":";
  bool first = true;
  for (const auto& s : steps) {
    if (!first && !s.starts_with('[')) out += '.';
    out += s;
    first = false;
  }
  return out;
}

Result<Pattern, PatternError> parse_pattern(std::string_view text, const PatternLimits& limits) {
  if (text.size() > limits.octets) return fail(PatternError{"the pattern is too long", 0});
  Lexer lexer(text);
  std::vector<Token> tokens;
  do {
    auto t = lexer.next();
    if (!t) return fail(t.error());
    tokens.push_back(std::move(*t));
  } while (tokens.back().kind != Token::Kind::end);
  return Parser(std::move(tokens), limits).parse();
}

}  // namespace ww::playbooks
