#pragma once
/// Finds the patterns of one field in a value: whole values by hash, beginnings and ends by tries,
/// what stands anywhere by one Vectorscan pass. Everything works on folded text. Immutable once
/// built.
#include <hs.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/sigma/pattern.hpp"
#include "rules/sigma/probe_set.hpp"
#include "rules/sigma/text.hpp"

namespace ww::sigma {

/// Octet strings to pattern ids, all that begin (or, walked backwards, end) a text. Stretches
/// without a branch are compared whole: a walk touches few nodes.
class Trie {
 public:
  void add(std::string text, PatternId pattern) { pending_.emplace_back(std::move(text), pattern); }
  void build();
  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  template <bool backwards, class F>
  void walk(std::string_view text, const F& found) const {
    const auto* p = reinterpret_cast<const unsigned char*>(text.data());
    const std::size_t n = text.size();
    const auto octet = [&](std::size_t i) { return p[backwards ? n - 1 - i : i]; };
    if (n == 0) return;
    std::uint32_t at = root_[octet(0)];
    for (std::size_t i = 1; at != 0;) {
      const auto& node = nodes_[at];
      if (n - i < node.tail_size) return;
      const auto* tail = tails_.data() + node.tail;
      for (std::uint32_t k = 0; k < node.tail_size; ++k)
        if (octet(i + k) != tail[k]) return;
      i += node.tail_size;
      for (std::uint32_t k = 0; k < node.ids; ++k) found(ids_[node.first_id + k]);
      if (i == n) return;
      const auto c = octet(i++);
      const auto* labels = labels_.data() + node.first;
      std::uint32_t k = 0;
      while (k < node.children && labels[k] != c) ++k;
      if (k == node.children) return;
      at = node.first_child + k;
    }
  }

 private:
  struct Node {
    std::uint32_t first = 0, first_child = 0, first_id = 0, tail = 0;
    std::uint16_t children = 0, ids = 0, tail_size = 0;
  };
  std::vector<std::pair<std::string, PatternId>> pending_;
  std::vector<Node> nodes_;
  std::vector<unsigned char> labels_, tails_;
  std::vector<PatternId> ids_;
  std::uint32_t root_[256] = {};
};

/// Whole texts to pattern ids.
class ExactMap {
 public:
  void add(std::string text, PatternId pattern) { pending_.emplace_back(std::move(text), pattern); }
  void build();
  [[nodiscard]] bool empty() const { return table_.empty(); }
  template <class F>
  void find(std::string_view text, const F& found) const {
    const auto hash = short_hash(text);
    for (auto at = hash & mask_;; at = (at + 1) & mask_) {
      const auto& e = table_[at];
      if (e.count == 0) return;
      if (e.hash != static_cast<std::uint32_t>(hash >> 32) ||
          std::string_view(texts_).substr(e.text, e.size) != text)
        continue;
      for (std::uint32_t k = 0; k < e.count; ++k) found(ids_[e.first + k]);
      return;
    }
  }

 private:
  struct Entry {
    std::uint32_t hash = 0, text = 0, size = 0, first = 0, count = 0;
  };
  std::vector<std::pair<std::string, PatternId>> pending_;
  std::vector<Entry> table_;
  std::string texts_;
  std::vector<PatternId> ids_;
  std::uint64_t mask_ = 0;
};

/// Literals anywhere in a text: by probing where texts are short, as values of events mostly are,
/// and by Vectorscan where they are long.
class LiteralSet {
 public:
  LiteralSet() = default;
  ~LiteralSet();
  LiteralSet(const LiteralSet&) = delete;
  LiteralSet& operator=(const LiteralSet&) = delete;
  void add(std::string text, PatternId pattern) { pending_.emplace_back(std::move(text), pattern); }
  /// @param any_case  ASCII letters of the text may be of either case; else it is folded
  /// @return what Vectorscan refused, in words, or ""
  [[nodiscard]] std::string build(bool any_case = false);
  [[nodiscard]] bool empty() const { return database_ == nullptr; }
  [[nodiscard]] const hs_database_t* database() const { return database_; }
  template <class F>
  void scan(std::string_view text, hs_scratch_t* scratch, const F& found) const {
    struct Context {
      const LiteralSet* self;
      const F* found;
    } context{this, &found};
    if (probes_ && text.size() <= longest_probed) {
      probes_->scan(text, [&](std::uint32_t number) {
        const auto [first, count] = lists_[number];
        for (std::uint32_t k = 0; k < count; ++k) found(ids_[first + k]);
      });
      return;
    }
    const auto on_match = [](unsigned id, unsigned long long, unsigned long long, unsigned,
                             void* c) {
      auto& ctx = *static_cast<Context*>(c);
      const auto [first, count] = ctx.self->lists_[id];
      for (std::uint32_t k = 0; k < count; ++k) (*ctx.found)(ctx.self->ids_[first + k]);
      return 0;
    };
    (void)hs_scan(database_, text.data(), static_cast<unsigned>(text.size()), 0, scratch, on_match,
                  &context);
  }
  /// Whether any of them is in the text.
  [[nodiscard]] bool any_in(std::string_view text, hs_scratch_t* scratch) const {
    const auto on_match = [](unsigned, unsigned long long, unsigned long long, unsigned, void*) {
      return 1;
    };
    return hs_scan(database_, text.data(), static_cast<unsigned>(text.size()), 0, scratch, on_match,
                   nullptr) == HS_SCAN_TERMINATED;
  }

 private:
  std::vector<std::pair<std::string, PatternId>> pending_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> lists_;
  std::vector<PatternId> ids_;
  hs_database_t* database_ = nullptr;
  std::optional<ProbeSet> probes_;
  static constexpr std::size_t longest_probed = 1024;
};

struct FieldIndex {
  ExactMap exact;
  Trie prefix, suffix;
  LiteralSet anywhere;
  std::vector<PatternId> present;  ///< true as soon as the field is there
  [[nodiscard]] std::string build() {
    exact.build();
    prefix.build();
    suffix.build();
    return anywhere.build();
  }
};

}  // namespace ww::sigma
