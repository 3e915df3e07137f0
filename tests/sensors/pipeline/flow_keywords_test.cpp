/// Keywords on flows, what they remember, the protocol found, and files, over whole conversations.
#include <array>
#include <set>

#include "rules/signature/keyword.hpp"

#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

std::string rule(const std::string& header, const std::string& options, int sid) {
  return "alert " + header + " (" + options + " sid:" + std::to_string(sid) + ";)\n";
}
std::string udp_rules(const std::vector<std::string>& options) {
  std::string out;
  int sid = 0;
  for (const auto& o : options) out += rule("udp any any -> any any", o, ++sid);
  return out;
}
std::vector<std::size_t> alerts(Sensor& s, std::size_t n) {
  s.finish();
  std::vector<std::size_t> out;
  for (unsigned i = 1; i <= n; ++i) out.push_back(s.alerts(i));
  return out;
}
using Counts = std::vector<std::size_t>;

TEST(FlowKeywords, CountsOfEitherSideWithEveryPacket) {
  const std::vector<std::string> options = {
      "flow.pkts_toserver:3;",     "flow.pkts_toclient:>0;", "flow.bytes_toserver:>100;",
      "flow.bytes_toclient:<100;", "flow.pkts:toserver,3;",  "flow.bytes:both,>40;"};
  Sensor s(udp_rules(options));
  for (int i = 0; i < 3; ++i) s.frame(udp(5000, 53000, "12345678"));  // 50 octets each
  s.frame(udp(53000, 5000, "12345678", true));
  // The third frame is the third, and with the second the client had sent a hundred octets.
  EXPECT_EQ(alerts(s, options.size()), (Counts{2, 1, 2, 4, 2, 1}));
}

TEST(FlowKeywords, AgeInSecondsOfTheClock) {
  const std::vector<std::string> options = {"flow.age:1;", "flow.age:>2;", "flow.age:0;"};
  Sensor s(udp_rules(options));
  s.frame(udp(5000, 53000, "x"), 0.9);
  s.frame(udp(5000, 53000, "x"), 1.1);  // a second by the clock, a fifth of one in truth
  s.frame(udp(5000, 53000, "x"), 3.5);
  EXPECT_EQ(alerts(s, options.size()), (Counts{1, 1, 1}));
}

TEST(FlowKeywords, IntegersCountAndCompare) {
  // The documentation's user names: counted silently, told from the third on.
  const std::string rules =
      rule("udp any any -> any any",
           "content:\"user\"; flowint:names,notset; flowint:names,=,1; noalert;", 1) +
      rule("udp any any -> any any",
           "content:\"again\"; flowint:names,isset; flowint:names,+,1; noalert;", 2) +
      rule("udp any any -> any any", "content:\"leave\"; flowint:names,-,1; noalert;", 3) +
      rule("udp any any -> any any", "content:\"ask\"; flowint:names,>,2;", 4) +
      rule("udp any any -> any any", "content:\"ask\"; flowint:names,==,3;", 5) +
      rule("udp any any -> any any", "content:\"ask\"; flowint:names,<=,2;", 6) +
      rule("udp any any -> any any", "content:\"limit\"; flowint:limit,=,2; noalert;", 7) +
      rule("udp any any -> any any", "content:\"ask\"; flowint:names,!=,limit;", 8) +
      rule("udp any any -> any any", "content:\"ask\"; flowint:other,isnotset;", 9);
  Sensor s(rules);
  const auto say = [&](const char* text) { s.frame(udp(5000, 53000, text)); };
  for (const auto* text : {"user", "again", "again", "limit", "ask", "leave", "ask"}) say(text);
  EXPECT_EQ(alerts(s, 9), (Counts{0, 0, 0, 1, 1, 1, 0, 1, 2}));
}

TEST(FlowKeywords, VariablesHoldWhatAnExpressionCaught) {
  const std::string rules =
      rule("udp any any -> any any",
           "content:\"login\"; pcre:\"/login (?P<flow_who>\\w+)/\"; noalert;", 1) +
      rule("udp any any -> any any", "content:\"go\"; flowvar:who,\"admin\";", 2) +
      rule("udp any any -> any any", "content:\"go\"; flowvar:who,!\"admin\";", 3) +
      rule("udp any any -> any any", "content:\"go\"; flowvar:nobody,\"admin\";", 4);
  Sensor s(rules);
  s.frame(udp(5000, 53000, "login admin"));
  s.frame(udp(5000, 53000, "go"));
  EXPECT_EQ(alerts(s, 4), (Counts{0, 1, 0, 0}));
}

TEST(FlowKeywords, BypassLeavesTheRestAlone) {
  Sensor s(rule("udp any any -> any any", "content:\"stop\"; bypass;", 1) +
           rule("udp any any -> any any", "content:\"more\";", 2));
  s.frame(udp(5000, 53000, "more"));
  s.frame(udp(5000, 53000, "stop"));
  s.frame(udp(5000, 53000, "more"));
  EXPECT_EQ(alerts(s, 2), (Counts{1, 1}));
  // Its packets are counted, its record says how it was let go; no rule passed it.
  EXPECT_EQ(s.count({"\"event_type\":\"flow\"", "\"pkts_toserver\":3,", "\"bypass\":\"local\"",
                     "\"state\":\"bypassed\""}),
            1U)
      << s.text();
  EXPECT_EQ(s.count({"\"event_type\":\"flow\"", "\"action\":"}), 0U);
}

TEST(FlowKeywords, BypassEndsWhatParsersTell) {
  Sensor s(rule("http any any -> any any", "http.uri; content:\"/stop\"; bypass;", 1));
  Tcp t;
  s.frames(t.open());
  for (const auto* uri : {"/one", "/stop", "/three"}) {
    s.frames(t.say(false, std::string("GET ") + uri + " HTTP/1.1\r\nHost: a\r\n\r\n"));
    s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  }
  s.frames(t.close());
  EXPECT_EQ(alerts(s, 1), Counts{1});
  EXPECT_EQ(s.count({"\"event_type\":\"http\"", "/one"}), 1U);
  // The request was looked at once it was acknowledged, after its answer.
  EXPECT_EQ(s.count({"\"event_type\":\"http\"", "/stop"}), 1U);
  EXPECT_EQ(s.count({"\"event_type\":\"http\""}), 2U) << s.text();
  EXPECT_EQ(s.count({"\"event_type\":\"flow\"", "\"state\":\"bypassed\""}), 1U);
}

TEST(FlowKeywords, LongStreamsAreBypassedWhenAsked) {
  for (const std::string asked : {"yes", "no"}) {
    Sensor s("", {"stream.bypass=" + asked, "stream.reassembly.depth=100"});
    Tcp t;
    s.frames(t.open());
    s.frames(t.say(false, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + std::string(300, 'x')));
    s.frames(t.close());
    s.finish();
    const auto state = asked == "yes" ? "\"state\":\"bypassed\"" : "\"state\":\"closed\"";
    EXPECT_EQ(s.count({"\"event_type\":\"flow\"", state}), 1U) << s.text();
  }
}

TEST(FlowKeywords, BypassNeedsNoAlert) {
  Sensor s(
      rule("udp any any -> any any",
           "content:\"x\"; bypass; threshold:type threshold, track by_src, count 5, seconds 9;",
           1) +
      rule("udp any any -> any any", "content:\"y\";", 2));
  s.frame(udp(5000, 53000, "x"));
  s.frame(udp(5000, 53000, "y"));
  EXPECT_EQ(alerts(s, 2), (Counts{0, 0}));
}

TEST(FlowKeywords, ATagWaitsForAMatchThatCounts) {
  const auto tagged = [](const std::string& pace) {
    Sensor s(rule("udp any any -> any any", "content:\"x\"; tag:session,2,packets; " + pace, 1), {},
             "outputs:\n  - eve-log:\n      types:\n        - alert:\n            "
             "tagged-packets: yes\n");
    for (const auto* text : {"x", "a", "x", "b", "x", "c", "d", "e"})
      s.frame(udp(5000, 53000, text));
    s.finish();
    return s.count({"\"event_type\":\"packet\""});
  };
  const std::string window = ", track by_src, count 3, seconds 60;";
  const auto all = tagged("");
  EXPECT_GT(all, 3U);
  EXPECT_EQ(tagged("threshold:type limit" + window), all);
  // From the third on only; the packet of the match is the first of the two.
  EXPECT_EQ(tagged("threshold:type threshold" + window), 1U);
  EXPECT_EQ(tagged("threshold:type both" + window), 1U);
  EXPECT_EQ(tagged("detection_filter:track by_src, count 2, seconds 60;"), 1U);
}

TEST(PayloadKeywords, ChoicesOfTheScannerChangeNoMatch) {
  const std::vector<std::string> options = {
      "content:\"needle\"; fast_pattern; content:\"hay\";",
      "content:\"needle\"; fast_pattern:2,3; content:\"hay\";",
      "content:\"needle\"; fast_pattern:only; content:\"hay\";",
      "content:\"needle\"; rawbytes; content:\"hay\"; prefilter;",
      "dsize:>5; prefilter;",
      "content:\"needle\"; fast_pattern; content:\"straw\";"};
  Sensor s(udp_rules(options));
  s.frame(udp(5000, 53000, "hay needle hay"));
  s.frame(udp(5000, 53000, "hay"));
  EXPECT_EQ(alerts(s, options.size()), (Counts{1, 1, 1, 1, 1, 0}));
}

std::string response(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\n" + more + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}
std::string request(const std::string& uri, const std::string& more = "") {
  return "GET " + uri + " HTTP/1.1\r\nHost: a.example\r\n" + more + "\r\n";
}
/// One exchange over HTTP under rules numbered from 1.
Counts exchange(const std::vector<std::string>& options, const std::string& uri,
                const std::string& answer, const std::string& header = "http any any -> any any") {
  std::string rules;
  int sid = 0;
  for (const auto& o : options) rules += rule(header, o, ++sid);
  Sensor s(rules);
  Tcp t;
  s.frames(t.open());
  s.frames(t.say(false, request(uri)));
  s.frames(t.say(true, answer));
  s.frames(t.close());
  return alerts(s, options.size());
}

TEST(PayloadKeywords, BackToThePayloadFromABuffer) {
  const std::vector<std::string> options = {
      "flow:to_server; http.uri; content:\"/a\"; pkt_data; content:\"Host: a\";",
      "flow:to_server; http.uri; content:\"/a\"; pkt_data; content:\"Host: b\";"};
  EXPECT_EQ(exchange(options, "/a", response("x")), (Counts{1, 0}));
}

TEST(ProtocolKeyword, NamesWhatWasFound) {
  const std::vector<std::string> options = {"app-layer-protocol:http; content:\"Host\";",
                                            "app-layer-protocol:!http; content:\"Host\";",
                                            "app-layer-protocol:!tls; content:\"Host\";",
                                            "app-layer-protocol:http,final; content:\"Host\";",
                                            "app-layer-protocol:http,to_client; content:\"200\";",
                                            "app-layer-protocol:failed; content:\"Host\";"};
  EXPECT_EQ(exchange(options, "/", response("x"), "tcp any any -> any any"),
            (Counts{1, 0, 1, 1, 1, 0}));
}

TEST(FileKeywords, NameAndExtensionInAnyCase) {
  const std::vector<std::string> options = {
      "flow:to_client; filename:\"Invoice\";",
      "flow:to_client; filename:!\"invoice\";",
      "flow:to_client; fileext:\"PDF\";",
      "flow:to_client; fileext:\"pd\";",
      "flow:to_client; fileext:!\"pdf\";",
      "flow:to_client; file.name; content:\".pdf\"; endswith;",
      "flow:to_client; file.name; content:\"INVOICE\";",
      "flow:to_client; file.name; content:\"INVOICE\"; nocase;"};
  EXPECT_EQ(exchange(options, "/x/my-invoice.pdf", response("%PDF-1.4 text")),
            (Counts{1, 0, 1, 0, 0, 1, 0, 1}));
}

TEST(FileKeywords, TypeInAnyCase) {
  const std::vector<std::string> options = {
      "flow:to_client; filemagic:\"pdf DOCUMENT\";", "flow:to_client; filemagic:!\"PDF document\";",
      "flow:to_client; file.magic; content:\"PDF document\"; startswith;",
      "flow:to_client; file.magic; content:\"pdf document\";"};
  EXPECT_EQ(exchange(options, "/a", response("%PDF-1.4\n1 0 obj\n")), (Counts{1, 0, 1, 0}));
}

TEST(FileKeywords, DataAndSize) {
  const std::vector<std::string> options = {"flow:to_client; file.data; content:\"needle\";",
                                            "flow:to_client; file.data; content:\"hay\"; bsize:10;",
                                            "flow:to_client; filesize:10;",
                                            "flow:to_client; filesize:5<>11;",
                                            "flow:to_client; filesize:>10;",
                                            "flow:to_client; filesize:<1KB;"};
  EXPECT_EQ(exchange(options, "/a", response("hay needle")), (Counts{1, 1, 1, 1, 0, 1}));
}

TEST(FileKeywords, OfAFileCutOffOnlyALowerBoundIsSure) {
  // The stream is followed for 100 octets: 40 of the header, 60 of the body.
  const std::vector<std::string> options = {"filesize:60;", "filesize:>59;", "filesize:<99;",
                                            "filesize:>=61;", "filesize:!7;"};
  std::string rules;
  int sid = 0;
  for (const auto& o : options)
    rules += rule("http any any -> any any", "flow:to_client; " + o, ++sid);
  Sensor s(rules, {"stream.reassembly.depth=100"});
  Tcp t;
  s.frames(t.open());
  s.frames(t.say(false, request("/a")));
  s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + std::string(60, 'x')));
  s.frames(t.say(true, std::string(140, 'y')));
  s.frames(t.close());
  EXPECT_EQ(alerts(s, options.size()), (Counts{0, 1, 0, 0, 0}));
  EXPECT_EQ(s.count({"\"event_type\":\"fileinfo\"", "\"state\":\"TRUNCATED\"", "\"size\":60,"}),
            1U);
}

/// A file in the temporary folder for the life of the object.
class Held {
 public:
  explicit Held(const std::string& content) : path_(folder_.write("file", content)) {}
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  ww::test::TempFolder folder_;
  std::string path_;
};

TEST(FileKeywords, HashesFromAList) {
  // Of "needle"; what follows the hash on its line is for people.
  const std::string md5 = "4bf84babe76dabda6c4da4d25354704d",
                    sha1 = "b65840c9c035ddad29c5a0e3f64428d4d5271c16",
                    sha256 = "09881f6ed93360a2f6ad81f435a8ca51ca4575d0f954f197ff8f7d16c6565562";
  const Held m("# ours\n" + md5 + "  needle.txt\n"), s1(sha1 + "\n"), s256(sha256 + "\n");
  const Held other(std::string(32, '0') + "\n");
  const std::vector<std::string> options = {"flow:to_client; filemd5:" + m.path() + ";",
                                            "flow:to_client; filemd5:!" + m.path() + ";",
                                            "flow:to_client; filemd5:" + other.path() + ";",
                                            "flow:to_client; filemd5:!" + other.path() + ";",
                                            "flow:to_client; filesha1:" + s1.path() + ";",
                                            "flow:to_client; filesha1:!" + s1.path() + ";",
                                            "flow:to_client; filesha256:" + s256.path() + ";",
                                            "flow:to_client; filesha256:!" + s256.path() + ";"};
  EXPECT_EQ(exchange(options, "/a", response("needle")), (Counts{1, 0, 0, 1, 1, 0, 1, 0}));
}

TEST(DataKeywords, ReputationOfABuffer) {
  // Strings of a reputation list are base64, as of a set.
  const Held coded("L2JhZA==,200\nL2ZhaXI=,100\n");
  const auto with = [&](const char* test, const char* name) {
    return "flow:to_server; http.uri; datarep:" + std::string(name) + "," + test +
           ",type string,load " + coded.path() + ";";
  };
  const std::vector<std::string> options = {with(">,100", "uris"), with("<,201", "uris"),
                                            with("==,200", "uris"), with("==,100", "uris")};
  EXPECT_EQ(exchange(options, "/bad", response("x")), (Counts{1, 1, 1, 0}));
  EXPECT_EQ(exchange(options, "/unknown", response("x")), (Counts{0, 0, 0, 0}));
}

TEST(DataKeywords, ReputationOfAnAddress) {
  const Held categories("1,BadHosts,Known bad hosts\n2,Goodish,Known good hosts\n");
  const Held entries("10.0.0.1,1,70\n192.0.2.0/24,2,20\n192.0.2.1,1,5\n");
  const std::string yaml =
      "default-reputation-path: /\nreputation-categories-file: " + categories.path() +
      "\nreputation-files:\n  - " + entries.path() + "\n";
  const std::vector<std::string> options = {
      "iprep:src,BadHosts,>,60;",    "iprep:dst,BadHosts,>,60;", "iprep:any,BadHosts,<,6;",
      "iprep:both,BadHosts,>,1;",    "iprep:dst,Goodish,=,20;",  "iprep:src,Goodish,isset;",
      "iprep:src,Goodish,isnotset;", "iprep:dst,Goodish,>=,21;"};
  Sensor s(udp_rules(options), {}, yaml);
  s.frame(udp(5000, 53000, "x"));
  EXPECT_EQ(alerts(s, options.size()), (Counts{1, 0, 1, 1, 1, 0, 1, 0}));
}

/// A MaxMind DB file (format 2.0) with IPv4 networks of whole octets and their countries.
std::string country_database(
    const std::vector<std::pair<std::array<unsigned, 2>, std::string>>& networks) {
  // A binary tree of 24-bit records: below the number of nodes another node, above it data.
  struct Node {
    std::uint32_t child[2] = {0, 0};  // 0: nothing
    std::uint32_t data[2] = {0, 0};   // 1-based
  };
  std::vector<Node> nodes(1);
  std::string data;
  std::vector<std::uint32_t> offsets;
  const auto text = [](const std::string& t) { return static_cast<char>(0x40 | t.size()) + t; };
  for (const auto& [octets, country] : networks) {
    offsets.push_back(static_cast<std::uint32_t>(data.size()));
    data += '\xe1' + text("country") + '\xe1' + text("iso_code") + text(country);
    std::uint32_t at = 0;
    for (int bit = 0; bit < 16; ++bit) {
      const auto side = (octets[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8)) & 1U;
      if (bit == 15) {
        nodes[at].data[side] = static_cast<std::uint32_t>(offsets.size());
        break;
      }
      if (nodes[at].child[side] == 0) {
        nodes[at].child[side] = static_cast<std::uint32_t>(nodes.size());
        nodes.emplace_back();
      }
      at = nodes[at].child[side];
    }
  }
  const auto count = static_cast<std::uint32_t>(nodes.size());
  Octets o;
  for (const auto& n : nodes)
    for (const int side : {0, 1}) {
      const auto v = n.data[side]    ? count + 16 + offsets[n.data[side] - 1]
                     : n.child[side] ? n.child[side]
                                     : count;
      o.u8(v >> 16).u16(v & 0xffff);
    }
  o.text(std::string(16, '\0')).text(data).text("\xab\xcd\xefMaxMind.com");
  const auto number = [](unsigned type, unsigned size, std::uint64_t v) {  // uint16 5, uint32 6
    std::string t(1, static_cast<char>(type << 5 | size));
    for (unsigned i = size; i-- > 0;) t += static_cast<char>(v >> (8 * i));
    return t;
  };
  o.text("\xe9");  // a map of nine
  o.text(text("node_count"))
      .text(number(6, 4, count))
      .text(text("record_size"))
      .text(number(5, 2, 24));
  o.text(text("ip_version")).text(number(5, 2, 4)).text(text("database_type")).text(text("Test"));
  o.text(text("languages"))
      .text(std::string("\x00\x04", 2))
      .text(text("binary_format_major_version"))
      .text(number(5, 2, 2));
  o.text(text("binary_format_minor_version")).text(number(5, 2, 0));
  o.text(text("build_epoch"))
      .text(std::string("\x04\x02\0\0\0\x01", 6))
      .text(text("description"))
      .text("\xe0");
  return o.out;
}

TEST(DataKeywords, CountryOfAnAddress) {
  const Held db(country_database({{{10, 0}, "GB"}, {{192, 0}, "FR"}}));
  const std::vector<std::string> options = {
      "geoip:src,GB;",  "geoip:dst,GB;",  "geoip:any,FR,DE;", "geoip:both,GB,FR;",
      "geoip:both,GB;", "geoip:src,!GB;", "geoip:GB;",        "geoip:dst,!GB,DE;"};
  Sensor s(udp_rules(options), {}, "geoip-database: " + db.path() + "\n");
  s.frame(udp(5000, 53000, "x"));
  EXPECT_EQ(alerts(s, options.size()), (Counts{1, 0, 1, 1, 0, 0, 1, 1}));
}

/// A keyword on a transaction's buffer or number without a getter of that name would load and never
/// match.
TEST(Keywords, OfTransactionsAllHaveAParserBehindThem) {
  std::set<std::string, std::less<>> offered;
  for (const auto& p : protocols()) {
    for (const auto& b : p.buffers.buffers) offered.emplace(sig::buffers().name(b.id));
    for (const auto& n : p.buffers.numbers) offered.emplace(sig::numbers().name(n.id));
  }
  for (const auto* k : sig::keyword_list()) {
    if (k->protos.empty() || k->buffer.empty() || k->packet_bytes != nullptr) continue;
    EXPECT_TRUE(offered.contains(k->buffer)) << k->name << " asks for " << k->buffer;
  }
}

TEST(FtpKeywords, BounceAndTheCommandOfADataConnection) {
  const std::string rules = rule("tcp any any -> any 21", "ftpbounce;", 1) +
                            rule("ftp-data any any -> any any",
                                 "ftpdata_command:stor; file.data; content:\"needle\";", 2) +
                            rule("ftp-data any any -> any any",
                                 "ftpdata_command:retr; file.data; content:\"needle\";", 3);
  Sensor s(rules);
  Tcp control(21);
  s.frames(control.open());
  s.frames(control.say(true, "220 ready\r\n"));
  s.frames(control.say(false, "PORT 10,0,0,1,4,1\r\n"));  // to itself
  s.frames(control.say(true, "200 ok\r\n"));
  s.frames(control.say(false, "PORT 10,0,0,9,4,1\r\n"));  // to a third host
  s.frames(control.say(true, "200 ok\r\n"));
  s.frames(control.say(false, "PASV\r\n"));
  s.frames(control.say(true, "227 Entering Passive Mode (192,0,2,1,195,149)\r\n"));
  s.frames(control.say(false, "STOR up.bin\r\n"));
  s.frames(control.say(true, "150 go\r\n"));
  Tcp data(50069);
  s.frames(data.open());
  s.frames(data.say(false, "a needle"));
  s.frames(data.close());
  s.frames(control.say(true, "226 done\r\n"));
  EXPECT_EQ(alerts(s, 3), (Counts{1, 1, 0}));
}

}  // namespace
}  // namespace ww::sensor::test
