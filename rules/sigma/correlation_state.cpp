#include "rules/sigma/correlation_state.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ww::sigma {
namespace {

__extension__ using U128 = unsigned __int128;
constexpr std::size_t uuid_text = 36;
/// How the address of a long text lies in the octets.
using KeptPointer = std::array<char, sizeof(const std::string*)>;

bool dash_before(std::size_t octet) {
  return octet == 4 || octet == 6 || octet == 8 || octet == 10;
}

/// Lower case only: capitals would not come back as they were.
bool parse_uuid(std::string_view text, std::array<char, 16>& out) {
  if (text.size() != uuid_text) return false;
  std::size_t at = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (dash_before(i) && text[at++] != '-') return false;
    unsigned octet = 0;
    for (int k = 0; k < 2; ++k) {
      const char c = text[at++];
      if (c >= '0' && c <= '9')
        octet = octet * 16 + static_cast<unsigned>(c - '0');
      else if (c >= 'a' && c <= 'f')
        octet = octet * 16 + static_cast<unsigned>(c - 'a') + 10;
      else
        return false;
    }
    out[i] = static_cast<char>(octet);
  }
  return true;
}

std::size_t allocated(std::size_t n) { return n == 0 ? 0 : (n + 15) / 16 * 16; }

}  // namespace

// --- EventId

EventId::EventId(std::string_view text) {
  if (text.size() <= octets_.size()) {
    std::copy(text.begin(), text.end(), octets_.begin());
    tag_ = static_cast<std::uint8_t>(text.size());
  } else if (parse_uuid(text, octets_)) {
    tag_ = is_uuid;
  } else {
    const auto* kept = new std::string(text);  // owned: release()
    std::ranges::copy(std::bit_cast<KeptPointer>(kept), octets_.begin());
    tag_ = is_long;
  }
}

EventId EventId::from_uuid(std::string_view octets) {
  EventId id;
  if (octets.size() != id.octets_.size()) return id;
  std::copy(octets.begin(), octets.end(), id.octets_.begin());
  id.tag_ = is_uuid;
  return id;
}

const std::string* EventId::long_text() const {
  KeptPointer kept{};
  std::copy_n(octets_.begin(), kept.size(), kept.begin());
  return std::bit_cast<const std::string*>(kept);
}

std::string_view EventId::uuid() const {
  return tag_ == is_uuid ? std::string_view(octets_.data(), octets_.size()) : std::string_view();
}

std::string EventId::text() const {
  if (tag_ == is_long) return *long_text();
  if (tag_ != is_uuid) return {octets_.data(), tag_};
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(uuid_text);
  for (std::size_t i = 0; i < octets_.size(); ++i) {
    if (dash_before(i)) out += '-';
    const auto octet = static_cast<unsigned char>(octets_[i]);
    out += digits[octet >> 4U];
    out += digits[octet & 15U];
  }
  return out;
}

std::size_t EventId::heap() const {
  return tag_ == is_long ? sizeof(std::string) + allocated(long_text()->size() + 1) : 0;
}

// --- Window

void Window::pop_front() {
  entries_[head_].id = EventId();
  if (++head_ * 2 < entries_.size()) return;
  entries_.erase(entries_.begin(), entries_.begin() + head_);
  head_ = 0;
  // What a busy hour grew does not stay for the quiet ones.
  if (entries_.capacity() > 8 && entries_.size() * 4 < entries_.capacity())
    entries_.shrink_to_fit();
}

void Window::insert_by_time(Entry entry) {
  // By half, not by doubling: most windows stay small, and there are many.
  if (entries_.size() == entries_.capacity())
    entries_.reserve(entries_.size() + std::max<std::size_t>(1, entries_.size() / 2));
  auto at = entries_.end();
  while (at != begin() && std::prev(at)->time > entry.time) --at;
  entries_.insert(at, std::move(entry));
}

std::size_t Window::octets() const { return allocated(entries_.capacity() * sizeof(Entry)); }

// --- saved form

void StateWriter::var(std::uint64_t v) {
  while (v >= 0x80) {
    out_ += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  out_ += static_cast<char>(v);
}

std::uint8_t StateReader::octet() {
  const auto s = raw(1);
  return s.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(s[0]);
}
std::uint64_t StateReader::fixed() {
  const auto s = raw(sizeof(std::uint64_t));
  std::uint64_t v = 0;
  if (s.size() == sizeof v) std::memcpy(&v, s.data(), sizeof v);
  return v;
}
std::uint64_t StateReader::var() {
  std::uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto o = octet();
    if (!ok_) return 0;
    v |= static_cast<std::uint64_t>(o & 0x7fU) << shift;
    if ((o & 0x80U) == 0) return v;
  }
  ok_ = false;
  return 0;
}
std::string_view StateReader::raw(std::uint64_t n) {
  if (!ok_ || n > in_.size()) {
    ok_ = false;
    in_ = {};
    return {};
  }
  const auto out = in_.substr(0, n);
  in_.remove_prefix(n);
  return out;
}

void write_entry(StateWriter& out, const Entry& e, std::int64_t before) {
  const auto uuid = e.id.uuid();
  // Two flags and the source in one number: mostly one octet.
  out.var(std::uint64_t{e.source} << 2U | (e.value != 0 ? 2U : 0U) | (uuid.empty() ? 0U : 1U));
  // Hostile times may be far apart: the difference wraps, and so does adding it.
  out.sint(static_cast<std::int64_t>(static_cast<std::uint64_t>(e.time) -
                                     static_cast<std::uint64_t>(before)));
  out.var(e.serial);
  if (e.value != 0) out.fixed(e.value);
  if (uuid.empty())
    out.text(e.id.text());
  else
    out.raw(uuid);
}

Entry read_entry(StateReader& in, std::int64_t before) {
  Entry e;
  const auto front = in.var();
  e.source = static_cast<std::uint16_t>(std::min<std::uint64_t>(front >> 2U, 0xffff));
  e.time = static_cast<std::int64_t>(static_cast<std::uint64_t>(in.sint()) +
                                     static_cast<std::uint64_t>(before));
  e.serial = static_cast<std::uint32_t>(in.var());
  if ((front & 2U) != 0) e.value = in.fixed();
  if ((front & 1U) != 0)
    e.id = EventId::from_uuid(in.raw(16));
  else
    e.id = EventId(in.text());
  return e;
}

void DefinitionWriter::write(StateWriter& out, std::uint64_t definition) {
  const auto it = std::find(seen_.begin(), seen_.end(), definition);
  out.var(static_cast<std::uint64_t>(it - seen_.begin()));
  if (it != seen_.end()) return;
  out.fixed(definition);
  seen_.push_back(definition);
}

std::uint64_t DefinitionReader::read(StateReader& in) {
  const auto number = in.var();
  if (number < seen_.size()) return seen_[number];
  if (number > seen_.size()) {
    static_cast<void>(in.raw(UINT64_MAX));
    return 0;
  }
  seen_.push_back(in.fixed());
  return seen_.back();
}

// --- GroupStore

std::uint64_t GroupStore::hash_of(std::uint64_t seed, std::uint64_t definition,
                                  std::string_view values) {
  // A full product folded: what a difference in the input becomes depends on the secret.
  const auto mix = [](std::uint64_t a, std::uint64_t b) {
    const auto wide = static_cast<U128>(a) * b;
    return static_cast<std::uint64_t>(wide) ^ static_cast<std::uint64_t>(wide >> 64U);
  };
  std::uint64_t h = mix(seed ^ 0x9e3779b97f4a7c15ULL, definition ^ 0xff51afd7ed558ccdULL) ^ seed;
  while (!values.empty()) {
    std::uint64_t w = 0;
    const auto n = std::min(values.size(), sizeof w);
    std::memcpy(&w, values.data(), n);
    values.remove_prefix(n);
    h = mix(h ^ w ^ 0xc4ceb9fe1a85ec53ULL, (seed ^ n) | 1U) + h;
  }
  return mix(h ^ 0xd6e8feb86659fd93ULL, seed | 1U);
}

Group* GroupStore::find(std::uint64_t hash, std::uint32_t correlation, std::string_view values) {
  const auto& table = tables_[slice_of(hash)];
  if (table.places.empty()) return nullptr;
  const auto tag = static_cast<std::uint32_t>(hash >> 32U);
  const auto mask = table.places.size() - 1;
  for (auto i = tag & mask; table.places[i] != 0; i = (i + 1) & mask) {
    auto& g = at(table.places[i]);
    if (g.tag == tag && g.correlation == correlation && g.key() == values) return &g;
  }
  return nullptr;
}

Group& GroupStore::add(std::uint64_t hash, std::uint32_t correlation, std::string_view values) {
  auto& table = tables_[slice_of(hash)];
  if ((table.used + 1) * 4 > table.places.size() * 3) grow(table);
  std::uint32_t index = free_;
  if (index != 0) {
    free_ = at(index).after;
  } else {
    if (fresh_ == chunks_.size() * chunk) chunks_.push_back(std::make_unique<Group[]>(chunk));
    index = ++fresh_;
  }
  auto& g = at(index);
  g.tag = static_cast<std::uint32_t>(hash >> 32U);
  g.correlation = correlation;
  auto key = std::make_unique<char[]>(values.size());
  std::copy(values.begin(), values.end(), key.get());
  g.values = std::move(key);
  g.values_size = static_cast<std::uint32_t>(values.size() & 0x7fffffffU);
  const auto mask = table.places.size() - 1;
  auto i = g.tag & mask;
  while (table.places[i] != 0) i = (i + 1) & mask;
  table.places[i] = index;
  ++table.used;
  ++size_;
  link(index);
  return g;
}

void GroupStore::grow(Table& table) {
  std::vector<std::uint32_t> old(std::max<std::size_t>(4, table.places.size() * 2));
  old.swap(table.places);
  const auto mask = table.places.size() - 1;
  for (const auto index : old) {
    if (index == 0) continue;
    auto i = at(index).tag & mask;
    while (table.places[i] != 0) i = (i + 1) & mask;
    table.places[i] = index;
  }
}

std::uint32_t GroupStore::index_of(const Group& g) const {
  if (g.before != 0) return chunks_[(g.before - 1) / chunk][(g.before - 1) % chunk].after;
  return oldest_;
}

void GroupStore::erase(std::uint64_t hash, Group& group) {
  auto& table = tables_[slice_of(hash)];
  const auto index = index_of(group);
  const auto mask = table.places.size() - 1;
  auto hole = group.tag & mask;
  while (table.places[hole] != index) hole = (hole + 1) & mask;
  // Those behind move up, so that no search ends at the hole too early.
  for (auto i = (hole + 1) & mask; table.places[i] != 0; i = (i + 1) & mask) {
    const auto home = at(table.places[i]).tag & mask;
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    table.places[hole] = table.places[i];
    hole = i;
  }
  table.places[hole] = 0;
  --table.used;
  --size_;
  unlink(group);
  group = Group();
  group.after = free_;
  free_ = index;
}

void GroupStore::touch(Group& group) {
  const auto index = index_of(group);
  if (index == newest_) return;
  unlink(group);
  link(index);
}

void GroupStore::link(std::uint32_t index) {
  auto& g = at(index);
  g.before = newest_;
  g.after = 0;
  if (newest_ != 0)
    at(newest_).after = index;
  else
    oldest_ = index;
  newest_ = index;
}

void GroupStore::unlink(Group& g) {
  if (g.before != 0)
    at(g.before).after = g.after;
  else
    oldest_ = g.after;
  if (g.after != 0)
    at(g.after).before = g.before;
  else
    newest_ = g.before;
}

void GroupStore::relink(std::vector<std::pair<std::uint32_t, std::uint32_t>>& by_age) {
  std::sort(by_age.begin(), by_age.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  oldest_ = newest_ = 0;
  for (const auto& [age, index] : by_age) link(index);
}

void GroupStore::clear() { *this = GroupStore(); }

}  // namespace ww::sigma
