#include "sensors/capture/input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ww::capture {
namespace {

constexpr std::size_t window = 256 << 10;  // decompressed octets looked at together
constexpr std::size_t chunk = 256 << 10;   // compressed octets read together
constexpr int max_zstd_window_log = 27;    // 128 MiB: what `zstd --long=27` needs

class FileOctets final : public Octets {
 public:
  FileOctets(int fd, std::string name, bool owned)
      : fd_(fd), name_(std::move(name)), owned_(owned) {}
  ~FileOctets() override {
    if (owned_) ::close(fd_);
  }
  FileOctets(const FileOctets&) = delete;
  FileOctets& operator=(const FileOctets&) = delete;
  Result<std::size_t, Problem> read(std::uint8_t* out, std::size_t room) override {
    for (;;) {
      const auto n = ::read(fd_, out, room);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno == EINTR) continue;
      return fail(Problem{std::string("cannot read: ") + std::strerror(errno), name_,
                          "check the disk or the pipe"});
    }
  }

 private:
  int fd_;
  std::string name_;
  bool owned_;
};

class MemoryOctets final : public Octets {
 public:
  explicit MemoryOctets(Bytes octets) : left_(octets) {}
  Result<std::size_t, Problem> read(std::uint8_t* out, std::size_t room) override {
    const auto n = std::min(room, left_.size());
    std::copy_n(left_.begin(), n, out);
    left_ = left_.subspan(n);
    return n;
  }

 private:
  Bytes left_;
};

/// Compressed octets: those already looked at, then the source.
class Compressed {
 public:
  Compressed(std::unique_ptr<Octets> source, Bytes seen)
      : source_(std::move(source)), data_(seen.begin(), seen.end()) {
    end_ = data_.size();
    data_.resize(std::max(data_.size(), chunk));
  }
  /// What is left, refilled when empty; empty at the end.
  Result<Bytes, Problem> get() {
    if (begin_ == end_) {
      const auto n = source_->read(data_.data(), data_.size());
      if (!n) return fail(n.error());
      begin_ = 0;
      end_ = *n;
    }
    return Bytes(data_).subspan(begin_, end_ - begin_);
  }
  void take(std::size_t n) { begin_ += n; }

 private:
  std::unique_ptr<Octets> source_;
  std::vector<std::uint8_t> data_;
  std::size_t begin_ = 0, end_ = 0;
};

Problem cut_off(const std::string& name, const char* format) {
  return {std::string("the ") + format + " data ends too early", name,
          "copy the file again; packets before are used"};
}
Problem damaged(const std::string& name, const char* format, const char* why) {
  return {std::string("damaged ") + format + " data" +
              (why != nullptr ? std::string(": ") + why : std::string()),
          name, "copy the file again; packets before are used"};
}

class GzipOctets final : public Octets {
 public:
  GzipOctets(std::unique_ptr<Octets> source, Bytes seen, std::string name)
      : in_(std::move(source), seen), name_(std::move(name)) {
    ready_ = inflateInit2(&z_, 16 + MAX_WBITS) == Z_OK;
  }
  ~GzipOctets() override { inflateEnd(&z_); }
  GzipOctets(const GzipOctets&) = delete;
  GzipOctets& operator=(const GzipOctets&) = delete;
  Result<std::size_t, Problem> read(std::uint8_t* out, std::size_t room) override {
    if (!ready_) return fail(damaged(name_, "gzip", "no memory"));
    for (;;) {
      const auto data = in_.get();
      if (!data) return fail(data.error());
      if (data->empty()) {
        if (!in_member_) return std::size_t{0};
        return fail(cut_off(name_, "gzip"));
      }
      if (!in_member_) {
        // Several members may follow each other (RFC 1952 2.2); zeros after the last are tape
        // padding.
        if (started_ && (*data)[0] == 0) {
          in_.take(1);
          continue;
        }
        if (started_ && inflateReset(&z_) != Z_OK) return fail(damaged(name_, "gzip", nullptr));
        in_member_ = started_ = true;
      }
      z_.next_in = const_cast<Bytef*>(data->data());
      z_.avail_in = static_cast<uInt>(data->size());
      z_.next_out = out;
      z_.avail_out = static_cast<uInt>(std::min<std::size_t>(room, 1U << 30));
      const auto room_before = z_.avail_out;
      const int rc = inflate(&z_, Z_NO_FLUSH);
      in_.take(data->size() - z_.avail_in);
      if (rc == Z_STREAM_END)
        in_member_ = false;
      else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return fail(damaged(name_, "gzip", z_.msg));
      if (const auto n = room_before - z_.avail_out; n != 0) return std::size_t{n};
    }
  }

 private:
  Compressed in_;
  std::string name_;
  z_stream z_{};
  bool ready_ = false, in_member_ = false, started_ = false;
};

class ZstdOctets final : public Octets {
 public:
  ZstdOctets(std::unique_ptr<Octets> source, Bytes seen, std::string name)
      : in_(std::move(source), seen), name_(std::move(name)), z_(ZSTD_createDCtx()) {
    if (z_ != nullptr) ZSTD_DCtx_setParameter(z_, ZSTD_d_windowLogMax, max_zstd_window_log);
  }
  ~ZstdOctets() override { ZSTD_freeDCtx(z_); }
  ZstdOctets(const ZstdOctets&) = delete;
  ZstdOctets& operator=(const ZstdOctets&) = delete;
  Result<std::size_t, Problem> read(std::uint8_t* out, std::size_t room) override {
    if (z_ == nullptr) return fail(damaged(name_, "zstd", "no memory"));
    for (;;) {
      const auto data = in_.get();
      if (!data) return fail(data.error());
      ZSTD_inBuffer from{data->data(), data->size(), 0};
      ZSTD_outBuffer to{out, room, 0};
      // Octets may still sit in the decompressor after the last compressed ones were taken.
      const auto rc = ZSTD_decompressStream(z_, &to, &from);
      if (ZSTD_isError(rc) != 0) return fail(damaged(name_, "zstd", ZSTD_getErrorName(rc)));
      in_.take(from.pos);
      if (from.pos != 0 || to.pos != 0) in_frame_ = rc != 0;
      if (to.pos != 0) return to.pos;
      if (data->empty()) {
        if (!in_frame_) return std::size_t{0};
        return fail(cut_off(name_, "zstd"));
      }
    }
  }

 private:
  Compressed in_;
  std::string name_;
  ZSTD_DCtx* z_;
  bool in_frame_ = false;
};

}  // namespace

Result<std::unique_ptr<Octets>, Problem> open_octets(const std::string& path) {
  if (path == "-") return std::make_unique<FileOctets>(STDIN_FILENO, "standard input", false);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(Problem{std::string("cannot open: ") + std::strerror(errno), path,
                        "check the path and its permissions"});
  struct stat info{};
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(fd);
    return fail(Problem{"is a folder", path, "name a capture file"});
  }
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::make_unique<FileOctets>(fd, path, true);
}

std::unique_ptr<Octets> memory_octets(Bytes octets) {
  return std::make_unique<MemoryOctets>(octets);
}

Input::Input(std::unique_ptr<Octets> octets, std::string name)
    : source_(std::move(octets)), name_(std::move(name)), buffer_(window) {}
Input::~Input() = default;
Input::Input(Input&&) noexcept = default;
Input& Input::operator=(Input&&) noexcept = default;

Result<void, Problem> Input::fill(std::size_t n) {
  if (n > buffer_.size()) buffer_.resize(n);
  if (begin_ + n > buffer_.size()) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ - begin_ < n && !at_end_) {
    const auto got = source_->read(buffer_.data() + end_, buffer_.size() - end_);
    if (!got) {
      at_end_ = true;
      return fail(got.error());
    }
    at_end_ = *got == 0;
    end_ += *got;
  }
  return {};
}

Result<void, Problem> Input::detect_compression() {
  checked_ = true;
  if (auto r = fill(4); !r) return r;
  const auto seen = Bytes(buffer_).subspan(begin_, end_ - begin_);
  if (seen.size() >= 2 && seen[0] == 0x1f && seen[1] == 0x8b)
    source_ = std::make_unique<GzipOctets>(std::move(source_), seen, name_);
  else if (seen.size() >= 4 &&
           (load_le32(seen.data()) == 0xfd2fb528 || (load_le32(seen.data()) & ~0xfU) == 0x184d2a50))
    source_ = std::make_unique<ZstdOctets>(std::move(source_), seen, name_);
  else
    return {};
  begin_ = end_ = 0;
  at_end_ = false;
  return {};
}

Result<Bytes, Problem> Input::peek(std::size_t n) {
  if (end_ - begin_ < n) {
    if (!checked_)
      if (auto r = detect_compression(); !r) return fail(r.error());
    if (auto r = fill(n); !r) return fail(r.error());
  }
  return Bytes(buffer_).subspan(begin_, end_ - begin_);
}

void Input::consume(std::size_t n) {
  const auto taken = std::min(n, end_ - begin_);
  begin_ += taken;
  offset_ += taken;
  if (begin_ == end_) begin_ = end_ = 0;
}

Result<bool, Problem> Input::skip(std::uint64_t n) {
  while (n != 0) {
    const auto have = peek(1);
    if (!have) return fail(have.error());
    if (have->empty()) return false;
    const auto step = std::min<std::uint64_t>(n, have->size());
    consume(static_cast<std::size_t>(step));
    n -= step;
  }
  return true;
}

}  // namespace ww::capture
