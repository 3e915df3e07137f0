#include "sensors/backup/access.hpp"

namespace ww::backup {
namespace {

/// A word for BORG_PASSCOMMAND, which borg splits as a shell would.
std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

}  // namespace

Command ToolAccess::with(const std::vector<std::string>& arguments) const {
  Command c;
  c.argv = command;
  c.argv.insert(c.argv.end(), arguments.begin(), arguments.end());
  c.environment = environment;
  c.turn = turn;
  c.cache = cache;
  return c;
}

ToolAccess tool_access(const ProbeSpec& spec) {
  ToolAccess a;
  a.command.push_back(spec.text("program", spec.tool));
  const auto password = spec.text("password_file");
  if (spec.tool == "restic") {
    a.environment["RESTIC_REPOSITORY"] = spec.repository();
    if (!password.empty()) a.environment["RESTIC_PASSWORD_FILE"] = password;
    a.environment["RESTIC_CACHE_DIR"] = spec.folder + "/cache";
    a.environment["RESTIC_PROGRESS_FPS"] = "0";
  } else if (spec.tool == "borg") {
    a.environment["BORG_REPO"] = spec.repository();
    if (!password.empty()) a.environment["BORG_PASSCOMMAND"] = "cat " + quoted(password);
    a.environment["BORG_BASE_DIR"] = spec.folder;
    a.turn = spec.folder + "/borg.turn";
    a.cache = spec.folder + "/.cache/borg";
    // A new folder of ours knows no repository yet; identity is what the collector compares.
    a.environment["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes";
    a.environment["BORG_RELOCATED_REPO_ACCESS_IS_OK"] = "yes";
    a.environment["BORG_DISPLAY_PASSPHRASE"] = "no";
  } else if (spec.tool == "pgbackrest") {
    if (const auto file = spec.text("config_file"); !file.empty())
      a.command.push_back("--config=" + file);
    if (const auto stanza = spec.text("stanza"); !stanza.empty())
      a.command.push_back("--stanza=" + stanza);
    a.command.push_back("--log-level-console=off");
    a.command.push_back("--log-level-file=off");
    a.command.push_back("--log-level-stderr=warn");
  }
  return a;
}

}  // namespace ww::backup
