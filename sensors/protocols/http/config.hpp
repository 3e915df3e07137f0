#pragma once
/// Suricata's HTTP settings (app-layer.protocols.http.libhtp and http.*), read once and shared by
/// flows.
#include <cstdint>
#include <memory>
#include <vector>

#include "telemetry/ip.hpp"
#include "telemetry/settings.hpp"

struct htp_cfg_t;

namespace ww::sensor::http {

/// Limits of body decoding, see decode.hpp.
struct DecodeLimits {
  std::uint32_t layers = 2;                   ///< content codings in a row; 0 = no limit
  std::uint32_t lzma_layers = 0;              ///< 0 = LZMA bodies are passed through
  std::uint64_t lzma_memory = 1 << 20;        ///< octets
  std::uint64_t bomb_octets = 1 << 20;        ///< decoded octets from which the ratio is watched
  std::uint64_t bomb_ratio = 2048;            ///< decoded octets per octet on the wire
  std::uint32_t time_microseconds = 100'000;  ///< spent on one body
};

struct BodyLimits {
  std::uint64_t limit = 100 * 1024;  ///< octets of a body followed; 0 = all
  std::uint64_t inspect_min = 32 * 1024;
  std::uint64_t inspect_window = 4 * 1024;
};

/// One server's settings. Immutable once made.
struct ServerConfig {
  BodyLimits body[2];  ///< by Dir
  DecodeLimits decode;
  std::uint32_t max_transactions = 512;  ///< live at one time in a flow
  bool whole_target = false;  ///< uri-include-all: scheme, user and host belong to http.uri
  bool double_decode_path = false, double_decode_query = false;
  std::shared_ptr<htp_cfg_t> htp;
};

class Config {
 public:
  /// @param settings  the whole tree
  [[nodiscard]] static std::shared_ptr<const Config> from(const Settings& settings);
  /// What was made from these settings before on this thread, else made now.
  [[nodiscard]] static std::shared_ptr<const Config> cached(const Settings& settings);
  /// The settings of the most specific server-config network that has the address, else the
  /// default.
  [[nodiscard]] const ServerConfig& for_server(const IpAddress& address) const;

 private:
  ServerConfig default_;
  std::vector<std::pair<IpNetwork, std::shared_ptr<const ServerConfig>>>
      servers_;  // longest prefix first
};

}  // namespace ww::sensor::http
