/// A whole capture's octets through reading, decoding, flows, streams, parsers, signatures and EVE.
#include <string>

#include "sensors/capture/reader.hpp"
#include "sensors/pipeline/defaults.hpp"
#include "sensors/pipeline/worker.hpp"

namespace {

class Discard final : public ww::sensor::EventSink {
 public:
  void write(std::string_view) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww;
  using namespace ww::sensor;
  if (size < 24) return 0;
  static const Settings settings = [] {
    Settings s;
    add_default_settings(s);
    s.set("stream.midstream", "yes");
    return s;
  }();
  PipelineShared shared(settings);
  shared.checksums = decode::ChecksumMode::none;
  shared.streams.checksum_validation = false;
  shared.flows.memory_cap = 1 << 20;
  shared.flows.hash_size = 256;
  const std::vector<std::shared_ptr<EventSink>> sinks(shared.eve.outputs().size(),
                                                      std::make_shared<Discard>());
  Worker worker(shared, sinks, nullptr);
  capture::Reader reader(capture::Input(capture::memory_octets(Bytes(data, size)), "fuzz"));
  capture::CapturedFrame frame;
  for (std::uint64_t n = 1; n < 2000; ++n) {
    const auto r = reader.next(frame);
    if (!r || *r != capture::Read::frame) break;
    worker.frame(frame.octets, frame.datalink, frame.time, n);
  }
  worker.finish();
  return 0;
}
