/// Building and industrial protocols: DNP3, EtherNet/IP with CIP. Modbus has a file of its own.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

Stage number_stage(const Keyword& k, std::string_view number) {
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(number);
  return s;
}

const BufferRegistration dnp3_buffers{"dnp3",
                                      "dnp3",
                                      {{"dnp3.data",
                                        "application data, without link checksums",
                                        "content:\"|c0|\";",
                                        {"dnp3_data"}}}};
const NumberRegistration dnp3_numbers{"dnp3",
                                      "dnp3",
                                      {
                                          {"dnp3_func",
                                           "function code",
                                           "write",
                                           255,
                                           {{"confirm", 0},
                                            {"read", 1},
                                            {"write", 2},
                                            {"select", 3},
                                            {"operate", 4},
                                            {"direct_operate", 5},
                                            {"direct_operate_nr", 6},
                                            {"immed_freeze", 7},
                                            {"immed_freeze_nr", 8},
                                            {"freeze_clear", 9},
                                            {"freeze_clear_nr", 10},
                                            {"freeze_at_time", 11},
                                            {"freeze_at_time_nr", 12},
                                            {"cold_restart", 13},
                                            {"warm_restart", 14},
                                            {"initialize_data", 15},
                                            {"initialize_appl", 16},
                                            {"start_appl", 17},
                                            {"stop_appl", 18},
                                            {"save_config", 19},
                                            {"enable_unsolicited", 20},
                                            {"disable_unsolicited", 21},
                                            {"assign_class", 22},
                                            {"delay_measure", 23},
                                            {"record_current_time", 24},
                                            {"open_file", 25},
                                            {"close_file", 26},
                                            {"delete_file", 27},
                                            {"get_file_info", 28},
                                            {"authenticate_file", 29},
                                            {"abort_file", 30},
                                            {"activate_config", 31},
                                            {"authenticate_req", 32},
                                            {"authenticate_err", 33},
                                            {"response", 129},
                                            {"unsolicited_response", 130},
                                            {"authenticate_resp", 131}},
                                           {"dnp3.func"},
                                           "dnp3.func"},
                                      }};
Status dnp3_ind(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  std::uint64_t bits = 0;
  for (const auto part : split_list(o.value)) {
    bool found = false;
    for (const auto& [name, bit] : k.names)
      if (iequals(name, part)) {
        bits |= bit;
        found = true;
      }
    if (found) continue;
    const auto n = parse_unsigned(part);
    if (!n || *n > 0xffff) return bad("unknown indicator '" + std::string(part) + "'");
    bits |= *n;
  }
  auto s = number_stage(k, k.buffer);
  s.number_test = {1, UINT64_MAX, bits, false};
  b.add_stage(std::move(s));
  return {};
}
Status dnp3_obj(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  const auto parts = split_list(o.value);
  if (parts.size() != 2) return bad("needs group,variation");
  const auto group = parse_unsigned(parts[0]), variation = parse_unsigned(parts[1]);
  if (!group || !variation || *group > 255 || *variation > 255)
    return bad("group and variation are 0 to 255");
  auto s = number_stage(k, k.buffer);
  s.number_test = NumberTest::equal(*group << 8 | *variation);
  b.add_stage(std::move(s));
  return {};
}

const KeywordRegistration registration{{
    {.name = "dnp3_ind",
     .aliases = {"dnp3.ind"},
     .group = "dnp3",
     .summary = "internal indicators of a response: any of these",
     .example = "dnp3_ind:device_restart;",
     .setup = &dnp3_ind,
     .buffer = "dnp3.ind",
     .protos = "dnp3",
     .names = {{"all_stations", 0x0100},
               {"class_1_events", 0x0200},
               {"class_2_events", 0x0400},
               {"class_3_events", 0x0800},
               {"need_time", 0x1000},
               {"local_control", 0x2000},
               {"device_trouble", 0x4000},
               {"device_restart", 0x8000},
               {"no_func_code_support", 0x0001},
               {"object_unknown", 0x0002},
               {"parameter_error", 0x0004},
               {"event_buffer_overflow", 0x0008},
               {"already_executing", 0x0010},
               {"config_corrupt", 0x0020},
               {"reserved_2", 0x0040},
               {"reserved_1", 0x0080}}},
    {.name = "dnp3_obj",
     .aliases = {"dnp3.obj"},
     .group = "dnp3",
     .summary = "an object by group and variation",
     .example = "dnp3_obj:22,1;",
     .setup = &dnp3_obj,
     .buffer = "dnp3.obj",
     .protos = "dnp3"},
}};

const BufferRegistration enip_buffers{
    "enip",
    "enip",
    {
        {"enip.product_name", "product name", "content:\"1756\";"},
        {"enip.service_name", "service name", "content:\"Communications\";"},
    }};
const NumberRegistration enip_numbers{"enip",
                                      "enip",
                                      {
                                          {"enip_command",
                                           "command",
                                           "list_identity",
                                           65535,
                                           {{"nop", 0},
                                            {"list_services", 4},
                                            {"list_identity", 99},
                                            {"list_interfaces", 100},
                                            {"register_session", 101},
                                            {"unregister_session", 102},
                                            {"send_rr_data", 111},
                                            {"send_unit_data", 112},
                                            {"indicate_status", 114},
                                            {"cancel", 115}},
                                           {"enip.command"},
                                           "enip.command"},
                                          {"cip_attribute",
                                           "attribute of a CIP path",
                                           "1",
                                           UINT32_MAX,
                                           {},
                                           {"enip.cip_attribute"},
                                           "enip.cip_attribute",
                                           true},
                                          {"cip_class",
                                           "class of a CIP path",
                                           "1",
                                           UINT32_MAX,
                                           {},
                                           {"enip.cip_class"},
                                           "enip.cip_class",
                                           true},
                                          {"cip_instance",
                                           "instance of a CIP path",
                                           "1",
                                           UINT32_MAX,
                                           {},
                                           {"enip.cip_instance"},
                                           "enip.cip_instance",
                                           true},
                                          {"cip_status",
                                           "CIP general status",
                                           "1",
                                           255,
                                           {},
                                           {"enip.cip_status"},
                                           "enip.cip_status",
                                           true},
                                          {"cip_extendedstatus",
                                           "CIP extended status",
                                           "1",
                                           65535,
                                           {},
                                           {"enip.cip_extendedstatus"},
                                           "enip.cip_extendedstatus",
                                           true},
                                          {"enip.protocol_version", "protocol version", "1", 65535},
                                          {"enip.capabilities", "capability flags", "288", 65535},
                                          {"enip.status",
                                           "status",
                                           "100",
                                           UINT32_MAX,
                                           {{"success", 0},
                                            {"invalid_cmd", 1},
                                            {"no_resources", 2},
                                            {"incorrect_data", 3},
                                            {"invalid_session", 100},
                                            {"invalid_length", 101},
                                            {"unsupported_prot_rev", 105}}},
                                          {"enip.vendor_id", "vendor", "1", 65535},
                                          {"enip.device_type", "device type", "1", 65535},
                                          {"enip.product_code", "product code", "1", 65535},
                                          {"enip.revision", "revision", "1", 65535},
                                          {"enip.identity_status", "identity status", "1", 65535},
                                          {"enip.serial", "serial number", "1", UINT32_MAX},
                                          {"enip.state", "state", "1", 255},
                                      }};
/// `cip_service:75` or `service,class` or `service,class,attribute`, all of one CIP message. A
/// negated attribute (`!5`) is accepted and tests nothing, as in Suricata.
Status cip_service(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  const auto parts = split_list(o.value);
  if (parts.empty() || parts.size() > 3) return bad("needs service, class and attribute at most");
  std::uint64_t wanted[3] = {0, 0, 0};
  std::size_t count = parts.size();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto v = parts[i];
    const bool negated = i == 2 && v.starts_with('!');
    if (negated) v = trim(v.substr(1));
    const auto n = parse_unsigned(v);
    if (!n || *n > (i == 0 ? 127 : UINT32_MAX))
      return bad("'" + std::string(v) + "' is not a number that fits");
    wanted[i] = *n;
    if (negated) count = 2;
  }
  Stage s;
  s.kind = Stage::Kind::buffer;
  s.name = k.name;
  s.buffer = buffers().intern(k.buffer);
  s.multi = true;
  BufferCheckOp check;
  check.a = wanted[0] | std::uint64_t{count} << 8 | wanted[1] << 32;
  check.b = wanted[2];
  check.check = [](const BufferCheckOp& x, Bytes data, std::size_t, const Packet*) {
    ByteReader in(data);
    if (in.u8() != (x.a & 0xff)) return false;
    const auto parts_wanted = x.a >> 8 & 0xff;
    if (parts_wanted < 2) return true;
    bool found = false;
    const auto classes = in.u32be();
    for (std::uint32_t i = 0; i < classes && in.ok(); ++i) found |= in.u32be() == x.a >> 32;
    if (!found || parts_wanted < 3) return found && in.ok();
    while (!in.empty())
      if (in.u32be() == x.b) return true;
    return false;
  };
  s.ops.emplace_back(std::move(check));
  b.add_stage(std::move(s));
  return {};
}
const KeywordRegistration cip{{.name = "cip_service",
                               .aliases = {"enip.cip_service"},
                               .group = "enip",
                               .summary = "CIP service, class and attribute",
                               .example = "cip_service:75;",
                               .setup = &cip_service,
                               .buffer = "enip.cip_service",
                               .protos = "enip"}};

}  // namespace
}  // namespace ww::sig
