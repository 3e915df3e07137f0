#pragma once
/// What a NumberGetter puts into `out` when the item at an index exists and has no such number (an
/// LDAP response without a result code). The place counts for indexes; no test is made.
#include <cstdint>

namespace ww::sig {

/// Nothing on a wire is this: the smallest of the signed numbers that some getters give.
inline constexpr std::uint64_t no_value = std::uint64_t{1} << 63;

}  // namespace ww::sig
