#include "collector/app/service/figures.hpp"

#include "collector/alerts/alerts.hpp"
#include "collector/api/live.hpp"
#include "collector/api/server.hpp"
#include "collector/detect/detect.hpp"
#include "collector/identity/accounts.hpp"
#include "collector/ingest/pipeline_local.hpp"
#include "collector/ingest/syslog_server.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {
namespace {

constexpr std::size_t max_sensor_labels = 2000;  // a bound of the label set, far above any estate

double real(std::uint64_t n) { return static_cast<double>(n); }

void store_figures(MetricWriter& w, const FigureSources& s) {
  const auto t = s.store.stats();
  w.counter("wardwatch_store_events_total", "events committed", {}, real(t.events));
  w.counter("wardwatch_store_event_bytes_total", "octets of events committed, before compression",
            {}, real(t.event_octets));
  w.counter("wardwatch_store_commits_total", "durable commits", {}, real(t.commits));
  w.counter("wardwatch_store_commit_failures_total", "commits that the disk refused", {},
            real(t.commit_failures));
  w.counter("wardwatch_store_dead_letters_total", "lines that could not become events", {},
            real(t.dead_letters));
  w.counter("wardwatch_store_files_dropped_total", "event files removed by retention", {},
            real(t.files_dropped));
  w.counter("wardwatch_store_searches_total", "searches", {}, real(t.searches));
  w.counter("wardwatch_store_partial_searches_total", "searches that their budget ended", {},
            real(t.partial_searches));
  w.gauge("wardwatch_store_files", "event files", {}, real(t.files));
  w.gauge("wardwatch_store_file_bytes", "octets of event files", {}, real(t.file_octets));
  w.gauge("wardwatch_store_journal_bytes", "octets of the journal", {}, real(t.journal_octets));
  w.gauge("wardwatch_store_files_corrupt", "event files that cannot be read", {},
          real(t.files_corrupt));
  for (const auto& b : t.bounds)
    w.gauge("wardwatch_store_bound_exceeded",
            "1 while the running day alone is larger than a bound of the store",
            {{"bound", b.name}}, b.exceeded() ? 1 : 0);
  w.counter("wardwatch_store_clock_jumps_total",
            "leaps of the clock; for a day after one nothing is dropped for its age", {},
            real(t.clock_jumps));
  w.gauge("wardwatch_store_healthy", "1 while the store takes commits", {}, t.healthy ? 1 : 0);
}

void sensor_figures(MetricWriter& w, const FigureSources& s) {
  const auto now = s.clock.now();
  std::size_t n = 0;
  for (const auto& c : s.store.cursors()) {
    if (++n > max_sensor_labels) break;
    w.gauge("wardwatch_sensor_last_seen_timestamp_seconds", "time of the sensor's last batch",
            {{"site", c.site}, {"sensor", c.sensor}}, static_cast<double>(c.last_batch.us) / 1e6);
    w.gauge("wardwatch_sensor_up", "1 while the sensor's batches come (within 2 minutes)",
            {{"site", c.site}, {"sensor", c.sensor}},
            sensor_status(c.last_batch, now) == "ok" ? 1 : 0);
    w.counter("wardwatch_sensor_events_total", "events of the sensor that are stored",
              {{"site", c.site}, {"sensor", c.sensor}}, real(c.events));
    w.counter("wardwatch_sensor_skipped_events_total",
              "events of the sensor that will never come: shed by its spool, damaged on its disk, "
              "or refused",
              {{"site", c.site}, {"sensor", c.sensor}}, real(c.skipped));
  }
}

void alert_figures(MetricWriter& w, const FigureSources& s) {
  const auto c = s.alerts.counters();
  w.counter("wardwatch_alert_hits_total", "hits of rules, folded ones too", {}, real(c.hits));
  w.counter("wardwatch_alerts_created_total", "alerts made", {}, real(c.created));
  for (std::size_t l = 0; l < c.by_level_status.size(); ++l)
    for (std::size_t t = 0; t < c.by_level_status[l].size(); ++t)
      w.gauge(
          "wardwatch_alerts", "alerts by level and status",
          {{"level", name(static_cast<Level>(l))}, {"status", name(static_cast<AlertStatus>(t))}},
          real(c.by_level_status[l][t]));
  const auto d = s.detector.stats();
  w.counter("wardwatch_detect_events_total", "events that detection looked at", {}, real(d.events));
  w.counter("wardwatch_detect_matches_total", "rule matches, silent ones too", {}, real(d.matches));
  w.counter("wardwatch_detect_hits_total", "matches that became hits", {}, real(d.hits));
  w.counter("wardwatch_detect_suppressed_total", "hits that an exception took away", {},
            real(d.suppressed));
  w.counter("wardwatch_detect_evicted_total", "correlation state that its bound evicted", {},
            real(d.evicted));
  w.counter("wardwatch_detect_too_late_total",
            "matches that correlations left out because they came too late", {}, real(d.too_late));
  w.counter("wardwatch_detect_state_errors_total",
            "pieces of correlation state that could not be restored", {}, real(d.state_errors));
  w.gauge("wardwatch_detect_groups", "groups that correlations have live", {}, real(d.groups));
  w.gauge("wardwatch_detect_state_bytes", "memory of the live groups", {}, real(d.group_octets));
  w.gauge("wardwatch_detect_rules", "rules loaded", {}, d.rules);
  w.gauge("wardwatch_detect_rules_refused", "rules that could not be loaded", {}, d.refused);
}

void ingest_figures(MetricWriter& w, const FigureSources& s) {
  const auto p = s.pipeline.stats();
  w.counter("wardwatch_pipeline_batches_total", "batches taken", {}, real(p.batches));
  w.counter("wardwatch_pipeline_events_total", "events taken", {}, real(p.events));
  w.counter("wardwatch_pipeline_bytes_total", "octets taken", {}, real(p.octets));
  w.counter("wardwatch_pipeline_rejected_total", "batches refused, by reason", {{"reason", "busy"}},
            real(p.busy));
  w.counter("wardwatch_pipeline_rejected_total", "batches refused, by reason",
            {{"reason", "failed"}}, real(p.failed));
  w.counter("wardwatch_pipeline_rejected_total", "batches refused, by reason",
            {{"reason", "out_of_order"}}, real(p.out_of_order));
  w.counter("wardwatch_pipeline_repeated_events_total", "events that were stored already", {},
            real(p.repeated_events));
  w.counter("wardwatch_pipeline_wrong_identity_total",
            "events that named another site or sensor than their sender", {},
            real(p.wrong_identity));
  w.counter("wardwatch_pipeline_bad_times_total", "events whose time was unusable", {},
            real(p.bad_times));
  w.gauge("wardwatch_pipeline_queue_batches", "batches waiting", {}, real(p.queue_batches));
  w.gauge("wardwatch_pipeline_queue_bytes", "octets waiting", {}, real(p.queue_octets));
  if (s.syslog == nullptr) return;
  const auto y = s.syslog->stats();
  w.counter("wardwatch_syslog_messages_total", "syslog messages", {}, real(y.messages));
  w.counter("wardwatch_syslog_dropped_total",
            "syslog messages dropped because the pipeline was busy", {}, real(y.dropped));
  w.counter("wardwatch_syslog_too_long_total", "syslog messages that were cut", {},
            real(y.too_long));
  w.counter("wardwatch_syslog_bad_frames_total", "syslog streams with an impossible octet count",
            {}, real(y.bad_frames));
  w.gauge("wardwatch_syslog_connections", "open syslog connections", {}, real(y.connections_open));
}

void server_figures(MetricWriter& w, const FigureSources& s) {
  const auto t = s.server.stats();
  w.counter("wardwatch_http_connections_total", "connections", {}, real(t.connections));
  w.gauge("wardwatch_http_connections", "open connections", {}, real(t.connections_open));
  w.counter("wardwatch_http_connections_refused_total", "connections over a limit", {},
            real(t.connections_refused));
  w.counter("wardwatch_http_handshake_failures_total", "TLS handshakes that failed", {},
            real(t.handshake_failures));
  w.counter("wardwatch_http_requests_total", "requests", {}, real(t.requests));
  w.counter("wardwatch_http_rejected_total", "requests refused before a handler, by reason",
            {{"reason", "malformed"}}, real(t.bad_requests));
  w.counter("wardwatch_http_rejected_total", "requests refused before a handler, by reason",
            {{"reason", "timeout"}}, real(t.timeouts));
  w.counter("wardwatch_http_rejected_total", "requests refused before a handler, by reason",
            {{"reason", "rate"}}, real(t.rate_limited));
  w.counter("wardwatch_http_rejected_total", "requests refused before a handler, by reason",
            {{"reason", "too_large"}}, real(t.too_large));
  w.gauge("wardwatch_http_inflight_bytes", "request bodies held", {}, real(t.inflight_octets));
  w.gauge("wardwatch_live_readers", "open live feeds", {}, static_cast<double>(s.live.readers()));
  const auto a = s.accounts.counters();
  w.counter("wardwatch_logins_total", "people who signed in", {}, real(a.logins));
  w.counter("wardwatch_login_failures_total", "failed attempts to sign in", {},
            real(a.login_failures));
  w.counter("wardwatch_login_lockouts_total", "attempts while locked out", {}, real(a.lockouts));
  w.counter("wardwatch_enrolments_total", "sensors enrolled", {}, real(a.enrolments));
  w.gauge("wardwatch_sessions", "open sessions", {}, real(a.sessions));
}

}  // namespace

void add_figures(Metrics& metrics, const FigureSources& s) {
  metrics.add_source([s](MetricWriter& w) {
    store_figures(w, s);
    sensor_figures(w, s);
    alert_figures(w, s);
    ingest_figures(w, s);
    server_figures(w, s);
  });
}

}  // namespace ww::collector
