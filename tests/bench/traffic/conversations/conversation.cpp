#include "tests/bench/traffic/conversations/conversation.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <span>

namespace ww::bench {
namespace {

std::uint64_t rotl(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

const char* const hosts[] = {
    "portal.example.nhs.uk",    "pacs.example.nhs.uk", "cdn.example.net",
    "www.example.org",          "api.example.com",     "login.example.com",
    "updates.example.net",      "images.example.org",  "news.example.co.uk",
    "telemetry.example.com",    "static.example.io",   "rota.example.nhs.uk",
    "pathology.example.nhs.uk", "fonts.example.com",   "shop.example.co.uk",
    "mirror.example.org"};
const char* const agents[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 "
    "Safari/605.1.15",
    "Microsoft-CryptoAPI/10.0",
    "curl/8.5.0",
    "python-requests/2.31.0"};
const char* const paths[] = {"/",
                             "/index.html",
                             "/assets/app.js",
                             "/assets/style.css",
                             "/api/v1/patients",
                             "/api/v1/appointments",
                             "/img/logo.png",
                             "/search",
                             "/login",
                             "/download/file.bin",
                             "/static/fonts/a.woff2",
                             "/rota/week"};

std::string gzip(const std::string& text) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) return text;
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// Sizes spread over orders of magnitude, as on a real network.
std::size_t size_between(Random& r, std::size_t low, std::size_t high) {
  double x = static_cast<double>(low);
  const double ratio = static_cast<double>(high) / static_cast<double>(low);
  double u = static_cast<double>(r.below(1'000'000)) / 1e6;
  u *= u;  // small ones are common
  double factor = 1;
  for (double part = u; part > 0.001; part /= 2) {
    // ratio^u by repeated square roots keeps <cmath> differences between machines out
    factor *= 1 + (ratio - 1) * part / 2 * u;
    if (factor > ratio) break;
  }
  return static_cast<std::size_t>(std::clamp(x * factor, x, static_cast<double>(high)));
}

std::string number(std::uint64_t n) { return std::to_string(n); }

}  // namespace

Random::Random(std::uint64_t seed) {
  for (auto& s : s_) {  // splitmix64
    seed += 0x9e3779b97f4a7c15ULL;
    auto z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    s = z ^ (z >> 31);
  }
}
std::uint64_t Random::next() {
  const auto result = rotl(s_[1] * 5, 7) * 9;
  const auto t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = rotl(s_[3], 45);
  return result;
}
std::string Random::octets(std::size_t n) {
  std::string out(n, '\0');
  for (std::size_t i = 0; i < n; i += 8) {
    const auto x = next();
    std::memcpy(out.data() + i, &x, std::min<std::size_t>(8, n - i));
  }
  return out;
}
std::string Random::words(std::size_t n) {
  static constexpr std::array<std::string_view, 48> list{
      "the",       "ward",   "patient", "of",     "and",   "record",   "to",      "clinic",
      "a",         "result", "is",      "in",     "nurse", "with",     "for",     "imaging",
      "at",        "was",    "request", "letter", "that",  "by",       "theatre", "from",
      "discharge", "on",     "has",     "script", "value", "function", "return",  "window",
      "document",  "class",  "div",     "span",   "href",  "style",    "color",   "width",
      "data",      "name",   "id",      "login",  "admin", "update",   "system",  "cmd"};
  std::string out;
  out.reserve(n + 12);
  while (out.size() < n) {
    const auto x = next();
    for (int i = 0; i < 8 && out.size() < n; ++i) {
      out += list[(x >> (8 * i)) % list.size()];
      out += (x >> (8 * i + 6) & 3) == 3 ? '\n' : ' ';
    }
  }
  out.resize(n);
  return out;
}

Conversation http_conversation(Random& r) {
  Conversation c;
  c.port = r.chance(85) ? 80 : 8080;
  const std::string host = r.pick(hosts), agent = r.pick(agents);
  const auto requests = 1 + r.below(6);
  for (std::uint64_t i = 0; i < requests; ++i) {
    const bool post = r.chance(15);
    std::string body;
    if (post)
      body = "{\"nhs\":\"" + number(r.below(10'000'000'000ULL)) + "\",\"note\":\"" +
             r.words(size_between(r, 40, 4000)) + "\"}";
    std::string q = std::string(post ? "POST " : "GET ") + r.pick(paths);
    if (r.chance(50)) q += "?id=" + number(r.next() % 100000) + "&session=" + number(r.next());
    q += " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: " + agent +
         "\r\nAccept: "
         "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8\r\nAccept-Language: "
         "en-GB,en;q=0.5\r\n"
         "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nCookie: sid=" +
         number(r.next()) + number(r.next()) + "\r\n";
    if (r.chance(60)) q += "Referer: http://" + host + "/\r\n";
    if (post)
      q += "Content-Type: application/json\r\nContent-Length: " + number(body.size()) + "\r\n";
    q += "\r\n" + body;
    c.messages.push_back({true, std::move(q)});

    const auto kind = r.below(10);
    std::string answer, type, encoding;
    if (kind < 4) {
      type = "text/html; charset=utf-8";
      answer = "<!DOCTYPE html><html><head><title>" + r.words(24) + "</title></head><body>" +
               r.words(size_between(r, 500, 60'000)) + "</body></html>";
      if (r.chance(60)) {
        answer = gzip(answer);
        encoding = "Content-Encoding: gzip\r\n";
      }
    } else if (kind < 6) {
      type = "application/javascript";
      answer = "function f(a){return a;}\n" + r.words(size_between(r, 1000, 80'000));
      if (r.chance(50)) {
        answer = gzip(answer);
        encoding = "Content-Encoding: gzip\r\n";
      }
    } else if (kind < 8) {
      type = "image/jpeg";
      answer = "\xff\xd8\xff\xe0" + r.octets(size_between(r, 2000, 200'000));
    } else if (kind < 9) {
      type = "application/json";
      answer = "{\"items\":[\"" + r.words(size_between(r, 100, 8000)) + "\"]}";
    } else {
      type = "application/octet-stream";
      answer = r.octets(size_between(r, 10'000, 600'000));
    }
    std::string head = r.chance(92) ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 404 Not Found\r\n";
    head += "Server: nginx/1.22.1\r\nDate: Mon, 02 Nov 2026 09:00:00 GMT\r\nContent-Type: " + type +
            "\r\n" + encoding + "Cache-Control: max-age=600\r\nX-Request-Id: " + number(r.next()) +
            "\r\n";
    if (r.chance(30)) {
      head += "Transfer-Encoding: chunked\r\n\r\n";
      std::string chunked;
      for (std::size_t at = 0; at < answer.size();) {
        const auto n = std::min<std::size_t>(answer.size() - at, 4096 + r.below(8192));
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", n);
        chunked += size;
        chunked.append(answer, at, n);
        chunked += "\r\n";
        at += n;
      }
      answer = chunked + "0\r\n\r\n";
    } else {
      head += "Content-Length: " + number(answer.size()) + "\r\n\r\n";
    }
    c.messages.push_back({false, head + answer});
  }
  return c;
}

Conversation dns_conversation(Random& r) {
  Conversation c;
  c.ip_proto = 17;
  c.port = 53;
  std::string name;
  const auto label = [&](std::string_view l) {
    name += static_cast<char>(l.size());
    name += l;
  };
  std::string text = r.pick(hosts);
  if (r.chance(40)) label("h" + number(r.below(100000)));
  for (std::size_t at = 0; at < text.size();) {
    const auto dot = std::min(text.find('.', at), text.size());
    label(std::string_view(text).substr(at, dot - at));
    at = dot + 1;
  }
  name += '\0';
  const auto id = r.octets(2);
  static constexpr char types[] = {1, 1, 1, 28, 28, 65, 16, 15, 12};
  const char type = types[r.below(sizeof types)];
  const std::string question = name + std::string("\0", 1) + type + std::string("\0\1", 2);
  c.messages.push_back({true, id + std::string("\x01\0\0\1\0\0\0\0\0\0", 10) + question});
  std::string answer = id;
  const bool missing = r.chance(10);
  answer += missing ? std::string("\x81\x83\0\1\0\0\0\0\0\0", 10)
                    : std::string("\x81\x80\0\1\0\1\0\0\0\0", 10);
  answer += question;
  if (!missing) {
    std::string data;
    char t = type;
    if (t == 28) {
      data = r.octets(16);
    } else if (t == 16) {
      const auto s = "v=spf1 include:" + text + " -all";
      data = static_cast<char>(s.size()) + s;
    } else if (t == 1) {
      data = r.octets(4);
    } else {
      t = 5;
      data = std::string("\xc0\x0c", 2);
    }
    answer += std::string("\xc0\x0c\0", 3) + t + std::string("\0\1\0\0\1\x2c", 6);
    answer += static_cast<char>(data.size() >> 8);
    answer += static_cast<char>(data.size() & 255);
    answer += data;
  }
  c.messages.push_back({false, std::move(answer)});
  return c;
}

Conversation other_conversation(Random& r) {
  Conversation c;
  const auto kind = r.below(4);
  if (kind == 0) {  // SSH, as far as anyone can read it
    c.port = 22;
    c.messages = {{false, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"}, {true, "SSH-2.0-OpenSSH_9.6\r\n"}};
  } else if (kind == 1) {  // an unknown protocol over TCP
    c.port = static_cast<std::uint16_t>(10'000 + r.below(40'000));
  } else if (kind == 2) {  // media over UDP
    c.ip_proto = 17;
    c.port = static_cast<std::uint16_t>(20'000 + r.below(20'000));
  } else {  // HL7 version 2 over MLLP
    c.port = 2575;
    for (int i = 0; i < 4; ++i) {
      c.messages.push_back({true, "\x0bMSH|^~\\&|LAB|RX1|PAS|RX1|20261102090000||ORU^R01|" +
                                      number(r.next()) + "|P|2.4\rPID|1||" + number(r.next()) +
                                      "\rOBX|1|TX|||" + r.words(300) + "\r\x1c\r"});
      c.messages.push_back(
          {false, "\x0bMSH|^~\\&|PAS|RX1|LAB|RX1|20261102090001||ACK|1|P|2.4\rMSA|AA|1\r\x1c\r"});
    }
    return c;
  }
  const auto rounds = 2 + r.below(20);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    c.messages.push_back({true, r.octets(32 + r.below(600))});
    c.messages.push_back(
        {false, r.octets(c.ip_proto == 17 ? 100 + r.below(1200) : size_between(r, 100, 20'000))});
  }
  return c;
}

Conversation hostile_conversation(Random& r) {
  static const char* const near[] = {
      "cmd.exe /c powershel -enc SQBFAFgA",
      "<script>eval(unescape('%u9090%u909",
      "/bin/sh -i >& /dev/tcq/",
      "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1",
      "SELECT * FROM information_schema.table",
      "This program cannot be run in DOS mod",
      "MZ\x90\0\3",
      "union select 1,2,3,4,5,6,7,8,9,10 from admi",
      "\xff\xd8\xff\xe0 JFIF Exif",
      "/etc/passw",
      "GET /wp-content/plugins/",
      "ftp.exe -s:a.tx"};
  Conversation c;
  c.port = r.chance(70) ? 80 : static_cast<std::uint16_t>(1024 + r.below(60'000));
  const auto kind = r.below(3);
  c.mss = kind == 0 ? 1 + r.below(8) : 536;
  c.finish = r.chance(50);
  if (kind == 2) return c;  // a handshake and nothing more
  std::string body;
  const auto n = kind == 0 ? 400 : size_between(r, 2000, 20'000);
  while (body.size() < n) {
    body += r.pick(near);
    body += r.chance(30) ? r.words(20)
                         : std::string(static_cast<std::size_t>(r.below(30)),
                                       static_cast<char>('a' + r.below(26)));
  }
  std::string q = "POST /" + body.substr(0, std::min<std::size_t>(200, body.size())) +
                  " HTTP/1.1\r\nHost: " + std::string(r.pick(hosts)) +
                  "\r\nContent-Length: " + number(body.size()) + "\r\n\r\n" + body;
  for (auto& ch : std::span(q).first(std::min<std::size_t>(205, q.size())).subspan(6))
    if (ch == ' ' || ch == '\0') ch = '+';
  c.messages.push_back({true, std::move(q)});
  c.messages.push_back({false, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " +
                                   number(body.size()) + "\r\n\r\n" + body});
  return c;
}

}  // namespace ww::bench
