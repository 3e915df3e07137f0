/// DNS over UDP and TCP as a sensor protocol: one transaction a message, as EVE's dns version 3 has
/// it.
#include <algorithm>

#include "sensors/protocols/dns/transaction.hpp"

namespace ww::sensor {
namespace {

struct Events {
  EventId malformed, not_request, not_response;
};
const Events& event_ids() {
  static const Events e{sig::events().intern("dns.malformed_data"),
                        sig::events().intern("dns.not_request"),
                        sig::events().intern("dns.not_response")};
  return e;
}

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::FrameType pdu = sig::frame_types().intern("dns.pdu");

class DnsParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (ctx.flow().ip_proto == 17) {
      if (input.data.empty()) return ParseResult::ok();
      return message(ctx, dir, input.data, 0) ? ParseResult::ok() : ParseResult::error();
    }
    return stream(ctx, dir, input);
  }
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  // TCP: two octets of length before each message (RFC 1035 section 4.2.2).
  ParseResult stream(ParserContext& ctx, Dir dir, const StreamInput& input) {
    auto& lost = lost_[sig::index(dir)];
    if (input.gap > 0) lost = true;
    std::size_t at = 0;
    while (input.data.size() - at >= 2) {
      const std::size_t length = load_be16(input.data.data() + at);
      if (lost) {
        // After a gap, go on where a length and a plausible message stand.
        const auto rest = input.data.subspan(at);
        if (length < 12 || rest.size() < 14 || !dns::looks_like_dns(rest.subspan(2), false)) {
          if (rest.size() < 14) return ParseResult::more(at, 14);
          at = input.data.size();
          break;
        }
        lost = false;
      }
      if (length == 0) {
        at += 2;
        continue;
      }
      if (input.data.size() - at - 2 < length) return ParseResult::more(at, 2 + length);
      message(ctx, dir, input.data.subspan(at + 2, length), input.offset + at + 2);
      at += 2 + length;
    }
    if (at < input.data.size()) return ParseResult::more(at, 2);
    return ParseResult::ok();
  }

  bool message(ParserContext& ctx, Dir dir, Bytes octets, std::uint64_t offset) {
    if (!dns::counts_fit(octets)) {  // not DNS: a datagram that strayed here
      ctx.add_frame(pdu, dir, offset, static_cast<std::int64_t>(octets.size()));
      return true;
    }
    auto parsed = dns::parse_message(octets);
    if (!parsed) {
      ctx.add_frame(pdu, dir, offset, static_cast<std::int64_t>(octets.size()));
      flag_last(ctx, event_ids().malformed);
      return false;
    }
    const bool response = parsed->response();
    if (response && dir == Dir::to_server) {
      flag_last(ctx, event_ids().not_request);
      return false;
    }
    auto& tx = add(dns_app::make_transaction(std::move(*parsed), dir), ctx);
    // What the server sends is taken for an answer even if it says that it is none.
    if (!response && dir == Dir::to_client) tx.add_event(event_ids().not_response);
    ctx.add_frame(pdu, dir, offset, static_cast<std::int64_t>(octets.size()), tx.id);
    return true;
  }

  void flag_last(ParserContext& ctx, EventId event) {
    if (owned_.empty())
      ctx.add_event(event);
    else
      owned_.back()->add_event(event);
  }

  bool lost_[2] = {false, false};
};

Probe probe(Bytes data, Dir dir, const sig::Flow& flow) {
  // Multicast DNS, LLMNR and NetBIOS names share the format but are other protocols.
  for (const auto port : {flow.sport, flow.dport})
    if (port == 5353 || port == 5355 || port == 137) return Probe::no;
  const bool usual_port = flow.sport == 53 || flow.dport == 53;
  Bytes message = data;
  if (flow.ip_proto == 6) {
    if (data.size() < 14) return Probe::maybe;
    const std::size_t length = load_be16(data.data());
    if (length < 12) return Probe::no;
    const bool whole = data.size() >= 2 + length;
    message = data.subspan(2, std::min(length, data.size() - 2));
    if (!dns::looks_like_dns(message, false))
      return !whole && usual_port && data.size() < 300 ? Probe::maybe : Probe::no;
  } else if (usual_port) {
    // Junk sent to the name server's port does not make what follows junk: look at the next
    // datagram too.
    const auto m = dns::parse_message(message);
    if (!m || m->opcode() > 6 ||
        m->questions.size() + m->answers.size() + m->authorities.size() == 0)
      return Probe::maybe;
  } else if (!dns::looks_like_dns(message, true)) {
    return Probe::no;
  }
  const bool response = (message[2] & 0x80) != 0;
  if (response == (dir == Dir::to_client)) return Probe::yes;
  return usual_port ? Probe::reversed
                    : Probe::no;  // elsewhere a lone answer is too little to turn a flow round
}

Protocol describe() {
  Protocol p;
  p.name = "dns";
  p.settings_name = "dns";
  p.rule_names = {"dns"};
  p.tcp = p.udp = true;
  p.tcp_ports = p.udp_ports = "53";
  p.probe = &probe;
  p.probe_any_port = true;
  p.probe_min = 12;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<DnsParser>(); };
  Logger logger;
  logger.event_type = logger.settings_name = "dns";
  logger.write = &dns_app::log;
  logger.write_alert = &dns_app::log_alert;
  logger.direction = [](const Transaction& tx) {
    return static_cast<const dns_app::DnsTx&>(tx).dir;
  };
  p.loggers = {logger};
  const auto id = [](std::string_view name) { return sig::buffers().intern(name); };
  const auto number = [](std::string_view name) { return sig::numbers().intern(name); };
  p.buffers.buffers = {{id("dns.query"), Dir::to_server, &dns_app::query},
                       {id("dns.response.rrname"), Dir::to_client, &dns_app::response_name}};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.buffers.push_back({id("dns.queries.rrname"), dir, &dns_app::query});
    p.buffers.buffers.push_back({id("dns.answers.rrname"), dir, &dns_app::answer});
    p.buffers.buffers.push_back({id("dns.authorities.rrname"), dir, &dns_app::authority});
    p.buffers.buffers.push_back({id("dns.additionals.rrname"), dir, &dns_app::additional});
    p.buffers.numbers.push_back({number("dns.opcode"), dir, &dns_app::opcode});
    p.buffers.numbers.push_back({number("dns.rcode"), dir, &dns_app::rcode});
    p.buffers.numbers.push_back({number("dns.rrtype"), dir, &dns_app::rrtype});
  }
  p.events = dns_app::event_names();
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
