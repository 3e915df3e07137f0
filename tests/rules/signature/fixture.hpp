#pragma once
/// Loads rules from text and feeds packets, stream chunks and transactions of a made-up protocol to
/// a matcher.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "rules/signature/engine.hpp"
#include "tests/temp_folder.hpp"

namespace ww::sig::test {

inline Bytes octets(const std::string& s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}

/// A transaction with two buffers, a repeating one, and a number.
struct DemoTx final : Transaction {
  std::optional<std::string> name, answer;
  std::vector<std::string> items;
  bool items_done = true;
  std::optional<std::uint64_t> code;
};
inline BufferStatus get(const std::optional<std::string>& v, BufferSlice& out) {
  if (!v) return BufferStatus::not_ready;
  out.data = octets(*v);
  return BufferStatus::ready;
}
/// Registers the protocol "template" once: its buffers carry names of real keywords, so that rules
/// can name them.
inline AppProto demo_proto() {
  static const AppProto proto = [] {
    const auto id = app_protos().intern("http");
    ProtocolBuffers p;
    p.proto = id;
    p.buffers.push_back({buffers().intern("http.uri"), Dir::to_server,
                         [](const Transaction& t, Dir, std::uint32_t, BufferSlice& o) {
                           return get(static_cast<const DemoTx&>(t).name, o);
                         }});
    p.buffers.push_back({buffers().intern("http.server"), Dir::to_client,
                         [](const Transaction& t, Dir, std::uint32_t, BufferSlice& o) {
                           return get(static_cast<const DemoTx&>(t).answer, o);
                         }});
    p.buffers.push_back({buffers().intern("http.request_header"), Dir::to_server,
                         [](const Transaction& t, Dir, std::uint32_t i, BufferSlice& o) {
                           const auto& d = static_cast<const DemoTx&>(t);
                           if (i < d.items.size()) {
                             o.data = octets(d.items[i]);
                             return BufferStatus::ready;
                           }
                           return d.items_done ? BufferStatus::absent : BufferStatus::not_ready;
                         }});
    p.numbers.push_back({numbers().intern("http2.errorcode"), Dir::to_server,
                         [](const Transaction& t, Dir, std::uint32_t i, std::uint64_t& o) {
                           const auto& d = static_cast<const DemoTx&>(t);
                           if (i > 0) return BufferStatus::absent;
                           if (!d.code) return BufferStatus::not_ready;
                           o = *d.code;
                           return BufferStatus::ready;
                         }});
    protocol_buffers().push_back(std::move(p));
    return id;
  }();
  return proto;
}

struct DemoFlow final : Flow {
  std::vector<Transaction*> live;
  std::span<Transaction* const> transactions() override { return live; }
};

class Rules {
 public:
  explicit Rules(const std::string& text, EngineOptions options = {}) {
    demo_proto();
    const ww::test::TempFolder folder;
    auto loaded = Engine::load({folder.write("test.rules", text)}, options, report);
    if (loaded) engine = *loaded;
    if (engine) matcher = Matcher::create(engine);
  }
  /// The refusals, one a line.
  [[nodiscard]] std::string errors() const {
    std::string out;
    for (const auto& p : report.problems)
      if (p.severity == RuleProblem::Severity::error) out += p.what + "\n";
    return out;
  }
  LoadReport report;
  std::shared_ptr<const Engine> engine;
  std::unique_ptr<Matcher> matcher;
};

/// A TCP or UDP packet between 10.0.0.1:40000 and 192.0.2.1:80, in a flow unless told otherwise.
struct Wire {
  DemoFlow flow;
  Packet packet;
  std::uint64_t n = 0;
  explicit Wire(std::uint8_t proto = 17) {
    flow.src = *parse_ip("10.0.0.1");
    flow.dst = *parse_ip("192.0.2.1");
    flow.sport = 40000;
    flow.dport = 80;
    flow.ip_proto = proto;
    flow.id = 77;
  }
  Packet& make(const std::string& payload, Dir dir = Dir::to_server, std::int64_t seconds = 0) {
    packet = Packet();
    packet.number = ++n;
    packet.time.us = 1'700'000'000'000'000 + seconds * 1'000'000;
    packet.ip_version = 4;
    packet.ip_proto = flow.ip_proto;
    packet.has_l4 = true;
    packet.ttl = 64;
    packet.src = dir == Dir::to_server ? flow.src : flow.dst;
    packet.dst = dir == Dir::to_server ? flow.dst : flow.src;
    packet.sport = dir == Dir::to_server ? flow.sport : flow.dport;
    packet.dport = dir == Dir::to_server ? flow.dport : flow.sport;
    packet.payload = octets(payload);
    packet.flow = &flow;
    packet.dir = dir;
    packet.flow_established = true;
    return packet;
  }
};

inline std::vector<std::uint32_t> sids(std::span<const Alert> alerts) {
  std::vector<std::uint32_t> out;
  for (const auto& a : alerts) out.push_back(a.rule->sid);
  return out;
}
using Sids = std::vector<std::uint32_t>;

/// Shows a window of a TCP stream, as the sensor does when its octets from `fresh` on are new.
/// @param from  place of the window in the stream
/// @return what matched, sorted
inline Sids show_window(Rules& rules, Wire& wire, const std::string& window, std::size_t from,
                        std::size_t fresh) {
  const auto arrived = window.substr(fresh);
  auto& p = wire.make(arrived);
  p.in_stream = true;
  const StreamChunk chunk{Dir::to_server, octets(window), from, static_cast<std::uint32_t>(fresh),
                          false};
  auto out = sids(rules.matcher->inspect(p, {&chunk, 1}));
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace ww::sig::test
