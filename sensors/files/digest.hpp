#pragma once
/// Streaming MD5, SHA-1 and SHA-256 by OpenSSL.
#include <memory>
#include <string>

#include "telemetry/bytes.hpp"

struct evp_md_ctx_st;

namespace ww::sensor {

/// One running digest. Not thread-safe. A digest that OpenSSL refuses (FIPS mode and MD5) stays
/// inactive.
class Digest {
 public:
  enum class Kind : std::uint8_t { md5, sha1, sha256 };
  Digest() = default;
  explicit Digest(Kind kind);
  [[nodiscard]] bool active() const { return context_ != nullptr; }
  void update(Bytes data);
  /// Lower-case hex; the digest is inactive afterwards. Empty when it was inactive.
  [[nodiscard]] std::string finish();
  void drop() { context_.reset(); }

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace ww::sensor
