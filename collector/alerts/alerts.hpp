#pragma once
/// Alert records (contracts.md "Alert"): what people triage. Detection gives Hits; repeats of one
/// rule at one site about the same entities fold into one alert while they come within the rule's
/// window.
///
/// Hits travel inside a Store::commit (record()), so an alert is there exactly when the events that
/// caused it are. State changes by people are durable when the call returns and are kept as
/// history.
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/store/control.hpp"
#include "collector/store/store.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

enum class AlertStatus : std::uint8_t { fresh, acknowledged, in_progress, escalated, closed };
enum class Disposition : std::uint8_t {
  none,
  true_positive,
  false_positive,
  benign,
  drill,
  duplicate
};
enum class Level : std::uint8_t { informational, low, medium, high, critical };
enum class EngineKind : std::uint8_t { signature, sigma, correlation, baseline, backup, intel };

[[nodiscard]] std::string_view name(AlertStatus s);  ///< `fresh` is "new" outside
[[nodiscard]] std::string_view name(Disposition d);  ///< `none` is ""
[[nodiscard]] std::string_view name(Level l);
[[nodiscard]] std::string_view name(EngineKind e);
[[nodiscard]] std::optional<AlertStatus> alert_status(std::string_view text);
[[nodiscard]] std::optional<Disposition> disposition(std::string_view text);
[[nodiscard]] std::optional<Level> level(std::string_view text);
[[nodiscard]] std::optional<EngineKind> engine_kind(std::string_view text);

struct Entity {
  std::string type;  ///< ip, host, user, domain, file, process, asset...
  std::string value;
  auto operator<=>(const Entity&) const = default;
};
struct RuleRef {
  std::string id, title, rev, source;
};
struct Evidence {
  std::string event_id;
  Timestamp time;
  std::string
      json;  ///< a copy that outlives the event's file; empty past AlertLimits::evidence_copies
};

/// One thing detection found. `count` hits of the same key may come as one.
struct Hit {
  EngineKind engine = EngineKind::signature;
  Level level = Level::medium;
  RuleRef rule;
  std::string site, sensor;
  std::vector<Entity> entities;
  Timestamp first, last;
  std::uint64_t count = 1;
  std::chrono::seconds window{3600};  ///< a repeat within this of the last one folds
  std::vector<std::string> attack, caf;
  std::vector<Evidence> evidence;
  std::string explanation;
  bool drill = false;  ///< closed as a drill from the start, but counted
};

struct Comment {
  Timestamp at;
  std::string author, text;
};
struct Change {
  Timestamp at;
  std::string author, what, from, to;  ///< what: status, disposition, assignee, level, incident
};

struct Alert {
  std::string id;
  AlertStatus status = AlertStatus::fresh;
  Disposition disposition = Disposition::none;
  Level level = Level::medium;
  EngineKind engine = EngineKind::signature;
  RuleRef rule;
  std::string site, sensor;
  std::vector<Entity> entities;
  Timestamp first_seen, last_seen, created, updated;
  std::optional<Timestamp> acknowledged_at, closed_at;
  std::uint64_t count = 0;
  std::vector<std::string> attack, caf;
  std::vector<std::string>
      evidence;  ///< event ids, oldest first, bounded by AlertLimits::evidence_ids
  std::string explanation, assignee, incident;
  std::vector<Comment> comments;  ///< AlertBook::get only
  std::vector<Change> history;    ///< AlertBook::get only
  std::uint64_t version = 0;      ///< grows with every change
};
/// contracts.md's JSON object.
void write_json(JsonWriter& out, const Alert& alert);

struct AlertFilter {
  std::vector<AlertStatus> statuses;
  std::vector<Level> levels;
  std::vector<EngineKind> engines;
  std::vector<Disposition> dispositions;
  std::vector<std::string> sites, sensors, rules, assignees, incidents;  ///< any of; empty for all
  std::optional<std::vector<std::string>> visible_sites;                 ///< as in SearchQuery
  std::optional<Entity> entity;              ///< type may be empty: any type
  std::string text;                          ///< in title or explanation, case ignored
  std::string technique;                     ///< attack technique, "T1059" also finds "T1059.001"
  Timestamp from{INT64_MIN}, to{INT64_MAX};  ///< last_seen in [from, to)
  enum class Order : std::uint8_t { last_seen, first_seen, level, count } order = Order::last_seen;
  bool ascending = false;
  std::uint32_t limit = 100;  ///< at most 1'000
  std::string cursor;
};
struct AlertPage {
  std::vector<Alert> alerts;
  std::string next;
  std::uint64_t total = 0;  ///< matching the filter, all pages
};

struct AlertPatch {
  std::optional<AlertStatus> status;
  std::optional<Disposition> disposition;
  std::optional<std::string> assignee;
  std::optional<std::string> incident;  ///< must exist; empty takes it out
  std::optional<std::string> comment;
  std::optional<std::uint64_t> if_version;  ///< refuse when somebody changed it since
};
enum class PatchRefusal : std::uint8_t { not_found, conflict, bad_transition, no_incident, failed };
[[nodiscard]] std::string_view name(PatchRefusal r);

struct Incident {
  std::string id, title, status;  ///< open, contained, closed
  Level level = Level::medium;
  std::vector<std::string> sites;
  Timestamp opened, updated;
  std::optional<Timestamp> closed;
  std::string lead, summary;
  std::uint64_t alerts = 0;
  bool automatic = false;  ///< opened by grouping, not by a person
};
void write_json(JsonWriter& out, const Incident& incident);
struct IncidentPatch {
  std::optional<std::string> title, status, lead, summary;
  std::optional<Level> level;
};

struct AlertLimits {
  std::uint32_t evidence_ids = 100;    ///< per alert: the first half and the latest half are kept
  std::uint32_t evidence_copies = 10;  ///< whole events copied per alert
  std::uint32_t evidence_octets = 32'768;  ///< of one copied event
  std::uint32_t comments = 1'000;
  std::uint32_t text_octets = 65'536;  ///< a comment or explanation
  /// Alerts of high or critical level that share an entity within this time join one incident by
  /// themselves.
  std::chrono::seconds incident_window{4 * 3600};
  std::uint32_t incident_alerts = 3;  ///< this many distinct rules open an incident; 0: never
};

/// What changed, for live feeds, metrics and notification.
struct AlertNotice {
  enum class Kind : std::uint8_t { created, repeated, changed } kind = Kind::created;
  Alert alert;
};

struct AlertCounters {
  std::uint64_t hits = 0, created = 0, folded = 0, bad_records = 0;
  /// Open (not closed) alerts by level and status.
  std::array<std::array<std::uint64_t, 5>, 5> by_level_status{};
};

class AlertBook {
 public:
  /// @param clock  borrowed
  [[nodiscard]] static std::unique_ptr<AlertBook> create(const Clock& clock,
                                                         const AlertLimits& limits = {});
  virtual ~AlertBook() = default;

  /// The tables and the applier: give it to Store::open, then attach() the opened store.
  [[nodiscard]] virtual ControlModule module() = 0;
  virtual void attach(ControlDb& control) = 0;

  /// A hit as a record for Store::commit. Gives the alert its id in case it is a new one.
  [[nodiscard]] virtual ControlRecord record(const Hit& hit) const = 0;

  [[nodiscard]] virtual Result<AlertPage, Problem> query(const AlertFilter& filter) const = 0;
  [[nodiscard]] virtual std::optional<Alert> get(std::string_view id) const = 0;
  /// Copies of the events behind an alert, oldest first (those that were copied).
  [[nodiscard]] virtual std::vector<Evidence> evidence(std::string_view id) const = 0;
  [[nodiscard]] virtual Result<Alert, PatchRefusal> patch(std::string_view id,
                                                          const AlertPatch& patch,
                                                          std::string_view author) = 0;

  [[nodiscard]] virtual Result<Incident, Problem> open_incident(
      std::string_view title, Level level, std::span<const std::string> alert_ids,
      std::string_view author) = 0;
  [[nodiscard]] virtual std::vector<Incident> incidents(
      bool include_closed, std::uint32_t limit,
      const std::optional<std::vector<std::string>>& visible_sites = {}) const = 0;
  [[nodiscard]] virtual std::optional<Incident> incident(std::string_view id) const = 0;
  [[nodiscard]] virtual Result<Incident, PatchRefusal> patch_incident(std::string_view id,
                                                                      const IncidentPatch& patch,
                                                                      std::string_view author) = 0;

  /// `observer` is called after each durable change, from the committing thread: hand over and
  /// return at once.
  /// @return  a number for unsubscribe()
  virtual std::uint64_t subscribe(std::function<void(const AlertNotice&)> observer) = 0;
  virtual void unsubscribe(std::uint64_t number) = 0;
  [[nodiscard]] virtual AlertCounters counters() const = 0;
};

}  // namespace ww::collector
