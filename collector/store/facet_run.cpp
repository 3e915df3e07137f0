#include "collector/store/facet_run.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <utility>

namespace ww::collector {
namespace {

constexpr std::uint8_t version = 1;

/// Sorts by key, the lowest digit first; digits that are the same in all keys are passed over.
template <class Pair>
void sort_by_key(std::vector<Pair>& pairs, std::vector<Pair>& spare) {
  constexpr unsigned digit_bits = 11;
  constexpr std::size_t digits = std::size_t{1} << digit_bits;
  std::uint64_t varying = 0;
  for (const auto& p : pairs) varying |= p.key ^ pairs.front().key;
  spare.resize(pairs.size());
  std::array<std::uint32_t, digits> at{};
  for (unsigned shift = 0; shift < 64; shift += digit_bits) {
    if ((varying >> shift & (digits - 1)) == 0) continue;
    at.fill(0);
    for (const auto& p : pairs) ++at[p.key >> shift & (digits - 1)];
    std::uint32_t sum = 0;
    for (auto& a : at) sum += std::exchange(a, sum);
    for (const auto& p : pairs) spare[at[p.key >> shift & (digits - 1)]++] = p;
    pairs.swap(spare);
  }
}

std::size_t shared_octets(std::string_view a, std::string_view b) {
  const auto n = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

}  // namespace

bool RunFacet::read(std::string_view counts) {
  values_.clear();
  left_out_.clear();
  Decoder in(counts);
  if (in.u8() != version) return false;
  std::uint64_t id = 0;
  for (auto n = in.count(); n > 0; --n) {
    id += in.var();
    if (id > UINT32_MAX) return false;
    left_out_.push_back(static_cast<std::uint32_t>(id));
  }
  const auto n = in.count();
  const auto octets = in.var();
  if (!in.ok() || octets > max_text) return false;
  text_.resize(octets);
  values_.reserve(n);
  char* at = text_.data();
  const char* end = at + octets;
  std::string_view before;
  for (std::size_t i = 0; i < n; ++i) {
    const auto shared = in.var();
    const auto rest = in.text();
    const auto events = in.var();
    if (!in.ok() || shared > before.size() ||
        shared + rest.size() > static_cast<std::size_t>(end - at))
      return false;
    std::copy(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(shared), at);
    std::copy(rest.begin(), rest.end(), at + shared);
    before = {at, shared + rest.size()};
    at += before.size();
    values_.push_back({0, before, events});
  }
  return at == end;
}

bool RunFacet::keep(std::string_view by_stream, const std::function<bool(StreamId)>& wanted) {
  std::vector<std::uint64_t> sums(values_.size());
  StreamId last = 0;
  bool wants = false;
  bool first = true;
  const auto known =
      for_each_pair(by_stream, [&](StreamId stream, std::size_t value, std::uint64_t events) {
        if (first || stream != last) wants = wanted(stream);
        first = false;
        last = stream;
        if (wants) sums[value] += events;
      });
  if (!known) return false;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < values_.size(); ++i)
    if (sums[i] > 0) values_[kept++] = {0, values_[i].value, sums[i]};
  values_.resize(kept);
  return true;
}

void RunFacetBuilder::add_pair(StreamId stream, std::uint32_t number, std::uint64_t events) {
  if (!by_stream_) return;
  pairs_.push_back({std::uint64_t{stream} << 32 | number, events});
  if (pairs_.size() < max_pairs) return;
  merge_pairs();
  if (pairs_.size() < max_pairs / 2) return;  // else much is merged again and again for little
  by_stream_ = false;
  pairs_ = {};
}

void RunFacetBuilder::merge_pairs() {
  if (pairs_.empty()) return;
  sort_by_key(pairs_, spare_);
  std::size_t last = 0;
  for (std::size_t i = 1; i < pairs_.size(); ++i) {
    if (pairs_[i].key == pairs_[last].key)
      pairs_[last].events += pairs_[i].events;
    else
      pairs_[++last] = pairs_[i];
  }
  pairs_.resize(last + 1);
}

void RunFacetBuilder::add_block(std::uint32_t id, std::optional<std::string_view> row) {
  ++blocks_;
  facet_.clear();
  if (!row || !read_facet(*row, facet_)) {
    left_out_.push_back(id);
    return;
  }
  if (!complete_) return;
  octets_ += row->size();
  counts_.add_all(
      facet_, [](const FacetCount& c) { return c.value; },
      [](const FacetCount& c) { return c.events; },
      [&](const FacetCount& c, std::uint32_t number) {
        if (number == ValueCounts::no_room)
          complete_ = false;
        else
          add_pair(c.stream, number, c.events);
      });
}

void RunFacetBuilder::add_run(std::size_t blocks, std::string_view counts,
                              std::string_view by_stream) {
  blocks_ += blocks;
  if (!complete_ || !run_.read(counts)) {
    complete_ = false;
    return;
  }
  octets_ += counts.size() + by_stream.size();
  left_out_.insert(left_out_.end(), run_.left_out().begin(), run_.left_out().end());
  numbers_.clear();
  counts_.add_all(
      run_.values(), [](const FacetCount& c) { return c.value; },
      [](const FacetCount& c) { return c.events; },
      [&](const FacetCount&, std::uint32_t number) {
        numbers_.push_back(number);
        complete_ = complete_ && number != ValueCounts::no_room;
      });
  if (!complete_ || !by_stream_) return;
  const bool known =
      run_.for_each_pair(by_stream, [&](StreamId stream, std::size_t value, std::uint64_t events) {
        add_pair(stream, numbers_[value], events);
      });
  if (!known) by_stream_ = false;
}

std::vector<std::uint32_t> RunFacetBuilder::ordered() const {
  struct Key {
    std::uint64_t head;  // eight octets behind what all values begin with
    std::uint32_t number;
  };
  std::vector<Key> keys;
  std::vector<std::uint32_t> out;
  const auto n = counts_.size();
  if (n == 0) return out;
  const auto first = counts_.row(0).value;
  auto common = first.size();
  for (std::size_t i = 1; i < n; ++i)
    common = shared_octets(first.substr(0, common), counts_.row(i).value);
  keys.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto value = counts_.row(i).value.substr(common);
    std::uint64_t head = 0;
    std::memcpy(&head, value.data(), std::min(value.size(), sizeof head));
    static_assert(std::endian::native == std::endian::little);
    keys.push_back({__builtin_bswap64(head), static_cast<std::uint32_t>(i)});
  }
  std::sort(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
    if (a.head != b.head) return a.head < b.head;
    return counts_.row(a.number).value < counts_.row(b.number).value;
  });
  out.reserve(n);
  for (const auto& k : keys) out.push_back(k.number);
  return out;
}

std::string RunFacetBuilder::encode_counts(const std::vector<std::uint32_t>& order) const {
  Encoder out;
  out.u8(version);
  out.var(left_out_.size());
  std::uint32_t before = 0;
  for (const auto id : left_out_) out.var(id - std::exchange(before, id));
  out.var(order.size());
  std::uint64_t octets = 0;
  for (const auto number : order) octets += counts_.row(number).value.size();
  out.var(octets);
  std::string_view last;
  for (const auto number : order) {
    const auto row = counts_.row(number);
    const auto shared = shared_octets(last, row.value);
    out.var(shared);
    out.text(row.value.substr(shared));
    out.var(row.count);
    last = row.value;
  }
  return out.take();
}

std::string RunFacetBuilder::encode_streams(const std::vector<std::uint32_t>& order) {
  Encoder out;
  if (pairs_.empty()) {
    out.var(0);
    return out.take();
  }
  std::vector<std::uint32_t> rank(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<std::uint32_t>(i);
  for (auto& p : pairs_) p.key = (p.key >> 32 << 32) | rank[p.key & UINT32_MAX];
  merge_pairs();
  const auto stream_of = [](const Pair& p) { return static_cast<StreamId>(p.key >> 32); };
  if (stream_of(pairs_.front()) == stream_of(pairs_.back())) {
    out.var(1);
    out.var(stream_of(pairs_.front()));
    out.var(0);
    return out.take();
  }
  std::map<StreamId, std::size_t> values;
  for (const auto& p : pairs_) ++values[stream_of(p)];
  out.var(values.size());
  auto at = pairs_.begin();
  for (const auto& [stream, n] : values) {
    out.var(stream);
    out.var(n);
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < n; ++i, ++at) {
      const auto value = at->key & UINT32_MAX;
      out.var((value - next) << 1 | (at->events > 1 ? 1 : 0));
      if (at->events > 1) out.var(at->events - 2);
      next = value + 1;
    }
  }
  return out.take();
}

std::optional<RunFacetRow> RunFacetBuilder::finish() {
  if (!complete_ || left_out_.size() * 2 > blocks_) return {};
  std::sort(left_out_.begin(), left_out_.end());
  const auto order = ordered();
  RunFacetRow row{encode_counts(order), {}};
  if (by_stream_) row.by_stream = encode_streams(order);
  if ((row.counts.size() + row.by_stream.size()) * 2 > octets_) return {};
  return row;
}

}  // namespace ww::collector
