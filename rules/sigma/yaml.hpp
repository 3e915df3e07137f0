#pragma once
/// YAML 1.1 as the Sigma tool chain reads it (libyaml), into a small tree that keeps line numbers
/// and whether a scalar was quoted. Bounded: nesting, nodes and alias expansion have limits, so a
/// hostile file ends in an error.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::sigma {

struct YamlNode {
  enum class Kind : std::uint8_t { scalar, sequence, mapping };
  Kind kind = Kind::scalar;
  bool quoted =
      false;  ///< scalar: written with quotes or as a block, so it is text whatever it looks like
  std::uint32_t line = 0;       ///< 1-based, in the file
  std::string text;             ///< scalar
  std::vector<YamlNode> items;  ///< sequence: the items; mapping: key, value, key, value...

  [[nodiscard]] bool is_map() const { return kind == Kind::mapping; }
  [[nodiscard]] bool is_list() const { return kind == Kind::sequence; }
  [[nodiscard]] bool is_scalar() const { return kind == Kind::scalar; }
  /// Plain `~`, `null` or nothing at all.
  [[nodiscard]] bool is_null() const;
  /// true/false and YAML 1.1's yes/no/on/off when plain.
  [[nodiscard]] std::optional<bool> boolean() const;
  /// The value under a key of a mapping, or nullptr.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
  [[nodiscard]] YamlNode* find(std::string_view key);
  /// The text under a key, or "" when absent or not a scalar.
  [[nodiscard]] std::string_view get(std::string_view key) const;
  /// A list of scalars, or the one scalar, as texts.
  [[nodiscard]] std::vector<std::string> texts() const;
};

struct YamlError {
  std::string message;
  std::uint32_t line = 0;
};

struct YamlLimits {
  std::uint32_t max_depth = 64;
  std::uint32_t max_nodes = 200'000;  ///< per document, alias copies included
};

/// One document of a stream: where it stands and its text.
struct YamlPart {
  std::string_view text;
  std::uint32_t first_line = 1;
};
/// Splits at `---` lines, so that one broken document does not take its neighbours down. Parts with
/// nothing but comments are left out.
[[nodiscard]] std::vector<YamlPart> split_documents(std::string_view file);

/// Parses one document. Duplicate keys of a mapping are refused.
[[nodiscard]] Result<YamlNode, YamlError> parse_yaml(const YamlPart& part,
                                                     const YamlLimits& limits = {});

}  // namespace ww::sigma
