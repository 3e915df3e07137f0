/// What the security blobs of a session setup carry: NTLMSSP (MS-NLMP 2.2.1.3) and Kerberos.
#include <algorithm>
#include <cstdio>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {
namespace {

constexpr std::size_t max_names = 16;

/// One DER element (X.690 8.1): its tag and contents; moves past it.
struct Element {
  std::uint8_t tag = 0;
  Bytes content;
};
std::optional<Element> next(Bytes& rest) {
  ByteReader in(rest);
  Element e;
  e.tag = in.u8();
  std::size_t length = in.u8();
  if ((length & 0x80) != 0) {
    auto octets = length & 0x7f;
    if (octets == 0 || octets > 4) return std::nullopt;
    length = 0;
    while (octets-- > 0) length = length << 8 | in.u8();
  }
  if (!in.ok()) return std::nullopt;
  // A blob may be cut by the record it came in: what is there can be read.
  e.content = in.rest().first(std::min(length, in.left()));
  rest = in.rest().subspan(e.content.size());
  return e;
}
/// Contents of the element with that tag among the elements of `in`.
Bytes child(Bytes in, std::uint8_t tag) {
  while (!in.empty()) {
    const auto e = next(in);
    if (!e) return {};
    if (e->tag == tag) return e->content;
  }
  return {};
}

}  // namespace

std::optional<Ntlmssp> find_ntlmssp(Bytes blob, bool& malformed) {
  static constexpr std::string_view mark("NTLMSSP\0", 8);
  const auto at = as_text(blob).find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto m = blob.subspan(at);
  if (m.size() < 12) {
    malformed = true;
    return std::nullopt;
  }
  if (load_le32(m.data() + 8) != 3) return std::nullopt;
  if (m.size() < 64) {
    malformed = true;
    return std::nullopt;
  }
  const auto flags = load_le32(m.data() + 60);
  const auto field = [&](std::size_t where) {
    const std::size_t length = load_le16(m.data() + where),
                      offset = load_le32(m.data() + where + 4);
    if (offset > m.size() || length > m.size() - offset) {
      malformed = malformed || length > 0;
      return std::string();
    }
    const auto octets = m.subspan(offset, length);
    return (flags & 1) != 0 ? narrow(octets) : std::string(as_text(octets));
  };
  Ntlmssp out{field(28), field(36), field(44), {}};
  if ((flags & 0x02000000) != 0 && m.size() >= 72) {
    char version[48];
    std::snprintf(version, sizeof version, "%u.%u build %u rev %u", m[64], m[65],
                  load_le16(m.data() + 66), m[71]);
    out.version = version;
  }
  return out;
}

std::optional<Kerberos> find_kerberos(Bytes blob) {
  // Object identifier 1.2.840.113554.1.2.2, then the token's kind: AP-REQ.
  static constexpr std::string_view mark("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00",
                                         13);
  const auto at = as_text(blob).find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  constexpr std::uint8_t sequence = 0x30, string = 0x1b;
  const auto request = child(child(blob.subspan(at + mark.size()), 0x6e), sequence);
  const auto ticket = child(child(child(request, 0xa3), 0x61), sequence);
  if (ticket.empty()) return std::nullopt;
  Kerberos out;
  out.realm = as_text(child(child(ticket, 0xa1), string));
  auto names = child(child(child(child(ticket, 0xa2), sequence), 0xa1), sequence);
  while (!names.empty() && out.names.size() < max_names) {
    const auto e = next(names);
    if (!e) break;
    if (e->tag == string) out.names.emplace_back(as_text(e->content));
  }
  return out;
}

}  // namespace ww::sensor::smb
