#pragma once
/// A Sigma rule as a tree of values, before it is compiled: what modifiers, pipelines and filters
/// work on.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/sigma/text.hpp"
#include "telemetry/ip.hpp"

namespace ww::sigma {

enum class Compare : std::uint8_t { lt, lte, gt, gte };
enum class TimePart : std::uint8_t { none, minute, hour, day, week, month, year };
enum class RefMode : std::uint8_t { equals, contains, startswith, endswith };

/// One value of a detection item, as written and after the modifiers so far.
struct Operand {
  enum class Kind : std::uint8_t {
    null,    ///< null value or absent field
    string,  ///< with wildcards
    number,  ///< unquoted number: compares as a number with numbers, as text with strings
    boolean,
    regex,
    cidr,
    compare,  ///< lt lte gt gte
    exists,
    fieldref
  };
  Kind kind = Kind::string;
  Str str;          ///< string; for number and boolean its text
  std::string raw;  ///< as written in the file; the expression of a regex; the field of a fieldref
  double number = 0;  ///< compare, number
  bool flag = false;  ///< boolean, exists
  Compare op = Compare::lt;
  RefMode ref = RefMode::equals;
  IpNetwork network;  ///< cidr
  bool regex_i = false, regex_m = false, regex_s = false;
};

/// `Field|modifiers: values`. Without a field name it is a keyword search over all values of the
/// event.
struct Item {
  std::string field;                   ///< empty = keywords
  std::vector<std::string> modifiers;  ///< as written
  std::vector<Operand> values;
  bool all = false;  ///< every value must match, not just one
  bool cased = false;
  bool negated = false;  ///< neq
  TimePart part = TimePart::none;
  std::uint32_t line = 0;
  std::vector<std::string> applied;  ///< ids of processing items (pipelines)
};

/// The inside of one search identifier: and/or over items, nested as the file nests maps and lists.
struct Detection {
  enum class Op : std::uint8_t { all_of, any_of, item };
  Op op = Op::all_of;
  std::vector<Detection> parts;
  Item item;
};

/// A parsed condition.
struct Condition {
  enum class Op : std::uint8_t { all_of, any_of, negate, identifier, constant };
  Op op = Op::identifier;
  std::vector<Condition> parts;
  std::string text;    ///< identifier; for a quantifier the words it came from
  bool value = false;  ///< constant
};

struct LogSource {
  std::string category, product, service, definition;
  [[nodiscard]] bool empty() const {
    return category.empty() && product.empty() && service.empty();
  }
  /// This one asks for nothing that the other does not have.
  [[nodiscard]] bool covers(const LogSource& other) const {
    return (category.empty() || category == other.category) &&
           (product.empty() || product == other.product) &&
           (service.empty() || service == other.service);
  }
  bool operator==(const LogSource&) const = default;
};

struct Named {
  std::string name;
  Detection detection;
};

}  // namespace ww::sigma
