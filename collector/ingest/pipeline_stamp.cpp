#include "collector/ingest/pipeline_stamp.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "telemetry/json_writer.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

bool good_id(std::string_view id) {
  if (id.empty() || id.size() > Stamper::max_id_octets) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == ':';
  });
}

bool good_type(std::string_view type) {
  constexpr std::size_t longest = 32;
  if (type.empty() || type.size() > longest) return false;
  return std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_';
  });
}

std::uint64_t id_time(std::string_view id) {
  constexpr std::size_t version_at = 14;
  if (!is_uuid(id) || id[version_at] != '7') return 0;
  const auto hex = [](std::string_view digits) {
    std::uint64_t n = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), n, 16);
    return n;
  };
  return hex(id.substr(0, 8)) << 16 | hex(id.substr(9, 4));
}

/// Members of the old envelope that stay: all but those the collector decides.
struct EnvelopeSink {
  std::string_view text;
  std::string* out;
  void scalar(ScalarKind, std::string_view, std::string_view) {}
  void member(std::string_view key, std::size_t begin, std::size_t end) {
    if (key == "id" || key == "site" || key == "sensor" || key == "received" || key == "clock")
      return;
    *out += ',';
    *out += text.substr(begin, end - begin);
  }
};

}  // namespace

struct Stamper::Found {
  std::string timestamp, type, id, site, sensor, drill_run;
  bool has_timestamp = false, has_type = false, has_id = false, has_site = false,
       has_sensor = false;
  unsigned envelopes = 0;
  unsigned members = 0;
  std::size_t begin = 0, end = 0;  // the member "ww"

  void scalar(ScalarKind kind, std::string_view value, std::string_view path) {
    if (kind != ScalarKind::string) return;
    const auto take = [&](std::string& to, bool& has) {
      to.assign(value);
      has = true;
    };
    switch (path.size()) {
      case 5:
        if (path == "ww.id") take(id, has_id);
        break;
      case 7:
        if (path == "ww.site") take(site, has_site);
        break;
      case 9:
        if (path == "timestamp")
          take(timestamp, has_timestamp);
        else if (path == "ww.sensor")
          take(sensor, has_sensor);
        break;
      case 10:
        if (path == "event_type") take(type, has_type);
        break;
      case 12:
        if (path == "ww.drill_run" && value.size() <= Stamper::max_id_octets)
          drill_run.assign(value);
        break;
      default:
        break;
    }
  }
  void member(std::string_view key, std::size_t from, std::size_t to) {
    ++members;
    if (key != "ww") return;
    ++envelopes;
    begin = from;
    end = to;
  }
};

Result<Stamped, std::string> Stamper::stamp(const std::string& json, const StampContext& c) {
  if (json.size() > ingest::max_line_octets)
    return fail("line of " + std::to_string(json.size()) + " octets is over the limit");
  if (!simdjson::validate_utf8(json.data(), json.size())) return fail(std::string("not UTF-8"));
  Found f;
  if (!scanner_.scan(json, f))
    return fail("not one JSON object (octet " + std::to_string(scanner_.offset()) + ")");
  if (f.envelopes > 1) return fail(std::string("two members \"ww\""));

  Stamped out;
  auto& e = out.event;
  std::optional<Timestamp> time;
  if (f.has_timestamp) time = parse_time(f.timestamp);
  const bool good_time = time && !(*time < earliest) && *time - c.received <= c.max_future;
  e.time = good_time ? *time : c.received;
  if (!good_time)
    ++counts_.bad_times;
  else if (e.time - c.received > tolerated_skew)
    ++counts_.clock_skew;
  if (f.has_id && good_id(f.id)) {
    out.id = std::move(f.id);
  } else {
    ++counts_.missing_ids;
    out.id = uuid7(c.received);
  }
  e.id_time = id_time(out.id);
  if ((f.has_site && f.site != *c.site) || (f.has_sensor && f.sensor != *c.sensor))
    ++counts_.wrong_identity;
  if (f.has_type && good_type(f.type)) {
    if (types_.contains(f.type) || types_.size() < max_types) {
      types_.insert(f.type);
      e.type = std::move(f.type);
    }
  }
  out.type = e.type;
  if (c.is_rehearsal && good_id(f.drill_run) && c.is_rehearsal(f.drill_run, *c.site, *c.sensor)) {
    out.drill_run = std::move(f.drill_run);
    e.type = "drill";
  }

  std::string_view old;
  std::size_t begin = f.begin;
  std::size_t end = f.end;
  if (f.envelopes == 1) {
    old = std::string_view(json).substr(begin, end - begin);
    old.remove_prefix(
        std::min(old.size(), old.find('{', 4)));  // past the key, which may be written with escapes
  } else {
    begin = end = json.rfind('}');
  }
  // With room behind it for readers that look a little further than they must.
  constexpr std::size_t envelope_octets = 256 + 64;
  e.json.reserve(json.size() + envelope_octets);
  e.json.append(json, 0, begin);
  if (f.envelopes == 0 && f.members > 0) e.json += ',';
  e.json += R"("ww":{"id":")";
  e.json += out.id;
  e.json += R"(","site":")";
  append_json_escaped(e.json, *c.site);
  e.json += R"(","sensor":")";
  append_json_escaped(e.json, *c.sensor);
  e.json += R"(","received":")";
  e.json += rfc3339(c.received);
  e.json += '"';
  if (!good_time) e.json += R"(,"clock":"received")";
  if (!old.empty()) {
    EnvelopeSink sink{old, &e.json};
    // It was scanned as a part of the event; an envelope that is no object gives nothing.
    static_cast<void>(envelope_scanner_.scan(old, sink));
  }
  e.json += '}';
  e.json.append(json, end, std::string::npos);
  return out;
}

}  // namespace ww::collector
