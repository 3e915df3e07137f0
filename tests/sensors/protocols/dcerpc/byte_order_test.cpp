/// `dce` of byte_test, byte_jump and byte_extract: the order that the message itself states.
#include "tests/sensors/protocols/dcerpc/messages.hpp"
#include "tests/sensors/protocols/driver.hpp"
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

/// A request whose integers are in big-endian order, as its data representation says (C706 14.1).
std::string big_endian_request(const std::string& stub) {
  return unhex("0500 0003 00000000") + be<2>(24 + stub.size()) + be<2>(0) + be<4>(7) +
         be<4>(stub.size()) + be<2>(0) + be<2>(15) + stub;
}

bool found(const std::string& message, const std::string& options) {
  Driver d("dcerpc", 6);
  d.client(message);
  EXPECT_EQ(d.count(), 1U);
  return holds(d, "dcerpc", Dir::to_server, "dcerpc.stub_data; " + options);
}

TEST(DceByteOrder, IsTheSendersOfTheStub) {
  const std::string stub = unhex("00000005") + "hello, ward";
  const auto little = rpc::request(7, 15, le<4>(5) + stub.substr(4));
  const auto big = big_endian_request(stub);
  for (const auto& message : {little, big}) {
    EXPECT_TRUE(found(message, "byte_test:4,=,5,0,dce"));
    EXPECT_FALSE(found(message, "byte_test:4,=,0x05000000,0,dce"));
    EXPECT_TRUE(found(message, "byte_jump:4,0,dce; content:\", ward\"; distance:0; within:6"));
    EXPECT_TRUE(found(message, "byte_extract:4,0,n,dce; content:\"hello\"; offset:4; depth:n"));
  }
  EXPECT_TRUE(found(big, "byte_test:4,=,5,0,big"));
  EXPECT_FALSE(found(big, "byte_test:4,=,5,0,little"));
  EXPECT_TRUE(found(little, "byte_test:4,=,5,0,little"));
}

}  // namespace
}  // namespace ww::sensor::test
