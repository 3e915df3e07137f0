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

}  // namespace ww::sig
