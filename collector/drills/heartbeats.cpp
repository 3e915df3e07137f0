#include "collector/drills/heartbeats.hpp"

#include <algorithm>

#include "collector/identity/accounts.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"
#include "telemetry/logging.hpp"

namespace ww::collector {
namespace {

constexpr std::string_view whole = "sensor";  // the source that stands for the sensor itself

Entity entity_of(const Heartbeat& h) {
  return {"heartbeat", h.site + "/" + h.sensor + "/" + h.source};
}

}  // namespace

Timestamp HeartbeatWatch::bound(const Heartbeat& h) const {
  const auto from = std::max(h.received, since_);
  return from + std::chrono::seconds(2 * h.interval) + grace_;
}

std::set<std::pair<std::string, std::string>> HeartbeatWatch::revoked() const {
  std::map<std::pair<std::string, std::string>, CertificateRow> newest;
  for (auto& c : p_.accounts.certificates()) {
    auto& n = newest[{c.site, c.sensor}];
    if (n.issued < c.issued) n = c;
  }
  std::set<std::pair<std::string, std::string>> out;
  for (const auto& [name, c] : newest)
    if (c.revoked.us != 0) out.insert(name);
  return out;
}

void HeartbeatWatch::look() {
  const auto now = p_.clock.now();
  std::map<std::pair<std::string, std::string>, std::vector<Heartbeat>> sensors;
  for (auto& h : p_.book.heartbeats()) sensors[{h.site, h.sensor}].push_back(std::move(h));
  const auto out = revoked();
  for (auto& [name, sources] : sensors) {
    const bool is_revoked = out.contains(name);
    // Sources beat at different moments: the sensor is silent when one is past its bound and every
    // other has missed its last beat too.
    std::size_t watched = 0, late = 0, missed = 0;
    for (const auto& h : sources) {
      if (h.retired || is_revoked) continue;
      ++watched;
      late += bound(h) < now ? 1 : 0;
      const auto from = std::max(h.received, since_);
      missed += from + std::chrono::milliseconds(1500 * h.interval) < now ? 1 : 0;
    }
    const bool silent = late > 0 && missed == watched;
    // The whole sensor is told by its own heartbeat; without one, by the first source.
    const auto teller = std::find_if(sources.begin(), sources.end(),
                                     [](const auto& h) { return h.source == whole && !h.retired; });
    const auto told =
        teller != sources.end() ? teller->source
        : std::find_if(sources.begin(), sources.end(), [](const auto& h) { return !h.retired; }) !=
                sources.end()
            ? std::find_if(sources.begin(), sources.end(), [](const auto& h) { return !h.retired; })
                  ->source
            : std::string();
    for (auto& h : sources) {
      const bool absent = !h.retired && !is_revoked && bound(h) < now;
      if (absent == h.absent) continue;
      // One alert speaks for a silent sensor: the other sources stay as they were until they are
      // absent on their own.
      if (absent && silent && h.source != told) continue;
      if (absent)
        raise(h, silent, watched);
      else
        clear(h);
      h.absent = absent;
      p_.book.set_heartbeat(h);
    }
  }
}

void HeartbeatWatch::raise(const Heartbeat& h, bool whole_sensor, std::size_t sources) {
  Hit hit;
  hit.engine = EngineKind::baseline;
  hit.level = Level::high;
  hit.rule.id = heartbeat_rule;
  hit.rule.title = whole_sensor
                       ? "Heartbeat absent: sensor " + h.sensor + " at " + h.site
                       : "Heartbeat absent: " + h.source + " of " + h.sensor + " at " + h.site;
  hit.rule.source = "drills";
  hit.site = h.site;
  hit.sensor = h.sensor;
  hit.entities = {{"sensor", h.site + "/" + h.sensor}, entity_of(h)};
  hit.first = h.received;
  hit.last = p_.clock.now();
  hit.caf = {"C1.a"};
  hit.explanation =
      "The last heartbeat came " + rfc3339(h.received) + "; one is due every " +
      std::to_string(h.interval) + " s. " +
      (whole_sensor ? "None of its " + std::to_string(sources) +
                          " sources is heard: nothing of this sensor is seen."
                    : "Other sources of this sensor are heard: this one is not watched.");
  CommitGroup group;
  group.records.push_back(p_.alerts.record(hit));
  if (auto done = p_.store.commit(std::move(group)); !done)
    logging::error("heartbeats: {}", done.error().text());
}

void HeartbeatWatch::clear(const Heartbeat& h) {
  AlertFilter f;
  f.rules = {std::string(heartbeat_rule)};
  f.statuses = {AlertStatus::fresh, AlertStatus::acknowledged, AlertStatus::in_progress,
                AlertStatus::escalated};
  f.sites = {h.site};
  f.entity = entity_of(h);
  const auto page = p_.alerts.query(f);
  if (!page) return;
  for (const auto& a : page->alerts) {
    AlertPatch patch;
    patch.status = AlertStatus::closed;
    patch.disposition = Disposition::true_positive;
    patch.comment = h.retired
                        ? "closed by itself: the source is no longer watched"
                        : "closed by itself: the heartbeat is back since " + rfc3339(h.received);
    (void)p_.alerts.patch(a.id, patch, "wardwatch");
  }
}

void HeartbeatWatch::figures(MetricWriter& w) const {
  constexpr std::size_t most = 2000;
  const auto now = p_.clock.now();
  struct Sum {
    double age = 0;
    std::size_t sources = 0, absent = 0;
  };
  std::map<std::pair<std::string, std::string>, Sum> sums;
  for (const auto& h : p_.book.heartbeats()) {
    if (h.retired || (sums.size() >= most && !sums.contains({h.site, h.sensor}))) continue;
    auto& s = sums[{h.site, h.sensor}];
    s.age = std::max(s.age, static_cast<double>((now - h.received).count()) / 1e6);
    ++s.sources;
    s.absent += bound(h) < now ? 1 : 0;
  }
  for (const auto& [name, s] : sums) {
    w.gauge("wardwatch_heartbeat_age_seconds",
            "age of the oldest last heartbeat of a sensor's sources",
            {{"site", name.first}, {"sensor", name.second}}, s.age);
    w.gauge("wardwatch_heartbeat_sources", "sources that send heartbeats",
            {{"site", name.first}, {"sensor", name.second}}, static_cast<double>(s.sources));
    w.gauge("wardwatch_heartbeat_absent", "of those, past their bound",
            {{"site", name.first}, {"sensor", name.second}}, static_cast<double>(s.absent));
  }
}

}  // namespace ww::collector
