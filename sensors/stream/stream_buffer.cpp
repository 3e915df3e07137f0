#include "sensors/stream/stream_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ww::sensor {
namespace {

constexpr std::size_t max_segments =
    16384;  ///< per direction; more than that at once is an attack on memory
constexpr std::size_t segment_cost = sizeof(StreamBuffer::Segment);

/// Which octets win where an earlier segment `old` and a later one `now` share a range.
bool later_wins(OverlapPolicy policy, const StreamBuffer::Segment& old,
                const StreamBuffer::Segment& now, bool differs) {
  using P = OverlapPolicy;
  if (policy == P::last) return true;
  if (policy == P::first) return false;
  const bool ends_before = now.end() < old.end();
  const bool ends_after = now.end() > old.end();
  if (now.start == old.start) {
    if (ends_before) return false;
    if (ends_after && policy == P::linux_new && differs) return true;
    return policy == P::old_linux || policy == P::solaris || policy == P::hpux11;
  }
  if (now.start < old.start) {
    switch (policy) {
      case P::bsd:
      case P::hpux10:
      case P::irix:
      case P::old_linux:
      case P::linux_new:
      case P::macos:
      case P::windows:
      case P::windows2k3:
        return true;
      case P::solaris:
      case P::hpux11:
        return !ends_before;
      default:
        return false;
    }
  }
  // The later segment starts inside the earlier one.
  return ends_after && (policy == P::solaris || policy == P::hpux11);
}

}  // namespace

std::optional<OverlapPolicy> overlap_policy(std::string_view name) {
  using P = OverlapPolicy;
  static constexpr std::pair<std::string_view, P> names[] = {{"bsd", P::bsd},
                                                             {"bsd-right", P::bsd},
                                                             {"old-linux", P::old_linux},
                                                             {"linux", P::linux_new},
                                                             {"old-solaris", P::solaris},
                                                             {"solaris", P::solaris},
                                                             {"hpux10", P::hpux10},
                                                             {"hpux11", P::hpux11},
                                                             {"irix", P::irix},
                                                             {"macos", P::macos},
                                                             {"windows", P::windows},
                                                             {"vista", P::vista},
                                                             {"windows2k3", P::windows2k3},
                                                             {"first", P::first},
                                                             {"last", P::last}};
  for (const auto& [n, p] : names)
    if (n == name) return p;
  return {};
}

namespace {

/// Buffers of regions that were read to their end, for the next ones: most segments live just until
/// they are acknowledged. One list a thread, as workers share nothing.
class Spares {
 public:
  std::vector<std::uint8_t> take() {
    if (list_.empty()) return {};
    auto v = std::move(list_.back());
    list_.pop_back();
    return v;
  }
  void give(std::vector<std::uint8_t>&& v) {
    if (v.capacity() == 0 || v.capacity() > max_octets || list_.size() >= max_buffers) return;
    v.clear();
    list_.push_back(std::move(v));
  }

 private:
  static constexpr std::size_t max_octets = 64 * 1024, max_buffers = 64;
  std::vector<std::vector<std::uint8_t>> list_;
};
Spares& spares() {
  thread_local Spares s;
  return s;
}

}  // namespace

/// Thousands of streams grow side by side: what left at the front is used before more memory is
/// asked for, and growth is by a half.
void StreamBuffer::Region::append(const std::uint8_t* from, std::size_t n) {
  if (octets.size() + n > octets.capacity()) {
    if (head > 0) {
      octets.erase(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(head));
      head = 0;
    }
    const auto need = octets.size() + n;
    if (need > octets.capacity()) octets.reserve(std::max(need, octets.size() * 3 / 2));
  }
  octets.insert(octets.end(), from, from + n);
}

void StreamBuffer::Region::drop_front(std::size_t n) {
  head += n;
  start += n;
  constexpr std::size_t worth_moving = 4096;
  if (head <= worth_moving || head <= octets.size() / 2) return;
  if (size() < octets.capacity() / 4) {  // a burst has gone by: give its memory back
    octets = std::vector<std::uint8_t>(data(), data() + size());
  } else {
    octets.erase(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(head));
  }
  head = 0;
}

StreamBuffer::StreamBuffer(StreamBuffer&& o) noexcept : budget_(o.budget_) { *this = std::move(o); }

StreamBuffer& StreamBuffer::operator=(StreamBuffer&& o) noexcept {
  if (this == &o) return *this;
  clear();
  base_ = o.base_;
  regions_ = std::move(o.regions_);
  segments_ = std::move(o.segments_);
  held_ = std::exchange(o.held_, 0);
  budget_ = o.budget_;
  seen_data_ = o.seen_data_;
  max_regions_seen_ = o.max_regions_seen_;
  o.regions_.clear();
  o.segments_.clear();
  return *this;
}

std::size_t StreamBuffer::region_after(std::uint64_t offset) const {
  std::size_t i = 0;
  while (i < regions_.size() && regions_[i].end() <= offset) ++i;
  return i;
}

std::uint64_t StreamBuffer::right_edge() const {
  return regions_.empty() ? base_ : regions_.back().end();
}

Bytes StreamBuffer::at(std::uint64_t offset) const {
  const auto i = region_after(offset);
  if (i == regions_.size() || regions_[i].start > offset) return {};
  const auto skip = offset - regions_[i].start;
  return {regions_[i].data() + skip, regions_[i].size() - skip};
}

std::optional<std::uint64_t> StreamBuffer::next_held(std::uint64_t offset) const {
  const auto i = region_after(offset);
  if (i == regions_.size()) return {};
  return std::max(offset, regions_[i].start);
}

std::optional<StreamBuffer::Block> StreamBuffer::block_from(std::uint64_t offset) const {
  const auto from = next_held(offset);
  if (!from) return {};
  return Block{at(*from), *from};
}

void StreamBuffer::add_segment(std::uint64_t start, std::uint32_t length) {
  auto at = segments_.end();
  while (at != segments_.begin() && (at - 1)->start > start) --at;
  segments_.insert(at, {start, length});
}

void StreamBuffer::overwrite(std::uint64_t from, std::uint64_t to, std::uint64_t offset,
                             Bytes data) {
  for (auto i = region_after(from); i < regions_.size() && regions_[i].start < to; ++i) {
    auto& r = regions_[i];
    const auto a = std::max(from, r.start), b = std::min(to, r.end());
    if (a < b) std::memcpy(r.data() + (a - r.start), data.data() + (a - offset), b - a);
  }
}

/// Puts the octets that are not there yet; joins regions that come to touch.
bool StreamBuffer::write_missing(std::uint64_t offset, Bytes data, std::size_t max_regions,
                                 Insert& result) {
  const auto end = offset + data.size();
  // First region that touches or follows the new range.
  std::size_t i = 0;
  while (i < regions_.size() && regions_[i].end() < offset) ++i;
  if (i == regions_.size() || regions_[i].start > end) {
    if (regions_.size() >= max_regions) {
      result.too_many = true;
      return false;
    }
    Region r;
    r.start = offset;
    r.octets = spares().take();
    r.octets.assign(data.begin(), data.end());
    regions_.insert(regions_.begin() + static_cast<std::ptrdiff_t>(i), std::move(r));
    return true;
  }
  auto* r = &regions_[i];
  bool wrote = false;
  if (offset < r->start) {  // before the region: in front of it
    const auto n = static_cast<std::size_t>(r->start - offset);
    std::vector<std::uint8_t> joined;
    joined.reserve(n + r->size());
    joined.insert(joined.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n));
    joined.insert(joined.end(), r->data(), r->data() + r->size());
    r->octets = std::move(joined);
    r->head = 0;
    r->start = offset;
    wrote = true;
  }
  while (r->end() < end) {  // behind the region, up to the next one
    const auto from = r->end();
    const bool last = i + 1 == regions_.size();
    const auto to = last ? end : std::min(end, regions_[i + 1].start);
    if (from < to) {
      r->append(data.data() + (from - offset), static_cast<std::size_t>(to - from));
      wrote = true;
    }
    if (last || regions_[i + 1].start > r->end()) break;
    auto& next = regions_[i + 1];
    r->append(next.data(), next.size());
    regions_.erase(regions_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    r = &regions_[i];
  }
  if (i + 1 < regions_.size() && regions_[i + 1].start == r->end()) {
    auto& next = regions_[i + 1];
    r->append(next.data(), next.size());
    regions_.erase(regions_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
  return wrote;
}

StreamBuffer::Insert StreamBuffer::insert(std::uint64_t offset, Bytes data, OverlapPolicy policy,
                                          std::uint64_t final, std::size_t max_regions) {
  Insert result;
  seen_data_ = seen_data_ || !data.empty();
  if (offset < base_) {
    const auto cut = std::min<std::uint64_t>(base_ - offset, data.size());
    data = data.subspan(cut);
    offset += cut;
  }
  if (data.empty()) return result;
  const Segment now{offset, static_cast<std::uint32_t>(data.size())};

  // Fast path: in order, behind everything held.
  if (const bool in_order = regions_.empty() || regions_.back().end() <= offset; !in_order) {
    for (const auto& old : segments_) {
      if (old.start >= now.end()) break;
      if (old.end() <= offset) continue;
      const auto from = std::max(old.start, now.start), to = std::min(old.end(), now.end());
      result.overlap = true;
      const auto held = at(from);
      const bool differs = held.size() >= to - from &&
                           std::memcmp(held.data(), data.data() + (from - offset), to - from) != 0;
      result.overlap_differs = result.overlap_differs || differs;
      if (differs && later_wins(policy, old, now, differs)) {
        const auto open_from = std::max(from, final);
        if (open_from < to) {
          overwrite(open_from, to, offset, data);
          result.stored = true;
        }
      }
    }
  }
  if (segments_.size() >= max_segments) {
    result.too_many = true;
    return result;
  }
  if (budget_ != nullptr && !budget_->take(data.size() + segment_cost)) {
    result.memory = true;
    return result;
  }
  held_ += data.size() + segment_cost;
  if (write_missing(offset, data, max_regions, result)) result.stored = true;
  if (result.too_many) {
    held_ -= data.size() + segment_cost;
    if (budget_ != nullptr) budget_->give(data.size() + segment_cost);
    return result;
  }
  add_segment(now.start, now.length);
  max_regions_seen_ = std::max(max_regions_seen_, regions_.size());
  account();
  return result;
}

/// Makes what is accounted match what is held.
void StreamBuffer::account() {
  std::uint64_t real = segments_.size() * segment_cost;
  for (const auto& r : regions_) real += r.size();
  if (real < held_ && budget_ != nullptr) budget_->give(held_ - real);
  held_ = std::min(held_, real);
}

void StreamBuffer::release(std::uint64_t offset) {
  if (offset <= base_) return;
  base_ = offset;
  const auto keep = std::find_if(segments_.begin(), segments_.end(),
                                 [&](const Segment& s) { return s.end() > offset; });
  // Segments are sorted by start; one that is over may stand behind a longer one, so look at all.
  if (keep != segments_.begin() || !segments_.empty())
    std::erase_if(segments_, [&](const Segment& s) { return s.end() <= offset; });
  while (!regions_.empty() && regions_.front().end() <= offset) {
    spares().give(std::move(regions_.front().octets));
    regions_.erase(regions_.begin());
  }
  if (!regions_.empty() && regions_.front().start < offset) {
    auto& r = regions_.front();
    r.drop_front(static_cast<std::size_t>(offset - r.start));
  }
  account();
}

void StreamBuffer::clear() {
  const auto edge = right_edge();
  base_ = std::max(base_, edge);
  for (auto& r : regions_) spares().give(std::move(r.octets));
  regions_.clear();
  segments_.clear();
  if (budget_ != nullptr) budget_->give(held_);
  held_ = 0;
}

}  // namespace ww::sensor
