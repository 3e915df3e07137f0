/// Any sequence of segments of one connection. Octets are commands: direction, flags, sequence and
/// acknowledgement offsets, length. What is delivered must be contiguous and within what was sent.
#include <cstdlib>

#include "sensors/stream/stream_tracker.hpp"

namespace {

using namespace ww;
using namespace ww::sensor;

class Reader : public StreamReader {
 public:
  std::uint64_t read(Flow&, TcpSession&, sig::Packet&, const StreamPiece& p) override {
    auto& at = at_[sig::index(p.dir)];
    if (p.offset != at) std::abort();
    // Sometimes takes less than there is, as a parser that waits for more does.
    const auto take = (++calls_ % 3 == 0) ? p.data.size() / 2 : p.data.size();
    at = p.offset + p.gap + take;
    return at;
  }

 private:
  std::uint64_t at_[2] = {0, 0};
  unsigned calls_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 4096) return 0;
  ByteReader in(Bytes(data, size));
  const auto mode = in.u8();
  StreamOptions options;
  options.midstream = (mode & 1) != 0;
  options.async_oneside = (mode & 2) != 0;
  options.inline_mode = (mode & 4) != 0;
  options.depth = (mode & 8) != 0 ? 64 : 1 << 20;
  options.default_policy = static_cast<OverlapPolicy>((mode >> 4) % 15);
  options.chunk[0] = options.chunk[1] = 32;
  Reader reader;
  StreamTracker tracker(options, reader, 1 << 20, 4096);
  Flow flow;
  flow.ip_proto = 6;
  flow.src = *parse_ip("10.0.0.1");
  flow.dst = *parse_ip("10.0.0.2");
  static const std::uint8_t payload[256] = {};
  sig::Packet p;
  const bool was_swapped = flow.swapped;
  while (in.left() >= 8 && flow.swapped == was_swapped) {
    p = {};
    const auto head = in.u8();
    p.dir = (head & 1) != 0 ? Dir::to_client : Dir::to_server;
    const bool forth = p.dir == Dir::to_server;
    p.src = forth ? flow.src : flow.dst;
    p.dst = forth ? flow.dst : flow.src;
    p.tcp_flags = in.u8();
    p.tcp_seq = (forth ? 1000U : 9000U) + in.u16be() % 600;
    p.tcp_ack = (forth ? 9000U : 1000U) + in.u16be() % 600;
    p.tcp_window = static_cast<std::uint16_t>((head & 2) != 0 ? 0 : 4096);
    p.tcp_urgent = static_cast<std::uint16_t>((head & 4) != 0 ? 3 : 0);
    if ((head & 8) != 0) p.tcp_ts_value = head;
    p.payload = Bytes(payload, in.u8());
    p.time = {in.u8() * 1'000'000};
    p.ip_version = 4;
    p.ip_proto = 6;
    p.has_l4 = true;
    p.flow = &flow;
    tracker.packet(p, flow);
    for (const auto& c : tracker.raw_chunks(p, flow))
      if (c.fresh_from > c.data.size()) std::abort();
    tracker.inspected(p, flow);
    tracker.prune(p, flow);
  }
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p = {};
    p.dir = dir;
    p.flow = &flow;
    tracker.finish(p, flow);
  }
  if (tracker.counters().memory_used > 4096) std::abort();
  flow.reset();
  if (tracker.counters().memory_used != 0) std::abort();
  return 0;
}
