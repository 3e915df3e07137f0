#pragma once
/// Undoes DEFLATE (RFC 1951) in pieces, bare or in a zlib (RFC 1950) or gzip (RFC 1952) frame.
///
/// The octets that come out, and whether and why the stream is refused, are those of zlib fed one
/// octet at a time, and do not depend on how the input was cut: everything before the first symbol
/// that is wrong, and as much of a stream that was cut off as its octets tell.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "telemetry/bytes.hpp"
#include "telemetry/deflate/code_table.hpp"

namespace ww::deflate {

enum class Format : std::uint8_t {
  raw,
  zlib,  ///< the checksum must be right
  /// Over with the last block: neither the header's flags and checksum nor the trailer are looked
  /// at, so that wrong ones do not hide the data.
  gzip
};

/// Why a stream was refused.
enum class Errc : std::uint8_t {
  none,
  header,           ///< not the frame that was expected, or a method that is not DEFLATE
  window,           ///< a zlib frame with a window above 32 KiB
  dictionary,       ///< a zlib frame which needs a preset dictionary (RFC 1950 2.2, FDICT)
  block_type,       ///< the reserved block type 3 (RFC 1951 3.2.3)
  stored_length,    ///< a stored block's length and its complement differ (3.2.4)
  code_counts,      ///< more than 286 literal and length codes or 30 distance codes (3.2.7)
  length_code,      ///< the code of the code lengths is no complete code
  length_repeat,    ///< a repeat of nothing, or beyond the last length
  no_end_of_block,  ///< a block without a code for its end
  literal_code,     ///< the literal and length code is no complete code
  distance_code,    ///< the distance code is no complete code
  literal_symbol,   ///< bits that are no literal, length or end of block
  distance_symbol,  ///< bits that are no distance
  distance,         ///< a match which begins before the data does
  checksum          ///< the data is whole, but not what its checksum says
};
[[nodiscard]] std::string_view errc_name(Errc code);

enum class Status : std::uint8_t {
  more,    ///< all input taken, give more
  output,  ///< there is more to come out of what was taken: call again
  end,     ///< the stream is over; octets behind it were not taken
  failed   ///< not valid; error() says why. What is left of the input has no meaning
};

/// One stream. Not thread-safe.
/// Memory: 41 KiB, of which 33 KiB are the window; see borrow() for where to take one from.
class Decoder {
 public:
  struct Step {
    Status status;
    std::size_t taken;  ///< octets of input used
    Bytes made;         ///< output, borrowed until the next call
  };

  explicit Decoder(Format format) noexcept { reset(format); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Another stream.
  void reset(Format format) noexcept;
  /// Takes input until it is used up or there are `most` octets of output (never more than 33 KiB).
  /// After `end` and `failed` nothing happens any more.
  Step step(Bytes in, std::size_t most = ring_octets) noexcept;
  [[nodiscard]] Errc error() const noexcept { return error_; }

 private:
  static constexpr std::size_t window_octets = 32768, longest_match = 258;
  /// The output goes round in a ring a little larger than the window, so that nothing is moved to
  /// make room. Matches may run over its end, and copies are made in wide words: that is the slack.
  /// What stands in it is moved to the start when the ring is begun anew.
  static constexpr std::size_t ring_octets = window_octets + 1024;
  static constexpr std::size_t slack_octets = longest_match + 62;

  enum class At : std::uint8_t {
    zlib_header,
    zlib_dictionary,
    gzip_header,
    gzip_extra_length,
    gzip_extra,
    gzip_name,
    gzip_comment,
    gzip_checksum,
    block,
    stored_length,
    stored,
    counts,
    length_lengths,
    lengths,
    symbols,
    checksum,
    end,
    failed
  };
  struct Input;
  enum class Go : std::uint8_t {
    on,
    input,  // the next thing is not there as a whole
    halt    // no room left, or nothing more to do
  };

  Go advance(Input& in, std::size_t limit);
  Go zlib_header(Input& in);
  Go zlib_dictionary(Input& in);
  Go gzip_octet(Input& in);
  Go gzip_fixed(std::uint8_t octet);
  Go block(Input& in);
  Go stored_length(Input& in);
  Go stored(Input& in, std::size_t limit);
  Go counts(Input& in);
  Go length_lengths(Input& in);
  Go lengths(Input& in);
  Go symbols(Input& in, std::size_t limit);
  Go symbol(Input& in);
  Go checksum(Input& in);
  Go codes_ready();
  [[nodiscard]] At after_block() const;
  [[nodiscard]] At after_gzip(At part) const;
  void enter_gzip(At part);
  Go fail(Errc why);
  void sum();

  /// Decodes symbols while there is room and more than enough input for one turn of its loop, of
  /// which it makes one at least. Up to `fast_input` octets are looked at.
  void fast_symbols(Input& in, std::size_t limit);
  static constexpr std::size_t fast_input = 16;
  struct Fast;

  /// Whether a match of this distance at this place of the ring begins before the data.
  [[nodiscard]] bool too_far(std::size_t distance, std::size_t at) const {
    return distance > (at | lapped_);
  }
  void copy(std::size_t to, std::size_t distance, std::size_t length);
  void copy_around(std::size_t from, std::size_t to, std::size_t length);

  // What one symbol needs stands first and together.
  std::uint64_t held_;  ///< bits taken and not used, the next one lowest
  std::uint32_t bits_;  ///< how many
  At at_;
  Format format_;
  Errc error_;
  bool last_block_;
  const Entry* literals_;
  const Entry* distances_;
  std::uint32_t literal_mask_, distance_mask_;
  std::size_t end_;            ///< where the next octet goes in the ring
  std::size_t given_;          ///< up to where the caller got it
  std::size_t summed_;         ///< up to where it is in the checksum
  std::size_t lapped_;         ///< all ones once the ring was full: no distance is too far then
  std::uint32_t left_;         ///< octets of a stored block or of a gzip header's extra field
  std::uint32_t sum_;          ///< Adler-32 so far
  std::uint8_t flags_, seen_;  ///< gzip header
  std::uint16_t literal_codes_, distance_codes_, length_codes_, have_;
  std::array<std::uint8_t, 19> length_lengths_;
  std::array<std::uint8_t, 286 + 30> lengths_;
  std::array<Entry, literal_entries> literal_table_;
  std::array<Entry, distance_entries> distance_table_;  ///< also that of the lengths, before
  std::array<std::uint8_t, ring_octets + slack_octets> ring_;
};

/// Gives a decoder back to the thread's pool.
struct Return {
  void operator()(Decoder* decoder) const noexcept;
};
using Borrowed = std::unique_ptr<Decoder, Return>;
/// A decoder out of the calling thread's pool, which keeps up to 32 idle ones: a new one is
/// allocated only when more are in use than ever before. May be given back on another thread.
[[nodiscard]] Borrowed borrow(Format format);

}  // namespace ww::deflate
