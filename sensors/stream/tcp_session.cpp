#include "sensors/stream/tcp_session.hpp"

#include <algorithm>

namespace ww::sensor {

std::string_view tcp_state_name(TcpState state) {
  switch (state) {
    case TcpState::none:
      return "none";
    case TcpState::listen:
      return "listen";
    case TcpState::syn_sent:
      return "syn_sent";
    case TcpState::syn_recv:
      return "syn_recv";
    case TcpState::established:
      return "established";
    case TcpState::fin_wait1:
      return "fin_wait1";
    case TcpState::fin_wait2:
      return "fin_wait2";
    case TcpState::time_wait:
      return "time_wait";
    case TcpState::last_ack:
      return "last_ack";
    case TcpState::close_wait:
      return "close_wait";
    case TcpState::closing:
      return "closing";
    case TcpState::closed:
      return "closed";
  }
  return "";
}

std::int64_t TcpPeer::offset_of(std::uint32_t seq) const {
  const auto raw =
      static_cast<std::int64_t>(next_offset) + static_cast<std::int32_t>(seq - next_seq);
  if (urgent.empty()) return raw;
  const auto taken = std::lower_bound(urgent.begin(), urgent.end(),
                                      static_cast<std::uint64_t>(std::max<std::int64_t>(raw, 0)));
  return raw - (taken - urgent.begin());
}

std::uint64_t TcpPeer::acked() const {
  const auto at = offset_of(last_ack);
  return at > 0 ? static_cast<std::uint64_t>(at) : 0;
}

std::uint64_t TcpPeer::next_in_stream() const {
  const auto at = offset_of(next_seq);
  return at > 0 ? static_cast<std::uint64_t>(at) : 0;
}

void TcpPeer::set_next_seq(std::uint32_t seq) {
  next_offset += static_cast<std::uint64_t>(
      static_cast<std::int64_t>(static_cast<std::int32_t>(seq - next_seq)));
  next_seq = seq;
}

TcpSession::TcpSession(MemoryBudget* reassembly, MemoryBudget* sessions) : sessions_(sessions) {
  for (auto& p : peers) p.data = StreamBuffer(reassembly);
}

TcpSession::~TcpSession() {
  if (sessions_ != nullptr) sessions_->give(sizeof(TcpSession));
}

Bytes TcpSession::stream_window(Dir dir, std::uint64_t offset, std::uint64_t length) {
  const auto held = peer(dir).data.at(offset);
  return held.first(std::min<std::uint64_t>(held.size(), length));
}

std::uint64_t TcpSession::stream_held(Dir dir, std::uint64_t offset) {
  return peer(dir).data.next_held(offset).value_or(UINT64_MAX);
}

}  // namespace ww::sensor
