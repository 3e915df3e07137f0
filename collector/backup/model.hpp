#pragma once
/// What backups are to the collector: what should be protected (register), what was seen (sources
/// and runs), what is wrong (findings), and how that adds up (states).
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "collector/alerts/alerts.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {

// --- what should be

/// When a job is expected to have run: every so often, or at a time of day on some days.
struct BackupSchedule {
  std::chrono::seconds every{0};  ///< 0: not by interval
  std::optional<int> minute;      ///< of the day, in `zone`
  std::uint8_t days = 0x7F;       ///< bit 0 is Monday
  std::string zone = "Europe/London";
  std::chrono::seconds grace{2 * 3600};  ///< late only after this
  [[nodiscard]] bool known() const { return every.count() > 0 || minute.has_value(); }
};

/// Part of some days.
struct DayWindow {
  BackupSchedule opens;  ///< days, minute, zone
  std::chrono::minutes length{0};
};

/// What the owner of an asset asks for. Zero means: not asked for.
struct BackupTargets {
  std::chrono::seconds rpo{24 * 3600}, rto{0};
  std::chrono::seconds verify_every{7 * 86400}, restore_test_every{90 * 86400};
  std::chrono::seconds retention{0};  ///< every backup is kept at least so long
  std::uint32_t copies = 3, media = 2, offsite = 1, immutable = 1;
};

struct BackupJobSpec {
  std::string name;
  BackupSchedule schedule;
  std::string medium;  ///< disk, object, tape, cloud, snapshot; "" as the probe says
  std::optional<bool> offsite, offline, immutable;
};

struct BackupAssetSpec {
  std::string site, name, service, title, owner, contact;
  std::string kind;  ///< "directory" is restored first; free otherwise
  BackupTargets targets;
  std::vector<BackupJobSpec> jobs;
  bool declared = true;           ///< false: only seen in events
  std::string origin = "config";  ///< config, api or seen
};

/// A machine that backups depend on: a console, a repository's server. Its sign-ins and what is
/// read from it over the network are watched.
struct BackupHostSpec {
  std::string site, name, title;
  std::vector<std::string> names;      ///< as logs call it, lower case; `name` is one of them
  std::vector<std::string> addresses;  ///< of its repositories, as flows have them
  std::vector<std::string> assets;     ///< that it holds backups of; empty: any of the site
  std::string hours;                   ///< in which people sign in, as written; "" = not said
  DayWindow window;
  std::uint64_t large_read = 100U << 20;  ///< octets in a day that are never odd
  std::string origin = "config";
};

struct BackupServiceSpec {
  std::string name, title, owner, contact, criticality;
  std::vector<std::string> linked;  ///< services whose points must lie close together
  std::string origin = "config";
};

// --- what was seen

/// The last look of a probe at one job.
struct BackupSource {
  std::string site, asset, job, tool, sensor, repository;
  Timestamp first_seen, looked, good;  ///< good: the last look that worked
  std::string status, code, error;
  std::string event;  ///< id of the last look's event
  std::chrono::seconds interval{0};
  // from the last look that worked
  std::string repository_id, medium, integrity;
  std::vector<std::string> keys;
  std::map<std::string, std::uint64_t> policy;
  std::string policy_sha256;
  Timestamp integrity_at, immutable_until, recoverable_to, restore_tested_at;
  std::optional<bool> offsite, offline, encrypted;
  std::optional<std::uint64_t> snapshots_total, locks, lock_age, free_bytes;
};

/// What counts as normal for a job. Set by the first look, widened by people who accept a finding.
struct BackupBaseline {
  std::string repository_id, policy_sha256, selection;
  std::vector<std::string> keys;
  std::map<std::string, std::uint64_t> policy;
  std::set<std::string> hosts;
  Timestamp since;            ///< statistics begin here
  Timestamp vanish_accepted;  ///< what vanished until then is explained
  Timestamp signals_accepted, restores_accepted;
};

struct BackupRun {
  std::int64_t row = 0;
  std::string job, repository, snapshot, parent, level, status, code, error;
  Timestamp started, finished, data_time;
  std::optional<std::int64_t> bytes_total, bytes_added, bytes_stored;
  std::optional<std::int64_t> files_total, files_new, files_changed, files_deleted;
  std::optional<double> dedup, compression, entropy, extension;
  std::string integrity;
  Timestamp integrity_at, immutable_until;
  std::string host, selection, event;
  Timestamp first_seen, last_seen, vanished;  ///< vanished: zero while it is there
  std::string flags;                          ///< "bk-01,bk-03"
  /// Id of the repository that holds it, when that is not the one that is normal for the job; "".
  std::string other_repository;
  [[nodiscard]] bool good() const { return status == "success" || status == "warning"; }
  [[nodiscard]] bool flagged(std::string_view rule) const {
    return ("," + flags + ",").find("," + std::string(rule) + ",") != std::string::npos;
  }
};

struct BackupSignal {
  std::string name, text, event;
  Timestamp at;
};
struct BackupRestoreSeen {
  std::string job, tool, snapshot, host, user, status, event;
  Timestamp started, finished;
};

// --- what is wrong

struct BackupFinding {
  std::string id;  ///< given when it opens
  std::string site, asset, job;
  std::string rule;     ///< bk-01 .. bk-16, or a state: backup-late, backup-failed...
  std::string subject;  ///< tells findings of one rule and job apart; often ""
  Level level = Level::medium;
  std::string title, detail;
  std::string event;  ///< evidence
  Timestamp opened, last, cleared;
  std::string why, accepted_by, reason;
};

/// Kept apart, worst first. Missing data is a state of its own and never green.
enum class BackupState : std::uint8_t {
  failed,
  restore_failed,
  never_ran,
  late,
  unknown,
  size_out_of_pattern,
  not_verified,
  warnings,
  ok,
};
[[nodiscard]] std::string_view name(BackupState s);

}  // namespace ww::collector
