/// SSH against RFC 4253: banners (4.2), key exchange proposals (7.1), records as frames.
#include "tests/sensors/protocols/talk.hpp"

namespace ww::sensor::test {
namespace {

std::string record(char type, const std::string& body) {
  const std::string padding(4, '\0');
  return be<4>(2 + body.size() + padding.size()) + static_cast<char>(padding.size()) + type + body +
         padding;
}
std::string key_exchange(std::string_view side) {
  std::string body(16, 'c');
  for (const char* list : {"curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes256-ctr",
                           "hmac-sha2-256", "hmac-sha2-512", "none", "zlib"})
    body += be<4>(std::string_view(list).size()) + list;
  body += be<4>(side.size()) + std::string(side) + be<4>(0) + std::string(5, '\0');
  return record(20, body);
}
Settings with_hassh() {
  Settings s;
  s.set("app-layer.protocols.ssh.hassh", "yes");
  return s;
}
const std::string client_banner = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
const std::string server_banner = "SSH-1.99-dropbear\n";

TEST(Ssh, ReadsVersionsOfBothSides) {
  Talk talk("ssh");
  talk.server(server_banner);
  ASSERT_EQ(talk.count(), 1U);
  EXPECT_EQ(talk.buffer(0, "ssh.proto", Dir::to_server), "<not ready>");
  EXPECT_FALSE(talk.ready(0));
  talk.client(client_banner);
  EXPECT_TRUE(talk.ready(0)) << "without HASSH the event waits for the banners alone";
  EXPECT_EQ(talk.buffer(0, "ssh.proto", Dir::to_server), "2.0");
  EXPECT_EQ(talk.buffer(0, "ssh.software", Dir::to_server), "OpenSSH_9.2p1");
  EXPECT_EQ(talk.buffer(0, "ssh.proto", Dir::to_client), "1.99");
  EXPECT_EQ(talk.json(0),
            R"({"ssh":{"client":{"proto_version":"2.0","software_version":"OpenSSH_9.2p1"},)"
            R"("server":{"proto_version":"1.99","software_version":"dropbear"}}})");
}

TEST(Ssh, HasshIsOfTheSendersOwnDirection) {
  Talk talk("ssh", with_hassh());
  talk.client(client_banner).server(server_banner);
  EXPECT_FALSE(talk.ready(0)) << "the proposals are still to come";
  talk.client(key_exchange("c")).server(key_exchange("s"));
  EXPECT_TRUE(talk.ready(0));
  EXPECT_EQ(talk.buffer(0, "ssh.hassh.string", Dir::to_server),
            "curve25519-sha256;aes128-ctr;hmac-sha2-256;none");
  EXPECT_EQ(talk.buffer(0, "ssh.hassh.server.string", Dir::to_client),
            "curve25519-sha256;aes256-ctr;hmac-sha2-512;zlib");
  EXPECT_EQ(talk.buffer(0, "ssh.hassh", Dir::to_server).size(), 32U);
  EXPECT_NE(talk.json(0).find(R"("hassh":{"hash":")"), std::string::npos);
}

TEST(Ssh, NothingIsReadAfterNewKeys) {
  Talk talk("ssh");
  talk.client(client_banner).server(server_banner);
  talk.client(key_exchange("c") + record(21, "")).server(key_exchange("s") + record(21, ""));
  EXPECT_TRUE(talk.ctx.bypassed);
  EXPECT_TRUE(talk.done(0));
  EXPECT_EQ(talk.frames("ssh.record.pdu"), 4U);
  talk.client(std::string(50, '\xff'));
  EXPECT_FALSE(talk.failed);
}

TEST(Ssh, FramesCoverHeaderAndData) {
  Talk talk("ssh");
  const auto kex = key_exchange("c");
  talk.client(client_banner + kex);
  ASSERT_EQ(talk.frames("ssh.record.hdr"), 1U);
  for (const auto& f : talk.ctx.frames) {
    const auto name = sig::frame_types().name(f.type);
    const auto start = client_banner.size();
    EXPECT_EQ(f.offset, name == "ssh.record.data" ? start + 6 : start);
    EXPECT_EQ(f.length, name == "ssh.record.hdr"    ? 6
                        : name == "ssh.record.data" ? static_cast<std::int64_t>(kex.size()) - 6
                                                    : static_cast<std::int64_t>(kex.size()));
  }
}

TEST(Ssh, EventInvalidBanner) {
  Talk talk("ssh");
  talk.client("GET / HTTP/1.1\r\n");
  EXPECT_TRUE(talk.failed);
  EXPECT_TRUE(talk.has_event(0, "ssh.invalid_banner"));
}

TEST(Ssh, EventLongBanner) {
  for (const bool whole : {true, false}) {
    Talk talk("ssh");
    const auto line = "SSH-2.0-" + std::string(300, 'x');
    talk.client(whole ? line + "\r\n" : line);
    EXPECT_TRUE(talk.has_event(0, "ssh.long_banner"));
    EXPECT_EQ(talk.buffer(0, "ssh.proto", Dir::to_server), "2.0");
  }
  Talk just("ssh");
  just.client("SSH-2.0-" + std::string(200, 'x') + "\r\n");
  EXPECT_FALSE(just.has_event(0, "ssh.long_banner"));
}

TEST(Ssh, EventInvalidRecord) {
  Talk talk("ssh");
  talk.client(client_banner + be<4>(1) + "\1\1\1\1");
  EXPECT_TRUE(talk.failed);
  EXPECT_TRUE(talk.has_event(0, "ssh.invalid_record"));
}

TEST(Ssh, EventLongKeyExchange) {
  Talk talk("ssh");
  talk.client(client_banner + be<4>(40000) + "\4\24" + std::string(100, 'x'));
  EXPECT_FALSE(talk.failed);
  EXPECT_TRUE(talk.has_event(0, "ssh.long_kex_record"));
}

TEST(Ssh, ServerMayTalkBeforeItsVersion) {
  Talk talk("ssh");
  talk.server("Authorised staff only\r\n" + server_banner);
  EXPECT_FALSE(talk.failed);
  EXPECT_EQ(talk.buffer(0, "ssh.software", Dir::to_client), "dropbear");
}

TEST(Ssh, SameWhereverItIsCut) {
  expect_same_when_cut("ssh",
                       {{Dir::to_server, client_banner},
                        {Dir::to_client, server_banner + key_exchange("s")},
                        {Dir::to_server, key_exchange("c") + record(21, "")}},
                       with_hassh());
}

}  // namespace
}  // namespace ww::sensor::test
