#pragma once
/// Syslog at the collector: UDP (RFC 5426), TCP with both framings (RFC 6587), TLS (RFC 5425).
/// Messages become `log` events through the log formats and go into the pipeline in small batches.
///
/// When the pipeline is busy, TCP and TLS senders are read more slowly and lose nothing; datagrams
/// have nobody to wait, so they are dropped and counted.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "collector/ingest/pipeline.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

struct SyslogOptions {
  std::vector<std::string> udp, tcp, tls;           ///< ADDRESS:PORT each
  std::string site = "unknown", sensor = "syslog";  ///< what the events are stored under
  /// TLS: the server's identity, and the authorities of clients; with an authority a client
  /// certificate is required.
  std::string certificate_pem, key_pem, client_ca_pem;
  std::size_t max_message_octets = 64 * 1024;
  std::uint32_t max_connections = 1024;
  std::chrono::milliseconds idle{600'000};
  std::uint32_t batch_events = 1000;
  std::chrono::milliseconds batch_delay{200};
  std::uint32_t max_waiting_events = 100'000;  ///< messages that the pipeline has not committed yet
};

struct SyslogStats {
  std::uint64_t messages = 0, octets = 0, dropped = 0, too_long = 0, bad_frames = 0;
  std::uint64_t connections = 0, connections_open = 0, connections_refused = 0, failed_batches = 0;
};

class SyslogServer {
 public:
  /// @param pipeline, clock  borrowed
  [[nodiscard]] static Result<std::unique_ptr<SyslogServer>, Problem> start(
      const SyslogOptions& options, Pipeline& pipeline, const Clock& clock);
  /// Stops listening, hands over what was read, waits for its answers.
  virtual ~SyslogServer() = default;
  [[nodiscard]] virtual std::uint16_t udp_port()
      const = 0;  ///< of the first address of each kind; 0: none
  [[nodiscard]] virtual std::uint16_t tcp_port() const = 0;
  [[nodiscard]] virtual std::uint16_t tls_port() const = 0;
  [[nodiscard]] virtual SyslogStats stats() const = 0;
};

/// Takes messages out of a TCP stream. Octet counting ("57 <34>1 ...") and trailing LF are told
/// apart message by message, as RFC 6587 section 3.4 says; a NUL or CR before the LF is cut. No
/// allocation beyond the longest message.
class SyslogFramer {
 public:
  explicit SyslogFramer(std::size_t max_message) : max_(max_message) {}
  /// Adds octets from the wire.
  void feed(std::string_view octets) { buffer_ += octets; }
  /// The next whole message in `out`; false when more is needed or the stream is broken.
  bool next(std::string& out);
  /// What is left at the end of the stream: a last line without its LF.
  bool rest(std::string& out);
  [[nodiscard]] bool broken() const {
    return broken_;
  }  ///< a count that cannot be: there is no way to go on
  [[nodiscard]] std::uint64_t too_long() const { return too_long_; }  ///< messages cut at the limit

 private:
  std::size_t max_;
  std::string buffer_;
  std::size_t skip_ = 0;    // octets of an over-long counted message still to be passed over
  bool skip_line_ = false;  // the rest of an over-long line
  bool broken_ = false;
  std::uint64_t too_long_ = 0;
};

}  // namespace ww::collector
