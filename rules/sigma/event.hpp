#pragma once
/// An event as rules see it: field names are slots (small integers given out when rules are
/// compiled), values are text with its folded form. Filled by simdjson without building a tree;
/// memory is reused from event to event.
#include <simdjson.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ww::sigma {

using Slot = std::uint16_t;  ///< 0 = "any value", what keywords look at
inline constexpr Slot no_slot = 0xffff;

/// Octets behind an event that the reader may look at, whatever they are.
inline constexpr std::size_t readable_behind = 64;

/// A scalar of the event. Its text in simple case folding is made when somebody asks
/// (EventReader::folded).
struct Value {
  enum class Kind : std::uint8_t { null, text, number, boolean, object };
  std::string_view text;
  mutable std::string_view fold;
  std::uint32_t next = 0;  ///< 1 + position of the field's next value (arrays), 0 = last
  Kind kind = Kind::null;
  mutable bool folded = true;
  /// Objects and nulls have no text to compare.
  [[nodiscard]] bool comparable() const { return kind != Kind::null && kind != Kind::object; }
};

/// Names to slots, with the shapes in which sources deliver fields. Built once, then only read.
class FieldTable {
 public:
  FieldTable();
  FieldTable(const FieldTable&) = delete;
  FieldTable& operator=(const FieldTable&) = delete;
  /// The slot of a field name; creates it. `no_slot` when there are too many.
  Slot intern(std::string_view name);
  [[nodiscard]] Slot find(std::string_view name) const;
  [[nodiscard]] std::size_t slots() const { return names_.size(); }
  [[nodiscard]] const std::string& name(Slot slot) const { return names_[slot]; }
  /// Another path in the event that fills the slot of `name`, when that is not filled by its own
  /// name.
  void alias(std::string_view path, std::string_view name);
  /// The members of the object at this path count as fields of the event itself.
  void overlay(std::string_view path);
  /// Call when all names are in; builds the look-up table.
  void freeze();

  struct Entry {
    std::uint64_t hash = 0;
    std::string_view path;
    Slot slot = no_slot;
    Slot alias = no_slot;
    bool prefix = false;  ///< some name continues below
    bool overlay = false;
    bool used = false;
  };
  /// The entry of a dotted path, or nullptr when no rule cares.
  [[nodiscard]] const Entry* look_up(std::string_view path) const;

 private:
  Entry& pending(std::string_view path);
  std::vector<std::string> names_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<Entry> table_;  // open addressing; paths point into entries_
  std::uint64_t mask_ = 0;
};

/// The shapes in which Winlogbeat, converted EVTX files and our own `log` events deliver Windows
/// fields. Call when all names are in, before freeze().
void add_event_shapes(FieldTable& fields);

/// Reads one event after the other. One per thread.
class EventReader {
 public:
  explicit EventReader(const FieldTable& fields);

  /// @param json  one object, borrowed until the next call
  /// @param readable  octets behind it that may be read; with fewer than `readable_behind` it is
  /// copied
  /// @return false when it is not a JSON object
  bool read(std::string_view json, std::size_t readable = 0);
  /// All scalar values of the event in order, for keywords. Reads the event a second time, at most
  /// once per event.
  const std::vector<Value>& all_values();
  /// All folded values joined by octet 0xff (which UTF-8 never has): one scan finds keywords.
  std::string_view all_folded();

  /// The event's own text, for a look before all values are gathered: what is folded, has no quote,
  /// backslash or control character in it, and is not in here in any case of ASCII letters, is in
  /// no value; but see has_odd_number(). Empty when escapes in the text make that untrue.
  /// @param for_ascii  only ASCII is going to be looked for
  std::string_view plain_text(bool for_ascii);
  /// Whether some number may be written otherwise than it compares (1.0, 1e3). It may be wrong only
  /// in saying so.
  [[nodiscard]] bool has_odd_number() const;

  /// The value's text in simple case folding.
  std::string_view folded(const Value& value) {
    if (!value.folded) {
      value.fold = fold(value.text);
      value.folded = true;
    }
    return value.fold;
  }

  /// The first value of a field, or nullptr when the event does not have the field.
  [[nodiscard]] const Value* first(Slot slot) const {
    const auto& s = slots_[slot];
    return s.epoch == epoch_ ? &values_[s.first] : nullptr;
  }
  [[nodiscard]] const Value* next(const Value& value) const {
    return value.next == 0 ? nullptr : &values_[value.next - 1];
  }
  /// Slots that the event filled, in order of appearance.
  [[nodiscard]] const std::vector<Slot>& filled() const { return filled_; }

 private:
  struct State {
    std::uint32_t epoch = 0;
    std::uint32_t first = 0, last = 0;
    std::uint16_t rank = 0;
  };
  bool read_object(simdjson::ondemand::object object, std::size_t prefix, std::uint16_t rank,
                   int depth);
  bool read_value(simdjson::ondemand::value value, Slot slot, Slot alias, bool descend,
                  bool overlay, std::uint16_t rank, int depth);
  void put(Slot slot, const Value& value, std::uint16_t rank);
  bool collect(simdjson::ondemand::value value, int depth);
  bool scalar(simdjson::ondemand::value& value, simdjson::ondemand::json_type type, Value& out);
  std::string_view lenient_text(simdjson::ondemand::value& value);
  std::string_view fold(std::string_view text);
  char* arena(std::size_t octets);

  const FieldTable& fields_;
  simdjson::ondemand::parser parser_, all_parser_;
  simdjson::ondemand::document document_, all_document_;
  std::vector<char> input_;  // a copy, when nothing may be read behind the event
  std::string_view json_;
  std::size_t capacity_ = 0;
  std::vector<State> slots_;
  std::uint32_t epoch_ = 0;
  std::vector<Value> values_, all_;
  std::vector<Slot> filled_;
  std::string path_;
  std::vector<std::vector<char>> arena_;  // blocks; the first is reused, larger events grow it
  std::size_t arena_block_ = 0, arena_used_ = 0;
  std::string all_folded_;
  bool have_all_ = false, have_folded_ = false;
};

}  // namespace ww::sigma
