#pragma once
/// Runs a parsed query: on one event, on what is known of a stream, on a block's filter and on its
/// columns. All but the first may answer maybe, so that a search reads only what may match.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "collector/store/columns.hpp"
#include "collector/store/event_scan.hpp"
#include "collector/store/query.hpp"

namespace ww::collector {

enum class Maybe : std::uint8_t { no, maybe, yes };

/// What every event of a stream has in common.
struct StreamName {
  std::string site, sensor, type;
};

/// Immutable; share between threads.
class Matcher {
 public:
  explicit Matcher(std::unique_ptr<Expr> expr);

  [[nodiscard]] bool everything() const {
    return root_->kind == Expr::Kind::all && root_->children.empty();
  }
  /// @param filter_leaves  a bit for each leaf that a block may satisfy; all ones when unknown
  [[nodiscard]] Maybe on_stream(const StreamName& stream, std::uint64_t filter_leaves) const;
  /// The leaves that events of a block with this filter may satisfy.
  [[nodiscard]] std::uint64_t filter_leaves(std::string_view filter) const;
  [[nodiscard]] bool uses_filter() const { return uses_filter_; }
  /// The events of a block that its columns do not rule out.
  [[nodiscard]] EventBits on_columns(const Columns& columns) const;
  [[nodiscard]] bool uses_columns() const { return uses_columns_; }
  [[nodiscard]] bool on_event(std::string_view json, EventScanner& scanner) const;

 private:
  struct Leaf {
    const Expr* expr = nullptr;
    bool stream_path = false;
    std::uint64_t path_hash = 0;
    std::vector<std::uint64_t> all_tokens;  ///< each must be in the filter
    std::vector<std::uint64_t> any_tokens;  ///< one must be, unless empty
    std::string chunk_extra;                ///< word patterns: punctuation that belongs to a chunk
  };
  struct Sink;
  void collect(const Expr& e);
  [[nodiscard]] static bool leaf_on_value(const Leaf& leaf, ScalarKind kind,
                                          std::string_view value);
  [[nodiscard]] Maybe stream_eval(const Expr& e, const StreamName& s,
                                  std::uint64_t filter_leaves) const;
  [[nodiscard]] EventBits columns_eval(const Expr& e, const Columns& columns) const;
  [[nodiscard]] bool eval(const Expr& e, std::uint64_t hits) const;

  std::unique_ptr<Expr> root_;
  std::vector<Leaf> leaves_;           // by Expr::leaf
  std::vector<std::uint32_t> words_;   // leaves that look at every value
  std::vector<std::uint32_t> fields_;  // leaves with a path
  bool uses_filter_ = false, uses_columns_ = false;
};

/// `*` any run, `?` one octet, `\x` the octet x. Both lower case. Linear in value times stars.
[[nodiscard]] bool glob(std::string_view pattern, std::string_view value);

}  // namespace ww::collector
