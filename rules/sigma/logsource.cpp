#include "rules/sigma/logsource.hpp"

#include <algorithm>
#include <map>

#include "rules/sigma/text.hpp"

namespace ww::sigma {

// Facts of the taxonomy appendix (version 2.1.0, Windows folder). A source without channel reaches
// the machine by tracing sessions only, so no recorded channel carries it.
const std::vector<WindowsSource>& windows_categories() {
  static const std::vector<WindowsSource> table = {
      {"process_creation", {"Microsoft-Windows-Sysmon/Operational"}, {1}},
      {"file_change", {"Microsoft-Windows-Sysmon/Operational"}, {2}},
      {"network_connection", {"Microsoft-Windows-Sysmon/Operational"}, {3}},
      {"sysmon_status", {"Microsoft-Windows-Sysmon/Operational"}, {4, 16}},
      {"process_termination", {"Microsoft-Windows-Sysmon/Operational"}, {5}},
      {"driver_load", {"Microsoft-Windows-Sysmon/Operational"}, {6}},
      {"image_load", {"Microsoft-Windows-Sysmon/Operational"}, {7}},
      {"create_remote_thread", {"Microsoft-Windows-Sysmon/Operational"}, {8}},
      {"raw_access_thread", {"Microsoft-Windows-Sysmon/Operational"}, {9}},
      {"process_access", {"Microsoft-Windows-Sysmon/Operational"}, {10}},
      {"file_event", {"Microsoft-Windows-Sysmon/Operational"}, {11}},
      {"registry_event", {"Microsoft-Windows-Sysmon/Operational"}, {12, 13, 14}},
      {"registry_add", {"Microsoft-Windows-Sysmon/Operational"}, {12}},
      {"registry_delete", {"Microsoft-Windows-Sysmon/Operational"}, {12}},
      {"registry_set", {"Microsoft-Windows-Sysmon/Operational"}, {13}},
      {"registry_rename", {"Microsoft-Windows-Sysmon/Operational"}, {14}},
      {"create_stream_hash", {"Microsoft-Windows-Sysmon/Operational"}, {15}},
      {"pipe_created", {"Microsoft-Windows-Sysmon/Operational"}, {17, 18}},
      {"wmi_event", {"Microsoft-Windows-Sysmon/Operational"}, {19, 20, 21}},
      {"dns_query", {"Microsoft-Windows-Sysmon/Operational"}, {22}},
      {"file_delete", {"Microsoft-Windows-Sysmon/Operational"}, {23}},
      {"clipboard_capture", {"Microsoft-Windows-Sysmon/Operational"}, {24}},
      {"process_tampering", {"Microsoft-Windows-Sysmon/Operational"}, {25}},
      {"file_delete_detected", {"Microsoft-Windows-Sysmon/Operational"}, {26}},
      {"file_block_executable", {"Microsoft-Windows-Sysmon/Operational"}, {27}},
      {"file_block_shredding", {"Microsoft-Windows-Sysmon/Operational"}, {28}},
      {"file_executable_detected", {"Microsoft-Windows-Sysmon/Operational"}, {29}},
      {"sysmon_error", {"Microsoft-Windows-Sysmon/Operational"}, {255}},
      {"file_access", {}, {}},
      {"ps_classic_start", {"Windows PowerShell"}, {400}},
      {"ps_classic_provider_start", {"Windows PowerShell"}, {600}},
      {"ps_classic_script", {"Windows PowerShell"}, {800}},
      {"ps_module",
       {"Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational"},
       {4103}},
      {"ps_script",
       {"Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational"},
       {4104}},
      {"file_rename", {}, {}},
  };
  return table;
}

const std::vector<WindowsSource>& windows_services() {
  static const std::vector<WindowsSource> table = {
      {"application", {"Application"}, {}},
      {"application-experience",
       {"Microsoft-Windows-Application-Experience/Program-Telemetry",
        "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant"},
       {}},
      {"applocker",
       {"Microsoft-Windows-AppLocker/MSI and Script", "Microsoft-Windows-AppLocker/EXE and DLL",
        "Microsoft-Windows-AppLocker/Packaged app-Deployment",
        "Microsoft-Windows-AppLocker/Packaged app-Execution"},
       {}},
      {"appmodel-runtime", {"Microsoft-Windows-AppModel-Runtime/Admin"}, {}},
      {"appxdeployment-server", {"Microsoft-Windows-AppXDeploymentServer/Operational"}, {}},
      {"appxpackaging-om", {"Microsoft-Windows-AppxPackaging/Operational"}, {}},
      {"bitlocker", {"Microsoft-Windows-BitLocker/BitLocker Management"}, {}},
      {"bits-client", {"Microsoft-Windows-Bits-Client/Operational"}, {}},
      {"capi2", {"Microsoft-Windows-CAPI2/Operational"}, {}},
      {"certificateservicesclient-lifecycle-system",
       {"Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational"},
       {}},
      {"codeintegrity-operational", {"Microsoft-Windows-CodeIntegrity/Operational"}, {}},
      {"dhcp", {"Microsoft-Windows-DHCP-Server/Operational"}, {}},
      {"diagnosis-scripted", {"Microsoft-Windows-Diagnosis-Scripted/Operational"}, {}},
      {"dns-client", {"Microsoft-Windows-DNS Client Events/Operational"}, {}},
      {"dns-server", {"DNS Server"}, {}},
      {"dns-server-analytic", {"Microsoft-Windows-DNS-Server/Analytical"}, {}},
      {"dns-server-audit", {"Microsoft-Windows-DNS-Server/Audit"}, {}},
      {"driver-framework", {"Microsoft-Windows-DriverFrameworks-UserMode/Operational"}, {}},
      {"firewall-as", {"Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"}, {}},
      {"hyper-v-worker", {"Microsoft-Windows-Hyper-V-Worker"}, {}},
      {"iis-configuration", {"Microsoft-IIS-Configuration/Operational"}, {}},
      {"kernel-event-tracing", {"Microsoft-Windows-Kernel-EventTracing"}, {}},
      {"kernel-shimengine",
       {"Microsoft-Windows-Kernel-ShimEngine/Operational",
        "Microsoft-Windows-Kernel-ShimEngine/Diagnostic"},
       {}},
      {"ldap", {"Microsoft-Windows-LDAP-Client/Debug"}, {}},
      {"lsa-server", {"Microsoft-Windows-LSA/Operational"}, {}},
      {"msexchange-management", {"MSExchange Management"}, {}},
      {"ntfs", {"Microsoft-Windows-Ntfs/Operational"}, {}},
      {"ntlm", {"Microsoft-Windows-NTLM/Operational"}, {}},
      {"openssh", {"OpenSSH/Operational"}, {}},
      {"powershell", {"Microsoft-Windows-PowerShell/Operational"}, {}},
      {"powershell-classic", {"Windows PowerShell"}, {}},
      {"printservice-admin", {"Microsoft-Windows-PrintService/Admin"}, {}},
      {"printservice-operational", {"Microsoft-Windows-PrintService/Operational"}, {}},
      {"security", {"Security"}, {}},
      {"security-mitigations",
       {"Microsoft-Windows-Security-Mitigations/Kernel Mode",
        "Microsoft-Windows-Security-Mitigations/User Mode"},
       {}},
      {"sense", {"Microsoft-Windows-SENSE/Operational"}, {}},
      {"servicebus-client",
       {"Microsoft-ServiceBus-Client/Operational", "Microsoft-ServiceBus-Client/Admin"},
       {}},
      {"shell-core", {"Microsoft-Windows-Shell-Core/Operational"}, {}},
      {"smbclient-security", {"Microsoft-Windows-SmbClient/Security"}, {}},
      {"sysmon", {"Microsoft-Windows-Sysmon/Operational"}, {}},
      {"system", {"System"}, {}},
      {"taskscheduler", {"Microsoft-Windows-TaskScheduler/Operational"}, {}},
      {"terminalservices-localsessionmanager",
       {"Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"},
       {}},
      {"vhdmp", {"Microsoft-Windows-VHDMP/Operational"}, {}},
      {"windefend", {"Microsoft-Windows-Windows Defender/Operational"}, {}},
      {"wmi", {"Microsoft-Windows-WMI-Activity/Operational"}, {}},
  };
  return table;
}

namespace {

const WindowsSource* find_in(const std::vector<WindowsSource>& table, std::string_view name) {
  const auto it =
      std::find_if(table.begin(), table.end(), [&](const auto& s) { return s.name == name; });
  return it == table.end() ? nullptr : &*it;
}

bool has_channel(const WindowsSource& source, std::string_view channel_folded) {
  return std::any_of(source.channels.begin(), source.channels.end(),
                     [&](std::string_view c) { return folded(c) == channel_folded; });
}

/// What a network event, or one of our own events, is in Sigma's words.
struct TypeSource {
  std::vector<std::string_view> categories, services, products;
};
const TypeSource* type_source(std::string_view type) {
  static const std::map<std::string_view, TypeSource> table = {
      {"dns", {{"dns", "dns_query"}, {"dns"}, {"zeek", "suricata", "wardwatch"}}},
      {"http", {{"proxy", "webserver"}, {"http"}, {"zeek", "suricata", "wardwatch"}}},
      {"tls", {{"tls"}, {"ssl", "tls", "x509"}, {"zeek", "suricata", "wardwatch"}}},
      {"ssh", {{"ssh"}, {"ssh"}, {"zeek", "suricata", "wardwatch"}}},
      {"smb", {{"smb"}, {"smb", "smb_files", "smb_mapping"}, {"zeek", "suricata", "wardwatch"}}},
      {"dcerpc", {{"dcerpc"}, {"dce_rpc"}, {"zeek", "suricata", "wardwatch"}}},
      {"krb5", {{"kerberos"}, {"kerberos"}, {"zeek", "suricata", "wardwatch"}}},
      {"rdp", {{"rdp"}, {"rdp"}, {"zeek", "suricata", "wardwatch"}}},
      {"ftp", {{"ftp"}, {"ftp"}, {"zeek", "suricata", "wardwatch"}}},
      {"smtp", {{"smtp"}, {"smtp"}, {"zeek", "suricata", "wardwatch"}}},
      {"fileinfo", {{"file"}, {"files"}, {"zeek", "suricata", "wardwatch"}}},
      {"flow",
       {{"firewall", "netflow", "network_connection"},
        {"conn", "netflow"},
        {"zeek", "suricata", "wardwatch"}}},
      {"alert", {{"ids"}, {"alert"}, {"suricata", "wardwatch"}}},
      {"anomaly", {{"ids"}, {"anomaly"}, {"suricata", "wardwatch"}}},
      {"hl7", {{"hl7"}, {"hl7"}, {"wardwatch"}}},
      {"dicom", {{"dicom"}, {"dicom"}, {"wardwatch"}}},
      {"fhir", {{"fhir"}, {"fhir"}, {"wardwatch"}}},
      {"backup", {{"backup"}, {"backup"}, {"wardwatch"}}},
      {"record_access", {{"record_access"}, {"record_access", "atna"}, {"wardwatch"}}},
      {"host", {{"host"}, {"host"}, {"wardwatch"}}},
      {"sensor", {{"sensor"}, {"sensor"}, {"wardwatch"}}},
      {"drill", {{"drill"}, {"drill"}, {"wardwatch"}}},
  };
  const auto it = table.find(type);
  return it == table.end() ? nullptr : &it->second;
}

bool among(const std::vector<std::string_view>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

const WindowsSource* windows_category(std::string_view category) {
  return find_in(windows_categories(), category);
}
const WindowsSource* windows_service(std::string_view service) {
  return find_in(windows_services(), service);
}

bool windows_applies(const LogSource& rule, std::string_view channel_folded,
                     std::int64_t event_id) {
  if (!rule.product.empty() && rule.product != "windows") return false;
  if (rule.category.empty() && rule.service.empty()) return rule.product == "windows";
  if (!rule.category.empty()) {
    const auto* source = windows_category(rule.category);
    if (source == nullptr || !has_channel(*source, channel_folded)) return false;
    if (!source->event_ids.empty() && std::find(source->event_ids.begin(), source->event_ids.end(),
                                                event_id) == source->event_ids.end())
      return false;
  }
  if (!rule.service.empty()) {
    const auto* source = windows_service(rule.service);
    if (source == nullptr || !has_channel(*source, channel_folded)) return false;
  }
  return true;
}

bool declared_applies(const LogSource& rule, const Declared& event) {
  if (const auto* source = type_source(event.event_type)) {
    // A network event says exactly what it is: a rule for anything else cannot mean it.
    return (rule.product.empty() || among(source->products, rule.product)) &&
           (rule.category.empty() || among(source->categories, rule.category)) &&
           (rule.service.empty() || among(source->services, rule.service));
  }
  const auto agrees = [](const std::string& wanted, const std::string& said) {
    return wanted.empty() || said.empty() || wanted == said;
  };
  return agrees(rule.product, event.product) && agrees(rule.service, event.service) &&
         agrees(rule.category, event.category);
}

std::string unmapped_reason(const LogSource& rule) {
  // Products of the log formats and events that ship (telemetry/logformats, type_source above).
  static constexpr std::string_view delivered[] = {
      "windows", "linux",     "zeek",      "suricata",  "wardwatch", "apache",
      "nginx",   "openstack", "zookeeper", "proxifier", "healthapp", "cisco"};
  if (rule.product != "windows") {
    if (rule.product.empty() ||
        std::find(std::begin(delivered), std::end(delivered), rule.product) != std::end(delivered))
      return {};
    return "product '" + rule.product +
           "' is what no input that ships declares: its rules see only events that say "
           "log.product: " +
           rule.product + " or declare no source at all; a pipeline can map others";
  }
  const auto missing = [](std::string_view kind, const std::string& name) {
    return "Windows " + std::string(kind) + " '" + name +
           "' has no channel in the taxonomy: events with a Channel never reach this rule";
  };
  if (!rule.category.empty()) {
    const auto* source = windows_category(rule.category);
    if (source == nullptr || source->channels.empty()) return missing("category", rule.category);
  }
  if (!rule.service.empty() && windows_service(rule.service) == nullptr)
    return missing("service", rule.service);
  return {};
}

}  // namespace ww::sigma
