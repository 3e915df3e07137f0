/// `wardwatchctl rules explain`: which keyword matched what on a capture, or the first that failed.

#include <cstdio>
#include <memory>
#include <optional>

#include "ctl/commands/command.hpp"
#include "ctl/commands/offline_replay.hpp"
#include "ctl/commands/rules_tools.hpp"
#include "rules/signature/explain.hpp"
#include "rules/signature/rule_text.hpp"
#include "rules/signature/text.hpp"
#include "rules/signature/trace.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::ctl {
namespace {

struct ExplainArguments {
  OfflineReplay replay;
  std::string id;
  sig::ExplainOptions limits;
  bool json = false;
};

struct RuleId {
  std::uint32_t gid = 1, sid = 0;
};

RuleId parse_id(std::string_view text) {
  const auto colon = text.find(':');
  const auto gid = colon == std::string_view::npos ? std::optional<std::uint64_t>(1)
                                                   : sig::parse_unsigned(text.substr(0, colon));
  const auto sid =
      sig::parse_unsigned(colon == std::string_view::npos ? text : text.substr(colon + 1));
  if (!gid || !sid || *gid > UINT32_MAX || *sid > UINT32_MAX || *sid == 0)
    throw Failure{Exit::usage,
                  {"'" + std::string(text) + "' is no rule id", "", "write SID or GID:SID"}};
  return {static_cast<std::uint32_t>(*gid), static_cast<std::uint32_t>(*sid)};
}

// --------------------------------------------------------------------------- for a person

std::string hex_of(std::string_view octets) {
  std::string out;
  append_hex(out, as_bytes(octets), ' ');
  return out;
}

/// Rules and captures are other people's text: no escape sequence reaches the screen as it is.
std::string safe(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7f) {
      out += c;
    } else {
      out += "\\x";
      append_hex(out, Bytes{&u, 1});
    }
  }
  return out;
}

void print_step(const sig::ExplainStep& s) {
  std::printf("  %s  %s", s.held ? "held  " : "FAILED", safe(s.keyword).c_str());
  if (!s.buffer.empty()) {
    std::printf("\n            in %s", safe(s.buffer).c_str());
    if (s.offset) {
      std::printf(" at %llu", static_cast<unsigned long long>(*s.offset));
      if (s.length != 0) std::printf(", %llu octets", static_cast<unsigned long long>(s.length));
    }
  }
  if (!s.note.empty())
    std::printf("%s%s", s.buffer.empty() ? "\n            " : ": ", safe(s.note).c_str());
  std::printf("\n");
  if (s.octets.empty()) return;
  std::printf("            \"%s\"%s\n            %s\n", sig::visible_octets(s.octets).c_str(),
              s.length > s.octets.size() ? " ..." : "", hex_of(s.octets).c_str());
}

void print_try(const sig::ExplainTry& t) {
  if (t.packet != 0)
    std::printf("packet %llu", static_cast<unsigned long long>(t.packet));
  else
    std::printf("end of the flow");
  std::printf(", %s %s -> %s", t.protocol.c_str(), t.source.c_str(), t.destination.c_str());
  if (t.flow != 0) std::printf(", flow %llu", static_cast<unsigned long long>(t.flow));
  if (t.transaction)
    std::printf(", transaction %llu", static_cast<unsigned long long>(*t.transaction));
  if (!t.frame.empty()) std::printf(", frame %s", t.frame.c_str());
  if (!t.fate.empty()) std::printf(": %s", t.fate.c_str());
  if (!t.by.empty()) std::printf(" by %s", t.by.c_str());
  std::printf("\n");
  for (const auto& s : t.steps) print_step(s);
}

void print(const sig::ExplainReport& r) {
  const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
  std::printf("%u:%u rev %u: %s\n%s\n\n", r.gid, r.sid, r.rev, safe(r.msg).c_str(),
              safe(r.text).c_str());
  std::printf("%llu packets inspected, its header fits %llu", n(r.packets), n(r.header_held));
  if (r.skipped != 0) std::printf("; %llu in flows passed before", n(r.skipped));
  if (!r.fast_pattern.empty())
    std::printf("\nfast pattern \"%s\" in %s: found in %llu of %llu looked at",
                sig::visible_octets(r.fast_pattern).c_str(), r.fast_buffer.c_str(), n(r.found),
                n(r.scans));
  std::printf("\n%llu times a candidate, %llu matches, %llu alerts\n", n(r.checks), n(r.matches),
              n(r.alerts));
  for (std::size_t i = 0; i < r.matched.size(); ++i) {
    std::printf("\nmatch %zu: ", i + 1);
    print_try(r.matched[i]);
  }
  if (r.matches > r.matched.size())
    std::printf("\n... and %llu more\n", n(r.matches - r.matched.size()));
  if (!r.reason.empty()) std::printf("\nno alert: %s\n", safe(r.reason).c_str());
  if (r.closest && r.matches == 0) {
    std::printf("\nthe candidate that came furthest: ");
    print_try(*r.closest);
  }
}

// --------------------------------------------------------------------------- for a program

void write_step(JsonWriter& json, const sig::ExplainStep& s) {
  json.begin_object();
  json.field("keyword", s.keyword);
  json.field("held", s.held);
  if (!s.buffer.empty()) json.field("buffer", s.buffer);
  if (s.offset) {
    json.field("offset", *s.offset);
    json.field("length", s.length);
  }
  if (!s.octets.empty()) {
    json.field("octets", sig::visible_octets(s.octets));
    json.key("hex");
    json.value_hex(as_bytes(s.octets));
  }
  if (!s.note.empty()) json.field("note", s.note);
  json.end_object();
}

void write_try(JsonWriter& json, const sig::ExplainTry& t) {
  json.begin_object();
  json.field("packet", t.packet);
  json.field("time_us", t.time_us);
  json.field("protocol", t.protocol);
  json.field("source", t.source);
  json.field("destination", t.destination);
  if (t.flow != 0) json.field("flow_id", t.flow);
  if (t.transaction) json.field("tx_id", *t.transaction);
  if (!t.frame.empty()) json.field("frame", t.frame);
  if (!t.fate.empty()) json.field("fate", t.fate);
  if (!t.by.empty()) json.field("by", t.by);
  if (t.waits) json.field("waits", true);
  json.begin_array("steps");
  for (const auto& s : t.steps) write_step(json, s);
  json.end_array();
  json.end_object();
}

std::string as_json(const sig::ExplainReport& r) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("gid", r.gid);
  json.field("sid", r.sid);
  json.field("rev", r.rev);
  json.field("msg", r.msg);
  json.field("rule", r.text);
  json.field("packets", r.packets);
  json.field("packets_skipped", r.skipped);
  json.field("header_held", r.header_held);
  if (!r.fast_pattern.empty()) {
    json.begin_object("fast_pattern");
    json.field("octets", sig::visible_octets(r.fast_pattern));
    json.field("buffer", r.fast_buffer);
    json.field("scans", r.scans);
    json.field("scanned_octets", r.scanned_octets);
    json.field("found", r.found);
    json.end_object();
  }
  json.field("checks", r.checks);
  json.field("matches", r.matches);
  json.field("alerts", r.alerts);
  json.begin_array("matched");
  for (const auto& t : r.matched) write_try(json, t);
  json.end_array();
  if (!r.reason.empty()) json.field("reason", r.reason);
  if (r.closest) {
    json.key("closest");
    write_try(json, *r.closest);
  }
  json.end_object();
  return out;
}

/// Why a rule that is not loaded is not: it may be switched off in its file.
Problem not_loaded(const ExplainArguments& o, const RuleId& id, Problem problem) {
  for (const auto& path : o.replay.common.rules) {
    const auto rules = sig::read_rule_files(path);
    if (!rules) continue;
    for (const auto& r : *rules)
      if (r.sid == id.sid && r.gid == id.gid && !r.enabled)
        return {"sid " + std::to_string(id.sid) + " is switched off",
                r.file + ":" + std::to_string(r.line), "take the # away to see what it would do"};
  }
  return problem;
}

void explain(ExplainArguments& o, const Context& context) {
  const auto id = parse_id(o.id);
  std::unique_ptr<sig::Explainer> explainer;
  o.replay.run([&](sig::Matcher& m) {
    auto made = sig::Explainer::create(o.replay.engine, id.gid, id.sid, o.limits);
    if (!made) throw Failure{Exit::failed, not_loaded(o, id, made.error())};
    explainer = std::move(*made);
    sig::set_trace(m, &explainer->trace());
  });
  const auto report = explainer->finish();
  if (o.json || context.output == Output::json)
    std::puts(as_json(report).c_str());
  else
    print(report);
}

}  // namespace

void setup_rules_explain(cli::Command group, Context& context) {
  auto command = group.add_command(
      "explain", "what each keyword of a rule matched on a capture, or which one failed first");
  auto options = std::make_shared<ExplainArguments>();
  command.add_option("id", options->id, "SID or GID:SID").required();
  options->replay.add_options(command, true);
  command.add_option("--limit", options->limits.max_matches, "matches that are shown")
      .show_default();
  command.add_option("--octets", options->limits.max_octets, "octets shown of each place")
      .in_range(1, 65535)
      .show_default();
  command.add_flag("--json", options->json, "machine-readable");
  command.callback([options, &context] { explain(*options, context); });
}

}  // namespace ww::ctl
