/// Which files a `filestore` rule has stored: the one it chose, its transaction's or its flow's.
#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

std::string post(const std::string& path, const std::string& type, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Names of the files that were stored, "<" before those of the server.
std::string stored(const std::string& options) {
  const ww::test::TempFolder folder;
  Sensor s("alert http any any -> any any (msg:\"x\"; " + options + " sid:1;)", {},
           "outputs:\n - file-store: {version: 2, enabled: yes, dir: " + (folder / "store") +
               "}\n - eve-log:\n    enabled: yes\n    types:\n     - files\n");
  Tcp t(80);
  s.frames(t.open());
  s.frames(t.say(false, post("/form", "multipart/form-data; boundary=B",
                             "--B\r\nContent-Disposition: form-data; name=\"f\"; "
                             "filename=\"a.txt\"\r\n\r\nfile one\r\n"
                             "--B\r\nContent-Disposition: form-data; name=\"g\"; "
                             "filename=\"b.txt\"\r\n\r\nfile two\r\n--B--\r\n")));
  s.frames(t.say(true, ok("answer")));
  s.frames(t.say(false, post("/next", "application/x", "more")));
  s.frames(t.say(true, ok("again")));
  s.frames(t.close());
  const auto& text = s.finish();
  std::string out;
  for (const char* name : {"a.txt", "b.txt", "/form", "/next"})
    for (const bool back : {false, true}) {
      const auto from = back ? R"("src_ip":"192.0.2.1")" : R"("src_ip":"10.0.0.1")";
      const auto file = R"("filename":")" + std::string(name) + '"';
      if (count_lines(text, {from, file, R"("stored":true)"}) != 0)
        out += std::string(out.empty() ? "" : " ") + (back ? "<" : "") + name;
    }
  return out;
}

TEST(FilestoreRules, StoreTheFileThatTheRuleChose) {
  EXPECT_EQ(stored("filename:\"b.txt\"; filestore;"), "b.txt");
  EXPECT_EQ(stored("http.uri; content:\"/form\"; filestore;"), "a.txt b.txt");
  EXPECT_EQ(stored("filename:\"b.txt\"; filestore:request,file;"), "b.txt");
}

TEST(FilestoreRules, StoreWhatComesLaterInTheTransaction) {
  EXPECT_EQ(stored("filename:\"b.txt\"; filestore:both,tx;"), "a.txt b.txt </form");
  EXPECT_EQ(stored("filename:\"b.txt\"; filestore:response;"), "</form");
  EXPECT_EQ(stored("filename:\"b.txt\"; filestore:request;"), "a.txt b.txt");
}

TEST(FilestoreRules, StoreWhatComesLaterInTheFlow) {
  EXPECT_EQ(stored("filename:\"b.txt\"; filestore:both,flow;"), "a.txt b.txt </form /next </next");
  EXPECT_EQ(stored("filename:\"b.txt\"; filestore:to_client,ssn;"), "</form </next");
}

}  // namespace
}  // namespace ww::sensor::test
