#pragma once
/// The HTTPS server: connections, TLS, HTTP/1.1 and every limit that protects the process from its
/// peers. It knows nothing of routes: an Application admits a request by its head and answers it
/// later, from any thread.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "telemetry/net/http.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

struct ServerLimits {
  std::uint32_t max_connections = 4096;
  std::uint32_t max_connections_per_peer = 512;  ///< by address
  std::uint32_t header_octets = 32 * 1024;
  std::uint64_t max_inflight_octets = 512ULL
                                      << 20;  ///< request bodies held at one time, all connections
  std::uint32_t requests_per_second =
      500;  ///< per client certificate, else per address; burst is twice that
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds header{
      15'000};  ///< from the first octet of a request to the end of its head
  std::chrono::milliseconds idle{75'000};   ///< between requests of one connection
  std::chrono::milliseconds body{60'000};   ///< whole body
  std::chrono::milliseconds write{60'000};  ///< whole answer
  std::chrono::milliseconds handler{
      120'000};                             ///< a handler that has not answered by then gives 503
  std::chrono::milliseconds drain{10'000};  ///< at shutdown, for requests under way
};

/// What the server shows in a handshake, and whom it believes. All PEM.
struct Credentials {
  std::string certificate_pem;  ///< chain, leaf first
  std::string key_pem;
  std::string client_ca_pem;  ///< authorities of client certificates; a client may come without one
  /// For clients that know the collector's own authority and no other: those that offer
  /// http::own_authority_protocol. "": as everybody.
  std::string sensor_certificate_pem, sensor_key_pem;
};

struct ServerOptions : Credentials {
  std::vector<std::string> listen{"127.0.0.1:0"};  ///< ADDRESS:PORT, IPv6 in brackets
  unsigned network_threads = 2;
  unsigned worker_threads = 4;  ///< run handlers, which may block on the store
  ServerLimits limits = {};
};

/// Who is at the other end, as TLS and TCP tell it.
struct Peer {
  std::string address;  ///< without the port
  bool has_certificate =
      false;  ///< a client certificate that the authority signed and that is in its time
  std::string certificate_serial;             ///< upper-case hex
  std::vector<std::string> certificate_uris;  ///< SAN URIs
};

/// Writes to a connection whose answer is a stream. Thread-safe; keeps no connection alive by
/// itself.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  /// False when the peer has gone or is too slow (more than 1 MiB waits); the stream is then over.
  virtual bool write(std::string_view octets) = 0;
  virtual void close() = 0;
};

/// One request and the duty to answer it once. When the last reference goes without an answer, the
/// peer gets 500.
class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;
  http::Request request;
  Peer peer;
  std::shared_ptr<void> context;  ///< what the application found out in admit()
  /// Any thread. Calls after the first do nothing.
  virtual void reply(http::Response response) = 0;
  /// Starts a chunked answer that goes on until close() or the peer leaves. Any thread.
  virtual std::shared_ptr<StreamWriter> stream(http::Response head) = 0;
};
using ExchangePtr = std::shared_ptr<Exchange>;

/// What to do with a request whose head has come.
struct Admission {
  bool accepted = false;
  std::uint64_t body_limit = 0;
  std::shared_ptr<void> context;  ///< handed on to Exchange::context
  http::Response refusal;         ///< when not accepted
};

class Application {
 public:
  virtual ~Application() = default;
  /// On a network thread: quick, no blocking. The request has no body yet.
  virtual Admission admit(const http::Request& head, const Peer& peer) = 0;
  /// On a worker thread; may answer later.
  virtual void handle(ExchangePtr exchange) = 0;
  /// Headers that every answer carries, also those the server makes itself.
  virtual void finish(http::Response& response) = 0;
};

/// Counters since start, for /metrics.
struct ServerStats {
  std::uint64_t connections = 0, connections_open = 0, connections_refused = 0;
  std::uint64_t handshake_failures = 0, requests = 0, bad_requests = 0, timeouts = 0,
                rate_limited = 0, too_large = 0;
  std::uint64_t inflight_octets = 0;
};

class Server {
 public:
  /// Opens the sockets (an address in use or not ours is the Problem) and starts the threads.
  /// @param application  must outlive the server
  [[nodiscard]] static Result<std::unique_ptr<Server>, Problem> start(const ServerOptions& options,
                                                                      Application& application);
  /// Stops and waits.
  virtual ~Server() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;  ///< of the first address
  /// New connections use the new certificate; established ones go on.
  [[nodiscard]] virtual Result<void, Problem> reload(const Credentials& credentials) = 0;
  /// No new connections; requests under way are answered within limits.drain. Waits.
  virtual void stop() = 0;
  [[nodiscard]] virtual ServerStats stats() const = 0;
};

}  // namespace ww::collector
