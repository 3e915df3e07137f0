#include "rules/signature/state.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <deque>
#include <new>
#include <unordered_map>

#include "rules/signature/dataset.hpp"

namespace ww::sig {

namespace {
constexpr std::size_t max_variable_names = 1U << 20;
struct Names {
  std::mutex mutex;
  std::deque<std::string> names{std::string()};
  std::unordered_map<std::string_view, std::uint32_t> ids;
};
Names& names() {
  static Names n;
  return n;
}
}  // namespace

std::uint32_t variable_id(std::string_view name) {
  auto& n = names();
  const std::lock_guard lock(n.mutex);
  if (const auto it = n.ids.find(name); it != n.ids.end()) return it->second;
  if (n.names.size() >= max_variable_names) return 0;
  const auto id = static_cast<std::uint32_t>(n.names.size());
  n.names.emplace_back(name);
  n.ids.emplace(n.names.back(), id);
  return id;
}

std::string variable_name(std::uint32_t id) {
  auto& n = names();
  const std::lock_guard lock(n.mutex);
  return id < n.names.size() ? n.names[id] : std::string();
}

void FlowData::set_var(std::uint32_t id, Bytes value) {
  value = value.first(std::min(value.size(), max_value_octets));
  for (auto& [k, v] : vars)
    if (k == id) {
      v.assign(as_text(value));
      return;
    }
  if (vars.size() < max_vars) vars.emplace_back(id, std::string(as_text(value)));
}

void FlowData::set_entropy(const std::string& buffer, double value) {
  for (auto& [k, v] : entropies)
    if (k == buffer) {
      v = value;
      return;
    }
  if (entropies.size() < max_vars) entropies.emplace_back(buffer, value);
}

CounterTable::CounterTable(std::uint64_t max_octets) {
  sets_ = std::max<std::size_t>(64, static_cast<std::size_t>(max_octets / (sizeof(Entry) * ways)));
  // Zero pages until touched: the cap costs nothing on a quiet sensor.
  void* p = mmap(nullptr, sets_ * ways * sizeof(Entry), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  entries_ = static_cast<Entry*>(p);
}
CounterTable::~CounterTable() { munmap(entries_, sets_ * ways * sizeof(Entry)); }

std::uint64_t CounterTable::hash(const Key& key) {
  std::uint64_t words[6];
  std::memcpy(words, key.addresses.data(), 32);
  words[4] = key.a;
  words[5] = key.b;
  std::uint64_t h = 0x9E3779B97F4A7C15ULL;
  for (const auto w : words) {
    h ^= w;
    h *= 0xBF58476D1CE4E5B9ULL;
    h ^= h >> 29;
  }
  return h ^ (h >> 32);
}

bool CounterTable::contains(const Key& key, std::int64_t now_us) {
  bool found = false;
  with(key, now_us, [&](Entry& e) { found = e.used && (e.until_us == 0 || e.until_us > now_us); });
  return found;
}

SharedState::SharedState(std::uint64_t max_octets)
    : bits(max_octets / 4), thresholds(max_octets / 2), host_tags(max_octets / 8) {}
SharedState::~SharedState() { save(); }

std::shared_ptr<Dataset> SharedState::dataset(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto it = datasets_.find(name);
  return it == datasets_.end() ? nullptr : it->second;
}
void SharedState::add_dataset(const std::string& name, std::shared_ptr<Dataset> set) {
  const std::lock_guard lock(mutex_);
  datasets_[name] = std::move(set);
}
void SharedState::save() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, set] : datasets_) set->save();
}

CounterTable::Key address_key(std::uint64_t kind, std::uint64_t id, const IpAddress* a,
                              const IpAddress* b) {
  CounterTable::Key key;
  key.a = id;
  key.b = kind;
  const auto put = [&](const IpAddress& from, std::size_t at) {
    std::copy_n(from.octets.data(), 16, key.addresses.data() + at);
    key.b |= static_cast<std::uint64_t>(from.family) << (at ? 40 : 32);
  };
  if (a) put(*a, 0);
  if (b) put(*b, 16);
  return key;
}

}  // namespace ww::sig
