#include "sensors/stream/stream_options.hpp"

#include <algorithm>

namespace ww::sensor {
namespace {

UrgentPolicy urgent_policy(std::string_view text, UrgentPolicy fallback) {
  if (text == "inline") return UrgentPolicy::inlined;
  if (text == "drop") return UrgentPolicy::drop;
  if (text == "oob") return UrgentPolicy::oob;
  if (text == "gap") return UrgentPolicy::gap;
  return fallback;
}

}  // namespace

OverlapPolicy StreamOptions::policy_for(const IpAddress& address) const {
  for (const auto& h : hosts)
    if (h.network.contains(address)) return h.policy;
  return default_policy;
}

StreamOptions StreamOptions::from(const Settings& s) {
  StreamOptions o;
  o.midstream = s.flag_or("stream.midstream", false);
  o.async_oneside = s.flag_or("stream.async-oneside", false);
  o.inline_mode = s.text_or("stream.inline", "auto") != "auto" && s.flag_or("stream.inline", false);
  o.checksum_validation = s.flag_or("stream.checksum-validation", true);
  o.drop_invalid = s.flag_or("stream.drop-invalid", true);
  o.session_cap = s.size_or("stream.memcap", o.session_cap);
  o.reassembly_cap = s.size_or("stream.reassembly.memcap", o.reassembly_cap);
  o.depth = s.size_or("stream.reassembly.depth", o.depth);
  o.chunk[0] = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(s.size_or("stream.reassembly.toserver-chunk-size", 2560), 65535));
  o.chunk[1] = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(s.size_or("stream.reassembly.toclient-chunk-size", 2560), 65535));
  o.raw = s.flag_or("stream.reassembly.raw", true);
  o.max_regions = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(s.integer_or("stream.reassembly.max-regions", 8), 1, 1024));
  o.max_synack_queued = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(s.integer_or("stream.max-synack-queued", 5), 0, 255));
  o.max_syn_queued = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(s.integer_or("stream.max-syn-queued", 10), 0, 255));
  o.urgent = urgent_policy(s.text_or("stream.reassembly.urgent.policy", "oob"), UrgentPolicy::oob);
  o.urgent_limit = urgent_policy(s.text_or("stream.reassembly.urgent.oob-limit-policy", "drop"),
                                 UrgentPolicy::drop);
  o.bypass = s.flag_or("stream.bypass", false);
  o.check_overlap = s.flag_or("stream.reassembly.check-overlap-different-data", false);
  o.midstream_policy =
      s.text_or("stream.midstream-policy", s.text_or("exception-policy", "ignore"));
  if (o.midstream_policy == "auto") o.midstream_policy = "ignore";
  for (const auto& name : s.children("host-os-policy")) {
    const auto policy = overlap_policy(name);
    if (!policy) continue;
    for (const auto& text : s.list("host-os-policy." + name))
      if (const auto network = parse_network(text)) o.hosts.push_back({*network, *policy});
  }
  std::stable_sort(o.hosts.begin(), o.hosts.end(), [](const HostPolicy& a, const HostPolicy& b) {
    return a.network.prefix > b.network.prefix;
  });
  return o;
}

}  // namespace ww::sensor
