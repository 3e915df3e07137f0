/// A folder of backup files: database dumps, exports, copies. `mode: each` takes every file as a
/// backup, `mode: set` the folder as one. File names are not told: a backup's id is a digest of
/// name, size and time.
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "sensors/backup/file_set.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/policy.hpp"
#include "sensors/backup/probe.hpp"
#include "sensors/backup/sampling.hpp"

namespace ww::backup {
namespace {

namespace fs = std::filesystem;
std::vector<FileFound> walk(const ProbeSpec& spec, Look& look, Report& report) {
  auto found = find_files(spec.text("path"), spec.text("pattern", "*"),
                          [&] { return !look.stopped() && look.left().count() > 0; });
  if (!found.error.empty()) {
    report.failed("no_repository", found.error);
  } else if (found.cut && found.files.size() >= max_backup_files) {
    report.warn("too_large", found.cut_why);
  } else if (found.cut && !look.stopped()) {
    report.failed("timeout", found.cut_why);
  }
  return std::move(found.files);
}

std::string beginning(const std::string& path) {
  return read_small_file(path, EntropySample::file_octets).value_or("");
}

/// SHA-256 of a whole file, within the probe's time; "" when it cannot be read.
std::string file_digest(const std::string& path, Look& look) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return {};
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1U << 20);
  bool whole = false;
  while (!look.stopped() && look.left().count() > 0) {
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0) break;
    if (n == 0) {
      whole = true;
      break;
    }
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  if (!whole) return {};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest, &size);
  std::string out;
  append_hex(out, Bytes{digest, size});
  return out;
}

struct ManifestLine {
  std::string digest, path;
};
/// sha256sum's format: digest, space, space or star, path. Other lines are passed over; at most
/// 100000.
std::vector<ManifestLine> read_manifest(std::string_view text) {
  std::vector<ManifestLine> out;
  while (!text.empty() && out.size() < 100'000) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    constexpr std::size_t digits = 64;
    if (line.size() < digits + 3 || line[digits] != ' ') continue;
    const auto hex = line.substr(0, digits);
    if (hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) continue;
    std::string digest(hex);
    for (auto& c : digest)
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c + 32);
    out.push_back({digest, std::string(line.substr(digits + 2))});
  }
  return out;
}
Result<void, std::string> parse_manifest(std::string_view text, Report& report) {
  const auto lines = read_manifest(text);
  if (lines.empty()) return fail(std::string("no line of sha256sum"));
  report.inventory.files_total = lines.size();
  return {};
}

/// Every `check_every`: files of the manifest are there and have its digests.
void check_manifest(const ProbeSpec& spec, Look& look, Report& report) {
  const auto file = spec.text("manifest");
  if (file.empty()) return;
  auto& memory = look.memory();
  auto& i = report.inventory;
  const bool due = spec.settings.has("check_every") ? look.due("check_every", "checked") : true;
  if (due) {
    const auto root = fs::path(spec.text("path"));
    const auto path = fs::path(file).is_absolute() ? fs::path(file) : root / file;
    const auto text = read_small_file(path.string(), 32U << 20);
    memory["checked"] = rfc3339(look.now());
    const auto lines = read_manifest(text.value_or(""));
    std::size_t missing = 0, different = 0;
    for (const auto& line : lines) {
      const auto digest = file_digest((root / line.path).lexically_normal().string(), look);
      if (look.stopped()) return;
      if (look.left().count() <= 0) {
        memory["checked"].clear();
        return report.failed("timeout",
                             "the manifest could not be checked within the probe's time");
      }
      if (digest.empty())
        ++missing;
      else if (digest != line.digest)
        ++different;
    }
    const bool good = text && !lines.empty() && missing == 0 && different == 0;
    memory["integrity"] = good ? "passed" : "failed";
    memory["integrity_why"] = good ? ""
                              : lines.empty()
                                  ? "the manifest cannot be read or is empty"
                                  : std::to_string(missing) + " files missing, " +
                                        std::to_string(different) + " differ from the manifest";
  }
  if (memory["integrity"].empty()) return;
  i.integrity = memory["integrity"];
  i.integrity_at = memory["checked"];
  if (*i.integrity == "failed") report.warn("damaged", memory["integrity_why"]);
}

void each_file(const ProbeSpec& spec, Look& look, Report& report,
               const std::vector<FileFound>& files) {
  report.inventory.snapshots.emplace();
  report.inventory.snapshots_total = 0;
  const auto settle = std::chrono::seconds(
      std::max<std::int64_t>(0, spec.settings.integer_or("settle_seconds", 60)));
  for (const auto& f : files) {
    // A file that still grows is no backup yet.
    const bool growing = f.changed <= look.now() && look.now() - f.changed < settle;
    auto& run = report.add_run(file_backup_id(f));
    run.finished = run.data_time = rfc3339(f.changed);
    run.bytes_total = f.size;
    run.files_total = 1;
    run.level = "full";
    if (growing) {
      run.status = "running";
    } else if (f.size == 0) {
      run.status = "failed";
      run.error_code = "empty";
      run.error = "the file is empty";
    }
  }
  if (spec.settings.integer_or("sample", 0) > 0 && !files.empty()) {
    EntropySample sample;
    sample.add(beginning(files.back().path));
    report.runs.back().entropy = sample.value();
  }
}

void whole_set(const ProbeSpec& spec, Look& look, Report& report,
               const std::vector<FileFound>& files) {
  std::uint64_t octets = 0, changed = 0;
  auto& memory = look.memory();
  const auto watermark = parse_time(memory["newest"]);
  std::vector<std::string> fresh;
  for (const auto& f : files) {
    octets += f.size;
    if (watermark && f.changed > *watermark) {
      ++changed;
      fresh.push_back(f.path);
    }
  }
  if (files.empty()) return report.warn("empty", "there are no files");
  const auto newest = files.back().changed;
  auto& run = report.add_run(set_backup(files).id);
  run.finished = run.data_time = rfc3339(newest);
  run.bytes_total = octets;
  run.files_total = files.size();
  run.level = "full";
  if (watermark) {
    run.files_changed = changed;
    const auto before = std::strtoull(memory["files"].c_str(), nullptr, 10);
    run.files_new = files.size() > before ? files.size() - before : 0;
    run.files_deleted = before > files.size() ? before - files.size() : 0;
    run.new_extension_share = extension_share(fresh);
  }
  if (const auto n = spec.settings.integer_or("sample", 0); n > 0) {
    if (fresh.empty())
      for (const auto& f : files) fresh.push_back(f.path);
    EntropySample sample;
    for (const auto& path : spread(fresh, static_cast<std::size_t>(std::min<std::int64_t>(n, 64))))
      sample.add(beginning(path));
    run.entropy = sample.value();
  }
  // A set has no older snapshots to miss: what it was before is in the collector's history.
  report.inventory.snapshots.reset();
  report.inventory.snapshots_total.reset();
  memory["newest"] = rfc3339(newest);
  memory["files"] = std::to_string(files.size());
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  report.inventory.repository = spec.text("repository", spec.text("path"));
  const auto files = walk(spec, look, report);
  if (report.inventory.status == "failed") return;
  std::uint64_t octets = 0;
  for (const auto& f : files) octets += f.size;
  report.inventory.files_total = files.size();
  report.inventory.bytes_total = octets;
  if (spec.text("mode", "each") == "set")
    whole_set(spec, look, report, files);
  else
    each_file(spec, look, report, files);
  check_manifest(spec, look, report);
}

const ProbeRegistration registration{{
    .tool = "files",
    .summary = "a folder of backup files: age, size, count, checksum manifest",
    .keys = {{"path", "the folder", true},
             {"pattern", "which files: *.dump; default all"},
             {"mode", "each (every file is a backup, the default) or set (all are one)"},
             {"manifest", "sha256sum file to check against, relative to path"},
             {"check_every", "how often to check the manifest; default every look"},
             {"settle_seconds", "a file changed since is still being written; default 60"},
             {"sample", "files whose entropy is measured; default 0"},
             {"repository", "name of the repository in events; default the path"}},
    .look = &look,
    .parsers = {{"manifest", &parse_manifest}},
}};

}  // namespace
}  // namespace ww::backup
