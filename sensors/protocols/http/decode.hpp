#pragma once
/// Content codings of bodies: gzip, deflate (raw or zlib), brotli, LZMA, several in a row, within
/// limits. Tolerant where browsers are, because what a browser unpacks must be seen: a wrong gzip
/// checksum, a coding that is not the announced one, data that is not coded at all. The result does
/// not depend on how the body was cut into pieces.
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "sensors/protocols/http/config.hpp"
#include "telemetry/bytes.hpp"

namespace ww::sensor::http {

enum class Coding : std::uint8_t { gzip, deflate, zlib, brotli, lzma };

/// What was remarkable about a body or its Content-Encoding field.
enum class DecodeEvent : std::uint8_t {
  too_many_layers,
  abnormal_coding,  ///< "gzip, foo", "xgzip": understood or passed over, but no honest server
                    ///< writes it
  failed,           ///< data went bad after some of it had been decoded
  bomb,             ///< expands beyond the limits: the rest of the body is not decoded
  lzma_memory
};
using DecodeReport = std::function<void(DecodeEvent)>;

/// The codings of a Content-Encoding field value in the order in which they are undone (as listed).
[[nodiscard]] std::vector<Coding> parse_codings(std::string_view field, const DecodeLimits& limits,
                                                const DecodeReport& report);

/// Undoes the codings of one body. Not thread-safe.
/// Memory: what the layers need (41 KiB each for gzip and deflate), plus 64 KiB for the
/// pass-through decision.
class BodyDecoder {
 public:
  /// Gets decoded octets in pieces of up to 8 KiB, borrowed for the call.
  using Output = std::function<void(Bytes)>;

  BodyDecoder(const std::vector<Coding>& codings, const DecodeLimits& limits);
  ~BodyDecoder();
  BodyDecoder(BodyDecoder&&) noexcept;

  void decode(Bytes data, const Output& output, const DecodeReport& report);
  /// The body is over: gives what was held back.
  void finish(const Output& output, const DecodeReport& report);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ww::sensor::http
