#pragma once
/// How a restore of one tool's backups joins: one file in sensors/drills/tools with a
/// RestoreRegistration.
///
///   std::string choose(Restore& r, Chosen& out);       // which backup; the text says what is
///   wrong std::string fetch(Restore& r, const Chosen& c);    // into r.data() const
///   RestoreRegistration registration{{.tool = "borg", .choose = &choose, .fetch = &fetch}};
///
/// A restore only reads the repository and writes below r.scratch(). Everything it runs goes
/// through r.run(): bounded in time, ended by a stop, its process group killed.
#include <atomic>
#include <boost/json/value.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sensors/backup/runner.hpp"
#include "sensors/drills/drill_config.hpp"
#include "sensors/drills/verify.hpp"
#include "telemetry/clock.hpp"

namespace ww::drills {

struct Chosen {
  std::string id;
  Timestamp time;            ///< of its data
  std::uint64_t octets = 0;  ///< expected; 0: not known
  std::string from;          ///< path, for tools whose backups are files
};

/// What a tool's file may use of the drill that runs. One thread.
class Restore {
 public:
  virtual ~Restore() = default;
  [[nodiscard]] virtual const RestoreTarget& target() const = 0;
  [[nodiscard]] virtual const std::string& wanted() const = 0;   ///< "latest" or an id
  [[nodiscard]] virtual const std::string& scratch() const = 0;  ///< ours alone, mode 0700
  [[nodiscard]] virtual std::string data() const = 0;            ///< below it: what is verified
  [[nodiscard]] virtual bool stopped() const = 0;
  [[nodiscard]] virtual std::chrono::milliseconds left() const = 0;
  /// Runs the tool with the probe's access, or any program. @return nothing and an error text when
  /// it did not end well
  [[nodiscard]] virtual std::optional<backup::Finished> tool(std::vector<std::string> arguments,
                                                             std::string& error,
                                                             const std::string& folder = {}) = 0;
  [[nodiscard]] virtual std::optional<backup::Finished> run(backup::Command command,
                                                            std::string& error) = 0;
  /// What a tool itself found to hold, or not.
  VerifyResult said;
};

struct RestoreTool {
  std::string_view tool, summary;
  std::string (*choose)(Restore& r, Chosen& out) = nullptr;
  std::string (*fetch)(Restore& r, const Chosen& chosen) = nullptr;
  /// Beyond files, manifests and SQLite: starts a restored database and asks it.
  void (*check)(Restore& r, const Chosen& chosen, VerifyResult& result) = nullptr;
  /// Undoes what lies outside the scratch place; also after a stop and after a crash.
  /// @return what is wrong, or ""
  std::string (*clean)(const RestoreTarget& target, const std::string& scratch) = nullptr;
  /// That folder was left by a restore of this target.
  bool (*leaves)(const RestoreTarget& target, const std::string& scratch) = nullptr;
};
struct RestoreRegistration {
  explicit RestoreRegistration(RestoreTool tool);
};
/// All of them by tool. A duplicate name ends the process at start-up.
[[nodiscard]] const std::map<std::string_view, RestoreTool>& restore_tools();
/// The one of a target: its own command, else its probe's tool. Null: none.
[[nodiscard]] const RestoreTool* restore_tool(const RestoreTarget& target);

/// Reading what tools print: absent or of another kind is empty.
[[nodiscard]] boost::json::value parse_output(const std::string& text);
[[nodiscard]] std::string text_in(const boost::json::value& v, std::string_view name);
[[nodiscard]] std::uint64_t number_in(const boost::json::value& v, std::string_view pointer);

}  // namespace ww::drills
