#pragma once
/// DNP3 application objects: IEEE 1815-2012 annex A. A table says how each group and variation is
/// laid out; what it does not know ends the reading, for an object has no length of its own.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::dnp3 {

struct Value {
  enum class Kind : std::uint8_t { number, real, text, octets };
  std::string_view name;  ///< of the table: lives as long as the program
  Kind kind = Kind::number;
  std::int64_t number = 0;
  double real = 0;
  std::string data;
};
struct Point {
  std::uint32_t prefix = 0, index = 0;
  std::vector<Value> values;
};
/// An object header and its points.
struct Object {
  std::uint8_t group = 0, variation = 0, qualifier = 0;
  std::uint32_t start = 0, stop = 0, count = 0;
  std::vector<Point> points;
  [[nodiscard]] std::uint8_t prefix_code() const { return (qualifier >> 4) & 7; }
  [[nodiscard]] std::uint8_t range_code() const { return qualifier & 15; }
};

enum class ObjectError : std::uint8_t {
  none,
  truncated,        ///< not enough octets, or a reserved range code
  unknown_object,   ///< group and variation are not in the table
  malformed,        ///< a point does not fit its layout
  too_many_points,  ///< Limits::points
  too_many_objects  ///< Limits::objects
};
struct ObjectLimits {
  std::size_t points = 16384;  ///< of one message
  std::size_t objects = 2048;
  bool keep_points = true;  ///< false: they are checked and dropped
};

/// @param octets  what follows the application header
/// @param out     all objects before the violation are kept, the last one maybe in part
[[nodiscard]] ObjectError read_objects(Bytes octets, const ObjectLimits& limits,
                                       std::vector<Object>& out);

}  // namespace ww::dnp3
