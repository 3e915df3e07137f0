#include "sensors/flow/flow.hpp"

#include <algorithm>

namespace ww::sensor {

std::string_view flow_end_name(FlowEnd reason) {
  switch (reason) {
    case FlowEnd::timeout:
      return "timeout";
    case FlowEnd::forced:
      return "forced";
    case FlowEnd::shutdown:
      return "shutdown";
    case FlowEnd::tcp_reuse:
      return "tcp_reuse";
  }
  return "";
}

std::string_view flow_state_name(sig::FlowState state) {
  switch (state) {
    case sig::FlowState::fresh:
      return "new";
    case sig::FlowState::established:
      return "established";
    case sig::FlowState::closed:
      return "closed";
    case sig::FlowState::bypassed:
      return "bypassed";
  }
  return "";
}

void MacSet::add(const std::uint8_t* source, const std::uint8_t* destination, Dir dir) {
  const auto put = [](std::vector<Mac>& set, const std::uint8_t* octets) {
    Mac mac;
    std::copy_n(octets, mac.size(), mac.begin());
    if (set.size() < max_each && std::find(set.begin(), set.end(), mac) == set.end())
      set.push_back(mac);
  };
  put(dir == Dir::to_server ? src : dst, source);
  put(dir == Dir::to_server ? dst : src, destination);
}

std::uint64_t FlowRate::add(std::size_t dir, Timestamp time, std::uint64_t octets) {
  auto& s = sides_[dir];
  const auto now = time.seconds();
  if (s.ring.empty()) {
    s.ring.assign(seconds_, 0);
    s.last = now;
  }
  const auto place = [&](std::int64_t second) -> std::uint64_t& {
    const auto n = static_cast<std::int64_t>(seconds_);
    return s.ring[static_cast<std::size_t>((second % n + n) % n)];
  };
  if (now - s.last >= static_cast<std::int64_t>(seconds_)) {
    std::fill(s.ring.begin(), s.ring.end(), 0);
    s.sum = 0;
    s.last = now;
  }
  while (s.last < now) {
    auto& old = place(++s.last);
    s.sum -= old;
    old = 0;
  }
  place(s.last) += octets;  // a clock that steps back counts for the newest second
  s.sum += octets;
  return s.sum;
}

Dir Flow::direction(const sig::Packet& p) const {
  const bool ports = ip_proto == 6 || ip_proto == 17 || ip_proto == 132;
  if (ports && p.ip_proto == ip_proto) {
    if (sport != dport) return p.sport == sport ? Dir::to_server : Dir::to_client;
  }
  return p.src == src ? Dir::to_server : Dir::to_client;
}

void Flow::swap_sides() {
  std::swap(src, dst);
  std::swap(sport, dport);
  std::swap(counters[0], counters[1]);
  std::swap(seen[0], seen[1]);
  std::swap(app_proto_dir[0], app_proto_dir[1]);
  std::swap(stream_octets[0], stream_octets[1]);
  std::swap(elephant[0], elephant[1]);
  if (rate) rate->swap_sides();
  std::swap(min_ttl[0], min_ttl[1]);
  std::swap(max_ttl[0], max_ttl[1]);
  std::swap(icmp_type[0], icmp_type[1]);
  std::swap(icmp_code[0], icmp_code[1]);
  if (macs) macs->swap_sides();
  swapped = !swapped;
}

void Flow::reset() {
  // The parts may look at the flow while they go, so they go first.
  app.reset();
  tcp.reset();
  engine.reset();
  macs.reset();
  rate.reset();
  expectation.reset();
  policies.clear();
  id = 0;
  src = dst = {};
  sport = dport = 0;
  ip_proto = 0;
  vlan = {};
  vlan_count = 0;
  start = last = ended = {};
  state = sig::FlowState::fresh;
  for (int d = 0; d < 2; ++d) {
    counters[d] = {};
    seen[d] = false;
    app_proto_dir[d] = {};
    stream_octets[d] = 0;
    min_ttl[d] = max_ttl[d] = icmp_type[d] = icmp_code[d] = 0;
    elephant[d] = drop_logged[d] = false;
  }
  app_proto = app_proto_expected = app_proto_original = {};
  app_proto_done = passed = no_payload = alerted = swapped = logged = dropped = no_tx_log =
      no_flow_log = false;
  parent_id = tx_count = 0;
  hash = 0;
  bucket_next = wheel_next = nullptr;
  wheel_prev = nullptr;
  wheel_second = 0;
  tunnel_depth = 0;
  interface_index = 0;
}

}  // namespace ww::sensor
