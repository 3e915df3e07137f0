/// Writes a capture of made-up traffic for the benchmarks: the same octets for the same arguments.
///   traffic_bench OUT.pcap [--lane mixed|http|tls|dns|smb|other|hostile] [--mib N] [--seed N]
///   [--flows N]
/// Many conversations run side by side; TCP has handshakes, acknowledgements and ends.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/bench/traffic/conversations/conversation.hpp"

namespace {

using namespace ww::bench;

class Writer {
 public:
  explicit Writer(const char* path) : file_(std::fopen(path, "wb")) {
    if (file_ == nullptr) {
      std::perror(path);
      std::exit(2);
    }
    std::setvbuf(file_, nullptr, _IOFBF, 1 << 20);
    const std::uint32_t header[] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
    write(header, sizeof header);
  }
  ~Writer() { std::fclose(file_); }
  void packet(const std::string& frame) {
    clock_us_ += 7;
    const std::uint32_t header[] = {static_cast<std::uint32_t>(1793610000 + clock_us_ / 1'000'000),
                                    static_cast<std::uint32_t>(clock_us_ % 1'000'000),
                                    static_cast<std::uint32_t>(frame.size()),
                                    static_cast<std::uint32_t>(frame.size())};
    write(header, sizeof header);
    write(frame.data(), frame.size());
    ++packets;
    octets += frame.size();
  }
  std::uint64_t packets = 0, octets = 0;

 private:
  void write(const void* p, std::size_t n) {
    if (std::fwrite(p, 1, n, file_) != n) {
      std::perror("write");
      std::exit(2);
    }
  }
  std::FILE* file_;
  std::uint64_t clock_us_ = 0;
};

std::string be(std::uint64_t v, int n) {
  std::string out;
  for (int i = n - 1; i >= 0; --i) out += static_cast<char>(v >> (8 * i) & 255);
  return out;
}
std::uint32_t sum16(std::string_view s, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i + 1 < s.size(); i += 2)
    sum += static_cast<std::uint32_t>(static_cast<std::uint8_t>(s[i])) << 8 |
           static_cast<std::uint8_t>(s[i + 1]);
  if (s.size() % 2 != 0)
    sum += static_cast<std::uint32_t>(static_cast<std::uint8_t>(s.back())) << 8;
  return sum;
}
std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

class Live {
 public:
  Live(Random& r, Conversation c) : c_(std::move(c)) {
    client_ = 0x0a000000U | static_cast<std::uint32_t>(r.below(1 << 16));
    server_ = r.chance(40) ? 0x0a140000U | static_cast<std::uint32_t>(r.below(4096))
                           : 0xcb007100U | static_cast<std::uint32_t>(r.below(256));
    sport_ = static_cast<std::uint16_t>(32768 + r.below(28000));
    seq_[0] = static_cast<std::uint32_t>(r.next());
    seq_[1] = static_cast<std::uint32_t>(r.next());
  }
  /// Sends the next packet; false when nothing is left.
  bool step(Writer& out) {
    if (c_.ip_proto == 17) {
      if (message_ == c_.messages.size()) return false;
      const auto& m = c_.messages[message_++];
      out.packet(frame(m.from_client,
                       be(m.from_client ? sport_ : c_.port, 2) +
                           be(m.from_client ? c_.port : sport_, 2) + be(m.octets.size() + 8, 2) +
                           be(0, 2) + m.octets,
                       6));
      return message_ < c_.messages.size();
    }
    if (opening_ < 3) {
      static constexpr std::uint8_t flags[] = {0x02, 0x12, 0x10};
      tcp(out, opening_ != 1, flags[opening_], {});
      if (opening_ < 2) ++seq_[opening_];
      ++opening_;
      return true;
    }
    if (message_ < c_.messages.size()) {
      const auto& m = c_.messages[message_];
      if (unacked_ >= 2) {
        tcp(out, !m.from_client, 0x10, {});
        unacked_ = 0;
        return true;
      }
      const auto n = std::min(c_.mss, m.octets.size() - at_);
      const bool last = at_ + n == m.octets.size();
      tcp(out, m.from_client, last ? 0x18 : 0x10, std::string_view(m.octets).substr(at_, n));
      seq_[m.from_client ? 0 : 1] += static_cast<std::uint32_t>(n);
      at_ += n;
      ++unacked_;
      if (last) {
        ++message_;
        at_ = 0;
        unacked_ = 0;
      }
      return true;
    }
    if (!c_.finish) {
      tcp(out, true, 0x14, {});
      return false;
    }
    static constexpr std::uint8_t flags[] = {0x11, 0x11, 0x10};
    tcp(out, closing_ != 1, flags[closing_], {});
    if (closing_ < 2) ++seq_[closing_];
    return ++closing_ < 3;
  }

 private:
  void tcp(Writer& out, bool from_client, std::uint8_t flags, std::string_view data) {
    const auto me = from_client ? 0 : 1;
    std::string h = be(from_client ? sport_ : c_.port, 2) + be(from_client ? c_.port : sport_, 2) +
                    be(seq_[me], 4) + be((flags & 0x10) != 0 ? seq_[1 - me] : 0, 4);
    h += static_cast<char>((flags & 2) != 0 ? 0x60 : 0x50);
    h += static_cast<char>(flags);
    h += be(64240, 2) + be(0, 4);
    if ((flags & 2) != 0) h += be(0x020405b4, 4);
    h += data;
    out.packet(frame(from_client, h, 16));
  }
  std::string frame(bool from_client, std::string l4, std::size_t checksum_at) {
    const auto src = from_client ? client_ : server_, dst = from_client ? server_ : client_;
    auto sum = sum16(be(src, 4) + be(dst, 4) + be(c_.ip_proto, 2) + be(l4.size(), 2));
    l4.replace(checksum_at, 2, be(fold(sum16(l4, sum)), 2));
    std::string ip = std::string("\x45\0", 2) + be(l4.size() + 20, 2) + be(++ip_id_, 2) +
                     std::string("\x40\0\x40", 3) + static_cast<char>(c_.ip_proto) + be(0, 2) +
                     be(src, 4) + be(dst, 4);
    ip.replace(10, 2, be(fold(sum16(ip)), 2));
    return std::string("\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0", 14) + ip + l4;
  }
  Conversation c_;
  std::uint32_t client_ = 0, server_ = 0, seq_[2] = {0, 0};
  std::uint16_t sport_ = 0;
  std::uint16_t ip_id_ = 0;
  std::size_t message_ = 0, at_ = 0;
  int opening_ = 0, closing_ = 0, unacked_ = 0;
};

Conversation make(const std::string& lane, Random& r) {
  if (lane == "http") return http_conversation(r);
  if (lane == "tls") return tls_conversation(r);
  if (lane == "dns") return dns_conversation(r);
  if (lane == "smb") return smb_conversation(r);
  if (lane == "hostile") return hostile_conversation(r);
  if (lane == "other") return other_conversation(r);
  const auto x = r.below(100);
  if (x < 20) return http_conversation(r);
  if (x < 42) return tls_conversation(r);
  if (x < 90) return dns_conversation(r);
  if (x < 95) return smb_conversation(r);
  return other_conversation(r);
}

}  // namespace

int main(int argc, char** argv) {
  std::string out, lane = "mixed";
  std::uint64_t mib = 512, seed = 1, side_by_side = 500;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    const auto value = [&]() -> const char* { return i + 1 < argc ? argv[++i] : ""; };
    if (a == "--lane") {
      lane = value();
    } else if (a == "--mib") {
      mib = std::strtoull(value(), nullptr, 10);
    } else if (a == "--seed") {
      seed = std::strtoull(value(), nullptr, 10);
    } else if (a == "--flows") {
      side_by_side = std::strtoull(value(), nullptr, 10);
    } else {
      out = a;
    }
  }
  const bool known = lane == "mixed" || lane == "http" || lane == "tls" || lane == "dns" ||
                     lane == "smb" || lane == "hostile" || lane == "other";
  if (out.empty() || !known || side_by_side == 0) {
    std::fprintf(stderr,
                 "usage: traffic_bench OUT.pcap [--lane mixed|http|tls|dns|smb|other|hostile] "
                 "[--mib N] [--seed N] [--flows N]\n");
    return 2;
  }
  Random r(seed);
  Writer w(out.c_str());
  std::vector<std::unique_ptr<Live>> live;
  while (w.octets < mib << 20) {
    while (live.size() < side_by_side) live.push_back(std::make_unique<Live>(r, make(lane, r)));
    const auto i = r.below(live.size());
    const auto burst = 1 + r.below(8);  // a sender's window arrives together
    for (std::uint64_t n = 0; n < burst; ++n) {
      if (live[i]->step(w)) continue;
      std::swap(live[i], live.back());
      live.pop_back();
      break;
    }
  }
  std::printf("%s: %llu packets, %llu octets (lane %s, seed %llu)\n", out.c_str(),
              static_cast<unsigned long long>(w.packets), static_cast<unsigned long long>(w.octets),
              lane.c_str(), static_cast<unsigned long long>(seed));
  return 0;
}
