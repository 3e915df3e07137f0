/// JA3, JA3S (Salesforce's published method) and JA4 (FoxIO's published method for TLS clients).
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

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
    if (!first) out += '-';
    first = false;
    fmt::format_to(std::back_inserter(out), "{}", v);
  }
}

std::string digest_hex(std::string_view text, const EVP_MD* kind) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  std::string out;
  if (EVP_Digest(text.data(), text.size(), digest, &length, kind, nullptr) == 1)
    append_hex(out, Bytes(digest, length));
  return out;
}

std::string hash12(const std::string& text) {
  return text.empty() ? "000000000000" : digest_hex(text, EVP_sha256()).substr(0, 12);
}

std::string hex_list(const std::vector<std::uint16_t>& values) {
  std::string out;
  for (const auto v : values)
    fmt::format_to(std::back_inserter(out), "{}{:04x}", out.empty() ? "" : ",", v);
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

std::string md5_hex(std::string_view text) { return digest_hex(text, EVP_md5()); }

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
