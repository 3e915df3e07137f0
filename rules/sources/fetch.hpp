#pragma once
/// One file over HTTP, and whether it is what its publisher says it is.
#include <functional>
#include <string>

#include "rules/sources/config.hpp"

namespace ww::sources {

struct FetchError {
  bool unreachable = false;  ///< the network or the server, not the file
  bool not_found = false;    ///< 404 or 410
  Problem problem;
};
/// Body of a 200 answer.
using Fetch = std::function<Result<std::string, FetchError>(const Source&, const std::string& url)>;

/// GET with redirects (at most 5, never from https to http).
[[nodiscard]] Fetch http_fetch(std::size_t max_octets, std::uint32_t timeout_seconds);

struct Download {
  std::string octets;
  std::string verified;  ///< "sha256 of the configuration", "md5 beside it"; empty: not at all
};
/// Fetches and compares with the checksums of the configuration or those beside the URL.
[[nodiscard]] Result<Download, FetchError> download(const Source& source, const Fetch& fetch);

/// Lower-case hex; `md5` or `sha256`.
[[nodiscard]] std::string digest_hex(std::string_view octets, const char* algorithm);

}  // namespace ww::sources
