#include "sensors/files/digest.hpp"

#include <openssl/evp.h>

#include "telemetry/json_writer.hpp"

namespace ww::sensor {

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Digest::Digest(Kind kind) {
  // Fetched once: the implicit fetch of EVP_md5() costs more than hashing a small file.
  static EVP_MD* const methods[] = {EVP_MD_fetch(nullptr, "MD5", nullptr),
                                    EVP_MD_fetch(nullptr, "SHA1", nullptr),
                                    EVP_MD_fetch(nullptr, "SHA256", nullptr)};
  EVP_MD* method = methods[static_cast<std::size_t>(kind)];
  if (method == nullptr) return;
  context_.reset(EVP_MD_CTX_new());
  if (context_ && EVP_DigestInit_ex2(context_.get(), method, nullptr) != 1) context_.reset();
}

void Digest::update(Bytes data) {
  if (context_ && !data.empty()) EVP_DigestUpdate(context_.get(), data.data(), data.size());
}

std::string Digest::finish() {
  std::string out;
  if (!context_) return out;
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context_.get(), value, &length) == 1)
    append_hex(out, Bytes(value, length));
  context_.reset();
  return out;
}

}  // namespace ww::sensor
