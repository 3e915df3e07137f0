#include "sensors/protocols/http2/hpack.hpp"

#include <algorithm>
#include <array>

namespace ww::sensor::http2 {
namespace {

struct StaticRow {
  std::string_view name, value;
};
/// RFC 7541 Appendix A.
constexpr std::array<StaticRow, 61> static_table = {{
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
}};

constexpr std::size_t row_overhead = 32;  // RFC 7541 section 4.1

enum class Number : std::uint8_t { ok, truncated, overflow };

/// RFC 7541 section 5.1.
Number read_number(ByteReader& in, std::uint8_t first, unsigned prefix, std::uint64_t& out) {
  const auto mask = static_cast<std::uint8_t>((1U << prefix) - 1);
  out = first & mask;
  if (out < mask) return Number::ok;
  for (unsigned shift = 0; shift <= 28; shift += 7) {
    const auto octet = in.u8();
    if (!in.ok()) return Number::truncated;
    out += static_cast<std::uint64_t>(octet & 0x7f) << shift;
    if ((octet & 0x80) == 0) return out <= UINT32_MAX ? Number::ok : Number::overflow;
  }
  return Number::overflow;
}

HpackEntry::Kind kind_of(Number n) {
  return n == Number::overflow ? HpackEntry::Kind::integer_overflow : HpackEntry::Kind::truncated;
}

bool read_string(ByteReader& in, std::size_t max, std::string& out, HpackEntry::Kind& failure) {
  const auto first = in.u8();
  std::uint64_t length = 0;
  failure = HpackEntry::Kind::truncated;
  if (!in.ok()) return false;
  if (const auto n = read_number(in, first, 7, length); n != Number::ok) {
    failure = kind_of(n);
    return false;
  }
  const auto octets = in.bytes(static_cast<std::size_t>(length));
  if (!in.ok()) return false;
  if ((first & 0x80) == 0) {
    out.assign(as_text(octets));
    return true;
  }
  failure = HpackEntry::Kind::bad_huffman;
  return huffman_decode(octets, max, out);
}

}  // namespace

bool HpackDecoder::decode(Bytes block, std::vector<HpackEntry>& out) {
  ByteReader in(block);
  std::size_t octets = 0;
  left_over_ = false;
  while (!in.empty()) {
    const auto before = out.size();
    const bool go_on = instruction(in, out);
    for (auto i = before; i < out.size(); ++i) octets += out[i].name.size() + out[i].value.size();
    if (!go_on) {
      left_over_ = !in.empty();
      return true;
    }
    if (octets > limits_.block_octets || out.size() > limits_.block_fields) return false;
  }
  return true;
}

/// Section 6: the first bits tell what it is.
bool HpackDecoder::instruction(ByteReader& in, std::vector<HpackEntry>& out) {
  using Kind = HpackEntry::Kind;
  HpackEntry entry;
  const auto first = in.peek();
  const auto bad = [&](Kind kind) {
    entry.kind = kind;
    out.push_back(std::move(entry));
    return false;
  };
  if ((first & 0x80) != 0) {
    in.skip(1);
    std::uint64_t index = 0;
    if (const auto n = read_number(in, first, 7, index); n != Number::ok) return bad(kind_of(n));
    if (!name_at(index, entry, true)) return bad(Kind::bad_index);
  } else if ((first & 0xe0) == 0x20) {
    in.skip(1);
    entry.kind = Kind::size_update;
    if (const auto n = read_number(in, first, 5, entry.number); n != Number::ok)
      return bad(kind_of(n));
    max_octets_ = std::min<std::size_t>(static_cast<std::size_t>(entry.number), limits_.table);
    shrink(max_octets_);
  } else {
    const bool keep = (first & 0xc0) == 0x40;
    if (!literal(in, keep ? 6 : 4, keep, entry)) {
      out.push_back(std::move(entry));
      return false;
    }
  }
  out.push_back(std::move(entry));
  return true;
}

bool HpackDecoder::literal(ByteReader& in, unsigned prefix, bool keep, HpackEntry& entry) {
  const auto first = in.u8();
  std::uint64_t index = 0;
  if (const auto n = read_number(in, first, prefix, index); n != Number::ok) {
    entry.kind = kind_of(n);
    return false;
  }
  HpackEntry::Kind failure{};
  if (index != 0) {
    if (!name_at(index, entry, false)) {
      entry.kind = HpackEntry::Kind::bad_index;
      return false;
    }
  } else if (!read_string(in, limits_.block_octets, entry.name, failure)) {
    entry.kind = failure;
    return false;
  }
  if (!read_string(in, limits_.block_octets, entry.value, failure)) {
    entry.kind = failure;
    return false;
  }
  if (keep) insert(entry.name, entry.value);
  return true;
}

bool HpackDecoder::name_at(std::uint64_t index, HpackEntry& entry, bool with_value) const {
  if (index == 0) return false;
  if (index <= static_table.size()) {
    const auto& row = static_table[static_cast<std::size_t>(index) - 1];
    entry.name = row.name;
    if (with_value) entry.value = row.value;
    return true;
  }
  const auto at = static_cast<std::size_t>(index) - static_table.size() - 1;
  if (at >= table_.size()) return false;
  entry.name = table_[at].name;
  if (with_value) {
    entry.value = table_[at].value;
    entry.table_id = table_[at].id;
  }
  return true;
}

void HpackDecoder::insert(const std::string& name, const std::string& value) {
  const auto size = name.size() + value.size() + row_overhead;
  if (size > max_octets_) {  // section 4.4: an entry too large empties the table
    shrink(0);
    return;
  }
  shrink(max_octets_ - size);
  table_.push_front({name, value, ++last_id_});
  octets_ += size;
}

void HpackDecoder::shrink(std::size_t to) {
  while (octets_ > to) {
    octets_ -= table_.back().name.size() + table_.back().value.size() + row_overhead;
    table_.pop_back();
  }
}

// The encoder says by a size update when it uses more (section 4.2); only less holds at once.
void HpackDecoder::set_max_table(std::uint32_t octets) {
  max_octets_ = std::min<std::size_t>(max_octets_, octets);
  shrink(max_octets_);
}

}  // namespace ww::sensor::http2
