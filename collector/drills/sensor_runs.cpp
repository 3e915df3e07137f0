/// Restore and detection drills: orders to sensors, what comes back, its end.

#include <algorithm>
#include <boost/json.hpp>

#include "collector/backup/restore_check.hpp"
#include "collector/drills/figures.hpp"
#include "collector/drills/service_impl.hpp"
#include "collector/identity/authority.hpp"
#include "collector/store/store.hpp"
#include "playbooks/json_text.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/orders.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace json = boost::json;

Result<void, Problem> DrillServiceImpl::send_order(const DrillRun& r, const std::string& kind,
                                                   std::string_view other) {
  orders::Order o;
  const auto now = p_.clock.now();
  o.id = uuid7(now);
  o.run = r.id;
  o.site = r.site;
  o.sensor = r.sensor;
  o.kind = kind;
  o.issued = now;
  o.expires = now + (kind == "stop" ? std::chrono::seconds(86'400) : o_.order_life);
  if (kind == "restore") {
    const auto* d = member_object(r.doc, "restore");
    o.parameters["target"] = member_text(*d, "target");
    o.parameters["snapshot"] =
        member_text(r.doc, "snapshot", member_text(*d, "snapshot", "latest"));
  } else if (kind == "detection") {
    o.parameters["inputs"] = member_object(r.doc, "detection")->at("inputs");
  } else {
    o.parameters["order"] = other;
  }
  DrillOrder row{o.id, r.id, r.site,    r.sensor, kind,     orders::payload(o),
                 {},   now,  o.expires, {},       "waiting"};
  row.signature = p_.authority.sign_order(row.payload);
  return p_.book.add_order(row);
}

void DrillServiceImpl::move(ActiveDrill& a) {
  if (a.play) return move_play(a);
  const auto now = p_.clock.now();
  for (const auto& r : p_.book.reports(a.run.id, a.last_report)) {
    a.last_report = r.id;
    if (r.what == "report") take_report(a, r);
    if (a.run.over()) return finish(a, std::string(a.run.state));
  }
  if (a.run.kind == "detection") {
    judge_detection(a, now);
    if (a.run.over()) return finish(a, std::string(a.run.state));
  }
  if (const auto end = parse_time(member_text(a.run.doc, "window_end"));
      end && *end < now && a.run.state == "running")
    return stop_run(a, "wardwatch", "the window in which it may run is over");
  if (a.run.state == "stopping" &&
      now.us - member_integer(a.run.result, "stop_asked", now.us) > 180'000'000) {
    a.run.reason +=
        "; the sensor has not confirmed that it stopped and cleaned up: it does so when it is "
        "back";
    return finish(a, "stopped");
  }
  bool fetched = false;
  for (const auto& o : p_.book.orders(a.run.id))
    fetched = fetched || (o.kind != "stop" && (o.fetched.us != 0 || o.state != "waiting"));
  if (!fetched && now - a.run.started > o_.order_life) {
    a.run.reason = "the sensor did not fetch the order; is it there, and does it take orders?";
    return finish(a, "failed");
  }
  const auto limit = a.run.kind == "restore" ? o_.restore_limit : o_.detection_limit;
  if (a.run.state == "running" && now - a.run.started > limit + o_.order_life) {
    for (const auto& o : p_.book.orders(a.run.id))
      if (o.kind != "stop" && o.state != "finished") (void)send_order(a.run, "stop", o.id);
    a.run.reason = "no result came within the limit";
    return finish(a, "failed");
  }
  if (a.dirty) {
    a.dirty = false;
    (void)p_.book.save_run(a.run);
  }
}

void DrillServiceImpl::take_report(ActiveDrill& a, const DrillReport& r) {
  const auto state = member_text(r.doc, "state");
  if (member_text(r.doc, "kind") == "stop") return;  // that the stop arrived
  a.dirty = true;
  if (state == "started")
    add(a.run.id, "note", r.at, true, "wardwatch",
        {{"text", "the sensor began at " + member_text(r.doc, "started")}});
  if (state != "finished") {
    a.run.result["progress"] = {{"phase", member_text(r.doc, "phase")},
                                {"percent", member_integer(r.doc, "percent", 0)},
                                {"text", member_text(r.doc, "text")},
                                {"at", rfc3339(r.at)}};
    return;
  }
  const auto result = member_text(r.doc, "result");
  a.run.result["sensor"] = r.doc;
  if (a.run.kind == "restore") take_restore(a, r, result);
  if (a.run.kind == "detection" && result != "passed") {
    a.run.state = result == "stopped" ? "stopped" : "failed";
    a.run.reason = member_text(r.doc, "text");
  }
}

void DrillServiceImpl::take_restore(ActiveDrill& a, const DrillReport& r,
                                    const std::string& result) {
  const auto finished = parse_time(member_text(r.doc, "finished"));
  const auto data_time = parse_time(member_text(r.doc, "data_time"));
  auto until = finished.value_or(r.at);
  if (until < a.run.started || p_.clock.now() < until) until = r.received;  // its clock is off
  if (result == "passed")
    clock(a.run.id, "it_complete", until, true,
          r.doc.contains("reporter") ? member_text(r.doc, "reporter") : "sensor");
  if (data_time && result == "passed")
    clock(a.run.id, "data_time", *data_time, true, member_text(r.doc, "tool"));
  json::object integrity{{"snapshot", member_text(r.doc, "snapshot")},
                         {"passed", r.doc.contains("passed") ? r.doc.at("passed") : json::array()},
                         {"failed", r.doc.contains("failed") ? r.doc.at("failed") : json::array()},
                         {"chosen", member_text(r.doc, "text")}};
  add(a.run.id, "integrity", r.at, true, "wardwatch", std::move(integrity));
  a.run.state = result == "passed" ? "passed" : result == "stopped" ? "stopped" : "failed";
  if (a.run.reason.empty() && result != "passed") a.run.reason = member_text(r.doc, "text");
  RestoreCheck c;
  c.site = a.run.site;
  c.asset = member_text(r.doc, "asset");
  c.job = member_text(r.doc, "job");
  c.tool = member_text(r.doc, "tool");
  c.repository = member_text(r.doc, "repository");
  c.snapshot = member_text(r.doc, "snapshot");
  if (c.snapshot.empty() || c.asset.empty()) return;  // it never came so far
  c.data_time = data_time.value_or(Timestamp{});
  c.started = a.run.started;
  c.finished = until;
  c.result = result == "passed"    ? RestoreResult::passed
             : result == "stopped" ? RestoreResult::stopped
                                   : RestoreResult::failed;
  c.scan = scan_result(member_text(r.doc, "scan", "not_done")).value_or(ScanResult::not_done);
  c.scope = member_text(r.doc, "scope", "full");
  c.octets =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, member_integer(r.doc, "bytes", 0)));
  c.files =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, member_integer(r.doc, "files", 0)));
  c.verified = member_texts(r.doc, "passed");
  c.detail = member_text(r.doc, "text");
  c.drill = a.run.id;
  c.by = a.run.by;
  c.evidence_sha256 = playbooks::sha256_hex(playbooks::canonical_json(r.doc));
  auto kept = record_restore_check(p_.store.control(), c);
  if (kept)
    a.run.result["restore_check"] = *kept;
  else
    logging::error("drills: {}", kept.error().text());
}

void DrillServiceImpl::judge_detection(ActiveDrill& a, Timestamp now) {
  if (a.run.over()) return;
  auto state = detection_state(a.run, p_.book.reports(a.run.id));
  a.run.result["detection"] = state.json;
  a.dirty = true;
  if (!state.played) return;
  // Rules that must not fire get a moment to do so.
  const bool settled = state.met || state.spoiled;
  if (settled && a.settled.us == 0) a.settled = now;
  const auto* d = member_object(a.run.doc, "detection");
  const auto settle = member_integer(*d, "settle_s", 5),
             timeout = member_integer(*d, "timeout_s", 120);
  if (settled && now - a.settled >= std::chrono::seconds(settle)) {
    a.run.state = state.met && !state.spoiled ? "passed" : "failed";
    if (state.spoiled) a.run.reason = "a rule fired that must not, or too often";
  } else if (now - a.run.started > std::chrono::seconds(timeout)) {
    a.run.state = "failed";
    a.run.reason = "not every expected rule fired in time";
  }
}

void DrillServiceImpl::on_alert(const AlertNotice& n) {
  if (n.kind == AlertNotice::Kind::changed || n.alert.disposition != Disposition::drill) return;
  const auto it = std::find_if(n.alert.entities.begin(), n.alert.entities.end(),
                               [](const auto& e) { return e.type == "drill"; });
  if (it == n.alert.entities.end()) return;
  const std::lock_guard lock(alerts_mutex_);
  if (new_alerts_.size() >= 10'000) return;
  new_alerts_.push_back({0,
                         it->value,
                         "alert",
                         n.alert.updated,
                         n.alert.updated,
                         {{"alert", n.alert.id},
                          {"rule", n.alert.rule.id},
                          {"title", n.alert.rule.title},
                          {"level", name(n.alert.level)},
                          {"count", n.alert.count}}});
  wake();
}

void DrillServiceImpl::keep_alerts() {
  std::deque<DrillReport> all;
  {
    const std::lock_guard lock(alerts_mutex_);
    all.swap(new_alerts_);
  }
  for (const auto& r : all)
    if (auto done = p_.book.add_report(r); !done) logging::error("drills: {}", done.error().text());
}

}  // namespace ww::collector
