/// The whole engine over (rules, payload) pairs: the input is rules, a NUL, and payloads parted by
/// NUL NUL. One rule is explained meanwhile: the explanation must count the alerts that came.
#include "rules/signature/compiled.hpp"
#include "rules/signature/explain.hpp"
#include "rules/signature/matcher.hpp"
#include "rules/signature/ruleset.hpp"
#include "rules/signature/trace.hpp"

namespace {
struct FuzzFlow final : ww::sig::Flow {};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww;
  using namespace ww::sig;
  if (size > 16384) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto nul = all.find('\0');
  if (nul == std::string_view::npos) return 0;
  const auto rules = all.substr(0, nul);
  if (rules.find("save") != std::string_view::npos || rules.find("state") != std::string_view::npos)
    return 0;
  EngineOptions options;
  options.base_folder = "/nonexistent";
  options.max_state_octets = 1 << 20;
  auto shared = std::make_shared<SharedState>(options.max_state_octets);
  LoadReport report;
  RuleSet set(options, shared);
  set.load_text(rules, "fuzz", report);
  set.finish(report);
  if (set.rules.empty()) return 0;
  auto engine = std::make_shared<CompiledEngine>();
  engine->shared = shared;
  Prepared prepared;
  if (const auto built = engine->build(set, options, prepared, report); !built || !*built) return 0;
  auto matcher = Matcher::create(engine);
  const auto& watched = engine->rule(size % engine->rule_count());
  auto explainer = Explainer::create(engine, watched.gid, watched.sid);
  if (!explainer) __builtin_trap();
  set_trace(*matcher, &(*explainer)->trace());
  std::uint64_t alerts = 0;
  FuzzFlow flow;
  flow.ip_proto = (size & 1) ? 6 : 17;
  flow.src = *parse_ip("10.0.0.1");
  flow.dst = *parse_ip("192.0.2.1");
  auto rest = all.substr(nul + 1);
  std::uint64_t offset = 0;
  for (int i = 0; i < 8 && !rest.empty(); ++i) {
    const auto end = rest.find(std::string_view("\0\0", 2));
    const auto payload = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    Packet p;
    p.number = static_cast<std::uint64_t>(i) + 1;
    p.time.us = 1'700'000'000'000'000 + i;
    p.ip_version = 4;
    p.ip_proto = flow.ip_proto;
    p.has_l4 = true;
    p.src = flow.src;
    p.dst = flow.dst;
    p.dport = 80;
    p.payload = {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()};
    p.frame = p.l4 = p.ip = p.payload;
    if (engine->wants_early(PacketHook::pre_flow)) matcher->inspect_early(p, PacketHook::pre_flow);
    p.flow = i == 7 || p.untracked ? nullptr : &flow;
    if (p.flow && engine->wants_early(PacketHook::pre_stream))
      matcher->inspect_early(p, PacketHook::pre_stream);
    p.flow_established = true;
    p.in_stream = (i & 1) != 0;
    const StreamChunk chunk{Dir::to_server, p.payload, offset,
                            static_cast<std::uint32_t>(payload.size() / 2), false};
    for (const auto& a :
         matcher->inspect(p, p.ip_proto == 6 ? std::span<const StreamChunk>(&chunk, 1)
                                             : std::span<const StreamChunk>()))
      alerts += a.rule == &watched;
    (void)matcher->tagged(p);
    offset += payload.size();
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    matcher->write_metadata(&p, &flow, json);
    json.end_object();
  }
  if ((*explainer)->finish().alerts != alerts) __builtin_trap();
  return 0;
}
