#include "rules/signature/protocols.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "rules/signature/state.hpp"

namespace ww::sig {

namespace {

struct TransportWord {
  std::string_view word;
  std::vector<std::uint8_t> protos;  // empty: any
  std::uint8_t versions = 3;
};
const std::vector<TransportWord>& transports() {
  static const std::vector<TransportWord> words{
      {"ip", {}},          {"any", {}},        {"ip4", {}, 1},    {"ipv4", {}, 1},
      {"ip6", {}, 2},      {"ipv6", {}, 2},    {"tcp", {6}},      {"tcp-pkt", {6}},
      {"tcp-stream", {6}}, {"tcp4", {6}, 1},   {"tcpv4", {6}, 1}, {"tcp6", {6}, 2},
      {"tcpv6", {6}, 2},   {"udp", {17}},      {"udp4", {17}, 1}, {"udpv4", {17}, 1},
      {"udp6", {17}, 2},   {"udpv6", {17}, 2}, {"icmp", {1, 58}}, {"icmpv4", {1}},
      {"icmp4", {1}},      {"icmpv6", {58}},   {"icmp6", {58}},   {"sctp", {132}},
      {"igmp", {2}},       {"gre", {47}},      {"esp", {50}},     {"ah", {51}},
      {"pkthdr", {}},      {"arp", {}},        {"ether", {}}};
  return words;
}

struct Family {
  std::string_view word;                    // in rules
  std::vector<std::string_view> protocols;  // EVE names
};
const std::vector<Family>& families() {
  static const std::vector<Family> list{{"http", {"http", "http2"}},
                                        {"http1", {"http"}},
                                        {"http2", {"http2", "doh2"}},
                                        {"doh2", {"doh2"}},
                                        {"dns", {"dns", "doh2"}},
                                        {"mdns", {"mdns"}},
                                        {"llmnr", {"llmnr"}},
                                        {"tls", {"tls"}},
                                        {"ssl", {"tls"}},
                                        {"quic", {"quic"}},
                                        {"smtp", {"smtp"}},
                                        {"ftp", {"ftp"}},
                                        {"ftp-data", {"ftp-data"}},
                                        {"ssh", {"ssh"}},
                                        {"smb", {"smb"}},
                                        {"dcerpc", {"dcerpc", "smb"}},
                                        {"imap", {"imap"}},
                                        {"pop3", {"pop3"}},
                                        {"msn", {"msn"}},
                                        {"jabber", {"jabber"}},
                                        {"irc", {"irc"}},
                                        {"modbus", {"modbus"}},
                                        {"enip", {"enip"}},
                                        {"dnp3", {"dnp3"}},
                                        {"nfs", {"nfs"}},
                                        {"ntp", {"ntp"}},
                                        {"tftp", {"tftp"}},
                                        {"ike", {"ike"}},
                                        {"ikev2", {"ike"}},
                                        {"krb5", {"krb5"}},
                                        {"dhcp", {"dhcp"}},
                                        {"snmp", {"snmp"}},
                                        {"sip", {"sip"}},
                                        {"rfb", {"rfb"}},
                                        {"mqtt", {"mqtt"}},
                                        {"pgsql", {"pgsql"}},
                                        {"telnet", {"telnet"}},
                                        {"websocket", {"websocket"}},
                                        {"ldap", {"ldap"}},
                                        {"rdp", {"rdp"}},
                                        {"bittorrent-dht", {"bittorrent-dht"}},
                                        {"template", {"template"}},
                                        {"hl7", {"hl7"}},
                                        {"dicom", {"dicom"}},
                                        {"fhir", {"fhir"}},
                                        {"mysql", {"mysql"}},
                                        {"rpc", {"rpc"}},
                                        {"syslog", {"syslog"}},
                                        {"tds", {"tds"}},
                                        {"redis", {"redis"}},
                                        {"radius", {"radius"}}};
  return list;
}

/// Progress values that HTTP/1 hooks name; other protocols have started and complete.
int http1_progress(std::string_view name) {
  static constexpr std::array<std::string_view, 6> parts{"started", "line",    "headers",
                                                         "body",    "trailer", "complete"};
  const auto at = std::find(parts.begin(), parts.end(), name);
  return at == parts.end() ? -1 : static_cast<int>(at - parts.begin());
}

Status set_hook(RuleBuilder& b, std::string_view proto, std::string_view hook) {
  Stage s;
  s.kind = Stage::Kind::hook;
  s.name = std::string(proto) + ":" + std::string(hook);
  if (hook.starts_with('<'))
    return bad("'<' before a hook is for a firewall's rules; Wardwatch only watches");
  const auto underscore = hook.find('_');
  const auto side = hook.substr(0, underscore);
  const auto part =
      underscore == std::string_view::npos ? std::string_view() : hook.substr(underscore + 1);
  if (side == "request" || side == "client")
    s.only_dir = Dir::to_server;
  else if (side == "response" || side == "server")
    s.only_dir = Dir::to_client;
  else
    return bad("unknown hook '" + std::string(hook) + "'; request_... and response_... are known");
  b.rule().dirs = s.only_dir == Dir::to_server ? 1 : 2;
  if (part == "started") {
    s.progress = 0;
  } else if (part == "complete") {
    s.at_end = true;
  } else if (protocol_name(proto) == "http") {
    const int progress = http1_progress(part);
    if (progress < 0)
      return bad("unknown hook '" + std::string(hook) + "' of " + std::string(proto));
    s.progress = static_cast<std::uint8_t>(progress);
    s.each_update = part == "body";
  } else {
    // The protocol's own states, when its parser registered them as `<proto>.progress.<state>`.
    s.kind = Stage::Kind::number;
    s.number = numbers().intern(std::string(proto) + ".progress." + std::string(hook));
    s.number_test = {1, UINT64_MAX, UINT64_MAX, false};
  }
  b.hook = hook;
  b.add_stage(std::move(s));
  return {};
}

/// Where in its way a packet is looked at.
Status set_packet_hook(RuleBuilder& b, std::string_view proto, std::string_view hook) {
  auto& rule = b.rule();
  if (hook == "all") {
    rule.hook = PacketHook::all;
  } else if (hook == "flow_start") {
    rule.hook = PacketHook::flow_start;
    PacketTest t;
    t.text = hook;
    t.test = [](const PacketTest&, MatchServices& m) {
      return m.flow && m.flow->counters[index(m.packet->dir)].packets == 1;
    };
    b.test(std::move(t));
  } else if (hook == "pre_flow") {
    rule.hook = PacketHook::pre_flow;
  } else if (hook == "pre_stream") {
    rule.hook = PacketHook::pre_stream;
  } else {
    return bad("unknown hook '" + std::string(hook) + "' of " + std::string(proto) +
               "; all, flow_start, pre_flow and pre_stream are known");
  }
  if ((rule.arp || rule.ether) && hook != "all" && hook != "pre_flow")
    return bad(std::string(proto) + " has no flow: its hooks are all and pre_flow");
  return {};
}

}  // namespace

std::vector<std::string_view> protocol_family(std::string_view word) {
  for (const auto& f : families())
    if (f.word == word) return f.protocols;
  return {};
}

std::string_view protocol_name(std::string_view word) {
  if (word == "http1") return "http";
  if (word == "http") return "http";
  if (word == "ssl") return "tls";
  if (word == "ikev2") return "ike";
  return word;
}

Status set_header_protocol(RuleBuilder& b, std::string_view word) {
  auto& rule = b.rule();
  std::string_view hook;
  if (const auto colon = word.find(':'); colon != std::string_view::npos) {
    hook = word.substr(colon + 1);
    word = word.substr(0, colon);
  }
  const auto name = lower(word);
  rule.header_proto = name;
  for (const auto& t : transports()) {
    if (t.word != name) continue;
    rule.any_proto = t.protos.empty();
    for (const auto p : t.protos) rule.protos.set(p);
    rule.ip_versions = t.versions;
    rule.arp = name == "arp";
    rule.ether = name == "ether";
    rule.pkthdr = name == "pkthdr" || rule.arp || rule.ether;
    rule.tcp_pkt = name == "tcp-pkt";
    rule.tcp_stream = name == "tcp-stream";
    if (!hook.empty()) return set_packet_hook(b, name, hook);
    return {};
  }
  auto family = protocol_family(name);
  if (family.empty()) {
    if (app_protos().find(name) == AppProto{})
      return bad("unknown protocol '" + std::string(word.substr(0, 40)) + "'");
    rule.app_protos.push_back(app_protos().find(name));
  }
  for (const auto p : family) rule.app_protos.push_back(app_protos().intern(p));
  if (!hook.empty()) return set_hook(b, name, hook);
  return {};
}

Classifications default_classifications() {
  return {
      {"not-suspicious", {"Not Suspicious Traffic", 3}},
      {"unknown", {"Unknown Traffic", 3}},
      {"bad-unknown", {"Potentially Bad Traffic", 2}},
      {"attempted-recon", {"Attempted Information Leak", 2}},
      {"successful-recon-limited", {"Information Leak", 2}},
      {"successful-recon-largescale", {"Large Scale Information Leak", 2}},
      {"attempted-dos", {"Attempted Denial of Service", 2}},
      {"successful-dos", {"Denial of Service", 2}},
      {"attempted-user", {"Attempted User Privilege Gain", 1}},
      {"unsuccessful-user", {"Unsuccessful User Privilege Gain", 1}},
      {"successful-user", {"Successful User Privilege Gain", 1}},
      {"attempted-admin", {"Attempted Administrator Privilege Gain", 1}},
      {"successful-admin", {"Successful Administrator Privilege Gain", 1}},
      {"rpc-portmap-decode", {"Decode of an RPC Query", 2}},
      {"shellcode-detect", {"Executable code was detected", 1}},
      {"string-detect", {"A suspicious string was detected", 3}},
      {"suspicious-filename-detect", {"A suspicious filename was detected", 2}},
      {"suspicious-login", {"An attempted login using a suspicious username was detected", 2}},
      {"system-call-detect", {"A system call was detected", 2}},
      {"tcp-connection", {"A TCP connection was detected", 4}},
      {"trojan-activity", {"A Network Trojan was detected", 1}},
      {"unusual-client-port-connection", {"A client was using an unusual port", 2}},
      {"network-scan", {"Detection of a Network Scan", 3}},
      {"denial-of-service", {"Detection of a Denial of Service Attack", 2}},
      {"non-standard-protocol", {"Detection of a non-standard protocol or event", 2}},
      {"protocol-command-decode", {"Generic Protocol Command Decode", 3}},
      {"web-application-activity", {"access to a potentially vulnerable web application", 2}},
      {"web-application-attack", {"Web Application Attack", 1}},
      {"misc-activity", {"Misc activity", 3}},
      {"misc-attack", {"Misc Attack", 2}},
      {"icmp-event", {"Generic ICMP event", 3}},
      {"policy-violation", {"Potential Corporate Privacy Violation", 1}},
      {"default-login-attempt", {"Attempt to login by a default username and password", 2}},
      {"targeted-activity", {"Targeted Malicious Activity was Detected", 1}},
      {"exploit-kit", {"Exploit Kit Activity Detected", 1}},
      {"external-ip-check", {"Device Retrieving External IP Address Detected", 2}},
      {"domain-c2", {"Domain Observed Used for C2 Detected", 1}},
      {"pup-activity", {"Possibly Unwanted Program Detected", 2}},
      {"credential-theft", {"Successful Credential Theft Detected", 1}},
      {"social-engineering", {"Possible Social Engineering Attempted", 2}},
      {"coin-mining", {"Crypto Currency Mining Activity Detected", 2}},
      {"command-and-control", {"Malware Command and Control Activity Detected", 1}},
  };
}

ReferenceSystems default_references() {
  return {{"cve", "https://cve.mitre.org/cgi-bin/cvename.cgi?name="},
          {"nessus", "https://www.tenable.com/plugins/nessus/"},
          {"url", "https://"},
          {"mcafee", "https://vil.nai.com/vil/content/v_"},
          {"bid", "https://www.securityfocus.com/bid/"},
          {"bugtraq", "https://www.securityfocus.com/bid/"},
          {"md5", "https://www.threatexpert.com/report.aspx?md5="},
          {"secunia", "https://www.secunia.com/advisories/"},
          {"arachnids", "https://www.whitehats.com/info/IDS"}};
}

namespace {
std::set<std::string, std::less<>>& protocols_with_events() {
  static std::set<std::string, std::less<>> names;
  return names;
}
}  // namespace

void register_events(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    events().intern(name);
    protocols_with_events().insert(name.substr(0, name.find('.')));
  }
}

bool has_registered_events(std::string_view protocol) {
  return protocols_with_events().contains(protocol);
}

}  // namespace ww::sig
