#include "rules/sources/config.hpp"

#include <algorithm>
#include <filesystem>

#include "rules/signature/text.hpp"
#include "telemetry/net/http.hpp"
#include "telemetry/settings.hpp"

namespace ww::sources {

namespace {

namespace fs = std::filesystem;

bool is_hex(std::string_view s, std::size_t digits) {
  return s.size() == digits && s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// suricata-update's place holder: the version whose rule language this is.
std::string with_version(std::string url) {
  constexpr std::string_view holder = "%(__version__)s";
  for (auto at = url.find(holder); at != std::string::npos; at = url.find(holder, at))
    url.replace(at, holder.size(), "8.0.0");
  return url;
}

Result<Source, Problem> read_source(const Settings& s, const std::string& at,
                                    const std::string& folder) {
  Source out;
  const auto wrong = [&](const std::string& what, const std::string& remedy) {
    return fail(Problem{at + ": " + what, s.where(at + ".url"), remedy});
  };
  out.url = with_version(s.has(at + ".url") ? s.text_or(at + ".url", "") : s.text_or(at, ""));
  if (!http::parse_url(out.url))
    return wrong("'" + out.url + "' is no http:// or https:// address",
                 "files and folders go under local:");
  out.name = s.text_or(at + ".name", out.url);
  const auto mode = s.text_or(at + ".checksum", "auto");
  if (mode == "auto")
    out.checksum = Source::Checksum::automatic;
  else if (mode == "required" || mode == "yes" || mode == "true")
    out.checksum = Source::Checksum::required;
  else if (mode == "none" || mode == "no" || mode == "false")
    out.checksum = Source::Checksum::none;
  else
    return wrong("checksum '" + mode + "' is not auto, required or none", "");
  out.sha256 = sig::lower(s.text_or(at + ".sha256", ""));
  out.md5 = sig::lower(s.text_or(at + ".md5", ""));
  if ((!out.sha256.empty() && !is_hex(out.sha256, 64)) ||
      (!out.md5.empty() && !is_hex(out.md5, 32)))
    return wrong("the checksum is not 64 (sha256) or 32 (md5) hexadecimal digits", "");
  if (const auto ca = s.text_or(at + ".ca-file", ""); !ca.empty())
    out.ca_file = (fs::path(folder) / ca).string();
  for (const auto& header : s.list(at + ".http-header")) {
    const auto colon = header.find(':');
    if (colon == std::string::npos || header.find_first_of("\r\n") != std::string::npos)
      return wrong("http-header is not 'Name: value'", "");
    out.headers.emplace_back(sig::trim(std::string_view(header).substr(0, colon)),
                             sig::trim(std::string_view(header).substr(colon + 1)));
  }
  return out;
}

}  // namespace

Result<UpdateConfig, Problem> load_config(const std::string& path) {
  auto settings = Settings::from_yaml_file(path, YamlRules::strict);
  if (!settings) return fail(settings.error());
  const auto& s = *settings;
  const auto folder = fs::path(path).parent_path();
  const auto file = [&](std::string_view key) -> std::string {
    const auto value = s.text_or(key, "");
    return value.empty() ? value : (folder / value).string();
  };
  UpdateConfig out;
  out.output = file("output");
  if (out.output.empty())
    return fail(Problem{"no output", path, "name the rules file: output: /var/lib/.../all.rules"});
  out.disable_conf = file("disable-conf");
  out.enable_conf = file("enable-conf");
  out.drop_conf = file("drop-conf");
  out.modify_conf = file("modify-conf");
  out.suricata_conf = file("suricata-conf");
  out.classification = file("classification-file");
  out.thresholds = file("threshold-file");
  for (const auto& l : s.list("local")) out.local.push_back((folder / l).string());
  out.ignore = s.has("ignore") ? s.list("ignore") : std::vector<std::string>{"*deleted.rules"};
  for (const auto& n : s.children("sources")) {
    auto source = read_source(s, "sources." + n, folder.string());
    if (!source) return fail(source.error());
    out.sources.push_back(std::move(*source));
  }
  if (out.sources.empty() && out.local.empty())
    return fail(Problem{"no rules to read", path, "list sources: or local:"});
  const auto refused = s.text_or("refused", "keep-old");
  if (refused != "keep-old" && refused != "switch-off")
    return fail(Problem{"refused: '" + refused + "' is not keep-old or switch-off",
                        s.where("refused"), ""});
  out.switch_off_refused = refused == "switch-off";
  out.limits.max_octets = s.size_or("max-unpacked", out.limits.max_octets);
  out.limits.max_entries =
      static_cast<std::size_t>(std::max<std::int64_t>(s.integer_or("max-entries", 10'000), 1));
  out.max_download = s.size_or("max-download", out.max_download);
  out.timeout_seconds =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(s.integer_or("timeout", 120), 1, 3600));
  if (const auto unknown = s.unread(); !unknown.empty())
    return fail(Problem{"unknown key '" + unknown.front() + "'", s.where(unknown.front()),
                        "see docs/rules-tools.md"});
  return out;
}

}  // namespace ww::sources
