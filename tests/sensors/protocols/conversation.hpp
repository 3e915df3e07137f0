#pragma once
/// Any registered parser, fed as the sensor feeds it: what it leaves comes again with more behind
/// it. Transactions are kept, so a test sees all of them with what rules and outputs would see.
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sensors/protocols/http/support.hpp"

namespace ww::sensor::test {

/// Octets of a list of numbers.
inline std::string octets(std::initializer_list<int> list) {
  std::string s;
  for (const int v : list) s += static_cast<char>(v);
  return s;
}

class Talk {
 public:
  explicit Talk(std::string_view protocol, const Settings& settings = {}, std::uint8_t ip_proto = 6)
      : protocol_(find_protocol(protocol)), parser_(protocol_->make(settings)), options_(settings) {
    ctx.edit_flow().ip_proto = ip_proto;
  }

  Talk& say(Dir dir, std::string_view text, std::size_t piece = SIZE_MAX) {
    for (std::size_t at = 0; at < text.size();) {
      const auto n = std::min(piece, text.size() - at);
      feed(dir, text.substr(at, n), 0, false);
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
    feed(dir, {}, n, false);
    return *this;
  }
  Talk& end(Dir dir) {
    feed(dir, {}, 0, true);
    return *this;
  }

  [[nodiscard]] std::size_t count() const { return parser_->transactions().size(); }
  [[nodiscard]] const Transaction& tx(std::size_t i) const { return *parser_->transactions()[i]; }
  [[nodiscard]] bool event(std::size_t i, std::string_view name) const {
    for (const auto e : tx(i).event_ids)
      if (sig::events().name(e) == name) return true;
    return false;
  }
  /// Events of all transactions and of the flow, in order, joined by spaces.
  [[nodiscard]] std::string all_events() const {
    std::string out;
    const auto add = [&](std::string_view n) { out += (out.empty() ? "" : " ") + std::string(n); };
    for (const auto* t : parser_->transactions())
      for (const auto e : t->event_ids) add(sig::events().name(e));
    for (const auto& e : ctx.events) add(e);
    return out;
  }
  /// What a rule would see in a buffer; "<absent>" and "<not ready>" otherwise.
  [[nodiscard]] std::string buffer(std::size_t i, std::string_view name, Dir dir = Dir::to_server,
                                   std::uint32_t index = 0) const {
    const auto id = sig::buffers().find(name);
    for (const auto& b : protocol_->buffers.buffers) {
      if (b.id != id || b.dir != dir || b.get == nullptr) continue;
      sig::BufferSlice slice;
      const auto status = b.get(tx(i), dir, index, slice);
      if (status == sig::BufferStatus::not_ready) return "<not ready>";
      if (status == sig::BufferStatus::absent) return "<absent>";
      return std::string(as_text(slice.data));
    }
    return "<unknown>";
  }
  /// All values of a number, joined by commas; "..." behind them while more may come.
  [[nodiscard]] std::string number(std::size_t i, std::string_view name,
                                   Dir dir = Dir::to_server) const {
    const auto id = sig::numbers().find(name);
    for (const auto& n : protocol_->buffers.numbers) {
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
  /// What the first logger writes about a transaction, as an object; "" when nothing.
  [[nodiscard]] std::string eve(std::size_t i) const {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    if (!protocol_->loggers.at(0).write(tx(i), {ctx.flow(), options_}, json)) return "";
    json.end_object();
    return text;
  }
  [[nodiscard]] bool ready(std::size_t i) const {
    const auto& l = protocol_->loggers.at(0);
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
  [[nodiscard]] Parser& parser() const { return *parser_; }

  TestContext ctx;
  bool failed = false;

 private:
  void feed(Dir dir, std::string_view text, std::uint64_t gap, bool last) {
    if (failed) return;
    auto& side = sides_[sig::index(dir)];
    const bool stream = ctx.flow().ip_proto == 6;
    if (gap > 0) {
      side.offset += side.rest.size();
      side.rest.clear();
    }
    side.rest += text;
    StreamInput in;
    in.gap = gap;
    in.offset = side.offset + gap;
    in.data = as_bytes(side.rest);
    in.end = last;
    in.first = side.first;
    side.first = false;
    const auto r = parser_->parse(ctx, dir, in);
    failed = r.status == ParseResult::Status::error && stream;
    const auto used =
        stream && r.status == ParseResult::Status::need_more ? r.consumed : side.rest.size();
    side.rest.erase(0, used);
    side.offset = stream ? in.offset + used : 0;
  }
  struct Side {
    std::string rest;
    std::uint64_t offset = 0;
    bool first = true;
  };
  const Protocol* protocol_;
  std::unique_ptr<Parser> parser_;
  Settings options_;
  Side sides_[2];
};

}  // namespace ww::sensor::test
