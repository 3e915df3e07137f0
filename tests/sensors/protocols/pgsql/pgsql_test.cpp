#include <gtest/gtest.h>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string be32(std::uint64_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}
std::string message(char type, const std::string& body) {
  return type + be32(body.size() + 4) + body;
}
std::string untyped(const std::string& body) { return be32(body.size() + 4) + body; }
const std::string ssl_request = untyped("\x04\xd2\x16\x2f"s);
const std::string startup = untyped("\0\3\0\0user\0ann\0database\0care\0DateStyle\0ISO\0\0"s);
const std::string ready = message('Z', "I");
std::string auth(std::uint32_t kind, const std::string& more = "") {
  return message('R', be32(kind) + more);
}
std::string query(const std::string& text) { return message('Q', text + '\0'); }
std::string row(const std::string& value) {
  return message('D', "\0\1"s + be32(value.size()) + value);
}

TEST(Pgsql, TellsALoginWithAPassword) {
  Driver d("pgsql", 6);
  d.client(ssl_request);
  d.server("N");
  d.client(startup);
  d.server(auth(3));
  d.client(message('p', "secret\0"s));
  d.server(auth(0) + message('S', "TimeZone\0UTC\0"s) + message('S', "is_superuser\0on\0"s) +
           message('K', be32(7) + be32(9)) + ready);
  ASSERT_EQ(d.count(), 3U);
  EXPECT_EQ(d.json(0), R"({"pgsql":{"tx_id":1,"request":{"message":"SSL Request"},)"
                       R"("response":{"ssl_accepted":false}}})");
  EXPECT_EQ(d.json(1),
            R"({"pgsql":{"tx_id":2,"request":{"protocol_version":"3.0","startup_parameters":{)"
            R"("user":"ann","optional_parameters":[{"database":"care"},{"date_style":"ISO"}]}},)"
            R"("response":{"message":"authentication_cleartext_password"}}})");
  EXPECT_EQ(d.json(2), R"({"pgsql":{"tx_id":3,"request":{"password_redacted":true},"response":{)"
                       R"("message":"authentication_ok","process_id":7,"secret_key":9,)"
                       R"("parameter_status":[{"time_zone":"UTC"},{"is_superuser":"on"}]}}})");
  Settings shown;
  shown.set("passwords", "yes");
  EXPECT_NE(d.json(2, shown).find(R"("password":"secret")"), std::string::npos);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(d.complete(i));
}

TEST(Pgsql, TellsALoginWithScram) {
  Driver d("pgsql", 6);
  d.client(startup);
  d.server(auth(10, "SCRAM-SHA-256\0\0"s));
  d.client(message('p', "SCRAM-SHA-256\0"s + be32(4) + "n,,x"));
  d.server(auth(11, "r=1"));
  d.client(message('p', "c=2"));
  d.server(auth(12, "v=3") + auth(0) + ready);
  ASSERT_EQ(d.count(), 3U);
  EXPECT_NE(d.json(0).find(R"("message":"authentication_sasl")"), std::string::npos);
  EXPECT_NE(d.json(1).find(R"("request":{"sasl_authentication_mechanism":"scram_SHA256",)"
                           R"("sasl_param":"n,,x"},"response":{"message":)"
                           R"("authentication_sasl_continue"})"),
            std::string::npos);
  EXPECT_NE(d.json(2).find(R"("request":{"sasl_response":"c=2"},"response":{)"
                           R"("authentication_sasl_final":"v=3","message":"authentication_ok"})"),
            std::string::npos)
      << d.json(2);
}

TEST(Pgsql, CountsRowsOfAQuery) {
  Driver d("pgsql", 6);
  d.client(query("select * from t"));
  EXPECT_EQ(d.buffer(0, "pgsql.query", Dir::to_server), "select * from t");
  EXPECT_FALSE(d.complete(0));
  d.server(message('T', "\0\1"s) + row("abc") + row("") + message('D', "\0\1\xff\xff\xff\xff"s) +
           message('C', "SELECT 3\0"s) + ready);
  EXPECT_EQ(d.json(0),
            R"({"pgsql":{"tx_id":1,"request":{"simple_query":"select * from t"},"response":{)"
            R"("field_count":1,"data_rows":3,"data_size":3,"command_completed":"SELECT 3"}}})");
  EXPECT_TRUE(d.complete(0));
}

TEST(Pgsql, TellsAnErrorFieldByField) {
  Driver d("pgsql", 6);
  d.client(query("x"));
  d.server(message('E',
                   "SERROR\0VERROR\0C42601\0Mbad\0Dd\0Hh\0P1\0p2\0qq\0Ww\0ss\0tt\0cc\0dd\0nn\0"
                   "Ff.c\0L9\0Rr\0\0"s) +
           ready);
  EXPECT_NE(d.json(0).find(
                R"("response":{"severity_localizable":"ERROR","severity_non_localizable":"ERROR",)"
                R"("code":"42601","message":"bad","detail":"d","hint":"h","position":"1",)"
                R"("internal_position":"2","internal_query":"q","where":"w","schema_name":"s",)"
                R"("table_name":"t","column_name":"c","data_type":"d","constraint_name":"n",)"
                R"("file":"f.c","line":"9","routine":"r"})"),
            std::string::npos)
      << d.json(0);
}

TEST(Pgsql, TellsCopyOut) {
  Driver d("pgsql", 6);
  d.client(query("copy t to stdout"));
  d.server(message('H', "\0\0\3"s) + message('d', "1,2\n") + message('d', "3\n") +
           message('c', "") + message('C', "COPY 2\0"s) + ready);
  EXPECT_NE(d.json(0).find(R"("response":{"copy_out_response":{"columns":3},"copy_data_out":{)"
                           R"("row_count":2,"data_size":6},"message":"copy_done",)"
                           R"("command_completed":"COPY 2"})"),
            std::string::npos)
      << d.json(0);
}

TEST(Pgsql, TellsCopyIn) {
  Driver d("pgsql", 6);
  d.client(query("copy t from stdin"));
  d.server(message('G', "\0\0\2"s));
  EXPECT_TRUE(d.complete(0));
  d.client(message('d', "12345") + message('d', "678") + message('c', ""));
  d.server(message('C', "COPY 2\0"s) + ready);
  ASSERT_EQ(d.count(), 2U);
  EXPECT_EQ(d.json(1),
            R"({"pgsql":{"tx_id":2,"request":{"copy_data_in":{"msg_count":2,"data_size":8},)"
            R"("message":"copy_done"},"response":{"command_completed":"COPY 2"}}})");
  EXPECT_TRUE(d.complete(1));
  d.client(query("copy t from stdin"));
  d.server(message('G', "\0\0\2"s));
  d.client(message('f', "no more\0"s));
  EXPECT_NE(d.json(3).find(R"("request":{"copy_fail":"no more"})"), std::string::npos);
}

TEST(Pgsql, TellsCancelAndTermination) {
  Driver d("pgsql", 6);
  d.client(untyped("\x04\xd2\x16\x2e"s + be32(5) + be32(6)));
  EXPECT_EQ(d.json(0),
            R"({"pgsql":{"tx_id":1,"request":{"message":"cancel_request","process_id":5,)"
            R"("secret_key":6}}})");
  d.client(message('X', ""));
  EXPECT_EQ(d.json(1), R"({"pgsql":{"tx_id":2,"request":{"message":"termination_message"}}})");
  EXPECT_TRUE(d.complete(0) && d.complete(1));
}

TEST(Pgsql, IsTheSameHoweverItIsCut) {
  expect_split_anywhere(
      "pgsql",
      {{Dir::to_server, ssl_request},
       {Dir::to_client, "N"},
       {Dir::to_server, startup},
       {Dir::to_client, auth(5, "salt")},
       {Dir::to_server, message('p', "md5\0"s)},
       {Dir::to_client, auth(0) + message('S', "a\0b\0"s) + ready},
       {Dir::to_server,
        query("select 1") + message('P', "unfollowed") + query("copy x from stdin")},
       {Dir::to_client, message('T', "\0\1"s) + row("abcdef") + message('C', "SELECT 1\0"s) +
                            ready + message('N', "Shello\0\0"s) + message('G', "\0\0\2"s)},
       {Dir::to_server, message('d', "12345") + message('c', "") + message('X', "")}});
}

TEST(Pgsql, AnswersGoToTheOldestQuery) {
  Driver d("pgsql", 6);
  d.client(query("one") + query("two"));
  d.server(message('C', "A\0"s) + ready + message('C', "B\0"s) + ready);
  EXPECT_NE(d.json(0).find(R"("command_completed":"A")"), std::string::npos);
  EXPECT_NE(d.json(1).find(R"("command_completed":"B")"), std::string::npos);
}

TEST(Pgsql, NamesALengthThatCannotBe) {
  Driver d("pgsql", 6);
  d.client("Q" + be32(3));
  EXPECT_TRUE(d.failed);
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"pgsql.invalid_length"}));
  Driver s("pgsql", 6);
  s.client(query("x"));
  s.server(message('Z', "IT"));
  EXPECT_TRUE(s.failed);
  EXPECT_EQ(s.events(1), (std::vector<std::string>{"pgsql.invalid_length"}));
}

TEST(Pgsql, NamesARequestItCannotRead) {
  Driver d("pgsql", 6);
  d.client(untyped("\0\xff\0\xff"s) + query("still here"));
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"pgsql.malformed_request"}));
  EXPECT_EQ(d.buffer(1, "pgsql.query", Dir::to_server), "still here");
}

TEST(Pgsql, NamesAResponseItCannotRead) {
  Driver d("pgsql", 6);
  d.client(startup);
  d.server(auth(99));
  EXPECT_EQ(d.events(1), (std::vector<std::string>{"pgsql.malformed_response"}));
  Driver e("pgsql", 6);
  e.client(ssl_request);
  e.server("?");
  EXPECT_EQ(e.events(1), (std::vector<std::string>{"pgsql.malformed_response"}));
}

TEST(Pgsql, BoundsLiveTransactions) {
  Settings s;
  s.set("app-layer.protocols.pgsql.max-tx", "2");
  Driver d("pgsql", 6, s);
  d.client(query("a") + query("b") + query("c"));
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"pgsql.too_many_transactions"}));
  EXPECT_TRUE(d.complete(0));
}

TEST(Pgsql, BoundsWhatItKeepsOfAnAnswer) {
  const auto events = [](int parameters) {
    Driver d("pgsql", 6);
    d.client(startup);
    std::string answer = auth(0);
    for (int i = 0; i < parameters; ++i) answer += message('S', "TimeZone\0UTC\0"s);
    d.server(answer + ready);
    return d.events(0);
  };
  EXPECT_EQ(events(257), (std::vector<std::string>{"pgsql.too_many_responses"}));
  EXPECT_TRUE(events(256).empty());
}

TEST(Pgsql, PassesOverWhatItNeedNotHold) {
  Driver d("pgsql", 6);
  d.client(query("select big"));
  const std::string piece(64 << 10, 'x');
  d.server("D" + be32(4 + 2 + 4 + 100 * piece.size()) + "\0\1"s + be32(100 * piece.size()));
  for (int i = 0; i < 100; ++i) d.server(piece);
  d.server(message('C', "SELECT 1\0"s) + ready);
  EXPECT_NE(d.json(0).find(R"("data_size":6553600)"), std::string::npos);
  EXPECT_TRUE(d.complete(0));
}

TEST(Pgsql, GoesOnAfterAGap) {
  Driver d("pgsql", 6);
  d.client(query("a"));
  d.server("D" + be32(1000) + "\0\1"s);
  d.lose(Dir::to_client, 994);  // inside the row
  d.server(message('C', "SELECT 1\0"s));
  d.lose(Dir::to_client, 100);
  d.server(ready);
  EXPECT_TRUE(d.complete(0));
}

TEST(Pgsql, HandsOverToTlsWhenTheServerAgrees) {
  Driver d("pgsql", 6);
  d.client(ssl_request);
  d.server("S");
  EXPECT_EQ(d.ctx.changed_to, "tls");
  EXPECT_NE(d.json(0).find(R"("ssl_accepted":true)"), std::string::npos);
}

TEST(PgsqlProbe, KnowsBothSides) {
  Driver d("pgsql", 6);
  EXPECT_EQ(d.probe(startup, Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(ssl_request, Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(query("x"), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe("GET / HTTP/1.1", Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe(untyped("\0\xff\0\xff"s), Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe("N", Dir::to_client), Probe::yes);
  EXPECT_EQ(d.probe(ready, Dir::to_client), Probe::yes);
  EXPECT_EQ(d.probe("SSH-2.0-x", Dir::to_client), Probe::no);
}

TEST(Pgsql, TellsANotification) {
  Driver d("pgsql", 6);
  d.client(startup);
  d.server(auth(0) + ready);
  d.client(query("select 1"));
  d.server(message('A', be32(77) + "ward\0bed 4\0"s) + message('C', "SELECT 1\0"s) + ready);
  EXPECT_NE(d.json(1).find(R"("pid":77,"channel_name":"ward","payload":"bed 4")"),
            std::string::npos)
      << d.json(1);
}

}  // namespace
}  // namespace ww::sensor::test
