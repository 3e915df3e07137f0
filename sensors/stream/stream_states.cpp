/// What a packet does to a connection whose handshake is over, and the checks all states share.
#include <algorithm>

#include "sensors/stream/stream_context.hpp"

namespace ww::sensor {

using namespace sig::tcp_flag;  // NOLINT: flag names read as in the RFC

namespace {

constexpr std::int64_t paws_seconds = 24 * 24 * 60 * 60;  // RFC 7323 section 5.5

std::uint32_t scaled_window(const sig::Packet& p, const TcpPeer& limited) {
  return static_cast<std::uint32_t>(p.tcp_window) << limited.wscale;
}

}  // namespace

// ------------------------------------------------------------------------------------------ shared
// checks

bool StreamTracker::ack_ok(Context& c) {
  if ((c.flags & ack) == 0) return true;
  const auto a = c.p.tcp_ack;
  if (seq_gt(a, c.other.last_ack)) {  // new ground: must stay in what the receiver may have sent
    if (seq_leq(a, c.other.next_win)) return true;
    if (c.s.midstream || c.s.async) return true;
    if (c.s.state == TcpState::syn_sent || c.s.state == TcpState::syn_recv) {
      if (seq_leq(a, c.other.next_seq)) return true;
    }
    event(c.p, StreamEvent::pkt_invalid_ack);
    return false;
  }
  if (a == c.other.last_ack) return true;
  // An old acknowledgement is fine while it is within one window of the newest.
  if (seq_gt(a, c.other.last_ack - c.other.window) || seq_geq(a, c.other.isn)) return true;
  event(c.p, StreamEvent::pkt_invalid_ack);
  return false;
}

/// Protection against wrapped sequence numbers (RFC 7323 section 5).
bool StreamTracker::timestamp_ok(Context& c) {
  if (!c.s.timestamps || !c.p.tcp_ts_value) return true;
  auto& sender = c.me;
  const auto ts = *c.p.tcp_ts_value;
  if (sender.zero_timestamp || sender.last_pkt_second == 0) return true;
  if (sender.last_ts == 0 && sender.last_pkt_second == 0) return true;
  const auto difference = static_cast<std::int32_t>(ts - sender.last_ts);
  const bool outdated = c.p.time.seconds() - sender.last_pkt_second > paws_seconds;
  if (difference < 0 && !outdated && sender.last_ts != 0) {
    event(c.p, StreamEvent::pkt_invalid_timestamp);
    return false;
  }
  return true;
}

void StreamTracker::take_timestamp(Context& c) {
  if (!c.s.timestamps || !c.p.tcp_ts_value) return;
  auto& sender = c.me;
  const auto ts = *c.p.tcp_ts_value;
  const bool newer = static_cast<std::int32_t>(ts - sender.last_ts) >= 0;
  if (newer || c.p.time.seconds() - sender.last_pkt_second > paws_seconds) {
    sender.last_ts = ts;
    sender.last_pkt_second = c.p.time.seconds();
  }
  if (ts != 0) sender.zero_timestamp = false;
}

void StreamTracker::update_last_ack(TcpPeer& peer, std::uint32_t a) {
  if (seq_gt(a, peer.last_ack)) peer.last_ack = a;
}

bool StreamTracker::accept_ack(Context& c) {
  c.other.window = scaled_window(c.p, c.other);
  if ((c.flags & ack) != 0) update_last_ack(c.other, c.p.tcp_ack);
  if (c.s.async && seq_lt(c.other.next_seq, c.p.tcp_ack)) c.other.set_next_seq(c.p.tcp_ack);
  const auto limit = c.other.last_ack + c.other.window;
  if (seq_gt(limit, c.other.next_win)) c.other.next_win = limit;
  return true;
}

// ------------------------------------------------------------------------------------------
// packets that change nothing

bool StreamTracker::is_keepalive(Context& c) {
  if (c.length > 1 || (c.flags & (syn | fin | rst)) != 0 || c.s.state < TcpState::established)
    return false;
  if ((c.flags & ack) == 0 || c.p.tcp_ack != c.other.next_seq) return false;
  if (c.p.tcp_seq != c.me.next_seq - 1 || c.p.tcp_seq == c.me.isn) return false;
  if (scaled_window(c.p, c.other) != c.other.window) return false;
  c.me.keepalive = true;
  return true;
}

bool StreamTracker::is_keepalive_ack(Context& c) {
  if (c.length != 0 || (c.flags & (syn | fin | rst)) != 0 || (c.flags & ack) == 0) return false;
  return c.other.keepalive && c.p.tcp_seq == c.me.next_seq && c.p.tcp_ack == c.other.next_seq &&
         scaled_window(c.p, c.other) == c.other.window;
}

bool StreamTracker::is_fin_shutdown_ack(Context& c) {
  if (c.s.state != TcpState::time_wait && c.s.state != TcpState::close_wait &&
      c.s.state != TcpState::last_ack)
    return false;
  if (c.flags != ack || c.length != 0) return false;
  return c.p.tcp_ack == c.other.next_seq + 1 || c.p.tcp_ack == c.other.next_seq;
}

bool StreamTracker::is_window_update(Context& c) {
  if (c.s.state < TcpState::established || c.length != 0 || (c.flags & (syn | fin | rst)) != 0)
    return false;
  if (c.p.tcp_window == 0) return false;
  if (scaled_window(c.p, c.other) == c.other.window) return false;
  return c.p.tcp_ack == c.other.last_ack && c.p.tcp_seq == c.me.next_seq;
}

/// A shrunken window on an old acknowledgement: an attempt to make us believe data cannot be in
/// window.
bool StreamTracker::is_bad_window_update(Context& c) {
  if (c.s.state < TcpState::established || c.s.state == TcpState::closed) return false;
  if (c.length != 0 || (c.flags & (syn | fin | rst)) != 0 || c.p.tcp_window == 0) return false;
  const auto window = scaled_window(c.p, c.other);
  if (window == c.other.window) return false;
  if (c.s.midstream || c.s.async) return false;
  if (window < c.other.window && window < 256 && c.p.tcp_seq == c.me.next_seq &&
      seq_gt(c.p.tcp_ack, c.other.next_seq)) {
    event(c.p, StreamEvent::pkt_bad_window_update);
    return true;
  }
  return false;
}

bool StreamTracker::is_outdated_ack(Context& c) {
  if (c.s.state < TcpState::established || (c.flags & (syn | fin | rst)) != 0 ||
      (c.flags & ack) == 0)
    return false;
  if (c.length != 0) return false;
  // An ACK older than the newest one that changes nothing else.
  return c.p.tcp_seq == c.me.next_seq && seq_lt(c.p.tcp_ack, c.other.last_ack);
}

/// Data that was acknowledged before is named.
/// @return whether it lies before all that is kept of the stream, so that nobody need look at it
bool StreamTracker::is_spurious_retransmission(Context& c) {
  if (c.length == 0) return false;
  // Seen from one side, what is acknowledged is guessed.
  if (c.s.async || (c.s.midstream && c.me.last_ack == c.me.isn + 1)) return false;
  const auto end = c.p.tcp_seq + c.length;
  const auto at = c.me.offset_of(c.p.tcp_seq) + static_cast<std::int64_t>(c.length);
  const bool passed = !c.me.no_reassembly && at <= static_cast<std::int64_t>(c.me.data.base());
  if (!passed && !seq_leq(end, c.me.last_ack)) return false;
  event(c.p, StreamEvent::pkt_spurious_retransmission);
  return passed;
}

// ------------------------------------------------------------------------------------------ reset

/// Is a reset one that the receiving host (by its policy) would believe?
static bool reset_valid(const TcpSession& s, const TcpPeer& me, const TcpPeer& other,
                        const sig::Packet& p) {
  if (s.state == TcpState::syn_sent) {
    if (p.dir == Dir::to_client) {
      if ((p.tcp_flags & ack) == 0) return true;
      return p.tcp_ack == s.peers[0].isn + 1 || p.tcp_ack == s.peers[0].next_seq;
    }
    return p.tcp_seq == s.peers[0].isn || p.tcp_seq == s.peers[0].next_seq;
  }
  if (s.state == TcpState::syn_recv && p.dir == Dir::to_client && p.tcp_seq == 0) return true;
  // Out of window resets are ignored by everyone.
  const auto seq = p.tcp_seq;
  if ((p.tcp_flags & ack) != 0 && p.tcp_ack != 0) {
    if (seq_gt(p.tcp_ack, other.next_win) && seq_gt(p.tcp_ack, other.next_seq + 1) &&
        !s.midstream && !s.async)
      return false;
  }
  switch (me.policy) {
    case OverlapPolicy::hpux11:
      return seq_geq(seq, me.next_seq);
    case OverlapPolicy::old_linux:
    case OverlapPolicy::linux_new:
    case OverlapPolicy::solaris:
      if (!p.payload.empty()) {
        if (seq_geq(seq + static_cast<std::uint32_t>(p.payload.size()), me.last_ack) &&
            seq_leq(seq, me.next_win != 0 ? me.next_win : me.last_ack + me.window))
          return true;
        return false;
      }
      return seq_geq(seq, me.last_ack) &&
             seq_leq(seq, std::max(me.last_ack + me.window, me.next_seq + 1));
    default:
      break;
  }
  if (seq == me.next_seq || seq == me.next_seq + 1 || seq == me.last_ack) return true;
  if (s.midstream || s.async) return seq_geq(seq, me.last_ack);
  // Packets before this one may have been lost to us: a reset inside the window is taken.
  return seq_geq(seq, me.last_ack) &&
         seq_leq(seq, me.last_ack + std::max<std::uint32_t>(me.window, 1));
}

bool StreamTracker::handle_rst(Context& c) {
  if (!reset_valid(c.s, c.me, c.other, c.p)) {
    event(c.p, StreamEvent::rst_invalid_ack);
    return false;
  }
  if (!timestamp_ok(c)) return false;
  const auto before = c.s.state;
  set_state(c, TcpState::closed);
  c.other.rst_received = true;
  if (before == TcpState::syn_sent || before == TcpState::syn_recv) {
    if ((c.flags & ack) != 0 && before == TcpState::syn_recv) update_last_ack(c.other, c.p.tcp_ack);
    segment(c);
    return true;
  }
  if ((c.flags & ack) != 0) {
    if (c.s.async && seq_lt(c.other.next_seq, c.p.tcp_ack)) c.other.set_next_seq(c.p.tcp_ack);
    c.other.window = scaled_window(c.p, c.other);
    update_last_ack(c.other, c.p.tcp_ack);
  }
  // What was sent and not acknowledged is read when the flow ends, as far as nothing is missing.
  update_last_ack(c.me, seq_lt(c.p.tcp_seq, c.me.next_seq) ? c.p.tcp_seq : c.me.next_seq);
  take_timestamp(c);
  segment(c);
  return true;
}

// ------------------------------------------------------------------------------------------
// established

bool StreamTracker::established_data(Context& c) {
  const auto seq = c.p.tcp_seq, end = seq + c.length;
  if (!seq_geq(end, c.me.last_ack)) {
    if (c.s.async) {
      // We see one side only; what is behind is a retransmission.
    } else if (!(seq_gt(c.me.last_ack, c.me.next_seq) && seq_gt(end, c.me.next_seq))) {
      event(c.p, c.s.state == TcpState::close_wait ? StreamEvent::closewait_pkt_before_last_ack
                                                   : StreamEvent::est_pkt_before_last_ack);
      return false;
    }
  }
  const bool window_probe = c.length == 1 && seq == c.me.next_seq && c.me.window == 0;
  if (window_probe) {  // it will come again, unless the answer says that there was room
    c.me.window_probed = true;
    accept_ack(c);
    segment(c);
    return true;
  }
  if (!(seq_leq(end, c.me.next_win) || c.s.midstream || c.s.async)) {
    event(c.p, StreamEvent::est_packet_out_of_window);
    return false;
  }
  if (seq_gt(end, c.me.next_seq)) c.me.set_next_seq(end);
  accept_ack(c);
  take_timestamp(c);
  segment(c);
  return true;
}

bool StreamTracker::on_established(Context& c) {
  auto& client = c.s.peers[0];
  auto& server = c.s.peers[1];
  if ((c.flags & rst) != 0) return handle_rst(c);
  if ((c.flags & fin) != 0) return handle_fin(c);
  if ((c.flags & (syn | ack)) == (syn | ack)) {
    if (c.to_server) {
      event(c.p, StreamEvent::est_synack_toserver);
      return false;
    }
    if (c.p.tcp_ack != client.last_ack &&
        !(c.s.fast_open && seq_leq(c.p.tcp_ack, client.last_ack))) {
      event(c.p, StreamEvent::est_synack_resend_with_different_ack);
      return false;
    }
    if (c.p.tcp_seq != server.isn) {
      event(c.p, StreamEvent::est_synack_resend_with_diff_seq);
      return false;
    }
    if (c.s.handshake_confirmed) event(c.p, StreamEvent::est_synack_resend);
    return false;
  }
  if ((c.flags & syn) != 0) {
    if (!c.to_server)
      event(c.p, StreamEvent::est_syn_toclient);
    else if (c.p.tcp_seq != client.isn)
      event(c.p, StreamEvent::est_syn_resend_diff_seq);
    else
      event(c.p, StreamEvent::est_syn_resend);
    return false;
  }
  if ((c.flags & ack) == 0) {
    if (c.length == 0) return true;
    // Data without ACK is dropped by receivers (RFC 9293 section 3.10.7.4).
    return false;
  }
  if (c.other.window_probed && c.p.tcp_ack == c.other.next_seq + 1) {
    // The receiver had room for the octet of a window probe.
    event(c.p, StreamEvent::est_ack_zwp_data);
  } else if (!ack_ok(c)) {
    event(c.p, StreamEvent::est_invalid_ack);
    return false;
  }
  if (!timestamp_ok(c)) return false;
  if (!c.to_server) c.s.handshake_confirmed = true;  // the server has got the last ACK of it
  return established_data(c);
}

bool StreamTracker::handle_fin(Context& c) {
  if (!timestamp_ok(c)) return false;
  if (!ack_ok(c)) {
    event(c.p, StreamEvent::fin_invalid_ack);
    return false;
  }
  const auto seq = c.p.tcp_seq;
  if (seq_lt(seq, c.me.last_ack) || seq_gt(seq + c.length, c.me.next_win)) {
    if (!(c.s.midstream || c.s.async)) {
      event(c.p, StreamEvent::fin_out_of_window);
      return false;
    }
  }
  if ((c.flags & syn) != 0 && c.to_server) {
    event(c.p, StreamEvent::fin_syn);
    return false;
  }
  set_state(c, c.to_server ? TcpState::close_wait : TcpState::fin_wait1);
  if (seq_gt(seq + c.length, c.me.next_seq)) c.me.set_next_seq(seq + c.length);
  accept_ack(c);
  take_timestamp(c);
  // The receiver acknowledged data that we have not seen: it was lost to us.
  if (seq_lt(c.other.next_seq, c.p.tcp_ack) && (c.flags & ack) != 0)
    c.other.set_next_seq(c.p.tcp_ack);
  segment(c);
  return true;
}

// ------------------------------------------------------------------------------------------
// closing

/// A packet (maybe with FIN) that repeats what was acknowledged, at least in part, or is on its
/// way.
bool StreamTracker::retransmitted(Context& c) {
  const auto end = c.p.tcp_seq + c.length;
  const bool in_part = seq_lt(c.p.tcp_seq, c.me.last_ack) && seq_gt(end, c.me.last_ack);
  if (c.length == 0 || !(in_part || seq_leq(end, c.me.last_ack) || seq_leq(end, c.me.next_seq)))
    return false;
  event(c.p, StreamEvent::pkt_retransmission);
  return true;
}

namespace {
bool next_expected(const TcpPeer& me, std::uint32_t seq) {
  return seq == me.next_seq || seq == me.next_seq + 1;
}
}  // namespace

// The server's FIN brought us here: `next_seq` of the server is where it stands, so that its ACKs
// go on one behind.

bool StreamTracker::on_fin_wait1(Context& c) {
  if ((c.flags & rst) != 0) return handle_rst(c);
  if (!timestamp_ok(c)) return false;
  const auto seq = c.p.tcp_seq, end = seq + c.length;
  if ((c.flags & fin) != 0) {
    const bool again = retransmitted(c) ||
                       (!c.to_server && seq == c.me.next_seq && c.p.tcp_ack == c.other.last_ack);
    const auto first = c.to_server ? c.me.next_seq - 1 : c.me.next_seq;
    if (!again && (seq_lt(seq, first) || seq_gt(seq, c.me.last_ack + std::max(c.me.window, 1U)))) {
      event(c.p, StreamEvent::fin1_fin_wrong_seq);
      return false;
    }
    if (!ack_ok(c)) {
      event(c.p, StreamEvent::fin1_invalid_ack);
      return false;
    }
    if (!again) set_state(c, (c.flags & ack) != 0 ? TcpState::time_wait : TcpState::closing);
    accept_ack(c);
    take_timestamp(c);
    if (seq_gt(end, c.me.next_seq)) c.me.set_next_seq(end);
    segment(c);
    return true;
  }
  if ((c.flags & syn) != 0) {
    event(c.p, StreamEvent::shutdown_syn_resend);
    return false;
  }
  if ((c.flags & ack) == 0) return true;
  const bool again = retransmitted(c);
  if (!ack_ok(c)) {
    event(c.p, StreamEvent::fin1_invalid_ack);
    return false;
  }
  // An ACK to the server that does not cover its FIN changes nothing.
  if (!again && (!c.to_server || seq_gt(c.p.tcp_ack, c.other.next_seq))) {
    if (!(seq_leq(end, c.me.next_win) || c.s.midstream || c.s.async)) {
      event(c.p, StreamEvent::fin1_ack_wrong_seq);
      return false;
    }
    if (seq == c.me.next_seq) set_state(c, TcpState::fin_wait2);
  }
  if (seq_gt(end, c.me.next_seq)) c.me.set_next_seq(end);
  accept_ack(c);
  take_timestamp(c);
  segment(c);
  return true;
}

bool StreamTracker::on_fin_wait2(Context& c) {
  if ((c.flags & rst) != 0) return handle_rst(c);
  if (!timestamp_ok(c)) return false;
  const auto seq = c.p.tcp_seq, end = seq + c.length;
  if ((c.flags & fin) != 0) {
    const auto first = c.to_server ? c.me.next_seq : c.me.next_seq + 1;
    const bool repeat = (seq == first - 1 && c.p.tcp_ack == c.other.last_ack) || retransmitted(c);
    if (!repeat && (seq_lt(seq, first) || seq_gt(seq, c.me.last_ack + std::max(c.me.window, 1U)))) {
      event(c.p, StreamEvent::fin2_fin_wrong_seq);
      return false;
    }
    if (!ack_ok(c)) {
      event(c.p, StreamEvent::fin2_invalid_ack);
      return false;
    }
    if (!repeat) set_state(c, TcpState::time_wait);
    accept_ack(c);
    take_timestamp(c);
    if (seq_gt(end, c.me.next_seq)) c.me.set_next_seq(end);
    segment(c);
    return true;
  }
  if ((c.flags & syn) != 0) {
    event(c.p, StreamEvent::shutdown_syn_resend);
    return false;
  }
  if ((c.flags & ack) == 0) return true;
  const bool again = retransmitted(c);
  if (!ack_ok(c)) {
    event(c.p, StreamEvent::fin2_invalid_ack);
    return false;
  }
  if (!again && !(seq_leq(end, c.me.next_win) || c.s.midstream || c.s.async)) {
    event(c.p, StreamEvent::fin2_ack_wrong_seq);
    return false;
  }
  if (seq_gt(end, c.me.next_seq) && c.length != 0) c.me.set_next_seq(end);
  accept_ack(c);
  take_timestamp(c);
  segment(c);
  return true;
}

/// Both sides have sent their FIN: one acknowledgement leads on to `next`.
bool StreamTracker::final_ack(Context& c, TcpState next, StreamEvent wrong_seq,
                              StreamEvent invalid) {
  if ((c.flags & syn) != 0) {
    event(c.p, StreamEvent::shutdown_syn_resend);
    return false;
  }
  if ((c.flags & ack) == 0) return true;
  if (!timestamp_ok(c)) return false;
  const bool again = retransmitted(c);
  if (!again && !next_expected(c.me, c.p.tcp_seq)) {
    if (next == TcpState::closed && !c.to_server && c.length != 0 && c.p.tcp_seq == c.me.last_ack)
      return true;
    event(c.p, wrong_seq);
    return false;
  }
  if (!ack_ok(c)) {
    event(c.p, invalid);
    return false;
  }
  if (!again) set_state(c, next);
  accept_ack(c);
  take_timestamp(c);
  segment(c);
  return true;
}

bool StreamTracker::on_closing(Context& c) {
  if ((c.flags & rst) != 0) return handle_rst(c);
  return final_ack(c, TcpState::time_wait, StreamEvent::closing_ack_wrong_seq,
                   StreamEvent::closing_invalid_ack);
}

bool StreamTracker::on_close_wait(Context& c) {
  if ((c.flags & rst) != 0) return handle_rst(c);
  if (!timestamp_ok(c)) return false;
  const auto seq = c.p.tcp_seq, end = seq + c.length;
  const bool beyond = seq_gt(seq, c.me.last_ack + std::max(c.me.window, 1U));
  if ((c.flags & fin) != 0) {
    const bool again = retransmitted(c);
    if (!again && (seq_lt(seq, c.me.next_seq) || beyond)) {
      event(c.p, StreamEvent::closewait_fin_out_of_window);
      return false;
    }
    if (!ack_ok(c)) {
      event(c.p, StreamEvent::closewait_invalid_ack);
      return false;
    }
    if (!again && !c.to_server) set_state(c, TcpState::last_ack);
    accept_ack(c);
    take_timestamp(c);
    if (seq_gt(end, c.me.next_seq)) c.me.set_next_seq(end);
    segment(c);
    return true;
  }
  if ((c.flags & syn) != 0) {
    event(c.p, StreamEvent::shutdown_syn_resend);
    return false;
  }
  if ((c.flags & ack) == 0) return true;
  (void)retransmitted(c);
  if (c.length != 0 && seq_leq(end, c.me.last_ack)) {
    event(c.p, StreamEvent::closewait_pkt_before_last_ack);
    return false;
  }
  if (beyond) {
    event(c.p, StreamEvent::closewait_ack_out_of_window);
    return false;
  }
  if (!ack_ok(c)) {
    event(c.p, StreamEvent::closewait_invalid_ack);
    return false;
  }
  if (seq_gt(end, c.me.next_seq) && c.length != 0) c.me.set_next_seq(end);
  accept_ack(c);
  take_timestamp(c);
  segment(c);
  return true;
}

bool StreamTracker::on_last_ack(Context& c) {
  if ((c.flags & rst) != 0) return handle_rst(c);
  if ((c.flags & fin) != 0) return true;
  if ((c.flags & syn) != 0) {
    event(c.p, StreamEvent::shutdown_syn_resend);
    return false;
  }
  if ((c.flags & ack) == 0) return true;
  if (!timestamp_ok(c)) return false;
  if (!c.to_server) return true;  // the server has said all
  const bool again = retransmitted(c);
  if (!ack_ok(c)) {
    event(c.p, StreamEvent::lastack_invalid_ack);
    return false;
  }
  // Older than what we have: changes nothing.
  if (!again && !seq_lt(c.p.tcp_seq, c.me.next_seq)) {
    if (!next_expected(c.me, c.p.tcp_seq)) {
      event(c.p, StreamEvent::lastack_ack_wrong_seq);
      return false;
    }
    set_state(c, TcpState::closed);
  }
  accept_ack(c);
  take_timestamp(c);
  segment(c);
  return true;
}

bool StreamTracker::on_time_wait(Context& c) {
  if ((c.flags & rst) != 0) return handle_rst(c);
  if ((c.flags & fin) != 0) return true;
  return final_ack(c, TcpState::closed, StreamEvent::timewait_ack_wrong_seq,
                   StreamEvent::timewait_invalid_ack);
}

bool StreamTracker::on_closed(Context& c) {
  if ((c.flags & rst) != 0) return true;
  // Whoever sent the reset goes on as if nothing had happened: perhaps the reset was not believed.
  if (!c.me.rst_received && c.other.rst_received) {
    const auto earlier = c.s.previous;
    const auto ok = dispatch(c, earlier == TcpState::closed ? TcpState::established : earlier);
    if (c.s.state == TcpState::closed && ok) c.s.state = earlier;
    return ok;
  }
  return true;
}

}  // namespace ww::sensor
