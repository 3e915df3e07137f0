/// WebSocket after an upgrade of HTTP: every frame is a transaction of its direction; the last
/// frame of a message has the payload of all its frames.
#include <algorithm>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/websocket/frame.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;
using websocket::Header;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto websocket_proto = sig::app_protos().intern("websocket");
const EventId skip_end_of_payload = sig::events().intern("websocket.skip_end_of_payload");
const EventId reassembly_limit_reached = sig::events().intern("websocket.reassembly_limit_reached");
const sig::FrameType frame_header = sig::frame_types().intern("websocket.header");
const sig::FrameType frame_pdu = sig::frame_types().intern("websocket.pdu");

struct WebSocketTx final : Transaction {
  Dir dir{};
  Header header;
  std::string payload;
};
const WebSocketTx& as_tx(const Transaction& t) { return static_cast<const WebSocketTx&>(t); }

class WebSocketParser final : public Parser {
 public:
  explicit WebSocketParser(std::size_t max_payload) : max_payload_(max_payload) {}

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    auto& side = sides_[sig::index(dir)];
    std::size_t at = 0;
    while (at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      if (side.skip > 0) {
        const auto n = std::min<std::uint64_t>(side.skip, rest.size());
        side.skip -= n;
        at += static_cast<std::size_t>(n);
        continue;
      }
      const auto header = websocket::parse_header(rest);
      if (!header) return ParseResult::more(at, rest.size() + 1);
      const auto kept =
          static_cast<std::size_t>(std::min<std::uint64_t>(header->payload, max_payload_));
      const auto length = header->length + kept;
      if (rest.size() < length) return ParseResult::more(at, length);
      ctx.add_frame(frame_header, dir, input.offset + at, static_cast<std::int64_t>(header->length),
                    transaction_count());
      ctx.add_frame(frame_pdu, dir, input.offset + at, static_cast<std::int64_t>(length),
                    transaction_count());
      side.skip = header->payload - kept;
      message(ctx, dir, *header, rest.subspan(header->length, kept), side.skip > 0);
      at += length;
    }
    return ParseResult::ok();
  }

 private:
  struct Side {
    std::uint64_t skip = 0;   ///< octets left of a payload that is too long
    std::string message;      ///< payload of the frames so far
    bool open = false;        ///< a message goes on in the next frame
    bool compressed = false;  ///< what its first frame says
    bool whole = true;        ///< nothing of it was left out
    websocket::Inflater inflater;
  };

  void message(ParserContext& ctx, Dir dir, const Header& header, Bytes payload, bool cut) {
    auto& side = sides_[sig::index(dir)];
    auto owned = std::make_unique<WebSocketTx>();
    auto& tx = *owned;
    tx.proto = websocket_proto;
    tx.dir = dir;
    tx.only[sig::index(dir)] = true;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    tx.revision = 1;
    tx.header = header;
    tx.payload = websocket::unmasked(payload, header.mask);
    if (cut) tx.add_event(skip_end_of_payload);
    // A control frame may stand between the frames of a message (RFC 6455 5.4).
    if (!header.control()) reassemble(side, tx, cut);
    add(std::move(owned), ctx);
  }

  void reassemble(Side& side, WebSocketTx& tx, bool cut) {
    const auto& header = tx.header;
    if (!side.open) {
      side.compressed = header.compressed();
      side.whole = true;
    }
    side.whole = side.whole && !cut;
    if (side.open || !header.fin()) {
      const auto room = max_payload_ - std::min(max_payload_, side.message.size());
      side.message += tx.payload.substr(0, room);
      if (tx.payload.size() > room) {
        tx.add_event(reassembly_limit_reached);
        side.whole = false;
      }
    }
    if (!header.fin()) {
      side.open = true;
      return;
    }
    if (side.open) tx.payload = std::move(side.message);
    side.message.clear();
    side.open = false;
    if (side.compressed) inflate(side, tx);
  }

  void inflate(Side& side, WebSocketTx& tx) const {
    auto result = side.inflater.inflate(tx.payload, max_payload_ * max_ratio);
    if (!side.whole) side.inflater.reset();
    if (result.cut) tx.add_event(reassembly_limit_reached);
    if (!result.text.empty()) tx.payload = std::move(result.text);
  }

  static constexpr std::size_t max_ratio = 16;  ///< inflated octets for each of max-payload-size
  std::size_t max_payload_;
  Side sides_[2];
};

BufferStatus payload(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  if (i > 0) return BufferStatus::absent;
  out.data = as_bytes(as_tx(t).payload);
  return BufferStatus::ready;
}
template <auto get>
BufferStatus number(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const std::optional<std::uint64_t> v = get(as_tx(t).header);
  if (i > 0 || !v) return BufferStatus::absent;
  out = *v;
  return BufferStatus::ready;
}
using Number = std::optional<std::uint64_t>;
constexpr auto get_flags = [](const Header& h) -> Number { return h.flags; };
constexpr auto get_opcode = [](const Header& h) -> Number { return h.opcode; };
constexpr auto get_mask = [](const Header& h) -> Number {
  return h.mask ? Number(*h.mask) : Number();
};

void write_fields(const WebSocketTx& tx, JsonWriter& json) {
  json.field("fin", tx.header.fin());
  if (tx.header.mask) json.field("mask", *tx.header.mask);
  json.field("opcode", websocket::opcode_name(tx.header.opcode));
}
bool write_eve(const Transaction& t, const LogContext&, JsonWriter& json) {
  json.begin_object("websocket");
  write_fields(as_tx(t), json);
  json.end_object();
  return true;
}
/// Alert options: `websocket-payload` (base64) and `websocket-payload-printable`.
bool write_alert(const Transaction& t, const LogContext& context, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("websocket");
  write_fields(tx, json);
  if (context.options.flag_or("websocket-payload-printable", false))
    json.field_bytes("payload_printable", as_bytes(tx.payload));
  if (context.options.flag_or("websocket-payload", false)) {
    json.key("payload_base64");
    json.value_base64(as_bytes(tx.payload));
  }
  json.end_object();
  return true;
}

/// Only after an upgrade: two octets of a frame say too little on their own.
Probe probe(Bytes data, Dir, const sig::Flow& flow) {
  if (flow.app_proto_expected != websocket_proto || data.empty()) return Probe::no;
  return (data[0] & 0x30) == 0 ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "websocket";
  p.rule_names = {"websocket"};
  p.tcp = true;
  p.probe = &probe;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto max = s.size_or("app-layer.protocols.websocket.max-payload-size", 0xffff);
    return std::make_unique<WebSocketParser>(
        static_cast<std::size_t>(std::clamp<std::uint64_t>(max, 1, 16U << 20)));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "websocket";
  logger.write = &write_eve;
  logger.write_alert = &write_alert;
  logger.direction = [](const Transaction& t) { return as_tx(t).dir; };
  p.loggers = {logger};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.buffers.push_back({sig::buffers().intern("websocket.payload"), dir, &payload});
    const auto add = [&](std::string_view name, sig::NumberGetter get) {
      p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
    };
    add("websocket.flags", &number<get_flags>);
    add("websocket.opcode", &number<get_opcode>);
    add("websocket.mask", &number<get_mask>);
  }
  p.events = {"websocket.skip_end_of_payload", "websocket.reassembly_limit_reached"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
