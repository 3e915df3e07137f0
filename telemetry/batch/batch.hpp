#pragma once
/// The body of an ingest request: spooled events with their place in the sensor's sequence written
/// in, one a line, compressed with zstd; and the way back with a bound on what may come out.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/result.hpp"

namespace ww::batch {

/// What every spooled event starts with; the encoder puts `"epoch":E,"seq":N,` behind it. Numbers
/// are written when an event is sent, not when it is spooled, so that a renewed epoch needs no
/// rewriting of the spool.
inline constexpr std::string_view envelope_start = "{\"ww\":{";

/// Builds bodies one after another; keeps its memory and compression state.
class Encoder {
 public:
  explicit Encoder(int level = 1);
  ~Encoder();
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  void begin();
  void add(std::string_view payload, std::uint64_t epoch, std::uint64_t seq);
  /// Octets before compression so far.
  [[nodiscard]] std::size_t plain_octets() const { return plain_.size(); }
  /// @return the compressed body, valid until begin()
  [[nodiscard]] std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  std::string plain_;
};

/// Undoes a Content-Encoding: "zstd", "gzip", "identity" or "". Concatenated frames are read as
/// one.
/// @param max_octets  more than this is refused before it is held in memory
[[nodiscard]] Result<std::string, Problem> decode(std::string_view encoding, std::string_view body,
                                                  std::size_t max_octets);

}  // namespace ww::batch
