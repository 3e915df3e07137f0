#pragma once
/// One streaming decompressor behind one face. See decode.hpp for how they are chained.
#include <cstdint>
#include <memory>
#include <span>

#include "sensors/protocols/http/decode.hpp"

namespace ww::sensor::http {

class Inflater {
 public:
  enum class Status : std::uint8_t {
    more,    ///< all input taken, give more
    output,  ///< the output space is full, call again
    end,     ///< the coded stream is over
    failed,  ///< not valid data of this coding
    memory   ///< needs more memory than allowed
  };
  struct Step {
    Status status = Status::more;
    std::size_t taken = 0;  ///< octets of input used
    Bytes made;             ///< output, borrowed until the next call
  };
  virtual ~Inflater() = default;
  /// @param space  as much output as this is made at most, in it or in a place of the
  /// decompressor's own
  virtual Step step(Bytes in, std::span<std::uint8_t> space) = 0;

  /// Null when the coding cannot be set up.
  [[nodiscard]] static std::unique_ptr<Inflater> make(Coding coding, const DecodeLimits& limits);
};

}  // namespace ww::sensor::http
