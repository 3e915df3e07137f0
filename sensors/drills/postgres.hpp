#pragma once
/// A PostgreSQL server of a drill's own: on a socket in the scratch place, no network, nothing
/// archived, gone when the drill is.
#include <string>

#include "sensors/drills/tool.hpp"

namespace ww::drills {

class ScratchPostgres {
 public:
  /// Of the socket, for programs that run in the scratch folder. A socket's path holds 107 octets,
  /// and a scratch place may lie deep: the server finds it as the folder above its cluster.
  static constexpr std::string_view socket_folder = "/proc/self/cwd";
  /// @param cluster  data folder, restored or made by create()
  ScratchPostgres(Restore& r, std::string cluster);
  ~ScratchPostgres();  ///< stops it, also when the drill is stopped or its time is over
  ScratchPostgres(const ScratchPostgres&) = delete;
  ScratchPostgres& operator=(const ScratchPostgres&) = delete;

  /// A new empty cluster. @return what is wrong, or ""
  [[nodiscard]] std::string create();
  [[nodiscard]] std::string start();
  /// Psql without the start file. @param user  ours is `postgres`
  [[nodiscard]] std::optional<backup::Finished> psql(const std::string& database,
                                                     const std::string& user,
                                                     const std::vector<std::string>& sql,
                                                     std::string& error);
  /// The queries of the target's databases, in transactions that cannot write.
  /// @param database  instead of the one that each names; "" as named
  void ask(VerifyResult& result, const std::string& user, const std::string& database = {});
  [[nodiscard]] const std::string& bin() const { return bin_; }

 private:
  [[nodiscard]] std::optional<backup::Finished> call(std::vector<std::string> argv,
                                                     std::string& error);
  Restore& r_;
  std::string cluster_, bin_;
  bool started_ = false;
};

/// Ends a server that a killed process left running on a cluster below this folder. For
/// RestoreTool::clean. @return what is wrong, or ""
[[nodiscard]] std::string stop_left_server(const RestoreTarget& target, const std::string& scratch);
/// A cluster lies below this folder that looks as if a server ran on it. For RestoreTool::leaves.
[[nodiscard]] bool left_server(const RestoreTarget& target, const std::string& scratch);

}  // namespace ww::drills
