/// Correlations over time. Each (correlation, group) keeps the events of its window in time order;
/// an event is judged against every window that it can change, so late events within the lateness
/// count as if they had come in order. Memory is bounded: when it is full, the group that has been
/// quiet for longest goes first (`evicted`).
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <variant>

#include "rules/sigma/engine.hpp"
#include "telemetry/clock.hpp"

namespace ww::sigma {
namespace {

constexpr std::size_t max_evidence = 100;  // event ids reported with a match
constexpr std::size_t longest_key = 4096;  // octets of the values of one group
constexpr int max_chain = 16;              // correlations upon correlations
constexpr std::uint32_t state_version = 3;
constexpr std::array<std::string_view, 5> time_fields = {"@timestamp", "TimeCreated_SystemTime",
                                                         "timestamp", "ww.received", "UtcTime"};
constexpr std::string_view state_magic = "wwsigma";

/// The id of an event, small: a UUID is kept as its octets.
class EventId {
 public:
  EventId() = default;
  explicit EventId(std::string_view text) {
    Uuid uuid;
    if (parse(text, uuid))
      value_ = uuid;
    else
      value_ = std::make_unique<const std::string>(text);
  }
  [[nodiscard]] std::string text() const {
    if (const auto* other = std::get_if<Other>(&value_)) return *other ? **other : std::string();
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    const auto& uuid = std::get<Uuid>(value_);
    for (std::size_t i = 0; i < uuid.size(); ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
      out += digits[uuid[i] >> 4U];
      out += digits[uuid[i] & 15U];
    }
    return out;
  }
  [[nodiscard]] std::size_t heap() const {
    const auto* other = std::get_if<Other>(&value_);
    return other != nullptr && *other ? 48 + (*other)->size() : 0;
  }
  bool operator==(const EventId& b) const {
    const auto* uuid = std::get_if<Uuid>(&value_);
    const auto* theirs = std::get_if<Uuid>(&b.value_);
    return uuid != nullptr && theirs != nullptr ? *uuid == *theirs : text() == b.text();
  }

 private:
  using Uuid = std::array<std::uint8_t, 16>;
  using Other = std::unique_ptr<const std::string>;
  static bool parse(std::string_view text, Uuid& out) {
    if (text.size() != 36) return false;
    std::size_t at = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-') return false;
      unsigned octet = 0;
      for (int k = 0; k < 2; ++k) {
        const char c = text[at++];
        if (c >= '0' && c <= '9')
          octet = octet * 16 + static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')  // capitals would not come back as they were
          octet = octet * 16 + static_cast<unsigned>(c - 'a') + 10;
        else
          return false;
      }
      out[i] = static_cast<std::uint8_t>(octet);
    }
    return true;
  }
  std::variant<Other, Uuid> value_;
};

/// One event of a window.
struct Entry {
  std::int64_t time = 0;
  std::uint64_t serial = 0;  ///< tells apart, and orders, events of one moment
  std::uint64_t value = 0;   ///< a double for value_sum and the like, a hash for value_count
  EventId id;
  std::uint32_t source = 0;  ///< position of the rule in the correlation
  [[nodiscard]] double number() const { return std::bit_cast<double>(value); }
};

/// Entries by time, then serial. Millions of groups hold one or two, so an empty or small window
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
  void pop_front() {
    entries_[head_].id = EventId();
    if (++head_ * 2 < entries_.size()) return;
    entries_.erase(entries_.begin(), entries_.begin() + head_);
    head_ = 0;
  }
  void insert_by_time(Entry entry) {
    auto at = entries_.end();
    while (at != begin() && std::prev(at)->time > entry.time) --at;
    entries_.insert(at, std::move(entry));
  }

 private:
  std::vector<Entry> entries_;
  std::uint32_t head_ = 0;
};

struct Group {
  std::string key;  ///< correlation, then the group-by values (see key_of)
  Window entries;
  std::int64_t fired_until = INT64_MIN;  ///< quiet until then while the condition keeps holding
  std::uint64_t hash = 0;
  Group* before = nullptr;  ///< quiet for longer
  Group* after = nullptr;
  std::uint32_t correlation = 0;
  bool holding = false;
};

std::uint64_t fnv(std::string_view text, std::uint64_t h = 0xcbf29ce484222325ULL) {
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

bool meets(const Threshold& t, double value) {
  switch (t.op) {
    case Threshold::Op::lt:
      return value < t.value;
    case Threshold::Op::lte:
      return value <= t.value;
    case Threshold::Op::gt:
      return value > t.value;
    case Threshold::Op::gte:
      return value >= t.value;
    case Threshold::Op::eq:
      return value == t.value;
    case Threshold::Op::neq:
      return value != t.value;
  }
  return false;
}

/// Length-prefixed octets, for the saved state.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  template <class T>
  void number(T v) {
    out_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void text(std::string_view s) {
    number(static_cast<std::uint32_t>(s.size()));
    out_ += s;
  }

 private:
  std::string& out_;
};
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  template <class T>
  T number() {
    T v{};
    if (in_.size() < sizeof v) {
      ok_ = false;
      in_ = {};
      return v;
    }
    std::memcpy(&v, in_.data(), sizeof v);
    in_.remove_prefix(sizeof v);
    return v;
  }
  std::string_view text() {
    const auto n = number<std::uint32_t>();
    if (n > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const auto out = in_.substr(0, n);
    in_.remove_prefix(n);
    return out;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return in_.empty(); }
  [[nodiscard]] std::size_t left() const { return in_.size(); }

 private:
  std::string_view in_;
  bool ok_ = true;
};

class CorrelatorImpl final : public Correlator {
 public:
  CorrelatorImpl(std::shared_ptr<const EngineImpl> engine, const CorrelatorLimits& limits)
      : engine_(std::move(engine)),
        limits_(limits),
        lateness_us_(limits.lateness.count() * 1'000'000) {
    for (const auto field : time_fields) time_slots_.push_back(fields_.intern(field));
    for (const auto& c : engine_->correlations) {
      PerCorrelation per;
      for (const auto& group : c.group_fields) {
        std::vector<std::vector<Slot>> slots;
        for (const auto& field : group) slots.push_back(alternatives(field));
        per.group.push_back(std::move(slots));
      }
      for (const auto& list : c.value_fields) {
        std::vector<Slots> slots;
        for (const auto& field : list) slots.push_back(alternatives(field));
        per.value.push_back(std::move(slots));
      }
      per_.push_back(std::move(per));
    }
    add_event_shapes(fields_);
    fields_.freeze();
    reader_ = std::make_unique<EventReader>(fields_);
  }

  void add(const Match& match, std::string_view event, std::string_view event_id,
           std::vector<CorrelationMatch>& fired) override {
    const auto& feeds = engine_->feeds[match.rule->index];
    if (feeds.empty()) return;
    if (!reader_->read(event)) return;
    const auto time = event_time();
    if (!time) {
      ++untimed_;
      return;
    }
    if (*time > watermark_) watermark_ = *time;
    if (*time < watermark_ - lateness_us_) {
      ++too_late_;
      return;
    }
    ++serial_;
    for (const auto correlation : feeds)
      feed(correlation, match.rule->index, *time, event_id, fired, 0);
  }

  [[nodiscard]] std::uint64_t evicted() const override { return evicted_; }
  [[nodiscard]] std::uint64_t too_late() const override { return too_late_; }
  [[nodiscard]] std::size_t groups() const override { return groups_.size(); }
  [[nodiscard]] std::size_t octets() const override { return octets_; }

  [[nodiscard]] std::string save() const override {
    std::string out(state_magic);
    Writer w(out);
    w.number(state_version);
    w.number(watermark_);
    w.number(serial_);
    w.number(static_cast<std::uint64_t>(groups_.size()));
    // Quiet for longest first, so that restore() keeps the order.
    for (const auto* at = oldest_; at != nullptr; at = at->after) {
      const auto& g = *at;
      w.number(engine_->correlations[g.correlation].definition);
      w.text(std::string_view(g.key).substr(sizeof g.correlation));
      w.number(g.fired_until);
      w.number(static_cast<std::uint8_t>(g.holding));
      w.number(static_cast<std::uint32_t>(g.entries.size()));
      for (const auto& e : g.entries) {
        w.number(e.time);
        w.number(e.serial);
        w.number(e.source);
        w.number(e.value);
        w.text(e.id.text());
      }
    }
    return out;
  }

  [[nodiscard]] Result<void, Problem> restore(std::string_view state) override {
    const auto broken = [] {
      return fail(Problem{"correlation state is damaged or of another version", "",
                          "start without it: windows refill"});
    };
    if (!state.starts_with(state_magic)) return broken();
    state.remove_prefix(state_magic.size());
    Reader r(state);
    if (r.number<std::uint32_t>() != state_version) return broken();
    const auto watermark = r.number<std::int64_t>();
    const auto serial = r.number<std::uint64_t>();
    const auto count = r.number<std::uint64_t>();
    std::unordered_map<std::uint64_t, std::uint32_t> by_definition;
    for (std::uint32_t i = 0; i < engine_->correlations.size(); ++i)
      by_definition[engine_->correlations[i].definition] = i;
    std::vector<Group> groups;
    for (std::uint64_t n = 0; n < count; ++n) {
      Group g;
      const auto definition = r.number<std::uint64_t>();
      const auto it = by_definition.find(definition);  // a rule that changed or went starts afresh
      const auto values = r.text();
      g.fired_until = r.number<std::int64_t>();
      g.holding = r.number<std::uint8_t>() != 0;
      const auto entries = r.number<std::uint32_t>();
      if (!r.ok() || entries > r.left()) return broken();
      for (std::uint32_t i = 0; i < entries; ++i) {
        Entry e;
        e.time = r.number<std::int64_t>();
        e.serial = r.number<std::uint64_t>();
        e.source = r.number<std::uint32_t>();
        e.value = r.number<std::uint64_t>();
        e.id = EventId(r.text());
        g.entries.insert_by_time(std::move(e));
      }
      if (!r.ok()) return broken();
      if (it == by_definition.end()) continue;
      g.correlation = it->second;
      const auto sources = engine_->correlations[g.correlation].sources.size();
      g.key = key_of(g.correlation, values);
      if (split(g.key).size() != engine_->correlations[g.correlation].spec.group_by.size() ||
          std::any_of(g.entries.begin(), g.entries.end(),
                      [&](const Entry& e) { return e.source >= sources; }))
        return broken();
      groups.push_back(std::move(g));
    }
    if (!r.ok() || !r.done()) return broken();
    groups_.clear();
    oldest_ = newest_ = nullptr;
    octets_ = 0;
    watermark_ = watermark;
    serial_ = serial;
    for (auto& g : groups) {
      auto hash = fnv(g.key);
      while (groups_.contains(hash)) ++hash;  // two keys of one hash
      auto& kept = groups_.emplace(hash, std::move(g)).first->second;
      kept.hash = hash;
      link(kept);
      octets_ += octets_of(kept);
    }
    make_room();
    return {};
  }

 private:
  using Slots = std::vector<Slot>;
  struct PerCorrelation {
    std::vector<std::vector<Slots>>
        group;  ///< by source, by group-by entry: the field, or its alternatives
    std::vector<std::vector<Slots>> value;  ///< by source, by field
  };

  Slots alternatives(std::string_view fields) {
    Slots out;
    for (;;) {
      const auto end = fields.find('\n');
      out.push_back(fields_.intern(fields.substr(0, end)));
      if (end == std::string_view::npos) return out;
      fields.remove_prefix(end + 1);
    }
  }

  const Value* value_of(const Slots& slots) const {
    for (const auto slot : slots)
      if (slot != no_slot)
        for (const auto* v = reader_->first(slot); v != nullptr; v = reader_->next(*v))
          if (v->comparable()) return v;
    return nullptr;
  }

  std::optional<std::int64_t> event_time() const {
    for (const auto slot : time_slots_)
      if (const auto* v = reader_->first(slot); v != nullptr && v->comparable())
        if (const auto t = parse_time(v->text)) return t->us;
    return std::nullopt;
  }

  /// @param values  each with its length in front, as append_value() writes them
  static std::string key_of(std::uint32_t correlation, std::string_view values) {
    std::string key(reinterpret_cast<const char*>(&correlation), sizeof correlation);
    key += values;
    return key;
  }
  static void append_value(std::string& values, std::string_view v) {
    const auto n = static_cast<std::uint32_t>(v.size());
    values.append(reinterpret_cast<const char*>(&n), sizeof n);
    values += v;
  }
  /// The group-by values of a key.
  static std::vector<std::string_view> split(std::string_view key) {
    std::vector<std::string_view> out;
    Reader r(key.substr(std::min(key.size(), sizeof(std::uint32_t))));
    while (r.ok() && !r.done()) out.push_back(r.text());
    if (!r.ok()) out.assign(1 + max_group_fields, {});  // fits no correlation
    return out;
  }
  static constexpr std::size_t max_group_fields = 1024;

  static std::size_t entry_octets(const Entry& e) { return sizeof(Entry) + e.id.heap(); }
  /// With what the allocator and the hash table add.
  static std::size_t octets_of(const Group& g) {
    std::size_t n = sizeof(Group) + 80 + g.key.capacity();
    for (const auto& e : g.entries) n += entry_octets(e);
    return n;
  }

  void link(Group& g) {
    g.before = newest_;
    g.after = nullptr;
    (newest_ != nullptr ? newest_->after : oldest_) = &g;
    newest_ = &g;
  }
  void unlink(Group& g) {
    (g.before != nullptr ? g.before->after : oldest_) = g.after;
    (g.after != nullptr ? g.after->before : newest_) = g.before;
  }
  void drop_group(Group& g) {
    octets_ -= octets_of(g);
    unlink(g);
    groups_.erase(g.hash);
  }

  /// Adds the event to the group that its values name and judges the windows it changes. The reader
  /// holds the event, also for correlations upon correlations: they group by the fields of the
  /// event that completed the one below.
  void feed(std::uint32_t index, std::uint32_t rule, std::int64_t time, std::string_view id,
            std::vector<CorrelationMatch>& fired, int depth) {
    if (depth > max_chain) return;
    const auto& c = engine_->correlations[index];
    for (std::uint32_t source = 0; source < c.sources.size(); ++source) {
      if (c.sources[source] != rule) continue;
      Entry entry;
      entry.time = time;
      entry.serial = serial_;
      entry.source = source;
      entry.id = EventId(id);
      if (!take_value(index, entry)) return;
      values_.clear();
      for (const auto& slots : per_[index].group[source]) {
        const auto* v = value_of(slots);
        if (v == nullptr) return;  // without the field there is no group
        if (values_.size() + v->text.size() > longest_key) return;
        append_value(values_, v->text);
      }
      auto& group = find_group(index);
      insert(group, std::move(entry));
      judge(group, index, time, fired, depth);
    }
  }

  bool take_value(std::uint32_t index, Entry& entry) {
    const auto& spec = engine_->correlations[index].spec;
    switch (spec.type) {
      case CorrelationType::event_count:
      case CorrelationType::temporal:
      case CorrelationType::temporal_ordered:
        return true;
      case CorrelationType::value_count:
        for (const auto& slots : per_[index].value[entry.source]) {
          const auto* v = value_of(slots);
          if (v == nullptr) return false;
          entry.value = value_hash(v->text, entry.value);
        }
        return true;
      default:
        break;
    }
    const auto& value = per_[index].value[entry.source];
    const auto* v = value.empty() ? nullptr : value_of(value[0]);
    const auto number = v == nullptr ? std::nullopt : number_of(v->text);
    if (!number) return false;
    entry.value = std::bit_cast<std::uint64_t>(*number);
    return true;
  }

  /// Values are only told apart, so 64 well-mixed bits stand for each.
  static std::uint64_t value_hash(std::string_view text, std::uint64_t h) {
    h = fnv(text, h ^ 0xcbf29ce484222325ULL);
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ULL;
    return h ^ (h >> 32);
  }

  /// The group of `values_`.
  Group& find_group(std::uint32_t index) {
    auto key = key_of(index, values_);
    auto hash = fnv(key);
    auto it = groups_.find(hash);
    while (it != groups_.end() && it->second.key != key)
      it = groups_.find(++hash);  // two keys of one hash
    if (it == groups_.end()) {
      make_room();
      Group g;
      g.correlation = index;
      key.shrink_to_fit();
      g.key = std::move(key);
      g.hash = hash;
      it = groups_.emplace(hash, std::move(g)).first;
      octets_ += octets_of(it->second);
    } else {
      unlink(it->second);
    }
    link(it->second);
    return it->second;
  }

  void insert(Group& group, Entry entry) {
    const auto oldest =
        watermark_ - lateness_us_ - engine_->correlations[group.correlation].spec.timespan_us;
    while (!group.entries.empty() && group.entries.front().time < oldest) drop_oldest(group);
    if (group.entries.size() >= limits_.max_events_per_group) drop_oldest(group);
    octets_ += entry_octets(entry);
    group.entries.insert_by_time(std::move(entry));
  }

  void drop_oldest(Group& group) {
    octets_ -= entry_octets(group.entries.front());
    group.entries.pop_front();
  }

  /// Whether a window of the group can still be judged.
  [[nodiscard]] bool alive(const Group& g) const {
    const auto span = engine_->correlations[g.correlation].spec.timespan_us;
    return !g.entries.empty() && g.entries.back().time >= watermark_ - lateness_us_ - span;
  }

  void make_room() {
    // Groups whose window has passed for good are not a loss; they are counted only while still
    // alive.
    while (octets_ > limits_.max_octets && groups_.size() > 1) {
      if (alive(*oldest_)) ++evicted_;
      drop_group(*oldest_);
    }
    // A few of the longest quiet ones each time, so that passed windows do not pile up below the
    // limit.
    for (int n = 0; n < 4 && groups_.size() > 1 && !alive(*oldest_); ++n) drop_group(*oldest_);
  }

  /// Judges every window that ends at an event from `time` on and still holds `time`.
  void judge(Group& group, std::uint32_t index, std::int64_t time,
             std::vector<CorrelationMatch>& fired, int depth) {
    const auto& c = engine_->correlations[index];
    const auto span = c.spec.timespan_us;
    const auto& entries = group.entries;
    auto first_end = entries.size();
    while (first_end > 0 && entries[first_end - 1].time >= time) --first_end;
    // The windows that end at an event of this moment: the last one holds them all.
    std::size_t begin = 0;
    for (auto end = first_end; end < entries.size(); ++end) {
      if (entries[end].time - time > span) break;
      if (end + 1 < entries.size() && entries[end + 1].time == entries[end].time) continue;
      while (entries[begin].time < entries[end].time - span) ++begin;
      double value = 0;
      if (!window_holds(c.spec, entries, begin, end, value)) {
        if (end + 1 == entries.size()) group.holding = false;
        continue;
      }
      const auto at = entries[end].time;
      const bool again = group.holding && at < group.fired_until;
      CorrelationMatch match;
      if (!again) {
        match.rule = &engine_->infos[c.rule];
        match.first = Timestamp{entries[begin].time};
        match.last = Timestamp{at};
        match.value = value;
        const auto values = split(group.key);
        for (std::size_t i = 0; i < values.size(); ++i)
          match.group.emplace_back(c.spec.group_by[i], values[i]);
        const auto from = end + 1 - begin > max_evidence ? end + 1 - max_evidence : begin;
        for (auto i = from; i <= end; ++i)
          if (i == from || entries[i].id != entries[i - 1].id)
            match.event_ids.push_back(entries[i].id.text());
        group.fired_until = at + span;
      }
      group.holding = true;
      const std::string id = entries[end].id.text();
      if (!again) fired.push_back(std::move(match));
      // A chained correlation sees every moment at which this one holds, not just the first.
      const auto& feeds = engine_->feeds[c.rule];
      for (const auto above : feeds) feed(above, c.rule, at, id, fired, depth + 1);
      return;
    }
  }

  bool window_holds(const CorrelationSpec& spec, const Window& entries, std::size_t begin,
                    std::size_t end, double& value) {
    const auto n = end + 1 - begin;
    switch (spec.type) {
      case CorrelationType::event_count:
        value = static_cast<double>(n);
        break;
      case CorrelationType::value_count:
        value = static_cast<double>(distinct(entries, begin, end));
        break;
      case CorrelationType::value_sum:
      case CorrelationType::value_avg:
        for (auto i = begin; i <= end; ++i) value += entries[i].number();
        if (spec.type == CorrelationType::value_avg) value /= static_cast<double>(n);
        break;
      case CorrelationType::value_median:
        value = percentile(entries, begin, end, 50);
        break;
      case CorrelationType::value_percentile:
        value = percentile(entries, begin, end, spec.percentile);
        break;
      case CorrelationType::temporal:
        return temporal(spec, entries, begin, end, value);
      case CorrelationType::temporal_ordered:
        return ordered(spec, entries, begin, end, value);
    }
    return std::all_of(spec.thresholds.begin(), spec.thresholds.end(),
                       [&](const auto& t) { return meets(t, value); });
  }

  std::size_t distinct(const Window& entries, std::size_t begin, std::size_t end) {
    hashes_.clear();
    for (auto i = begin; i <= end; ++i) hashes_.push_back(entries[i].value);
    std::sort(hashes_.begin(), hashes_.end());
    return static_cast<std::size_t>(std::unique(hashes_.begin(), hashes_.end()) - hashes_.begin());
  }

  /// Linear interpolation between the closest ranks.
  double percentile(const Window& entries, std::size_t begin, std::size_t end, double p) {
    numbers_.clear();
    for (auto i = begin; i <= end; ++i) numbers_.push_back(entries[i].number());
    std::sort(numbers_.begin(), numbers_.end());
    const double rank = p / 100 * static_cast<double>(numbers_.size() - 1);
    const auto below = static_cast<std::size_t>(rank);
    const auto above = std::min(below + 1, numbers_.size() - 1);
    return numbers_[below] +
           (rank - static_cast<double>(below)) * (numbers_[above] - numbers_[below]);
  }

  bool temporal(const CorrelationSpec& spec, const Window& entries, std::size_t begin,
                std::size_t end, double& value) {
    seen_.assign(spec.rules.size(), false);
    for (auto i = begin; i <= end; ++i) seen_[entries[i].source] = true;
    value = static_cast<double>(std::count(seen_.begin(), seen_.end(), true));
    if (spec.expression) return expression_holds(*spec.expression, spec.rules);
    if (!spec.thresholds.empty())
      return std::all_of(spec.thresholds.begin(), spec.thresholds.end(),
                         [&](const auto& t) { return meets(t, value); });
    return std::all_of(seen_.begin(), seen_.end(), [](bool s) { return s; });
  }

  bool expression_holds(const Condition& c, const std::vector<std::string>& rules) const {
    switch (c.op) {
      case Condition::Op::constant:
        return c.value;
      case Condition::Op::negate:
        return !expression_holds(c.parts[0], rules);
      case Condition::Op::all_of:
        return std::all_of(c.parts.begin(), c.parts.end(),
                           [&](const auto& p) { return expression_holds(p, rules); });
      case Condition::Op::any_of:
        return std::any_of(c.parts.begin(), c.parts.end(),
                           [&](const auto& p) { return expression_holds(p, rules); });
      case Condition::Op::identifier:
        break;
    }
    const auto it = std::find(rules.begin(), rules.end(), c.text);
    return it != rules.end() && seen_[static_cast<std::size_t>(it - rules.begin())];
  }

  /// The rules in their order, greedily from the oldest event: an earlier match is never worse. One
  /// event cannot serve two rules.
  bool ordered(const CorrelationSpec& spec, const Window& entries, std::size_t begin,
               std::size_t end, double& value) {
    const bool all = spec.thresholds.empty();
    std::size_t longest = 0;
    // With a threshold a prefix of the order is not asked for, only how many rules come in order:
    // the longest increasing run over the rules' positions.
    if (all) {
      std::size_t next = 0;
      std::uint64_t used = 0;
      bool have_used = false;
      for (auto i = begin; i <= end && next < spec.rules.size(); ++i)
        if (entries[i].source == next && !(have_used && entries[i].serial == used)) {
          used = entries[i].serial;
          have_used = true;
          ++next;
        }
      longest = next;
    } else {
      lengths_.assign(spec.rules.size(), 0);
      for (auto i = begin; i <= end; ++i) {
        std::size_t best = 0;
        for (std::uint32_t s = 0; s < entries[i].source; ++s) best = std::max(best, lengths_[s]);
        lengths_[entries[i].source] = std::max(lengths_[entries[i].source], best + 1);
      }
      for (const auto n : lengths_) longest = std::max(longest, n);
    }
    value = static_cast<double>(longest);
    if (spec.expression) {
      seen_.assign(spec.rules.size(), false);
      for (auto i = begin; i <= end; ++i) seen_[entries[i].source] = true;
      if (!expression_holds(*spec.expression, spec.rules)) return false;
      return in_order(spec, entries, begin, end);
    }
    if (all) return longest == spec.rules.size();
    return std::all_of(spec.thresholds.begin(), spec.thresholds.end(),
                       [&](const auto& t) { return meets(t, value); });
  }

  /// The rules that occur at all can be met in the order in which the correlation lists them.
  bool in_order(const CorrelationSpec& spec, const Window& entries, std::size_t begin,
                std::size_t end) const {
    auto i = begin;
    for (std::uint32_t s = 0; s < spec.rules.size(); ++s) {
      if (!seen_[s]) continue;
      while (i <= end && entries[i].source != s) ++i;
      if (i > end) return false;
      ++i;
    }
    return true;
  }

  std::shared_ptr<const EngineImpl> engine_;
  CorrelatorLimits limits_;
  std::int64_t lateness_us_;
  FieldTable fields_;
  std::unique_ptr<EventReader> reader_;
  std::vector<Slot> time_slots_;
  std::vector<PerCorrelation> per_;
  std::unordered_map<std::uint64_t, Group> groups_;
  Group* oldest_ = nullptr;  // quiet for longest; nodes of the map keep their places
  Group* newest_ = nullptr;
  std::string values_;
  std::int64_t watermark_ = INT64_MIN / 4;
  std::uint64_t serial_ = 0, evicted_ = 0, too_late_ = 0, untimed_ = 0;
  std::size_t octets_ = 0;
  std::vector<std::uint64_t> hashes_;
  std::vector<double> numbers_;
  std::vector<bool> seen_;
  std::vector<std::size_t> lengths_;
};

}  // namespace

std::unique_ptr<Correlator> Correlator::create(std::shared_ptr<const Engine> engine,
                                               const CorrelatorLimits& limits) {
  return std::make_unique<CorrelatorImpl>(
      std::static_pointer_cast<const EngineImpl>(std::move(engine)), limits);
}

}  // namespace ww::sigma
