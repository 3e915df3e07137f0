/// ZFS snapshots of a dataset, and the pool's health. A snapshot on the same pool is no copy:
/// repository_kind is `snapshot` unless `medium` says that the dataset is a replica.
#include <charconv>

#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return {};
  return n;
}

/// `zfs list -Hp -t snapshot -o name,creation,used,referenced,written,userrefs -s creation`.
Parsed parse_list(std::string_view text, Report& report) {
  auto& i = report.inventory;
  i.snapshots.emplace();
  i.snapshots_total = 0;
  std::uint64_t holds = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty()) continue;
    std::vector<std::string_view> cells;
    while (cells.size() < 16) {
      const auto tab = line.find('\t');
      cells.push_back(line.substr(0, tab));
      if (tab == std::string_view::npos) break;
      line.remove_prefix(tab + 1);
    }
    if (cells.size() < 2 || cells[0].find('@') == std::string_view::npos)
      return fail(std::string("not a line of zfs list"));
    const auto created = to_number(cells[1]);
    if (!created || *created > 253'402'300'799ULL)
      return fail(std::string("a snapshot without a creation time"));
    auto& run = report.add_run(cut(cells[0], 200));
    run.data_time = run.started = run.finished =
        rfc3339({static_cast<std::int64_t>(*created) * 1'000'000});
    run.level = "snapshot";
    if (cells.size() > 3) run.bytes_total = to_number(cells[3]);
    if (cells.size() > 4) run.bytes_added = to_number(cells[4]);
    if (cells.size() > 5) holds += std::min<std::uint64_t>(to_number(cells[5]).value_or(0), 1000);
  }
  i.policy["holds"] = holds;
  return {};
}

/// `zpool status -x POOL`: one line when all is well.
Parsed parse_status(std::string_view text, Report& report) {
  if (text.find("is healthy") != std::string_view::npos ||
      text.find("all pools are healthy") != std::string_view::npos) {
    report.inventory.integrity = "passed";
    return {};
  }
  std::string state;
  if (const auto at = text.find("state: "); at != std::string_view::npos)
    state = cut(text.substr(at + 7, text.find('\n', at) - at - 7), 40);
  if (state.empty()) return fail(std::string("no state of the pool"));
  // DEGRADED still has every octet; errors in data are told in `errors:`.
  const bool lost = text.find("errors: No known data errors") == std::string_view::npos;
  report.inventory.integrity = lost ? "failed" : "passed";
  report.warn(lost ? "damaged" : "degraded", "the pool is " + state);
  return {};
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  const auto dataset = spec.text("dataset");
  report.inventory.repository = spec.text("repository", dataset);
  report.inventory.repository_kind = "snapshot";
  std::vector<std::string> list{spec.text("program", "zfs"),
                                "list",
                                "-Hp",
                                "-t",
                                "snapshot",
                                "-o",
                                "name,creation,used,referenced,written,userrefs",
                                "-s",
                                "creation"};
  if (!spec.settings.flag_or("recursive", false)) list.insert(list.end(), {"-d", "1"});
  if (spec.settings.flag_or("recursive", false)) list.emplace_back("-r");
  list.push_back(dataset);
  const auto f = look.run(list, report);
  if (!f) return;
  if (!f->good())
    return report.failed(
        f->err.find("does not exist") != std::string::npos ? "no_repository" : "failed", f->err);
  if (const auto ok = parse_list(f->out, report); !ok)
    return report.failed("unreadable", ok.error());
  report.inventory.raw_sha256 = sha256_hex(f->out);
  const auto pool = dataset.substr(0, dataset.find('/'));
  if (const auto s = look.run({spec.text("pool_program", "zpool"), "status", "-x", pool}, report);
      s && s->good()) {
    (void)parse_status(s->out, report);
    report.inventory.integrity_at = rfc3339(look.now());
  }
  if (const auto g = look.run(
          {spec.text("pool_program", "zpool"), "get", "-Hp", "-o", "value", "guid", pool}, report);
      g && g->good())
    report.inventory.repository_id = cut(g->out.substr(0, g->out.find('\n')), 64);
}

const ProbeRegistration registration{{
    .tool = "zfs",
    .summary = "ZFS snapshots and the health of their pool",
    .keys = {{"dataset", "pool/dataset whose snapshots count", true},
             {"recursive", "yes: those of datasets below it too"},
             {"repository", "name of the repository in events; default the dataset"},
             {"program", "path of zfs"},
             {"pool_program", "path of zpool"}},
    .look = &look,
    .parsers = {{"list", &parse_list}, {"status", &parse_status}},
}};

}  // namespace
}  // namespace ww::backup
