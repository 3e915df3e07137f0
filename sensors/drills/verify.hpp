#pragma once
/// Looks whether what was restored is whole: counts, manifest, files, databases. What was restored
/// is not trusted: this runs in a process of its own (`wardwatch-sensor verify-restore`), so a file
/// that breaks a library fails the check and nothing else.
#include <cstdint>
#include <string>
#include <vector>

#include "sensors/drills/drill_config.hpp"

namespace ww::drills {

struct VerifyResult {
  std::uint64_t files = 0, octets = 0;
  std::vector<std::string> passed, failed;  ///< "manifest: 12 files", "opens: app.sqlite"
};

/// @param root  where it was restored to
[[nodiscard]] VerifyResult verify(const std::string& root, const RestoreTarget& target);

/// Specification and result as JSON text, to cross the process border.
[[nodiscard]] std::string verify_spec(const std::string& root, const RestoreTarget& target);
[[nodiscard]] Result<std::pair<std::string, RestoreTarget>, std::string> read_verify_spec(
    std::string_view json);
[[nodiscard]] std::string verify_result(const VerifyResult& result);
[[nodiscard]] Result<VerifyResult, std::string> read_verify_result(std::string_view json);

}  // namespace ww::drills
