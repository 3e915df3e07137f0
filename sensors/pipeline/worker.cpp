#include "sensors/pipeline/worker.hpp"

#include <algorithm>
#include <cstring>
#include <random>

namespace ww::sensor {
namespace {

constexpr int dlt_raw = 12;
constexpr std::size_t flow_cost =
    1024;  ///< octets of memcap that a flow with its application state stands for

std::size_t share(std::uint64_t cap, std::size_t workers) {
  return static_cast<std::size_t>(cap / std::max<std::size_t>(workers, 1));
}

/// Live traffic is hostile to hash tables; a replay must give the same result twice.
FlowOptions seeded(FlowOptions options, bool live) {
  if (live && options.hash_seed == 0) {
    std::random_device random;
    options.hash_seed = (std::uint64_t{random()} << 32) | random();
  }
  return options;
}

/// Does the rule's header name an application protocol? Its drop then means the whole flow, not one
/// packet.
bool for_application(const sig::RuleInfo& rule) {
  const std::string_view text = rule.text;
  const auto from = text.find_first_of(" \t");
  if (from == std::string_view::npos) return false;
  const auto at = text.find_first_not_of(" \t", from);
  if (at == std::string_view::npos) return false;
  const auto name = text.substr(at, text.find_first_of(" \t", at) - at);
  const auto& all = protocols();
  return std::any_of(all.begin(), all.end(), [&](const Protocol& p) {
    return p.name == name ||
           std::find(p.rule_names.begin(), p.rule_names.end(), name) != p.rule_names.end();
  });
}

}  // namespace

PipelineShared::PipelineShared(const Settings& s)
    : settings(s),
      eve(settings),
      protocols(settings),
      flows(FlowOptions::from(settings)),
      streams(StreamOptions::from(settings)),
      files(FileOptions::from_settings(settings, settings.text_or("default-log-dir", "."))) {}

Worker::Worker(PipelineShared& shared, std::vector<std::shared_ptr<EventSink>> sinks,
               std::shared_ptr<const sig::Engine> engine)
    : settings_(shared.settings),
      decoder_(settings_, shared.checksums, shared.on_checksums),
      app_(shared.protocols, settings_, shared.files, shared.expectations),
      streams_(shared.streams, app_, share(shared.streams.session_cap, shared.workers),
               share(shared.streams.reassembly_cap, shared.workers)),
      files_(shared.files),
      eve_(shared.eve, std::move(sinks), shared.files),
      macs_(shared.eve.any_ethernet()),
      flows_(
          seeded(shared.flows, shared.live),
          share(shared.flows.memory_cap, shared.workers) / flow_cost,
          [this](Flow& f, FlowEnd reason) { end_flow(f, reason); },
          [this](const Flow& f, const sig::Packet& p) { return streams_.reuses(f, p); }) {
  app_.attach(streams_);
  note_wishes(engine.get());
  if (engine && engine->rule_count() != 0) matcher_ = sig::Matcher::create(std::move(engine));
  take_rules();
}

Worker::~Worker() = default;

void Worker::replace_engine(std::shared_ptr<const sig::Engine> engine) {
  note_wishes(engine.get());
  if (matcher_)
    matcher_->replace(std::move(engine));
  else if (engine && engine->rule_count() != 0)
    matcher_ = sig::Matcher::create(std::move(engine));
  take_rules();
}

void Worker::note_wishes(const sig::Engine* engine) {
  wants_frames_ = engine != nullptr && engine->wants_frames();
  early_flow_ = engine != nullptr && engine->wants_early(sig::PacketHook::pre_flow);
  early_stream_ = engine != nullptr && engine->wants_early(sig::PacketHook::pre_stream);
}

void Worker::take_rules() {
  app_.expect_rules(matcher_ != nullptr, wants_frames_);
  eve_.set_matcher(matcher_.get());
}

void Worker::frame(Bytes octets, int datalink, Timestamp time, std::uint64_t number,
                   std::uint16_t interface_index) {
  ++packets_;
  octets_ += octets.size();
  flows_.advance(time);
  decoder_.decode(octets, datalink, time, number, *this, interface_index);
}

void Worker::idle(Timestamp now) {
  flows_.advance(now);
  eve_.flush();
}

namespace {
/// Is no more read of a connection, because it is long or encrypted?
bool over(const Flow& flow) {
  const auto* app = AppLayer::of(flow);
  return (app != nullptr && app->payload_bypassed) ||
         StreamTracker::depth_reached(flow, Dir::to_server) ||
         StreamTracker::depth_reached(flow, Dir::to_client);
}
}  // namespace

void Worker::packet(sig::Packet& p) {
  if (early_flow_) matcher_->inspect_early(p, sig::PacketHook::pre_flow);
  auto* flow = p.untracked ? nullptr : flows_.take(p);
  if (flow != nullptr && flow->state == sig::FlowState::bypassed) return;  // counted, no more
  if (flow != nullptr) {
    if (flow->counters[0].packets + flow->counters[1].packets == 1) app_.greet(*flow);
    if (macs_ && p.ethernet.size() >= 12) {
      if (!flow->macs) flow->macs = std::make_unique<MacSet>();
      flow->macs->add(p.ethernet.data() + 6, p.ethernet.data(), p.dir);
    }
    p.no_payload = flow->no_payload;
    if (stopped(*flow)) {
      inspect(p, flow);
      return;
    }
    const bool tcp = p.ip_proto == 6 && flow->ip_proto == 6;
    const auto before = flow->state;
    // What `flow:established` means was decided before this packet had its own effect.
    if (before == sig::FlowState::established) {
      p.flow_established = true;
    } else if (flow->ip_proto == 6) {
      const auto* s = StreamTracker::session(*flow);
      p.flow_established = s != nullptr && s->state >= TcpState::established;
    } else if (flow->seen[0] && flow->seen[1]) {
      p.flow_established = true;
      flow->state = sig::FlowState::established;
    }
    if (early_stream_ && !flow->dropped) matcher_->inspect_early(p, sig::PacketHook::pre_stream);
    if (tcp) {
      streams_.packet(p, *flow);
      before_change(p, *flow);
    } else if (p.ip_proto == 17 && flow->ip_proto == 17) {
      app_.datagram(*flow, p);
    }
    if (flow->state != before) flows_.reschedule(*flow);
  }
  inspect(p, flow);
  if (flow != nullptr && stopped(*flow)) StreamTracker::let_go(*flow);
  if (streams_.options().bypass && flow != nullptr && over(*flow))
    flow->state = sig::FlowState::bypassed;
  if (flow != nullptr && flow->state == sig::FlowState::bypassed) flows_.reschedule(*flow);
}

/// The stream is not followed any further: rules see its files as cut off with this packet.
void Worker::cut_files(Flow& flow, Dir dir) {
  auto* app = AppLayer::of(flow);
  if (app == nullptr || !app->has_files()) return;
  for (auto* tx : app->transactions())
    if (std::ranges::any_of(tx->files, [&](const sig::File* f) {
          return f != nullptr && f->dir == dir && f->state == sig::FileState::open;
        }))
      ++tx->revision;
  app->files().truncate(dir);
  app->news[0] = app->news[1] = true;
}

void Worker::inspect(sig::Packet& p, Flow* flow) {
  const bool tcp = flow != nullptr && flow->ip_proto == 6 && p.ip_proto == 6;
  const bool dropped = flow != nullptr && flow->dropped;
  if (tcp && StreamTracker::depth_reached(*flow, p.dir)) cut_files(*flow, p.dir);
  const bool stops = streams_.options().inline_mode && !p.stream_pseudo;
  if (dropped && stops) {
    // Its receiver never sees this packet, so nothing more is read of the flow.
    eve_.drop(p, nullptr);
    eve_.anomalies(p, flow);
    return;
  }
  if (matcher_ && !dropped) {
    std::span<const sig::StreamChunk> chunks;
    if (tcp) chunks = streams_.raw_chunks(p, *flow);
    const auto found = matcher_->inspect(p, chunks);
    if (!found.empty()) {
      alerts_ += found.size();
      if (flow != nullptr) {
        flow->alerted = true;
        for (const auto& a : found)
          if ((a.action == sig::Action::drop || a.action == sig::Action::reject) &&
              (a.reach == sig::Alert::Reach::flow ||
               (a.reach == sig::Alert::Reach::automatic &&
                (a.stream_match || a.state_match || for_application(*a.rule)))))
            flow->dropped = true;
      }
      eve_.alerts(p, found, matcher_.get(), streams_);
      const auto cause = std::ranges::find_if(found, [](const sig::Alert& a) {
        return a.action == sig::Action::drop || a.action == sig::Action::reject;
      });
      if (stops && cause != found.end()) eve_.drop(p, &*cause);
    }
    if (matcher_->tagged(p)) eve_.tagged(p);
    if (!found.empty()) eve_.metadata(p, found, matcher_.get());
  } else if (tcp) {
    (void)streams_.raw_chunks(p,
                              *flow);  // keeps the raw position moving, so that data is forgotten
  }
  eve_.anomalies(p, flow);
  if (!p.arp.empty()) eve_.arp(p);
  if (flow == nullptr) return;
  if (flow->app) {
    if (AppLayer::of(*flow)->has_files()) {
      auto& files = AppLayer::of(*flow)->files();
      if (tcp && files_.store_follows && files.stored_by_rule())
        streams_.follow(*flow, files_.store_depth);
      files.settle();
    }
    if (AppLayer::of(*flow)->news[sig::index(p.dir)])
      eve_.transactions(p, *flow, matcher_.get(), false);
  }
  if (tcp) {
    streams_.inspected(p, *flow);
    std::uint64_t keep = UINT64_MAX;
    if (flow->app && wants_frames_)
      if (const auto* t = StreamTracker::session(*flow))
        keep = AppLayer::of(*flow)->frames_wanted_from(p.dir, t->peer(p.dir).app_progress);
    streams_.prune(p, *flow, keep);
  }
  if (flow->app) {
    auto& app = *AppLayer::of(*flow);
    if (app.parser && app.news[sig::index(p.dir)]) {
      app.news[sig::index(p.dir)] = false;
      // Complete in this direction and looked at: detection is done with it.
      bool any = false;
      for (auto* tx : app.transactions()) {
        if (tx->complete[sig::index(p.dir)]) tx->inspected_end[sig::index(p.dir)] = true;
        any = any || tx->complete[0] || tx->complete[1];
      }
      if (any) release(*flow, false);
    }
    if (tcp)
      if (const auto* s = StreamTracker::session(*flow))
        app.drop_frames(p.dir, std::min(s->peer(p.dir).app_progress, s->peer(p.dir).data.base()));
  }
}

void Worker::release(Flow& flow, bool all) {
  auto& app = *AppLayer::of(flow);
  const auto finished = [&](const sig::Transaction& tx) {
    bool done = all;
    if (!done) {
      const bool complete = (tx.complete[0] || tx.only[1]) && (tx.complete[1] || tx.only[0]);
      const bool seen =
          !matcher_ || ((tx.inspected_end[0] || tx.only[1]) && (tx.inspected_end[1] || tx.only[0]));
      bool files = true;
      for (const auto* f : tx.files) files = files && (f == nullptr || f->logged);
      done = complete && tx.logged && seen && files;
    }
    if (done && app.has_files()) app.files().drop(tx);
    return done;
  };
  app.parser->release(std::cref(finished));  // a copy would be allocated, packet after packet
  if (!app.previous) return;
  app.previous->release(std::cref(finished));
  if (app.previous->transactions().empty()) app.previous.reset();
}

// ------------------------------------------------------------------------------------------ flow
// end

/// Another protocol follows in this connection (CONNECT, STARTTLS, upgrades): what was read of the
/// old one is looked at and logged, for it may be gone when the next packet of its direction comes.
void Worker::before_change(const sig::Packet& p, Flow& flow) {
  auto* app = AppLayer::of(flow);
  if (app == nullptr || !app->change_wanted || app->change_shown || !app->parser) return;
  app->change_shown = true;
  auto* s = StreamTracker::session(flow);
  if (s == nullptr) return;
  for (auto& peer : s->peers) peer.trigger_raw = true;
  app->news[0] = app->news[1] = true;
  const auto first = streams_.options().inline_mode ? p.dir : sig::opposite(p.dir);
  for (const auto dir : {first, sig::opposite(first)}) pseudo(flow, dir, sig::PacketOrigin::stream);
}

/// A packet nobody sent: carries what is left of one direction through detection and logging.
void Worker::pseudo(Flow& flow, Dir dir, sig::PacketOrigin origin) {
  sig::Packet p;
  const bool forth = dir == Dir::to_server;
  p.time = flow.last;
  p.origin = origin;
  p.interface_index = flow.interface_index;
  p.src = forth ? flow.src : flow.dst;
  p.dst = forth ? flow.dst : flow.src;
  p.sport = forth ? flow.sport : flow.dport;
  p.dport = forth ? flow.dport : flow.sport;
  p.ip_version = p.src.family;
  p.ip_proto = flow.ip_proto;
  p.vlan = flow.vlan;
  p.vlan_count = flow.vlan_count;
  p.has_l4 = true;
  p.flow = &flow;
  p.dir = dir;
  p.datalink = dlt_raw;
  p.ttl = 64;
  p.stream_pseudo = true;
  p.no_payload = flow.no_payload;
  p.flow_established = true;
  auto* s = StreamTracker::session(flow);
  std::size_t header = 0;
  auto& b = pseudo_octets_;
  b.fill(0);
  const auto put16 = [&](std::size_t at, std::uint32_t v) {
    b[at] = static_cast<std::uint8_t>(v >> 8);
    b[at + 1] = static_cast<std::uint8_t>(v);
  };
  const auto put32 = [&](std::size_t at, std::uint32_t v) {
    put16(at, v >> 16);
    put16(at + 2, v & 0xffff);
  };
  if (p.ip_version == 4) {
    header = 20;
    b[0] = 0x45;
    put16(2, 40);
    b[8] = 64;
    b[9] = flow.ip_proto;
    std::memcpy(&b[12], p.src.octets.data(), 4);
    std::memcpy(&b[16], p.dst.octets.data(), 4);
  } else {
    header = 40;
    b[0] = 0x60;
    put16(4, 20);
    b[6] = flow.ip_proto;
    b[7] = 64;
    std::memcpy(&b[8], p.src.octets.data(), 16);
    std::memcpy(&b[24], p.dst.octets.data(), 16);
  }
  const std::size_t l4 = flow.ip_proto == 6 ? 20 : 8;
  put16(header, p.sport);
  put16(header + 2, p.dport);
  if (s != nullptr) {
    p.tcp_seq = s->peer(dir).next_seq;
    p.tcp_ack = s->peer(sig::opposite(dir)).last_ack;
    p.tcp_flags = sig::tcp_flag::ack;
    p.tcp_window = 10;
    put32(header + 4, p.tcp_seq);
    put32(header + 8, p.tcp_ack);
    b[header + 12] = 0x50;
    b[header + 13] = p.tcp_flags;
    put16(header + 14, p.tcp_window);
  }
  if (header + l4 <= b.size()) {
    p.ip = Bytes(b).first(header + l4);
    p.frame = p.ip;
    p.ip_header_length = static_cast<std::uint16_t>(header);
    p.l4 = p.ip.subspan(header);
    p.l4_header_length = static_cast<std::uint16_t>(l4);
    p.payload = p.l4.subspan(l4);
  }
  if (flow.ip_proto == 6 && origin == sig::PacketOrigin::flow_timeout) streams_.finish(p, flow);
  inspect(p, &flow);
}

void Worker::end_flow(Flow& flow, FlowEnd reason) {
  if (flow.state == sig::FlowState::bypassed) {  // nothing of it was followed to its end
    eve_.flow_end(flow, reason, matcher_.get());
    return;
  }
  auto* app = AppLayer::of(flow);
  // A body may have ended, and been logged, on a packet of the other direction: it still has to be
  // inspected.
  const auto live = [&] {
    return app != nullptr && app->parser &&
           std::ranges::any_of(app->transactions(), [&](const auto* t) {
             return !t->logged || (matcher_ && ((!t->inspected_end[0] && !t->only[1]) ||
                                                (!t->inspected_end[1] && !t->only[0])));
           });
  };
  if (auto* s = StreamTracker::session(flow); s != nullptr && s->state != TcpState::none) {
    for (const auto dir : {Dir::to_server, Dir::to_client})
      if (!stopped(flow) && (StreamTracker::needs_finish(*s, dir) || live()))
        pseudo(flow, dir, sig::PacketOrigin::flow_timeout);
    app = AppLayer::of(flow);
  }
  if (app != nullptr) {
    sig::Packet p;
    p.time = flow.last;
    p.origin = sig::PacketOrigin::flow_timeout;
    p.src = flow.src;
    p.dst = flow.dst;
    p.sport = flow.sport;
    p.dport = flow.dport;
    p.ip_version = flow.src.family;
    p.ip_proto = flow.ip_proto;
    p.vlan = flow.vlan;
    p.vlan_count = flow.vlan_count;
    p.interface_index = flow.interface_index;
    p.has_l4 = true;
    p.flow = &flow;
    p.stream_pseudo = true;
    app_.finish(flow, p);
    if (app->has_files()) app->files().settle();
    eve_.anomalies(p, &flow);
    eve_.transactions(p, flow, matcher_.get(), true);
    if (app->parser) release(flow, true);
  }
  eve_.flow_end(flow, reason, matcher_.get());
}

void Worker::finish() {
  flows_.end_all(FlowEnd::shutdown);
  eve_.flush();
}

WorkerCounters Worker::counters() {
  WorkerCounters c;
  c.packets = packets_;
  c.octets = octets_;
  c.alerts = alerts_;
  c.flows = flows_.totals();
  c.flows_active = flows_.size();
  c.flow_emergency = flows_.emergency();
  c.streams = streams_.counters();
  c.events_written = eve_.lines();
  c.decoder = decoder_.counters();
  c.app = app_.counters();
  return c;
}

}  // namespace ww::sensor
