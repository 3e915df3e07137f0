#include "sensors/protocols/ldap/message.hpp"

#include <algorithm>
#include <iterator>

#include "telemetry/asn1.hpp"

namespace ww::ldap {
namespace {

using asn1::Element;
using asn1::Reader;

struct Named {
  std::uint32_t code;
  std::string_view name;
};
// RFC 4511 appendix A, then what client libraries and extensions add.
constexpr Named results[] = {
    {0, "success"},
    {1, "operations_error"},
    {2, "protocol_error"},
    {3, "time_limit_exceeded"},
    {4, "size_limit_exceeded"},
    {5, "compare_false"},
    {6, "compare_true"},
    {7, "auth_method_not_supported"},
    {8, "stronger_auth_required"},
    {10, "referral"},
    {11, "admin_limit_exceeded"},
    {12, "unavailable_critical_extension"},
    {13, "confidentiality_required"},
    {14, "sasl_bind_in_progress"},
    {16, "no_such_attribute"},
    {17, "undefined_attribute_type"},
    {18, "inappropriate_matching"},
    {19, "constraint_violation"},
    {20, "attribute_or_value_exists"},
    {21, "invalid_attribute_syntax"},
    {32, "no_such_object"},
    {33, "alias_problem"},
    {34, "invalid_dns_syntax"},
    {35, "is_leaf"},
    {36, "alias_dereferencing_problem"},
    {48, "inappropriate_authentication"},
    {49, "invalid_credentials"},
    {50, "insufficient_access_rights"},
    {51, "busy"},
    {52, "unavailable"},
    {53, "unwilling_to_perform"},
    {54, "loop_detect"},
    {60, "sort_control_missing"},
    {61, "offset_range_error"},
    {64, "naming_violation"},
    {65, "object_class_violation"},
    {66, "not_allowed_on_non_leaf"},
    {67, "not_allowed_on_rdn"},
    {68, "entry_already_exists"},
    {69, "object_class_mods_prohibited"},
    {70, "results_too_large"},
    {71, "affects_multiple_dsas"},
    {76, "control_error"},
    {80, "other"},
    {81, "server_down"},
    {82, "local_error"},
    {83, "encoding_error"},
    {84, "decoding_error"},
    {85, "timeout"},
    {86, "auth_unknown"},
    {87, "filter_error"},
    {88, "user_canceled"},
    {89, "param_error"},
    {90, "no_memory"},
    {91, "connect_error"},
    {92, "not_supported"},
    {93, "control_not_found"},
    {94, "no_results_returned"},
    {95, "more_results_to_return"},
    {96, "client_loop"},
    {97, "referral_limit_exceeded"},
    {100, "invalid_response"},
    {101, "ambiguous_response"},
    {112, "tls_not_supported"},
    {113, "intermediate_response"},
    {114, "unknown_type"},
    {118, "canceled"},
    {119, "no_such_operation"},
    {120, "too_late"},
    {121, "cannot_cancel"},
    {122, "assertion_failed"},
    {123, "authorization_denied"},
    {4096, "e_sync_refresh_required"},
    {16654, "no_operation"},
};

/// Decodes the content of one message; counts what it keeps against max_items.
class Decoder {
 public:
  explicit Decoder(Message& m) : m_(m) {}

  bool run(Bytes content) {
    Reader in(content);
    m_.id = natural(in, in.integer());
    const auto op = in.next();
    if (!in.ok() || op.cls != asn1::Class::application || op.number > 25) return false;
    m_.op = static_cast<Op>(op.number);
    if (op_name(m_.op).empty() || !operation(op)) return false;
    if (const auto controls = in.optional_context(0)) m_.controls = read_controls(in, *controls);
    return in.ok();
  }

 private:
  bool operation(const Element& op) {
    Reader in(op);
    switch (m_.op) {
      case Op::bind_request:
        m_.version = natural(in, in.integer());
        m_.dn = in.octets();
        return authentication(in);
      case Op::search_request:
        search(in);
        return in.ok();
      case Op::search_result_entry:
        m_.dn = in.octets();
        m_.attributes = attributes(in);
        return in.ok();
      case Op::search_result_reference:
        m_.selection = strings(in);
        return in.ok();
      case Op::modify_request:
        m_.dn = in.octets();
        changes(in);
        return in.ok();
      case Op::add_request:
        m_.dn = in.octets();
        m_.attributes = attributes(in);
        return in.ok();
      case Op::mod_dn_request:
        m_.dn = in.octets();
        m_.new_rdn = in.octets();
        m_.delete_old_rdn = in.boolean();
        m_.new_superior = context_text(in, 0);
        return in.ok();
      case Op::compare_request: {
        m_.dn = in.octets();
        Reader assertion(in.expect(asn1::tag::sequence));
        m_.name = assertion.octets();
        m_.value = assertion.octets();
        return in.ok() && assertion.ok();
      }
      case Op::extended_request:
        m_.name = context_text(in, 0);
        m_.value = context_text(in, 1);
        return in.ok() && m_.name.has_value();
      case Op::intermediate_response:
        m_.name = context_text(in, 0);
        m_.value = context_text(in, 1);
        return in.ok();
      case Op::unbind_request:
        return op.content.empty();
      case Op::del_request:
        m_.dn = as_text(op.content);
        return !op.constructed;
      case Op::abandon_request: {
        const auto id = asn1::integer_value(op.content);
        m_.abandoned = natural(in, id.value_or(-1));
        return in.ok();
      }
      default:
        outcome(in);
        return in.ok();
    }
  }

  static std::uint32_t natural(Reader& in, std::int64_t v) {
    if (v < 0 || v > INT32_MAX) in.fail();
    return in.ok() ? static_cast<std::uint32_t>(v) : 0;
  }
  static std::optional<std::string_view> context_text(Reader& in, std::uint32_t n) {
    const auto e = in.optional_context(n);
    if (!e) return {};
    if (e->constructed) in.fail();
    return as_text(e->content);
  }

  bool authentication(Reader& in) {
    const auto choice = in.next();
    if (!in.ok() || choice.cls != asn1::Class::context) return false;
    if (!choice.context(3)) return true;  // simple (0), or Microsoft's own
    Reader sasl(choice);
    m_.sasl.emplace();
    m_.sasl->mechanism = sasl.octets();
    if (!sasl.empty()) m_.sasl->credentials = sasl.octets();
    return sasl.ok();
  }

  void search(Reader& in) {
    m_.dn = in.octets();
    m_.scope = natural(in, in.enumerated());
    m_.deref_aliases = natural(in, in.enumerated());
    m_.size_limit = natural(in, in.integer());
    m_.time_limit = natural(in, in.integer());
    m_.types_only = in.boolean();
    const auto filter = in.next();
    if (filter.cls != asn1::Class::context || filter.number > 9) in.fail();
    if (filter.context(7)) m_.filter_present = as_text(filter.content);
    Reader list(in.expect(asn1::tag::sequence));
    m_.selection = strings(list);
    if (!list.ok()) in.fail();
  }

  std::vector<std::string_view> strings(Reader& in) {
    std::vector<std::string_view> out;
    while (!in.empty()) {
      const auto text = in.octets();
      if (in.ok() && keep()) out.push_back(text);
    }
    return out;
  }

  Attribute attribute(Reader& in) {
    Attribute a;
    Reader parts(in.expect(asn1::tag::sequence));
    a.type = parts.octets();
    Reader values(parts.expect(asn1::tag::set));
    a.values = strings(values);
    if (!parts.ok() || !values.ok()) in.fail();
    return a;
  }

  std::vector<Attribute> attributes(Reader& in) {
    std::vector<Attribute> out;
    Reader list(in.expect(asn1::tag::sequence));
    while (!list.empty()) {
      auto a = attribute(list);
      if (list.ok() && keep()) out.push_back(std::move(a));
    }
    if (!list.ok()) in.fail();
    return out;
  }

  void changes(Reader& in) {
    Reader list(in.expect(asn1::tag::sequence));
    while (!list.empty()) {
      Reader parts(list.expect(asn1::tag::sequence));
      Change c;
      c.operation = natural(parts, parts.enumerated());
      c.modification = attribute(parts);
      if (!parts.ok()) list.fail();
      if (list.ok() && keep()) m_.changes.push_back(std::move(c));
    }
    if (!list.ok()) in.fail();
  }

  void outcome(Reader& in) {
    Outcome r;
    r.code = natural(in, in.enumerated());
    r.matched_dn = in.octets();
    r.message = in.octets();
    (void)in.optional_context(3);  // referral
    m_.outcome = r;
    if (m_.op == Op::bind_response) m_.server_credentials = context_text(in, 7);
    if (m_.op == Op::extended_response) {
      m_.name = context_text(in, 10);
      m_.value = context_text(in, 11);
    }
  }

  std::vector<Control> read_controls(Reader& outer, const Element& list) {
    std::vector<Control> out;
    Reader in(list);
    while (!in.empty()) {
      Reader parts(in.expect(asn1::tag::sequence));
      Control c;
      c.type = parts.octets();
      asn1::Header next;
      if (!parts.empty() && asn1::read_header(parts.rest(), next) == asn1::Status::ok &&
          next.number == asn1::tag::boolean)
        c.criticality = parts.boolean();
      if (!parts.empty()) c.value = parts.octets();
      if (!parts.ok()) in.fail();
      if (in.ok() && keep()) out.push_back(c);
    }
    if (!in.ok()) outer.fail();
    return out;
  }

  bool keep() { return ++kept_ <= max_items; }

  Message& m_;
  std::size_t kept_ = 0;
};

}  // namespace

std::string_view op_name(Op op) {
  static constexpr std::string_view names[] = {"bind_request",
                                               "bind_response",
                                               "unbind_request",
                                               "search_request",
                                               "search_result_entry",
                                               "search_result_done",
                                               "modify_request",
                                               "modify_response",
                                               "add_request",
                                               "add_response",
                                               "del_request",
                                               "del_response",
                                               "mod_dn_request",
                                               "mod_dn_response",
                                               "compare_request",
                                               "compare_response",
                                               "abandon_request",
                                               "",
                                               "",
                                               "search_result_reference",
                                               "",
                                               "",
                                               "",
                                               "extended_request",
                                               "extended_response",
                                               "intermediate_response"};
  const auto i = static_cast<std::size_t>(op);
  return i < std::size(names) ? names[i] : std::string_view();
}

bool is_request(Op op) {
  switch (op) {
    case Op::bind_request:
    case Op::unbind_request:
    case Op::search_request:
    case Op::modify_request:
    case Op::add_request:
    case Op::del_request:
    case Op::mod_dn_request:
    case Op::compare_request:
    case Op::abandon_request:
    case Op::extended_request:
      return true;
    default:
      return false;
  }
}

bool is_final(Op op) {
  return !is_request(op) && op != Op::search_result_entry && op != Op::search_result_reference &&
         op != Op::intermediate_response;
}

std::string result_name(std::uint32_t code) {
  const auto* const end = std::end(results);
  const auto* const at = std::lower_bound(
      std::begin(results), end, code, [](const Named& n, std::uint32_t c) { return n.code < c; });
  return at != end && at->code == code ? std::string(at->name) : std::to_string(code);
}

Status peek_message(Bytes in, Op& op) {
  asn1::Header h;
  if (!in.empty() && in[0] != 0x30) return Status::malformed;
  switch (asn1::read_header(in, h)) {
    case asn1::Status::truncated:
      return Status::need_more;
    case asn1::Status::malformed:
      return Status::malformed;
    case asn1::Status::ok:
      break;
  }
  if (h.length < 5 || h.whole() > max_message) return Status::malformed;
  auto rest = in.subspan(h.header_octets);
  asn1::Header id, kind;
  if (!rest.empty() && rest[0] != 0x02) return Status::malformed;
  if (asn1::read_header(rest, id) != asn1::Status::ok || rest.size() < id.whole())
    return rest.size() > 6 ? Status::malformed : Status::need_more;
  if (id.length == 0 || id.length > 4) return Status::malformed;
  rest = rest.subspan(static_cast<std::size_t>(id.whole()));
  if (rest.empty()) return Status::need_more;
  if (rest[0] >> 6 != static_cast<int>(asn1::Class::application)) return Status::malformed;
  op = static_cast<Op>(rest[0] & 0x1f);
  if (op_name(op).empty()) return Status::malformed;
  const auto whole = asn1::read_header(rest, kind);
  if (whole == asn1::Status::malformed) return Status::malformed;
  if (whole == asn1::Status::ok && kind.whole() > h.length) return Status::malformed;
  return Status::ok;
}

Status parse_message(Bytes in, std::unique_ptr<Message>& out, std::size_t& used) {
  asn1::Header h;
  used = 0;
  if (in.empty()) return Status::need_more;
  if (in[0] != 0x30) return Status::malformed;
  switch (asn1::read_header(in, h)) {
    case asn1::Status::truncated:
      return Status::need_more;
    case asn1::Status::malformed:
      return Status::malformed;
    case asn1::Status::ok:
      break;
  }
  if (h.whole() > max_message) return Status::malformed;
  used = static_cast<std::size_t>(h.whole());
  if (in.size() < used) {
    Op op{};
    return peek_message(in, op) == Status::malformed ? Status::malformed : Status::need_more;
  }
  auto m = std::make_unique<Message>();
  m->octets = as_text(in.subspan(h.header_octets, static_cast<std::size_t>(h.length)));
  if (!Decoder(*m).run(as_bytes(m->octets))) return Status::malformed;
  out = std::move(m);
  return Status::ok;
}

}  // namespace ww::ldap
