// Whole capture files: pcap, pcapng, either compressed.
#include <cstdlib>

#include "sensors/capture/reader.hpp"
#include "sensors/flow/flow_table.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::capture;
  Reader reader(Input(memory_octets({data, size}), "fuzz"));
  CapturedFrame frame, later;
  ww::sensor::FlowKey key;
  unsigned sum = 0;
  // Compression may turn few octets into many packets: a bound keeps each run short.
  for (int n = 0; n < 20'000; ++n) {
    const auto r = reader.next(frame);
    if (!r) {
      if (r.error().what.empty() || r.error().where.empty()) std::abort();
      continue;
    }
    if (*r == Read::end) break;
    if (frame.octets.size() > Reader::max_frame) std::abort();
    for (const auto b : frame.octets) sum = sum * 31 + b;
    for (auto ahead = sum % 4; ahead != 0 && reader.following(later); --ahead)
      if (ww::sensor::guess_flow_key(later.octets, later.datalink, {}, key)) sum += key.sport;
  }
  return static_cast<int>(sum & 0);
}
