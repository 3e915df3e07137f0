#pragma once
/// A buffered look at a file, pipe or memory, decompressed on the way when it is gzip or zstd.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

namespace ww::capture {

/// Somewhere octets come from. Returns how many were put at `out`; 0 is the end.
class Octets {
 public:
  virtual ~Octets() = default;
  [[nodiscard]] virtual Result<std::size_t, Problem> read(std::uint8_t* out, std::size_t room) = 0;
};

/// @param path  "-" is standard input
[[nodiscard]] Result<std::unique_ptr<Octets>, Problem> open_octets(const std::string& path);
/// Octets already in memory, which must outlive the reader.
[[nodiscard]] std::unique_ptr<Octets> memory_octets(Bytes octets);

/// Sequential access with as much lookahead as asked for. Compression is found out from the first
/// octets.
class Input {
 public:
  Input(std::unique_ptr<Octets> octets, std::string name);
  ~Input();
  Input(Input&&) noexcept;
  Input& operator=(Input&&) noexcept;

  /// At least n octets from the current position, or fewer at the end. Valid until the next call.
  [[nodiscard]] Result<Bytes, Problem> peek(std::size_t n);
  /// What is in memory from the current position on.
  [[nodiscard]] Bytes held() const { return Bytes(buffer_).subspan(begin_, end_ - begin_); }
  /// Goes on past octets that peek() gave.
  void consume(std::size_t n);
  /// Goes on past octets without looking; false when the end came first.
  [[nodiscard]] Result<bool, Problem> skip(std::uint64_t n);
  /// Position in the decompressed octets.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  [[nodiscard]] Result<void, Problem> detect_compression();
  [[nodiscard]] Result<void, Problem> fill(std::size_t n);

  std::unique_ptr<Octets> source_;
  std::string name_;
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0;
  bool at_end_ = false;
  bool checked_ = false;
};

}  // namespace ww::capture
