#pragma once
/// The application layer: what a protocol folder implements and registers. One folder = one
/// protocol; it registers itself with a static ProtocolRegistration and touches no list elsewhere.
///
///   bytes of a direction -> Parser::parse -> transactions -> detection (through getters) ->
///   loggers -> EVE
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {

using sig::AppProto;
using sig::Dir;
using sig::EventId;
using sig::Transaction;

/// Services a parser may use while it parses. Implemented by the flow's application-layer state.
class ParserContext {
 public:
  virtual ~ParserContext() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;  ///< time of the packet that brought the data
  [[nodiscard]] virtual const sig::Flow& flow() const = 0;
  /// Opens a file carried by a transaction; append and close it through
  /// sensors/files/file_store.hpp.
  [[nodiscard]] virtual class FileStore& files() = 0;
  /// Records a frame (see sig::Frame). length -1 = not known yet. Returns a handle for
  /// frame_length().
  virtual std::uint64_t add_frame(sig::FrameType type, Dir dir, std::uint64_t offset,
                                  std::int64_t length, std::uint64_t tx_id = UINT64_MAX) = 0;
  virtual void set_frame_length(std::uint64_t frame, std::int64_t length) = 0;
  virtual void set_frame_tx(std::uint64_t frame, std::uint64_t tx_id) = 0;
  /// Asks for the protocol to be detected again from the next octet on (STARTTLS, CONNECT,
  /// upgrade).
  /// @return false: the flow is just changing to the protocol that asks, and stays with it
  virtual bool change_protocol(std::string_view expected) = 0;
  /// The same parser goes on, but what it reads turned out to have a name of its own (DNS inside
  /// HTTP/2): the flow, and rules and loggers for transactions of that protocol, go by it from now
  /// on.
  virtual void rename_protocol(std::string_view /*name*/) {}
  /// A note for the parser that follows after change_protocol(): its expectation() (the request of
  /// an h2c upgrade).
  virtual void hand_over(std::shared_ptr<void> /*note*/) {}
  /// Expects a related flow (FTP data): addresses and destination port, protocol, note handed to
  /// its parser.
  virtual void expect_flow(const IpAddress& from, const IpAddress& to, std::uint16_t to_port,
                           std::string_view proto, std::shared_ptr<void> note) = 0;
  [[nodiscard]] virtual std::shared_ptr<void> expectation()
      const = 0;  ///< note of the flow that expected us
  /// Flow-level event that belongs to no transaction.
  virtual void add_event(EventId event) = 0;
  /// No more parsing wanted in either direction (TLS after the handshake, SSH after keys): payload
  /// is skipped.
  virtual void bypass_payload() = 0;
  /// What follows is encrypted: the parser goes on, rules on payload and stream do not apply any
  /// more.
  virtual void payload_encrypted() {}
};

/// A piece of one direction of a stream, or one datagram.
struct StreamInput {
  Bytes data;
  std::uint64_t offset = 0;  ///< stream offset of data[0]; 0 for datagrams
  std::uint64_t gap = 0;     ///< octets missing before data (data may be empty)
  bool end = false;          ///< the direction is finished (FIN, RST, flow end)
  bool cut = false;          ///< with end: the sender sent more, which was never read
  bool first = false;        ///< first data of this direction
};

/// What a parser did with the octets.
struct ParseResult {
  enum class Status : std::uint8_t { ok, need_more, error } status = Status::ok;
  std::size_t consumed = 0;  ///< need_more: octets taken; the rest comes again with more behind it
  std::size_t needed =
      0;  ///< need_more: call again when at least this many (from `consumed`) are there; 0 = any
  static ParseResult ok() { return {}; }
  static ParseResult more(std::size_t consumed, std::size_t needed = 0) {
    return {Status::need_more, consumed, needed};
  }
  static ParseResult error() { return {Status::error, 0, 0}; }
};

/// State of one flow's application protocol. Not shared between threads.
class Parser {
 public:
  virtual ~Parser() = default;
  virtual ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) = 0;
  /// Live transactions, oldest first; the owner calls release() when a transaction is complete,
  /// inspected and logged.
  [[nodiscard]] std::span<Transaction* const> transactions() const { return view_; }
  /// Drops transactions that `done` says are finished with: from the front, or anywhere when the
  /// parser asked for that (transactions that may stay open as long as the connection).
  void release(const std::function<bool(const Transaction&)>& done);
  /// Parsers that accept gaps say so; others stop at the first one.
  [[nodiscard]] virtual bool accepts_gaps() const { return false; }
  [[nodiscard]] std::uint64_t transaction_count() const { return next_id_; }

 protected:
  /// Takes ownership and numbers it.
  template <class T>
  T& add(std::unique_ptr<T> tx, ParserContext& ctx) {
    T& ref = *tx;
    own(std::move(tx), ctx);
    return ref;
  }
  std::deque<std::unique_ptr<Transaction>> owned_;
  bool release_any_ = false;  ///< finished transactions go even while older ones still wait

 private:
  void own(std::unique_ptr<Transaction> tx, ParserContext& ctx);
  std::vector<Transaction*> view_;
  std::uint64_t next_id_ = 0;
};

/// How sure a probe is.
enum class Probe : std::uint8_t {
  no,
  maybe,
  yes,
  reversed /* yes, but the other side is the server */
};

struct LogContext {
  const sig::Flow& flow;
  const Settings& options;  ///< the eve-log type's own options ("extended", "custom"...)
};

/// One EVE event type a protocol writes.
struct Logger {
  std::string event_type;     ///< EVE `event_type`
  std::string settings_name;  ///< name under outputs.eve-log.types; same as event_type as a rule
  /// May this transaction be logged now? Null: when both directions are complete.
  bool (*ready)(const Transaction&) = nullptr;
  /// Writes `"http": {...}` style members into the open event object. False: nothing to log after
  /// all.
  bool (*write)(const Transaction&, const LogContext&, JsonWriter&) = nullptr;
  /// For an alert on this transaction; null = same as write.
  bool (*write_alert)(const Transaction&, const LogContext&, JsonWriter&) = nullptr;
  /// The event's packet direction: which way src/dest are printed. Default: to_server.
  Dir (*direction)(const Transaction&) = nullptr;
  bool on_by_default = true;
};

struct Protocol {
  std::string name;           ///< EVE app_proto ("http", "dns", "tls", "smb"...)
  std::string settings_name;  ///< under app-layer.protocols ("http", "dns", "tls"...)
  std::vector<std::string>
      rule_names;  ///< names rules may use in the header ("http", "http1"); name is always one
  bool tcp = false, udp = false;
  bool on_by_default = true;
  std::optional<std::uint64_t>
      stream_depth;  ///< octets of a direction worth following instead of stream.reassembly.depth;
                     ///< 0: all; `stream-depth` below the protocol's settings overrides it
  std::string tcp_ports, udp_ports;  ///< hint only: default detection-ports dp ("53", "[80,8080]")
  /// Literal patterns that recognise the protocol at the start of a direction.
  struct Pattern {
    std::uint8_t ip_proto;  ///< 6 or 17
    Dir dir;
    std::string octets;
    std::uint16_t offset = 0, depth = 0;  ///< found within [offset, depth)
    bool nocase = false;
    std::uint16_t min_octets = 0;  ///< with `confirm`
  };
  std::vector<Pattern> patterns;
  /// Looks at the first octets of a direction (whole datagram for UDP). Called when no pattern
  /// decided; on any port when `probe_any_port`, else only on the hinted ports (either side).
  Probe (*probe)(Bytes data, Dir dir, const sig::Flow& flow) = nullptr;
  bool probe_any_port = false;
  std::uint16_t probe_min = 1,
                probe_max = 0;  ///< octets needed; beyond max without a yes = no (0: no limit)
  std::unique_ptr<Parser> (*make)(const Settings& settings) = nullptr;
  std::vector<Logger> loggers;
  sig::ProtocolBuffers buffers;  ///< what rules can look at
  std::vector<std::string>
      events;  ///< names usable in app-layer-event ("http.request_header_invalid")
};

/// Registered protocols, in name order after start-up.
const std::vector<Protocol>& protocols();
const Protocol* find_protocol(AppProto proto);
const Protocol* find_protocol(std::string_view name);

struct ProtocolRegistration {
  explicit ProtocolRegistration(Protocol protocol);
};

}  // namespace ww::sensor
