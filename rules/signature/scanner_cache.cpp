#include "rules/signature/scanner_cache.hpp"

#include <fcntl.h>
#include <hs.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>

#include "telemetry/json_writer.hpp"

namespace ww::sig {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic = "WWSIG004";
constexpr std::string_view prefix = "signatures-", suffix = ".hsdb";
constexpr std::uint64_t max_octets = 1ULL << 30;

constexpr std::size_t digest_octets = 32;

std::string sha256(std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  unsigned char digest[EVP_MAX_MD_SIZE] = {};
  unsigned n = 0;
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (const auto part : parts) EVP_DigestUpdate(context.get(), part.data(), part.size());
  EVP_DigestFinal_ex(context.get(), digest, &n);
  return {reinterpret_cast<const char*>(digest), digest_octets};
}

void warn(std::vector<RuleProblem>& problems, const std::string& path, std::string what) {
  problems.push_back({RuleProblem::Severity::warning, path, 0, 0, 0, std::move(what)});
}

/// Descriptor of a file that only its owner, this user or root, can write to; -1 and a reason
/// otherwise.
int open_own(const std::string& path, std::uint64_t& size, std::string& why) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno != ENOENT)
      why = std::string("cannot read the compiled cache: ") + std::strerror(errno);
    return -1;
  }
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
    why = "the compiled cache is not a file";
  else if ((st.st_uid != ::geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    why = "the compiled cache belongs to, or can be written by, somebody else: not used";
  else if (static_cast<std::uint64_t>(st.st_size) > max_octets)
    why = "the compiled cache is too large: not used";
  size = static_cast<std::uint64_t>(st.st_size);
  if (why.empty()) return fd;
  ::close(fd);
  return -1;
}

std::string read_all(int fd, std::uint64_t size) {
  std::string out(static_cast<std::size_t>(size), '\0');
  std::size_t have = 0;
  while (have < out.size()) {
    const auto n = ::read(fd, out.data() + have, out.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

}  // namespace

void Databases::add(std::string_view database) {
  octets_ += database;
  ends_.push_back(octets_.size());
}

std::string_view Databases::operator[](std::size_t i) const {
  const auto from = i == 0 ? start_ : ends_[i - 1];
  return std::string_view(octets_).substr(from, ends_[i] - from);
}

std::string Databases::head() const {
  std::string out;
  const auto put = [&out](std::uint64_t number) {
    for (int i = 0; i < 8; ++i) out += static_cast<char>(number >> (8 * i));
  };
  put(size());
  for (std::size_t i = 0; i < size(); ++i) put((*this)[i].size());
  return out;
}

bool Databases::parse(std::string file, std::size_t at) {
  ByteReader in(as_bytes(std::string_view(file).substr(at)));
  const auto count = in.u64le();
  if (!in.ok() || count > in.left() / 8) return false;
  start_ = at + 8 + static_cast<std::size_t>(count) * 8;
  auto end = start_;
  ends_.clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto n = in.u64le();
    if (n > file.size() - end) return false;
    end += static_cast<std::size_t>(n);
    ends_.push_back(end);
  }
  if (!in.ok() || end != file.size()) return false;
  octets_ = std::move(file);
  return true;
}

std::string database_identity(std::span<const Scanner> scanners) {
  std::string identity(magic);
  identity += hs_version();
  hs_platform_info_t platform{};
  hs_populate_platform(&platform);
  identity.append(reinterpret_cast<const char*>(&platform), sizeof platform);
  for (const auto& s : scanners) s.append_identity(identity);
  return sha256({identity});
}

std::string ScannerCache::path(std::string_view identity) const {
  std::string out = folder_ + "/";
  out += prefix;
  append_hex(out, as_bytes(identity.substr(0, 16)));
  out += suffix;
  return out;
}

std::optional<Databases> ScannerCache::load(std::string_view identity,
                                            std::vector<RuleProblem>& problems) const {
  if (folder_.empty()) return std::nullopt;
  const auto file = path(identity);
  std::uint64_t size = 0;
  std::string why;
  const int fd = open_own(file, size, why);
  if (fd < 0) {
    if (!why.empty()) warn(problems, file, std::move(why));
    return std::nullopt;
  }
  auto whole = read_all(fd, size);
  ::close(fd);
  // magic, checksum of the rest, the rest
  const auto rest = magic.size() + digest_octets;
  Databases out;
  if (whole.size() >= rest && whole.starts_with(magic) &&
      std::string_view(whole).substr(magic.size(), digest_octets) ==
          sha256({std::string_view(whole).substr(rest)}) &&
      out.parse(std::move(whole), rest))
    return out;
  warn(problems, file, "the compiled cache is damaged; compiling again");
  return std::nullopt;
}

void ScannerCache::store(std::string_view identity, const Databases& databases,
                         std::vector<RuleProblem>& problems) const {
  if (folder_.empty()) return;
  const auto head = databases.head();
  const auto file = path(identity);
  const auto temporary = file + "." + std::to_string(::getpid());
  std::error_code ec;
  fs::create_directories(folder_, ec);
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << magic << sha256({head, databases.octets()}) << head << databases.octets();
    if (!out.flush()) ec = std::make_error_code(std::errc::io_error);
  }
  if (!ec) fs::permissions(temporary, fs::perms::owner_read | fs::perms::owner_write, ec);
  if (!ec) fs::rename(temporary, file, ec);
  if (ec) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    warn(problems, file, "cannot write the compiled cache: " + ec.message());
    return;
  }
  prune();
}

void ScannerCache::prune() const {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code ec;
  for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec)) {
    const auto name = it->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    std::error_code gone;
    const auto time = it->last_write_time(gone);
    if (!gone) found.emplace_back(time, it->path());
  }
  if (found.size() <= kept) return;
  std::sort(found.begin(), found.end(), std::greater<>());
  for (auto i = kept; i < found.size(); ++i) fs::remove(found[i].second, ec);
}

}  // namespace ww::sig
