/// What each keyword of SSH sees.
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

TEST(SshKeyword, SeesTheBannerOfItsOwnSide) {
  Driver d("ssh", 6);
  d.client("SSH-2.0-PuTTY_Release_0.80\r\n");
  d.server("SSH-1.99-OpenSSH_9.2p1 Debian\r\n");
  const auto client = [&](const std::string& o) { return holds(d, "ssh", Dir::to_server, o); };
  const auto server = [&](const std::string& o) { return holds(d, "ssh", Dir::to_client, o); };
  EXPECT_TRUE(client("ssh.proto; content:\"2.0\"; bsize:3"));
  EXPECT_FALSE(server("ssh.proto; content:\"2.0\""));
  EXPECT_TRUE(server("ssh_proto; content:\"1.99\""));
  EXPECT_TRUE(client("ssh.software; content:\"putty\"; nocase"));
  EXPECT_TRUE(server("ssh_software; content:\"OpenSSH_9.2p1\"; bsize:13"));
  EXPECT_TRUE(client("ssh.protoversion:2.0"));
  EXPECT_FALSE(client("ssh.protoversion:1.5"));
  EXPECT_TRUE(client("ssh.protoversion:2_compat"));
  EXPECT_TRUE(server("ssh.protoversion:2_compat"));  // 1.99 speaks both
  EXPECT_FALSE(server("ssh.protoversion:2.0"));
  EXPECT_TRUE(client("ssh.softwareversion:\"PuTTY\""));
  EXPECT_FALSE(server("ssh.softwareversion:\"PuTTY\""));
}

}  // namespace
}  // namespace ww::sensor::test
