#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "playbooks/pattern_node.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/ip.hpp"

namespace ww::playbooks {
namespace {

using Kind = PatternValue::Kind;

std::optional<double> as_number(const PatternValue& v) {
  if (v.kind == Kind::number || v.kind == Kind::flag) return v.number;
  if (v.kind != Kind::text || v.text.empty()) return {};
  double d = 0;
  const auto done = std::from_chars(v.text.data(), v.text.data() + v.text.size(), d);
  if (done.ec != std::errc() || done.ptr != v.text.data() + v.text.size()) return {};
  return d;
}

std::optional<bool> as_flag(const PatternValue& v) {
  if (v.kind == Kind::flag) return v.number != 0;
  if (v.text == "true" || v.text == "True" || v.text == "1") return true;
  if (v.text == "false" || v.text == "False" || v.text == "0") return false;
  return {};
}

/// -1, 0, 1, or nothing when the two cannot be compared.
std::optional<int> order(const PatternValue& a, const PatternValue& b) {
  const auto three = [](const auto& x, const auto& y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.kind == Kind::flag || b.kind == Kind::flag) {
    const auto x = as_flag(a), y = as_flag(b);
    if (!x || !y) return {};
    return three(static_cast<int>(*x), static_cast<int>(*y));
  }
  if (a.kind == Kind::time || b.kind == Kind::time) {
    const auto x = parse_time(a.text), y = parse_time(b.text);
    if (!x || !y) return {};
    return three(x->us, y->us);
  }
  if (a.kind == Kind::number || b.kind == Kind::number) {
    const auto x = as_number(a), y = as_number(b);
    if (!x || !y) return {};
    return three(*x, *y);
  }
  return three(a.text, b.text);
}

/// SQL's LIKE: % any text, _ any one character (of UTF-8).
bool like(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = std::string_view::npos, from = 0;
  const auto step = [&](std::size_t i) {
    ++i;
    while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) ++i;
    return i;
  };
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      ++p;
      t = step(t);
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = step(from);
      from = t;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

bool matches(std::string_view text, std::string_view expression) {
  int error = 0;
  PCRE2_SIZE at = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                    PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF, &error, &at,
                    nullptr),
      &pcre2_code_free);
  if (!code) return false;
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), 100'000);
  pcre2_set_depth_limit(context.get(), 1'000);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                     data.get(), context.get()) >= 0;
}

std::optional<IpNetwork> network(std::string_view text) {
  if (auto n = parse_network(text)) return n;
  const auto a = parse_ip(text);
  if (!a) return {};
  return IpNetwork{*a, static_cast<std::uint8_t>(a->size() * 8)};
}

bool within(const std::string& inner, const std::string& outer) {
  const auto a = network(inner), b = network(outer);
  return a && b && a->address.family == b->address.family && a->prefix >= b->prefix &&
         b->contains(a->address);
}

class Evaluation {
 public:
  explicit Evaluation(const PatternLookup& lookup) : lookup_(lookup) {}

  bool truth(const PatternNode& n) const {
    switch (n.kind) {
      case PatternNode::Kind::all:
        return std::all_of(n.parts.begin(), n.parts.end(),
                           [&](const auto& p) { return truth(*p); });
      case PatternNode::Kind::any:
        return std::any_of(n.parts.begin(), n.parts.end(),
                           [&](const auto& p) { return truth(*p); });
      case PatternNode::Kind::comparison:
        return compare(n);
      case PatternNode::Kind::followed_by:
      case PatternNode::Kind::qualified:
        return false;  // needs time, which one observation has not
    }
    return false;
  }

 private:
  std::optional<PatternValue> value(const Operand& o) const {
    if (o.path) return lookup_(*o.path);
    return o.value;
  }
  bool compare(const PatternNode& n) const {
    const auto left = value(n.left);
    if (n.comparison == Comparison::exists)
      return (left.has_value() && left->kind != Kind::none) != n.negated;
    if (!left || left->kind == Kind::none) return false;
    if (n.comparison == Comparison::in) {
      const bool found = std::any_of(n.set.begin(), n.set.end(),
                                     [&](const auto& v) { return order(*left, v) == 0; });
      return found != n.negated;
    }
    const auto right = value(n.right);
    if (!right || right->kind == Kind::none) return false;
    const auto result = compare(n.comparison, *left, *right);
    return result && *result != n.negated;
  }
  static std::optional<bool> compare(Comparison c, const PatternValue& a, const PatternValue& b) {
    switch (c) {
      case Comparison::like:
        return like(a.text, b.text);
      case Comparison::matches:
        return matches(a.text, b.text);
      case Comparison::subset:
        return within(a.text, b.text);
      case Comparison::superset:
        return within(b.text, a.text);
      default:
        break;
    }
    const auto o = order(a, b);
    if (!o) {
      // Two things of different kinds are certainly not equal.
      if (c == Comparison::equal) return false;
      if (c == Comparison::not_equal) return true;
      return {};
    }
    switch (c) {
      case Comparison::equal:
        return *o == 0;
      case Comparison::not_equal:
        return *o != 0;
      case Comparison::less:
        return *o < 0;
      case Comparison::less_equal:
        return *o <= 0;
      case Comparison::greater:
        return *o > 0;
      default:
        return *o >= 0;
    }
  }
  const PatternLookup& lookup_;
};

}  // namespace

bool evaluate(const Pattern& pattern, const PatternLookup& lookup) {
  return pattern.root != nullptr && Evaluation(lookup).truth(*pattern.root);
}

}  // namespace ww::playbooks
