#include "collector/store/journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "collector/store/codec.hpp"
#include "collector/store/hash.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view file_magic = "WWJRNL01";
constexpr std::uint32_t record_magic = 0x31524a57;  // "WJR1"
constexpr std::size_t head_octets = 24;
constexpr std::uint64_t max_record = 1ULL << 30;

Problem disk_problem(const std::string& path, int error, std::string_view doing) {
  Problem p{std::string(doing) + ": " + std::strerror(error), path,
            "look at the disk and the system log"};
  if (error == ENOSPC || error == EDQUOT)
    p.remedy = "free space on the disk or lower the retention limits";
  if (error == EACCES || error == EPERM || error == EROFS)
    p.remedy = "let this user write to the folder";
  return p;
}

void sync_folder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

bool write_all(int fd, iovec* v, int n, off_t at) {
  while (n > 0) {
    const auto w = ::pwritev(fd, v, n, at);
    if (w < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    at += w;
    auto left = static_cast<std::size_t>(w);
    while (n > 0 && left >= v->iov_len) {
      left -= v->iov_len;
      ++v;
      --n;
    }
    if (n > 0) {
      v->iov_base = static_cast<char*>(v->iov_base) + left;
      v->iov_len -= left;
    }
  }
  return true;
}

struct Parsed {
  std::uint64_t number = 0;
  std::string_view payload;
  std::size_t octets = 0;
};
/// The record at `at`, when a whole and undamaged one is there.
std::optional<Parsed> record_at(std::string_view file, std::size_t at) {
  Decoder head(file.substr(at, head_octets));
  const auto magic = head.u32();
  const auto crc = head.u32();
  Parsed out;
  out.number = head.u64();
  const auto length = head.u64();
  if (!head.ok() || magic != record_magic || length > max_record ||
      length > file.size() - at - head_octets)
    return {};
  out.octets = head_octets + length;
  if (crc32c(file.substr(at + 8, out.octets - 8)) != crc) return {};
  out.payload = file.substr(at + head_octets, length);
  return out;
}

}  // namespace

Result<std::unique_ptr<Journal>, Problem> Journal::open(
    const Options& options,
    const std::function<Result<void, Problem>(std::uint64_t, std::string_view)>& record) {
  std::error_code ec;
  fs::create_directories(options.folder, ec);
  if (ec) return fail(disk_problem(options.folder, ec.value(), "cannot make the journal folder"));
  std::unique_ptr<Journal> j(new Journal);
  j->options_ = options;
  for (const auto& entry : fs::directory_iterator(options.folder, ec))
    if (entry.path().extension() == ".wwj") j->closed_.push_back({entry.path().string(), 0, 0, 0});
  if (ec) return fail(disk_problem(options.folder, ec.value(), "cannot read the journal folder"));
  std::sort(j->closed_.begin(), j->closed_.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });

  for (std::size_t i = 0; i < j->closed_.size(); ++i) {
    auto& segment = j->closed_[i];
    std::ifstream in(segment.path, std::ios::binary);
    std::string file((std::istreambuf_iterator<char>(in)), {});
    if (!in.good() && !in.eof())
      return fail(disk_problem(segment.path, EIO, "cannot read the journal"));
    std::size_t at = file.starts_with(file_magic) ? file_magic.size() : 0;
    std::size_t good_end = at;
    while (at < file.size()) {
      const auto r = record_at(file, at);
      if (!r) {
        ++at;
        const auto next = file.find("WJR1", at);
        at = next == std::string::npos ? file.size() : next;
        continue;
      }
      if (at > good_end) j->corrupt_ += at - good_end;
      if (r->number > j->last_) {
        if (segment.first == 0) segment.first = r->number;
        segment.last = r->number;
        j->last_ = r->number;
        if (auto done = record(r->number, r->payload); !done) return fail(done.error());
      }
      at += r->octets;
      good_end = at;
    }
    segment.octets = good_end;
    // What follows the last whole record was never acknowledged: a torn tail. It stays in the file,
    // which is not appended to again.
  }
  return j;
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void, Problem> Journal::roll(std::uint64_t first) {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
    closed_.push_back(current_);
  }
  char name[32];
  std::snprintf(name, sizeof name, "%020llu.wwj", static_cast<unsigned long long>(first));
  current_ = {options_.folder + "/" + name, first, 0, 0};
  // A segment that holds nothing but a torn record may have had this number.
  std::erase_if(closed_, [&](const Segment& s) { return s.path == current_.path; });
  const int fd = ::open(current_.path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return fail(disk_problem(current_.path, errno, "cannot make a journal segment"));
  iovec v{const_cast<char*>(file_magic.data()), file_magic.size()};
  if (!write_all(fd, &v, 1, 0)) {
    const int error = errno;
    ::close(fd);
    ::unlink(current_.path.c_str());
    return fail(disk_problem(current_.path, error, "cannot write the journal"));
  }
  sync_folder(options_.folder);
  fd_ = fd;
  at_ = file_magic.size();
  broken_ = false;
  return {};
}

Result<void, Problem> Journal::append(std::uint64_t number, std::string_view payload) {
  if (payload.size() > max_record)
    return fail(Problem{"commit of " + std::to_string(payload.size()) + " octets is too large",
                        options_.folder, "send smaller batches"});
  if (fd_ < 0 || broken_)
    if (auto done = roll(number); !done) return done;
  Encoder body;
  body.u64(number);
  body.u64(payload.size());
  Encoder head;
  head.u32(record_magic);
  head.u32(crc32c(payload, crc32c(body.out())));
  std::string front = head.take() + body.out();
  iovec v[2] = {{front.data(), front.size()}, {const_cast<char*>(payload.data()), payload.size()}};
  const bool written = write_all(fd_, v, 2, static_cast<off_t>(at_));
  if (!written || ::fdatasync(fd_) != 0) {
    const int error = errno;
    // Cut the record off, durably; if even that fails nobody knows what is on the disk, so this
    // segment is done: its number is burnt, and the files' own record of what they applied keeps it
    // from being applied later.
    if (::ftruncate(fd_, static_cast<off_t>(at_)) != 0 || ::fdatasync(fd_) != 0) broken_ = true;
    return fail(disk_problem(current_.path, error,
                             written ? "cannot sync the journal" : "cannot write the journal"));
  }
  at_ += front.size() + payload.size();
  current_.octets = at_;
  current_.last = last_ = number;
  return {};
}

void Journal::trim(std::uint64_t number, bool all) {
  if (fd_ >= 0 && (all || wants_trim())) {
    ::close(fd_);
    fd_ = -1;
    closed_.push_back(current_);
    at_ = 0;
  }
  std::erase_if(closed_, [&](const Segment& s) {
    if (s.last > number) return false;
    return ::unlink(s.path.c_str()) == 0 || errno == ENOENT;
  });
}

std::uint64_t Journal::octets() const {
  std::uint64_t n = fd_ >= 0 ? at_ : 0;
  for (const auto& s : closed_) n += s.octets;
  return n;
}

}  // namespace ww::collector
