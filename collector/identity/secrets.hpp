#pragma once
/// Random secrets, their digests, and password hashes.
#include <cstddef>
#include <string>
#include <string_view>

namespace ww::collector {

/// `octets` from the system's generator as base64url without padding. Ends the process when there
/// is no randomness.
[[nodiscard]] std::string random_secret(std::size_t octets = 32);
/// Lower-case hex of SHA-256. Enough for secrets of 256 random bits: there is nothing to guess.
[[nodiscard]] std::string sha256_hex(std::string_view text);
/// scrypt (RFC 7914), N = 2^15, r = 8, p = 1: about 32 MiB and 60 ms. Text form
/// "scrypt$15$8$1$SALT$KEY".
[[nodiscard]] std::string hash_password(std::string_view password);
/// False for a wrong password and for a text that is no hash. Same time either way.
[[nodiscard]] bool verify_password(std::string_view password, std::string_view hash);
/// In time that depends on the lengths alone.
[[nodiscard]] bool same_secret(std::string_view a, std::string_view b);

}  // namespace ww::collector
