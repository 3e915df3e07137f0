/// What a rule says about itself: msg, sid, gid, rev, classtype, priority, reference, metadata,
/// target, requires, noalert.
#include <algorithm>

#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

constexpr std::string_view version =
    "8.0.99";  ///< the Suricata release whose rule language this is

Status number_into(std::uint32_t& to, std::string_view value, std::uint32_t max) {
  if (const auto q = unquote(value)) value = *q;
  const auto v = parse_unsigned(value);
  if (!v || *v > max)
    return bad("'" + std::string(value) + "' is not a number up to " + std::to_string(max));
  to = static_cast<std::uint32_t>(*v);
  return {};
}

Status msg(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto q = unquote(o.value);
  if (!q) return bad("needs text in quotes");
  auto& out = b.rule().info.msg;
  out.clear();
  for (std::size_t i = 0; i < q->size(); ++i) {
    if ((*q)[i] == '\\' && i + 1 < q->size() &&
        std::string_view("\\\";:").find((*q)[i + 1]) != std::string_view::npos)
      ++i;
    out += (*q)[i];
  }
  return {};
}
Status sid(RuleBuilder& b, const Option& o, const Keyword&) {
  if (auto ok = number_into(b.rule().info.sid, o.value, UINT32_MAX); !ok) return ok;
  return b.rule().info.sid ? Status{} : bad("must not be 0");
}
Status gid(RuleBuilder& b, const Option& o, const Keyword&) {
  return number_into(b.rule().info.gid, o.value, UINT32_MAX);
}
Status rev(RuleBuilder& b, const Option& o, const Keyword&) {
  return number_into(b.rule().info.rev, o.value, UINT32_MAX);
}
Status priority(RuleBuilder& b, const Option& o, const Keyword&) {
  return number_into(b.rule().info.priority, o.value, 255);
}
Status classtype(RuleBuilder& b, const Option& o, const Keyword&) {
  b.rule().info.classtype = shared_text(o.value);
  return {};
}
/// Where the option's value stands in the rule's text.
RuleInfo::Span span_of(const Option& o) {
  return {o.column - 1 + static_cast<std::uint32_t>(o.value.data() - o.keyword.data()),
          static_cast<std::uint32_t>(o.value.size())};
}
Status reference(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto comma = o.value.find(',');
  if (comma == std::string_view::npos) return bad("needs type,value");
  b.rule().info.reference_at.push_back({span_of(o), {}});
  return {};
}
Status metadata(RuleBuilder& b, const Option& o, const Keyword&) {
  b.rule().info.metadata_at.push_back(span_of(o));
  return {};
}
Status target(RuleBuilder& b, const Option& o, const Keyword&) {
  if (o.value == "src_ip")
    b.rule().info.target = RuleInfo::Target::src_ip;
  else if (o.value == "dest_ip")
    b.rule().info.target = RuleInfo::Target::dest_ip;
  else
    return bad("is src_ip or dest_ip");
  return {};
}
Status noalert(RuleBuilder& b, const Option&, const Keyword&) {
  b.rule().info.noalert = true;
  return {};
}
Status alert(RuleBuilder& b, const Option&, const Keyword&) {
  b.rule().info.noalert = false;
  return {};
}

/// Compares dotted versions as numbers.
int compare(std::string_view a, std::string_view b) {
  for (;;) {
    const auto x = a.find('.'), y = b.find('.');
    const auto p = parse_unsigned(a.substr(0, x)).value_or(0),
               q = parse_unsigned(b.substr(0, y)).value_or(0);
    if (p != q) return p < q ? -1 : 1;
    const bool end_a = x == std::string_view::npos, end_b = y == std::string_view::npos;
    if (end_a && end_b) return 0;
    a = end_a ? std::string_view() : a.substr(x + 1);
    b = end_b ? std::string_view() : b.substr(y + 1);
  }
}
Result<bool, std::string> version_holds(std::string_view text) {
  // "A B | C": A and B, or C.
  bool any = false;
  for (const auto alternative : split_list(text, '|')) {
    bool all = true;
    const auto words = split_words(alternative);
    if (words.empty()) return bad("an empty version condition");
    for (std::size_t i = 0; i < words.size(); ++i) {
      auto word = words[i];
      std::string_view op;
      for (const std::string_view candidate : {">=", "<=", ">", "<"})
        if (word.starts_with(candidate)) {
          op = candidate;
          break;
        }
      if (op.empty()) return bad("'" + std::string(word) + "' has no comparison");
      word.remove_prefix(op.size());
      if (word.empty() && i + 1 < words.size()) word = words[++i];
      if (word.empty() || word.find_first_not_of("0123456789.") != std::string_view::npos)
        return bad("'" + std::string(word) + "' is not a version");
      const int c = compare(version, word);
      all &= op == ">=" ? c >= 0 : op == "<=" ? c <= 0 : op == ">" ? c > 0 : c < 0;
    }
    any |= all;
  }
  return any;
}

/// Fingerprints that the configuration forbids are no feature of this sensor.
bool switched_off(const RuleBuilder& b, std::string_view feature) {
  if (!feature.starts_with("ja") || b.options().settings == nullptr) return false;
  const auto key = "app-layer.protocols.tls." + std::string(feature.substr(0, 3)) + "-fingerprints";
  const auto value = b.options().settings->text(key);
  return value && parse_flag(*value) == false;
}

Status requires_(RuleBuilder& b, const Option& o, const Keyword&) {
  for (auto part : split_list(o.value)) {
    const auto blank = part.find_first_of(" \t");
    const auto what = part.substr(0, blank);
    const auto value =
        blank == std::string_view::npos ? std::string_view() : trim(part.substr(blank));
    if (what == "version" || what.starts_with('>') || what.starts_with('<')) {
      if (what != "version") {
        b.skipped = "requires '" + std::string(part) + "', which is no known requirement";
        continue;
      }
      const auto ok = version_holds(value);
      if (!ok) return bad(ok.error());
      if (!*ok)
        b.skipped = "requires version " + std::string(value) + "; this is the language of " +
                    std::string(version);
    } else if (what == "feature") {
      static constexpr std::string_view have[] = {
          "output::file-store", "ja3", "ja4", "geoip", "dataset", "datajson", "ja3s"};
      const auto name = lower(value);
      if (std::find(std::begin(have), std::end(have), name) == std::end(have) ||
          switched_off(b, name))
        b.skipped = "requires feature '" + std::string(value) + "'";
    } else if (what == "keyword") {
      const auto* k = find_keyword(value);
      if (!k || !k->refused.empty()) b.skipped = "requires keyword '" + std::string(value) + "'";
    } else {
      b.skipped = "requires '" + std::string(part) + "', which is no known requirement";
    }
  }
  return {};
}

const KeywordRegistration registration{{
    {.name = "nfq_set_mark",
     .group = "alerting",
     .summary = "marks the packet in a netfilter queue",
     .refused = "Wardwatch watches traffic and holds no packets in a queue"},
    {.name = "msg",
     .group = "meta",
     .summary = "text of the alert",
     .example = "msg:\"Backup share opened\";",
     .setup = &msg},
    {.name = "sid",
     .group = "meta",
     .summary = "signature id",
     .example = "sid:1000001;",
     .setup = &sid,
     .once = true},
    {.name = "gid",
     .group = "meta",
     .summary = "group of the signature id",
     .example = "gid:1;",
     .setup = &gid},
    {.name = "rev",
     .group = "meta",
     .summary = "revision",
     .example = "rev:3;",
     .setup = &rev,
     .once = true},
    {.name = "priority",
     .group = "meta",
     .summary = "1 (worst) to 255; stronger than the classtype's",
     .example = "priority:1;",
     .setup = &priority},
    {.name = "classtype",
     .group = "meta",
     .summary = "a class of classification.config: sets category and priority",
     .example = "classtype:trojan-activity;",
     .setup = &classtype},
    {.name = "reference",
     .group = "meta",
     .summary = "where to read on: type,value",
     .example = "reference:cve,2021-44228;",
     .setup = &reference},
    {.name = "metadata",
     .group = "meta",
     .summary = "key value pairs that alerts carry",
     .example = "metadata:created_at 2026_01_01, deployment Perimeter;",
     .setup = &metadata},
    {.name = "target",
     .group = "meta",
     .summary = "which side of the alert is attacked",
     .example = "target:dest_ip;",
     .setup = &target},
    {.name = "noalert",
     .group = "meta",
     .summary = "act (set bits, tag...) but do not alert",
     .example = "flowbits:set,seen; noalert;",
     .value = Keyword::Value::none,
     .setup = &noalert},
    {.name = "alert",
     .group = "meta",
     .summary = "alert, although a keyword asked for silence",
     .example = "alert;",
     .value = Keyword::Value::none,
     .setup = &alert},
    {.name = "requires",
     .group = "meta",
     .summary = "load only when version, feature and keyword are there",
     .example = "requires: version >= 7.0.3 < 9, keyword http.uri;",
     .setup = &requires_},
}};

}  // namespace
}  // namespace ww::sig
