/// The keyword `modbus` over what the parser reads.
#include <unistd.h>

#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

std::string message(std::string_view pdu) {
  const auto octets = unhex(pdu);
  return std::string("\0\1\0\0\0", 5) + static_cast<char>(octets.size() + 1) + '\x0a' + octets;
}
bool matches(const std::string& option, std::string_view pdu) {
  RuleCheck rules("alert modbus any any -> any any (modbus:" + option + "; sid:1;)\n");
  EXPECT_EQ(rules.refused, "") << option;
  Driver d("modbus", 6);
  d.client(message(pdu));
  return !rules.match(d, "modbus", Dir::to_server).empty();
}
bool refused(const std::string& option) {
  return !RuleCheck("alert modbus any any -> any any (modbus:" + option + "; sid:1;)\n")
              .refused.empty();
}

constexpr auto read_coils = "01 0063 000a";                       // coils 100 to 109
constexpr auto write_registers = "10 0063 0003 06 000100020003";  // registers 100 to 102
constexpr auto write_coils = "0f 0063 000a 02 0502";              // coils 100, 102 and 109 on
constexpr auto write_coil = "05 0063 ff00";

TEST(ModbusKeyword, TestsFunctions) {
  EXPECT_TRUE(matches("function 1", read_coils));
  EXPECT_FALSE(matches("function 2", read_coils));
  EXPECT_TRUE(matches("function 8, subfunction 4", "08 0004 0000"));
  EXPECT_FALSE(matches("function 8, subfunction 4", "08 0002 0000"));
  EXPECT_TRUE(matches("function assigned", read_coils));
  EXPECT_FALSE(matches("function !assigned", read_coils));
  EXPECT_TRUE(matches("function user", "64 00"));
  EXPECT_TRUE(matches("function !assigned", "64 00"));
  EXPECT_TRUE(matches("function reserved", "08 0016"));
  EXPECT_TRUE(matches("function public", "55 00"));
}

TEST(ModbusKeyword, TestsUnits) {
  EXPECT_TRUE(matches("unit 10", read_coils));
  EXPECT_FALSE(matches("unit 11", read_coils));
  EXPECT_TRUE(matches("unit 9<>11", read_coils));
  EXPECT_FALSE(matches("unit 10<>12", read_coils));
  EXPECT_TRUE(matches("unit <11, function 1", read_coils));
  EXPECT_FALSE(matches("unit 10, function 2", read_coils));
  EXPECT_TRUE(matches("unit >9, access read coils, address 105", read_coils));
}

TEST(ModbusKeyword, TestsAccessAddressAndValueTogether) {
  EXPECT_TRUE(matches("access read", read_coils));
  EXPECT_FALSE(matches("access write", read_coils));
  EXPECT_FALSE(matches("access read discretes", read_coils));
  EXPECT_TRUE(matches("access read coils, address 100", read_coils));
  EXPECT_FALSE(matches("access read coils, address 110", read_coils));
  EXPECT_TRUE(matches("access read coils, address >108", read_coils));
  EXPECT_FALSE(matches("access read coils, address >109", read_coils));
  EXPECT_TRUE(matches("access read coils, address <101", read_coils));
  EXPECT_TRUE(matches("access write holding, address 101, value 2", write_registers));
  EXPECT_FALSE(matches("access write holding, address 101, value 3", write_registers));
  EXPECT_TRUE(matches("access write holding, address 102, value >2", write_registers));
  EXPECT_TRUE(matches("access write coils, address 102, value 1", write_coils));
  EXPECT_FALSE(matches("access write coils, address 101, value 1", write_coils));
  EXPECT_TRUE(matches("access write coils, address 109, value 1", write_coils));
  EXPECT_TRUE(matches("access write coils, address 100, value 1", write_coil));
  EXPECT_TRUE(matches("access write, address 4, value <300", "06 0003 0003"));
}

TEST(ModbusKeyword, RefusesWhatCannotBe) {
  for (const auto* option :
       {"access write input", "access write discretes", "access read, address >5, value 1",
        "access read holding, address 5, value 1", "function 0", "function nothing", "unit",
        "address 5", "access", "unit 70000", "function 8, subfunction x", "value 3"})
    EXPECT_TRUE(refused(option)) << option;
}

}  // namespace
}  // namespace ww::sensor::test
