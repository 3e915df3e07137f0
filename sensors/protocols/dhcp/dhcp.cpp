#include "sensors/protocols/dhcp/dhcp.hpp"

#include <algorithm>
#include <iterator>

namespace ww::dhcp {
namespace {

constexpr std::uint32_t magic = 0x63825363;

bool is_time(std::uint8_t code) {
  return code == option::lease_time || code == option::renewal_time ||
         code == option::rebinding_time;
}

void read_options(ByteReader in, Message& m) {
  while (!in.empty()) {
    const auto code = in.u8();
    if (code == option::end) return;
    if (code == option::pad) continue;
    const auto data = in.text(in.u8());
    if (!in.ok()) break;
    if ((is_time(code) && data.size() < 4) || (code == option::client_id && data.empty())) {
      m.malformed = true;
      return;
    }
    if (m.options.size() < max_options) m.options.push_back({code, std::string(data)});
  }
  m.truncated = true;
}

}  // namespace

const Option* Message::find(std::uint8_t code) const {
  const auto at =
      std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.code == code; });
  return at == options.end() ? nullptr : &*at;
}

std::optional<std::uint32_t> Message::seconds(std::uint8_t code) const {
  const auto* o = find(code);
  if (o == nullptr || o->data.size() < 4) return {};
  return load_be32(as_bytes(o->data).data());
}

std::optional<Message> parse_message(Bytes datagram) {
  ByteReader in(datagram);
  Message m;
  m.opcode = in.u8();
  in.skip(1);  // hardware type
  const std::size_t hardware = in.u8();
  in.skip(1);  // hops
  m.id = in.u32be();
  in.skip(4);  // seconds, flags
  m.client_ip = in.text(4);
  m.your_ip = in.text(4);
  m.server_ip = in.text(4);
  m.relay_ip = in.text(4);
  m.client_hardware = in.text(16).substr(0, std::min<std::size_t>(hardware, 16));
  in.skip(64 + 128);  // server's name, boot file
  if (in.u32be() != magic || !in.ok() || hardware > 16) return {};
  read_options(in, m);
  return m;
}

std::string_view type_name(std::uint8_t code) {
  static constexpr std::string_view names[] = {
      "unknown", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"};
  return code < std::size(names) ? names[code] : "unknown";
}

std::string_view parameter_name(std::uint8_t code) {
  switch (code) {
    case 1:
      return "subnet_mask";
    case 3:
      return "router";
    case 6:
      return "dns_server";
    case 15:
      return "domain";
    case 35:
      return "arp_timeout";
    case 42:
      return "ntp_server";
    case 66:
      return "tftp_server_name";
    case 150:
      return "tftp_server_ip";
    default:
      return {};
  }
}

}  // namespace ww::dhcp
