#pragma once
/// Checks one incoming event and gives it the envelope it is stored with.
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "collector/ingest/pipeline_local.hpp"
#include "collector/store/event_scan.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {

struct StampContext {
  const std::string* site = nullptr;
  const std::string* sensor = nullptr;
  Timestamp received;
  std::chrono::microseconds max_future{};
  /// Whether a drill run is known for this sensor: an event that claims to be part of one is
  /// counted and indexed as type "drill" only then. Empty: none is.
  std::function<bool(std::string_view run, std::string_view site, std::string_view sensor)>
      is_rehearsal = {};
};

struct Stamped {
  EventWrite event;  ///< a rehearsal's event is stored under the type "drill"
  std::string id;
  std::string type;       ///< event_type as sent
  std::string drill_run;  ///< of a rehearsal's event
};

/// One per thread; keeps its buffers.
class Stamper {
 public:
  static constexpr std::size_t max_types = 256;  ///< event types told apart in indexes
  static constexpr std::size_t max_id_octets = 64;
  static constexpr Timestamp earliest{
      631'152'000'000'000};  ///< 1990: before it a clock was not set

  static constexpr std::chrono::minutes tolerated_skew{
      1};  ///< a sensor's clock may be this far ahead uncounted

  /// @return the event, or why it is none (then it becomes a dead letter)
  [[nodiscard]] Result<Stamped, std::string> stamp(const std::string& json,
                                                   const StampContext& context);

  struct Counts {
    std::uint64_t bad_times = 0, missing_ids = 0, wrong_identity = 0, clock_skew = 0;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Found;
  EventScanner scanner_, envelope_scanner_;
  std::set<std::string, std::less<>> types_;
  Counts counts_;
};

}  // namespace ww::collector
