/// EVE `drop` records: packets that inline mode stops.
#include "sensors/pipeline/eve_writer.hpp"

namespace ww::sensor {
namespace {

std::uint32_t be16(Bytes b, std::size_t at) {
  return at + 2 <= b.size() ? static_cast<std::uint32_t>(b[at] << 8 | b[at + 1]) : 0;
}

void network_fields(JsonWriter& json, const sig::Packet& p) {
  if (p.ip_version == 4) {
    json.field("len", be16(p.ip, 2));
    json.field("tos", p.tos);
    json.field("ttl", p.ttl);
    json.field("ipid", p.ip_id);
  } else if (p.ip_version == 6) {
    json.field("len", be16(p.ip, 4));
    json.field("tc", p.tos);
    json.field("hoplimit", p.ttl);
    json.field("flowlbl", (be16(p.ip, 0) & 0xf) << 16 | be16(p.ip, 2));
  }
}

void transport_fields(JsonWriter& json, const sig::Packet& p) {
  if (!p.has_l4) return;
  if (p.ip_proto == 6 && p.l4.size() >= 20) {
    json.field("tcpseq", p.tcp_seq);
    json.field("tcpack", p.tcp_ack);
    json.field("tcpwin", p.tcp_window);
    const auto flag = [&](std::string_view name, std::uint8_t bit) {
      json.field(name, (p.tcp_flags & bit) != 0);
    };
    flag("syn", sig::tcp_flag::syn);
    flag("ack", sig::tcp_flag::ack);
    flag("psh", sig::tcp_flag::psh);
    flag("rst", sig::tcp_flag::rst);
    flag("urg", sig::tcp_flag::urg);
    flag("fin", sig::tcp_flag::fin);
    json.field("tcpres", p.l4[12] & 0xf);
    json.field("tcpurgp", p.tcp_urgent);
  } else if (p.ip_proto == 17) {
    json.field("udplen", be16(p.l4, 4));
  } else if ((p.ip_proto == 1 || p.ip_proto == 58) && p.l4.size() >= 8) {
    json.field("icmp_id", be16(p.l4, 4));
    json.field("icmp_seq", be16(p.l4, 6));
  }
}

}  // namespace

void EveWriter::drop(const sig::Packet& p, const sig::Alert* cause) {
  auto* flow = static_cast<Flow*>(p.flow);
  const auto d = sig::index(p.dir);
  // Of a flow that is dropped as a whole, one packet a direction tells enough.
  const bool again = flow != nullptr && flow->dropped && flow->drop_logged[d];
  bool written = false;
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    const auto& out = config_.outputs()[i];
    if (!out.drop || (again && !out.drops.all_flow)) continue;
    auto json = begin(i, p.time);
    header(json, i, p, flow, Side::packet, "drop");
    if (flow != nullptr)
      json.field("direction", p.dir == Dir::to_server ? "to_server" : "to_client");
    json.begin_object("drop");
    network_fields(json, p);
    transport_fields(json, p);
    json.field("reason", cause != nullptr ? "rules" : "flow drop");
    json.end_object();
    if (out.drops.alerts && cause != nullptr) {
      AlertOptions plain;
      plain.rule_metadata = false;
      alert_object(json, p, *cause, plain, true);
    }
    if (out.drops.verdict)
      verdict(json, p, cause != nullptr ? cause->action : sig::Action::drop, true);
    end(i, json);
    written = true;
  }
  if (written && flow != nullptr && flow->dropped) flow->drop_logged[d] = true;
}

}  // namespace ww::sensor
