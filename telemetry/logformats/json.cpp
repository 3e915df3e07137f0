/// JSON lines: any object, Windows events as Winlogbeat and NXLog write them (native field names),
/// journald's JSON export, ECS, Docker's json-file. Time, level, host and message are found by the
/// names that loggers use.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"
#include "telemetry/logformats/windows.hpp"

namespace ww::logs {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t max_depth = 64;
constexpr std::size_t max_flat_fields = 1024;

dom::parser& parser() {
  thread_local dom::parser p = [] {
    dom::parser made(8U << 20);
    if (made.allocate(4096, max_depth) != simdjson::SUCCESS) std::abort();  // 4 KiB at start-up
    return made;
  }();
  return p;
}

std::optional<std::string_view> text_at(const dom::object& o, std::string_view key) {
  std::string_view v;
  if (o[key].get(v) != simdjson::SUCCESS) return {};
  return v;
}

Timestamp scaled_epoch(double v) {
  if (v < 1e11) return Timestamp{static_cast<std::int64_t>(v * 1e6)};
  if (v < 1e14) return Timestamp{static_cast<std::int64_t>(v * 1e3)};
  if (v < 1e17) return Timestamp{static_cast<std::int64_t>(v)};
  return Timestamp{static_cast<std::int64_t>(v / 1e3)};
}

bool take_time(const dom::element& e, const Context& context, Record& out) {
  std::string_view text;
  double number = 0;
  if (e.get(text) == simdjson::SUCCESS) {
    if (text.empty() || text.size() > 64) return false;
    Scan in{text};
    WallTime wall;
    if (take_iso_time(in, wall) && in.end()) {
      out.time = resolve(wall, context.reference, *context.zone);
      return out.time.has_value();
    }
    if (const auto n = to_number(text); n && *n > 100'000'000) {
      out.time = scaled_epoch(static_cast<double>(*n));
      return true;
    }
    if (const auto t = parse_time(text)) {
      out.time = t;
      return true;
    }
    in = Scan{text};
    if (take_clf_time(in, wall)) {
      out.time = resolve(wall, context.reference, *context.zone);
      return out.time.has_value();
    }
    return false;
  }
  dom::object extended;  // MongoDB's extended JSON: {"$date": ...}
  dom::element date;
  if (e.get(extended) == simdjson::SUCCESS)
    return extended["$date"].get(date) == simdjson::SUCCESS && !date.is_object() &&
           take_time(date, context, out);
  std::int64_t whole = 0;
  if (e.get(whole) == simdjson::SUCCESS) {
    if (whole < 100'000'000) return false;
    if (whole >= 100'000'000'000'000 && whole < 100'000'000'000'000'000)
      out.time = Timestamp{whole};
    else
      out.time = scaled_epoch(static_cast<double>(whole));
    return true;
  }
  if (e.get(number) == simdjson::SUCCESS && number > 1e8 && number < 1e19) {
    out.time = scaled_epoch(number);
    return true;
  }
  return false;
}

// Writes a scalar or a whole value as JSON into the record's memory.
std::string_view json_text(const dom::element& e, Record& out) {
  const auto text = simdjson::minify(e);
  return out.keep(text);
}

void add_element(std::string_view name, const dom::element& e, Record& out) {
  std::string_view text;
  if (e.get(text) == simdjson::SUCCESS)
    out.add(out.keep(name), out.keep(text));
  else if (!e.is_null())
    out.add_json(out.keep(name), json_text(e, out));
}

// Windows writers put numbers as text and the other way round; EventID is a number in our events,
// always.
void add_number(std::string_view name, const dom::element& e, Record& out,
                std::optional<std::int64_t>* value = nullptr) {
  std::int64_t n = 0;
  std::string_view text;
  if (e.get(n) != simdjson::SUCCESS) {
    if (e.get(text) != simdjson::SUCCESS) return;
    const auto parsed = to_number(text);
    if (!parsed) {
      out.add(name, out.keep(text));
      return;
    }
    n = *parsed;
  }
  out.add_number(name, n);
  if (value != nullptr) *value = n;
}

// --- Winlogbeat (7 and 8): "winlog": {"event_id", "channel", "event_data": {...}, ...}, also
// dotted top-level keys.
bool parse_winlogbeat(const dom::object& root, const Context& context, Record& out) {
  dom::object winlog;
  if (root["winlog"].get(winlog) != simdjson::SUCCESS) return false;
  dom::element id;
  if (winlog["event_id"].get(id) != simdjson::SUCCESS) return false;
  std::optional<std::int64_t> event_id;
  add_number("EventID", id, out, &event_id);
  struct Name {
    std::string_view theirs, native;
    bool number;
  };
  static constexpr Name names[] = {{"channel", "Channel", false},
                                   {"computer_name", "Computer", false},
                                   {"provider_name", "Provider_Name", false},
                                   {"provider_guid", "Provider_Guid", false},
                                   {"record_id", "EventRecordID", true},
                                   {"task", "Task", false},
                                   {"opcode", "Opcode", false},
                                   {"version", "Version", true},
                                   {"activity_id", "ActivityID", false},
                                   {"keywords", "Keywords", false}};
  for (const auto& n : names) {
    dom::element e;
    if (winlog[n.theirs].get(e) != simdjson::SUCCESS) continue;
    if (n.number)
      add_number(n.native, e, out);
    else
      add_element(n.native, e, out);
  }
  dom::object process;
  if (winlog["process"].get(process) == simdjson::SUCCESS) {
    dom::element e;
    if (process["pid"].get(e) == simdjson::SUCCESS) add_number("ExecutionProcessID", e, out);
    dom::object thread;
    if (process["thread"].get(thread) == simdjson::SUCCESS &&
        thread["id"].get(e) == simdjson::SUCCESS)
      add_number("ThreadID", e, out);
  }
  dom::object user;
  if (winlog["user"].get(user) == simdjson::SUCCESS)
    if (const auto sid = text_at(user, "identifier")) out.add("UserID", out.keep(*sid));
  for (const char* section : {"event_data", "user_data"}) {
    dom::object data;
    if (winlog[section].get(data) != simdjson::SUCCESS) continue;
    for (const auto& kv : data) {
      if (out.fields.size() >= max_flat_fields) break;
      add_element(kv.key, kv.value, out);
    }
  }
  dom::element time;
  if (root["@timestamp"].get(time) == simdjson::SUCCESS) take_time(time, context, out);
  if (const auto message = text_at(root, "message")) out.message = out.keep(*message);
  dom::object log, host;
  if (root["log"].get(log) == simdjson::SUCCESS)
    if (const auto level = text_at(log, "level")) out.severity = windows::severity_of_text(*level);
  out.host = out.field("Computer");
  if (out.host.empty() && root["host"].get(host) == simdjson::SUCCESS)
    if (const auto name = text_at(host, "name")) out.host = out.keep(*name);
  windows::finish(out, out.field("Channel"), event_id);
  out.format = "winlogbeat";
  return true;
}

// --- NXLog and other flat writers (also Sigma's own test events): "EventID" with "Channel" or
// "SourceName" at top level, or the "Event": {"System": {...}, "EventData": {...}} shape of
// evtx_dump.
bool parse_flat_windows(const dom::object& root, const Context& context, Record& out) {
  dom::element id;
  if (root["EventID"].get(id) != simdjson::SUCCESS) return false;
  const auto channel = text_at(root, "Channel");
  const auto source = text_at(root, "SourceName");
  const auto provider = text_at(root, "Provider_Name");
  if (!channel && !source && !provider) return false;
  std::optional<std::int64_t> event_id;
  add_number("EventID", id, out, &event_id);
  std::optional<std::string_view> message;
  for (const auto& kv : root) {
    if (kv.key == "EventID") continue;
    if (out.fields.size() >= max_flat_fields) break;
    if (kv.key == "Message") {
      message = text_at(root, "Message");
      continue;
    }
    add_element(kv.key, kv.value, out);
  }
  if (source && !provider) out.add("Provider_Name", out.keep(*source));
  for (const std::string_view key : {"SystemTime", "EventTime", "TimeCreated", "UtcTime",
                                     "@timestamp", "EventReceivedTime", "TimeGenerated"}) {
    dom::element e;
    if (root[key].get(e) == simdjson::SUCCESS && take_time(e, context, out)) break;
  }
  for (const std::string_view key : {"Hostname", "Computer", "ComputerName", "MachineName"})
    if (out.host.empty()) out.host = out.field(key);
  if (out.field("Computer").empty() && !out.host.empty()) out.add("Computer", out.host);
  for (const std::string_view key : {"EventType", "Severity", "Level"})
    if (out.severity.empty())
      if (const auto text = text_at(root, key)) out.severity = windows::severity_of_text(*text);
  if (message) out.message = out.keep(*message);
  windows::finish(out, channel.value_or(""), event_id);
  out.format = "nxlog";
  return true;
}

// --- {"Event": {"System": {...}, "EventData": {...}}}, as evtx_dump and several SIEM exports
// write.
void add_system(const dom::object& system, const Context& context, Record& out,
                std::optional<std::int64_t>& event_id) {
  for (const auto& kv : system) {
    dom::object inner;
    dom::element e = kv.value;
    if (kv.value.get(inner) == simdjson::SUCCESS) {
      dom::object attributes;
      const bool has = inner["#attributes"].get(attributes) == simdjson::SUCCESS;
      const auto attribute = [&](std::string_view name) -> std::optional<std::string_view> {
        if (has)
          if (auto v = text_at(attributes, name)) return v;
        return text_at(inner, name);
      };
      if (kv.key == "Provider") {
        if (const auto v = attribute("Name")) out.add("Provider_Name", out.keep(*v));
        if (const auto v = attribute("Guid")) out.add("Provider_Guid", out.keep(*v));
        continue;
      }
      if (kv.key == "TimeCreated") {
        dom::element t;
        if ((has && attributes["SystemTime"].get(t) == simdjson::SUCCESS) ||
            inner["SystemTime"].get(t) == simdjson::SUCCESS)
          take_time(t, context, out);
        continue;
      }
      if (kv.key == "Security") {
        if (const auto v = attribute("UserID")) out.add("UserID", out.keep(*v));
        continue;
      }
      if (kv.key == "Execution") {
        dom::element t;
        const auto& o = has ? attributes : inner;
        if (o["ProcessID"].get(t) == simdjson::SUCCESS) add_number("ExecutionProcessID", t, out);
        if (o["ThreadID"].get(t) == simdjson::SUCCESS) add_number("ThreadID", t, out);
        continue;
      }
      if (inner["#text"].get(e) != simdjson::SUCCESS) continue;
    }
    if (kv.key == "EventID")
      add_number("EventID", e, out, &event_id);
    else
      add_element(kv.key, e, out);
  }
}

bool parse_event_object(const dom::object& root, const Context& context, Record& out) {
  dom::object event, system, data;
  if (root["Event"].get(event) != simdjson::SUCCESS ||
      event["System"].get(system) != simdjson::SUCCESS)
    return false;
  std::optional<std::int64_t> event_id;
  add_system(system, context, out, event_id);
  if (!event_id) return false;
  if (event["EventData"].get(data) == simdjson::SUCCESS) {
    for (const auto& kv : data) {
      if (kv.key.starts_with("#")) continue;
      if (out.fields.size() >= max_flat_fields) break;
      dom::object inner;
      dom::element text;
      if (kv.key == "Data" && kv.value.get(inner) == simdjson::SUCCESS &&
          inner["#text"].get(text) == simdjson::SUCCESS)
        add_element("Data", text, out);
      else
        add_element(kv.key, kv.value, out);
    }
  }
  if (event["UserData"].get(data) == simdjson::SUCCESS)
    for (const auto& kv : data) {
      dom::object inner;
      if (kv.value.get(inner) != simdjson::SUCCESS) continue;
      for (const auto& field : inner)
        if (!field.key.starts_with("#") && out.fields.size() < max_flat_fields)
          add_element(field.key, field.value, out);
    }
  out.host = out.field("Computer");
  std::int64_t level = 0;
  dom::element level_element;
  if (system["Level"].get(level_element) == simdjson::SUCCESS &&
      level_element.get(level) == simdjson::SUCCESS)
    out.severity = windows::severity_of_level(level);
  windows::finish(out, out.field("Channel"), event_id);
  out.format = "windows-json";
  return true;
}

// --- journald: "journalctl -o json" and systemd-journal-upload.
bool parse_journal(const dom::object& root, const Context&, Record& out) {
  const auto stamp = text_at(root, "__REALTIME_TIMESTAMP");
  if (!stamp) return false;
  if (const auto n = to_number(*stamp)) out.time = Timestamp{*n};
  for (const auto& kv : root)
    if (out.fields.size() < max_flat_fields && kv.key != "MESSAGE")
      add_element(kv.key, kv.value, out);
  dom::element message;
  if (root["MESSAGE"].get(message) == simdjson::SUCCESS) {
    std::string_view text;
    dom::array octets;
    if (message.get(text) == simdjson::SUCCESS) {
      out.message = out.keep(text);
    } else if (message.get(octets) == simdjson::SUCCESS) {  // not UTF-8: an array of octets
      const auto room = out.reserve(octets.size());
      std::size_t n = 0;
      for (const auto v : octets) {
        std::int64_t octet = 0;
        if (v.get(octet) == simdjson::SUCCESS && n < room.size())
          room[n++] = static_cast<char>(octet);
      }
      out.message = {room.data(), n};
    }
  }
  if (const auto n = to_number(out.field("PRIORITY")); n && *n >= 0)
    out.severity = severity_name(static_cast<unsigned>(*n & 7));
  if (const auto n = to_number(out.field("SYSLOG_FACILITY")); n && *n >= 0 && *n < 24)
    out.facility = facility_name(static_cast<unsigned>(*n));
  out.host = out.field("_HOSTNAME");
  out.product = "linux";
  out.service = linux_service(out.field("SYSLOG_IDENTIFIER"));
  out.format = "journald-json";
  return true;
}

void parse_general(const dom::object& root, const Context& context, std::string_view line,
                   Record& out) {
  out.fields_object = line;
  dom::element e;
  static constexpr std::string_view times[] = {
      "@timestamp", "timestamp", "time", "ts", "datetime",     "date", "eventTime", "event_time",
      "created_at", "Timestamp", "Time", "t",  "CreationTime", "_ts",  "asctime"};
  for (const auto key : times)
    if (root[key].get(e) == simdjson::SUCCESS && take_time(e, context, out)) break;
  const auto text_of = [&](std::string_view key) -> std::string_view {
    std::string_view v;
    if (root[key].get(v) == simdjson::SUCCESS) return v;
    dom::object inner;
    const auto dot = key.find('.');
    if (dot != std::string_view::npos && root[key.substr(0, dot)].get(inner) == simdjson::SUCCESS &&
        inner[key.substr(dot + 1)].get(v) == simdjson::SUCCESS)
      return v;
    return {};
  };
  for (const std::string_view key : {"level", "severity", "log.level", "lvl", "loglevel", "Level",
                                     "levelname", "log_level", "priority", "status"}) {
    out.severity = severity_from_text(text_of(key));
    if (!out.severity.empty()) break;
    std::int64_t n = 0;
    if (key == "level" && root[key].get(n) == simdjson::SUCCESS && n >= 10 &&
        n <= 60) {  // bunyan and pino
      out.severity = severity_name(n >= 60 ? 2 : n >= 50 ? 3 : n >= 40 ? 4 : n >= 30 ? 6 : 7);
      break;
    }
  }
  // MongoDB names the severity by a letter, D1 to D5 for debug.
  if (out.severity.empty())
    if (const auto letter = text_at(root, "s");
        letter && !letter->empty() && letter->size() <= 2 && text_at(root, "ctx"))
      out.severity = severity_from_letter(letter->front());
  for (const std::string_view key :
       {"host.name", "hostname", "host", "Hostname", "Computer", "computer_name", "agent.hostname"})
    if (out.host = out.keep(text_of(key)); !out.host.empty()) break;
  for (const std::string_view key :
       {"message", "msg", "MESSAGE", "log", "Message", "short_message", "event", "error.message"})
    if (out.message = out.keep(text_of(key)); !out.message.empty()) break;
  if (out.message.ends_with('\n'))
    out.message.remove_suffix(1);  // Docker's json-file keeps the line end
  if (out.message.empty()) out.message = line;
  out.format = "json";
  // Docker's json-file: {"log", "stream", "time"}; "log" is what a program wrote.
  if (const auto stream = text_at(root, "stream"); stream && text_at(root, "log")) {
    const auto object = out.fields_object;
    if (!read_inside(context, out)) {
      out.format = "json";
    } else if (out.fields_object.data() != object.data()) {
      out.add("stream", out.keep(*stream));
    }
  }
}

class Json final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "json"; }
  [[nodiscard]] std::string_view summary() const override {
    return "JSON objects: Winlogbeat, NXLog and evtx_dump Windows events, journald, ECS, Docker, "
           "any other";
  }
  [[nodiscard]] int order() const override { return 20; }
  [[nodiscard]] bool may_start(unsigned char first) const override {
    return first == '{' || first == ' ' || first == '\t';
  }
  [[nodiscard]] std::string_view example() const override {
    return R"({"time":"2026-11-22T02:30:00Z","level":"warn","msg":"disk nearly full","host":"pacs1","percent":91})";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    const auto text = trim(line);
    if (text.size() < 2 || text.front() != '{' || text.back() != '}') return false;
    const auto outer = out.fields.size();  // what a header around the object said
    dom::object root;
    if (parser().parse(text.data(), text.size(), true).get(root) != simdjson::SUCCESS) return false;
    if (text.find("\"winlog\"") != std::string_view::npos && parse_winlogbeat(root, context, out))
      return true;
    if (text.find("\"EventID\"") != std::string_view::npos) {
      if (parse_flat_windows(root, context, out)) return true;
      drop(out, outer);
      if (parse_event_object(root, context, out)) return true;
    }
    drop(out, outer);
    if (text.find("\"__REALTIME_TIMESTAMP\"") != std::string_view::npos &&
        parse_journal(root, context, out))
      return true;
    drop(out, outer);
    parse_general(root, context, text, out);
    return true;
  }

 private:
  static void drop(Record& out, std::size_t outer) {
    out.fields.resize(std::min(outer, out.fields.size()));
    out.message = {};
    out.time.reset();
  }
};

const FormatRegistration registration{std::make_shared<const Json>()};

}  // namespace
}  // namespace ww::logs
