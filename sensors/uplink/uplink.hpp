#pragma once
/// Sends what is spooled to the collector, in order, and forgets it when the collector has it
/// (telemetry/ingest.hpp). One thread. While the collector is away it waits with growing, jittered
/// pauses; the spool holds what comes.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "telemetry/clock.hpp"
#include "telemetry/net/client.hpp"
#include "telemetry/result.hpp"

namespace ww {

class JsonWriter;
class Spool;
class SpoolSink;

struct UplinkOptions {
  std::string identity_folder;  ///< as wardwatch-sensor enrol left it (telemetry/net/enrol.hpp)
  std::string url;              ///< overrides the identity's; https only
  std::size_t batch_events = 10'000;
  std::size_t batch_octets = 3U << 20;  ///< before compression
  int compression = 1;                  ///< zstd level
  std::chrono::milliseconds pause_first{1'000},
      pause_most{60'000};  ///< between attempts; each is jittered by half
  std::chrono::milliseconds timeout{30'000};
  std::chrono::milliseconds heartbeat{60'000};
  /// Makes a connection; tests put their own here. Empty: the client of telemetry/net with the
  /// identity's certificate.
  std::function<Result<std::unique_ptr<http::Client>, http::ClientError>()> connect;
};

struct UplinkStats {
  std::string state = "starting";  ///< starting, connected, waiting, refused
  std::string last_error;
  std::uint64_t batches = 0, events = 0, octets = 0, plain_octets = 0;
  std::uint64_t retries = 0;         ///< attempts that failed and were repeated
  std::uint64_t skipped_events = 0;  ///< told to the collector as lost: shed or unreadable
  std::uint64_t refused_events = 0;  ///< the collector could not take them even one by one
  std::uint64_t renewals = 0;
  Timestamp last_ack, certificate_ends;
};

class Uplink {
 public:
  /// @param spool  read here; `sink` wakes the uplink and takes the heartbeat events; both outlive
  /// the uplink
  /// @param status adds members to the heartbeat's `sensor` object (drops, capture, logs)
  [[nodiscard]] static Result<std::unique_ptr<Uplink>, Problem> make(
      UplinkOptions options, Spool& spool, SpoolSink& sink, const Clock& clock,
      std::function<void(JsonWriter&)> status = {});
  virtual ~Uplink() = default;
  virtual void start() = 0;
  /// Ends the request that runs and joins the thread.
  virtual void stop() = 0;
  /// Waits until everything that is synced now is acknowledged. @return false at the deadline
  virtual bool drain(std::chrono::milliseconds most) = 0;
  [[nodiscard]] virtual UplinkStats stats() const = 0;
};

}  // namespace ww
