/// SMB 2 conversations ([MS-SMB2]): negotiate, a guest's session, a share, files written and read.
#include "tests/bench/traffic/conversations/conversation.hpp"

namespace ww::bench {
namespace {

std::string le(std::uint64_t v, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += static_cast<char>(v >> (8 * i) & 255);
  return out;
}
std::string utf16(std::string_view s) {
  std::string out;
  for (const char c : s) {
    out += c;
    out += '\0';
  }
  return out;
}

struct Smb {
  Conversation c;
  std::uint64_t id = 0;
  void message(bool request, std::uint16_t command, const std::string& body,
               std::uint32_t status = 0) {
    std::string h = "\xfeSMB" + le(64, 2) + le(1, 2) + le(status, 4) + le(command, 2) + le(31, 2) +
                    le(request ? 0 : 1, 4) + le(0, 4) + le(id, 8) + le(0xfeff, 4) + le(5, 4) +
                    le(0x400000000001ULL, 8) + std::string(16, '\0');
    const auto n = h.size() + body.size();
    std::string nbss = {'\0', static_cast<char>(n >> 16), static_cast<char>(n >> 8),
                        static_cast<char>(n)};
    c.messages.push_back({request, nbss + h + body});
    if (!request) ++id;
  }
};

}  // namespace

Conversation smb_conversation(Random& r) {
  Smb s;
  s.c.port = 445;
  const auto guid = r.octets(16);
  s.message(true, 0,
            le(36, 2) + le(3, 2) + le(1, 2) + le(0, 2) + le(0x7f, 4) + guid + le(0, 8) +
                le(0x0202, 2) + le(0x0210, 2) + le(0x0300, 2));
  s.message(false, 0,
            le(65, 2) + le(1, 2) + le(0x0300, 2) + le(0, 2) + r.octets(16) + le(0x7f, 4) +
                le(1 << 20, 4) + le(1 << 20, 4) + le(1 << 20, 4) + le(0x01dc000000000000ULL, 8) +
                le(0, 8) + le(128, 2) + le(0, 2) + le(0, 4));
  const std::string ntlm1 = std::string("NTLMSSP\0", 8) + le(1, 4) + le(0xe2088297, 4) +
                            std::string(16, '\0') + std::string("\x0a\0\x61\x4a\0\0\0\x0f", 8);
  s.message(true, 1,
            le(25, 2) + le(1, 2) + le(1, 4) + le(0, 4) + le(88, 2) + le(ntlm1.size(), 2) +
                le(0, 8) + ntlm1);
  const std::string ntlm2 = std::string("NTLMSSP\0", 8) + le(2, 4) + std::string(8, '\0') +
                            le(0xe2898215, 4) + r.octets(8) + std::string(24, '\0');
  s.message(false, 1, le(9, 2) + le(0, 2) + le(72, 2) + le(ntlm2.size(), 2) + ntlm2, 0xc0000016);
  const auto domain = utf16("TRUST"), user = utf16("user" + std::to_string(r.below(500))),
             host = utf16("WS" + std::to_string(r.below(900)));
  std::string ntlm3 = std::string("NTLMSSP\0", 8) + le(3, 4);
  std::size_t at = 72;
  const auto field = [&](std::size_t n) {
    ntlm3 += le(n, 2) + le(n, 2) + le(at, 4);
    at += n;
  };
  for (const auto n :
       {std::size_t{24}, std::size_t{24}, domain.size(), user.size(), host.size(), std::size_t{0}})
    field(n);
  ntlm3 += le(0xe2888215, 4) + std::string("\x0a\0\x61\x4a\0\0\0\x0f", 8) + r.octets(48) + domain +
           user + host;
  s.message(true, 1,
            le(25, 2) + le(1, 2) + le(1, 4) + le(0, 4) + le(88, 2) + le(ntlm3.size(), 2) +
                le(0, 8) + ntlm3);
  s.message(false, 1, le(9, 2) + le(0, 2) + le(72, 2) + le(0, 2));
  const auto share = utf16("\\\\fs1.example.nhs.uk\\clinical");
  s.message(true, 3, le(9, 2) + le(0, 2) + le(72, 2) + le(share.size(), 2) + share);
  s.message(false, 3, le(16, 2) + le(1, 1) + le(0, 1) + le(0x800, 4) + le(0, 4) + le(0x1f01ff, 4));
  const auto files = 1 + r.below(4);
  for (std::uint64_t f = 0; f < files; ++f) {
    static const char* const names[] = {"letters\\clinic", "scans\\series", "rota\\week",
                                        "export\\extract"};
    const auto name = utf16(std::string(r.pick(names)) + std::to_string(r.below(9999)) +
                            (r.chance(50) ? ".docx" : ".dat"));
    s.message(true, 5,
              le(57, 2) + le(0, 2) + le(2, 4) + le(0, 16) + le(0x12019f, 4) + le(0, 4) + le(7, 4) +
                  le(1, 4) + le(0x40, 4) + le(120, 2) + le(name.size(), 2) + le(0, 8) + name);
    const auto handle = r.octets(16);
    s.message(false, 5,
              le(89, 2) + le(0, 2) + le(1, 4) + std::string(32, '\0') + le(65536, 8) +
                  le(60000, 8) + le(0x20, 4) + le(0, 4) + handle + le(0, 8));
    const auto total = 4096 + r.below(r.chance(20) ? 400'000 : 40'000);
    const bool write = r.chance(40), text = r.chance(50);
    for (std::uint64_t off = 0; off < total; off += 65536) {
      const auto n = std::min<std::uint64_t>(65536, total - off);
      const auto data = text ? r.words(n) : r.octets(n);
      if (write) {
        s.message(true, 9,
                  le(49, 2) + le(112, 2) + le(n, 4) + le(off, 8) + handle + le(0, 16) + data);
        s.message(false, 9, le(17, 2) + le(0, 2) + le(n, 4) + le(0, 8));
      } else {
        s.message(true, 8,
                  le(49, 2) + le(0x50, 2) + le(n, 4) + le(off, 8) + handle + le(1, 4) + le(0, 12) +
                      le(0, 1));
        s.message(false, 8, le(17, 2) + le(80, 1) + le(0, 1) + le(n, 4) + le(0, 8) + data);
      }
    }
    s.message(true, 6, le(24, 2) + le(0, 2) + le(0, 4) + handle);
    s.message(false, 6, le(60, 2) + std::string(58, '\0'));
  }
  return std::move(s.c);
}

}  // namespace ww::bench
