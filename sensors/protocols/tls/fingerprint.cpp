/// JA3, JA3S (Salesforce's published method) and JA4 (FoxIO's published method for TLS clients).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "sensors/files/digest.hpp"
#include "sensors/protocols/tls/tls.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::tls {
namespace {

template <class Values>
void join(std::string& out, const Values& values) {
  bool first = true;
  for (const auto v : values) {
    if constexpr (sizeof v == 2)
      if (is_grease(v)) continue;
    char text[8] = {'-'};
    char* const begin = text + (first ? 1 : 0);
    first = false;
    out.append(begin, std::to_chars(text + 1, std::end(text), v).ptr);
  }
}

std::string digest_hex(std::string_view text, sensor::Digest::Kind kind) {
  sensor::Digest digest(kind);
  digest.update(as_bytes(text));
  return digest.finish();
}

std::string hash12(const std::string& text) {
  return text.empty() ? "000000000000"
                      : digest_hex(text, sensor::Digest::Kind::sha256).substr(0, 12);
}

std::string hex_list(const std::vector<std::uint16_t>& values) {
  std::string out;
  out.reserve(values.size() * 5);
  for (const auto v : values) {
    if (!out.empty()) out += ',';
    const std::uint8_t octets[] = {static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
    append_hex(out, octets);
  }
  return out;
}

std::string_view ja4_version(const Hello& h) {
  std::uint16_t best = 0;
  for (const auto v : h.versions)
    if (!is_grease(v)) best = std::max(best, v);
  if (best == 0) best = h.legacy_version;
  switch (best) {
    case version::tls13:
      return "13";
    case version::tls12:
      return "12";
    case version::tls11:
      return "11";
    case version::tls10:
      return "10";
    case version::ssl3:
      return "s3";
    case version::ssl2:
      return "s2";
    case 0xfeff:
      return "d1";
    case 0xfefd:
      return "d2";
    case 0xfefc:
      return "d3";
    default:
      return "00";
  }
}

bool alphanumeric(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string ja4_alpn(const Hello& h) {
  if (h.alpn.empty() || h.alpn.front().empty()) return "00";
  const auto& first = h.alpn.front();
  const auto a = static_cast<unsigned char>(first.front()),
             z = static_cast<unsigned char>(first.back());
  if (alphanumeric(a) && alphanumeric(z)) return {static_cast<char>(a), static_cast<char>(z)};
  return fmt::format("{:x}{:x}", a >> 4, z & 15);
}

}  // namespace

std::string md5_hex(std::string_view text) { return digest_hex(text, sensor::Digest::Kind::md5); }

std::string ja3_text(const Hello& h) {
  std::string out = fmt::format("{},", h.legacy_version);
  join(out, h.ciphers);
  out += ',';
  join(out, h.extensions);
  out += ',';
  join(out, h.groups);
  out += ',';
  join(out, h.point_formats);
  return out;
}

std::string ja3s_text(const Hello& h) {
  std::string out = fmt::format("{},", h.legacy_version);
  join(out, h.ciphers);
  out += ',';
  join(out, h.extensions);
  return out;
}

std::string ja4(const Hello& h, char transport) {
  std::vector<std::uint16_t> ciphers, extensions, algorithms;
  for (const auto c : h.ciphers)
    if (!is_grease(c)) ciphers.push_back(c);
  std::size_t extension_count = 0;
  bool sni = false;
  for (const auto e : h.extensions) {
    if (is_grease(e)) continue;
    ++extension_count;
    if (e == 0) sni = true;
    if (e != 0 && e != 16) extensions.push_back(e);
  }
  for (const auto a : h.signature_algorithms)
    if (!is_grease(a)) algorithms.push_back(a);
  std::string out = fmt::format("{}{}{}{:02}{:02}{}_", transport, ja4_version(h), sni ? 'd' : 'i',
                                std::min<std::size_t>(99, ciphers.size()),
                                std::min<std::size_t>(99, extension_count), ja4_alpn(h));
  std::sort(ciphers.begin(), ciphers.end());
  std::sort(extensions.begin(), extensions.end());
  out += hash12(hex_list(ciphers)) + '_';
  // The underscore stays when there are no signature algorithms, as Suricata writes it since 8.0.3.
  const std::string tail = hex_list(extensions) + '_' + hex_list(algorithms);
  out += extensions.empty() ? "000000000000" : hash12(tail);
  return out;
}

}  // namespace ww::tls
