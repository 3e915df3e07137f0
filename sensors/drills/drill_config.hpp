#pragma once
/// The `drills:` part of a sensor's configuration: what this sensor lets its collector ask of it.
/// Without it a sensor sends heartbeats and takes no orders.
///
///   drills:
///     heartbeat: 2m
///     orders: yes                       # ask the collector for orders
///     poll: 10s
///     detection: [log, capture, conversation, hl7, audit_xml]
///     scratch: /srv/wardwatch-scratch   # best a file system of its own, noexec,nosuid,nodev
///     max_size: 50GiB
///     min_free: 5GiB
///     restore:
///       - target: pacs                  # the name that orders use
///         asset: pacs                   # asset and job of a probe under backup.probes
///         job: nightly
///         include: [/srv/pacs/db]       # a sample; absent: all
///         timeout: 4h
///         manifest: [srv/pacs/SHA256SUMS]
///         files: [srv/pacs/db/app.sqlite]
///         min_files: 100
///         command: [/opt/site/restore-veeam]      # instead of the probe's tool; signed
///         signature: /opt/site/restore-veeam.sig
///         signed_by: /etc/wardwatch/site.pem
///         scan: [clamdscan, --fdpass, --infected]   # 0: clean, 1: found something
///         databases:
///           - { type: sqlite, path: srv/pacs/db/app.sqlite,
///               queries: [ { sql: 'select count(*) from study', min: 1 } ] }
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sensors/backup/probe.hpp"
#include "telemetry/settings.hpp"

namespace ww::drills {

struct QueryCheck {
  std::string sql;
  std::optional<std::string> expect;  ///< the first value of the first row, as text
  std::optional<double> min;          ///< the first value of the first row, at least
};
struct DatabaseCheck {
  std::string type;  ///< sqlite, postgres
  std::string path;  ///< in what was restored; postgres: the database's name
  std::vector<QueryCheck> queries;
};
struct RestoreTarget {
  std::string name;
  backup::ProbeSpec probe;
  std::vector<std::string> include, manifest, files;
  std::uint64_t min_files = 1;
  std::vector<DatabaseCheck> databases;
  /// Instead of the probe's tool: a program that the site signed (docs/drills.md), and its proof.
  std::vector<std::string> command;
  std::string signature, signed_by;
  std::vector<std::string> scan;  ///< program and arguments; the restored folder follows them
  std::chrono::milliseconds timeout{4 * 3'600'000};
};

struct DrillConfig {
  std::chrono::milliseconds heartbeat{120'000}, poll{10'000};
  bool orders = false;
  std::set<std::string> detection;  ///< kinds of input that may be played
  std::string scratch;
  std::uint64_t max_octets = 50ULL << 30, min_free = 5ULL << 30;
  std::vector<RestoreTarget> restore;
  std::string verifier;  ///< program of verify-restore; "" = the one that runs
};

/// @param drills  settings below `drills`
/// @param probes  of the configuration: restore targets name one of them
[[nodiscard]] Result<DrillConfig, Problem> read_drill_config(
    const Settings& drills, const std::string& config_folder, const std::string& data_folder,
    const std::vector<backup::ProbeSpec>& probes);

}  // namespace ww::drills
