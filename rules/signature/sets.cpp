#include "rules/signature/sets.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "rules/signature/text.hpp"

namespace ww::sig {

namespace {
constexpr int max_nesting = 32;
constexpr std::size_t max_intervals = 1U << 20;
}  // namespace

template <class T>
void Intervals<T>::add(T lo, T hi) {
  if (items_.empty() || lo > items_.back().second) {  // in order: the usual case
    if (!items_.empty() && static_cast<T>(items_.back().second + 1) == lo)
      items_.back().second = hi;
    else
      items_.emplace_back(lo, hi);
    return;
  }
  const auto at = std::lower_bound(items_.begin(), items_.end(), std::pair<T, T>(lo, T{}));
  items_.emplace(at, lo, hi);
  std::vector<std::pair<T, T>> out;
  for (const auto& [a, b] : items_) {
    if (!out.empty() && (a <= out.back().second || static_cast<T>(out.back().second + 1) == a))
      out.back().second = std::max(out.back().second, b);
    else
      out.emplace_back(a, b);
  }
  items_ = std::move(out);
}

template <class T>
void Intervals<T>::merge(const Intervals& other) {
  for (const auto& [a, b] : other.items_) add(a, b);
}

template <class T>
void Intervals<T>::remove(const Intervals& other) {
  std::vector<std::pair<T, T>> out;
  std::size_t j = 0;
  for (const auto& range : items_) {
    T at = range.first;
    bool left = true;
    while (j < other.items_.size() && other.items_[j].second < at) ++j;
    for (std::size_t k = j; k < other.items_.size() && other.items_[k].first <= range.second; ++k) {
      const auto& [a, b] = other.items_[k];
      if (a > at) out.emplace_back(at, static_cast<T>(a - 1));
      if (b >= range.second) {
        left = false;
        break;
      }
      at = static_cast<T>(b + 1);
    }
    if (left) out.emplace_back(at, range.second);
  }
  items_ = std::move(out);
}

template class Intervals<std::uint16_t>;
template class Intervals<std::uint32_t>;
template class Intervals<U128>;

U128 to_u128(const IpAddress& a) noexcept {
  return (static_cast<U128>(load_be64(a.octets.data())) << 64) | load_be64(a.octets.data() + 8);
}

bool AddressSet::contains(const IpAddress& a) const noexcept {
  if (any) return true;
  if (a.family == 4) return v4.contains(a.v4_host());
  return a.family == 6 && v6.contains(to_u128(a));
}

namespace {

/// Splits the inside of a group at its own commas.
std::vector<std::string_view> split_group(std::string_view s) {
  std::vector<std::string_view> out;
  int depth = 0;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= s.size(); ++i) {
    if (i < s.size() && s[i] == '[') ++depth;
    if (i < s.size() && s[i] == ']') --depth;
    if (i == s.size() || (s[i] == ',' && depth == 0)) {
      out.push_back(trim(s.substr(from, i - from)));
      from = i + 1;
    }
  }
  return out;
}

/// The grammar that address and port expressions share. Set: what they evaluate to.
template <class Set>
struct Grammar {
  const Variables& vars;
  const char* what;  // "address" or "port", for messages
  Result<Set, std::string> (*leaf)(std::string_view);
  Set (*all)();
  void (*merge)(Set&, const Set&);
  void (*subtract)(Set&, const Set&);
  bool (*empty)(const Set&);

  Result<Set, std::string> parse(std::string_view s, int depth) const {
    s = trim(s);
    if (depth > max_nesting)
      return bad(std::string(what) + " groups or variables are nested too deeply");
    if (s.empty()) return bad(std::string("an empty ") + what);
    if (s.front() == '!') {
      auto inner = parse(s.substr(1), depth + 1);
      if (!inner) return inner;
      Set out = all();
      subtract(out, *inner);
      if (empty(out)) return bad("'" + std::string(s) + "' can never match");
      return out;
    }
    if (s.front() == '$') {
      const auto it = vars.find(std::string(s.substr(1)));
      if (it == vars.end())
        return bad(std::string(what) + " variable '" + std::string(s) + "' is not defined");
      return parse(it->second, depth + 1);
    }
    if (s.front() == '[') {
      if (s.back() != ']') return bad("group '" + std::string(s) + "' has no closing ]");
      Set plus{}, minus{};
      bool has_plus = false;
      for (const auto part : split_group(s.substr(1, s.size() - 2))) {
        if (part.empty()) return bad("an empty item in group '" + std::string(s) + "'");
        const bool negated = part.front() == '!';
        auto set = parse(negated ? part.substr(1) : part, depth + 1);
        if (!set) return set;
        merge(negated ? minus : plus, *set);
        has_plus |= !negated;
      }
      if (!has_plus) plus = all();
      subtract(plus, minus);
      if (empty(plus)) return bad("group '" + std::string(s) + "' excludes all that it includes");
      return plus;
    }
    return leaf(s);
  }
};

AddressSet every_address() {
  AddressSet s;
  s.v4.add(0, UINT32_MAX);
  s.v6.add(0, ~static_cast<U128>(0));
  return s;
}

Result<AddressSet, std::string> address_leaf(std::string_view s) {
  AddressSet out;
  if (s == "any") return every_address();
  const auto wrong = [&] {
    return bad("'" + std::string(s) + "' is not an address, prefix or range");
  };
  if (const auto dash = s.find('-'); dash != std::string_view::npos) {
    const auto a = parse_ip(trim(s.substr(0, dash))), b = parse_ip(trim(s.substr(dash + 1)));
    if (!a || !b || a->family != b->family) return wrong();
    if (a->family == 4) {
      if (a->v4_host() > b->v4_host()) return bad("range '" + std::string(s) + "' is backwards");
      out.v4.add(a->v4_host(), b->v4_host());
    } else {
      if (to_u128(*a) > to_u128(*b)) return bad("range '" + std::string(s) + "' is backwards");
      out.v6.add(to_u128(*a), to_u128(*b));
    }
    return out;
  }
  const auto net = parse_network(s);
  if (!net) return wrong();
  if (net->address.family == 4) {
    const std::uint32_t host = net->prefix >= 32 ? 0 : UINT32_MAX >> net->prefix;
    const auto base = net->address.v4_host() & ~host;
    out.v4.add(base, base | host);
  } else {
    const U128 ones = ~static_cast<U128>(0);
    const U128 host = net->prefix >= 128 ? 0 : ones >> net->prefix;
    const auto base = to_u128(net->address) & ~host;
    out.v6.add(base, base | host);
  }
  return out;
}

Result<PortSet, std::string> port_leaf(std::string_view s) {
  PortSet out;
  if (s == "any") {
    out.add(0, 65535);
    return out;
  }
  const auto number = [](std::string_view t) -> std::optional<std::uint16_t> {
    const auto v = parse_unsigned(t);
    if (!v || *v > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*v);
  };
  std::optional<std::uint16_t> lo, hi;
  if (const auto colon = s.find(':'); colon != std::string_view::npos) {
    const auto a = trim(s.substr(0, colon)), b = trim(s.substr(colon + 1));
    lo = a.empty() ? std::uint16_t{0} : number(a);
    hi = b.empty() ? std::uint16_t{65535} : number(b);
  } else {
    lo = hi = number(s);
  }
  if (!lo || !hi) return bad("'" + std::string(s) + "' is not a port or port range");
  if (*lo > *hi) return bad("port range '" + std::string(s) + "' is backwards");
  out.add(*lo, *hi);
  return out;
}

}  // namespace

Result<AddressSet, std::string> parse_addresses(std::string_view text, const Variables& vars) {
  const Grammar<AddressSet> grammar{
      vars,
      "address",
      address_leaf,
      every_address,
      [](AddressSet& a, const AddressSet& b) {
        a.v4.merge(b.v4);
        a.v6.merge(b.v6);
      },
      [](AddressSet& a, const AddressSet& b) {
        a.v4.remove(b.v4);
        a.v6.remove(b.v6);
      },
      [](const AddressSet& a) { return a.v4.empty() && a.v6.empty(); }};
  auto out = grammar.parse(text, 0);
  if (out) out->any = out->v4.full() && out->v6.full();
  if (out && out->v4.items().size() + out->v6.items().size() > max_intervals)
    return bad("the address expression has too many ranges");
  return out;
}

Result<PortSet, std::string> parse_ports(std::string_view text, const Variables& vars) {
  const Grammar<PortSet> grammar{vars,
                                 "port",
                                 port_leaf,
                                 [] {
                                   PortSet s;
                                   s.add(0, 65535);
                                   return s;
                                 },
                                 [](PortSet& a, const PortSet& b) { a.merge(b); },
                                 [](PortSet& a, const PortSet& b) { a.remove(b); },
                                 [](const PortSet& a) { return a.empty(); }};
  return grammar.parse(text, 0);
}

}  // namespace ww::sig
