/// What outputs read of a rule, from its text when they ask.
#include <algorithm>
#include <mutex>
#include <set>

#include "rules/signature/engine.hpp"
#include "rules/signature/text.hpp"

namespace ww::sig {

std::string_view shared_text(std::string_view text) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> all;
  const std::lock_guard lock(mutex);
  const auto it = all.find(text);
  return it != all.end() ? std::string_view(*it) : std::string_view(*all.emplace(text).first);
}

RuleInfo::Metadata RuleInfo::metadata() const {
  Metadata out;
  for (const auto& at : metadata_at)
    for (const auto& [key, value] :
         split_pairs(std::string_view(text).substr(at.offset, at.length))) {
      if (key.empty()) continue;
      auto it =
          std::find_if(out.begin(), out.end(), [k = key](const auto& e) { return e.first == k; });
      if (it == out.end()) it = out.insert(out.end(), {key, {}});
      it->second.push_back(value);
    }
  return out;
}

std::vector<std::pair<std::string, std::string_view>> RuleInfo::references() const {
  std::vector<std::pair<std::string, std::string_view>> out;
  for (const auto& [at, system] : reference_at) {
    const auto value = std::string_view(text).substr(at.offset, at.length);
    const auto comma = std::min(value.find(','), value.size());
    out.emplace_back(lower(trim(value.substr(0, comma))),
                     trim(value.substr(std::min(comma + 1, value.size()))));
  }
  return out;
}

std::vector<std::string> RuleInfo::links() const {
  std::vector<std::string> out;
  const auto all = references();
  for (std::size_t i = 0; i < all.size(); ++i)
    out.push_back(std::string(reference_at[i].system).append(all[i].second));
  return out;
}

}  // namespace ww::sig
