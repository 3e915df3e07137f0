#pragma once
/// HTTP/2 (RFC 9113): frames of a connection, streams as transactions with the buffers, bodies and
/// files that HTTP/1 has too.
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "sensors/protocols/dns/transaction.hpp"
#include "sensors/protocols/http/body.hpp"
#include "sensors/protocols/http2/hpack.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::http2 {

using http::HttpTransaction;
using sig::Dir;

enum class FrameKind : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9
};

/// What is kept of a frame for rules and events.
struct FrameNote {
  std::uint8_t kind = 0;  ///< FrameKind, or a value that has no name
  std::optional<std::uint32_t> error_code;
  std::optional<std::uint8_t> weight;  ///< of a priority, as on the wire
  std::optional<std::uint32_t> window;
};
struct Setting {
  std::uint16_t id = 0;
  std::uint32_t value = 0;
};
/// A line of a header list as it is logged: a field, a table size update or an error.
struct HeaderNote {
  HpackEntry::Kind kind = HpackEntry::Kind::field;
  std::uint32_t field = 0;  ///< position in Message::headers
  std::uint64_t number = 0;
};

/// The HTTP/2 part of a transaction.
struct Stream final : http::Http2Extra {
  static constexpr std::size_t max_notes = 4096;  ///< frames and settings kept per direction
  std::uint32_t id = 0;                           ///< 0: about the connection
  struct Side {
    std::vector<FrameNote> frames;
    std::vector<Setting> settings;
    std::vector<HeaderNote> headers;
    std::vector<std::uint64_t> size_updates;
    std::unique_ptr<http::Body> body;
    std::uint64_t frame_count = 0;
    bool has_headers = false;
    bool carries_dns = false;             ///< content type of RFC 8484
    std::string dns_octets;               ///< body so far, when it is a DNS message
    std::unique_ptr<dns_app::DnsTx> dns;  ///< the message, once it is whole
  };
  std::array<Side, 2> side;
  [[nodiscard]] static const Stream& of(const Transaction& tx) {
    return static_cast<const Stream&>(*static_cast<const HttpTransaction&>(tx).http2);
  }
};

struct Limits {
  std::uint32_t streams = 4096;      ///< live at one time
  std::uint32_t frames = 65536;      ///< per stream and direction
  std::uint32_t table = 64 * 1024;   ///< HPACK
  std::uint32_t block = 100 * 1024;  ///< octets of a header block over CONTINUATION frames
  std::uint32_t frame = 16384;       ///< octets of a frame other than DATA
};

class Http2Parser final : public Parser {
 public:
  Http2Parser(std::shared_ptr<const http::Config> config, const Limits& limits);
  ~Http2Parser() override;
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;

 private:
  struct FrameHead {
    std::uint32_t length = 0;
    std::uint8_t kind = 0, flags = 0;
    std::uint32_t stream = 0;
  };
  /// One direction of the connection.
  struct Side {
    HpackDecoder hpack;
    std::vector<std::uint8_t> held;  ///< a frame or preface not whole yet
    bool preface_done = false;
    std::uint64_t skip = 0;        ///< octets of a frame that is passed over
    std::uint64_t data_left = 0;   ///< octets of a DATA frame still to come, padding included
    std::uint64_t padding = 0;     ///< how many of them are padding
    bool data_end = false;         ///< that frame ends the stream
    bool data_pad_length = false;  ///< its first octet, the pad length, is still to come
    std::uint32_t data_stream = 0;
    std::vector<std::uint8_t> block;  ///< header block under way
    std::uint32_t block_stream = 0;
    bool block_open = false, block_ends_stream = false, block_dropped = false;
    std::uint64_t offset = 0;         ///< stream offset of what is being read
    std::uint32_t max_frame = 16384;  ///< what the other side said it takes
  };

  bool run(Dir dir, Bytes data);
  bool preface(Dir dir, Bytes& data);
  bool frame(Dir dir, const FrameHead& head, Bytes payload);
  void begin_data(Dir dir, const FrameHead& head);
  void take_data(Dir dir, Bytes& data);
  void look_for_dns(Dir dir, HttpTransaction& tx);
  void take_dns(Dir dir, HttpTransaction& tx, Bytes octets);
  void check_dns_length(HttpTransaction& tx, Dir dir);
  bool on_headers(Dir dir, const FrameHead& head, ByteReader in, HttpTransaction& tx);
  void on_block(Dir dir, HttpTransaction& tx, Bytes piece, bool last);
  void decode_block(Dir dir, HttpTransaction& tx);
  void use_field(Dir dir, HttpTransaction& tx, const HpackEntry& entry);
  void check_authority(HttpTransaction& tx);
  void on_settings(Dir dir, HttpTransaction& tx, ByteReader in);
  void end_stream(Dir dir, HttpTransaction& tx);
  void close_stream(HttpTransaction& tx);
  HttpTransaction* transaction(Dir dir, const FrameHead& head, std::uint32_t promised);
  HttpTransaction* make(std::uint32_t stream);
  void take_upgrade();
  void event(HttpTransaction* tx, std::string_view name);
  static bool read_head(Bytes data, FrameHead& head);

  std::shared_ptr<const http::Config> config_;
  const http::ServerConfig* server_ = nullptr;
  Limits limits_;
  std::array<Side, 2> side_;
  ParserContext* ctx_ = nullptr;
  bool upgrade_taken_ = false;
};

[[nodiscard]] const std::vector<std::string>& event_names();
[[nodiscard]] sig::ProtocolBuffers http2_buffers();
bool write_http2(const Transaction& tx, const LogContext& log, JsonWriter& json);
std::unique_ptr<Parser> make_parser(const Settings& settings);

}  // namespace ww::sensor::http2
