#include "sensors/protocols/http/inflater.hpp"

#include <brotli/decode.h>
#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <array>

namespace ww::sensor::http {
namespace {

/// DEFLATE, raw (RFC 1951) or in a zlib frame (RFC 1950).
class Deflate final : public Inflater {
 public:
  explicit Deflate(int window_bits) { ok_ = inflateInit2(&stream_, window_bits) == Z_OK; }
  ~Deflate() override {
    if (ok_) inflateEnd(&stream_);
  }
  Deflate(const Deflate&) = delete;
  Deflate& operator=(const Deflate&) = delete;

  Step step(Bytes in, std::span<std::uint8_t> out) override {
    if (!ok_) return {Status::failed, 0, 0};
    stream_.next_in = const_cast<Bytef*>(in.data());  // zlib does not write through it
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    const int rc = inflate(&stream_, Z_SYNC_FLUSH);
    const Step s{Status::more, in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    if (rc == Z_STREAM_END) return {Status::end, s.taken, s.made};
    if (rc != Z_OK && rc != Z_BUF_ERROR) return {Status::failed, s.taken, s.made};
    return {stream_.avail_out == 0 ? Status::output : Status::more, s.taken, s.made};
  }

 private:
  z_stream stream_{};
  bool ok_ = false;
};

/// gzip (RFC 1952). The header is read here and the trailer not at all, so that wrong flags,
/// checksums and lengths do not hide the data: browsers show it.
class Gzip final : public Inflater {
 public:
  Step step(Bytes in, std::span<std::uint8_t> out) override {
    std::size_t taken = 0;
    while (part_ != Part::body && taken < in.size())
      if (!header(in[taken++])) return {Status::failed, taken, 0};
    if (part_ != Part::body) return {Status::more, taken, 0};
    auto s = body_.step(in.subspan(taken), out);
    s.taken += taken;
    return s;
  }

 private:
  enum class Part : std::uint8_t { fixed, extra_length, extra, name, comment, checksum, body };
  static constexpr std::uint8_t has_checksum = 2, has_extra = 4, has_name = 8, has_comment = 16;

  bool header(std::uint8_t octet) {
    switch (part_) {
      case Part::fixed:
        return fixed(octet);
      case Part::extra_length:
        left_ |= static_cast<std::uint32_t>(octet) << (8 * seen_);
        if (++seen_ == 2) enter(left_ != 0 ? Part::extra : after(Part::extra));
        break;
      case Part::extra:
        if (--left_ == 0) enter(after(Part::extra));
        break;
      case Part::name:
      case Part::comment:
        if (octet == 0) enter(after(part_));
        break;
      case Part::checksum:
        if (++seen_ == 2) enter(Part::body);
        break;
      case Part::body:
        break;
    }
    return true;
  }
  bool fixed(std::uint8_t octet) {
    constexpr std::uint8_t magic[] = {0x1f, 0x8b, 8};
    if (seen_ < 3 && octet != magic[seen_]) return false;
    if (seen_ == 3) flags_ = octet;
    if (++seen_ == 10) enter((flags_ & has_extra) != 0 ? Part::extra_length : after(Part::extra));
    return true;
  }
  [[nodiscard]] Part after(Part part) const {
    if (part < Part::name && (flags_ & has_name) != 0) return Part::name;
    if (part < Part::comment && (flags_ & has_comment) != 0) return Part::comment;
    if (part < Part::checksum && (flags_ & has_checksum) != 0) return Part::checksum;
    return Part::body;
  }
  void enter(Part part) {
    part_ = part;
    seen_ = 0;
  }

  Part part_ = Part::fixed;
  std::uint8_t seen_ = 0, flags_ = 0;
  std::uint32_t left_ = 0;
  Deflate body_{-MAX_WBITS};
};

/// Brotli (RFC 7932).
class Brotli final : public Inflater {
 public:
  Brotli() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {}
  Step step(Bytes in, std::span<std::uint8_t> out) override {
    if (!state_) return {Status::failed, 0, 0};
    // An octet a time: how much the decoder gives out before it meets an error depends on how much
    // it was given.
    Step s;
    for (;;) {
      const std::uint8_t* next_in = in.data() + s.taken;
      std::uint8_t* next_out = out.data() + s.made;
      std::size_t left_in = std::min<std::size_t>(1, in.size() - s.taken),
                  left_out = out.size() - s.made;
      const auto given = left_in, room = left_out;
      const auto rc = BrotliDecoderDecompressStream(state_.get(), &left_in, &next_in, &left_out,
                                                    &next_out, nullptr);
      s.taken += given - left_in;
      s.made += room - left_out;
      s.status = Status::more;
      if (rc == BROTLI_DECODER_RESULT_SUCCESS) s.status = Status::end;
      if (rc == BROTLI_DECODER_RESULT_ERROR) s.status = Status::failed;
      if (rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) s.status = Status::output;
      if (s.status != Status::more || s.taken == in.size()) return s;
    }
  }

 private:
  struct Free {
    void operator()(BrotliDecoderState* s) const { BrotliDecoderDestroyInstance(s); }
  };
  std::unique_ptr<BrotliDecoderState, Free> state_;
};

/// The .lzma format of LZMA Utils. Its header is read here because an encoder may announce a
/// dictionary far larger than the data needs: ours is cut to the limit, and only data that reaches
/// beyond it is refused.
class Lzma final : public Inflater {
 public:
  explicit Lzma(std::uint64_t memory) : memory_(memory) {}
  ~Lzma() override { lzma_end(&stream_); }
  Lzma(const Lzma&) = delete;
  Lzma& operator=(const Lzma&) = delete;

  Step step(Bytes in, std::span<std::uint8_t> out) override {
    std::size_t taken = 0;
    while (seen_ < header_octets && taken < in.size()) header_[seen_++] = in[taken++];
    if (seen_ < header_octets) return {Status::more, taken, 0};
    if (!open_ && !open()) return {Status::failed, taken, 0};
    auto s = code(in.subspan(taken),
                  out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_))));
    s.taken += taken;
    return s;
  }

 private:
  static constexpr std::size_t header_octets = 13;
  static constexpr unsigned max_properties = 9 * 5 * 5;

  bool open() {
    unsigned properties = header_[0];
    if (properties >= max_properties) return false;
    lzma_options_lzma options{};
    const std::uint64_t announced =
        std::max<std::uint64_t>(load_le32(header_.data() + 1), LZMA_DICT_SIZE_MIN);
    options.dict_size = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
        announced, LZMA_DICT_SIZE_MIN, std::max<std::uint64_t>(memory_, LZMA_DICT_SIZE_MIN)));
    cut_ = options.dict_size < announced;
    options.lc = properties % 9;
    properties /= 9;
    options.lp = properties % 5;
    options.pb = properties / 5;
    left_ = load_le64(header_.data() + 5);  // all ones: unknown, an end marker follows
    const lzma_filter filters[] = {{LZMA_FILTER_LZMA1, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
    open_ = lzma_raw_decoder(&stream_, filters) == LZMA_OK;
    return open_;
  }
  Step code(Bytes in, std::span<std::uint8_t> out) {
    if (left_ == 0) return {Status::end, 0, 0};
    stream_.next_in = in.data();
    stream_.avail_in = in.size();
    stream_.next_out = out.data();
    stream_.avail_out = out.size();
    const auto rc = lzma_code(&stream_, LZMA_RUN);
    const Step s{Status::more, in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    if (left_ != UINT64_MAX) left_ -= s.made;
    if (rc == LZMA_STREAM_END || left_ == 0) return {Status::end, s.taken, s.made};
    if (rc != LZMA_OK && rc != LZMA_BUF_ERROR)
      return {cut_ ? Status::memory : Status::failed, s.taken, s.made};
    return {stream_.avail_out == 0 ? Status::output : Status::more, s.taken, s.made};
  }

  std::uint64_t memory_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  std::array<std::uint8_t, header_octets> header_{};
  std::size_t seen_ = 0;
  std::uint64_t left_ = 0;
  bool open_ = false, cut_ = false;
};

}  // namespace

std::unique_ptr<Inflater> Inflater::make(Coding coding, const DecodeLimits& limits) {
  switch (coding) {
    case Coding::gzip:
      return std::make_unique<Gzip>();
    case Coding::deflate:
      return std::make_unique<Deflate>(-MAX_WBITS);
    case Coding::zlib:
      return std::make_unique<Deflate>(MAX_WBITS);
    case Coding::brotli:
      return std::make_unique<Brotli>();
    case Coding::lzma:
      if (limits.lzma_layers != 0) return std::make_unique<Lzma>(limits.lzma_memory);
      break;
  }
  return nullptr;
}

}  // namespace ww::sensor::http
