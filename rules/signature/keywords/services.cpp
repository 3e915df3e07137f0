/// FTP, TFTP, NFS, NTP, DHCP, SNMP, IKE, PostgreSQL.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

using Names = std::vector<std::pair<std::string, std::uint64_t>>;
const Names yes_no = {{"yes", 1}, {"true", 1},  {"on", 1},  {"1", 1},
                      {"no", 0},  {"false", 0}, {"off", 0}, {"0", 0}};

const BufferRegistration ftp_buffers{
    "ftp",
    "ftp",
    {
        {"ftp.command", "command", "content:\"RETR\";"},
        {"ftp.command_data", "argument of the command", "content:\"passwd\";"},
        {"ftp.reply", "each reply line", "content:\"530\";", {}, "", true},
        {"ftp.completion_code", "code of each reply", "content:\"226\";", {}, "", true},
    }};
const NumberRegistration ftp_numbers{
    "ftp",
    "ftp",
    {
        {"ftp.mode", "how data flows", "passive", 1, {{"active", 1}, {"passive", 0}}},
        {"ftp.dynamic_port", "port that was negotiated", "58612", 65535},
        {"ftp.reply_received", "the command was answered", "yes", 1, yes_no},
    }};
const NumberRegistration ftpdata_numbers{"ftp",
                                         "ftp-data",
                                         {{"ftpdata_command",
                                           "command that opened the data connection",
                                           "stor",
                                           255,
                                           {{"retr", 1}, {"stor", 2}},
                                           {"ftpdata.command"},
                                           "ftpdata.command"}}};

const BufferRegistration tftp_buffers{"tftp",
                                      "tftp",
                                      {
                                          {"tftp.file", "file name", "content:\"config\";"},
                                          {"tftp.mode", "transfer mode", "content:\"octet\";"},
                                      }};
const NumberRegistration tftp_numbers{
    "tftp",
    "tftp",
    {{"tftp.opcode",
      "operation",
      "read",
      255,
      {{"read", 1}, {"write", 2}, {"data", 3}, {"ack", 4}, {"error", 5}}}}};

const NumberRegistration nfs_numbers{"nfs",
                                     "nfs",
                                     {
                                         {"nfs_version",
                                          "version",
                                          "3",
                                          UINT32_MAX,
                                          {},
                                          {"nfs.version"},
                                          "nfs.version",
                                          false,
                                          true},
                                     }};

// By name a procedure depends on the version: NFSv3 (RFC 1813) and operations of NFSv4 (RFC 7530).
constexpr std::pair<std::string_view, std::uint64_t> nfs4_operations[] = {
    {"null", 0},        {"compound", 1},      {"access", 3},
    {"close", 4},       {"commit", 5},        {"create", 6},
    {"delegpurge", 7},  {"delegreturn", 8},   {"getattr", 9},
    {"getfh", 10},      {"link", 11},         {"lock", 12},
    {"lockt", 13},      {"locku", 14},        {"lookup", 15},
    {"lookupp", 16},    {"nverify", 17},      {"open", 18},
    {"openattr", 19},   {"open_confirm", 20}, {"open_downgrade", 21},
    {"putfh", 22},      {"putpubfh", 23},     {"putrootfh", 24},
    {"read", 25},       {"readdir", 26},      {"readlink", 27},
    {"remove", 28},     {"rename", 29},       {"renew", 30},
    {"restorefh", 31},  {"savefh", 32},       {"secinfo", 33},
    {"setattr", 34},    {"setclientid", 35},  {"setclientid_confirm", 36},
    {"verify", 37},     {"write", 38},        {"release_lockowner", 39},
    {"illegal", 10044},
};
Status nfs_procedure(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  auto name = trim(o.value);
  if (const auto q = unquote(name)) name = *q;
  const bool negated = name.starts_with('!');
  if (negated) name = trim(name.substr(1));
  std::vector<std::uint64_t> meant;
  for (const auto& [of, v] : k.names)
    if (iequals(of, name)) meant.push_back(std::uint64_t{3} << 32 | v);
  for (const auto& [of, v] : nfs4_operations)
    if (iequals(of, name)) meant.push_back(std::uint64_t{4} << 32 | v);
  if (meant.empty()) return setup_number(b, k.buffer, o.value, k);
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern("nfs.versioned_procedure");
  (negated ? s.none_of : s.one_of) = std::move(meant);
  b.add_stage(std::move(s));
  return {};
}
const KeywordRegistration nfs_procedure_registration{
    {.name = "nfs_procedure",
     .aliases = {"nfs.procedure"},
     .group = "nfs",
     .summary = "procedure of the request, by number or by its name in NFSv3 or NFSv4",
     .example = "nfs_procedure:6;",
     .setup = &nfs_procedure,
     .buffer = "nfs.procedure",
     .protos = "nfs",
     .max = UINT32_MAX,
     .multi = true,
     .inclusive = true,
     .names = {{"null", 0},      {"getattr", 1},      {"setattr", 2},  {"lookup", 3},
               {"access", 4},    {"readlink", 5},     {"read", 6},     {"write", 7},
               {"create", 8},    {"mkdir", 9},        {"symlink", 10}, {"mknod", 11},
               {"remove", 12},   {"rmdir", 13},       {"rename", 14},  {"link", 15},
               {"readdir", 16},  {"readdirplus", 17}, {"fsstat", 18},  {"fsinfo", 19},
               {"pathconf", 20}, {"commit", 21}}}};

const BufferRegistration ntp_buffers{
    "ntp", "ntp", {{"ntp.reference_id", "reference identifier, 4 octets", "content:\"GPS\";"}}};
const NumberRegistration ntp_numbers{"ntp",
                                     "ntp",
                                     {
                                         {"ntp.version", "version", "4", 255},
                                         {"ntp.mode",
                                          "mode",
                                          "client",
                                          255,
                                          {{"reserved", 0},
                                           {"symmetric_active", 1},
                                           {"symmetric_passive", 2},
                                           {"client", 3},
                                           {"server", 4},
                                           {"broadcast", 5},
                                           {"control", 6},
                                           {"private", 7}}},
                                         {"ntp.stratum", "stratum", "0", 255},
                                     }};

const NumberRegistration dhcp_numbers{
    "dhcp",
    "dhcp",
    {
        {"dhcp.leasetime", "lease time in seconds", "<7200", UINT64_MAX},
        {"dhcp.rebinding_time", "rebinding time in seconds", ">3000", UINT64_MAX},
        {"dhcp.renewal_time", "renewal time in seconds", ">1000", UINT64_MAX},
    }};

const BufferRegistration snmp_buffers{
    "snmp",
    "snmp",
    {
        {"snmp.community", "community", "content:\"public\";"},
        {"snmp.usm", "user of the security model", "content:\"admin\";"},
        {"snmp.oid", "each object identifier", "content:\"1.3.6\";", {}, "", true},
    }};
const NumberRegistration snmp_numbers{"snmp",
                                      "snmp",
                                      {
                                          {"snmp.version", "version", "3", UINT32_MAX},
                                          {"snmp.pdu_type",
                                           "type of the PDU",
                                           "get_request",
                                           UINT32_MAX,
                                           {{"get_request", 0},
                                            {"get_next_request", 1},
                                            {"response", 2},
                                            {"set_request", 3},
                                            {"trap_v1", 4},
                                            {"get_bulk_request", 5},
                                            {"inform_request", 6},
                                            {"trap_v2", 7},
                                            {"report", 8}}},
                                          {"snmp.trap_type",
                                           "type of a version 1 trap",
                                           "cold_start",
                                           255,
                                           {{"cold_start", 0},
                                            {"warm_start", 1},
                                            {"link_down", 2},
                                            {"link_up", 3},
                                            {"auth_failure", 4},
                                            {"egp_neighbor_loss", 5},
                                            {"enterprise_specific", 6}}},
                                      }};

const BufferRegistration ike_buffers{
    "ike",
    "ike",
    {
        {"ike.init_spi", "initiator's SPI in hexadecimal", "content:\"18fe9b73\";"},
        {"ike.resp_spi", "responder's SPI in hexadecimal", "content:\"a00b8ef0\";"},
        {"ike.vendor", "each vendor id in hexadecimal", "content:\"4a131c81\";", {}, "", true},
        {"ike.key_exchange_payload", "key exchange payload", "content:\"|6d 02|\";"},
        {"ike.nonce_payload", "nonce payload", "content:\"|6d 02|\";"},
    }};
const NumberRegistration ike_numbers{
    "ike",
    "ike",
    {
        {"ike.exchtype", "exchange type", "5", 255},
        {"ike.key_exchange_payload_length", "length of the key exchange payload", ">132",
         UINT32_MAX},
        {"ike.nonce_payload_length", "length of the nonce payload", "<200", UINT32_MAX},
    }};
Status chosen_sa(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  const auto eq = o.value.find('=');
  if (eq == std::string_view::npos) return bad("needs attribute=value");
  const auto name = lower(trim(o.value.substr(0, eq)));
  const auto value = parse_unsigned(o.value.substr(eq + 1));
  if (!value || *value > UINT32_MAX) return bad("value is not a number");
  static constexpr std::string_view known[] = {
      "alg_enc",       "alg_hash",     "alg_auth",         "alg_dh",        "alg_prf",
      "sa_group_type", "sa_life_type", "sa_life_duration", "sa_key_length", "sa_field_size"};
  bool found = false;
  for (const auto n : known) found |= n == name;
  if (!found) return bad("unknown attribute '" + name + "'");
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern("ike.chosen_sa_attribute." + name);
  s.number_test = NumberTest::equal(*value);
  b.add_stage(std::move(s));
  return {};
}
const KeywordRegistration registration{{.name = "ike.chosen_sa_attribute",
                                        .group = "ike",
                                        .summary = "an attribute of the proposal that was chosen",
                                        .example = "ike.chosen_sa_attribute:alg_hash=2;",
                                        .setup = &chosen_sa,
                                        .protos = "ike"}};

const BufferRegistration pgsql_buffers{
    "pgsql",
    "pgsql",
    {{"pgsql.query", "text of a simple query", "content:\"DROP TABLE\"; nocase;"}}};

}  // namespace
}  // namespace ww::sig
