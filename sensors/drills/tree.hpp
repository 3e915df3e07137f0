#pragma once
/// Copying a tree of files into the scratch place: regular files, folders and links as links;
/// devices, sockets and pipes are left out and counted. Rights of others are not taken over.
#include <cstdint>
#include <functional>
#include <string>

namespace ww::drills {

struct Copied {
  std::uint64_t files = 0, left_out = 0;
  std::string error;  ///< "" when all was copied
};
/// @param go_on  asked after each mebibyte; false ends the copy
[[nodiscard]] Copied copy_tree(const std::string& from, const std::string& to,
                               const std::function<bool()>& go_on);
[[nodiscard]] std::string copy_file(const std::string& from, const std::string& to,
                                    const std::function<bool()>& go_on);

}  // namespace ww::drills
