#include "collector/drills/figures.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "collector/drills/definition.hpp"
#include "playbooks/json_text.hpp"

namespace ww::collector {
namespace json = boost::json;
namespace {

double seconds(Timestamp from, Timestamp to) {
  return static_cast<double>((to - from).count()) / 1e6;
}

const json::object& part(const json::object& o, std::string_view name) {
  static const json::object none;
  const auto* p = member_object(o, name);
  return p != nullptr ? *p : none;
}

json::object entry_json(const DrillEntry& e) {
  json::object o = e.doc;
  o["id"] = e.id;
  o["at"] = rfc3339(e.at);
  o["entered_at"] = rfc3339(e.made);
  o["time"] = e.observed ? "observed" : "entered";
  o["by"] = e.by;
  return o;
}

json::array entries_of(const ReportParts& p, std::initializer_list<std::string_view> kinds) {
  json::array out;
  for (const auto& e : p.entries)
    if (std::find(kinds.begin(), kinds.end(), e.kind) != kinds.end()) out.push_back(entry_json(e));
  return out;
}

/// Words of a gap that make it the same gap again.
std::string gap_key(const json::object& gap) {
  std::string out;
  for (const char c : member_text(gap, "description", member_text(gap, "text"))) {
    const char l = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if ((l >= 'a' && l <= 'z') || (l >= '0' && l <= '9'))
      out += l;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

json::array clocks(const ReportParts& p) {
  json::array out;
  std::set<std::string> seen;
  for (auto it = p.entries.rbegin(); it != p.entries.rend(); ++it) {
    if (it->kind != "clock") continue;
    const auto name = member_text(it->doc, "name");
    if (!seen.insert(name).second) continue;
    out.push_back({{"name", name},
                   {"at", rfc3339(it->at)},
                   {"time", it->observed ? "observed" : "entered"},
                   {"by", it->by}});
  }
  std::reverse(out.begin(), out.end());
  return out;
}

struct StepFigures {
  json::array list;
  std::size_t timed = 0, on_time = 0, not_done = 0, evidence_wanted = 0, evidence_given = 0;
};

StepFigures steps(const ReportParts& p) {
  StepFigures out;
  if (p.steps == nullptr) return out;
  std::set<std::string> evidenced;  // steps with an evidence entry
  for (const auto& e : p.entries)
    if (e.kind == "evidence") evidenced.insert(member_text(e.doc, "step"));
  for (const auto& s : *p.steps) {
    if (s.type != playbooks::StepType::action) continue;
    const auto* step = p.playbook != nullptr ? p.playbook->step(s.step) : nullptr;
    json::object o{{"step", s.step},
                   {"name", s.name},
                   {"started", rfc3339(s.started)},
                   {"outcome", playbooks::name(s.outcome)},
                   {"by", s.by},
                   {"time", s.observed ? "observed" : "entered"}};
    if (s.round > 0) o["round"] = s.round;
    if (!s.note.empty()) o["note"] = s.note;
    if (s.finished.us != 0) {
      o["finished"] = rfc3339(s.finished);
      o["seconds"] = seconds(s.started, s.finished);
    }
    if (s.outcome == playbooks::StepOutcome::failed ||
        s.outcome == playbooks::StepOutcome::stopped || s.finished.us == 0)
      ++out.not_done;
    if (step != nullptr) {
      o["role"] = step->hints.role;
      if (step->hints.expected_minutes && s.finished.us != 0) {
        const double most = *step->hints.expected_minutes * 60.0;
        const bool good = seconds(s.started, s.finished) <= most;
        o["expected_seconds"] = most;
        o["on_time"] = good;
        ++out.timed;
        out.on_time += good ? 1 : 0;
      }
      if (!step->hints.evidence_required.empty()) {
        ++out.evidence_wanted;
        const bool has = evidenced.contains(s.step) || !s.note.empty();
        out.evidence_given += has ? 1 : 0;
        o["evidence"] = has;
      }
    }
    out.list.push_back(std::move(o));
  }
  return out;
}

json::object run_figures(const DrillRun& r) {
  json::object o{
      {"run", r.id}, {"site", r.site}, {"state", r.state}, {"started", rfc3339(r.started)}};
  const auto& recovery = part(r.result, "recovery");
  for (const auto* name : {"rto_seconds", "rpo_seconds"})
    if (const auto* v = recovery.if_contains(name)) o[name] = *v;
  const auto& detection = part(r.result, "detection");
  for (const auto* name : {"seconds_to_alert", "seconds_to_acknowledge"})
    if (const auto* v = detection.if_contains(name)) o[name] = *v;
  if (const auto* v = r.result.if_contains("steps_on_time_percent"))
    o["steps_on_time_percent"] = *v;
  return o;
}

json::object comparison(const ReportParts& p) {
  json::array earlier, sites;
  std::set<std::string> seen{p.run.site};
  for (const auto& r : p.earlier) {
    if (r.site == p.run.site && r.sensor == p.run.sensor) {
      if (earlier.size() < 10) earlier.push_back(run_figures(r));
    } else if (seen.insert(r.site).second) {
      sites.push_back(run_figures(r));  // the newest of each other site
    }
  }
  return {{"earlier", std::move(earlier)}, {"other_sites", std::move(sites)}};
}

}  // namespace

std::string duration_text(double s) {
  char text[48];
  if (s < 120)
    std::snprintf(text, sizeof text, "%.1f s", s);
  else if (s < 7200)
    std::snprintf(text, sizeof text, "%.0f min", s / 60);
  else
    std::snprintf(text, sizeof text, "%.0f h %02.0f min",
                  static_cast<double>(static_cast<std::int64_t>(s / 3600)),
                  static_cast<double>(static_cast<std::int64_t>(s / 60) % 60));
  return text;
}

std::optional<ClockReading> clock_reading(const std::vector<DrillEntry>& entries,
                                          std::string_view name) {
  std::optional<ClockReading> out;
  for (const auto& e : entries)
    if (e.kind == "clock" && member_text(e.doc, "name") == name)
      out = ClockReading{e.at, e.observed, e.by};
  return out;
}

json::object recovery(const DrillRun& run, const std::vector<DrillEntry>& entries) {
  json::object o;
  const auto& restore = part(run.doc, "restore");
  const auto& exercise = part(run.doc, "exercise");
  const auto target = [&](std::string_view name) {
    return member_integer(restore, name, member_integer(exercise, name, 0));
  };
  const auto decision = clock_reading(entries, "decision_to_restore");
  const auto complete = clock_reading(entries, "it_complete");
  const auto sign_off = clock_reading(entries, "clinical_sign_off");
  const auto incident = clock_reading(entries, "incident");
  const auto data = clock_reading(entries, "data_time");
  if (const auto t = target("rto_target_s"); t > 0) o["rto_target_seconds"] = t;
  if (const auto t = target("rpo_target_s"); t > 0) o["rpo_target_seconds"] = t;
  if (decision && complete) o["technical_seconds"] = seconds(decision->at, complete->at);
  // Recovery ends with the clinicians' word. Without it only the technical part is known.
  if (decision && (sign_off || complete)) {
    const auto& end = sign_off ? *sign_off : *complete;
    const auto s = seconds(decision->at, end.at);
    o["rto_seconds"] = s;
    o["rto_until"] = sign_off ? "clinical_sign_off" : "it_complete";
    o["rto_time"] = decision->observed && end.observed ? "observed" : "entered";
    if (const auto t = target("rto_target_s"); t > 0) o["rto_met"] = s <= static_cast<double>(t);
  }
  if (data && (incident || decision)) {
    const auto s = seconds(data->at, incident ? incident->at : decision->at);
    o["rpo_seconds"] = s;
    o["rpo_time"] = data->observed && (!incident || incident->observed) ? "observed" : "entered";
    if (const auto t = target("rpo_target_s"); t > 0) o["rpo_met"] = s <= static_cast<double>(t);
  }
  return o;
}

DetectionState detection_state(const DrillRun& run, const std::vector<DrillReport>& reports) {
  DetectionState out;
  const auto& d = part(run.doc, "detection");
  Timestamp played_at;
  std::optional<double> offset;
  const DrillReport *first_event = nullptr, *first_alert = nullptr, *first_notice = nullptr,
                    *first_ack = nullptr;
  std::size_t events = 0;
  struct Fired {
    std::uint64_t count = 0;
    Timestamp first;
  };
  std::map<std::string, Fired> fired;
  for (const auto& r : reports) {
    if (r.what == "event") {
      ++events;
      if (first_event == nullptr) first_event = &r;
    } else if (r.what == "alert") {
      if (first_alert == nullptr) first_alert = &r;
      auto& f = fired[member_text(r.doc, "rule")];
      f.count =
          std::max(f.count + 1, static_cast<std::uint64_t>(member_integer(r.doc, "count", 1)));
      if (f.first.us == 0) f.first = r.at;
    } else if (r.what == "notified" && first_notice == nullptr) {
      first_notice = &r;
    } else if (r.what == "acknowledged" && first_ack == nullptr) {
      first_ack = &r;
    } else if (r.what == "report") {
      const auto state = member_text(r.doc, "state");
      if (state == "started" && played_at.us == 0) {
        if (const auto t = parse_time(member_text(r.doc, "started"))) played_at = *t;
        offset = seconds(r.at, r.received);
      }
      if (state == "finished") out.played = true;
    }
  }
  if (played_at.us == 0) played_at = run.started;
  auto& o = out.json;
  o["played_at"] = rfc3339(played_at);
  if (offset) o["report_delay_seconds"] = *offset;  // bounds the difference of the two clocks
  o["events"] = events;
  const auto since = [&](const char* name, const DrillReport* r) {
    if (r != nullptr)
      o[name] = std::max(0.0, seconds(played_at, r->what == "event" ? r->received : r->at));
  };
  since("seconds_to_event", first_event);
  since("seconds_to_alert", first_alert);
  since("seconds_to_notification", first_notice);
  since("seconds_to_acknowledge", first_ack);
  out.met = true;
  json::array expected;
  if (const auto* list = member_list(d, "expect")) {
    for (const auto& v : *list) {
      const auto& e = v.get_object();
      const auto rule = member_text(e, "rule");
      const auto least = static_cast<std::uint64_t>(member_integer(e, "min", 1));
      const auto most = static_cast<std::uint64_t>(member_integer(e, "max", INT64_MAX));
      const auto within = static_cast<double>(member_integer(e, "within_s", 60));
      const auto it = fired.find(rule);
      const auto count = it == fired.end() ? 0 : it->second.count;
      json::object x{{"rule", rule}, {"within_s", within}, {"min", least}, {"count", count}};
      bool ok = count >= least && count <= most;
      if (it != fired.end()) {
        const auto s = std::max(0.0, seconds(played_at, it->second.first));
        x["seconds"] = s;
        ok = ok && s <= within;
      }
      x["met"] = ok;
      out.met = out.met && ok;
      out.spoiled = out.spoiled || count > most;
      expected.push_back(std::move(x));
    }
  }
  json::array forbidden;
  for (const auto& rule : member_texts(d, "must_not_fire")) {
    const bool did = fired.contains(rule);
    out.spoiled = out.spoiled || did;
    forbidden.push_back({{"rule", rule}, {"fired", did}});
  }
  json::array others;
  for (const auto& [rule, f] : fired) {
    const auto named = [&](const json::array& list) {
      return std::any_of(list.begin(), list.end(), [&](const auto& x) {
        return member_text(x.get_object(), "rule") == rule;
      });
    };
    if (!named(expected) && !named(forbidden))
      others.push_back({{"rule", rule}, {"count", f.count}});
  }
  o["expect"] = std::move(expected);
  o["must_not_fire"] = std::move(forbidden);
  o["also_fired"] = std::move(others);
  o["met"] = out.met && !out.spoiled;
  return out;
}

json::object make_report(const ReportParts& p) {
  const auto& r = p.run;
  json::object identity{{"id", r.id},
                        {"title", r.title},
                        {"kind", r.kind},
                        {"level", r.level},
                        {"definition", r.definition},
                        {"state", r.state},
                        {"reason", r.reason},
                        {"started_by", r.by},
                        {"scenario_source", member_text(r.doc, "scenario_source")},
                        {"caf", r.doc.contains("caf") ? r.doc.at("caf") : json::array()}};
  if (p.playbook != nullptr) {
    identity["playbook"] = p.playbook->id;
    identity["playbook_version"] = p.playbook->modified;
    identity["playbook_sha256"] = p.playbook->sha256;
  }
  json::object scope{{"site", r.site}, {"sensor", r.sensor}};
  for (const auto* name : {"systems", "safety", "exclusions", "approver", "clinical_safety_officer",
                           "functions", "owner"})
    if (const auto* v = r.doc.if_contains(name)) scope[name] = *v;
  auto figures = steps(p);
  auto people = entries_of(p, {"person"});
  json::array unfilled;
  std::set<std::string> filled;
  for (const auto& v : people)
    if (member_text(v.get_object(), "presence") != "absent")
      filled.insert(member_text(v.get_object(), "role"));
  for (const auto& role : member_texts(part(r.doc, "exercise"), "roles"))
    if (!filled.contains(role)) unfilled.emplace_back(role);

  auto gaps = entries_of(p, {"gap"});
  std::map<std::string, std::string> before;
  for (const auto& [run, list] : p.earlier_gaps)
    for (const auto& g : list) before.emplace(gap_key(g.doc), run);
  std::map<std::string, std::int64_t> by_severity;
  std::size_t repeats = 0;
  for (auto& v : gaps) {
    auto& g = v.get_object();
    ++by_severity[member_text(g, "severity", "unrated")];
    if (const auto it = before.find(gap_key(g)); it != before.end()) {
      g["repeat_of"] = it->second;
      ++repeats;
    }
  }
  json::object severities;
  for (const auto& [k, n] : by_severity) severities[k] = n;
  json::array actions;
  for (const auto& a : p.actions)
    actions.push_back({{"id", a.id},
                       {"gap", a.gap},
                       {"text", a.text},
                       {"owner", a.owner},
                       {"due", a.due.us != 0 ? rfc3339(a.due) : ""},
                       {"priority", a.priority},
                       {"state", a.state},
                       {"retest", a.retest},
                       {"note", a.note}});
  json::object score{{"gaps_by_severity", std::move(severities)},
                     {"repeat_gaps", repeats},
                     {"unfilled_roles", std::move(unfilled)},
                     {"steps_not_done", figures.not_done}};
  if (figures.timed > 0)
    score["steps_on_time_percent"] =
        100.0 * static_cast<double>(figures.on_time) / static_cast<double>(figures.timed);
  if (figures.evidence_wanted > 0)
    score["evidence_percent"] = 100.0 * static_cast<double>(figures.evidence_given) /
                                static_cast<double>(figures.evidence_wanted);
  const auto recovered = recovery(r, p.entries);
  const auto missed = [&](const char* name) {
    const auto* v = recovered.if_contains(name);
    return v != nullptr && v->is_bool() && !v->get_bool();
  };
  // No failed step, no gap, every target met: perhaps it asked nothing of anybody.
  const bool too_easy = r.state == "passed" && gaps.empty() && figures.not_done == 0 &&
                        !missed("rto_met") && !missed("rpo_met") &&
                        (figures.timed == 0 || figures.on_time == figures.timed);
  score["too_easy"] = too_easy;
  json::object out{{"format", "wardwatch-drill-report-1"},
                   {"identity", std::move(identity)},
                   {"scope", std::move(scope)},
                   {"people", std::move(people)},
                   {"clocks", clocks(p)},
                   {"steps", std::move(figures.list)},
                   {"decisions", entries_of(p, {"decision"})},
                   {"injects", entries_of(p, {"inject"})},
                   {"recovery", recovered},
                   {"integrity", entries_of(p, {"integrity"})},
                   {"communications", entries_of(p, {"communication"})},
                   {"evidence", entries_of(p, {"evidence", "note", "deviation"})},
                   {"gaps", std::move(gaps)},
                   {"actions", std::move(actions)},
                   {"sign_off", entries_of(p, {"sign_off"})},
                   {"score", std::move(score)},
                   {"comparison", comparison(p)},
                   {"result", r.result}};
  if (r.kind == "detection") out["detection"] = detection_state(r, p.reports).json;
  out["sha256"] = playbooks::sha256_hex(playbooks::canonical_json(out));
  return out;
}

}  // namespace ww::collector
