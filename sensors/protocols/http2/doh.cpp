/// DNS over HTTP/2 (RFC 8484) as a protocol of its own, `doh2`: the HTTP/2 parser takes the name
/// when it meets a DNS message. Rules see the buffers of HTTP and of DNS; EVE has one `dns` event
/// with both objects.
#include "sensors/protocols/http2/http2.hpp"

namespace ww::sensor::http2 {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

/// The DNS message of a direction; null when there is none (yet).
const dns_app::DnsTx* message(const Transaction& tx, Dir d) {
  return Stream::of(tx).side[sig::index(d)].dns.get();
}

template <class Out, BufferStatus (*Get)(const Transaction&, Dir, std::uint32_t, Out&)>
BufferStatus inside(const Transaction& tx, Dir d, std::uint32_t i, Out& out) {
  if (const auto* m = message(tx, d)) return Get(*m, d, i, out);
  return tx.complete[sig::index(d)] ? BufferStatus::absent : BufferStatus::not_ready;
}

bool write_both(const Transaction& tx, const LogContext& log, JsonWriter& json) {
  const auto* request = message(tx, Dir::to_server);
  if (request == nullptr) return false;
  (void)write_http2(tx, log, json);
  return dns_app::log(*request, log, json);
}

/// What the alert is about: the answer when there is one.
bool write_alert(const Transaction& tx, const LogContext& log, JsonWriter& json) {
  (void)write_http2(tx, log, json);
  const auto* m = message(tx, Dir::to_client);
  if (m == nullptr) m = message(tx, Dir::to_server);
  if (m != nullptr) dns_app::log_alert(*m, log, json);
  return true;
}

/// What promised a DNS message and had none is plain HTTP/2.
bool write_plain(const Transaction& tx, const LogContext& log, JsonWriter& json) {
  static const auto with_dns = sig::app_protos().find("doh2");
  return log.flow.app_proto != with_dns && write_http2(tx, log, json);
}

sig::ProtocolBuffers all_buffers() {
  auto b = http2_buffers();
  const auto text =
      [&]<sig::BufferStatus (*Get)(const Transaction&, Dir, std::uint32_t, BufferSlice&)>(
          std::string_view name, std::initializer_list<Dir> dirs) {
        for (const auto d : dirs)
          b.buffers.push_back({sig::buffers().intern(name), d, &inside<BufferSlice, Get>, false});
      };
  const auto number =
      [&]<sig::BufferStatus (*Get)(const Transaction&, Dir, std::uint32_t, std::uint64_t&)>(
          std::string_view name) {
        for (const auto d : {Dir::to_server, Dir::to_client})
          b.numbers.push_back({sig::numbers().intern(name), d, &inside<std::uint64_t, Get>});
      };
  constexpr auto ts = Dir::to_server, tc = Dir::to_client;
  text.operator()<&dns_app::query>("dns.query", {ts});
  text.operator()<&dns_app::response_name>("dns.response.rrname", {tc});
  text.operator()<&dns_app::query>("dns.queries.rrname", {ts, tc});
  text.operator()<&dns_app::answer>("dns.answers.rrname", {ts, tc});
  text.operator()<&dns_app::authority>("dns.authorities.rrname", {ts, tc});
  text.operator()<&dns_app::additional>("dns.additionals.rrname", {ts, tc});
  number.operator()<&dns_app::opcode>("dns.opcode");
  number.operator()<&dns_app::rcode>("dns.rcode");
  number.operator()<&dns_app::rrtype>("dns.rrtype");
  return b;
}

Protocol protocol() {
  Protocol p;
  p.name = p.settings_name = "doh2";
  p.rule_names = {"doh2"};
  p.tcp = true;
  p.make = make_parser;
  Logger both;
  both.event_type = "dns";
  both.settings_name = "doh2";
  both.write = write_both;
  both.write_alert = write_alert;
  Logger plain;
  plain.event_type = "http";
  plain.settings_name = "http2";
  plain.write = write_plain;
  p.loggers = {both, plain};
  p.buffers = all_buffers();
  p.events = event_names();
  for (auto& e : dns_app::event_names()) p.events.push_back(std::move(e));
  return p;
}

const ProtocolRegistration registration{protocol()};

}  // namespace
}  // namespace ww::sensor::http2
