#include "sensors/protocols/dnp3/objects.hpp"

#include <algorithm>
#include <bit>

#include "sensors/protocols/dnp3/layouts.hpp"

namespace ww::dnp3 {
namespace {

std::uint64_t little_endian(ByteReader& in, std::size_t octets) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < octets; ++i) v |= std::uint64_t{in.u8()} << (8 * i);
  return v;
}

/// @return false: reserved range code, or cut off
bool read_range(ByteReader& in, Object& o) {
  const auto start_stop = [&](std::size_t octets) {
    o.start = static_cast<std::uint32_t>(little_endian(in, octets));
    o.stop = static_cast<std::uint32_t>(little_endian(in, octets));
    if (o.stop < o.start) in.fail();
    o.count = o.stop - o.start + 1;
  };
  switch (o.range_code()) {
    case 0:
    case 3:
      start_stop(1);
      break;
    case 1:
    case 4:
      start_stop(2);
      break;
    case 2:
    case 5:
      start_stop(4);
      break;
    case 6:  // all points
      o.count = 0;
      break;
    case 7:
    case 11:
      o.count = in.u8();
      break;
    case 8:
      o.count = in.u16le();
      break;
    case 9:
      o.count = in.u32le();
      break;
    default:
      return false;
  }
  return in.ok();
}

std::size_t prefix_octets(std::uint8_t code) {
  static constexpr std::size_t octets[] = {0, 1, 2, 4, 1, 2, 4, 0};
  return octets[code & 7];
}

/// @param point_at  where the point starts, for fields that take the rest of its size
bool read_value(const Field& f, ByteReader& in, Point& p, std::size_t point_at, std::uint8_t& octet,
                unsigned& bit) {
  Value v;
  v.name = f.name;
  const auto sized = [&](std::size_t octets) {
    v.data = in.text(octets);
    p.values.push_back(std::move(v));
    return in.ok();
  };
  if (f.kind != Field::Kind::bits) bit = 0;
  switch (f.kind) {
    case Field::Kind::bits:
      if (bit == 0 || bit + f.width > 8) {
        octet = in.u8();
        bit = 0;
      }
      v.number = (octet >> bit) & ((1 << f.width) - 1);
      bit = bit + f.width;
      break;
    case Field::Kind::u:
      v.number = static_cast<std::int64_t>(little_endian(in, f.width));
      break;
    case Field::Kind::i: {
      const auto raw = little_endian(in, f.width);
      v.number = f.width == 2 ? static_cast<std::int16_t>(raw) : static_cast<std::int32_t>(raw);
      break;
    }
    case Field::Kind::real: {
      v.kind = Value::Kind::real;
      const auto raw = little_endian(in, f.width);
      v.real = f.width == 4
                   ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(raw)))
                   : std::bit_cast<double>(raw);
      break;
    }
    case Field::Kind::text:
    case Field::Kind::octets: {
      v.kind = f.kind == Field::Kind::text ? Value::Kind::text : Value::Kind::octets;
      if (f.length.empty()) return sized(f.width);
      const auto at = std::find_if(p.values.begin(), p.values.end(),
                                   [&](const Value& x) { return x.name == f.length; });
      return at != p.values.end() && sized(static_cast<std::size_t>(at->number));
    }
    case Field::Kind::rest_text:
    case Field::Kind::rest_octets: {
      v.kind = f.kind == Field::Kind::rest_text ? Value::Kind::text : Value::Kind::octets;
      const auto used = in.offset() - point_at;
      return p.prefix >= used && sized(p.prefix - used);
    }
  }
  p.values.push_back(std::move(v));
  return in.ok();
}

bool read_point(const Layout& layout, const Object& o, ByteReader& in, std::uint32_t n, Point& p) {
  const auto code = o.prefix_code();
  p.prefix = static_cast<std::uint32_t>(little_endian(in, prefix_octets(code)));
  p.index = code >= 1 && code <= 3 ? p.prefix : o.start + n;
  const auto at = in.offset();
  std::uint8_t octet = 0;
  unsigned bit = 0;
  for (const auto& f : layout.fields)
    if (!read_value(f, in, p, at, octet, bit)) return false;
  return in.ok();
}

ObjectError read_packed(const Layout& layout, ByteReader& in, std::size_t& budget, bool keep,
                        Object& o) {
  const auto& f = layout.fields.front();
  std::uint8_t octet = 0;
  for (std::uint32_t n = 0; n < o.count; ++n) {
    if (budget == 0) return ObjectError::too_many_points;
    --budget;
    const unsigned bit = (n * f.width) % 8;
    if (bit == 0) octet = in.u8();
    if (!in.ok()) return ObjectError::malformed;
    Value v;
    v.name = f.name;
    v.number = (octet >> bit) & ((1 << f.width) - 1);
    if (keep) o.points.push_back({0, o.start + n, {v}});
  }
  return ObjectError::none;
}

ObjectError read_points(ByteReader& in, std::size_t& budget, bool keep, Object& o) {
  const auto* layout = find_layout(o.group, o.variation);
  if (layout == nullptr) return ObjectError::unknown_object;
  if (layout->packed) return read_packed(*layout, in, budget, keep, o);
  const auto code = o.prefix_code();
  if ((layout->size_prefix && (code < 4 || code > 6)) || (layout->two_octet_size && code != 5))
    return ObjectError::malformed;
  for (std::uint32_t n = 0; n < o.count; ++n) {
    if (budget == 0) return ObjectError::too_many_points;
    --budget;
    Point p;
    if (!read_point(*layout, o, in, n, p)) return ObjectError::malformed;
    if (keep) o.points.push_back(std::move(p));
  }
  return ObjectError::none;
}

}  // namespace

ObjectError read_objects(Bytes octets, const ObjectLimits& limits, std::vector<Object>& out) {
  ByteReader in(octets);
  std::size_t budget = limits.points;
  while (!in.empty()) {
    if (in.left() < 3) return ObjectError::truncated;
    if (out.size() >= limits.objects) return ObjectError::too_many_objects;
    Object& o = out.emplace_back();
    o.group = in.u8();
    o.variation = in.u8();
    o.qualifier = in.u8();
    if (!read_range(in, o)) return ObjectError::truncated;
    if (o.variation == 0 || o.count == 0) continue;
    if (const auto e = read_points(in, budget, limits.keep_points, o); e != ObjectError::none)
      return e;
  }
  return ObjectError::none;
}

}  // namespace ww::dnp3
