#pragma once
/// A parser fed as the sensor feeds it: what it leaves comes again with more behind it. Shared by
/// the tests of protocols.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/sensors/protocols/http/support.hpp"
#include "tests/sensors/protocols/unhex.hpp"

namespace ww::sensor::test {

class Driver {
 public:
  explicit Driver(std::string_view protocol, std::uint8_t ip_proto, const Settings& settings = {})
      : protocol_(find_protocol(protocol)), parser_(protocol_->make(settings)) {
    ctx.edit_flow().ip_proto = ip_proto;
  }

  /// Feeds `text` in pieces of `piece` octets (TCP) or as one datagram (UDP).
  void say(Dir dir, std::string_view text, std::size_t piece = SIZE_MAX) {
    if (ctx.flow().ip_proto == 17) {
      pending_[sig::index(dir)].clear();
      feed(dir, text, 0, false);
      return;
    }
    while (!text.empty() && !failed) {
      const auto n = std::min(piece, text.size());
      feed(dir, text.substr(0, n), 0, false);
      text.remove_prefix(n);
    }
  }
  void client(std::string_view text, std::size_t piece = SIZE_MAX) {
    say(Dir::to_server, text, piece);
  }
  void server(std::string_view text, std::size_t piece = SIZE_MAX) {
    say(Dir::to_client, text, piece);
  }
  void lose(Dir dir, std::uint64_t octets) { feed(dir, {}, octets, false); }
  void finish() {
    for (const auto dir : {Dir::to_server, Dir::to_client})
      if (!failed) feed(dir, {}, 0, true);
  }

  [[nodiscard]] std::size_t count() const { return parser_->transactions().size(); }
  [[nodiscard]] const Transaction& tx(std::size_t i) const { return *parser_->transactions()[i]; }
  [[nodiscard]] bool complete(std::size_t i) const {
    const auto& t = tx(i);
    return (t.complete[0] || t.only[1]) && (t.complete[1] || t.only[0]);
  }
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
    const bool wrote = protocol_->loggers.at(0).write(tx(i), {ctx.flow(), options}, out);
    out.end_object();
    return wrote ? text : std::string();
  }
  /// What a rule would see in a buffer; "<absent>" and "<not ready>" otherwise.
  [[nodiscard]] std::string buffer(std::size_t i, std::string_view name, Dir dir,
                                   std::uint32_t index = 0) const {
    const auto id = sig::buffers().find(name);
    for (const auto& b : protocol_->buffers.buffers) {
      if (b.id != id || b.dir != dir) continue;
      sig::BufferSlice slice;
      const auto status = b.get(tx(i), dir, index, slice);
      if (status == sig::BufferStatus::not_ready) return "<not ready>";
      if (status == sig::BufferStatus::absent) return "<absent>";
      return std::string(as_text(slice.data));
    }
    return "<unknown>";
  }
  [[nodiscard]] std::optional<std::uint64_t> number(std::size_t i, std::string_view name, Dir dir,
                                                    std::uint32_t index = 0) const {
    const auto id = sig::numbers().find(name);
    for (const auto& n : protocol_->buffers.numbers) {
      if (n.id != id || n.dir != dir) continue;
      std::uint64_t v = 0;
      const auto status = n.get(tx(i), dir, index, v);
      if (status == sig::BufferStatus::ready || status == sig::BufferStatus::partial) return v;
    }
    return {};
  }
  [[nodiscard]] Parser& parser() const { return *parser_; }
  [[nodiscard]] Probe probe(std::string_view data, Dir dir) const {
    return protocol_->probe(as_bytes(data), dir, ctx.flow());
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

  TestContext ctx;
  bool failed = false;

 private:
  void feed(Dir dir, std::string_view text, std::uint64_t gap, bool end) {
    auto& held = pending_[sig::index(dir)];
    auto& at = offset_[sig::index(dir)];
    StreamInput in;
    if (gap > 0) {
      at += held.size();
      held.clear();
      in.gap = gap;
    }
    held += text;
    in.offset = at + gap;
    in.data = as_bytes(held);
    in.end = end;
    const auto r = parser_->parse(ctx, dir, in);
    failed = failed || r.status == ParseResult::Status::error;
    const auto used = r.status == ParseResult::Status::need_more ? r.consumed : held.size();
    ASSERT_LE(used, held.size());
    held.erase(0, used);
    at = in.offset + used;
  }

  const Protocol* protocol_;
  std::unique_ptr<Parser> parser_;
  std::string pending_[2];
  std::uint64_t offset_[2] = {0, 0};
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
