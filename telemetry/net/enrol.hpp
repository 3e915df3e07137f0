#pragma once
/// How a sensor gets and keeps its identity: a one-time token buys a certificate for a key that
/// never leaves the machine; the certificate is renewed over mutual TLS before it ends.
///
///   FOLDER/sensor.pem (certificate and key, 0600)  FOLDER/ca.pem  FOLDER/identity.json
///   {"site","sensor","url"}
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "telemetry/clock.hpp"
#include "telemetry/net/client.hpp"
#include "telemetry/result.hpp"

namespace ww::net {

/// "wwe_SECRET.PIN": the pin is the SHA-256 of the collector's authority, so that the first contact
/// is already authenticated and no CA file has to be carried to the sensor.
struct EnrolmentToken {
  std::string secret;  ///< "wwe_..." as the collector knows it
  std::string ca_pin;  ///< lower-case hex
};
[[nodiscard]] std::optional<EnrolmentToken> parse_enrolment_token(std::string_view text);
[[nodiscard]] std::string enrolment_token_text(const EnrolmentToken& token);

/// A new P-256 key and a certificate request signed by it, both PEM.
struct KeyAndRequest {
  std::string key_pem, csr_pem;
};
[[nodiscard]] KeyAndRequest make_request(std::string_view common_name);

struct SensorIdentity {
  std::string site, sensor, url;
  std::string cert_file, key_file, ca_file;
  Timestamp not_before, not_after;
  /// Two thirds of the certificate's life are over.
  [[nodiscard]] bool renewal_due(Timestamp now) const;
};
/// The identity in a folder; nothing when there is none yet, a Problem when it is damaged.
[[nodiscard]] Result<std::optional<SensorIdentity>, Problem> load_identity(
    const std::string& folder);

/// Asks the collector for a certificate and stores it. The key is written first and used again when
/// a first attempt was cut off, so that the same token still works. Blocks up to `timeout`.
[[nodiscard]] Result<SensorIdentity, http::ClientError> enrol(
    const std::string& url, std::string_view token, const std::string& folder,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
/// A new key and certificate over the old one. The old files stay until the new ones are whole.
[[nodiscard]] Result<SensorIdentity, http::ClientError> renew(
    const SensorIdentity& identity, const std::string& folder,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));

/// Whole or not at all (temporary file, fsync, rename), with the mode from the start.
[[nodiscard]] Result<void, Problem> write_file(const std::string& path, std::string_view text,
                                               unsigned mode);

}  // namespace ww::net
