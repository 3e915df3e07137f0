#pragma once
/// The live feed: alerts as they change and a few figures every 5 seconds, to every open dashboard
/// as server-sent events.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/api/server.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {

class AlertBook;
class Store;

/// What one reader wants and may see.
struct LiveFilter {
  std::vector<std::string> sites, levels;                 ///< any of; empty: all
  std::optional<std::vector<std::string>> visible_sites;  ///< unset: everything
};

/// Thread-safe. A reader that cannot keep up is dropped; the writers never wait.
class LiveFeed {
 public:
  /// @param alerts, store, clock  borrowed; they outlive the feed
  [[nodiscard]] static std::unique_ptr<LiveFeed> start(AlertBook& alerts, Store& store,
                                                       const Clock& clock);
  virtual ~LiveFeed() = default;
  /// False when there are too many readers.
  [[nodiscard]] virtual bool add(std::shared_ptr<StreamWriter> reader, LiveFilter filter) = 0;
  [[nodiscard]] virtual bool full() const = 0;
  [[nodiscard]] virtual std::size_t readers() const = 0;
};

/// "ok", "late" (2 minutes without a batch), "silent" (10 minutes) or "never".
[[nodiscard]] std::string_view sensor_status(Timestamp last_batch, Timestamp now);

}  // namespace ww::collector
