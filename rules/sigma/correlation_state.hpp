#pragma once
/// What correlations remember: for each correlation and group the events of its window, and no more
/// of an event than a window needs (time, value, which rule, id). Groups lie in slices by a hash
/// that is the same after a restart, so that the state can be saved piece by piece; no operation
/// takes longer than one slice does, however many groups there are.
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ww::sigma {

/// The id of an event, small: a UUID is kept as its octets, a short text as it is.
class EventId {
 public:
  EventId() = default;
  explicit EventId(std::string_view text);
  EventId(EventId&& b) noexcept : octets_(b.octets_), tag_(b.tag_) { b.tag_ = 0; }
  EventId& operator=(EventId&& b) noexcept {
    if (this != &b) {
      release();
      octets_ = b.octets_;
      tag_ = b.tag_;
      b.tag_ = 0;
    }
    return *this;
  }
  ~EventId() { release(); }
  /// From the sixteen octets of a UUID.
  [[nodiscard]] static EventId from_uuid(std::string_view octets);
  /// The octets of a UUID, or nothing when the id is another text.
  [[nodiscard]] std::string_view uuid() const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::size_t heap() const;
  bool operator==(const EventId& b) const { return tag_ == b.tag_ && text() == b.text(); }

 private:
  static constexpr std::uint8_t is_uuid = 17, is_long = 18;  // else: the length of a short text
  [[nodiscard]] const std::string* long_text() const;
  void release() {
    if (tag_ == is_long) delete long_text();
    tag_ = 0;
  }
  std::array<char, 16> octets_{};
  std::uint8_t tag_ = 0;
};

/// One event of a window.
struct Entry {
  std::int64_t time = 0;
  std::uint64_t value = 0;   ///< a double for value_sum and the like, a hash for value_count
  std::uint32_t serial = 0;  ///< tells apart events of one moment; wraps
  std::uint16_t source = 0;  ///< position of the rule in the correlation
  EventId id;
  [[nodiscard]] double number() const { return std::bit_cast<double>(value); }
};
static_assert(sizeof(Entry) == 40);  // there are millions of them

/// Entries by time, then arrival. Millions of groups hold one or two, so an empty or small window
/// must be small; leaving at the front is cheap all the same.
class Window {
 public:
  [[nodiscard]] std::size_t size() const { return entries_.size() - head_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] const Entry& operator[](std::size_t i) const { return entries_[head_ + i]; }
  [[nodiscard]] const Entry& front() const { return entries_[head_]; }
  [[nodiscard]] const Entry& back() const { return entries_.back(); }
  [[nodiscard]] auto begin() const { return entries_.begin() + head_; }
  [[nodiscard]] auto end() const { return entries_.end(); }
  void pop_front();
  void insert_by_time(Entry entry);
  /// With what the allocator adds, without the long ids.
  [[nodiscard]] std::size_t octets() const;

 private:
  std::vector<Entry> entries_;
  std::uint32_t head_ = 0;
};

struct Group {
  [[no_unique_address]] Window entries;
  std::uint32_t tag = 0;                 ///< of the hash, for the table of its slice
  std::unique_ptr<const char[]> values;  ///< of the group-by fields, each with its length in front
  std::int64_t fired_until = INT64_MIN;  ///< quiet until then while the condition keeps holding
  std::uint32_t before = 0, after = 0;   ///< quiet for longer, and for less long
  std::uint32_t correlation = 0;
  std::uint32_t values_size : 31 = 0;
  std::uint32_t holding : 1 = 0;
  [[nodiscard]] std::string_view key() const { return {values.get(), values_size}; }
};
static_assert(sizeof(Group) == 64);

/// Length-prefixed octets and variable-length integers, for what is saved.
class StateWriter {
 public:
  explicit StateWriter(std::string& out) : out_(out) {}
  void octet(std::uint8_t v) { out_ += static_cast<char>(v); }
  void fixed(std::uint64_t v) { out_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void var(std::uint64_t v);
  void sint(std::int64_t v) {
    var(static_cast<std::uint64_t>(v) << 1U ^ static_cast<std::uint64_t>(v >> 63));
  }
  void text(std::string_view s) {
    var(s.size());
    out_ += s;
  }
  void raw(std::string_view s) { out_ += s; }

 private:
  std::string& out_;
};
class StateReader {
 public:
  explicit StateReader(std::string_view in) : in_(in) {}
  std::uint8_t octet();
  std::uint64_t fixed();
  std::uint64_t var();
  std::int64_t sint() {
    const auto v = var();
    return static_cast<std::int64_t>(v >> 1U ^ (~(v & 1U) + 1));
  }
  std::string_view text() { return raw(var()); }
  std::string_view raw(std::uint64_t n);
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return in_.empty(); }
  [[nodiscard]] std::size_t left() const { return in_.size(); }

 private:
  std::string_view in_;
  bool ok_ = true;
};

/// Writes an entry after one of time `before`, and reads it again.
void write_entry(StateWriter& out, const Entry& e, std::int64_t before);
[[nodiscard]] Entry read_entry(StateReader& in, std::int64_t before);

/// Definitions of correlations are written in full once, then by number.
class DefinitionWriter {
 public:
  void write(StateWriter& out, std::uint64_t definition);
  void clear() { seen_.clear(); }

 private:
  std::vector<std::uint64_t> seen_;
};
class DefinitionReader {
 public:
  /// Latches an error in `in` by reading past its end when the number is not known.
  std::uint64_t read(StateReader& in);

 private:
  std::vector<std::uint64_t> seen_;
};

/// All groups, findable by correlation and values, in the order in which they were touched.
class GroupStore {
 public:
  static constexpr std::uint32_t slices = 1024;

  /// @param seed  secret and kept with the state: senders choose the values, and must not be able
  /// to choose where groups lie
  [[nodiscard]] static std::uint64_t hash_of(std::uint64_t seed, std::uint64_t definition,
                                             std::string_view values);
  [[nodiscard]] static std::uint32_t slice_of(std::uint64_t hash) { return hash % slices; }

  [[nodiscard]] Group* find(std::uint64_t hash, std::uint32_t correlation, std::string_view values);
  /// A new group, touched last. There must be none of these values.
  Group& add(std::uint64_t hash, std::uint32_t correlation, std::string_view values);
  void erase(std::uint64_t hash, Group& group);
  /// Makes it the one that was touched last.
  void touch(Group& group);
  [[nodiscard]] Group* oldest() { return oldest_ == 0 ? nullptr : &at(oldest_); }
  [[nodiscard]] std::size_t size() const { return size_; }
  void clear();

  /// Calls `each(Group&)` for every group of a slice, or of all; it must not add or erase.
  template <class F>
  void each_of(std::uint32_t slice, F&& each) {
    for (const auto index : tables_[slice].places)
      if (index != 0) each(at(index));
  }
  template <class F>
  void each(F&& f) {
    for (std::uint32_t slice = 0; slice < slices; ++slice) each_of(slice, f);
  }
  /// Puts the groups in the order of `age(Group)`, greatest first.
  template <class F>
  void order_by_age(F&& age) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> all;
    all.reserve(size_);
    for (const auto& table : tables_)
      for (const auto index : table.places)
        if (index != 0) all.emplace_back(age(at(index)), index);
    relink(all);
  }

 private:
  static constexpr std::uint32_t chunk = 1024;
  struct Table {
    std::vector<std::uint32_t> places;  // open addressing by tag; 0 is free
    std::uint32_t used = 0;
  };
  [[nodiscard]] Group& at(std::uint32_t index) {
    return chunks_[(index - 1) / chunk][(index - 1) % chunk];
  }
  void grow(Table& table);
  [[nodiscard]] std::size_t place_of(const Table& table, const Group& group);
  void link(std::uint32_t index);
  void unlink(Group& group);
  void relink(std::vector<std::pair<std::uint32_t, std::uint32_t>>& by_age);
  [[nodiscard]] std::uint32_t index_of(const Group& g) const;

  std::vector<Table> tables_ = std::vector<Table>(slices);
  std::vector<std::unique_ptr<Group[]>> chunks_;
  std::uint32_t free_ = 0, fresh_ = 0;  // given back, by `after`; never used yet
  std::uint32_t oldest_ = 0, newest_ = 0;
  std::size_t size_ = 0;
};

}  // namespace ww::sigma
