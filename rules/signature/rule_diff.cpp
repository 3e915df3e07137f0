#include "rules/signature/rule_diff.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace ww::sig {

namespace {

using Id = std::pair<std::uint32_t, std::uint32_t>;
using ById = std::map<Id, const RuleLine*>;

ById by_id(const std::vector<RuleLine>& rules) {
  ById out;
  for (const auto& r : rules) {
    const auto [it, fresh] = out.try_emplace({r.gid, r.sid}, &r);
    if (!fresh && r.rev > it->second->rev) it->second = &r;
  }
  return out;
}

/// The header without its action, one blank between words.
std::string header_rest(const RuleLine& r) {
  std::string out;
  for (const auto w : header_words(r.header)) {
    if (w.data() == r.header.data()) continue;
    if (!out.empty()) out += ' ';
    out += w;
  }
  return out;
}

/// Values of an option without blanks around commas: lists are the same however they are spaced.
std::string tidy(const RuleLine::Item& item) {
  if (item.value.starts_with('"') || item.value.starts_with("!\"")) return item.value;
  std::string out;
  for (const auto part : split_list(item.value)) {
    if (!out.empty()) out += ", ";
    out += part;
  }
  return out;
}

std::vector<OptionChange> diff_options(const RuleLine& a, const RuleLine& b) {
  std::vector<OptionChange> out;
  if (a.action != b.action) out.push_back({"action", a.action, b.action});
  if (auto x = header_rest(a), y = header_rest(b); x != y)
    out.push_back({"header", std::move(x), std::move(y)});
  std::vector<std::pair<std::string, std::string>> old_list, new_list;
  const auto list = [](const RuleLine& r, auto& to) {
    for (const auto& o : r.options)
      if (o.keyword != "rev") to.emplace_back(o.keyword, tidy(o));
  };
  list(a, old_list);
  list(b, new_list);
  const bool same_list = old_list == new_list;
  // What both have goes away, each as often as both have it.
  for (auto it = old_list.begin(); it != old_list.end();) {
    const auto twin = std::find(new_list.begin(), new_list.end(), *it);
    if (twin == new_list.end()) {
      ++it;
      continue;
    }
    new_list.erase(twin);
    it = old_list.erase(it);
  }
  for (const auto& [keyword, value] : old_list) {
    OptionChange change{keyword, value, std::nullopt};
    const auto same = std::find_if(new_list.begin(), new_list.end(),
                                   [&, k = keyword](const auto& x) { return x.first == k; });
    if (same != new_list.end()) {
      change.after = same->second;
      new_list.erase(same);
    }
    out.push_back(std::move(change));
  }
  for (auto& [keyword, value] : new_list) out.push_back({keyword, std::nullopt, std::move(value)});
  if (out.empty() && !same_list) out.push_back({"order of options", std::nullopt, std::nullopt});
  return out;
}

RuleChange make(RuleChange::Kind kind, const RuleLine* before, const RuleLine* after) {
  const auto& newer = after ? *after : *before;
  RuleChange c;
  c.kind = kind;
  c.gid = newer.gid;
  c.sid = newer.sid;
  c.old_rev = before ? before->rev : 0;
  c.new_rev = after ? after->rev : 0;
  c.was_enabled = before && before->enabled;
  c.is_enabled = after && after->enabled;
  c.msg = newer.msg;
  return c;
}

}  // namespace

std::string RuleChange::summary() const {
  switch (kind) {
    case Kind::added:
      return is_enabled ? "added" : "added, disabled";
    case Kind::removed:
      return "removed";
    case Kind::changed:
      break;
  }
  std::string out = options.empty() && old_rev == new_rev ? "" : "changed";
  if (was_enabled != is_enabled)
    (out += out.empty() ? "" : ", ") += is_enabled ? "enabled" : "disabled";
  return out;
}

std::vector<RuleChange> diff_rules(const std::vector<RuleLine>& before,
                                   const std::vector<RuleLine>& after) {
  const auto old_rules = by_id(before), new_rules = by_id(after);
  std::vector<RuleChange> out;
  using K = RuleChange::Kind;
  for (const auto& [id, a] : old_rules) {
    const auto it = new_rules.find(id);
    if (it == new_rules.end()) {
      out.push_back(make(K::removed, a, nullptr));
      continue;
    }
    auto c = make(K::changed, a, it->second);
    c.options = diff_options(*a, *it->second);
    if (!c.options.empty() || c.old_rev != c.new_rev || c.was_enabled != c.is_enabled)
      out.push_back(std::move(c));
  }
  for (const auto& [id, b] : new_rules)
    if (!old_rules.contains(id)) out.push_back(make(K::added, nullptr, b));
  std::sort(out.begin(), out.end(), [](const auto& x, const auto& y) {
    return std::pair(x.gid, x.sid) < std::pair(y.gid, y.sid);
  });
  return out;
}

}  // namespace ww::sig
