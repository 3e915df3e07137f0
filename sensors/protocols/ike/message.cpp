#include "sensors/protocols/ike/message.hpp"

#include <algorithm>

#include "telemetry/json_writer.hpp"

namespace ww::ike {
namespace {

constexpr std::size_t max_transforms = 256, max_attributes = 64, max_vendors = 64;

namespace payload1 {
constexpr std::uint8_t sa = 1, proposal = 2, transform = 3, key_exchange = 4, nonce = 10,
                       vendor = 13;
}

std::string hex(Bytes octets) {
  std::string out;
  append_hex(out, octets);
  return out;
}

/// Walks generic payloads (RFC 2408 3.2); an SA holds proposals, which hold transforms.
class Walker {
 public:
  explicit Walker(Message1& m) : m_(m) {}

  /// @return  octets behind the last whole payload
  std::size_t list(std::uint8_t type, Bytes in, int depth) {
    while (in.size() >= 4 && budget_-- > 0) {
      const auto next = in[0];
      const std::size_t length = load_be16(in.data() + 2);
      if (length > in.size()) break;
      const auto taken = std::max<std::size_t>(length, 4);
      payload(type, in.subspan(4, taken - 4), depth);
      type = next;
      in = in.subspan(taken);
    }
    return in.size();
  }
  [[nodiscard]] bool good() const { return good_; }

 private:
  void payload(std::uint8_t type, Bytes data, int depth) {
    if (std::find(m_.payloads.begin(), m_.payloads.end(), type) == m_.payloads.end())
      m_.payloads.push_back(type);
    ByteReader in(data);
    switch (type) {
      case payload1::sa:
        if (depth > 0) return;
        m_.doi = in.u32be();
        if (!in.ok()) good_ = false;
        if (m_.doi != 1) return;  // IPsec
        in.skip(4);               // situation
        if (!in.ok()) good_ = false;
        list(payload1::proposal, in.rest(), depth + 1);
        return;
      case payload1::proposal: {
        if (depth > 1) return;
        in.skip(2);
        const auto spi = in.u8();
        in.skip(1 + std::size_t{spi});
        if (!in.ok()) good_ = false;
        list(payload1::transform, in.rest(), depth + 1);
        return;
      }
      case payload1::transform:
        in.skip(4);
        if (in.ok() && m_.transforms.size() < max_transforms)
          m_.transforms.push_back(attributes(in));
        return;
      case payload1::key_exchange:
        m_.key_exchange = as_text(data);
        return;
      case payload1::nonce:
        m_.nonce = as_text(data);
        return;
      case payload1::vendor:
        if (m_.vendors.size() < max_vendors) m_.vendors.push_back(hex(data));
        return;
      default:
        return;
    }
  }

  static Transform attributes(ByteReader& in) {
    Transform out;
    while (in.left() >= 4 && out.size() < max_attributes) {
      const auto head = in.u16be(), value = in.u16be();
      Attribute a;
      a.type = head & 0x7fff;
      if ((head & 0x8000) != 0) {
        a.number = value;
      } else if (value == 4) {
        a.number = in.u32be();
      } else {
        a.hex = hex(in.bytes(value));
      }
      if (!in.ok()) break;
      out.push_back(std::move(a));
    }
    return out;
  }

  Message1& m_;
  int budget_ = max_payloads;
  bool good_ = true;
};

bool proposals2(ByteReader in, Message2& out) {
  int budget = max_payloads;
  while (!in.empty() && budget-- > 0) {
    in.skip(2);
    const std::size_t length = in.u16be();
    if (!in.ok() || length < 8 || length - 4 > in.left()) return false;
    ByteReader body(in.bytes(length - 4));
    Proposal2 p;
    body.skip(1);
    p.protocol = body.u8();
    const auto spi = body.u8();
    body.skip(1 + std::size_t{spi});
    while (body.ok() && !body.empty() && p.transforms.size() < max_transforms) {
      body.skip(2);
      const std::size_t size = body.u16be();
      Transform2 t;
      t.kind = body.u8();
      body.skip(1);
      t.id = body.u16be();
      if (size < 8) return false;
      body.skip(size - 8);
      if (body.ok()) p.transforms.push_back(t);
    }
    if (!body.ok()) return false;
    out.proposals.push_back(std::move(p));
  }
  return true;
}

}  // namespace

std::optional<Header> parse_header(Bytes octets) {
  ByteReader in(octets);
  Header h;
  h.init_spi = in.u64be();
  h.resp_spi = in.u64be();
  h.next_payload = in.u8();
  const auto version = in.u8();
  h.major = version >> 4;
  h.minor = version & 15;
  h.exchange = in.u8();
  h.flags = in.u8();
  h.message_id = in.u32be();
  h.length = in.u32be();
  return in.ok() ? std::optional(h) : std::nullopt;
}

bool parse_message1(const Header& header, Bytes body, Message1& out) {
  out.payloads.push_back(header.next_payload);
  Walker walker(out);
  out.extra_data = walker.list(header.next_payload, body, 0) > 0;
  return walker.good();
}

bool parse_message2(const Header& header, Bytes body, Message2& out) {
  auto type = header.next_payload;
  out.payloads.push_back(type);
  ByteReader in(body);
  for (int budget = max_payloads; type != 0 && !in.empty() && budget > 0; --budget) {
    const auto next = in.u8();
    in.skip(1);
    const std::size_t length = in.u16be();
    if (!in.ok() || length < 4 || length - 4 > in.left()) return false;
    ByteReader data(in.bytes(length - 4));
    out.payloads.push_back(next);
    if (type == 33 && !proposals2(data, out)) return false;
    if (type == 41) {
      data.skip(2);
      const auto kind = data.u16be();
      if (!data.ok()) return false;
      out.notifications.push_back(kind);
    }
    if (type == 46 || type == 53) break;  // encrypted: the next payload is inside
    type = next;
  }
  return true;
}

}  // namespace ww::ike
