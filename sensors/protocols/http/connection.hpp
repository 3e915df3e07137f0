#pragma once
/// HTTP/1 messages out of the two directions of a connection, by libhtp, behind an interface of
/// ours: libhtp is seen by connection.cpp and config.cpp only. What it finds is copied into
/// HttpTransaction; its own transactions go as soon as they are complete. Bodies come out
/// de-chunked and still coded.
#include <cstdint>
#include <memory>

#include "sensors/protocols/http/config.hpp"
#include "sensors/protocols/http/http.hpp"

namespace ww::sensor::http {

/// What the owner of a Connection is told, in the order of the wire.
class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;
  /// A request starts, or a response that no request was seen for. The sink owns the transaction,
  /// which must live until both directions are complete or the connection is gone. Null: no more
  /// transactions; parsing fails.
  virtual HttpTransaction* on_transaction() = 0;
  /// The transaction of that id, or null when it is gone.
  virtual HttpTransaction* find_transaction(std::uint64_t id) = 0;
  virtual void on_start(HttpTransaction& tx, Dir dir) = 0;
  virtual void on_line(HttpTransaction& tx, Dir dir) = 0;
  virtual void on_headers(HttpTransaction& tx, Dir dir) = 0;
  virtual void on_body(HttpTransaction& tx, Dir dir, Bytes data) = 0;
  virtual void on_body_gap(HttpTransaction& tx, Dir dir, std::uint64_t octets) = 0;
  virtual void on_trailer(HttpTransaction& tx, Dir dir) = 0;
  virtual void on_complete(HttpTransaction& tx, Dir dir) = 0;
  /// @param tx  null: of the connection
  virtual void on_event(HttpTransaction* tx, sig::EventId event) = 0;
};

class Connection {
 public:
  enum class Status : std::uint8_t {
    ok,
    error,   ///< cannot be followed any more
    tunnel,  ///< no longer HTTP from consumed() on
  };
  /// @param config  borrowed; outlives the connection
  Connection(const ServerConfig& config, ConnectionSink& sink, std::uint16_t client_port,
             std::uint16_t server_port);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] Status feed(Dir dir, Bytes data, Timestamp time);
  /// Octets that are missing from the stream.
  [[nodiscard]] Status gap(Dir dir, std::uint64_t octets, Timestamp time);
  /// @param cut  the side sent more, which was never read: a line without an end stays one
  void end(Dir dir, Timestamp time, bool cut = false);
  /// Octets of the current or last feed() of this direction that were taken in.
  [[nodiscard]] std::size_t consumed(Dir dir) const;

  struct Impl;  ///< seen by libhtp's callbacks

 private:
  std::unique_ptr<Impl> impl_;
};

/// Sets the callbacks of a libhtp configuration that Connection relies on.
void register_callbacks(htp_cfg_t* cfg);

}  // namespace ww::sensor::http
