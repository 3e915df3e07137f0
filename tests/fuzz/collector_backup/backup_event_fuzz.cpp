/// Backup events, as a hostile sensor would send them, into the tables; then everything that looks
/// at the rows. Lines of the input are events of one job.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "collector/backup/health.hpp"
#include "collector/backup/restore_point.hpp"
#include "collector/backup/rows.hpp"
#include "tests/fuzz/collector_backup/database.hpp"

using namespace ww;
using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto db = make_backup_database();
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Timestamp now{1'790'000'000'000'000};
  db->begin();
  for (int n = 0; n < 40 && !rest.empty(); ++n) {
    const auto end = rest.find('\n');
    (void)backup_rows::take_event(*db, rest.substr(0, end), "event", "site", "sensor", now);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    now = now + std::chrono::hours(1);
  }
  if (db->failed()) std::abort();  // no event may break the transaction of a commit
  auto jobs = backup_rows::jobs(*db);
  for (auto& j : jobs) {
    for (std::size_t i = 0; i < j.runs.size(); ++i)
      for (const auto& f : flags_of(j.runs, i, j.baseline.since)) j.runs[i].flags += f + ",";
    BackupAssetSpec spec;
    spec.site = j.source.site;
    spec.name = j.source.asset;
    const AssetInput in{
        spec,
        {&j},
        {backup_rows::restores(*db, j.source.site, j.source.asset, j.source.job, {})},
        {}};
    const auto h = asset_health(in, now);
    if (h.states.empty()) std::abort();
    std::string text;
    JsonWriter w(text);
    write_json(w, h, true);
    PointQuestion q;
    q.runs = j.runs;
    q.incident_time = now;
    IncidentIndicator sign;
    sign.time = now;
    sign.state = "accepted";
    q.indicators = {sign};
    if (restore_point(q).verdict == CleanVerdict::clean) std::abort();  // nobody signed anything
  }
  db->rollback();
  return 0;
}
