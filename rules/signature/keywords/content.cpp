/// `content` and its modifiers.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

Status add_content(RuleBuilder& b, std::string_view value) {
  ContentOp c;
  value = trim(value);
  if (value.starts_with('!')) {
    c.negated = true;
    value = trim(value.substr(1));
  }
  const auto q = unquote(value);
  if (!q) return bad("needs a pattern in quotes");
  auto octets = decode_content(*q);
  if (!octets) return bad(octets.error());
  c.octets = std::move(*octets);
  if (b.buffer_selected())
    for (const auto& t : b.stage().transforms)
      if (t.can_hold != nullptr && !t.can_hold(c.octets))
        return bad("the pattern cannot be in what " + t.name + " makes of the buffer");
  b.add(std::move(c));
  return {};
}
Status content(RuleBuilder& b, const Option& o, const Keyword&) { return add_content(b, o.value); }

Status uricontent(RuleBuilder& b, const Option& o, const Keyword&) {
  if (b.buffer_selected()) return bad("cannot be used while a sticky buffer is selected");
  if (auto ok = add_content(b, o.value); !ok) return ok;
  const auto* uri = find_keyword("http.uri");
  if (!uri) return bad("the HTTP keywords are not built in");
  if (auto ok = b.restrict_protos(std::string_view(uri->protos)); !ok) return ok;
  return b.move_last(buffer_stage(*uri));
}

template <class F>
Status modify(RuleBuilder& b, const Option& o, F&& f) {
  auto c = b.last_content(o.keyword);
  if (!c) return bad(c.error());
  return f(**c);
}

Status nocase(RuleBuilder& b, const Option& o, const Keyword&) {
  return modify(b, o, [](ContentOp& c) -> Status {
    c.nocase = true;
    return {};
  });
}
Status rawbytes(RuleBuilder&, const Option&, const Keyword&) {
  return {};
}  // payloads are raw as they are
Status startswith(RuleBuilder& b, const Option& o, const Keyword&) {
  return modify(b, o, [](ContentOp& c) -> Status {
    c.startswith = true;
    return {};
  });
}
Status endswith(RuleBuilder& b, const Option& o, const Keyword&) {
  return modify(b, o, [](ContentOp& c) -> Status {
    c.endswith = true;
    return {};
  });
}

template <Operand ContentOp::* Member, bool ContentOp::* Flag, std::int64_t Min>
Status place(RuleBuilder& b, const Option& o, const Keyword& k) {
  const auto v = b.operand(o.value);
  if (!v) return bad(v.error());
  if (v->var < 0 && (v->value < Min || v->value > 1'048'576))
    return bad("'" + std::string(o.value) + "' is out of range");
  return modify(b, o, [&](ContentOp& c) -> Status {
    if (c.*Flag) return bad("'" + k.name + "' is given twice for one content");
    c.*Member = *v;
    c.*Flag = true;
    return {};
  });
}

Status fast_pattern(RuleBuilder& b, const Option& o, const Keyword&) {
  return modify(b, o, [&](ContentOp& c) -> Status {
    c.fast_pattern = true;
    if (!o.has_value || o.value.empty()) return {};
    if (o.value == "only") {
      if (c.negated || c.relative() || c.has_offset || c.has_depth)
        return bad("'only' excludes negation and position modifiers");
      c.fast_pattern_only = true;
      return {};
    }
    const auto parts = split_list(o.value);
    if (parts.size() != 2) return bad("takes nothing, 'only' or offset,length");
    const auto from = parse_unsigned(parts[0]), length = parse_unsigned(parts[1]);
    if (!from || !length || *length == 0 || *from + *length > c.octets.size())
      return bad("offset,length must lie within the content");
    c.chop_offset = static_cast<std::uint16_t>(*from);
    c.chop_length = static_cast<std::uint16_t>(*length);
    return {};
  });
}

Status pkt_data(RuleBuilder& b, const Option&, const Keyword&) {
  b.select_payload();
  return {};
}

using V = Keyword::Value;
const KeywordRegistration registration{{
    {.name = "content",
     .group = "payload",
     .summary = "octets that must (or with ! must not) occur",
     .example = "content:\"GET|20|/\";",
     .setup = &content},
    {.name = "uricontent",
     .group = "payload",
     .summary = "old form of http.uri; content",
     .example = "uricontent:\"/login\";",
     .setup = &uricontent},
    {.name = "nocase",
     .group = "payload",
     .summary = "the content before it in any case",
     .example = "content:\"abc\"; nocase;",
     .value = V::none,
     .setup = &nocase},
    {.name = "rawbytes",
     .group = "payload",
     .summary = "accepted; payloads are always raw",
     .example = "content:\"abc\"; rawbytes;",
     .value = V::none,
     .setup = &rawbytes},
    {.name = "startswith",
     .group = "payload",
     .summary = "the content is at the start of the buffer",
     .example = "content:\"abc\"; startswith;",
     .value = V::none,
     .setup = &startswith},
    {.name = "endswith",
     .group = "payload",
     .summary = "the content is at the end of the buffer",
     .example = "content:\"abc\"; endswith;",
     .value = V::none,
     .setup = &endswith},
    {.name = "offset",
     .group = "payload",
     .summary = "search the content from this octet on",
     .example = "content:\"abc\"; offset:4;",
     .setup = &place<&ContentOp::offset, &ContentOp::has_offset, 0>},
    {.name = "depth",
     .group = "payload",
     .summary = "search the content in so many octets from the offset",
     .example = "content:\"abc\"; depth:20;",
     .setup = &place<&ContentOp::depth, &ContentOp::has_depth, 1>},
    {.name = "distance",
     .group = "payload",
     .summary = "search from so many octets after the match before",
     .example = "content:\"abc\"; content:\"d\"; distance:1;",
     .setup = &place<&ContentOp::distance, &ContentOp::has_distance, -1'048'576>},
    {.name = "within",
     .group = "payload",
     .summary = "the content ends at most so many octets after the match before",
     .example = "content:\"abc\"; content:\"d\"; within:10;",
     .setup = &place<&ContentOp::within, &ContentOp::has_within, 1>},
    {.name = "fast_pattern",
     .group = "payload",
     .summary = "scan for this content first; offset,length takes a part of it",
     .example = "content:\"abcdef\"; fast_pattern:2,4;",
     .value = V::optional,
     .setup = &fast_pattern},
    {.name = "pkt_data",
     .group = "payload",
     .summary = "back from a sticky buffer to the payload",
     .example = "http.uri; content:\"a\"; pkt_data; content:\"b\";",
     .value = V::none,
     .setup = &pkt_data},
    {.name = "replace",
     .group = "payload",
     .summary = "rewrite packets",
     .example = "",
     .refused = "Wardwatch watches traffic and does not change it"},
}};

}  // namespace
}  // namespace ww::sig
