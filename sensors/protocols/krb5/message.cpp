#include "sensors/protocols/krb5/message.hpp"

#include "telemetry/asn1.hpp"

namespace ww::krb5 {
namespace {

using asn1::Element;
using asn1::Reader;

constexpr std::size_t max_parts = 64;

/// The INTEGER inside [n].
std::int32_t explicit_integer(Reader& in, std::uint32_t n) {
  const auto e = in.expect_explicit(n);
  const auto v = asn1::integer_value(e.content);
  if (!e.is(asn1::tag::integer) || !v || *v < INT32_MIN || *v > INT32_MAX) {
    in.fail();
    return 0;
  }
  return static_cast<std::int32_t>(*v);
}

Name principal(Reader& outer, const Element& e) {
  Name name;
  Reader in(e);
  (void)in.expect_explicit(0);  // name-type
  Reader parts(in.expect_explicit(1));
  while (!parts.empty()) {
    const auto part = parts.next();
    if (parts.ok() && name.size() < max_parts) name.emplace_back(as_text(part.content));
  }
  if (!in.ok() || !parts.ok() || !e.is(asn1::tag::sequence)) outer.fail();
  return name;
}

std::string realm(const Element& e) { return std::string(as_text(e.content)); }

/// EncryptedData: its type; the rest is not for us.
std::int32_t encrypted(Reader& outer, const Element& e) {
  Reader in(e);
  const auto etype = explicit_integer(in, 0);
  if (!in.ok() || !e.is(asn1::tag::sequence)) outer.fail();
  return etype;
}

bool request(Reader in, Message& m) {
  (void)in.expect_explicit(1);  // pvno
  (void)in.expect_explicit(2);  // msg-type
  (void)in.optional_explicit(3);
  Reader body(in.expect_explicit(4));
  (void)body.expect_explicit(0);  // kdc-options
  if (const auto e = body.optional_explicit(1)) m.cname = principal(body, *e);
  m.realm = realm(body.expect_explicit(2));
  if (const auto e = body.optional_explicit(3)) m.sname = principal(body, *e);
  return in.ok() && body.ok();
}

bool reply(Reader in, Message& m) {
  (void)in.expect_explicit(0);
  (void)in.expect_explicit(1);
  (void)in.optional_explicit(2);
  m.realm = realm(in.expect_explicit(3));
  m.cname = principal(in, in.expect_explicit(4));
  const auto ticket = in.expect_explicit(5);
  if (ticket.cls != asn1::Class::application || ticket.number != 1) return false;
  Reader wrapped(ticket);
  Reader fields(wrapped.expect(asn1::tag::sequence));
  (void)fields.expect_explicit(0);
  (void)fields.expect_explicit(1);
  m.sname = principal(fields, fields.expect_explicit(2));
  m.ticket_etype = encrypted(fields, fields.expect_explicit(3));
  m.etype = encrypted(in, in.expect_explicit(6));
  return in.ok() && wrapped.ok() && fields.ok();
}

bool error(Reader in, Message& m) {
  (void)in.expect_explicit(0);
  (void)in.expect_explicit(1);
  (void)in.optional_explicit(2);
  (void)in.optional_explicit(3);
  (void)in.expect_explicit(4);
  (void)in.expect_explicit(5);
  m.error_code = explicit_integer(in, 6);
  if (const auto e = in.optional_explicit(7)) m.realm = realm(*e);
  if (const auto e = in.optional_explicit(8)) m.cname = principal(in, *e);
  (void)in.expect_explicit(9);
  m.sname = principal(in, in.expect_explicit(10));
  return in.ok();
}

}  // namespace

Status parse_message(Bytes octets, Message& out) {
  Reader in(octets);
  const auto whole = in.next();
  if (!in.ok()) return Status::malformed;
  if (whole.cls != asn1::Class::application) return Status::other;
  out.type = whole.number;
  const bool known = out.type == type::as_req || out.type == type::as_rep ||
                     out.type == type::tgs_req || out.type == type::tgs_rep ||
                     out.type == type::error;
  if (!known) return Status::other;
  Reader wrapped(whole);
  const Reader fields(wrapped.expect(asn1::tag::sequence));
  if (!wrapped.ok()) return Status::malformed;
  bool good = false;
  if (out.type == type::as_req || out.type == type::tgs_req)
    good = request(fields, out);
  else if (out.type == type::error)
    good = error(fields, out);
  else
    good = reply(fields, out);
  return good ? Status::ok : Status::malformed;
}

Looks looks_like_kerberos(Bytes octets) {
  asn1::Header h;
  if (octets.empty()) return Looks::maybe;
  if (octets[0] >> 6 != static_cast<int>(asn1::Class::application)) return Looks::no;
  switch (asn1::read_header(octets, h)) {
    case asn1::Status::truncated:
      return Looks::maybe;
    case asn1::Status::malformed:
      return Looks::no;
    case asn1::Status::ok:
      break;
  }
  if (h.number > 30 || !h.constructed) return Looks::no;
  auto rest = octets.subspan(h.header_octets);
  if (rest.empty()) return Looks::maybe;
  if (rest[0] != 0x30) return Looks::no;
  if (const auto s = asn1::read_header(rest, h); s != asn1::Status::ok)
    return s == asn1::Status::truncated ? Looks::maybe : Looks::no;
  rest = rest.subspan(h.header_octets);
  if (rest.size() < 5) return Looks::maybe;
  // pvno [0] or [1] INTEGER 5
  const bool version =
      (rest[0] == 0xa0 || rest[0] == 0xa1) && rest[2] == 2 && rest[3] == 1 && rest[4] == 5;
  return version ? Looks::yes : Looks::no;
}

}  // namespace ww::krb5
