#include "sensors/protocols/rdp/message.hpp"

#include "telemetry/asn1.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::rdp {
namespace {

constexpr std::size_t max_channels = 64, max_certificates = 32;

namespace x224 {
constexpr std::uint8_t data = 0xf, connection_request = 0xe, connection_confirm = 0xd;
}

/// UTF-16LE up to a NUL as UTF-8; nothing when a surrogate stands alone.
std::optional<std::string> utf16_text(Bytes octets) {
  std::string out;
  const auto put = [&](std::uint32_t c) {
    if (c < 0x80) {
      out += static_cast<char>(c);
      return;
    }
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static constexpr std::uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(lead[more] | (c >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f));
  };
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
    std::uint32_t c = load_le16(octets.data() + i);
    if (c == 0) break;
    if (c >= 0xdc00 && c < 0xe000) return {};
    if (c >= 0xd800 && c < 0xdc00) {
      if (i + 3 >= octets.size()) return {};
      const auto low = load_le16(octets.data() + i + 2);
      if (low < 0xdc00 || low >= 0xe000) return {};
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00U);
      i += 2;
    }
    put(c);
  }
  return out;
}

struct Negotiation {
  std::uint8_t type = 0, flags = 0;
  std::uint32_t value = 0;
};
/// RDP Negotiation Request, Response or Failure: eight octets.
std::optional<Negotiation> negotiation(ByteReader& in) {
  Negotiation n;
  n.type = in.u8();
  n.flags = in.u8();
  const auto length = in.u16le();
  n.value = in.u32le();
  return in.ok() && length == 8 ? std::optional(n) : std::nullopt;
}

void connection_request(Bytes data, Message& out) {
  constexpr std::string_view key = "Cookie: mstshash=";
  const auto text = as_text(data);
  std::size_t at = 0;
  if (text.starts_with(key)) {
    const auto end = text.find("\r\n");
    if (end == std::string_view::npos) return;
    out.request.cookie = std::string(text.substr(key.size(), end - key.size()));
    at = end + 2;
  }
  ByteReader in(data.subspan(at));
  if (const auto n = negotiation(in); n && n->type == 1) out.request.flags = n->flags;
}

void connection_confirm(Bytes data, Message& out) {
  ByteReader in(data);
  const auto n = negotiation(in);
  if (n && n->type == 2) {
    out.confirm.flags = n->flags;
    out.confirm.protocol = n->value;
  } else if (n && n->type == 3) {
    out.confirm.failure = n->value;
  }
}

std::optional<ClientCore> client_core(Bytes data) {
  ByteReader in(data);
  ClientCore c;
  c.version = in.u32le();
  c.width = in.u16le();
  c.height = in.u16le();
  c.color_depth = in.u16le();
  in.skip(2);  // SAS sequence
  c.keyboard_layout = in.u32le();
  c.build = in.u32le();
  const auto name = utf16_text(in.bytes(32));
  c.keyboard_type = in.u32le();
  c.keyboard_subtype = in.u32le();
  c.function_keys = in.u32le();
  const auto ime = utf16_text(in.bytes(64));
  if (!in.ok() || !name || !ime) return {};
  c.name = *name;
  c.ime = *ime;
  const auto u16 = [&](std::optional<std::uint16_t>& to) {
    const auto v = in.u16le();
    if (in.ok()) to = v;
    return in.ok();
  };
  const auto u32 = [&](std::optional<std::uint32_t>& to, std::uint32_t low, std::uint32_t high) {
    const auto v = in.u32le();
    const bool good = in.ok() && v >= low && v <= high;
    if (good) to = v;
    return good;
  };
  if (!u16(c.post_beta2_color_depth) || !u16(c.product_id) ||
      !u32(c.serial_number, 0, UINT32_MAX) || !u16(c.high_color_depth))
    return c;
  in.skip(2);  // supported color depths
  if (!u16(c.early_capabilities)) return c;
  const auto id = in.bytes(64);
  if (!in.ok()) return c;
  c.id = utf16_text(id);
  if (!c.id) return c;
  const auto hint = in.u8();
  if (!in.ok()) return c;
  c.connection_hint = hint;
  in.skip(1 + 4);  // padding, selected protocol
  if (!u32(c.physical_width, 10, 10000) || !u32(c.physical_height, 10, 10000)) return c;
  const auto orientation = in.u16le();
  if (!in.ok() ||
      (orientation != 0 && orientation != 90 && orientation != 180 && orientation != 270))
    return c;
  c.orientation = orientation;
  if (!u32(c.desktop_scale, 100, 500)) return c;
  const auto device = in.u32le();
  if (in.ok() && (device == 100 || device == 140 || device == 180)) c.device_scale = device;
  return c;
}

void channels(Bytes data, ConnectRequest& out) {
  ByteReader in(data);
  for (auto n = in.u32le(); n > 0 && in.ok() && out.channels.size() < max_channels; --n) {
    const auto name = in.text(8);
    in.skip(4);  // options
    if (in.ok()) out.channels.emplace_back(name.substr(0, name.find('\0')));
  }
}

/// The user data blocks of a conference create request.
bool connect_request(Bytes data, ConnectRequest& out) {
  const auto key = as_text(data).find("Duca");
  if (key == std::string_view::npos) return false;
  ByteReader in(data.subspan(key + 4));
  std::size_t length = in.u8();  // a PER length determinant (X.691 10.9)
  if ((length & 0xc0) == 0xc0) return false;
  if ((length & 0x80) != 0) length = (length & 0x3f) << 8 | in.u8();
  if (!in.ok() || length > in.left()) return false;
  ByteReader blocks(in.bytes(length));
  while (!blocks.empty()) {
    const auto type = blocks.u16le();
    const auto size = blocks.u16le();
    if (!blocks.ok() || size < 4) break;
    const auto block = blocks.bytes(size - 4U);
    if (!blocks.ok()) break;
    if (type == 0xc001 && !out.core) out.core = client_core(block);
    if (type == 0xc003) channels(block, out);
  }
  return true;
}

void x224_message(Bytes data, Message& out) {
  ByteReader in(data);
  const auto length = in.u8();
  const auto code = in.u8();
  if (!in.ok() || length == 0xff) return;
  const auto type = code >> 4;
  if (type == x224::data) {
    if (length != 2 || code != 0xf0 || in.u8() != 0x80 || in.left() < 2) return;
    const auto body = in.rest();
    if (body[0] != 0x7f) return;
    if (body[1] == 0x65 && connect_request(body.subspan(2), out.connect))
      out.kind = Kind::connect_request;
    if (body[1] == 0x66) out.kind = Kind::connect_response;
    return;
  }
  if (type != x224::connection_request && type != x224::connection_confirm) return;
  const auto destination = in.u16be();
  in.skip(2);
  const auto options = in.u8();
  // Class 0 without options; the length counts what follows it.
  if (!in.ok() || (code & 15) > 1 || destination != 0 || options != 0 || length < 6) return;
  const auto body = in.bytes(length - 6U);
  if (!in.ok()) return;
  if (type == x224::connection_request) {
    out.kind = Kind::connection_request;
    connection_request(body, out);
  } else {
    out.kind = Kind::connection_confirm;
    connection_confirm(body, out);
  }
}

}  // namespace

Status parse_tpkt(Bytes in, Message& out, std::size_t& used) {
  used = 0;
  if (in.empty()) return Status::need_more;
  if (in[0] != 3) return Status::malformed;
  if (in.size() < 4) return Status::need_more;
  used = load_be16(in.data() + 2);
  if (used < 4) return Status::malformed;
  if (in.size() < used) return Status::need_more;
  x224_message(in.subspan(4, used - 4), out);
  return Status::ok;
}

std::vector<std::string> certificate_serials(Bytes message) {
  std::vector<std::string> out;
  ByteReader in(message);
  ByteReader list(in.bytes(in.u24be()));
  while (list.ok() && !list.empty() && out.size() < max_certificates) {
    asn1::Reader whole(list.bytes(list.u24be()));
    asn1::Reader certificate(whole.expect(asn1::tag::sequence));
    asn1::Reader fields(certificate.expect(asn1::tag::sequence));
    (void)fields.optional_explicit(0);  // version
    const auto serial = fields.expect(asn1::tag::integer);
    if (!list.ok() || !fields.ok()) continue;
    std::string text;
    append_hex(text, serial.content);
    const auto digit = text.find_first_not_of('0');
    out.push_back(digit == std::string::npos ? "0" : text.substr(digit));
  }
  return out;
}

}  // namespace ww::rdp
