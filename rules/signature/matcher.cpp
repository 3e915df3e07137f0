#include "rules/signature/matcher.hpp"

#include <hs.h>

#include <algorithm>
#include <atomic>

namespace ww::sig {

namespace {
std::atomic<std::uint64_t> generations{0};
}

std::unique_ptr<Matcher> Matcher::create(std::shared_ptr<const Engine> engine) {
  auto compiled = std::dynamic_pointer_cast<const CompiledEngine>(engine);
  return compiled ? std::make_unique<WorkerMatcher>(std::move(compiled)) : nullptr;
}

WorkerMatcher::WorkerMatcher(std::shared_ptr<const CompiledEngine> engine) {
  adopt(std::move(engine));
}

WorkerMatcher::~WorkerMatcher() {
  if (hs_) hs_free_scratch(hs_);
}

void WorkerMatcher::adopt(std::shared_ptr<const CompiledEngine> engine) {
  engine_ = std::move(engine);
  generation_ = ++generations;
  for (const auto& s : engine_->scanners)
    if (s.database()) hs_alloc_scratch(s.database(), &hs_);
  stamp_.assign(engine_->rules.size(), 0);
  round_ = 0;
  candidates_.reserve(1024);
  tx_hits_.reserve(1024);
  queue_.reserve(256);
  alerts_.reserve(64);
  services_.shared = engine_->shared.get();
  scratch_.step_limit = engine_->step_limit;
  scratch_.gates = &gates_;
  gates_.bind(engine_->gates, engine_->scanners, hs_, profile_);
  queue_.clear();
  fresh_tags_ = {};
  alerts_.clear();
  set_profile(profile_);
  trace_ = nullptr;
}

void WorkerMatcher::set_profile(MatchProfile* profile) {
  profile_ = profile;
  gates_.set_profile(profile);
  if (profile == nullptr) return;
  profile->rules.assign(engine_->rules.size(), {});
  profile->scans.assign(engine_->scanners.size(), {});
}

void WorkerMatcher::replace(std::shared_ptr<const Engine> engine) {
  if (auto compiled = std::dynamic_pointer_cast<const CompiledEngine>(engine))
    adopt(std::move(compiled));
}

void set_trace(Matcher& matcher, Trace* trace) {
  if (auto* worker = dynamic_cast<WorkerMatcher*>(&matcher)) worker->set_trace(trace);
}

// --------------------------------------------------------------------------- candidates

void WorkerMatcher::collect(std::uint32_t rule) {
  if (stamp_[rule] == round_) return;
  stamp_[rule] = round_;
  candidates_.push_back(rule);
}

void WorkerMatcher::scan(std::uint32_t scanner, Bytes data, void (*f)(void*, std::uint32_t),
                         void* context) {
  if (trace_ != nullptr) [[unlikely]]
    trace_->scanned(scanner, data);
  if (profile_ == nullptr) [[likely]] {
    engine_->scanners[scanner].scan(data, hs_, f, context);
    return;
  }
  struct Counting {
    void (*f)(void*, std::uint32_t);
    void* context;
    std::uint64_t named = 0;
  } counting{f, context};
  const auto from = profile_ticks();
  engine_->scanners[scanner].scan(
      data, hs_,
      [](void* p, std::uint32_t rule) {
        auto& c = *static_cast<Counting*>(p);
        ++c.named;
        c.f(c.context, rule);
      },
      &counting);
  auto& cost = profile_->scans[scanner];
  cost.ticks += profile_ticks() - from;
  ++cost.calls;
  cost.octets += data.size();
  cost.named += counting.named;
}

void WorkerMatcher::scan_payload(std::uint32_t scanner, Bytes data) {
  if (scanner == CompiledEngine::none) return;
  scan(
      scanner, data,
      [](void* self, std::uint32_t rule) { static_cast<WorkerMatcher*>(self)->collect(rule); },
      this);
}

/// Scans what is new of a stream. Rules that an earlier chunk named stay candidates as long as
/// their pattern may still be in view.
void WorkerMatcher::scan_stream(const StreamChunk& chunk) {
  const auto number = engine_->payload_scanner[CompiledEngine::tcp_stream][index(chunk.dir)];
  if (number == CompiledEngine::none) return;
  const auto& scanner = engine_->scanners[number];
  auto& kept = FlowData::of(*services_.packet->flow).stream_hits[index(chunk.dir)];
  if (!kept) kept = std::make_unique<FlowData::StreamHits>();
  auto& state = *kept;
  // What was scanned must be just what was shown before: the sides of a flow may have been
  // exchanged, or a hole may lie between. Else everything is scanned.
  if (state.generation != generation_ || state.scanned_to != chunk.offset + chunk.fresh_from) {
    const bool overflow = state.generation == generation_ && state.overflow;
    state = {};
    state.generation = generation_;
    state.overflow = overflow;
  }
  const auto end = chunk.offset + chunk.data.size();
  const auto overlap = scanner.longest() ? scanner.longest() - 1 : 0;
  std::size_t from = 0;
  if (!state.overflow && state.scanned_to > chunk.offset + overlap)
    from = static_cast<std::size_t>(
        std::min(state.scanned_to - overlap - chunk.offset, end - chunk.offset));
  std::erase_if(state.hits, [&](const auto& h) { return h.until <= chunk.offset; });
  for (const auto& h : state.hits) collect(h.rule);
  struct Context {
    WorkerMatcher* self;
    FlowData::StreamHits* state;
    std::uint64_t end;
  } context{this, &state, end};
  scan(
      number, chunk.data.subspan(from),
      [](void* p, std::uint32_t rule) {
        auto& c = *static_cast<Context*>(p);
        c.self->collect(rule);
        auto& hits = c.state->hits;
        for (auto& h : hits)
          if (h.rule == rule) {
            h.until = c.end;
            return;
          }
        if (hits.size() < FlowData::StreamHits::max)
          hits.push_back({rule, c.end});
        else
          c.state->overflow = true;
      },
      &context);
  state.scanned_to = std::max(state.scanned_to, end);
}

void WorkerMatcher::collect_bucket(const PacketBucket& b) {
  const auto& p = *services_.packet;
  for (const auto r : b.any) collect(r);
  if (!p.has_l4) return;
  if (!b.by_dport.empty())
    if (const auto it = b.by_dport.find(p.dport); it != b.by_dport.end())
      for (const auto r : it->second) collect(r);
  if (!b.by_sport.empty())
    if (const auto it = b.by_sport.find(p.sport); it != b.by_sport.end())
      for (const auto r : it->second) collect(r);
}

// --------------------------------------------------------------------------- header

HeaderPart WorkerMatcher::fit_addresses(const Rule& r) const {
  using H = HeaderPart;
  const auto& p = *services_.packet;
  const auto& e = *engine_;
  const auto fits = [&](const IpAddress& src, const IpAddress& dst, std::uint16_t sport,
                        std::uint16_t dport) {
    if (r.sport && !e.sets.port_set(r.sport).contains(sport)) return H::source_port;
    if (r.dport && !e.sets.port_set(r.dport).contains(dport)) return H::destination_port;
    if (r.src && !e.sets.address_set(r.src).contains(src)) return H::source;
    if (r.dst && !e.sets.address_set(r.dst).contains(dst)) return H::destination;
    return H::held;
  };
  if (r.sport || r.dport) {
    if (p.ip_proto != 6 && p.ip_proto != 17 && p.ip_proto != 132) return H::no_ports;
    if (!p.has_l4 && !p.stream_pseudo) return H::no_ports;
  }
  // `=>` names client and server: a packet back to the client is looked at from the other side.
  if (r.transactional && p.flow && p.dir == Dir::to_client)
    return fits(p.dst, p.src, p.dport, p.sport);
  const auto part = fits(p.src, p.dst, p.sport, p.dport);
  if (part == H::held || !r.bidirectional) return part;
  return std::max(part, fits(p.dst, p.src, p.dport, p.sport));
}

HeaderPart WorkerMatcher::fit_header(const Rule& r) const {
  using H = HeaderPart;
  const auto& p = *services_.packet;
  if (r.pkthdr) {
    if ((r.arp && p.arp.empty()) || (r.ether && p.ethernet.empty())) return H::protocol;
  } else {
    if (p.ip_version == 0) return H::not_ip;
    if (r.ip_versions != 3 && !(r.ip_versions & (p.ip_version == 4 ? 1 : 2))) return H::ip_version;
    if (!r.any_proto && !r.protos.test(p.ip_proto)) return H::protocol;
  }
  const auto& f = r.flow;
  if (f.used) {
    using E = FlowTest::Established;
    if (f.dirs != 3 && !(p.flow && (f.dirs & (1U << index(p.dir))))) return H::direction;
    if (f.established == E::yes && !(p.flow && p.flow_established)) return H::established;
    if (f.established == E::no && p.flow && p.flow_established) return H::established;
    if (f.only_frag && !(p.is_fragment || p.rebuilt)) return H::fragment;
    if (f.no_frag && (p.is_fragment || p.rebuilt)) return H::fragment;
  }
  if (r.dirs != 3 && p.flow && !(r.dirs & (1U << index(p.dir)))) return H::keyword_side;
  if (!r.app_protos.empty() && (!p.flow || std::find(r.app_protos.begin(), r.app_protos.end(),
                                                     p.flow->app_proto) == r.app_protos.end()))
    return H::app_protocol;
  return fit_addresses(r);
}

bool WorkerMatcher::header(const Rule& r) const {
  const auto part = fit_header(r);
  if (scratch_.trace) [[unlikely]]
    scratch_.trace->header(part);
  return part == HeaderPart::held;
}

bool WorkerMatcher::tests(const Rule& r) {
  services_.rule = &r;
  for (const auto& t : r.tests) {
    const bool held =
        !(t.require_packet && services_.packet->stream_pseudo) && t.test(t, services_) != t.negated;
    if (scratch_.trace) [[unlikely]]
      scratch_.trace->test(static_cast<std::size_t>(&t - r.tests.data()), held);
    if (!held) return false;
  }
  return true;
}

// --------------------------------------------------------------------------- payload

bool WorkerMatcher::run_stage(const Stage& stage, const Window& window) {
  if (stage.transforms.empty()) {
    if (scratch_.trace) [[unlikely]]
      scratch_.trace->window(stage, window.data, window.base, true);
    return evaluate(stage, window, scratch_, services_);
  }
  Window w = window;
  const bool transformed = apply_transforms(stage.transforms, window.data, scratch_, w.data);
  if (scratch_.trace) [[unlikely]]
    scratch_.trace->window(stage, transformed ? w.data : window.data, 0, transformed);
  if (!transformed) return false;
  w.base = 0;
  w.fresh_from = 0;
  return evaluate(stage, w, scratch_, services_);
}

bool WorkerMatcher::payload_matches(const Rule& r, const Stage& stage,
                                    std::span<const StreamChunk> chunks, bool& stream_match) {
  const auto& p = *services_.packet;
  if (r.require_stream && p.ip_proto == 6) {
    for (const auto& c : chunks) {
      if (c.dir != p.dir) continue;
      if (scratch_.trace) [[unlikely]]
        scratch_.trace->source(true);
      if (p.flow != nullptr) gates_.enter_stream(FlowData::of(*p.flow), c, generation_);
      const bool held = run_stage(stage, {c.data, c.offset, c.fresh_from, true});
      gates_.leave_stream();
      if (held) {
        stream_match = true;
        return true;
      }
    }
    if (!r.require_packet && (p.in_stream || p.stream_pseudo || r.tcp_stream || r.flow.only_stream))
      return false;
  }
  if (p.stream_pseudo || p.no_payload) return false;
  if (scratch_.trace) [[unlikely]]
    scratch_.trace->source(false);
  return run_stage(stage, {p.payload, 0, 0, true});
}

bool WorkerMatcher::packet_buffers(const Rule& r) {
  for (const auto& s : r.stages)
    if (s.kind == Stage::Kind::packet_buffer) {
      if (services_.packet->stream_pseudo && s.buffer != buffers().find("ip.src") &&
          s.buffer != buffers().find("ip.dst"))
        return false;
      const auto data = s.packet_bytes(*services_.packet);
      if (data.empty() || !run_stage(s, {data, 0, 0, true})) return false;
    }
  return true;
}

bool WorkerMatcher::packet_rule(const Rule& r, std::span<const StreamChunk> chunks,
                                bool& stream_match) {
  if (!header(r)) return false;
  scratch_.captured_flow.clear();
  scratch_.captured_packet.clear();
  scratch_.context.clear();
  if (!tests(r)) return false;
  if (r.type == RuleType::packet && services_.packet->stream_pseudo) return false;
  if (r.payload >= 0 &&
      !payload_matches(r, r.stages[static_cast<std::size_t>(r.payload)], chunks, stream_match))
    return false;
  return packet_buffers(r);
}

// --------------------------------------------------------------------------- rounds

void WorkerMatcher::run_ip_only() {
  const auto& p = *services_.packet;
  if (p.ip_version == 0 || p.stream_pseudo) return;
  if (p.flow) {
    auto& done = FlowData::of(*p.flow).ip_only_done[index(p.dir)];
    if (done) return;
    done = true;
  }
  ++round_;
  candidates_.clear();
  const auto look = [&](const AddressIndex& index, const IpAddress& a) {
    for (const auto r : index.unindexed) collect(r);
    if (a.family != 4 || index.pieces.empty()) return;
    const auto host = a.v4_host();
    auto it =
        std::upper_bound(index.pieces.begin(), index.pieces.end(), host,
                         [](std::uint32_t v, const AddressIndex::Piece& x) { return v < x.from; });
    if (it == index.pieces.begin()) return;
    --it;
    for (auto i = it->first; i < it->first + it->count; ++i) collect(index.rules[i]);
  };
  look(engine_->ip_src, p.src);
  look(engine_->ip_dst, p.dst);
  std::sort(candidates_.begin(), candidates_.end());
  for (const auto i : candidates_) {
    const auto& r = *engine_->rules[i];
    scratch_.context.clear();
    const bool held = [&] {
      RuleTimer timer(profile_, i);
      Watch watch(*this, r, nullptr, nullptr);
      return timer.verdict(watch.verdict(header(r) && tests(r)));
    }();
    if (held) matched(r, nullptr, nullptr, false);
  }
}

void WorkerMatcher::run_proto_only() {
  const auto& p = *services_.packet;
  if (engine_->proto_only.empty() || !p.flow || p.stream_pseudo) return;
  const auto d = index(p.dir);
  // Once a direction, on its first packet after detection has made up its mind about it.
  static const auto failed = app_protos().find("failed");
  if (p.flow->app_proto_dir[d] == AppProto{} && p.flow->app_proto != failed) return;
  auto& done = FlowData::of(*p.flow).proto_only_done[d];
  if (done) return;
  done = true;
  for (const auto i : engine_->proto_only) {
    const auto& r = *engine_->rules[i];
    scratch_.context.clear();
    const bool held = [&] {
      RuleTimer timer(profile_, i);
      Watch watch(*this, r, nullptr, nullptr);
      return timer.verdict(watch.verdict(header(r) && tests(r)));
    }();
    if (held) matched(r, nullptr, nullptr, false);
  }
}

void WorkerMatcher::run_packet_rules(std::span<const StreamChunk> chunks) {
  const auto& p = *services_.packet;
  const auto& e = *engine_;
  ++round_;
  candidates_.clear();
  const auto d = p.flow ? index(p.dir) : 0;
  for (const auto event : p.events())
    if (const auto it = e.by_event.find(static_cast<std::uint16_t>(event)); it != e.by_event.end())
      for (const auto r : it->second) collect(r);
  if (p.ip_version == 0) {
    collect_bucket(e.buckets[4][d]);
  } else {
    if (p.ip_proto == 6) {
      for (const auto& c : chunks)
        if (c.dir == p.dir) {
          if (p.flow)
            scan_stream(c);
          else
            scan_payload(e.payload_scanner[CompiledEngine::tcp_stream][d], c.data);
          for (const auto r : e.stream_always) collect(r);
        }
      if (!p.payload.empty() && !p.stream_pseudo && !p.no_payload) {
        scan_payload(e.payload_scanner[CompiledEngine::tcp_packet][d], p.payload);
        scan_payload(e.payload_scanner[CompiledEngine::tcp_head][d],
                     p.payload.first(std::min(p.payload.size(), e.head_octets[d])));
        if (!p.in_stream) {
          scan_payload(e.payload_scanner[CompiledEngine::tcp_stream][d], p.payload);
          for (const auto r : e.stream_always) collect(r);
        }
      }
    } else if (!p.no_payload) {
      scan_payload(
          e.payload_scanner[p.ip_proto == 17 ? CompiledEngine::udp : CompiledEngine::other][d],
          p.payload);
    }
    const std::size_t bucket = p.ip_proto == 6                       ? 0
                               : p.ip_proto == 17                    ? 1
                               : p.ip_proto == 1 || p.ip_proto == 58 ? 2
                                                                     : 3;
    collect_bucket(e.buckets[bucket][d]);
    if (p.flow)
      for (const auto r : e.by_app[static_cast<std::size_t>(p.flow->app_proto)]) collect(r);
  }
  std::sort(candidates_.begin(), candidates_.end());
  for (const auto i : candidates_) {
    const auto& r = *e.rules[i];
    bool stream_match = false;
    const bool held = [&] {
      RuleTimer timer(profile_, i);
      Watch watch(*this, r, nullptr, nullptr);
      return timer.verdict(watch.verdict(packet_rule(r, chunks, stream_match)));
    }();
    if (held) {
      // A stream match, or a datagram of a known protocol, belongs to the transaction at hand.
      Transaction* tx = nullptr;
      bool guessed = false;
      if (p.flow && (stream_match || (!r.app_protos.empty() && p.ip_proto == 17))) {
        for (auto* t : p.flow->transactions())
          if (!t->inspected_end[index(p.dir)]) {
            tx = t;
            break;
          }
        if (tx && stream_match) {  // so many stream alerts show the transaction, not each
          auto& last = FlowData::of(*p.flow).stream_tx[index(p.dir)];
          if (last.next_id != tx->id + 1) last = {tx->id + 1, 0};
          if (last.told >= e.stream_tx_limit)
            tx = nullptr;
          else
            ++last.told;
        }
      } else if (p.flow && e.guess_tx && !r.app_layer_event_packet) {
        // Nothing but the rule's word ties it to a transaction: only a lone one can be meant.
        if (const auto live = p.flow->transactions(); live.size() == 1) {
          tx = live.front();
          guessed = true;
        }
      }
      matched(r, tx, nullptr, stream_match);
      if (guessed && !queue_.empty() && queue_.back().tx == tx) queue_.back().tx_guessed = true;
    }
  }
}

/// Collects what is held of a frame, and tells up to where in the frame that is.
std::int64_t WorkerMatcher::frame_pieces(const Frame& f) {
  constexpr std::uint64_t max_octets = 1U << 20;
  constexpr std::size_t max_pieces = 256;
  const auto& p = *services_.packet;
  const auto length = f.length >= 0 ? static_cast<std::uint64_t>(f.length) : UINT64_MAX;
  frame_pieces_.clear();
  if (p.ip_proto != 6) {
    if (f.offset >= p.payload.size()) return 0;
    auto data = p.payload.subspan(static_cast<std::size_t>(f.offset));
    data = data.first(static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), length)));
    if (!data.empty()) frame_pieces_.push_back({data, 0});
    return static_cast<std::int64_t>(data.size());
  }
  std::uint64_t at = 0, octets = 0;
  while (at < length && octets < max_octets && frame_pieces_.size() < max_pieces) {
    const auto start = p.flow->stream_held(f.dir, f.offset + at);
    if (start == UINT64_MAX || start - f.offset >= length) break;
    at = start - f.offset;
    const auto data =
        p.flow->stream_window(f.dir, start, std::min(length - at, max_octets - octets));
    if (data.empty()) break;
    frame_pieces_.push_back({data, at});
    at += data.size();
    octets += data.size();
  }
  return static_cast<std::int64_t>(at);
}

void WorkerMatcher::run_frames() {
  auto& p = *services_.packet;
  if (engine_->frame_rules.empty() || !p.flow) return;
  const auto frames = p.flow->frames();
  if (frames.empty()) return;
  auto& data = FlowData::of(*p.flow);
  auto& done = data.frames[index(p.dir)];
  // Progress of frames that are gone is forgotten; ids only grow.
  std::erase_if(done, [&](const auto& x) { return x.id < frames.front().id; });
  std::erase_if(data.frame_alerts, [&](const auto& x) { return x.first < frames.front().id; });
  for (const auto& f : frames) {
    if (f.dir != p.dir) continue;
    auto it = std::find_if(done.begin(), done.end(), [&](const auto& x) { return x.id == f.id; });
    if (it == done.end()) {
      done.push_back({f.id, -1, false});
      it = done.end() - 1;
    }
    if (it->closed) continue;
    // A frame is looked at when it is whole, at the end, and before that after each so many octets
    // more; a hole parts what is held of it.
    constexpr std::int64_t enough = 2500;
    const bool tcp = p.ip_proto == 6;
    const auto have = frame_pieces(f);
    const bool over = p.stream_pseudo || (tcp && p.flow->state == FlowState::closed);
    const bool whole = f.length >= 0 && have >= f.length;
    if (frame_pieces_.empty() || (have <= it->inspected && !whole)) continue;
    if (tcp && !whole && !over && have - std::max<std::int64_t>(it->inspected, 0) < enough)
      continue;
    it->inspected = have;
    it->closed = whole;
    for (const auto i : engine_->frame_rules) {
      const auto& r = *engine_->rules[i];
      RuleTimer timer(profile_, i);
      bool relevant = true;
      for (const auto& s : r.stages)
        if (s.kind == Stage::Kind::frame &&
            std::find(s.frames.begin(), s.frames.end(), f.type) == s.frames.end())
          relevant = false;
      if (!relevant) continue;
      Watch watch(*this, r, nullptr, &f);
      if (!header(r)) continue;
      if (std::find(data.frame_alerts.begin(), data.frame_alerts.end(), std::pair(f.id, i)) !=
          data.frame_alerts.end())
        continue;
      scratch_.context.clear();
      scratch_.captured_flow.clear();
      scratch_.captured_packet.clear();
      if (!tests(r)) continue;
      bool ok = true;
      for (const auto& s : r.stages) {
        if (!ok) break;
        if (s.kind == Stage::Kind::packet_buffer)
          ok = run_stage(s, {s.packet_bytes(p), 0, 0, true});
        else
          ok =
              s.ops.empty() ||
              std::any_of(frame_pieces_.begin(), frame_pieces_.end(), [&](const FramePiece& piece) {
                return run_stage(s, {piece.data, piece.at, 0,
                                     (whole || over) && &piece == &frame_pieces_.back()});
              });
      }
      if (!ok) continue;
      timer.verdict(watch.verdict(true));
      data.frame_alerts.emplace_back(f.id, i);
      Transaction* tx = nullptr;
      for (auto* t : p.flow->transactions())
        if (t->id == f.tx_id) tx = t;
      matched(r, tx, &f, p.ip_proto == 6);
    }
  }
}

// --------------------------------------------------------------------------- entry

void WorkerMatcher::begin(Packet& packet) {
  gates_.next_packet();
  if (early_ != &packet) {
    queue_.clear();
    fresh_tags_ = {};
    packet_vars_.clear();
  }
  early_ = nullptr;
  alerts_.clear();
  vars_of_ = &packet;
  services_.packet = &packet;
  services_.flow = packet.flow;
  services_.dir = packet.dir;
  services_.now_us = packet.time.us;
  services_.tx = nullptr;
  services_.packet_vars = &packet_vars_;
}

void WorkerMatcher::inspect_early(Packet& packet, PacketHook hook) {
  if (hook == PacketHook::pre_flow) early_ = nullptr;  // the first look at any packet
  begin(packet);
  early_ = &packet;
  if (packet.no_inspect || (packet.flow && packet.flow->passed)) return;
  for (const auto i : hook == PacketHook::pre_flow ? engine_->pre_flow : engine_->pre_stream) {
    const auto& r = *engine_->rules[i];
    const bool held = [&] {
      RuleTimer timer(profile_, i);
      Watch watch(*this, r, nullptr, nullptr);
      bool stream_match = false;
      return timer.verdict(watch.verdict(packet_rule(r, {}, stream_match)));
    }();
    if (held) matched(r, nullptr, nullptr, false);
  }
}

std::span<const Alert> WorkerMatcher::inspect(Packet& packet, std::span<const StreamChunk> chunks) {
  begin(packet);
  if (round_ > UINT32_MAX - 1024) {
    std::fill(stamp_.begin(), stamp_.end(), 0U);
    round_ = 0;
  }
  if (packet.no_inspect || (packet.flow && packet.flow->passed)) {
    if (trace_ != nullptr) [[unlikely]]
      trace_->skipped(packet);
    if (packet.flow) store_files(*packet.flow);
    return {};
  }
  if (trace_ != nullptr) [[unlikely]]
    trace_->packet(packet, fit_header(trace_->rule));
  if (packet.flow && packet.flow->engine == nullptr) FlowData::of(*packet.flow);
  run_ip_only();
  run_packet_rules(chunks);
  run_proto_only();
  if (packet.flow) {
    run_frames();
    run_transactions(chunks);
  }
  if (!queue_.empty()) finalize(packet);
  if (packet.flow) store_files(*packet.flow);
  return alerts_;
}

}  // namespace ww::sig
