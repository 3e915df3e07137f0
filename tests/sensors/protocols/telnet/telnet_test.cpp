#include <gtest/gtest.h>

#include "tests/sensors/protocols/conversation.hpp"

namespace ww::sensor::test {
namespace {

constexpr auto up = Dir::to_server;

/// Frames without the pdu that each of them has too.
std::string parts(const Talk& t, Dir dir = up) {
  std::string out;
  for (const auto& f : t.ctx.frames) {
    const auto name = sig::frame_types().name(f.type);
    if (f.dir != dir || name == "telnet.pdu") continue;
    out += (out.empty() ? "" : " ") + std::string(name.substr(7)) + "@" + std::to_string(f.offset) +
           "+" + std::to_string(f.length);
  }
  return out;
}

TEST(Telnet, EveryMessageIsAPdu) {
  Talk t("telnet");
  t.client("ls\r\n" + octets({255, 244}));
  EXPECT_EQ(t.frames(up), "pdu@0+4 data@0+4 pdu@4+2 ctl@4+2");
}

TEST(Telnet, CommandsAreFrames) {
  Talk t("telnet");
  t.client(octets({255, 253, 3, 255, 251, 24, 255, 244, 255, 250, 34, 1, 255, 255, 15, 255, 240}));
  EXPECT_EQ(parts(t), "ctl@0+3 ctl@3+3 ctl@6+2 ctl@8+9");
  EXPECT_EQ(t.count(), 0U);
}

TEST(Telnet, LinesAreFrames) {
  Talk t("telnet");
  t.client("user\r\n/bin/ls\r\n");
  EXPECT_EQ(parts(t), "data@0+6 data@6+9");
}

TEST(Telnet, ALineTypedInPiecesIsOneFrame) {
  Talk t("telnet");
  t.client("rm -rf /\r\n", 1);
  EXPECT_EQ(parts(t), "data@0+10");
}

TEST(Telnet, ACommandEndsALine) {
  Talk t("telnet");
  t.server("login: " + octets({255, 251, 1}) + "x");
  EXPECT_EQ(parts(t, Dir::to_client), "data@0+7 ctl@7+3 data@10+-1");
}

TEST(Telnet, AnEscapedOctetIsText) {
  Talk t("telnet");
  t.client("a" + octets({255, 255}) + "b\n");
  EXPECT_EQ(parts(t), "data@0+5");
}

TEST(Telnet, ReadsTheSameHoweverItIsCut) {
  const auto c = octets({255, 253, 3, 255, 250, 31, 0, 80, 255, 240}) + "us" + octets({255, 255}) +
                 "er\r\n" + octets({255, 244}) + "ls\r\nend";
  Talk whole("telnet");
  whole.client(c).end(up);
  for (std::size_t cut = 1; cut < c.size(); ++cut) {
    Talk t("telnet");
    t.client(c.substr(0, cut)).client(c.substr(cut)).end(up);
    EXPECT_EQ(parts(t), parts(whole)) << "cut at " << cut;
  }
}

TEST(Telnet, AGapEndsALine) {
  Talk t("telnet");
  t.client("abc").lose(up, 10).client("def\n");
  EXPECT_EQ(parts(t), "data@0+3 data@13+4");
}

TEST(Telnet, LinesAndCommandsAreBounded) {
  Talk line("telnet");
  line.client(std::string(70'000, 'x'), 1000);
  EXPECT_EQ(parts(line).substr(0, 14), "data@0+66000 d");
  Talk command("telnet");
  command.client(octets({255, 250}) + std::string(70'000, 'x'), 1000);
  EXPECT_EQ(parts(command).substr(0, 5), "ctl@0");
}

TEST(Telnet, IsRecognisedByACommand) {
  const auto* p = find_protocol("telnet");
  const TestFlow flow;
  const auto probe = [&](std::string_view s) { return p->probe(as_bytes(s), up, flow); };
  EXPECT_EQ(probe(octets({255, 253})), Probe::yes);
  EXPECT_EQ(probe(octets({255})), Probe::maybe);
  EXPECT_EQ(probe(octets({255, 3})), Probe::no);
  EXPECT_EQ(probe("login"), Probe::no);
}

}  // namespace
}  // namespace ww::sensor::test
