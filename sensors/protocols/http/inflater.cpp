#include "sensors/protocols/http/inflater.hpp"

#include <brotli/decode.h>
#include <lzma.h>

#include <algorithm>
#include <array>

#include "telemetry/deflate/decoder.hpp"

namespace ww::sensor::http {
namespace {

/// DEFLATE, raw (RFC 1951), in a zlib frame (RFC 1950) or in one of gzip (RFC 1952), of which wrong
/// flags, checksums and lengths do not hide the data: browsers show it.
class Deflate final : public Inflater {
 public:
  explicit Deflate(deflate::Format format) : decoder_(deflate::borrow(format)) {}
  Step step(Bytes in, std::span<std::uint8_t> space) override {
    const auto s = decoder_->step(in, space.size());
    return {status(s.status), s.taken, s.made};
  }

 private:
  static Status status(deflate::Status s) {
    switch (s) {
      case deflate::Status::more:
        return Status::more;
      case deflate::Status::output:
        return Status::output;
      case deflate::Status::end:
        return Status::end;
      case deflate::Status::failed:
        break;
    }
    return Status::failed;
  }

  deflate::Borrowed decoder_;
};

/// Brotli (RFC 7932).
class Brotli final : public Inflater {
 public:
  Brotli() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {}
  Step step(Bytes in, std::span<std::uint8_t> space) override {
    if (!state_) return {Status::failed, 0, {}};
    // An octet a time: how much the decoder gives out before it meets an error depends on how much
    // it was given.
    Step s;
    std::size_t made = 0;
    for (;;) {
      const std::uint8_t* next_in = in.data() + s.taken;
      std::uint8_t* next_out = space.data() + made;
      std::size_t left_in = std::min<std::size_t>(1, in.size() - s.taken),
                  left_out = space.size() - made;
      const auto given = left_in, room = left_out;
      const auto rc = BrotliDecoderDecompressStream(state_.get(), &left_in, &next_in, &left_out,
                                                    &next_out, nullptr);
      s.taken += given - left_in;
      made += room - left_out;
      s.status = Status::more;
      if (rc == BROTLI_DECODER_RESULT_SUCCESS) s.status = Status::end;
      if (rc == BROTLI_DECODER_RESULT_ERROR) s.status = Status::failed;
      if (rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) s.status = Status::output;
      if (s.status == Status::more && s.taken != in.size()) continue;
      s.made = space.first(made);
      return s;
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

  Step step(Bytes in, std::span<std::uint8_t> space) override {
    std::size_t taken = 0;
    while (seen_ < header_octets && taken < in.size()) header_[seen_++] = in[taken++];
    if (seen_ < header_octets) return {Status::more, taken, {}};
    if (!open_ && !open()) return {Status::failed, taken, {}};
    auto s =
        code(in.subspan(taken),
             space.first(static_cast<std::size_t>(std::min<std::uint64_t>(space.size(), left_))));
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
  Step code(Bytes in, std::span<std::uint8_t> space) {
    if (left_ == 0) return {Status::end, 0, {}};
    stream_.next_in = in.data();
    stream_.avail_in = in.size();
    stream_.next_out = space.data();
    stream_.avail_out = space.size();
    const auto rc = lzma_code(&stream_, LZMA_RUN);
    const Step s{Status::more, in.size() - stream_.avail_in,
                 space.first(space.size() - stream_.avail_out)};
    if (left_ != UINT64_MAX) left_ -= s.made.size();
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
      return std::make_unique<Deflate>(deflate::Format::gzip);
    case Coding::deflate:
      return std::make_unique<Deflate>(deflate::Format::raw);
    case Coding::zlib:
      return std::make_unique<Deflate>(deflate::Format::zlib);
    case Coding::brotli:
      return std::make_unique<Brotli>();
    case Coding::lzma:
      if (limits.lzma_layers != 0) return std::make_unique<Lzma>(limits.lzma_memory);
      break;
  }
  return nullptr;
}

}  // namespace ww::sensor::http
