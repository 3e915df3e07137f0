// The query language of query.hpp: a small recursive-descent parser. Its input is what people and
// API callers type.
#include <charconv>
#include <cmath>

#include "collector/store/query.hpp"
#include "collector/store/words.hpp"

namespace ww::collector {
namespace {

using ExprPtr = std::unique_ptr<Expr>;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool path_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '@';
}
bool path_octet(char c) {
  return path_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '@' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::string_view full_path(std::string_view path) {
  if (path == "type") return "event_type";
  if (path == "site") return "ww.site";
  if (path == "sensor") return "ww.sensor";
  if (path == "id") return "ww.id";
  return path;
}

struct Value {
  std::string text;     // wildcards quoted by a backslash where they are literal, when `pattern`
  std::string literal;  // without those backslashes
  bool pattern = false;
  bool quoted = false;
};

class Parser {
 public:
  Parser(std::string_view text, const ExprLimits& limits) : text_(text), limits_(limits) {}

  Result<ExprPtr, QueryError> run() {
    if (text_.size() > limits_.max_text)
      return fail(QueryError{limits_.max_text, "query is too long"});
    if (text_.find('\0') != std::string_view::npos)
      return fail(QueryError{text_.find('\0'), "zero octet in query"});
    space();
    ExprPtr e;
    if (at_ == text_.size()) {
      e = make(Expr::Kind::all);
    } else {
      e = any(0);
      if (!error_.what.empty()) return fail(error_);
      if (at_ != text_.size()) return fail(QueryError{at_, "unexpected ')'"});
    }
    return e;
  }

 private:
  static ExprPtr make(Expr::Kind kind) {
    auto e = std::make_unique<Expr>();
    e->kind = kind;
    return e;
  }
  ExprPtr refuse(std::string what) {
    if (error_.what.empty()) error_ = {at_, std::move(what)};
    return nullptr;
  }
  void space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  bool keyword(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    const auto after = at_ + word.size();
    if (after < text_.size() && !is_space(text_[after]) && text_[after] != '(') return false;
    at_ = after;
    space();
    return true;
  }

  ExprPtr any(std::uint32_t depth) {
    if (depth > limits_.max_depth) return refuse("too deeply nested");
    auto first = all(depth);
    if (!first) return nullptr;
    ExprPtr out;
    while (keyword("OR")) {
      auto next = all(depth);
      if (!next) return nullptr;
      if (!out) {
        out = make(Expr::Kind::any);
        out->children.push_back(std::move(first));
      }
      out->children.push_back(std::move(next));
    }
    return out ? std::move(out) : std::move(first);
  }

  ExprPtr all(std::uint32_t depth) {
    ExprPtr first;
    ExprPtr out;
    for (;;) {
      space();
      if (at_end() || text_[at_] == ')') break;
      const auto before = at_;
      if (keyword("OR")) {
        at_ = before;
        break;
      }
      if (first && keyword("AND")) {
        if (at_end()) return refuse("nothing after AND");
      }
      auto e = unary(depth);
      if (!e) return nullptr;
      if (!first && !out) {
        first = std::move(e);
        continue;
      }
      if (!out) {
        out = make(Expr::Kind::all);
        out->children.push_back(std::move(first));
        first = make(Expr::Kind::all);  // "there was one": AND is allowed from here on
      }
      out->children.push_back(std::move(e));
    }
    if (out) return out;
    if (first) return first;
    return refuse("a word or condition is missing here");
  }

  ExprPtr unary(std::uint32_t depth) {
    if (depth > limits_.max_depth) return refuse("too deeply nested");
    bool negative = false;
    if (keyword("NOT")) {
      negative = true;
    } else if (text_[at_] == '-' && at_ + 1 < text_.size() && !is_space(text_[at_ + 1])) {
      ++at_;
      negative = true;
    }
    if (negative) {
      if (at_end()) return refuse("nothing to negate");
      auto child = unary(depth + 1);
      if (!child) return nullptr;
      auto e = make(Expr::Kind::none_of);
      e->children.push_back(std::move(child));
      return e;
    }
    if (text_[at_] == '(') {
      ++at_;
      auto e = any(depth + 1);
      if (!e) return nullptr;
      space();
      if (at_end() || text_[at_] != ')') return refuse("')' is missing");
      ++at_;
      return e;
    }
    if (text_[at_] == ')') return refuse("unexpected ')'");
    return term();
  }

  /// `:` `=` `!=` `~` `<` `<=` `>` `>=` at the cursor.
  std::string_view operator_here() const {
    const auto rest = text_.substr(at_);
    for (const std::string_view op : {"!=", "<=", ">=", ":", "=", "~", "<", ">"})
      if (rest.starts_with(op)) return op;
    return {};
  }

  bool quoted(std::string& out) {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() &&
          (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\'))
        ++at_;
      out += text_[at_++];
    }
    if (at_end()) {
      refuse("closing quote is missing");
      return false;
    }
    ++at_;
    return true;
  }

  bool value(Value& v, bool in_list) {
    if (!at_end() && text_[at_] == '"') {
      v.quoted = true;
      if (!quoted(v.literal)) return false;
      v.text = v.literal;
      return true;
    }
    std::string plain;  // as a pattern
    while (!at_end() && !is_space(text_[at_]) && text_[at_] != ')' && text_[at_] != '(' &&
           !(in_list && text_[at_] == ',')) {
      const char c = text_[at_++];
      if (c == '\\' && !at_end() &&
          (text_[at_] == '*' || text_[at_] == '?' || text_[at_] == '\\' || text_[at_] == '(' ||
           text_[at_] == ')' || text_[at_] == '"')) {
        const char next = text_[at_++];
        if (next == '*' || next == '?' || next == '\\') plain += '\\';
        plain += next;
        v.literal += next;
        continue;
      }
      if (c == '*' || c == '?') v.pattern = true;
      if (c == '\\') plain += '\\';
      plain += c;
      v.literal += c;
    }
    if (plain.empty()) {
      refuse("a value is missing here");
      return false;
    }
    v.text = v.pattern ? plain : v.literal;
    return true;
  }

  ExprPtr leaf(Expr::Kind kind) {
    if (leaves_ >= limits_.max_leaves) return refuse("too many conditions");
    auto e = make(kind);
    e->leaf = leaves_++;
    return e;
  }

  ExprPtr condition(const std::string& path, std::string_view op, Value& v) {
    auto e = leaf(Expr::Kind::condition);
    if (!e) return nullptr;
    e->path = path;
    if ((op == ":" || op == "=" || op == "!=") && !v.quoted && v.text == "*") {
      e->op = Op::exists;
      return e;
    }
    e->op = op == "~"    ? Op::contains
            : op == "<"  ? Op::less
            : op == "<=" ? Op::less_equal
            : op == ">"  ? Op::greater
            : op == ">=" ? Op::greater_equal
                         : Op::equal;
    e->wildcard = v.pattern && e->op == Op::equal;
    e->value = lower(e->wildcard ? v.text : v.literal);
    if (!e->wildcard) {
      double d = 0;
      const auto& t = e->value;
      const auto r = std::from_chars(t.data(), t.data() + t.size(), d);
      if (r.ec == std::errc() && r.ptr == t.data() + t.size() && std::isfinite(d)) e->number = d;
      if (e->op == Op::equal && !v.quoted && t.find('/') != std::string::npos)
        e->network = parse_network(t);
      // An address with a length that none has ("10.0.0.0/99") would find nothing, and not say why.
      if (e->op == Op::equal && !v.quoted && !e->network) {
        const auto slash = t.rfind('/');
        if (slash != std::string::npos && slash + 1 < t.size() &&
            t.find_first_not_of("0123456789", slash + 1) == std::string::npos &&
            parse_network(t.substr(0, slash) + "/0"))
          return refuse("'" + t + "' is no network; write for example 10.0.0.0/8");
      }
    }
    return e;
  }

  ExprPtr values(const std::string& path, std::string_view op) {
    if (op != "<" && op != "<=" && op != ">" && op != ">=" && !at_end() && text_[at_] == '(') {
      ++at_;
      auto list = make(Expr::Kind::any);
      for (;;) {
        while (!at_end() && (is_space(text_[at_]) || text_[at_] == ',')) ++at_;
        if (at_end()) return refuse("')' is missing");
        if (text_[at_] == ')') break;
        Value v;
        if (text_[at_] == '(') return refuse("unexpected '('");
        if (!value(v, true)) return nullptr;
        auto e = condition(path, op, v);
        if (!e) return nullptr;
        list->children.push_back(std::move(e));
      }
      ++at_;
      if (list->children.empty()) return refuse("the list is empty");
      if (list->children.size() == 1) return std::move(list->children.front());
      return list;
    }
    Value v;
    if (!value(v, false)) return nullptr;
    return condition(path, op, v);
  }

  ExprPtr term() {
    const auto begin = at_;
    std::string path;
    bool may_be_path = false;
    std::string quoted_text;
    bool was_quoted = false;
    if (text_[at_] == '"') {
      was_quoted = true;
      if (!quoted(quoted_text)) return nullptr;
      path = quoted_text;
      may_be_path = !path.empty();
    } else if (path_start(text_[at_])) {
      while (!at_end() && path_octet(text_[at_])) ++at_;
      path = std::string(text_.substr(begin, at_ - begin));
      may_be_path = true;
    }
    if (may_be_path) {
      const auto op = operator_here();
      if (!op.empty()) {
        at_ += op.size();
        auto e = values(std::string(full_path(path)), op);
        if (!e || op != "!=") return e;
        auto negated = make(Expr::Kind::none_of);
        negated->children.push_back(std::move(e));
        return negated;
      }
    }
    Value v;
    if (was_quoted) {
      v.literal = v.text = quoted_text;
      v.quoted = true;
    } else {
      at_ = begin;
      if (!value(v, false)) return nullptr;
    }
    if (v.literal.find_first_not_of(" \t\r\n") == std::string::npos) return refuse("an empty word");
    auto e = leaf(Expr::Kind::word);
    if (!e) return nullptr;
    e->wildcard = v.pattern;
    e->value = lower(v.pattern ? v.text : v.literal);
    return e;
  }

  std::string_view text_;
  const ExprLimits& limits_;
  std::size_t at_ = 0;
  std::uint32_t leaves_ = 0;
  QueryError error_;
};

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

bool plain_path(std::string_view path) {
  if (path.empty() || !path_start(path[0]) || path == "OR" || path == "AND" || path == "NOT")
    return false;
  for (const char c : path)
    if (!path_octet(c)) return false;
  return true;
}

void append_pattern(std::string& out, std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      out += c;
      out += pattern[++i];
    } else if (c == '(' || c == ')' || c == '"') {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

void append(std::string& out, const Expr& e) {
  switch (e.kind) {
    case Expr::Kind::all:
    case Expr::Kind::any: {
      if (e.children.empty()) return;
      out += '(';
      bool first = true;
      for (const auto& c : e.children) {
        if (!first) out += e.kind == Expr::Kind::all ? " " : " OR ";
        first = false;
        append(out, *c);
      }
      out += ')';
      return;
    }
    case Expr::Kind::none_of:
      out += "NOT ";
      append(out, *e.children.front());
      return;
    case Expr::Kind::word:
      if (e.wildcard)
        append_pattern(out, e.value);
      else
        append_quoted(out, e.value);
      return;
    case Expr::Kind::condition:
      break;
  }
  if (plain_path(e.path))
    out += e.path;
  else
    append_quoted(out, e.path);
  switch (e.op) {
    case Op::exists:
      out += ":*";
      return;
    case Op::equal:
      out += ':';
      break;
    case Op::contains:
      out += '~';
      break;
    case Op::less:
      out += '<';
      break;
    case Op::less_equal:
      out += "<=";
      break;
    case Op::greater:
      out += '>';
      break;
    case Op::greater_equal:
      out += ">=";
      break;
  }
  if (e.wildcard)
    append_pattern(out, e.value);
  else if (e.network)
    out += e.value;
  else
    append_quoted(out, e.value);
}

}  // namespace

Result<std::unique_ptr<Expr>, QueryError> parse_query(std::string_view text,
                                                      const ExprLimits& limits) {
  return Parser(text, limits).run();
}

std::string query_text(const Expr& expr) {
  std::string out;
  append(out, expr);
  return out;
}

std::string condition_text(std::string_view path, std::string_view op, std::string_view value) {
  std::string out;
  append_quoted(out, path);
  out += op;
  append_quoted(out, value);
  return out;
}

}  // namespace ww::collector
