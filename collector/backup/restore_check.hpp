#pragma once
/// What a restore of a backup proved: the rows that restore drills write and that the clean restore
/// point reads. One row a restore, never changed but by its signature; table `restore_check` of
/// control.db.
///
///   RestoreCheck c;                        // filled by the drill as it goes
///   c.result = RestoreResult::passed;      // every step of `verified` held
///   c.scan = ScanResult::clean;            // an isolated scan of what was restored
///   auto id = record_restore_check(control, c);
///   sign_restore_check(control, *id, "ann", now, "opened 20 studies, looks right");
///
/// A restore point is called clean only when a check of exactly that snapshot passed, was scanned
/// clean, and was signed by a person (backup.md section 6).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/store/control.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

enum class RestoreResult : std::uint8_t { passed, failed, stopped };
enum class ScanResult : std::uint8_t { not_done, clean, found };
[[nodiscard]] std::string_view name(RestoreResult r);  ///< "passed", "failed", "stopped"
[[nodiscard]] std::string_view name(ScanResult s);     ///< "not_done", "clean", "found"
[[nodiscard]] std::optional<RestoreResult> restore_result(std::string_view text);
[[nodiscard]] std::optional<ScanResult> scan_result(std::string_view text);

struct RestoreCheck {
  std::string id;  ///< UUIDv7; empty: given by record_restore_check
  std::string site, asset, job;
  std::string tool, repository, snapshot;  ///< as the `backup` events name them
  Timestamp data_time;                     ///< consistent data time of the snapshot
  Timestamp started;                       ///< decision to restore, as far as observed
  Timestamp finished;                      ///< data back and verified
  RestoreResult result = RestoreResult::failed;
  ScanResult scan = ScanResult::not_done;
  std::string scope = "full";           ///< "full", or "sample": then rto says nothing of the whole
  std::uint64_t octets = 0, files = 0;  ///< restored
  std::vector<std::string> verified;  ///< what held: "manifest", "checksums", "opens", "queries"...
  std::string detail;                 ///< for people: what failed, or what was looked at
  bool observed = true;               ///< times are the machine's own; false: entered by a person
  std::string drill;                  ///< id of the drill run, or ""
  std::string by;                     ///< user or process that ran it
  std::string evidence_sha256;        ///< of the drill's own record, or ""
  std::string signed_by, statement;   ///< empty until signed
  Timestamp signed_at;                ///< zero until signed

  /// Seconds from decision to verified data: what was measured, not claimed.
  [[nodiscard]] double rto_seconds() const {
    return static_cast<double>((finished - started).count()) / 1e6;
  }
  /// Passed, scanned clean and signed.
  [[nodiscard]] bool proves_clean() const {
    return result == RestoreResult::passed && scan == ScanResult::clean && !signed_by.empty();
  }
};
void write_json(JsonWriter& out, const RestoreCheck& check);

struct RestoreCheckFilter {
  std::string site, asset, snapshot, repository;  ///< empty: any
  Timestamp from{INT64_MIN};                      ///< finished at or after
  std::uint32_t limit = 100;                      ///< newest first
};

/// Steps of the table's schema: part of the module "backup" (collector/backup/tables.hpp).
inline constexpr std::string_view restore_check_table =
    "CREATE TABLE restore_check(id TEXT PRIMARY KEY, site TEXT NOT NULL, asset TEXT NOT NULL,"
    " job TEXT NOT NULL, tool TEXT NOT NULL, repository TEXT NOT NULL, snapshot TEXT NOT NULL,"
    " data_time INTEGER NOT NULL, started INTEGER NOT NULL, finished INTEGER NOT NULL,"
    " result INTEGER NOT NULL, scan INTEGER NOT NULL, scope TEXT NOT NULL, octets INTEGER NOT NULL,"
    " files INTEGER NOT NULL, verified TEXT NOT NULL, detail TEXT NOT NULL,"
    " observed INTEGER NOT NULL, drill TEXT NOT NULL, author TEXT NOT NULL, evidence TEXT NOT NULL,"
    " signed_by TEXT NOT NULL, statement TEXT NOT NULL, signed_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX restore_check_asset ON restore_check(site, asset, finished);";

/// Keeps one check durably. @return its id
[[nodiscard]] Result<std::string, Problem> record_restore_check(ControlDb& control,
                                                                const RestoreCheck& check);
/// Signs a check that passed, once. A Problem when there is none, it did not pass, or it is signed
/// already.
[[nodiscard]] Result<RestoreCheck, Problem> sign_restore_check(ControlDb& control,
                                                               std::string_view id,
                                                               std::string_view signer,
                                                               Timestamp at,
                                                               std::string_view statement);
[[nodiscard]] std::vector<RestoreCheck> restore_checks(const ControlDb& control,
                                                       const RestoreCheckFilter& filter);
[[nodiscard]] std::optional<RestoreCheck> find_restore_check(const ControlDb& control,
                                                             std::string_view id);

}  // namespace ww::collector
