#pragma once
/// Programs that a site signed: what may restore for us, and nothing else may.
#include <string>

namespace ww::drills {

/// Looks whether the program is the file that the site's key signed, and whether anybody but root
/// and this user could change it or a folder above it.
/// @param signature  file: Ed25519 over the octets, or RSA or EC with SHA-256
/// @param key        file: the site's public key or certificate, PEM
/// @return what is wrong, or ""
[[nodiscard]] std::string check_signed(const std::string& program, const std::string& signature,
                                       const std::string& key);

}  // namespace ww::drills
