/// Lines as real programs wrote them, one test per behaviour of a format.
#include "telemetry/logformats/format.hpp"

#include <algorithm>

#include "telemetry/logformats/declared.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"
#include "tests/telemetry/logformats/got.hpp"

namespace ww::logs {
namespace {

TEST(Formats, EveryExampleIsDetectedAsItsOwnFormat) {
  for (const auto& f : Formats::builtin().all()) {
    ASSERT_FALSE(f->example().empty()) << f->name();
    EXPECT_EQ(parse(f->example()).format, f->name()) << f->example();
    EXPECT_FALSE(f->summary().empty()) << f->name();
  }
}

TEST(Formats, ALineThatFitsNothingIsKeptAsItIs) {
  for (const std::string_view line :
       {"hello world", "", "= = =", "{not json}", "<999>x", "CEF:0|a|b", "<Event>"}) {
    const auto g = parse(line);
    EXPECT_EQ(g.message, line);
    EXPECT_EQ(g.format, "");
  }
}

// A relay sends what it got: both kinds on one connection, in any order.
TEST(Formats, WhatFittedLastDoesNotTakeTheOtherSyslog) {
  const std::string_view bsd = "<34>Oct 11 22:14:15 host su[991]: hello",
                         ietf = "<165>1 2026-10-11T22:14:15.003Z host app 12 ID47 - hello";
  const Format* hint = nullptr;
  for (const auto& [line, format] : {std::pair{bsd, "rfc3164"},
                                     {ietf, "rfc5424"},
                                     {bsd, "rfc3164"},
                                     {"<34>no header at all", "rfc3164"},
                                     {ietf, "rfc5424"},
                                     {"<34>1 2026-10-11 no header", "rfc3164"}}) {
    Record r;
    parse_line(Formats::builtin(), line, {now, &Zone::utc()}, r, hint);
    EXPECT_EQ(got(r, line).format, format) << line;
  }
}

TEST(Formats, CutAnywhereALineStillGivesOneValidEvent) {
  for (const auto& f : Formats::builtin().all())
    for (std::size_t n = 0; n <= f->example().size(); ++n) (void)parse(f->example().substr(0, n));
}

TEST(Rfc5424, ReadsHeaderAndStructuredData) {
  const auto g = parse(
      "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 "
      "iut=\"3\" "
      "eventSource=\"App\\\"li\\]cation\" eventID=\"1011\"][examplePriority@32473 class=\"high\"] "
      "\xEF\xBB\xBF"
      "An event");
  EXPECT_EQ(g.format, "rfc5424");
  EXPECT_EQ(g.time, "2003-10-11T22:14:15.003000Z");
  EXPECT_EQ(g.host, "mymachine.example.com");
  EXPECT_EQ(g.facility, "local4");
  EXPECT_EQ(g.severity, "notice");
  EXPECT_EQ(g["program"], "evntslog");
  EXPECT_EQ(g["pid"], "(absent)");
  EXPECT_EQ(g["msgid"], "ID47");
  EXPECT_EQ(g["exampleSDID@32473.eventSource"], "App\"li]cation");
  EXPECT_EQ(g["examplePriority@32473.class"], "high");
  EXPECT_EQ(g.message, "An event");
}

TEST(Rfc5424, NilValuesAndOffsets) {
  auto g = parse("<34>1 - - - - - -");
  EXPECT_EQ(g.format, "rfc5424");
  EXPECT_EQ(g.time, "");
  EXPECT_EQ(g.message, "");
  g = parse("<34>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time");
  EXPECT_EQ(g.time, "2003-08-24T12:14:15.000003Z");
  EXPECT_EQ(g["pid"], "8710");
  EXPECT_EQ(g.message, "%% It's time");
}

struct Bsd {
  const char *line, *host, *program, *pid, *message, *time, *severity;
};
class Rfc3164Variants : public testing::TestWithParam<Bsd> {};
TEST_P(Rfc3164Variants, AreRead) {
  const auto& w = GetParam();
  const auto g = parse(w.line);
  EXPECT_EQ(g.format, "rfc3164") << w.line;
  EXPECT_EQ(g.host, w.host);
  EXPECT_EQ(g["program"], w.program);
  EXPECT_EQ(g["pid"], w.pid);
  EXPECT_EQ(g.message, w.message);
  EXPECT_EQ(g.time, w.time);
  EXPECT_EQ(g.severity, w.severity);
}
constexpr const char* none = "(absent)";
INSTANTIATE_TEST_SUITE_P(
    World, Rfc3164Variants,
    testing::Values(
        Bsd{"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick", "mymachine", "su",
            none, "'su root' failed for lonvick", "2026-10-11T22:14:15.000000Z", "critical"},
        Bsd{"Nov 22 02:30:00 web1 sshd[4711]: Failed password for root from 192.0.2.7 port 22 ssh2",
            "web1", "sshd", "4711", "Failed password for root from 192.0.2.7 port 22 ssh2",
            "2026-11-22T02:30:00.000000Z", ""},
        Bsd{"Dec  1 02:30:00 web1 kernel: [12.5] eth0: link up", "web1", "kernel", none,
            "[12.5] eth0: link up", "2026-12-01T02:30:00.000000Z", ""},
        Bsd{"2026-11-22T02:30:00.123456+01:00 pacs1 systemd[1]: Started x.service.", "pacs1",
            "systemd", "1", "Started x.service.", "2026-11-22T01:30:00.123456Z", ""},
        Bsd{"<13>Nov 22 02:30:00 myprog[17]: no host here", "", "myprog", "17", "no host here",
            "2026-11-22T02:30:00.000000Z", "notice"},
        Bsd{"<46>rsyslogd: start", "", "rsyslogd", none, "start", "", "informational"},
        Bsd{"<189>29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console by vty2", "",
            "%SYS-5-CONFIG_I", none, "Configured from console by vty2",
            "2027-03-01T18:46:11.123000Z", "notice"},
        Bsd{"<166>Nov 22 2026 02:30:00 asa1 : %ASA-6-302013: Built outbound TCP", "asa1",
            "%ASA-6-302013", none, "Built outbound TCP", "2026-11-22T02:30:00.000000Z",
            "informational"},
        Bsd{"<166>%ASA-6-302013: Built outbound TCP", "", "%ASA-6-302013", none,
            "Built outbound TCP", "", "informational"},
        Bsd{"<187>310: router1: 311: .Nov 22 02:30:00 UTC: %LINK-3-UPDOWN: Interface down",
            "router1", "%LINK-3-UPDOWN", none, "Interface down", "2026-11-22T02:30:00.000000Z",
            "error"},
        Bsd{"Nov 22 02:30:00 <kern.crit> bsd1 kernel: pid 7 (x), uid 0: exited", "bsd1", "kernel",
            none, "pid 7 (x), uid 0: exited", "2026-11-22T02:30:00.000000Z", "critical"},
        Bsd{"Nov 22 02:30:00 busy1 auth.info sshd[9]: x", "busy1", "sshd", "9", "x",
            "2026-11-22T02:30:00.000000Z", "informational"},
        Bsd{"Sun Nov 22 02:30:00 2026 daemon.err uhttpd[9]: x", "", "uhttpd", "9", "x",
            "2026-11-22T02:30:00.000000Z", "error"},
        Bsd{"Nov 22 02:30:00 sun1 sshd[800]: [ID 800047 auth.notice] Failed none", "sun1", "sshd",
            "800", "Failed none", "2026-11-22T02:30:00.000000Z", "notice"},
        Bsd{"Nov 22 02:30:00 Message forwarded from aix1: sshd[77]: x", "aix1", "sshd", "77", "x",
            "2026-11-22T02:30:00.000000Z", ""},
        Bsd{"Nov 22 02:30:00 mac1 Microsoft Word[14463] <Error>: Cocoa: x", "mac1",
            "Microsoft Word", "14463", "Cocoa: x", "2026-11-22T02:30:00.000000Z", "error"},
        Bsd{"Nov 22 02:30:00 web1 last message repeated 3 times", "web1", none, none,
            "last message repeated 3 times", "2026-11-22T02:30:00.000000Z", ""},
        Bsd{"Nov 22 02:30:00.250 web1 postfix/smtpd[12]: connect", "web1", "postfix/smtpd", "12",
            "connect", "2026-11-22T02:30:00.250000Z", ""},
        Bsd{"Feb 29 02:30:00 web1 x: leap", "web1", "x", none, "leap",
            "2028-02-29T02:30:00.000000Z", ""}));

TEST(Rfc3164, TakesTheSourcesZone) {
  const auto zone = Zone::parse("Europe/London");
  if (!zone) GTEST_SKIP() << "no tzdata";
  EXPECT_EQ(parse("Jul 22 02:30:00 web1 x: summer", *zone).time, "2026-07-22T01:30:00.000000Z");
  EXPECT_EQ(parse("Nov 22 02:30:00 web1 x: winter", *zone).time, "2026-11-22T02:30:00.000000Z");
  EXPECT_EQ(parse("<1>Nov 22 02:30:00 x: y", *Zone::parse("+05:30")).time,
            "2026-11-21T21:00:00.000000Z");
}

TEST(Rfc3164, CarriesOtherFormatsInItsMessage) {
  auto g = parse(
      "<14>Nov 22 02:30:00 fw1 CEF:0|Palo Alto Networks|PAN-OS|10|threat|end|5|src=10.0.0.1 "
      "act=allow");
  EXPECT_EQ(g.format, "cef");
  EXPECT_EQ(g.host, "fw1");
  EXPECT_EQ(g["src"], "10.0.0.1");
  g = parse("Nov 22 02:30:00 web1 app[3]: {\"level\":\"error\",\"msg\":\"boom\",\"code\":7}");
  EXPECT_EQ(g.host, "web1");
  EXPECT_EQ(g.message, "boom");
  g = parse(
      "Nov 22 02:30:00 web1 audispd: type=USER_AUTH msg=audit(1364475353.159:24270): pid=3280 "
      "acct=\"root\" res=failed");
  EXPECT_EQ(g.service, "auditd");
  EXPECT_EQ(g["acct"], "root");
}

TEST(Cef, EscapesAndValuesWithSpacesAndEquals) {
  const auto g = parse(
      R"(CEF:0|Vendor\|X|Prod|1.0|100|De\\tected|8|src=10.0.0.1 msg=Two words a\=b and https://x/?q=1 fname=C:\\dir cs1Label=Rule cs1=a b c rt=1766366400000 dvchost=fw9)");
  EXPECT_EQ(g["device_vendor"], "Vendor|X");
  EXPECT_EQ(g["name"], "De\\tected");
  EXPECT_EQ(g.message, "Two words a=b and https://x/?q=1");
  EXPECT_EQ(g["fname"], "C:\\dir");
  EXPECT_EQ(g["cs1"], "a b c");
  EXPECT_EQ(g.severity, "error");
  EXPECT_EQ(g.host, "fw9");
  EXPECT_EQ(g.time, "2025-12-22T01:20:00.000000Z");
}

TEST(Leef, Both) {
  auto g = parse(
      "LEEF:1.0|Microsoft|MSExchange|4.0 "
      "SP1|15345|src=10.50.1.1\tdst=2.10.20.20\tsev=5\tusrName=jo smith");
  EXPECT_EQ(g.format, "leef");
  EXPECT_EQ(g["src"], "10.50.1.1");
  EXPECT_EQ(g["usrName"], "jo smith");
  EXPECT_EQ(g.severity, "warning");
  g = parse(
      "LEEF:2.0|Lancope|StealthWatch|1.0|41|x5E|src=10.0.1.8^dst=10.0.0.5^sev=9^devTime=Nov 22 "
      "2026 02:30:00");
  EXPECT_EQ(g["dst"], "10.0.0.5");
  EXPECT_EQ(g.time, "2026-11-22T02:30:00.000000Z");
}

TEST(KeyValue, LogfmtAndFortigate) {
  auto g = parse(R"(time="2026-11-22T02:30:00Z" level=error msg="it \"broke\"" n=7 f=0.5 empty=)");
  EXPECT_EQ(g.format, "keyvalue");
  EXPECT_EQ(g.message, "it \"broke\"");
  EXPECT_EQ(g.severity, "error");
  EXPECT_NE(g.json.find("\"n\":7"), std::string::npos);
  EXPECT_NE(g.json.find("\"f\":\"0.5\""), std::string::npos);
  g = parse(
      R"(date=2026-11-22 time=02:30:00 tz="+0100" devname="fg1" type="traffic" level="notice" srcip=10.1.1.1)");
  EXPECT_EQ(g.time, "2026-11-22T01:30:00.000000Z");
  EXPECT_EQ(g.host, "fg1");
  EXPECT_EQ(g.severity, "notice");
}

TEST(Json, FindsTimeLevelHostAndMessageByUsualNames) {
  auto g = parse(
      R"({"@timestamp":"2026-11-22T02:30:00.5Z","log.level":"WARN","message":"m","host":{"name":"h1"},"a":{"b":[1,2]}})");
  EXPECT_EQ(g.format, "json");
  EXPECT_EQ(g.time, "2026-11-22T02:30:00.500000Z");
  EXPECT_EQ(g.severity, "warning");
  EXPECT_EQ(g.host, "h1");
  EXPECT_EQ(g.message, "m");
  EXPECT_NE(g.json.find(R"("a":{"b":[1,2]})"), std::string::npos);
  g = parse(R"({"level":50,"time":1795314600000,"pid":9,"hostname":"h","msg":"bunyan"})");
  EXPECT_EQ(g.severity, "error");
  EXPECT_EQ(g.time, "2026-11-22T02:30:00.000000Z");
  g = parse(R"({"log":"docker says\n","stream":"stderr","time":"2026-11-22T02:30:00.123456789Z"})");
  EXPECT_EQ(g.message, "docker says");
  EXPECT_EQ(g.time, "2026-11-22T02:30:00.123456Z");
}

TEST(Json, RefusesDepthThatNobodyWrites) {
  std::string deep = "{\"a\":";
  for (int i = 0; i < 500; ++i) deep += "[";
  for (int i = 0; i < 500; ++i) deep += "]";
  deep += "}";
  EXPECT_EQ(parse(deep).format, "");
}

TEST(WindowsJson, Winlogbeat) {
  const auto g = parse(
      R"({"@timestamp":"2026-11-22T02:30:00.123Z","event":{"code":1},"host":{"name":"ws1"},"log":{"level":"information"},"message":"Process Create","winlog":{"channel":"Microsoft-Windows-Sysmon/Operational","computer_name":"ws1.trust","event_id":1,"provider_name":"Microsoft-Windows-Sysmon","record_id":77,"event_data":{"Image":"C:\\Windows\\System32\\cmd.exe","CommandLine":"cmd /c whoami","ProcessId":"4242"},"process":{"pid":2000,"thread":{"id":3000}}}})");
  EXPECT_EQ(g.format, "winlogbeat");
  EXPECT_EQ(g.product, "windows");
  EXPECT_EQ(g.service, "sysmon");
  EXPECT_EQ(g.category, "process_creation");
  EXPECT_EQ(g.host, "ws1.trust");
  EXPECT_EQ(g["Image"], "C:\\Windows\\System32\\cmd.exe");
  EXPECT_EQ(g["Channel"], "Microsoft-Windows-Sysmon/Operational");
  EXPECT_NE(g.json.find("\"EventID\":1,"), std::string::npos);
  EXPECT_EQ(g.severity, "informational");
}

TEST(WindowsJson, NxlogFlat) {
  const auto g = parse(
      R"({"EventTime":"2026-11-22 02:30:00","Hostname":"DC1","Keywords":-9214364837600034816,"EventType":"AUDIT_FAILURE","SeverityValue":4,"EventID":4625,"SourceName":"Microsoft-Windows-Security-Auditing","Channel":"Security","Message":"An account failed to log on.","TargetUserName":"admin"})");
  EXPECT_EQ(g.format, "nxlog");
  EXPECT_EQ(g.service, "security");
  EXPECT_EQ(g.host, "DC1");
  EXPECT_EQ(g["Computer"], "DC1");
  EXPECT_EQ(g["Provider_Name"], "Microsoft-Windows-Security-Auditing");
  EXPECT_EQ(g["TargetUserName"], "admin");
  EXPECT_EQ(g.severity, "warning");
  EXPECT_EQ(g.message, "An account failed to log on.");
  EXPECT_EQ(g.time, "2026-11-22T02:30:00.000000Z");
}

TEST(WindowsJson, EventObjectOfEvtxDump) {
  const auto g = parse(
      R"({"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":{"#text":10},"Level":4,"TimeCreated":{"#attributes":{"SystemTime":"2026-11-22T02:30:00.1Z"}},"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws2"},"EventData":{"GrantedAccess":"0x1410","TargetImage":"lsass.exe"}}})");
  EXPECT_EQ(g.format, "windows-json");
  EXPECT_EQ(g.category, "process_access");
  EXPECT_EQ(g["GrantedAccess"], "0x1410");
  EXPECT_EQ(g.host, "ws2");
}

TEST(WindowsXml, NamesEntitiesAndUserData) {
  const auto g = parse(
      "<Event xmlns='x'><System><Provider Name=\"P\" Guid=\"{1}\"/><EventID "
      "Qualifiers='0'>7045</EventID><Level>2</Level><TimeCreated "
      "SystemTime='2026-11-22T02:30:00Z'/><Channel>System</Channel><Computer>c&amp;1</"
      "Computer><Security UserID='S-1-5-18'/></System>"
      "<EventData><Data Name='ServiceName'>a &lt;b&gt; "
      "&#x41;</Data><Data>plain</Data><Data>second</Data></EventData></Event>");
  EXPECT_EQ(g.format, "windows-xml");
  EXPECT_EQ(g["ServiceName"], "a <b> A");
  EXPECT_EQ(g.host, "c&1");
  EXPECT_EQ(g.severity, "error");
  EXPECT_NE(g.json.find(R"("Data":["plain","second"])"), std::string::npos) << g.json;
  EXPECT_NE(g.json.find(R"("EventID":7045)"), std::string::npos);
}

const std::vector<std::string> audit_lines{
    "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2 success=no exit=-13 "
    "a0=7fffd19c5592 items=1 ppid=2686 comm=\"cat\" exe=\"/bin/cat\" key=\"sshd_config\"",
    "type=EXECVE msg=audit(1364481363.300:24288): argc=2 a0=\"bash\" a1=2D6320",
    "type=CWD msg=audit(1364481363.243:24287):  cwd=\"/home/shadowman\"",
    "type=PATH msg=audit(1364481363.243:24287): item=0 name=\"/etc/ssh/sshd_config\" inode=409248 "
    "mode=0100600",
    "type=PATH msg=audit(1364481363.243:24287): item=1 name=2F746D702F6120622E747874 "
    "nametype=NORMAL",
    "type=PROCTITLE msg=audit(1364481363.243:24287): proctitle=636174002F6574632F737368",
    "type=USER_LOGIN msg=audit(1364475353.159:24270): pid=3280 uid=0 msg='op=login acct=\"root\" "
    "exe=\"/usr/sbin/sshd\" res=failed'"};

TEST(Auditd, JoinsBySerialAndDecodesHex) {
  const auto all = parse_all(audit_lines);
  ASSERT_EQ(all.size(), 3U);
  const auto& e = all[0];
  EXPECT_EQ(e.format, "auditd");
  EXPECT_EQ(e.service, "auditd");
  EXPECT_EQ(e.time, "2013-03-28T14:36:03.243000Z");
  EXPECT_NE(e.json.find(R"("type":["SYSCALL","CWD","PATH","PATH","PROCTITLE"])"), std::string::npos)
      << e.json;
  EXPECT_NE(e.json.find(R"("name":["/etc/ssh/sshd_config","/tmp/a b.txt"])"), std::string::npos)
      << e.json;
  EXPECT_EQ(e["proctitle"], "cat /etc/ssh");
  EXPECT_EQ(e["a0"], "7fffd19c5592") << "a register of SYSCALL is no text";
  EXPECT_EQ(all[1]["type"], "USER_LOGIN");
  EXPECT_EQ(all[1]["acct"], "root");
  EXPECT_EQ(all[1]["res"], "failed");
  EXPECT_EQ(all[2]["a1"], "-c ");
}

TEST(Declared, AFileAPersonWrites) {
  Formats formats;
  ASSERT_TRUE(formats
                  .add_declared(R"(
name: theatre
product: theatre-system
pattern: '{time} <{level}> {component:word} {?(user {user:word}) ?}{message}'
time: ['%d.%m.%Y %H:%M:%S', '%s']
zone: '+01:00'
levels: {E: error, W: warning}
multiline: true
)",
                                "theatre.yaml")
                  .has_value());
  auto parser = SourceParser::make({}, formats);
  std::vector<Got> out;
  const auto emit = [&](Record& r, std::string_view line) { out.push_back(got(r, line)); };
  for (const char* l : {"22.11.2026 02:30:00 <E> db (user anna) lost\tconnection", "  at line 7",
                        "1795314600 <W> net slow", "22.11.2026 02:30:01 <info> x y"})
    (*parser)->feed(l, now, emit);
  (*parser)->flush(now, emit);
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(out[0].time, "2026-11-22T01:30:00.000000Z");
  EXPECT_EQ(out[0].severity, "error");
  EXPECT_EQ(out[0]["user"], "anna");
  EXPECT_EQ(out[0].message, "lost\tconnection\n  at line 7");
  EXPECT_EQ(out[1].time, "2026-11-22T02:30:00.000000Z");
  EXPECT_EQ(out[1]["user"], "(absent)");
  EXPECT_EQ(out[2].severity, "informational");
}

std::vector<Got> declared(const char* yaml, const std::vector<std::string>& lines) {
  Formats formats;
  const auto ok = formats.add_declared(yaml, "own.yaml");
  EXPECT_TRUE(ok.has_value()) << ok.error().text();
  auto parser = SourceParser::make({}, formats);
  std::vector<Got> out;
  const auto emit = [&](Record& r, std::string_view line) { out.push_back(got(r, line)); };
  for (const auto& l : lines) (*parser)->feed(l, now, emit);
  (*parser)->flush(now, emit);
  return out;
}

TEST(Declared, AStartSaysWhereARecordBegins) {
  const auto all =
      declared(R"(
name: two-lines
start: '*** {time}'
pattern: ["*** {time}\n{level:level}: {message}", '*** {time}']
time: '%Y-%m-%d %H:%M:%S'
)",
               {"*** 2026-11-22 02:30:00", "WARNING: first", "more", "*** 2026-11-22 02:30:01"});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].message, "first\nmore");
  EXPECT_EQ(all[0].severity, "warning");
  EXPECT_EQ(all[1].message, "*** 2026-11-22 02:30:01");
  EXPECT_EQ(all[1].time, "2026-11-22T02:30:01.000000Z");
}

TEST(Declared, AGuessIsAskedOnlyBeforeTheFormatIsChosen) {
  constexpr auto yaml = R"(
name: free
pattern: '~ {message}'
guess: '~ Free {rest:rest}'
)";
  auto all = declared(yaml, {"~ anything"});
  EXPECT_EQ(all[0].format, "");
  all = declared(yaml, {"~ Free 1.0 started", "~ anything"});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].format, "free");
  EXPECT_EQ(all[1].format, "free");
  EXPECT_EQ(all[1].message, "anything");
}

TEST(Declared, NamedGroupsInsideAPartAreParts) {
  const auto all = declared(R"(
name: nested
pattern: '~{program:/(?<area>[a-z]+)\.\w+/} {message:/(?:code (?<code>\d+))?.*/}'
)",
                            {"~ward.print code 42 paper", "~ward.print fine"});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0]["program"], "ward.print");
  EXPECT_EQ(all[0]["area"], "ward");
  EXPECT_EQ(all[0]["code"], "42");
  EXPECT_EQ(all[0].message, "code 42 paper");
  EXPECT_EQ(all[1]["code"], "(absent)");
}

TEST(Declared, InsideAndPrograms) {
  auto all = declared(R"(
name: wrapped
pattern: '~~ {agent:word} {message}'
inside: true
)",
                      {"~~ a7 2026-11-22 02:30:00,123 INFO [main] a.b.C: text", "~~ a7 text"});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].format, "log4j");
  EXPECT_EQ(all[0]["agent"], "a7");
  EXPECT_EQ(all[0].message, "text");
  EXPECT_EQ(all[1].format, "wrapped");
  EXPECT_EQ(all[1].message, "text");
}

// What may not begin as a line does is not asked; that must never hide a line that fits.
TEST(Declared, WhatIsNotAskedDoesNotFit) {
  for (const auto& f : Formats::builtin().all())
    for (const auto& other : Formats::builtin().all()) {
      const auto line = other->example().substr(0, other->example().find('\n'));
      Record r;
      if (f->name() == "openvpn" || f->name() == "hpc") continue;  // these have a guess
      if (f->parse(line, {now, &Zone::utc()}, r)) {
        EXPECT_TRUE(f->may_start(static_cast<unsigned char>(line.front()))) << f->name() << line;
        EXPECT_TRUE(f->plausible(line)) << f->name() << ": " << line;
      }
    }
  for (const auto& [layout, text] : {std::pair{"%y%m%d %H%M%S", "081109 203615"},
                                     {"%m%d %H:%M:%S", "4 5 14:00:01"},
                                     {"%d/%b/%Y", "1/Feb/2026"},
                                     {"%s.%f", "1286536309.5"},
                                     {"%e.%m.%Y", "22.11.2026"},
                                     {"%Y%m%d-%H:%M:%S", "20171223-22:15:29"}}) {
    const auto f = TimeFormat::compile(layout);
    WallTime wall;
    if (!f->parse(text, wall)) continue;
    const auto runs = f->digit_runs();
    ASSERT_TRUE(runs.has_value()) << layout;
    const std::string_view t = text;
    const auto n = t.find_first_not_of("0123456789");
    EXPECT_TRUE(std::any_of(runs->begin(), runs->end(),
                            [&](const auto& r) {
                              return n >= r.least &&
                                     (r.next == '\0' || (n <= r.most && r.next == t[n]));
                            }))
        << layout << " reads " << text;
  }
}

TEST(Declared, SaysWhatIsWrongAndWhere) {
  const auto error = [](const char* yaml) {
    const auto f = make_declared_format(yaml, "f.yaml");
    return f ? std::string("accepted") : f.error().text();
  };
  EXPECT_EQ(error("name: x\npatern: '{a}'\n").substr(0, 28), "f.yaml:2: unknown key 'pater");
  EXPECT_NE(error("name: x\npattern: '{a'\n").find("f.yaml:2"), std::string::npos);
  EXPECT_NE(error("name: x\npattern: '{a:what}'\n").find("unknown type what"), std::string::npos);
  EXPECT_NE(error("name: x\npattern: '{time} {message}'\n").find("no layout"), std::string::npos);
  EXPECT_NE(error("name: x\ntime: '%K'\npattern: '{time} {message}'\n").find("%K"),
            std::string::npos);
  EXPECT_NE(error("name: x\nregex: '('\n").find("not a valid expression"), std::string::npos);
  EXPECT_NE(error("name: x\npattern: '{a:int}'\nexample: abc\n").find("does not fit"),
            std::string::npos);
  EXPECT_NE(error("- 1\n").find("f.yaml:1"), std::string::npos);
  EXPECT_NE(error("name: [").find("f.yaml"), std::string::npos);
}

TEST(Declared, ABacktrackingPatternIsCutShort) {
  Formats formats;
  ASSERT_TRUE(formats.add_declared("name: slow\nregex: '(?<a>(x+x+)+)y'\norder: 1\n", "slow.yaml")
                  .has_value());
  Record r;
  const Format* hint = nullptr;
  const std::string line(5000, 'x');
  parse_line(formats, line, {now, &Zone::utc()}, r, hint);  // ends, and soon: the match limit
  EXPECT_EQ(r.message, line);
}

TEST(Combined, ApacheAndNginx) {
  auto g = parse(
      R"(127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a/b.gif?id=1' OR 1=1 HTTP/1.0" 200 2326 "http://e/s.html" "Mozilla/4.08 \"x\"")");
  EXPECT_EQ(g.format, "combined");
  EXPECT_EQ(g.category, "webserver");
  EXPECT_EQ(g.time, "2000-10-10T20:55:36.000000Z");
  EXPECT_EQ(g["cs-username"], "frank");
  EXPECT_EQ(g["cs-uri-stem"], "/a/b.gif");
  EXPECT_EQ(g["cs-uri-query"], "id=1' OR 1=1");
  EXPECT_EQ(g["sc-status"], "200");
  EXPECT_EQ(g["cs-version"], "HTTP/1.0");
  g = parse(R"(www.x.org:443 192.0.2.7 - - [22/Nov/2026:02:30:00 +0000] "\x16\x03\x01" 400 -)");
  EXPECT_EQ(g["cs-host"], "www.x.org:443");
  EXPECT_EQ(g["cs-uri"], "\\x16\\x03\\x01");
  g = parse("2026/11/22 02:30:00 [error] 1234#1236: *7 open() failed, client: 10.0.0.1");
  EXPECT_EQ(g.format, "nginx-error");
  EXPECT_EQ(g["connection"], "7");
}

TEST(Writer, KeepsOctetsThatAreNotUtf8) {
  const std::string line = "Nov 22 02:30:00 h p: caf\xE9";
  const auto g = parse(line);
  std::string b;
  append_base64(b, as_bytes(line));
  EXPECT_NE(g.json.find("\"raw\":\"" + b + "\""), std::string::npos);
}

TEST(Writer, ManyRepeatedNamesTakeLinearTime) {
  Record r;
  for (int i = 0; i < 100'000; ++i) r.add("same", "v");
  std::string out;
  append_log_event(out, r, {}, "", now);
  EXPECT_GT(out.size(), 400'000U);
}

}  // namespace
}  // namespace ww::logs
