#pragma once
/// The `backup` event (contracts.md): what a probe found out about one backup job. Declared once,
/// here.
///
/// `kind` says which of four things an event is:
///   inventory  one look of a probe at a repository: what is there now, and whether the look worked
///   run        one backup (snapshot, archive, backup set), sent once when it is first seen
///   restore    somebody restored from it
///   signal     something a log says about backups: catalogue deleted, schedule changed...
/// Absent means not known, never zero. Times are RFC 3339, UTC.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/events/field.hpp"

namespace ww::events {

struct Backup {
  static constexpr std::string_view type = "backup";
  using Text = std::optional<std::string>;
  using Number = std::optional<std::uint64_t>;
  using Real = std::optional<double>;
  using Flag = std::optional<bool>;

  std::string kind = "run", tool, asset, job;
  Text repository, repository_id, repository_kind, snapshot, parent, level;
  std::string status = "unknown";
  Text error, error_code, signal;
  Text started, finished, data_time, recoverable_to;
  Number bytes_total, bytes_added, bytes_stored;
  Number files_total, files_new, files_changed, files_deleted;
  Real dedup_ratio, compression_ratio, entropy, new_extension_share;
  Text integrity, integrity_at, restore_tested_at, immutable_until;
  Flag encrypted, offsite, offline;
  Text host, user;
  std::optional<std::vector<std::string>> snapshots;
  Number snapshots_total;
  std::optional<std::vector<std::string>> keys;
  Number locks, lock_age, free_bytes;
  Real free_ratio;
  Text policy_sha256, selection_sha256;
  std::map<std::string, std::uint64_t> policy;
  Number interval, took_ms;
  Text raw_sha256;

  static constexpr auto fields() {
    return std::tuple{
        field("kind", &Backup::kind, "inventory, run, restore or signal"),
        field("tool", &Backup::tool,
              "restic, borg, pgbackrest, files, zfs, btrfs, windows, veeam, "
              "bacula, mssql, s3 or what a script calls itself"),
        field("asset", &Backup::asset, "what is backed up, as the site names it"),
        field("job", &Backup::job, "the backup job of the asset"),
        field("repository", &Backup::repository, "where the copies are, without credentials"),
        field("repository_id", &Backup::repository_id, "the repository's own identity"),
        field("repository_kind", &Backup::repository_kind,
              "disk, object, tape, cloud or snapshot (same storage: no copy)"),
        field("snapshot", &Backup::snapshot, "the tool's id of this backup"),
        field("parent", &Backup::parent, "backup that this one needs"),
        field("level", &Backup::level, "full, incr, diff, log or snapshot"),
        field("status", &Backup::status, "success, warning, failed, missing, running or unknown"),
        field("error", &Backup::error, "why not success, for people"),
        field("error_code", &Backup::error_code,
              "why not success: wrong_password, no_repository, locked, disk_full, timeout, "
              "too_large, no_program, damaged, unreadable, failed"),
        field("signal", &Backup::signal,
              "catalogue_deleted, catalogue_damaged, schedule_changed, schedule_deleted, "
              "shadow_copies_deleted, hold_removed, retention_shortened, lock_disabled"),
        field("started", &Backup::started, "when the run began"),
        field("finished", &Backup::finished, "when it ended"),
        field("data_time", &Backup::data_time,
              "the moment the data is consistent at: start for files, stop for databases"),
        field("recoverable_to", &Backup::recoverable_to,
              "latest moment that can be restored (logs archived until then)"),
        field("bytes_total", &Backup::bytes_total, "octets of the source"),
        field("bytes_added", &Backup::bytes_added, "octets new in this run, before compression"),
        field("bytes_stored", &Backup::bytes_stored, "octets that the run added to the repository"),
        field("files_total", &Backup::files_total, "files of the source"),
        field("files_new", &Backup::files_new, "files that the run before had not"),
        field("files_changed", &Backup::files_changed, "files that differ from the run before"),
        field("files_deleted", &Backup::files_deleted, "files that only the run before had"),
        field("dedup_ratio", &Backup::dedup_ratio, "bytes_total / bytes_added"),
        field("compression_ratio", &Backup::compression_ratio,
              "octets before / after compression of what the run wrote; 1 is incompressible"),
        field("entropy", &Backup::entropy, "bits per octet of sampled changed files, 0 to 8"),
        field("new_extension_share", &Backup::new_extension_share,
              "share of the new files that have the most frequent extension among them"),
        field("integrity", &Backup::integrity, "unknown, passed or failed"),
        field("integrity_at", &Backup::integrity_at, "when integrity was looked at"),
        field("restore_tested_at", &Backup::restore_tested_at, "last restore that the tool knows"),
        field("immutable_until", &Backup::immutable_until,
              "nobody can delete or change it before (compliance mode)"),
        field("encrypted", &Backup::encrypted, "the repository is encrypted"),
        field("offsite", &Backup::offsite, "the copy is at another place"),
        field("offline", &Backup::offline, "the copy cannot be reached over a network"),
        field("host", &Backup::host, "client that was backed up, or that restored"),
        field("user", &Backup::user, "user of the client"),
        field("snapshots", &Backup::snapshots,
              "inventory: ids of the backups there are, newest last"),
        field("snapshots_total", &Backup::snapshots_total,
              "inventory: how many there are; more than listed when the list was cut"),
        field("keys", &Backup::keys, "inventory: ids of the repository's keys"),
        field("locks", &Backup::locks, "inventory: locks held"),
        field("lock_age", &Backup::lock_age, "inventory: seconds since the oldest lock"),
        field("free_bytes", &Backup::free_bytes, "inventory: free octets at the repository"),
        field("free_ratio", &Backup::free_ratio, "inventory: free share of the repository's disk"),
        field("policy_sha256", &Backup::policy_sha256, "inventory: of the job's policy files"),
        field("selection_sha256", &Backup::selection_sha256,
              "of what is backed up and excluded: a change is a changed selection"),
        field("policy", &Backup::policy, "inventory: retention settings found, name to number"),
        field("interval", &Backup::interval, "inventory: seconds until the probe looks again"),
        field("took_ms", &Backup::took_ms, "inventory: milliseconds that the look took"),
        field("raw_sha256", &Backup::raw_sha256, "of the tool's own words, as evidence"),
    };
  }
};

}  // namespace ww::events
