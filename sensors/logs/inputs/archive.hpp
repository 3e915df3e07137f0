#pragma once
/// Reads a plain, gzip or zstd file from its start as one stream of octets.
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
};

/// True when the first octets are those of gzip or zstd.
[[nodiscard]] bool is_compressed(int fd);

}  // namespace ww::logs
