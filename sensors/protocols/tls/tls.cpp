#include "sensors/protocols/tls/tls.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ww::tls {
namespace {

constexpr std::size_t max_list = 512;  // ciphers, extensions, groups: more than any real hello
constexpr std::size_t max_alpn = 64;

// Reads a vector of 16-bit values with a length of `length` octets.
void read_u16s(ByteReader& in, std::size_t octets, std::vector<std::uint16_t>& out) {
  auto list = ByteReader(in.bytes(octets));
  while (list.left() >= 2 && out.size() < max_list) out.push_back(list.u16be());
}

/// The first thing wrong is what is told.
void set(Errc& error, Errc what) {
  if (error == Errc::none) error = what;
}

void read_sni(ByteReader ext, Hello& h, Errc& error) {
  if (ext.empty()) return;  // a server's answer
  ext.skip(2);              // length of a list that never holds more than one name
  const auto type = ext.u8();
  if (!ext.ok()) return set(error, Errc::bad_extensions);
  if (type != 0) return set(error, Errc::bad_sni_type);
  const std::size_t length = ext.u16be();
  if (!ext.ok()) return set(error, Errc::bad_extensions);
  constexpr std::size_t longest_name = 255;
  if (length == 0 || length > ext.left() || length > longest_name)
    return set(error, Errc::bad_sni_length);
  if (!h.sni.empty()) return set(error, Errc::multiple_sni);
  h.sni = ext.text(length);
}

void read_extension(std::uint16_t type, Bytes data, Hello& h, Errc& error) {
  ByteReader in(data);
  switch (type) {
    case 0:
      read_sni(in, h, error);
      break;
    case 10:
      read_u16s(in, in.u16be(), h.groups);
      break;
    case 11: {
      const auto formats = in.bytes(in.u8());
      h.point_formats.assign(formats.begin(), formats.end());
      break;
    }
    case 13:
      read_u16s(in, in.u16be(), h.signature_algorithms);
      break;
    case 16: {
      ByteReader list(in.bytes(in.u16be()));
      while (!list.empty() && h.alpn.size() < max_alpn) {
        const auto name = list.text(list.u8());
        if (!list.ok()) break;
        h.alpn.emplace_back(name);
      }
      break;
    }
    case 35:
      h.session_ticket = h.client;
      break;
    case 42:
      h.early_data = true;
      break;
    case 43:
      if (h.client) {
        read_u16s(in, in.u8(), h.versions);
        // The client's first choice is its best one; a server picks another in its own hello.
        for (const auto v : h.versions)
          if (!is_grease(v) && version_known(v)) {
            h.version = v;
            break;
          }
      } else {
        h.version = in.u16be();
      }
      break;
    default:
      break;
  }
  if (!in.ok() && !data.empty()) set(error, Errc::bad_extensions);
}

}  // namespace

bool version_known(std::uint16_t v) {
  return v == version::ssl2 || (v >= version::ssl3 && v <= version::tls13) || (v >> 8) == 0x7f ||
         (v >> 8) == 0xfb;
}

std::string version_text(std::uint16_t v) {
  switch (v) {
    case version::ssl2:
      return "SSLv2";
    case version::ssl3:
      return "SSLv3";
    case version::tls10:
      return "TLSv1";
    case version::tls11:
      return "TLS 1.1";
    case version::tls12:
      return "TLS 1.2";
    case version::tls13:
      return "TLS 1.3";
    default:
      break;
  }
  if ((v >> 8) == 0x7f) return fmt::format("TLS 1.3 draft-{:02}", v & 0xff);
  if (v == 0xfb17) return "TLS 1.3 draft-23 (FB)";
  if (v == 0xfb1a) return "TLS 1.3 draft-26 (FB)";
  return "UNDETERMINED";
}

Hello parse_hello(Bytes body, bool client, Errc& error) {
  error = Errc::none;
  Hello h;
  h.client = client;
  ByteReader in(body);
  h.legacy_version = h.version = in.u16be();
  h.random = in.text(32);
  const std::size_t session = in.u8();
  h.session_id = in.text(session);
  if (client) {
    const std::size_t ciphers = in.u16be();
    if (ciphers > in.left() || ciphers % 2 != 0) {
      error = Errc::truncated;
      return h;
    }
    read_u16s(in, ciphers, h.ciphers);
    in.skip(in.u8());
  } else {
    h.ciphers.push_back(in.u16be());
    in.u8();
  }
  if (!in.ok()) {
    error = Errc::truncated;
    return h;
  }
  if (in.empty()) return h;
  const std::size_t total = in.u16be();
  if (!in.ok() || total > in.left()) {
    set(error, Errc::bad_extensions);
    return h;
  }
  ByteReader extensions(in.bytes(total));
  while (!extensions.empty()) {
    const auto type = extensions.u16be();
    const auto data = extensions.bytes(extensions.u16be());
    if (!extensions.ok()) {
      set(error, Errc::bad_extensions);
      break;
    }
    if (h.extensions.size() < max_list) h.extensions.push_back(type);
    read_extension(type, data, h, error);
  }
  return h;
}

std::optional<Hello> parse_ssl2_hello(Bytes record) {
  ByteReader in(record);
  if (in.u8() != 1) return {};
  Hello h;
  h.legacy_version = h.version = in.u16be();
  const std::size_t ciphers = in.u16be(), session = in.u16be(), challenge = in.u16be();
  if (!in.ok() || ciphers % 3 != 0 || ciphers + session + challenge > in.left()) return {};
  auto specs = ByteReader(in.bytes(ciphers));
  while (specs.left() >= 3 && h.ciphers.size() < max_list) {
    const auto kind = specs.u8();
    const auto value = specs.u16be();
    if (kind == 0) h.ciphers.push_back(value);
  }
  h.session_id = in.text(session);
  return h;
}

std::optional<std::vector<Bytes>> parse_certificates(Bytes body, bool tls13) {
  constexpr std::size_t max_chain = 64;
  ByteReader in(body);
  if (tls13) in.skip(in.u8());
  const std::size_t total = in.u24be();
  if (!in.ok() || total > in.left()) return {};
  ByteReader list(in.bytes(total));
  std::vector<Bytes> out;
  while (!list.empty() && out.size() < max_chain) {
    const auto der = list.bytes(list.u24be());
    if (tls13) list.skip(list.u16be());
    if (!list.ok()) return {};
    if (!der.empty()) out.push_back(der);
  }
  return out;
}

}  // namespace ww::tls
