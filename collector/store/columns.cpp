#include "collector/store/columns.hpp"

#include <algorithm>
#include <cstring>

#include "collector/store/codec.hpp"

namespace ww::collector {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint8_t listed = 1;  // kinds of column
constexpr std::uint8_t scaled = 2;
constexpr std::uint32_t no_value = 0;
constexpr std::uint32_t not_known = 1;
constexpr std::uint32_t first_code = 2;
constexpr std::size_t max_listed = 254;  // values that one octet can name beside the two above

/// Half of a token that is not one of the two special values.
std::uint32_t code_of(std::uint64_t token) {
  const auto code = static_cast<std::uint32_t>(token >> 32);
  return code < first_code ? code + first_code : code;
}
std::uint16_t scale(std::uint32_t code) {
  return static_cast<std::uint16_t>(first_code +
                                    (std::uint64_t{code} * (65'536 - first_code) >> 32));
}

}  // namespace

void ColumnBuilder::begin(std::size_t events) {
  events_ = events;
  used_ = 0;
  complete_ = true;
  places_.fill(none);
}

ColumnBuilder::Column* ColumnBuilder::column(std::uint64_t path_hash) {
  for (auto at = path_hash % places_.size();; at = (at + 1) % places_.size()) {
    if (places_[at] != none) {
      auto& c = columns_[places_[at]];
      if (c.path == path_hash) return &c;
      continue;
    }
    if (used_ == max_columns) {
      complete_ = false;
      return nullptr;
    }
    if (columns_.size() == used_) columns_.emplace_back();
    auto& c = columns_[used_];
    c.path = path_hash;
    c.values.assign(events_, no_value);
    places_[at] = static_cast<std::uint16_t>(used_++);
    return &c;
  }
}

void ColumnBuilder::add(std::size_t event, std::uint64_t path_hash, std::uint64_t token) {
  auto* c = column(path_hash);
  if (c == nullptr) return;
  auto& value = c->values[event];
  const auto code = token == 0 ? not_known : code_of(token);
  value = value == no_value || value == code ? code : not_known;
}

std::string ColumnBuilder::finish() {
  Encoder out;
  out.u8(version);
  out.u8(complete_ ? 1 : 0);
  out.var(events_);
  out.var(used_);
  std::vector<std::uint32_t> list;
  std::string events;
  for (std::size_t n = 0; n < used_; ++n) {
    const auto& c = columns_[n];
    out.u64(c.path);
    // One octet an event while that can name every value.
    list.clear();
    events.clear();
    values_.fill(no_value);
    bool fits = true;
    for (const auto v : c.values) {
      if (v < first_code) {
        events += static_cast<char>(v);
        continue;
      }
      auto at = v % values_.size();
      while (values_[at] != v && values_[at] != no_value) at = (at + 1) % values_.size();
      if (values_[at] == no_value) {
        fits = list.size() < max_listed;
        if (!fits) break;
        values_[at] = v;
        codes_[at] = static_cast<std::uint8_t>(first_code + list.size());
        list.push_back(v);
      }
      events += static_cast<char>(codes_[at]);
    }
    if (fits) {
      out.u8(listed);
      out.var(list.size());
      for (const auto v : list) out.u32(v);
    } else {
      out.u8(scaled);
      events.resize(events_ * 2);
      for (std::size_t i = 0; i < events_; ++i) {
        const auto v = c.values[i];
        const auto code = v < first_code ? static_cast<std::uint16_t>(v) : scale(v);
        std::memcpy(events.data() + i * 2, &code, 2);
      }
    }
    out.out() += events;
  }
  return out.take();
}

bool Columns::read(std::string_view encoded, std::size_t events) {
  columns_.clear();
  Decoder in(encoded);
  if (in.u8() != version) return false;
  complete_ = in.u8() == 1;
  events_ = in.var();
  if (!in.ok() || events_ != events || events > max_events) return false;
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    Column c{in.u64(), {}, {}};
    const auto kind = in.u8();
    if (kind == listed) {
      const auto values = in.count();
      c.values = in.octets(values * 4);
      c.events = in.octets(events_);
    } else if (kind == scaled) {
      c.events = in.octets(events_ * 2);
    } else {
      return false;
    }
    if (in.ok()) columns_.push_back(c);
  }
  return in.ok();
}

const Columns::Column* Columns::find(std::uint64_t path_hash) const {
  const auto it = std::find_if(columns_.begin(), columns_.end(),
                               [&](const Column& c) { return c.path == path_hash; });
  return it == columns_.end() ? nullptr : &*it;
}

EventBits Columns::having(std::uint64_t path_hash, std::span<const std::uint64_t> tokens) const {
  const auto* c = find(path_hash);
  EventBits out(events_, c == nullptr && !complete_);
  if (c == nullptr) return out;
  if (c->events.size() == events_) {
    std::array<bool, 256> wanted{};
    wanted[not_known] = true;
    for (std::size_t i = 0; i < c->values.size() / 4 && i < max_listed; ++i) {
      std::uint32_t value = 0;
      std::memcpy(&value, c->values.data() + i * 4, 4);
      for (const auto t : tokens)
        if (value == code_of(t)) wanted[first_code + i] = true;
    }
    for (std::size_t i = 0; i < events_; ++i)
      if (wanted[static_cast<unsigned char>(c->events[i])]) out.set(i);
    return out;
  }
  std::vector<std::uint16_t> wanted{static_cast<std::uint16_t>(not_known)};
  for (const auto t : tokens) wanted.push_back(scale(code_of(t)));
  for (std::size_t i = 0; i < events_; ++i) {
    std::uint16_t code = 0;
    std::memcpy(&code, c->events.data() + i * 2, 2);
    if (std::find(wanted.begin(), wanted.end(), code) != wanted.end()) out.set(i);
  }
  return out;
}

EventBits Columns::having(std::uint64_t path_hash) const {
  const auto* c = find(path_hash);
  EventBits out(events_, c == nullptr && !complete_);
  if (c == nullptr) return out;
  const auto width = c->events.size() == events_ ? 1U : 2U;
  for (std::size_t i = 0; i < events_; ++i)
    if (c->events[i * width] != 0 || (width == 2 && c->events[i * 2 + 1] != 0)) out.set(i);
  return out;
}

}  // namespace ww::collector
