#pragma once
/// Runs the configured probes when they are due, on a few threads of its own, and hands what they
/// find to the sink.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sensors/backup/probe.hpp"
#include "sensors/uplink/event_sink.hpp"

namespace ww::backup {

struct BackupStats {
  std::uint64_t looks = 0, failed = 0, events = 0;
  std::uint64_t refused = 0;  ///< groups that the spool did not take; the next look sends them
  std::uint64_t probes = 0, running = 0;
};

class BackupService {
 public:
  /// @param probes  made by read_backup_config; their folders are made here
  /// @param sink, clock  borrowed
  [[nodiscard]] static Result<std::unique_ptr<BackupService>, Problem> make(
      std::vector<ProbeSpec> probes, EventSink& sink, const Clock& clock, std::size_t workers = 2);
  virtual ~BackupService() = default;
  virtual void start() = 0;
  /// Ends looks under way (their programs are killed) and joins the threads.
  virtual void stop() = 0;
  /// Looks once with every probe, on the caller's thread (for --once).
  virtual void look_at_all() = 0;
  [[nodiscard]] virtual BackupStats stats() const = 0;
};

}  // namespace ww::backup
