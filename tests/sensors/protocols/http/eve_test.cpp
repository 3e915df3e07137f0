/// EVE's `http` object: what is always there, what `extended` adds, what `custom` and
/// `dump-all-headers` list.
#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

std::string described(const std::string& request, const std::string& response,
                      std::initializer_list<std::pair<const char*, const char*>> set = {}) {
  Settings options;
  for (const auto& [key, value] : set) options.set(key, value);
  Driver d("http", 6);
  d.client(request);
  d.server(response);
  return d.json(0, options);
}
const std::string request =
    "GET /x?y=1 HTTP/1.1\r\nHost: Test.example:1337\r\nUser-Agent: curl/8\r\n"
    "Referer: http://a.example/\r\nAccept: */*\r\n\r\n";
const std::string response =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nServer: nginx\r\n"
    "Content-Length: 2\r\n\r\nok";

TEST(HttpEve, ShortAndExtended) {
  EXPECT_EQ(described(request, response, {{"extended", "no"}}),
            R"({"http":{"hostname":"test.example","http_port":1337,"url":"/x?y=1",)"
            R"("http_user_agent":"curl/8","http_content_type":"text/html"}})");
  EXPECT_EQ(described(request, response),
            R"({"http":{"hostname":"test.example","http_port":1337,"url":"/x?y=1",)"
            R"("http_user_agent":"curl/8","http_content_type":"text/html",)"
            R"("http_refer":"http://a.example/","http_method":"GET","protocol":"HTTP/1.1",)"
            R"("status":200,"length":2}})");
}

TEST(HttpEve, HeadersAskedFor) {
  const auto all = described(request, response, {{"dump-all-headers", "both"}});
  EXPECT_NE(all.find(R"("request_headers":[{"name":"Host","value":"Test.example:1337"},)"
                     R"({"name":"User-Agent","value":"curl/8"},)"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find(R"("response_headers":[{"name":"Content-Type",)"), std::string::npos) << all;
  const auto one = described(request, response, {{"dump-all-headers", "response"}});
  EXPECT_EQ(one.find("request_headers"), std::string::npos) << one;
  // By the name of the option or of the header.
  const auto some = described(request, response, {{"custom.0", "accept"}, {"custom.1", "Server"}});
  EXPECT_NE(some.find(R"("request_headers":[{"name":"Accept","value":"*/*"}],)"
                      R"("response_headers":[{"name":"Server","value":"nginx"}])"),
            std::string::npos)
      << some;
}

TEST(HttpEve, ARangeAndAStatusThatIsNoNumber) {
  const auto range = described(
      request, "HTTP/1.1 206 Part\r\nContent-Range: bytes 2-3/10\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_NE(range.find(R"("content_range":{"raw":"bytes 2-3/10","start":2,"end":3,"size":10})"),
            std::string::npos)
      << range;
  const auto status = described(request, "HTTP/1.1 2xx OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_NE(status.find(R"("status_string":"2xx")"), std::string::npos) << status;
  EXPECT_EQ(status.find(R"("status":)"), std::string::npos) << status;
}

}  // namespace
}  // namespace ww::sensor::test
