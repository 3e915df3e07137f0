#include <fmt/format.h>

#include "sensors/protocols/quic/quic.hpp"

namespace ww::quic {
namespace {

/// Public flags of gQUIC up to Q043.
namespace flag {
constexpr std::uint8_t long_form = 0x80, fixed = 0x40, connection_id = 0x08, nonce = 0x04,
                       version = 0x01;
}

/// RFC 9000 section 16.
std::uint64_t variable(ByteReader& in) {
  const std::uint8_t first = in.u8();
  std::uint64_t v = first & 0x3f;
  for (int more = (1 << (first >> 6)) - 1; more > 0; --more) v = v << 8 | in.u8();
  return v;
}

std::optional<Header> finish(ByteReader& in, Header h, std::size_t payload) {
  if (!in.ok() || payload > in.left() || payload > 65535) return {};
  h.length = in.offset();
  h.payload = payload;
  return h;
}

std::optional<Header> public_header(ByteReader& in, std::uint8_t flags) {
  Header h;
  if (flags & flag::connection_id)
    h.dcid = in.bytes(8);
  else if (flags & flag::nonce)
    in.skip(32);
  if (flags & flag::version) {
    h.type = PacketType::initial;
    h.version_octets = in.bytes(4);
    if (in.ok()) h.version = load_be32(h.version_octets.data());
  }
  static constexpr std::size_t number_octets[] = {1, 2, 4, 6};
  in.skip(number_octets[(flags >> 4) & 3]);
  if (flags & flag::connection_id) in.skip(12);  // message authentication hash
  return finish(in, h, in.left());
}

std::optional<PacketType> long_type(std::uint32_t v, std::uint8_t first) {
  using enum PacketType;
  if (v == 0) return version_negotiation;
  if (is_plain(v) && v != version::q046) {
    switch (first & 0x7f) {
      case 0x7f:
        return initial;
      case 0x7e:
        return retry;
      case 0x7d:
        return handshake;
      case 0x7c:
        return zero_rtt;
      default:
        return {};
    }
  }
  static constexpr PacketType v1_types[] = {initial, zero_rtt, handshake, retry};
  static constexpr PacketType v2_types[] = {retry, initial, zero_rtt, handshake};
  return (v == version::v2 ? v2_types : v1_types)[(first >> 4) & 3];
}

}  // namespace

std::string version_text(std::uint32_t v) {
  switch (v) {
    case version::q039:
      return "Q039";
    case version::q043:
      return "Q043";
    case version::q044:
      return "Q044";
    case version::q045:
      return "Q045";
    case version::q046:
      return "Q046";
    default:
      return fmt::format("{:x}", v);
  }
}

bool is_plain(std::uint32_t v) {
  return v == version::q039 || (v >= version::q043 && v <= version::q046);
}

std::optional<Header> parse_header(Bytes datagram) {
  ByteReader in(datagram);
  const auto first = in.u8();
  if (!in.ok()) return {};
  if ((first & flag::long_form) == 0) {
    if ((first & flag::fixed) == 0) return public_header(in, first);
    return finish(in, Header{}, in.left());
  }
  Header h;
  h.version_octets = in.bytes(4);
  if (!in.ok()) return {};
  h.version = load_be32(h.version_octets.data());
  const auto type = long_type(h.version, first);
  if (!type) return {};
  h.type = *type;
  if (is_plain(h.version)) {
    const std::uint8_t lengths = in.u8();
    const auto octets = [](unsigned n) { return n == 0 ? std::size_t{0} : std::size_t{n} + 3; };
    h.dcid = in.bytes(octets(lengths >> 4));
    in.skip(octets(lengths & 15));
    if (h.type == PacketType::initial) in.skip(4 + 12);  // packet number, authentication hash
    return finish(in, h, in.left());
  }
  h.dcid = in.bytes(in.u8());
  in.skip(in.u8());
  if (h.type == PacketType::initial) {
    const auto token = variable(in);
    if (token > in.left()) return {};
    in.skip(static_cast<std::size_t>(token));
  }
  if (h.type == PacketType::retry || h.type == PacketType::version_negotiation)
    return finish(in, h, in.left());
  ByteReader with_length = in;
  const auto length = variable(with_length);
  if (with_length.ok() && length <= with_length.left())
    return finish(with_length, h, static_cast<std::size_t>(length));
  // Of other packets only the version counts; a version may lay them out in its own way.
  if (h.type == PacketType::initial) return {};
  return finish(in, h, in.left());
}

}  // namespace ww::quic
