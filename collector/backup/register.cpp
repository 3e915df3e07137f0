#include "collector/backup/register.hpp"

#include <arpa/inet.h>
#include <simdjson.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "collector/backup/schedule.hpp"

namespace ww::collector {
namespace {

namespace json = boost::json;
constexpr int max_depth = 12;  // of the register's file

bool good_name(std::string_view n) {
  return !n.empty() && n.size() <= 100 && std::all_of(n.begin(), n.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

/// An IP address in the form that flows have it; "" when it is none.
std::string address_text(const std::string& text) {
  for (const int family : {AF_INET, AF_INET6}) {
    unsigned char octets[sizeof(in6_addr)];
    char out[INET6_ADDRSTRLEN];
    if (::inet_pton(family, text.c_str(), octets) == 1)
      return ::inet_ntop(family, octets, out, sizeof out);
  }
  return {};
}

/// Reads members of an object, remembering the first mistake and refusing names nobody asked for.
class Members {
 public:
  explicit Members(const json::value& v, std::string at) : at_(std::move(at)) {
    if (v.is_object())
      o_ = &v.get_object();
    else
      bad("", "is not an object");
  }
  std::string text(std::string_view key, std::string fallback = {}) {
    const auto* v = take(key);
    if (v == nullptr) return fallback;
    // What could not be written and read again would be lost from the register in silence.
    if (v->is_string() && v->get_string().size() <= 1000 &&
        simdjson::validate_utf8(v->get_string().data(), v->get_string().size()))
      return std::string(v->get_string());
    bad(key, "is not a text of at most 1000 octets in UTF-8");
    return fallback;
  }
  void duration(std::string_view key, std::chrono::seconds& out) {
    const auto* v = take(key);
    if (v == nullptr) return;
    std::optional<std::chrono::seconds> d;
    if (v->is_string()) d = backup_duration(std::string_view(v->get_string()));
    if (v->is_int64() && v->get_int64() >= 0) d = std::chrono::seconds(v->get_int64());
    if (!d) return bad(key, "is not a duration; write 24h, 30m or 7d");
    out = *d;
  }
  void count(std::string_view key, std::uint32_t& out) {
    const auto* v = take(key);
    if (v == nullptr) return;
    std::int64_t n = -1;
    if (v->is_int64()) n = v->get_int64();
    if (v->is_string()) {
      const auto& s = v->get_string();
      const auto r = std::from_chars(s.data(), s.data() + s.size(), n);
      if (r.ec != std::errc() || r.ptr != s.data() + s.size()) n = -1;
    }
    if (n < 0 || n > 100) return bad(key, "is not a number from 0 to 100");
    out = static_cast<std::uint32_t>(n);
  }
  void flag(std::string_view key, std::optional<bool>& out) {
    const auto* v = take(key);
    if (v == nullptr) return;
    if (v->is_bool())
      out = v->get_bool();
    else if (const auto f =
                 v->is_string() ? parse_flag(std::string_view(v->get_string())) : std::nullopt)
      out = f;
    else
      bad(key, "is neither yes nor no");
  }
  const json::value* value(std::string_view key) { return take(key); }
  std::vector<const json::value*> list(std::string_view key) {
    std::vector<const json::value*> out;
    const auto* v = take(key);
    if (v == nullptr) return out;
    if (v->is_array()) {
      for (const auto& x : v->get_array()) out.push_back(&x);
    } else {
      out.push_back(v);
    }
    if (out.size() > 1000) bad(key, "has too many entries");
    return out;
  }
  void bad(std::string_view key, std::string_view what) {
    if (problem_.empty())
      problem_ = at_ + (key.empty() || at_.empty() ? "" : ".") + std::string(key) + " " +
                 std::string(what);
  }
  void adopt(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }
  /// The first mistake, a member that nobody knows included.
  std::string finish() {
    if (problem_.empty() && o_ != nullptr)
      for (const auto& [k, v] : *o_)
        if (std::find(known_.begin(), known_.end(), k) == known_.end()) {
          std::string all;
          for (const auto& n : known_) all += (all.empty() ? "" : ", ") + n;
          bad(k, "is unknown; known here are " + all);
          break;
        }
    return problem_;
  }

 private:
  const json::value* take(std::string_view key) {
    known_.emplace_back(key);
    return o_ == nullptr ? nullptr : o_->if_contains(key);
  }
  const json::object* o_ = nullptr;
  std::string at_, problem_;
  std::vector<std::string> known_;
};

BackupJobSpec read_job(const json::value& v, const std::string& at, std::string& problem) {
  BackupJobSpec j;
  Members m(v, at);
  j.name = m.text("name");
  if (!good_name(j.name)) m.bad("name", "must be letters, digits, dash, dot, underscore");
  if (const auto text = m.text("schedule"); !text.empty()) {
    auto s = parse_schedule(text);
    if (s)
      j.schedule = *s;
    else
      m.bad("schedule", "cannot be read: " + s.error());
  }
  m.duration("grace", j.schedule.grace);
  j.medium = m.text("medium");
  m.flag("offsite", j.offsite);
  m.flag("offline", j.offline);
  m.flag("immutable", j.immutable);
  problem = m.finish();
  return j;
}

json::value to_json(const Settings& s, const std::string& path, int depth = 0) {
  if (const auto text = s.text(path)) return json::value(*text);
  if (depth >= max_depth) return {};
  const auto names = s.children(path);
  const bool list = !names.empty() && std::all_of(names.begin(), names.end(), [](const auto& n) {
    return n.find_first_not_of("0123456789") == std::string::npos;
  });
  const auto inner = [&](const std::string& n) {
    return to_json(s, path.empty() ? n : path + "." + n, depth + 1);
  };
  if (list) {
    json::array a;
    for (const auto& n : names) a.push_back(inner(n));
    return a;
  }
  json::object o;
  for (const auto& n : names) o[n] = inner(n);
  return o;
}

template <class Spec>
std::string doc_of(const Spec& spec) {
  std::string out;
  JsonWriter w(out);
  write_json(w, spec);
  return out;
}

void optional_flag(JsonWriter& out, std::string_view key, const std::optional<bool>& v) {
  if (v) out.field(key, *v);
}

}  // namespace

std::optional<std::chrono::seconds> backup_duration(std::string_view text) {
  std::int64_t n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string_view unit(r.ptr, static_cast<std::size_t>(text.data() + text.size() - r.ptr));
  if (r.ec != std::errc() || n < 0 || n > 1'000'000'000) return {};
  const std::int64_t factor = unit.empty() || unit == "s" ? 1
                              : unit == "m"               ? 60
                              : unit == "h"               ? 3600
                              : unit == "d"               ? 86'400
                                                          : 0;
  if (factor == 0) return {};
  return std::chrono::seconds(n * factor);
}

Result<BackupAssetSpec, std::string> asset_from_json(const json::value& v) {
  BackupAssetSpec a;
  Members m(v, "");
  a.site = m.text("site");
  a.name = m.text("name");
  a.service = m.text("service");
  a.title = m.text("title");
  a.owner = m.text("owner");
  a.contact = m.text("contact");
  a.kind = m.text("kind");
  (void)m.text("origin");
  (void)m.value("declared");
  if (!good_name(a.site)) m.bad("site", "must name the site");
  if (!good_name(a.name)) m.bad("name", "must be letters, digits, dash, dot, underscore");
  if (const auto* targets = m.value("targets")) {
    Members t(*targets, "targets");
    auto& x = a.targets;
    t.duration("rpo", x.rpo);
    t.duration("rto", x.rto);
    t.duration("verify_every", x.verify_every);
    t.duration("restore_test_every", x.restore_test_every);
    t.duration("retention", x.retention);
    t.count("copies", x.copies);
    t.count("media", x.media);
    t.count("offsite", x.offsite);
    t.count("immutable", x.immutable);
    m.adopt(t.finish());
  }
  std::size_t n = 0;
  for (const auto* job : m.list("jobs")) {
    std::string problem;
    a.jobs.push_back(read_job(*job, "jobs." + std::to_string(n++), problem));
    m.adopt(problem);
  }
  if (auto problem = m.finish(); !problem.empty()) return fail(std::move(problem));
  return a;
}

Result<BackupHostSpec, std::string> host_from_json(const json::value& v) {
  BackupHostSpec h;
  Members m(v, "");
  h.site = m.text("site");
  h.name = m.text("name");
  h.title = m.text("title");
  h.hours = m.text("hours");
  (void)m.text("origin");
  if (!good_name(h.site)) m.bad("site", "must name the site");
  if (!good_name(h.name)) m.bad("name", "must be letters, digits, dash, dot, underscore");
  for (const auto& [key, list] :
       {std::pair<std::string_view, std::vector<std::string>*>{"names", &h.names},
        {"addresses", &h.addresses},
        {"assets", &h.assets}}) {
    for (const auto* x : m.list(key)) {
      auto text = x->is_string() ? std::string(x->get_string()) : std::string();
      if (text.empty() || text.size() > 200) m.bad(key, "must be a list of texts");
      list->push_back(std::move(text));
    }
    if (list->size() > 100) m.bad(key, "has more than 100 entries");
  }
  if (std::find(h.names.begin(), h.names.end(), h.name) == h.names.end()) h.names.push_back(h.name);
  for (auto& n : h.names)
    for (auto& c : n)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  for (auto& a : h.addresses) {
    if (auto written = address_text(a); !written.empty())
      a = std::move(written);
    else
      m.bad("addresses", "must be IP addresses");
  }
  if (!h.hours.empty()) {
    auto w = parse_window(h.hours);
    if (w)
      h.window = std::move(*w);
    else
      m.bad("hours", "cannot be read: " + w.error());
  }
  if (const auto text = m.text("large_read"); !text.empty()) {
    const auto n = parse_size(text);
    if (n && *n > 0)
      h.large_read = *n;
    else
      m.bad("large_read", "is not a size; write 1GiB");
  }
  if (auto problem = m.finish(); !problem.empty()) return fail(std::move(problem));
  return h;
}

void write_json(JsonWriter& out, const BackupHostSpec& h) {
  out.begin_object();
  out.field("site", h.site);
  out.field("name", h.name);
  if (!h.title.empty()) out.field("title", h.title);
  if (!h.hours.empty()) out.field("hours", h.hours);
  for (const auto& [key, list] :
       {std::pair<std::string_view, const std::vector<std::string>*>{"names", &h.names},
        {"addresses", &h.addresses},
        {"assets", &h.assets}}) {
    out.begin_array(key);
    for (const auto& x : *list) out.value(x);
    out.end_array();
  }
  out.field("large_read", std::to_string(h.large_read));
  out.field("origin", h.origin);
  out.end_object();
}

Result<BackupServiceSpec, std::string> service_from_json(const json::value& v) {
  BackupServiceSpec s;
  Members m(v, "");
  s.name = m.text("name");
  s.title = m.text("title");
  s.owner = m.text("owner");
  s.contact = m.text("contact");
  s.criticality = m.text("criticality");
  (void)m.text("origin");
  for (const auto* l : m.list("linked")) {
    const auto linked = l->is_string() ? std::string(l->get_string()) : std::string();
    if (!good_name(linked)) m.bad("linked", "must be names of services");
    s.linked.push_back(linked);
  }
  if (!good_name(s.name)) m.bad("name", "must be letters, digits, dash, dot, underscore");
  if (auto problem = m.finish(); !problem.empty()) return fail(std::move(problem));
  return s;
}

void write_json(JsonWriter& out, const BackupAssetSpec& a) {
  out.begin_object();
  out.field("site", a.site);
  out.field("name", a.name);
  for (const auto& [key, v] :
       {std::pair<std::string_view, const std::string*>{"service", &a.service},
        {"title", &a.title},
        {"owner", &a.owner},
        {"contact", &a.contact},
        {"kind", &a.kind}})
    if (!v->empty()) out.field(key, *v);
  const auto& t = a.targets;
  out.begin_object("targets");
  out.field("rpo", t.rpo.count());
  out.field("rto", t.rto.count());
  out.field("verify_every", t.verify_every.count());
  out.field("restore_test_every", t.restore_test_every.count());
  out.field("retention", t.retention.count());
  out.field("copies", t.copies);
  out.field("media", t.media);
  out.field("offsite", t.offsite);
  out.field("immutable", t.immutable);
  out.end_object();
  out.begin_array("jobs");
  for (const auto& j : a.jobs) {
    out.begin_object();
    out.field("name", j.name);
    if (j.schedule.known()) out.field("schedule", schedule_text(j.schedule));
    out.field("grace", j.schedule.grace.count());
    if (!j.medium.empty()) out.field("medium", j.medium);
    optional_flag(out, "offsite", j.offsite);
    optional_flag(out, "offline", j.offline);
    optional_flag(out, "immutable", j.immutable);
    out.end_object();
  }
  out.end_array();
  out.field("origin", a.origin);
  out.field("declared", a.declared);
  out.end_object();
}

void write_json(JsonWriter& out, const BackupServiceSpec& s) {
  out.begin_object();
  out.field("name", s.name);
  for (const auto& [key, v] : {std::pair<std::string_view, const std::string*>{"title", &s.title},
                               {"owner", &s.owner},
                               {"contact", &s.contact},
                               {"criticality", &s.criticality}})
    if (!v->empty()) out.field(key, *v);
  out.begin_array("linked");
  for (const auto& l : s.linked) out.value(l);
  out.end_array();
  out.field("origin", s.origin);
  out.end_object();
}

Result<BackupRegister, Problem> read_register(const Settings& s) {
  BackupRegister r;
  const auto refuse = [&](const std::string& at, const std::string& what) {
    return fail(
        Problem{at + ": " + what, s.nearest_place(at), "see deploy/backup-register.example.yaml"});
  };
  for (const auto& key : s.children(""))
    if (key != "services" && key != "assets" && key != "hosts")
      return refuse(key, "is unknown; known here are services, assets, hosts");
  for (const auto& i : s.children("hosts")) {
    const auto at = "hosts." + i;
    auto spec = host_from_json(to_json(s, at));
    if (!spec) return refuse(at, spec.error());
    if (!r.hosts.emplace(std::pair{spec->site, spec->name}, *spec).second)
      return refuse(at, "is there twice");
  }
  for (const auto& i : s.children("services")) {
    const auto at = "services." + i;
    auto spec = service_from_json(to_json(s, at));
    if (!spec) return refuse(at, spec.error());
    if (!r.services.emplace(spec->name, *spec).second) return refuse(at, "is there twice");
  }
  for (const auto& i : s.children("assets")) {
    const auto at = "assets." + i;
    auto spec = asset_from_json(to_json(s, at));
    if (!spec) return refuse(at, spec.error());
    if (!spec->service.empty() && !r.services.contains(spec->service))
      return refuse(at, "service '" + spec->service + "' is not among the services");
    if (!r.assets.emplace(std::pair{spec->site, spec->name}, *spec).second)
      return refuse(at, "is there twice");
  }
  return r;
}
Result<BackupRegister, Problem> read_register(const std::string& path) {
  auto s = Settings::from_yaml_file(path, YamlRules::strict);
  if (!s) return fail(s.error());
  return read_register(*s);
}

Result<void, Problem> store_register(ControlDb& control, const BackupRegister& r) {
  return control.write([&](sql::Database& db) {
    db.exec("DELETE FROM backup_asset WHERE origin='config'");
    db.exec("DELETE FROM backup_service WHERE origin='config'");
    db.exec("DELETE FROM backup_host WHERE origin='config'");
    for (const auto& [key, h] : r.hosts)
      db.prepare("INSERT OR IGNORE INTO backup_host VALUES(?1,?2,'config',?3)")
          .with(h.site, h.name, doc_of(h))
          .run();
    for (const auto& [name, s] : r.services)
      db.prepare("INSERT OR IGNORE INTO backup_service VALUES(?1,'config',?2)")
          .with(name, doc_of(s))
          .run();
    for (const auto& [key, a] : r.assets)
      db.prepare("INSERT OR IGNORE INTO backup_asset VALUES(?1,?2,'config',?3)")
          .with(a.site, a.name, doc_of(a))
          .run();
  });
}

BackupRegister load_register(sql::Database& db) {
  BackupRegister r;
  const auto parse = [](std::string_view doc) {
    boost::system::error_code ec;
    return json::parse(doc, ec);
  };
  {
    auto s = db.prepare("SELECT name, origin, doc FROM backup_service");
    while (s.step())
      if (auto spec = service_from_json(parse(s.text(2)))) {
        spec->origin = s.copy(1);
        r.services.emplace(s.copy(0), std::move(*spec));
      }
  }
  {
    auto s = db.prepare("SELECT site, name, origin, doc FROM backup_host");
    while (s.step())
      if (auto spec = host_from_json(parse(s.text(3)))) {
        spec->origin = s.copy(2);
        r.hosts.emplace(std::pair{s.copy(0), s.copy(1)}, std::move(*spec));
      }
  }
  auto s = db.prepare("SELECT site, name, origin, doc FROM backup_asset");
  while (s.step())
    if (auto spec = asset_from_json(parse(s.text(3)))) {
      spec->origin = s.copy(2);
      r.assets.emplace(std::pair{s.copy(0), s.copy(1)}, std::move(*spec));
    }
  return r;
}

}  // namespace ww::collector
