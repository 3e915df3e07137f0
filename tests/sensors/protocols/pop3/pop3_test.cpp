#include <gtest/gtest.h>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

std::string logged(const Driver& d) {
  std::string out;
  for (std::size_t i = 0; i < d.count(); ++i) out += d.json(i) + "\n";
  return out;
}
bool has_event(const Driver& d, std::size_t i, std::string_view name) {
  const auto all = d.events(i);
  return std::find(all.begin(), all.end(), name) != all.end();
}

const std::string session =
    R"({"pop3":{"response":{"success":true,"status":"OK","header":"ready","data":[]}}})"
    "\n"
    R"({"pop3":{"request":{"command":"USER","args":["ann"]},"response":{"success":true,"status":"OK","header":"","data":[]}}})"
    "\n"
    R"({"pop3":{"request":{"command":"LIST","args":[]},"response":{"success":true,"status":"OK","header":"2 messages","data":["1 120",".2"]}}})"
    "\n"
    R"({"pop3":{"request":{"command":"RETR","args":["1"]},"response":{"success":true,"status":"OK","header":"120 octets","data":[]}}})"
    "\n"
    R"({"pop3":{"request":{"command":"DELE","args":["9"]},"response":{"success":false,"status":"ERR","header":"no such message","data":[]}}})"
    "\n";

// The exchange of RFC 1939 section 10, however the stream is cut.
TEST(Pop3, PairsCommandsWithReplies) {
  for (std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    Driver c("pop3", 6);
    c.server("+OK ready\r\n", piece);
    c.client("user ann\r\n", piece);
    c.server("+OK\r\n", piece);
    c.client("LIST\r\n", piece);
    c.server("+OK 2 messages\r\n1 120\r\n..2\r\n.\r\n", piece);
    c.client("RETR 1\r\n", piece);
    c.server("+OK 120 octets\r\nSubject: x\r\n\r\n-ERR is text here\r\n.\r\n", piece);
    c.client("DELE 9\r\n", piece);
    c.server("-ERR no such message\r\n", piece);
    EXPECT_EQ(logged(c), session) << piece;
  }
}

TEST(Pop3, SeesPipelinedCommands) {
  Driver c("pop3", 6);
  c.client("STAT\r\nNOOP\r\n");
  c.server("+OK 1 2\r\n+OK\r\n");
  ASSERT_EQ(c.count(), 2U);
  EXPECT_TRUE(c.complete(0) && c.complete(1));
}

TEST(Pop3, HandsStlsToTls) {
  Driver c("pop3", 6);
  c.client("STLS\r\n");
  c.server("-ERR not now\r\n");
  EXPECT_FALSE(c.ctx.changed);
  c.client("STLS\r\n");
  c.server("+OK begin\r\n");
  EXPECT_TRUE(c.ctx.changed);
  EXPECT_EQ(c.ctx.changed_to, "tls");
}

TEST(Pop3, HidesNothingOfAuthBehindCommands) {
  Driver c("pop3", 6);
  c.client("AUTH PLAIN\r\n");
  c.server("+ \r\n");
  c.client("AGFubgBzZWNyZXQ=\r\n");
  c.server("+OK welcome\r\n");
  const auto text = logged(c);
  EXPECT_NE(text.find(R"("command":"<SASL DATA>","args":[])"), std::string::npos) << text;
  EXPECT_EQ(text.find("AGFub"), std::string::npos) << text;
}

TEST(Pop3, NamesWhatIsOdd) {
  Driver c("pop3", 6);
  c.client("USER\r\nXTND OPTS\r\nPASS " + std::string(300, 'p') + "\r\n");
  EXPECT_TRUE(has_event(c, 0, "pop3.incorrect_argument_count"));
  EXPECT_TRUE(has_event(c, 1, "pop3.unknown_command"));
  EXPECT_TRUE(has_event(c, 2, "pop3.request_too_long"));
  c.server("+OK " + std::string(600, 'r') + "\r\n");
  EXPECT_TRUE(has_event(c, 0, "pop3.response_too_long"));
}

TEST(Pop3, BoundsOpenTransactions) {
  Settings s;
  s.set("app-layer.protocols.pop3.max-tx", "10");
  Driver c("pop3", 6, s);
  for (int i = 0; i < 100 && !c.failed; ++i) c.client("NOOP\r\n");
  EXPECT_LE(c.count(), 12U);
  EXPECT_TRUE(has_event(c, 0, "pop3.too_many_transactions"));
}

TEST(Pop3, GoesOnBehindAHole) {
  Driver c("pop3", 6);
  c.client("RETR 1\r\n");
  c.server("+OK\r\nSubject: x\r\n");
  c.lose(Dir::to_client, 5000);
  c.server("rest of a line\r\n.\r\n");
  c.client("QUIT\r\n");
  c.server("+OK bye\r\n");
  const auto text = logged(c);
  EXPECT_NE(text.find(R"("command":"QUIT","args":[]},"response":{"success":true)"),
            std::string::npos)
      << text;
}

TEST(DetectionOnly, KnowsImapByItsGreeting) {
  const auto* imap = find_protocol("imap");
  ASSERT_NE(imap, nullptr);
  EXPECT_EQ(imap->make, nullptr);
  EXPECT_FALSE(imap->patterns.empty());
}

}  // namespace
}  // namespace ww::sensor::test
