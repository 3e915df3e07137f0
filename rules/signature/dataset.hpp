#pragma once
/// Sets of values that rules look up and add to: `dataset` and `datarep`. Shared by all workers,
/// bounded.
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

namespace ww::sig {

class Dataset {
 public:
  enum class Type : std::uint8_t { string, md5, sha256, ipv4, ip };
  enum class Format : std::uint8_t { csv, json, ndjson };
  struct Options {
    std::string name;
    Type type = Type::string;
    Format format = Format::csv;
    std::string load, save;  ///< file paths; state = both
    bool must_exist = true;  ///< load: a missing file is an error; state: it is not
    std::string value_key, array_key;
    bool remove_key = false;
    std::uint64_t max_octets = 100ULL << 20;
    bool reputation = false;  ///< datarep: lines are value,number
  };
  /// Reads the load file. Errors name the file and line.
  [[nodiscard]] static Result<std::shared_ptr<Dataset>, std::string> make(Options options);
  /// True when a second rule's options fit this set.
  [[nodiscard]] Result<void, std::string> compatible(const Options& other) const;

  struct Found {
    bool found = false;
    std::uint16_t reputation = 0;
    bool has_reputation = false;
    const std::string* json = nullptr;  ///< value's JSON object; lives as long as the set
  };
  [[nodiscard]] Found find(Bytes value) const;
  bool add(Bytes value);  ///< false: was there, or the set is full
  bool remove(Bytes value);
  void save() const;
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t refused_full() const { return refused_; }

 private:
  struct Value {
    std::uint16_t reputation = 0;
    bool has_reputation = false;
    std::unique_ptr<std::string> json;
  };
  [[nodiscard]] std::optional<std::string> key(Bytes value) const;
  [[nodiscard]] Result<std::string, std::string> decode_text(std::string_view text) const;
  Result<void, std::string> load_csv(std::string_view text);
  Result<void, std::string> load_json(std::string_view text);
  bool insert(std::string key, Value value);

  Options options_;
  mutable std::shared_mutex mutex_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_map<std::string, Value, Hash, std::equal_to<>> values_;
  std::uint64_t octets_ = 0, refused_ = 0;
  mutable bool changed_ = false;
};

/// Standard base64, strict; nothing on bad input.
[[nodiscard]] std::optional<std::string> decode_base64_strict(std::string_view text);

}  // namespace ww::sig
