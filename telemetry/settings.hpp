#pragma once
/// A configuration tree by dotted path, with Suricata's YAML conventions: sequences are numbered
/// ("outputs.1.eve-log"), a sequence item that is a one-key map is also reachable by that key
/// ("outputs.eve-log.enabled"), sizes take kb/mb/gb, booleans take yes/no/true/false/on/off/1/0.
/// Remembers which keys were read, so a process can name the ones it ignores.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww {

/// Files of Suricata are taken as it takes them. In files of ours what would be passed over in
/// silence is a mistake with its line: a key given twice, a second document, a top that is not KEY:
/// VALUE.
enum class YamlRules : std::uint8_t { lenient, strict };

class Settings {
 public:
  /// The octets of a file, none when it cannot be read: to tell whether it has changed since.
  [[nodiscard]] static std::string file_text(const std::string& path);
  /// Loads YAML (with `include:` relative to the file). An empty file is an empty tree. What is no
  /// text file (a folder, NUL octets) is refused.
  [[nodiscard]] static Result<Settings, Problem> from_yaml_file(
      const std::string& path, YamlRules rules = YamlRules::lenient);
  [[nodiscard]] static Result<Settings, Problem> from_yaml(std::string_view text,
                                                           const std::string& name,
                                                           YamlRules rules = YamlRules::lenient);

  /// Overrides one value; "a.b=c" is split by set_assignment.
  void set(std::string_view path, std::string_view value);
  [[nodiscard]] Result<void, Problem> set_assignment(std::string_view assignment);
  /// Takes every value of `other` that this tree does not have.
  void merge_defaults(const Settings& other);

  [[nodiscard]] bool has(std::string_view path) const;  ///< a value or anything below the path
  [[nodiscard]] std::optional<std::string> text(std::string_view path) const;
  [[nodiscard]] std::string text_or(std::string_view path, std::string_view fallback) const;
  [[nodiscard]] bool flag_or(std::string_view path, bool fallback) const;
  [[nodiscard]] std::int64_t integer_or(std::string_view path, std::int64_t fallback) const;
  [[nodiscard]] std::uint64_t size_or(std::string_view path,
                                      std::uint64_t fallback) const;  ///< octets
  /// Values of a sequence of scalars ("a.b.0", "a.b.1", ...), or the one scalar.
  [[nodiscard]] std::vector<std::string> list(std::string_view path) const;
  /// Names directly below a path, in file order (sequence positions are "0", "1", ...).
  [[nodiscard]] std::vector<std::string> children(std::string_view path) const;
  /// The tree below a path as one of its own.
  [[nodiscard]] Settings below(std::string_view path) const;
  /// Leaf paths nobody asked for, in order.
  [[nodiscard]] std::vector<std::string> unread() const;
  void mark_read(std::string_view prefix) const;  ///< everything at or below counts as read
  /// file:line of a leaf when it came from a file, else "".
  [[nodiscard]] std::string where(std::string_view path) const;
  /// Where a person should look: file:line of the leaf, else of the first value below the path,
  /// else below the closest path above that has one, else the file. "configuration" when there was
  /// no file.
  [[nodiscard]] std::string nearest_place(std::string_view path) const;
  enum class Shape : std::uint8_t { absent, value, list, map };
  /// What stands at a path. A key without a value (`key:`) is a value; an empty list is one too.
  [[nodiscard]] Shape shape(std::string_view path) const;
  /// A process-wide unique number of this content: copies share it, every change gives a new one.
  /// Lets code on a hot path keep what it made from the settings instead of reading them again.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

 private:
  struct Leaf {
    std::string value;
    std::string where;
    std::uint32_t order = 0;
  };
  [[nodiscard]] const Leaf* find(std::string_view path) const;
  [[nodiscard]] std::string resolve(std::string_view path) const;
  std::map<std::string, Leaf, std::less<>> leaves_;
  mutable std::set<std::string, std::less<>> read_;
  static std::uint64_t next_revision();
  std::string file_;
  std::uint32_t next_order_ = 0;
  std::uint64_t revision_ = next_revision();
  friend class SettingsLoader;
};

/// "10", "10kb", "1 MiB", "2gb" to octets (1024-based, as Suricata reads them).
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::optional<bool> parse_flag(std::string_view text);

}  // namespace ww
