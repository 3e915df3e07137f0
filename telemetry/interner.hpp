#pragma once
/// Names as small integers. Used for registries filled before threads start (static initialisers
/// and start-up); after that an interner is only read, so it needs no lock.
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ww {

template <class Id>  // Id: an enum class over an unsigned integer; value 0 means "none"
class Interner {
 public:
  Interner() { names_.emplace_back(); }
  Id intern(std::string_view name) {
    if (const auto it = ids_.find(name); it != ids_.end()) return it->second;
    const auto id = static_cast<Id>(names_.size());
    names_.emplace_back(name);
    ids_.emplace(names_.back(), id);
    return id;
  }
  /// The id, or 0 when the name is unknown.
  [[nodiscard]] Id find(std::string_view name) const {
    const auto it = ids_.find(name);
    return it == ids_.end() ? Id{} : it->second;
  }
  [[nodiscard]] std::string_view name(Id id) const {
    const auto i = static_cast<std::size_t>(id);
    return i < names_.size() ? std::string_view(names_[i]) : std::string_view();
  }
  /// One more than the largest id.
  [[nodiscard]] std::size_t size() const { return names_.size(); }

 private:
  std::deque<std::string> names_;  // a deque keeps the views in ids_ valid
  std::unordered_map<std::string_view, Id> ids_;
};

}  // namespace ww
