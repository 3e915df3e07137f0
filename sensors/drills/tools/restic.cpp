/// restic: `restore` of a snapshot, without a lock.
#include <boost/json.hpp>

#include "sensors/drills/tool.hpp"

namespace ww::drills {
namespace {

std::string choose(Restore& r, Chosen& out) {
  std::string error;
  std::vector<std::string> a{"snapshots", "--json", "--no-lock"};
  for (const auto* key : {"host", "tag", "path"})
    if (const auto v = r.target().probe.text(key); !v.empty()) {
      a.push_back(std::string("--") + key);
      a.push_back(v);
    }
  const auto done = r.tool(a, error);
  if (!done) return error;
  const auto list = parse_output(done->out);
  if (!list.is_array()) return "restic gave no list of snapshots";
  for (const auto& s : list.get_array()) {
    const auto id = text_in(s, "id");
    const auto time = parse_time(text_in(s, "time"));
    if (id.empty() || !time) continue;
    if (r.wanted() == "latest" ? out.time < *time : id.starts_with(r.wanted())) {
      out.id = id;
      out.time = *time;
    }
  }
  if (out.id.empty()) return "no snapshot " + r.wanted() + " in the repository";
  if (!r.target().include.empty()) return {};
  const auto stats =
      r.tool({"stats", "--json", "--no-lock", "--mode", "restore-size", out.id}, error);
  if (!stats) return error;
  out.octets = number_in(parse_output(stats->out), "/total_size");
  return {};
}

std::string fetch(Restore& r, const Chosen& chosen) {
  std::string error;
  std::vector<std::string> a{"restore", chosen.id, "--no-lock", "--target", r.data()};
  for (const auto& i : r.target().include) {
    a.emplace_back("--include");
    a.push_back(i);
  }
  return r.tool(a, error) ? "" : error;
}

const RestoreRegistration registration{
    {.tool = "restic", .summary = "a snapshot", .choose = &choose, .fetch = &fetch}};

}  // namespace
}  // namespace ww::drills
