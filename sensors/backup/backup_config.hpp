#pragma once
/// The `backup:` part of a sensor's configuration as values.
///
///   backup:
///     probes:
///       - tool: restic                  # every tool's keys: docs/backup.md, wardwatch-sensor
///       probe list
///         asset: pacs-archive
///         job: nightly
///         every: 15m
///         timeout: 2m
///         repository: /srv/restic
///         password_file: /etc/wardwatch/restic.password
#include <string>
#include <vector>

#include "sensors/backup/probe.hpp"

namespace ww::backup {

/// Reads and checks everything below `backup`; secrets are read from their files now.
/// An unknown key is an error that names the key, its line and the nearest known.
/// @param config_folder  relative paths of `*_file`, `policy_files` start here
/// @param work_folder    each probe gets a folder of its own below it
[[nodiscard]] Result<std::vector<ProbeSpec>, Problem> read_backup_config(
    const Settings& backup, const std::string& config_folder, const std::string& work_folder);

/// One probe from settings of its own (the command line).
[[nodiscard]] Result<ProbeSpec, Problem> read_probe(const Settings& probe,
                                                    const std::string& config_folder,
                                                    const std::string& work_folder);

}  // namespace ww::backup
