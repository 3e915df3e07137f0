#include "collector/ingest/foreign.hpp"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <boost/json.hpp>

#include "collector/ingest/body.hpp"
#include "collector/ingest/lines.hpp"
#include "collector/ingest/protobuf.hpp"
#include "collector/ingest/syslog_server.hpp"

namespace ww::collector {
namespace {

namespace json = boost::json;

json::object log_of(const IncomingEvent& e) { return json::parse(e.json).at("log").as_object(); }
std::string text(const json::object& o, const char* name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->as_string().c_str()) : "(none)";
}
std::string field(const json::object& log, const char* name) {
  const auto* f = log.if_contains("fields");
  return f != nullptr ? text(f->as_object(), name) : "(no fields)";
}

std::string zstd(const std::string& in) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 1));
  return out;
}
std::string gzip(const std::string& in) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(compressBound(in.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// ---- a tiny protobuf writer, as slow and obvious as can be ----
std::string varint(std::uint64_t v) {
  std::string out;
  for (; v >= 128; v >>= 7) out += static_cast<char>(v | 128);
  return out + static_cast<char>(v);
}
std::string bytes(unsigned field, const std::string& v) {
  return varint(field << 3 | 2) + varint(v.size()) + v;
}
std::string number(unsigned field, std::uint64_t v) { return varint(field << 3) + varint(v); }
std::string fixed64(unsigned field, std::uint64_t v) {
  std::string out = varint(field << 3 | 1);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(v >> (8 * i));
  return out;
}
std::string key_value(const std::string& k, const std::string& any) {
  return bytes(1, k) + bytes(2, any);
}

/// Snappy as literals only: valid, and independent of the decoder's copies.
std::string snappy_literal(const std::string& in) {
  std::string out = varint(in.size());
  for (std::size_t at = 0; at < in.size(); at += 60) {
    const auto part = in.substr(at, 60);
    out += static_cast<char>((part.size() - 1) << 2);
    out += part;
  }
  return out;
}

TEST(Body, DecodesEveryEncoding) {
  const std::string plain(100'000, 'x');
  EXPECT_EQ(decode_body("", std::string(plain), 1 << 20).value(), plain);
  EXPECT_EQ(decode_body("identity", std::string(plain), 1 << 20).value(), plain);
  EXPECT_EQ(decode_body("ZSTD", zstd(plain), 1 << 20).value(), plain);
  EXPECT_EQ(decode_body("gzip", gzip(plain), 1 << 20).value(), plain);
  EXPECT_EQ(decode_body("snappy", snappy_literal(plain), 1 << 20).value(), plain);
  EXPECT_EQ(decode_body("gzip", gzip("a") + gzip("b"), 100).value(), "ab");
  EXPECT_EQ(decode_body("zstd", zstd("a") + zstd("b"), 100).value(), "ab");
}

TEST(Body, RefusesBombsAtTheLimitWhateverTheRatio) {
  const std::string plain(50U << 20, '\0');
  for (const auto& [encoding, body] :
       {std::pair{"zstd", zstd(plain)}, std::pair{"gzip", gzip(plain)}}) {
    const auto r = decode_body(encoding, std::string(body), 1 << 20);
    ASSERT_FALSE(r) << encoding;
    EXPECT_EQ(r.error().code, BodyErrc::too_large);
  }
  EXPECT_EQ(decode_body("", std::string(11, 'x'), 10).error().code, BodyErrc::too_large);
  EXPECT_TRUE(decode_body("gzip", gzip(std::string(10, 'x')), 10));
  EXPECT_EQ(decode_body("gzip", gzip(std::string(11, 'x')), 10).error().code, BodyErrc::too_large);
  EXPECT_TRUE(decode_body("zstd", zstd(std::string(10, 'x')), 10));
  EXPECT_EQ(decode_body("zstd", zstd(std::string(11, 'x')), 10).error().code, BodyErrc::too_large);
}

TEST(Body, RefusesCutAndCorruptInput) {
  const std::string plain =
      "some text that is long enough to be compressed, some text that is long enough";
  for (const auto& [encoding, body] :
       {std::pair{"zstd", zstd(plain)}, std::pair{"gzip", gzip(plain)},
        std::pair{"snappy", snappy_literal(plain)}})
    for (std::size_t n = 0; n < body.size(); ++n) {
      const auto r = decode_body(encoding, body.substr(0, n), 1 << 20);
      if (r) {
        EXPECT_TRUE(n == 0 && r->empty()) << encoding << " " << n;
      }
    }
  EXPECT_EQ(decode_body("br", "x", 10).error().code, BodyErrc::unknown_encoding);
}

TEST(Snappy, CopiesMayOverlap) {
  // "ab" then a copy of length 8 at offset 2: abababab ab
  const std::string block = varint(10) +
                            std::string(
                                "\x04"
                                "ab") +
                            std::string("\x11\x02", 2);
  EXPECT_EQ(snappy_decode(block, 100).value(), "ababababab");
}

TEST(Snappy, RefusesCopiesFromOutsideAndLyingLengths) {
  EXPECT_FALSE(snappy_decode(varint(10) +
                                 std::string("\x04"
                                             "ab") +
                                 std::string("\x11\x03", 2),
                             100));
  EXPECT_FALSE(snappy_decode(varint(10) +
                                 std::string("\x04"
                                             "ab") +
                                 std::string("\x11\x00", 2),
                             100));
  EXPECT_FALSE(snappy_decode(varint(5) + std::string("\x04"
                                                     "ab"),
                             100));
  EXPECT_FALSE(snappy_decode(varint(1) + std::string("\x04"
                                                     "ab"),
                             100));
  EXPECT_FALSE(snappy_decode(varint(1U << 30) + std::string("\x04"
                                                            "ab"),
                             1U << 31));
  EXPECT_EQ(snappy_decode(varint(1000), 100).error().code, BodyErrc::too_large);
  EXPECT_FALSE(snappy_decode("\xff\xff\xff\xff\xff\xff", 100));
}

TEST(Lines, KeepsGoodLinesAndPositionsOfBadOnes) {
  Batch batch;
  ASSERT_TRUE(split_lines("{\"a\":1}\r\nnot json\n\n[1]\n{\"b\":2}", {}, batch));
  ASSERT_EQ(batch.events.size(), 2U);
  EXPECT_EQ(batch.events[1].json, "{\"b\":2}");
  EXPECT_EQ(batch.dead_positions, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(batch.dead[0].line, "not json");
  EXPECT_NE(batch.dead[1].reason.find("object"), std::string::npos);
}

TEST(Lines, RefusesTooManyAndKeepsTooLongAsDeadLetters) {
  LineLimits limits;
  limits.max_lines = 2;
  limits.max_line_octets = 10;
  Batch batch;
  EXPECT_FALSE(split_lines("{}\n{}\n{}\n", limits, batch));
  Batch longer;
  ASSERT_TRUE(split_lines("{\"aaaaaaaaaaaaa\":1}\n{}\n", limits, longer));
  EXPECT_EQ(longer.events.size(), 1U);
  EXPECT_EQ(longer.dead.size(), 1U);
}

TEST(Lines, DeepNestingIsADeadLetter) {
  Batch batch;
  ASSERT_TRUE(
      split_lines("{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}\n", {}, batch));
  EXPECT_EQ(batch.dead.size(), 1U);
}

TEST(Lines, EveNeedsItsTypeAndWazuhBecomesALog) {
  Batch eve;
  ASSERT_TRUE(split_lines(
      "{\"event_type\":\"dns\",\"timestamp\":\"2026-11-22T02:30:00.000000+0000\"}\n{\"x\":1}\n", {},
      eve));
  convert_lines(Foreign::eve, eve);
  EXPECT_EQ(eve.events.size(), 1U);
  EXPECT_EQ(eve.dead.size(), 1U);
  Batch wazuh;
  ASSERT_TRUE(split_lines(
      R"({"timestamp":"2026-11-22T02:30:00.123+0000","rule":{"level":10,"description":"sshd: brute force","id":"5712"},"agent":{"id":"003","name":"web1"},"decoder":{"name":"sshd"},"full_log":"Failed password for root from 10.0.0.1","data":{"srcip":"10.0.0.1"}})"
      "\n{\"x\":1}\n",
      {}, wazuh));
  convert_lines(Foreign::wazuh, wazuh);
  ASSERT_EQ(wazuh.events.size(), 1U);
  EXPECT_EQ(wazuh.dead.size(), 1U);
  const auto log = log_of(wazuh.events[0]);
  EXPECT_EQ(text(log, "host"), "web1");
  EXPECT_EQ(text(log, "severity"), "error");
  EXPECT_EQ(text(log, "message"), "Failed password for root from 10.0.0.1");
  EXPECT_EQ(log.at("fields").at("rule").at("id").as_string(), "5712");
  EXPECT_EQ(json::parse(wazuh.events[0].json).at("timestamp").as_string(),
            "2026-11-22T02:30:00.123000+0000");
}

TEST(Bulk, TakesIndexAndCreateAndRefusesTheRest) {
  Batch batch;
  const auto r = parse_bulk(
      "{\"create\":{\"_index\":\"logs\"}}\n"
      "{\"@timestamp\":\"2026-11-22T02:30:00Z\",\"message\":\"hello\",\"host\":{\"name\":\"web1\"}}"
      "\n"
      "{\"index\":{\"_id\":\"7\"}}\n{\"message\":\"two\"}\n"
      "{\"delete\":{\"_index\":\"logs\",\"_id\":\"1\"}}\n"
      "{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{}}\n"
      "{\"index\":{}}\nbroken\n",
      "from-path", {}, batch);
  ASSERT_TRUE(r) << r.error().what;
  ASSERT_EQ(r->items.size(), 5U);
  ASSERT_EQ(batch.events.size(), 2U);
  EXPECT_EQ(batch.dead.size(), 1U);
  const auto log = log_of(batch.events[0]);
  EXPECT_EQ(text(log, "source"), "elastic");
  EXPECT_EQ(text(log, "host"), "web1");
  EXPECT_EQ(text(log, "message"), "hello");
  EXPECT_EQ(json::parse(batch.events[0].json).at("timestamp").as_string(),
            "2026-11-22T02:30:00.000000+0000");
  const auto answer = json::parse(bulk_answer(*r, 3, true));
  EXPECT_TRUE(answer.at("errors").as_bool());
  EXPECT_EQ(answer.at("items").at(0).at("create").at("status").as_int64(), 201);
  EXPECT_EQ(answer.at("items").at(1).at("index").at("_index").as_string(), "from-path");
  EXPECT_EQ(answer.at("items").at(2).at("index").at("status").as_int64(), 400);
  EXPECT_EQ(answer.at("items").at(4).at("index").at("status").as_int64(), 400);
}

TEST(Bulk, WinlogbeatDocumentKeepsNativeFieldNames) {
  Batch batch;
  ASSERT_TRUE(parse_bulk(
      "{\"create\":{\"_index\":\"winlogbeat\"}}\n"
      R"({"@timestamp":"2026-11-22T02:30:00.000Z","winlog":{"channel":"Security","event_id":4625,"computer_name":"DC1","provider_name":"Microsoft-Windows-Security-Auditing","event_data":{"TargetUserName":"bob","IpAddress":"10.0.0.9"}},"message":"An account failed to log on.","host":{"name":"DC1"},"agent":{"type":"winlogbeat"}})"
      "\n",
      "", {}, batch));
  const auto log = log_of(batch.events.at(0));
  EXPECT_EQ(text(log, "product"), "windows");
  EXPECT_EQ(text(log, "service"), "security");
  EXPECT_EQ(field(log, "TargetUserName"), "bob");
  EXPECT_EQ(log.at("fields").at("EventID").as_int64(), 4625);
}

TEST(Bulk, RefusesWhatIsNoBulkBody) {
  for (const auto* bad :
       {"not json\n{}\n", "[]\n{}\n", "{}\n{}\n", "{\"frob\":{}}\n{}\n", "{\"index\":{}}\n"}) {
    Batch batch;
    EXPECT_FALSE(parse_bulk(bad, "", {}, batch)) << bad;
  }
  ForeignLimits limits;
  limits.max_events = 1;
  Batch batch;
  const auto r = parse_bulk("{\"index\":{}}\n{}\n{\"index\":{}}\n{}\n", "", limits, batch);
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().too_many);
}

TEST(Loki, JsonStreamsBecomeLogsWithTheirLabels) {
  Batch batch;
  const auto r = parse_loki_json(
      R"({"streams":[{"stream":{"host":"web1","job":"nginx","env":"prod"},"values":[["1790000000123456789","GET / 200"],["1790000001000000000","second",{"trace":"t1"}]]}]})",
      {}, batch);
  ASSERT_TRUE(r) << r.error().what;
  ASSERT_EQ(batch.events.size(), 2U);
  const auto log = log_of(batch.events[1]);
  EXPECT_EQ(text(log, "source"), "loki");
  EXPECT_EQ(text(log, "host"), "web1");
  EXPECT_EQ(text(log, "service"), "nginx");
  EXPECT_EQ(text(log, "message"), "second");
  EXPECT_EQ(field(log, "env"), "prod");
  EXPECT_EQ(field(log, "trace"), "t1");
  EXPECT_EQ(field(log_of(batch.events[0]), "trace"), "(none)");
  EXPECT_EQ(json::parse(batch.events[0].json).at("timestamp").as_string(),
            "2026-09-21T14:13:20.123456+0000");
}

TEST(Loki, ProtobufGivesTheSameEvents) {
  const auto time = [](std::uint64_t s, std::uint64_t ns) { return number(1, s) + number(2, ns); };
  const auto entry = bytes(1, time(1'790'000'000, 123'456'789)) + bytes(2, "GET / 200") +
                     bytes(3, bytes(1, "trace") + bytes(2, "t1"));
  const auto stream =
      bytes(2, entry) +
      bytes(1, "{host=\"web1\", job=\"a\\\"b\"}");  // labels after entries on purpose
  Batch batch;
  ASSERT_TRUE(parse_loki_protobuf(bytes(1, stream), {}, batch));
  ASSERT_EQ(batch.events.size(), 1U);
  const auto log = log_of(batch.events[0]);
  EXPECT_EQ(text(log, "host"), "web1");
  EXPECT_EQ(text(log, "service"), "a\"b");
  EXPECT_EQ(field(log, "trace"), "t1");
  EXPECT_EQ(json::parse(batch.events[0].json).at("timestamp").as_string(),
            "2026-09-21T14:13:20.123456+0000");
}

TEST(Loki, RefusesBrokenBodies) {
  for (const auto* bad : {"", "{}", "{\"streams\":[{}]}", "{\"streams\":[{\"values\":[[1,2]]}]}",
                          "{\"streams\":[{\"values\":[[\"x\",\"y\"]]}]}"}) {
    Batch batch;
    EXPECT_FALSE(parse_loki_json(bad, {}, batch)) << bad;
  }
  Batch batch;
  EXPECT_FALSE(parse_loki_protobuf("\x0a\xff\x01", {}, batch));
  EXPECT_FALSE(parse_loki_protobuf(bytes(1, bytes(1, "no braces")), {}, batch));
}

TEST(Otlp, JsonRecordsBecomeLogs) {
  Batch batch;
  const auto r = parse_otlp_json(
      R"({"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"web1"}},{"key":"service.name","value":{"stringValue":"pas"}}]},
          "scopeLogs":[{"scope":{"name":"lib"},"logRecords":[{"timeUnixNano":"1790000000123456000","severityNumber":17,"severityText":"Error","body":{"stringValue":"it broke"},
          "attributes":[{"key":"n","value":{"intValue":"42"}},{"key":"tags","value":{"arrayValue":{"values":[{"stringValue":"a"},{"boolValue":true}]}}}],"traceId":"0102"}]}]}]})",
      {}, batch);
  ASSERT_TRUE(r) << r.error().what;
  ASSERT_EQ(batch.events.size(), 1U);
  const auto log = log_of(batch.events[0]);
  EXPECT_EQ(text(log, "source"), "otlp");
  EXPECT_EQ(text(log, "host"), "web1");
  EXPECT_EQ(text(log, "service"), "pas");
  EXPECT_EQ(text(log, "severity"), "error");
  EXPECT_EQ(text(log, "message"), "it broke");
  EXPECT_EQ(field(log, "n"), "42");
  EXPECT_EQ(field(log, "tags"), "[\"a\",true]");
  EXPECT_EQ(field(log, "trace_id"), "0102");
  EXPECT_EQ(json::parse(batch.events[0].json).at("timestamp").as_string(),
            "2026-09-21T14:13:20.123456+0000");
}

TEST(Otlp, ProtobufGivesTheSameEvent) {
  const auto text_value = [](const std::string& s) { return bytes(1, s); };
  const auto resource = bytes(1, key_value("host.name", text_value("web1")));
  const auto list = bytes(5, bytes(1, text_value("a")) + bytes(1, number(2, 1)));
  const auto record = fixed64(1, 1'790'000'000'123'456'000) + number(2, 17) +
                      bytes(5, text_value("it broke")) + bytes(6, key_value("n", number(3, 42))) +
                      bytes(6, key_value("tags", list)) + bytes(9, "\x01\x02");
  const auto body =
      bytes(1, bytes(2, bytes(1, bytes(1, "lib")) + bytes(2, record)) + bytes(1, resource));
  Batch batch;
  ASSERT_TRUE(parse_otlp_protobuf(body, {}, batch));
  ASSERT_EQ(batch.events.size(), 1U);
  const auto log = log_of(batch.events[0]);
  EXPECT_EQ(text(log, "host"), "web1");
  EXPECT_EQ(text(log, "severity"), "error");
  EXPECT_EQ(text(log, "message"), "it broke");
  EXPECT_EQ(field(log, "n"), "42");
  EXPECT_EQ(field(log, "tags"), "[\"a\",true]");
  EXPECT_EQ(field(log, "trace_id"), "0102");
  EXPECT_EQ(field(log, "otel.scope"), "lib");
}

TEST(Otlp, RefusesValuesNestedTooDeepAndKeepsNothingHalf) {
  std::string any = bytes(1, "x");
  for (int i = 0; i < 40; ++i) any = bytes(5, bytes(1, any));
  const auto body = bytes(1, bytes(2, bytes(2, bytes(5, any))));
  Batch batch;
  EXPECT_FALSE(parse_otlp_protobuf(body, {}, batch));
  EXPECT_FALSE(parse_otlp_json("[]", {}, batch));
  EXPECT_FALSE(parse_otlp_json(R"({"resourceLogs":3})", {}, batch));
  EXPECT_TRUE(parse_otlp_json("{}", {}, batch));
  EXPECT_TRUE(batch.events.empty());
}

TEST(Otlp, CutProtobufIsRefusedAtEveryOctet) {
  const auto record = fixed64(1, 1) + bytes(5, bytes(1, "x"));
  const auto body = bytes(1, bytes(2, bytes(2, record)));
  for (std::size_t n = 1; n < body.size(); ++n) {
    Batch batch;
    EXPECT_FALSE(parse_otlp_protobuf(body.substr(0, n), {}, batch)) << n;
  }
}

TEST(SyslogFramer, TellsBothFramingsApartAtAnySplit) {
  const std::string wire =
      "11 <34>1 hello<13>line one\r\n\n<13>line two\n5 <1>ab7 <1>\xc3\xa9 x<13>last";
  const std::vector<std::string> expected{"<34>1 hello", "<13>line one",  "<13>line two",
                                          "<1>ab",       "<1>\xc3\xa9 x", "<13>last"};
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    SyslogFramer f(1024);
    std::vector<std::string> got;
    std::string m;
    for (const auto& part : {wire.substr(0, cut), wire.substr(cut)}) {
      f.feed(part);
      while (f.next(m)) got.push_back(m);
    }
    if (f.rest(m)) got.push_back(m);
    EXPECT_EQ(got, expected) << cut;
  }
}

TEST(SyslogFramer, CutsLongMessagesAndGoesOn) {
  SyslogFramer f(10);
  f.feed("30 <34>" + std::string(26, 'x') + "<13>short\n" + std::string(50, 'y') + "\n<13>next\n");
  std::vector<std::string> got;
  std::string m;
  while (f.next(m)) got.push_back(m);
  EXPECT_EQ(got, (std::vector<std::string>{"<34>xxxxxx", "<13>short", "yyyyyyyyyy", "<13>next"}));
  EXPECT_EQ(f.too_long(), 2U);
}

TEST(SyslogFramer, AnImpossibleCountEndsTheStream) {
  SyslogFramer f(1024);
  f.feed("99999999 <34>x");
  std::string m;
  EXPECT_FALSE(f.next(m));
  EXPECT_TRUE(f.broken());
}

}  // namespace
}  // namespace ww::collector
