#pragma once
/// How the points of each group and variation are laid out.
#include <cstdint>
#include <string_view>
#include <vector>

namespace ww::dnp3 {

/// One field. Octets are little-endian.
struct Field {
  enum class Kind : std::uint8_t {
    bits,       ///< `width` bits of the octet that the first field of a run of bits starts
    u,          ///< unsigned, `width` octets
    i,          ///< signed, `width` octets
    real,       ///< IEEE 754, `width` octets
    text,       ///< characters, as many as the field `length` says
    octets,     ///< the same, not text
    rest_text,  ///< what is left of the size in the prefix
    rest_octets
  };
  Kind kind = Kind::u;
  std::uint8_t width = 1;
  std::string_view name;
  std::string_view length = {};
};
struct Layout {
  bool packed = false;          ///< points of 1 or 2 bits, without prefix
  bool size_prefix = false;     ///< needs a prefix that is a size (codes 4 to 6)
  bool two_octet_size = false;  ///< needs prefix code 5
  std::vector<Field> fields;
};
/// @return null when there is none
const Layout* find_layout(std::uint8_t group, std::uint8_t variation);

}  // namespace ww::dnp3
