#pragma once
/// Time zones of sources whose times carry none.
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::logs {

/// A rule from wall time to UTC. Cheap to copy.
class Zone {
 public:
  [[nodiscard]] static const Zone& utc();
  /// "UTC", "local" (the machine's), "+01:00", or a name of the tz database ("Europe/London").
  [[nodiscard]] static Result<Zone, Problem> parse(std::string_view text);

  /// Wall time (as if it were UTC) to the instant. A wall time that happens twice is taken as the
  /// first.
  [[nodiscard]] Timestamp to_utc(Timestamp wall) const;
  /// UTC offset that holds at an instant, in seconds east.
  [[nodiscard]] std::int32_t offset_at(Timestamp instant) const;

  struct Table;

 private:
  std::shared_ptr<const Table> table_;  // null: fixed offset
  std::int32_t fixed_ = 0;
};

}  // namespace ww::logs
