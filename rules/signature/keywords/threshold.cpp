/// How often a rule may alert: threshold, detection_filter; what follows an alert: tag, bypass,
/// filestore's cousins.
#include "rules/signature/protocols.hpp"

namespace ww::sig {
namespace {

Status threshold(RuleBuilder& b, const Option& o, const Keyword&) {
  auto spec = parse_threshold(o.value, {}, nullptr);
  if (!spec) return bad(spec.error());
  b.rule().threshold = *spec;
  return {};
}
Status detection_filter(RuleBuilder& b, const Option& o, const Keyword&) {
  ThresholdSpec filter;
  filter.type = ThresholdSpec::Type::detection_filter;
  auto spec = parse_threshold(o.value, filter, nullptr);
  if (!spec) return bad(spec.error());
  if (spec->unique != ThresholdSpec::Unique::none) {
    const auto& r = b.rule();
    bool ports = !r.app_protos.empty() || (!r.any_proto && r.protos.any());
    for (std::size_t p = 0; p < r.protos.size() && r.app_protos.empty(); ++p)
      ports = ports && (!r.protos.test(p) || p == 6 || p == 17 || p == 132);
    if (!ports) return bad("unique_on needs a protocol with ports: tcp, udp or sctp");
  }
  b.rule().detection_filter = *spec;
  return {};
}

Status tag(RuleBuilder& b, const Option& o, const Keyword&) {
  TagSpec t;
  const auto parts = split_list(o.value);
  if (parts[0] == "session")
    t.session = true;
  else if (parts[0] == "host")
    t.session = false;
  else
    return bad("starts with session or host");
  if (parts.size() > 1) {
    const auto n = parse_unsigned(parts[1]);
    if (!n || *n > UINT32_MAX) return bad("'" + std::string(parts[1]) + "' is not a count");
    t.count = static_cast<std::uint32_t>(*n);
  }
  if (parts.size() > 2) {
    if (parts[2] == "packets")
      t.metric = TagSpec::Metric::packets;
    else if (parts[2] == "seconds")
      t.metric = TagSpec::Metric::seconds;
    else if (parts[2] == "bytes")
      t.metric = TagSpec::Metric::octets;
    else
      return bad("counts packets, seconds or bytes");
  }
  if (parts.size() > 3) {
    if (parts[3] == "src")
      t.src = true;
    else if (parts[3] == "dst")
      t.src = false;
    else
      return bad("side is src or dst");
  } else if (!t.session) {
    t.src = false;
  }
  b.rule().tags.push_back(t);
  return {};
}

Status bypass(RuleBuilder& b, const Option&, const Keyword&) {
  b.rule().bypass = true;
  return {};
}
Status prefilter(RuleBuilder&, const Option&, const Keyword&) {
  return {};
}  // candidates are chosen by the engine

const KeywordRegistration registration{{
    {.name = "threshold",
     .group = "alerting",
     .summary = "limit alerts by count and time",
     .example = "threshold:type limit,track by_src,count 1,seconds 60;",
     .notes = "type limit, threshold, both or backoff (with multiplier); track by_src, by_dst, "
              "by_both, by_rule, by_flow",
     .setup = &threshold,
     .once = true},
    {.name = "detection_filter",
     .group = "alerting",
     .summary = "alert after so many matches in a time",
     .example = "detection_filter:track by_src,count 10,seconds 60;",
     .notes = "unique_on src_port or dst_port counts different ports, not matches",
     .setup = &detection_filter,
     .once = true},
    {.name = "tag",
     .group = "alerting",
     .summary = "log packets of the session or host after the alert",
     .example = "tag:session,10,packets;",
     .setup = &tag},
    {.name = "bypass",
     .group = "alerting",
     .summary = "stop looking at the flow after the match",
     .example = "bypass;",
     .value = Keyword::Value::none,
     .setup = &bypass},
    {.name = "prefilter",
     .group = "alerting",
     .summary = "accepted: the engine chooses candidates itself",
     .example = "ttl:3; prefilter;",
     .value = Keyword::Value::none,
     .setup = &prefilter},
}};

}  // namespace
}  // namespace ww::sig
