#pragma once
/// Where finished EVE lines go: a file, standard output, the uplink's spool. The pipeline knows
/// nothing else of outputs.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "telemetry/result.hpp"

namespace ww::sensor {

/// Takes whole lines. Called from worker threads with blocks of lines, so implementations lock once
/// per block.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// @param lines  one or more lines, each ending in '\n'
  virtual void write(std::string_view lines) = 0;
  virtual void flush() {}
  /// What kept lines from being written, once it happened: those lines are lost. Any thread.
  [[nodiscard]] virtual std::optional<Problem> failure() const { return {}; }
  /// Log rotation: open the file again under its name.
  virtual void reopen() {}
};

/// Appends to a file, or standard output for "-". After a write that failed (a full disk) nothing
/// more is written: the file ends with whole lines but the last, and failure() says why.
[[nodiscard]] Result<std::shared_ptr<EventSink>, Problem> open_event_file(const std::string& path,
                                                                          bool append);

}  // namespace ww::sensor
