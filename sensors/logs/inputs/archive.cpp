#include "sensors/logs/inputs/archive.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

namespace ww::logs {
namespace {

class Plain final : public ArchiveReader {
 public:
  explicit Plain(int fd) : fd_(fd) {}
  ~Plain() override { ::close(fd_); }
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;
  bool read(std::string& out, std::size_t octets) override {
    const auto before = out.size();
    out.resize(before + octets);
    const auto n = ::read(fd_, out.data() + before, octets);
    out.resize(before + static_cast<std::size_t>(std::max<ssize_t>(0, n)));
    return n > 0;
  }
  End end() const override { return End::whole; }

 private:
  int fd_;
};

class Gzip final : public ArchiveReader {
 public:
  explicit Gzip(int fd) : file_(::gzdopen(fd, "rb")) {}
  ~Gzip() override {
    if (file_ != nullptr) ::gzclose(file_);
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  bool read(std::string& out, std::size_t octets) override {
    if (file_ == nullptr) return false;
    const auto before = out.size();
    out.resize(before + octets);
    const auto n = ::gzread(file_, out.data() + before, static_cast<unsigned>(octets));
    out.resize(before + static_cast<std::size_t>(std::max(0, n)));
    return n > 0;
  }
  End end() const override {
    int code = Z_DATA_ERROR;
    if (file_ != nullptr) (void)::gzerror(file_, &code);
    return code == Z_OK || code == Z_STREAM_END ? End::whole
           : code == Z_BUF_ERROR                ? End::cut
                                                : End::damaged;
  }

 private:
  gzFile file_;
};

class Zstd final : public ArchiveReader {
 public:
  explicit Zstd(int fd) : fd_(fd), context_(ZSTD_createDCtx()), in_(ZSTD_DStreamInSize()) {
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);
  }
  ~Zstd() override {
    ZSTD_freeDCtx(context_);
    ::close(fd_);
  }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  bool read(std::string& out, std::size_t octets) override {
    const auto before = out.size();
    out.resize(before + octets);
    ZSTD_outBuffer o{out.data() + before, octets, 0};
    while (o.pos == 0) {
      if (have_.pos == have_.size) {
        const auto n = ::read(fd_, in_.data(), in_.size());
        if (n <= 0) break;
        have_ = {in_.data(), static_cast<std::size_t>(n), 0};
      }
      left_ = ZSTD_decompressStream(context_, &o, &have_);
      if (ZSTD_isError(left_) != 0) break;
    }
    out.resize(before + o.pos);
    return o.pos > 0;
  }
  End end() const override {
    return ZSTD_isError(left_) != 0 ? End::damaged : left_ != 0 ? End::cut : End::whole;
  }

 private:
  int fd_;
  ZSTD_DCtx* context_;
  std::vector<char> in_;
  ZSTD_inBuffer have_{};
  std::size_t left_ = 0;  // what the decoder said last: 0 when a frame is complete
};

enum class Kind { plain, gzip, zstd };
Kind kind_of(int fd) {
  unsigned char m[4] = {};
  if (::pread(fd, m, 4, 0) < 2) return Kind::plain;
  if (m[0] == 0x1F && m[1] == 0x8B) return Kind::gzip;
  if (m[0] == 0x28 && m[1] == 0xB5 && m[2] == 0x2F && m[3] == 0xFD) return Kind::zstd;
  return Kind::plain;
}

}  // namespace

bool is_compressed(int fd) { return kind_of(fd) != Kind::plain; }

std::unique_ptr<ArchiveReader> ArchiveReader::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return nullptr;
  switch (kind_of(fd)) {
    case Kind::gzip:
      return std::make_unique<Gzip>(fd);
    case Kind::zstd:
      return std::make_unique<Zstd>(fd);
    default:
      return std::make_unique<Plain>(fd);
  }
}

}  // namespace ww::logs
