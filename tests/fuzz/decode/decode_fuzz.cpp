// Frames of any link type. Input: link type index, then frames, each behind a two-octet length, so
// that fragments can meet in one decoder.
#include <cstdlib>

#include "sensors/decode/decoder.hpp"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}
bool inside(ww::Bytes part, ww::Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

struct Check final : ww::decode::Sink {
  void packet(ww::sig::Packet& p) override {
    ++count;
    require(inside(p.ip, p.frame));
    require(inside(p.l4, p.ip.empty() ? p.frame : p.ip));
    require(inside(p.payload, p.l4.empty() ? p.ip : p.l4));
    require(inside(p.arp, p.frame));
    require(p.vlan_count <= p.vlan.size());
    if (p.has_l4) require(p.ip_version != 0 && p.l4_header_length <= p.l4.size());
    for (const auto* o = p.outer; o != nullptr; o = o->outer)
      require(o->tunnel_depth <= p.tunnel_depth);
    // Touch what is shown, so that a view of dead memory is noticed.
    for (const auto b : p.frame) sum = sum * 31 + b;
    for (const auto b : p.payload) sum = sum * 31 + b;
  }
  std::size_t count = 0;
  unsigned sum = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int links[] = {1, 0, 9, 12, 50, 51, 104, 108, 113, 228, 229, 276};
  if (size < 1) return 0;
  const int link = links[data[0] % std::size(links)];
  ww::Settings settings;
  settings.set("decoder.teredo.ports", "any");
  settings.set("defrag.memcap", "1mb");
  settings.set("defrag.trackers", "64");
  ww::decode::Decoder decoder(
      settings, data[0] < 128 ? ww::decode::ChecksumMode::all : ww::decode::ChecksumMode::live);
  Check sink;
  ww::ByteReader in({data + 1, size - 1});
  for (std::int64_t n = 1; in.left() > 2; ++n) {
    const std::size_t length = in.u16be();
    const auto piece = in.bytes(std::min(length, in.left()));
    const std::vector<std::uint8_t> frame(piece.begin(),
                                          piece.end());  // its own block, for the sanitizer
    const auto before = sink.count;
    decoder.decode(frame, link, ww::Timestamp{n * 1000}, static_cast<std::uint64_t>(n), sink);
    require(sink.count > before && sink.count - before <= 33);
    (void)ww::decode::steering_hash(frame, link);
  }
  (void)decoder.counters();
  return 0;
}
