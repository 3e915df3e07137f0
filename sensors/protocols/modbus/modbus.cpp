#include "sensors/protocols/modbus/modbus.hpp"

#include "rules/signature/modbus_view.hpp"

namespace ww::modbus {
namespace {

namespace access = sig::modbus::access;
namespace category = sig::modbus::category;

constexpr std::uint16_t max_bits = 2000, max_registers = 125;
constexpr std::uint8_t min_read_count = 1, max_read_count = 250;

std::uint8_t access_of(std::uint8_t f) {
  using namespace access;
  switch (f) {
    case function::read_coils:
      return coils | read;
    case function::read_discretes:
      return discretes | read;
    case function::read_holding:
      return holding | read;
    case function::read_input:
      return input | read;
    case function::write_coil:
      return coils | write | single;
    case function::write_register:
      return holding | write | single;
    case function::write_coils:
      return coils | write | multiple;
    case function::write_registers:
      return holding | write | multiple;
    case function::mask_write:
      return holding | write;
    case function::read_write_registers:
      return holding | read | write | multiple;
    default:
      return 0;
  }
}

bool bit_access(const Message& m) { return (m.access & (access::discretes | access::coils)) != 0; }

std::uint8_t category_of(const Message& m) {
  using namespace category;
  if (m.function == function::diagnostic || m.function == function::mei) {
    if (m.kind != Kind::diagnostic && m.kind != Kind::mei) return 0;
    const bool known = m.kind == Kind::diagnostic ? diagnostic_name(m.code) != "Reserved"
                                                  : mei_name(m.code) != "Unknown";
    return known ? assigned : reserved;
  }
  if (function_name(m.function) != "Unknown") return assigned;
  const auto f = m.function;
  if (f == 0) return 0;
  if (f == 41 || f == 42 || f == 90 || f == 91 || f >= 125) return reserved;
  if ((f >= 65 && f <= 72) || (f >= 100 && f <= 110)) return user;
  return unassigned;
}

void flag(Message& m, std::uint8_t error) {
  m.errors = static_cast<std::uint8_t>(m.errors | error);
}

void read_request(ByteReader& in, Message& m) {
  m.kind = Kind::read_request;
  m.address = in.u16be();
  m.quantity = in.u16be();
  if (m.quantity == 0 || m.quantity > (bit_access(m) ? max_bits : max_registers))
    flag(m, error::data_value);
}

void read_response(ByteReader& in, Message& m) {
  m.kind = Kind::read_response;
  const auto count = in.u8();
  if (count < min_read_count || count > max_read_count || count != in.left())
    flag(m, error::data_value);
  m.data = in.text(in.left());
}

void write_request(ByteReader& in, Message& m) {
  m.write_address = in.u16be();
  if ((m.access & access::single) != 0) {
    m.kind = Kind::write_other;
    m.write_quantity = in.u16be();
    if ((m.access & access::coils) != 0 && m.write_quantity != 0 && m.write_quantity != 0xff00)
      flag(m, error::data_value);
  } else if ((m.access & access::multiple) != 0) {
    m.kind = m.kind == Kind::read_request ? Kind::read_write : Kind::write_multiple;
    m.write_quantity = in.u16be();
    const auto count = in.u8();
    const auto wanted = bit_access(m) ? (m.write_quantity + 7U) / 8U : m.write_quantity * 2U;
    if (m.write_quantity == 0 || count != in.left()) flag(m, error::data_length);
    if (m.write_quantity > (bit_access(m) ? max_bits : max_registers) || count != wanted)
      flag(m, error::data_value);
    m.data = in.text(in.left());
  } else {
    m.kind = Kind::write_mask;
    m.and_mask = in.u16be();
    m.or_mask = in.u16be();
  }
}

void write_response(ByteReader& in, Message& m) {
  m.write_address = in.u16be();
  if ((m.access & (access::single | access::multiple)) != 0) {
    m.kind = Kind::write_other;
    m.write_quantity = in.u16be();
    if ((m.access & access::multiple) != 0 &&
        (m.write_quantity == 0 || m.write_quantity > (bit_access(m) ? max_bits : max_registers)))
      flag(m, error::data_value);
  } else {
    m.kind = Kind::write_mask;
    m.and_mask = in.u16be();
    m.or_mask = in.u16be();
  }
}

void coded(ByteReader& in, Message& m) {
  const bool mei = m.function == function::mei;
  m.kind = mei ? Kind::mei : Kind::diagnostic;
  m.code = mei ? in.u8() : in.u16be();
  m.data = in.text(in.left());
}

void check_diagnostic(Message& m) {
  if (m.data.size() != 2) {
    flag(m, error::data_length);
    return;
  }
  const auto value = load_be16(as_bytes(m.data).data());
  switch (m.code) {
    case 0:  // echo
    case 4:
      break;
    case 1:
      if (value != 0 && value != 0xff00) flag(m, error::data_value);
      break;
    case 3:
      if ((value & 0xff) != 0) flag(m, error::data_value);
      break;
    default:
      if (diagnostic_name(m.code) != "Reserved" && value != 0) flag(m, error::data_value);
  }
}

void exception(ByteReader& in, Message& m) {
  m.kind = Kind::exception;
  m.code = in.u8();
  const auto f = m.function;
  // Functions without addresses or values cannot complain about them.
  const bool plain = (f > 6 && f < 15) || (f > 16 && f < 20);
  const bool known = exception_name(m.code) != "Unknown";
  if (!known || (m.code == 2 && plain) || (m.code == 3 && plain && f != function::diagnostic) ||
      (m.code == 8 && f != function::read_file && f != function::write_file))
    flag(m, error::exception_code);
}

void octets(ByteReader& in, Message& m) {
  m.kind = Kind::octets;
  m.data = in.text(in.left());
}

void request(ByteReader& in, Message& m) {
  const auto left = in.left();
  switch (m.function) {
    case function::diagnostic:
      coded(in, m);
      check_diagnostic(m);
      return;
    case function::mei:
      coded(in, m);
      return;
    case function::read_file:
    case function::write_file:
      if (left == 0) flag(m, error::data_length);
      break;
    case function::exception_status:
    case function::event_counter:
    case function::event_log:
    case function::server_id:
      if (left != 0) flag(m, error::data_length);
      break;
    case function::read_fifo:
      if (left != 2) flag(m, error::data_length);
      break;
    default:
      if ((m.access & access::read) != 0) read_request(in, m);
      if ((m.access & access::write) != 0) write_request(in, m);
      if (m.access != 0) return;
  }
  octets(in, m);
}

void response(ByteReader& in, Message& m) {
  if (m.is_exception()) {
    exception(in, m);
    return;
  }
  switch (m.function) {
    case function::diagnostic:
    case function::mei:
      coded(in, m);
      return;
    case function::exception_status:
      if (in.left() != 1) flag(m, error::data_length);
      break;
    case function::event_counter:
      if (in.left() != 4) flag(m, error::data_length);
      break;
    default:
      if ((m.access & access::read) != 0) {
        read_response(in, m);
        return;
      }
      if ((m.access & access::write) != 0) {
        write_response(in, m);
        return;
      }
  }
  octets(in, m);
}

/// Does the answer's content fit what was asked?
bool fits(const Message& a, const Message& b) {
  const bool asked_read = a.kind == Kind::read_request || a.kind == Kind::read_write;
  if (b.kind == Kind::read_response && asked_read) {
    const auto wanted = bit_access(a) ? (a.quantity + 7U) / 8U : a.quantity * 2U;
    return b.data.size() == wanted;
  }
  if (b.kind == Kind::write_other)
    return a.write_address == b.write_address && a.write_quantity == b.write_quantity;
  if (b.kind == Kind::write_mask)
    return a.write_address == b.write_address && a.and_mask == b.and_mask && a.or_mask == b.or_mask;
  return true;
}

}  // namespace

Message parse_message(Bytes all, bool is_request) {
  ByteReader in(all);
  Message m;
  m.transaction = in.u16be();
  m.protocol = in.u16be();
  m.length = in.u16be();
  m.unit = in.u8();
  m.raw_function = in.u8();
  m.function = m.raw_function & 0x7f;
  m.access = access_of(m.function);
  if (m.protocol != 0) flag(m, error::protocol_id);
  if (m.length < min_length || m.length > max_length) {
    flag(m, error::data_length);
    m.unit = m.raw_function = 0;
    return m;
  }
  if (m.function == 0 || (is_request && m.is_exception())) flag(m, error::function_code);
  const auto body = in.rest();
  ByteReader data(body);
  if (is_request)
    request(data, m);
  else
    response(data, m);
  if (!data.ok() || !data.empty()) flag(m, error::data_length);
  if (!data.ok()) {  // too short for its function
    m.kind = Kind::octets;
    m.data = as_text(body);
  }
  m.category = category_of(m);
  return m;
}

bool answers(const Message& request, Message& response) {
  if (request.transaction != response.transaction || request.unit != response.unit ||
      request.function != response.function)
    return false;
  if (response.is_exception()) return true;
  if ((response.kind == Kind::diagnostic || response.kind == Kind::mei) &&
      (request.kind != response.kind || request.code != response.code))
    return false;
  if (response.category == category::assigned && !fits(request, response))
    flag(response, error::data_value);
  return true;
}

}  // namespace ww::modbus
