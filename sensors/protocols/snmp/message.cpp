#include "sensors/protocols/snmp/message.hpp"

#include <cstdio>
#include <iterator>

#include "telemetry/asn1.hpp"
#include "telemetry/ip.hpp"

namespace ww::snmp {
namespace {

using asn1::Element;
using asn1::Reader;

constexpr std::int64_t user_based = 3;

void variables(Reader& in, Message& m) {
  Reader list(in.expect(asn1::tag::sequence));
  while (!list.empty()) {
    Reader binding(list.expect(asn1::tag::sequence));
    const auto name = binding.expect(asn1::tag::oid);
    if (!binding.ok()) list.fail();
    if (list.ok() && m.variables.size() < max_variables)
      m.variables.push_back(asn1::oid_text(name.content));
  }
  if (!list.ok()) in.fail();
}

bool pdu(const Element& e, Message& m) {
  if (e.cls != asn1::Class::context || !e.constructed) return false;
  m.pdu = static_cast<Pdu>(e.number);
  Reader in(e);
  if (*m.pdu == Pdu::trap_v1) {
    Trap t;
    t.enterprise = asn1::oid_text(in.expect(asn1::tag::oid).content);
    const auto address = in.next();
    if (address.cls != asn1::Class::application || address.number != 0 ||
        address.content.size() != 4)
      return false;
    t.address = ip_text(IpAddress::v4(address.content.data()));
    t.generic = static_cast<std::uint32_t>(in.integer());
    (void)in.integer();  // specific trap
    (void)in.next();     // time stamp
    m.trap = std::move(t);
  } else {
    (void)in.integer();  // request id
    const auto second = in.integer();
    (void)in.integer();
    // A bulk request has its repetitions there.
    if (*m.pdu != Pdu::get_bulk_request) m.error = static_cast<std::uint32_t>(second);
  }
  variables(in, m);
  return in.ok();
}

bool version3(Reader& in, Message& m) {
  Reader header(in.expect(asn1::tag::sequence));
  (void)header.integer();  // message id
  (void)header.integer();  // size
  const auto flags = header.octets();
  const auto model = header.integer();
  const auto parameters = in.octets();
  if (!in.ok() || !header.ok() || flags.size() != 1) return false;
  if (model == user_based) {
    Reader outer(as_bytes(parameters));
    Reader usm(outer.expect(asn1::tag::sequence));
    (void)usm.octets();   // engine
    (void)usm.integer();  // its boots
    (void)usm.integer();  // its time
    m.user = usm.octets();
    if (!usm.ok()) return false;
  } else {
    m.unknown_security_model = true;
  }
  const auto data = in.next();
  if (!in.ok()) return false;
  if (data.is(asn1::tag::octet_string)) {
    m.encrypted = true;
    return true;
  }
  if (!data.is(asn1::tag::sequence)) return false;
  Reader scoped(data);
  (void)scoped.octets();  // context engine
  (void)scoped.octets();  // context name
  return pdu(scoped.next(), m) && scoped.ok();
}

template <std::size_t N>
std::string look_up(const char* const (&names)[N], std::uint32_t v, const char* kind) {
  if (v < N) return names[v];
  char text[64];
  std::snprintf(text, sizeof text, "%s(%u)", kind, v);
  return text;
}

}  // namespace

bool parse_message(Bytes octets, Message& out) {
  Reader whole(octets);
  Reader in(whole.expect(asn1::tag::sequence));
  const auto version = in.integer();
  if (!in.ok() || (version != 0 && version != 1 && version != 3)) return false;
  out.version = version == 3 ? 3 : static_cast<std::uint32_t>(version) + 1;
  if (version == 3) return version3(in, out);
  out.community = in.octets();
  return in.ok() && pdu(in.next(), out) && in.ok();
}

std::uint32_t peek_version(Bytes octets) {
  Reader whole(octets);
  Reader in(whole.expect(asn1::tag::sequence));
  const auto version = in.integer();
  const auto next = in.next();
  if (!in.ok()) return 0;
  if (version == 3) return next.is(asn1::tag::sequence) ? 3 : 0;
  if ((version != 0 && version != 1) || !next.is(asn1::tag::octet_string)) return 0;
  return static_cast<std::uint32_t>(version) + 1;
}

std::string pdu_name(Pdu pdu) {
  static constexpr const char* names[] = {"get_request",    "get_next_request", "response",
                                          "set_request",    "trap_v1",          "get_bulk_request",
                                          "inform_request", "trap_v2",          "report"};
  const auto v = static_cast<std::uint32_t>(pdu);
  if (v < std::size(names)) return names[v];
  char text[32];
  std::snprintf(text, sizeof text, "Unknown(0x%x)", v);
  return text;
}

std::string error_name(std::uint32_t v) {
  static constexpr const char* names[] = {"NoError",
                                          "TooBig",
                                          "NoSuchName",
                                          "BadValue",
                                          "ReadOnly",
                                          "GenErr",
                                          "NoAccess",
                                          "WrongType",
                                          "WrongLength",
                                          "WrongEncoding",
                                          "WrongValue",
                                          "NoCreation",
                                          "InconsistentValue",
                                          "ResourceUnavailable",
                                          "CommitFailed",
                                          "UndoFailed",
                                          "AuthorizationError",
                                          "NotWritable",
                                          "InconsistentName"};
  return look_up(names, v, "ErrorStatus");
}

std::string trap_name(std::uint32_t v) {
  static constexpr const char* names[] = {
      "ColdStart",       "WarmStart",         "LinkDown", "LinkUp", "AuthenticationFailure",
      "EgpNeighborLoss", "EnterpriseSpecific"};
  return look_up(names, v, "TrapType");
}

}  // namespace ww::snmp
