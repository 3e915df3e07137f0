#include "rules/signature/inspect.hpp"

namespace ww::sig {

Interner<AppProto>& app_protos() {
  static Interner<AppProto> table;
  return table;
}
Interner<BufferId>& buffers() {
  static Interner<BufferId> table;
  return table;
}
Interner<NumberId>& numbers() {
  static Interner<NumberId> table;
  return table;
}
Interner<EventId>& events() {
  static Interner<EventId> table;
  return table;
}
Interner<FrameType>& frame_types() {
  static Interner<FrameType> table;
  return table;
}
std::vector<ProtocolBuffers>& protocol_buffers() {
  static std::vector<ProtocolBuffers> table;
  return table;
}

std::string_view packet_origin_name(PacketOrigin origin) {
  switch (origin) {
    case PacketOrigin::wire:
      return "wire/pcap";
    case PacketOrigin::gre:
      return "gre tunnel";
    case PacketOrigin::ipv4:
      return "ipv4 tunnel";
    case PacketOrigin::ipv6:
      return "ipv6 tunnel";
    case PacketOrigin::teredo:
      return "teredo tunnel";
    case PacketOrigin::vxlan:
      return "vxlan encapsulation";
    case PacketOrigin::geneve:
      return "geneve encapsulation";
    case PacketOrigin::defrag:
      return "defrag";
    case PacketOrigin::stream:
      return "stream (detect/log)";
    case PacketOrigin::flow_timeout:
      return "stream (flow timeout)";
  }
  return "<unknown>";
}

}  // namespace ww::sig
