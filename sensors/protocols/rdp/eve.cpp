/// EVE `rdp` records.
#include "sensors/protocols/rdp/rdp.hpp"

namespace ww::sensor::rdp {
namespace {

struct Flag {
  std::uint16_t bit;
  std::string_view name;
};

template <std::size_t N>
void flags(JsonWriter& json, std::string_view key, unsigned value, const Flag (&names)[N]) {
  if (value == 0) return;
  json.begin_array(key);
  for (const auto& f : names)
    if ((value & f.bit) != 0) json.value(f.name);
  json.end_array();
}

void initial_request(JsonWriter& json, const ww::rdp::ConnectionRequest& r) {
  static constexpr Flag names[] = {{1, "restricted_admin_mode_required"},
                                   {2, "redirected_authentication_mode_required"},
                                   {8, "correlation_info_present"}};
  json.field("event_type", "initial_request");
  if (r.cookie) json.field_bytes("cookie", as_bytes(*r.cookie));
  if (r.flags) flags(json, "flags", *r.flags & 0x0bU, names);
}

void initial_response(JsonWriter& json, const ww::rdp::ConnectionConfirm& r) {
  static constexpr Flag names[] = {{1, "extended_client_data"},
                                   {2, "dynvc_gfx"},
                                   {8, "restricted_admin"},
                                   {16, "redirected_authentication"}};
  static constexpr std::string_view reasons[] = {"",
                                                 "ssl required by server",
                                                 "ssl not allowed by server",
                                                 "ssl cert not on server",
                                                 "inconsistent flags",
                                                 "hybrid required by server",
                                                 "ssl with user auth required by server"};
  json.field("event_type", "initial_response");
  if (r.flags) flags(json, "server_supports", *r.flags, names);
  if (r.protocol) switch (*r.protocol) {
      case 0:
        json.field("protocol", "rdp");
        break;
      case 1:
        json.field("protocol", "ssl");
        break;
      case 2:
        json.field("protocol", "hybrid");
        break;
      case 4:
        json.field("protocol", "rds_tls");
        break;
      case 8:
        json.field("protocol", "hybrid_ex");
        break;
      default:
        break;
    }
  if (r.failure && *r.failure >= 1 && *r.failure <= 6) {
    json.field("error_code", *r.failure);
    json.field("reason", reasons[*r.failure]);
  }
}

std::optional<unsigned> color_depth(const ww::rdp::ClientCore& c) {
  if (c.high_color_depth) switch (*c.high_color_depth) {
      case 4:
      case 8:
      case 15:
      case 16:
      case 24:
        return *c.high_color_depth;
      default:
        break;
    }
  constexpr unsigned by_code[] = {4, 8, 15, 16, 24};  // RNS_UD_COLOR_4BPP 0xca00 and on
  const auto coded = [&](std::uint16_t v, unsigned last) -> std::optional<unsigned> {
    if (v < 0xca00 || v > last) return {};
    return by_code[v - 0xca00];
  };
  if (c.post_beta2_color_depth)
    if (const auto d = coded(*c.post_beta2_color_depth, 0xca04)) return d;
  return coded(c.color_depth, 0xca01);
}

void client(JsonWriter& json, const ww::rdp::ClientCore& c) {
  static constexpr Flag capabilities[] = {
      {0x001, "support_errinfo_pdf"},        {0x002, "want_32bpp_session"},
      {0x004, "support_statusinfo_pdu"},     {0x008, "strong_asymmetric_keys"},
      {0x020, "valid_connection_type"},      {0x040, "support_monitor_layout_pdu"},
      {0x080, "support_netchar_autodetect"}, {0x100, "support_dynvc_gfx_protocol"},
      {0x200, "support_dynamic_time_zone"},  {0x400, "support_heartbeat_pdu"}};
  static constexpr std::string_view hints[] = {
      "", "modem", "low_broadband", "satellite", "high_broadband", "wan", "lan", "autodetect"};
  const auto number = [&](std::string_view key, const auto& v) {
    if (v) json.field(key, *v);
  };
  const auto text = [&](std::string_view key, const std::string& v) {
    if (!v.empty()) json.field(key, v);
  };
  json.begin_object("client");
  json.field("version", ww::rdp::version_name(c.version));
  json.field("desktop_width", c.width);
  json.field("desktop_height", c.height);
  number("color_depth", color_depth(c));
  json.field("keyboard_layout", ww::rdp::locale_name(c.keyboard_layout));
  json.field("build", ww::rdp::build_name(c.build));
  text("client_name", c.name);
  if (const auto name = ww::rdp::keyboard_name(c.keyboard_type); !name.empty())
    json.field("keyboard_type", name);
  if (c.keyboard_subtype != 0) json.field("keyboard_subtype", c.keyboard_subtype);
  if (c.function_keys != 0) json.field("function_keys", c.function_keys);
  text("ime", c.ime);
  number("product_id", c.product_id);
  if (c.serial_number && *c.serial_number != 0) json.field("serial_number", *c.serial_number);
  if (c.early_capabilities) flags(json, "capabilities", *c.early_capabilities, capabilities);
  if (c.id) text("id", *c.id);
  if (c.connection_hint && *c.connection_hint > 0 && *c.connection_hint < 8)
    json.field("connection_hint", hints[*c.connection_hint]);
  number("physical_width", c.physical_width);
  number("physical_height", c.physical_height);
  number("desktop_orientation", c.orientation);
  number("scale_factor", c.desktop_scale);
  number("device_scale_factor", c.device_scale);
  json.end_object();
}

}  // namespace

void write_rdp(const RdpTx& tx, JsonWriter& json) {
  json.begin_object("rdp");
  json.field("tx_id", tx.id);
  const auto& m = tx.message;
  if (tx.tls) {
    json.field("event_type", "tls_handshake");
    json.begin_array("x509_serials");
    for (const auto& s : tx.serials) json.value(s);
    json.end_array();
  } else if (m.kind == ww::rdp::Kind::connection_request) {
    initial_request(json, m.request);
  } else if (m.kind == ww::rdp::Kind::connection_confirm) {
    initial_response(json, m.confirm);
  } else if (m.kind == ww::rdp::Kind::connect_request) {
    json.field("event_type", "connect_request");
    if (m.connect.core) client(json, *m.connect.core);
    if (!m.connect.channels.empty()) {
      json.begin_array("channels");
      for (const auto& c : m.connect.channels) json.value_bytes(as_bytes(c));
      json.end_array();
    }
  } else {
    json.field("event_type", "connect_response");
  }
  json.end_object();
}

}  // namespace ww::sensor::rdp
