/// Correlations over time. Each (correlation, group) keeps the events of its window in time order;
/// an event is judged against every window that it can change, so late events within the lateness
/// count as if they had come in order. Memory is bounded: when it is full, the group that has been
/// quiet for longest goes first (`evicted`).
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <unordered_map>

#include "rules/sigma/correlation_state.hpp"
#include "rules/sigma/engine.hpp"
#include "telemetry/clock.hpp"

namespace ww::sigma {
namespace {

constexpr std::size_t max_evidence = 100;  // event ids reported with a match
constexpr std::size_t longest_key = 4096;  // octets of the values of one group
constexpr int max_chain = 16;              // correlations upon correlations
constexpr int replayed = max_chain + 1;    // depth of what a log says happened
constexpr std::uint8_t state_version = 4;  // of slices and logs; 1 to 3 were whole snapshots
constexpr std::int64_t least_slice_charge = 1024;  // what writing a small slice costs all the same
constexpr std::array<std::string_view, 5> time_fields = {"@timestamp", "TimeCreated_SystemTime",
                                                         "timestamp", "ww.received", "UtcTime"};

std::uint64_t fnv(std::string_view text, std::uint64_t h = 0xcbf29ce484222325ULL) {
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

bool holds_number(CorrelationType type) {
  return type == CorrelationType::value_sum || type == CorrelationType::value_avg ||
         type == CorrelationType::value_median || type == CorrelationType::value_percentile;
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
    received_slot_ = fields_.find("ww.received");
    for (const auto& c : engine_->correlations) {
      auto definition = c.definition;
      while (by_definition_.contains(definition)) ++definition;  // the same rule twice
      by_definition_[definition] = static_cast<std::uint32_t>(definitions_.size());
      definitions_.push_back(definition);
    }
    std::random_device random;
    seed_ = std::uint64_t{random()} << 32U | random();
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
    settle();
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

  [[nodiscard]] CorrelationChange take_change() override {
    CorrelationChange out;
    out.serial = serial_;
    if (!log_.empty()) {
      StateWriter w(out.log);
      write_front(w);
      w.var(log_first_);
      w.raw(log_);
      log_.clear();
      log_definitions_.clear();
      credit_ += static_cast<std::int64_t>(out.log.size());
    }
    // As many octets of slices as of log: the log that is still needed stays about as large as
    // the state, and no single change is much larger than its events ask for.
    while (credit_ > 0 && dirty_ > 0) {
      while (dirty_since_[sweep_] == 0) sweep_ = (sweep_ + 1) % GroupStore::slices;
      auto& slice = out.slices.emplace_back();
      slice.number = sweep_;
      slice.state = write_slice(sweep_);
      dirty_since_[sweep_] = 0;
      --dirty_;
      credit_ -= std::max(least_slice_charge, static_cast<std::int64_t>(slice.state.size()));
      sweep_ = (sweep_ + 1) % GroupStore::slices;
    }
    if (dirty_ == 0) credit_ = std::min<std::int64_t>(credit_, 0);
    out.covered = serial_;
    for (const auto since : dirty_since_)
      if (since != 0) out.covered = std::min(out.covered, since - 1);
    return out;
  }

  [[nodiscard]] Result<void, Problem> load_slice(std::uint32_t number,
                                                 std::string_view state) override {
    StateReader r(state);
    Front front;
    if (number >= GroupStore::slices || !read_front(r, front)) return damaged();
    const auto serial = r.var();
    const auto count = r.var();
    if (!r.ok() || count > r.left()) return damaged();
    DefinitionReader definitions;
    std::vector<Saved> saved;
    for (std::uint64_t n = 0; n < count; ++n) {
      Saved g;
      const auto definition = definitions.read(r);
      const auto values = r.text();
      g.values = values;
      const auto flags = r.octet();
      g.holding = (flags & 1U) != 0;
      if ((flags & 2U) != 0) g.fired_until = r.sint();
      const auto entries = r.var();
      if (!r.ok() || entries > r.left()) return damaged();
      const auto it = by_definition_.find(definition);  // a rule that changed or went starts afresh
      const bool known = it != by_definition_.end();
      const auto sources = known ? engine_->correlations[it->second].sources.size() : 0;
      std::int64_t time = 0;
      for (std::uint64_t i = 0; i < entries; ++i) {
        auto e = read_entry(r, time);
        if (!r.ok() || (known && e.source >= sources)) return damaged();
        time = e.time;
        if (known) g.entries.insert_by_time(std::move(e));
      }
      if (!known) continue;
      g.correlation = it->second;
      g.hash = GroupStore::hash_of(front.seed, definition, values);
      if (GroupStore::slice_of(g.hash) != number || !fits(g.correlation, values)) return damaged();
      saved.push_back(std::move(g));
    }
    if (!r.ok() || !r.done()) return damaged();
    take_front(front);
    serial_ = std::max(serial_, serial);
    saved_until_[number] = serial;
    for (auto& g : saved) {
      if (groups_.find(g.hash, g.correlation, g.values) != nullptr) continue;
      auto& group = groups_.add(g.hash, g.correlation, g.values);
      group.entries = std::move(g.entries);
      group.fired_until = g.fired_until;
      group.holding = g.holding ? 1 : 0;
      octets_ += octets_of(group);
      for (const auto& e : group.entries) octets_ += e.id.heap();
    }
    unsettled_ = true;
    return {};
  }

  [[nodiscard]] Result<void, Problem> load_log(std::string_view log) override {
    StateReader r(log);
    Front front;
    if (!read_front(r, front)) return damaged();
    take_front(front);
    settle();
    auto serial = r.var();
    std::int64_t time = 0;
    DefinitionReader definitions;
    std::vector<CorrelationMatch> fired;
    while (r.ok() && !r.done()) {
      serial += r.var();
      const auto definition = definitions.read(r);
      const auto values = r.text();
      auto e = read_entry(r, time);
      if (!r.ok()) return damaged();
      time = e.time;
      serial_ = std::max(serial_, serial);
      const auto it = by_definition_.find(definition);
      if (it == by_definition_.end()) continue;
      const auto index = it->second;
      if (e.source >= engine_->correlations[index].sources.size() || !fits(index, values))
        return damaged();
      const auto hash = GroupStore::hash_of(seed_, definition, values);
      const auto slice = GroupStore::slice_of(hash);
      if (serial <= saved_until_[slice]) continue;  // the slice was saved later
      if (dirty_since_[slice] == 0) ++dirty_;
      if (dirty_since_[slice] == 0) dirty_since_[slice] = serial;
      auto& group = find_group(hash, index, values);
      insert(group, std::move(e));
      // What this makes fire was committed with it, and what that told other correlations stands
      // in the log for itself.
      fired.clear();
      judge(group, index, time, fired, replayed);
    }
    return r.ok() ? Result<void, Problem>{} : damaged();
  }

  void take_over(Correlator& previous) override {
    auto& old = static_cast<CorrelatorImpl&>(previous);
    old.settle();
    groups_ = std::move(old.groups_);
    octets_ = old.octets_;
    watermark_ = old.watermark_;
    serial_ = old.serial_;
    seed_ = old.seed_;
    evicted_ = old.evicted_;
    too_late_ = old.too_late_;
    untimed_ = old.untimed_;
    dirty_since_ = std::move(old.dirty_since_);
    saved_until_ = std::move(old.saved_until_);
    dirty_ = old.dirty_;
    sweep_ = old.sweep_;
    credit_ = old.credit_;
    log_ = std::move(old.log_);
    log_definitions_ = std::move(old.log_definitions_);
    log_first_ = old.log_first_;
    log_last_ = old.log_last_;
    log_time_ = old.log_time_;
    std::vector<std::pair<std::uint64_t, Group*>> gone;
    groups_.each([&](Group& g) {
      const auto definition = old.definitions_[g.correlation];
      const auto it = by_definition_.find(definition);
      if (it != by_definition_.end())
        g.correlation = it->second;
      else
        gone.emplace_back(GroupStore::hash_of(seed_, definition, g.key()), &g);
    });
    for (const auto& [hash, g] : gone) drop_group(hash, *g);
    old.groups_.clear();
    old.octets_ = 0;
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

  std::optional<std::int64_t> time_in(Slot slot) const {
    if (slot == no_slot) return {};
    if (const auto* v = reader_->first(slot); v != nullptr && v->comparable())
      if (const auto t = parse_time(v->text)) return t->us;
    return {};
  }
  /// The event's own time, but not one ahead of its arrival: a clock that runs ahead would make
  /// all others late.
  std::optional<std::int64_t> event_time() const {
    const auto received = time_in(received_slot_);
    for (const auto slot : time_slots_)
      if (const auto t = time_in(slot))
        return received && *t > *received + lateness_us_ ? received : t;
    return {};
  }

  struct Front {
    std::uint64_t seed = 0;
    std::int64_t watermark = 0;
  };
  /// A group as it was saved.
  struct Saved {
    std::string_view values;
    Window entries;
    std::int64_t fired_until = INT64_MIN;
    std::uint64_t hash = 0;
    std::uint32_t correlation = 0;
    bool holding = false;
  };

  static Result<void, Problem> damaged() {
    return fail(Problem{"correlation state is damaged or of another version", "",
                        "nothing to do: its windows refill"});
  }
  void write_front(StateWriter& w) const {
    w.octet(state_version);
    w.fixed(seed_);
    w.fixed(static_cast<std::uint64_t>(watermark_));
  }
  /// The seed places groups in slices, so all that is loaded must have the same one.
  [[nodiscard]] bool read_front(StateReader& r, Front& out) const {
    const auto version = r.octet();
    out.seed = r.fixed();
    out.watermark = static_cast<std::int64_t>(r.fixed());
    return r.ok() && version == state_version && (!seed_loaded_ || out.seed == seed_);
  }
  void take_front(const Front& front) {
    seed_ = front.seed;
    seed_loaded_ = true;
    watermark_ = std::max(watermark_, front.watermark);
  }

  [[nodiscard]] std::string write_slice(std::uint32_t number) {
    std::string out;
    StateWriter w(out);
    write_front(w);
    w.var(serial_);
    std::string body;
    StateWriter b(body);
    DefinitionWriter definitions;
    std::uint64_t count = 0;
    groups_.each_of(number, [&](const Group& g) {
      if (!alive(g)) return;
      ++count;
      definitions.write(b, definitions_[g.correlation]);
      b.text(g.key());
      const bool fired = g.fired_until != INT64_MIN;
      b.octet(static_cast<std::uint8_t>((g.holding != 0 ? 1U : 0U) | (fired ? 2U : 0U)));
      if (fired) b.sint(g.fired_until);
      b.var(g.entries.size());
      std::int64_t time = 0;
      for (const auto& e : g.entries) {
        write_entry(b, e, time);
        time = e.time;
      }
    });
    w.var(count);
    w.raw(body);
    return out;
  }

  void append_log(std::uint32_t correlation, const Entry& e) {
    if (!limits_.keep_log) return;
    if (log_.empty()) {
      log_first_ = log_last_ = serial_;
      log_time_ = 0;
    }
    StateWriter w(log_);
    w.var(serial_ - log_last_);
    log_last_ = serial_;
    log_definitions_.write(w, definitions_[correlation]);
    w.text(values_);
    write_entry(w, e, log_time_);
    log_time_ = e.time;
  }

  /// After slices were loaded: the order in which groups were touched comes back from their events.
  void settle() {
    if (!unsettled_) return;
    unsettled_ = false;
    const auto now = static_cast<std::uint32_t>(serial_);
    groups_.order_by_age([&](const Group& g) {
      auto age = UINT32_MAX;
      for (const auto& e : g.entries) age = std::min(age, now - e.serial);
      return age;
    });
    make_room();
  }

  static void append_value(std::string& values, std::string_view v) {
    const auto n = static_cast<std::uint32_t>(v.size());
    values.append(reinterpret_cast<const char*>(&n), sizeof n);
    values += v;
  }
  /// The group-by values of a key; nothing when it is none.
  static std::optional<std::vector<std::string_view>> split(std::string_view key) {
    std::vector<std::string_view> out;
    while (!key.empty()) {
      std::uint32_t n = 0;
      if (key.size() < sizeof n) return {};
      std::memcpy(&n, key.data(), sizeof n);
      key.remove_prefix(sizeof n);
      if (n > key.size()) return {};
      out.push_back(key.substr(0, n));
      key.remove_prefix(n);
    }
    return out;
  }
  [[nodiscard]] bool fits(std::uint32_t correlation, std::string_view values) const {
    const auto parts = split(values);
    return values.size() <= 2 * longest_key && parts &&
           parts->size() == engine_->correlations[correlation].spec.group_by.size();
  }

  /// With what the allocator and the table of its slice add; without long ids, which are counted
  /// as they come and go.
  static std::size_t octets_of(const Group& g) {
    return sizeof(Group) + 8 + (g.values_size + 15U) / 16 * 16 + g.entries.octets();
  }

  void drop_group(std::uint64_t hash, Group& g) {
    octets_ -= octets_of(g);
    for (const auto& e : g.entries) octets_ -= e.id.heap();
    groups_.erase(hash, g);
  }
  void drop_group(Group& g) {
    const auto hash = GroupStore::hash_of(seed_, definitions_[g.correlation], g.key());
    note_change(GroupStore::slice_of(hash));
    drop_group(hash, g);
  }
  void note_change(std::uint32_t slice) {
    if (dirty_since_[slice] != 0) return;
    dirty_since_[slice] = std::max<std::uint64_t>(serial_, 1);
    ++dirty_;
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
      entry.serial = static_cast<std::uint32_t>(serial_);
      entry.source = static_cast<std::uint16_t>(source);
      entry.id = EventId(id);
      if (!take_value(index, entry)) return;
      values_.clear();
      for (const auto& slots : per_[index].group[source]) {
        const auto* v = value_of(slots);
        if (v == nullptr) return;  // without the field there is no group
        if (values_.size() + v->text.size() > longest_key) return;
        append_value(values_, v->text);
      }
      const auto hash = GroupStore::hash_of(seed_, definitions_[index], values_);
      append_log(index, entry);
      note_change(GroupStore::slice_of(hash));
      auto& group = find_group(hash, index, values_);
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

  Group& find_group(std::uint64_t hash, std::uint32_t index, std::string_view values) {
    if (auto* known = groups_.find(hash, index, values); known != nullptr) {
      groups_.touch(*known);
      return *known;
    }
    make_room();
    auto& made = groups_.add(hash, index, values);
    octets_ += octets_of(made);
    return made;
  }

  void insert(Group& group, Entry entry) {
    const auto oldest =
        watermark_ - lateness_us_ - engine_->correlations[group.correlation].spec.timespan_us;
    octets_ -= octets_of(group);
    while (!group.entries.empty() && group.entries.front().time < oldest) drop_oldest(group);
    if (group.entries.size() >= limits_.max_events_per_group) drop_oldest(group);
    octets_ += entry.id.heap();
    group.entries.insert_by_time(std::move(entry));
    octets_ += octets_of(group);
  }

  void drop_oldest(Group& group) {
    octets_ -= group.entries.front().id.heap();
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
      auto& oldest = *groups_.oldest();
      if (alive(oldest)) ++evicted_;
      drop_group(oldest);
    }
    // A few of the longest quiet ones each time, so that passed windows do not pile up below the
    // limit.
    for (int n = 0; n < 4 && groups_.size() > 1 && !alive(*groups_.oldest()); ++n)
      drop_group(*groups_.oldest());
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
    auto begin = static_cast<std::size_t>(
        std::lower_bound(entries.begin(), entries.end(), time - span,
                         [](const Entry& e, std::int64_t t) { return e.time < t; }) -
        entries.begin());
    for (auto end = first_end; end < entries.size(); ++end) {
      if (entries[end].time - time > span) break;
      if (end + 1 < entries.size() && entries[end + 1].time == entries[end].time) continue;
      while (entries[begin].time < entries[end].time - span) ++begin;
      double value = 0;
      if (!window_holds(c.spec, entries, begin, end, value)) {
        if (end + 1 == entries.size()) group.holding = 0;
        continue;
      }
      const auto at = entries[end].time;
      const bool again = group.holding != 0 && at < group.fired_until;
      CorrelationMatch match;
      if (!again) {
        match.rule = &engine_->infos[c.rule];
        match.first = Timestamp{entries[begin].time};
        match.last = Timestamp{at};
        match.value = value;
        match.about = &c.about;
        const auto values = split(group.key());
        for (std::size_t i = 0; values && i < values->size(); ++i)
          match.group.emplace_back(c.spec.group_by[i], (*values)[i]);
        const auto from = end + 1 - begin > max_evidence ? end + 1 - max_evidence : begin;
        for (auto i = from; i <= end; ++i) {
          const auto& e = entries[i];
          if (i == from || e.id != entries[i - 1].id) match.event_ids.push_back(e.id.text());
          match.parts.push_back(
              {static_cast<std::uint32_t>(match.event_ids.size() - 1), Timestamp{e.time},
               &engine_->infos[c.sources[e.source]],
               holds_number(c.spec.type) ? std::optional(e.number()) : std::nullopt});
        }
        match.events = end + 1 - begin;
        for (const auto source : c.sources) match.rules.emplace_back(&engine_->infos[source], 0);
        for (auto i = begin; i <= end; ++i) ++match.rules[entries[i].source].second;
        group.fired_until = at + span;
      }
      group.holding = 1;
      if (depth == replayed) return;
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

  /// Hashes are well mixed, so a table of them needs no other hash; 0 is counted apart.
  std::size_t distinct(const Window& entries, std::size_t begin, std::size_t end) {
    const auto size = std::bit_ceil((end + 1 - begin) * 2);
    table_.assign(size, 0);
    std::size_t found = 0;
    bool zero = false;
    for (auto i = begin; i <= end; ++i) {
      const auto value = entries[i].value;
      if (value == 0) {
        zero = true;
        continue;
      }
      auto at = value & (size - 1);
      while (table_[at] != 0 && table_[at] != value) at = (at + 1) & (size - 1);
      if (table_[at] == 0) ++found;
      table_[at] = value;
    }
    return found + (zero ? 1U : 0U);
  }

  /// Linear interpolation between the closest ranks.
  double percentile(const Window& entries, std::size_t begin, std::size_t end, double p) {
    numbers_.clear();
    for (auto i = begin; i <= end; ++i) numbers_.push_back(entries[i].number());
    const double rank = p / 100 * static_cast<double>(numbers_.size() - 1);
    const auto below = static_cast<std::size_t>(rank);
    const auto at = numbers_.begin() + static_cast<std::ptrdiff_t>(below);
    std::nth_element(numbers_.begin(), at, numbers_.end());
    if (below + 1 >= numbers_.size()) return *at;
    return *at +
           (rank - static_cast<double>(below)) * (*std::min_element(at + 1, numbers_.end()) - *at);
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
  Slot received_slot_ = no_slot;
  std::vector<std::uint64_t> definitions_;  // by correlation: what its groups are saved under
  std::unordered_map<std::uint64_t, std::uint32_t> by_definition_;
  GroupStore groups_;
  std::string values_;
  std::int64_t watermark_ = INT64_MIN / 4;
  std::uint64_t serial_ = 0, evicted_ = 0, too_late_ = 0, untimed_ = 0;
  std::uint64_t seed_ = 0;
  bool seed_loaded_ = false, unsettled_ = false;
  std::size_t octets_ = 0;

  // What is saved: slice by slice in turn, and a log of what came since.
  std::vector<std::uint64_t> dirty_since_ =  // first change that no saved slice has; 0: none
      std::vector<std::uint64_t>(GroupStore::slices);
  std::vector<std::uint64_t> saved_until_ = std::vector<std::uint64_t>(GroupStore::slices);
  std::uint32_t dirty_ = 0, sweep_ = 0;
  std::int64_t credit_ = 0;
  std::string log_;
  DefinitionWriter log_definitions_;
  std::uint64_t log_first_ = 0, log_last_ = 0;
  std::int64_t log_time_ = 0;

  std::vector<std::uint64_t> table_;  // scratch of distinct()
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
