#pragma once
/// What is remembered of a followed file, and how a file is recognised. Used by the tail input
/// only.
#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ww::logs {

/// A checksum of a file's first octets, as many as had been read when it was taken.
struct Fingerprint {
  static constexpr std::uint32_t most = 1024;
  static constexpr std::uint32_t enough_for_copies = 48;  ///< fewer octets do not prove a copy
  std::uint32_t length = 0, sum = 0;
  bool operator==(const Fingerprint&) const = default;
};

struct FileState {
  std::string path;
  std::uint64_t offset = 0;
  Fingerprint print;
  bool done = false;               ///< an archive, read to its end
  std::uint64_t archive_size = 0;  ///< of the file then; 0 when not known
  std::string open_record;         ///< SourceParser::save()

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<FileState> parse(std::string_view text);
};

/// "tail:DEVICE:INODE", hex.
[[nodiscard]] std::string state_key(const struct stat& st);

/// The first octets of a file, decompressed when it is an archive, at most Fingerprint::most.
[[nodiscard]] std::string first_octets(const std::string& path);
[[nodiscard]] Fingerprint fingerprint(std::string_view first, std::uint64_t up_to);
/// Whether a file that starts with `first` is (a copy of) the one the fingerprint was taken from.
[[nodiscard]] bool fits(std::string_view first, const Fingerprint& print);

}  // namespace ww::logs
