/// SMB against MS-SMB2, MS-CIFS, MS-NLMP and RFC 4120: names, files, pipes, limits.
#include "sensors/protocols/smb/smb.hpp"
#include "tests/sensors/protocols/dcerpc/messages.hpp"

namespace ww::sensor::test {
namespace {

std::string netbios(const std::string& message) { return be<4>(message.size()) + message; }

/// One SMB2 message; `to` is its place in the conversation.
struct Head {
  unsigned command;
  std::uint64_t message;
  bool answer = false;
  std::uint32_t status = 0, tree = 1, next = 0, flags = 0;
  std::uint64_t session = 9;
};
std::string smb2(const Head& h, const std::string& body) {
  return "\xfeSMB" + le<2>(64) + le<2>(0) + le<4>(h.status) + le<2>(h.command) + le<2>(1) +
         le<4>(h.flags | (h.answer ? 1 : 0)) + le<4>(h.next) + le<8>(h.message) + le<4>(0) +
         le<4>(h.tree) + le<8>(h.session) + std::string(16, '\0') + body;
}
const std::string file_id = le<8>(0x1122334455667788) + le<8>(0x99);

std::string tree_connect(std::uint64_t m, std::string_view share) {
  return netbios(
      smb2({3, m}, le<2>(9) + le<2>(0) + le<2>(72) + le<2>(share.size() * 2) + utf16(share)));
}
std::string tree_connected(std::uint64_t m, unsigned type) {
  return netbios(smb2({3, m, true}, le<2>(16) + le<1>(type) + std::string(13, '\0')));
}
std::string create_body(std::string_view name, std::uint32_t options = 0) {
  return le<2>(57) + std::string(22, '\0') + std::string(12, '\0') + le<4>(5) + le<4>(options) +
         le<2>(120) + le<2>(name.size() * 2) + std::string(8, '\0') + utf16(name);
}
std::string create(std::uint64_t m, std::string_view name, std::uint32_t options = 0) {
  return netbios(smb2({5, m}, create_body(name, options)));
}
std::string created(std::uint64_t m) {
  const auto time = le<8>(116444736000000000ULL + 1'600'000'000ULL * 10'000'000);
  return netbios(smb2({5, m, true}, le<2>(89) + std::string(6, '\0') + time + time + time + time +
                                        le<8>(0) + le<8>(77) + std::string(8, '\0') + file_id +
                                        std::string(8, '\0')));
}
std::string write(std::uint64_t m, std::uint64_t offset, const std::string& octets) {
  return netbios(smb2({9, m}, le<2>(49) + le<2>(112) + le<4>(octets.size()) + le<8>(offset) +
                                  file_id + std::string(16, '\0') + octets));
}
std::string written(std::uint64_t m) {
  return netbios(smb2({9, m, true}, le<2>(17) + std::string(14, '\0')));
}
std::string read(std::uint64_t m, std::uint64_t offset, std::uint32_t length) {
  return netbios(smb2({8, m}, le<2>(49) + le<2>(0) + le<4>(length) + le<8>(offset) + file_id +
                                  std::string(17, '\0')));
}
std::string read_answer(std::uint64_t m, const std::string& octets, std::uint32_t status = 0) {
  return netbios(smb2({8, m, true, status},
                      le<2>(17) + le<1>(80) + le<1>(0) + le<4>(octets.size()) + le<8>(0) + octets));
}
std::string close(std::uint64_t m) {
  return netbios(smb2({6, m}, le<2>(24) + std::string(6, '\0') + file_id));
}
std::string closed(std::uint64_t m) {
  return netbios(smb2({6, m, true}, le<2>(60) + std::string(58, '\0')));
}
std::string set_info(std::uint64_t m, unsigned level, const std::string& body,
                     const std::string& id = file_id) {
  return netbios(smb2({17, m}, le<2>(33) + le<1>(1) + le<1>(level) + le<4>(body.size()) +
                                   le<2>(96) + std::string(6, '\0') + id + body));
}
std::string negotiate(std::uint64_t m) {
  return netbios(smb2({0, m}, le<2>(36) + le<2>(2) + std::string(8, '\0') + std::string(16, 'g') +
                                  std::string(8, '\0') + le<2>(0x0210) + le<2>(0x0311)));
}
std::string negotiated(std::uint64_t m, std::uint32_t max_read, std::uint32_t max_write) {
  return netbios(smb2({0, m, true}, le<2>(65) + le<2>(1) + le<2>(0x0311) + le<2>(0) +
                                        std::string(16, 's') + le<4>(0) + le<4>(65536) +
                                        le<4>(max_read) + le<4>(max_write) +
                                        std::string(28, '\0')));
}
/// A share with one open file, ready for data.
Talk& open_file(Talk& talk, std::string_view name = "a\\b.txt") {
  return talk.client(tree_connect(1, "\\\\srv\\data"))
      .server(tree_connected(1, 1))
      .client(create(2, name))
      .server(created(2));
}
Talk& open_pipe(Talk& talk) {
  return talk.client(tree_connect(1, "\\\\srv\\IPC$"))
      .server(tree_connected(1, 2))
      .client(create(2, "svcctl"))
      .server(created(2));
}
bool says(const std::string& eve, std::string_view part) {
  return eve.find(part) != std::string::npos;
}

TEST(Smb2, NegotiatesADialect) {
  Talk talk("smb");
  talk.client(negotiate(0)).server(negotiated(0, 65536, 32768));
  const auto eve = talk.json(0);
  EXPECT_TRUE(says(eve, R"("dialect":"3.11","command":"SMB2_COMMAND_NEGOTIATE_PROTOCOL")")) << eve;
  EXPECT_TRUE(says(eve, R"("status":"STATUS_SUCCESS","status_code":"0x0")"));
  EXPECT_TRUE(says(eve, R"("client_dialects":["2.10","3.11"])"));
  EXPECT_TRUE(says(eve, R"("max_read_size":65536,"max_write_size":32768)"));
  EXPECT_TRUE(says(eve, R"("client_guid":"67676767-6767-6767-6767-676767676767",)"
                        R"("server_guid":"73737373-7373-7373-7373-737373737373")"))
      << eve;
  EXPECT_EQ(talk.number(0, "smb.version"), 2);
}

TEST(Smb2, AShareIsAPipeWhenTheServerSaysSo) {
  Talk talk("smb");
  talk.client(tree_connect(1, "\\\\srv\\IPC$"));
  EXPECT_EQ(talk.buffer(0, "smb.share"), "\\\\srv\\IPC$");
  talk.server(tree_connected(1, 2));
  EXPECT_EQ(talk.buffer(0, "smb.share"), "<absent>");
  EXPECT_EQ(talk.buffer(0, "smb.named_pipe"), "\\\\srv\\IPC$");
  EXPECT_TRUE(says(talk.json(0), R"("named_pipe":"\\\\srv\\IPC$","share_type":"PIPE")"))
      << talk.json(0);
}

TEST(Smb2, ACreateTellsNameAccessAndTimes) {
  Talk talk("smb");
  talk.client(create(2, "x.doc", 0x1000)).server(created(2));
  const auto eve = talk.json(0);
  EXPECT_TRUE(says(eve, R"("filename":"x.doc","disposition":"FILE_OVERWRITE_IF",)"
                        R"("access":"delete on close","created":1600000000,"accessed":)"))
      << eve;
  EXPECT_TRUE(says(eve, R"("size":77,"fuid":"55667788-3344-1122-0099-000000000000")")) << eve;
  EXPECT_LT(eve.find(R"("accessed":)"), eve.find(R"("modified":)"));
  EXPECT_LT(eve.find(R"("modified":)"), eve.find(R"("changed":)"));
  EXPECT_TRUE(says(eve, R"("changed":)"));
  talk.client(create(3, ""));
  EXPECT_TRUE(says(talk.json(1), R"("filename":"<share_root>")"));
  talk.client(create(4, "dir", 1));
  EXPECT_TRUE(says(talk.json(2), R"("directory":"dir")"));
}

TEST(Smb2, WritesBecomeAFile) {
  Talk talk("smb");
  open_file(talk).client(write(3, 0, "hello ")).server(written(3)).client(write(4, 6, "world"));
  talk.server(written(4)).client(close(5)).server(closed(5));
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("a\\b.txt 11 closed b94d27b9934d3e08"))
      << talk.files()[0];
  EXPECT_TRUE(says(talk.json(2), R"("filename":"a\\b.txt","share":"\\\\srv\\data","fuid":"5566)"));
}

TEST(Smb2, AFileMayBeReadAndWritten) {
  Talk talk("smb");
  open_file(talk).client(read(3, 0, 5)).server(read_answer(3, "hello"));
  talk.client(write(4, 0, "olleh")).client(read(5, 5, 6)).server(read_answer(5, " world"));
  talk.client(close(6));
  ASSERT_EQ(talk.files().size(), 2U);
  EXPECT_TRUE(talk.files()[0].starts_with("a\\b.txt 11 closed b94d27b9934d3e08"));
  EXPECT_TRUE(talk.files()[1].starts_with("a\\b.txt 5 closed"));
}

TEST(Smb2, AnswersOutOfOrderMakeTheSameFile) {
  Talk talk("smb");
  open_file(talk).client(read(3, 0, 2)).client(read(4, 2, 4)).client(read(5, 6, 5));
  talk.server(read_answer(3, "he")).server(read_answer(5, "world")).server(read_answer(4, "llo "));
  talk.client(close(6));
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("a\\b.txt 11 closed b94d27b9934d3e08"))
      << talk.files()[0];
}

TEST(Smb2, WhatNeverCameIsAGapAtClose) {
  Talk talk("smb");
  open_file(talk).client(write(3, 0, "ab")).client(write(4, 10, "yz")).client(close(5));
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("a\\b.txt 12 truncated")) << talk.files()[0];
}

TEST(Smb2, AGapInsideDataCostsThoseOctets) {
  Talk talk("smb");
  open_file(talk);
  const auto message = write(3, 0, std::string(4000, 'd'));
  talk.client(message.substr(0, 1000)).say(Dir::to_server, message.substr(2500), 1500);
  talk.client(close(4));
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("a\\b.txt 4000 truncated")) << talk.files()[0];
}

TEST(Smb2, FindsTheNextRecordAfterAGap) {
  Talk talk("smb");
  open_file(talk);
  talk.say(Dir::to_server, std::string(30, 'x') + create(3, "later.txt"), 70);
  EXPECT_TRUE(says(talk.json(talk.count() - 1), "later.txt"));
}

TEST(Smb2, RenameAndDelete) {
  Talk talk("smb");
  open_file(talk).client(set_info(3, 10, std::string(16, '\0') + le<4>(10) + utf16("b.txt")));
  EXPECT_TRUE(says(talk.json(2), R"("set_info":{"class":"FILE_INFO",)"
                                 R"("info_level":"SMB2_FILE_RENAME_INFO"},)"
                                 R"("rename":{"from":"a\\b.txt","to":"b.txt"},"fuid":"5566)"))
      << talk.json(2);
  talk.client(set_info(4, 13, "\1"));
  EXPECT_TRUE(says(talk.json(3), R"("filename":"a\\b.txt","access":"delete on close")"));
}

TEST(Smb2, ARelatedCommandMeansTheFileCreatedBeforeIt) {
  Talk talk("smb");
  auto first = create_body("gone.txt");
  first.resize((first.size() + 7) / 8 * 8);
  const auto size = static_cast<std::uint32_t>(64 + first.size());
  const auto chain =
      smb2({5, 2, false, 0, 1, size}, first) +
      smb2({17, 3, false, 0, 1, 0, 4}, le<2>(33) + le<1>(1) + le<1>(13) + le<4>(1) + le<2>(96) +
                                           std::string(6, '\0') + std::string(16, '\xff') + "\1");
  talk.client(netbios(chain));
  ASSERT_EQ(talk.count(), 2U);
  EXPECT_TRUE(says(talk.json(1), R"("filename":"gone.txt","access":"delete on close")"))
      << talk.json(1);
}

TEST(Smb2, StatusesHaveNamesOrNumbers) {
  EXPECT_EQ(smb::status_name(0xc0000022), "STATUS_ACCESS_DENIED");
  EXPECT_EQ(smb::status_name(0xc0000064), "STATUS_NO_SUCH_USER");
  EXPECT_EQ(smb::status_name(0x7fffffff), "2147483647");
  EXPECT_EQ(smb::dos_error_name(1, 2), "DOS_BADFILE");
  EXPECT_EQ(smb::dos_error_name(2, 5), "SRV_BADTID");
  EXPECT_EQ(smb::dos_error_name(3, 5), "UNKNOWN_03_0005");
  EXPECT_EQ(smb::function_name(0x0011c017), "FSCTL_PIPE_TRANSCEIVE");
}

TEST(SmbPipe, ABindIsAnsweredByARead) {
  Talk talk("smb");
  open_pipe(talk).client(write(3, 0, rpc::bind(1))).server(written(3));
  EXPECT_FALSE(talk.done(2)) << "the answer to the write is no answer to the bind";
  talk.client(read(4, 0, 1024)).server(read_answer(4, rpc::bind_ack(1)));
  EXPECT_TRUE(talk.done(2));
  EXPECT_TRUE(says(talk.json(2), R"("ack_result":0,"ack_reason":0)")) << talk.json(2);
  talk.client(write(5, 0, rpc::request(2, 12, "open"))).server(written(5));
  EXPECT_EQ(talk.buffer(3, "dcerpc.iface"), rpc::iface(true));
  EXPECT_EQ(talk.number(3, "dcerpc.opnum"), 12);
  talk.client(read(6, 0, 1024)).server(read_answer(6, rpc::response(2, "done")));
  EXPECT_EQ(talk.buffer(3, "dcerpc.stub_data", Dir::to_client), "done");
  EXPECT_TRUE(says(talk.json(3), R"("opnum":12,"req":{"frag_cnt":1,"stub_data_size":4})"));
  EXPECT_TRUE(says(talk.json(3), R"("call_id":2})")) << talk.json(3);
  // The option `types` of the eve-log leaves the others out.
  Settings only;
  only.set("types.0", "dcerpc");
  EXPECT_EQ(talk.json(1, only), "");
  EXPECT_NE(talk.json(3, only), "");
}

TEST(SmbPipe, AFragmentMayComeInTwoReads) {
  Talk talk("smb");
  const auto answer = rpc::response(2, std::string(100, 'r'));
  open_pipe(talk).client(write(3, 0, rpc::request(2, 1, "q"))).client(read(4, 0, 40));
  talk.server(read_answer(4, answer.substr(0, 40), 0x80000005)).client(read(5, 0, 400));
  EXPECT_FALSE(talk.done(2));
  talk.server(read_answer(5, answer.substr(40)));
  EXPECT_TRUE(talk.done(2));
  EXPECT_EQ(talk.buffer(2, "dcerpc.stub_data", Dir::to_client), std::string(100, 'r'));
}

TEST(SmbPipe, OtherOctetsAreNoCall) {
  Talk talk("smb");
  open_pipe(talk).client(write(3, 0, "not a call at all, just octets of a tool"));
  EXPECT_EQ(talk.count(), 2U);
  EXPECT_TRUE(talk.files().empty());
}

TEST(SmbPipe, AnAsynchronousAnswerNamesNoTree) {
  const auto answer = [](std::uint64_t m, const std::string& octets, bool async) {
    return netbios(
        smb2({8, m, true, 0, 1, 0, async ? 2U : 0U},
             le<2>(17) + le<1>(80) + le<1>(0) + le<4>(octets.size()) + le<8>(0) + octets));
  };
  Talk call("smb");
  open_pipe(call).client(write(3, 0, rpc::bind(1))).server(written(3)).client(read(4, 0, 1024));
  call.server(answer(4, rpc::bind_ack(1), true));
  EXPECT_EQ(call.count(), 3U);
  EXPECT_TRUE(call.files().empty());
  Talk other("smb");
  open_pipe(other).client(read(3, 0, 64)).server(answer(3, "octets of a tool", true));
  EXPECT_EQ(other.count(), 3U) << "a file, as far as anybody can tell";
  other.client(read(4, 16, 64)).server(answer(4, " and more", false));
  EXPECT_EQ(other.count(), 3U);
  ASSERT_EQ(other.files().size(), 1U);
}

std::string ntlmssp_authenticate() {
  const auto text = utf16("NHS") + utf16("anna") + utf16("WS1");
  const auto field = [](std::size_t length, std::size_t at) {
    return le<2>(length) + le<2>(length) + le<4>(at);
  };
  return std::string("NTLMSSP\0", 8) + le<4>(3) + field(0, 72) + field(0, 72) + field(6, 72) +
         field(8, 78) + field(6, 86) + field(0, 72) + le<4>(0x02000001) +
         unhex("0601b11d0000000f") + text;
}
TEST(SmbSecurity, ReadsNtlmssp) {
  const auto message = ntlmssp_authenticate();
  bool malformed = false;
  const auto n = smb::find_ntlmssp(as_bytes("spnego" + message), malformed);
  ASSERT_TRUE(n);
  EXPECT_FALSE(malformed);
  EXPECT_EQ(n->domain + "/" + n->user + "/" + n->host, "NHS/anna/WS1");
  EXPECT_EQ(n->version, "6.1 build 7601 rev 15");
  for (std::size_t cut = 12; cut < message.size(); ++cut) {
    malformed = false;
    (void)smb::find_ntlmssp(as_bytes(message).first(cut), malformed);
    EXPECT_TRUE(malformed || cut >= 72) << cut;
  }
}

TEST(SmbSecurity, ASessionShowsWhoOpensIt) {
  Talk talk("smb");
  const auto blob = ntlmssp_authenticate();
  talk.client(netbios(smb2({1, 2}, le<2>(25) + std::string(10, '\0') + le<2>(88) +
                                       le<2>(blob.size()) + le<8>(0) + blob)));
  talk.server(netbios(smb2({1, 2, true}, le<2>(9) + le<2>(0) + le<2>(72) + le<2>(0))));
  ASSERT_EQ(talk.count(), 1U);
  const auto text = talk.json(0);
  for (const auto* part :
       {R"("command":"SMB2_COMMAND_SESSION_SETUP")", R"("session_id":9,"tree_id":1)",
        R"("ntlmssp":{"domain":"NHS","user":"anna","host":"WS1",)"
        R"("version":"6.1 build 7601 rev 15"})"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(talk.buffer(0, "smb.ntlmssp_user"), "anna");
  EXPECT_EQ(talk.buffer(0, "smb.ntlmssp_domain"), "NHS");
  Talk other("smb");
  other.client(tree_connect(1, "\\\\a\\b"));
  EXPECT_EQ(other.buffer(0, "smb.ntlmssp_user"), "<absent>");
}

std::string der(unsigned tag, const std::string& content) {
  return std::string(1, static_cast<char>(tag)) +
         (content.size() < 128 ? std::string(1, static_cast<char>(content.size()))
                               : "\x82" + be<2>(content.size())) +
         content;
}

TEST(SmbSecurity, ReadsTheKerberosTicket) {
  const auto names = der(0x30, der(0x1b, "cifs") + der(0x1b, "dc1.nhs.example"));
  const auto ticket =
      der(0x61, der(0x30, der(0xa0, der(2, "\5")) + der(0xa1, der(0x1b, "NHS.EXAMPLE")) +
                              der(0xa2, der(0x30, der(0xa0, der(2, "\2")) + der(0xa1, names))) +
                              der(0xa3, std::string(200, 'e'))));
  const auto request = der(0x6e, der(0x30, der(0xa0, der(2, "\5")) + der(0xa1, der(2, "\16")) +
                                               der(0xa2, std::string(7, 'o')) + der(0xa3, ticket)));
  const auto blob = "\x60\x82" + be<2>(request.size() + 13) + unhex("06092a864886f712010202") +
                    unhex("0100") + request;
  const auto k = smb::find_kerberos(as_bytes(blob));
  ASSERT_TRUE(k);
  EXPECT_EQ(k->realm, "NHS.EXAMPLE");
  EXPECT_EQ(k->names, (std::vector<std::string>{"cifs", "dc1.nhs.example"}));
  Talk talk("smb");
  talk.client(netbios(smb2({1, 2}, le<2>(25) + std::string(10, '\0') + le<2>(88) +
                                       le<2>(blob.size()) + le<8>(0) + blob)));
  EXPECT_TRUE(says(talk.json(0), R"("kerberos":{"realm":"NHS.EXAMPLE","snames":["cifs",)"
                                 R"("dc1.nhs.example"]})"))
      << talk.json(0);
  for (std::size_t cut = 0; cut < blob.size(); ++cut)
    (void)smb::find_kerberos(as_bytes(blob).first(cut));
}

TEST(SmbEvents, MalformedNtlmsspRequest) {
  Talk talk("smb");
  const auto blob = std::string("NTLMSSP\0", 8) + le<4>(3) + "cut";
  talk.client(netbios(smb2({1, 1}, le<2>(25) + std::string(10, '\0') + le<2>(88) +
                                       le<2>(blob.size()) + le<8>(0) + blob)));
  EXPECT_TRUE(talk.has_event(0, "smb.malformed_ntlmssp_request"));
}

TEST(SmbEvents, MalformedData) {
  Talk talk("smb");
  talk.client(netbios(smb2({3, 1}, "\11")));
  EXPECT_TRUE(talk.has_event(0, "smb.malformed_data"));
}

TEST(SmbEvents, FileOverlap) {
  Talk talk("smb");
  open_file(talk).client(write(3, 0, "abcd")).client(write(4, 2, "cdef")).client(close(5));
  EXPECT_TRUE(talk.has_event(2, "smb.file_overlap"));
  EXPECT_TRUE(talk.files()[0].starts_with("a\\b.txt 6 closed bef57ec7f53a6d40")) << talk.files()[0];
}

TEST(SmbEvents, WrongDirection) {
  Talk talk("smb");
  talk.client(created(2)).server(create(2, "x"));
  EXPECT_TRUE(talk.any_event("smb.response_to_server"));
  EXPECT_TRUE(talk.any_event("smb.request_to_client"));
  EXPECT_EQ(talk.count(), 0U);
}

TEST(SmbEvents, SizesAboveTheLimit) {
  Settings s;
  s.set("app-layer.protocols.smb.max-read-size", "1000");
  s.set("app-layer.protocols.smb.max-write-size", "500");
  Talk talk("smb", s);
  talk.client(negotiate(0)).server(negotiated(0, 65536, 65536));
  EXPECT_TRUE(talk.any_event("smb.negotiate_max_read_size_too_large"));
  EXPECT_TRUE(talk.any_event("smb.negotiate_max_write_size_too_large"));
  open_file(talk).client(read(3, 0, 2000)).client(write(4, 0, std::string(501, 'w')));
  EXPECT_TRUE(talk.any_event("smb.read_request_too_large"));
  EXPECT_TRUE(talk.any_event("smb.write_request_too_large"));
  EXPECT_TRUE(talk.files().empty());
  talk.client(read(5, 0, 900)).server(read_answer(5, std::string(1001, 'r')));
  EXPECT_TRUE(talk.any_event("smb.read_response_too_large"));
}

TEST(SmbEvents, QueuesAboveTheLimit) {
  for (const auto& [key, value, event] :
       {std::tuple{"max-write-queue-size", "3", "smb.write_queue_size_exceeded"},
        {"max-write-queue-cnt", "1", "smb.write_queue_cnt_exceeded"}}) {
    Settings s;
    s.set(std::string("app-layer.protocols.smb.") + key, value);
    Talk talk("smb", s);
    open_file(talk).client(write(3, 0, "a")).client(write(4, 5, "fg")).client(write(5, 9, "jk"));
    EXPECT_TRUE(talk.any_event(event)) << event;
  }
  for (const auto& [key, value, event] :
       {std::tuple{"max-read-queue-size", "3", "smb.read_queue_size_exceeded"},
        {"max-read-queue-cnt", "1", "smb.read_queue_cnt_exceeded"}}) {
    Settings s;
    s.set(std::string("app-layer.protocols.smb.") + key, value);
    Talk talk("smb", s);
    open_file(talk).client(read(3, 0, 1)).client(read(4, 5, 2)).client(read(5, 9, 2));
    talk.server(read_answer(3, "a")).server(read_answer(4, "fg")).server(read_answer(5, "jk"));
    EXPECT_TRUE(talk.any_event(event)) << event;
  }
}

// ---------------------------------------------------------------- version 1

std::string smb1(unsigned command, unsigned mid, const std::string& words, const std::string& data,
                 bool answer = false, std::uint32_t status = 0) {
  return netbios("\xffSMB" + le<1>(command) + le<4>(status) + le<1>(answer ? 0x98 : 0x18) +
                 le<2>(0x4001) + std::string(12, '\0') + le<2>(7) + le<2>(1) + le<2>(8) +
                 le<2>(mid) + le<1>(words.size() / 2) + words + le<2>(data.size()) + data);
}
std::string negotiate1() {
  return smb1(0x72, 1, "", std::string("\2NT LM 0.12\0\2SMB 2.002\0", 23));
}

TEST(Smb1, NegotiatesADialect) {
  Talk talk("smb");
  talk.client(negotiate1()).server(smb1(0x72, 1, le<2>(0) + std::string(32, '\0'), "", true));
  const auto eve = talk.json(0);
  EXPECT_TRUE(says(eve, R"("dialect":"NT LM 0.12","command":"SMB1_COMMAND_NEGOTIATE_PROTOCOL")"))
      << eve;
  EXPECT_TRUE(says(eve, R"("client_dialects":["NT LM 0.12","SMB 2.002"])"));
  EXPECT_EQ(talk.number(0, "smb.version"), 1);
}

TEST(Smb1, EventDuplicateNegotiate) {
  Talk talk("smb");
  talk.client(negotiate1()).client(negotiate1());
  EXPECT_EQ(talk.count(), 1U);
  EXPECT_TRUE(talk.has_event(0, "smb.duplicate_negotiate"));
}

TEST(Smb1, EventNegotiateMalformedDialects) {
  Talk talk("smb");
  talk.client(smb1(0x72, 1, "", std::string("\2\0\2NT LM 0.12\0", 14)));
  EXPECT_TRUE(talk.has_event(0, "smb.negotiate_malformed_dialects"));
  Talk index("smb");
  index.client(negotiate1()).server(smb1(0x72, 1, le<2>(9), "", true));
  EXPECT_TRUE(index.has_event(0, "smb.negotiate_malformed_dialects"));
}

TEST(Smb1, AServiceIsAskedForAndAnswered) {
  Talk talk("smb");
  talk.client(smb1(0x75, 2, unhex("ff000000") + le<2>(0) + le<2>(0),
                   std::string("\\\\srv\\IPC$\0?????\0", 17)));
  talk.server(smb1(0x75, 2, unhex("ff000000") + le<2>(0), std::string("IPC\0", 4), true));
  EXPECT_TRUE(says(talk.json(0), R"("service":{"request":"?????","response":"IPC"})"))
      << talk.json(0);
  EXPECT_EQ(talk.buffer(0, "smb.named_pipe"), "\\\\srv\\IPC$");
}

TEST(Smb1, Trans2RenamesAndDeletes) {
  const auto trans2 = [](unsigned mid, unsigned sub, const std::string& params,
                         const std::string& data) {
    const std::size_t at = 32 + 1 + 30 + 2;
    const auto words = le<2>(params.size()) + le<2>(data.size()) + std::string(12, '\0') +
                       le<2>(0) + le<2>(params.size()) + le<2>(at) + le<2>(data.size()) +
                       le<2>(at + params.size()) + le<2>(1) + le<2>(sub);
    return smb1(0x32, mid, words, params + data);
  };
  Talk talk("smb");
  talk.client(trans2(3, 6, le<2>(1013) + le<4>(0) + std::string("old.txt\0", 8), "\1"));
  ASSERT_EQ(talk.count(), 1U);
  EXPECT_TRUE(says(talk.json(0), R"("filename":"old.txt","access":"delete on close",)"
                                 R"("subcmd":"SET_PATH_INFO",)"
                                 R"("level_of_interest":"Set Disposition Information")"))
      << talk.json(0);
  talk.client(trans2(4, 8, le<2>(0x4000) + le<2>(1010) + le<2>(0),
                     le<4>(0) + le<4>(0) + le<4>(7) + "new.txt"));
  EXPECT_TRUE(says(talk.json(1), R"("rename":{"from":"<unknown>","to":"new.txt"},"fuid":"4000")"))
      << talk.json(1);
}

TEST(Smb, SameWhereverItIsCut) {
  expect_same_when_cut("smb", {{Dir::to_server, negotiate(0)},
                               {Dir::to_client, negotiated(0, 65536, 65536)},
                               {Dir::to_server, tree_connect(1, "\\\\srv\\data")},
                               {Dir::to_client, tree_connected(1, 1)},
                               {Dir::to_server, create(2, "a.txt")},
                               {Dir::to_client, created(2)},
                               {Dir::to_server, write(3, 0, std::string(200, 'w')) + close(4)},
                               {Dir::to_client, written(3) + closed(4)}});
}

TEST(SmbPipe, SameWhereverItIsCut) {
  expect_same_when_cut("smb",
                       {{Dir::to_server, tree_connect(1, "\\\\srv\\IPC$")},
                        {Dir::to_client, tree_connected(1, 2)},
                        {Dir::to_server, create(2, "svcctl")},
                        {Dir::to_client, created(2)},
                        {Dir::to_server, write(3, 0, rpc::bind(1)) + read(4, 0, 999)},
                        {Dir::to_client, written(3) + read_answer(4, rpc::bind_ack(1))},
                        {Dir::to_server, write(5, 0, rpc::request(2, 1, std::string(90, 'q')))}});
}

TEST(Smb1, ASessionNamesBothSystems) {
  Talk talk("smb");
  talk.client(smb1(0x73, 2,
                   unhex("ff000000") + le<2>(4356) + le<2>(2) + le<2>(0) + le<4>(0) + le<2>(0) +
                       le<4>(0) + le<4>(0x80),
                   std::string("Unix\0Samba 3\0", 13)));
  talk.server(smb1(0x73, 2, unhex("ff000000") + le<2>(0) + le<2>(0),
                   std::string("Windows 5.0\0Windows LAN\0NHS\0", 28), true));
  EXPECT_TRUE(says(talk.json(0),
                   R"("request":{"native_os":"Unix","native_lm":"Samba 3"},)"
                   R"("response":{"native_os":"Windows 5.0","native_lm":"Windows LAN"})"))
      << talk.json(0);
}

TEST(Smb2, AnIoctlNamesItsFunction) {
  Talk talk("smb");
  talk.client(netbios(smb2({11, 4}, le<2>(57) + le<2>(0) + le<4>(0x00140204) +
                                        std::string(16, '\xff') + std::string(32, '\0'))));
  EXPECT_TRUE(says(talk.json(0), R"("function":"FSCTL_VALIDATE_NEGOTIATE_INFO")")) << talk.json(0);
}

}  // namespace
}  // namespace ww::sensor::test
