#pragma once
/// How a backup tool joins: one file in sensors/backup/probes with a ProbeRegistration.
///
///   void look(const ProbeSpec& spec, Look& look, Report& report);  // runs the tool, read-only
///   const ProbeRegistration registration{{
///       .tool = "restic", .summary = "restic repositories", .keys = {{"repository", "where",
///       true}}, .look = &look, .parsers = {{"snapshots", &parse_snapshots}}}};
///
/// A probe never changes a repository: it reads, without taking locks where the tool allows that.
/// Every parser of a tool's output is registered, bounded, and fuzzed (tests/fuzz/backup).
#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sensors/backup/runner.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/events/backup.hpp"
#include "telemetry/result.hpp"
#include "telemetry/settings.hpp"

namespace ww::backup {

inline constexpr std::size_t max_listed = 2'000;     ///< ids in an inventory
inline constexpr std::size_t max_runs = 500;         ///< run events of one look
inline constexpr std::size_t max_text_octets = 512;  ///< of an error or a name in an event

/// What one look found out. `inventory` says how the look went; `runs` are backups, restores and
/// signals in the order they happened.
struct Report {
  events::Backup inventory;
  std::vector<events::Backup> runs;
  /// Something is wrong with the look itself. The first one counts.
  void failed(std::string_view code, std::string_view text);
  /// The look worked and found something that is not right.
  void warn(std::string_view code, std::string_view text);
  /// Adds a backup to the inventory's list, and as a run unless there are too many.
  events::Backup& add_run(std::string id);
};

/// What a probe remembers from look to look; kept across restarts with the events.
using Memory = std::map<std::string, std::string>;

/// One configured probe.
struct ProbeSpec {
  std::string tool, asset, job;
  std::chrono::seconds every{900};
  std::chrono::milliseconds timeout{120'000};  ///< of one look, all its commands together
  std::string folder;                          ///< of its own, for caches of the tool
  Settings settings;                           ///< below this probe
  std::string where;                           ///< file:line
  /// Secrets and settings of the tool, from `environment_file` and `*_file` keys. Never logged.
  std::map<std::string, std::string> environment;

  [[nodiscard]] std::string text(std::string_view key, std::string_view fallback = {}) const {
    return settings.text_or(key, fallback);
  }
  [[nodiscard]] std::string repository() const { return text("repository"); }
  /// Text without user:password@ and without any secret of the environment.
  [[nodiscard]] std::string redact(std::string_view text) const;
};

/// What a look may use. One thread.
class Look {
 public:
  Look(const ProbeSpec& spec, const Clock& clock, Memory& memory, const std::atomic<bool>* stop)
      : spec_(spec),
        clock_(clock),
        memory_(memory),
        stop_(stop),
        deadline_(now_steady() + spec.timeout) {}

  /// Runs a program within what is left of the probe's time, with the probe's environment.
  /// A failure to start, a time-out and too much output are noted in the report.
  /// @return nothing after such a failure; else also with an exit code that is not 0
  [[nodiscard]] std::optional<Finished> run(std::vector<std::string> argv, Report& report);
  /// The same, for a command with an environment of its own: where both name a variable the probe's
  /// counts. Folder and timeout are set here.
  [[nodiscard]] std::optional<Finished> run(Command command, Report& report);
  [[nodiscard]] Timestamp now() const { return clock_.now(); }
  [[nodiscard]] Memory& memory() { return memory_; }
  [[nodiscard]] bool stopped() const { return stop_ != nullptr && stop_->load(); }
  [[nodiscard]] std::chrono::milliseconds left() const;
  /// True when `key` of the memory is older than the setting says, and then marks it as done now.
  /// Absent setting: never due.
  [[nodiscard]] bool due(const std::string& setting, const std::string& key);

 private:
  static std::chrono::steady_clock::time_point now_steady() {
    return std::chrono::steady_clock::now();
  }
  const ProbeSpec& spec_;
  const Clock& clock_;
  Memory& memory_;
  const std::atomic<bool>* stop_;
  std::chrono::steady_clock::time_point deadline_;
};

struct ProbeKey {
  std::string_view name, meaning;
  bool required = false;
};
/// A parser of one kind of output. @return why the text is not what it should be
struct ProbeParser {
  std::string_view name;
  Result<void, std::string> (*parse)(std::string_view text, Report& report);
};
struct ProbeType {
  std::string_view tool, summary;
  std::vector<ProbeKey> keys;  ///< beside those that every probe has (common_keys)
  void (*look)(const ProbeSpec& spec, Look& look, Report& report) = nullptr;
  std::vector<ProbeParser> parsers;
};
struct ProbeRegistration {
  explicit ProbeRegistration(ProbeType type);
};
/// All probes by tool. A duplicate name ends the process at start-up.
[[nodiscard]] const std::map<std::string_view, ProbeType>& probe_types();
[[nodiscard]] const std::vector<ProbeKey>& common_keys();

/// Runs one look: the tool, then what all probes share (policy files, selection, free space).
/// Never throws; whatever goes wrong is in the report.
[[nodiscard]] Report look_once(const ProbeSpec& spec, const Clock& clock, Memory& memory,
                               const std::atomic<bool>* stop);
/// The report as event lines, without those runs that `memory` says were sent before, which it then
/// notes as sent. @param fresh  send all of them
[[nodiscard]] std::vector<std::string> event_lines(const Report& report, const ProbeSpec& spec,
                                                   Timestamp now, Memory& memory,
                                                   bool fresh = false);

}  // namespace ww::backup
