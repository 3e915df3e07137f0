/// What each keyword of HTTP sees; the modifiers of old.
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

class HttpKeyword : public testing::Test {
 protected:
  void SetUp() override {
    d_.client(
        "POST /a%2Fb/../c?x=Y HTTP/1.1\r\nHost: PACS.Example:8080\r\nUser-Agent: Curl/8\r\n"
        "Accept: text/html\r\nAccept-Encoding: gzip\r\nAccept-Language: en\r\n"
        "Connection: close\r\nCookie: id=1\r\nReferer: http://ref/\r\n"
        "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello");
    d_.server(
        "HTTP/1.0 302 Moved On\r\nServer: nginx\r\nLocation: http://other/\r\n"
        "Set-Cookie: id=2\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>");
    d_.finish();
  }
  bool asks(const std::string& options) { return holds(d_, "http", Dir::to_server, options); }
  bool says(const std::string& options) { return holds(d_, "http", Dir::to_client, options); }

 private:
  Driver d_{"http", 6};
};

TEST_F(HttpKeyword, SeesHeadersOfTheRequest) {
  EXPECT_TRUE(asks("http.accept; content:\"text/html\"; bsize:9"));
  EXPECT_TRUE(asks("http_accept; content:\"text/html\""));
  EXPECT_TRUE(asks("http.accept_enc; content:\"gzip\"; bsize:4"));
  EXPECT_TRUE(asks("http.accept_lang; content:\"en\"; bsize:2"));
  EXPECT_FALSE(asks("http.accept_lang; content:\"de\""));
  EXPECT_TRUE(asks("http.connection; content:\"close\"; bsize:5"));
  EXPECT_TRUE(asks("http.content_len; content:\"5\"; bsize:1"));
  EXPECT_TRUE(asks("http.content_type; content:\"text/plain\"; bsize:10"));
  EXPECT_TRUE(asks("http.referer; content:\"http://ref/\"; bsize:11"));
  EXPECT_TRUE(asks("http.protocol; content:\"HTTP/1.1\"; bsize:8"));
  EXPECT_FALSE(asks("http.protocol; content:\"HTTP/1.0\""));
  EXPECT_FALSE(asks("http.location; content:\"http\""));
  EXPECT_TRUE(asks("http.request_line; content:\"POST /a%2Fb/../c?x=Y HTTP/1.1\"; bsize:29"));
  EXPECT_TRUE(asks("http.header_names; content:\"|0d 0a|Host|0d 0a|\"; startswith"));
  EXPECT_TRUE(asks("http.start; content:\"HTTP/1.1|0d 0a|Host: PACS.Example:8080|0d 0a|\""));
}

TEST_F(HttpKeyword, SeesHeadersOfTheResponse) {
  EXPECT_TRUE(says("http.location; content:\"http://other/\"; bsize:13"));
  EXPECT_TRUE(says("http.server; content:\"nginx\"; bsize:5"));
  EXPECT_TRUE(says("http.content_len; content:\"6\""));
  EXPECT_TRUE(says("http.content_type; content:\"text/html\""));
  EXPECT_FALSE(says("http.content_type; content:\"text/plain\""));
  EXPECT_TRUE(says("http.protocol; content:\"HTTP/1.0\""));
  EXPECT_TRUE(says("http.cookie; content:\"id=2\"; bsize:4"));
  EXPECT_TRUE(says("http.response_line; content:\"302 Moved On\"; endswith"));
  EXPECT_FALSE(says("http.accept; content:\"text\""));
  EXPECT_FALSE(says("http.user_agent; content:\"Curl\""));
}

TEST_F(HttpKeyword, OfOldModifiesTheContentBeforeIt) {
  EXPECT_TRUE(asks("content:\"POST\"; http_method"));
  EXPECT_FALSE(asks("content:\"GET\"; http_method"));
  EXPECT_TRUE(asks("content:\"Y\"; http_uri; content:\"%2F\"; http_raw_uri"));
  EXPECT_FALSE(asks("content:\"%2F\"; http_uri"));
  EXPECT_TRUE(asks("uricontent:\"x=Y\""));
  EXPECT_FALSE(asks("uricontent:!\"x=Y\""));
  EXPECT_TRUE(asks("content:\"pacs.example\"; http_host"));
  EXPECT_FALSE(asks("content:\"8080\"; http_host"));
  EXPECT_TRUE(asks("content:\"PACS.Example:8080\"; http_raw_host"));
  EXPECT_TRUE(asks("content:\"Curl\"; http_user_agent; depth:4"));
  EXPECT_TRUE(asks("content:\"Accept: text/html\"; http_header"));
  EXPECT_FALSE(asks("content:\"Cookie\"; http_header"));
  EXPECT_TRUE(asks("content:\"Accept: text/html\"; http_raw_header"));
  EXPECT_TRUE(asks("content:\"id=1\"; http_cookie"));
  EXPECT_TRUE(asks("content:\"Hello\"; http_client_body"));
  EXPECT_TRUE(says("content:\"<html>\"; http_server_body"));
  EXPECT_TRUE(says("content:\"302\"; http_stat_code"));
  EXPECT_TRUE(says("content:\"Moved\"; http_stat_msg"));
  EXPECT_FALSE(says("content:\"200\"; http_stat_code"));
}

TEST_F(HttpKeyword, MeasuresTheUri) {
  EXPECT_TRUE(asks("urilen:15"));  // as sent
  EXPECT_TRUE(asks("urilen:15,raw"));
  EXPECT_FALSE(asks("urilen:15,norm"));
  EXPECT_TRUE(asks("urilen:<15,norm"));
  EXPECT_TRUE(asks("urilen:10<>20"));
  EXPECT_FALSE(asks("urilen:>15"));
}

}  // namespace
}  // namespace ww::sensor::test
