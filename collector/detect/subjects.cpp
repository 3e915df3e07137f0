#include "collector/detect/subjects.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "collector/store/words.hpp"

namespace ww::collector {
namespace {

constexpr std::size_t max_entities = 6;
constexpr std::size_t max_value = 256;
constexpr std::size_t max_techniques = 16;

struct EntityPath {
  std::string_view path, type;
};
/// Names of EVE, of our logs and of the Windows fields that Sigma rules speak of.
constexpr std::array<EntityPath, 24> entity_paths{{
    {"src_ip", "ip"},
    {"dest_ip", "ip"},
    {"log.host", "host"},
    {"log.fields.Computer", "host"},
    {"log.fields.ComputerName", "host"},
    {"log.fields.Hostname", "host"},
    {"log.fields.host", "host"},
    {"log.fields.src_ip", "ip"},
    {"log.fields.IpAddress", "ip"},
    {"log.fields.SourceIp", "ip"},
    {"log.fields.DestinationIp", "ip"},
    {"log.fields.c-ip", "ip"},
    {"log.fields.User", "user"},
    {"log.fields.TargetUserName", "user"},
    {"log.fields.SubjectUserName", "user"},
    {"log.fields.user", "user"},
    {"log.fields.acct", "user"},
    {"host.name", "host"},
    {"backup.asset", "asset"},
    {"record_access.user", "user"},
    {"record_access.patient", "patient"},
    {"dns.rrname", "domain"},
    {"http.hostname", "domain"},
    {"tls.sni", "domain"},
}};

std::uint64_t number(std::string_view text) {
  std::uint64_t v = 0;
  std::from_chars(text.data(), text.data() + text.size(), v);
  return v;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

bool technique(std::string_view t) {
  if (t.size() < 5 || (t[0] != 't' && t[0] != 'T')) return false;
  return std::all_of(t.begin() + 1, t.end(),
                     [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

struct Sink {
  Subjects& out;
  std::array<std::string, entity_paths.size()> found{};

  void scalar(ScalarKind kind, std::string_view value, std::string_view path) {
    if (kind == ScalarKind::null) return;
    if (path.starts_with("alert.")) {
      of_alert(path.substr(6), value);
      return;
    }
    if (path == "app_proto") out.app_proto.assign(value.substr(0, max_value));
    if (value.empty() || value == "-" || value.size() > max_value) return;
    for (std::size_t i = 0; i < entity_paths.size(); ++i)
      if (entity_paths[i].path == path && found[i].empty()) found[i].assign(value);
  }
  void of_alert(std::string_view path, std::string_view value) {
    const auto text = value.substr(0, max_value);
    if (path == "gid")
      out.gid = number(value);
    else if (path == "signature_id")
      out.sid = number(value);
    else if (path == "rev")
      out.rev = number(value);
    else if (path == "severity")
      out.severity = number(value);
    else if (path == "signature")
      out.signature.assign(text);
    else if (path == "category")
      out.category.assign(text);
    else if (path == "action")
      out.action.assign(text);
    else if (path == "metadata.signature_severity")
      out.declared_severity = lower(text);
    else if ((path == "metadata.mitre_technique_id" || path == "metadata.attack") &&
             technique(text)) {
      if (out.techniques.size() < max_techniques) out.techniques.push_back(upper(text));
    } else if (path == "metadata.caf" && out.caf.size() < max_techniques) {
      out.caf.emplace_back(text);
    }
  }
  void finish() {
    for (std::size_t i = 0; i < found.size() && out.entities.size() < max_entities; ++i) {
      if (found[i].empty()) continue;
      Entity e{std::string(entity_paths[i].type), std::move(found[i])};
      if (std::find(out.entities.begin(), out.entities.end(), e) == out.entities.end())
        out.entities.push_back(std::move(e));
    }
  }
};

}  // namespace

const Subjects& SubjectReader::read(std::string_view json) {
  out_ = {};
  Sink sink{out_};
  static_cast<void>(scanner_.scan(json, sink));  // stored events are valid
  sink.finish();
  return out_;
}

void split_tags(const std::vector<std::string>& tags, std::vector<std::string>& attack,
                std::vector<std::string>& caf) {
  for (const auto& tag : tags) {
    const auto t = lower(tag);
    if (t.starts_with("attack.t") && technique(std::string_view(t).substr(7)))
      attack.push_back(upper(std::string_view(t).substr(7)));
    else if (t.starts_with("caf.") && t.size() > 4)
      caf.push_back(upper(std::string_view(t).substr(4, 1)) + t.substr(5));
  }
}

Level signature_level(const Subjects& s) {
  if (s.declared_severity == "critical") return Level::critical;
  if (s.declared_severity == "major") return Level::high;
  if (s.declared_severity == "minor") return Level::low;
  if (s.declared_severity == "informational" || s.declared_severity == "audit")
    return Level::informational;
  switch (s.severity) {
    case 1:
      return Level::high;
    case 2:
      return Level::medium;
    case 3:
      return Level::low;
    default:
      return Level::informational;
  }
}

}  // namespace ww::collector
