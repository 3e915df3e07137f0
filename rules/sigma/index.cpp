#include "rules/sigma/index.hpp"

#include <algorithm>
#include <cstring>

namespace ww::sigma {

void Trie::build() {
  if (pending_.empty()) return;
  std::sort(pending_.begin(), pending_.end());
  // Breadth first over ranges of the sorted texts, so that a node's children stand together.
  struct Range {
    std::size_t begin, end, depth;
    std::uint32_t node;
  };
  std::vector<Range> queue{{0, pending_.size(), 0, 0}};
  nodes_.emplace_back();
  for (std::size_t q = 0; q < queue.size(); ++q) {
    auto [begin, end, depth, node] = queue[q];
    if (node != 0) {  // what all texts of the range go on with; the root has no way in to compare
      const auto& first = pending_[begin].first;
      const auto& last = pending_[end - 1].first;
      std::size_t same = 0;
      while (depth + same < first.size() && same < 0xffff &&
             first[depth + same] == last[depth + same])
        ++same;
      nodes_[node].tail = static_cast<std::uint32_t>(tails_.size());
      nodes_[node].tail_size = static_cast<std::uint16_t>(same);
      for (std::size_t k = 0; k < same; ++k)
        tails_.push_back(static_cast<unsigned char>(first[depth + k]));
      depth += same;
    }
    nodes_[node].first_id = static_cast<std::uint32_t>(ids_.size());
    while (begin < end && pending_[begin].first.size() == depth) {
      if (ids_.size() == nodes_[node].first_id || ids_.back() != pending_[begin].second)
        ids_.push_back(pending_[begin].second);
      ++begin;
    }
    nodes_[node].ids = static_cast<std::uint16_t>(ids_.size() - nodes_[node].first_id);
    nodes_[node].first = static_cast<std::uint32_t>(labels_.size());
    nodes_[node].first_child = static_cast<std::uint32_t>(nodes_.size());
    for (std::size_t from = begin; from < end;) {
      const char c = pending_[from].first[depth];
      std::size_t to = from;
      while (to < end && pending_[to].first[depth] == c) ++to;
      const auto child = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
      labels_.push_back(static_cast<unsigned char>(c));
      ++nodes_[node].children;
      if (depth == 0) root_[static_cast<unsigned char>(c)] = child;
      queue.push_back({from, to, depth + 1, child});
      from = to;
    }
  }
  pending_.clear();
  pending_.shrink_to_fit();
}

void ExactMap::build() {
  if (pending_.empty()) return;
  std::sort(pending_.begin(), pending_.end());
  std::size_t size = 16;
  while (size < pending_.size() * 2) size *= 2;
  table_.assign(size, Entry{});
  mask_ = size - 1;
  for (std::size_t i = 0; i < pending_.size();) {
    const auto& text = pending_[i].first;
    Entry e;
    const auto hash = short_hash(text);
    e.hash = static_cast<std::uint32_t>(hash >> 32);
    e.text = static_cast<std::uint32_t>(texts_.size());
    e.size = static_cast<std::uint32_t>(text.size());
    e.first = static_cast<std::uint32_t>(ids_.size());
    texts_ += text;
    std::size_t k = i;
    for (; k < pending_.size() && pending_[k].first == text; ++k)
      if (ids_.size() == e.first || ids_.back() != pending_[k].second)
        ids_.push_back(pending_[k].second);
    e.count = static_cast<std::uint32_t>(ids_.size()) - e.first;
    auto at = hash & mask_;
    while (table_[at].count != 0) at = (at + 1) & mask_;
    table_[at] = e;
    i = k;
  }
  pending_.clear();
  pending_.shrink_to_fit();
}

LiteralSet::~LiteralSet() { hs_free_database(database_); }

std::string LiteralSet::build(bool any_case) {
  if (pending_.empty()) return {};
  std::sort(pending_.begin(), pending_.end());
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  std::vector<unsigned> flags, ids;
  for (std::size_t i = 0; i < pending_.size();) {
    const auto& text = pending_[i].first;
    texts.push_back(text.data());
    sizes.push_back(text.size());
    flags.push_back(any_case ? HS_FLAG_CASELESS : 0);
    ids.push_back(static_cast<unsigned>(lists_.size()));
    const auto first = static_cast<std::uint32_t>(ids_.size());
    for (; i < pending_.size() && pending_[i].first == text; ++i)
      if (ids_.size() == first || ids_.back() != pending_[i].second)
        ids_.push_back(pending_[i].second);
    lists_.emplace_back(first, static_cast<std::uint32_t>(ids_.size()) - first);
  }
  if (!any_case) {
    std::vector<std::string_view> views;
    for (std::size_t i = 0; i < texts.size(); ++i) views.emplace_back(texts[i], sizes[i]);
    probes_.emplace().build(views);
  }
  hs_compile_error_t* error = nullptr;
  const auto rc = hs_compile_lit_multi(texts.data(), flags.data(), ids.data(), sizes.data(),
                                       static_cast<unsigned>(texts.size()), HS_MODE_BLOCK, nullptr,
                                       &database_, &error);
  std::string said;
  if (rc != HS_SUCCESS) {
    said = error != nullptr && error->message != nullptr ? error->message : "cannot compile";
    hs_free_compile_error(error);
    database_ = nullptr;
  }
  pending_.clear();
  pending_.shrink_to_fit();
  return said;
}

}  // namespace ww::sigma
