#include "telemetry/batch/batch.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <charconv>

namespace ww::batch {

struct Encoder::Context {
  ZSTD_CCtx* z = ZSTD_createCCtx();
  Context() = default;
  ~Context() { ZSTD_freeCCtx(z); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Encoder::Encoder(int level) : context_(std::make_unique<Context>()) {
  ZSTD_CCtx_setParameter(context_->z, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_->z, ZSTD_c_checksumFlag, 1);
}
Encoder::~Encoder() = default;

void Encoder::begin() { plain_.clear(); }

void Encoder::add(std::string_view payload, std::uint64_t epoch, std::uint64_t seq) {
  if (payload.starts_with(envelope_start)) {
    char number[24];
    plain_ += envelope_start;
    plain_ += "\"epoch\":";
    plain_.append(number, std::to_chars(number, number + sizeof number, epoch).ptr);
    plain_ += ",\"seq\":";
    plain_.append(number, std::to_chars(number, number + sizeof number, seq).ptr);
    plain_ += ',';
    payload.remove_prefix(envelope_start.size());
  }
  plain_ += payload;
  plain_ += '\n';
}

std::string Encoder::finish() {
  std::string out(ZSTD_compressBound(plain_.size()), '\0');
  const auto n = ZSTD_compress2(context_->z, out.data(), out.size(), plain_.data(), plain_.size());
  out.resize(ZSTD_isError(n) != 0
                 ? 0
                 : n);  // cannot fail: the room is compressBound and the parameters are valid
  return out;
}

namespace {

Problem too_large(std::size_t limit) {
  return {"the body is larger than " + std::to_string(limit) + " octets after decompression",
          "request body", "send smaller batches"};
}

Result<std::string, Problem> inflate_zstd(std::string_view body, std::size_t limit) {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 24);
  std::string out;
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  std::size_t status = 0;
  bool large = false;
  while (true) {
    const auto room =
        std::min<std::size_t>(std::max<std::size_t>(64 << 10, out.size()), limit + 1 - out.size());
    const auto before = out.size();
    out.resize(before + room);
    ZSTD_outBuffer o{out.data() + before, room, 0};
    status = ZSTD_decompressStream(context, &o, &in);
    out.resize(before + o.pos);
    if (ZSTD_isError(status) != 0) break;
    if (out.size() > limit) {
      large = true;
      break;
    }
    if (in.pos == in.size && o.pos < room) break;
  }
  ZSTD_freeDCtx(context);
  if (large) return fail(too_large(limit));
  if (ZSTD_isError(status) != 0)
    return fail(Problem{std::string("not zstd: ") + ZSTD_getErrorName(status), "request body",
                        "check the sender"});
  if (status != 0)
    return fail(Problem{"the zstd body ends in the middle", "request body", "check the sender"});
  return out;
}

Result<std::string, Problem> inflate_gzip(std::string_view body, std::size_t limit) {
  z_stream z{};
  if (inflateInit2(&z, 15 + 32) != Z_OK)
    return fail(Problem{"cannot start zlib", "request body", "try again"});
  z.next_in =
      reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));  // zlib's interface lacks const
  z.avail_in = static_cast<uInt>(body.size());
  std::string out;
  int status = Z_OK;
  bool large = false;
  while (true) {
    const auto room =
        std::min<std::size_t>(std::max<std::size_t>(64 << 10, out.size()), limit + 1 - out.size());
    const auto before = out.size();
    out.resize(before + room);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    z.avail_out = static_cast<uInt>(room);
    status = inflate(&z, Z_NO_FLUSH);
    out.resize(before + room - z.avail_out);
    if (out.size() > limit) {
      large = true;
      break;
    }
    if (status == Z_STREAM_END) {
      if (z.avail_in == 0) break;
      if (inflateReset(&z) != Z_OK) break;  // the next member
      continue;
    }
    if (status != Z_OK && status != Z_BUF_ERROR) break;
    if (z.avail_in == 0 && z.avail_out != 0) break;
  }
  inflateEnd(&z);
  if (large) return fail(too_large(limit));
  if (status != Z_STREAM_END)
    return fail(Problem{
        status == Z_OK || status == Z_BUF_ERROR ? "the gzip body ends in the middle" : "not gzip",
        "request body", "check the sender"});
  return out;
}

}  // namespace

Result<std::string, Problem> decode(std::string_view encoding, std::string_view body,
                                    std::size_t max_octets) {
  if (encoding.empty() || encoding == "identity") {
    if (body.size() > max_octets) return fail(too_large(max_octets));
    return std::string(body);
  }
  if (encoding == "zstd") return inflate_zstd(body, max_octets);
  if (encoding == "gzip" || encoding == "x-gzip" || encoding == "deflate")
    return inflate_gzip(body, max_octets);
  return fail(Problem{"unknown Content-Encoding '" + std::string(encoding) + "'", "request header",
                      "use zstd, gzip or identity"});
}

}  // namespace ww::batch
