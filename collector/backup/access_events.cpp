#include "collector/backup/access_events.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace ww::collector {
namespace {

constexpr std::size_t max_text = 512, max_name = 120;

/// What stands in `text` behind `before`, up to `end` or the end.
std::string_view between(std::string_view text, std::string_view before, std::string_view end) {
  const auto at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  return text.substr(0, text.find(end));
}

BackupLogin login(std::string_view account, std::string_view source, std::string how, bool good) {
  return {std::string(account.substr(0, max_name)), std::string(source.substr(0, max_name)),
          std::move(how), good};
}

/// "Accepted publickey for ann from 10.0.0.7 port 52144 ssh2", "Failed password for invalid user x
/// from ..."
std::optional<BackupLogin> of_sshd(std::string_view m) {
  const bool good = m.starts_with("Accepted ");
  if (!good && !m.starts_with("Failed ")) return {};
  const auto method = between(m, " ", " for ");
  // The name is what a stranger typed, so the address is looked for from the end.
  const auto from = m.rfind(" from ");
  const auto name_at = m.find(" for ");
  if (from == std::string_view::npos || name_at == std::string_view::npos || from < name_at + 5)
    return {};
  auto account = m.substr(name_at + 5, from - name_at - 5);
  if (account.starts_with("invalid user ")) account.remove_prefix(13);
  const auto source = m.substr(from + 6, m.substr(from + 6).find(' '));
  if (account.empty() || source.empty()) return {};
  return login(account, source, "ssh " + std::string(method.substr(0, 40)), good);
}

std::optional<BackupLogin> of_windows(const AccessFields& f) {
  const bool good = f.event_id == "4624";
  if (!good && f.event_id != "4625") return {};
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> people{
      {{"2", "at the console"},
       {"3", "over the network"},
       {"7", "unlocked"},
       {"8", "over the network, clear text"},
       {"9", "with other credentials"},
       {"10", "remote desktop"},
       {"11", "at the console, cached"}}};
  std::string_view how;
  for (const auto& [type, text] : people)
    if (type == f.logon_type) how = text;
  if (how.empty() || f.user.empty() || f.user.ends_with('$')) return {};
  for (const std::string_view own :
       {"SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE", "ANONYMOUS LOGON", "-"})
    if (f.user == own) return {};
  if (f.user.starts_with("DWM-") || f.user.starts_with("UMFD-")) return {};
  const bool local =
      f.address.empty() || f.address == "-" || f.address == "::1" || f.address == "127.0.0.1";
  const auto account = f.domain.empty() || f.domain == "-" ? f.user : f.domain + "\\" + f.user;
  return login(account, local ? "local" : std::string_view(f.address),
               "windows " + std::string(how), good);
}

/// "Console [ann] from [10.0.0.7] cmdline list jobs" of a Bareos director that audits.
std::optional<BackupLogin> of_bareos(std::string_view m) {
  auto account = between(m, "onsole [", "]");
  if (account.empty()) account = between(m, "onsole: [", "]");
  const auto source = between(m, " from [", "]");
  if (account.empty() || source.empty() || m.find(" cmdline ") == std::string_view::npos) return {};
  return login(account, source, "bareos console", true);
}

}  // namespace

const AccessFields* AccessReader::read(std::string_view json) {
  out_ = {};
  struct Sink {
    AccessFields& out;
    void scalar(ScalarKind kind, std::string_view value, std::string_view path) {
      if (kind == ScalarKind::null) return;
      const std::array<std::pair<std::string_view, std::string*>, 14> texts{
          {{"log.host", &out.host},
           {"log.service", &out.service},
           {"log.product", &out.product},
           {"log.message", &out.message},
           {"log.fields.EventID", &out.event_id},
           {"log.fields.LogonType", &out.logon_type},
           {"log.fields.TargetUserName", &out.user},
           {"log.fields.TargetDomainName", &out.domain},
           {"log.fields.IpAddress", &out.address},
           {"log.fields.c-ip", &out.client},
           {"log.fields.cs-username", &out.web_user},
           {"log.fields.sc-status", &out.status},
           {"src_ip", &out.src_ip},
           {"dest_ip", &out.dest_ip}}};
      for (const auto& [name, text] : texts)
        if (name == path) return void(*text = value.substr(0, max_text));
      const auto number = [&](std::uint64_t& n) {
        (void)std::from_chars(value.data(), value.data() + value.size(), n);
      };
      if (path == "flow.bytes_toserver") number(out.to_server);
      if (path == "flow.bytes_toclient") number(out.to_client);
    }
  } sink{out_};
  return scanner_.scan(json, sink) ? &out_ : nullptr;
}

std::optional<BackupLogin> login_of(const AccessFields& f) {
  if (f.product == "windows") return of_windows(f);
  if (f.service == "sshd") return of_sshd(f.message);
  if (!f.web_user.empty() && f.web_user != "-" && !f.client.empty())
    return login(f.web_user, f.client, "web", f.status != "401" && f.status != "403");
  return of_bareos(f.message);
}

}  // namespace ww::collector
