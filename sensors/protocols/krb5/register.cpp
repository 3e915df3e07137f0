/// Kerberos 5 over UDP and TCP (RFC 4120 section 7.2) as a sensor protocol: one transaction a
/// message.
#include "sensors/protocols/krb5/message.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto krb5_proto = sig::app_protos().intern("krb5");
const EventId malformed_data = sig::events().intern("krb5.malformed_data");
const EventId weak_encryption = sig::events().intern("krb5.weak_encryption");

constexpr std::uint32_t max_record = 128U << 10;   ///< octets of a message over TCP
constexpr std::uint32_t max_first_record = 16384;  ///< of one that is to be recognised

struct Krb5Tx final : Transaction {
  krb5::Message message;
  std::uint32_t request_type = 0;  ///< an error: type of the request it answers, 0 unknown
};

class Krb5Parser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (ctx.flow().ip_proto == 17)
      return message(ctx, dir, input.data) ? ParseResult::ok() : ParseResult::error();
    std::size_t at = 0;
    while (at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      if (rest.size() < 4) return ParseResult::more(at, 4);
      const auto length = load_be32(rest.data());
      if (length > max_record) {
        flag_last(ctx);
        return ParseResult::error();
      }
      if (rest.size() - 4 < length) return ParseResult::more(at, 4 + length);
      if (!message(ctx, dir, rest.subspan(4, length))) return ParseResult::error();
      at += 4 + length;
    }
    return ParseResult::ok();
  }

 private:
  bool message(ParserContext& ctx, Dir dir, Bytes octets) {
    if (octets.empty()) return true;
    krb5::Message m;
    const auto status = krb5::parse_message(octets, m);
    if (status == krb5::Status::malformed) {
      flag_last(ctx);
      return m.type != 0;  // its end is known: the next message may be better
    }
    const auto type = m.type;
    if (status == krb5::Status::ok) transaction(ctx, dir, std::move(m));
    if (type == krb5::type::as_req || type == krb5::type::tgs_req || type == krb5::type::ap_req)
      request_type_ = type;
    else if (type != 0)
      request_type_ = 0;
    return true;
  }

  void transaction(ParserContext& ctx, Dir dir, krb5::Message&& m) {
    auto owned = std::make_unique<Krb5Tx>();
    auto& tx = *owned;
    tx.proto = krb5_proto;
    tx.message = std::move(m);
    if (tx.message.error_code) tx.request_type = request_type_;
    tx.only[sig::index(dir)] = true;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    tx.revision = 1;
    if (tx.message.etype && krb5::is_weak(*tx.message.etype)) tx.add_event(weak_encryption);
    add(std::move(owned), ctx);
  }

  void flag_last(ParserContext& ctx) {
    if (owned_.empty()) {
      ctx.add_event(malformed_data);
    } else {
      owned_.back()->add_event(malformed_data);
      ++owned_.back()->revision;
    }
  }

  std::uint32_t request_type_ = 0;
};

Probe probe(Bytes data, Dir, const sig::Flow& flow) {
  if (flow.ip_proto == 6) {
    if (data.size() < 5) return Probe::maybe;
    if (load_be32(data.data()) > max_first_record) return Probe::no;
    data = data.subspan(4);
  }
  switch (krb5::looks_like_kerberos(data)) {
    case krb5::Looks::yes:
      return Probe::yes;
    case krb5::Looks::maybe:
      return Probe::maybe;
    case krb5::Looks::no:
      break;
  }
  return Probe::no;
}

const Krb5Tx& as_krb5(const Transaction& t) { return static_cast<const Krb5Tx&>(t); }

template <std::optional<krb5::Name> krb5::Message::* name>
BufferStatus get_name(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& parts = as_krb5(t).message.*name;
  if (!parts || i >= parts->size()) return BufferStatus::absent;
  out.data = as_bytes((*parts)[i]);
  return BufferStatus::ready;
}
BufferStatus get_type(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_krb5(t).message.type;
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
template <std::optional<std::int32_t> krb5::Message::* member>
BufferStatus get_signed(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& v = as_krb5(t).message.*member;
  if (i > 0 || !v) return BufferStatus::absent;
  out = static_cast<std::uint64_t>(std::int64_t{*v});
  return BufferStatus::ready;
}

void optional_name(JsonWriter& json, std::string_view key, const std::optional<krb5::Name>& name) {
  if (name)
    json.field_bytes(key, as_bytes(krb5::name_text(*name)));
  else
    json.field(key, "<empty>");
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_krb5(t);
  const auto& m = tx.message;
  json.begin_object("krb5");
  json.field("msg_type", krb5::type_name(m.type));
  if (m.error_code) {
    json.field("failed_request",
               tx.request_type != 0 ? krb5::type_name(tx.request_type) : "UNKNOWN");
    json.field("error_code", krb5::error_name(*m.error_code));
  }
  optional_name(json, "cname", m.cname);
  json.field_bytes("realm", as_bytes(m.realm ? std::string_view(*m.realm) : "<empty>"));
  optional_name(json, "sname", m.sname);
  json.field("encryption", m.etype ? krb5::encryption_name(*m.etype) : "<none>");
  json.field("weak_encryption", m.etype && krb5::is_weak(*m.etype));
  if (m.ticket_etype) {
    json.field("ticket_encryption", krb5::encryption_name(*m.ticket_etype));
    json.field("ticket_weak_encryption", krb5::is_weak(*m.ticket_etype));
  }
  json.end_object();
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "krb5";
  p.rule_names = {"krb5"};
  p.tcp = p.udp = true;
  p.tcp_ports = p.udp_ports = "88";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<Krb5Parser>();
  };
  Logger logger;
  logger.event_type = logger.settings_name = "krb5";
  logger.write = &log;
  logger.direction = [](const Transaction& t) {
    return t.only[1] ? Dir::to_client : Dir::to_server;
  };
  p.loggers = {logger};
  // Names are looked at in what the server says, where they are sure.
  p.buffers.buffers = {
      {sig::buffers().intern("krb5.cname"), Dir::to_client, &get_name<&krb5::Message::cname>},
      {sig::buffers().intern("krb5.sname"), Dir::to_client, &get_name<&krb5::Message::sname>}};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    const auto number = [&](std::string_view name, sig::NumberGetter get) {
      p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
    };
    number("krb5.msg_type", &get_type);
    number("krb5.err_code", &get_signed<&krb5::Message::error_code>);
    number("krb5.ticket_encryption", &get_signed<&krb5::Message::ticket_etype>);
  }
  p.events = {"krb5.malformed_data", "krb5.weak_encryption"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
