#pragma once
/// What an event is about: the entities of an alert, and what a sensor's `alert` event says.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/alerts/alerts.hpp"
#include "collector/store/event_scan.hpp"

namespace ww::collector {

/// Facts of one event, gathered in one pass.
struct Subjects {
  std::vector<Entity> entities;  ///< in the order of importance, without repeats, bounded
  // of an `alert` event (Suricata EVE)
  std::uint64_t gid = 1, sid = 0, rev = 0, severity = 0;
  std::string signature, category, action, app_proto;
  std::vector<std::string> techniques, caf;
  std::string declared_severity;  ///< metadata signature_severity
};

class SubjectReader {
 public:
  /// @param json  a stored event
  [[nodiscard]] const Subjects& read(std::string_view json);

 private:
  EventScanner scanner_;
  Subjects out_;
};

/// "attack.t1059.001" to "T1059.001", "caf.c1.a" to "C1.a"; tactics and others are left out.
void split_tags(const std::vector<std::string>& tags, std::vector<std::string>& attack,
                std::vector<std::string>& caf);
/// EVE severity 1..4 and ET's signature_severity as a level.
[[nodiscard]] Level signature_level(const Subjects& s);

}  // namespace ww::collector
