#include "collector/drills/pack.hpp"

#include <boost/json.hpp>
#include <map>

namespace ww::collector {
namespace json = boost::json;
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void element(std::string& out, std::string_view tag, std::string_view text) {
  if (text.empty()) return;
  out += "<" + std::string(tag) + ">" + escaped(text) + "</" + std::string(tag) + ">\n";
}

void bullets(std::string& out, std::string_view title, const std::vector<std::string>& items) {
  if (items.empty()) return;
  element(out, "h2", title);
  out += "<ul>\n";
  for (const auto& i : items) element(out, "li", i);
  out += "</ul>\n";
}

/// A table with the same columns for each object of a list, and empty ones to write into.
void table(std::string& out, std::string_view title, const json::array* rows,
           std::initializer_list<std::pair<std::string_view, std::string_view>> columns) {
  if (rows == nullptr || rows->empty()) return;
  element(out, "h2", title);
  out += "<table border=\"1\"><thead><tr>";
  for (const auto& [member, head] : columns) out += "<th scope=\"col\">" + escaped(head) + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& v : *rows) {
    if (!v.is_object()) continue;
    out += "<tr>";
    for (const auto& [member, head] : columns) {
      const auto* x = v.get_object().if_contains(member);
      out += "<td>" +
             (x == nullptr     ? std::string("&nbsp;")
              : x->is_string() ? escaped(std::string_view(x->get_string()))
                               : escaped(json::serialize(*x))) +
             "</td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody></table>\n";
}

void write_playbook(std::string& out, const playbooks::Playbook& p) {
  element(out, "h1", p.name);
  element(out, "p", p.description);
  out += "<p>Version " + escaped(p.modified) + ", SHA-256 " + p.sha256 + "</p>\n<ol>\n";
  std::map<std::string, std::size_t> numbers;
  const auto order = playbooks::reading_order(p);
  std::size_t n = 0;
  for (const auto* s : order) numbers[s->id] = ++n;
  const auto go = [&](std::string_view label, const std::string& to) {
    if (!to.empty() && numbers.contains(to))
      out += "<p>" + escaped(label) + ": step " + std::to_string(numbers[to]) + "</p>\n";
  };
  for (const auto* s : order) {
    out += "<li><p><strong>" + escaped(s->name.empty() ? playbooks::name(s->type) : s->name) +
           "</strong>";
    if (!s->hints.role.empty()) out += " (" + escaped(s->hints.role) + ")";
    if (s->hints.expected_minutes)
      out += ", within " + std::to_string(*s->hints.expected_minutes) + " minutes";
    out += "</p>\n";
    element(out, "p", s->description);
    for (const auto& c : s->commands)
      element(out, "p", c.command.empty() ? c.description : c.command);
    if (!s->hints.clinical_impact.empty())
      element(out, "p", "Clinical impact: " + s->hints.clinical_impact);
    if (!s->hints.decision_question.empty()) {
      element(out, "p", s->hints.decision_question);
      out += "<ul>\n";
      for (const auto& o : s->hints.decision_options)
        out += "<li>&#9744; " + escaped(o) + "</li>\n";
      out += "</ul>\n";
    }
    for (const auto& e : s->hints.evidence_required) element(out, "p", "Evidence: " + e);
    if (!s->condition.empty()) element(out, "p", "If " + s->condition);
    go("when true, go to", s->on_true);
    go("when false, go to", s->on_false);
    for (const auto& [value, to] : s->cases) go("case " + value + ", go to", to);
    for (const auto& to : s->next_steps) go("at the same time", to);
    go("then", !s->on_completion.empty() ? s->on_completion : s->on_success);
    go("if it fails", s->on_failure);
    if (s->type == playbooks::StepType::action)
      out +=
          "<p>Done at ______ by ____________________ &#9744; done &#9744; failed &#9744; skipped, "
          "because: "
          "______________________________</p>\n";
    out += "</li>\n";
  }
  out += "</ol>\n";
}

}  // namespace

std::string printable_pack(const DrillDefinition* d, const playbooks::Playbook* p, Timestamp now) {
  const auto title = d != nullptr ? d->title : p != nullptr ? p->name : std::string("Pack");
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                    escaped(title) + "</title></head><body>\n";
  out += "<p>Printed from Wardwatch " + rfc3339(now).substr(0, 16) +
         "Z. Times on paper are entered times: write them as you read them off a clock.</p>\n";
  if (d != nullptr) {
    element(out, "h1", d->title);
    element(out, "p", d->purpose);
    element(out, "p", "Level: " + d->level);
    bullets(out, "Safety rules", member_texts(d->json, "safety"));
    element(out, "p", "Stop words: stop drill. Anybody may say them.");
    bullets(out, "Systems", member_texts(d->json, "systems"));
    if (const auto* e = member_object(d->json, "exercise")) {
      bullets(out, "Roles (write the name beside each)", member_texts(*e, "roles"));
      table(
          out, "Contacts, out of band", member_list(*e, "contacts"),
          {{"name", "Name"}, {"role", "Role"}, {"phone", "Telephone"}, {"reached", "Reached at"}});
      table(out, "Injects, for the facilitator only", member_list(*e, "injects"),
            {{"at_min", "Minute"},
             {"to", "To"},
             {"channel", "By"},
             {"text", "Text"},
             {"given", "Given at"}});
    }
  }
  if (p != nullptr) write_playbook(out, *p);
  return out + "</body></html>\n";
}

}  // namespace ww::collector
