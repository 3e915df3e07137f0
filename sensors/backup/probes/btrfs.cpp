/// Btrfs snapshots below a mounted path, device errors and the last scrub. As with ZFS, a snapshot
/// is no copy.
#include <algorithm>
#include <charconv>

#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (out.size() < 64) {
    const auto start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) break;
    line.remove_prefix(start);
    const auto end = line.find_first_of(" \t");
    out.push_back(line.substr(0, end));
    if (end == std::string_view::npos) break;
    line.remove_prefix(end);
  }
  return out;
}

/// `btrfs subvolume list -s -u PATH`: "ID 258 gen 9 cgen 9 top level 5 otime 2026-11-27 02:45:19
/// uuid U path P".
Parsed parse_list(std::string_view text, Report& report) {
  struct Found {
    Timestamp time;
    std::string id;
  };
  std::vector<Found> found;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] != "ID") return fail(std::string("not a line of btrfs subvolume list"));
    Found f;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == "path") break;
      if (words[i] == "uuid") f.id = cut(words[i + 1], 64);
      if (words[i] == "otime" && i + 2 < words.size())
        if (const auto t = parse_time(std::string(words[i + 1]) + "T" + std::string(words[i + 2])))
          f.time = *t;
    }
    if (f.time.us == 0) return fail(std::string("a snapshot without otime"));
    if (f.id.empty()) f.id = std::string(words.size() > 1 ? words[1] : "");
    found.push_back(std::move(f));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.time < b.time; });
  report.inventory.snapshots.emplace();
  report.inventory.snapshots_total = 0;
  for (const auto& f : found) {
    auto& run = report.add_run(f.id);
    run.started = run.finished = run.data_time = rfc3339(f.time);
    run.level = "snapshot";
  }
  return {};
}

/// `btrfs device stats PATH`: "[/dev/sda].write_io_errs    0".
Parsed parse_stats(std::string_view text, Report& report) {
  std::uint64_t errors = 0;
  std::size_t lines = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto words = words_of(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (words.empty()) continue;
    if (words.size() != 2 || words[0].front() != '[') return fail(std::string("not device stats"));
    std::uint64_t n = 0;
    if (std::from_chars(words[1].data(), words[1].data() + words[1].size(), n).ec != std::errc())
      return fail(std::string("not a number"));
    errors += std::min<std::uint64_t>(n, 1U << 30);
    ++lines;
  }
  if (lines == 0) return fail(std::string("no devices"));
  report.inventory.integrity = errors == 0 ? "passed" : "failed";
  if (errors > 0) report.warn("damaged", std::to_string(errors) + " device errors");
  return {};
}

/// `btrfs scrub status -R PATH`: "csum_errors: 0", "uncorrectable_errors: 0".
Parsed parse_scrub(std::string_view text, Report& report) {
  if (text.find("no stats available") != std::string_view::npos) return {};
  bool any = false;
  std::uint64_t errors = 0;
  for (const std::string_view name : {"csum_errors:", "verify_errors:", "uncorrectable_errors:"}) {
    const auto at = text.find(name);
    if (at == std::string_view::npos) continue;
    const auto rest = text.substr(at + name.size());
    const auto start = rest.find_first_not_of(" \t");
    std::uint64_t n = 0;
    if (start != std::string_view::npos &&
        std::from_chars(rest.data() + start, rest.data() + rest.size(), n).ec == std::errc()) {
      any = true;
      errors += std::min<std::uint64_t>(n, 1U << 30);
    }
  }
  if (!any) return fail(std::string("not a scrub's status"));
  if (errors > 0) {
    report.inventory.integrity = "failed";
    report.warn("damaged", "the scrub found " + std::to_string(errors) + " errors");
  }
  return {};
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  const auto path = spec.text("path");
  const auto btrfs = spec.text("program", "btrfs");
  report.inventory.repository = spec.text("repository", path);
  report.inventory.repository_kind = "snapshot";
  const auto f = look.run({btrfs, "subvolume", "list", "-s", "-u", path}, report);
  if (!f) return;
  if (!f->good())
    return report.failed(f->err.find("not a btrfs") != std::string::npos ||
                                 f->err.find("No such file") != std::string::npos
                             ? "no_repository"
                             : "failed",
                         f->err);
  if (const auto ok = parse_list(f->out, report); !ok)
    return report.failed("unreadable", ok.error());
  report.inventory.raw_sha256 = sha256_hex(f->out);
  if (const auto s = look.run({btrfs, "device", "stats", path}, report); s && s->exit_code >= 0)
    if (parse_stats(s->out, report)) report.inventory.integrity_at = rfc3339(look.now());
  if (const auto s = look.run({btrfs, "scrub", "status", "-R", path}, report); s && s->good())
    (void)parse_scrub(s->out, report);
}

const ProbeRegistration registration{{
    .tool = "btrfs",
    .summary = "Btrfs snapshots and the health of their devices",
    .keys = {{"path", "a mounted path of the file system", true},
             {"repository", "name of the repository in events; default the path"},
             {"program", "path of btrfs"}},
    .look = &look,
    .parsers = {{"list", &parse_list}, {"stats", &parse_stats}, {"scrub", &parse_scrub}},
}};

}  // namespace
}  // namespace ww::backup
