#include "sensors/protocols/dcerpc/dcerpc.hpp"

#include <algorithm>

namespace ww::dcerpc {
namespace {

/// Numbers in the sender's byte order.
class Numbers {
 public:
  Numbers(Bytes octets, bool little) : in(octets), little_(little) {}
  std::uint16_t u16() { return little_ ? in.u16le() : in.u16be(); }
  std::uint32_t u32() { return little_ ? in.u32le() : in.u32be(); }
  std::array<std::uint8_t, 16> uuid() {
    std::array<std::uint8_t, 16> out{};
    const auto raw = in.bytes(16);
    if (raw.size() != 16) return out;
    std::copy(raw.begin(), raw.end(), out.begin());
    if (little_) {
      std::reverse(out.begin(), out.begin() + 4);
      std::reverse(out.begin() + 4, out.begin() + 6);
      std::reverse(out.begin() + 6, out.begin() + 8);
    }
    return out;
  }
  ByteReader in;

 private:
  bool little_;
};

}  // namespace

std::string_view type_name(std::uint8_t type) {
  static constexpr std::string_view names[] = {
      "REQUEST",   "PING",     "RESPONSE",      "FAULT",
      "WORKING",   "NOCALL",   "REJECT",        "ACK",
      "CL_CANCEL", "FACK",     "CANCEL_ACK",    "BIND",
      "BINDACK",   "BINDNAK",  "ALTER_CONTEXT", "ALTER_CONTEXT_RESP",
      "AUTH3",     "SHUTDOWN", "CO_CANCEL",     "ORPHANED"};
  return type < std::size(names) ? names[type] : std::string_view();
}

bool is_answer(std::uint8_t type) {
  switch (type) {
    case response:
    case fault:
    case 4:
    case 5:
    case 6:
    case 7:
    case 9:
    case 10:
    case bind_ack:
    case bind_nak:
    case alter_context_resp:
    case shutdown:
      return true;
    default:
      return false;
  }
}

std::optional<Header> parse_header(Bytes o) {
  if (o.size() < header_octets) return std::nullopt;
  Header h;
  h.version = o[0];
  h.minor = o[1];
  h.type = o[2];
  h.flags = o[3];
  // Integers big or little, characters ASCII or EBCDIC, one of four floats; two octets are
  // reserved.
  if (h.version != 5 || h.minor > 1 || h.type > orphaned || (o[4] >> 4) > 1 || (o[4] & 0xf) > 1 ||
      o[5] > 3 || o[6] != 0 || o[7] != 0)
    return std::nullopt;
  h.little = (o[4] & 0x10) != 0;
  Numbers n(o.subspan(8), h.little);
  h.frag_length = n.u16();
  h.auth_length = n.u16();
  h.call_id = n.u32();
  if (h.frag_length < header_octets) return std::nullopt;
  return h;
}

std::vector<Interface> parse_bind(const Header& h, Bytes fragment) {
  std::vector<Interface> out;
  Numbers n(fragment, h.little);
  n.in.skip(header_octets + 8);
  const auto count = n.in.u8();
  n.in.skip(3);
  for (unsigned i = 0; i < count && n.in.ok(); ++i) {
    Interface f;
    f.context = n.u16();
    const auto transfers = n.in.u8();
    n.in.skip(1);
    f.uuid = n.uuid();
    f.major = n.u16();
    f.minor = n.u16();
    f.first = h.first();
    n.in.skip(std::size_t{transfers} * 20);
    if (n.in.ok()) out.push_back(f);
  }
  return out;
}

std::vector<Result> parse_bind_ack(const Header& h, Bytes fragment) {
  std::vector<Result> out;
  Numbers n(fragment, h.little);
  n.in.skip(header_octets + 8);
  const auto address = n.u16();
  n.in.skip(address);
  if (!n.in.ok()) return out;
  n.in.skip((4 - n.in.offset() % 4) % 4);
  const auto count = n.in.u8();
  n.in.skip(3);
  for (unsigned i = 0; i < count && n.in.ok(); ++i) {
    const auto result = n.u16(), reason = n.u16();
    n.in.skip(20);
    if (n.in.ok()) out.push_back({result, reason});
  }
  return out;
}

std::optional<Call> parse_call(const Header& h, Bytes fragment) {
  Numbers n(fragment.first(std::min<std::size_t>(fragment.size(), h.frag_length)), h.little);
  n.in.skip(header_octets);
  Call c;
  if (h.type == request) {
    n.in.skip(4);  // allocation hint
    c.context = n.u16();
    c.opnum = n.u16();
  }
  if (!n.in.ok()) return std::nullopt;
  c.stub = n.in.rest();
  return c;
}

std::optional<Datagram> parse_datagram(Bytes o) {
  if (o.size() < cl_header_octets || o[0] != 4 || o[1] > orphaned || (o[4] >> 4) > 1 ||
      (o[4] & 0xf) > 1 || o[5] > 3)
    return std::nullopt;
  Datagram d;
  d.type = o[1];
  d.flags = o[2];
  d.little = (o[4] & 0x10) != 0;
  Numbers n(o, d.little);
  n.in.skip(8);
  d.object = n.uuid();
  d.interface = n.uuid();
  const auto activity = n.in.bytes(16);
  std::copy(activity.begin(), activity.end(), d.activity.begin());
  n.in.skip(4);  // server boot
  d.interface_version = n.u32();
  d.sequence = n.u32();
  d.opnum = n.u16();
  n.in.skip(4);  // hints
  const auto length = n.u16();
  d.fragment = n.u16();
  n.in.skip(2);
  if (!n.in.ok() || length > n.in.left()) return std::nullopt;
  d.stub = n.in.bytes(length);
  return d;
}

std::string uuid_text(const std::array<std::uint8_t, 16>& uuid) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[uuid[i] >> 4];
    out += digits[uuid[i] & 15];
  }
  return out;
}

std::string wire_uuid_text(std::array<std::uint8_t, 16> uuid) {
  std::reverse(uuid.begin(), uuid.begin() + 4);
  std::reverse(uuid.begin() + 4, uuid.begin() + 6);
  std::reverse(uuid.begin() + 6, uuid.begin() + 8);
  return uuid_text(uuid);
}

}  // namespace ww::dcerpc
