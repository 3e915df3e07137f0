#include "sensors/drills/signed_program.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

namespace ww::drills {
namespace {

constexpr std::uintmax_t max_program = 256U << 20, max_signature = 8192;

template <auto F>
struct Free {
  template <class T>
  void operator()(T* p) const {
    F(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

std::optional<std::string> read(const std::string& path, std::uintmax_t most) {
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec) || std::filesystem::file_size(path, ec) > most)
    return {};
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Key read_key(const std::string& pem) {
  const std::unique_ptr<BIO, Free<BIO_free_all>> in(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (pem.find("BEGIN CERTIFICATE") == std::string::npos)
    return Key(PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr));
  const std::unique_ptr<X509, Free<X509_free>> certificate(
      PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  return Key(certificate ? X509_get_pubkey(certificate.get()) : nullptr);
}

/// Root's or ours, and not for others to write. A folder that is open to all counts as safe when
/// only owners may replace what lies in it (sticky).
bool only_ours(const std::string& path, bool folder) {
  struct stat s{};
  if (::stat(path.c_str(), &s) != 0) return false;
  if (s.st_uid != 0 && s.st_uid != ::geteuid()) return false;
  return (s.st_mode & 022) == 0 || (folder && (s.st_mode & S_ISVTX) != 0);
}

}  // namespace

std::string check_signed(const std::string& program, const std::string& signature,
                         const std::string& key_file) {
  std::error_code ec;
  const auto real = std::filesystem::canonical(program, ec);
  if (ec) return program + ": " + ec.message();
  if (!only_ours(real.string(), false))
    return program + ": somebody but root and this sensor's user could change it";
  for (auto folder = real.parent_path();; folder = folder.parent_path()) {
    if (!only_ours(folder.string(), true))
      return program + ": somebody could replace it: " + folder.string() + " is open to others";
    if (folder == folder.parent_path()) break;
  }
  const auto octets = read(real.string(), max_program);
  const auto proof = read(signature, max_signature);
  const auto pem = read(key_file, max_signature);
  if (!octets) return program + ": cannot be read";
  if (!proof) return "the signature cannot be read: " + signature;
  if (!pem) return "the site's key cannot be read: " + key_file;
  const auto key = read_key(*pem);
  if (!key) return "no public key or certificate: " + key_file;
  const bool raw = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_ED25519;
  const std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> c(EVP_MD_CTX_new());
  const auto* data = reinterpret_cast<const unsigned char*>(octets->data());
  const bool good = EVP_DigestVerifyInit(c.get(), nullptr, raw ? nullptr : EVP_sha256(), nullptr,
                                         key.get()) == 1 &&
                    EVP_DigestVerify(c.get(), reinterpret_cast<const unsigned char*>(proof->data()),
                                     proof->size(), data, octets->size()) == 1;
  return good ? "" : program + ": the site's signature does not fit it";
}

}  // namespace ww::drills
