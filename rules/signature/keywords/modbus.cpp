/// `modbus`: `function 8, subfunction 4`, `function !reserved`, `access write holding, address 100,
/// value <5`, and `unit 10` alone or before any of these.
#include "rules/signature/keyword.hpp"
#include "rules/signature/modbus_view.hpp"

namespace ww::sig {
namespace {

/// A number or an open interval, as this keyword compares them: N, <N, >N, A<>B (both exclusive).
struct Range {
  std::uint16_t from = 0, to = 0;
  [[nodiscard]] bool single() const { return from == to; }
  [[nodiscard]] bool holds(std::uint32_t v) const {
    if (single()) return v == from;
    if (from == 0) return v < to;
    if (to == 0xffff) return v > from;
    return v > from && v < to;
  }
  [[nodiscard]] bool meets(std::uint32_t first, std::uint32_t last) const {
    if (single()) return from >= first && from <= last;
    if (from == 0) return to > first;
    if (to == 0xffff) return from < last;
    return from < last && first < to;
  }
  [[nodiscard]] std::uint32_t packed() const { return std::uint32_t{from} << 16 | to; }
  [[nodiscard]] static Range unpack(std::uint32_t v) {
    return {static_cast<std::uint16_t>(v >> 16), static_cast<std::uint16_t>(v)};
  }
};

std::optional<Range> read_range(std::string_view s) {
  const auto number = [](std::string_view t) -> std::optional<std::uint16_t> {
    const auto v = parse_unsigned(trim(t));
    if (!v || *v > 0xffff) return {};
    return static_cast<std::uint16_t>(*v);
  };
  s = trim(s);
  if (const auto at = s.find("<>"); at != std::string_view::npos && at > 0) {
    const auto a = number(s.substr(0, at)), b = number(s.substr(at + 2));
    if (!a || !b) return {};
    return Range{*a, *b};
  }
  const bool less = s.starts_with('<'), more = s.starts_with('>');
  const auto n = number(less || more ? s.substr(1) : s);
  if (!n) return {};
  return less ? Range{0, *n} : more ? Range{*n, 0xffff} : Range{*n, *n};
}

/// What a rule asks for. Travels in the three words of a BufferCheckOp.
struct Wanted {
  bool unit = false, function = false, subfunction = false, category = false, access = false,
       address = false, value = false;
  std::uint8_t function_code = 0, category_bits = 0, access_bits = 0;
  std::uint16_t subfunction_code = 0;
  Range units, addresses, values;

  void pack(BufferCheckOp& op) const {
    const bool flags[] = {unit, function, subfunction, category, access, address, value};
    op.a = std::uint64_t{function_code} << 8 | std::uint64_t{category_bits} << 16 |
           std::uint64_t{access_bits} << 24 | std::uint64_t{subfunction_code} << 32;
    for (std::size_t i = 0; i < std::size(flags); ++i)
      if (flags[i]) op.a |= std::uint64_t{1} << i;
    op.b = std::uint64_t{units.packed()} << 32 | addresses.packed();
    op.c = values.packed();
  }
  static Wanted unpack(const BufferCheckOp& op) {
    Wanted w;
    bool* const flags[] = {&w.unit,   &w.function, &w.subfunction, &w.category,
                           &w.access, &w.address,  &w.value};
    for (unsigned i = 0; i < std::size(flags); ++i) *flags[i] = (op.a >> i & 1U) != 0;
    w.function_code = static_cast<std::uint8_t>(op.a >> 8);
    w.category_bits = static_cast<std::uint8_t>(op.a >> 16);
    w.access_bits = static_cast<std::uint8_t>(op.a >> 24);
    w.subfunction_code = static_cast<std::uint16_t>(op.a >> 32);
    w.units = Range::unpack(static_cast<std::uint32_t>(op.b >> 32));
    w.addresses = Range::unpack(static_cast<std::uint32_t>(op.b));
    w.values = Range::unpack(static_cast<std::uint32_t>(op.c));
    return w;
  }
};

/// The value that is written at an address, when it is.
std::optional<std::uint16_t> value_at(ByteReader in, std::uint32_t address) {
  const auto kind = static_cast<modbus::Values>(in.u8());
  const auto first = in.u32be();
  if (!in.ok() || address < first) return {};
  const auto offset = address - first;
  const auto data = in.rest();
  std::size_t at = 0;
  switch (kind) {
    case modbus::Values::none:
      return {};
    case modbus::Values::one_register:
    case modbus::Values::one_coil:
      if (offset != 0) return {};
      break;
    case modbus::Values::registers:
      at = std::size_t{offset} * 2;
      break;
    case modbus::Values::coils:
      if (offset / 8 >= data.size()) return {};
      return static_cast<std::uint16_t>(data[offset / 8] >> (offset % 8) & 1);
  }
  if (at + 2 > data.size()) return {};
  const auto v = load_be16(data.data() + at);
  return kind == modbus::Values::one_coil ? static_cast<std::uint16_t>(v != 0) : v;
}

bool check(const BufferCheckOp& op, Bytes data, std::size_t, const Packet*) {
  const auto w = Wanted::unpack(op);
  ByteReader in(data);
  const auto function = in.u8(), unit = in.u8(), category = in.u8(), access = in.u8();
  const bool has_subfunction = in.u8() != 0;
  const auto subfunction = in.u16be();
  const bool has_range = in.u8() != 0;
  const auto first = in.u32be(), last = in.u32be();
  if (!in.ok()) return false;
  if (w.unit && !w.units.holds(unit)) return false;
  if (w.access) {
    constexpr std::uint8_t ways = modbus::access::read | modbus::access::write;
    const auto tables = w.access_bits & modbus::access::tables;
    if ((access & w.access_bits & ways) == 0 || (tables != 0 && (access & tables) == 0))
      return false;
    if (!w.address) return true;
    if (!has_range || !w.addresses.meets(first, last)) return false;
    if (!w.value) return true;
    const auto v = value_at(in, w.addresses.from);
    return v && w.values.holds(*v);
  }
  if (w.category) return (category & w.category_bits) != 0;
  if (w.function && function != w.function_code) return false;
  return !w.subfunction || (has_subfunction && subfunction == w.subfunction_code);
}

/// `name rest`; the rest when `part` starts with that word.
std::optional<std::string_view> after(std::string_view part, std::string_view word) {
  part = trim(part);
  if (!part.starts_with(word)) return {};
  return trim(part.substr(word.size()));
}

Status read_function(std::string_view what, Wanted& w) {
  using namespace modbus::category;
  static constexpr std::pair<std::string_view, std::uint8_t> words[] = {
      {"assigned", assigned},
      {"unassigned", unassigned},
      {"public", assigned | unassigned},
      {"user", user},
      {"reserved", reserved},
      {"all", assigned | unassigned | user | reserved}};
  if (const auto n = parse_unsigned(what)) {
    if (*n == 0 || *n > 255) return bad("function codes are 1 to 255");
    w.function = true;
    w.function_code = static_cast<std::uint8_t>(*n);
    return {};
  }
  const bool negated = what.starts_with('!');
  for (const auto& [word, bits] : words)
    if (word == trim(negated ? what.substr(1) : what)) {
      w.category = true;
      w.category_bits = negated ? static_cast<std::uint8_t>(~bits) : bits;
      return {};
    }
  return bad("'" + std::string(what) + "' is neither a function code nor a category");
}

Status read_access(std::string_view what, Wanted& w) {
  using namespace modbus::access;
  static constexpr std::pair<std::string_view, std::uint8_t> tables_of[] = {
      {"", 0}, {"discretes", discretes}, {"coils", coils}, {"input", input}, {"holding", holding}};
  const auto reading = after(what, "read"), writing = after(what, "write");
  if (!reading && !writing) return bad("access is read or write");
  const auto table = reading ? *reading : *writing;
  for (const auto& [word, bits] : tables_of) {
    if (word != table) continue;
    if (writing && (bits & (discretes | input)) != 0)
      return bad("discretes and input can only be read");
    w.access = true;
    w.access_bits = static_cast<std::uint8_t>((reading ? read : write) | bits);
    return {};
  }
  return bad("unknown table '" + std::string(table) + "'");
}

Status read_part(std::string_view part, bool first, Wanted& w) {
  const auto range = [&](std::string_view text, bool& flag, Range& to) -> Status {
    const auto r = read_range(text);
    if (!r) return bad("'" + std::string(text) + "' is not a number or range up to 65535");
    flag = true;
    to = *r;
    return {};
  };
  if (const auto v = after(part, "unit"); v && first) return range(*v, w.unit, w.units);
  if (const auto v = after(part, "subfunction"); v && w.function && !w.subfunction) {
    const auto n = parse_unsigned(*v);
    if (!n || *n > 0xffff) return bad("subfunctions are 0 to 65535");
    w.subfunction = true;
    w.subfunction_code = static_cast<std::uint16_t>(*n);
    return {};
  }
  const bool fresh = !w.function && !w.category && !w.access;
  if (const auto v = after(part, "function"); v && fresh) return read_function(*v, w);
  if (const auto v = after(part, "access"); v && fresh) return read_access(*v, w);
  if (const auto v = after(part, "address"); v && w.access && !w.address)
    return range(*v, w.address, w.addresses);
  if (const auto v = after(part, "value"); v && w.address && !w.value) {
    if (!w.addresses.single()) return bad("value needs one address, not a range");
    if ((w.access_bits & modbus::access::write) == 0) return bad("value needs write access");
    return range(*v, w.value, w.values);
  }
  return bad("'" + std::string(trim(part)) + "' is not understood there");
}

Status setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  auto value = trim(o.value);
  if (const auto q = unquote(value)) value = *q;
  Wanted w;
  bool first = true;
  for (const auto part : split_list(value)) {
    if (auto ok = read_part(part, first, w); !ok) return ok;
    first = false;
  }
  if (first) return bad("needs unit, function or access");
  Stage s;
  s.kind = Stage::Kind::buffer;
  s.name = k.name;
  s.buffer = buffers().intern(k.buffer);
  BufferCheckOp op;
  w.pack(op);
  op.check = &check;
  s.ops.emplace_back(std::move(op));
  b.add_stage(std::move(s));
  return {};
}

const KeywordRegistration registration{{
    {.name = "modbus",
     .group = "modbus",
     .summary = "unit, function, access, address and value of a request",
     .example = "modbus:unit 10, access write holding, address 100, value >5;",
     .setup = &setup,
     .buffer = "modbus.request",
     .protos = "modbus"},
}};

}  // namespace
}  // namespace ww::sig
