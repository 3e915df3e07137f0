#pragma once
/// How hits become alerts: the codec of the journal's records, folding of repeats, grouping into
/// incidents.
#include <optional>
#include <string>

#include "collector/alerts/alerts.hpp"

namespace ww::collector {

/// A hit with the ids it takes if it opens an alert or an incident, so that applying it again gives
/// the same rows.
struct HitRecord {
  Hit hit;
  std::string alert_id, incident_id;
  Timestamp at;
};
[[nodiscard]] std::string encode(const HitRecord& record);
[[nodiscard]] std::optional<HitRecord> decode_hit(std::string_view payload);

/// Same rule, site and entities.
[[nodiscard]] std::string fold_key(const Hit& hit);

struct Folded {
  std::string alert_id;
  bool created = false;
};
/// Inside the transaction of a commit.
Folded fold(sql::Database& db, const HitRecord& record, const AlertLimits& limits);

}  // namespace ww::collector
