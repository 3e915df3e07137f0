/// Modbus/TCP as a sensor protocol: one transaction a request with its response.
#include <algorithm>
#include <optional>

#include "rules/signature/modbus_view.hpp"
#include "sensors/protocols/modbus/modbus.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

namespace access = sig::modbus::access;
using modbus::Kind;
using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto modbus_proto = sig::app_protos().intern("modbus");
const auto event_id = [](std::string_view n) { return sig::events().intern(n); };
const EventId unsolicited = event_id("modbus.unsolicited_response"),
              invalid_function = event_id("modbus.invalid_function_code"),
              invalid_length = event_id("modbus.invalid_length"),
              invalid_value = event_id("modbus.invalid_value"),
              invalid_exception = event_id("modbus.invalid_exception_code"),
              value_mismatch = event_id("modbus.value_mismatch"),
              flooded = event_id("modbus.flooded"),
              invalid_protocol = event_id("modbus.invalid_protocol_id");
const sig::FrameType pdu_frame = sig::frame_types().intern("modbus.pdu");

struct ModbusTx final : Transaction {
  std::optional<modbus::Message> request, response;
  std::string view;  ///< what the keyword looks at
};

void put16(std::string& out, unsigned v) {
  out += static_cast<char>(v >> 8);
  out += static_cast<char>(v);
}
void put32(std::string& out, std::uint32_t v) {
  put16(out, v >> 16);
  put16(out, v & 0xffff);
}

/// rules/signature/modbus_view.hpp
std::string view_of(const modbus::Message& m) {
  std::string out;
  for (const auto octet : {m.function, m.unit, m.category, m.access})
    out += static_cast<char>(octet);
  out += static_cast<char>(m.kind == Kind::diagnostic);
  put16(out, m.kind == Kind::diagnostic ? m.code : 0U);
  std::uint32_t first = 0, last = 0;
  const auto range = [&](std::uint32_t address, std::uint32_t quantity) {
    if (quantity == 0) return;
    first = address + 1;
    last = address + quantity;
  };
  if (m.kind == Kind::read_request) range(m.address, m.quantity);
  if (m.kind == Kind::write_multiple || m.kind == Kind::read_write)
    range(m.write_address, m.write_quantity);
  if (m.kind == Kind::write_other || m.kind == Kind::write_mask) range(m.write_address, 1);
  out += static_cast<char>(last != 0);
  put32(out, first);
  put32(out, last);
  using sig::modbus::Values;
  const bool coils = (m.access & access::coils) != 0;
  const bool many = m.kind == Kind::write_multiple || m.kind == Kind::read_write;
  const bool one = m.kind == Kind::write_other && (m.access & access::single) != 0;
  out += static_cast<char>(many  ? (coils ? Values::coils : Values::registers)
                           : one ? (coils ? Values::one_coil : Values::one_register)
                                 : Values::none);
  put32(out, std::uint32_t{m.write_address} + 1);
  if (one)
    put16(out, m.write_quantity);
  else if (many)
    out += m.data;
  return out;
}

class ModbusParser final : public Parser {
 public:
  explicit ModbusParser(std::size_t flood) : flood_(flood) {}

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    std::size_t at = 0;
    while (at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      if (rest.size() < modbus::header_octets) return ParseResult::more(at, modbus::header_octets);
      const auto length = load_be16(rest.data() + 4);
      std::size_t whole = modbus::header_octets + length;
      if (length < modbus::min_length || length > modbus::max_length)
        whole = std::min(whole, rest.size());  // no message is like that: nothing to wait for
      if (rest.size() < whole) return ParseResult::more(at, whole);
      auto message = modbus::parse_message(rest.first(whole), dir == Dir::to_server);
      const auto* tx = dir == Dir::to_server ? request(ctx, std::move(message))
                                             : response(ctx, std::move(message));
      if (tx != nullptr)
        ctx.add_frame(pdu_frame, dir, input.offset + at, static_cast<std::int64_t>(whole), tx->id);
      at += whole;
    }
    return ParseResult::ok();
  }

 private:
  ModbusTx* fresh(ParserContext& ctx) {
    const bool full = flood_ != 0 && transactions().size() >= flood_;
    if (full && given_up_) return nullptr;
    given_up_ = full;
    auto owned = std::make_unique<ModbusTx>();
    owned->proto = modbus_proto;
    auto& tx = add(std::move(owned), ctx);
    if (full) tx.add_event(flooded);
    return &tx;
  }

  ModbusTx* request(ParserContext& ctx, modbus::Message message) {
    ModbusTx* tx = nullptr;
    for (auto* t : transactions()) {
      auto& other = static_cast<ModbusTx&>(*t);
      auto copy = other.response;
      if (other.request || !copy || !modbus::answers(message, *copy)) continue;
      tx = &other;
      break;
    }
    if (tx == nullptr) tx = fresh(ctx);
    if (tx == nullptr) return nullptr;
    events(*tx, message);
    tx->view = view_of(message);
    tx->request = std::move(message);
    tx->progress[0] = 1;
    tx->complete[0] = true;
    ++tx->revision;
    return tx;
  }

  ModbusTx* response(ParserContext& ctx, modbus::Message message) {
    ModbusTx* tx = nullptr;
    for (auto* t : transactions()) {
      auto& other = static_cast<ModbusTx&>(*t);
      if (!other.request || other.response || !modbus::answers(*other.request, message)) continue;
      tx = &other;
      break;
    }
    const bool alone = tx == nullptr;
    if (alone) tx = fresh(ctx);
    if (tx == nullptr) return nullptr;
    constexpr std::uint8_t wrong_data = modbus::error::data_length | modbus::error::data_value;
    if ((message.access & (access::read | access::write)) != 0 &&
        (message.errors & wrong_data) != 0)
      tx->add_event(value_mismatch);
    else
      events(*tx, message);
    if (alone) {
      tx->add_event(unsolicited);
      tx->view = view_of(message);
    }
    tx->response = std::move(message);
    tx->progress[0] = tx->progress[1] = 1;
    tx->complete[0] = tx->complete[1] = true;
    ++tx->revision;
    return tx;
  }

  static void events(ModbusTx& tx, const modbus::Message& m) {
    static const std::pair<std::uint8_t, EventId> all[] = {
        {modbus::error::function_code, invalid_function},
        {modbus::error::data_value, invalid_value},
        {modbus::error::data_length, invalid_length},
        {modbus::error::exception_code, invalid_exception},
        {modbus::error::protocol_id, invalid_protocol}};
    for (const auto& [bit, event] : all)
      if ((m.errors & bit) != 0) tx.add_event(event);
  }

  std::size_t flood_;
  bool given_up_ = false;
};

const ModbusTx& as_tx(const Transaction& t) { return static_cast<const ModbusTx&>(t); }

BufferStatus get_view(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || tx.view.empty()) return BufferStatus::absent;
  out.data = as_bytes(tx.view);
  return BufferStatus::ready;
}

void write_coded(std::string_view key, const modbus::Message& m, std::string_view name,
                 bool with_data, JsonWriter& json) {
  json.begin_object(key);
  json.field("raw", m.code);
  json.field("code", name);
  if (with_data) json.field_bytes("data", as_bytes(m.data));
  json.end_object();
}
void write_read(const modbus::Message& m, JsonWriter& json) {
  json.begin_object("read");
  json.field("address", m.address);
  json.field("quantity", m.quantity);
  json.end_object();
}
void write_write(const modbus::Message& m, JsonWriter& json) {
  json.begin_object("write");
  json.field("address", m.write_address);
  if (m.kind == Kind::write_mask) {
    json.field("and_mask", m.and_mask);
    json.field("or_mask", m.or_mask);
  } else if (m.kind == Kind::write_other) {
    json.field("data", m.write_quantity);
  } else {
    json.field("quantity", m.write_quantity);
    json.field_bytes("data", as_bytes(m.data));
  }
  json.end_object();
}

void write_data(const modbus::Message& m, JsonWriter& json) {
  switch (m.kind) {
    case Kind::empty:
      break;
    case Kind::exception:
      write_coded("exception", m, modbus::exception_name(m.code), false, json);
      break;
    case Kind::diagnostic:
      write_coded("diagnostic", m, modbus::diagnostic_name(m.code), true, json);
      break;
    case Kind::mei:
      write_coded("mei", m, modbus::mei_name(m.code), true, json);
      break;
    case Kind::read_request:
      write_read(m, json);
      break;
    case Kind::read_response:
      json.begin_object("read");
      json.field_bytes("data", as_bytes(m.data));
      json.end_object();
      break;
    case Kind::read_write:
      write_read(m, json);
      [[fallthrough]];
    case Kind::write_multiple:
    case Kind::write_mask:
    case Kind::write_other:
      write_write(m, json);
      break;
    case Kind::octets:
      json.field_bytes("data", as_bytes(m.data));
      break;
  }
}

void write_message(std::string_view key, const modbus::Message& m, JsonWriter& json) {
  json.begin_object(key);
  json.field("transaction_id", m.transaction);
  json.field("protocol_id", m.protocol);
  json.field("unit_id", m.unit);
  json.field("function_raw", m.raw_function);
  json.field("function_code", modbus::function_name(m.function));
  json.field("access_type", modbus::access_text(m.access));
  json.field("category", modbus::category_text(m.category));
  json.field("error_flags", modbus::error_text(m.errors));
  write_data(m, json);
  json.end_object();
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("modbus");
  json.field("id", tx.id + 1);
  if (tx.request) write_message("request", *tx.request, json);
  if (tx.response) write_message("response", *tx.response, json);
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir, const sig::Flow&) {
  constexpr std::size_t look = 8;
  if (data.size() < look) return Probe::maybe;
  const auto length = load_be16(data.data() + 4);
  const bool right = load_be16(data.data() + 2) == 0 && length >= modbus::min_length &&
                     length <= modbus::max_length &&
                     modbus::function_name(data[7] & 0x7f) != "Unknown";
  return right ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "modbus";
  p.rule_names = {"modbus"};
  p.tcp = true;
  p.on_by_default = false;
  p.stream_depth = 0;  // control connections stay open for months
  p.tcp_ports = "502";
  p.probe = &probe;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto flood = s.integer_or("app-layer.protocols.modbus.request-flood", 500);
    return std::make_unique<ModbusParser>(
        static_cast<std::size_t>(std::clamp<std::int64_t>(flood, 0, 65536)));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "modbus";
  logger.write = &log;
  p.loggers = {logger};
  p.buffers.buffers = {{sig::buffers().intern("modbus.request"), Dir::to_server, &get_view}};
  p.events = {"modbus.unsolicited_response",
              "modbus.invalid_function_code",
              "modbus.invalid_length",
              "modbus.invalid_value",
              "modbus.invalid_exception_code",
              "modbus.value_mismatch",
              "modbus.flooded",
              "modbus.invalid_protocol_id"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
