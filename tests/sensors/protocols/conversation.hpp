#pragma once
/// Any registered parser, and all that rules and outputs would see of a conversation. Transactions
/// are kept, so a test sees all of them.
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {

/// Octets of a list of numbers.
inline std::string octets(std::initializer_list<int> list) {
  std::string s;
  for (const int v : list) s += static_cast<char>(v);
  return s;
}

class Talk : public Fed {
 public:
  explicit Talk(std::string_view protocol, const Settings& settings = {}, std::uint8_t ip_proto = 6)
      : Fed(protocol, ip_proto, settings), options_(settings) {}

  Talk& say(Dir dir, std::string_view text, std::size_t piece = SIZE_MAX) {
    for (std::size_t at = 0; at < text.size();) {
      const auto n = std::min(piece, text.size() - at);
      put(dir, text.substr(at, n));
      at += n;
    }
    return *this;
  }
  Talk& client(std::string_view text, std::size_t piece = SIZE_MAX) {
    return say(Dir::to_server, text, piece);
  }
  Talk& server(std::string_view text, std::size_t piece = SIZE_MAX) {
    return say(Dir::to_client, text, piece);
  }
  Talk& lose(Dir dir, std::uint64_t n) {
    put(dir, {}, n);
    return *this;
  }
  Talk& end(Dir dir) {
    put(dir, {}, 0, true);
    return *this;
  }

  [[nodiscard]] bool event(std::size_t i, std::string_view name) const {
    for (const auto e : tx(i).event_ids)
      if (sig::events().name(e) == name) return true;
    return false;
  }
  /// Events of all transactions and of the flow, in order, joined by spaces.
  [[nodiscard]] std::string all_events() const {
    std::string out;
    const auto add = [&](std::string_view n) { out += (out.empty() ? "" : " ") + std::string(n); };
    for (const auto* t : parser().transactions())
      for (const auto e : t->event_ids) add(sig::events().name(e));
    for (const auto& e : ctx.events) add(e);
    return out;
  }
  /// All values of a number, joined by commas; "..." behind them while more may come.
  [[nodiscard]] std::string number(std::size_t i, std::string_view name,
                                   Dir dir = Dir::to_server) const {
    const auto id = sig::numbers().find(name);
    for (const auto& n : protocol_.buffers.numbers) {
      if (n.id != id || n.dir != dir) continue;
      std::string out;
      for (std::uint32_t k = 0; k < 1000; ++k) {
        std::uint64_t v = 0;
        const auto status = n.get(tx(i), dir, k, v);
        if (status == sig::BufferStatus::absent) return out;
        if (status == sig::BufferStatus::not_ready) return out + "...";
        out += (out.empty() ? "" : ",") + std::to_string(v);
      }
      return out;
    }
    return "<unknown>";
  }
  /// What the first logger writes about a transaction, with the settings of the parser.
  [[nodiscard]] std::string eve(std::size_t i) const { return json(i, options_); }
  [[nodiscard]] bool ready(std::size_t i) const {
    const auto& l = protocol_.loggers.at(0);
    return l.ready != nullptr ? l.ready(tx(i)) : tx(i).complete[0] && tx(i).complete[1];
  }
  /// Frames in order: "pdu@0+12", "-1" for an open end.
  [[nodiscard]] std::string frames(Dir dir) const {
    std::string out;
    for (const auto& f : ctx.frames) {
      if (f.dir != dir) continue;
      const auto name = sig::frame_types().name(f.type);
      out += (out.empty() ? "" : " ") + std::string(name.substr(name.find('.') + 1)) + "@" +
             std::to_string(f.offset) + "+" + std::to_string(f.length);
    }
    return out;
  }
  /// Everything a test can compare about a conversation.
  [[nodiscard]] std::string summary() const {
    std::string out;
    for (std::size_t i = 0; i < count(); ++i) out += eve(i) + "\n";
    return out + all_events() + (failed ? " failed" : "");
  }

 private:
  /// A stream ends with its parser's error; datagrams go on.
  void put(Dir dir, std::string_view text, std::uint64_t gap = 0, bool last = false) {
    if (!failed || ctx.flow().ip_proto == 17) feed(dir, text, gap, last);
  }
  Settings options_;
};

}  // namespace ww::sensor::test
