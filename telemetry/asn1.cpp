#include "telemetry/asn1.hpp"

namespace ww::asn1 {

Status read_header(Bytes in, Header& out) {
  if (in.empty()) return Status::truncated;
  std::size_t at = 1;
  out.cls = static_cast<Class>(in[0] >> 6);
  out.constructed = (in[0] & 0x20) != 0;
  out.number = in[0] & 0x1f;
  if (out.number == 0x1f) {  // high tag number form (8.1.2.4)
    out.number = 0;
    for (;; ++at) {
      if (at > 4) return Status::malformed;
      if (at >= in.size()) return Status::truncated;
      out.number = out.number << 7 | (in[at] & 0x7fU);
      if ((in[at] & 0x80) == 0) break;
    }
    ++at;
  }
  if (at >= in.size()) return Status::truncated;
  out.length = in[at++];
  if (out.length >= 0x80) {
    const auto n = out.length & 0x7f;
    if (n == 0 || n > 8) return Status::malformed;
    if (in.size() - at < n) return Status::truncated;
    out.length = 0;
    for (std::uint64_t i = 0; i < n; ++i) out.length = out.length << 8 | in[at++];
    if (out.length > UINT32_MAX) return Status::malformed;
  }
  out.header_octets = at;
  return Status::ok;
}

Element Reader::next() {
  Header h;
  if (!ok_ || read_header(in_, h) != Status::ok || h.whole() > in_.size()) {
    ok_ = false;
    return {};
  }
  const auto length = static_cast<std::size_t>(h.length);
  const Element e{h.cls, h.constructed, h.number, in_.subspan(h.header_octets, length)};
  in_ = in_.subspan(h.header_octets + length);
  return e;
}

Element Reader::expect(std::uint32_t universal) {
  const auto e = next();
  const bool constructed = universal == tag::sequence || universal == tag::set;
  if (ok_ && e.is(universal) && e.constructed == constructed) return e;
  ok_ = false;
  return {};
}

std::optional<Element> Reader::optional_context(std::uint32_t n) {
  Header h;
  if (empty()) return {};
  if (read_header(in_, h) != Status::ok) {
    ok_ = false;
    return {};
  }
  if (h.cls != Class::context || h.number != n) return {};
  const auto e = next();
  if (!ok_) return {};
  return e;
}

Element Reader::expect_explicit(std::uint32_t n) {
  auto e = optional_explicit(n);
  if (!e) ok_ = false;
  return e.value_or(Element{});
}

std::optional<Element> Reader::optional_explicit(std::uint32_t n) {
  const auto outer = optional_context(n);
  if (!outer) return {};
  Reader inner(*outer);
  const auto e = inner.next();
  if (!outer->constructed || !inner.ok() || !inner.empty()) {
    ok_ = false;
    return {};
  }
  return e;
}

std::int64_t Reader::integer() {
  const auto v = integer_value(expect(tag::integer).content);
  if (!v) ok_ = false;
  return v.value_or(0);
}

std::int64_t Reader::enumerated() {
  const auto v = integer_value(expect(tag::enumerated).content);
  if (!v) ok_ = false;
  return v.value_or(0);
}

bool Reader::boolean() {
  const auto e = expect(tag::boolean);
  if (e.content.size() != 1) ok_ = false;
  return ok_ && e.content[0] != 0;
}

std::string_view Reader::octets() { return as_text(expect(tag::octet_string).content); }

std::optional<std::int64_t> integer_value(Bytes content) {
  if (content.empty() || content.size() > 8) return {};
  auto v = static_cast<std::uint64_t>((content[0] & 0x80) != 0 ? -1 : 0);
  for (const auto c : content) v = v << 8 | c;
  return static_cast<std::int64_t>(v);
}

std::string oid_text(Bytes content) {
  std::string out;
  std::uint64_t arc = 0;
  std::size_t arcs = 0, septets = 0;
  for (const auto c : content) {
    if (++septets > 9) return {};  // 63 bits
    arc = arc << 7 | (c & 0x7fU);
    if ((c & 0x80) != 0) continue;
    if (++arcs > 128) return {};
    if (out.empty()) {
      // The first two arcs share a number (8.19.4).
      const auto first = arc < 80 ? arc / 40 : 2;
      out = std::to_string(first) + "." + std::to_string(arc - first * 40);
    } else {
      out += '.';
      out += std::to_string(arc);
    }
    arc = septets = 0;
  }
  return septets == 0 ? out : std::string();
}

}  // namespace ww::asn1
