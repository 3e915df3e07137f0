/// SMB, DCE/RPC, Kerberos, LDAP.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

const BufferRegistration smb_buffers{
    "smb",
    "smb",
    {
        {"smb.named_pipe",
         "named pipe of a tree connect",
         "content:\"IPC$\"; endswith;",
         {"smb_named_pipe"}},
        {"smb.share", "share of a tree connect", "content:\"C$\"; endswith;", {"smb_share"}},
        {"smb.ntlmssp_user", "user of NTLMSSP", "content:\"administrator\"; nocase;"},
        {"smb.ntlmssp_domain", "domain of NTLMSSP", "content:\"NHS\"; nocase;"},
    }};
const NumberRegistration smb_numbers{"smb", "smb", {{"smb.version", "1 or 2", "1", 255}}};

const BufferRegistration dcerpc_buffers{"dcerpc",
                                        "dcerpc,smb",
                                        {{"dcerpc.stub_data",
                                          "stub data of a request or response",
                                          "content:\"|00 00|\";",
                                          {"dce_stub_data"}}}};

Status iface(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  const auto parts = split_list(o.value);
  std::string uuid;
  int half = -1;
  for (const char c : parts[0]) {
    if (c == '-') continue;
    const int d = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
    if (d < 0) return bad("'" + std::string(parts[0]) + "' is not a UUID");
    if (half < 0) {
      half = d;
    } else {
      uuid += static_cast<char>(half * 16 + d);
      half = -1;
    }
  }
  if (uuid.size() != 16 || half >= 0) return bad("'" + std::string(parts[0]) + "' is not a UUID");
  Stage s;
  s.kind = Stage::Kind::buffer;
  s.name = k.name;
  s.buffer = buffers().intern(k.buffer);
  s.multi = true;
  ContentOp c;
  c.octets = uuid;
  c.startswith = true;
  s.ops.emplace_back(std::move(c));
  bool any_fragment = false;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "any_frag") {
      any_fragment = true;
      continue;
    }
    auto t = parse_number_test(parts[i], 65535);
    if (!t) return bad(t.error());
    BufferCheckOp check;  // the version follows the UUID
    check.a = t->lo;
    check.b = t->hi;
    check.negated = t->negate;
    check.check = [](const BufferCheckOp& x, Bytes data, std::size_t, const Packet*) {
      return data.size() >= 18 && load_be16(data.data() + 16) >= x.a &&
             load_be16(data.data() + 16) <= x.b;
    };
    s.ops.emplace_back(std::move(check));
  }
  if (!any_fragment) {
    BufferCheckOp first;
    first.check = [](const BufferCheckOp&, Bytes data, std::size_t, const Packet*) {
      return data.size() < 19 || data[18] == 1;
    };
    s.ops.emplace_back(std::move(first));
  }
  b.add_stage(std::move(s));
  return {};
}
/// `15`, `!3`, `>3`, and lists `1,5-8` (inclusive).
Status opnum(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(k.buffer);
  const auto parts = split_list(o.value);
  if (parts.size() == 1 && parts[0].find('-') == std::string_view::npos) {
    auto t = parse_number_test(parts[0], 65535);
    if (!t) return bad(t.error());
    s.number_test = *t;
  } else {
    for (const auto part : parts) {
      const auto dash = part.find('-');
      const auto lo = parse_unsigned(part.substr(0, dash));
      const auto hi = dash == std::string_view::npos ? lo : parse_unsigned(part.substr(dash + 1));
      if (!lo || !hi || *lo > *hi || *hi > 65535)
        return bad("'" + std::string(part) + "' is not an opnum or range");
      for (auto n = *lo; n <= *hi; ++n) s.one_of.push_back(n);
    }
  }
  b.add_stage(std::move(s));
  return {};
}
const KeywordRegistration dce{{
    {.name = "dcerpc.iface",
     .aliases = {"dce_iface"},
     .group = "dcerpc",
     .summary = "interface of the request",
     .example = "dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003,>1;",
     .notes = "with a test of the version and any_frag",
     .setup = &iface,
     .buffer = "dcerpc.iface",
     .protos = "dcerpc,smb"},
    {.name = "dcerpc.opnum",
     .aliases = {"dce_opnum"},
     .group = "dcerpc",
     .summary = "operation of the request",
     .example = "dcerpc.opnum:15-18,20;",
     .setup = &opnum,
     .buffer = "dcerpc.opnum",
     .protos = "dcerpc,smb"},
}};

const BufferRegistration krb5_buffers{"krb5",
                                      "krb5",
                                      {
                                          {"krb5.cname",
                                           "each part of the client's name",
                                           "content:\"admin\";",
                                           {"krb5_cname"},
                                           "",
                                           true},
                                          {"krb5.sname",
                                           "each part of the server's name",
                                           "content:\"krbtgt\";",
                                           {"krb5_sname"},
                                           "",
                                           true},
                                      }};
const NumberRegistration krb5_numbers{
    "krb5",
    "krb5",
    {
        {"krb5_msg_type",
         "message type: 10 AS-REQ, 11 AS-REP, 12 TGS-REQ, 13 TGS-REP, 30 ERROR",
         "10",
         255,
         {},
         {},
         "krb5.msg_type"},
        {"krb5_err_code", "error code", "6", UINT32_MAX, {}, {}, "krb5.err_code"},
    }};
Status ticket_encryption(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(k.buffer);
  for (auto part : split_list(o.value)) {
    const bool negated = part.starts_with('!');
    if (negated) part = trim(part.substr(1));
    if (part == "weak") {
      for (const std::uint64_t weak : {1U, 2U, 3U, 4U, 23U, 24U})
        (negated ? s.none_of : s.one_of).push_back(weak);
      continue;
    }
    bool found = false;
    for (const auto& [name, v] : k.names)
      if (iequals(name, part)) {
        (negated ? s.none_of : s.one_of).push_back(v);
        found = true;
      }
    if (found) continue;
    const auto n = parse_integer(part);
    if (!n) return bad("unknown encryption '" + std::string(part) + "'");
    (negated ? s.none_of : s.one_of).push_back(static_cast<std::uint64_t>(*n));
  }
  b.add_stage(std::move(s));
  return {};
}
Status weak_encryption(RuleBuilder& b, const Option&, const Keyword& k) {
  const Option o{.keyword = k.name, .value = "weak", .has_value = true};
  return ticket_encryption(b, o, k);
}
const KeywordRegistration krb5{{
    {.name = "krb5.ticket_encryption",
     .group = "krb5",
     .summary = "encryption of the ticket, or weak",
     .example = "krb5.ticket_encryption:weak;",
     .setup = &ticket_encryption,
     .buffer = "krb5.ticket_encryption",
     .protos = "krb5",
     .names = {{"des-cbc-crc", 1},
               {"des-cbc-md4", 2},
               {"des-cbc-md5", 3},
               {"des3-cbc-sha1", 16},
               {"aes128-cts-hmac-sha1-96", 17},
               {"aes256-cts-hmac-sha1-96", 18},
               {"rc4-hmac", 23}}},
    {.name = "krb5.weak_encryption",
     .group = "krb5",
     .summary = "the ticket's encryption is weak",
     .example = "krb5.weak_encryption;",
     .value = Keyword::Value::none,
     .setup = &weak_encryption,
     .buffer = "krb5.ticket_encryption",
     .protos = "krb5"},
}};

const std::initializer_list<std::pair<std::string, std::uint64_t>> ldap_operations = {
    {"bind_request", 0},      {"bind_response", 1},       {"unbind_request", 2},
    {"search_request", 3},    {"search_result_entry", 4}, {"search_result_done", 5},
    {"modify_request", 6},    {"modify_response", 7},     {"add_request", 8},
    {"add_response", 9},      {"del_request", 10},        {"del_response", 11},
    {"mod_dn_request", 12},   {"mod_dn_response", 13},    {"compare_request", 14},
    {"compare_response", 15}, {"abandon_request", 16},    {"search_result_reference", 19},
    {"extended_request", 23}, {"extended_response", 24},  {"intermediate_response", 25}};
const NumberRegistration ldap_numbers{
    "ldap",
    "ldap",
    {
        {"ldap.request.operation", "operation asked for", "search_request", 255, ldap_operations},
        {"ldap.responses.operation",
         "operation of each response",
         "bind_response",
         255,
         ldap_operations,
         {},
         "",
         true},
        {"ldap.responses.count", "number of responses", ">1000", UINT32_MAX},
        {"ldap.responses.result_code",
         "result of each response",
         "invalid_credentials",
         65535,
         {{"success", 0},
          {"operations_error", 1},
          {"protocol_error", 2},
          {"time_limit_exceeded", 3},
          {"size_limit_exceeded", 4},
          {"compare_false", 5},
          {"compare_true", 6},
          {"auth_method_not_supported", 7},
          {"stronger_auth_required", 8},
          {"referral", 10},
          {"admin_limit_exceeded", 11},
          {"unavailable_critical_extension", 12},
          {"confidentiality_required", 13},
          {"sasl_bind_in_progress", 14},
          {"no_such_attribute", 16},
          {"undefined_attribute_type", 17},
          {"inappropriate_matching", 18},
          {"constraint_violation", 19},
          {"attribute_or_value_exists", 20},
          {"invalid_attribute_syntax", 21},
          {"no_such_object", 32},
          {"alias_problem", 33},
          {"invalid_dns_syntax", 34},
          {"is_leaf", 35},
          {"alias_dereferencing_problem", 36},
          {"inappropriate_authentication", 48},
          {"invalid_credentials", 49},
          {"insufficient_access_rights", 50},
          {"busy", 51},
          {"unavailable", 52},
          {"unwilling_to_perform", 53},
          {"loop_detect", 54},
          {"naming_violation", 64},
          {"object_class_violation", 65},
          {"not_allowed_on_non_leaf", 66},
          {"not_allowed_on_rdn", 67},
          {"entry_already_exists", 68},
          {"object_class_mods_prohibited", 69},
          {"affects_multiple_dsas", 71},
          {"other", 80}},
         {},
         "",
         true},
    }};
const BufferRegistration ldap_buffers{
    "ldap",
    "ldap",
    {
        {"ldap.request.dn", "distinguished name of the request", "content:\"dc=example\";"},
        {"ldap.responses.dn",
         "each distinguished name of the responses",
         "content:\"dc=example\";",
         {},
         "",
         true},
        {"ldap.responses.message",
         "each message of the responses",
         "content:\"error\";",
         {},
         "",
         true},
        {"ldap.request.attribute_type",
         "each attribute of the request",
         "content:\"objectClass\";",
         {},
         "",
         true},
        {"ldap.responses.attribute_type",
         "each attribute of the responses",
         "content:\"objectClass\";",
         {},
         "",
         true},
    }};

}  // namespace
}  // namespace ww::sig
