#pragma once
/// The `logs:` part of a sensor's configuration as values.
///
///   logs:
///     formats: [ /etc/wardwatch/formats/*.yaml ]     # declared formats
///     zone: local                                    # of times without one, for every input
///     files:
///       - paths: [ /var/log/*.log ]
///         exclude: [ '*.gz' ]
///         format: auto                               # product, service, category, host, zone as
///         well start: beginning                           # or end: at the very first start
///         multiline: { start: '^\d{4}-', timeout: 2s }
///         max_line: 64kb
///     syslog:
///       - { transport: udp, listen: '0.0.0.0:514' }  # tcp; tls with cert, key, client_ca
///     journald: { enabled: yes, units: [sshd], folder: /var/log/journal/remote, start: end }
///     stdin: yes
///     evtx: [ /srv/evtx/*.evtx ]
#include <memory>
#include <string>
#include <vector>

#include "sensors/logs/inputs/others.hpp"
#include "sensors/logs/inputs/syslog.hpp"
#include "sensors/logs/inputs/tail.hpp"
#include "telemetry/settings.hpp"

namespace ww::logs {

struct LogConfig {
  std::vector<std::string> declared;  ///< files, globs already expanded
  std::vector<TailOptions> files;
  std::vector<SyslogOptions> syslog;
  std::vector<JournaldOptions> journald;
  std::vector<StdinOptions> standard_input;
  std::vector<EvtxOptions> evtx;
};

/// Reads and checks everything below `logs`. An unknown key is an error that names the key, its
/// line and the nearest known.
[[nodiscard]] Result<LogConfig, Problem> read_log_config(const Settings& logs);

/// Keys that `settings` has and nobody read, as one error; the same helper serves the other parts
/// of the configuration.
/// @param known  names that are valid at the place of the key. ":KIND" behind a name says what may
/// stand there:
///               value (when nothing is said), flag, number, list (of values, or one), maps (a list
///               of what holds keys), map, any
[[nodiscard]] Result<void, Problem> check_keys(const Settings& settings, const std::string& path,
                                               const std::vector<std::string>& known);

/// "200ms", "2s", "5m", "1h", "3d", or a number of seconds.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace ww::logs
