#pragma once
/// Reads a plain, gzip or zstd file from its start as one stream of octets.
#include <cstdint>
#include <memory>
#include <string>

namespace ww::logs {

class ArchiveReader {
 public:
  /// By the file's first octets, not by its name. Null when it cannot be opened.
  [[nodiscard]] static std::unique_ptr<ArchiveReader> open(const std::string& path);
  virtual ~ArchiveReader() = default;
  /// Appends up to `octets`. @return false at the end or when the rest is damaged
  virtual bool read(std::string& out, std::size_t octets) = 0;
  enum class End : std::uint8_t {
    whole,  ///< the last member or frame is complete
    cut,    ///< ends inside one: somebody still writes it, or it was cut off
    damaged
  };
  /// How it ended, once read() has returned false.
  [[nodiscard]] virtual End end() const = 0;
};

/// True when the first octets are those of gzip or zstd.
[[nodiscard]] bool is_compressed(int fd);

}  // namespace ww::logs
