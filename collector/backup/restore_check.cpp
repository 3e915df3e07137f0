#include "collector/backup/restore_check.hpp"

#include <algorithm>
#include <array>

#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

constexpr std::array<std::string_view, 3> results{"passed", "failed", "stopped"};
constexpr std::array<std::string_view, 3> scans{"not_done", "clean", "found"};
constexpr std::size_t max_text = 16'384;

template <class E, std::size_t N>
std::optional<E> find_name(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto it = std::find(names.begin(), names.end(), text);
  if (it == names.end()) return {};
  return static_cast<E>(it - names.begin());
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) {
    if (!out.empty()) out += ',';
    std::string clean = p;
    std::replace(clean.begin(), clean.end(), ',', ' ');
    out += clean;
  }
  return out;
}

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    out.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return out;
}

constexpr std::string_view columns =
    "id, site, asset, job, tool, repository, snapshot, data_time, started, finished, result, scan,"
    " scope, octets, files, verified, detail, observed, drill, author, evidence, signed_by,"
    " statement, signed_at";

RestoreCheck read(const sql::Statement& s) {
  RestoreCheck c;
  std::int64_t result = 0, scan = 0;
  std::string_view verified;
  s.into(c.id, c.site, c.asset, c.job, c.tool, c.repository, c.snapshot, c.data_time.us,
         c.started.us, c.finished.us, result, scan, c.scope, c.octets, c.files, verified, c.detail,
         c.observed, c.drill, c.by, c.evidence_sha256, c.signed_by, c.statement, c.signed_at.us);
  c.result = static_cast<RestoreResult>(std::clamp<std::int64_t>(result, 0, 2));
  c.scan = static_cast<ScanResult>(std::clamp<std::int64_t>(scan, 0, 2));
  c.verified = parts_of(verified);
  return c;
}

std::optional<RestoreCheck> find(sql::Database& db, std::string_view id) {
  auto s = db.prepare_once("SELECT " + std::string(columns) + " FROM restore_check WHERE id=?1");
  s.bind(id);
  if (!s.step()) return {};
  return read(s);
}

}  // namespace

std::string_view name(RestoreResult r) { return results[static_cast<std::size_t>(r)]; }
std::string_view name(ScanResult s) { return scans[static_cast<std::size_t>(s)]; }
std::optional<RestoreResult> restore_result(std::string_view text) {
  return find_name<RestoreResult>(results, text);
}
std::optional<ScanResult> scan_result(std::string_view text) {
  return find_name<ScanResult>(scans, text);
}

void write_json(JsonWriter& out, const RestoreCheck& c) {
  out.begin_object();
  out.field("id", c.id);
  out.field("site", c.site);
  out.field("asset", c.asset);
  if (!c.job.empty()) out.field("job", c.job);
  out.field("tool", c.tool);
  out.field("repository", c.repository);
  out.field("snapshot", c.snapshot);
  if (c.data_time.us != 0) out.field("data_time", rfc3339(c.data_time));
  out.field("started", rfc3339(c.started));
  out.field("finished", rfc3339(c.finished));
  out.field("result", name(c.result));
  out.field("scan", name(c.scan));
  out.field("scope", c.scope);
  out.field("octets", c.octets);
  out.field("files", c.files);
  out.field("rto_seconds", c.rto_seconds());
  out.begin_array("verified");
  for (const auto& v : c.verified) out.value(v);
  out.end_array();
  if (!c.detail.empty()) out.field("detail", c.detail);
  out.field("times", c.observed ? "observed" : "entered");
  if (!c.drill.empty()) out.field("drill", c.drill);
  if (!c.by.empty()) out.field("by", c.by);
  if (!c.evidence_sha256.empty()) out.field("evidence_sha256", c.evidence_sha256);
  if (!c.signed_by.empty()) {
    out.field("signed_by", c.signed_by);
    out.field("signed_at", rfc3339(c.signed_at));
    out.field("statement", c.statement);
  }
  out.end_object();
}

Result<std::string, Problem> record_restore_check(ControlDb& control, const RestoreCheck& given) {
  auto c = given;
  if (c.site.empty() || c.asset.empty() || c.snapshot.empty())
    return fail(Problem{"site, asset and snapshot must be named", "restore check",
                        "say what was restored"});
  if (c.finished < c.started)
    return fail(Problem{"it finished before it started", "restore check", "correct the times"});
  if (c.id.empty()) c.id = uuid7(c.finished);
  if (c.detail.size() > max_text) c.detail.resize(max_text);
  const auto done = control.write([&](sql::Database& db) {
    db.prepare(
          "INSERT INTO restore_check VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
          "?17,?18,?19,?20,?21,'','',0)")
        .with(c.id, c.site, c.asset, c.job, c.tool, c.repository, c.snapshot, c.data_time.us,
              c.started.us, c.finished.us, static_cast<std::int64_t>(c.result),
              static_cast<std::int64_t>(c.scan), c.scope, static_cast<std::int64_t>(c.octets),
              static_cast<std::int64_t>(c.files), joined(c.verified), c.detail,
              std::int64_t{c.observed}, c.drill, c.by, c.evidence_sha256)
        .run();
  });
  if (!done) return fail(done.error());
  return c.id;
}

Result<RestoreCheck, Problem> sign_restore_check(ControlDb& control, std::string_view id,
                                                 std::string_view signer, Timestamp at,
                                                 std::string_view statement) {
  std::optional<RestoreCheck> before;
  if (signer.empty())
    return fail(Problem{"nobody signs", "restore check", "name the person who looked"});
  const auto done = control.write([&](sql::Database& db) {
    before = find(db, id);
    if (!before || before->result != RestoreResult::passed || !before->signed_by.empty()) return;
    db.prepare("UPDATE restore_check SET signed_by=?2, signed_at=?3, statement=?4 WHERE id=?1")
        .with(id, signer, at.us, statement.substr(0, max_text))
        .run();
  });
  if (!done) return fail(done.error());
  const auto where = "restore check " + std::string(id);
  if (!before) return fail(Problem{"there is none", where, "list them"});
  if (before->result != RestoreResult::passed)
    return fail(Problem{"it did not pass", where, "restore again and sign that"});
  if (!before->signed_by.empty())
    return fail(Problem{"signed already by " + before->signed_by, where, "record another check"});
  before->signed_by = signer;
  before->signed_at = at;
  before->statement = statement.substr(0, max_text);
  return *before;
}

std::vector<RestoreCheck> restore_checks(const ControlDb& control, const RestoreCheckFilter& f) {
  std::vector<RestoreCheck> out;
  const auto done = control.read([&](sql::Database& db) {
    auto s = db.prepare_once(
        "SELECT " + std::string(columns) +
        " FROM restore_check WHERE (?1='' OR site=?1) AND (?2='' OR asset=?2) AND (?3='' OR "
        "snapshot=?3) AND (?4='' OR repository=?4) AND finished>=?5 ORDER BY finished DESC, id "
        "DESC LIMIT ?6");
    s.with(f.site, f.asset, f.snapshot, f.repository, f.from.us,
           std::int64_t{std::clamp<std::uint32_t>(f.limit, 1, 10'000)});
    while (s.step()) out.push_back(read(s));
  });
  if (!done) out.clear();
  return out;
}

std::optional<RestoreCheck> find_restore_check(const ControlDb& control, std::string_view id) {
  std::optional<RestoreCheck> out;
  const auto done = control.read([&](sql::Database& db) { out = find(db, id); });
  if (!done) return {};
  return out;
}

}  // namespace ww::collector
