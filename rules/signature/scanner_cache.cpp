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

#include "telemetry/json_writer.hpp"

namespace ww::sig {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic = "WWSIG003";
constexpr std::string_view prefix = "signatures-", suffix = ".hsdb";
constexpr std::uint64_t max_octets = 1ULL << 30;

std::string sha256(std::string_view data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  EVP_Digest(data.data(), data.size(), digest, &n, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest), n};
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

std::string database_identity(std::span<const Scanner> scanners) {
  std::string identity(magic);
  identity += hs_version();
  hs_platform_info_t platform{};
  hs_populate_platform(&platform);
  identity.append(reinterpret_cast<const char*>(&platform), sizeof platform);
  for (const auto& s : scanners) s.append_identity(identity);
  return sha256(identity);
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
  const auto whole = read_all(fd, size);
  ::close(fd);
  // magic, checksum of the rest, number of databases, each with its length
  ByteReader in(as_bytes(whole));
  Databases out;
  bool ok = in.text(magic.size()) == magic &&
            in.text(32) ==
                sha256(std::string_view(whole).substr(std::min(whole.size(), magic.size() + 32)));
  if (ok)
    for (auto n = in.u32le(); n > 0 && in.ok(); --n) {
      const auto length = in.u64le();
      out.emplace_back(in.text(static_cast<std::size_t>(length)));
    }
  if (ok && in.ok()) return out;
  warn(problems, file, "the compiled cache is damaged; compiling again");
  return std::nullopt;
}

void ScannerCache::store(std::string_view identity, const Databases& databases,
                         std::vector<RuleProblem>& problems) const {
  if (folder_.empty()) return;
  std::string rest;
  const auto put = [&rest](auto number) {
    rest.append(reinterpret_cast<const char*>(&number),
                sizeof number);  // little-endian, as everywhere here
  };
  put(static_cast<std::uint32_t>(databases.size()));
  for (const auto& d : databases) {
    put(static_cast<std::uint64_t>(d.size()));
    rest += d;
  }
  const auto file = path(identity);
  const auto temporary = file + "." + std::to_string(::getpid());
  std::error_code ec;
  fs::create_directories(folder_, ec);
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << magic << sha256(rest) << rest;
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
