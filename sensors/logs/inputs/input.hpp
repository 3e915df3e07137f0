#pragma once
/// What the log inputs share: options of a source, counters, and the way of events into the sink.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "sensors/logs/inputs/loop.hpp"
#include "sensors/uplink/event_sink.hpp"
#include "telemetry/logformats/format.hpp"

namespace ww::logs {

/// Counted by the input thread, read by any.
struct Counters {
  std::atomic<std::uint64_t> lines{0}, octets{0}, events{0}, unparsed{0}, cut_lines{0}, dropped{0},
      refused_connections{0}, files{0};
};

/// Everything an input needs; outlives the inputs.
struct Surroundings {
  Loop& loop;
  EventSink& sink;
  const Clock& clock;
  const Formats& formats;
  Counters& counters;
};

struct SourceOptions {
  std::string format = "auto";
  std::string product, service, category, host;
  Zone zone = Zone::utc();
  std::string multiline_start;
  std::chrono::milliseconds multiline_timeout{
      2000};  ///< an open record is closed when nothing came for this long
  std::size_t max_line_octets = 64 << 10;  ///< a longer line is kept in pieces

  [[nodiscard]] SourceParser::Options parser_options() const {
    SourceParser::Options p;
    p.format = format;
    p.product = product;
    p.service = service;
    p.category = category;
    p.host = host;
    p.zone = zone;
    p.multiline_start = multiline_start;
    p.max_record_octets = max_line_octets;
    return p;
  }
};

class Input {
 public:
  virtual ~Input() = default;
  /// Opens what must be opened with privileges. On the caller's thread, before the loop runs.
  [[nodiscard]] virtual Result<void, Problem> open() = 0;
  /// Registers with the loop. On the caller's thread, before the loop runs.
  virtual void start() = 0;
  /// On the loop's thread after it ended: reads what is there, closes open records, hands
  /// everything to the sink.
  virtual void finish() = 0;
  /// What a person calls it: "file:/var/log/auth.log", "syslog:udp:0.0.0.0:514".
  [[nodiscard]] virtual std::string label() const = 0;
  /// False while there is nothing to read from at all (no file has the name). On the loop's thread.
  [[nodiscard]] virtual bool watching() const { return true; }
  /// True when everything that can be read now has been handed over. On the loop's thread.
  [[nodiscard]] virtual bool idle() const { return true; }
};

/// Gathers events of one input and hands them over in groups.
class Outlet {
 public:
  static constexpr std::size_t group_octets = 128 << 10;
  explicit Outlet(Surroundings& around) : a_(around) {}

  void event(Record& record, const Origin& origin, std::string_view line, Timestamp received);
  /// A line that is an event already (JSON lines on standard input in our own shape).
  void ready_event(std::string_view json);
  EventGroup& group() { return group_; }
  [[nodiscard]] bool full() const { return group_.lines.size() >= group_octets; }
  /// @return false when the sink refused: the group stays, offer it again later
  bool hand_over();
  [[nodiscard]] bool blocked() const { return blocked_; }

 private:
  Surroundings& a_;
  EventGroup group_;
  bool blocked_ = false;
};

/// @param line  at most max octets of it are given to `f` at a time
template <class F>
void in_pieces(std::string_view line, std::size_t max, Counters& counters, F f) {
  if (line.size() > max) counters.cut_lines.fetch_add(1, std::memory_order_relaxed);
  do {
    auto piece = line.substr(0, max);
    // Not through the middle of a UTF-8 character.
    if (piece.size() < line.size())
      for (int back = 0; back < 3 && piece.size() > 1 &&
                         (static_cast<unsigned char>(line[piece.size()]) & 0xC0) == 0x80;
           ++back)
        piece.remove_suffix(1);
    f(piece);
    line.remove_prefix(piece.size());
  } while (!line.empty());
}

}  // namespace ww::logs
