/// Old friends that look inside a payload: rpc, asn1, ftpbounce; and the tunnel's vxlan_vni.
#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

// --------------------------------------------------------------------------- rpc

/// ONC RPC call header (RFC 5531); over TCP a record mark of 4 octets comes first.
bool rpc_test(const PacketTest& t, MatchServices& m) {
  const auto& p = *m.packet;
  auto in = p.payload;
  if (p.ip_proto == 6) {
    if (in.size() < 28) return false;
    in = in.subspan(4);
  } else if (p.ip_proto != 17 || in.size() < 24) {
    return false;
  }
  if (load_be32(in.data() + 4) != 0) return false;  // a call
  const auto program = load_be32(in.data() + 12), version = load_be32(in.data() + 16),
             procedure = load_be32(in.data() + 20);
  const auto* want = static_cast<const std::array<std::optional<std::uint32_t>, 3>*>(t.data.get());
  return program == *(*want)[0] && (!(*want)[1] || version == *(*want)[1]) &&
         (!(*want)[2] || procedure == *(*want)[2]);
}
Status rpc(RuleBuilder& b, const Option& o, const Keyword&) {
  auto want = std::make_shared<std::array<std::optional<std::uint32_t>, 3>>();
  const auto parts = split_list(o.value);
  if (parts.size() > 3) return bad("needs program,version,procedure");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "*" && i > 0) continue;
    const auto v = parse_unsigned(parts[i]);
    if (!v || *v > UINT32_MAX) return bad("'" + std::string(parts[i]) + "' is not a number");
    (*want)[i] = static_cast<std::uint32_t>(*v);
  }
  PacketTest t;
  t.test = &rpc_test;
  t.data = want;
  b.test(std::move(t));
  return {};
}

// --------------------------------------------------------------------------- asn1

struct Asn1Spec {
  bool bitstring_overflow = false, double_overflow = false, relative = false;
  std::optional<std::uint64_t> oversize;
  std::int64_t offset = 0;
};
constexpr int max_depth = 16, max_elements = 256;

/// Walks BER and tells whether an element is what the rule looks for.
bool walk(const Asn1Spec& spec, Bytes in, int depth, int& budget) {
  while (in.size() >= 2 && budget-- > 0) {
    const auto id = in[0];
    std::size_t at = 1;
    if ((id & 0x1f) == 0x1f) {
      while (at < in.size() && (in[at] & 0x80) != 0) ++at;
      ++at;  // the number's last octet
    }
    if (at >= in.size()) return false;
    std::uint64_t length = in[at++];
    bool indefinite = false;
    if (length == 0x80) {
      indefinite = true;
    } else if (length & 0x80) {
      auto n = length & 0x7f;
      if (n > 8 || at + n > in.size()) return spec.oversize && n > 8;
      length = 0;
      while (n--) length = length << 8 | in[at++];
    }
    if (spec.oversize && !indefinite && length > *spec.oversize) return true;
    const auto left = in.size() - at;
    const auto take =
        indefinite ? left : static_cast<std::size_t>(std::min<std::uint64_t>(length, left));
    const auto content = in.subspan(at, take);
    const bool universal = (id & 0xc0) == 0, constructed = (id & 0x20) != 0;
    if (universal && !constructed && (id & 0x1f) == 3 && spec.bitstring_overflow &&
        !content.empty() && content[0] > 0 && (length <= 1 || (length - 1) * 8 < content[0]))
      return true;
    if (universal && !constructed && (id & 0x1f) == 9 && spec.double_overflow && length > 256 &&
        !content.empty() && (content[0] & 0xc0) == 0)
      return true;
    if (constructed && depth < max_depth && walk(spec, content, depth + 1, budget)) return true;
    in = in.subspan(at + take);
  }
  return false;
}
bool asn1_check(const BufferCheckOp& op, Bytes data, std::size_t at, const Packet*) {
  Asn1Spec spec;
  spec.bitstring_overflow = op.b & 1;
  spec.double_overflow = op.b & 2;
  if (op.b & 4) spec.oversize = op.b >> 8;
  const auto start = static_cast<std::int64_t>(op.c ? at : 0) + static_cast<std::int64_t>(op.a);
  if (start < 0 || start >= static_cast<std::int64_t>(data.size())) return false;
  int budget = max_elements;
  return walk(spec, data.subspan(static_cast<std::size_t>(start)), 0, budget);
}
Status asn1(RuleBuilder& b, const Option& o, const Keyword&) {
  BufferCheckOp op;
  op.check = &asn1_check;
  for (const auto part : split_list(o.value)) {
    const auto words = split_words(part);
    if (words.empty()) return bad("an empty part");
    const auto number = [&]() -> std::optional<std::int64_t> {
      return words.size() == 2 ? parse_integer(words[1]) : std::nullopt;
    };
    if (words[0] == "bitstring_overflow")
      op.b |= 1;
    else if (words[0] == "double_overflow")
      op.b |= 2;
    else if (words[0] == "oversize_length") {
      const auto n = number();
      if (!n || *n < 0) return bad("oversize_length needs a number");
      op.b |= 4 | static_cast<std::uint64_t>(*n) << 8;
    } else if (words[0] == "absolute_offset" || words[0] == "relative_offset") {
      const auto n = number();
      if (!n) return bad(std::string(words[0]) + " needs a number");
      op.a = static_cast<std::uint64_t>(*n);
      op.c = words[0] == "relative_offset";
    } else {
      return bad("unknown part '" + std::string(words[0]) + "'");
    }
  }
  b.add(op);
  return {};
}

// --------------------------------------------------------------------------- ftpbounce

/// A PORT command (RFC 959) whose address is not the sender's.
bool bounce(const BufferCheckOp&, Bytes data, std::size_t, const Packet* packet) {
  if (!packet || packet->src.family != 4) return false;
  const auto text = as_text(data);
  for (std::size_t i = 0; i + 5 < text.size(); ++i) {
    if ((i > 0 && text[i - 1] != '\n') || !iequals(text.substr(i, 5), "PORT ")) continue;
    const auto parts = split_list(text.substr(i + 5, text.find_first_of("\r\n", i) - i - 5));
    if (parts.size() < 4) return false;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto n = parse_unsigned(parts[k]);
      if (!n || *n > 255) return false;
      if (*n != packet->src.octets[k]) return true;
    }
  }
  return false;
}
Status ftpbounce(RuleBuilder& b, const Option&, const Keyword&) {
  BufferCheckOp op;
  op.check = &bounce;
  b.add(op);
  return {};
}

// --------------------------------------------------------------------------- vxlan

/// VNI of the innermost VXLAN header (RFC 7348) around the packet: its carrier's UDP payload begins
/// with flags, 24 reserved bits and the identifier.
std::optional<std::uint64_t> vni(const Packet& p) {
  for (const auto* q = &p; q != nullptr; q = q->outer)
    if (q->origin == PacketOrigin::vxlan && q->outer != nullptr && q->outer->payload.size() >= 8)
      return load_be32(q->outer->payload.data() + 4) >> 8;
  return std::nullopt;
}
Status vxlan_vni(RuleBuilder& b, const Option& o, const Keyword&) {
  auto t = parse_number_test(o.value, 0xffffff);
  if (!t) return bad(t.error());
  PacketTest test;
  test.number = *t;
  test.test = [](const PacketTest& x, MatchServices& m) {
    const auto v = m.packet->tunnel_depth ? vni(*m.packet) : std::nullopt;
    return v && x.number.test(*v);
  };
  b.test(std::move(test));
  return {};
}

const KeywordRegistration registration{{
    {.name = "rpc",
     .group = "payload",
     .summary = "an ONC RPC call by program, version, procedure",
     .example = "rpc:100000,*,3;",
     .setup = &rpc},
    {.name = "asn1",
     .group = "payload",
     .summary = "malformed BER elements",
     .example = "asn1:bitstring_overflow, oversize_length 500, relative_offset 5;",
     .setup = &asn1},
    {.name = "ftpbounce",
     .group = "ftp",
     .summary = "a PORT command to a third host",
     .example = "ftpbounce;",
     .value = Keyword::Value::none,
     .setup = &ftpbounce},
    {.name = "vxlan_vni",
     .aliases = {"vxlan.vni"},
     .group = "packet",
     .summary = "VXLAN network identifier around the packet",
     .example = "vxlan_vni:10;",
     .setup = &vxlan_vni},
}};

}  // namespace
}  // namespace ww::sig
