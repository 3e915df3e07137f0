#include "collector/identity/secrets.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "telemetry/json_writer.hpp"

namespace ww::collector {
namespace {

constexpr std::size_t key_octets = 32, salt_octets = 16;
constexpr unsigned log_n = 15, block = 8, parallel = 1;

std::string hex(const unsigned char* data, std::size_t n) {
  std::string out;
  append_hex(out, Bytes{data, n});
  return out;
}

std::string random_octets(std::size_t n) {
  std::string out(n, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n)) != 1) {
    std::fputs("the system gives no random numbers; cannot go on\n", stderr);
    std::abort();
  }
  return out;
}

std::string scrypt(std::string_view password, std::string_view salt) {
  std::array<unsigned char, key_octets> key{};
  if (EVP_PBE_scrypt(password.data(), password.size(),
                     reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                     std::uint64_t{1} << log_n, block, parallel, 64U << 20, key.data(),
                     key.size()) != 1)
    return {};
  return hex(key.data(), key.size());
}

}  // namespace

std::string random_secret(std::size_t octets) {
  std::string text;
  append_base64(text, as_bytes(random_octets(octets)));
  for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

std::string sha256_hex(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
  return hex(digest, length);
}

std::string hash_password(std::string_view password) {
  const auto salt = random_octets(salt_octets);
  const auto salt_hex = hex(reinterpret_cast<const unsigned char*>(salt.data()), salt.size());
  return "scrypt$15$8$1$" + salt_hex + "$" + scrypt(password, salt_hex);
}

bool verify_password(std::string_view password, std::string_view hash) {
  static constexpr std::string_view prefix = "scrypt$15$8$1$";
  const bool known = hash.size() == prefix.size() + 2 * salt_octets + 1 + 2 * key_octets &&
                     hash.starts_with(prefix);
  const auto salt = known ? hash.substr(prefix.size(), 2 * salt_octets)
                          : std::string_view("00000000000000000000000000000000");
  const auto key = scrypt(password, salt);  // also for an unknown user, so that time tells nothing
  return known && !key.empty() && same_secret(key, hash.substr(hash.size() - 2 * key_octets));
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace ww::collector
