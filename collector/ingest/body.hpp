#pragma once
/// Undoing Content-Encoding of untrusted bodies, within bounds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/result.hpp"

namespace ww::collector {

enum class BodyErrc : std::uint8_t {
  unknown_encoding,  ///< 415
  corrupt,           ///< 400
  too_large,         ///< 413: more than max_octets after decompression
};
struct BodyError {
  BodyErrc code;
  std::string what;
};

/// @param encoding    Content-Encoding as sent: empty, identity, gzip, deflate, zstd, snappy (block
/// format)
/// @param max_octets  bound of the result; memory used is at most this plus the decompressor's
/// window (8 MiB)
[[nodiscard]] Result<std::string, BodyError> decode_body(std::string_view encoding,
                                                         std::string&& body,
                                                         std::size_t max_octets);

/// Snappy block format (google/snappy format_description.txt): a length, then literals and copies.
[[nodiscard]] Result<std::string, BodyError> snappy_decode(std::string_view block,
                                                           std::size_t max_octets);

}  // namespace ww::collector
