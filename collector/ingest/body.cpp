#include "collector/ingest/body.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "telemetry/bytes.hpp"
#include "telemetry/net/http.hpp"

namespace ww::collector {
namespace {

auto refuse(BodyErrc code, std::string what) { return fail(BodyError{code, std::move(what)}); }
auto bomb(std::size_t max) {
  return refuse(BodyErrc::too_large, "the body is larger than " + std::to_string(max) +
                                         " octets after decompression; send less at a time");
}

Result<std::string, BodyError> zstd_decode(std::string_view in, std::size_t max) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 23);
  const auto announced = ZSTD_getFrameContentSize(in.data(), in.size());
  if (announced != ZSTD_CONTENTSIZE_UNKNOWN && announced != ZSTD_CONTENTSIZE_ERROR &&
      announced > max)
    return bomb(max);
  std::string out;
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  std::size_t state = 1;
  while (source.pos < source.size) {
    const auto at = out.size();
    const auto room = std::min<std::size_t>(max + 1 - at, std::max<std::size_t>(at, 256 * 1024));
    out.resize(at + room);
    ZSTD_outBuffer target{out.data() + at, room, 0};
    state = ZSTD_decompressStream(context.get(), &target, &source);
    out.resize(at + target.pos);
    if (ZSTD_isError(state))
      return refuse(BodyErrc::corrupt, std::string("zstd: ") + ZSTD_getErrorName(state));
    if (out.size() > max) return bomb(max);
    if (target.pos == 0 && source.pos == source.size) break;
  }
  // What the decoder still holds after the last input octet.
  while (state != 0) {
    const auto at = out.size();
    const auto room = std::min<std::size_t>(max + 1 - at, 256 * 1024);
    out.resize(at + room);
    ZSTD_outBuffer target{out.data() + at, room, 0};
    state = ZSTD_decompressStream(context.get(), &target, &source);
    out.resize(at + target.pos);
    if (ZSTD_isError(state))
      return refuse(BodyErrc::corrupt, std::string("zstd: ") + ZSTD_getErrorName(state));
    if (out.size() > max) return bomb(max);
    if (target.pos == 0) return refuse(BodyErrc::corrupt, "zstd: the body ends inside a frame");
  }
  return out;
}

// @param window  zlib's windowBits: 15+32 finds gzip or zlib by itself
Result<std::string, BodyError> zlib_decode(std::string_view in, std::size_t max, int window) {
  z_stream z{};
  if (inflateInit2(&z, window) != Z_OK) return refuse(BodyErrc::corrupt, "zlib: cannot start");
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> guard(&z, &inflateEnd);
  std::string out;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in =
      static_cast<uInt>(in.size());  // bounded by the request's body limit, far below 4 GiB
  for (;;) {
    const auto at = out.size();
    const auto room = std::min<std::size_t>(max + 1 - at, std::max<std::size_t>(at, 256 * 1024));
    out.resize(at + room);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + at);
    z.avail_out = static_cast<uInt>(room);
    const int status = inflate(&z, Z_NO_FLUSH);
    out.resize(at + room - z.avail_out);
    if (out.size() > max) return bomb(max);
    if (status == Z_STREAM_END) {
      if (z.avail_in == 0) return out;
      if (inflateReset(&z) != Z_OK)
        return refuse(BodyErrc::corrupt, "gzip: cannot go on");  // next member
      continue;
    }
    if (status != Z_OK && status != Z_BUF_ERROR)
      return refuse(BodyErrc::corrupt,
                    std::string("gzip: ") + (z.msg != nullptr ? z.msg : "corrupt"));
    if (z.avail_in == 0 && z.avail_out != 0)
      return refuse(BodyErrc::corrupt, "gzip: the body ends inside a member");
  }
}

}  // namespace

Result<std::string, BodyError> snappy_decode(std::string_view block, std::size_t max) {
  const auto corrupt = [](const char* what) {
    return refuse(BodyErrc::corrupt, std::string("snappy: ") + what);
  };
  ByteReader in(as_bytes(block));
  std::uint64_t length = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto b = in.u8();
    if (!in.ok() || shift > 28) return corrupt("bad length");
    length |= static_cast<std::uint64_t>(b & 0x7f) << shift;
    if ((b & 0x80) == 0) break;
  }
  if (length > max) return bomb(max);
  // A copy element makes at most 64 octets of 2: a length that no element count could reach is a
  // lie.
  if (length > in.left() * 64) return corrupt("the length does not fit the data");
  std::string out;
  out.reserve(length);
  while (!in.empty()) {
    const auto tag = in.u8();
    if ((tag & 3) == 0) {
      std::size_t n = tag >> 2;
      if (n >= 60) {
        const auto octets = n - 59;
        n = 0;
        for (std::size_t i = 0; i < octets; ++i) n |= static_cast<std::size_t>(in.u8()) << (8 * i);
      }
      ++n;
      if (n > length - out.size()) return corrupt("a literal runs over the length");
      const auto literal = in.text(n);
      if (!in.ok()) return corrupt("ends inside a literal");
      out += literal;
      continue;
    }
    std::size_t n = 0, offset = 0;
    if ((tag & 3) == 1) {
      n = 4 + ((tag >> 2) & 7U);
      offset = (static_cast<std::size_t>(tag >> 5) << 8) | in.u8();
    } else {
      n = 1 + (tag >> 2);
      offset = (tag & 3) == 2 ? in.u16le() : in.u32le();
    }
    if (!in.ok()) return corrupt("ends inside a copy");
    if (offset == 0 || offset > out.size() || n > length - out.size())
      return corrupt("a copy points outside");
    const auto from = out.size() - offset;
    for (std::size_t i = 0; i < n; ++i)
      out += out[from + i];  // octet by octet: the ranges may overlap
  }
  if (out.size() != length) return corrupt("shorter than its length");
  return out;
}

Result<std::string, BodyError> decode_body(std::string_view encoding, std::string&& body,
                                           std::size_t max) {
  if (encoding.empty() || http::same_name(encoding, "identity")) {
    if (body.size() > max) return bomb(max);
    return std::move(body);
  }
  if (http::same_name(encoding, "zstd")) return zstd_decode(body, max);
  if (http::same_name(encoding, "gzip") || http::same_name(encoding, "x-gzip"))
    return zlib_decode(body, max, 15 + 16);
  if (http::same_name(encoding, "deflate")) return zlib_decode(body, max, 15 + 32);
  if (http::same_name(encoding, "snappy")) return snappy_decode(body, max);
  return refuse(BodyErrc::unknown_encoding,
                "Content-Encoding must be zstd, gzip, deflate, snappy or identity");
}

}  // namespace ww::collector
