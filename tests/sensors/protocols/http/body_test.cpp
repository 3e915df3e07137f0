#include <gtest/gtest.h>

#include "sensors/protocols/http/fields.hpp"
#include "sensors/protocols/http/multipart.hpp"
#include "sensors/protocols/http/range.hpp"
#include "tests/sensors/protocols/http/support.hpp"

namespace ww::sensor::test {
namespace {

constexpr auto down = sig::Dir::to_client;

constexpr std::string_view form =
    "--AaB03x\r\nContent-Disposition: form-data; name=\"who\"\r\n\r\nLarry\r\n"
    "--AaB03x\r\nContent-Disposition: form-data; name=\"a\"; "
    "filename=\"file;1.txt\"\r\nContent-Type: text/plain\r\n\r\n"
    "... contents of file1.txt ...\r\n-- not a boundary\r\n"
    "--AaB03x\r\nContent-Disposition: form-data; name=\"b\"; "
    "filename=two.bin\r\n\r\nsecond\r\n--AaB03x--\r\n";

std::string post(std::string_view body, std::string_view type) {
  return "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST(HttpUpload, FindsTheFilesOfAForm) {
  Conversation c;
  c.client(post(form, "multipart/form-data; boundary=AaB03x"));
  const auto& files = c.tx(0).files;
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0]->name, "file;1.txt");
  EXPECT_EQ(as_text(files[0]->data), "... contents of file1.txt ...\r\n-- not a boundary");
  EXPECT_EQ(files[0]->state, sig::FileState::closed);
  EXPECT_EQ(files[1]->name, "two.bin");
  EXPECT_EQ(as_text(files[1]->data), "second");
}

TEST(HttpUpload, GivesTheSameHoweverTheFormIsCut) {
  const auto request = post(form, "multipart/form-data; boundary=\"AaB03x\"");
  Conversation whole;
  whole.client(request);
  ASSERT_EQ(whole.tx(0).files.size(), 2U);
  for (std::size_t piece = 1; piece < 200; ++piece) {
    Conversation c;
    c.client(request, piece);
    ASSERT_EQ(c.tx(0).files.size(), 2U) << piece;
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_EQ(c.tx(0).files[i]->sha256, whole.tx(0).files[i]->sha256) << piece;
  }
}

TEST(HttpUpload, ReportsABrokenForm) {
  Conversation c;
  c.client(
      post("--x\r\nno colon\r\nContent-Disposition: form-data; filename=a\r\n\r\n\r\n--x--\r\n",
           "m/f; boundary=x"));
  EXPECT_TRUE(c.has_event(0, "http.multipart_invalid_header"));
  EXPECT_TRUE(c.has_event(0, "http.multipart_no_filedata"));
}

TEST(HttpUpload, MarksAFileThatTheFormDoesNotEnd) {
  Conversation c;
  c.client(post("--x\r\nContent-Disposition: form-data; filename=a\r\n\r\nhalf a file",
                "m/f; boundary=x"));
  ASSERT_EQ(c.tx(0).files.size(), 1U);
  EXPECT_EQ(c.tx(0).files[0]->state, sig::FileState::truncated);
  EXPECT_EQ(c.tx(0).files[0]->size, 11U);
}

TEST(HttpUpload, GivesAFileAllOctetsUpToTheBodyLimit) {
  Settings s;
  s.set("app-layer.protocols.http.libhtp.default-config.request-body-limit", "1kb");
  Conversation c("http", s);
  const std::string head = "--x\r\nContent-Disposition: form-data; filename=a\r\n\r\n";
  c.client(post(head + std::string(3000, 'a'), "multipart/form-data; boundary=x"));
  c.client("more");
  const auto& file = *c.tx(0).files.at(0);
  EXPECT_EQ(file.state, sig::FileState::truncated);
  EXPECT_EQ(file.size, 1024U - head.size());
}

TEST(HttpUpload, TakesAPlainBodyAsAFileNamedByThePath) {
  Conversation c;
  c.client("PUT /dir/a.bin HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_EQ(c.tx(0).files.size(), 1U);
  EXPECT_EQ(c.tx(0).files[0]->name, "/dir/a.bin");
  EXPECT_EQ(c.tx(0).files[0]->md5, "900150983cd24fb0d6963f7d28e17f72");
}

TEST(HttpDownload, IsNamedByContentDisposition) {
  Conversation c;
  c.client("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server(
      "HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=\"r.pdf\"\r\nContent-Length: "
      "1\r\n\r\n.");
  EXPECT_EQ(c.tx(0).files.at(0)->name, "r.pdf");
}

TEST(HttpDownload, LinesWithoutAStatusLineAreABody) {
  for (const bool cut : {false, true}) {
    Conversation c;
    c.client("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    c.server("first line\nab\n\r\nthird line\nwithout");
    c.server(" end\n the rest");
    c.finish(cut);
    // "ab" and the empty line are too little; the end of "the rest" is the connection's, unless
    // more was sent that nobody read.
    const auto& file = *c.tx(0).files.at(0);
    EXPECT_EQ(file.size, cut ? 34U : 43U);
    EXPECT_EQ(c.tx(0).response().wire_octets, file.size);
  }
}

TEST(HttpDownload, AnAnswerOfHttp09IsABody) {
  Conversation c;
  c.client("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("abc");
  c.finish();
  ASSERT_EQ(c.tx(0).files.size(), 1U);
  EXPECT_EQ(c.tx(0).files[0]->md5, "900150983cd24fb0d6963f7d28e17f72");
}

TEST(HttpDownload, ALineBeforeAStatusLineIsNoBody) {
  Conversation c;
  c.client("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("stray line\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_EQ(c.tx(0).files.size(), 1U);
  EXPECT_EQ(c.tx(0).files[0]->md5, "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(c.tx(0).status_code, 200);
  EXPECT_EQ(c.tx(0).response().wire_octets, 3U);
}

TEST(HttpDownload, StopsAtTheBodyLimit) {
  Settings s;
  s.set("app-layer.protocols.http.libhtp.default-config.response-body-limit", "1kb");
  Conversation c("http", s);
  c.client("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
  for (int i = 0; i < 30; ++i) c.server(std::string(100, 'a'));
  const auto& file = *c.tx(0).files.at(0);
  EXPECT_EQ(file.size, 1024U);
  EXPECT_EQ(file.state, sig::FileState::truncated);
  EXPECT_EQ(c.buffer(0, "http.response_body", down).size(), 1024U);
  EXPECT_EQ(c.tx(0).response().wire_octets, 3000U);
}

TEST(HttpDownload, WaitsForEnoughOfABodyAndThenSlides) {
  Settings s;
  const std::string root = "app-layer.protocols.http.libhtp.default-config.";
  s.set(root + "response-body-limit", "0");
  s.set(root + "response-body-minimal-inspect-size", "1000");
  s.set(root + "response-body-inspect-window", "200");
  Conversation c("http", s);
  c.client("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + std::string(900, 'a'));
  EXPECT_EQ(c.buffer(0, "http.response_body", down), "<not ready>");
  c.server(std::string(200, 'b'));
  EXPECT_EQ(c.buffer(0, "http.response_body", down).size(), 1100U);
  for (int i = 0; i < 50; ++i) c.server(std::string(1000, 'c'));
  EXPECT_EQ(c.buffer(0, "http.response_body", down).size(), 2000U);
}

TEST(HttpDownload, JoinsRangesOfSeveralConnections) {
  const auto part = [](Conversation& c, std::string_view range, std::string_view body) {
    c.client("GET /big HTTP/1.1\r\nHost: ranges.example\r\nRange: bytes=x\r\n\r\n");
    c.server("HTTP/1.1 206 Partial\r\nContent-Range: " + std::string(range) +
             "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
  };
  Conversation a, b, c;
  part(a, "bytes 4-7/10", "efgh");
  EXPECT_EQ(a.tx(0).files.at(0)->start, 4U);
  EXPECT_EQ(a.tx(0).files.at(0)->end, 7U);
  part(b, "bytes 8-9/10", "ij");
  EXPECT_EQ(b.tx(0).files.size(), 1U);
  part(c, "bytes 0-4/10", "abcde");
  ASSERT_EQ(c.tx(0).files.size(), 2U);
  EXPECT_EQ(as_text(c.tx(0).files[1]->data), "abcdefghij");
  EXPECT_EQ(c.tx(0).files[1]->state, sig::FileState::closed);
  EXPECT_EQ(http::range_memory(), 0U);
}

TEST(HttpDownload, ReportsARangeThatCannotBe) {
  Conversation c;
  c.client("GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("HTTP/1.1 206 P\r\nContent-Range: bytes 9-4/10\r\nContent-Length: 1\r\n\r\na");
  EXPECT_TRUE(c.has_event(0, "http.range_invalid"));
}

TEST(HttpFields, ReadsParameters) {
  using http::parameter;
  EXPECT_EQ(parameter("attachment; filename=\"a b;c.txt\"; x=y", "filename"), "a b;c.txt");
  EXPECT_EQ(parameter("attachment;FileName=plain", "filename"), "plain");
  EXPECT_EQ(parameter("attachment; filename*=UTF-8''x", "filename"), std::nullopt);
  EXPECT_EQ(parameter("", "filename"), std::nullopt);
}

TEST(HttpFields, ReadsContentRange) {
  const auto r = http::parse_content_range("bytes 500-1000/146515");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->start, 500U);
  EXPECT_EQ(r->end, 1000U);
  EXPECT_EQ(r->size, 146515U);
  EXPECT_EQ(http::parse_content_range("bytes */7")->size, 7U);
  EXPECT_FALSE(http::parse_content_range("bytes 1-2/*")->size);
  for (const auto* bad :
       {"", "bytes", "bytes 1", "bytes 1-2", "items 1-2/3", "bytes 99999999999999999999-1/2"})
    EXPECT_FALSE(http::parse_content_range(bad)) << bad;
}

}  // namespace
}  // namespace ww::sensor::test
