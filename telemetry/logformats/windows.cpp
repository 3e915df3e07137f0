#include "telemetry/logformats/windows.hpp"

#include <algorithm>

#include "telemetry/logformats/text.hpp"

namespace ww::logs::windows {
namespace {

struct ChannelService {
  std::string_view channel, service;
};
// The channels that Sigma's windows log sources name.
constexpr ChannelService channels[] = {
    {"Application", "application"},
    {"Security", "security"},
    {"System", "system"},
    {"Microsoft-Windows-Sysmon/Operational", "sysmon"},
    {"Microsoft-Windows-PowerShell/Operational", "powershell"},
    {"PowerShellCore/Operational", "powershell"},
    {"Windows PowerShell", "powershell-classic"},
    {"Microsoft-Windows-TaskScheduler/Operational", "taskscheduler"},
    {"Microsoft-Windows-WMI-Activity/Operational", "wmi"},
    {"DNS Server", "dns-server"},
    {"Microsoft-Windows-DNS-Server/Audit", "dns-server-audit"},
    {"Microsoft-Windows-DNSServer/Analytical", "dns-server-analytic"},
    {"Microsoft-Windows-DNS Client Events/Operational", "dns-client"},
    {"Microsoft-Windows-DriverFrameworks-UserMode/Operational", "driver-framework"},
    {"Microsoft-Windows-NTLM/Operational", "ntlm"},
    {"Microsoft-Windows-DHCP-Server/Operational", "dhcp"},
    {"Microsoft-ServiceBus-Client/Operational", "microsoft-servicebus-client"},
    {"Microsoft-Windows-Windows Defender/Operational", "windefend"},
    {"Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "firewall-as"},
    {"Microsoft-Windows-Bits-Client/Operational", "bits-client"},
    {"Microsoft-Windows-SmbClient/Security", "smbclient-security"},
    {"Microsoft-Windows-SmbClient/Connectivity", "smbclient-connectivity"},
    {"Microsoft-Windows-SMBServer/Operational", "smbserver-operational"},
    {"Microsoft-Windows-AppXDeploymentServer/Operational", "appxdeployment-server"},
    {"Microsoft-Windows-AppxPackaging/Operational", "appxpackaging-om"},
    {"Microsoft-Windows-AppModel-Runtime/Admin", "appmodel-runtime"},
    {"Microsoft-Windows-AppLocker/MSI and Script", "applocker"},
    {"Microsoft-Windows-AppLocker/EXE and DLL", "applocker"},
    {"Microsoft-Windows-AppLocker/Packaged app-Deployment", "applocker"},
    {"Microsoft-Windows-AppLocker/Packaged app-Execution", "applocker"},
    {"Microsoft-Windows-CodeIntegrity/Operational", "codeintegrity-operational"},
    {"Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
     "terminalservices-localsessionmanager"},
    {"Microsoft-Windows-Security-Mitigations/Kernel Mode", "security-mitigations"},
    {"Microsoft-Windows-Security-Mitigations/User Mode", "security-mitigations"},
    {"Microsoft-Windows-Shell-Core/Operational", "shell-core"},
    {"Microsoft-Windows-OpenSSH/Operational", "openssh"},
    {"OpenSSH/Operational", "openssh"},
    {"Microsoft-Windows-LDAP-Client/Debug", "ldap"},
    {"Microsoft-Windows-VHDMP/Operational", "vhdmp"},
    {"Microsoft-Windows-Diagnosis-Scripted/Operational", "diagnosis-scripted"},
    {"Microsoft-Windows-LSA/Operational", "lsa-server"},
    {"Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
     "certificateservicesclient-lifecycle-system"},
    {"Microsoft-Windows-CAPI2/Operational", "capi2"},
    {"Microsoft-Windows-Kernel-EventTracing/Admin", "kernel-event-tracing"},
    {"Microsoft-Windows-Kernel-ShimEngine/Operational", "kernel-shimengine"},
    {"Microsoft-Windows-Hyper-V-Worker-Admin", "hyper-v-worker"},
    {"Microsoft-Windows-IIS-Configuration/Operational", "iis-configuration"},
    {"MSExchange Management", "msexchange-management"},
};

struct SysmonCategory {
  std::int64_t id;
  std::string_view category;
};
constexpr SysmonCategory sysmon[] = {{1, "process_creation"},
                                     {2, "file_change"},
                                     {3, "network_connection"},
                                     {4, "sysmon_status"},
                                     {5, "process_termination"},
                                     {6, "driver_load"},
                                     {7, "image_load"},
                                     {8, "create_remote_thread"},
                                     {9, "raw_access_thread"},
                                     {10, "process_access"},
                                     {11, "file_event"},
                                     {12, "registry_event"},
                                     {13, "registry_set"},
                                     {14, "registry_rename"},
                                     {15, "create_stream_hash"},
                                     {16, "sysmon_status"},
                                     {17, "pipe_created"},
                                     {18, "pipe_created"},
                                     {19, "wmi_event"},
                                     {20, "wmi_event"},
                                     {21, "wmi_event"},
                                     {22, "dns_query"},
                                     {23, "file_delete"},
                                     {24, "clipboard_capture"},
                                     {25, "process_tampering"},
                                     {26, "file_delete_detected"},
                                     {27, "file_block_executable"},
                                     {28, "file_block_shredding"},
                                     {29, "file_executable_detected"},
                                     {255, "sysmon_error"}};

}  // namespace

std::string_view service_of_channel(std::string_view channel) {
  for (const auto& c : channels)
    if (equals_ignoring_case(c.channel, channel)) return c.service;
  return {};
}

std::string_view category_of(std::string_view service, std::int64_t id) {
  if (service == "sysmon") {
    for (const auto& s : sysmon)
      if (s.id == id) return s.category;
  } else if (service == "security") {
    if (id == 4688) return "process_creation";
    if (id == 4657) return "registry_event";
  } else if (service == "powershell") {
    if (id == 4104) return "ps_script";
    if (id == 4103) return "ps_module";
  } else if (service == "powershell-classic") {
    if (id == 400) return "ps_classic_start";
    if (id == 800) return "ps_classic_provider_start";
  }
  return {};
}

std::string_view severity_of_level(std::int64_t level) {
  switch (level) {
    case 1:
      return severity_name(2);
    case 2:
      return severity_name(3);
    case 3:
      return severity_name(4);
    case 0:
    case 4:
      return severity_name(6);
    case 5:
      return severity_name(7);
    default:
      return {};
  }
}

std::string_view severity_of_text(std::string_view text) {
  if (text == "AUDIT_FAILURE" || text == "Audit Failure") return severity_name(4);
  if (text == "AUDIT_SUCCESS" || text == "Audit Success" || text == "LogAlways")
    return severity_name(6);
  return severity_from_text(text);
}

void finish(Record& r, std::string_view channel, std::optional<std::int64_t> event_id) {
  r.product = "windows";
  r.service = service_of_channel(channel);
  if (event_id) r.category = category_of(r.service, *event_id);
  if (r.message.empty()) {
    const auto provider = r.field("Provider_Name");
    const auto id = r.field("EventID");
    const auto room = r.reserve(provider.size() + id.size() + 8);
    std::string_view lead = provider.empty() ? std::string_view("Windows") : provider;
    if (room.size() >= lead.size() + id.size() + 1) {
      std::size_t n = lead.copy(room.data(), lead.size());
      if (!id.empty()) {
        room[n++] = ' ';
        n += id.copy(room.data() + n, id.size());
      }
      r.message = {room.data(), n};
    }
  }
}

}  // namespace ww::logs::windows
