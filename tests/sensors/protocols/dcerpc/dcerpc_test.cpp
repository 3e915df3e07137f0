/// DCE/RPC (C706): binds, calls in fragments, lost halves, datagrams.
#include "tests/sensors/protocols/dcerpc/messages.hpp"

namespace ww::sensor::test {
namespace {

using namespace rpc;

TEST(Dcerpc, ABindTellsInterfacesAndResults) {
  Talk talk("dcerpc");
  talk.client(bind(1)).server(bind_ack(1));
  ASSERT_EQ(talk.count(), 1U);
  EXPECT_TRUE(talk.done(0));
  EXPECT_EQ(talk.json(0), R"({"dcerpc":{"request":"BIND","interfaces":[{"uuid":")" + svcctl_text +
                              R"(","version":"2.0","ack_result":0}],"response":"BINDACK",)"
                              R"("call_id":1,"rpc_version":"5.0"}})");
  EXPECT_EQ(talk.buffer(0, "dcerpc.iface"), "<absent>") << "only calls match an interface";
}

TEST(Dcerpc, OnlyOverAPipeIsThereAnAckReason) {
  Talk talk("dcerpc");
  talk.client(rpc::bind(1)).server(rpc::bind_ack(1, 2, 1));
  EXPECT_NE(talk.json(0).find(R"("ack_result":2)"), std::string::npos) << talk.json(0);
  EXPECT_EQ(talk.json(0).find("ack_reason"), std::string::npos) << talk.json(0);
}

TEST(Dcerpc, ACallHasOperationStubAndInterface) {
  Talk talk("dcerpc");
  talk.client(bind(1)).server(bind_ack(1)).client(request(2, 15, "stub")).server(response(2, "r"));
  ASSERT_EQ(talk.count(), 2U);
  EXPECT_EQ(talk.number(1, "dcerpc.opnum"), 15);
  EXPECT_EQ(talk.buffer(1, "dcerpc.iface"), iface(true));
  EXPECT_EQ(talk.buffer(1, "dcerpc.stub_data"), "stub");
  EXPECT_TRUE(talk.buffer(1, "dcerpc.stub_data", Dir::to_client).ends_with("r"));
  const auto eve = talk.json(1);
  EXPECT_NE(eve.find(R"("req":{"opnum":15,"frag_cnt":1,"stub_data_size":4})"), std::string::npos)
      << eve;
  EXPECT_NE(eve.find(R"("response":"RESPONSE")"), std::string::npos);
  EXPECT_NE(eve.find(svcctl_text), std::string::npos);
}

TEST(Dcerpc, FragmentsOfACallAreJoined) {
  Talk talk("dcerpc");
  talk.client(request(7, 3, "one", first));
  EXPECT_EQ(talk.buffer(0, "dcerpc.stub_data"), "<not ready>");
  talk.client(request(7, 3, "two", 0)).client(request(7, 3, "three", last));
  ASSERT_EQ(talk.count(), 1U);
  EXPECT_EQ(talk.buffer(0, "dcerpc.stub_data"), "onetwothree");
  EXPECT_NE(talk.json(0).find(R"("frag_cnt":3,"stub_data_size":11)"), std::string::npos);
}

TEST(Dcerpc, ARefusedInterfaceMatchesNothing) {
  Talk talk("dcerpc");
  talk.client(bind(1)).server(bind_ack(1, 2, 1)).client(request(2, 1, ""));
  EXPECT_EQ(talk.buffer(1, "dcerpc.iface"), "<absent>");
}

TEST(Dcerpc, TheBindsFirstFragmentFlagCounts) {
  Talk talk("dcerpc");
  talk.client(bind(1, 0)).server(bind_ack(1)).client(request(2, 1, ""));
  EXPECT_EQ(talk.buffer(1, "dcerpc.iface"), iface(false));
}

TEST(Dcerpc, AnotherContextIsAnotherInterface) {
  Talk talk("dcerpc");
  talk.client(bind(1, whole, 5)).server(bind_ack(1)).client(request(2, 1, "", whole, 4));
  EXPECT_EQ(talk.buffer(1, "dcerpc.iface"), "<absent>");
  talk.client(request(3, 1, "", whole, 5));
  EXPECT_EQ(talk.buffer(2, "dcerpc.iface"), iface(true));
}

TEST(Dcerpc, AnAnswerWithoutRequestWaitsForIt) {
  Talk talk("dcerpc");
  talk.server(response(9, "r"));
  ASSERT_EQ(talk.count(), 1U);
  EXPECT_FALSE(talk.done(0));
  talk.client(request(9, 1, "q"));
  EXPECT_EQ(talk.count(), 1U);
  EXPECT_TRUE(talk.done(0));
}

TEST(Dcerpc, AGapLosesARequestOnce) {
  Talk talk("dcerpc");
  talk.client(bind(1)).server(bind_ack(1));
  talk.lose(Dir::to_server, 90).server(response(2, "r"));
  ASSERT_EQ(talk.count(), 2U);
  EXPECT_FALSE(talk.done(1)) << "it may still come";
  talk.client(request(3, 1, "q"));
  EXPECT_TRUE(talk.done(1));
  EXPECT_NE(talk.json(1).find("REQUEST_LOST"), std::string::npos);
  EXPECT_FALSE(talk.done(2));
}

TEST(Dcerpc, FindsTheNextFragmentAfterAGap) {
  Talk talk("dcerpc");
  talk.client(request(1, 1, "q"));
  talk.say(Dir::to_server, "tail of a fragment" + request(2, 6, "later"), 40);
  ASSERT_EQ(talk.count(), 2U);
  EXPECT_EQ(talk.number(1, "dcerpc.opnum"), 6);
}

TEST(Dcerpc, EveryFragmentIsAFrame) {
  Talk talk("dcerpc");
  talk.client(bind(1) + request(2, 1, "q"));
  EXPECT_EQ(talk.frames("dcerpc.pdu"), 2U);
  EXPECT_EQ(talk.frames("dcerpc.hdr"), 2U);
  EXPECT_EQ(talk.frames("dcerpc.data"), 2U);
}

TEST(Dcerpc, RefusesWhatIsNoHeader) {
  for (const char* hex :
       {"04000b0310000000 1000 0000 01000000", "05070b0310000000 1000 0000 01000000",
        "0500ff0310000000 1000 0000 01000000", "05000b0310000000 0f00 0000 01000000"}) {
    Talk talk("dcerpc");
    talk.client(unhex(hex));
    EXPECT_TRUE(talk.failed) << hex;
  }
}

std::string datagram(unsigned type, unsigned flags, unsigned sequence, unsigned number,
                     const std::string& stub) {
  return "\4" + std::string(1, static_cast<char>(type)) + static_cast<char>(flags) + '\0' +
         unhex("10000000") + std::string(16, '\0') + svcctl +
         unhex("000102030405060708090a0b0c0d0e0f") + le<4>(0) + le<4>(2) + le<4>(sequence) +
         le<2>(12) + unhex("ffffffff") + le<2>(stub.size()) + le<2>(number) + unhex("0000") + stub;
}

TEST(Dcerpc, DatagramsOfACallAreJoined) {
  Talk talk("dcerpc", {}, true);
  talk.client(datagram(0, 4, 5, 0, "one")).client(datagram(0, 6, 5, 1, "two"));
  talk.server(datagram(2, 0, 5, 0, "r"));
  ASSERT_EQ(talk.count(), 1U);
  EXPECT_TRUE(talk.done(0));
  EXPECT_EQ(talk.number(0, "dcerpc.opnum"), 12);
  EXPECT_EQ(talk.buffer(0, "dcerpc.iface"), iface(true));
  EXPECT_EQ(talk.buffer(0, "dcerpc.stub_data"), "onetwo");
  EXPECT_EQ(talk.json(0),
            R"({"dcerpc":{"request":"REQUEST","req":{"opnum":12,"frag_cnt":2,"stub_data_size":6},)"
            R"("response":"RESPONSE","res":{"frag_cnt":1,"stub_data_size":1},)"
            R"("activityuuid":"03020100-0504-0706-0809-0a0b0c0d0e0f","seqnum":5,)"
            R"("rpc_version":"4.0"}})");
}

TEST(Dcerpc, SameWhereverItIsCut) {
  expect_same_when_cut("dcerpc",
                       {{Dir::to_server, bind(1)},
                        {Dir::to_client, bind_ack(1)},
                        {Dir::to_server, request(2, 3, "abc", first) + request(2, 3, "def", last)},
                        {Dir::to_client, response(2, "ghi")}});
}

}  // namespace
}  // namespace ww::sensor::test
