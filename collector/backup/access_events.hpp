#pragma once
/// Who signs in to a backup server and who reads from it, as events tell: sshd's words, Windows
/// logons, users of a web server in front of a repository, the console's line in a Bareos audit
/// log; octets of flows. Pure; input is untrusted.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "collector/store/event_scan.hpp"

namespace ww::collector {

/// What these rules look at, gathered in one pass. Each text is cut to 512 octets.
struct AccessFields {
  std::string host, service, product, message;              // of a `log` event
  std::string event_id, logon_type, user, domain, address;  // of Windows
  std::string client, web_user, status;                     // of a web server
  std::string src_ip, dest_ip;                              // of a `flow` event
  std::uint64_t to_server = 0, to_client = 0;
};

class AccessReader {
 public:
  /// @return nothing when the text is no event
  [[nodiscard]] const AccessFields* read(std::string_view json);

 private:
  EventScanner scanner_;
  AccessFields out_;
};

struct BackupLogin {
  std::string account, source, how;  ///< how: "ssh publickey", "windows remote desktop"...
  bool good = false;
};
/// The sign-in that a log event tells of. Logons of services, batch jobs and of the machine itself
/// are none.
[[nodiscard]] std::optional<BackupLogin> login_of(const AccessFields& f);

}  // namespace ww::collector
