#pragma once
/// Address and port sets of rule headers: groups, negation, variables, ranges, as sorted intervals.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/ip.hpp"
#include "telemetry/result.hpp"

namespace ww::sig {

__extension__ using U128 = unsigned __int128;

/// Sorted, disjoint, merged closed intervals.
template <class T>
class Intervals {
 public:
  void add(T lo, T hi);
  void remove(const Intervals& other);
  void merge(const Intervals& other);
  [[nodiscard]] bool contains(T v) const noexcept {
    std::size_t a = 0, b = items_.size();
    while (a < b) {
      const auto m = (a + b) / 2;
      if (v < items_[m].first)
        b = m;
      else if (v > items_[m].second)
        a = m + 1;
      else
        return true;
    }
    return false;
  }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] bool full() const {
    return items_.size() == 1 && items_[0].first == T{} && items_[0].second == static_cast<T>(~T{});
  }
  [[nodiscard]] const std::vector<std::pair<T, T>>& items() const { return items_; }
  bool operator==(const Intervals&) const = default;

 private:
  std::vector<std::pair<T, T>> items_;
};
extern template class Intervals<std::uint16_t>;
extern template class Intervals<std::uint32_t>;
extern template class Intervals<U128>;

using PortSet = Intervals<std::uint16_t>;

struct AddressSet {
  Intervals<std::uint32_t> v4;
  Intervals<U128> v6;
  bool any = false;
  [[nodiscard]] bool contains(const IpAddress& a) const noexcept;
};
[[nodiscard]] U128 to_u128(const IpAddress& a) noexcept;

using Variables = std::map<std::string, std::string>;

/// `any`, addresses, prefixes, ranges, `!`, `[a,b,![c]]`, `$NAME`. Fails on unknown names, loops
/// and empty results.
[[nodiscard]] Result<AddressSet, std::string> parse_addresses(std::string_view text,
                                                              const Variables& vars);
/// `any`, `80`, `1:1024`, `:1024`, `1024:`, `!`, groups, `$NAME`.
[[nodiscard]] Result<PortSet, std::string> parse_ports(std::string_view text,
                                                       const Variables& vars);

}  // namespace ww::sig
