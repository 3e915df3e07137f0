/// `pcre`: Perl-compatible regular expressions, with Suricata's flags for buffers and positions,
/// and captures.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "rules/signature/keyword.hpp"
#include "rules/signature/pcre.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

/// The keyword whose buffer an upper-case flag means, or empty.
std::string_view buffer_of(char flag) {
  switch (flag) {
    case 'U':
      return "http.uri";
    case 'I':
      return "http.uri.raw";
    case 'P':
      return "http.request_body";
    case 'Q':
      return "http.response_body";
    case 'H':
      return "http.header";
    case 'D':
      return "http.header.raw";
    case 'M':
      return "http.method";
    case 'C':
      return "http.cookie";
    case 'S':
      return "http.stat_code";
    case 'Y':
      return "http.stat_msg";
    case 'V':
      return "http.user_agent";
    case 'W':
      return "http.host";
    case 'Z':
      return "http.host.raw";
    default:
      return {};
  }
}

Status captures(std::string_view list, PcreOp& op, RuleBuilder& b) {
  for (const auto part : split_list(list)) {
    const auto colon = part.find(':');
    if (colon == std::string_view::npos)
      return bad("capture '" + std::string(part) + "' needs flow:, pkt: or alert: and a name");
    const auto where = part.substr(0, colon);
    const auto id = variable_id(part.substr(colon + 1));
    using To = PcreOp::Capture::To;
    if (where == "flow") {
      op.captures.push_back({To::flow, id});
      b.rule().order_flowvar = 4;
    } else if (where == "pkt") {
      op.captures.push_back({To::packet, id, part.substr(colon + 1) == "key"});
      b.rule().order_pktvar = 4;
    } else if (where == "alert") {
      op.captures.push_back({To::alert, id});
    } else {
      return bad("capture target '" + std::string(where) + "' is not flow, pkt or alert");
    }
  }
  return {};
}

/// Length of "/expression/flags" where captures follow it inside the quotes
/// ("/a(.)/i, flow:b/c"): their names may hold slashes, and the expression commas.
std::size_t before_captures(std::string_view quoted) {
  for (std::size_t at = 0; (at = quoted.find_first_of(", ", at)) != std::string_view::npos; ++at) {
    const auto rest = quoted.substr(std::min(quoted.find_first_not_of(", ", at), quoted.size()));
    if (!rest.starts_with("flow:") && !rest.starts_with("pkt:") && !rest.starts_with("alert:"))
      continue;
    const auto head = quoted.substr(0, at);
    const auto slash = head.rfind('/');
    if (slash == std::string_view::npos || slash == 0 || head[slash - 1] == '\\') continue;
    const auto flags = head.substr(slash + 1);
    if (std::ranges::all_of(flags, [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }))
      return at;
  }
  return quoted.size();
}

Status setup(RuleBuilder& b, const Option& o, const Keyword&) {
  PcreOp op;
  auto value = trim(o.value);
  if (value.starts_with('!')) {
    op.negated = true;
    value = trim(value.substr(1));
  }
  auto quoted = value;  // quotes may be left out
  std::string_view after;
  if (value.starts_with('"')) {
    // The closing quote is the last one: captures may follow it.
    const auto last = value.rfind('"');
    if (last == 0) return bad("the opening quote has no closing one");
    quoted = value.substr(1, last - 1);
    after = trim(value.substr(last + 1));
  }
  if (after.starts_with(',')) after.remove_prefix(1);
  // Captures may also stand inside the quotes, after the flags.
  const auto length = before_captures(quoted);
  auto inner = quoted.substr(length);
  inner.remove_prefix(std::min(inner.find_first_not_of(", "), inner.size()));
  quoted = quoted.substr(0, length);
  const auto slash = quoted.rfind('/');
  if (!quoted.starts_with('/') || slash == 0 || slash == std::string_view::npos)
    return bad("needs \"/expression/flags\"");
  const auto expression = quoted.substr(1, slash - 1);
  auto flags = quoted.substr(slash + 1);
  if (const auto comma = flags.find(','); comma != std::string_view::npos) {
    inner = flags.substr(comma + 1);
    flags = flags.substr(0, comma);
  }
  std::uint32_t options = 0;
  bool limits = true;
  std::string_view buffer;
  for (const char f : flags) {
    switch (f) {
      case 'i':
        options |= PCRE2_CASELESS;
        continue;
      case 'm':
        options |= PCRE2_MULTILINE;
        continue;
      case 's':
        options |= PCRE2_DOTALL;
        continue;
      case 'x':
        options |= PCRE2_EXTENDED;
        continue;
      case 'A':
        options |= PCRE2_ANCHORED;
        continue;
      case 'E':
        options |= PCRE2_DOLLAR_ENDONLY;
        continue;
      case 'G':
        options |= PCRE2_UNGREEDY;
        continue;
      case 'R':
        op.relative = true;
        continue;
      case 'B':
        continue;
      case 'O':
        limits = false;
        continue;
      case ' ':
        continue;
      default:
        break;
    }
    const auto wanted = buffer_of(f);
    if (wanted.empty()) return bad(std::string("unknown flag '") + f + "'");
    if (!buffer.empty() && buffer != wanted) return bad("two flags name different buffers");
    buffer = wanted;
  }
  // `\/` and `\"` are how rules write a slash and a quote; PCRE reads both the same.
  auto code = CompiledPcre::compile(expression, options, limits);
  if (!code) return bad(code.error());
  op.code = std::move(*code);
  for (const auto list : {inner, after})
    if (auto ok = captures(list, op, b); !ok) return ok;
  if (op.captures.empty()) {
    // Old form: a group named flow_x or pkt_x.
    const auto at = expression.find("(?P<");
    if (at != std::string_view::npos) {
      auto name = expression.substr(at + 4);
      name = name.substr(0, name.find('>'));
      if (name.starts_with("flow_")) {
        op.captures.push_back({PcreOp::Capture::To::flow, variable_id(name.substr(5))});
        b.rule().order_flowvar = 4;
      } else if (name.starts_with("pkt_")) {
        op.captures.push_back({PcreOp::Capture::To::packet, variable_id(name.substr(4))});
        b.rule().order_pktvar = 4;
      }
    }
  } else if (op.captures.size() > op.code->groups()) {
    return bad("more capture names than groups in the expression");
  }
  if (buffer.empty()) {
    b.add(std::move(op));
    return {};
  }
  const auto* k = find_keyword(buffer);
  if (!k) return bad("the HTTP keywords are not built in");
  if (b.buffer_selected()) {
    const auto selected = buffers().name(b.selected());
    // file.data of HTTP is the response body, which Q has always meant.
    if (selected != k->buffer && !(k->buffer == "http.response_body" && selected == "file.data"))
      return bad("its flag names another buffer than the sticky buffer that is selected");
    b.add(std::move(op));
    return {};
  }
  if (auto ok = b.restrict_protos(std::string_view(k->protos)); !ok) return ok;
  b.add(std::move(op));
  return b.move_last(buffer_stage(*k), true);
}

const KeywordRegistration registration{
    {.name = "pcre",
     .group = "payload",
     .summary = "a Perl-compatible regular expression",
     .example = "content:\"id=\"; pcre:\"/^[0-9]{4}/R\";",
     .notes =
         "Flags: i m s x A E G; R relative to the match before; O lifts the match limits; B raw. "
         "Old rules name buffers: U I P Q H D M C S Y V W Z. Captures: "
         "pcre:\"/(\\w+)/,flow:name\"; pkt:key,pkt:value takes a name and its value from two "
         "groups.",
     .setup = &setup}};

}  // namespace
}  // namespace ww::sig
