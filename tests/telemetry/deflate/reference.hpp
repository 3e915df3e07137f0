#pragma once
/// What our decoder makes of a stream, in pieces of any size, and what zlib makes of it: an octet
/// at a time, with room for all output, which is what ours promises to give for every cut.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/deflate/decoder.hpp"

namespace ww::deflate {

struct Outcome {
  std::string text;
  Status status = Status::more;
  Errc error = Errc::none;
  std::size_t taken = 0;  ///< of the input; means something when the stream is over
  bool operator==(const Outcome& o) const {
    return text == o.text && status == o.status && error == o.error &&
           (status != Status::end || taken == o.taken);
  }
};

/// Pieces are copied to a place of their own size, so that a sanitizer sees what is read behind
/// them.
inline Outcome ours(Format format, std::string_view in, const std::function<std::size_t()>& piece,
                    const std::function<std::size_t()>& most, Decoder& decoder) {
  Outcome o;
  decoder.reset(format);
  do {
    const auto n = std::min(piece(), in.size());
    const std::unique_ptr<std::uint8_t[]> part(new std::uint8_t[n]);
    std::copy_n(in.data(), n, part.get());
    Bytes rest(part.get(), n);
    do {
      const auto s = decoder.step(rest, most());
      o.text += as_text(s.made);
      o.status = s.status;
      o.taken += s.taken;
      rest = rest.subspan(s.taken);
    } while (o.status == Status::output);
    in.remove_prefix(n);
  } while (!in.empty() && o.status == Status::more);
  o.error = decoder.error();
  return o;
}
inline Outcome ours(Format format, std::string_view in, std::size_t piece = SIZE_MAX,
                    std::size_t most = SIZE_MAX) {
  const auto decoder = borrow(format);
  return ours(format, in, [&] { return piece; }, [&] { return most; }, *decoder);
}

inline Errc zlib_error(int rc, const char* message) {
  if (rc == Z_NEED_DICT) return Errc::dictionary;
  constexpr std::pair<std::string_view, Errc> errors[] = {
      {"incorrect header check", Errc::header},
      {"unknown compression method", Errc::header},
      {"invalid window size", Errc::window},
      {"invalid block type", Errc::block_type},
      {"invalid stored block lengths", Errc::stored_length},
      {"too many length or distance symbols", Errc::code_counts},
      {"invalid code lengths set", Errc::length_code},
      {"invalid bit length repeat", Errc::length_repeat},
      {"invalid code -- missing end-of-block", Errc::no_end_of_block},
      {"invalid literal/lengths set", Errc::literal_code},
      {"invalid distances set", Errc::distance_code},
      {"invalid literal/length code", Errc::literal_symbol},
      {"invalid distance code", Errc::distance_symbol},
      {"invalid distance too far back", Errc::distance},
      {"incorrect data check", Errc::checksum}};
  for (const auto& [text, code] : errors)
    if (message != nullptr && text == message) return code;
  return Errc::none;
}

/// Raw or zlib.
inline Outcome zlibs(Format format, std::string_view in) {
  Outcome o;
  z_stream z{};
  if (inflateInit2(&z, format == Format::raw ? -MAX_WBITS : MAX_WBITS) != Z_OK) return o;
  std::array<Bytef, 1 << 16> space;
  for (const char c : in) {
    auto octet = static_cast<Bytef>(c);
    z.next_in = &octet;
    z.avail_in = 1;
    int rc;
    do {
      z.next_out = space.data();
      z.avail_out = space.size();
      rc = inflate(&z, Z_SYNC_FLUSH);
      o.text.append(reinterpret_cast<const char*>(space.data()), space.size() - z.avail_out);
    } while (rc == Z_OK && z.avail_out == 0);
    o.taken = z.total_in;
    if (rc == Z_OK || rc == Z_BUF_ERROR) continue;
    o.status = rc == Z_STREAM_END ? Status::end : Status::failed;
    if (rc != Z_STREAM_END) o.error = zlib_error(rc, z.msg);
    break;
  }
  inflateEnd(&z);
  return o;
}

/// Raw, zlib (window bits 15) or gzip (31).
inline std::string packed(std::string_view text, int level, int window_bits,
                          int strategy = Z_DEFAULT_STRATEGY) {
  z_stream z{};
  if (deflateInit2(&z, level, Z_DEFLATED, window_bits, 8, strategy) != Z_OK) return {};
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  ::deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

}  // namespace ww::deflate
