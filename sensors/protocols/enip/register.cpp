/// EtherNet/IP as a sensor protocol: one transaction a request with its response.
#include <fmt/format.h>

#include <algorithm>

#include "sensors/protocols/enip/enip.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto enip_proto = sig::app_protos().intern("enip");
const EventId too_many = sig::events().intern("enip.too_many_transactions");
const EventId invalid_pdu = sig::events().intern("enip.invalid_pdu");
const auto frame_type = [](std::string_view n) { return sig::frame_types().intern(n); };
const sig::FrameType hdr_frame = frame_type("enip.hdr"), data_frame = frame_type("enip.data"),
                     pdu_frame = frame_type("enip.pdu"), cip_frame = frame_type("enip.cip"),
                     item_frame = frame_type("enip.enip_item");

struct EnipTx final : Transaction {
  std::optional<enip::Message> side[2];
  std::vector<std::string> services[2];  ///< what `cip_service` looks at, one a CIP message
};

/// A CIP message for the keyword that asks for a service, a class and an attribute of the same
/// message: service (one octet), number of classes, classes, attributes (four octets each,
/// big-endian).
std::string service_key(const enip::Cip& c) {
  std::string out(1, static_cast<char>(c.service));
  const auto put = [&](std::uint32_t v) {
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(v >> shift);
  };
  put(static_cast<std::uint32_t>(std::count_if(
      c.path.begin(), c.path.end(), [](const enip::PathSegment& s) { return s.is_class(); })));
  for (const auto& s : c.path)
    if (s.is_class()) put(s.value);
  for (const auto& s : c.path)
    if (s.is_attribute()) put(s.value);
  for (const auto a : c.attributes) put(a);
  return out;
}

bool answers(const enip::Message& request, const enip::Message& response) {
  if (request.header.command != response.header.command) return false;
  // A session is given by the response that registers it.
  if (request.header.session != response.header.session &&
      request.header.command != enip::command::register_session)
    return false;
  if (request.has_items != response.has_items) return false;
  if (!request.has_items || request.items.size() < 2 || response.items.size() < 2) return true;
  const auto &a = request.items[1], &b = response.items[1];
  if (a.type != enip::Item::connected_data || b.type != enip::Item::connected_data) return true;
  return a.sequence && a.sequence == b.sequence;
}

class EnipParser final : public Parser {
 public:
  explicit EnipParser(std::size_t max_tx) : max_tx_(max_tx) {}
  [[nodiscard]] bool accepts_gaps() const override { return true; }

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    const auto d = sig::index(dir);
    const bool stream = ctx.flow().ip_proto != 17;
    if (input.gap > 0) lost_[d] = true;
    if (lost_[d] && !input.data.empty()) {
      // The next piece that starts like a message does.
      if (input.data.size() < enip::header_octets || !enip::looks_right(input.data))
        return ParseResult::ok();
      lost_[d] = false;
    }
    std::size_t at = 0;
    while (at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      if (rest.size() < enip::header_octets)
        return stream ? ParseResult::more(at, enip::header_octets) : ParseResult::error();
      const std::size_t length = enip::header_octets + enip::read_header(rest).length;
      if (rest.size() < length)
        return stream ? ParseResult::more(at, length) : ParseResult::error();
      take(ctx, dir, input.offset + at, enip::parse_message(rest.first(length)));
      if (!stream) break;
      at += length;
    }
    return ParseResult::ok();
  }

 private:
  void take(ParserContext& ctx, Dir dir, std::uint64_t offset, enip::Message message) {
    const auto d = sig::index(dir);
    EnipTx* tx = dir == Dir::to_client ? request_of(message) : nullptr;
    if (tx == nullptr && transactions().size() >= max_tx_) {
      frames(ctx, dir, offset, message, UINT64_MAX);
      flood();
      return;
    }
    if (tx == nullptr) {
      auto owned = std::make_unique<EnipTx>();
      owned->proto = enip_proto;
      tx = &add(std::move(owned), ctx);
    }
    frames(ctx, dir, offset, message, tx->id);
    if (message.invalid) tx->add_event(invalid_pdu);
    if (const auto* cip = message.cip()) {
      tx->services[d] = {service_key(*cip)};
      for (const auto& inner : cip->inner) tx->services[d].push_back(service_key(inner));
    }
    tx->side[d] = std::move(message);
    tx->complete[d] = true;
    tx->progress[d] = 1;
    ++tx->revision;
  }

  /// Requests that came before the one that is answered will not be answered any more.
  EnipTx* request_of(const enip::Message& response) {
    for (auto* t : transactions()) {
      auto& tx = static_cast<EnipTx&>(*t);
      if (!tx.side[0] || tx.side[1]) continue;
      finish(tx);
      if (answers(*tx.side[0], response)) return &tx;
    }
    return nullptr;
  }

  static void finish(EnipTx& tx) {
    if (tx.complete[0] && tx.complete[1]) return;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    ++tx.revision;
  }

  void flood() {
    bool said = false;
    for (auto* t : transactions()) {
      auto& tx = static_cast<EnipTx&>(*t);
      if (!said) tx.add_event(too_many);
      said = true;
      finish(tx);
      ++tx.revision;
    }
  }

  static void frames(ParserContext& ctx, Dir dir, std::uint64_t offset, const enip::Message& m,
                     std::uint64_t tx_id) {
    const auto add = [&](sig::FrameType type, std::size_t from, std::size_t length) {
      ctx.add_frame(type, dir, offset + from, static_cast<std::int64_t>(length), tx_id);
    };
    add(hdr_frame, 0, enip::header_octets);
    add(data_frame, enip::header_octets, m.header.length);
    add(pdu_frame, 0, enip::header_octets + m.header.length);
    for (const auto& item : m.items) add(item_frame, item.offset, 4U + item.length);
    for (const auto& item : m.items) {
      if (!item.cip) continue;
      add(cip_frame, item.cip_offset, item.length - (item.sequence ? 2U : 0U));
      for (const auto& inner : item.cip->inner)
        add(cip_frame, item.cip_offset + inner.offset, inner.length);
    }
  }

  std::size_t max_tx_;
  bool lost_[2] = {false, false};
};

// ------------------------------------------------------------------------------------------ rules

const EnipTx& as_tx(const Transaction& t) { return static_cast<const EnipTx&>(t); }
const enip::Message* message_of(const Transaction& t, Dir dir) {
  const auto& side = as_tx(t).side[sig::index(dir)];
  return side ? &*side : nullptr;
}
/// What to say when there is nothing.
BufferStatus nothing(const Transaction& t, Dir dir) {
  return t.complete[sig::index(dir)] ? BufferStatus::absent : BufferStatus::not_ready;
}

template <auto member>
BufferStatus get_header(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto* m = message_of(t, dir);
  if (i > 0 || m == nullptr) return i > 0 ? BufferStatus::absent : nothing(t, dir);
  out = m->header.*member;
  return BufferStatus::ready;
}
template <auto member>
BufferStatus get_identity(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto* m = message_of(t, dir);
  const auto* identity = m != nullptr ? m->identity() : nullptr;
  if (i > 0 || identity == nullptr) return i > 0 ? BufferStatus::absent : nothing(t, dir);
  out = identity->*member;
  return BufferStatus::ready;
}
BufferStatus get_revision(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto* m = message_of(t, dir);
  const auto* identity = m != nullptr ? m->identity() : nullptr;
  if (i > 0 || identity == nullptr) return i > 0 ? BufferStatus::absent : nothing(t, dir);
  out = std::uint64_t{identity->major} << 8 | identity->minor;
  return BufferStatus::ready;
}
BufferStatus get_version(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto* m = message_of(t, dir);
  if (i > 0 || m == nullptr) return i > 0 ? BufferStatus::absent : nothing(t, dir);
  if (m->registration)
    out = m->registration->protocol_version;
  else if (m->services() != nullptr)
    out = m->services()->protocol_version;
  else if (m->identity() != nullptr)
    out = m->identity()->protocol_version;
  else
    return BufferStatus::absent;
  return BufferStatus::ready;
}
BufferStatus get_capabilities(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto* m = message_of(t, dir);
  const auto* services = m != nullptr ? m->services() : nullptr;
  if (i > 0 || services == nullptr) return i > 0 ? BufferStatus::absent : nothing(t, dir);
  out = services->capabilities;
  return BufferStatus::ready;
}
template <bool product>
BufferStatus get_name(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto* m = message_of(t, dir);
  if (i > 0 || m == nullptr) return i > 0 ? BufferStatus::absent : nothing(t, dir);
  if (product && m->identity() != nullptr)
    out.data = as_bytes(m->identity()->name);
  else if (!product && m->services() != nullptr)
    out.data = as_bytes(m->services()->name);
  else
    return BufferStatus::absent;
  return BufferStatus::ready;
}

/// Values of a CIP message and of those inside, flattened in order.
template <class Collect>
BufferStatus get_cip(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out,
                     Collect collect) {
  const auto* m = message_of(t, dir);
  const auto* cip = m != nullptr ? m->cip() : nullptr;
  if (cip == nullptr) return nothing(t, dir);
  std::vector<std::uint64_t> values;
  collect(*cip, values);
  for (const auto& inner : cip->inner) collect(inner, values);
  if (i >= values.size()) return BufferStatus::absent;
  out = values[i];
  return BufferStatus::ready;
}
using Values = std::vector<std::uint64_t>;
template <auto is_kind>
BufferStatus get_segment(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  return get_cip(t, dir, i, out, [](const enip::Cip& c, Values& values) {
    for (const auto& s : c.path)
      if ((s.*is_kind)()) values.push_back(s.value);
  });
}
BufferStatus get_attribute(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  return get_cip(t, dir, i, out, [](const enip::Cip& c, Values& values) {
    for (const auto& s : c.path)
      if (s.is_attribute()) values.push_back(s.value);
    for (const auto a : c.attributes) values.push_back(a);
  });
}
BufferStatus get_cip_status(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  return get_cip(t, dir, i, out, [](const enip::Cip& c, Values& values) {
    if (c.response) values.push_back(c.status);
  });
}
BufferStatus get_extended(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  return get_cip(t, dir, i, out, [](const enip::Cip& c, Values& values) {
    if (c.response && c.extended_status.size() == 2)
      values.push_back(load_le16(as_bytes(c.extended_status).data()));
  });
}
BufferStatus get_services(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& keys = as_tx(t).services[sig::index(dir)];
  if (i >= keys.size()) return keys.empty() ? nothing(t, dir) : BufferStatus::absent;
  out.data = as_bytes(keys[i]);
  return BufferStatus::ready;
}

// ------------------------------------------------------------------------------------------ EVE

void write_named(JsonWriter& json, std::string_view key, std::string_view name,
                 std::uint64_t value) {
  if (name.empty())
    json.field(key, fmt::format("unknown-{}", value));
  else
    json.field(key, name);
}

void write_cip(const enip::Cip& c, JsonWriter& json) {
  write_named(json, "service", enip::service_name(c.service), c.service);
  if (c.response) {
    write_named(json, "status", enip::cip_status_name(c.status), c.status);
    if (!c.extended_status.empty()) {
      json.key("status_extended");
      json.value_hex(as_bytes(c.extended_status));
      if (c.extended_status.size() == 2) {
        const auto name = enip::extended_status_name(load_le16(as_bytes(c.extended_status).data()));
        if (!name.empty()) json.field("status_extended_meaning", name);
      }
    }
  } else if (!c.path.empty()) {
    json.begin_array("path");
    for (const auto& s : c.path) {
      json.begin_object();
      write_named(json, "segment_type",
                  s.is_class()       ? "class"
                  : s.is_instance()  ? "instance"
                  : s.is_attribute() ? "attribute"
                                     : "",
                  s.type);
      json.field("value", s.value);
      json.end_object();
    }
    json.end_array();
    const auto last = std::find_if(c.path.rbegin(), c.path.rend(),
                                   [](const enip::PathSegment& s) { return s.is_class(); });
    if (last != c.path.rend())
      write_named(json, "class_name", enip::class_name(last->value), last->value);
  }
  if (c.inner.empty()) return;
  json.begin_array("multiple");
  for (const auto& inner : c.inner) {
    json.begin_object();
    write_cip(inner, json);
    json.end_object();
  }
  json.end_array();
}

void write_identity(const enip::Identity& i, JsonWriter& json) {
  json.begin_object("identity");
  json.field("protocol_version", i.protocol_version);
  json.field("revision", fmt::format("{}.{}", i.major, i.minor));
  write_named(json, "vendor_id", enip::vendor_name(i.vendor), i.vendor);
  write_named(json, "device_type", enip::device_name(i.device_type), i.device_type);
  json.field("product_code", i.product_code);
  json.field("status", i.status);
  json.field("serial", i.serial);
  json.field_bytes("product_name", as_bytes(i.name));
  json.field("state", i.state);
  json.end_object();
}

void write_message(const enip::Message& m, bool response, JsonWriter& json) {
  json.begin_object(response ? "response" : "request");
  write_named(json, "command", enip::command_name(m.header.command), m.header.command);
  write_named(json, "status", enip::status_name(m.header.status), m.header.status);
  if (m.header.options != 0) json.field("options", m.header.options);
  if (m.registration) {
    json.begin_object("register_session");
    json.field("protocol_version", m.registration->protocol_version);
    json.field("options", m.registration->options);
    json.end_object();
  }
  if (const auto* cip = m.cip()) {
    json.begin_object("cip");
    write_cip(*cip, json);
    json.end_object();
  }
  if (const auto* s = m.services(); response && s != nullptr) {
    json.begin_object("list_services");
    json.field("protocol_version", s->protocol_version);
    json.field("capabilities", s->capabilities);
    json.field_bytes("service_name", as_bytes(s->name));
    json.end_object();
  }
  if (const auto* i = m.identity(); response && i != nullptr) write_identity(*i, json);
  json.end_object();
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  if (!tx.side[0] && !tx.side[1]) return false;
  json.begin_object("enip");
  for (const std::size_t d : {std::size_t{0}, std::size_t{1}})
    if (tx.side[d]) write_message(*tx.side[d], d == 1, json);
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir, const sig::Flow& flow) {
  if (data.size() < enip::header_octets) return flow.ip_proto == 17 ? Probe::no : Probe::maybe;
  return enip::looks_right(data) ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "enip";
  p.rule_names = {"enip"};
  p.tcp = p.udp = true;
  p.on_by_default = false;
  p.tcp_ports = p.udp_ports = "44818";
  p.probe = &probe;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto most = s.integer_or("app-layer.protocols.enip.max-tx", 1024);
    return std::make_unique<EnipParser>(
        static_cast<std::size_t>(std::clamp<std::int64_t>(most, 1, 65536)));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "enip";
  logger.write = &log;
  p.loggers = {logger};
  const auto number = [&](std::string_view name, std::initializer_list<Dir> dirs,
                          sig::NumberGetter get) {
    for (const auto d : dirs) p.buffers.numbers.push_back({sig::numbers().intern(name), d, get});
  };
  constexpr auto ts = Dir::to_server, tc = Dir::to_client;
  number("enip.command", {ts, tc}, &get_header<&enip::Header::command>);
  number("enip.status", {ts, tc}, &get_header<&enip::Header::status>);
  number("enip.protocol_version", {ts, tc}, &get_version);
  number("enip.capabilities", {tc}, &get_capabilities);
  number("enip.vendor_id", {tc}, &get_identity<&enip::Identity::vendor>);
  number("enip.device_type", {tc}, &get_identity<&enip::Identity::device_type>);
  number("enip.product_code", {tc}, &get_identity<&enip::Identity::product_code>);
  number("enip.identity_status", {tc}, &get_identity<&enip::Identity::status>);
  number("enip.serial", {tc}, &get_identity<&enip::Identity::serial>);
  number("enip.state", {tc}, &get_identity<&enip::Identity::state>);
  number("enip.revision", {tc}, &get_revision);
  number("enip.cip_class", {ts}, &get_segment<&enip::PathSegment::is_class>);
  number("enip.cip_instance", {ts}, &get_segment<&enip::PathSegment::is_instance>);
  number("enip.cip_attribute", {ts}, &get_attribute);
  number("enip.cip_status", {tc}, &get_cip_status);
  number("enip.cip_extendedstatus", {tc}, &get_extended);
  p.buffers.buffers = {
      {sig::buffers().intern("enip.product_name"), tc, &get_name<true>},
      {sig::buffers().intern("enip.service_name"), tc, &get_name<false>},
      {sig::buffers().intern("enip.cip_service"), ts, &get_services},
      {sig::buffers().intern("enip.cip_service"), tc, &get_services},
  };
  p.events = {"enip.too_many_transactions", "enip.invalid_pdu"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
