/// Transforms one by one: what a buffer is turned into, what they refuse.
#include <openssl/evp.h>
#include <zlib.h>

#include "rules/signature/text.hpp"
#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

/// Whether rules on http.uri after these transforms match a URI.
bool holds(const std::string& transforms, const std::string& wanted, const std::string& uri) {
  Rules rules("alert http any any -> any any (http.uri; " + transforms + " " + wanted +
              " sid:1;)\n");
  EXPECT_EQ(rules.errors(), "") << transforms;
  DemoTx tx;
  tx.proto = demo_proto();
  tx.name = uri;
  Wire wire(6);
  wire.flow.app_proto = wire.flow.app_proto_dir[0] = wire.flow.app_proto_dir[1] = demo_proto();
  wire.flow.live = {&tx};
  return rules.matcher->inspect(wire.make("x"), {}).size() == 1;
}
/// What comes out, octet by octet.
bool becomes(const std::string& transforms, const std::string& uri, const std::string& out) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : out) {
    hex += digits[static_cast<unsigned char>(c) >> 4];
    hex += digits[c & 15];
    hex += ' ';
  }
  return holds(transforms, "content:\"|" + hex + "|\"; bsize:" + std::to_string(out.size()) + ";",
               uri);
}
std::string digest(const EVP_MD* algorithm, const std::string& text) {
  unsigned char d[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  EVP_Digest(text.data(), text.size(), d, &n, algorithm, nullptr);
  return {reinterpret_cast<const char*>(d), n};
}
std::string compressed(const std::string& text, int window_bits) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string refused(const std::string& options) {
  return Rules("alert http any any -> any any (http.uri; " + options + " sid:1;)\n").errors();
}

TEST(Transforms, WhiteSpace) {
  EXPECT_TRUE(becomes("compress_whitespace;", " A \t\x0b B\r\nC ",
                      " A B\rC "));  // the first of a run stays
  EXPECT_TRUE(becomes("compress_whitespace; to_lowercase;", "A  B", "a b"));
  EXPECT_TRUE(becomes("strip_whitespace;", " A \t\x0b B\r\nC ", "ABC"));
}

TEST(Transforms, CaseOfLetters) {
  EXPECT_TRUE(becomes("to_lowercase;", "/Admin\xc4", "/admin\xc4"));
  EXPECT_TRUE(becomes("to_uppercase;", "/Admin\xe4", "/ADMIN\xe4"));
}

TEST(Transforms, Hashes) {
  EXPECT_TRUE(becomes("to_md5;", " A B C D ", digest(EVP_md5(), " A B C D ")));
  EXPECT_TRUE(becomes("to_sha1;", " A B C D ", digest(EVP_sha1(), " A B C D ")));
  EXPECT_TRUE(becomes("to_sha256;", " A B C D ", digest(EVP_sha256(), " A B C D ")));
}

TEST(Transforms, HeaderText) {
  EXPECT_TRUE(becomes("header_lowercase;", "Host: A\r\nX-Y:B\n", "host: A\r\nx-y:B\n"));
  EXPECT_TRUE(becomes("header_lowercase;", ":Method: GET\nA: B\n", ":Method: GET\na: B\n"));
  EXPECT_TRUE(becomes("strip_pseudo_headers;", "A: b\n:method: get\nc: d", "A: b\nc: d"));
}

TEST(Transforms, UrlDecode) {
  EXPECT_TRUE(becomes("url_decode;", "Suricata%20is+%27%61wesome%21%27%25%30%30%ZZ%4",
                      "Suricata is 'awesome!'%00%ZZ%4"));
}

TEST(Transforms, FirstGroupOfAnExpression) {
  EXPECT_TRUE(becomes("pcrexform:\"[a-z]+=(.*)&\";", "/x?name=anna&b=1", "anna"));
  EXPECT_TRUE(becomes("pcrexform:\"[A-Z]+=(.*)&\";", "/x?name=anna&b=1", "/x?name=anna&b=1"));
  EXPECT_NE(refused("pcrexform:\"(a)(b)\"; content:\"a\";"), "");
  EXPECT_NE(refused("pcrexform:\"ab\"; content:\"a\";"), "");
}

TEST(Transforms, Base64) {
  const std::string text = "VGhpcyBpcyBTdXJpY2F0YQ==";
  EXPECT_TRUE(becomes("from_base64;", text, "This is Suricata"));
  EXPECT_TRUE(becomes("from_base64:mode rfc2045;", "Zm 9v Ym Fy", "foobar"));
  EXPECT_TRUE(becomes("from_base64:bytes 12;", text, "This is S"));
  EXPECT_TRUE(becomes("from_base64:offset 4;", text, "s is Suricata"));
  EXPECT_TRUE(becomes("from_base64:mode rfc2045, bytes 15;", "SGVs bG8 gV29y bGQ=", "Hello Wor"));
  // A buffer that does not reach so far stays as it is.
  EXPECT_TRUE(becomes("from_base64:bytes 25;", text, text));
  EXPECT_TRUE(becomes("from_base64:offset 25;", text, text));
  // What is no base64 at all has nothing to look at.
  EXPECT_FALSE(holds("from_base64:mode strict;", "content:!\"x\";", "This is Suricata\n"));
  EXPECT_NE(refused("from_base64:bytes 4, offset 70000; content:\"a\";"), "");
  EXPECT_NE(refused("from_base64:mode unknown; content:\"a\";"), "");
}

TEST(Transforms, Decompression) {
  const std::string text = "what was compressed, " + std::string(40, 'a');
  EXPECT_TRUE(becomes("gunzip;", compressed(text, 15 + 16), text));
  EXPECT_TRUE(becomes("gunzip:max-size 8;", compressed(text, 15 + 16), text.substr(0, 8)));
  EXPECT_TRUE(becomes("gunzip:max-size=8;", compressed(text, 15 + 16), text.substr(0, 8)));
  EXPECT_TRUE(becomes("zlib_deflate;", compressed(text, 15), text));
  EXPECT_TRUE(becomes("zlib_deflate:max-size=1KiB;", compressed(text, 15), text));
  EXPECT_FALSE(holds("gunzip;", "content:\"what\";", compressed(text, 15)));
  EXPECT_FALSE(holds("zlib_deflate;", "content:\"what\";", text));
  EXPECT_EQ(refused("gunzip:max-size=16MiB; content:\"a\";"), "");
  for (const auto* bad :
       {"max-size=0", "max-size=17MiB", "max-size", "size=8", "max-size=big", "8"})
    EXPECT_NE(refused("gunzip:" + std::string(bad) + "; content:\"a\";"), "") << bad;
}

TEST(Transforms, RefusePatternsThatCannotComeOut) {
  EXPECT_EQ(refused("to_lowercase; content:\"ABC\"; nocase;"),
            "content: the pattern cannot be in what to_lowercase makes of the buffer\n");
  EXPECT_NE(refused("to_uppercase; content:\"abc\";"), "");
  EXPECT_NE(refused("strip_whitespace; content:\"a b\";"), "");
  EXPECT_NE(refused("compress_whitespace; content:\"a  b\";"), "");
  EXPECT_EQ(refused("compress_whitespace; content:\"a b\";"), "");
  EXPECT_EQ(refused("to_lowercase; content:\"abc\"; http.uri; content:\"ABC\";"), "");
}

TEST(Transforms, WhatIsNotSupportedIsRefusedWithTheReason) {
  EXPECT_EQ(refused("nfq_set_mark:0x2/0xffff;"),
            "'nfq_set_mark' is not supported: Wardwatch watches traffic and holds no packets in a "
            "queue\n");
  EXPECT_EQ(refused("luaxform:script.lua; content:\"a\";"),
            "'luaxform' is not supported: Wardwatch runs no scripts from rules\n");
  EXPECT_EQ(refused("content:\"a\"; lua:script.lua;"),
            "'lua' is not supported: Wardwatch runs no scripts from rules\n");
}

TEST(NumberTests, HaveUnitsAndRefuseWhatIsAlwaysOrNever) {
  const auto holds_for = [](const char* text, std::uint64_t v) {
    const auto t = parse_number_test(text, 65535);
    EXPECT_TRUE(t) << text;
    return t && t->test(v);
  };
  EXPECT_TRUE(holds_for("0x10", 16));
  EXPECT_TRUE(holds_for("2kb", 2048));
  EXPECT_TRUE(holds_for(">1KiB", 1025));
  EXPECT_FALSE(holds_for(">1KiB", 1024));
  EXPECT_TRUE(holds_for("!19-22", 19));
  EXPECT_FALSE(holds_for("!19-22", 20));
  EXPECT_TRUE(holds_for("!=20", 21));
  EXPECT_TRUE(holds_for("&0xc0=0x80", 0x9f));
  EXPECT_FALSE(holds_for("&0xc0=0x80", 0xc0));
  EXPECT_TRUE(holds_for("&0xc0!=0", 0x40));
  for (const auto* text :
       {"<0", ">65535", ">=0", "<=65535", "1-2", "2-1", "64kb", "&0xc0=2", "x", "", ">", "1mb"})
    EXPECT_FALSE(parse_number_test(text, 65535)) << text;
}

}  // namespace
}  // namespace ww::sig::test
