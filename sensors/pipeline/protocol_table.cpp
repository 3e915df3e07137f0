#include "sensors/pipeline/protocol_table.hpp"

#include <algorithm>
#include <charconv>

namespace ww::sensor {
namespace {

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::optional<unsigned> number(std::string_view s) {
  unsigned v = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (ec != std::errc() || end != s.data() + s.size() || v > 65535) return {};
  return v;
}

bool find_pattern(Bytes data, const Protocol::Pattern& p) {
  const auto depth = p.depth == 0 ? data.size() : std::min<std::size_t>(p.depth, data.size());
  if (p.octets.empty() || depth < p.octets.size() || p.offset > depth - p.octets.size())
    return false;
  const auto lower = [](std::uint8_t c) {
    return c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c + 32) : c;
  };
  for (std::size_t at = p.offset; at + p.octets.size() <= depth; ++at) {
    bool same = true;
    for (std::size_t i = 0; same && i < p.octets.size(); ++i) {
      const auto a = data[at + i], b = static_cast<std::uint8_t>(p.octets[i]);
      same = p.nocase ? lower(a) == lower(b) : a == b;
    }
    if (same) return true;
  }
  return false;
}

}  // namespace

PortSet PortSet::parse(std::string_view text) {
  PortSet out;
  text = trimmed(text);
  if (text.empty()) return out;
  if (text == "any") {
    out.any_ = true;
    return out;
  }
  bool negate_all = false;
  if (text.front() == '!') {
    negate_all = true;
    text = trimmed(text.substr(1));
  }
  if (!text.empty() && text.front() == '[') text.remove_prefix(1);
  if (!text.empty() && text.back() == ']') text.remove_suffix(1);
  auto set = std::make_shared<std::bitset<65536>>();
  std::bitset<65536> minus;
  bool plus = false;
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto item = trimmed(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const bool negated = !item.empty() && item.front() == '!';
    if (negated) item = trimmed(item.substr(1));
    auto from = item, to = item;
    auto split = item.find(':');
    if (split == std::string_view::npos) split = item.find('-');
    if (split != std::string_view::npos) {
      from = trimmed(item.substr(0, split));
      to = trimmed(item.substr(split + 1));
    }
    const auto a = from.empty() ? std::optional<unsigned>(0) : number(from);
    const auto b = to.empty() ? std::optional<unsigned>(65535) : number(to);
    if (!a || !b) continue;
    plus = plus || !negated;
    for (unsigned p = *a; p <= *b; ++p) (negated ? minus : *set).set(p);
  }
  if (!plus && minus.any()) set->set();
  *set &= ~minus;
  if (negate_all) set->flip();
  out.set_ = std::move(set);
  return out;
}

AppProto ProtocolTable::failed() {
  static const AppProto id = sig::app_protos().intern("failed");
  return id;
}

ProtocolTable::ProtocolTable(const Settings& settings) {
  (void)failed();
  const auto& all = protocols();
  entries_.reserve(all.size());
  for (const auto& p : all) {
    if (entries_.size() >= max_protocols) break;
    const auto base = "app-layer.protocols." + (p.settings_name.empty() ? p.name : p.settings_name);
    bool on = p.on_by_default, parse = true;
    std::string wanted;
    for (const auto* proto : {"", ".tcp", ".udp"})
      if (const auto t = settings.text(base + proto + ".enabled"); t && wanted.empty()) wanted = *t;
    if (wanted == "detection-only") {
      on = true;
      parse = false;
    } else if (!wanted.empty()) {
      on = parse_flag(wanted).value_or(on);
    }
    if (!on) continue;
    Entry e;
    e.protocol = &p;
    e.parse = parse && p.make != nullptr;
    e.stream_depth = p.stream_depth;
    if (settings.has(base + ".stream-depth"))
      e.stream_depth = settings.size_or(base + ".stream-depth", p.stream_depth.value_or(0));
    const auto ports = [&](const char* kind, const std::string& fallback) {
      auto text = settings.text(base + "." + kind + ".detection-ports.dp");
      if (!text) text = settings.text(base + ".detection-ports.dp");
      if (!text) {
        // Also written as a sequence of one map ("- dp: 53").
        text = settings.text(base + "." + kind + ".detection-ports.0.dp");
      }
      return PortSet::parse(text.value_or(fallback));
    };
    if (p.tcp) e.tcp = ports("tcp", p.tcp_ports);
    if (p.udp) e.udp = ports("udp", p.udp_ports);
    e.index = entries_.size();
    entries_.push_back(std::move(e));
  }
  for (const auto& e : entries_)
    for (const auto& pattern : e.protocol->patterns) {
      const std::size_t udp = pattern.ip_proto == 17 ? 1 : 0, d = sig::index(pattern.dir);
      patterns_[udp][d].push_back(make_ref(e, pattern));
      const auto reach =
          std::max<std::size_t>(pattern.depth, pattern.offset + pattern.octets.size());
      pattern_reach_[udp][d] = std::max(pattern_reach_[udp][d], reach);
    }
  // Longer patterns are surer.
  for (auto& by_proto : patterns_)
    for (auto& list : by_proto)
      std::stable_sort(list.begin(), list.end(), [](const PatternRef& a, const PatternRef& b) {
        return a.pattern->octets.size() > b.pattern->octets.size();
      });
}

const ProtocolTable::Entry* ProtocolTable::find(AppProto proto) const {
  return find(sig::app_protos().name(proto));
}

const ProtocolTable::Entry* ProtocolTable::find(std::string_view name) const {
  for (const auto& e : entries_)
    if (e.protocol->name == name) return &e;
  return nullptr;
}

ProtocolTable::PatternRef ProtocolTable::make_ref(const Entry& entry,
                                                  const Protocol::Pattern& pattern) {
  PatternRef ref{&entry, &pattern};
  constexpr std::size_t few = 4;
  const auto end = pattern.offset + pattern.octets.size();
  if (pattern.octets.empty() || pattern.depth < end || pattern.depth - end >= few) return ref;
  constexpr std::uint8_t letter_case = 0x20;
  const auto first = static_cast<std::uint8_t>(pattern.octets.front());
  const auto lower = static_cast<std::uint8_t>(first | letter_case);
  ref.places = static_cast<std::uint8_t>(pattern.depth - end + 1);
  if (pattern.nocase && lower >= 'a' && lower <= 'z') ref.ignored_bits = letter_case;
  ref.first = first | ref.ignored_bits;
  return ref;
}

bool ProtocolTable::found(const PatternRef& ref, Bytes data) {
  if (ref.places != 0) {
    const std::size_t from = ref.pattern->offset, to = std::min(data.size(), from + ref.places);
    bool possible = false;
    for (auto at = from; at < to; ++at)
      possible = possible || (data[at] | ref.ignored_bits) == ref.first;
    if (!possible) return false;
  }
  return find_pattern(data, *ref.pattern);
}

Detected ProtocolTable::match_patterns(Bytes data, Dir dir, const sig::Flow& flow,
                                       DetectionState& state, bool midstream) const {
  const std::size_t udp = flow.ip_proto == 17 ? 1 : 0, d = sig::index(dir);
  bool waiting = false;
  for (const auto& ref : patterns_[udp][d]) {
    const auto* entry = ref.entry;
    const auto* pattern = ref.pattern;
    if (!found(ref, data) || state.refused[d][entry->index]) continue;
    if (pattern->min_octets != 0 && entry->protocol->probe != nullptr) {
      if (data.size() < pattern->min_octets) {
        waiting = true;
        continue;
      }
      const auto said = entry->protocol->probe(data, dir, flow);
      if (said == Probe::maybe) waiting = true;
      if (said == Probe::no) continue;
      if (said == Probe::reversed) return {entry->protocol, true};
      if (said != Probe::yes) continue;
    }
    return {entry->protocol, false};
  }
  if (midstream) {
    // We may have taken the server for the client: its patterns would show it.
    const auto other = sig::opposite(dir);
    for (const auto& ref : patterns_[udp][sig::index(other)]) {
      const auto* entry = ref.entry;
      const auto* pattern = ref.pattern;
      if (pattern->octets.size() < 4 || !found(ref, data)) continue;
      if (pattern->min_octets != 0 && entry->protocol->probe != nullptr &&
          (data.size() < pattern->min_octets ||
           entry->protocol->probe(data, other, flow) != Probe::yes))
        continue;
      return {entry->protocol, true};
    }
  }
  if (!waiting && data.size() >= pattern_reach_[udp][d]) state.patterns_done[d] = true;
  return {};
}

Detected ProtocolTable::run_probes(Bytes data, Dir dir, const sig::Flow& flow,
                                   DetectionState& state) const {
  const auto d = sig::index(dir);
  const bool udp = flow.ip_proto == 17;
  bool waiting = false;
  // What a parser asked for comes before everything else (WebSocket after HTTP has no port or
  // pattern).
  if (flow.app_proto_expected != AppProto{})
    if (const auto* e = find(flow.app_proto_expected);
        e != nullptr && e->protocol->probe != nullptr && data.size() >= e->protocol->probe_min &&
        e->protocol->probe(data, dir, flow) == Probe::yes)
      return {e->protocol, false};
  // Those expected on the server's port first, then on the client's, then those that look at any
  // port.
  for (int round = 0; round < 3; ++round)
    for (const auto& e : entries_) {
      const auto& p = *e.protocol;
      if (p.probe == nullptr || (udp ? !p.udp : !p.tcp) || state.refused[d][e.index]) continue;
      const auto& ports = udp ? e.udp : e.tcp;
      const bool server_port = ports.contains(flow.dport), client_port = ports.contains(flow.sport);
      const int when = server_port ? 0 : client_port ? 1 : p.probe_any_port ? 2 : 3;
      if (when != round) continue;
      if (data.size() < p.probe_min) {
        if (!udp) waiting = true;
        continue;
      }
      switch (p.probe(data, dir, flow)) {
        case Probe::yes:
          return {&p, false};
        case Probe::reversed:
          // A lone datagram between ports nobody expects is too little to turn a flow round.
          if (udp && when == 2) {
            state.refused[d].set(e.index);
            break;
          }
          return {&p, true};
        case Probe::maybe:
          if (p.probe_max != 0 && data.size() >= p.probe_max)
            state.refused[d].set(e.index);
          else
            waiting = true;
          break;
        case Probe::no:
          state.refused[d].set(e.index);
          break;
      }
    }
  if (!waiting) state.probes_done[d] = true;
  return {};
}

Detected ProtocolTable::detect(Bytes data, Dir dir, const sig::Flow& flow, DetectionState& state,
                               bool midstream) const {
  const auto d = sig::index(dir);
  if (data.empty()) return {};
  if (!state.patterns_done[d]) {
    if (const auto found = match_patterns(data, dir, flow, state, midstream);
        found.protocol != nullptr) {
      const auto o = 1 - d;
      if (state.probes_done[o] && flow.app_proto_dir[o] == AppProto{}) {
        state.probes_done[o] = false;
        state.refused[o].reset();
      }
      return found;
    }
  }
  if (!state.probes_done[d])
    if (const auto found = run_probes(data, dir, flow, state); found.protocol != nullptr)
      return found;
  return {};
}

}  // namespace ww::sensor
