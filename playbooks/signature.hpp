#pragma once
/// JSON signatures (`jss`) of CACAO: made over the RFC 8785 text of the document with this one
/// signature in it, without its value.
#include <boost/json/object.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::playbooks {

/// Public keys that a site trusts, by the SHA-256 of their SubjectPublicKeyInfo.
class TrustedKeys {
 public:
  TrustedKeys();
  ~TrustedKeys();
  TrustedKeys(TrustedKeys&&) noexcept;
  TrustedKeys& operator=(TrustedKeys&&) noexcept;
  /// Takes every public key and certificate of a PEM text.
  [[nodiscard]] Result<std::size_t, std::string> add_pem(std::string_view pem);
  [[nodiscard]] bool contains(std::string_view key_sha256) const;
  [[nodiscard]] std::size_t size() const;

 private:
  friend struct KeyFinder;
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

struct SignatureCheck {
  std::string id, signee, algorithm, created;
  std::string key_sha256;  ///< lower-case hex; empty when there is no key to check with
  bool valid = false;      ///< the octets were signed by that key
  bool trusted = false;    ///< and the key is one of ours, the signature is in force
  std::string why;         ///< when it is not valid or not trusted
};

/// All signatures of a document (a playbook, an allow-list). Untrusted.
/// @param bound  related_to and related_version must name this document's `id` and `modified`
[[nodiscard]] std::vector<SignatureCheck> verify_signatures(const boost::json::object& document,
                                                            const TrustedKeys& keys, Timestamp now,
                                                            bool bound = true);

/// Adds a signature with a private key (PEM, unencrypted): Ed25519, Ed448, EC or RSA.
[[nodiscard]] Result<boost::json::object, std::string> sign_document(
    const boost::json::object& document, std::string_view private_key_pem, std::string_view signee,
    Timestamp now);

}  // namespace ww::playbooks
