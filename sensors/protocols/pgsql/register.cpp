/// PostgreSQL as a sensor protocol: recognition, the `pgsql` record, what rules look at.
#include <algorithm>

#include "sensors/protocols/pgsql/pgsql.hpp"

namespace ww::sensor::pgsql {

std::string& Members::at(std::string_view key) {
  for (auto& [k, value] : members_)
    if (k == key) {
      value.clear();
      return value;
    }
  return members_.emplace_back(key, std::string()).second;
}
void Members::text(std::string_view key, std::string_view value) {
  JsonWriter(at(key)).value_bytes(as_bytes(value));
}
void Members::number(std::string_view key, std::uint64_t value) {
  JsonWriter(at(key)).value(value);
}
void Members::flag(std::string_view key, bool value) { JsonWriter(at(key)).value(value); }
void Members::object(std::string_view key, std::string inner) {
  at(key) = "{" + std::move(inner) + "}";
}
void Members::write(JsonWriter& json) const {
  for (const auto& [key, value] : members_) {
    json.key_text(key);
    json.raw(value);
  }
}

void write_pgsql(const PgsqlTx& tx, bool passwords, JsonWriter& json) {
  json.begin_object("pgsql");
  json.field("tx_id", tx.id + 1);
  if (tx.has_request) {
    json.begin_object("request");
    tx.request.write(json);
    if (tx.has_password && passwords) json.field_bytes("password", as_bytes(tx.password));
    if (tx.has_password && !passwords) json.field("password_redacted", true);
    json.end_object();
  }
  if (tx.has_response) {
    json.begin_object("response");
    tx.response.write(json);
    if (!tx.parameters.empty()) {
      json.begin_array("parameter_status");
      for (const auto& [name, value] : tx.parameters) {
        json.begin_object();
        json.key_text(ww::pgsql::parameter_name(name));
        json.value_bytes(as_bytes(value));
        json.end_object();
      }
      json.end_array();
    }
    json.end_object();
  }
  json.end_object();
}

namespace {

constexpr std::uint32_t max_first = 64U << 20;  ///< a longer first message is something else

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  const bool client = dir == Dir::to_server;
  // The answer to a request for encryption is one octet.
  if (!client && data.size() == 1)
    return data[0] == 'N' || data[0] == 'S' ? Probe::yes : Probe::maybe;
  ww::pgsql::Header h;
  switch (ww::pgsql::read_header(data, client, h)) {
    case ww::pgsql::Status::need_more:
      return Probe::maybe;
    case ww::pgsql::Status::bad_length:
      return Probe::no;
    case ww::pgsql::Status::ok:
      break;
  }
  if (h.length > max_first) return Probe::no;
  if (!client) return ww::pgsql::known_server_type(h.type) ? Probe::yes : Probe::no;
  if (h.type != 0) return ww::pgsql::known_client_type(h.type) ? Probe::yes : Probe::no;
  if (data.size() < h.octets + 4) return Probe::maybe;
  const auto major = load_be16(data.data() + h.octets),
             minor = load_be16(data.data() + h.octets + 2);
  if (major == 1234) return minor >= 5678 && minor <= 5680 ? Probe::yes : Probe::no;
  if (major < 1 || major > 3) return Probe::no;
  if (data.size() - h.octets < h.length) return Probe::maybe;
  return ww::pgsql::parse_startup(data.subspan(h.octets, h.length)) ? Probe::yes : Probe::no;
}

const PgsqlTx& as_pgsql(const Transaction& t) { return static_cast<const PgsqlTx&>(t); }

sig::BufferStatus get_query(const Transaction& t, Dir, std::uint32_t i, sig::BufferSlice& out) {
  const auto& tx = as_pgsql(t);
  if (i > 0 || !tx.has_query) return sig::BufferStatus::absent;
  out.data = as_bytes(tx.query);
  return sig::BufferStatus::ready;
}

bool log(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  write_pgsql(as_pgsql(t), ctx.options.flag_or("passwords", false), json);
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "pgsql";
  p.rule_names = {"pgsql"};
  p.tcp = true;
  p.tcp_ports = "5432";
  p.stream_depth = 0;  // followed to its end
  p.probe = &probe;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto tx =
        std::clamp<std::int64_t>(s.integer_or("app-layer.protocols.pgsql.max-tx", 1024), 1, 65536);
    return std::make_unique<PgsqlParser>(static_cast<std::size_t>(tx));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "pgsql";
  logger.write = &log;
  logger.on_by_default = false;
  p.loggers = {logger};
  p.buffers.buffers = {{sig::buffers().intern("pgsql.query"), Dir::to_server, &get_query}};
  p.events = {"pgsql.invalid_length", "pgsql.malformed_request", "pgsql.malformed_response",
              "pgsql.too_many_transactions", "pgsql.too_many_responses"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::pgsql
