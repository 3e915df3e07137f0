/// FTP against RFC 959 and RFC 2428: commands with their replies, data connections and their files.
#include "sensors/protocols/ftp/note.hpp"
#include "tests/sensors/protocols/talk.hpp"

namespace ww::sensor::test {
namespace {

TEST(Ftp, ACommandAndItsRepliesAreOneTransaction) {
  Talk talk("ftp");
  talk.server("220-Welcome\r\n220 ready\r\n").client("user anna\r\n");
  ASSERT_EQ(talk.count(), 2U);
  EXPECT_TRUE(talk.done(0));
  EXPECT_EQ(talk.json(0), R"({"ftp":{"command_truncated":false,"completion_code":["220","220"],)"
                          R"("reply":["Welcome","ready"],"reply_truncated":false}})");
  EXPECT_EQ(talk.buffer(1, "ftp.reply", Dir::to_client), "<not ready>");
  talk.server("331 Password please\r\n");
  EXPECT_TRUE(talk.done(1));
  EXPECT_EQ(talk.buffer(1, "ftp.command"), "USER");
  EXPECT_EQ(talk.buffer(1, "ftp.command_data"), "anna");
  EXPECT_EQ(talk.buffer(1, "ftp.reply", Dir::to_client), "Password please");
  EXPECT_EQ(talk.buffer(1, "ftp.reply", Dir::to_client, 1), "<absent>");
  EXPECT_EQ(talk.buffer(1, "ftp.completion_code", Dir::to_client), "331");
  EXPECT_EQ(talk.number(1, "ftp.reply_received", Dir::to_client), 1);
  EXPECT_EQ(talk.json(1),
            R"({"ftp":{"command":"USER","command_data":"anna","command_truncated":false,)"
            R"("completion_code":["331"],"reply":["Password please"],"reply_truncated":false,)"
            R"("reply_received":"yes"}})");
}

TEST(Ftp, PassiveModesNameThePort) {
  for (const auto& [command, reply, port] :
       {std::tuple{"PASV", "227 Entering Passive Mode (192,0,2,7,195,149)", 50069},
        {"EPSV", "229 Entering Extended Passive Mode (|||6446|)", 6446}}) {
    Talk talk("ftp");
    talk.client(std::string(command) + "\r\n").server(std::string(reply) + "\r\n");
    EXPECT_EQ(talk.number(0, "ftp.mode", Dir::to_client), 0) << command;
    EXPECT_EQ(talk.number(0, "ftp.dynamic_port", Dir::to_client), port) << command;
    EXPECT_NE(talk.json(0).find(R"("mode":"passive","dynamic_port":)" + std::to_string(port)),
              std::string::npos);
    talk.client("RETR letter.txt\r\n");
    EXPECT_EQ(talk.ctx.expected_flows,
              (std::vector<std::string>{"ftp-data " + std::to_string(port)}));
  }
}

TEST(Ftp, ActiveModesNameThePort) {
  for (const auto& [command, port] : {std::pair{"PORT 192,0,2,1,4,1", 1025},
                                      {"EPRT |1|192.0.2.1|6275|", 6275},
                                      {"EPRT |2|2001:db8::1|5282|", 5282}}) {
    Talk talk("ftp");
    talk.client(std::string(command) + "\r\n").server("200 OK\r\n");
    EXPECT_EQ(talk.number(0, "ftp.mode"), 1) << command;
    EXPECT_EQ(talk.number(0, "ftp.dynamic_port"), port) << command;
    talk.client("STOR up.bin\r\n");
    ASSERT_EQ(talk.ctx.expected_flows.size(), 1U) << command;
    EXPECT_TRUE(std::static_pointer_cast<ftp::DataNote>(talk.ctx.note)->store);
  }
}

TEST(Ftp, RefusesPortsThatAreNone) {
  for (const char* command : {"PORT 1,2,3,4,5", "PORT 1,2,3,4,256,1", "EPRT |1|192.0.2.1|70000|",
                              "EPRT |1|192.0.2.1", "EPRT"}) {
    Talk talk("ftp");
    talk.client(std::string(command) + "\r\n").server("500 what\r\n");
    EXPECT_EQ(talk.number(0, "ftp.dynamic_port"), -1) << command;
  }
}

TEST(Ftp, EventFileBeforePort) {
  Talk talk("ftp");
  talk.client("RETR x\r\n");
  EXPECT_TRUE(talk.has_event(0, "ftp.file_before_port"));
}

TEST(Ftp, EventsOfLinesThatAreTooLong) {
  Settings s;
  s.set("app-layer.protocols.ftp.max-line-length", "32");
  Talk talk("ftp", s);
  talk.client("USER " + std::string(60, 'a') + "\r\n")
      .server("331 " + std::string(60, 'b') + "\r\n");
  EXPECT_TRUE(talk.has_event(0, "ftp.request_command_too_long"));
  EXPECT_TRUE(talk.has_event(0, "ftp.response_command_too_long"));
  EXPECT_EQ(talk.buffer(0, "ftp.command_data").size(), 27U);
  EXPECT_NE(talk.json(0).find(R"("command_truncated":true)"), std::string::npos);
  talk.client("NOOP\r\n");
  EXPECT_EQ(talk.buffer(talk.count() - 1, "ftp.command"), "NOOP") << "the rest of the line is gone";
}

TEST(Ftp, APreliminaryReplyIsNotTheLast) {
  Talk talk("ftp");
  talk.client("PORT 192,0,2,1,4,1\r\n").server("200 ok\r\n").client("RETR a\r\n");
  talk.server("150 here it comes\r\n");
  EXPECT_FALSE(talk.done(1));
  talk.server("226 done\r\n");
  EXPECT_TRUE(talk.done(1));
  EXPECT_EQ(talk.buffer(1, "ftp.completion_code", Dir::to_client, 1), "226");
}

TEST(Ftp, AuthTlsHandsTheFlowOver) {
  Talk talk("ftp");
  talk.server("220 x\r\n").client("auth tls\r\n");
  EXPECT_EQ(talk.buffer(1, "ftp.command"), "AUTH TLS") << "one command of two words";
  EXPECT_EQ(talk.buffer(1, "ftp.command_data"), "<absent>");
  EXPECT_FALSE(talk.ctx.changed);
  talk.server("234 go\r\n");
  EXPECT_TRUE(talk.ctx.changed);
  EXPECT_EQ(talk.ctx.changed_to, "tls");
  EXPECT_TRUE(talk.done(1));
}

TEST(Ftp, AuthIsNoPromise) {
  Talk refused("ftp");
  refused.client("AUTH TLS\r\n").server("502 no\r\n");
  EXPECT_FALSE(refused.ctx.changed);
  Talk other("ftp");
  other.client("AUTH GSSAPI\r\n").server("234 go\r\n");
  EXPECT_FALSE(other.ctx.changed);
  EXPECT_EQ(other.buffer(0, "ftp.command"), "AUTH");
  EXPECT_EQ(other.buffer(0, "ftp.command_data"), "GSSAPI");
}

TEST(Ftp, SameWhereverItIsCut) {
  expect_same_when_cut("ftp", {{Dir::to_client, "220 ready\r\n"},
                               {Dir::to_server, "EPSV\r\nRETR a b.txt\r\n"},
                               {Dir::to_client, "229 Ok (|||2121|)\r\n150-a\r\n b\r\n150 c\r\n"},
                               {Dir::to_client, "226 done\r\n"}});
}

TEST(FtpData, TheConnectionIsOneFile) {
  Talk talk("ftp-data");
  auto note = std::make_shared<ftp::DataNote>();
  note->filename = "scan.dcm";
  talk.ctx.note = note;
  talk.server("first ").server("second").finish();
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("scan.dcm 12 closed ")) << talk.files()[0];
  EXPECT_EQ(talk.json(0), R"({"ftp_data":{"filename":"scan.dcm","command":"RETR"}})");
  EXPECT_EQ(talk.number(0, "ftpdata.command", Dir::to_client), 1);
}

TEST(FtpData, AGapTruncatesAnUpload) {
  Talk talk("ftp-data");
  auto note = std::make_shared<ftp::DataNote>();
  note->filename = "up";
  note->store = true;
  talk.ctx.note = note;
  talk.client("abc").say(Dir::to_server, "def", 100).finish();
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("up 106 truncated")) << talk.files()[0];
  EXPECT_EQ(talk.number(0, "ftpdata.command"), 2);
}

TEST(FtpData, NothingThatNobodyAnnounced) {
  Talk talk("ftp-data");
  talk.server("octets");
  EXPECT_TRUE(talk.failed);
}

}  // namespace
}  // namespace ww::sensor::test
