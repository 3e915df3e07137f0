#pragma once
/// How to reach a repository with its tool: what probes use to read, and restore drills to restore.
#include <map>
#include <string>
#include <vector>

#include "sensors/backup/probe.hpp"
#include "sensors/backup/runner.hpp"

namespace ww::backup {

struct ToolAccess {
  std::vector<std::string> command;                ///< program and what names the repository
  std::map<std::string, std::string> environment;  ///< credentials; never to be logged
  std::string turn, cache;                         ///< as in Command
  /// The program with these arguments.
  [[nodiscard]] Command with(const std::vector<std::string>& arguments) const;
};

/// For restic (RESTIC_REPOSITORY, RESTIC_PASSWORD_FILE, a cache in the probe's folder), borg
/// (BORG_REPO, BORG_PASSCOMMAND, keys and caches in the probe's folder, where two borgs at once
/// would make the same cache: one runs after the other) and pgbackrest (--config,
/// --stanza). Other tools: the program alone. The environment of the probe's environment_file is
/// added by Look::run.
[[nodiscard]] ToolAccess tool_access(const ProbeSpec& spec);

}  // namespace ww::backup
