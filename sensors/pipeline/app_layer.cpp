#include "sensors/pipeline/app_layer.hpp"

#include <algorithm>

namespace ww::sensor {
namespace {

constexpr std::uint64_t detection_limit =
    100'000;  ///< octets of one direction after which detection gives up
constexpr std::uint8_t data_handed_on = 0xff;  ///< TcpSession::first_data once a parser has data

EventId app_event(std::string_view name) { return sig::events().find(name); }

/// What rules look for on the packet that made it known; the flow's own list is for anomaly
/// records.
EventId packet_event_id(std::string_view name) {
  return sig::events().find("applayer." + std::string(name));
}

/// Flow-level events of detection; interned at start-up so that workers only read the table.
const struct DetectionEvents {
  DetectionEvents() {
    for (const auto* n :
         {"applayer_mismatch_protocol_both_directions", "applayer_wrong_direction_first_data",
          "applayer_detect_protocol_only_one_direction", "applayer_proto_detection_skipped",
          "applayer_no_tls_after_starttls", "applayer_unexpected_protocol"}) {
      sig::events().intern(n);
      sig::events().intern("applayer." + std::string(n));
    }
  }
} detection_events;

/// Protocols whose parser must see the client first.
bool client_speaks_first(std::string_view name) { return name == "tls"; }

std::uint8_t bit(Dir d) { return d == Dir::to_server ? 1 : 2; }

/// Where AppCounters count the protocol of that flow.
std::size_t slot(const Flow& flow, const ProtocolTable::Entry& entry) {
  return 2 * entry.index + (flow.ip_proto == 17 ? 1 : 0);
}

}  // namespace

// ------------------------------------------------------------------------------------------
// AppFlow

AppFlow::AppFlow(AppLayer& owner, Flow& flow) : owner_(owner), flow_(flow) {}
AppFlow::~AppFlow() = default;

FileStore& AppFlow::files() {
  if (!files_) files_ = std::make_unique<FileStore>(owner_.file_options_);
  return *files_;
}

Bytes AppFlow::stream_window(Dir dir, std::uint64_t offset, std::uint64_t length) {
  if (dir != datagram_dir_ || offset >= datagram_.size()) return {};
  return datagram_.subspan(offset, std::min<std::uint64_t>(length, datagram_.size() - offset));
}

std::uint64_t AppFlow::add_frame(sig::FrameType type, Dir dir, std::uint64_t offset,
                                 std::int64_t length, std::uint64_t tx_id) {
  if (!owner_.frames_ || frames_.size() >= max_frames) return 0;
  sig::Frame f;
  f.type = type;
  f.dir = dir;
  f.offset = offset;
  f.length = length;
  f.tx_id = tx_id;
  f.id = ++next_frame_;
  // Of a stream, 1 is the stream itself; a datagram has no such frame.
  f.number = ++frame_numbers_[sig::index(dir)] + (flow_.ip_proto == 6 ? 1 : 0);
  frames_.push_back(f);
  return f.id;
}

std::span<sig::Transaction* const> AppFlow::transactions() {
  const auto now = parser ? parser->transactions() : std::span<sig::Transaction* const>{};
  if (!previous) return now;
  const auto before = previous->transactions();
  joined_.assign(before.begin(), before.end());
  joined_.insert(joined_.end(), now.begin(), now.end());
  return joined_;
}

void AppFlow::set_frame_length(std::uint64_t frame, std::int64_t length) {
  if (frame == 0) return;
  for (auto it = frames_.rbegin(); it != frames_.rend(); ++it)
    if (it->id == frame) {
      it->length = length;
      return;
    }
}

void AppFlow::set_frame_tx(std::uint64_t frame, std::uint64_t tx_id) {
  if (frame == 0) return;
  for (auto it = frames_.rbegin(); it != frames_.rend(); ++it)
    if (it->id == frame) {
      it->tx_id = tx_id;
      return;
    }
}

void AppFlow::drop_frames(Dir dir, std::uint64_t before) {
  if (frames_.empty()) return;
  std::erase_if(frames_, [&](const sig::Frame& f) {
    return f.dir == dir && f.length >= 0 &&
           f.offset + static_cast<std::uint64_t>(f.length) <= before;
  });
}

std::uint64_t AppFlow::frames_wanted_from(Dir dir, std::uint64_t edge) const {
  constexpr std::uint64_t known = 256 * 1024, open_ended = 64 * 1024;
  std::uint64_t from = UINT64_MAX;
  for (const auto& f : frames_) {
    const bool open = f.length < 0;
    if (f.dir != dir || (!open && f.offset + static_cast<std::uint64_t>(f.length) <= edge))
      continue;
    const auto reach = open ? open_ended : known;
    from = std::min(from, std::max(f.offset, edge > reach ? edge - reach : 0));
  }
  return from;
}

bool AppFlow::change_protocol(std::string_view expected) {
  if (changing) return false;
  change_wanted = true;
  change_expected = expected;
  return true;
}

void AppFlow::rename_protocol(std::string_view name) {
  const auto* to = owner_.table_.find(name);
  if (to == nullptr || protocol == nullptr || to->protocol == protocol) return;
  renamed_from = flow_.app_proto_original = flow_.app_proto;
  flow_.app_proto = flow_.app_proto_dir[0] = flow_.app_proto_dir[1] =
      sig::app_protos().find(to->protocol->name);
  protocol = to->protocol;
  entry = to;
}

void AppFlow::expect_flow(const IpAddress& from, const IpAddress& to, std::uint16_t to_port,
                          std::string_view proto, std::shared_ptr<void> note) {
  Expectations::Entry e{from, to, to_port, std::string(proto), std::move(note), flow_.id, now_};
  if (owner_.expectations_.add(std::move(e)))
    ++owner_.counters_.expectations;
  else
    ++owner_.counters_.expectations_refused;
}

void AppFlow::add_event(EventId event) {
  if (events.size() < max_events && std::find(events.begin(), events.end(), event) == events.end())
    events.push_back(event);
}

// ------------------------------------------------------------------------------------------
// AppLayer

AppLayer::AppLayer(const ProtocolTable& table, const Settings& settings, const FileOptions& files,
                   Expectations& expectations)
    : table_(table), settings_(settings), file_options_(files), expectations_(expectations) {
  const auto n = 2 * table.entries().size();
  counters_.flows.resize(n);
  counters_.transactions.resize(n);
  counters_.errors.resize(n);
  counters_.gaps.resize(n);
  // HTTP bodies may be inspected again from this far back, so the stream is kept as long.
  const std::string http = "app-layer.protocols.http.libhtp.default-config.";
  http_min_inspect_[0] = settings.size_or(http + "request-body-minimal-inspect-size", 32U << 10);
  http_min_inspect_[1] = settings.size_or(http + "response-body-minimal-inspect-size", 40U << 10);
}

AppFlow& AppLayer::state(Flow& flow) {
  if (!flow.app) flow.app = std::make_unique<AppFlow>(*this, flow);
  return *of(flow);
}

void AppLayer::packet_event(AppFlow& app, std::string_view name) {
  app.add_event(app_event(name));
  if (app.packet_ != nullptr) app.packet_->add_event(packet_event_id(name));
}

void AppLayer::greet(Flow& flow) {
  Expectations::Entry e;
  if (!expectations_.take(flow.src, flow.sport, flow.dst, flow.dport, flow.start, e)) return;
  flow.expectation = std::move(e.note);
  flow.parent_id = e.parent;
  flow.app_proto_expected = {};
  if (const auto* entry = table_.find(e.protocol)) {
    auto& app = state(flow);
    flow.app_proto = flow.app_proto_dir[0] = flow.app_proto_dir[1] =
        sig::app_protos().find(entry->protocol->name);
    flow.app_proto_done = true;
    choose(flow, app, entry);
  }
}

void AppLayer::choose(Flow& flow, AppFlow& app, const ProtocolTable::Entry* entry) {
  flow.app_proto = sig::app_protos().find(entry->protocol->name);
  if (auto* s = StreamTracker::session(flow)) s->depth = entry->stream_depth;
  if (app.protocol == entry->protocol) return;
  app.protocol = entry->protocol;
  app.entry = entry;
  if (app.parser && !app.parser->transactions().empty()) app.previous = std::move(app.parser);
  app.parser = entry->parse ? entry->protocol->make(settings_) : nullptr;
  app.parser_failed = false;
  ++counters_.flows[slot(flow, *entry)];
}

void AppLayer::disable(Flow& flow, TcpSession& session) {
  session.app_disabled = true;
  session.first_data = data_handed_on;
  flow.app_proto = ProtocolTable::failed();
  flow.app_proto_done = true;
  ++counters_.failed_tcp;
  if (auto* app = of(flow)) app->parser.reset();
}

std::uint64_t AppLayer::read(Flow& flow, TcpSession& session, sig::Packet& packet,
                             const StreamPiece& piece) {
  auto& app = state(flow);
  app.now_ = packet.time;
  app.packet_ = &packet;
  app.news[0] = app.news[1] = true;
  auto& peer = session.peer(piece.dir);
  const auto stop = piece.offset + piece.gap + piece.data.size();
  if (app.change_wanted && app.parser) start_change(flow, app, session);
  // What expects this flow may have been read after its first packet.
  if (!flow.app_proto_done && app.protocol == nullptr && !piece.data.empty()) greet(flow);
  if (!peer.app_detected && flow.app_proto_done && flow.expectation && app.protocol != nullptr &&
      flow.app_proto_original == AppProto{}) {
    peer.app_detected = true;
    session.first_data = data_handed_on;
  }
  if (peer.app_detected && app.protocol != nullptr) {
    if (app.parser == nullptr || app.parser_failed || app.payload_bypassed) {
      if (app.payload_bypassed || app.parser == nullptr) {
        session.app_disabled = true;
      }
      return stop;
    }
    return parse(flow, packet, piece, &peer);
  }
  if (piece.gap != 0) {
    // What a protocol looks like at its start is not known any more: use what the other side told.
    const auto o = sig::index(sig::opposite(piece.dir));
    if (flow.app_proto_dir[o] != AppProto{} && app.protocol != nullptr) {
      flow.app_proto_dir[1 - o] = flow.app_proto_dir[o];
      peer.app_detected = true;
      session.first_data = data_handed_on;
      return app.parser ? parse(flow, packet, piece, &peer) : stop;
    }
    return piece.offset;  // the other side may still tell
  }
  if (piece.data.empty()) return piece.offset;
  return detect_tcp(flow, session, packet, piece);
}

/// A parser asked for the protocol to be recognised anew (STARTTLS, CONNECT, upgrade).
void AppLayer::start_change(Flow& flow, AppFlow& app, TcpSession& session) {
  app.change_wanted = app.change_shown = false;
  app.changing = true;
  app.renamed_from = {};
  flow.app_proto_original = flow.app_proto;
  flow.app_proto_expected = sig::app_protos().find(app.change_expected);
  flow.app_proto_dir[0] = flow.app_proto_dir[1] = {};
  app.detection.reset();
  for (auto& p : session.peers) {
    p.app_detected = false;
    p.app_needed = 0;
    p.trigger_raw = true;
  }
  session.first_data = 0;
  app.disrupted[0] = app.disrupted[1] = false;
}

std::uint64_t AppLayer::detect_tcp(Flow& flow, TcpSession& session, sig::Packet& packet,
                                   const StreamPiece& piece_in) {
  auto piece = piece_in;
  auto& app = *of(flow);
  auto d = sig::index(piece.dir);
  if (session.first_data == 0) session.first_data = bit(piece.dir);
  const bool changing =
      flow.app_proto_original != AppProto{} && flow.app_proto_dir[1 - d] == AppProto{};
  auto found = table_.detect(piece.data, piece.dir, flow, app.detection, session.midstream);
  // Whoever sent the SYN is the client, whatever it says afterwards.
  found.reversed = found.reversed && session.midstream;
  if (found.protocol != nullptr && found.reversed) {
    // The other side is the server. The stream engine follows when it sees that the flow was
    // exchanged.
    flow.swap_sides();
    std::swap(app.detection.patterns_done[0], app.detection.patterns_done[1]);
    std::swap(app.detection.probes_done[0], app.detection.probes_done[1]);
    std::swap(app.detection.refused[0], app.detection.refused[1]);
    piece.dir = sig::opposite(piece.dir);
    d = 1 - d;
    if (session.first_data == 1 || session.first_data == 2)
      session.first_data = static_cast<std::uint8_t>(3 - session.first_data);
  }
  auto& peer = session.peer(found.protocol != nullptr && found.reversed ? sig::opposite(piece.dir)
                                                                        : piece.dir);
  const auto o = 1 - d;
  const auto other = flow.app_proto_dir[o];
  if (found.protocol != nullptr) {
    auto id = sig::app_protos().find(found.protocol->name);
    if (id == app.renamed_from) id = flow.app_proto;
    flow.app_proto_dir[d] = id;
    auto chosen = id;
    if (other != AppProto{} && other != id && other != ProtocolTable::failed()) {
      packet_event(app, "applayer_mismatch_protocol_both_directions");
      // What already has a parser stays; before that the client's word counts.
      chosen = session.first_data == data_handed_on ? other : flow.app_proto_dir[0];
    }
    peer.app_detected = true;
    const auto* entry = table_.find(chosen);
    if (entry == nullptr) {
      disable(flow, session);
      return piece.offset;
    }
    if (changing && flow.app_proto_expected != AppProto{} && flow.app_proto_expected != chosen) {
      if (sig::app_protos().name(flow.app_proto_expected) == "tls")
        packet_event(app, "applayer_no_tls_after_starttls");
    }
    if (session.first_data == data_handed_on || other == AppProto{} || app.protocol == nullptr ||
        chosen != other)
      choose(flow, app, entry);
    if ((session.first_data & 3) != 0 && session.first_data != data_handed_on &&
        (session.first_data & bit(piece.dir)) == 0) {
      // The other side spoke first: its data goes to the parser first.
      const auto first = session.first_data;
      if (client_speaks_first(found.protocol->name) && first == 2) {
        packet_event(app, "applayer_wrong_direction_first_data");
        session.app_disabled = true;
        flow.app_proto_done = true;
        app.parser.reset();
        flow.app_proto = id;
        return piece.offset;
      }
      if (tracker_ != nullptr && depth_ == 0) {
        ++depth_;
        tracker_->push(flow, packet, sig::opposite(piece.dir));
        --depth_;
        if (session.app_disabled) return piece.offset;
      }
    } else if (session.first_data != data_handed_on && client_speaks_first(found.protocol->name) &&
               piece.dir == Dir::to_client) {
      packet_event(app, "applayer_wrong_direction_first_data");
      session.app_disabled = true;
      flow.app_proto_done = true;
      app.parser.reset();
      return piece.offset;
    }
    session.first_data = data_handed_on;
    flow.app_proto_done = true;
    if (rules_ && entry->protocol->name == "http") {
      session.peers[0].min_inspect = http_min_inspect_[0];
      session.peers[1].min_inspect = http_min_inspect_[1];
    }
    if (!app.parser) {
      session.app_disabled = entry->protocol->make == nullptr || !entry->parse;
      return piece.offset + piece.data.size();
    }
    const auto at = parse(flow, packet, piece, &peer);
    app.changing = false;
    if (flow.app_proto_dir[o] == AppProto{} && tracker_ != nullptr && depth_ == 0 &&
        !found.reversed) {
      ++depth_;
      tracker_->push(flow, packet, sig::opposite(piece.dir));
      --depth_;
    }
    return at;
  }

  // Not recognised (yet).
  const bool done = app.detection.patterns_done[d] && app.detection.probes_done[d];
  if (session.midstream && !session.midstream_synack && app.detection.patterns_done[0] &&
      app.detection.probes_done[0] && flow.app_proto_dir[0] == AppProto{}) {
    disable(flow, session);
    return piece.offset;
  }
  if (other != AppProto{} && other != ProtocolTable::failed()) {
    const auto name = sig::app_protos().name(other);
    if (session.first_data != data_handed_on && client_speaks_first(name) &&
        piece.dir == Dir::to_client) {
      return piece.offset;
    }
    if (done || piece.end) {
      packet_event(app, "applayer_detect_protocol_only_one_direction");
      peer.app_detected = true;
      flow.app_proto_dir[d] = other;
      session.first_data = data_handed_on;
      const auto* entry = table_.find(other);
      if (entry != nullptr) choose(flow, app, entry);
      if (!app.parser) return piece.offset + piece.data.size();
      return parse(flow, packet, piece, &peer);
    }
    return piece.offset;
  }
  check_bail(flow, app, session, packet);
  return piece.offset;
}

void AppLayer::check_bail(Flow& flow, AppFlow& app, TcpSession& session, sig::Packet&) {
  const auto& det = app.detection;
  const bool over[2] = {det.patterns_done[0] && det.probes_done[0],
                        det.patterns_done[1] && det.probes_done[1]};
  std::uint64_t waiting[2];
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& p = session.peers[i];
    waiting[i] = std::min(p.acked(), p.data.right_edge());
    waiting[i] = waiting[i] > p.app_progress ? waiting[i] - p.app_progress : 0;
  }
  const bool both = over[0] && over[1];
  const bool too_much = waiting[0] > detection_limit || waiting[1] > detection_limit;
  if (!both && !too_much) return;
  if (flow.app_proto_original != AppProto{} || (too_much && !both))
    packet_event(app, "applayer_proto_detection_skipped");
  disable(flow, session);
}

std::uint64_t AppLayer::parse(Flow& flow, sig::Packet& packet, const StreamPiece& piece,
                              TcpPeer* peer) {
  auto& app = *of(flow);
  app.now_ = packet.time;
  const auto d = sig::index(piece.dir);
  const auto stop = piece.offset + piece.gap + piece.data.size();
  const auto* entry = app.entry;
  if (piece.gap != 0) {
    if (!app.parser->accepts_gaps()) {
      if (entry != nullptr) ++counters_.gaps[slot(flow, *entry)];
      app.parser_failed = true;
      app.disrupted[0] = app.disrupted[1] = true;
      if (peer != nullptr) peer->trigger_raw = true;
      return stop;
    }
  }
  StreamInput in;
  in.data = piece.data;
  in.offset = piece.offset + piece.gap;
  in.gap = piece.gap;
  in.end = piece.end;
  in.cut = piece.cut;
  in.first = !app.first_given[d];
  app.first_given[d] = true;
  // Rules on the raw stream see what follows a gap at once, not a chunk later.
  if (piece.gap != 0) app.after_gap[d] = true;
  if (!piece.data.empty() && std::exchange(app.after_gap[d], false) && peer != nullptr)
    peer->trigger_raw = true;
  if (piece.end) app.ended[d] = true;
  if (piece.depth) app.disrupted[d] = true;
  const auto before = app.parser->transaction_count();
  const auto result = app.parser->parse(app, piece.dir, in);
  const auto made = app.parser->transaction_count() - before;
  if (made != 0)
    for (auto* tx : app.parser->transactions())
      if (tx->proto == AppProto{})
        tx->proto = flow.app_proto;  // detection binds getters by protocol
  // Beyond the stream's depth nothing is read: rules must not wait for what will not come.
  if (piece.depth)
    for (auto* tx : app.parser->transactions())
      if (!tx->complete[d]) {
        tx->complete[d] = true;
        ++tx->revision;
      }
  flow.tx_count += made;
  if (entry != nullptr) counters_.transactions[slot(flow, *entry)] += made;
  if (peer != nullptr) peer->app_needed = 0;
  switch (result.status) {
    case ParseResult::Status::ok:
      break;
    case ParseResult::Status::error:
      app.parser_failed = true;
      app.disrupted[0] = app.disrupted[1] = true;
      if (entry != nullptr) ++counters_.errors[slot(flow, *entry)];
      if (peer != nullptr) peer->trigger_raw = true;
      break;
    case ParseResult::Status::need_more:
      if (piece.end || piece.depth) return stop;  // there is no more
      if (peer != nullptr) {
        const auto taken = std::min(result.consumed, piece.data.size());
        peer->app_needed = result.needed;
        return piece.offset + piece.gap + taken;
      }
      break;
  }
  if (peer != nullptr) {
    if (app.payload_bypassed) peer->trigger_raw = true;
    // A whole message is worth looking at without waiting for a full chunk.
    for (const auto* tx : app.parser->transactions())
      if (tx->complete[d] && !tx->inspected_end[d]) peer->trigger_raw = true;
  }
  return stop;
}

void AppLayer::datagram(Flow& flow, sig::Packet& packet) {
  auto& app = state(flow);
  app.now_ = packet.time;
  app.packet_ = &packet;
  app.news[0] = app.news[1] = true;
  app.datagram_ = packet.payload;
  app.datagram_dir_ = packet.dir;
  app.frames_.clear();
  if (packet.payload.empty()) return;
  auto d = sig::index(packet.dir);
  const auto failed = ProtocolTable::failed();
  if (flow.app_proto_dir[d] == AppProto{}) {
    const auto found = table_.detect(packet.payload, packet.dir, flow, app.detection, false);
    if (found.protocol != nullptr && found.reversed) {
      flow.swap_sides();
      packet.dir = sig::opposite(packet.dir);
      d = 1 - d;
      app.datagram_dir_ = packet.dir;
    }
    const auto other = flow.app_proto_dir[1 - d];
    if (found.protocol == nullptr) {
      // A probe that said "maybe" gets a few more datagrams: junk may come before the first real
      // one.
      constexpr std::uint8_t max_looks = 4;
      if (other == AppProto{} && !app.detection.probes_done[d] &&
          ++app.detection.looks[d] < max_looks)
        return;
      // Each direction gets one look; what the other side told counts for both.
      flow.app_proto_dir[d] = other != AppProto{} ? other : failed;
    } else {
      const auto id = sig::app_protos().find(found.protocol->name);
      flow.app_proto_dir[d] = id;
      if (other == AppProto{} || other == failed) {
        if (const auto* entry = table_.find(id)) choose(flow, app, entry);
      } else if (other != id) {
        packet_event(app, "applayer_mismatch_protocol_both_directions");
      }
    }
    if (flow.app_proto == AppProto{}) {
      flow.app_proto = failed;
      ++counters_.failed_udp;
    }
    flow.app_proto_done = true;
  }
  if (!app.parser || app.parser_failed) return;
  StreamPiece piece;
  piece.dir = packet.dir;
  piece.data = packet.payload;
  parse(flow, packet, piece, nullptr);
  app.parser_failed = false;  // the next datagram starts afresh
  app.disrupted[0] = app.disrupted[1] = false;
}

void AppLayer::finish(Flow& flow, sig::Packet& packet) {
  auto* app = of(flow);
  if (app == nullptr) return;
  app->now_ = packet.time;
  app->packet_ = &packet;
  if (app->parser && !app->parser_failed && !app->payload_bypassed)
    for (const auto dir : {Dir::to_server, Dir::to_client}) {
      if (app->ended[sig::index(dir)]) continue;
      StreamPiece piece;
      piece.dir = dir;
      piece.end = true;
      if (auto* s = StreamTracker::session(flow)) piece.offset = s->peer(dir).app_progress;
      if (flow.ip_proto == 6) parse(flow, packet, piece, nullptr);
    }
  if (app->has_files()) app->files_->truncate_all();
}

}  // namespace ww::sensor
