#pragma once
/// When a job was due.
#include <optional>

#include "collector/backup/model.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

/// The last moment at or before `now` at which the job should have begun, by time of day. Nothing
/// for a schedule by interval, or when no day is chosen. A time that the change to summer time
/// skips counts as the moment after it.
[[nodiscard]] std::optional<Timestamp> last_due(const BackupSchedule& schedule, Timestamp now);
[[nodiscard]] std::optional<Timestamp> next_due(const BackupSchedule& schedule, Timestamp now);

/// "24h", "daily 02:00", "mon-fri 22:30 Europe/London", "sun 03:00".
[[nodiscard]] Result<BackupSchedule, std::string> parse_schedule(std::string_view text);
[[nodiscard]] std::string schedule_text(const BackupSchedule& schedule);

/// "sat,sun 02:00-05:00 Europe/London"; a window may go over midnight.
[[nodiscard]] Result<DayWindow, std::string> parse_window(std::string_view text);
/// The end of the window that is open at `now`.
[[nodiscard]] std::optional<Timestamp> window_end(const DayWindow& window, Timestamp now);

}  // namespace ww::collector
