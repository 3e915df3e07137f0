/// Frames in a stream: when they are looked at, and what of them when a hole parts them.
#include <map>

#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

struct FrameFlow final : Flow {
  std::vector<Frame> list;
  std::map<std::uint64_t, std::string> held;  // pieces by stream offset
  std::span<const Frame> frames() override { return list; }
  Bytes stream_window(Dir, std::uint64_t offset, std::uint64_t length) override {
    const auto next = held.upper_bound(offset);
    if (next == held.begin()) return {};
    const auto& [at, text] = *std::prev(next);
    if (offset - at >= text.size()) return {};
    const auto rest = octets(text).subspan(offset - at);
    return rest.first(std::min<std::uint64_t>(rest.size(), length));
  }
  std::uint64_t stream_held(Dir dir, std::uint64_t offset) override {
    if (!stream_window(dir, offset, 1).empty()) return offset;
    const auto next = held.lower_bound(offset);
    return next == held.end() ? UINT64_MAX : next->first;
  }
};

struct FrameWire {
  FrameFlow flow;
  Packet packet;
  Rules rules;
  explicit FrameWire(const std::string& options)
      : rules("alert http any any -> any any (frame:http1.request; " + options + " sid:1;)\n") {
    EXPECT_EQ(rules.errors(), "");
    flow.ip_proto = 6;
    flow.src = *parse_ip("10.0.0.1");
    flow.dst = *parse_ip("192.0.2.1");
    flow.app_proto = demo_proto();
    Frame f;
    f.type = frame_types().intern("http1.request");
    f.dir = Dir::to_server;
    f.id = f.number = 1;
    flow.list = {f};
  }
  std::size_t see(bool over = false) {
    packet = Packet();
    packet.number = 1;
    packet.ip_version = 4;
    packet.ip_proto = 6;
    packet.has_l4 = packet.flow_established = packet.in_stream = true;
    packet.src = flow.src;
    packet.dst = flow.dst;
    packet.flow = &flow;
    packet.dir = Dir::to_server;
    packet.stream_pseudo = over;
    return rules.matcher->inspect(packet, {}).size();
  }
};

TEST(Frames, AreLookedAtWhenWhole) {
  FrameWire wire("content:\"beta\";");
  wire.flow.list[0].length = 20;
  wire.flow.held[0] = "alpha beta";
  EXPECT_EQ(wire.see(), 0U);
  wire.flow.held[0] = "alpha beta gamma del";
  EXPECT_EQ(wire.see(), 1U);
  EXPECT_EQ(wire.see(), 0U);
}

TEST(Frames, OpenOnesAreLookedAtAsTheyGrowAndAtTheEnd) {
  FrameWire wire("content:\"beta\";");
  wire.flow.held[0] = "alpha beta";
  EXPECT_EQ(wire.see(), 0U);
  wire.flow.held[0] += std::string(2500, 'x');
  EXPECT_EQ(wire.see(), 1U);
  FrameWire other("content:\"beta\";");
  other.flow.held[0] = "alpha beta";
  EXPECT_EQ(other.see(), 0U);
  EXPECT_EQ(other.see(true), 1U);
}

TEST(Frames, AHolePartsThem) {
  for (const auto& [options, expected] :
       {std::pair{"content:\"delta\";", 1U}, std::pair{"content:\"delta\"; startswith;", 0U},
        std::pair{"content:\"phadel\";", 0U}, std::pair{"content:\"delta\"; endswith;", 1U}}) {
    FrameWire wire(options);
    wire.flow.list[0].length = 15;
    wire.flow.held[0] = "alpha";
    wire.flow.held[10] = "delta";
    EXPECT_EQ(wire.see(), expected) << options;
  }
}

}  // namespace
}  // namespace ww::sig::test
