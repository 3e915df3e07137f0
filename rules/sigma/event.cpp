#include "rules/sigma/event.hpp"

#include <tmmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "rules/sigma/document.hpp"
#include "rules/sigma/text.hpp"

namespace ww::sigma {
namespace {

constexpr int max_depth = 64;  // deeper values are not looked at
static_assert(readable_behind >= simdjson::SIMDJSON_PADDING);
constexpr std::size_t max_values = 65'536;  // per event; what comes after is not looked at
constexpr std::size_t arena_block = 64 * 1024;
constexpr std::uint16_t overlay_rank = 1000;
constexpr std::uint16_t alias_rank = 2000;
constexpr std::uint16_t object_rank = 8000;

/// Shapes in which sources deliver the fields that rules name, besides the plain one.
constexpr std::string_view overlays[] = {"log.fields", "winlog.event_data", "winlog.user_data",
                                         "Event.EventData", "Event.System"};
constexpr std::pair<std::string_view, std::string_view> aliases[] = {
    {"winlog.channel", "Channel"},
    {"winlog.event_id", "EventID"},
    {"winlog.provider_name", "Provider_Name"},
    {"winlog.provider_guid", "Provider_Guid"},
    {"winlog.computer_name", "Computer"},
    {"winlog.record_id", "EventRecordID"},
    {"Event.System.EventID.#text", "EventID"},
    {"Event.System.Provider.#attributes.Name", "Provider_Name"},
    {"Event.System.Provider.#attributes.Guid", "Provider_Guid"},
    {"Event.System.TimeCreated.#attributes.SystemTime", "TimeCreated_SystemTime"},
    {"Event.System.Execution.#attributes.ProcessID", "Execution_ProcessID"},
    {"Event.System.Security.#attributes.UserID", "Security_UserID"},
};

}  // namespace

void add_event_shapes(FieldTable& fields) {
  for (const auto path : overlays) fields.overlay(path);
  for (const auto& [path, name] : aliases) fields.alias(path, name);
}

FieldTable::FieldTable() { names_.emplace_back(); }

FieldTable::Entry& FieldTable::pending(std::string_view path) {
  const auto [it, fresh] = entries_.try_emplace(std::string(path));
  if (fresh)
    for (auto dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1))
      entries_[std::string(path.substr(0, dot))].prefix = true;
  return it->second;
}

Slot FieldTable::intern(std::string_view name) {
  auto& entry = pending(name);
  if (entry.slot == no_slot) {
    if (names_.size() >= no_slot) return no_slot;
    entry.slot = static_cast<Slot>(names_.size());
    names_.emplace_back(name);
  }
  return entry.slot;
}

Slot FieldTable::find(std::string_view name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? no_slot : it->second.slot;
}

void FieldTable::alias(std::string_view path, std::string_view name) {
  const auto slot = find(name);
  if (slot != no_slot) pending(path).alias = slot;
}

void FieldTable::overlay(std::string_view path) { pending(path).overlay = true; }

void FieldTable::freeze() {
  std::size_t size = 64;
  while (size < entries_.size() * 3) size *= 2;
  table_.assign(size, Entry{});
  mask_ = size - 1;
  for (auto& [path, entry] : entries_) {
    entry.path = path;
    entry.hash = short_hash(path);
    entry.used = true;
    auto at = entry.hash & mask_;
    while (table_[at].used) at = (at + 1) & mask_;
    table_[at] = entry;
  }
}

const FieldTable::Entry* FieldTable::look_up(std::string_view path) const {
  const auto hash = short_hash(path);
  for (auto at = hash & mask_; table_[at].used; at = (at + 1) & mask_)
    if (table_[at].hash == hash && table_[at].path == path) return &table_[at];
  return nullptr;
}

EventReader::EventReader(const FieldTable& fields) : fields_(fields), slots_(fields.slots()) {
  values_.reserve(128);
  filled_.reserve(128);
  arena_.emplace_back(arena_block);
}

char* EventReader::arena(std::size_t octets) {
  while (arena_used_ + octets > arena_[arena_block_].size()) {
    if (arena_block_ + 1 == arena_.size()) arena_.emplace_back(std::max(arena_block, octets));
    ++arena_block_;
    arena_used_ = 0;
  }
  return arena_[arena_block_].data() + arena_used_;
}

std::string_view EventReader::fold(std::string_view text) {
  char* out = arena(fold_room(text.size()));
  const auto n = fold_to(out, text);
  arena_used_ += n;
  return {out, n};
}

bool EventReader::read(std::string_view json, std::size_t readable) {
  ++epoch_;
  if (epoch_ == 0) {
    for (auto& s : slots_) s.epoch = 0;
    epoch_ = 1;
  }
  values_.clear();
  filled_.clear();
  have_all_ = have_folded_ = false;
  arena_block_ = arena_used_ = 0;
  if (arena_.size() > 8) arena_.resize(8);  // one huge event does not keep its memory
  if (json.empty()) return false;
  json_ = json;
  capacity_ = json.size() + readable;
  if (readable < readable_behind) {  // the parser looks a little further than the event goes
    if (input_.size() < json.size() + readable_behind)
      input_.resize(std::max<std::size_t>(4096, (json.size() + readable_behind) * 2));
    std::memcpy(input_.data(), json.data(), json.size());
    std::memset(input_.data() + json.size(), 0, readable_behind);
    json_ = {input_.data(), json.size()};
    capacity_ = input_.size();
  }
  if (parser_.iterate(json_.data(), json_.size(), capacity_).get(document_) != simdjson::SUCCESS)
    return false;
  simdjson::ondemand::object object;
  if (document_.get_object().get(object) != simdjson::SUCCESS) return false;
  path_.clear();
  return read_object(object, 0, 0, 0);
}

bool EventReader::read_object(simdjson::ondemand::object object, std::size_t prefix,
                              std::uint16_t rank, int depth) {
  for (auto field : object) {
    std::string_view key;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    std::string_view path = key;
    if (prefix != 0) {
      path_.resize(prefix);
      path_ += key;
      path = path_;
    }
    const auto* entry = fields_.look_up(path);
    if (entry == nullptr) continue;
    simdjson::ondemand::value value;
    if (field.value().get(value) != simdjson::SUCCESS) return false;
    if (entry->prefix || entry->overlay) {
      if (prefix == 0) path_ = key;
      path_ += '.';
    }
    if (!read_value(value, entry->slot, entry->alias, entry->prefix, entry->overlay, rank,
                    depth + 1))
      return false;
  }
  return true;
}

bool EventReader::read_value(simdjson::ondemand::value value, Slot slot, Slot alias, bool descend,
                             bool overlay, std::uint16_t rank, int depth) {
  simdjson::ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type == simdjson::ondemand::json_type::object) {
    Value out;
    out.kind = Value::Kind::object;
    // An object has no text of its own: whatever else fills the field goes first.
    if (slot != no_slot) put(slot, out, static_cast<std::uint16_t>(rank + object_rank));
    if (alias != no_slot) put(alias, out, static_cast<std::uint16_t>(rank + object_rank));
    if (depth > max_depth || (!descend && !overlay)) return true;
    simdjson::ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return false;
    if (overlay) {  // its members are fields of the event, and may be named in full as well
      const std::string saved = path_;
      bool good = read_object(object, 0, static_cast<std::uint16_t>(rank + overlay_rank), depth);
      path_ = saved;
      if (!good || !descend) return good;
      if (object.reset().error() != simdjson::SUCCESS) return false;
      good = read_object(object, path_.size(), static_cast<std::uint16_t>(rank + 1), depth);
      path_ = saved;
      return good;
    }
    return read_object(object, path_.size(), static_cast<std::uint16_t>(rank + 1), depth);
  }
  if (type == simdjson::ondemand::json_type::array) {
    simdjson::ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return false;
    const auto prefix = path_.size();
    bool any = false;
    for (auto element : array) {
      simdjson::ondemand::value item;
      if (element.get(item) != simdjson::SUCCESS) return false;
      any = true;
      path_.resize(prefix);
      if (depth <= max_depth && !read_value(item, slot, alias, descend, overlay, rank, depth + 1))
        return false;
    }
    if (!any) {
      Value out;  // an empty list: the field is there and has no value
      if (slot != no_slot) put(slot, out, rank);
      if (alias != no_slot) put(alias, out, static_cast<std::uint16_t>(rank + alias_rank));
    }
    return true;
  }
  if (slot == no_slot && alias == no_slot) return true;
  Value out;
  if (!scalar(value, type, out)) return false;
  if (slot != no_slot) put(slot, out, rank);
  if (alias != no_slot) put(alias, out, static_cast<std::uint16_t>(rank + alias_rank));
  return true;
}

bool EventReader::scalar(simdjson::ondemand::value& value, simdjson::ondemand::json_type type,
                         Value& out) {
  switch (type) {
    case simdjson::ondemand::json_type::string: {
      out.kind = Value::Kind::text;
      if (value.get_string().get(out.text) != simdjson::SUCCESS) {
        out.text = lenient_text(value);
        if (out.text.data() == nullptr) return false;
      }
      out.folded = false;
      return true;
    }
    case simdjson::ondemand::json_type::number: {
      auto token = value.raw_json_token();
      while (!token.empty() && (token.back() == ' ' || token.back() == '\n' ||
                                token.back() == '\r' || token.back() == '\t'))
        token.remove_suffix(1);
      if (token.empty() || token.find_first_not_of("0123456789+-.eE") != std::string_view::npos)
        return false;
      out.kind = Value::Kind::number;
      out.text = token;
      if (!is_plain_integer(token) || token == "-0") {
        const auto text = canonical_number(token);
        char* copy = arena(text.size());
        std::copy(text.begin(), text.end(), copy);
        arena_used_ += text.size();
        out.text = {copy, text.size()};
      }
      out.fold = out.text;
      return true;
    }
    case simdjson::ondemand::json_type::boolean: {
      bool flag = false;
      if (value.get_bool().get(flag) != simdjson::SUCCESS) return false;
      out.kind = Value::Kind::boolean;
      out.text = out.fold = flag ? "true" : "false";
      return true;
    }
    default:
      // The plain conversion to bool throws on a word that only begins like null.
      if (bool null = false; value.is_null().get(null) != simdjson::SUCCESS || !null) return false;
      out.kind = Value::Kind::null;
      return true;
  }
}

/// A string with an escape that is not Unicode, such as a lone surrogate: read leniently, so that a
/// sender cannot hide an event from the rules by one bad escape.
std::string_view EventReader::lenient_text(simdjson::ondemand::value& value) {
  simdjson::ondemand::raw_json_string raw;
  if (value.get_raw_json_string().get(raw) != simdjson::SUCCESS) return {};
  const char* in = raw.raw();
  const char* const limit = json_.data() + json_.size();
  const char* end = in;
  while (end < limit && *end != '"') end += *end == '\\' ? 2 : 1;
  if (end >= limit) return {};
  char* const begin = arena(static_cast<std::size_t>(end - in) * 3 + 4);
  char* out = begin;
  while (in < end) {
    if (*in != '\\') {
      *out++ = *in++;
      continue;
    }
    const char c = in[1];
    in += 2;
    if (c != 'u') {
      *out++ = c == 'n'   ? '\n'
               : c == 't' ? '\t'
               : c == 'r' ? '\r'
               : c == 'b' ? '\b'
               : c == 'f' ? '\f'
                          : c;
      continue;
    }
    std::uint32_t cp = 0xfffd;
    const auto unit = [&](const char* p) -> std::int32_t {
      std::uint32_t v = 0;
      if (end - p < 4 || std::from_chars(p, p + 4, v, 16).ptr != p + 4) return -1;
      return static_cast<std::int32_t>(v);
    };
    const auto first = unit(in);
    if (first >= 0) {
      in += 4;
      cp = static_cast<std::uint32_t>(first);
      if (cp >= 0xd800 && cp < 0xdc00 && end - in >= 6 && in[0] == '\\' && in[1] == 'u') {
        const auto second = unit(in + 2);
        if (second >= 0xdc00 && second < 0xe000) {
          cp = 0x10000 + ((cp - 0xd800) << 10) + (static_cast<std::uint32_t>(second) - 0xdc00);
          in += 6;
        }
      }
      if (cp >= 0xd800 && cp < 0xe000) cp = 0xfffd;
    }
    const auto put = [&](std::uint32_t b) {
      *out++ = static_cast<char>(static_cast<unsigned char>(b));
    };
    if (cp < 0x80) {
      put(cp);
    } else if (cp < 0x800) {
      put(0xc0U | (cp >> 6));
      put(0x80U | (cp & 0x3fU));
    } else if (cp < 0x10000) {
      put(0xe0U | (cp >> 12));
      put(0x80U | ((cp >> 6) & 0x3fU));
      put(0x80U | (cp & 0x3fU));
    } else {
      put(0xf0U | (cp >> 18));
      put(0x80U | ((cp >> 12) & 0x3fU));
      put(0x80U | ((cp >> 6) & 0x3fU));
      put(0x80U | (cp & 0x3fU));
    }
  }
  arena_used_ += static_cast<std::size_t>(out - begin);
  return {begin, static_cast<std::size_t>(out - begin)};
}

void EventReader::put(Slot slot, const Value& value, std::uint16_t rank) {
  if (values_.size() >= max_values) return;
  auto& state = slots_[slot];
  const auto at = static_cast<std::uint32_t>(values_.size());
  if (state.epoch != epoch_) {
    state = {epoch_, at, at, rank};
    filled_.push_back(slot);
  } else if (rank < state.rank) {  // the name itself goes before a path to it
    state = {epoch_, at, at, rank};
  } else if (rank > state.rank) {
    return;
  } else {
    values_[state.last].next = at + 1;
    state.last = at;
  }
  values_.push_back(value);
}

const std::vector<Value>& EventReader::all_values() {
  if (have_all_) return all_;
  have_all_ = true;
  all_.clear();
  // A parser of its own: rewinding the first would hand its string memory, where the fields' texts
  // are, out again.
  simdjson::ondemand::object object;
  if (all_parser_.iterate(json_.data(), json_.size(), capacity_).get(all_document_) !=
          simdjson::SUCCESS ||
      all_document_.get_object().get(object) != simdjson::SUCCESS)
    return all_;
  for (auto field : object) {
    simdjson::ondemand::value value;
    if (field.value().get(value) != simdjson::SUCCESS || !collect(value, 1)) break;
  }
  return all_;
}

bool EventReader::collect(simdjson::ondemand::value value, int depth) {
  simdjson::ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (depth > max_depth || all_.size() >= max_values) return true;
  if (type == simdjson::ondemand::json_type::object) {
    simdjson::ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return false;
    for (auto field : object) {
      simdjson::ondemand::value inner;
      if (field.value().get(inner) != simdjson::SUCCESS || !collect(inner, depth + 1)) return false;
    }
    return true;
  }
  if (type == simdjson::ondemand::json_type::array) {
    simdjson::ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return false;
    for (auto element : array) {
      simdjson::ondemand::value inner;
      if (element.get(inner) != simdjson::SUCCESS || !collect(inner, depth + 1)) return false;
    }
    return true;
  }
  Value out;
  if (!scalar(value, type, out)) return false;
  if (out.comparable()) all_.push_back(out);
  return true;
}

namespace {

/// What stands behind a backslash for a quote, a backslash or a control character: a bit for each
/// of 16 octets.
std::uint64_t plainly_escaped(__m128i block) {
  // Sets of the upper halves of octets, by their lower half: '"' b r (2), \ (c), t (4), f (6), n
  // (e).
  const auto by_low = _mm_setr_epi8(0, 0, 13, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 0);
  const auto by_high = _mm_setr_epi8(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
  const auto half = _mm_set1_epi8(15);
  const auto low = _mm_shuffle_epi8(by_low, _mm_and_si128(block, half));
  const auto high = _mm_shuffle_epi8(by_high, _mm_and_si128(_mm_srli_epi16(block, 4), half));
  const auto none = _mm_cmpeq_epi8(_mm_and_si128(low, high), _mm_setzero_si128());
  return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(none)) ^ 0xffffU);
}

std::uint64_t mask_of(__m128i block) { return static_cast<unsigned>(_mm_movemask_epi8(block)); }

/// Follows a text in pieces of 64 octets.
struct Classifier {
  std::uint64_t escaped_before = 0;  // the last octet before was a backslash that counts
  bool plain = true;                 // every escape so far
  std::uint64_t above_ascii = 0;

  void take(const char* octets) {
    const auto* p = reinterpret_cast<const __m128i*>(octets);
    const auto a = _mm_loadu_si128(p), b = _mm_loadu_si128(p + 1), c = _mm_loadu_si128(p + 2),
               d = _mm_loadu_si128(p + 3);
    const auto slash = _mm_set1_epi8('\\');
    auto backslash = mask_of(_mm_cmpeq_epi8(a, slash)) | mask_of(_mm_cmpeq_epi8(b, slash)) << 16U |
                     mask_of(_mm_cmpeq_epi8(c, slash)) << 32U |
                     mask_of(_mm_cmpeq_epi8(d, slash)) << 48U;
    above_ascii |= mask_of(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
    if ((backslash | escaped_before) == 0) return;
    // Runs of backslashes escape each other in pairs (as simdjson finds it).
    constexpr std::uint64_t even = 0x5555555555555555ULL;
    backslash &= ~escaped_before;
    const auto follows = backslash << 1U | escaped_before;
    const auto odd_starts = backslash & ~even & ~follows;
    const auto runs = odd_starts + backslash;
    escaped_before = runs < odd_starts ? 1 : 0;
    const auto escaped = (even ^ runs << 1U) & follows;
    const auto good = plainly_escaped(a) | plainly_escaped(b) << 16U | plainly_escaped(c) << 32U |
                      plainly_escaped(d) << 48U;
    // Else: \u, \/, and what is no escape at all.
    plain = plain && (escaped & ~good) == 0;
  }
};

/// Whether a text beyond ASCII has a letter that folds to one of ASCII: the Kelvin sign, the long
/// s.
bool folds_to_ascii(std::string_view text) {
  return text.find("\xe2\x84\xaa") != std::string_view::npos ||
         text.find("\xc5\xbf") != std::string_view::npos;
}

}  // namespace

std::string_view EventReader::plain_text(bool for_ascii) {
  Classifier text;
  std::size_t i = 0;
  for (; i + 64 <= json_.size(); i += 64) text.take(json_.data() + i);
  if (i < json_.size()) {
    char rest[64] = {};
    std::memcpy(rest, json_.data() + i, json_.size() - i);
    text.take(rest);
  }
  if (!text.plain || text.escaped_before != 0) return {};
  if (text.above_ascii == 0 || (for_ascii && !folds_to_ascii(json_))) return json_;
  return fold(json_);
}

bool EventReader::has_odd_number() const {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  for (std::size_t i = 1; i < json_.size(); ++i) {
    const char c = json_[i];
    if ((c != '.' && c != 'e' && c != 'E') || !digit(json_[i - 1])) continue;
    auto at = i;
    while (at > 0 && (digit(json_[at - 1]) || json_[at - 1] == '-')) --at;
    while (at > 0 && space(json_[at - 1])) --at;
    if (at == 0 || json_[at - 1] == '[' || json_[at - 1] == ',') return true;
    if (json_[at - 1] != ':') continue;
    --at;
    while (at > 0 && space(json_[at - 1])) --at;
    if (at > 0 && json_[at - 1] == '"') return true;  // else a time within a text
  }
  return false;
}

std::string_view EventReader::all_folded() {
  if (have_folded_) return all_folded_;
  have_folded_ = true;
  all_folded_.clear();
  for (const auto& value : all_values()) {
    all_folded_ += folded(value);
    all_folded_ += '\xff';
  }
  return all_folded_;
}

}  // namespace ww::sigma
