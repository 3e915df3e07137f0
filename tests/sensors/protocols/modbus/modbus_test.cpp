#include "sensors/protocols/modbus/modbus.hpp"

#include <gtest/gtest.h>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

std::string be16(std::size_t v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string message(unsigned transaction, const std::string& pdu, unsigned protocol = 0) {
  return be16(transaction) + be16(protocol) + be16(pdu.size() + 1) + '\x0a' + pdu;
}
std::string m(unsigned transaction, std::string_view hex) {
  return message(transaction, unhex(hex));
}
using Names = std::vector<std::string>;

TEST(Modbus, TellsARequestWithItsResponse) {
  Driver d("modbus", 6);
  d.client(m(1, "01 0000 0013"));
  EXPECT_FALSE(d.complete(0));
  d.server(m(1, "01 03 cd6b05"));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_TRUE(d.complete(0));
  EXPECT_TRUE(d.events(0).empty());
  const auto json = d.json(0);
  EXPECT_NE(
      json.find(R"("modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":10,)"
                R"("function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS",)"
                R"("category":"PUBLIC_ASSIGNED","error_flags":"NONE",)"
                R"("read":{"address":0,"quantity":19}},"response":{)"),
      std::string::npos)
      << json;
}

TEST(Modbus, GivesTheSameHoweverTheStreamIsCut) {
  expect_split_anywhere(
      "modbus",
      {{Dir::to_server, m(1, "17 0003 0006 000e 0003 06 00ff00ff00ff") + m(2, "08 0004 0000")},
       {Dir::to_client, m(1, "17 0c 00fe0acd00010003000d00ff") + m(2, "88 04")}});
}

TEST(Modbus, WritesEveryKindOfMessage) {
  const std::pair<std::string, std::string> cases[] = {
      {"05 00ac ff00", R"("access_type":"WRITE | COILS | SINGLE | WRITE_SINGLE")"},
      {"05 00ac ff00", R"("write":{"address":172,"data":65280})"},
      {"0f 0013 000a 02 cd01", R"("write":{"address":19,"quantity":10,"data":)"},
      {"10 0001 0002 04 000a0102",
       R"("access_type":"WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE")"},
      {"16 0004 00f2 0025", R"("write":{"address":4,"and_mask":242,"or_mask":37})"},
      {"17 0003 0006 000e 0001 02 00ff",
       R"("read":{"address":3,"quantity":6},"write":{"address":14)"},
      {"08 0001 ff00", R"("diagnostic":{"raw":1,"code":"RestartCommOpt")"},
      {"2b 0e 01 00", R"("mei":{"raw":14,"code":"RdDevId")"},
      {"64 abcd", R"("category":"USER_DEFINED")"},
      {"08 0016", R"("category":"RESERVED")"},
  };
  for (const auto& [octets, part] : cases) {
    Driver d("modbus", 6);
    d.client(m(7, octets));
    EXPECT_NE(d.json(0).find(part), std::string::npos) << part << " in " << d.json(0);
  }
}

TEST(Modbus, NamesWhatIsWrongInARequest) {
  const std::pair<std::string, Names> cases[] = {
      {"01 0000 0000", {"modbus.invalid_value"}},
      {"01 0000 07d1", {"modbus.invalid_value"}},
      {"03 0000 007e", {"modbus.invalid_value"}},
      {"01 0000", {"modbus.invalid_length"}},
      {"01 0000 0001 00", {"modbus.invalid_length"}},
      {"05 0000 1234", {"modbus.invalid_value"}},
      {"10 0001 0002 03 000a01", {"modbus.invalid_value"}},
      {"08 0002 0001", {"modbus.invalid_value"}},
      {"07 00", {"modbus.invalid_length"}},
      {"81 01", {"modbus.invalid_function_code"}},
  };
  for (const auto& [octets, wanted] : cases) {
    Driver d("modbus", 6);
    d.client(m(7, octets));
    const auto events = d.events(0);
    for (const auto& name : wanted)
      EXPECT_NE(std::find(events.begin(), events.end(), name), events.end()) << octets;
  }
  Driver d("modbus", 6);
  d.client(message(1, unhex("0100000001"), 9));
  EXPECT_EQ(d.events(0), Names{"modbus.invalid_protocol_id"});
}

TEST(Modbus, NamesWhatIsWrongInAResponse) {
  {
    Driver d("modbus", 6);
    d.server(m(1, "03 02 0001"));
    EXPECT_EQ(d.events(0), Names{"modbus.unsolicited_response"});
  }
  {
    Driver d("modbus", 6);
    d.client(m(1, "03 0000 0001"));
    d.server(m(1, "03 04 00010002"));
    EXPECT_EQ(d.events(0), Names{"modbus.value_mismatch"});
  }
  {
    Driver d("modbus", 6);
    d.client(m(1, "06 0001 0003"));
    d.server(m(1, "06 0001 0004"));
    EXPECT_EQ(d.events(0), Names{"modbus.value_mismatch"});
  }
  {
    Driver d("modbus", 6);
    d.client(m(1, "08 0000 0000"));
    d.server(m(1, "88 02"));
    EXPECT_EQ(d.events(0), Names{"modbus.invalid_exception_code"});
  }
  // A length that cannot be: named, and the next message is read.
  Driver d("modbus", 6);
  d.client(std::string("\0\1\0\0\0\1\12", 7) + m(2, "03 0000 0001"));
  ASSERT_EQ(d.count(), 2U);
  EXPECT_EQ(d.events(0), Names{"modbus.invalid_length"});
  EXPECT_TRUE(d.events(1).empty());
}

TEST(Modbus, GivesUpInAFlood) {
  Settings s;
  s.set("app-layer.protocols.modbus.request-flood", "3");
  Driver d("modbus", 6, s);
  for (unsigned i = 0; i < 6; ++i) d.client(m(i, "03 0000 0001"));
  ASSERT_EQ(d.count(), 4U);
  EXPECT_EQ(d.events(3), Names{"modbus.flooded"});
}

TEST(Modbus, IsRecognisedByKnownFunctions) {
  Driver d("modbus", 6);
  EXPECT_EQ(d.probe(m(1, "03 0000 0001"), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(m(1, "64 0000 0001"), Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe(message(1, unhex("0300000001"), 7), Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe(std::string(2, '\1'), Dir::to_server), Probe::maybe);
}

TEST(Modbus, FramesEveryMessage) {
  Driver d("modbus", 6);
  d.client(m(1, "03 0000 0001") + m(2, "03 0000 0001"));
  ASSERT_EQ(d.ctx.frames.size(), 2U);
  EXPECT_EQ(sig::frame_types().name(d.ctx.frames[1].type), "modbus.pdu");
  EXPECT_EQ(d.ctx.frames[1].offset, 12U);
  EXPECT_EQ(d.ctx.frames[1].length, 12);
}

}  // namespace
}  // namespace ww::sensor::test
