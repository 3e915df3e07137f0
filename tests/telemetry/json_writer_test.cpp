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

/// Plain text is skipped in words: what must be escaped is seen at every place of one.
TEST(JsonWriter, SeesWhatMustBeEscapedAtEveryPlace) {
  for (const auto& [octet, escape] : {std::pair<char, std::string_view>{'"', "\\\""},
                                      {'\\', "\\\\"},
                                      {'\n', "\\n"},
                                      {'\x1f', "\\u001f"},
                                      {'\xff', "\\ufffd"},
                                      {'\x7f', "\x7f"},
                                      {' ', " "}})
    for (std::size_t size = 1; size < 70; ++size)
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, 'x'), out;
        text[at] = octet;
        append_json_escaped(out, text);
        ASSERT_EQ(out,
                  std::string(at, 'x') + std::string(escape) + std::string(size - at - 1, 'x'));
      }
}

TEST(JsonWriter, TakesKeysOfEveryLength) {
  for (const std::size_t n : {0U, 1U, 59U, 60U, 61U, 500U}) {
    std::string out;
    JsonWriter j(out);
    const std::string key(n, 'k');
    j.begin_object();
    j.field(key, 1);
    j.field(key, -2);
    j.end_object();
    EXPECT_EQ(out, "{\"" + key + "\":1,\"" + key + "\":-2}");
  }
}

TEST(JsonWriter, WritesTextOfEveryLengthInEveryPlace) {
  for (std::size_t n = 0; n < 100; ++n) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += static_cast<char>('A' + i % 57 - (i % 57 == 27));
    std::string out, escaped;
    append_json_escaped(escaped, text);
    JsonWriter json(out);
    json.begin_array();
    json.value(text);
    json.value(text);
    json.value(std::string_view());
    json.end_array();
    EXPECT_EQ(out, "[\"" + escaped + "\",\"" + escaped + "\",\"\"]");
    for (const char special : {'"', '\x01', '\x7f', '\x80'}) {
      if (n == 0) continue;
      for (const auto at : {std::size_t{0}, n / 2, n - 1}) {
        auto with = text;
        with[at] = special;
        std::string one, wanted;
        append_json_escaped(wanted, with);
        JsonWriter(one).value(with);
        EXPECT_EQ(one, "\"" + wanted + "\"");
      }
    }
  }
}

TEST(JsonWriter, SeparatesNumbers) {
  std::string out;
  JsonWriter j(out);
  j.begin_array();
  j.value(std::uint64_t{UINT64_MAX});
  j.value(std::int64_t{INT64_MIN});
  j.value(0);
  j.end_array();
  EXPECT_EQ(out, "[18446744073709551615,-9223372036854775808,0]");
}

TEST(Hex, WritesAnyLengthWithAndWithoutSeparator) {
  for (std::size_t n = 0; n < 200; ++n) {
    std::string octets(n, '\0'), wanted, wanted_colons, out, out_colons;
    for (std::size_t i = 0; i < n; ++i) {
      octets[i] = static_cast<char>(i * 37);
      const auto v = static_cast<unsigned char>(octets[i]);
      wanted += "0123456789abcdef"[v >> 4];
      wanted += "0123456789abcdef"[v & 15];
      if (i != 0) wanted_colons += ':';
      wanted_colons += wanted.substr(wanted.size() - 2);
    }
    append_hex(out, as_bytes(octets));
    append_hex(out_colons, as_bytes(octets), ':');
    EXPECT_EQ(out, wanted);
    EXPECT_EQ(out_colons, wanted_colons);
  }
}

TEST(JsonWriter, AKeyMayBeEmpty) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("a", "b");
  json.field(std::string_view(), "c");
  json.end_object();
  EXPECT_EQ(out, R"({"a":"b","":"c"})");
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
