#include "sensors/protocols/nfs/nfs.hpp"

#include <gtest/gtest.h>

#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string be32(std::uint64_t v) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(v >> shift);
  return out;
}
std::string be64(std::uint64_t v) { return be32(v >> 32) + be32(v & 0xffffffff); }
std::string opaque(const std::string& s) {
  return be32(s.size()) + s + std::string((4 - s.size() % 4) % 4, '\0');
}
const std::string null_auth = be32(0) + be32(0);
std::string unix_auth() {
  const auto body = be32(9) + opaque("host") + be32(1000) + be32(100) + be32(0);
  return be32(1) + opaque(body);
}
std::string call(unsigned xid, unsigned version, unsigned procedure, const std::string& body,
                 const std::string& credentials = unix_auth()) {
  return be32(xid) + be32(0) + be32(2) + be32(100003) + be32(version) + be32(procedure) +
         credentials + null_auth + body;
}
std::string reply(unsigned xid, const std::string& body) {
  return be32(xid) + be32(1) + be32(0) + null_auth + be32(0) + body;
}
std::string record(const std::string& message) {
  return be32(0x80000000 | message.size()) + message;
}

const std::string handle = opaque("handle-1"), folder = opaque("folder");
std::string lookup(unsigned xid) { return call(xid, 3, 3, folder + opaque("note.txt")); }
std::string found(unsigned xid) { return reply(xid, be32(0) + handle + be32(0) + be32(0)); }
std::string read(unsigned xid, unsigned at) { return call(xid, 3, 6, handle + be64(at) + be32(8)); }
std::string was_read(unsigned xid, const std::string& data, bool last) {
  return reply(xid, be32(0) + be32(0) + be32(data.size()) + be32(last) + opaque(data));
}
std::string write(unsigned xid, unsigned at, const std::string& data, unsigned stable) {
  return call(xid, 3, 7, handle + be64(at) + be32(data.size()) + be32(stable) + opaque(data));
}
std::string file_of(const Driver& d, std::size_t tx) {
  const auto& files = d.tx(tx).files;
  return files.empty() ? "<none>" : std::string(as_text(files[0]->data));
}
using Names = std::vector<std::string>;

TEST(Nfs, TellsACallWithItsReply) {
  Driver d("nfs", 17);
  d.client(lookup(7));
  d.server(found(7));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_TRUE(d.complete(0));
  EXPECT_EQ(
      d.json(0),
      R"({"rpc":{"xid":7,"status":"ACCEPTED","auth_type":"UNIX","creds":{"machine_name":)"
      R"("host","uid":1000,"gid":100}},"nfs":{"version":3,"procedure":"LOOKUP",)"
      R"("filename":"note.txt","hhash":")" +
          [] {
            char text[16];
            std::snprintf(text, sizeof text, "%x", nfs::handle_hash("handle-1"));
            return std::string(text);
          }() +
          R"(","id":1,"file_tx":false,"type":"response","status":"OK"}})");
  EXPECT_EQ(d.number(0, "nfs.procedure", Dir::to_server), 3U);
  EXPECT_EQ(d.number(0, "nfs.version", Dir::to_server), 3U);
}

TEST(NfsKeyword, SeesProcedureAndVersion) {
  Driver d("nfs", 17);
  d.client(lookup(7));
  d.server(found(7));
  const auto asks = [&](const std::string& o) { return holds(d, "nfs", Dir::to_server, o); };
  EXPECT_TRUE(asks("nfs_procedure:3"));
  EXPECT_TRUE(asks("nfs_procedure:lookup"));
  EXPECT_TRUE(asks("nfs.procedure:3<>5"));  // its ranges hold their ends
  EXPECT_FALSE(asks("nfs_procedure:!lookup"));
  EXPECT_FALSE(asks("nfs_procedure:lookupp"));  // of version 4
  EXPECT_FALSE(asks("nfs_procedure:>3"));
  EXPECT_FALSE(asks("nfs_procedure:read"));
  EXPECT_TRUE(asks("nfs_version:3"));
  EXPECT_TRUE(asks("nfs_version:<4"));
  EXPECT_FALSE(asks("nfs.version:4"));
}

TEST(NfsHandle, HashIsTheCommonCrc) { EXPECT_EQ(nfs::handle_hash("123456789"), 0xcbf43926U); }

TEST(Nfs, FollowsAFileThatIsRead) {
  Driver d("nfs", 6);
  d.client(record(lookup(1)));
  d.server(record(found(1)));
  d.client(record(read(2, 0)) + record(read(3, 8)));
  d.server(record(was_read(3, "second!!", true)));  // answers may overtake each other
  EXPECT_EQ(d.count(), 2U);
  d.server(record(was_read(2, "first---", false)));
  ASSERT_EQ(d.count(), 3U);
  EXPECT_EQ(d.tx(1).files.at(0)->name, "note.txt");
}

TEST(Nfs, GivesTheSameHoweverTheStreamIsCut) {
  expect_split_anywhere(
      "nfs",
      {{Dir::to_server, record(lookup(1)) + record(read(2, 0)) + record(write(3, 0, "abc", 2))},
       {Dir::to_client, record(found(1)) + record(was_read(2, "content", true))}});
}

TEST(Nfs, TakesLargeChunksAsTheyCome) {
  std::string data;
  for (int i = 0; i < 9001; ++i) data += static_cast<char>('a' + i % 26);
  for (const std::size_t piece : {1U, 7U, 512U, 1460U, 100000U}) {
    Driver d("nfs", 6);
    d.client(record(write(1, 0, data, 2)) + record(lookup(2)), piece);
    ASSERT_EQ(d.count(), 2U) << piece;
    EXPECT_EQ(file_of(d, 0), data) << piece;
    EXPECT_EQ(d.tx(0).files.at(0)->state, sig::FileState::closed) << piece;
    d.client(record(read(3, 0)));
    d.server(record(was_read(3, data, true)) + record(found(2)), piece);
    EXPECT_EQ(file_of(d, 2), data) << piece;
    EXPECT_TRUE(d.complete(1)) << piece;
  }
}

TEST(Nfs, OrdersWrittenChunksAndClosesOnCommit) {
  Driver d("nfs", 17);
  d.client(write(1, 3, "def", 0));
  d.client(write(2, 0, "abc", 0));
  d.client(write(3, 2, "cde", 0));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_EQ(file_of(d, 0), "abcdef");
  d.client(call(4, 3, 21, handle + be64(0) + be32(0)));
  EXPECT_EQ(d.tx(0).files.at(0)->state, sig::FileState::closed);
  EXPECT_EQ(d.number(0, "nfs.procedure", Dir::to_server, 1), 21U);
  EXPECT_NE(d.json(0).find(R"("write":{"first":true,"last":true,"last_xid":4,"chunks":3})"),
            std::string::npos)
      << d.json(0);
}

TEST(NfsTransfer, DoesNotWaitForeverForAHole) {
  TestContext ctx;
  nfs::Tx tx;
  const auto waiting = std::make_shared<std::size_t>(0);
  tx.transfer.open(ctx.files(), tx, Dir::to_server, {}, waiting);
  const std::string chunk(64 << 10, 'c');
  for (std::uint64_t i = 0; i < 64; ++i)
    tx.transfer.write(ctx.files(), 100 + i * chunk.size(), as_bytes(chunk));
  EXPECT_TRUE(tx.files.at(0)->gaps);
  EXPECT_EQ(tx.files.at(0)->size, 100 + 64 * chunk.size());
  EXPECT_EQ(*waiting, 0U);
}

TEST(Nfs, LearnsNamesFromListings) {
  Driver d("nfs", 17);
  const auto entry = be32(1) + be64(5) + opaque("listed") + be64(1) + be32(0) + be32(1) + handle;
  d.client(call(1, 3, 17, folder + be64(0) + be64(0) + be32(512) + be32(512)));
  d.server(reply(1, be32(0) + be32(0) + be64(0) + entry + be32(0) + be32(1)));
  d.client(read(2, 0));
  EXPECT_NE(d.json(1).find(R"("filename":"listed")"), std::string::npos) << d.json(1);
}

TEST(Nfs, TellsRenames) {
  Driver d("nfs", 17);
  d.client(call(1, 3, 14, folder + opaque("old") + folder + opaque("new")));
  d.server(reply(1, be32(13) + be32(0)));
  EXPECT_NE(d.json(0).find(R"("status":"ERR_ACCES","rename":{"from":"old","to":"new"})"),
            std::string::npos)
      << d.json(0);
  const std::string old_handle(32, 'h');
  d.client(call(2, 2, 11, old_handle + opaque("a") + old_handle + opaque("b")));
  EXPECT_NE(d.json(1).find(R"("rename":{"from":"a","to":"b"})"), std::string::npos) << d.json(1);
}

TEST(Nfs, DoesNotLogAttributes) {
  Driver d("nfs", 17);
  d.client(call(1, 3, 1, handle));
  EXPECT_EQ(d.json(0), "");
}

std::string compound(unsigned xid, unsigned count, const std::string& operations) {
  return call(xid, 4, 1, opaque("tag") + be32(0) + be32(count) + operations, null_auth);
}
std::string compound_reply(unsigned xid, unsigned count, const std::string& results) {
  return reply(xid, be32(0) + opaque("tag") + be32(count) + results);
}

TEST(Nfs, ReadsCompounds) {
  Driver d("nfs", 6);
  const std::string state(16, 's');
  // OPEN note.txt and its handle, then WRITE and CLOSE.
  d.client(
      record(compound(1, 3,
                      be32(24) + be32(18) + be32(0) + be32(1) + be32(0) + be64(1) +
                          opaque("owner") + be32(0) + be32(0) + opaque("note.txt") + be32(10))));
  d.server(
      record(compound_reply(1, 3,
                            be32(24) + be32(0) + be32(18) + be32(0) + state + std::string(20, 'c') +
                                be32(0) + be32(0) + be32(0) + be32(10) + be32(0) + handle)));
  d.client(record(
      compound(2, 2, be32(22) + handle + be32(38) + state + be64(0) + be32(0) + opaque("hello"))));
  d.client(record(compound(3, 2, be32(22) + handle + be32(4) + be32(1) + state)));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_EQ(file_of(d, 0), "hello");
  EXPECT_EQ(d.tx(0).files.at(0)->state, sig::FileState::closed);
  EXPECT_TRUE(holds(d, "nfs", Dir::to_server, "nfs_procedure:write"));
  EXPECT_TRUE(holds(d, "nfs", Dir::to_server, "nfs_procedure:38"));
  EXPECT_FALSE(holds(d, "nfs", Dir::to_server, "nfs_procedure:7"));
  EXPECT_NE(d.json(0).find(R"("version":4,"procedure":"WRITE","filename":"note.txt")"),
            std::string::npos)
      << d.json(0);
  d.client(record(compound(4, 2, be32(22) + handle + be32(25) + state + be64(0) + be32(5))));
  d.server(record(
      compound_reply(4, 2, be32(22) + be32(0) + be32(25) + be32(0) + be32(1) + opaque("hello"))));
  ASSERT_EQ(d.count(), 2U);
  EXPECT_EQ(file_of(d, 1), "hello");
  d.client(record(compound(5, 2, be32(22) + folder + be32(28) + opaque("gone"))));
  d.server(record(compound_reply(5, 2, be32(22) + be32(0) + be32(28) + be32(2))));
  EXPECT_NE(d.json(2).find(R"("procedure":"REMOVE","filename":"gone")"), std::string::npos);
  EXPECT_NE(d.json(2).find("ERR_NOENT"), std::string::npos);
}

TEST(Nfs, NamesWhatIsWrong) {
  {
    Driver d("nfs", 17);
    d.client(lookup(1));
    d.client(call(2, 3, 3, folder + be32(5000)));
    EXPECT_EQ(d.events(0), Names{"nfs.malformed_data"});
  }
  {
    Driver d("nfs", 17);
    d.client(lookup(1));
    d.client(call(2, 5, 3, ""));
    d.server(reply(2, ""));
    EXPECT_EQ(d.events(0), Names{"nfs.non_existing_version"});
  }
  {
    Settings s;
    s.set("app-layer.protocols.nfs.max-tx", "2");
    Driver d("nfs", 17, s);
    for (unsigned i = 0; i < 4; ++i) d.client(lookup(i));
    EXPECT_EQ(d.events(0), Names{"nfs.too_many_transactions"});
    EXPECT_TRUE(d.complete(0));
  }
  {
    Driver d("nfs", 6);
    d.client(record(lookup(1)));
    d.client(be32(0x7fffffff) + "x");
    EXPECT_TRUE(d.failed);
    EXPECT_EQ(d.events(0), Names{"nfs.malformed_data"});
  }
}

TEST(Nfs, FindsTheNextRecordAfterAGap) {
  Driver d("nfs", 6);
  d.client(record(lookup(1)));
  d.lose(Dir::to_server, 1000);
  d.client("the rest of what was lost" + record(lookup(2)));
  ASSERT_EQ(d.count(), 2U);
  EXPECT_FALSE(d.failed);
}

TEST(Nfs, LeavesAHoleInAFileForAGap) {
  Driver d("nfs", 6);
  const auto whole = record(write(1, 0, std::string(4000, 'w'), 2));
  d.client(whole.substr(0, 1000));
  d.lose(Dir::to_server, 500);
  d.client(whole.substr(1500) + record(lookup(2)));
  ASSERT_EQ(d.count(), 2U);
  const auto* file = d.tx(0).files.at(0);
  EXPECT_TRUE(file->gaps);
  EXPECT_EQ(file->size, 4000U);
}

TEST(Nfs, FramesRpcAndNfs) {
  Driver d("nfs", 6);
  d.client(record(lookup(1)));
  d.server(record(found(1)));
  Names names;
  for (const auto& f : d.ctx.frames) names.emplace_back(sig::frame_types().name(f.type));
  EXPECT_EQ(names, (Names{"nfs.rpc.pdu", "nfs.rpc.creds", "nfs.nfs.pdu", "nfs.rpc.pdu",
                          "nfs.rpc.hdr", "nfs.rpc.data", "nfs.nfs.pdu", "nfs.nfs.status"}));
}

TEST(Nfs, IsRecognisedByItsCalls) {
  Driver d("nfs", 17);
  EXPECT_EQ(d.probe(lookup(1), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(lookup(1), Dir::to_client), Probe::reversed);
  EXPECT_EQ(d.probe(call(1, 3, 0, "", null_auth), Dir::to_server), Probe::maybe);
  EXPECT_EQ(d.probe("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Dir::to_server), Probe::no);
  Driver tcp("nfs", 6);
  EXPECT_EQ(tcp.probe(record(lookup(1)), Dir::to_server), Probe::yes);
  EXPECT_EQ(tcp.probe(record(lookup(1)).substr(0, 10), Dir::to_server), Probe::maybe);
}

}  // namespace
}  // namespace ww::sensor::test
