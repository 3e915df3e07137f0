#include "collector/store/query_eval.hpp"

#include <algorithm>
#include <charconv>

#include "collector/store/block.hpp"
#include "collector/store/words.hpp"

namespace ww::collector {
namespace {

char lower_octet(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_lower(std::string_view lowered, std::string_view value) {
  if (lowered.size() != value.size()) return false;
  for (std::size_t i = 0; i < value.size(); ++i)
    if (lower_octet(value[i]) != lowered[i]) return false;
  return true;
}

/// Position of `lowered` in `value` from `from`, case ignored.
std::size_t find_lower(std::string_view value, std::string_view lowered, std::size_t from) {
  if (lowered.empty()) return from <= value.size() ? from : std::string_view::npos;
  if (value.size() < lowered.size()) return std::string_view::npos;
  const char low = lowered[0];
  const char up = low >= 'a' && low <= 'z' ? static_cast<char>(low - 32) : low;
  const auto last = value.size() - lowered.size();
  for (std::size_t i = from; i <= last; ++i) {
    if (value[i] != low && value[i] != up) continue;
    if (equal_lower(lowered, value.substr(i, lowered.size()))) return i;
  }
  return std::string_view::npos;
}

bool has_word(std::string_view value, std::string_view lowered) {
  for (std::size_t at = 0;; ++at) {
    at = find_lower(value, lowered, at);
    if (at == std::string_view::npos) return false;
    const auto end = at + lowered.size();
    if (at > 0 && is_word(lowered.front()) && is_word(value[at - 1])) continue;
    if (end < value.size() && is_word(lowered.back()) && is_word(value[end])) continue;
    return true;
  }
}

bool has_word_pattern(std::string_view value, std::string_view pattern, std::string_view extra) {
  const auto belongs = [&](char c) {
    return is_word(c) || extra.find(lower_octet(c)) != std::string_view::npos;
  };
  std::string chunk;
  std::size_t i = 0;
  while (i < value.size()) {
    if (!belongs(value[i])) {
      ++i;
      continue;
    }
    const auto begin = i;
    while (i < value.size() && belongs(value[i])) ++i;
    lower_into(chunk, value.substr(begin, i - begin));
    if (glob(pattern, chunk)) return true;
  }
  return false;
}

std::optional<double> as_number(std::string_view text) {
  double d = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), d);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return {};
  return d;
}

bool ordered(Op op, int sign) {
  switch (op) {
    case Op::less:
      return sign < 0;
    case Op::less_equal:
      return sign <= 0;
    case Op::greater:
      return sign > 0;
    case Op::greater_equal:
      return sign >= 0;
    default:
      return false;
  }
}

/// Literal pieces of a pattern between wildcards.
struct Piece {
  std::string text;
  bool open_left = false, open_right = false;  // a wildcard touches this side
};
std::vector<Piece> pieces(std::string_view pattern) {
  std::vector<Piece> out(1);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      out.back().text += pattern[++i];
    } else if (pattern[i] == '*' || pattern[i] == '?') {
      out.back().open_right = true;
      out.emplace_back().open_left = true;
    } else {
      out.back().text += pattern[i];
    }
  }
  return out;
}

void piece_tokens(const Piece& p, std::vector<std::uint64_t>& out) {
  for_each_token(std::string_view(p.text),
                 [&](std::uint64_t token, std::size_t begin, std::size_t end) {
                   if (p.open_left && begin == 0) return;
                   if (p.open_right && end == p.text.size()) return;
                   out.push_back(token);
                 });
}

}  // namespace

bool glob(std::string_view pattern, std::string_view value) {
  std::size_t p = 0;
  std::size_t v = 0;
  std::size_t star = std::string_view::npos;
  std::size_t mark = 0;
  while (v < value.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = v;
      continue;
    }
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\';
    if (p < pattern.size() &&
        ((pattern[p] == '?' && !escaped) || pattern[p + (escaped ? 1 : 0)] == value[v])) {
      p += escaped ? 2 : 1;
      ++v;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    v = ++mark;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Matcher::Matcher(std::unique_ptr<Expr> expr) : root_(std::move(expr)) {
  collect(*root_);
  for (const auto& leaf : leaves_) {
    uses_filter_ |= !leaf.all_tokens.empty() || !leaf.any_tokens.empty();
    uses_columns_ |= !leaf.any_tokens.empty() && !wordless(leaf.expr->path);
  }
}

void Matcher::collect(const Expr& e) {
  if (e.kind != Expr::Kind::condition && e.kind != Expr::Kind::word) {
    for (const auto& c : e.children) collect(*c);
    return;
  }
  if (leaves_.size() <= e.leaf) leaves_.resize(e.leaf + 1);
  auto& leaf = leaves_[e.leaf];
  leaf.expr = &e;
  if (e.kind == Expr::Kind::word) {
    words_.push_back(e.leaf);
    if (e.wildcard) {
      for (const auto& p : pieces(e.value)) {
        piece_tokens(p, leaf.all_tokens);
        for (const char c : p.text)
          if (!is_word(c)) leaf.chunk_extra += c;
      }
    } else {
      piece_tokens({e.value}, leaf.all_tokens);
    }
    return;
  }
  fields_.push_back(e.leaf);
  leaf.path_hash = hash64(e.path);
  leaf.stream_path = e.path == "event_type" || e.path == "ww.site" || e.path == "ww.sensor";
  if (e.op == Op::contains) {
    if (!wordless(e.path)) piece_tokens({e.value, true, true}, leaf.all_tokens);
  } else if (e.op == Op::equal && e.wildcard) {
    if (!wordless(e.path))
      for (const auto& p : pieces(e.value)) piece_tokens(p, leaf.all_tokens);
  } else if (e.op == Op::equal && !e.network) {
    const bool numeric = e.number || as_number(e.value).has_value();
    if (e.value.size() <= max_whole_value) {
      leaf.any_tokens.push_back(pair_token(e.path, e.value));
      // The filter knows numbers in one form only, also those that the query quotes as text.
      if (numeric) leaf.any_tokens.push_back(pair_token(e.path, canonical_number(e.value)));
    }
    // A number has many spellings, so its words prove nothing.
    if (!numeric && !wordless(e.path)) piece_tokens({e.value}, leaf.all_tokens);
  }
}

std::uint64_t Matcher::filter_leaves(std::string_view filter) const {
  std::uint64_t out = ~std::uint64_t{0};
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const auto& leaf = leaves_[i];
    bool may = leaf.any_tokens.empty();
    for (const auto t : leaf.any_tokens) may = may || Filter::may_have(filter, t);
    for (const auto t : leaf.all_tokens) may = may && Filter::may_have(filter, t);
    if (!may) out &= ~(std::uint64_t{1} << i);
  }
  return out;
}

EventBits Matcher::on_columns(const Columns& columns) const {
  return columns_eval(*root_, columns);
}

EventBits Matcher::columns_eval(const Expr& e, const Columns& columns) const {
  switch (e.kind) {
    case Expr::Kind::all: {
      EventBits out(columns.events(), true);
      for (const auto& c : e.children) out &= columns_eval(*c, columns);
      return out;
    }
    case Expr::Kind::any: {
      EventBits out(columns.events(), false);
      for (const auto& c : e.children) out |= columns_eval(*c, columns);
      return out;
    }
    case Expr::Kind::condition: {
      if (wordless(e.path)) break;  // no column
      const auto& leaf = leaves_[e.leaf];
      // Whatever else a condition asks for, there must be a value.
      return leaf.any_tokens.empty() ? columns.having(leaf.path_hash)
                                     : columns.having(leaf.path_hash, leaf.any_tokens);
    }
    default:
      break;
  }
  return {columns.events(), true};
}

bool Matcher::leaf_on_value(const Leaf& leaf, ScalarKind kind, std::string_view value) {
  const auto& e = *leaf.expr;
  switch (e.op) {
    case Op::exists:
      return kind != ScalarKind::null;
    case Op::contains:
      return kind != ScalarKind::null && find_lower(value, e.value, 0) != std::string_view::npos;
    case Op::equal:
      if (e.network) {
        if (kind != ScalarKind::string) return false;
        const auto ip = parse_ip(value);
        return (ip && e.network->contains(*ip)) || equal_lower(e.value, value);
      }
      if (e.wildcard) return kind != ScalarKind::null && glob(e.value, lower(value));
      if (equal_lower(e.value, value)) return true;
      return kind == ScalarKind::number && e.number &&
             canonical_number(value) == canonical_number(e.value);
    default:
      break;
  }
  if (kind == ScalarKind::null) return false;
  if (e.number) {
    const auto n = as_number(value);
    if (n) return ordered(e.op, *n < *e.number ? -1 : *n > *e.number ? 1 : 0);
    if (kind == ScalarKind::number) return false;
  }
  return ordered(e.op, lower(value).compare(e.value));
}

struct Matcher::Sink {
  const Matcher& m;
  std::uint64_t hits = 0;
  void scalar(ScalarKind kind, std::string_view value, std::string_view path) {
    for (const auto i : m.fields_) {
      const auto& leaf = m.leaves_[i];
      if (leaf.expr->path.size() != path.size() || (hits >> i & 1) != 0 || leaf.expr->path != path)
        continue;
      if (leaf_on_value(leaf, kind, value)) hits |= std::uint64_t{1} << i;
    }
    if (m.words_.empty() || kind == ScalarKind::null || wordless(path)) return;
    for (const auto i : m.words_) {
      if ((hits >> i & 1) != 0) continue;
      const auto& leaf = m.leaves_[i];
      const auto& e = *leaf.expr;
      if (e.wildcard ? has_word_pattern(value, e.value, leaf.chunk_extra)
                     : has_word(value, e.value))
        hits |= std::uint64_t{1} << i;
    }
  }
};

bool Matcher::on_event(std::string_view json, EventScanner& scanner) const {
  if (everything()) return true;
  Sink sink{*this};
  // An object that is not valid JSON cannot have been stored; what was seen of it counts.
  static_cast<void>(scanner.scan(json, sink));
  return eval(*root_, sink.hits);
}

bool Matcher::eval(const Expr& e, std::uint64_t hits) const {
  switch (e.kind) {
    case Expr::Kind::all:
      return std::all_of(e.children.begin(), e.children.end(),
                         [&](const auto& c) { return eval(*c, hits); });
    case Expr::Kind::any:
      return std::any_of(e.children.begin(), e.children.end(),
                         [&](const auto& c) { return eval(*c, hits); });
    case Expr::Kind::none_of:
      return !eval(*e.children.front(), hits);
    default:
      return (hits >> e.leaf & 1) != 0;
  }
}

Maybe Matcher::on_stream(const StreamName& stream, std::uint64_t filter_leaves) const {
  return stream_eval(*root_, stream, filter_leaves);
}

Maybe Matcher::stream_eval(const Expr& e, const StreamName& s, std::uint64_t filter_leaves) const {
  switch (e.kind) {
    case Expr::Kind::all: {
      auto out = Maybe::yes;
      for (const auto& c : e.children) out = std::min(out, stream_eval(*c, s, filter_leaves));
      return out;
    }
    case Expr::Kind::any: {
      auto out = Maybe::no;
      for (const auto& c : e.children) out = std::max(out, stream_eval(*c, s, filter_leaves));
      return out;
    }
    case Expr::Kind::none_of: {
      const auto child = stream_eval(*e.children.front(), s, filter_leaves);
      return child == Maybe::no ? Maybe::yes : child == Maybe::yes ? Maybe::no : Maybe::maybe;
    }
    default:
      break;
  }
  if ((filter_leaves >> e.leaf & 1) == 0) return Maybe::no;
  const auto& leaf = leaves_[e.leaf];
  if (!leaf.stream_path) return Maybe::maybe;
  const auto& value = e.path == "event_type" ? s.type : e.path == "ww.site" ? s.site : s.sensor;
  if (value.empty()) return Maybe::maybe;  // not in the event, or an event of no known type
  return leaf_on_value(leaf, ScalarKind::string, value) ? Maybe::yes : Maybe::no;
}

}  // namespace ww::collector
