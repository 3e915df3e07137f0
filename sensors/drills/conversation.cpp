#include "sensors/drills/conversation.hpp"

#include <algorithm>
#include <optional>

#include "telemetry/ip.hpp"

namespace ww::drills {
namespace {

constexpr std::size_t segment_octets = 1'400;
constexpr std::uint8_t fin = 1, syn = 2, psh = 8, ack = 16;

void put16(std::string& s, std::size_t at, std::uint16_t v) {
  s[at] = static_cast<char>(v >> 8);
  s[at + 1] = static_cast<char>(v & 0xFF);
}
void put32(std::string& s, std::size_t at, std::uint32_t v) {
  put16(s, at, static_cast<std::uint16_t>(v >> 16));
  put16(s, at + 2, static_cast<std::uint16_t>(v & 0xFFFF));
}

std::uint32_t sum16(std::string_view octets, std::uint32_t sum) {
  for (std::size_t i = 0; i < octets.size(); i += 2) {
    const auto high = static_cast<unsigned char>(octets[i]);
    const auto low = i + 1 < octets.size() ? static_cast<unsigned char>(octets[i + 1]) : 0U;
    sum += static_cast<std::uint32_t>(high) << 8 | low;
  }
  return sum;
}
std::uint16_t folded(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xFFFF);
}

struct Side {
  IpAddress address;
  std::uint16_t port = 0;
  std::uint32_t next = 0;  // sequence number of what it sends next
  char mac = 0;
};

std::string frame(const Side& from, const Side& to, std::uint8_t flags, std::string_view payload) {
  constexpr std::size_t ip_at = 14, tcp_at = 34, payload_at = 54;
  std::string f(payload_at, '\0');
  f[0] = f[6] = 2;  // locally administered
  f[5] = to.mac;
  f[11] = from.mac;
  put16(f, 12, 0x0800);
  f[ip_at] = 0x45;
  put16(f, ip_at + 2, static_cast<std::uint16_t>(40 + payload.size()));
  put16(f, ip_at + 6, 0x4000);
  f[ip_at + 8] = 64;
  f[ip_at + 9] = 6;
  std::copy_n(from.address.octets.begin(), 4, f.begin() + ip_at + 12);
  std::copy_n(to.address.octets.begin(), 4, f.begin() + ip_at + 16);
  put16(f, ip_at + 10, folded(sum16(std::string_view(f).substr(ip_at, 20), 0)));
  put16(f, tcp_at, from.port);
  put16(f, tcp_at + 2, to.port);
  put32(f, tcp_at + 4, from.next);
  put32(f, tcp_at + 8, (flags & ack) != 0 ? to.next : 0);
  f[tcp_at + 12] = 0x50;
  f[tcp_at + 13] = static_cast<char>(flags);
  put16(f, tcp_at + 14, 64'240);
  f += payload;
  auto sum = sum16(std::string_view(f).substr(ip_at + 12, 8),
                   6 + 20 + static_cast<std::uint32_t>(payload.size()));
  put16(f, tcp_at + 16, folded(sum16(std::string_view(f).substr(tcp_at), sum)));
  return f;
}

class Made final : public capture::PacketSource {
 public:
  Made(std::vector<std::string> frames, Timestamp start)
      : frames_(std::move(frames)), time_(start) {}
  Result<capture::Read, Problem> next(capture::CapturedFrame& out) override {
    if (stopped_ || at_ == frames_.size()) return capture::Read::end;
    const auto& f = frames_[at_++];
    out = {};
    out.octets = as_bytes(f);
    out.wire_length = static_cast<std::uint32_t>(f.size());
    out.time = time_;
    out.number = at_;
    time_ = time_ + std::chrono::milliseconds(1);
    return capture::Read::frame;
  }
  capture::CaptureCounters counters() override {
    capture::CaptureCounters c;
    c.packets = at_;
    return c;
  }
  std::string name() const override { return "rehearsal"; }
  void stop() override { stopped_ = true; }

 private:
  std::vector<std::string> frames_;
  std::size_t at_ = 0;
  Timestamp time_;
  bool stopped_ = false;
};

class Shifted final : public capture::PacketSource {
 public:
  Shifted(std::unique_ptr<capture::PacketSource> inner, Timestamp start)
      : inner_(std::move(inner)), start_(start) {}
  Result<capture::Read, Problem> next(capture::CapturedFrame& out) override {
    auto r = inner_->next(out);
    if (r && *r == capture::Read::frame) {
      if (!offset_) offset_ = start_ - out.time;
      out.time = out.time + *offset_;
    }
    return r;
  }
  capture::CaptureCounters counters() override { return inner_->counters(); }
  std::string name() const override { return inner_->name(); }
  void stop() override { inner_->stop(); }

 private:
  std::unique_ptr<capture::PacketSource> inner_;
  Timestamp start_;
  std::optional<std::chrono::microseconds> offset_;
};

}  // namespace

Result<std::unique_ptr<capture::PacketSource>, std::string> make_conversation(const Conversation& c,
                                                                              Timestamp start) {
  const auto a = parse_ip(c.client), b = parse_ip(c.server);
  if (!a || !b || a->family != 4 || b->family != 4)
    return fail(std::string("client and server must be IPv4 addresses"));
  if (c.server_port == 0) return fail(std::string("port: say which"));
  Side client{*a, c.client_port, 1'000, 1}, server{*b, c.server_port, 5'000, 2};
  std::vector<std::string> out;
  const auto send = [&](Side& from, const Side& to, std::uint8_t flags, std::string_view payload) {
    out.push_back(frame(from, to, flags, payload));
    from.next += static_cast<std::uint32_t>(payload.size()) + ((flags & (syn | fin)) != 0 ? 1 : 0);
  };
  send(client, server, syn, {});
  send(server, client, syn | ack, {});
  send(client, server, ack, {});
  for (std::size_t i = 0; i < c.turns.size(); ++i) {
    auto& from = i % 2 == 0 ? client : server;
    auto& to = i % 2 == 0 ? server : client;
    std::string_view rest = c.turns[i];
    while (!rest.empty()) {
      const auto piece = rest.substr(0, segment_octets);
      rest.remove_prefix(piece.size());
      send(from, to, psh | ack, piece);
      send(to, from, ack, {});
    }
  }
  send(client, server, fin | ack, {});
  send(server, client, fin | ack, {});
  send(client, server, ack, {});
  return std::unique_ptr<capture::PacketSource>(std::make_unique<Made>(std::move(out), start));
}

std::unique_ptr<capture::PacketSource> shifted(std::unique_ptr<capture::PacketSource> source,
                                               Timestamp start) {
  return std::make_unique<Shifted>(std::move(source), start);
}

std::string mllp(std::string_view message) {
  std::string out = "\x0b";
  for (const char c : message) out += c == '\n' ? '\r' : c;
  if (!out.ends_with('\r')) out += '\r';
  return out + "\x1c\r";
}

}  // namespace ww::drills
