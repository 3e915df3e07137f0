#include <gtest/gtest.h>

#include "ctl/commands/command.hpp"

namespace ww::ctl {
namespace {

TEST(Table, AlignsColumnsAndShowsControlCharacters) {
  Table t({"id", "message"});
  t.add({"1", "a\x1b[31m"});
  t.add({"10", "é"});
  EXPECT_EQ(t.text(Output::table, false), "id  message\n1   a\\x1b[31m\n10  é\n");
}

TEST(Table, CsvQuotesAndDefusesFormulas) {
  Table t({"a", "b"});
  t.add({"=1+1", "x,\"y\""});
  EXPECT_EQ(t.text(Output::csv, false), "a,b\r\n'=1+1,\"x,\"\"y\"\"\"\r\n");
}

TEST(Table, JsonIsAnArrayOfObjects) {
  Table t({"a"});
  EXPECT_EQ(t.text(Output::json, false), "[]\n");
  t.add({"1\n"});
  EXPECT_EQ(t.text(Output::json, false), "[{\"a\":\"1\\n\"}]\n");
}

TEST(Commands, CompletionIsRegistered) { EXPECT_TRUE(commands().contains("completion")); }

}  // namespace
}  // namespace ww::ctl
