/// RFB (VNC): one transaction a connection, the handshake. What follows it is not read.
#include <algorithm>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/rfb/message.hpp"

namespace ww::sensor {
namespace {

using rfb::Handshake;
using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto rfb_proto = sig::app_protos().intern("rfb");
const EventId unimplemented_security_type = sig::events().intern("rfb.unimplemented_security_type");
const EventId unknown_security_result = sig::events().intern("rfb.unknown_security_result");
const EventId malformed_message = sig::events().intern("rfb.malformed_message");
const EventId confused_state = sig::events().intern("rfb.confused_state");
const sig::FrameType frame_pdu = sig::frame_types().intern("rfb.pdu");

constexpr std::uint32_t max_text = 65536;  ///< octets of a desktop's name or a reason

struct RfbTx final : Transaction {
  Handshake said;
};
const RfbTx& as_tx(const Transaction& t) { return static_cast<const RfbTx&>(t); }

/// What comes next; the handshake is one conversation, so one state serves both directions.
enum class State : std::uint8_t {
  server_version,
  client_version,
  security_types,
  security_type,  ///< the server's word (3.3)
  selection,
  challenge,
  response,
  result,
  failure,
  client_init,
  server_init,
  skip
};
Dir speaker(State s) {
  switch (s) {
    case State::client_version:
    case State::selection:
    case State::response:
    case State::client_init:
      return Dir::to_server;
    default:
      return Dir::to_client;
  }
}

class RfbParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (tx_ != nullptr && transactions().empty()) {  // released
      tx_ = nullptr;
      state_ = State::skip;
    }
    std::size_t at = 0;
    while (at < input.data.size() && state_ != State::skip) {
      if (speaker(state_) != dir) {
        stop(confused_state);
        break;
      }
      ByteReader in(input.data.subspan(at));
      const auto next = step(ctx, in);
      if (next == Step::wrong_protocol) return ParseResult::error();
      if (next == Step::malformed) {
        stop(malformed_message);
        break;
      }
      if (!in.ok()) return ParseResult::more(at, input.data.size() - at + 1);
      ctx.add_frame(frame_pdu, dir, input.offset + at, static_cast<std::int64_t>(in.offset()),
                    tx_ != nullptr ? tx_->id : UINT64_MAX);
      at += in.offset();
      if (tx_ != nullptr) ++tx_->revision;
    }
    if (input.end && tx_ != nullptr) {
      tx_->complete[sig::index(dir)] = true;
      ++tx_->revision;
    }
    return ParseResult::ok();
  }

 private:
  enum class Step : std::uint8_t { ok, malformed, wrong_protocol };

  /// Reads one message. When `in` ran out nothing has changed and the message comes again.
  Step step(ParserContext& ctx, ByteReader& in) {
    switch (state_) {
      case State::server_version:
        return server_version(ctx, in);
      case State::client_version:
        return client_version(in);
      case State::security_types:
        security_types(in);
        return Step::ok;
      case State::security_type:
        if (const auto type = in.u32be(); in.ok()) choose(type);
        return Step::ok;
      case State::selection:
        if (const auto type = in.u8(); in.ok()) choose(type);
        return Step::ok;
      case State::challenge:
        if (const auto c = in.text(16); in.ok()) {
          tx_->said.challenge = c;
          state_ = State::response;
        }
        return Step::ok;
      case State::response:
        if (const auto r = in.text(16); in.ok()) {
          tx_->said.response = r;
          state_ = State::result;
        }
        return Step::ok;
      case State::result:
        if (const auto r = in.u32be(); in.ok()) result(r);
        return Step::ok;
      case State::failure:
        return failure(in);
      case State::client_init:
        if (const auto shared = in.u8(); in.ok()) {
          tx_->said.shared = shared != 0;
          state_ = State::server_init;
        }
        return Step::ok;
      case State::server_init:
        return server_init(in);
      case State::skip:
        break;
    }
    return Step::ok;
  }

  static std::optional<rfb::Version> version(ByteReader& in) {
    const auto t = in.text(12);
    if (!in.ok() || !t.starts_with("RFB ") || t[7] != '.' || t[11] != '\n') return {};
    return rfb::Version{std::string(t.substr(4, 3)), std::string(t.substr(8, 3))};
  }

  Step server_version(ParserContext& ctx, ByteReader& in) {
    auto v = version(in);
    if (!in.ok()) return Step::ok;
    if (!v) return Step::wrong_protocol;
    auto owned = std::make_unique<RfbTx>();
    owned->proto = rfb_proto;
    owned->said.server = std::move(v);
    tx_ = &add(std::move(owned), ctx);
    state_ = State::client_version;
    return Step::ok;
  }

  Step client_version(ByteReader& in) {
    auto v = version(in);
    if (!in.ok()) return Step::ok;
    if (!v) return Step::wrong_protocol;
    old_ = v->major == "003" && v->minor == "003";
    result_always_ = v->major > "003" || (v->major == "003" && v->minor >= "008");
    tx_->said.client = std::move(v);
    state_ = old_ ? State::security_type : State::security_types;
    return Step::ok;
  }

  void security_types(ByteReader& in) {
    const auto n = in.u8();
    const auto list = in.bytes(n);
    if (!in.ok()) return;
    tx_->said.offered.assign(list.begin(), list.end());
    state_ = n == 0 ? State::failure : State::selection;
  }

  void choose(std::uint32_t type) {
    tx_->said.security = type;
    if (type == 2) {
      state_ = State::challenge;
    } else if (type == 1) {
      // From 3.8 on the server confirms even that there is no authentication (7.1.2).
      state_ = result_always_ ? State::result : State::client_init;
    } else if (type == 0 && old_) {
      state_ = State::failure;
    } else {
      stop(unimplemented_security_type);
    }
  }

  void result(std::uint32_t r) {
    tx_->said.result = r;
    if (r == 0)
      state_ = State::client_init;
    else if (r <= 2)
      state_ = State::failure;
    else
      stop(unknown_security_result);
  }

  Step failure(ByteReader& in) {
    const auto n = in.u32be();
    if (in.ok() && n > max_text) return Step::malformed;
    const auto text = in.text(n);
    if (!in.ok()) return Step::ok;
    tx_->said.failure = std::string(text);
    finish();
    return Step::ok;
  }

  Step server_init(ByteReader& in) {
    rfb::ServerInit s;
    s.width = in.u16be();
    s.height = in.u16be();
    auto& p = s.pixels;
    p.bits_per_pixel = in.u8();
    p.depth = in.u8();
    p.big_endian = in.u8() != 0;
    p.true_color = in.u8() != 0;
    p.red_max = in.u16be();
    p.green_max = in.u16be();
    p.blue_max = in.u16be();
    p.red_shift = in.u8();
    p.green_shift = in.u8();
    p.blue_shift = in.u8();
    in.skip(3);  // padding
    const auto n = in.u32be();
    if (in.ok() && n > max_text) return Step::malformed;
    s.name = in.text(n);
    if (!in.ok()) return Step::ok;
    tx_->said.init = std::move(s);
    finish();
    return Step::ok;
  }

  /// The handshake cannot be followed any more; the flow goes on.
  void stop(EventId event) {
    if (tx_ != nullptr) tx_->add_event(event);
    finish();
  }
  void finish() {
    state_ = State::skip;
    if (tx_ == nullptr) return;
    tx_->complete[0] = tx_->complete[1] = true;
    tx_->progress[0] = tx_->progress[1] = 1;
    ++tx_->revision;
  }

  RfbTx* tx_ = nullptr;
  State state_ = State::server_version;
  bool old_ = false;            ///< 3.3: the server alone decides on the security type
  bool result_always_ = false;  ///< 3.8: a security result comes after every security type
};

// ------------------------------------------------------------------------------------------ rules

BufferStatus later(const RfbTx& tx, Dir dir) {
  return tx.complete[sig::index(dir)] ? BufferStatus::absent : BufferStatus::not_ready;
}
BufferStatus name(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  if (!tx.said.init) return later(tx, dir);
  if (tx.said.init->name.empty()) return BufferStatus::absent;
  out.data = as_bytes(tx.said.init->name);
  return BufferStatus::ready;
}
BufferStatus security_type(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  if (!tx.said.security) return later(tx, dir);
  out = *tx.said.security;
  return BufferStatus::ready;
}
/// 3 stands for every result without a name.
BufferStatus security_result(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  if (!tx.said.result) return later(tx, dir);
  out = std::min<std::uint32_t>(*tx.said.result, 3);
  return BufferStatus::ready;
}

// ------------------------------------------------------------------------------------------- EVE

void write_version(JsonWriter& json, std::string_view key, const std::optional<rfb::Version>& v) {
  if (!v) return;
  json.begin_object(key);
  json.field_bytes("major", as_bytes(v->major));
  json.field_bytes("minor", as_bytes(v->minor));
  json.end_object();
}

std::string result_name(std::uint32_t result) {
  switch (result) {
    case 0:
      return "OK";
    case 1:
      return "FAIL";
    case 2:
      return "TOOMANY";
    default:
      return "UNKNOWN (" + std::to_string(result) + ")";
  }
}

void write_authentication(JsonWriter& json, const Handshake& said) {
  json.begin_object("authentication");
  if (said.security) json.field("security_type", *said.security);
  if (said.security == 2U) {
    json.begin_object("vnc");
    if (!said.challenge.empty()) {
      json.key("challenge");
      json.value_hex(as_bytes(said.challenge));
    }
    if (!said.response.empty()) {
      json.key("response");
      json.value_hex(as_bytes(said.response));
    }
    json.end_object();
  }
  if (said.result) json.field("security_result", result_name(*said.result));
  json.end_object();
}

void write_framebuffer(JsonWriter& json, const rfb::ServerInit& s) {
  json.begin_object("framebuffer");
  json.field("width", s.width);
  json.field("height", s.height);
  json.field_bytes("name", as_bytes(s.name));
  const auto& p = s.pixels;
  json.begin_object("pixel_format");
  json.field("bits_per_pixel", p.bits_per_pixel);
  json.field("depth", p.depth);
  json.field("big_endian", p.big_endian);
  json.field("true_color", p.true_color);
  json.field("red_max", p.red_max);
  json.field("green_max", p.green_max);
  json.field("blue_max", p.blue_max);
  json.field("red_shift", p.red_shift);
  json.field("green_shift", p.green_shift);
  json.field("blue_shift", p.blue_shift);
  json.end_object();
  json.end_object();
}

bool write_eve(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& said = as_tx(t).said;
  json.begin_object("rfb");
  write_version(json, "server_protocol_version", said.server);
  write_version(json, "client_protocol_version", said.client);
  write_authentication(json, said);
  if (said.failure) json.field_bytes("server_security_failure_reason", as_bytes(*said.failure));
  if (said.shared) json.field("screen_shared", *said.shared);
  if (said.init) write_framebuffer(json, *said.init);
  json.end_object();
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "rfb";
  p.rule_names = {"rfb"};
  p.tcp = true;
  for (const auto dir : {Dir::to_server, Dir::to_client})
    p.patterns.push_back({.ip_proto = 6, .dir = dir, .octets = "RFB ", .offset = 0, .depth = 4});
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<RfbParser>(); };
  Logger logger;
  logger.event_type = logger.settings_name = "rfb";
  logger.write = &write_eve;
  p.loggers = {logger};
  p.buffers.buffers.push_back({sig::buffers().intern("rfb.name"), Dir::to_client, &name});
  p.buffers.numbers.push_back(
      {sig::numbers().intern("rfb.sectype"), Dir::to_server, &security_type});
  p.buffers.numbers.push_back(
      {sig::numbers().intern("rfb.secresult"), Dir::to_client, &security_result});
  p.events = {"rfb.unimplemented_security_type", "rfb.unknown_security_result",
              "rfb.malformed_message", "rfb.confused_state"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
