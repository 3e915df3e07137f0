#include "sensors/stream/stream_tracker.hpp"

#include <algorithm>

#include "sensors/stream/stream_context.hpp"

namespace ww::sensor {

using namespace sig::tcp_flag;  // NOLINT: flag names read as in the RFC

namespace {

constexpr std::uint8_t wscale_max = 14;  // RFC 7323 section 2.3

/// TCP fast open option (RFC 7413: kind 34; experimental: kind 254 with magic 0xF989).
bool has_fast_open(const sig::Packet& p) {
  if (p.l4_header_length <= 20 || p.l4.size() < p.l4_header_length) return false;
  ByteReader in(p.l4.subspan(20, p.l4_header_length - 20U));
  while (!in.empty()) {
    const auto kind = in.u8();
    if (kind == 0) return false;
    if (kind == 1) continue;
    const auto length = in.u8();
    if (!in.ok() || length < 2) return false;
    if (kind == 34) return true;
    const auto body = in.bytes(length - 2U);
    if (!in.ok()) return false;
    if (kind == 254 && body.size() >= 2 && load_be16(body.data()) == 0xF989) return true;
  }
  return false;
}

void start_peer(TcpPeer& peer, std::uint32_t isn) {
  peer.isn = isn;
  peer.next_seq = isn + 1;
  peer.next_offset = 0;
}

void set_flow_state(Flow& flow, TcpState state) {
  switch (state) {
    case TcpState::established:
    case TcpState::fin_wait1:
    case TcpState::fin_wait2:
    case TcpState::closing:
    case TcpState::close_wait:
      flow.state = sig::FlowState::established;
      break;
    case TcpState::last_ack:
    case TcpState::time_wait:
    case TcpState::closed:
      flow.state = sig::FlowState::closed;
      break;
    default:
      break;
  }
}

}  // namespace

StreamTracker::StreamTracker(const StreamOptions& options, StreamReader& reader,
                             std::uint64_t session_cap, std::uint64_t reassembly_cap)
    : options_(options), reader_(reader) {
  sessions_.limit = std::max<std::uint64_t>(session_cap, sizeof(TcpSession) * 16);
  reassembly_.limit = reassembly_cap;
}

StreamTracker::~StreamTracker() = default;

const StreamCounters& StreamTracker::counters() {
  counters_.memory_used = reassembly_.used;
  return counters_;
}

std::unique_ptr<TcpSession> StreamTracker::make_session(const Flow& flow) {
  if (!sessions_.take(sizeof(TcpSession))) {
    ++counters_.no_memory_sessions;
    return nullptr;
  }
  auto s = std::make_unique<TcpSession>(&reassembly_, &sessions_);
  // What a host receives is put together by its own rules.
  s->peers[0].policy = options_.policy_for(flow.dst);
  s->peers[1].policy = options_.policy_for(flow.src);
  s->peers[0].raw_off = s->peers[1].raw_off = !options_.raw;
  ++counters_.sessions;
  return s;
}

void StreamTracker::set_state(Context& c, TcpState state) {
  if (c.s.state == state) return;
  c.s.previous = c.s.state;
  c.s.state = state;
  set_flow_state(c.flow, state);
}

void StreamTracker::swap_sides(Flow& flow, TcpSession& session, sig::Packet& p) {
  std::swap(session.peers[0], session.peers[1]);
  flow.swap_sides();
  p.dir = sig::opposite(p.dir);
}

bool StreamTracker::reuses(const Flow& flow, const sig::Packet& p) const {
  const auto kind = p.tcp_flags & (syn | ack | rst | fin);
  const bool starts = kind == syn || (options_.midstream && kind == (syn | ack));
  if (!starts) return false;
  const auto* s = session(flow);
  if (s == nullptr) return false;
  const bool to_server = flow.direction(p) == Dir::to_server;
  if (kind == syn) {
    if (to_server && s->data_ignored) return true;
    if (to_server && s->peers[0].isn == p.tcp_seq) return false;
    return s->state >= TcpState::last_ack || s->state == TcpState::none;
  }
  if (!to_server && s->peers[1].isn == p.tcp_seq) return false;
  if (to_server && s->peers[0].isn == p.tcp_seq) return false;
  return s->state >= TcpState::last_ack || s->state == TcpState::none;
}

void StreamTracker::packet(sig::Packet& p, Flow& flow) {
  if (options_.checksum_validation && (p.checksum_bad_l4 || p.checksum_bad_ip)) {
    ++counters_.invalid_checksum;
    return;
  }
  const auto flags = p.tcp_flags;
  if ((flags & (syn | ack)) == (syn | ack))
    ++counters_.synack;
  else if ((flags & syn) != 0)
    ++counters_.syn;
  if ((flags & rst) != 0) ++counters_.rst;
  if ((flags & ack) == 0 && p.tcp_ack != 0) event(p, StreamEvent::pkt_broken_ack);

  auto* s = session(flow);
  if (s == nullptr || s->state == TcpState::none) {
    if (!on_none(p, flow)) ++counters_.rejected;
    if (auto* made = session(flow); made != nullptr) {
      made->all_flags |= flags;
      made->peer(p.dir).tcp_flags |= flags;
    }
    return;
  }
  s->all_flags |= flags;
  s->peer(p.dir).tcp_flags |= flags;
  Context c(p, flow, *s);
  if (!changes_nothing(c) && !dispatch(c, s->state)) {
    ++counters_.rejected;
    return;
  }
  // Who sent a reset and then goes on did not send it: someone else wanted the connection to look
  // closed.
  if ((c.flags & rst) == 0 && c.other.rst_received) {
    c.other.rst_received = false;
    event(p, StreamEvent::suspected_rst_inject);
  }
}

/// Packets that are known for what they are before the connection's state is asked.
bool StreamTracker::changes_nothing(Context& c) {
  if (is_keepalive(c)) return true;
  const bool answer = is_keepalive_ack(c);
  c.me.keepalive = false;
  if (answer) {
    c.other.keepalive = false;
    return true;
  }
  if (!is_fin_shutdown_ack(c) && !is_window_update(c) &&
      (is_bad_window_update(c) || is_outdated_ack(c)))
    return true;
  return is_spurious_retransmission(c);
}

bool StreamTracker::dispatch(Context& c, TcpState state) {
  switch (state) {
    case TcpState::syn_sent:
      return on_syn_sent(c);
    case TcpState::syn_recv:
      return on_syn_recv(c);
    case TcpState::established:
      return on_established(c);
    case TcpState::fin_wait1:
      return on_fin_wait1(c);
    case TcpState::fin_wait2:
      return on_fin_wait2(c);
    case TcpState::closing:
      return on_closing(c);
    case TcpState::close_wait:
      return on_close_wait(c);
    case TcpState::last_ack:
      return on_last_ack(c);
    case TcpState::time_wait:
      return on_time_wait(c);
    case TcpState::closed:
      return on_closed(c);
    case TcpState::none:
    case TcpState::listen:
      break;
  }
  return true;
}

// ------------------------------------------------------------------------------------------ no
// session yet

bool StreamTracker::on_none(sig::Packet& p, Flow& flow) {
  const auto flags = p.tcp_flags;
  if ((flags & rst) != 0) {
    event(p, StreamEvent::rst_but_no_session);
    return false;
  }
  if ((flags & fin) != 0 && !(options_.midstream && (flags & ack) != 0 && !p.payload.empty())) {
    event(p, StreamEvent::fin_but_no_session);
    return false;
  }
  const bool is_syn = (flags & syn) != 0, is_ack = (flags & ack) != 0;
  if (!is_syn && !is_ack) return true;
  const bool pickup = is_ack;  // a SYN/ACK or a later packet: the handshake was missed
  if (pickup) {
    if (flow.policies.empty())
      flow.policies.push_back({"stream_midstream", options_.midstream_policy});
    if (is_syn ? !options_.midstream && !options_.async_oneside : !options_.midstream) return true;
  }
  auto made = make_session(flow);
  if (made == nullptr) return false;
  auto& s = *made;
  flow.tcp = std::move(made);
  if (pickup) ++counters_.midstream_pickups;

  if (is_syn && is_ack) {
    if (p.dir == Dir::to_server) swap_sides(flow, s, p);  // a SYN/ACK comes from the server
    Context c(p, flow, s);
    set_state(c, TcpState::syn_recv);
    s.midstream = s.midstream_synack = true;
    start_peer(c.me, p.tcp_seq);
    start_peer(c.other, p.tcp_ack - 1);
    c.me.window = p.tcp_window;  // corrected by scale below; the client's packets will say its own
    if (p.tcp_wscale) {
      c.other.wscale = std::min(*p.tcp_wscale, wscale_max);
      c.me.wscale = wscale_max;
    }
    c.other.window = p.tcp_window;
    c.other.last_ack = p.tcp_ack;
    c.me.last_ack = c.me.isn + 1;
    c.other.next_win = c.other.last_ack + c.other.window;
    c.me.next_win = c.me.last_ack + c.me.window;
    if (p.tcp_sack_ok) s.sack = true;
    if (p.tcp_ts_value) {
      c.me.last_ts = *p.tcp_ts_value;
      c.other.last_ts = p.tcp_ts_echo.value_or(0);
      s.timestamps = true;
      c.me.timestamps = c.other.timestamps = true;
      c.me.last_pkt_second = p.time.seconds();
      if (c.me.last_ts == 0) c.me.zero_timestamp = true;
      if (c.other.last_ts == 0) c.other.zero_timestamp = true;
    }
    if (options_.async_oneside) s.async = false;
    return true;
  }
  Context c(p, flow, s);
  if (is_syn) {
    if (p.dir == Dir::to_client) {
      // The first packet we saw of this flow came from the other side; a SYN says who the client
      // is.
      swap_sides(flow, s, p);
    }
    Context k(p, flow, s);
    set_state(k, TcpState::syn_sent);
    if (options_.async_oneside) s.async = true;
    start_peer(k.me, p.tcp_seq);
    if (p.tcp_ts_value) {
      k.me.last_ts = *p.tcp_ts_value;
      k.me.timestamps = true;
      k.me.last_pkt_second = p.time.seconds();
      if (k.me.last_ts == 0) k.me.zero_timestamp = true;
    }
    k.other.window = p.tcp_window;
    k.me.last_ack = k.me.isn + 1;
    if (p.tcp_wscale) {
      s.server_wscale = true;
      k.other.wscale = std::min(*p.tcp_wscale, wscale_max);
    }
    if (p.tcp_sack_ok) s.client_sack = true;
    if (has_fast_open(p)) {
      s.fast_open = true;
      if (!p.payload.empty()) {
        k.me.set_next_seq(k.me.isn + 1 + static_cast<std::uint32_t>(p.payload.size()));
        segment(k);
      }
    }
    return true;
  }
  // Data or an ACK in the middle of a connection.
  set_state(c, TcpState::established);
  s.midstream = s.midstream_established = true;
  if (options_.async_oneside) s.async = true;
  c.me.wscale = c.other.wscale = wscale_max;
  start_peer(c.me, p.tcp_seq - 1);
  c.me.set_next_seq(p.tcp_seq + c.length);
  c.me.last_ack = p.tcp_seq;
  c.me.window = static_cast<std::uint32_t>(p.tcp_window) << wscale_max;
  c.me.next_win = c.me.last_ack + c.me.window;
  start_peer(c.other, p.tcp_ack - 1);
  c.other.last_ack = p.tcp_ack;
  c.other.window = static_cast<std::uint32_t>(p.tcp_window) << wscale_max;
  c.other.next_win = c.other.last_ack + c.other.window;
  if (p.tcp_ts_value) {
    c.me.last_ts = *p.tcp_ts_value;
    c.other.last_ts = p.tcp_ts_echo.value_or(0);
    s.timestamps = c.me.timestamps = c.other.timestamps = true;
    c.me.last_pkt_second = p.time.seconds();
    if (c.me.last_ts == 0) c.me.zero_timestamp = true;
    if (c.other.last_ts == 0) c.other.zero_timestamp = true;
  }
  s.sack = true;
  segment(c);
  return true;
}

// ------------------------------------------------------------------------------------------
// handshake

void StreamTracker::apply_synack(Context& c, const TcpSession::Candidate& k) {
  auto& client = c.s.peers[0];
  auto& server = c.s.peers[1];
  if (c.s.state != TcpState::syn_recv) set_state(c, TcpState::syn_recv);
  start_peer(server, k.seq);
  client.window = k.window;
  if (k.has_ts && client.timestamps) {
    server.last_ts = k.ts;
    server.timestamps = true;
    server.last_pkt_second = c.p.time.seconds();
    c.s.timestamps = true;
    if (k.ts == 0) server.zero_timestamp = true;
  } else {
    client.last_ts = server.last_ts = 0;
    client.zero_timestamp = server.zero_timestamp = false;
    c.s.timestamps = false;
  }
  client.last_ack = k.ack;
  server.last_ack = server.isn + 1;
  if (c.s.server_wscale && k.has_wscale)
    client.wscale = k.wscale;
  else
    client.wscale = server.wscale = 0;
  if (c.s.client_sack && k.sack) c.s.sack = true;
  client.next_win = client.last_ack + client.window;
  server.next_win = server.last_ack + server.window;
  c.s.async = false;
}

namespace {
TcpSession::Candidate candidate_of(const sig::Packet& p) {
  TcpSession::Candidate k;
  k.seq = p.tcp_seq;
  k.ack = p.tcp_ack;
  k.window = p.tcp_window;
  k.has_ts = p.tcp_ts_value.has_value();
  k.ts = p.tcp_ts_value.value_or(0);
  k.has_wscale = p.tcp_wscale.has_value();
  k.wscale = std::min(p.tcp_wscale.value_or(0), wscale_max);
  k.sack = p.tcp_sack_ok;
  return k;
}
}  // namespace

namespace {
/// Does an answer to the client's SYN show its timestamp again, if it shows one?
bool echo_ok(const TcpPeer& client, const sig::Packet& p) {
  const auto echo = p.tcp_ts_echo.value_or(0);
  return echo == 0 || !client.timestamps || client.last_ts == 0 || echo == client.last_ts;
}
}  // namespace

bool StreamTracker::on_syn_sent(Context& c) {
  auto& client = c.s.peers[0];
  auto& server = c.s.peers[1];
  const auto& p = c.p;
  if ((c.flags & (syn | ack)) != (syn | ack) && !c.to_server && !echo_ok(client, p)) {
    event(c.p, StreamEvent::pkt_invalid_timestamp);
    return false;
  }
  if ((c.flags & rst) != 0) return handle_rst(c);
  if ((c.flags & fin) != 0) return true;
  if ((c.flags & (syn | ack)) == (syn | ack)) {
    if (c.to_server && c.s.four_way) {
      if (p.tcp_ack != server.isn + 1) {
        event(c.p, StreamEvent::whs4_synack_with_wrong_ack);
        return false;
      }
      if (p.tcp_seq != client.isn) {
        event(c.p, StreamEvent::whs4_synack_with_wrong_syn);
        return false;
      }
      set_state(c, TcpState::syn_recv);
      client.set_next_seq(client.isn + 1);
      server.window = p.tcp_window;
      server.last_ack = p.tcp_ack;
      client.last_ack = client.isn + 1;
      client.next_win = client.last_ack + client.window;
      server.next_win = server.last_ack + server.window;
      return true;
    }
    if (c.to_server) {
      event(c.p, StreamEvent::whs3_synack_in_wrong_direction);
      return false;
    }
    const bool plain = p.tcp_ack == client.isn + 1;
    const bool with_data = c.s.fast_open && p.tcp_ack == client.next_seq;
    if (!plain && !with_data) {
      // An earlier SYN with another number may be the one that was answered.
      const auto old =
          std::find_if(c.s.syns.begin(), c.s.syns.end(),
                       [&](const TcpSession::Candidate& k) { return p.tcp_ack == k.seq + 1; });
      if (old == c.s.syns.end()) {
        event(c.p, StreamEvent::whs3_synack_with_wrong_ack);
        return false;
      }
      client.data.clear();
      start_peer(client, old->seq);
      client.timestamps = old->has_ts;
      client.last_ts = old->ts;
      server.window = old->window;
      server.wscale = old->wscale;
      c.s.server_wscale = old->has_wscale;
    } else if (plain && c.s.fast_open && client.next_seq != client.isn + 1) {
      // The server took the SYN but not its data: it will come again.
      event(c.p, StreamEvent::whs3_synack_tfo_data_ignored);
      c.s.data_ignored = true;
      client.set_next_seq(client.isn + 1);
      client.data.clear();
      client.data = StreamBuffer(&reassembly_);
    }
    if (!echo_ok(client, p)) {
      // The server may have answered an earlier attempt.
      const auto old = std::find_if(
          c.s.syns.begin(), c.s.syns.end(),
          [&](const TcpSession::Candidate& k) { return k.has_ts && k.ts == *p.tcp_ts_echo; });
      if (old == c.s.syns.end()) {
        event(c.p, StreamEvent::pkt_invalid_timestamp);
        return false;
      }
      client.last_ts = old->ts;
    }
    c.s.syns.clear();
    apply_synack(c, candidate_of(p));
    if (c.s.fast_open && c.length != 0) {
      server.set_next_seq(server.isn + 1 + c.length);
      segment(c);
    } else if (with_data && c.length == 0) {
      deliver(c, Dir::to_server, true);
    }
    return true;
  }
  if ((c.flags & syn) != 0) {
    if (!c.to_server) {  // both open at once: a four way handshake
      c.s.four_way = true;
      start_peer(server, p.tcp_seq);
      client.window = p.tcp_window;
      if (p.tcp_wscale) client.wscale = std::min(*p.tcp_wscale, wscale_max);
      if (p.tcp_ts_value) {
        server.last_ts = *p.tcp_ts_value;
        server.timestamps = true;
      }
      server.last_ack = server.isn + 1;
      return true;
    }
    const auto now = candidate_of(p);
    TcpSession::Candidate former;
    former.seq = client.isn;
    former.window = server.window;
    former.wscale = server.wscale;
    former.has_wscale = c.s.server_wscale;
    former.has_ts = client.timestamps;
    former.ts = client.last_ts;
    if (former.seq == now.seq && former.window == now.window && former.wscale == now.wscale &&
        former.has_wscale == now.has_wscale && former.has_ts == now.has_ts && former.ts == now.ts)
      return true;
    if (options_.max_syn_queued == 0) return false;
    if (c.s.syns.size() + 1 > options_.max_syn_queued) {
      event(c.p, StreamEvent::whs3_syn_flood);
      if (!c.s.syns.empty())
        c.s.syns.erase(c.s.syns.begin());  // the oldest attempt is the least likely to be answered
    }
    // The newest attempt counts; the former one stays possible.
    c.s.syns.push_back(former);
    if (now.seq != client.isn) {
      client.data = StreamBuffer(&reassembly_);
      start_peer(client, now.seq);
      client.last_ack = client.isn + 1;
    }
    server.window = now.window;
    c.s.server_wscale = now.has_wscale;
    server.wscale = now.wscale;
    client.timestamps = now.has_ts;
    client.last_ts = now.ts;
    client.zero_timestamp = client.timestamps && client.last_ts == 0;
    return true;
  }
  if ((c.flags & ack) != 0) {
    // Only one side is seen: go on without the answer.
    if (!options_.async_oneside) return true;
    if (!c.to_server) return true;
    if (p.tcp_seq != client.next_seq) {
      event(c.p, StreamEvent::whs3_async_wrong_seq);
      return false;
    }
    c.s.async = true;
    set_state(c, TcpState::established);
    client.window = static_cast<std::uint32_t>(p.tcp_window) << client.wscale;
    client.last_ack = p.tcp_seq;
    start_peer(server, p.tcp_ack - 1);
    server.last_ack = p.tcp_ack;
    client.next_win = client.last_ack + client.window;
    server.window = static_cast<std::uint32_t>(p.tcp_window) << server.wscale;
    server.next_win = server.last_ack + server.window;
    if (c.s.server_wscale && server.wscale == 0) server.wscale = wscale_max;
    client.set_next_seq(p.tcp_seq + c.length);
    if (p.tcp_ts_value && client.timestamps) {
      c.s.timestamps = true;
      client.last_ts = *p.tcp_ts_value;
      client.last_pkt_second = p.time.seconds();
    } else {
      c.s.timestamps = false;
    }
    c.s.sack = c.s.client_sack;
    segment(c);
  }
  return true;
}

/// The server goes on although the client's last ACK of the handshake was not seen.
bool StreamTracker::server_before_ack(Context& c) {
  auto& client = c.s.peers[0];
  auto& server = c.s.peers[1];
  const auto& p = c.p;
  const bool fits = p.tcp_seq == server.next_seq && p.tcp_ack == client.last_ack;
  if (options_.inline_mode) {  // nothing is lost on its way to us, so someone may inject
    event(c.p, fits && c.length != 0 ? StreamEvent::whs3_ack_data_inject
                                     : StreamEvent::whs3_ack_in_wrong_dir);
    return false;
  }
  const bool later = seq_gt(p.tcp_seq, server.next_seq) && seq_leq(p.tcp_seq, server.next_win) &&
                     seq_gt(p.tcp_ack, client.last_ack);
  if (!fits && !later) {
    event(c.p, StreamEvent::whs3_wrong_seq_wrong_ack);
    return false;
  }
  // That ACK was lost to us, or came before the SYN/ACK.
  update_last_ack(client, p.tcp_ack);
  client.window = static_cast<std::uint32_t>(p.tcp_window) << client.wscale;
  client.next_win = client.last_ack + client.window;
  server.next_win = server.last_ack + server.window;
  server.set_next_seq(p.tcp_seq + c.length);
  take_timestamp(c);
  set_state(c, TcpState::established);
  segment(c);
  return true;
}

bool StreamTracker::on_syn_recv(Context& c) {
  auto& client = c.s.peers[0];
  auto& server = c.s.peers[1];
  const auto& p = c.p;
  if ((c.flags & rst) != 0) return handle_rst(c);
  if ((c.flags & fin) != 0) {
    // A FIN here also says that the handshake was completed.
    if (c.to_server && p.tcp_ack == server.next_seq && client.window != 0 && c.length != 0) {
      set_state(c, TcpState::established);
    }
    return handle_fin(c);
  }
  if ((c.flags & (syn | ack)) == (syn | ack)) {
    if (c.to_server) {
      event(c.p, StreamEvent::whs3_synack_toserver_on_syn_recv);
      return false;
    }
    const bool tfo_ack =
        c.s.fast_open && (p.tcp_ack == client.isn + 1 || p.tcp_ack == client.next_seq);
    if (p.tcp_ack != client.isn + 1 && !tfo_ack) {
      event(c.p, StreamEvent::whs3_synack_resend_with_different_ack);
      return false;
    }
    if (p.tcp_seq != server.isn) {
      event(c.p, StreamEvent::whs3_synack_resend_with_diff_seq);
      if (options_.inline_mode) return false;
      if (c.s.synacks.size() >= options_.max_synack_queued) {
        event(c.p, StreamEvent::whs3_synack_flood);
        return false;
      }
      if (c.s.synacks.empty()) {  // the first one stays possible too
        TcpSession::Candidate first;
        first.seq = server.isn;
        first.ack = client.last_ack;
        first.window = client.window;
        first.wscale = client.wscale;
        first.has_wscale = client.wscale != 0;
        first.has_ts = server.timestamps;
        first.ts = server.last_ts;
        first.sack = c.s.sack;
        c.s.synacks.push_back(first);
      }
      c.s.synacks.push_back(candidate_of(p));
    }
    return true;
  }
  if ((c.flags & syn) != 0) {
    if (!c.to_server) {
      event(c.p, StreamEvent::whs3_syn_toclient_on_syn_recv);
      return false;
    }
    if (p.tcp_seq != client.isn) {
      event(c.p, StreamEvent::whs3_syn_resend_diff_seq_on_syn_recv);
      return false;
    }
    return true;
  }
  if ((c.flags & ack) == 0) return true;

  if (!c.s.synacks.empty() && c.to_server) {
    const auto real =
        std::find_if(c.s.synacks.begin(), c.s.synacks.end(),
                     [&](const TcpSession::Candidate& k) { return p.tcp_ack == k.seq + 1; });
    if (real != c.s.synacks.end() && real->seq != server.isn) {
      server.data = StreamBuffer(&reassembly_);
      apply_synack(c, *real);
    }
    c.s.synacks.clear();
  }
  if (c.s.four_way && !c.to_server) {
    if (p.tcp_seq != server.next_seq) {
      event(c.p, StreamEvent::whs4_wrong_seq);
      return false;
    }
    if (!ack_ok(c)) {
      event(c.p, StreamEvent::whs4_invalid_ack);
      return false;
    }
    client.window = static_cast<std::uint32_t>(p.tcp_window) << client.wscale;
    client.last_ack = p.tcp_ack;
    server.set_next_seq(p.tcp_seq + c.length);
    set_state(c, TcpState::established);
    client.next_win = client.last_ack + client.window;
    server.next_win = server.last_ack + server.window;
    segment(c);
    return true;
  }
  if (!timestamp_ok(c)) return false;
  if (!c.to_server) {
    if (c.s.fast_open || c.s.midstream) {
      if (c.s.midstream_synack && options_.async_oneside) c.s.async = true;
      // With fast open (or when we joined late) the server may speak before the client's ACK.
      update_last_ack(client, p.tcp_ack);
      client.window = static_cast<std::uint32_t>(p.tcp_window) << client.wscale;
      client.next_win = client.last_ack + client.window;
      if (p.tcp_seq == server.next_seq) server.set_next_seq(p.tcp_seq + c.length);
      take_timestamp(c);
      set_state(c, TcpState::established);
      segment(c);
      return true;
    }
    return server_before_ack(c);
  }
  const bool right_seq = p.tcp_seq == client.next_seq;
  const bool right_ack = p.tcp_ack == server.next_seq;
  const auto established = [&] {
    update_last_ack(server, p.tcp_ack);
    client.last_ack =
        std::max(client.last_ack, p.tcp_seq, [](auto a, auto b) { return seq_lt(a, b); });
    server.window = static_cast<std::uint32_t>(p.tcp_window) << server.wscale;
    server.next_win = server.last_ack + server.window;
    client.next_win = client.last_ack + client.window;
    take_timestamp(c);
    if (seq_gt(p.tcp_seq + c.length, client.next_seq)) client.set_next_seq(p.tcp_seq + c.length);
    set_state(c, TcpState::established);
    segment(c);
  };
  if (right_seq && right_ack) {
    if (c.s.midstream) {
      c.s.midstream_established = true;
      server.wscale = wscale_max;
    }
    established();
    return true;
  }
  if (c.s.fast_open && seq_leq(p.tcp_seq, client.next_seq) && seq_geq(p.tcp_ack, server.isn + 1) &&
      seq_leq(p.tcp_ack, server.next_seq)) {
    established();
    return true;
  }
  if (c.s.async && right_seq) {
    server.set_next_seq(p.tcp_ack);
    established();
    return true;
  }
  // The handshake's ACK was lost but what follows shows that it was sent: its sequence number is
  // behind, in window, and it acknowledges what the server sent.
  if (seq_geq(p.tcp_seq, client.next_seq) && seq_leq(p.tcp_seq, client.next_win) && right_ack) {
    established();
    return true;
  }
  if (c.s.midstream && seq_geq(p.tcp_ack, server.next_seq)) {
    server.set_next_seq(p.tcp_ack);
    established();
    return true;
  }
  if (right_seq) {
    event(c.p, StreamEvent::whs3_right_seq_wrong_ack_evasion);
    c.s.evasion = true;
  } else {
    event(c.p, StreamEvent::whs3_wrong_seq_wrong_ack);
  }
  return false;
}

}  // namespace ww::sensor
