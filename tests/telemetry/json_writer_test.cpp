#include "telemetry/json_writer.hpp"

#include <gtest/gtest.h>

namespace ww {
namespace {

TEST(JsonWriter, SeparatesMembersAndElements) {
  std::string out;
  JsonWriter j(out);
  j.begin_object();
  j.field("a", 1);
  j.begin_array("b");
  j.value("x");
  j.value(true);
  j.begin_object();
  j.end_object();
  j.end_array();
  j.begin_object("c");
  j.field("d", -5);
  j.end_object();
  j.end_object();
  EXPECT_EQ(out, R"({"a":1,"b":["x",true,{}],"c":{"d":-5}})");
}

TEST(JsonWriter, EscapesControlCharactersAndQuotes) {
  std::string out;
  JsonWriter(out).value(std::string_view("\"\\\n\x01", 4));
  EXPECT_EQ(out, R"("\"\\\n\u0001")");
}

TEST(JsonWriter, ReplacesOctetsThatAreNotUtf8) {
  std::string out;
  JsonWriter(out).value(std::string_view("a\xff\xc3\xa9\xed\xa0\x80", 7));
  EXPECT_EQ(out, "\"a\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\"");
}

TEST(JsonWriter, EncodesBase64WithPadding) {
  for (const auto& [in, want] : {std::pair{"", ""},
                                 {"f", "Zg=="},
                                 {"fo", "Zm8="},
                                 {"foo", "Zm9v"},
                                 {"foobar", "Zm9vYmFy"}}) {
    std::string out;
    append_base64(out, as_bytes(in));
    EXPECT_EQ(out, want);
  }
}

}  // namespace
}  // namespace ww
