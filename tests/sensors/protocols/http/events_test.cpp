/// Each event of HTTP by the message that raises it, and ordinary messages that raise none.
#include "sensors/protocols/http/events.hpp"
#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string all_events(const std::string& request, const std::string& response,
                       const Settings& settings = {}) {
  constexpr std::size_t segment = 1400;
  Driver d("http", 6, settings);
  if (!request.empty()) d.client(request, segment);
  if (!response.empty()) d.server(response, segment);
  d.finish();
  std::string out;
  const auto add = [&](const std::string& e) { out += (out.empty() ? "" : " ") + e.substr(5); };
  for (std::size_t i = 0; i < d.count(); ++i)
    for (const auto& e : d.events(i)) add(e);
  for (const auto& e : d.ctx.events) add(e);
  return out;
}
std::string of_request(const std::string& request) {
  return all_events(request, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}
std::string of_response(const std::string& response) {
  return all_events("GET / HTTP/1.1\r\nHost: a\r\n\r\n", response);
}
void expect(const std::string& events, const std::string& name) {
  EXPECT_NE((" " + events + " ").find(" " + name + " "), std::string::npos)
      << name << " is not in: " << events;
}
std::string get(const std::string& headers) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}
std::string post(const std::string& headers, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body;
}
std::string ok(const std::string& headers, const std::string& body = "") {
  return "HTTP/1.1 200 OK\r\n" + headers + "\r\n" + body;
}

TEST(HttpEvents, OrdinaryMessagesHaveNone) {
  EXPECT_EQ(of_request(get("Accept: */*\r\n")), "");
  EXPECT_EQ(of_request(post("Content-Length: 3\r\n", "abc")), "");
  EXPECT_EQ(of_request(post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")), "");
  EXPECT_EQ(of_response(ok("Content-Length: 3\r\n", "abc")), "");
  EXPECT_EQ(of_response(ok("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")), "");
}

TEST(HttpEvents, OfRequestLines) {
  expect(of_request("GET /\r\nHost: a\r\n\r\n"), "request_line_missing_protocol");
  expect(of_request(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "request_line_leading_whitespace");
  expect(of_request("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), "method_delim_non_compliant");
  expect(of_request("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"), "uri_delim_non_compliant");
  Settings twice;
  twice.set("app-layer.protocols.http.libhtp.default-config.double-decode-path", "yes");
  expect(all_events("GET /%2541 HTTP/1.1\r\nHost: a\r\n\r\n", "", twice), "double_encoded_uri");
  expect(of_request("GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n"), "request_uri_host_invalid");
  expect(all_events("GET /index", ok("Content-Length: 0\r\n")), "request_line_incomplete");
}

TEST(HttpEvents, OfDecoders) {
  // What makes the decoder say so is in decode_test.cpp.
  const auto name = [](http::DecodeEvent e) {
    return std::string(sig::events().name(http::event_of(e)));
  };
  EXPECT_EQ(name(http::DecodeEvent::bomb), "http.compression_bomb");
  EXPECT_EQ(name(http::DecodeEvent::lzma_memory), "http.lzma_memlimit_reached");
}

TEST(HttpEvents, OfHosts) {
  expect(of_request("GET / HTTP/1.1\r\n\r\n"), "missing_host_header");
  expect(of_request("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), "host_header_ambiguous");
  expect(of_request("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), "request_header_host_invalid");
  expect(of_request("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "request_header_host_invalid");
}

TEST(HttpEvents, OfRequestHeaders) {
  expect(of_request(get("no colon\r\n")), "request_field_missing_colon");
  expect(of_request(get(": empty\r\n")), "request_header_invalid");
  expect(of_request("GET / HTTP/1.1\r\n folded\r\nHost: a\r\n\r\n"),
         "invalid_request_field_folding");
  expect(of_request(get("Authorization: Strange x\r\n")), "request_auth_unrecognized");
  expect(of_request(get("X: " + std::string(20000, 'x') + "\r\n")), "request_field_too_long");
  std::string repeated, many;
  for (int i = 0; i < 80; ++i) repeated += "X: y\r\n";
  for (int i = 0; i < 1100; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  expect(of_request(get(repeated)), "request_header_repetition");
  expect(of_request(get(many)), "request_too_many_headers");
  expect(of_request(get("Range: bytes=x-y\r\n")) + " range_invalid", "range_invalid");
}

TEST(HttpEvents, OfRequestBodies) {
  expect(of_request(post("Content-Length: x\r\n", "")), "invalid_content_length_field_in_request");
  expect(of_request(post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")),
         "duplicate_content_length_field_in_request");
  expect(of_request(post("Transfer-Encoding: strange\r\n", "")),
         "invalid_transfer_encoding_value_in_request");
  expect(of_request(post("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n")),
         "invalid_request_chunk_len");
  expect(of_request("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody that nobody announced\r\n\r\n"),
         "request_body_unexpected");
  const std::string mixed = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ";
  const auto parts = [&](const std::string& body) {
    return of_request(post(mixed + std::to_string(body.size()) + "\r\n", body));
  };
  expect(
      parts("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n--b--\r\n"),
      "multipart_no_filedata");
  expect(parts("--b\r\nno colon\r\n\r\nx\r\n--b--\r\n"), "multipart_invalid_header");
  expect(parts("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"" +
               std::string(4097, 'n') + "\"\r\n\r\nx\r\n--b--\r\n"),
         "file_name_too_long");
  expect(parts("--b\r\nX: " + std::string(20000, 'n') + "\r\n\r\nx\r\n--b--\r\n"),
         "multipart_generic_error");
}

TEST(HttpEvents, ChunkExtensionsAreSeenHoweverTheyAreCut) {
  const std::string body = "3;a=b\r\nabc\r\n4\r\nd;\r\n\r\n0\r\n\r\n";
  expect(of_request(post("Transfer-Encoding: chunked\r\n", body)), "request_chunk_extension");
  expect(of_response(ok("Transfer-Encoding: chunked\r\n", body)), "response_chunk_extension");
  // What looks like one inside of a chunk is none.
  const std::string plain = "8\r\n5;x\r\nab\n\r\n0\r\n\r\n";
  EXPECT_EQ(of_request(post("Transfer-Encoding: chunked\r\n", plain)), "");
  EXPECT_EQ(of_response(ok("Transfer-Encoding: chunked\r\n", plain)), "");
  for (const auto& [said, wanted] : {std::pair{body, true}, {plain, false}})
    for (std::size_t piece = 1; piece < said.size(); ++piece) {
      Driver d("http", 6);
      d.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
      d.server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      d.server(said, piece);
      d.finish();
      const auto events = d.events(0);
      EXPECT_EQ(std::ranges::find(events, "http.response_chunk_extension") != events.end(), wanted)
          << piece << ' ' << said;
    }
}

TEST(HttpEvents, OfResponses) {
  expect(all_events("", ok("")), "unable_to_match_response_to_request");
  expect(of_response("HTTP/x 200 OK\r\n\r\n"), "response_invalid_protocol");
  expect(of_response("HTTP/1.1 9999 OK\r\n\r\n"), "response_invalid_status");
  expect(of_response(ok("no colon\r\nContent-Length: 0\r\n")), "response_field_missing_colon");
  expect(of_response(ok(": empty\r\nContent-Length: 0\r\n")), "response_header_invalid");
  expect(of_response("HTTP/1.1 200 OK\r\n folded\r\nContent-Length: 0\r\n\r\n"),
         "invalid_response_field_folding");
  expect(of_response(ok("X: " + std::string(20000, 'x') + "\r\n")), "response_field_too_long");
  expect(of_response(ok("Content-Length: 0\r\n") + "something that was not asked for\r\n\r\n"),
         "response_body_unexpected");
  expect(of_response(ok("Content-Length: x\r\n")), "invalid_content_length_field_in_response");
  expect(of_response(ok("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")),
         "duplicate_content_length_field_in_response");
  expect(of_response(ok("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n")),
         "invalid_response_chunk_len");
  expect(of_response(ok("Transfer-Encoding: chunked, x\r\n", "3\r\nabc\r\n0\r\n\r\n")),
         "response_abnormal_transfer_encoding");
  expect(of_response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
         "response_chunked_old_proto");
  expect(of_response(ok("Content-Type: multipart/byteranges; boundary=b\r\n")),
         "response_multipart_byteranges");
  expect(of_response("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" +
                     ok("Content-Length: 0\r\n")),
         "100_continue_already_seen");
  expect(of_response(ok("Content-Encoding: gzip\r\nContent-Length: 3\r\n", "abc")),
         "gzip_decompression_failed");
  expect(of_response(ok("Content-Encoding: strange\r\nContent-Length: 3\r\n", "abc")),
         "abnormal_ce_header");
  expect(
      of_response(ok("Content-Encoding: gzip, gzip, gzip, gzip\r\nContent-Length: 3\r\n", "abc")),
      "too_many_encoding_layers");
  std::string repeated, many;
  for (int i = 0; i < 80; ++i) repeated += "X: y\r\n";
  for (int i = 0; i < 1100; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  const auto twice = of_response(ok(repeated + "Content-Length: 0\r\n"));
  expect(twice, "response_header_repetition");
  EXPECT_EQ(twice.find("request_header"), std::string::npos) << twice;
  expect(of_response(ok(many + "Content-Length: 0\r\n")), "response_too_many_headers");
}

TEST(HttpLimits, MoreTransactionsThanAllowedStopTheParser) {
  Settings few;
  few.set("app-layer.protocols.http.libhtp.default-config.max-tx", "10");
  std::string requests, responses;
  for (int i = 0; i < 11; ++i) {
    requests += get("");
    responses += ok("Content-Length: 0\r\n");
  }
  Driver asked("http", 6, few), answered("http", 6, few);
  asked.client(requests);
  EXPECT_TRUE(asked.failed);
  EXPECT_EQ(asked.count(), 10U);
  answered.server(responses);
  EXPECT_TRUE(answered.failed);
  EXPECT_EQ(answered.count(), 10U);
}

TEST(HttpEvents, TooManyMessagesAreOne) {
  std::string requests;
  for (int i = 0; i < 520; ++i) requests += " GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  Settings settings;
  settings.set("app-layer.protocols.http.libhtp.default-config.max-tx", "1000");
  expect(all_events(requests, "", settings), "too_many_warnings");
}

}  // namespace
}  // namespace ww::sensor::test
