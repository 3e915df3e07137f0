#include "sensors/protocols/enip/enip.hpp"

#include <algorithm>

namespace ww::enip {
namespace {

namespace service {
constexpr std::uint8_t get_attribute_list = 3, set_attribute_list = 4, multiple = 10;
}
constexpr std::size_t max_items = 64, max_inner = 256, max_attributes = 1024;

std::optional<PathSegment> read_segment(ByteReader& in) {
  PathSegment s;
  s.type = in.u8();
  if (s.type >> 5 != 1) return {};  // only logical segments
  switch (s.type & 3) {
    case 0:
      s.value = in.u8();
      break;
    case 1:
      in.skip(1);
      s.value = in.u16le();
      break;
    case 2:
      in.skip(1);
      s.value = in.u32le();
      break;
    default:
      return {};
  }
  return in.ok() ? std::optional(s) : std::nullopt;
}

std::optional<Cip> read_cip(ByteReader& in, bool allow_multiple);

bool read_multiple(ByteReader& in, Cip& c) {
  const auto base = in.offset();
  const auto block = in.rest();
  const std::size_t count = in.u16le();
  if (!in.ok() || count > max_inner || count * 2 > in.left()) return false;
  std::size_t end = 0;
  for (std::size_t n = 0; n < count; ++n) {
    const std::size_t offset = in.u16le();
    if (offset >= block.size()) return false;
    ByteReader inner(block.subspan(offset));
    auto packet = read_cip(inner, false);
    if (!packet) return false;
    packet->offset = base + offset;
    packet->length = inner.offset();
    end = std::max(end, offset + inner.offset());
    c.inner.push_back(std::move(*packet));
  }
  in.seek(base + std::max(end, 2 + 2 * count));
  return in.ok();
}

bool read_request(ByteReader& in, Cip& c, bool allow_multiple) {
  ByteReader path(in.bytes(2U * in.u8()));
  while (!path.empty()) {
    const auto segment = read_segment(path);
    if (!segment) return false;
    c.path.push_back(*segment);
  }
  if (!in.ok()) return false;
  if (c.service == service::get_attribute_list) {
    const std::size_t count = in.u16le();
    if (count > max_attributes) return false;
    for (std::size_t n = 0; n < count && in.ok(); ++n) c.attributes.push_back(in.u16le());
  } else if (c.service == service::set_attribute_list) {
    // Values are laid out as their class says, so only the first number can be read.
    if (in.u16le() > 0) c.attributes.push_back(in.u16le());
  } else if (c.service == service::multiple && allow_multiple) {
    return read_multiple(in, c);
  }
  return in.ok();
}

bool read_response(ByteReader& in, Cip& c, bool allow_multiple) {
  in.skip(1);
  c.status = in.u8();
  c.extended_status = in.text(std::size_t{in.u8()} * 2);  // counted in words
  if (in.ok() && c.service == service::multiple && allow_multiple) return read_multiple(in, c);
  return in.ok();
}

std::optional<Cip> read_cip(ByteReader& in, bool allow_multiple) {
  Cip c;
  const auto first = in.u8();
  c.service = first & 0x7f;
  c.response = (first & 0x80) != 0;
  if (!(c.response ? read_response(in, c, allow_multiple) : read_request(in, c, allow_multiple)))
    return {};
  return c;
}

bool read_identity(ByteReader in, Item& item) {
  Identity i;
  i.protocol_version = in.u16le();
  in.skip(16);  // socket address
  i.vendor = in.u16le();
  i.device_type = in.u16le();
  i.product_code = in.u16le();
  i.major = in.u8();
  i.minor = in.u8();
  i.status = in.u16le();
  i.serial = in.u32le();
  i.name = in.text(in.u8());
  i.state = in.u8();
  item.identity = i;
  return in.ok();
}

bool read_item(ByteReader& in, Item& item) {
  item.offset = in.offset();
  item.type = in.u16le();
  item.length = in.u16le();
  item.cip_offset = in.offset();
  ByteReader data(in.bytes(item.length));
  if (!in.ok()) return false;
  switch (item.type) {
    case Item::identity_type:
      return read_identity(data, item);
    case Item::services_type: {
      Services s;
      s.protocol_version = data.u16le();
      s.capabilities = data.u16le();
      s.name = data.text(16);
      item.services = s;
      return data.ok();
    }
    case Item::connected_data:
      item.sequence = data.u16le();
      item.cip_offset += 2;
      [[fallthrough]];
    case Item::unconnected_data:
      item.cip = read_cip(data, true);
      return item.cip.has_value();
    default:
      return true;
  }
}

bool read_items(ByteReader& in, Message& m) {
  const std::size_t count = in.u16le();
  if (!in.ok() || count > max_items) return false;
  for (std::size_t n = 0; n < count; ++n)
    if (!read_item(in, m.items.emplace_back())) return false;
  return true;
}

bool read_payload(ByteReader& in, Message& m) {
  switch (m.header.command) {
    case command::register_session:
      m.registration = RegisterSession{in.u16le(), in.u16le()};
      return in.ok();
    case command::list_services:
    case command::list_identity:
    case command::list_interfaces:
      return m.header.length == 0 || read_items(in, m);  // the request is empty
    case command::send_rr_data:
    case command::send_unit_data:
      in.skip(4 + 2);  // interface handle, timeout
      m.has_items = true;
      return read_items(in, m);
    default:
      return true;
  }
}

}  // namespace

Header read_header(Bytes octets) {
  ByteReader in(octets);
  Header h;
  h.command = in.u16le();
  h.length = in.u16le();
  h.session = in.u32le();
  h.status = in.u32le();
  in.skip(8);  // sender context
  h.options = in.u32le();
  return h;
}

Message parse_message(Bytes octets) {
  Message m;
  m.header = read_header(octets);
  ByteReader in(octets);
  in.skip(header_octets);
  if (!read_payload(in, m)) {
    m.invalid = true;
    m.has_items = false;
    m.items.clear();
    m.registration.reset();
  }
  return m;
}

bool looks_right(Bytes octets) {
  const auto h = read_header(octets);
  if (status_name(h.status).empty()) return false;
  switch (h.command) {
    case command::nop:
      return h.options == 0;
    case command::register_session:
      return h.length == 4;
    case command::unregister_session:
      return h.length == 4 || h.length == 0;
    case command::list_interfaces: {
      ByteReader in(octets.subspan(header_octets));
      in.skip(2U * in.u16le());
      return in.ok();
    }
    default:
      return !command_name(h.command).empty();
  }
}

const Cip* Message::cip() const {
  if (!has_items) return nullptr;
  for (const auto& i : items)
    if (i.cip) return &*i.cip;
  return nullptr;
}
const Identity* Message::identity() const {
  return header.command == command::list_identity && !items.empty() && items[0].identity
             ? &*items[0].identity
             : nullptr;
}
const Services* Message::services() const {
  return header.command == command::list_services && !items.empty() && items[0].services
             ? &*items[0].services
             : nullptr;
}

}  // namespace ww::enip
