#pragma once
/// The collector's own certificate authority: P-256, name-constrained, key on disk with mode 0600.
/// It signs sensors (site and sensor in a SAN URI) and the collector's server certificate.
///
///   FOLDER/ca.pem ca.key server.pem server.key
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

struct SensorName {
  std::string site, sensor;
  auto operator<=>(const SensorName&) const = default;
};
/// Lower-case letters, digits and dashes, 1 to 63, a letter or digit first and last.
[[nodiscard]] bool valid_slug(std::string_view text);
/// "spiffe://wardwatch.internal/site/SITE/sensor/SENSOR"
[[nodiscard]] std::string sensor_uri(const SensorName& name);
[[nodiscard]] std::optional<SensorName> parse_sensor_uri(std::string_view uri);

struct AuthorityOptions {
  std::string folder;
  /// DNS names and addresses of the collector: into the server certificate, and the only ones that
  /// the authority's constraints allow. localhost, 127.0.0.1 and ::1 are always added.
  std::vector<std::string> names = {};
  int ca_days = 3650, server_days = 397;
  std::chrono::seconds sensor_life{90 * 86'400};
};

struct Issued {
  std::string certificate_pem;  ///< the leaf alone
  std::string serial;           ///< upper-case hex, as in collector::Peer
  Timestamp not_before, not_after;
};

struct ServerIdentity {
  std::string certificate_pem;  ///< leaf and authority
  std::string key_pem;
  Timestamp not_after;
  std::string renewed = {};  ///< why this call issued it; empty when it was there
};

/// Thread-safe after open().
class Authority {
 public:
  /// Opens the authority in the folder; makes one when the folder has none.
  /// @param clock  borrowed
  [[nodiscard]] static Result<std::unique_ptr<Authority>, Problem> open(
      const AuthorityOptions& options, const Clock& clock);
  [[nodiscard]] static bool exists(const std::string& folder);
  virtual ~Authority() = default;

  [[nodiscard]] virtual const std::string& certificate_pem() const = 0;
  /// SHA-256 of the authority's certificate, lower-case hex: what an enrolment token carries as a
  /// pin.
  [[nodiscard]] virtual const std::string& fingerprint() const = 0;
  /// Signs a sensor's request. Only its public key is taken (P-256 or P-384, or RSA from 2048 to
  /// 4096 bits); subject and names are ours. Untrusted input, at most 16 KiB.
  [[nodiscard]] virtual Result<Issued, std::string> sign_sensor(std::string_view csr_pem,
                                                                const SensorName& name) const = 0;
  /// SHA-256 of the public key in a request, or nothing when it is no valid request.
  [[nodiscard]] virtual std::optional<std::string> request_key(std::string_view csr_pem) const = 0;
  /// The authority's signature (ECDSA, SHA-256, DER, base64) over an order to a sensor
  /// (telemetry/orders.hpp).
  [[nodiscard]] virtual std::string sign_order(std::string_view payload) const = 0;
  /// The server's certificate; issued anew when there is none, when names were added, or within 30
  /// days of its end.
  [[nodiscard]] virtual Result<ServerIdentity, Problem> server_identity() = 0;
};

}  // namespace ww::collector
