#pragma once
/// Where rules come from and what is done to them: a YAML file with suricata-update's names where
/// it has one. docs/rules-tools.md describes every key.
#include <string>
#include <vector>

#include "rules/sources/archive.hpp"
#include "telemetry/result.hpp"

namespace ww::sources {

struct Source {
  enum class Checksum : std::uint8_t {
    automatic,  ///< URL.sha256 or URL.md5 when there is one
    required,   ///< as automatic, but there must be one
    none
  };
  std::string name;
  std::string url;
  Checksum checksum = Checksum::automatic;
  std::string sha256, md5;  ///< lower-case hex, from the configuration; stronger than any beside it
  std::string ca_file;      ///< PEM of the authority to trust; empty = the system's
  std::vector<std::pair<std::string, std::string>> headers;  ///< sent with each request
};

struct UpdateConfig {
  std::string output;  ///< the rules file; OUTPUT.previous keeps the one before
  std::vector<Source> sources;
  std::vector<std::string> local;   ///< files, folders, glob patterns
  std::vector<std::string> ignore;  ///< file name patterns, default *deleted.rules
  std::string disable_conf, enable_conf, drop_conf, modify_conf;  ///< empty = none
  std::string suricata_conf, classification, thresholds;          ///< for checking the result
  bool switch_off_refused = false;  ///< refused rules are written as comments; else nothing changes
  ArchiveLimits limits;
  std::size_t max_download = 64U << 20;
  std::uint32_t timeout_seconds = 120;  ///< for each request
};

/// Relative paths start at the file's folder. An unknown key is refused.
[[nodiscard]] Result<UpdateConfig, Problem> load_config(const std::string& path);

}  // namespace ww::sources
