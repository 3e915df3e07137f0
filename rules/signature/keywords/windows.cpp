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
         UINT32_MAX,
         {{"as_req", 10},
          {"as_rep", 11},
          {"tgs_req", 12},
          {"tgs_rep", 13},
          {"ap_req", 14},
          {"ap_rep", 15},
          {"safe", 20},
          {"priv", 21},
          {"cred", 22},
          {"error", 30}},
         {"krb5.msg_type"},
         "krb5.msg_type"},
        {"krb5_err_code", "error code", "6", UINT32_MAX, {}, {"krb5.err_code"}, "krb5.err_code"},
    }};
Status ticket_encryption(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(k.buffer);
  // Everything but these is weak or deprecated (RFC 8429, RFC 6649).
  static constexpr std::uint64_t strong[] = {17, 18, 19, 20, 25, 26};
  const auto value = trim(o.value);
  if (value == "weak" || value == "!weak") {
    (value == "weak" ? s.none_of : s.one_of).assign(std::begin(strong), std::end(strong));
    b.add_stage(std::move(s));
    return {};
  }
  for (const auto item : split_list(value))
    for (const auto part : split_words(item)) {
      const auto named = std::find_if(k.names.begin(), k.names.end(),
                                      [&](const auto& n) { return n.first == part; });
      if (named != k.names.end()) {
        s.one_of.push_back(named->second);
        continue;
      }
      const auto n = parse_integer(part);
      if (!n || *n < INT32_MIN || *n > INT32_MAX)
        return bad("unknown encryption '" + std::string(part) + "'");
      s.one_of.push_back(static_cast<std::uint64_t>(*n));
    }
  if (s.one_of.empty()) return bad("needs an encryption or weak");
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
               {"des3-cbc-md5", 5},
               {"des3-cbc-sha1", 7},
               {"dsaWithSHA1-CmsOID", 9},
               {"md5WithRSAEncryption-CmsOID", 10},
               {"sha1WithRSAEncryption-CmsOID", 11},
               {"rc2CBC-EnvOID", 12},
               {"rsaEncryption-EnvOID", 13},
               {"rsaES-OAEP-ENV-OID", 14},
               {"des-ede3-cbc-Env-OID", 15},
               {"des3-cbc-sha1-kd", 16},
               {"aes128-cts-hmac-sha1-96", 17},
               {"aes256-cts-hmac-sha1-96", 18},
               {"aes128-cts-hmac-sha256-128", 19},
               {"aes256-cts-hmac-sha384-192", 20},
               {"rc4-hmac", 23},
               {"rc4-hmac-exp", 24},
               {"camellia128-cts-cmac", 25},
               {"camellia256-cts-cmac", 26},
               {"subkey-keymaterial", 65},
               {"rc4-md4", static_cast<std::uint64_t>(-128)},
               {"rc4-plain2", static_cast<std::uint64_t>(-129)},
               {"rc4-lm", static_cast<std::uint64_t>(-130)},
               {"rc4-sha", static_cast<std::uint64_t>(-131)},
               {"des-plain", static_cast<std::uint64_t>(-132)},
               {"rc4-hmac-OLD", static_cast<std::uint64_t>(-133)},
               {"rc4-plain-OLD", static_cast<std::uint64_t>(-134)},
               {"rc4-hmac-OLD-exp", static_cast<std::uint64_t>(-135)},
               {"rc4-plain-OLD-exp", static_cast<std::uint64_t>(-136)},
               {"rc4-plain", static_cast<std::uint64_t>(-140)},
               {"rc4-plain-exp", static_cast<std::uint64_t>(-141)}}},
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
         UINT32_MAX,
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
          {"sort_control_missing", 60},
          {"offset_range_error", 61},
          {"naming_violation", 64},
          {"object_class_violation", 65},
          {"not_allowed_on_non_leaf", 66},
          {"not_allowed_on_rdn", 67},
          {"entry_already_exists", 68},
          {"object_class_mods_prohibited", 69},
          {"results_too_large", 70},
          {"affects_multiple_dsas", 71},
          {"control_error", 76},
          {"other", 80},
          {"server_down", 81},
          {"local_error", 82},
          {"encoding_error", 83},
          {"decoding_error", 84},
          {"timeout", 85},
          {"auth_unknown", 86},
          {"filter_error", 87},
          {"user_canceled", 88},
          {"param_error", 89},
          {"no_memory", 90},
          {"connect_error", 91},
          {"not_supported", 92},
          {"control_not_found", 93},
          {"no_results_returned", 94},
          {"more_results_to_return", 95},
          {"client_loop", 96},
          {"referral_limit_exceeded", 97},
          {"invalid_response", 100},
          {"ambiguous_response", 101},
          {"tls_not_supported", 112},
          {"intermediate_response", 113},
          {"unknown_type", 114},
          {"canceled", 118},
          {"no_such_operation", 119},
          {"too_late", 120},
          {"cannot_cancel", 121},
          {"assertion_failed", 122},
          {"authorization_denied", 123},
          {"e_sync_refresh_required", 4096},
          {"no_operation", 16654}},
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
