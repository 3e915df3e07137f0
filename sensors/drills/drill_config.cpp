#include "sensors/drills/drill_config.hpp"

#include <algorithm>
#include <charconv>

#include "sensors/drills/tool.hpp"
#include "sensors/logs/log_config.hpp"

namespace ww::drills {
namespace {

Problem bad(const Settings& s, const std::string& path, std::string what, std::string remedy) {
  return {"drills." + path + ": " + std::move(what), s.nearest_place(path), std::move(remedy)};
}

template <class D>
Result<void, Problem> duration(const Settings& s, const std::string& key, D& out, D least) {
  const auto text = s.text(key);
  if (!text) return {};
  const auto d = logs::parse_duration(*text);
  if (!d || *d < least)
    return fail(
        bad(s, key, "not a duration, or too short: " + *text, "write for example 30s or 5m"));
  out = std::chrono::duration_cast<D>(*d);
  return {};
}

Result<void, Problem> size(const Settings& s, const std::string& key, std::uint64_t& out) {
  const auto text = s.text(key);
  if (!text) return {};
  const auto v = parse_size(*text);
  if (!v) return fail(bad(s, key, "not a size: " + *text, "write for example 50GiB"));
  out = *v;
  return {};
}

/// Relative, without "..".
bool inside(const std::string& path) {
  if (path.empty() || path.front() == '/') return false;
  std::string_view rest = path;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    if (rest.substr(0, slash) == "..") return false;
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  return true;
}

Result<DatabaseCheck, Problem> read_database(const Settings& s, const std::string& at) {
  DatabaseCheck d;
  if (auto ok = logs::check_keys(s, at, {"type", "path", "queries:maps"}); !ok)
    return fail(ok.error());
  d.type = s.text_or(at + ".type", "sqlite");
  d.path = s.text_or(at + ".path", "");
  if (d.type != "sqlite" && d.type != "postgres")
    return fail(bad(s, at + ".type", "unknown type '" + d.type + "'", "use sqlite or postgres"));
  if (d.type == "sqlite" && !inside(d.path))
    return fail(bad(s, at + ".path", "must be a path within what was restored",
                    "write it without a leading / and without .."));
  const auto queries = at + ".queries.";
  for (const auto& i : s.children(at + ".queries")) {
    const auto q = queries + i;
    if (auto ok = logs::check_keys(s, q, {"sql", "expect", "min"}); !ok) return fail(ok.error());
    QueryCheck c;
    c.sql = s.text_or(q + ".sql", "");
    c.expect = s.text(q + ".expect");
    if (const auto m = s.text(q + ".min")) {
      double v = 0;
      if (std::from_chars(m->data(), m->data() + m->size(), v).ec != std::errc())
        return fail(bad(s, q + ".min", "not a number", "write the least value that is right"));
      c.min = v;
    }
    if (c.sql.empty() || (!c.expect && !c.min))
      return fail(bad(s, q, "a query needs sql, and expect or min", "say what its answer must be"));
    d.queries.push_back(std::move(c));
  }
  return d;
}

Result<RestoreTarget, Problem> read_target(const Settings& s, const std::string& at,
                                           const std::vector<backup::ProbeSpec>& probes) {
  if (auto ok =
          logs::check_keys(s, at,
                           {"target", "asset", "job", "include:list", "timeout", "manifest:list",
                            "files:list", "min_files:number", "databases:maps", "scan:list",
                            "command:list", "signature", "signed_by"});
      !ok)
    return fail(ok.error());
  RestoreTarget t;
  t.name = s.text_or(at + ".target", "");
  const auto asset = s.text_or(at + ".asset", t.name), job = s.text_or(at + ".job", "");
  const auto probe = std::find_if(probes.begin(), probes.end(), [&](const auto& p) {
    return p.asset == asset && (job.empty() || p.job == job);
  });
  if (t.name.empty()) return fail(bad(s, at, "a restore target needs a name", "add target: NAME"));
  if (probe == probes.end())
    return fail(bad(s, at + ".asset", "no probe of asset '" + asset + "'",
                    "add one under backup.probes: the drill restores what it looks at"));
  t.probe = *probe;
  t.command = s.list(at + ".command");
  t.signature = s.text_or(at + ".signature", "");
  t.signed_by = s.text_or(at + ".signed_by", "");
  if (!t.command.empty()) {
    for (const auto& [key, path] : {std::pair{".command", &t.command.front()},
                                    {".signature", &t.signature},
                                    {".signed_by", &t.signed_by}})
      if (!path->starts_with('/'))
        return fail(bad(s, at + key, "must be a whole path",
                        "a restore command needs its signature and the site's key"));
  } else if (restore_tool(t) == nullptr) {
    std::string can;
    for (const auto& [tool, info] : restore_tools())
      if (tool != "command") can += (can.empty() ? "" : ", ") + std::string(tool);
    return fail(bad(s, at + ".asset", "backups of " + probe->tool + " cannot be restored here",
                    can + " can; for others give a signed command"));
  }
  t.include = s.list(at + ".include");
  t.manifest = s.list(at + ".manifest");
  t.files = s.list(at + ".files");
  t.scan = s.list(at + ".scan");
  for (const auto* list : {&t.manifest, &t.files})
    for (const auto& p : *list)
      if (!inside(p))
        return fail(bad(s, at, "not a path within what was restored: " + p,
                        "write it without a leading / and without .."));
  t.min_files =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, s.integer_or(at + ".min_files", 1)));
  if (auto ok = duration(s, at + ".timeout", t.timeout, std::chrono::milliseconds(1000)); !ok)
    return fail(ok.error());
  const auto databases = at + ".databases.";
  for (const auto& i : s.children(at + ".databases")) {
    auto d = read_database(s, databases + i);
    if (!d) return fail(d.error());
    t.databases.push_back(std::move(*d));
  }
  return t;
}

}  // namespace

Result<DrillConfig, Problem> read_drill_config(const Settings& s, const std::string& config_folder,
                                               const std::string& data_folder,
                                               const std::vector<backup::ProbeSpec>& probes) {
  if (auto ok = logs::check_keys(s, "",
                                 {"heartbeat", "poll", "orders:flag", "detection:list", "scratch",
                                  "max_size", "min_free", "restore:maps"});
      !ok)
    return fail(ok.error());
  DrillConfig c;
  c.orders = s.flag_or("orders", false);
  c.scratch = s.text_or("scratch", data_folder + "/scratch");
  if (c.scratch.front() != '/') c.scratch = config_folder + "/" + c.scratch;
  for (const auto& ok : {duration(s, "heartbeat", c.heartbeat, std::chrono::milliseconds(1000)),
                         duration(s, "poll", c.poll, std::chrono::milliseconds(200)),
                         size(s, "max_size", c.max_octets), size(s, "min_free", c.min_free)})
    if (!ok) return fail(ok.error());
  for (const auto& kind : s.list("detection")) {
    if (!std::set<std::string>{"log", "capture", "conversation", "hl7", "audit_xml"}.contains(kind))
      return fail(bad(s, "detection", "unknown kind '" + kind + "'",
                      "use log, capture, conversation, hl7, audit_xml"));
    c.detection.insert(kind);
  }
  std::set<std::string> names;
  for (const auto& i : s.children("restore")) {
    auto t = read_target(s, "restore." + i, probes);
    if (!t) return fail(t.error());
    if (!names.insert(t->name).second)
      return fail(bad(s, "restore." + i, "two targets are called " + t->name, "rename one"));
    c.restore.push_back(std::move(*t));
  }
  if (!c.orders && (!c.restore.empty() || !c.detection.empty()))
    return fail(bad(s, "orders", "is off, so nothing of restore and detection can be asked for",
                    "add orders: yes, or take restore and detection out"));
  return c;
}

}  // namespace ww::drills
