/// DNP3 as a sensor protocol: one transaction an application message, put together from transport
/// segments.
#include <algorithm>
#include <limits>

#include "sensors/protocols/dnp3/link.hpp"
#include "sensors/protocols/dnp3/objects.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto dnp3_proto = sig::app_protos().intern("dnp3");
const auto event_id = [](std::string_view n) { return sig::events().intern(n); };
const EventId flooded = event_id("dnp3.flooded"), len_too_small = event_id("dnp3.len_too_small"),
              bad_link_crc = event_id("dnp3.bad_link_crc"),
              bad_transport_crc = event_id("dnp3.bad_transport_crc"),
              unknown_object = event_id("dnp3.unknown_object"),
              malformed = event_id("dnp3.malformed"),
              too_many_points = event_id("dnp3.too_many_points"),
              too_many_objects = event_id("dnp3.too_many_objects"),
              too_long_reassembly = event_id("dnp3.too_long_reassembly");

constexpr std::size_t request_header = 2, response_header = 4;  ///< application layer, with IIN
/// As many full segments as the transport's sequence can number.
constexpr std::size_t max_message = 64 * 249;

namespace function {
constexpr std::uint8_t confirm = 0, unsolicited = 130;
}

struct Config {
  std::size_t max_tx = 500;
  dnp3::ObjectLimits objects;
};

struct Dnp3Tx final : Transaction {
  Dir dir = Dir::to_server;
  dnp3::Link link;
  dnp3::Transport transport;  ///< of the last segment
  std::uint8_t control = 0, function_code = 0;
  std::uint16_t indicators = 0;
  std::string data;                   ///< application header and what follows
  std::vector<dnp3::Object> objects;  ///< headers without their points
  bool done = false, whole = false;
  [[nodiscard]] bool request() const { return dir == Dir::to_server; }
  [[nodiscard]] Bytes object_octets() const {
    return as_bytes(data).subspan(
        std::min(data.size(), request() ? request_header : response_header));
  }
};

class Dnp3Parser final : public Parser {
 public:
  explicit Dnp3Parser(const Config& config) : config_(config) {}

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    auto rest = input.data;
    if (dir == Dir::to_client && as_text(rest).find("DNP3") != std::string_view::npos &&
        rest[0] != dnp3::start0)
      return ParseResult::ok();  // a device that says its name first
    std::size_t at = 0;
    while (at < input.data.size()) {
      rest = input.data.subspan(at);
      if (rest.size() < dnp3::link_header) return ParseResult::more(at, dnp3::link_header);
      if (rest[0] != dnp3::start0 || rest[1] != dnp3::start1) return ParseResult::error();
      if (!dnp3::header_checksum_right(rest)) {
        event(ctx, bad_link_crc);
        return ParseResult::error();
      }
      const auto link = dnp3::read_link(rest);
      if (link.length < dnp3::min_link_length) {
        event(ctx, len_too_small);
        return ParseResult::error();
      }
      const auto octets = dnp3::frame_octets(link);
      if (rest.size() < octets) return ParseResult::more(at, octets);
      if (link.has_user_data()) frame(ctx, dir, link, rest.first(octets));
      at += octets;
    }
    return ParseResult::ok();
  }

 private:
  void event(ParserContext& ctx, EventId e) {
    const auto all = transactions();
    if (all.empty()) {
      ctx.add_event(e);
      return;
    }
    all.back()->add_event(e);
    ++all.back()->revision;
  }

  void frame(ParserContext& ctx, Dir dir, const dnp3::Link& link, Bytes octets) {
    const auto header = dir == Dir::to_server ? request_header : response_header;
    if (link.length < dnp3::min_link_length + 1 + header) {
      event(ctx, len_too_small);
      return;
    }
    const auto data = dnp3::user_data(octets);
    if (!data) {
      event(ctx, bad_transport_crc);
      return;
    }
    const auto transport = dnp3::read_transport(static_cast<std::uint8_t>((*data)[0]));
    const auto segment = std::string_view(*data).substr(1);
    auto* tx = transport.first ? start(ctx, dir, link, segment) : find(dir, link, transport);
    if (tx == nullptr) return;
    tx->transport = transport;
    if (tx->data.size() + segment.size() > max_message) {
      tx->add_event(too_long_reassembly);
      finish(*tx, false);
      return;
    }
    tx->data += segment;
    if (transport.final) complete(*tx);
  }

  Dnp3Tx* start(ParserContext& ctx, Dir dir, const dnp3::Link& link, std::string_view segment) {
    const auto function_code = static_cast<std::uint8_t>(segment[1]);
    if (dir == Dir::to_server && function_code == function::confirm) return nullptr;
    auto owned = std::make_unique<Dnp3Tx>();
    owned->proto = dnp3_proto;
    owned->dir = dir;
    owned->only[sig::index(dir)] = true;
    owned->link = link;
    owned->control = static_cast<std::uint8_t>(segment[0]);
    owned->function_code = function_code;
    if (dir == Dir::to_client) owned->indicators = load_be16(as_bytes(segment).data() + 2);
    auto& tx = add(std::move(owned), ctx);
    if (transactions().size() > config_.max_tx) {
      tx.add_event(flooded);
      for (auto* t : transactions())
        if (auto& old = static_cast<Dnp3Tx&>(*t); &old != &tx && !old.done) finish(old, false);
    }
    return &tx;
  }

  Dnp3Tx* find(Dir dir, const dnp3::Link& link, const dnp3::Transport& transport) const {
    for (auto* t : transactions()) {
      auto& tx = static_cast<Dnp3Tx&>(*t);
      if (tx.dir == dir && !tx.done && tx.link.source == link.source &&
          tx.link.destination == link.destination &&
          ((tx.transport.sequence + 1) & 0x3f) == transport.sequence)
        return &tx;
    }
    return nullptr;
  }

  static void finish(Dnp3Tx& tx, bool whole) {
    tx.done = true;
    tx.whole = whole;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    ++tx.revision;
  }

  void complete(Dnp3Tx& tx) const {
    auto limits = config_.objects;
    limits.keep_points = false;
    const auto error = dnp3::read_objects(tx.object_octets(), limits, tx.objects);
    switch (error) {
      case dnp3::ObjectError::unknown_object:
        tx.add_event(unknown_object);
        break;
      case dnp3::ObjectError::malformed:
        tx.add_event(malformed);
        break;
      case dnp3::ObjectError::too_many_points:
        tx.add_event(too_many_points);
        break;
      case dnp3::ObjectError::too_many_objects:
        tx.add_event(too_many_objects);
        break;
      default:
        break;
    }
    finish(tx, error == dnp3::ObjectError::none);
  }

  Config config_;
};

const Dnp3Tx& as_tx(const Transaction& t) { return static_cast<const Dnp3Tx&>(t); }

BufferStatus get_data(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || dir != tx.dir) return BufferStatus::absent;
  if (!tx.done) return BufferStatus::not_ready;
  out.data = as_bytes(tx.data);
  return BufferStatus::ready;
}
BufferStatus get_function(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || dir != tx.dir) return BufferStatus::absent;
  out = tx.function_code;
  return BufferStatus::ready;
}
BufferStatus get_indicators(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || tx.request()) return BufferStatus::absent;
  out = tx.indicators;
  return BufferStatus::ready;
}
BufferStatus get_object(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (dir != tx.dir) return BufferStatus::absent;
  if (i >= tx.objects.size()) return tx.done ? BufferStatus::absent : BufferStatus::not_ready;
  out = std::uint64_t{tx.objects[i].group} << 8 | tx.objects[i].variation;
  return BufferStatus::ready;
}

void write_value(const dnp3::Value& v, JsonWriter& json) {
  json.key(v.name);
  switch (v.kind) {
    case dnp3::Value::Kind::number:
      json.value(v.number);
      break;
    case dnp3::Value::Kind::real:
      json.value(v.real);
      break;
    case dnp3::Value::Kind::text:
      json.value_bytes(as_bytes(v.data));
      break;
    case dnp3::Value::Kind::octets:
      json.value_base64(as_bytes(v.data));
      break;
  }
}

void write_object(const dnp3::Object& o, JsonWriter& json) {
  json.begin_object();
  json.field("group", o.group);
  json.field("variation", o.variation);
  json.field("qualifier", o.qualifier);
  json.field("prefix_code", o.prefix_code());
  json.field("range_code", o.range_code());
  json.field("start", o.start);
  json.field("stop", o.stop);
  json.field("count", o.count);
  if (!o.points.empty()) {
    json.begin_array("points");
    for (const auto& p : o.points) {
      json.begin_object();
      json.field("prefix", p.prefix);
      json.field("index", p.index);
      for (const auto& v : p.values) write_value(v, json);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

void write_application(const Dnp3Tx& tx, JsonWriter& json) {
  json.begin_object("application");
  json.begin_object("control");
  json.field("fir", (tx.control & 0x80) != 0);
  json.field("fin", (tx.control & 0x40) != 0);
  json.field("con", (tx.control & 0x20) != 0);
  json.field("uns", (tx.control & 0x10) != 0);
  json.field("sequence", tx.control & 0x0f);
  json.end_object();
  json.field("function_code", tx.function_code);
  if (!tx.objects.empty()) {
    // The points are not kept with the transaction: they can be many times larger than the message.
    std::vector<dnp3::Object> objects;
    dnp3::ObjectLimits limits;
    limits.objects = tx.objects.size();
    (void)dnp3::read_objects(tx.object_octets(), limits, objects);
    json.begin_array("objects");
    for (const auto& o : objects) write_object(o, json);
    json.end_array();
  }
  json.field("complete", tx.whole);
  json.end_object();
}

void write_indicators(std::uint16_t bits, JsonWriter& json) {
  static constexpr std::string_view names[] = {"no_func_code_support",
                                               "object_unknown",
                                               "parameter_error",
                                               "event_buffer_overflow",
                                               "already_executing",
                                               "config_corrupt",
                                               "reserved_2",
                                               "reserved_1",
                                               "all_stations",
                                               "class_1_events",
                                               "class_2_events",
                                               "class_3_events",
                                               "need_time",
                                               "local_control",
                                               "device_trouble",
                                               "device_restart"};
  json.begin_object("iin");
  if (bits != 0) {
    json.begin_array("indicators");
    for (unsigned i = 0; i < 16; ++i)
      if ((bits >> i & 1U) != 0) json.value(names[i]);
    json.end_array();
  }
  json.end_object();
}

/// The members of one message, into an object that is open.
void write_message(const Dnp3Tx& tx, JsonWriter& json) {
  json.field("type", tx.request()                                ? "request"
                     : tx.function_code == function::unsolicited ? "unsolicited_response"
                                                                 : "response");
  json.begin_object("control");
  json.field("dir", tx.link.from_master());
  json.field("pri", tx.link.primary());
  json.field("fcb", tx.link.frame_count());
  json.field("fcv", tx.link.frame_count_valid());
  json.field("function_code", tx.link.function());
  json.end_object();
  json.field("src", tx.link.source);
  json.field("dst", tx.link.destination);
  write_application(tx, json);
  if (!tx.request()) write_indicators(tx.indicators, json);
}
bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  if (!as_tx(t).done) return false;  // the flow ended between segments
  json.begin_object("dnp3");
  write_message(as_tx(t), json);
  json.end_object();
  return true;
}
bool log_alert(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  if (!tx.done) return false;
  json.begin_object("dnp3");
  json.begin_object(tx.request() ? "request" : "response");
  write_message(tx, json);
  json.end_object();
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  constexpr std::size_t banner_look = 256;
  const auto text = as_text(data);
  if (text.empty()) return Probe::maybe;
  if (text.find("DNP3") != std::string_view::npos &&
      std::all_of(text.begin(),
                  text.begin() + static_cast<std::ptrdiff_t>(std::min(text.size(), banner_look)),
                  [](char c) { return c >= ' ' && c <= '~'; }))
    return dir == Dir::to_client ? Probe::yes : Probe::reversed;
  if (data[0] != dnp3::start0 || (data.size() > 1 && data[1] != dnp3::start1)) return Probe::no;
  if (data.size() < dnp3::link_header) return Probe::maybe;
  const auto link = dnp3::read_link(data);
  if (link.length < dnp3::min_link_length) return Probe::no;
  return link.from_master() == (dir == Dir::to_server) ? Probe::yes : Probe::reversed;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "dnp3";
  p.rule_names = {"dnp3"};
  p.tcp = true;
  p.on_by_default = false;
  p.tcp_ports = "20000";
  p.probe = &probe;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto number = [&](std::string_view key, std::int64_t fallback, std::int64_t most) {
      const auto v = s.integer_or("app-layer.protocols.dnp3." + std::string(key), fallback);
      return static_cast<std::size_t>(std::clamp<std::int64_t>(v, 1, most));
    };
    Config c;
    c.max_tx = number("max-tx", 500, 65536);
    c.objects.points = number("max-points", 16384, 1 << 20);
    c.objects.objects = number("max-objects", 2048, 1 << 16);
    return std::make_unique<Dnp3Parser>(c);
  };
  Logger logger;
  logger.event_type = logger.settings_name = "dnp3";
  logger.write = &log;
  logger.write_alert = &log_alert;
  p.loggers = {logger};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.buffers.push_back({sig::buffers().intern("dnp3.data"), dir, &get_data});
    p.buffers.numbers.push_back({sig::numbers().intern("dnp3.func"), dir, &get_function});
    p.buffers.numbers.push_back({sig::numbers().intern("dnp3.obj"), dir, &get_object});
  }
  p.buffers.numbers.push_back({sig::numbers().intern("dnp3.ind"), Dir::to_client, &get_indicators});
  p.events = {"dnp3.flooded",           "dnp3.len_too_small",    "dnp3.bad_link_crc",
              "dnp3.bad_transport_crc", "dnp3.unknown_object",   "dnp3.malformed",
              "dnp3.too_many_points",   "dnp3.too_many_objects", "dnp3.too_long_reassembly"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
