#pragma once
/// Uploads in multipart/form-data bodies (RFC 7578, RFC 2046 section 5.1), read as they come.
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/bytes.hpp"

namespace ww::sensor::http {

/// What is found in a form, in order.
class MultipartSink {
 public:
  enum class Fault : std::uint8_t {
    header,   ///< a part's header line without a name or a value
    no_data,  ///< a file that has no octets
    generic   ///< the form cannot be followed any more
  };
  virtual ~MultipartSink() = default;
  virtual void on_file(std::string_view name) = 0;
  virtual void on_file_data(Bytes data) = 0;
  /// @param whole  false: the body ended before the closing boundary
  virtual void on_file_end(bool whole) = 0;
  virtual void on_fault(Fault fault) = 0;
};

/// One body. Memory: a boundary or a part's header block, at most `max_part_header` octets.
/// The result does not depend on how the body is cut into pieces.
class Multipart {
 public:
  static constexpr std::size_t max_part_header = 16 * 1024, max_boundary = 200;

  /// @param boundary  of the Content-Type field; at most max_boundary octets
  Multipart(std::string_view boundary, MultipartSink& sink);
  void feed(Bytes data);
  void finish();
  [[nodiscard]] bool in_file() const { return state_ == State::file; }

 private:
  enum class State : std::uint8_t { preamble, delimiter, header, skip, file, done };
  bool step();
  bool find_boundary(bool file);
  bool after_delimiter();
  bool read_header();
  void header_line(std::string_view line, std::string& name, bool& has_name);
  void leave_file(bool whole);
  void stop(MultipartSink::Fault fault);

  std::string mark_;  // "--" and the boundary
  MultipartSink& sink_;
  State state_ = State::preamble;
  std::string held_;  // octets not decided yet
  bool file_empty_ = true;
};

}  // namespace ww::sensor::http
