#pragma once
/// A parser fed as the sensor feeds it: what it leaves comes again with more behind it. Shared by
/// the tests of protocols.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/sensors/protocols/http/support.hpp"
#include "tests/sensors/protocols/unhex.hpp"

namespace ww::sensor::test {

/// A parser of any registered protocol, and what rules and EVE see of what it made.
class Fed {
 public:
  [[nodiscard]] std::size_t count() const { return parser_->transactions().size(); }
  [[nodiscard]] const Transaction& tx(std::size_t i) const { return *parser_->transactions()[i]; }
  [[nodiscard]] std::vector<std::string> events(std::size_t i) const {
    std::vector<std::string> out;
    for (const auto e : tx(i).event_ids) out.emplace_back(sig::events().name(e));
    return out;
  }
  /// What the protocol's first logger writes; "" when it writes nothing.
  [[nodiscard]] std::string json(std::size_t i, const Settings& options = {}) const {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    const bool wrote = protocol_.loggers.at(0).write(tx(i), {ctx.flow(), options}, out);
    out.end_object();
    return wrote ? text : std::string();
  }
  /// What a rule would see in a buffer; "<absent>" and "<not ready>" otherwise.
  [[nodiscard]] std::string buffer(std::size_t i, std::string_view name, Dir dir = Dir::to_server,
                                   std::uint32_t index = 0) const {
    const auto id = sig::buffers().find(name);
    for (const auto& b : protocol_.buffers.buffers) {
      if (b.id != id || b.dir != dir || b.get == nullptr) continue;
      sig::BufferSlice slice;
      const auto status = b.get(tx(i), dir, index, slice);
      if (status == sig::BufferStatus::not_ready) return "<not ready>";
      if (status == sig::BufferStatus::absent) return "<absent>";
      return std::string(as_text(slice.data));
    }
    return "<unknown>";
  }
  [[nodiscard]] Parser& parser() const { return *parser_; }

  TestContext ctx;
  bool failed = false;

 protected:
  Fed(std::string_view protocol, std::uint8_t ip_proto, const Settings& settings)
      : protocol_(*find_protocol(protocol)), parser_(protocol_.make(settings)) {
    ctx.edit_flow().ip_proto = ip_proto;
  }
  /// `gap` octets were lost before `text`; with them goes what the parser left.
  void feed(Dir dir, std::string_view text, std::uint64_t gap = 0, bool end = false) {
    auto& side = sides_[sig::index(dir)];
    if (gap > 0) {
      gap += side.held.size();
      side.held.clear();
    }
    side.held += text;
    StreamInput in;
    in.data = as_bytes(side.held);
    in.gap = gap;
    in.offset = side.offset + gap;
    in.end = end;
    in.first = !side.seen;
    side.seen = true;
    const auto r = parser_->parse(ctx, dir, in);
    failed = failed || r.status == ParseResult::Status::error;
    if (ctx.flow().ip_proto == 17) {  // a datagram is whole
      side.held.clear();
      return;
    }
    const auto used = r.status == ParseResult::Status::need_more ? r.consumed : side.held.size();
    ASSERT_LE(used, side.held.size());
    side.held.erase(0, used);
    side.offset = in.offset + used;
  }

  const Protocol& protocol_;

 private:
  struct Side {
    std::string held;
    std::uint64_t offset = 0;
    bool seen = false;
  };
  std::unique_ptr<Parser> parser_;
  Side sides_[2];
};

class Driver : public Fed {
 public:
  explicit Driver(std::string_view protocol, std::uint8_t ip_proto, const Settings& settings = {})
      : Fed(protocol, ip_proto, settings) {}

  /// Feeds `text` in pieces of `piece` octets (TCP) or as one datagram (UDP).
  void say(Dir dir, std::string_view text, std::size_t piece = SIZE_MAX) {
    if (ctx.flow().ip_proto == 17) {
      feed(dir, text);
      return;
    }
    while (!text.empty() && !failed) {
      const auto n = std::min(piece, text.size());
      feed(dir, text.substr(0, n));
      text.remove_prefix(n);
    }
  }
  void client(std::string_view text, std::size_t piece = SIZE_MAX) {
    say(Dir::to_server, text, piece);
  }
  void server(std::string_view text, std::size_t piece = SIZE_MAX) {
    say(Dir::to_client, text, piece);
  }
  void lose(Dir dir, std::uint64_t octets) { feed(dir, {}, octets); }
  void finish() {
    for (const auto dir : {Dir::to_server, Dir::to_client})
      if (!failed) feed(dir, {}, 0, true);
  }

  [[nodiscard]] bool complete(std::size_t i) const {
    const auto& t = tx(i);
    return (t.complete[0] || t.only[1]) && (t.complete[1] || t.only[0]);
  }
  [[nodiscard]] std::optional<std::uint64_t> number(std::size_t i, std::string_view name, Dir dir,
                                                    std::uint32_t index = 0) const {
    const auto id = sig::numbers().find(name);
    for (const auto& n : protocol_.buffers.numbers) {
      if (n.id != id || n.dir != dir) continue;
      std::uint64_t v = 0;
      const auto status = n.get(tx(i), dir, index, v);
      if (status == sig::BufferStatus::ready || status == sig::BufferStatus::partial) return v;
    }
    return {};
  }
  [[nodiscard]] Probe probe(std::string_view data, Dir dir) const {
    return protocol_.probe(as_bytes(data), dir, ctx.flow());
  }
  /// Everything the logger says about everything, one line each.
  [[nodiscard]] std::string story() const {
    std::string out;
    for (std::size_t i = 0; i < count(); ++i) {
      out += json(i);
      for (const auto& e : events(i)) out += " " + e;
      out += complete(i) ? " complete\n" : "\n";
    }
    return out;
  }
};

/// A conversation gives the same account however its octets are cut.
struct Turn {
  Dir dir;
  std::string octets;
};
inline std::string tell(std::string_view protocol, const std::vector<Turn>& turns,
                        std::size_t split_turn, std::size_t at) {
  Driver d(protocol, 6);
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const std::string_view whole = turns[i].octets;
    if (i == split_turn && at < whole.size()) {
      d.say(turns[i].dir, whole.substr(0, at));
      d.say(turns[i].dir, whole.substr(at));
    } else {
      d.say(turns[i].dir, whole);
    }
  }
  return d.story();
}
inline void expect_split_anywhere(std::string_view protocol, const std::vector<Turn>& turns) {
  const auto whole = tell(protocol, turns, SIZE_MAX, 0);
  ASSERT_FALSE(whole.empty());
  for (std::size_t i = 0; i < turns.size(); ++i)
    for (std::size_t at = 1; at < turns[i].octets.size(); ++at)
      ASSERT_EQ(tell(protocol, turns, i, at), whole) << "turn " << i << " at octet " << at;
}

}  // namespace ww::sensor::test
