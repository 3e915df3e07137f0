#include <gtest/gtest.h>

#include "tests/sensors/protocols/conversation.hpp"

namespace ww::sensor::test {
namespace {

using std::string_literals::operator""s;

TEST(Tftp, LogsReadAndWriteRequests) {
  Talk t("tftp", {}, 17);
  t.client("\0\1rfc1350.txt\0OCTET\0"s).client("\0\2startup-config\0netascii\0blksize\0001428\0"s);
  ASSERT_EQ(t.count(), 2U);
  EXPECT_EQ(t.eve(0), R"({"tftp":{"packet":"read","file":"rfc1350.txt","mode":"octet"}})");
  EXPECT_EQ(t.eve(1), R"({"tftp":{"packet":"write","file":"startup-config","mode":"netascii"}})");
  EXPECT_EQ(t.buffer(1, "tftp.file"), "startup-config");
  EXPECT_EQ(t.buffer(0, "tftp.mode"), "octet");
  EXPECT_EQ(t.number(1, "tftp.opcode"), "2");
  EXPECT_TRUE(t.ready(0));
}

TEST(Tftp, PassesOverEverythingElse) {
  Talk t("tftp", {}, 17);
  for (const auto& other : {"\0\3\0\1data"s, "\0\4\0\1"s, "\0\5\0\1no\0"s, "\0\1"s, "\0\1file\0"s,
                            "\0\1file\0octet"s, "\0\1file\0binary\0"s, "\0\1\0octet\0"s, "\0"s})
    t.client(other);
  EXPECT_EQ(t.count(), 0U);
}

TEST(Tftp, IsRecognisedByItsOperation) {
  const auto* p = find_protocol("tftp");
  const TestFlow flow;
  const auto probe = [&](std::string_view s) {
    return p->probe(as_bytes(s), Dir::to_server, flow);
  };
  EXPECT_EQ(probe("\0\1a\0"s), Probe::yes);
  EXPECT_EQ(probe("\0\5\0\1"s), Probe::yes);
  EXPECT_EQ(probe("\0\6ab"s), Probe::no);
  EXPECT_EQ(probe("\0\0ab"s), Probe::no);
  EXPECT_EQ(probe("\0\1a"s), Probe::no);
}

}  // namespace
}  // namespace ww::sensor::test
