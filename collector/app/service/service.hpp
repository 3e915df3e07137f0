#pragma once
/// The collector as one object: everything of a configuration, put together in order and taken
/// apart in reverse.
#include <cstdint>
#include <memory>
#include <string>

#include "collector/app/service/config.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {

class Accounts;
class AlertBook;
class Authority;
class Pipeline;
class Store;
class SyslogServer;

/// What a fresh collector needs once: an authority, a server certificate, an admin. Safe to call
/// again.
struct InitResult {
  bool authority_made = false, admin_made = false;
  std::string
      login_link;  ///< one-time, an hour; set when an admin was made or `new_link` asked for it
  std::string token_file;  ///< API token of role admin, mode 0600
  std::string ca_file, ca_sha256;
};

class Collector {
 public:
  /// Opens the store, loads the rules, listens. The first failure is the Problem.
  /// @param clock  borrowed
  [[nodiscard]] static Result<std::unique_ptr<Collector>, Problem> start(const Config& config,
                                                                         const Clock& clock);
  /// Stops in order: no new connections, requests under way are answered, batches under way are
  /// committed.
  virtual ~Collector() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::string url() const = 0;
  /// Rules, certificates, log level: what can be changed without losing state. The old ones stay
  /// where the new fail.
  [[nodiscard]] virtual Result<std::string, Problem> reload() = 0;
  [[nodiscard]] virtual Store& store() = 0;
  [[nodiscard]] virtual Accounts& accounts() = 0;
  [[nodiscard]] virtual Authority& authority() = 0;
  [[nodiscard]] virtual AlertBook& alerts() = 0;
  [[nodiscard]] virtual Pipeline& pipeline() = 0;
  [[nodiscard]] virtual SyslogServer* syslog() = 0;
};

/// Makes what a fresh collector needs, without serving. @param new_link  a login link even when an
/// admin exists
[[nodiscard]] Result<InitResult, Problem> initialise(const Config& config, const Clock& clock,
                                                     bool new_link);
/// Brings all schemas up to date and finishes what a crash left; says what it found.
[[nodiscard]] Result<std::string, Problem> migrate(const Config& config, const Clock& clock);
/// Everything that start() would refuse, without starting: files, certificates, rules. Returns what
/// was found good.
[[nodiscard]] Result<std::string, Problem> check(const Config& config, const Clock& clock);

}  // namespace ww::collector
