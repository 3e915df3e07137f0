/// borg: `extract` of an archive.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "sensors/drills/tool.hpp"

namespace ww::drills {
namespace {

/// A backup or a check that is under way is waited for, as borg itself would do for only a second.
std::string lock_wait(const Restore& r) {
  constexpr std::chrono::seconds most{600};
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(r.left());
  return "--lock-wait=" + std::to_string(std::clamp(left, std::chrono::seconds(1), most).count());
}

std::string choose(Restore& r, Chosen& out) {
  std::string error;
  const auto& folder = r.target().probe.folder;
  const auto done = r.tool({"list", lock_wait(r), "--json"}, error, folder);
  if (!done) return error;
  const auto v = parse_output(done->out);
  const auto* list = v.is_object() ? v.get_object().if_contains("archives") : nullptr;
  if (list == nullptr || !list->is_array()) return "borg gave no list of archives";
  for (const auto& s : list->get_array()) {
    const auto name = text_in(s, "name");
    const auto time = parse_time(text_in(s, "start"));  // local time: TZ is UTC for the program
    if (name.empty() || !time) continue;
    if (r.wanted() == "latest" ? out.time < *time
                               : r.wanted() == name || r.wanted() == text_in(s, "id")) {
      out.id = name;
      out.time = *time;
    }
  }
  if (out.id.empty()) return "no archive " + r.wanted() + " in the repository";
  if (!r.target().include.empty()) return {};
  const auto info = r.tool({"info", lock_wait(r), "--json", "::" + out.id}, error, folder);
  if (!info) return error;
  out.octets = number_in(parse_output(info->out), "/archives/0/stats/original_size");
  return {};
}

std::string fetch(Restore& r, const Chosen& chosen) {
  std::string error;
  std::vector<std::string> a{"extract", lock_wait(r), "::" + chosen.id};
  for (const auto& i : r.target().include) a.push_back(i.starts_with('/') ? i.substr(1) : i);
  return r.tool(a, error, r.data()) ? "" : error;
}

const RestoreRegistration registration{
    {.tool = "borg", .summary = "an archive", .choose = &choose, .fetch = &fetch}};

}  // namespace
}  // namespace ww::drills
