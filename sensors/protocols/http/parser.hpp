#pragma once
/// HTTP/1 in a flow: messages from Connection, bodies decoded, files opened, transactions for
/// detection.
#include <array>
#include <memory>
#include <optional>

#include "sensors/protocols/http/body.hpp"
#include "sensors/protocols/http/connection.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::http {

class HttpParser final : public Parser, public ConnectionSink {
 public:
  explicit HttpParser(std::shared_ptr<const Config> config);
  ~HttpParser() override;
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  HttpTransaction* on_transaction() override;
  HttpTransaction* find_transaction(std::uint64_t id) override;
  void on_start(HttpTransaction& tx, Dir dir) override;
  void on_line(HttpTransaction& tx, Dir dir) override;
  void on_headers(HttpTransaction& tx, Dir dir) override;
  void on_body(HttpTransaction& tx, Dir dir, Bytes data) override;
  void on_body_gap(HttpTransaction& tx, Dir dir, std::uint64_t octets) override;
  void on_trailer(HttpTransaction& tx, Dir dir) override;
  void on_complete(HttpTransaction& tx, Dir dir) override;
  void on_event(HttpTransaction* tx, sig::EventId event) override;

  void connect(const sig::Flow& flow);
  void trim_windows();
  Connection::Status feed(Dir dir, const StreamInput& input);
  ParseResult answer(Dir dir, const StreamInput& input, Connection::Status status);
  void end_message(HttpTransaction& tx, Dir dir);
  void finish_connect(HttpTransaction& tx);
  void finish_upgrade(HttpTransaction& tx);
  void enter_tunnel();
  Body& body(HttpTransaction& tx, Dir dir);
  /// Stream offset up to which libhtp has taken the octets of this direction.
  [[nodiscard]] std::uint64_t position(Dir dir) const;

  struct Side {
    std::unique_ptr<Body> body;  ///< of the message under way
    std::uint64_t base = 0;      ///< stream offset of what is being fed
    std::uint64_t frame = 0;     ///< open frame, 0: none
    std::uint64_t frame_start = 0;
    bool stream_frame = false;  ///< the frame of the whole direction was made
  };
  std::shared_ptr<const Config> config_;
  const ServerConfig* server_ = nullptr;
  std::unique_ptr<Connection> connection_;
  std::array<Side, 2> side_;
  ParserContext* ctx_ = nullptr;  ///< while parse() runs
  Dir feeding_ = Dir::to_server;
  std::uint64_t responses_ = 0;
  bool tunnel_ = false;
  std::optional<std::string> change_to_;  ///< what the connection becomes after this message
};

}  // namespace ww::sensor::http
