#include "sensors/pipeline/eve_writer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "sensors/decode/decoder.hpp"
#include "sensors/flow/community_id.hpp"
#include "telemetry/bytes.hpp"

namespace ww::sensor {
namespace {

constexpr std::array<std::pair<std::uint8_t, std::string_view>, 22> proto_names = {
    {{0, "HOPOPT"},      {1, "ICMP"},       {2, "IGMP"},   {4, "IPv4"},     {6, "TCP"},
     {8, "EGP"},         {17, "UDP"},       {33, "DCCP"},  {41, "IPv6"},    {43, "IPv6-Route"},
     {44, "IPv6-Frag"},  {47, "GRE"},       {50, "ESP"},   {51, "AH"},      {58, "IPv6-ICMP"},
     {59, "IPv6-NoNxt"}, {60, "IPv6-Opts"}, {88, "EIGRP"}, {89, "OSPFIGP"}, {103, "PIM"},
     {112, "VRRP"},      {132, "SCTP"}}};

constexpr std::uint8_t proto_esp = 50;

bool has_ports(std::uint8_t proto) { return proto == 6 || proto == 17 || proto == 132; }

void address(JsonWriter& json, std::string_view key, const IpAddress& a) {
  json.key(key);
  auto& out = json.buffer();
  out += '"';
  append_ip(out, a);
  out += '"';
  // The text went around the writer: tell it that the value is there.
  json.raw("");
}

void vlans(JsonWriter& json, std::span<const std::uint16_t> ids) {
  if (ids.empty()) return;
  json.begin_array("vlan");
  for (const auto v : ids) json.value(v);
  json.end_array();
}

std::string mac(const std::uint8_t* m) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
                m[4], m[5]);
  return text.data();
}

}  // namespace

std::string ip_proto_name(std::uint8_t proto) {
  for (const auto& [n, name] : proto_names)
    if (n == proto) return std::string(name);
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%03u", proto);
  return text.data();
}

EveWriter::EveWriter(const EveConfig& config, std::vector<std::shared_ptr<EventSink>> sinks,
                     const FileOptions& files)
    : config_(config), sinks_(std::move(sinks)), files_(files) {
  buffers_.resize(config_.outputs().size());
  starts_.resize(config_.outputs().size());
  for (auto& b : buffers_) b.reserve(flush_at + 65536);
}

JsonWriter EveWriter::begin(std::size_t output, Timestamp time) {
  auto& b = buffers_[output];
  starts_[output] = b.size();
  b += config_.outputs()[output].prefix;
  JsonWriter json(b);
  json.begin_object();
  json.key("timestamp");
  b += '"';
  append_eve_time(b, time);
  b += '"';
  json.raw("");
  return json;
}

void EveWriter::end(std::size_t output, JsonWriter& json) {
  json.end_object();
  auto& b = buffers_[output];
  b += '\n';
  ++lines_;
  if (b.size() >= flush_at) {
    if (sinks_[output]) sinks_[output]->write(b);
    b.clear();
  }
}

void EveWriter::discard(std::size_t output) { buffers_[output].resize(starts_[output]); }

void EveWriter::flush() {
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    if (buffers_[i].empty()) continue;
    if (sinks_[i]) sinks_[i]->write(buffers_[i]);
    buffers_[i].clear();
  }
}

std::string_view EveWriter::community(std::size_t output, const Flow& flow) {
  const auto seed = config_.outputs()[output].community_seed;
  if (community_flow_ != flow.id || community_seed_ != seed || community_.empty()) {
    community_ = community_id(flow, seed);
    community_flow_ = flow.id;
    community_seed_ = seed;
  }
  return community_;
}

void EveWriter::common(JsonWriter& json, std::size_t output, const Flow* flow) {
  const auto& out = config_.outputs()[output];
  if (out.community_id && flow != nullptr) json.field("community_id", community(output, *flow));
  if (out.pcap_file && !names_.pcap_file.empty()) json.field("pcap_filename", names_.pcap_file);
  if (out.version) json.field("suricata_version", "8.0.0");
  if (!out.host.empty()) json.field("host", out.host);
}

void EveWriter::header(JsonWriter& json, std::size_t output, const sig::Packet& p, const Flow* flow,
                       Side side, std::string_view event_type) {
  const auto& out = config_.outputs()[output];
  if (flow != nullptr) {
    json.field("flow_id", flow->id);
    if (flow->parent_id != 0) json.field("parent_id", flow->parent_id);
  }
  if (p.interface_index < names_.interfaces.size())
    json.field("in_iface", names_.interfaces[p.interface_index]);
  if (p.number != 0) json.field("pcap_cnt", p.number);
  json.field("event_type", event_type);
  vlans(json, std::span(p.vlan).first(p.vlan_count));
  if (p.ip_version != 0) {
    const bool swapped = side == Side::packet      ? false
                         : side == Side::to_server ? p.dir != Dir::to_server
                                                   : p.dir != Dir::to_client;
    address(json, "src_ip", swapped ? p.dst : p.src);
    const bool ports = has_ports(p.ip_proto) && p.has_l4;
    if (ports) json.field("src_port", swapped ? p.dport : p.sport);
    address(json, "dest_ip", swapped ? p.src : p.dst);
    if (ports) json.field("dest_port", swapped ? p.sport : p.dport);
    json.field("proto", ip_proto_name(p.ip_proto));
    json.field("ip_v", p.ip_version);
    if ((p.ip_proto == 1 || p.ip_proto == 58) && p.has_l4) {
      json.field("icmp_type", p.icmp_type);
      json.field("icmp_code", p.icmp_code);
    } else if (p.ip_proto == proto_esp && p.has_l4) {
      json.field("spi", load_be32(p.l4.data()));
    }
  }
  json.field("pkt_src", sig::packet_origin_name(p.origin));
  if (out.ethernet && p.ethernet.size() >= 12) {
    json.begin_object("ether");
    json.field("src_mac", mac(p.ethernet.data() + 6));
    json.field("dest_mac", mac(p.ethernet.data()));
    json.end_object();
  }
  common(json, output, flow);
  // Alerts and metadata events place it themselves.
  if (matcher_ != nullptr && out.metadata && flow != nullptr && event_type != "alert" &&
      event_type != "metadata")
    matcher_->write_metadata(&p, p.flow, json);
}

void EveWriter::flow_header(JsonWriter& json, std::size_t output, const Flow& flow,
                            std::string_view event_type, bool swapped) {
  const auto& out = config_.outputs()[output];
  json.field("flow_id", flow.id);
  if (flow.parent_id != 0) json.field("parent_id", flow.parent_id);
  if (flow.interface_index < names_.interfaces.size())
    json.field("in_iface", names_.interfaces[flow.interface_index]);
  json.field("event_type", event_type);
  vlans(json, std::span(flow.vlan).first(flow.vlan_count));
  address(json, "src_ip", swapped ? flow.dst : flow.src);
  const bool ports = has_ports(flow.ip_proto);
  if (ports) json.field("src_port", swapped ? flow.dport : flow.sport);
  address(json, "dest_ip", swapped ? flow.src : flow.dst);
  if (ports) json.field("dest_port", swapped ? flow.sport : flow.dport);
  json.field("ip_v", flow.src.family);
  json.field("proto", ip_proto_name(flow.ip_proto));
  if (flow.ip_proto == 1 || flow.ip_proto == 58) {
    json.field("icmp_type", flow.icmp_type[0]);
    json.field("icmp_code", flow.icmp_code[0]);
    if (flow.counters[1].packets != 0) {
      json.field("response_icmp_type", flow.icmp_type[1]);
      json.field("response_icmp_code", flow.icmp_code[1]);
    }
  } else if (flow.ip_proto == proto_esp) {  // the flow's key holds it as two ports
    json.field("spi", static_cast<std::uint32_t>(flow.sport) << 16 | flow.dport);
  }
  app_proto(json, flow);
  if (out.ethernet && flow.macs) {
    json.begin_object("ether");
    const auto list = [&](std::string_view key, const std::vector<MacSet::Mac>& macs) {
      if (macs.empty()) return;
      json.begin_array(key);
      for (const auto& m : macs) json.value(mac(m.data()));
      json.end_array();
    };
    list("dest_macs", swapped ? flow.macs->src : flow.macs->dst);
    list("src_macs", swapped ? flow.macs->dst : flow.macs->src);
    json.end_object();
  }
  common(json, output, &flow);
}

void EveWriter::app_proto(JsonWriter& json, const Flow& flow) {
  const auto write = [&](std::string_view key, AppProto id) {
    json.field(key, sig::app_protos().name(id));
  };
  if (flow.app_proto != AppProto{}) write("app_proto", flow.app_proto);
  if (flow.app_proto_expected != AppProto{}) write("app_proto_expected", flow.app_proto_expected);
  if (flow.app_proto_original != AppProto{}) write("app_proto_orig", flow.app_proto_original);
  if (flow.app_proto_dir[0] != AppProto{} && flow.app_proto_dir[0] != flow.app_proto)
    write("app_proto_ts", flow.app_proto_dir[0]);
  if (flow.app_proto_dir[1] != AppProto{} && flow.app_proto_dir[1] != flow.app_proto)
    write("app_proto_tc", flow.app_proto_dir[1]);
}

void EveWriter::packet_octets(JsonWriter& json, const sig::Packet& p, std::size_t limit) {
  auto octets = p.frame;
  if (limit != 0) octets = octets.first(std::min(octets.size(), limit));
  json.key("packet");
  json.value_base64(octets);
  json.begin_object("packet_info");
  json.field("linktype", p.datalink);
  if (const auto name = decode::datalink_name(p.datalink); !name.empty())
    json.field("linktype_name", name);
  json.end_object();
}

void EveWriter::tagged(const sig::Packet& p) {
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    const auto& out = config_.outputs()[i];
    if (!out.alert || !out.alerts.tagged_packets) continue;
    auto json = begin(i, p.time);
    header(json, i, p, static_cast<const Flow*>(p.flow), Side::packet, "packet");
    packet_octets(json, p);
    end(i, json);
  }
}

/// RFC 826, Ethernet and IPv4; the decoder lets nothing else through.
void EveWriter::arp(const sig::Packet& p) {
  static constexpr std::array<std::string_view, 5> opcodes = {"unknown", "request", "reply",
                                                              "request_reverse", "reply_reverse"};
  if (p.arp.size() < 28) return;
  const auto* m = p.arp.data();
  const auto opcode = load_be16(m + 6);
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    if (!config_.outputs()[i].arp) continue;
    auto json = begin(i, p.time);
    header(json, i, p, nullptr, Side::packet, "arp");
    json.begin_object("arp");
    json.field("hw_type", "ethernet");
    json.field("proto_type", "ipv4");
    json.field("opcode", opcodes[opcode < opcodes.size() ? opcode : 0]);
    json.field("src_mac", mac(m + 8));
    address(json, "src_ip", IpAddress::v4(m + 14));
    json.field("dest_mac", mac(m + 18));
    address(json, "dest_ip", IpAddress::v4(m + 24));
    json.end_object();
    end(i, json);
  }
}

// ------------------------------------------------------------------------------------------
// anomalies

namespace {
/// Event names of protocols whose names are upper case in EVE for history's sake.
std::string anomaly_name(std::string_view full) {
  const auto dot = full.find('.');
  std::string name(dot == std::string_view::npos ? full : full.substr(dot + 1));
  const auto proto = dot == std::string_view::npos ? std::string_view() : full.substr(0, dot);
  if (dot == std::string_view::npos || proto == "http" || proto == "smtp" || proto == "tls")
    for (auto& c : name)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return name;
}
}  // namespace

void EveWriter::anomalies(const sig::Packet& p, Flow* flow) {
  if (p.event_count == 0 && flow == nullptr) return;
  auto* app = flow != nullptr ? AppLayer::of(*flow) : nullptr;
  const bool fresh = app != nullptr && app->events_logged < app->events.size();
  if (p.event_count == 0 && !fresh) return;
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    const auto& out = config_.outputs()[i];
    if (!out.anomaly) continue;
    for (const auto e : p.events()) {
      const auto name = sig::events().name(e);
      const bool decoder = name.starts_with("decoder."), stream = name.starts_with("stream.");
      if (decoder ? !out.anomalies.decode : stream ? !out.anomalies.stream : true) continue;
      auto json = begin(i, p.time);
      header(json, i, p, flow, Side::packet, "anomaly");
      if (decoder && out.anomalies.packethdr)
        packet_octets(json, p,
                      static_cast<std::size_t>(std::max<std::ptrdiff_t>(
                          32, p.payload.empty() ? static_cast<std::ptrdiff_t>(p.frame.size())
                                                : p.payload.data() - p.frame.data())));
      json.begin_object("anomaly");
      json.field("type", decoder ? "decode" : "stream");
      json.field("event", name);
      json.end_object();
      end(i, json);
    }
    if (fresh && out.anomalies.applayer)
      for (auto n = app->events_logged; n < app->events.size(); ++n) {
        const auto name = sig::events().name(app->events[n]);
        auto json = begin(i, p.time);
        header(json, i, p, flow, Side::packet, "anomaly");
        json.begin_object("anomaly");
        if (flow->app_proto != AppProto{})
          json.field("app_proto", sig::app_protos().name(flow->app_proto));
        json.field("type", "applayer");
        json.field("event", anomaly_name(name));
        json.field("layer", name.starts_with("applayer_") ? "proto_detect" : "proto_parser");
        json.end_object();
        end(i, json);
      }
  }
  if (fresh) app->events_logged = app->events.size();
}

void EveWriter::tx_anomalies(const sig::Packet& p, Flow& flow, const sig::Transaction& tx) {
  if (tx.event_ids.empty()) return;
  // How many of the transaction's events were written, by flow and transaction.
  const auto key = flow.id ^ (tx.id * 0x9e3779b97f4a7c15ULL);
  const auto found = event_counts_.find(key);
  const std::size_t done = found == event_counts_.end() ? 0 : found->second;
  if (done >= tx.event_ids.size()) return;
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    const auto& out = config_.outputs()[i];
    if (!out.anomaly || !out.anomalies.applayer) continue;
    for (auto n = done; n < tx.event_ids.size(); ++n) {
      auto json = begin(i, p.time);
      header(json, i, p, &flow, Side::packet, "anomaly");
      json.field("tx_id", tx.id);
      json.begin_object("anomaly");
      json.field("app_proto", sig::app_protos().name(flow.app_proto));
      json.field("type", "applayer");
      json.field("event", anomaly_name(sig::events().name(tx.event_ids[n])));
      json.field("layer", "proto_parser");
      json.end_object();
      end(i, json);
    }
  }
  if (event_counts_.size() > 100'000) event_counts_.clear();
  event_counts_[key] = static_cast<std::uint32_t>(tx.event_ids.size());
}

// ------------------------------------------------------------------------------------------
// transactions and files

void EveWriter::app_block(JsonWriter& json, const Flow& flow, const sig::Transaction& tx,
                          const Settings& options) {
  const auto* protocol = find_protocol(tx.proto != AppProto{} ? tx.proto : flow.app_proto);
  if (protocol == nullptr) return;
  const LogContext context{flow, options};
  for (const auto& l : protocol->loggers) {
    const auto write = l.write_alert != nullptr ? l.write_alert : l.write;
    if (write != nullptr && write(tx, context, json)) return;
  }
}

void EveWriter::fileinfo(const sig::Packet& p, Flow& flow, const sig::Transaction& tx,
                         sig::File& file) {
  static const Settings no_options;
  file.logged = true;
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    const auto& out = config_.outputs()[i];
    if (!out.files) continue;
    auto json = begin(i, p.time);
    header(json, i, p, &flow, file.dir == Dir::to_server ? Side::to_server : Side::to_client,
           "fileinfo");
    app_block(json, flow, tx, no_options);
    app_proto(json, flow);
    write_fileinfo(file, !files_.store_folder.empty(), json);
    const auto start = starts_[i];
    xff(json, out.files_xff, flow, &tx, buffers_[i], start,
        file.dir == Dir::to_server ? "src_ip" : "dest_ip");
    json.end_object();
    auto& b = buffers_[i];
    if (file.stored && files_.write_fileinfo)
      store_fileinfo(files_, file, p.time, std::string_view(b).substr(start));
    b += '\n';
    ++lines_;
  }
}

void EveWriter::transactions(const sig::Packet& p, Flow& flow, sig::Matcher* matcher,
                             bool flow_end) {
  auto* app = AppLayer::of(flow);
  if (app == nullptr || !app->parser) return;
  (void)matcher;
  // Before a change of protocol nothing more is to come of what is there.
  const bool over =
      flow_end || p.origin == sig::PacketOrigin::stream || (app->ended[0] && app->ended[1]);
  for (auto* tx : app->transactions()) {
    const auto* protocol = app->protocol;
    if (tx->proto != AppProto{} && tx->proto != protocol->buffers.proto)
      if (const auto* own = find_protocol(tx->proto)) protocol = own;
    if (tx->no_log || flow.no_tx_log) {
      tx->logged = true;
      for (auto* file : tx->files)
        if (file != nullptr) file->logged = true;
      continue;
    }
    tx_anomalies(p, flow, *tx);
    for (auto* file : tx->files)
      if (file != nullptr && !file->logged &&
          (flow_end || (file->state != sig::FileState::open && file->dir == p.dir)))
        fileinfo(p, flow, *tx, *file);
    if (tx->logged) continue;
    const bool complete = (tx->complete[0] || tx->only[1] || app->disrupted[0]) &&
                          (tx->complete[1] || tx->only[0] || app->disrupted[1]);
    std::uint64_t all = 0;
    for (std::size_t n = 0; n < protocol->loggers.size() && n < 64; ++n) {
      const auto& l = protocol->loggers[n];
      const auto bit = std::uint64_t{1} << n;
      all |= bit;
      if ((tx->logged_mask & bit) != 0) continue;
      const bool ready = l.ready != nullptr ? l.ready(*tx) : complete;
      if (!ready && !over) continue;
      tx->logged_mask |= bit;
      for (const auto& t : config_.targets(l)) {
        auto json = begin(t.output, p.time);
        const auto dir = l.direction != nullptr ? l.direction(*tx) : Dir::to_server;
        header(json, t.output, p, &flow, dir == Dir::to_server ? Side::to_server : Side::to_client,
               l.event_type);
        json.field("tx_id", tx->id);
        const LogContext context{flow, *t.options};
        if (l.write == nullptr || !l.write(*tx, context, json)) {
          discard(t.output);
          continue;
        }
        xff(json, t.xff, flow, tx, buffers_[t.output], starts_[t.output],
            dir == Dir::to_server ? "src_ip" : "dest_ip");
        end(t.output, json);
      }
    }
    if (tx->logged_mask == all) tx->logged = true;
  }
}

/// The client behind a proxy, from the transaction's X-Forwarded-For header.
void EveWriter::xff(JsonWriter& json, const XffOptions& options, const Flow& flow,
                    const sig::Transaction* tx, std::string& line, std::size_t start,
                    std::string_view source_key) {
  if (!options.enabled || tx == nullptr) return;
  static const auto headers = sig::buffers().find("http.request_header");
  const auto* protocol = find_protocol(tx->proto != AppProto{} ? tx->proto : flow.app_proto);
  if (protocol == nullptr || headers == sig::BufferId{}) return;
  std::string lower = options.header;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  for (const auto& b : protocol->buffers.buffers) {
    if (b.id != headers || b.dir != Dir::to_server) continue;
    for (std::uint32_t n = 0; n < 256; ++n) {
      sig::BufferSlice slice;
      const auto status = b.get(*tx, Dir::to_server, n, slice);
      if (status == sig::BufferStatus::absent || status == sig::BufferStatus::not_ready) return;
      const auto text = as_text(slice.data);
      const auto colon = text.find(':');
      if (colon == std::string_view::npos || colon != lower.size()) continue;
      if (!std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char c) {
            return a == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
          }))
        continue;
      auto value = text.substr(colon + 1);
      // Reverse proxies append: the last address is the one ours saw; a forward proxy's client
      // comes first.
      if (options.forward)
        value = value.substr(0, value.find(','));
      else if (const auto comma = value.rfind(','); comma != std::string_view::npos)
        value = value.substr(comma + 1);
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      while (!value.empty() && (value.back() == ' ' || value.back() == '\r'))
        value.remove_suffix(1);
      const auto ip = parse_ip(value);
      if (!ip) return;
      if (!options.overwrite) {
        json.field("xff", ip_text(*ip));
        return;
      }
      const auto key = "\"" + std::string(source_key) + "\":\"";
      const auto at = line.find(key, start);
      if (at == std::string::npos) return;
      const auto from = at + key.size(), to = line.find('"', from);
      if (to != std::string::npos) line.replace(from, to - from, ip_text(*ip));
      return;
    }
  }
}

// ------------------------------------------------------------------------------------------ flows

void EveWriter::policies(JsonWriter& json, const Flow& flow) {
  if (flow.policies.empty()) return;
  json.begin_array("exception_policy");
  for (const auto& p : flow.policies) {
    json.begin_object();
    json.field("target", p.target);
    json.field("policy", p.policy);
    json.end_object();
  }
  json.end_array();
}

namespace {
void flag_names(JsonWriter& json, std::uint8_t flags) {
  using namespace sig::tcp_flag;  // NOLINT
  const std::pair<std::uint8_t, std::string_view> names[] = {
      {syn, "syn"}, {fin, "fin"}, {rst, "rst"}, {psh, "psh"},
      {ack, "ack"}, {urg, "urg"}, {ece, "ecn"}, {cwr, "cwr"}};
  for (const auto& [bit, name] : names)
    if ((flags & bit) != 0) json.field(name, true);
}
std::string hex_flags(std::uint8_t flags) {
  std::array<char, 4> text{};
  std::snprintf(text.data(), text.size(), "%02x", flags);
  return text.data();
}
}  // namespace

void EveWriter::tcp_block(JsonWriter& json, const Flow& flow) {
  const auto* s = StreamTracker::session(flow);
  json.begin_object("tcp");
  const std::uint8_t all = s != nullptr ? s->all_flags : 0;
  json.field("tcp_flags", hex_flags(all));
  json.field("tcp_flags_ts", hex_flags(s != nullptr ? s->peers[0].tcp_flags : 0));
  json.field("tcp_flags_tc", hex_flags(s != nullptr ? s->peers[1].tcp_flags : 0));
  flag_names(json, all);
  if (s != nullptr) {
    json.field("state", tcp_state_name(s->state));
    if (s->peers[1].had_gap) json.field("tc_gap", true);
    if (s->peers[0].had_gap) json.field("ts_gap", true);
    json.field("ts_max_regions", std::max<std::size_t>(1, s->peers[0].data.max_regions_seen()));
    json.field("tc_max_regions", std::max<std::size_t>(1, s->peers[1].data.max_regions_seen()));
    if (!s->peers[1].urgent.empty()) json.field("tc_urgent_oob_data", s->peers[1].urgent.size());
    if (!s->peers[0].urgent.empty()) json.field("ts_urgent_oob_data", s->peers[0].urgent.size());
  }
  json.end_object();
}

void EveWriter::flow_end(Flow& flow, FlowEnd reason, sig::Matcher* matcher) {
  if (flow.logged) return;
  flow.logged = true;
  if (flow.no_flow_log) return;
  const auto age = flow.last.seconds() - flow.start.seconds();
  const auto times = [&](JsonWriter& json) {
    json.field("start", eve_time(flow.start));
    json.field("end", eve_time(flow.last));
    json.field("age", age);
  };
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    const auto& out = config_.outputs()[i];
    if (out.flow) {
      auto json = begin(i, flow.last);
      flow_header(json, i, flow, "flow", false);
      json.begin_object("flow");
      json.field("pkts_toserver", flow.counters[0].packets);
      json.field("pkts_toclient", flow.counters[1].packets);
      json.field("bytes_toserver", flow.counters[0].octets);
      json.field("bytes_toclient", flow.counters[1].octets);
      times(json);
      if (flow.state == sig::FlowState::bypassed) json.field("bypass", "local");
      json.field("state", flow_state_name(flow.state));
      json.field("reason", flow_end_name(reason));
      json.field("alerted", flow.alerted);
      if (flow.elephant[0]) json.field("elephant_toserver", true);
      if (flow.elephant[1]) json.field("elephant_toclient", true);
      if (flow.dropped)
        json.field("action", "drop");
      else if (flow.passed)
        json.field("action", "pass");
      policies(json, flow);
      json.field("tx_cnt", flow.tx_count);
      json.end_object();
      if (matcher != nullptr && out.metadata) matcher->write_metadata(nullptr, &flow, json);
      if (flow.ip_proto == 6) tcp_block(json, flow);
      end(i, json);
    }
    if (out.netflow)
      for (std::size_t d = 0; d < 2; ++d) {
        if (d == 1 && flow.counters[1].packets == 0) continue;
        auto json = begin(i, flow.last);
        flow_header(json, i, flow, "netflow", d == 1);
        json.begin_object("netflow");
        json.field("pkts", flow.counters[d].packets);
        json.field("bytes", flow.counters[d].octets);
        times(json);
        json.field("min_ttl", flow.min_ttl[d]);
        json.field("max_ttl", flow.max_ttl[d]);
        json.field("tx_cnt", flow.tx_count);
        json.end_object();
        if (matcher != nullptr && out.metadata) matcher->write_metadata(nullptr, &flow, json);
        if (flow.ip_proto == 6) {
          const auto* s = StreamTracker::session(flow);
          const std::uint8_t flags = s != nullptr ? s->peers[d].tcp_flags : 0;
          json.begin_object("tcp");
          json.field("tcp_flags", hex_flags(flags));
          flag_names(json, flags);
          json.end_object();
        }
        end(i, json);
      }
  }
}

void EveWriter::metadata(const sig::Packet& p, std::span<const sig::Alert>, sig::Matcher* matcher) {
  if (matcher == nullptr) return;
  for (std::size_t i = 0; i < config_.outputs().size(); ++i) {
    if (!config_.outputs()[i].metadata_events) continue;
    auto json = begin(i, p.time);
    header(json, i, p, static_cast<const Flow*>(p.flow), Side::packet, "metadata");
    const auto before = buffers_[i].size();
    matcher->write_metadata(&p, p.flow, json);
    if (buffers_[i].size() == before)
      discard(i);
    else
      end(i, json);
  }
}

}  // namespace ww::sensor
