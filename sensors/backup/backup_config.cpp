#include "sensors/backup/backup_config.hpp"

#include <algorithm>
#include <set>

#include "sensors/backup/policy.hpp"
#include "sensors/logs/log_config.hpp"

namespace ww::backup {
namespace {

Problem bad(const Settings& s, const std::string& at, std::string what, std::string remedy) {
  return {at + ": " + std::move(what), s.nearest_place(at), std::move(remedy)};
}

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

/// NAME=VALUE lines; quotes around a value are taken off, # begins a comment line.
std::map<std::string, std::string> environment_of(std::string_view text) {
  std::map<std::string, std::string> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.starts_with("export ")) line.remove_prefix(7);
    const auto equals = line.find('=');
    if (line.empty() || line.front() == '#' || equals == std::string_view::npos || equals == 0)
      continue;
    auto value = line.substr(equals + 1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front())
      value = value.substr(1, value.size() - 2);
    out.emplace(line.substr(0, equals), value);
  }
  return out;
}

std::string resolve(const std::string& path, const std::string& folder) {
  return path.empty() || path.front() == '/' || folder.empty() ? path : folder + "/" + path;
}

template <class D>
Result<void, Problem> duration(const Settings& s, const std::string& key, D& out, D least) {
  const auto text = s.text(key);
  if (!text) return {};
  const auto d = logs::parse_duration(*text);
  if (!d || *d < least)
    return fail(
        bad(s, key, "not a duration, or too short: " + *text, "write for example 15m or 2h"));
  out = std::chrono::duration_cast<D>(*d);
  return {};
}

}  // namespace

Result<ProbeSpec, Problem> read_probe(const Settings& s, const std::string& config_folder,
                                      const std::string& work_folder) {
  ProbeSpec p;
  p.settings = s;
  p.tool = s.text_or("tool", "");
  const auto type = probe_types().find(p.tool);
  if (type == probe_types().end()) {
    std::string all;
    for (const auto& [name, t] : probe_types())
      all += (all.empty() ? "" : ", ") + std::string(name);
    return fail(bad(s, "tool", p.tool.empty() ? "is required" : "unknown tool '" + p.tool + "'",
                    "use one of " + all));
  }
  std::vector<std::string> known;
  for (const auto* keys : {&common_keys(), &type->second.keys})
    for (const auto& k : *keys) known.push_back(std::string(k.name) + ":any");
  if (auto ok = logs::check_keys(s, "", known); !ok) return fail(ok.error());
  for (const auto* keys : {&common_keys(), &type->second.keys})
    for (const auto& k : *keys)
      if (k.required && !s.has(k.name))
        return fail(
            bad(s, std::string(k.name), "is required by " + p.tool, std::string(k.meaning)));
  p.asset = s.text_or("asset", "");
  p.job = s.text_or("job", p.tool);
  if (!good_name(p.asset) || !good_name(p.job))
    return fail(bad(s, good_name(p.asset) ? "job" : "asset", "not a name",
                    "use letters, digits, dash, dot and underscore"));
  p.where = s.where("tool");
  if (auto ok = duration(s, "every", p.every, std::chrono::seconds(1)); !ok)
    return fail(ok.error());
  if (auto ok = duration(s, "timeout", p.timeout, std::chrono::milliseconds(100)); !ok)
    return fail(ok.error());
  if (const auto medium = s.text_or("medium", "disk");
      !std::set<std::string>{"disk", "object", "tape", "cloud", "snapshot"}.contains(medium))
    return fail(bad(s, "medium", "unknown medium '" + medium + "'",
                    "use disk, object, tape, cloud or snapshot"));
  for (const auto& key : s.children("")) {
    if (key.ends_with("_file") && s.text(key))
      p.settings.set(key, resolve(*s.text(key), config_folder));
    if (key == "policy_files") {
      const auto files = s.list(key);
      for (std::size_t i = 0; i < files.size(); ++i)
        p.settings.set(s.text(key) ? key : key + "." + std::to_string(i),
                       resolve(files[i], config_folder));
    }
  }
  if (const auto file = p.settings.text_or("environment_file", ""); !file.empty()) {
    const auto text = read_small_file(file);
    if (!text)
      return fail(bad(s, "environment_file", "cannot read " + file, "check path and permissions"));
    p.environment = environment_of(*text);
  }
  p.folder = work_folder;
  return p;
}

Result<std::vector<ProbeSpec>, Problem> read_backup_config(const Settings& s,
                                                           const std::string& config_folder,
                                                           const std::string& work_folder) {
  if (auto ok = logs::check_keys(s, "", {"probes:maps", "workers"}); !ok) return fail(ok.error());
  std::vector<ProbeSpec> out;
  std::set<std::pair<std::string, std::string>> names;
  for (const auto& i : s.children("probes")) {
    auto p = read_probe(s.below("probes." + i), config_folder, "");
    if (!p) return fail(p.error());
    if (!names.insert({p->asset, p->job}).second)
      return fail(Problem{"two probes of job " + p->job + " of " + p->asset,
                          p->where.empty() ? "configuration" : p->where, "give each a job name"});
    p->folder = work_folder + "/" + p->asset + "." + p->job;
    out.push_back(std::move(*p));
  }
  return out;
}

}  // namespace ww::backup
