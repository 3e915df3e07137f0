#pragma once
/// A conversation that is compared as a whole: files, frames and expected flows too.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {

template <std::size_t octets>
std::string le(std::uint64_t v) {
  std::string out;
  for (std::size_t i = 0; i < octets; ++i) out += static_cast<char>(v >> (8 * i) & 0xff);
  return out;
}
template <std::size_t octets>
std::string be(std::uint64_t v) {
  const auto little = le<octets>(v);
  return {little.rbegin(), little.rend()};
}
inline std::string utf16(std::string_view text) {
  std::string out;
  for (const char c : text) out += std::string(1, c) + '\0';
  return out;
}

class Talk : public Fed {
 public:
  explicit Talk(std::string_view protocol, const Settings& settings = {}, bool datagrams = false)
      : Fed(protocol, datagrams ? 17 : 6, settings) {}
  Talk& client(std::string_view octets) { return say(Dir::to_server, octets); }
  Talk& server(std::string_view octets) { return say(Dir::to_client, octets); }
  Talk& say(Dir dir, std::string_view octets, std::uint64_t gap = 0, bool end = false) {
    if (!failed) feed(dir, octets, gap, end);
    return *this;
  }
  Talk& lose(Dir dir, std::uint64_t octets) { return say(dir, {}, octets); }
  Talk& finish() {
    say(Dir::to_server, {}, 0, true);
    say(Dir::to_client, {}, 0, true);
    ctx.files().truncate_all();
    return *this;
  }

  [[nodiscard]] bool done(std::size_t i) const { return tx(i).complete[0] && tx(i).complete[1]; }
  [[nodiscard]] bool ready(std::size_t i) const {
    const auto& logger = protocol_.loggers.front();
    return logger.ready != nullptr ? logger.ready(tx(i)) : done(i);
  }
  [[nodiscard]] bool has_event(std::size_t i, std::string_view name) const {
    const auto all = events(i);
    return std::find(all.begin(), all.end(), name) != all.end();
  }
  [[nodiscard]] bool any_event(std::string_view name) const {
    for (std::size_t i = 0; i < count(); ++i)
      if (has_event(i, name)) return true;
    return std::find(ctx.events.begin(), ctx.events.end(), name) != ctx.events.end();
  }
  [[nodiscard]] std::int64_t number(std::size_t i, std::string_view name,
                                    Dir dir = Dir::to_server) const {
    const auto id = sig::numbers().find(name);
    for (const auto& n : protocol_.buffers.numbers) {
      if (n.id != id || n.dir != dir) continue;
      std::uint64_t value = 0;
      const auto status = n.get(tx(i), dir, 0, value);
      return status == sig::BufferStatus::ready ? static_cast<std::int64_t>(value) : -1;
    }
    return -2;
  }
  /// "name size state sha256" of every file.
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count(); ++i)
      for (const auto* f : tx(i).files)
        out.push_back(f->name + " " + std::to_string(f->size) + " " +
                      (f->state == sig::FileState::open     ? "open "
                       : f->state == sig::FileState::closed ? "closed "
                                                            : "truncated ") +
                      f->sha256);
    return out;
  }
  [[nodiscard]] std::size_t frames(std::string_view type) const {
    std::size_t n = 0;
    for (const auto& f : ctx.frames)
      if (sig::frame_types().name(f.type) == type) ++n;
    return n;
  }
  /// Everything above in one text, for comparing.
  [[nodiscard]] std::string summary() const {
    std::string out;
    for (std::size_t i = 0; i < count(); ++i) {
      out += json(i);
      for (const auto& e : events(i)) out += " " + e;
      out += tx(i).complete[0] ? " 1" : " 0";
      out += tx(i).complete[1] ? "1\n" : "0\n";
    }
    for (const auto& f : files()) out += f + "\n";
    for (const auto& f : ctx.frames)
      out += std::string(sig::frame_types().name(f.type)) + " " + std::to_string(f.offset) + " " +
             std::to_string(f.length) + "\n";
    for (const auto& e : ctx.events) out += e + "\n";
    for (const auto& e : ctx.expected_flows) out += e + "\n";
    return out + (failed ? "failed" : "");
  }
};

using Script = std::vector<std::pair<Dir, std::string>>;

/// The same script whole, octet by octet, and with each message cut at each octet: one result.
inline void expect_same_when_cut(std::string_view protocol, const Script& script,
                                 const Settings& settings = {}) {
  Talk whole(protocol, settings);
  for (const auto& [dir, octets] : script) whole.say(dir, octets);
  whole.finish();
  const auto expected = whole.summary();
  ASSERT_FALSE(whole.failed);
  ASSERT_GT(whole.count(), 0U);
  Talk single(protocol, settings);
  for (const auto& [dir, octets] : script)
    for (const char c : octets) single.say(dir, std::string(1, c));
  single.finish();
  EXPECT_EQ(single.summary(), expected) << "octet by octet";
  for (std::size_t m = 0; m < script.size(); ++m)
    for (std::size_t cut = 1; cut < script[m].second.size(); ++cut) {
      Talk talk(protocol, settings);
      for (std::size_t i = 0; i < script.size(); ++i) {
        const auto& [dir, octets] = script[i];
        talk.say(dir, octets.substr(0, i == m ? cut : octets.size()));
        if (i == m) talk.say(dir, octets.substr(cut));
      }
      talk.finish();
      ASSERT_EQ(talk.summary(), expected) << "message " << m << " cut at " << cut;
    }
}

}  // namespace ww::sensor::test
