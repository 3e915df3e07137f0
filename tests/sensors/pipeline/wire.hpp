#pragma once
/// Frames from nothing, the whole worker behind them, and the EVE lines that come out.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/engine.hpp"
#include "sensors/pipeline/defaults.hpp"
#include "sensors/pipeline/stats_record.hpp"
#include "sensors/pipeline/worker.hpp"
#include "tests/temp_folder.hpp"

namespace ww::sensor::test {

class Lines final : public EventSink {
 public:
  void write(std::string_view lines) override { text += lines; }
  std::string text;
};

/// Octets of numbers and texts, in network order.
class Octets {
 public:
  Octets& u8(unsigned v) { return put(v, 1); }
  Octets& u16(unsigned v) { return put(v, 2); }
  Octets& u32(std::uint64_t v) { return put(v, 4); }
  Octets& text(std::string_view s) {
    out += s;
    return *this;
  }
  std::string out;

 private:
  Octets& put(std::uint64_t v, int n) {
    for (int i = n - 1; i >= 0; --i) out += static_cast<char>(v >> (8 * i));
    return *this;
  }
};

inline const std::string mac_a{"\x02\x00\x00\x00\x00\x0a", 6}, mac_b{"\x02\x00\x00\x00\x00\x0b", 6};

/// An Ethernet frame from 10.0.0.1 to 192.0.2.1 (or back) with an IPv4 payload.
inline std::string ipv4(unsigned proto, const std::string& l4, bool back = false) {
  Octets o;
  o.text(back ? mac_a : mac_b).text(back ? mac_b : mac_a).u16(0x0800);
  o.u8(0x45).u8(0).u16(static_cast<unsigned>(20 + l4.size())).u16(1).u16(0x4000).u8(64).u8(proto);
  o.u16(0).u32(back ? 0xc0000201 : 0x0a000001).u32(back ? 0x0a000001 : 0xc0000201).text(l4);
  return o.out;
}
inline std::string udp(unsigned sport, unsigned dport, const std::string& payload,
                       bool back = false) {
  Octets o;
  o.u16(sport).u16(dport).u16(static_cast<unsigned>(8 + payload.size())).u16(0).text(payload);
  return ipv4(17, o.out, back);
}
inline std::string arp(unsigned opcode) {
  Octets o;
  o.text(mac_b).text(mac_a).u16(0x0806);
  o.u16(1).u16(0x0800).u8(6).u8(4).u16(opcode);
  o.text(mac_a).u32(0x0a000001).text(mac_b).u32(0xc0000201);
  return o.out;
}

/// One TCP connection from 10.0.0.1:40000 to 192.0.2.1:port, octets acknowledged as they come.
class Tcp {
 public:
  explicit Tcp(unsigned port = 80) : port_(port) {}
  [[nodiscard]] std::vector<std::string> open() {
    std::vector<std::string> out{segment(false, 2, "")};
    seq_[0] = 1;
    out.push_back(segment(true, 0x12, ""));
    seq_[1] = 1;
    out.push_back(segment(false, 0x10, ""));
    return out;
  }
  /// A segment with data and the other side's acknowledgement.
  [[nodiscard]] std::vector<std::string> say(bool back, const std::string& data) {
    std::vector<std::string> out{segment(back, 0x18, data)};
    seq_[back ? 1 : 0] += data.size();
    out.push_back(segment(!back, 0x10, ""));
    return out;
  }
  [[nodiscard]] std::vector<std::string> close() {
    std::vector<std::string> out;
    for (const bool back : {false, true}) {
      out.push_back(segment(back, 0x11, ""));
      ++seq_[back ? 1 : 0];
      out.push_back(segment(!back, 0x10, ""));
    }
    return out;
  }
  [[nodiscard]] std::string segment(bool back, unsigned flags, const std::string& data) const {
    Octets o;
    const std::size_t d = back ? 1 : 0;
    o.u16(back ? port_ : 40000).u16(back ? 40000 : port_);
    o.u32(1000 * (d + 1) + seq_[d]).u32((flags & 0x10) != 0 ? 1000 * (2 - d) + seq_[1 - d] : 0);
    o.u8(0x50).u8(flags).u16(65535).u16(0).u16(0).text(data);
    return ipv4(6, o.out, back);
  }

 private:
  unsigned port_;
  std::uint64_t seq_[2] = {0, 0};
};

/// Lines that hold every part.
inline std::size_t count_lines(std::string_view text,
                               std::initializer_list<std::string_view> parts) {
  std::size_t n = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    bool all = true;
    for (const auto p : parts) all = all && line.find(p) != std::string_view::npos;
    n += all ? 1 : 0;
    at = end + 1;
  }
  return n;
}

/// A worker with rules and settings ("a.b=c").
class Sensor {
 public:
  explicit Sensor(const std::string& rules, const std::vector<std::string>& sets = {},
                  const std::string& yaml = "",
                  decode::ChecksumMode checksums = decode::ChecksumMode::none) {
    Settings settings = yaml.empty() ? Settings() : *Settings::from_yaml(yaml, "test");
    add_default_settings(settings);
    for (const auto& s : sets) EXPECT_TRUE(settings.set_assignment(s)) << s;
    shared_ = std::make_unique<PipelineShared>(settings);
    shared_->checksums = checksums;
    const ww::test::TempFolder folder;
    sig::EngineOptions options;
    options.settings = &shared_->settings;
    sig::LoadReport report;
    auto engine = sig::Engine::load({folder.write("test.rules", rules)}, options, report);
    for (const auto& p : report.problems)
      EXPECT_NE(p.severity, sig::RuleProblem::Severity::error) << p.what;
    EXPECT_TRUE(engine);
    if (engine) {  // what the rules ask of files, as the programs hand it on
      shared_->files.md5 |= (*engine)->wants_md5();
      shared_->files.sha1 |= (*engine)->wants_sha1();
      shared_->files.sha256 |= (*engine)->wants_sha256();
      shared_->files.magic |= (*engine)->wants_magic();
    }
    sink_ = std::make_shared<Lines>();
    const std::vector<std::shared_ptr<EventSink>> sinks(shared_->eve.outputs().size(), sink_);
    if (engine) engine_ = *engine;
    worker_ = std::make_unique<Worker>(*shared_, sinks, engine_);
  }
  void frame(const std::string& octets, double seconds = 0) {
    ++number_;
    worker_->frame(as_bytes(octets), 1,
                   Timestamp{1'700'000'000'000'000 + static_cast<std::int64_t>(seconds * 1e6) +
                             static_cast<std::int64_t>(number_)},
                   number_);
  }
  void frames(const std::vector<std::string>& list, double seconds = 0) {
    for (const auto& f : list) frame(f, seconds);
  }
  /// A capture of tests/fixtures/captures.
  void capture(const std::string& name) {
    auto source =
        ww::capture::open_files({std::string(WW_SOURCE_DIR) + "/tests/fixtures/captures/" + name});
    ASSERT_TRUE(source);
    ww::capture::CapturedFrame f;
    for (;;) {
      const auto got = (*source)->next(f);
      if (!got || *got != ww::capture::Read::frame) break;
      worker_->frame(f.octets, f.datalink, f.time, f.number);
    }
  }
  /// Lines so far, while flows go on.
  void flush() { worker_->flush(); }
  /// Lines written.
  [[nodiscard]] const std::string& text() const { return sink_->text; }
  /// Ends everything; the lines written.
  const std::string& finish() {
    worker_->finish();
    return sink_->text;
  }
  /// Events of which every part is somewhere in the line.
  [[nodiscard]] std::size_t count(std::initializer_list<std::string_view> parts) const {
    return count_lines(sink_->text, parts);
  }
  /// A stats record of what was counted so far, as the last line.
  void stats(StatsRecorder& recorder, std::int64_t uptime = 0) {
    const std::vector<std::shared_ptr<EventSink>> sinks(shared_->eve.outputs().size(), sink_);
    recorder.write(sinks, {Timestamp{1'700'000'100'000'000},
                           std::chrono::seconds(uptime),
                           {worker_->counters()},
                           nullptr,
                           engine_.get()});
  }
  [[nodiscard]] const PipelineShared& shared() const { return *shared_; }
  [[nodiscard]] std::string_view last_line() const {
    std::string_view text = sink_->text;
    if (!text.empty()) text.remove_suffix(1);
    return text.substr(text.rfind('\n') + 1);
  }
  [[nodiscard]] std::size_t alerts(unsigned sid) const {
    return count({"\"event_type\":\"alert\"", "\"signature_id\":" + std::to_string(sid) + ","});
  }

 private:
  std::unique_ptr<PipelineShared> shared_;
  std::shared_ptr<Lines> sink_;
  std::shared_ptr<const sig::Engine> engine_;
  std::unique_ptr<Worker> worker_;
  std::uint64_t number_ = 0;
};

}  // namespace ww::sensor::test
