/// `stats` records: Suricata's names, nested, and what the settings make of them.
#include <boost/json.hpp>

#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

namespace js = boost::json;

std::string types(const std::string& options) {
  return "outputs:\n  - eve-log:\n      types:\n        - stats:\n" + options;
}
const std::string plain = types("            totals: yes\n");

class Record {
 public:
  explicit Record(std::string_view line) : value_(js::parse(line)) {}
  /// Number at "a/b/c" below `stats`; -1: not there.
  [[nodiscard]] std::int64_t at(const std::string& path) const {
    const auto* v = find(path);
    return v == nullptr ? -1 : v->to_number<std::int64_t>();
  }
  [[nodiscard]] const js::value* find(const std::string& path) const {
    boost::system::error_code ec;
    return value_.find_pointer("/stats/" + path, ec);
  }
  [[nodiscard]] const js::object& top() const { return value_.as_object(); }

 private:
  js::value value_;
};

Record record(Sensor& s, StatsRecorder& recorder, std::int64_t uptime = 0) {
  s.stats(recorder, uptime);
  return Record(s.last_line());
}

const std::string dns_query = Octets()
                                  .u16(7)
                                  .u16(0x0100)
                                  .u16(1)
                                  .u16(0)
                                  .u16(0)
                                  .u16(0)
                                  .text("\x04ward\x04test")
                                  .u8(0)
                                  .u16(1)
                                  .u16(1)
                                  .out;

/// A DNS query over UDP, an HTTP request over TCP, a ping, an IPv4 packet that lies of its length.
void traffic(Sensor& s) {
  s.frame(udp(5000, 53, dns_query));
  Tcp t;
  s.frames(t.open());
  s.frames(t.say(false, "GET / HTTP/1.1\r\nHost: ward\r\n\r\n"));
  s.frame(ipv4(1, Octets().u8(8).u8(0).u16(0).u16(7).u16(1).out));
  auto lies = udp(5000, 53, "x");
  lies[16] = '\x7f';
  s.frame(lies);
}

TEST(Stats, CountersUnderSuricatasNames) {
  Sensor s(
      "alert udp any any -> any 53 (sid:1;)\n"
      "alert udp any any -> any any (requires: version >= 99; sid:2;)\n",
      {}, plain);
  StatsRecorder recorder(s.shared());
  ASSERT_TRUE(recorder.wanted());
  EXPECT_EQ(recorder.interval().count(), 8);
  traffic(s);
  const auto r = record(s, recorder, 100);
  EXPECT_EQ(r.top().at("event_type"), "stats");
  EXPECT_EQ(r.top().at("timestamp"), "2023-11-14T22:15:00.000000+0000");
  EXPECT_EQ(r.top().size(), 3U);
  EXPECT_EQ(r.at("uptime"), 100);
  EXPECT_EQ(r.at("decoder/pkts"), 8);
  EXPECT_EQ(r.at("decoder/ethernet"), 8);
  EXPECT_EQ(r.at("decoder/tcp"), 5);
  EXPECT_EQ(r.at("decoder/udp"), 1);
  EXPECT_EQ(r.at("decoder/icmpv4"), 1);
  EXPECT_EQ(r.at("decoder/invalid"), 1);
  EXPECT_EQ(r.at("decoder/event/ipv4/trunc_pkt"), 1);
  EXPECT_EQ(r.at("decoder/event/ipv4/opt_invalid"), 0);
  EXPECT_EQ(r.at("decoder/max_pkt_size"), 84);
  EXPECT_EQ(r.at("decoder/avg_pkt_size"), r.at("decoder/bytes") / 8);
  EXPECT_EQ(r.at("flow/total"), 3);
  EXPECT_EQ(r.at("flow/active"), 3);
  EXPECT_EQ(r.at("flow/tcp"), 1);
  EXPECT_EQ(r.at("flow/udp"), 1);
  EXPECT_EQ(r.at("flow/icmpv4"), 1);
  EXPECT_EQ(r.at("flow/icmpv6"), 0);
  EXPECT_EQ(r.at("tcp/sessions"), 1);
  EXPECT_EQ(r.at("tcp/syn"), 1);
  EXPECT_EQ(r.at("tcp/synack"), 1);
  EXPECT_EQ(r.at("tcp/rst"), 0);
  EXPECT_EQ(r.at("tcp/reassembly_gap"), 0);
  EXPECT_EQ(r.at("app_layer/flow/http"), 1);
  EXPECT_EQ(r.at("app_layer/tx/http"), 1);
  // A protocol of both transports is counted by transport.
  EXPECT_EQ(r.at("app_layer/flow/dns_udp"), 1);
  EXPECT_EQ(r.at("app_layer/tx/dns_udp"), 1);
  EXPECT_EQ(r.at("app_layer/flow/dns_tcp"), 0);
  EXPECT_EQ(r.at("app_layer/flow/dns"), -1);
  EXPECT_EQ(r.at("app_layer/error/dns_udp/parser"), 0);
  EXPECT_EQ(r.at("app_layer/flow/failed_tcp"), 0);
  EXPECT_EQ(r.at("detect/alert"), 1);
  EXPECT_EQ(r.at("detect/engines/0/id"), 0);
  EXPECT_EQ(r.at("detect/engines/0/rules_loaded"), 1);
  EXPECT_EQ(r.at("detect/engines/0/rules_failed"), 0);
  EXPECT_EQ(r.at("detect/engines/0/rules_skipped"), 1);
  EXPECT_NE(r.find("detect/engines/0/last_reload"), nullptr);
  EXPECT_GE(r.at("file_store/fs_errors"), 0);
  EXPECT_EQ(r.find("threads"), nullptr);
  EXPECT_EQ(r.find("capture"), nullptr);  // there is no interface
}

TEST(Stats, ErrorsOfAParserAreCounted) {
  Sensor s("", {}, plain);
  StatsRecorder recorder(s.shared());
  Tcp t(22);
  s.frames(t.open());
  s.frames(t.say(false, "SSH-2.0-ward\r\n"));
  s.frames(t.say(true, "SSH-2.0-server\r\n"));
  s.frames(t.say(false, std::string("\0\0\0\0\0\0\0\0", 8)));
  const auto r = record(s, recorder);
  EXPECT_EQ(r.at("app_layer/flow/ssh"), 1);
  EXPECT_EQ(r.at("app_layer/error/ssh/parser"), 1);
  EXPECT_EQ(r.at("app_layer/error/ssh/gap"), 0);
}

TEST(Stats, DeltasTellWhatCameSinceTheRecordBefore) {
  Sensor s("", {}, types("            deltas: yes\n"));
  StatsRecorder recorder(s.shared());
  traffic(s);
  const auto one = record(s, recorder);
  EXPECT_EQ(one.at("decoder/pkts_delta"), 8);
  s.frame(udp(5000, 53, dns_query));
  const auto two = record(s, recorder);
  EXPECT_EQ(two.at("decoder/pkts"), 9);
  EXPECT_EQ(two.at("decoder/pkts_delta"), 1);
  s.finish();
  const auto three = record(s, recorder);
  EXPECT_EQ(three.at("flow/active"), 0);
  EXPECT_EQ(three.at("flow/active_delta"), -3);
}

TEST(Stats, ThreadsInsteadOfTotals) {
  Sensor s("", {}, types("            totals: no\n            threads: yes\n"));
  StatsRecorder recorder(s.shared());
  traffic(s);
  const auto r = record(s, recorder);
  EXPECT_EQ(r.find("decoder"), nullptr);
  EXPECT_EQ(r.find("detect"), nullptr);
  EXPECT_EQ(r.at("threads/W#01/decoder/pkts"), 8);
  EXPECT_EQ(r.at("threads/W#01/app_layer/flow/dns_udp"), 1);
}

TEST(Stats, WorkersAreSummedUpAndTheLargestPacketIsTheLargestOfAll) {
  Sensor s("", {}, plain);
  traffic(s);
  StatsRecorder recorder(s.shared());
  WorkerCounters a, b;
  using decode::Counter;
  a.decoder.add(Counter::pkts, 2);
  a.decoder.add(Counter::bytes, 200);
  a.decoder.add(Counter::max_pkt_size, 150);
  b.decoder.add(Counter::pkts, 2);
  b.decoder.add(Counter::bytes, 100);
  b.decoder.add(Counter::max_pkt_size, 60);
  capture::CaptureCounters frames;
  frames.kernel_packets = 9;
  frames.kernel_drops = 4;
  frames.interface_drops = 1;
  auto lines = std::make_shared<Lines>();
  recorder.write({lines}, {Timestamp{}, std::chrono::seconds(0), {a, b}, &frames, nullptr});
  const Record r(lines->text);
  EXPECT_EQ(r.at("decoder/pkts"), 4);
  EXPECT_EQ(r.at("decoder/avg_pkt_size"), 75);
  EXPECT_EQ(r.at("decoder/max_pkt_size"), 150);
  EXPECT_EQ(r.at("capture/kernel_packets"), 9);
  EXPECT_EQ(r.at("capture/kernel_drops"), 4);
  EXPECT_EQ(r.at("capture/kernel_ifdrops"), 1);
  EXPECT_EQ(r.at("detect/engines/0/rules_loaded"), 0);
  EXPECT_EQ(r.find("detect/engines/0/last_reload"), nullptr);
}

TEST(Stats, ZerosCanBeLeftOut) {
  Sensor s("", {}, types("            null-values: no\n"));
  StatsRecorder recorder(s.shared());
  traffic(s);
  const auto r = record(s, recorder);
  EXPECT_EQ(r.at("tcp/syn"), 1);
  EXPECT_EQ(r.find("tcp/rst"), nullptr);
  EXPECT_EQ(r.at("decoder/event/ipv4/trunc_pkt"), 1);
  EXPECT_EQ(r.find("decoder/event/ipv4/opt_invalid"), nullptr);
}

TEST(Stats, GlobalSettings) {
  Sensor s("", {}, plain + "stats:\n  interval: 30\n  decoder-events-prefix: decoder\n");
  StatsRecorder recorder(s.shared());
  EXPECT_EQ(recorder.interval().count(), 30);
  traffic(s);
  EXPECT_EQ(record(s, recorder).at("decoder/event/ipv4/trunc_pkt"), -1);

  Sensor none("", {}, plain + "stats:\n  decoder-events: no\n");
  StatsRecorder quiet(none.shared());
  traffic(none);
  const auto r = record(none, quiet);
  EXPECT_EQ(r.find("decoder/event"), nullptr);
  EXPECT_EQ(r.at("decoder/invalid"), 1);

  Sensor off("", {}, plain + "stats:\n  enabled: no\n");
  EXPECT_FALSE(StatsRecorder(off.shared()).wanted());
  Sensor other("", {}, "outputs:\n  - eve-log:\n      types: [flow]\n");
  StatsRecorder unasked(other.shared());
  EXPECT_FALSE(unasked.wanted());
  other.stats(unasked);
  EXPECT_EQ(other.text(), "");
}

}  // namespace
}  // namespace ww::sensor::test
