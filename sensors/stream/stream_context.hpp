#pragma once
/// One packet on its way through the stream engine. Private to sensors/stream.
#include "sensors/stream/stream_tracker.hpp"

namespace ww::sensor {

struct StreamTracker::Context {
  Context(sig::Packet& packet, Flow& its_flow, TcpSession& session)
      : p(packet),
        flow(its_flow),
        s(session),
        to_server(packet.dir == Dir::to_server),
        me(session.peer(packet.dir)),
        other(session.peer(sig::opposite(packet.dir))),
        flags(packet.tcp_flags),
        length(static_cast<std::uint32_t>(packet.payload.size())) {}
  sig::Packet& p;
  Flow& flow;
  TcpSession& s;
  bool to_server;
  TcpPeer& me;     ///< the sender
  TcpPeer& other;  ///< the receiver
  std::uint8_t flags;
  std::uint32_t length;
};

}  // namespace ww::sensor
