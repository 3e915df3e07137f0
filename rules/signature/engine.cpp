#include "rules/signature/engine.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "rules/signature/compiled.hpp"
#include "rules/signature/pcre.hpp"

namespace ww::sig {

namespace {

const File* nth_file(const Transaction& tx, Dir dir, std::uint32_t i) {
  for (const auto* f : tx.files)
    if (f != nullptr && f->dir == dir && i-- == 0) return f;
  return nullptr;
}
BufferStatus get_file_name(const Transaction& tx, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto* f = nth_file(tx, dir, i);
  if (f == nullptr) return tx.complete[index(dir)] ? BufferStatus::absent : BufferStatus::not_ready;
  out.data = as_bytes(f->name);
  return BufferStatus::ready;
}
BufferStatus get_file_magic(const Transaction& tx, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto* f = nth_file(tx, dir, i);
  const bool open =
      f == nullptr ? !tx.complete[index(dir)] : f->magic.empty() && f->state == FileState::open;
  if (open) return BufferStatus::not_ready;
  if (f == nullptr) return BufferStatus::absent;
  out.data = as_bytes(f->magic);
  return BufferStatus::ready;
}

constexpr std::size_t max_ports_indexed = 64;
/// From so many patterns on, databases are compiled while no rule is held in memory.
constexpr std::size_t compile_apart_from = 2000;

std::size_t port_count(const PortSet& set) {
  std::size_t n = 0;
  for (const auto& [a, b] : set.items()) n += static_cast<std::size_t>(b - a) + 1;
  return n;
}

const ProtocolBuffers* registered(AppProto proto) {
  for (const auto& p : protocol_buffers())
    if (p.proto == proto) return &p;
  return nullptr;
}

std::string transform_names(const Stage& s) {
  std::string out;
  for (const auto& t : s.transforms) (out += '|') += t.name;
  return out;
}

}  // namespace

CompiledEngine::~CompiledEngine() = default;

std::uint32_t CompiledEngine::scanner_for(const std::string& name) {
  const auto [it, fresh] =
      scanner_names_.try_emplace(name, static_cast<std::uint32_t>(scanners.size()));
  if (fresh) {
    scanners.emplace_back();
    scanners.back().name = name;
  }
  return it->second;
}

EngineFigures CompiledEngine::figures() const {
  EngineFigures f;
  f.rules = rules.size();
  f.from_cache = from_cache;
  f.refused = refused;
  f.left_out = left_out;
  f.loaded = loaded;
  for (const auto& s : scanners) {
    f.patterns += s.pattern_count();
    f.databases += s.database() != nullptr;
    f.database_octets += s.octets();
  }
  for (const auto& r : rules) f.without_fast_pattern += r->fast_stage < 0;
  return f;
}

std::vector<std::string> CompiledEngine::scanner_names() const {
  std::vector<std::string> out;
  for (const auto& s : scanners) out.push_back(s.name);
  return out;
}

// --------------------------------------------------------------------------- transactions

void CompiledEngine::bind(RuleSet&, LoadReport& report) {
  std::vector<AppProto> everything;
  for (const auto& p : protocol_buffers()) everything.push_back(p.proto);

  // A getter of `proto` for the stage in direction `dir`; false when the protocol does not offer
  // it.
  const auto find = [](const Stage& s, AppProto proto, Dir dir, BoundStage& out) {
    out.stage = &s;
    out.dir = dir;
    if (s.only_dir && *s.only_dir != dir) return false;
    if (s.kind == Stage::Kind::event || s.kind == Stage::Kind::file ||
        s.kind == Stage::Kind::hook || s.kind == Stage::Kind::payload ||
        s.kind == Stage::Kind::packet_buffer)
      return true;
    const auto* p = registered(proto);
    if (!p) return false;
    if (s.kind == Stage::Kind::buffer) {
      for (const auto& b : p->buffers)
        if (b.id == s.buffer && b.dir == dir) {
          out.buffer = b.get;
          out.from_files = b.file;
          return true;
        }
      // Names and types are the same for whatever protocol has files.
      static const auto file_name = buffers().intern("file.name"),
                        file_magic = buffers().intern("file.magic");
      if (s.buffer != file_name && s.buffer != file_magic) return false;
      for (const auto& b : p->buffers)
        if (b.file && b.dir == dir) {
          out.buffer = s.buffer == file_name ? &get_file_name : &get_file_magic;
          return true;
        }
      return false;
    }
    for (const auto& n : p->numbers)
      if (n.id == s.number && n.dir == dir) {
        out.number = n.get;
        return true;
      }
    return false;
  };

  std::set<std::string> unknown;
  std::vector<bool> drop(rules.size(), false);
  for (const auto& rule : rules) {
    if (rule->type != RuleType::transaction) continue;
    const auto& protos = rule->app_protos.empty() ? everything : rule->app_protos;
    bool any = false, all_offered_somewhere = false;
    for (const auto proto : protos) {
      if (static_cast<std::size_t>(proto) == 0) continue;
      const auto keep = [&](std::vector<BoundStage>& stages, Dir dir, bool both) {
        TxRule tx;
        tx.rule = rule.get();
        tx.first = static_cast<std::uint32_t>(bound.size());
        tx.count = static_cast<std::uint32_t>(stages.size());
        tx.both_dirs = both;
        for (const auto& s : stages) tx.has_payload |= s.stage->kind == Stage::Kind::payload;
        bound.insert(bound.end(), stages.begin(), stages.end());
        const auto index = static_cast<std::uint32_t>(tx_rules.size());
        tx_rules.push_back(tx);
        const auto add = [&](Dir d) {
          auto& plan = plans[static_cast<std::size_t>(proto)][sig::index(d)];
          if (!plan) plan = std::make_unique<TxPlan>();
          const BoundStage* fast = nullptr;
          if (rule->fast_stage >= 0)
            for (const auto& s : stages)
              if (s.stage == &rule->stages[static_cast<std::size_t>(rule->fast_stage)]) fast = &s;
          if (!fast) {
            plan->always.push_back(index);
            return;
          }
          if (fast->dir != d) return;
          plan->of_rule.emplace(rule->index, index);
          const auto scanner = scanner_for(std::string(buffers().name(fast->stage->buffer)) +
                                           transform_names(*fast->stage));
          scanners[scanner].add(rule->fast_pattern, rule->fast_nocase, rule->index);
          for (const auto& slot : plan->slots)
            if (slot.scanner == scanner) return;
          plan->slots.push_back({scanner, fast->stage, fast->buffer, fast->from_files});
        };
        if (both) {
          add(Dir::to_server);
          add(Dir::to_client);
        } else {
          add(dir);
        }
        any = true;
      };

      if (rule->transactional) {
        std::vector<BoundStage> stages;
        bool ok = true;
        for (const auto& s : rule->stages) {
          BoundStage ts, tc;
          const bool in_ts = find(s, proto, Dir::to_server, ts),
                     in_tc = find(s, proto, Dir::to_client, tc);
          if (!in_ts && !in_tc) ok = false;
          if (in_ts && in_tc && s.kind == Stage::Kind::buffer) {
            report.problems.push_back({RuleProblem::Severity::error, std::string(rule->info.file),
                                       rule->info.line, 1, rule->info.sid,
                                       "'" + s.name + "' exists in both directions: write " +
                                           s.name + ": to_server or to_client"});
            drop[rule->index] = true;
            ok = false;
            any = true;
          }
          stages.push_back(in_ts ? ts : tc);
          if (!ok) break;
        }
        if (ok) keep(stages, Dir::to_server, true);
        continue;
      }
      bool here = true;
      for (const auto& s : rule->stages) {
        BoundStage ignored;
        here &= find(s, proto, Dir::to_server, ignored) || find(s, proto, Dir::to_client, ignored);
      }
      all_offered_somewhere |= here;
      for (const auto dir : {Dir::to_server, Dir::to_client}) {
        if (!(rule->dirs & (1U << sig::index(dir)))) continue;
        std::vector<BoundStage> stages;
        bool ok = true;
        for (const auto& s : rule->stages) {
          BoundStage b;
          if (!find(s, proto, dir, b)) {
            ok = false;
            break;
          }
          stages.push_back(b);
        }
        if (ok) keep(stages, dir, false);
      }
    }
    if (any) continue;
    if (all_offered_somewhere) {
      report.problems.push_back({RuleProblem::Severity::error, std::string(rule->info.file),
                                 rule->info.line, 1, rule->info.sid,
                                 "its keywords look at opposite directions; use => instead of -> "
                                 "to match request and response together"});
      drop[rule->index] = true;
      continue;
    }
    std::string missing;
    for (const auto& s : rule->stages) {
      bool offered = s.kind != Stage::Kind::buffer && s.kind != Stage::Kind::number;
      for (const auto proto : protos) {
        BoundStage ignored;
        offered |=
            find(s, proto, Dir::to_server, ignored) || find(s, proto, Dir::to_client, ignored);
      }
      if (!offered) missing = s.name;
    }
    report.problems.push_back(
        {RuleProblem::Severity::warning, std::string(rule->info.file), rule->info.line, 1,
         rule->info.sid,
         missing.empty() ? "no protocol offers all its keywords together: it cannot match"
                         : "no protocol parser offers '" + missing + "': it cannot match"});
  }
  for (std::size_t i = 0; i < drop.size(); ++i)
    if (drop[i]) {
      ++report.refused;
      --report.loaded;
    }
}

// --------------------------------------------------------------------------- packets

void CompiledEngine::index_packets() {
  for (auto& by_dir : payload_scanner) by_dir.fill(none);
  const auto scanner = [&](Transport t, std::size_t d) -> Scanner& {
    static constexpr const char* names[] = {"tcp packet", "tcp packet start", "tcp stream", "udp",
                                            "other"};
    if (payload_scanner[t][d] == none)
      payload_scanner[t][d] =
          scanner_for(std::string("payload ") + names[t] + (d ? " to client" : " to server"));
    return scanners[payload_scanner[t][d]];
  };
  for (const auto& rule : rules) {
    const Rule& r = *rule;
    for (const auto& s : r.stages)
      for (const auto& t : s.file_tests) {
        md5 |= t.text == "md5";
        sha1 |= t.text == "sha1";
        sha256 |= t.text == "sha256";
        magic |= t.text == "magic";
      }
    for (const auto& s : r.stages) magic |= s.name == "file.magic";
    stream |= r.require_stream && r.payload >= 0;
    switch (r.type) {
      case RuleType::transaction:
        continue;
      case RuleType::frame:
        frame_rules.push_back(r.index);
        continue;
      case RuleType::proto_only:
        proto_only.push_back(r.index);
        continue;
      case RuleType::ip_only:
        continue;  // index_addresses
      default:
        break;
    }
    if (r.hook == PacketHook::pre_flow || r.hook == PacketHook::pre_stream) {
      (r.hook == PacketHook::pre_flow ? pre_flow : pre_stream).push_back(r.index);
      continue;
    }
    EventId event{};
    for (const auto& t : r.tests)
      if (t.event != EventId{}) event = t.event;
    if (event != EventId{}) {
      by_event[static_cast<std::uint16_t>(event)].push_back(r.index);
      continue;
    }
    const bool tcp = r.any_proto || r.protos.test(6), udp_ok = r.any_proto || r.protos.test(17);
    const bool others =
        r.any_proto ||
        (r.protos.count() > static_cast<std::size_t>(r.protos.test(6)) + r.protos.test(17));
    if (r.payload >= 0 && r.fast_stage == r.payload) {
      for (std::size_t d = 0; d < 2; ++d) {
        if (!(r.dirs & (1U << d))) continue;
        if (tcp && r.require_packet && r.head_end != 0) {
          scanner(tcp_head, d).add(r.head_pattern, r.head_nocase, r.index);
          head_octets[d] = std::max<std::size_t>(head_octets[d], r.head_end);
        } else if (tcp && r.require_packet) {
          scanner(tcp_packet, d).add(r.fast_pattern, r.fast_nocase, r.index);
        }
        if (tcp && r.require_stream)
          scanner(tcp_stream, d).add(r.fast_pattern, r.fast_nocase, r.index);
        if (udp_ok && !r.tcp_stream) scanner(udp, d).add(r.fast_pattern, r.fast_nocase, r.index);
        if (others) scanner(other, d).add(r.fast_pattern, r.fast_nocase, r.index);
      }
      continue;
    }
    if (r.payload >= 0 && r.require_stream) {
      stream_always.push_back(r.index);
      if (!r.require_packet && !udp_ok && !others) continue;
    }
    if (!r.app_protos.empty() && r.sport == 0 && r.dport == 0) {
      for (const auto p : r.app_protos) by_app[static_cast<std::size_t>(p)].push_back(r.index);
      continue;
    }
    for (std::size_t d = 0; d < 2; ++d) {
      if (!(r.dirs & (1U << d))) continue;
      const auto put = [&](PacketBucket& b, bool ports) {
        if (ports && !r.bidirectional && r.dport &&
            port_count(sets.port_set(r.dport)) <= max_ports_indexed) {
          for (const auto& [lo, hi] : sets.port_set(r.dport).items())
            for (std::uint32_t p = lo; p <= hi; ++p)
              b.by_dport[static_cast<std::uint16_t>(p)].push_back(r.index);
        } else if (ports && !r.bidirectional && r.sport &&
                   port_count(sets.port_set(r.sport)) <= max_ports_indexed) {
          for (const auto& [lo, hi] : sets.port_set(r.sport).items())
            for (std::uint32_t p = lo; p <= hi; ++p)
              b.by_sport[static_cast<std::uint16_t>(p)].push_back(r.index);
        } else {
          b.any.push_back(r.index);
        }
      };
      if (r.arp) {
        put(buckets[4][d], false);
        continue;
      }
      if (tcp) put(buckets[0][d], true);
      if (udp_ok) put(buckets[1][d], true);
      if (r.any_proto || r.protos.test(1) || r.protos.test(58)) put(buckets[2][d], false);
      if (others) put(buckets[3][d], false);
      if (r.pkthdr) put(buckets[4][d], false);
    }
  }
}

void CompiledEngine::index_addresses() {
  const auto build = [&](AddressIndex& index, const std::vector<std::uint32_t>& list,
                         bool by_source) {
    std::map<std::uint32_t, std::vector<std::uint32_t>> starts, ends;
    std::set<std::uint32_t> edges;
    for (const auto i : list) {
      const auto& set = sets.address_set(by_source ? rules[i]->src : rules[i]->dst);
      for (const auto& [a, b] : set.v4.items()) {
        starts[a].push_back(i);
        edges.insert(a);
        if (b != UINT32_MAX) {
          ends[b + 1].push_back(i);
          edges.insert(b + 1);
        }
      }
      if (!set.v6.empty()) index.unindexed.push_back(i);
    }
    std::multiset<std::uint32_t> active;
    for (const auto e : edges) {
      for (const auto i : ends[e]) active.erase(active.find(i));
      for (const auto i : starts[e]) active.insert(i);
      index.pieces.push_back({e, static_cast<std::uint32_t>(index.rules.size()),
                              static_cast<std::uint32_t>(active.size())});
      index.rules.insert(index.rules.end(), active.begin(), active.end());
    }
  };
  std::vector<std::uint32_t> by_src, by_dst;
  for (const auto& r : rules) {
    if (r->type != RuleType::ip_only) continue;
    const auto& s = sets.address_set(r->src);
    const auto& d = sets.address_set(r->dst);
    // Sets that hold a large part of the address space select nothing; many rules over them would
    // fill the pieces.
    const auto narrow = [](const AddressSet& a) {
      if (a.any) return false;
      std::uint64_t n = 0;
      for (const auto& [lo, hi] : a.v4.items()) n += std::uint64_t{hi} - lo + 1;
      return n < (1ULL << 28);
    };
    if (r->bidirectional || (!narrow(s) && !narrow(d)))
      ip_src.unindexed.push_back(r->index);
    else if (narrow(s))
      by_src.push_back(r->index);
    else
      by_dst.push_back(r->index);
  }
  build(ip_src, by_src, true);
  build(ip_dst, by_dst, false);
}

// --------------------------------------------------------------------------- gates

void CompiledEngine::make_gates() {
  std::map<std::pair<Gate::Kind, GateExpression>, std::int32_t> made;
  std::array<std::uint32_t, 3> count{};
  for (const auto& rule : rules)
    for (auto& stage : rule->stages) {
      if (!deserves_gate(*rule, stage)) continue;
      for (auto& op : stage.ops) {
        auto* pcre = std::get_if<PcreOp>(&op);
        if (pcre == nullptr) continue;
        const auto e = gate_expression(*pcre);
        if (!e) continue;
        using Kind = Gate::Kind;
        const auto kind = stage.kind != Stage::Kind::payload || rule->fast_stage >= 0 ? Kind::alone
                          : e->longest > 0 ? Kind::piecewise
                                           : Kind::together;
        const auto [it, fresh] =
            made.try_emplace({kind, *e}, static_cast<std::int32_t>(gates.size()));
        pcre->gate = it->second;
        if (!fresh) continue;
        Gate gate;
        gate.kind = kind;
        gate.scanner = scanner_for(kind == Kind::piecewise  ? "payload expressions, piecewise"
                                   : kind == Kind::together ? "payload expressions"
                                                            : "expression " + e->pattern + " " +
                                                                  std::to_string(e->flags));
        gate.number = count[static_cast<std::size_t>(kind)]++;
        scanners[gate.scanner].add_expression(e->pattern, e->flags, gate.number);
        gates.push_back(gate);
      }
    }
}

// --------------------------------------------------------------------------- scanners

Result<void, std::string> Prepared::compile() {
  for (auto& s : scanners) {
    if (auto ok = s.compile(); !ok) return ok;
    databases.add(s.serialise());
    s.drop();
    // The compiler leaves tens of MiB of freed memory behind for each large database.
    if (s.pattern_count() > 100) malloc_trim(0);
  }
  scanners.clear();
  return {};
}

bool CompiledEngine::restore_scanners(const Databases& databases) {
  bool ok = databases.size() == scanners.size();
  for (std::size_t i = 0; ok && i < scanners.size(); ++i) ok = scanners[i].restore(databases[i]);
  if (!ok)
    for (auto& s : scanners) s.drop();
  return ok;
}

Result<bool, std::string> CompiledEngine::compile_scanners(const EngineOptions& options,
                                                           Prepared& prepared) {
  std::size_t patterns = 0;
  for (auto& s : scanners) {
    s.seal();
    patterns += s.pattern_count();
  }
  const auto identity = database_identity(scanners);
  if (prepared.identity == identity && restore_scanners(std::exchange(prepared.databases, {})))
    return true;
  const ScannerCache cache(options.cache_folder);
  if (prepared.identity.empty()) {
    if (const auto kept = cache.load(identity, prepared.problems);
        kept && restore_scanners(*kept)) {
      from_cache = true;
      return true;
    }
    if (patterns >= compile_apart_from) {
      prepared.identity = identity;
      prepared.scanners = std::move(scanners);
      return false;
    }
  }
  Prepared here;
  here.scanners = std::move(scanners);
  scanners.clear();
  for (auto& s : here.scanners) {
    if (auto ok = s.compile(); !ok) return tl::unexpected(ok.error());
    here.databases.add(s.serialise());
  }
  scanners = std::move(here.scanners);
  cache.store(identity, here.databases, prepared.problems);
  return true;
}

Result<bool, std::string> CompiledEngine::build(RuleSet& set, const EngineOptions& options,
                                                Prepared& prepared, LoadReport& report) {
  rules = std::move(set.rules);
  sets = std::move(set.sets);
  bind(set, report);
  index_packets();
  index_addresses();
  make_gates();
  return compile_scanners(options, prepared);
}

// --------------------------------------------------------------------------- load

Result<std::shared_ptr<const Engine>, Problem> Engine::load(const std::vector<std::string>& files,
                                                            const EngineOptions& given,
                                                            LoadReport& report) {
  EngineOptions options = given;
  auto shared =
      options.shared ? options.shared : std::make_shared<SharedState>(options.max_state_octets);
  options.shared = shared;
  std::uint32_t max_alerts = 15, steps = 3000, stream_tx_limit = 4;
  bool guess_tx = false;
  if (const auto* s = options.settings) {
    for (const auto& group : s->children("vars.address-groups"))
      options.address_vars.try_emplace(group, s->text_or("vars.address-groups." + group, "any"));
    for (const auto& group : s->children("vars.port-groups"))
      options.port_vars.try_emplace(group, s->text_or("vars.port-groups." + group, "any"));
    if (options.classification_file.empty())
      options.classification_file = s->text_or("classification-file", "");
    if (options.reference_file.empty())
      options.reference_file = s->text_or("reference-config-file", "");
    if (options.threshold_file.empty()) options.threshold_file = s->text_or("threshold-file", "");
    max_alerts = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(s->integer_or("packet-alert-max", 15), 1, 255));
    steps = static_cast<std::uint32_t>(std::clamp<std::int64_t>(
        s->integer_or("detect.inspection-recursion-limit", 3000), 1, 1'000'000));
    stream_tx_limit = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(s->integer_or("detect.stream-tx-log-limit", 4), 0, 1'000'000));
    guess_tx = s->flag_or("detect.guess-applayer-tx", false);
    const auto match = s->integer_or("pcre.match-limit", 3500),
               depth = s->integer_or("pcre.match-limit-recursion", 1500);
    CompiledPcre::set_limits(
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(match, 1, 10'000'000)),
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(depth, 1, 1'000'000)));
  }
  // The pattern compiler takes twice the memory that all rules do. With many patterns and no cache
  // the rules are therefore read, forgotten while it works, and read again, which takes a tenth of
  // its time: the peak is the larger, not the sum.
  Prepared prepared;
  for (int attempt = 0; attempt < 2; ++attempt) {
    LoadReport mine;
    {
      RuleSet set(options, shared);
      for (const auto& f : files) set.load(f, mine);
      if (!options.threshold_file.empty()) set.load_thresholds(options.threshold_file, mine);
      set.finish(mine);
      auto engine = std::make_shared<CompiledEngine>();
      engine->shared = shared;
      engine->max_alerts = max_alerts;
      engine->stream_tx_limit = stream_tx_limit;
      engine->guess_tx = guess_tx;
      engine->step_limit = steps;
      const auto built = engine->build(set, options, prepared, mine);
      if (!built) {
        report = std::move(mine);
        return fail(Problem{built.error(), "", "report this rule set"});
      }
      if (*built) {
        mine.problems.insert(mine.problems.end(), prepared.problems.begin(),
                             prepared.problems.end());
        engine->refused = mine.refused;
        engine->left_out = mine.left_out;
        engine->loaded = SystemClock().now();
        report = std::move(mine);
        return std::shared_ptr<const Engine>(std::move(engine));
      }
    }
    if (auto ok = prepared.compile(); !ok)
      return fail(Problem{ok.error(), "", "report this rule set"});
    ScannerCache(options.cache_folder)
        .store(prepared.identity, prepared.databases, prepared.problems);
  }
  return fail(Problem{"cannot build the signature engine", "", ""});
}

bool CompiledEngine::wants_keyword(std::string_view prefix) const {
  for (const auto& r : rules)
    for (const auto& s : r->stages)
      if (s.name.starts_with(prefix)) return true;
  return false;
}

}  // namespace ww::sig
