#include <simdjson.h>

#include <charconv>

#include "collector/ingest/foreign.hpp"
#include "collector/ingest/log_event.hpp"
#include "collector/ingest/protobuf.hpp"

namespace ww::collector {
namespace {

namespace dom = simdjson::dom;
using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

std::string_view find(const Labels& labels, std::initializer_list<std::string_view> names) {
  for (const auto n : names)
    for (const auto& [name, value] : labels)
      if (name == n) return value;
  return {};
}

// False when the batch is full.
bool add(Batch& batch, const ForeignLimits& limits, const Labels& labels,
         std::optional<std::int64_t> time_ns, std::string_view line) {
  if (batch.events.size() + batch.dead.size() >= limits.max_events) return false;
  if (line.size() > limits.max_line_octets) {
    batch.dead.push_back(
        {std::string(line.substr(0, limits.max_dead_octets)),
         "line longer than " + std::to_string(limits.max_line_octets) + " octets"});
    return true;
  }
  LabelledLine e;
  e.source = "loki";
  e.line = line;
  if (time_ns) e.time = Timestamp{*time_ns / 1000};
  e.host = find(labels, {"host", "hostname", "instance", "node_name", "nodename"});
  e.service = find(labels, {"service_name", "service", "app", "job", "unit", "systemd_unit"});
  const auto level = find(labels, {"level", "severity", "detected_level"});
  e.severity = level;
  e.labels = labels;
  std::string out;
  append_line_event(out, e, batch.received);
  batch.events.push_back({std::move(out)});
  return true;
}

ForeignError too_many(const ForeignLimits& limits) {
  return {"more than " + std::to_string(limits.max_events) + " lines in one request", true};
}

void labels_of(const dom::object& object, std::size_t max, Labels& out) {
  for (const auto& [name, value] : object) {
    std::string_view text;
    if (out.size() < max && value.get(text) == simdjson::SUCCESS) out.emplace_back(name, text);
  }
}

// {name="value", other="with \"quotes\""}: the label set as Loki's clients print it. `store` keeps
// unescaped values.
bool parse_label_set(std::string_view text, std::size_t max, Labels& out,
                     std::vector<std::string>& store) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return false;
  text = text.substr(1, text.size() - 2);
  std::size_t i = 0;
  const auto skip = [&] {
    while (i < text.size() && (text[i] == ' ' || text[i] == ',')) ++i;
  };
  store.reserve(max);  // views into the strings must stay
  for (skip(); i < text.size(); skip()) {
    const auto eq = text.find('=', i);
    if (eq == std::string_view::npos || eq + 1 >= text.size() || text[eq + 1] != '"') return false;
    auto name = text.substr(i, eq - i);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    std::string value;
    for (i = eq + 2; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) {
        const char c = text[++i];
        value += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
      } else {
        value += text[i];
      }
    }
    if (i >= text.size()) return false;
    ++i;
    if (out.size() < max && store.size() < max) {
      store.push_back(std::move(value));
      out.emplace_back(name, store.back());
    }
  }
  return true;
}

// google.protobuf.Timestamp
std::optional<std::int64_t> time_ns_of(std::string_view message) {
  std::uint64_t seconds = 0, nanos = 0;
  ProtoReader m(message);
  while (m.next()) {
    if (m.field() == 1) seconds = m.number();
    if (m.field() == 2) nanos = m.number();
  }
  if (!m.ok() || seconds > 9'000'000'000ULL || nanos > 999'999'999ULL) return {};
  return static_cast<std::int64_t>(seconds * 1'000'000'000ULL + nanos);
}

}  // namespace

Result<void, ForeignError> parse_loki_json(std::string_view body, const ForeignLimits& limits,
                                           Batch& batch) {
  dom::parser parser;
  if (parser.allocate(body.size() + 1, 32) != simdjson::SUCCESS)
    return fail(ForeignError{"the body is too large", true});
  dom::element root;
  const auto padded = simdjson::padded_string(body);
  if (const auto error = parser.parse(padded).get(root); error != simdjson::SUCCESS)
    return fail(ForeignError{std::string("the body is not JSON: ") + simdjson::error_message(error),
                             false});
  dom::array streams;
  if (root["streams"].get(streams) != simdjson::SUCCESS)
    return fail(ForeignError{"the body has no array 'streams'", false});
  for (const auto stream : streams) {
    Labels labels;
    dom::object set;
    dom::array values;
    if (stream["stream"].get(set) == simdjson::SUCCESS) labels_of(set, limits.max_labels, labels);
    if (stream["values"].get(values) != simdjson::SUCCESS)
      return fail(ForeignError{"a stream has no array 'values'", false});
    const auto shared = labels.size();
    for (const auto value : values) {
      dom::array parts;
      std::string_view time, line;
      std::int64_t ns = 0;
      const bool whole = value.get(parts) == simdjson::SUCCESS && parts.size() >= 2 &&
                         parts.at(0).get(time) == simdjson::SUCCESS &&
                         parts.at(1).get(line) == simdjson::SUCCESS;
      const auto number = std::from_chars(time.data(), time.data() + time.size(), ns);
      if (!whole || number.ec != std::errc() || number.ptr != time.data() + time.size())
        return fail(ForeignError{"a value is not [\"NANOSECONDS\", \"LINE\"]", false});
      labels.resize(shared);
      dom::object metadata;
      if (parts.size() > 2 && parts.at(2).get(metadata) == simdjson::SUCCESS)
        labels_of(metadata, limits.max_labels, labels);
      if (!add(batch, limits, labels, ns, line)) return fail(too_many(limits));
    }
  }
  return {};
}

// PushRequest{1: StreamAdapter{1: labels text, 2: EntryAdapter{1: Timestamp, 2: line, 3:
// LabelPair{1: name, 2: value}}}}
Result<void, ForeignError> parse_loki_protobuf(std::string_view body, const ForeignLimits& limits,
                                               Batch& batch) {
  const auto malformed = [] {
    return fail(ForeignError{"the body is not a Loki push message", false});
  };
  ProtoReader request(body);
  while (request.next()) {
    if (request.field() != 1 || request.wire() != 2) continue;
    Labels labels;
    std::vector<std::string> store;
    // Labels may come after entries on the wire, so they are looked for first.
    ProtoReader first(request.text());
    while (first.next())
      if (first.field() == 1 && first.wire() == 2 &&
          !parse_label_set(first.text(), limits.max_labels, labels, store))
        return fail(ForeignError{"a stream's labels are not {name=\"value\",...}", false});
    if (!first.ok()) return malformed();
    const auto shared = labels.size();
    ProtoReader stream(request.text());
    while (stream.next()) {
      if (stream.field() != 2 || stream.wire() != 2) continue;
      std::optional<std::int64_t> time;
      std::string_view line;
      labels.resize(shared);
      ProtoReader entry(stream.text());
      while (entry.next()) {
        if (entry.field() == 1) time = time_ns_of(entry.text());
        if (entry.field() == 2) line = entry.text();
        if (entry.field() == 3 && labels.size() < limits.max_labels) {
          std::string_view name, value;
          ProtoReader pair(entry.text());
          while (pair.next()) {
            if (pair.field() == 1) name = pair.text();
            if (pair.field() == 2) value = pair.text();
          }
          if (pair.ok()) labels.emplace_back(name, value);
        }
      }
      if (!entry.ok()) return malformed();
      if (!add(batch, limits, labels, time, line)) return fail(too_many(limits));
    }
  }
  if (!request.ok()) return malformed();
  return {};
}

}  // namespace ww::collector
