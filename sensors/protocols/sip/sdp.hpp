#pragma once
/// Session descriptions: SDP (RFC 8866), as SIP carries them.
#include <optional>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::sdp {

struct Limits {
  std::size_t max_lines = 1024;  ///< lines after that are left out
};

struct Time {
  std::string time;                  ///< `t=`
  std::vector<std::string> repeats;  ///< `r=`
};

struct Media {
  std::string media;                      ///< `m=`
  std::optional<std::string> title;       ///< `i=`
  std::optional<std::string> connection;  ///< `c=`
  std::optional<std::string> key;         ///< `k=`
  std::vector<std::string> bandwidths, attributes;
};

/// Values are as sent, with runs of spaces between words made one where the format has words.
struct Description {
  std::string origin, name;
  std::optional<std::string> info, uri, email, phone, connection, timezone, key;
  std::vector<std::string> bandwidths, attributes;
  std::vector<Time> times;
  std::vector<Media> media;
};

/// Reads a description.
///
/// @param octets  untrusted; nothing returned refers to it
/// @return        nothing when it does not begin with version 0, an origin and a name (RFC 8866 5);
///                reading ends at the first line that is none
/// Cost: linear in octets.size().
[[nodiscard]] std::optional<Description> parse(Bytes octets, const Limits& limits = {});

}  // namespace ww::sdp
