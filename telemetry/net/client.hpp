#pragma once
/// A small HTTPS client: one connection, kept alive, mutual TLS, one deadline for each request.
/// Used by the sensor's uplink, wardwatchctl, notifiers and tests.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "telemetry/net/http.hpp"
#include "telemetry/result.hpp"

namespace ww::http {

struct ClientOptions {
  std::string url = {};                       ///< https://host:port (its path is ignored)
  std::string ca_file = {};                   ///< PEM; empty = the system's authorities
  std::string cert_file = {}, key_file = {};  ///< PEM of a client certificate; both or neither
  /// SHA-256 (lower-case hex) of an authority's certificate. The server must present a chain that
  /// ends in it: first contact at enrolment, before there is a ca_file.
  std::string ca_pin = {};
  /// Asks the collector for the certificate of its own authority, whatever it shows to browsers.
  bool own_authority = false;
  bool verify = true;            ///< false only when a person asked for it
  std::string server_name = {};  ///< name to check instead of the URL's host
  std::chrono::milliseconds timeout{
      30'000};  ///< resolve, connect, handshake, send, receive: all of it
  std::size_t max_response_octets = 64U << 20;
  std::string user_agent = "wardwatch";
};

enum class ClientErrc : std::uint8_t {
  configuration,  ///< URL, certificate or key file
  unreachable,    ///< name, connection refused, no route
  tls,            ///< certificate not accepted, by us or by them
  timeout,
  broken,     ///< connection ended or the answer is not HTTP
  too_large,  ///< answer over max_response_octets
  cancelled,
};
struct ClientError {
  ClientErrc code;
  Problem problem;
};

/// One thread at a time calls send() or stream(); cancel() may come from any thread.
class Client {
 public:
  /// Reads the certificate files; does not connect yet.
  [[nodiscard]] static Result<std::unique_ptr<Client>, ClientError> create(
      const ClientOptions& options);
  virtual ~Client() = default;

  /// Sends and waits for the whole answer. Host, User-Agent and Content-Length are set here. A kept
  /// connection that the server closed meanwhile is opened again once, before anything of the
  /// answer came. Any HTTP status is a Response, not an error.
  [[nodiscard]] virtual Result<Response, ClientError> send(const Request& request) = 0;
  /// Sends and hands body octets on as they come (server-sent events). Ends when the server ends,
  /// when on_data returns false, on cancel(), or `idle` without any octet. The Response has no body
  /// unless its status is not 200.
  [[nodiscard]] virtual Result<Response, ClientError> stream(
      const Request& request, std::function<bool(std::string_view)> on_data,
      std::chrono::milliseconds idle) = 0;
  /// Ends the request that runs now, and every later one, with `cancelled`.
  virtual void cancel() = 0;
  /// The authority certificate (PEM) at the end of the server's chain, after the first answer; may
  /// be empty.
  [[nodiscard]] virtual std::string server_chain_root() const = 0;
};

}  // namespace ww::http
