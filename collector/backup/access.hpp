#pragma once
/// Access to the machines that backups depend on (bk-10, bk-15): sign-ins that were never seen
/// before, or at hours at which nobody works, refusals in a row; clients that read much more from a
/// repository than anybody does. What is usual is learnt first; until then a host says `learning`.
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "collector/backup/access_events.hpp"
#include "collector/backup/model.hpp"
#include "collector/backup/register.hpp"
#include "collector/backup/restore_check.hpp"
#include "collector/detect/watcher.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {

struct HostLogin {
  std::string account, source, how, event;
  Timestamp first, last, odd, off_hours, burst_at, accepted;
  std::uint64_t good = 0, refused = 0;
  bool learned = false;
};
struct HostReader {
  std::string client, detail, event;
  Timestamp first, last, flagged, accepted;
  Level level = Level::high;
  std::uint64_t octets_day = 0, octets_month = 0;
};
/// One host as a look finds it.
struct HostAccess {
  BackupHostSpec spec;
  std::vector<HostLogin> logins;  ///< newest first, at most `max_listed`
  std::vector<HostReader> readers;
  std::uint64_t sign_ins = 0, read_days = 0;
  std::vector<BackupFinding> findings;
  [[nodiscard]] bool learning_logins() const;
  [[nodiscard]] bool learning_reads() const;
};
void write_json(JsonWriter& out, const HostAccess& host);

inline constexpr std::string_view logins_job = "sign-ins", reads_job = "reads";

class BackupAccess {
 public:
  static constexpr std::size_t max_pairs = 2'000, max_listed = 200;
  static constexpr std::uint64_t burst_refused = 10;

  /// What watch() knows hosts by. From the looking thread.
  void set_hosts(const BackupRegister& reg);
  /// On the committing thread; adds at most one record for each pair and each client and hour.
  void watch(std::span<const DetectEvent> events, std::string_view module, std::uint8_t kind,
             Timestamp now, std::vector<ControlRecord>& out) const;
  /// One of those records (behind its kind) into the rows. @return false when it cannot be read
  static bool apply(sql::Database& db, std::string_view record);

  /// Judges what was read, keeps what was odd, and gives the hosts with what holds.
  [[nodiscard]] static std::vector<HostAccess> look(sql::Database& db, const BackupRegister& reg,
                                                    const std::vector<RestoreCheck>& checks,
                                                    Timestamp now);
  /// Writes what look() found to be odd. In a transaction.
  static void keep(sql::Database& db, const std::vector<HostAccess>& hosts);
  /// What a person accepted is normal from now on. @return false when it is no finding of a host
  static bool accept(sql::Database& db, const BackupFinding& finding, Timestamp now);
  static void prune(sql::Database& db, Timestamp now);

 private:
  struct Index {
    std::set<std::string> sites;
    std::map<std::pair<std::string, std::string>, BackupHostSpec> names, addresses;  // by site
  };
  mutable std::mutex mutex_;
  std::shared_ptr<const Index> index_;
};

}  // namespace ww::collector
