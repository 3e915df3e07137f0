#include "sensors/pipeline/stats_record.hpp"

#include <algorithm>
#include <cstdio>

namespace ww::sensor {
namespace {

/// Members by dotted name, as JSON text.
using Members = std::map<std::string, std::string, std::less<>>;

void add(std::vector<std::uint64_t>& to, const std::vector<std::uint64_t>& from) {
  if (to.size() < from.size()) to.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
}

void add(WorkerCounters& to, const WorkerCounters& w) {
  to.alerts += w.alerts;
  to.flows_active += w.flows_active;
  auto& f = to.flows;
  f.created += w.flows.created;
  f.ended_timeout += w.flows.ended_timeout;
  f.ended_reuse += w.flows.ended_reuse;
  f.emergencies += w.flows.emergencies;
  f.refused += w.flows.refused;
  for (std::size_t i = 0; i < std::size(f.by_proto); ++i) f.by_proto[i] += w.flows.by_proto[i];
  auto& s = to.streams;
  s.sessions += w.streams.sessions;
  s.no_memory_sessions += w.streams.no_memory_sessions;
  s.invalid_checksum += w.streams.invalid_checksum;
  s.syn += w.streams.syn;
  s.synack += w.streams.synack;
  s.rst += w.streams.rst;
  s.midstream_pickups += w.streams.midstream_pickups;
  s.pseudo += w.streams.pseudo;
  s.gaps += w.streams.gaps;
  s.segment_memory_refused += w.streams.segment_memory_refused;
  s.overlaps += w.streams.overlaps;
  s.overlap_different += w.streams.overlap_different;
  s.depth_reached += w.streams.depth_reached;
  s.memory_used += w.streams.memory_used;
  constexpr auto largest = static_cast<std::size_t>(decode::Counter::max_pkt_size);
  auto& values = to.decoder.values;
  const auto max = std::max(values[largest], w.decoder.values[largest]);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += w.decoder.values[i];
  values[largest] = max;
  for (std::size_t i = 0; i < to.decoder.events.size(); ++i)
    to.decoder.events[i] += w.decoder.events[i];
  add(to.app.flows, w.app.flows);
  add(to.app.transactions, w.app.transactions);
  add(to.app.errors, w.app.errors);
  add(to.app.gaps, w.app.gaps);
  to.app.failed_tcp += w.app.failed_tcp;
  to.app.failed_udp += w.app.failed_udp;
}

/// "a.b.c": value into {"a":{"b":{"c":value}}}. Names in order have their common parts together.
void nest(JsonWriter& json, const Members& members) {
  std::vector<std::string_view> open;
  for (const auto& [name, value] : members) {
    std::vector<std::string_view> parts;
    for (std::string_view rest = name;;) {
      const auto dot = rest.find('.');
      parts.push_back(rest.substr(0, dot));
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    std::size_t same = 0;
    while (same < open.size() && same + 1 < parts.size() && open[same] == parts[same]) ++same;
    for (; open.size() > same; open.pop_back()) json.end_object();
    for (; open.size() + 1 < parts.size(); open.push_back(parts[open.size()]))
      json.begin_object(parts[open.size()]);
    json.key(parts.back());
    json.raw(value);
  }
  for (; !open.empty(); open.pop_back()) json.end_object();
}

std::string engines(const sig::Engine* engine) {
  std::string out;
  JsonWriter json(out);
  const auto figures = engine != nullptr ? engine->figures() : sig::EngineFigures();
  json.begin_array();
  json.begin_object();
  json.field("id", 0);
  if (engine != nullptr) {
    json.key("last_reload");
    out += '"';
    append_eve_time(out, figures.loaded);
    out += '"';
    json.raw("");
  }
  json.field("rules_loaded", figures.rules);
  json.field("rules_failed", figures.refused);
  json.field("rules_skipped", figures.left_out);
  json.end_object();
  json.end_array();
  return out;
}

}  // namespace

StatsRecorder::StatsRecorder(const PipelineShared& shared) : shared_(shared) {
  const auto& s = shared.settings;
  const auto& outputs = shared.eve.outputs();
  wanted_ = std::ranges::any_of(outputs, [](const EveOutput& o) { return o.stats; }) &&
            s.flag_or("stats.enabled", true);
  interval_ =
      std::chrono::seconds(std::clamp<std::int64_t>(s.integer_or("stats.interval", 8), 1, 86'400));
  decoder_events_ = s.flag_or("stats.decoder-events", true);
  decoder_event_prefix_ = s.text_or("stats.decoder-events-prefix", "decoder.event");
}

void StatsRecorder::protocols(const AppCounters& app, Numbers& out) const {
  for (const auto& e : shared_.protocols.entries())
    for (const bool udp : {false, true}) {
      const auto& p = *e.protocol;
      if (!(udp ? p.udp : p.tcp)) continue;
      const auto name = p.name + (p.tcp && p.udp ? (udp ? "_udp" : "_tcp") : "");
      const auto i = 2 * e.index + (udp ? 1 : 0);
      const auto of = [&](const std::vector<std::uint64_t>& v) { return i < v.size() ? v[i] : 0; };
      out["app_layer.flow." + name] = of(app.flows);
      if (p.make == nullptr) continue;
      out["app_layer.tx." + name] = of(app.transactions);
      out["app_layer.error." + name + ".parser"] = of(app.errors);
      if (!udp) out["app_layer.error." + name + ".gap"] = of(app.gaps);
    }
  out["app_layer.flow.failed_tcp"] = app.failed_tcp;
  out["app_layer.flow.failed_udp"] = app.failed_udp;
}

StatsRecorder::Numbers StatsRecorder::numbers(const WorkerCounters& w) const {
  Numbers n;
  for (std::size_t i = 0; i < decode::counter_count; ++i)
    n.emplace(decode::counter_name(static_cast<decode::Counter>(i)), w.decoder.values[i]);
  const auto packets = w.decoder.get(decode::Counter::pkts);
  n["decoder.avg_pkt_size"] = packets == 0 ? 0 : w.decoder.get(decode::Counter::bytes) / packets;
  if (decoder_events_)
    for (std::size_t i = 0; i < w.decoder.events.size(); ++i) {
      const auto name = decode::event_name(static_cast<decode::Event>(i));  // "decoder.ipv4..."
      n[decoder_event_prefix_ + std::string(name.substr(name.find('.')))] = w.decoder.events[i];
    }
  n["flow.total"] = w.flows.created;
  n["flow.active"] = w.flows_active;
  n["flow.tcp"] = w.flows.by_proto[0];
  n["flow.udp"] = w.flows.by_proto[1];
  n["flow.icmpv4"] = w.flows.by_proto[2];
  n["flow.icmpv6"] = w.flows.by_proto[3];
  n["flow.tcp_reuse"] = w.flows.ended_reuse;
  n["flow.memcap"] = w.flows.refused;
  n["flow.emerg_mode_entered"] = w.flows.emergencies;
  n["flow.mgr.flows_timeout"] = w.flows.ended_timeout;
  n["tcp.sessions"] = w.streams.sessions;
  n["tcp.ssn_memcap_drop"] = w.streams.no_memory_sessions;
  n["tcp.pseudo"] = w.streams.pseudo;
  n["tcp.invalid_checksum"] = w.streams.invalid_checksum;
  n["tcp.syn"] = w.streams.syn;
  n["tcp.synack"] = w.streams.synack;
  n["tcp.rst"] = w.streams.rst;
  n["tcp.midstream_pickups"] = w.streams.midstream_pickups;
  n["tcp.segment_memcap_drop"] = w.streams.segment_memory_refused;
  n["tcp.stream_depth_reached"] = w.streams.depth_reached;
  n["tcp.reassembly_gap"] = w.streams.gaps;
  n["tcp.overlap"] = w.streams.overlaps;
  n["tcp.overlap_diff_data"] = w.streams.overlap_different;
  n["tcp.reassembly_memuse"] = w.streams.memory_used;
  n["detect.alert"] = w.alerts;
  protocols(w.app, n);
  return n;
}

void StatsRecorder::write(const std::vector<std::shared_ptr<EventSink>>& sinks,
                          const StatsInput& in) {
  if (!wanted_) return;
  WorkerCounters sum;
  for (const auto& w : in.workers) add(sum, w);
  std::vector<Numbers> now{numbers(sum)};
  now[0]["file_store.fs_errors"] = file_counters().store_errors;
  if (in.capture != nullptr) {
    now[0]["capture.kernel_packets"] = in.capture->kernel_packets;
    now[0]["capture.kernel_drops"] = in.capture->kernel_drops;
    now[0]["capture.kernel_ifdrops"] = in.capture->interface_drops;
  }
  for (const auto& w : in.workers) now.push_back(numbers(w));
  before_.resize(now.size());

  const auto& outputs = shared_.eve.outputs();
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    if (!outputs[o].stats || o >= sinks.size() || !sinks[o]) continue;
    const auto& options = outputs[o].statistics;
    Members members;
    const auto take = [&](const std::string& below, std::size_t which) {
      for (const auto& [name, value] : now[which]) {
        if (value == 0 && !options.null_values) continue;
        members[below + name] = std::to_string(value);
        if (!options.deltas) continue;
        const auto last = before_[which].find(name);
        const auto was = last == before_[which].end() ? 0 : last->second;
        // Gauges (flow.active) also fall.
        members[below + name + "_delta"] =
            std::to_string(static_cast<std::int64_t>(value) - static_cast<std::int64_t>(was));
      }
    };
    if (options.totals) {
      take("", 0);
      members["detect.engines"] = engines(in.engine);
    }
    if (options.threads)
      for (std::size_t w = 1; w < now.size(); ++w) {
        std::array<char, 40> name{};
        std::snprintf(name.data(), name.size(), "threads.W#%02zu.", w);
        take(name.data(), w);
      }
    std::string line;
    JsonWriter json(line);
    json.begin_object();
    json.key("timestamp");
    line += '"';
    append_eve_time(line, in.now);
    line += '"';
    json.raw("");
    json.field("event_type", "stats");
    json.begin_object("stats");
    json.field("uptime", in.uptime.count());
    nest(json, members);
    json.end_object();
    json.end_object();
    line += '\n';
    sinks[o]->write(line);
  }
  before_ = std::move(now);
}

}  // namespace ww::sensor
