/// Keys of Initial packets (RFC 9001 section 5, RFC 9369 section 3.3): anyone on the path can make
/// them.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>

#include "sensors/protocols/quic/quic.hpp"

namespace ww::quic {
namespace {

using Salt = std::array<std::uint8_t, 20>;
using Secret = std::array<std::uint8_t, 32>;
constexpr std::size_t tag_octets = 16, sample_octets = 16, max_number_octets = 4;

const Salt* salt_of(std::uint32_t v) {
  static constexpr Salt v1{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                           0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
  static constexpr Salt v2{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
                           0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
  static constexpr Salt draft29{0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
                                0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};
  static constexpr Salt draft23{0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
                                0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02};
  static constexpr Salt google50{0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94,
                                 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3, 0xb5, 0x6b, 0x45};
  const auto draft = v - 0xff000000U;
  if (v == version::v1 || draft == 33 || draft == 34) return &v1;
  if (v == version::v2) return &v2;
  if (v == version::q050) return &google50;
  if (draft >= 29 && draft <= 32) return &draft29;
  if ((draft >= 23 && draft <= 28) || v == 0xfaceb002) return &draft23;
  return nullptr;
}

Secret hmac(Bytes key, Bytes data) {
  Secret out{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data.data(), data.size(), out.data(),
       &length);
  return out;
}

/// HKDF-Expand-Label of RFC 8446 section 7.1 with no context, at most one hash long.
template <std::size_t N>
std::array<std::uint8_t, N> expand(const Secret& secret, std::string_view label) {
  static_assert(N <= 32);
  std::string info{'\0', static_cast<char>(N)};
  info += static_cast<char>(6 + label.size());
  info += "tls13 ";
  info += label;
  info += '\0';  // context length
  info += '\1';  // first block
  const auto block = hmac(secret, as_bytes(info));
  std::array<std::uint8_t, N> out{};
  std::copy_n(block.begin(), N, out.begin());
  return out;
}

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
};
EVP_CIPHER_CTX* cipher() {
  thread_local const std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter> context(EVP_CIPHER_CTX_new());
  if (context) EVP_CIPHER_CTX_reset(context.get());
  return context.get();
}

bool mask_of(const Keys& keys, Bytes sample, std::array<std::uint8_t, 16>& mask) {
  auto* c = cipher();
  int n = 0;
  return c != nullptr &&
         EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), nullptr, keys.header.data(), nullptr) == 1 &&
         EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
         EVP_EncryptUpdate(c, mask.data(), &n, sample.data(), sample_octets) == 1 && n == 16;
}

}  // namespace

std::optional<InitialKeys> initial_keys(std::uint32_t version, Bytes dcid) {
  const auto* salt = salt_of(version);
  if (salt == nullptr) return {};
  const bool second = version == version::v2;
  const auto initial = hmac(*salt, dcid);
  InitialKeys out;
  for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
    const auto secret = expand<32>(initial, side == 0 ? "client in" : "server in");
    out.side[side].key = expand<16>(secret, second ? "quicv2 key" : "quic key");
    out.side[side].iv = expand<12>(secret, second ? "quicv2 iv" : "quic iv");
    out.side[side].header = expand<16>(secret, second ? "quicv2 hp" : "quic hp");
  }
  return out;
}

std::optional<std::string> open_packet(const Keys& keys, Bytes packet, std::size_t header_length) {
  if (packet.size() < header_length + max_number_octets + sample_octets) return {};
  std::array<std::uint8_t, 16> mask{};
  if (!mask_of(keys, packet.subspan(header_length + max_number_octets, sample_octets), mask))
    return {};
  std::string header(as_text(packet.first(header_length + max_number_octets)));
  header[0] = static_cast<char>(header[0] ^ (mask[0] & (packet[0] & 0x80 ? 0x0f : 0x1f)));
  const std::size_t number_octets = (static_cast<std::uint8_t>(header[0]) & 3U) + 1;
  header.resize(header_length + number_octets);
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < number_octets; ++i) {
    auto& octet = header[header_length + i];
    octet = static_cast<char>(octet ^ mask[1 + i]);
    number = number << 8 | static_cast<std::uint8_t>(octet);
  }
  const auto body = packet.subspan(header.size());
  if (body.size() < tag_octets) return {};
  const auto sealed = body.first(body.size() - tag_octets);
  auto iv = keys.iv;
  for (std::size_t i = 0; i < 4; ++i)
    iv[11 - i] = static_cast<std::uint8_t>(iv[11 - i] ^ (number >> (8 * i)));
  std::array<std::uint8_t, tag_octets> tag{};
  std::copy_n(body.last(tag_octets).begin(), tag_octets, tag.begin());
  std::string plain(sealed.size(), '\0');
  auto* c = cipher();
  int n = 0;
  if (c == nullptr ||
      EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), nullptr, keys.key.data(), iv.data()) != 1 ||
      EVP_DecryptUpdate(c, nullptr, &n, as_bytes(header).data(), static_cast<int>(header.size())) !=
          1 ||
      EVP_DecryptUpdate(c, reinterpret_cast<unsigned char*>(plain.data()), &n, sealed.data(),
                        static_cast<int>(sealed.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, tag_octets, tag.data()) != 1)
    return {};
  unsigned char none[16];
  if (EVP_DecryptFinal_ex(c, none, &n) != 1) return {};
  return plain;
}

}  // namespace ww::quic
