#pragma once
/// Packets built by hand, one header at a time, innermost last: eth(0x0800) + ipv4({...},
/// tcp(...)).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sensors/decode/checksum.hpp"
#include "sensors/decode/decoder.hpp"

namespace ww::decode::test {

using Octets = std::vector<std::uint8_t>;

inline Octets operator+(Octets a, const Octets& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Octets hex(std::string_view text) {
  Octets out;
  int nibble = -1;
  for (const char c : text) {
    const int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (v < 0) continue;
    if (nibble < 0) {
      nibble = v;
    } else {
      out.push_back(static_cast<std::uint8_t>(nibble * 16 + v));
      nibble = -1;
    }
  }
  return out;
}
inline Octets text(std::string_view s) { return {s.begin(), s.end()}; }
inline Octets zeros(std::size_t n) { return Octets(n, 0); }
inline Octets be16(unsigned v) {
  return {static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
}
inline Octets be32(std::uint32_t v) { return be16(v >> 16) + be16(v & 0xffff); }

inline void put16(Octets& o, std::size_t at, unsigned v) {
  o[at] = static_cast<std::uint8_t>(v >> 8);
  o[at + 1] = static_cast<std::uint8_t>(v);
}

inline Octets eth(unsigned type, const Octets& payload) {
  return hex("020000000002 020000000001") + be16(type) + payload;
}

struct V4 {
  unsigned proto = 6;
  std::string src = "0a000001", dst = "0a000002";
  unsigned id = 1, flags_offset = 0;
  Octets options = {};  ///< a multiple of 4 octets
  int total = -1;       ///< to lie about the length
  int header_words = -1;
  unsigned version = 4, ttl = 64;
};
inline Octets ipv4(const V4& h, const Octets& payload) {
  const auto header = 20 + h.options.size();
  const auto words = h.header_words >= 0 ? static_cast<unsigned>(h.header_words)
                                         : static_cast<unsigned>(header / 4);
  const auto total = h.total >= 0 ? static_cast<unsigned>(h.total)
                                  : static_cast<unsigned>(header + payload.size());
  Octets o{static_cast<std::uint8_t>(h.version << 4 | words), 0};
  o = o + be16(total) + be16(h.id) + be16(h.flags_offset);
  o = o + Octets{static_cast<std::uint8_t>(h.ttl), static_cast<std::uint8_t>(h.proto), 0, 0} +
      hex(h.src) + hex(h.dst);
  o = o + h.options;
  put16(o, 10, checksum_finish(checksum_add(o, 0)));
  return o + payload;
}

struct V6 {
  unsigned next = 6;
  std::string src = "20010db8000000000000000000000001", dst = "20010db8000000000000000000000002";
  int length = -1;
  unsigned version = 6, hop_limit = 64;
};
inline Octets ipv6(const V6& h, const Octets& payload) {
  const auto n =
      h.length >= 0 ? static_cast<unsigned>(h.length) : static_cast<unsigned>(payload.size());
  return Octets{static_cast<std::uint8_t>(h.version << 4), 0, 0, 0} + be16(n) +
         Octets{static_cast<std::uint8_t>(h.next), static_cast<std::uint8_t>(h.hop_limit)} +
         hex(h.src) + hex(h.dst) + payload;
}

struct Tcp {
  unsigned sport = 1234, dport = 80;
  std::uint32_t seq = 100, ack = 200;
  unsigned flags = 0x10, window = 8192;
  Octets options = {};
  int header_words = -1;
};
inline Octets tcp(const Tcp& h, const Octets& payload) {
  const auto words = h.header_words >= 0 ? static_cast<unsigned>(h.header_words)
                                         : static_cast<unsigned>(5 + h.options.size() / 4);
  return be16(h.sport) + be16(h.dport) + be32(h.seq) + be32(h.ack) +
         Octets{static_cast<std::uint8_t>(words << 4), static_cast<std::uint8_t>(h.flags)} +
         be16(h.window) + be16(0) + be16(0) + h.options + payload;
}
inline Octets udp(unsigned sport, unsigned dport, const Octets& payload, int length = -1) {
  return be16(sport) + be16(dport) +
         be16(length >= 0 ? static_cast<unsigned>(length)
                          : static_cast<unsigned>(8 + payload.size())) +
         be16(0) + payload;
}
inline Octets icmp(unsigned type, unsigned code, const Octets& rest = zeros(4)) {
  return Octets{static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(code), 0, 0} + rest;
}

/// What a sink saw, copied so that it outlives the call.
struct Seen {
  sig::Packet packet;
  std::string payload;
  std::string ip;
  std::vector<std::string> events;
  bool has_outer = false;
  [[nodiscard]] bool event(std::string_view name) const {
    for (const auto& e : events)
      if (e == "decoder." + std::string(name)) return true;
    return false;
  }
};

class Collect final : public Sink {
 public:
  void packet(sig::Packet& p) override {
    Seen s;
    s.packet = p;
    s.payload = as_text(p.payload);
    s.ip = as_text(p.ip);
    s.has_outer = p.outer != nullptr;
    for (const auto e : p.events()) s.events.emplace_back(sig::events().name(e));
    seen.push_back(std::move(s));
  }
  std::vector<Seen> seen;
};

inline Settings settings(std::initializer_list<std::string_view> assignments = {}) {
  Settings s;
  for (const auto a : assignments) (void)s.set_assignment(a);
  return s;
}

/// Decodes frames one after the other with a fresh decoder; gives what came out of all of them.
inline std::vector<Seen> decode_all(const std::vector<Octets>& frames, int datalink = 1,
                                    const Settings& s = settings(),
                                    ChecksumMode mode = ChecksumMode::none) {
  Decoder d(s, mode);
  Collect sink;
  std::uint64_t n = 0;
  for (const auto& f : frames) {
    ++n;
    d.decode(f, datalink, Timestamp{static_cast<std::int64_t>(n) * 1000}, n, sink);
  }
  return sink.seen;
}
inline std::vector<Seen> decode(const Octets& frame, int datalink = 1,
                                const Settings& s = settings(),
                                ChecksumMode mode = ChecksumMode::none) {
  return decode_all({frame}, datalink, s, mode);
}

}  // namespace ww::decode::test
