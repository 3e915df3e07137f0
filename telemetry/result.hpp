#pragma once
/// Value-or-error for every path that outside bytes can reach. gcc 12 has no std::expected in
/// C++20.
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace ww {

template <class T, class E>
using Result = tl::expected<T, E>;

template <class E>
[[nodiscard]] constexpr auto fail(E e) {
  return tl::unexpected<E>(std::move(e));
}

/// An error meant for a person: what went wrong, where (file:line, URL, path), what to do about it.
struct Problem {
  std::string what;
  std::string where;
  std::string remedy;
  /// One line: "where: what; remedy".
  [[nodiscard]] std::string text() const;
};

}  // namespace ww
