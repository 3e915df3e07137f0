#pragma once
/// A folder for what a test writes.
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace ww::test {

/// A new empty folder, open to its owner only, that goes with all that is in it.
class TempFolder {
 public:
  explicit TempFolder(const std::filesystem::path& place = std::filesystem::temp_directory_path()) {
    path_ = (place / "ww-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr)
      throw std::system_error(errno, std::generic_category(), path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The path of `name` in the folder, whether there is such a thing or not.
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  /// Writes a file and gives its path.
  std::string write(std::string_view name, std::string_view octets) const {
    auto file = *this / name;
    std::ofstream(file, std::ios::binary) << octets;
    return file;
  }

 private:
  std::string path_;
};

}  // namespace ww::test
