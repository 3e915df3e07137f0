/// EVE `alert` records and what they show of packets, streams and frames.
#include <algorithm>
#include <array>
#include <cstdio>

#include "sensors/pipeline/eve_writer.hpp"

namespace ww::sensor {
namespace {

/// A sensor that only listens lets everything pass but what it resets; inline mode really stops
/// what a rule drops.
std::string_view action_name(sig::Action action, bool inline_mode) {
  const bool stopped =
      action == sig::Action::reject || (action == sig::Action::drop && inline_mode);
  return stopped ? "blocked" : "allowed";
}

/// Printable octets as they are, CR and LF kept, everything else a dot.
void append_printable(std::string& out, Bytes octets) {
  for (const auto c : octets)
    out += (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\n' ? static_cast<char>(c) : '.';
}

/// Octets of a stream from `from` on, holes written as "[N bytes missing]", at most `limit` octets
/// in all.
/// @param loose  a block behind a hole is cut as if there were no hole, as raw inspection sees it
std::string stream_text(const TcpPeer& peer, std::uint64_t from, std::uint64_t to,
                        std::uint64_t limit, bool loose) {
  std::string out;
  auto at = std::max(from, peer.data.base());
  while (at < to && out.size() < limit) {
    const auto block = peer.data.block_from(at);
    if (!block || block->offset >= to) break;
    if (block->offset > at) {
      out += "[" + std::to_string(block->offset - at) + " bytes missing]";
    }
    auto data = block->data.first(
        std::min<std::uint64_t>(block->data.size(), to - (loose ? at : block->offset)));
    if (out.size() >= limit) break;
    data = data.first(std::min<std::uint64_t>(data.size(), limit - out.size()));
    out += as_text(data);
    at = block->offset + data.size();
    if (data.empty()) break;
  }
  return out;
}

}  // namespace

void EveWriter::payload(JsonWriter& json, const EveOutput& out, const sig::Packet& p,
                        const sig::Alert& a, StreamTracker& streams) {
  const auto& o = out.alerts;
  const bool wanted = o.payload || o.payload_printable || o.payload_length;
  bool stream = p.ip_proto == 6 && (a.stream_match || a.state_match || a.frame != nullptr);
  if (wanted) {
    std::string text;
    if (stream && p.flow != nullptr) {
      if (const auto* s = StreamTracker::session(static_cast<Flow&>(*p.flow))) {
        const auto& peer = s->peer(p.dir);
        const bool all = streams.options().inline_mode ||
                         p.origin == sig::PacketOrigin::flow_timeout || s->async ||
                         s->state == TcpState::closed;
        text = stream_text(peer, 0, all ? UINT64_MAX : peer.acked(), o.payload_buffer, true);
      }
    }
    if (text.empty()) {
      text = as_text(p.payload);
    }
    if (o.payload_length) json.field("payload_length", text.size());
    if (o.payload) {
      json.key("payload");
      json.value_base64(as_bytes(text));
    }
    if (o.payload_printable) {
      scratch_.clear();
      append_printable(scratch_, as_bytes(text));
      json.field("payload_printable", scratch_);
    }
  }
  json.field("stream", stream ? 1 : 0);
}

void EveWriter::frame(JsonWriter& json, const sig::Packet& p, const Flow& flow, const sig::Frame& f,
                      const AlertOptions& options) {
  json.begin_object("frame");
  json.field("type", [&] {
    const auto name = sig::frame_types().name(f.type);
    const auto dot = name.find('.');
    return dot == std::string_view::npos ? name : name.substr(dot + 1);
  }());
  json.field("id", f.number);
  json.field("direction", f.dir == Dir::to_server ? "toserver" : "toclient");
  const auto* s = flow.ip_proto == 6 ? StreamTracker::session(flow) : nullptr;
  if (s != nullptr) {
    const auto& peer = s->peer(f.dir);
    json.field("stream_offset", f.offset);
    const bool known = f.length >= 0;
    const auto end = known ? f.offset + static_cast<std::uint64_t>(f.length) : UINT64_MAX;
    if (known) json.field("length", f.length);
    const auto text = stream_text(peer, f.offset, end, options.payload_buffer, false);
    const auto edge = peer.data.right_edge();
    json.field("complete", known && edge >= end);
    json.key("payload");
    json.value_base64(as_bytes(text));
    scratch_.clear();
    append_printable(scratch_, as_bytes(text));
    json.field("payload_printable", scratch_);
  } else {
    json.field("length", f.length);
    const auto whole = p.payload;
    const auto from = std::min<std::uint64_t>(f.offset, whole.size());
    auto data = whole.subspan(from);
    const bool complete = f.length >= 0 && static_cast<std::uint64_t>(f.length) <= data.size();
    if (complete) data = data.first(static_cast<std::size_t>(f.length));
    json.field("complete", complete);
    json.key("payload");
    json.value_base64(data);
    scratch_.clear();
    append_printable(scratch_, data);
    json.field("payload_printable", scratch_);
  }
  if (f.tx_id != UINT64_MAX) json.field("tx_id", f.tx_id);
  json.end_object();
}

void EveWriter::alerts(const sig::Packet& p, std::span<const sig::Alert> alerts,
                       sig::Matcher* matcher, StreamTracker& streams) {
  for (const auto& a : alerts) {
    if (a.rule == nullptr || a.rule->noalert) continue;
    for (std::size_t i = 0; i < config_.outputs().size(); ++i)
      if (config_.outputs()[i].alert) alert(i, p, a, matcher, streams);
  }
}

void EveWriter::alert_object(JsonWriter& json, const sig::Packet& p, const sig::Alert& a,
                             const AlertOptions& o, bool inline_mode) {
  const auto& rule = *a.rule;
  json.begin_object("alert");
  json.field("action", action_name(a.action, inline_mode));
  json.field("gid", rule.gid);
  json.field("signature_id", rule.sid);
  json.field("rev", rule.rev);
  json.field("signature", rule.msg);
  json.field("category", rule.classification);
  json.field("severity", rule.priority);
  if (!a.context.empty()) {
    json.begin_object("context");
    for (const auto& [key, value] : a.context) {
      json.key_text(key);
      json.raw(value);
    }
    json.end_object();
  }
  if (rule.target != sig::RuleInfo::Target::none) {
    const bool source_hit = rule.target == sig::RuleInfo::Target::src_ip;
    const auto side = [&](std::string_view key, const IpAddress& address, std::uint16_t port) {
      json.begin_object(key);
      std::string text;
      append_ip(text, address);
      json.field("ip", text);
      if (p.ip_proto == 6 || p.ip_proto == 17 || p.ip_proto == 132) json.field("port", port);
      json.end_object();
    };
    side("source", source_hit ? p.dst : p.src, source_hit ? p.dport : p.sport);
    side("target", source_hit ? p.src : p.dst, source_hit ? p.sport : p.dport);
  }
  if (o.rule_metadata && !rule.metadata_at.empty()) {
    json.begin_object("metadata");
    for (const auto& [key, values] : rule.metadata()) {
      json.key_text(key);
      json.begin_array();
      for (const auto& v : values) json.value(v);
      json.end_array();
    }
    json.end_object();
  }
  if (o.rule_reference && !rule.reference_at.empty()) {
    json.begin_array("references");
    for (const auto& link : rule.links()) json.value(link);
    json.end_array();
  }
  if (o.rule_raw) json.field("rule", rule.text);
  json.end_object();
}

void EveWriter::verdict(JsonWriter& json, const sig::Packet& p, sig::Action action,
                        bool inline_mode) {
  json.begin_object("verdict");
  const bool reset = action == sig::Action::reject;
  const bool stopped = reset || (action == sig::Action::drop && inline_mode);
  json.field("action", stopped ? "drop" : "alert");
  if (reset) {
    json.begin_array("reject");
    json.value(p.ip_proto == 6 ? "tcp-reset" : "icmp-prohib");
    json.end_array();
  }
  json.end_object();
}

void EveWriter::alert(std::size_t output, const sig::Packet& p, const sig::Alert& a,
                      sig::Matcher* matcher, StreamTracker& streams) {
  const auto& out = config_.outputs()[output];
  const auto& o = out.alerts;
  auto* flow = static_cast<Flow*>(p.flow);
  auto json = begin(output, p.time);
  header(json, output, p, flow, Side::packet, "alert");
  if (a.tx_id != UINT64_MAX) json.field("tx_id", a.tx_id);
  if (a.tx_guessed) json.field("tx_guessed", true);

  alert_object(json, p, a, o, streams.options().inline_mode);

  if (p.tunnel_depth != 0 && p.outer != nullptr) {
    const auto& t = *p.outer;
    json.begin_object("tunnel");
    std::string text;
    append_ip(text, t.src);
    json.field("src_ip", text);
    const bool ports = t.ip_proto == 17 || t.ip_proto == 6;
    if (ports) json.field("src_port", t.sport);
    text.clear();
    append_ip(text, t.dst);
    json.field("dest_ip", text);
    if (ports) json.field("dest_port", t.dport);
    json.field("proto", ip_proto_name(t.ip_proto));
    json.field("depth", p.tunnel_depth);
    if (t.number != 0) json.field("pcap_cnt", t.number);
    json.field("pkt_src", sig::packet_origin_name(t.origin));
    json.end_object();
  }

  if (flow != nullptr) {
    const sig::Transaction* tx = a.tx;
    if (tx != nullptr) {
      if (o.app_layer) app_block(json, *flow, *tx, o.options);
      if (o.metadata && !tx->files.empty()) {
        json.begin_array("files");
        for (const auto* file : tx->files) {
          if (file == nullptr) continue;
          // The object of a fileinfo event without its key.
          scratch_.clear();
          JsonWriter inner(scratch_);
          inner.begin_object();
          write_fileinfo(*file, !files_.store_folder.empty(), inner);
          inner.end_object();
          const auto from = scratch_.find(':');
          if (from != std::string::npos && scratch_.size() > from + 2)
            json.raw(std::string_view(scratch_).substr(from + 1, scratch_.size() - from - 2));
        }
        json.end_array();
      }
    }
    app_proto(json, *flow);
    json.field("direction", p.dir == Dir::to_server ? "to_server" : "to_client");
    if (o.flow) {
      json.begin_object("flow");
      json.field("pkts_toserver", flow->counters[0].packets);
      json.field("pkts_toclient", flow->counters[1].packets);
      json.field("bytes_toserver", flow->counters[0].octets);
      json.field("bytes_toclient", flow->counters[1].octets);
      json.field("start", eve_time(flow->start));
      const bool forth = p.dir == Dir::to_server;
      std::string text;
      append_ip(text, forth ? p.src : p.dst);
      json.field("src_ip", text);
      text.clear();
      append_ip(text, forth ? p.dst : p.src);
      json.field("dest_ip", text);
      if (p.ip_proto == 6 || p.ip_proto == 17 || p.ip_proto == 132) {
        json.field("src_port", forth ? p.sport : p.dport);
        json.field("dest_port", forth ? p.dport : p.sport);
      }
      json.end_object();
    }
    flow->alerted = true;
  }
  if (matcher != nullptr && out.metadata && o.metadata) matcher->write_metadata(&p, p.flow, json);
  payload(json, out, p, a, streams);
  if (a.frame != nullptr && flow != nullptr) frame(json, p, *flow, *a.frame, o);
  if (o.packet) packet_octets(json, p);
  if (o.verdict) verdict(json, p, a.action, streams.options().inline_mode);
  if (flow != nullptr)
    xff(json, out.alert_xff, *flow, a.tx, buffers_[output], starts_[output],
        p.dir == Dir::to_server ? "src_ip" : "dest_ip");
  end(output, json);
}

}  // namespace ww::sensor
