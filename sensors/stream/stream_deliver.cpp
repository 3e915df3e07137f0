/// From accepted packets to the two readers: reassembly, delivery to the application layer, raw
/// chunks for detection.
#include <algorithm>

#include "sensors/stream/stream_context.hpp"

namespace ww::sensor {

using namespace sig::tcp_flag;  // NOLINT: flag names read as in the RFC

// ------------------------------------------------------------------------------------------ data
// in

/// An accepted packet: keeps its data and lets the readers see what became readable because of it.
void StreamTracker::segment(Context& c) {
  bool mine = options_.inline_mode || c.s.async || c.p.stream_pseudo;
  bool opposing = (!options_.inline_mode && !c.s.async) || c.p.stream_pseudo;
  if (c.s.state == TcpState::closed || ((c.flags & fin) != 0 && c.s.state > TcpState::time_wait))
    mine = opposing = true;
  // The ACK first: it makes what the other side sent readable.
  if (opposing) deliver(c, sig::opposite(c.p.dir), true);
  if (c.length != 0 && !c.p.stream_pseudo) insert(c);
  if (mine) deliver(c, c.p.dir, false);
}

void StreamTracker::insert(Context& c) {
  if (c.me.no_reassembly) return;
  if (c.s.app_disabled && c.me.raw_off) {
    c.me.no_reassembly = true;
    c.me.data.clear();
    return;
  }
  auto data = c.p.payload;
  // A SYN takes a sequence number of its own before its data (TCP fast open).
  auto at = c.me.offset_of((c.flags & syn) != 0 ? c.p.tcp_seq + 1 : c.p.tcp_seq);
  const auto urgent_policy = options_.urgent;
  if ((c.flags & urg) != 0 && c.p.tcp_urgent != 0 && c.p.tcp_urgent <= data.size() &&
      urgent_policy != UrgentPolicy::inlined) {
    // The octet before the urgent pointer is out of band: most stacks take it out of the stream.
    const bool over = c.me.urgent.size() >= options_.urgent_limit_count;
    if (over) event(c.p, StreamEvent::reassembly_urgent_oob_limit_reached);
    const auto policy = over ? options_.urgent_limit : urgent_policy;
    if (policy == UrgentPolicy::drop) return;
    const std::size_t pointer = c.p.tcp_urgent - 1U;
    if (policy == UrgentPolicy::gap) {
      data = data.first(pointer);
    } else if (policy == UrgentPolicy::oob && pointer + 1 == data.size() && at >= 0) {
      const auto raw = static_cast<std::int64_t>(c.me.next_offset) +
                       static_cast<std::int32_t>(c.p.tcp_seq + static_cast<std::uint32_t>(pointer) -
                                                 c.me.next_seq);
      const auto place =
          std::lower_bound(c.me.urgent.begin(), c.me.urgent.end(), static_cast<std::uint64_t>(raw));
      if (raw >= 0 && (place == c.me.urgent.end() || *place != static_cast<std::uint64_t>(raw)))
        c.me.urgent.insert(place, static_cast<std::uint64_t>(raw));
      data = data.first(pointer);
    }
    if (data.empty()) return;
  }
  if (at < 0) {
    const auto before = static_cast<std::uint64_t>(-at);
    if (before >= data.size()) {
      event(c.p, StreamEvent::reassembly_segment_before_base_seq);
      return;
    }
    data = data.subspan(before);
    at = 0;
  }
  auto offset = static_cast<std::uint64_t>(at);
  const auto depth = c.s.depth.value_or(options_.depth);
  if (depth != 0 && offset + data.size() > depth) {
    const bool first = !c.me.depth_reached;
    c.me.depth_reached = true;
    if (first) {
      event(c.p, StreamEvent::reassembly_depth_reached);
      ++counters_.depth_reached;
    }
    if (offset >= depth) return;
    data = data.first(depth - offset);
  }
  if (c.s.first_data == 0) c.s.first_data = c.to_server ? 1 : 2;
  const auto result =
      c.me.data.insert(offset, data, options_.inline_mode ? OverlapPolicy::first : c.me.policy,
                       c.me.app_progress, options_.max_regions);
  ++counters_.segments;
  if (result.overlap) {
    ++counters_.overlaps;
    if (result.overlap_differs) {
      ++counters_.overlap_different;
      if (options_.check_overlap || options_.inline_mode)
        event(c.p, StreamEvent::reassembly_overlap_different_data);
    }
  }
  if (result.memory) {
    ++counters_.segment_memory_refused;
    event(c.p, StreamEvent::reassembly_insert_memcap);
    return;
  }
  if (result.too_many) {
    ++counters_.insert_limit;
    event(c.p, StreamEvent::reassembly_insert_limit);
    return;
  }
  c.p.in_stream = true;
  c.flow.stream_octets[sig::index(c.p.dir)] =
      std::max(c.flow.stream_octets[sig::index(c.p.dir)], offset + data.size());
}

// ------------------------------------------------------------------------------------------ to the
// application layer

/// The receiver acknowledged octets that we do not have at the point the reader waits for.
bool StreamTracker::gap_ahead(const TcpSession& s, const TcpPeer& peer) const {
  auto acked = peer.acked();
  if (s.state >= TcpState::fin_wait1) acked = std::min(acked, peer.next_in_stream());
  if (acked <= peer.app_progress) return false;
  const auto held = peer.data.next_held(peer.app_progress);
  if (held && *held == peer.app_progress) return false;
  if (!held) return true;  // acknowledged, never seen
  return acked > peer.app_progress;
}

void StreamTracker::deliver(Context& c, Dir dir, bool opposing) {
  auto* peer = &c.s.peer(dir);
  auto& s = c.s;
  if (s.app_disabled || peer->no_reassembly) return;
  const bool pseudo = c.p.stream_pseudo;
  for (int rounds = 0; rounds < 64; ++rounds) {
    peer = &s.peer(dir);
    if (s.app_disabled) return;
    const bool end = s.state == TcpState::closed || pseudo;
    const auto acked = peer->acked();
    StreamPiece piece;
    piece.dir = dir;
    piece.offset = peer->app_progress;
    piece.start = !peer->sent_start;
    piece.depth = peer->depth_reached;
    auto data = peer->data.at(peer->app_progress);
    // At the end of a flow that nobody closed the acknowledgement of what stands behind a hole was
    // missed, as the octets were; the receiver of a reset never read on behind its hole.
    const bool jump = pseudo && s.state != TcpState::closed && data.empty() &&
                      peer->data.next_held(peer->app_progress);
    if (data.empty() && (jump || gap_ahead(s, *peer))) {
      const auto held = peer->data.next_held(peer->app_progress);
      auto limit = jump ? *held : std::min(acked, peer->next_in_stream());
      const auto depth = s.depth.value_or(options_.depth);
      if (depth != 0) limit = std::min(limit, depth);
      const auto stop = held ? std::min(*held, std::max(limit, peer->app_progress)) : limit;
      if (stop > peer->app_progress) {
        piece.gap = stop - peer->app_progress;
        if (peer->last_gap != piece.offset + 1) ++counters_.gaps;
        peer->last_gap = piece.offset + 1;
        event(c.p, StreamEvent::reassembly_seq_gap);
        peer->had_gap = true;
        peer->sent_start = true;
        const auto before = peer->app_progress;
        const auto to = reader_.read(c.flow, s, c.p, piece);
        // The reader may have found that client and server are the other way round.
        if (c.p.flow == &c.flow && &s.peer(dir) != peer) return;
        peer->app_progress = std::max(peer->app_progress, to);
        if (peer->app_progress == before) return;
        continue;
      }
    }
    // Only what the receiver has acknowledged, unless there will be no acknowledgement any more.
    if (!options_.inline_mode && !s.async && !pseudo) {
      const auto readable = acked > peer->app_progress ? acked - peer->app_progress : 0;
      if (data.size() > readable) data = data.first(readable);
    }
    const bool something = !data.empty();
    const bool depth_end = peer->depth_reached && !peer->sent_depth && !something &&
                           !peer->data.next_held(peer->app_progress);
    if (!something && !depth_end) {
      // Tell the reader once that nothing follows.
      const bool over = (s.state >= TcpState::closing || pseudo) && !peer->sent_end;
      if (!over) return;
      if (!pseudo && s.state != TcpState::closed) return;
      if (peer->data.next_held(peer->app_progress) && !pseudo) return;
      piece.end = true;
      piece.cut = peer->data.next_held(peer->app_progress).has_value();
      peer->sent_end = true;
      reader_.read(c.flow, s, c.p, piece);
      return;
    }
    if (something && data.size() < peer->app_needed && !end && !piece.depth) return;
    piece.data = data;
    const bool whole = data.size() == peer->data.at(peer->app_progress).size() &&
                       !peer->data.next_held(piece.offset + data.size());
    piece.end = end && whole;
    if (depth_end) peer->sent_depth = true;
    if (something) peer->sent_start = true;
    const auto before = peer->app_progress;
    const auto flow_was_swapped = c.flow.swapped;
    const auto to = reader_.read(c.flow, s, c.p, piece);
    if (c.flow.swapped != flow_was_swapped) {
      std::swap(s.peers[0], s.peers[1]);
      dir = sig::opposite(dir);
      c.p.dir = sig::opposite(c.p.dir);
      peer = &s.peer(dir);
    }
    peer->app_progress =
        std::max(peer->app_progress, std::min<std::uint64_t>(to, piece.offset + data.size()));
    if (piece.end) peer->sent_end = true;
    if (peer->app_progress == before || !something) return;
  }
  (void)opposing;
}

void StreamTracker::push(Flow& flow, sig::Packet& packet, Dir dir) {
  auto* s = session(flow);
  if (s == nullptr) return;
  Context c(packet, flow, *s);
  deliver(c, dir, dir != packet.dir);
}

void StreamTracker::follow(Flow& flow, std::uint64_t depth) {
  auto* s = session(flow);
  if (s != nullptr && (depth == 0 || depth > s->depth.value_or(options_.depth))) s->depth = depth;
}

void StreamTracker::let_go(Flow& flow) {
  if (auto* s = session(flow))
    for (auto& peer : s->peers) peer.data.clear();
}

bool StreamTracker::depth_reached(const Flow& flow, Dir dir) {
  const auto* s = session(flow);
  return s != nullptr && s->peer(dir).depth_reached;
}

bool StreamTracker::needs_finish(const TcpSession& s, Dir dir) {
  const auto& peer = s.peer(dir);
  if (peer.no_reassembly) return false;
  const auto edge = peer.data.right_edge();
  const bool app = !s.app_disabled && edge > peer.app_progress;
  const bool raw = !peer.raw_off && edge > peer.raw_progress;
  return app || raw;
}

void StreamTracker::finish(sig::Packet& pseudo, Flow& flow) {
  auto* s = session(flow);
  if (s == nullptr) return;
  ++counters_.pseudo;
  pseudo.stream_pseudo = true;
  Context c(pseudo, flow, *s);
  deliver(c, pseudo.dir, false);
}

// ------------------------------------------------------------------------------------------ to
// detection

bool StreamTracker::raw_ready(const TcpSession& s, const TcpPeer& peer,
                              const sig::Packet& p) const {
  if (peer.raw_off || peer.no_reassembly) return false;
  if (options_.inline_mode)
    return p.stream_pseudo ? peer.data.right_edge() > peer.raw_progress : p.in_stream;
  if (peer.data.empty() || peer.data.right_edge() <= peer.raw_progress) return false;
  if (peer.trigger_raw || peer.depth_reached || peer.raw_last || s.state > TcpState::time_wait ||
      p.stream_pseudo)
    return true;
  const auto acked = peer.acked();
  return acked > peer.raw_progress &&
         acked - peer.raw_progress >= options_.chunk[sig::index(p.dir)];
}

std::span<const sig::StreamChunk> StreamTracker::raw_chunks(const sig::Packet& p, Flow& flow) {
  chunks_.clear();
  chunk_inspected_ = false;
  auto* s = session(flow);
  if (s == nullptr || s->state == TcpState::none) return {};
  auto& peer = s->peer(p.dir);
  // What came before the encryption is shown once more, then there is nothing to look at.
  if (flow.no_payload) peer.raw_last = true;
  chunk_progress_ = peer.raw_progress;
  if (!raw_ready(*s, peer, p)) return {};
  auto from = peer.raw_progress;
  std::uint64_t to = UINT64_MAX;
  const bool last = p.stream_pseudo && p.origin == sig::PacketOrigin::flow_timeout;
  if (options_.inline_mode) {
    // Around this packet's data, with a chunk of what went before.
    if (!p.stream_pseudo) {
      const auto at = peer.offset_of(p.tcp_seq);
      from = std::min(from, at > 0 ? static_cast<std::uint64_t>(at) : 0);
    }
  } else if (!last) {
    to = std::max(peer.acked(), peer.depth_reached ? peer.data.right_edge() : 0);
    if (s->async) to = UINT64_MAX;
  }
  const auto context = options_.inline_mode ? options_.chunk[sig::index(p.dir)] : peer.min_inspect;
  auto begin = from > context ? from - context : 0;
  for (int n = 0; n < 64; ++n) {
    const auto block = peer.data.block_from(std::max(begin, peer.data.base()));
    if (!block || block->offset >= to) break;
    auto data = block->data;
    // Behind a hole Suricata counts from where the hole began, so that more is shown than was
    // acknowledged; alerts on such streams depend on it.
    const auto room = to - std::max(begin, peer.data.base());
    if (to != UINT64_MAX && data.size() > room) data = data.first(room);
    if (data.empty()) break;
    const auto end = block->offset + data.size();
    if (end > from) {
      sig::StreamChunk chunk;
      chunk.dir = p.dir;
      chunk.data = data;
      chunk.offset = block->offset;
      chunk.fresh_from =
          static_cast<std::uint32_t>(from > block->offset ? from - block->offset : 0);
      chunk.end = last || s->state == TcpState::closed || peer.depth_reached;
      chunks_.push_back(chunk);
      chunk_progress_ = std::max(chunk_progress_, end);
    }
    begin = end;
  }
  chunk_inspected_ = true;
  return chunks_;
}

void StreamTracker::inspected(const sig::Packet& p, Flow& flow) {
  auto* s = session(flow);
  if (s == nullptr) return;
  auto& peer = s->peer(p.dir);
  if (chunk_inspected_) {
    peer.raw_progress = std::max(peer.raw_progress, chunk_progress_);
    peer.trigger_raw = false;
  }
  chunk_inspected_ = false;
  chunks_.clear();
  if (peer.raw_last) peer.raw_off = true;
}

std::uint64_t StreamTracker::left_edge(const TcpSession& s, const TcpPeer& peer, Dir dir) const {
  std::uint64_t edge = peer.data.right_edge();
  if (!peer.raw_off) {
    auto raw = peer.raw_progress;
    const std::uint64_t keep = options_.inline_mode ? options_.chunk[sig::index(dir)] : 0;
    raw = raw > keep ? raw - keep : 0;
    if (!s.app_disabled && s.state < TcpState::closed && peer.min_inspect != 0)
      raw = raw > peer.min_inspect ? raw - peer.min_inspect : 0;
    edge = std::min(edge, raw);
  }
  if (!s.app_disabled) edge = std::min(edge, peer.app_progress);
  if (!options_.inline_mode && !s.async) edge = std::min(edge, peer.acked());
  return edge;
}

void StreamTracker::prune(const sig::Packet& p, Flow& flow, std::uint64_t keep_from) {
  auto* s = session(flow);
  if (s == nullptr) return;
  auto& peer = s->peer(p.dir);
  if (peer.no_reassembly) return;
  if (peer.depth_reached && peer.app_progress >= peer.data.right_edge() &&
      peer.raw_progress >= peer.data.right_edge()) {
    peer.no_reassembly = true;
    peer.data.clear();
    return;
  }
  if (peer.data.empty()) return;
  peer.data.release(std::min(keep_from, left_edge(*s, peer, p.dir)));
}

}  // namespace ww::sensor
