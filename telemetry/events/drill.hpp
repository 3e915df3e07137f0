#pragma once
/// The `drill` event: heartbeats of a sensor and its sources, and what a sensor tells about an
/// order that it carries out. Declared once, here. Absent means not known.
///
/// Telemetry that a detection drill plays keeps its own event type and is marked in the envelope:
/// `ww.drill` true and `ww.drill_run`.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/events/field.hpp"

namespace ww::events {

struct Drill {
  static constexpr std::string_view type = "drill";
  using Text = std::optional<std::string>;
  using Number = std::optional<std::uint64_t>;

  std::string kind = "heartbeat";
  Text source;
  std::optional<std::vector<std::string>> sources;
  Number interval;
  Text order, run, state, result, phase, text;
  Number percent;
  Text scan, scope, target, tool, asset, job, repository, snapshot, data_time, started, finished;
  Number bytes, files, played;
  std::optional<std::vector<std::string>> passed, failed;
  std::map<std::string, std::uint64_t> took_ms;
  std::map<std::string, std::string> isolation;
  std::optional<bool> cleaned;

  static constexpr auto fields() {
    return std::tuple{
        field("kind", &Drill::kind, "heartbeat, sources, restore or detection"),
        field("source", &Drill::source,
              "what is alive: sensor, capture:IF, file:PATHS, syslog:..."),
        field("sources", &Drill::sources, "every source that this sensor watches now"),
        field("interval", &Drill::interval, "seconds until the next heartbeat of this source"),
        field("order", &Drill::order, "id of the order that this tells about"),
        field("run", &Drill::run, "drill run that the order belongs to"),
        field("state", &Drill::state, "started, progress or finished"),
        field("result", &Drill::result, "passed, failed, stopped or refused (finished only)"),
        field("phase", &Drill::phase, "preparing, restoring, verifying, cleaning, playing"),
        field("text", &Drill::text, "for people: what happens, or why it failed"),
        field("percent", &Drill::percent, "of the phase"),
        field("scan", &Drill::scan, "clean or found; absent: not scanned"),
        field("scope", &Drill::scope, "full, or sample when only a part was restored"),
        field("target", &Drill::target, "the restore target's name in the sensor's configuration"),
        field("tool", &Drill::tool, "backup tool"),
        field("asset", &Drill::asset, "what was restored, as the backup events name it"),
        field("job", &Drill::job, "the backup job"),
        field("repository", &Drill::repository, "where from, without credentials"),
        field("snapshot", &Drill::snapshot, "the tool's id of the backup that was restored"),
        field("data_time", &Drill::data_time, "the moment its data is consistent at"),
        field("started", &Drill::started, "when the sensor began"),
        field("finished", &Drill::finished, "when the data was back and verified"),
        field("bytes", &Drill::bytes, "octets restored"),
        field("files", &Drill::files, "files restored"),
        field("played", &Drill::played, "lines or packets played"),
        field("passed", &Drill::passed, "checks that held"),
        field("failed", &Drill::failed, "checks that did not"),
        field("took_ms", &Drill::took_ms, "milliseconds of each phase"),
        field("isolation", &Drill::isolation,
              "facts about the scratch place: noexec, nosuid, mode"),
        field("cleaned", &Drill::cleaned, "nothing is left in the scratch place"),
    };
  }
};

}  // namespace ww::events
