#include "sensors/logs/log_config.hpp"

#include <arpa/inet.h>
#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "telemetry/edit_distance.hpp"

namespace ww::logs {
namespace {

Problem bad(const Settings& s, const std::string& path, std::string what, std::string remedy) {
  return {path + ": " + std::move(what), s.nearest_place(path), std::move(remedy)};
}

/// Reads one source's common keys; collects the first problem.
class Reader {
 public:
  Reader(const Settings& s, Zone zone) : s_(s), zone_(std::move(zone)) {}

  Result<SourceOptions, Problem> source(const std::string& at) {
    SourceOptions o;
    if (auto ok = check_keys(s_, at + ".multiline", {"start", "timeout"}); !ok)
      return fail(ok.error());
    o.zone = zone_;
    o.format = s_.text_or(at + ".format", "auto");
    o.product = s_.text_or(at + ".product", "");
    o.service = s_.text_or(at + ".service", "");
    o.category = s_.text_or(at + ".category", "");
    o.host = s_.text_or(at + ".host", "");
    if (const auto text = s_.text(at + ".zone")) {
      auto zone = Zone::parse(*text);
      if (!zone) return fail(bad(s_, at + ".zone", zone.error().what, zone.error().remedy));
      o.zone = std::move(*zone);
    }
    o.multiline_start = s_.text_or(at + ".multiline.start", "");
    if (auto d = duration(at + ".multiline.timeout", o.multiline_timeout); !d)
      return fail(d.error());
    if (s_.has(at + ".max_line")) {
      const auto size = s_.size_or(at + ".max_line", 0);
      if (size < 256 || size > 128 << 10)
        return fail(bad(s_, at + ".max_line", "must be between 256 octets and 128kb",
                        "write for example 64kb"));
      o.max_line_octets = size;
    }
    return o;
  }
  Result<void, Problem> duration(const std::string& path, std::chrono::milliseconds& out) {
    if (const auto text = s_.text(path)) {
      const auto d = parse_duration(*text);
      if (!d)
        return fail(
            bad(s_, path, "not a duration: " + *text, "write for example 200ms, 2s, 5m or 1h"));
      out = *d;
    }
    return {};
  }
  Result<bool, Problem> from_end(const std::string& path, bool fallback) {
    const auto text = s_.text_or(path, fallback ? "end" : "beginning");
    if (text != "end" && text != "beginning")
      return fail(bad(s_, path, "unknown value '" + text + "'", "use beginning or end"));
    return text == "end";
  }

 private:
  const Settings& s_;
  Zone zone_;
};

const std::vector<std::string> source_keys{"format", "product", "service",       "category",
                                           "host",   "zone",    "multiline:map", "max_line"};

std::vector<std::string> with_source(std::vector<std::string> more) {
  more.insert(more.end(), source_keys.begin(), source_keys.end());
  return more;
}

/// That the format is known and the expression compiles, here rather than when the first file is
/// there.
Result<void, Problem> check_parser(const Settings& s, const std::string& at, const SourceOptions& o,
                                   const Formats& formats) {
  for (const bool expression : {false, true}) {
    SourceParser::Options probe;
    (expression ? probe.multiline_start : probe.format) = expression ? o.multiline_start : o.format;
    if (auto made = SourceParser::make(std::move(probe), formats); !made)
      return fail(bad(s, at + (expression ? ".multiline.start" : ".format"), made.error().what,
                      made.error().remedy));
  }
  return {};
}

Result<void, Problem> read_listen(const Settings& s, const std::string& at, SyslogOptions& o) {
  const auto text = s.text_or(at + ".listen", "");
  const auto colon = text.rfind(':');
  unsigned port = 0;
  const auto digits = colon == std::string::npos ? std::string_view(text)
                                                 : std::string_view(text).substr(colon + 1);
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || r.ec != std::errc() || r.ptr != digits.data() + digits.size() ||
      port > 65535)
    return fail(
        bad(s, at + ".listen", "expected ADDRESS:PORT", "write for example listen: '0.0.0.0:514'"));
  o.port = static_cast<std::uint16_t>(port);
  if (colon != std::string::npos) {
    o.address = text.substr(0, colon);
    if (o.address.size() > 2 && o.address.front() == '[' && o.address.back() == ']')
      o.address = o.address.substr(1, o.address.size() - 2);
    if (o.address.empty() || o.address == "*") o.address = "::";
    in6_addr octets{};
    if (::inet_pton(AF_INET, o.address.c_str(), &octets) != 1 &&
        ::inet_pton(AF_INET6, o.address.c_str(), &octets) != 1)
      return fail(bad(s, at + ".listen", "'" + o.address + "' is not an address of this machine",
                      "write for example listen: '0.0.0.0:514' or '[::]:514'"));
  }
  return {};
}

/// That what stands at a path has the shape that its reader takes: anything else would count as not
/// there.
Result<void, Problem> check_kind(const Settings& s, const std::string& path,
                                 std::string_view kind) {
  using Shape = Settings::Shape;
  const auto shape = s.shape(path);
  const auto wrong = [&](std::string what, std::string remedy) {
    return fail(bad(s, path, std::move(what), std::move(remedy)));
  };
  const bool list = kind == "list", maps = kind == "maps", map = kind == "map";
  if (kind == "any") return {};
  if (shape == Shape::value) {
    const auto text = s.text_or(path, "");
    if (text.empty()) return {};  // `key:` and `key: []`: not set
    if (maps) return wrong("must be a list, not '" + text + "'", "begin each entry with '- '");
    if (map) return wrong("must hold keys, not '" + text + "'", "see the commented example");
    if (kind == "flag" && !parse_flag(text))
      return wrong("neither yes nor no: " + text, "write yes or no");
    std::int64_t n = 0;
    if (kind == "number")
      if (const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
          r.ec != std::errc() || r.ptr != text.data() + text.size() || n < 0)
        return wrong("not a whole number: " + text, "write for example 16");
    return {};
  }
  if (shape == Shape::list && !list && !maps)
    return wrong(map ? "must hold keys, not a list" : "takes one value, not a list",
                 map ? "see the commented example" : "write it without brackets or '- '");
  if (shape == Shape::map && !map)
    return wrong(maps || list ? "must be a list" : "takes one value, not keys",
                 maps || list ? "begin each entry with '- '" : "see the commented example");
  if (list) {
    const auto prefix = path + ".";
    for (const auto& i : s.children(path))
      if (s.shape(prefix + i) != Shape::value)
        return wrong("an entry of the list is not one value", "put quotes around it");
  }
  return {};
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  double v = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), v);
  if (r.ec != std::errc() || v < 0 || v > 1e9) return {};
  const std::string_view unit(r.ptr, static_cast<std::size_t>(text.data() + text.size() - r.ptr));
  double factor = 0;
  if (unit == "ms")
    factor = 1;
  else if (unit.empty() || unit == "s")
    factor = 1000;
  else if (unit == "m" || unit == "min")
    factor = 60'000;
  else if (unit == "h")
    factor = 3'600'000;
  else if (unit == "d")
    factor = 86'400'000;
  else
    return {};
  return std::chrono::milliseconds(static_cast<std::int64_t>(v * factor));
}

Result<void, Problem> check_keys(const Settings& s, const std::string& path,
                                 const std::vector<std::string>& known) {
  const auto name_of = [](std::string_view k) { return k.substr(0, k.find(':')); };
  const auto prefix = path.empty() ? std::string() : path + ".";
  for (const auto& key : s.children(path)) {
    const auto full = prefix + key;
    if (const auto k =
            std::find_if(known.begin(), known.end(), [&](auto& n) { return name_of(n) == key; });
        k != known.end()) {
      const auto colon = k->find(':');
      if (auto ok = check_kind(s, full,
                               colon == std::string::npos ? std::string_view("value")
                                                          : std::string_view(*k).substr(colon + 1));
          !ok)
        return ok;
      continue;
    }
    std::string nearest, all;
    std::size_t best = 4;
    for (const auto& entry : known) {
      const std::string k(name_of(entry));
      if (const auto d = edit_distance(key, k); d < best) {
        best = d;
        nearest = k;
      }
      (all += all.empty() ? "" : ", ") += k;
    }
    return fail(
        Problem{"unknown key '" + full + "'", s.nearest_place(full),
                nearest.empty() ? "known here are " + all : "did you mean '" + nearest + "'?"});
  }
  return {};
}

Result<LogConfig, Problem> read_log_config(const Settings& s) {
  LogConfig c;
  if (auto ok = check_keys(s, "",
                           {"formats:list", "zone", "files:maps", "syslog:maps", "journald:any",
                            "stdin:flag", "evtx:list"});
      !ok)
    return fail(ok.error());
  auto zone = Zone::parse(s.text_or("zone", "local"));
  if (!zone) return fail(bad(s, "zone", zone.error().what, zone.error().remedy));
  Reader reader(s, *zone);
  for (const auto& pattern : s.list("formats")) {
    glob_t g{};
    const auto found = ::glob(pattern.c_str(), 0, nullptr, &g) == 0;
    for (std::size_t i = 0; found && i < g.gl_pathc; ++i) c.declared.emplace_back(g.gl_pathv[i]);
    ::globfree(&g);
    if (!found && pattern.find_first_of("*?[") == std::string::npos)
      return fail(bad(s, "formats", "no such file: " + pattern, "correct the path"));
  }
  std::optional<Formats> declared;
  if (!c.declared.empty()) declared.emplace();
  for (const auto& path : c.declared)
    if (auto ok = declared->add_declared_file(path); !ok) return fail(ok.error());
  const auto& formats = declared ? *declared : Formats::builtin();
  for (const auto& i : s.children("files")) {
    const auto at = "files." + i;
    if (auto ok = check_keys(s, at,
                             with_source({"paths:list", "exclude:list", "archives:list", "start"}));
        !ok)
      return fail(ok.error());
    TailOptions o;
    auto source = reader.source(at);
    if (!source) return fail(source.error());
    o.source = std::move(*source);
    if (auto ok = check_parser(s, at, o.source, formats); !ok) return fail(ok.error());
    o.paths = s.list(at + ".paths");
    if (o.paths.empty()) return fail(bad(s, at, "needs paths", "add paths: [ /var/log/syslog ]"));
    for (const auto& p : o.paths)
      if (!p.starts_with('/'))
        return fail(bad(s, at + ".paths", "'" + p + "' is not absolute", "start the path with /"));
    o.exclude = s.list(at + ".exclude");
    o.archives = s.list(at + ".archives");
    std::erase(o.archives, "");
    auto from_end = reader.from_end(at + ".start", false);
    if (!from_end) return fail(from_end.error());
    o.from_end = *from_end;
    c.files.push_back(std::move(o));
  }
  for (const auto& i : s.children("syslog")) {
    const auto at = "syslog." + i;
    if (auto ok = check_keys(s, at,
                             with_source({"transport", "listen", "cert", "key", "client_ca",
                                          "max_connections:number"}));
        !ok)
      return fail(ok.error());
    SyslogOptions o;
    auto source = reader.source(at);
    if (!source) return fail(source.error());
    o.source = std::move(*source);
    if (auto ok = check_parser(s, at, o.source, formats); !ok) return fail(ok.error());
    const auto transport = s.text_or(at + ".transport", "udp");
    if (transport == "udp")
      o.transport = SyslogOptions::Transport::udp;
    else if (transport == "tcp")
      o.transport = SyslogOptions::Transport::tcp;
    else if (transport == "tls")
      o.transport = SyslogOptions::Transport::tls;
    else
      return fail(bad(s, at + ".transport", "unknown transport '" + transport + "'",
                      "use udp, tcp or tls"));
    if (auto ok = read_listen(s, at, o); !ok) return fail(ok.error());
    o.cert_file = s.text_or(at + ".cert", "");
    o.key_file = s.text_or(at + ".key", o.cert_file);
    o.client_ca_file = s.text_or(at + ".client_ca", "");
    o.max_connections = static_cast<std::size_t>(
        std::clamp<std::int64_t>(s.integer_or(at + ".max_connections", 256), 1, 65536));
    if (o.transport == SyslogOptions::Transport::tls && o.cert_file.empty())
      return fail(bad(s, at, "TLS needs a certificate", "add cert: FILE and key: FILE"));
    for (const auto& [key, file] : {std::pair{".cert", &o.cert_file},
                                    {".key", &o.key_file},
                                    {".client_ca", &o.client_ca_file}})
      if (o.transport == SyslogOptions::Transport::tls && !file->empty() &&
          ::access(file->c_str(), R_OK) != 0)
        return fail(bad(s, at + key, "cannot read " + *file + ": " + std::strerror(errno),
                        "check the path and its permissions"));
    c.syslog.push_back(std::move(o));
  }
  if (s.has("journald")) {
    if (auto ok = check_keys(s, "journald", {"enabled:flag", "units:list", "folder", "start"}); !ok)
      return fail(ok.error());
    if (s.flag_or("journald.enabled", true) && s.text("journald").value_or("yes") != "no") {
      JournaldOptions o;
      o.source.zone = *zone;
      o.units = s.list("journald.units");
      o.folder = s.text_or("journald.folder", "");
      auto from_end = reader.from_end("journald.start", true);
      if (!from_end) return fail(from_end.error());
      o.from_end = *from_end;
      c.journald.push_back(std::move(o));
    }
  }
  if (s.flag_or("stdin", false)) {
    StdinOptions o;
    o.source.zone = *zone;
    c.standard_input.push_back(std::move(o));
  }
  if (auto paths = s.list("evtx"); !paths.empty()) {
    EvtxOptions o;
    o.paths = std::move(paths);
    c.evtx.push_back(std::move(o));
  }
  return c;
}

}  // namespace ww::logs
