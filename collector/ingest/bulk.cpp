#include <simdjson.h>

#include <algorithm>

#include "collector/ingest/foreign.hpp"
#include "collector/ingest/log_event.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {
namespace {

namespace dom = simdjson::dom;
constexpr std::size_t max_depth = 64;

dom::parser& parser() {
  static thread_local dom::parser p(2U << 20);
  static thread_local const bool ready = p.allocate(2U << 20, max_depth) == simdjson::SUCCESS;
  (void)ready;
  return p;
}

std::string_view next_line(std::string_view& body) {
  const auto end = body.find('\n');
  auto line = body.substr(0, end);
  body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view text_at(const dom::element& e, const char* pointer) {
  std::string_view out;
  if (e.at_pointer(pointer).get(out) != simdjson::SUCCESS) return {};
  return out;
}

// What Beats and Elastic Agent put beside the message: dotted ECS names, nested or flat.
std::string_view first_of(const dom::element& e, std::initializer_list<const char*> pointers) {
  for (const auto* p : pointers)
    if (const auto v = text_at(e, p); !v.empty()) return v;
  return {};
}

enum class Action : std::uint8_t { index, create, update, remove, bad };

}  // namespace

Result<BulkResult, ForeignError> parse_bulk(std::string_view body, std::string_view default_index,
                                            const ForeignLimits& limits, Batch& batch) {
  BulkResult result;
  while (!body.empty()) {
    const auto line = next_line(body);
    if (line.empty()) continue;
    if (result.items.size() >= limits.max_events)
      return fail(ForeignError{
          "more than " + std::to_string(limits.max_events) + " actions in one request", true});
    dom::element root;
    dom::object members;
    if (line.size() > limits.max_line_octets ||
        parser().parse(line.data(), line.size()).get(root) != simdjson::SUCCESS ||
        root.get(members) != simdjson::SUCCESS || members.begin() == members.end())
      return fail(ForeignError{
          "line of action " + std::to_string(result.items.size() + 1) + " is not an action object",
          false});
    const std::string_view name = (*members.begin()).key;
    const auto action = name == "index"    ? Action::index
                        : name == "create" ? Action::create
                        : name == "update" ? Action::update
                        : name == "delete" ? Action::remove
                                           : Action::bad;
    if (action == Action::bad)
      return fail(ForeignError{
          "unknown action '" + std::string(name.substr(0, 40)) + "'; use index or create", false});
    BulkItem item;
    item.create = action == Action::create;
    const auto about = (*members.begin()).value;
    item.index = text_at(about, "/_index");
    if (item.index.empty()) item.index = default_index;
    item.id = text_at(about, "/_id");
    if (action == Action::remove || action == Action::update) {
      if (action == Action::update) (void)next_line(body);
      item.accepted = false;
      item.reason = "only index and create are taken here";
      result.items.push_back(std::move(item));
      continue;
    }
    if (body.empty()) return fail(ForeignError{"the last action has no document", false});
    const auto document = next_line(body);
    const auto refuse = [&](std::string why) {
      item.accepted = false;
      item.reason = why;
      batch.dead.push_back(
          {std::string(document.substr(0, limits.max_dead_octets)), std::move(why)});
    };
    dom::object fields;
    if (document.size() > limits.max_line_octets) {
      refuse("document larger than " + std::to_string(limits.max_line_octets) + " octets");
    } else if (const auto error = parser().parse(document.data(), document.size()).get(root);
               error != simdjson::SUCCESS) {
      refuse(std::string("not JSON: ") + simdjson::error_message(error));
    } else if (root.get(fields) != simdjson::SUCCESS) {
      refuse("not a JSON object");
    } else {
      LabelledLine e;
      e.source = "elastic";
      e.line = document;
      e.time = parse_time(text_at(root, "/@timestamp"));
      const auto host = first_of(root, {"/host/name", "/host/hostname", "/host.name",
                                        "/agent/hostname", "/agent/name", "/host"});
      e.host = host;
      e.service =
          first_of(root, {"/service/name", "/event/dataset", "/event.dataset", "/fileset/name"});
      if (!item.index.empty()) e.labels.emplace_back("elastic.index", item.index);
      std::string out;
      append_line_event(out, e, batch.received);
      batch.events.push_back({std::move(out)});
    }
    result.items.push_back(std::move(item));
  }
  return result;
}

std::string bulk_answer(const BulkResult& result, std::uint64_t took_ms, bool stored) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("took", took_ms);
  json.field("errors", !stored || std::any_of(result.items.begin(), result.items.end(),
                                              [](const auto& i) { return !i.accepted; }));
  json.begin_array("items");
  for (const auto& i : result.items) {
    json.begin_object();
    json.begin_object(i.create ? "create" : "index");
    json.field("_index", i.index);
    if (!i.id.empty()) json.field("_id", i.id);
    json.field("status", !i.accepted ? 400 : stored ? 201 : 429);
    if (!i.accepted || !stored) {
      json.begin_object("error");
      json.field("type",
                 i.accepted ? "es_rejected_execution_exception" : "mapper_parsing_exception");
      json.field("reason",
                 i.accepted ? std::string("the collector is busy; send again") : i.reason);
      json.end_object();
    }
    json.end_object();
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return out;
}

}  // namespace ww::collector
