/// Object lock of a bucket, by the AWS command line (or one that answers as it does). A lock
/// protects nothing unless objects have a retention: the newest objects are asked for theirs. Only
/// COMPLIANCE mode counts as immutable, since GOVERNANCE can be bypassed.
#include <algorithm>

#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

void signal(Report& report, std::string_view name, std::string text) {
  auto& e = report.runs.emplace_back();
  e.kind = "signal";
  e.signal = std::string(name);
  e.error = std::move(text);
}

/// get-bucket-versioning: {"Status": "Enabled"}, or nothing at all when it never was.
Parsed parse_versioning(std::string_view text, Report& report) {
  if (text.find_first_not_of(" \r\n\t") == std::string_view::npos) {
    report.inventory.policy["versioning"] = 0;
    return {};
  }
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  report.inventory.policy["versioning"] = text_at(*v, "Status").value_or("") == "Enabled" ? 1 : 0;
  return {};
}

/// get-object-lock-configuration.
Parsed parse_lock(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  const auto* c = at(*v, "ObjectLockConfiguration");
  if (c == nullptr) return fail(std::string("no ObjectLockConfiguration"));
  auto& policy = report.inventory.policy;
  policy["object-lock"] = text_at(*c, "ObjectLockEnabled").value_or("") == "Enabled" ? 1 : 0;
  const auto mode = text_at(*c, "Rule.DefaultRetention.Mode").value_or("");
  const auto days =
      number_at(*c, "Rule.DefaultRetention.Days").value_or(0) +
      365 * std::min<std::uint64_t>(number_at(*c, "Rule.DefaultRetention.Years").value_or(0), 1000);
  policy["default-retention-days"] = days;
  policy["compliance-mode"] = mode == "COMPLIANCE" ? 1 : 0;
  return {};
}

struct Object {
  Timestamp changed;
  std::string key;
  std::uint64_t size = 0;
};
std::vector<Object> read_objects(const Json& v) {
  std::vector<Object> out;
  if (const auto* all = array_at(v, "Contents"))
    for (const auto& o : *all) {
      const auto t = time_at(o, "LastModified");
      const auto key = text_at(o, "Key");
      if (t && key && out.size() < 100'000)
        out.push_back({*t, *key, number_at(o, "Size").value_or(0)});
    }
  std::sort(out.begin(), out.end(),
            [](const Object& a, const Object& b) { return a.changed < b.changed; });
  return out;
}
/// list-objects-v2.
Parsed parse_objects(std::string_view text, Report& report) {
  if (text.find_first_not_of(" \r\n\t") == std::string_view::npos) return {};
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  const auto objects = read_objects(*v);
  std::uint64_t octets = 0;
  for (const auto& o : objects) octets += std::min<std::uint64_t>(o.size, 1ULL << 50);
  report.inventory.files_total = objects.size();
  report.inventory.bytes_total = octets;
  return {};
}

/// head-object: until when nobody can delete it.
Parsed parse_head(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  if (report.runs.empty()) return {};
  const auto mode = text_at(*v, "ObjectLockMode").value_or("");
  const auto until = time_at(*v, "ObjectLockRetainUntilDate");
  if (mode == "COMPLIANCE" && until) report.runs.back().immutable_until = rfc3339(*until);
  return {};
}

class Bucket {
 public:
  Bucket(const ProbeSpec& spec, Look& look, Report& report)
      : spec_(spec), look_(look), report_(report) {}

  void run() {
    const auto bucket = spec_.text("bucket");
    auto& i = report_.inventory;
    i.repository = "s3://" + bucket;
    i.repository_id = bucket;
    i.repository_kind = "object";
    const auto versioning = aws({"get-bucket-versioning"});
    if (!versioning) return;
    if (!take(*versioning, &parse_versioning, "get-bucket-versioning")) return;
    const auto lock = aws({"get-object-lock-configuration"});
    if (!lock) return;
    if (!lock->good() && lock->err.find("ObjectLockConfigurationNotFound") != std::string::npos) {
      i.policy["object-lock"] = 0;
    } else if (!take(*lock, &parse_lock, "get-object-lock-configuration")) {
      return;
    }
    if (i.policy["versioning"] == 0 || i.policy["object-lock"] == 0) {
      report_.warn("not_immutable", "versioning or object lock is off");
      if (look_.memory()["locked"] == "yes")
        signal(report_, "lock_disabled", "versioning or object lock was switched off");
    } else {
      look_.memory()["locked"] = "yes";
    }
    objects();
  }

 private:
  std::optional<Finished> aws(std::vector<std::string> arguments) {
    std::vector<std::string> argv{spec_.text("program", "aws")};
    if (const auto e = spec_.text("endpoint"); !e.empty())
      argv.insert(argv.end(), {"--endpoint-url", e});
    if (const auto r = spec_.text("region"); !r.empty()) argv.insert(argv.end(), {"--region", r});
    argv.insert(argv.end(), {"--output", "json", "s3api"});
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), {"--bucket", spec_.text("bucket")});
    return look_.run(std::move(argv), report_);
  }
  bool take(const Finished& f, Parsed (*parse)(std::string_view, Report&), std::string_view what) {
    if (!f.good()) {
      const auto has = [&](std::string_view w) { return f.err.find(w) != std::string::npos; };
      report_.failed(
          has("AccessDenied") || has("InvalidAccessKeyId") || has("SignatureDoesNotMatch")
              ? "wrong_password"
          : has("NoSuchBucket") ? "no_repository"
                                : "failed",
          std::string(what) + ": " + f.err);
      return false;
    }
    if (const auto ok = parse(f.out, report_); !ok) {
      report_.failed("unreadable", std::string(what) + ": " + ok.error());
      return false;
    }
    return true;
  }

  /// Each object under the prefix is a backup; the newest few are asked for their retention.
  void objects() {
    std::vector<std::string> list{"list-objects-v2"};
    if (const auto p = spec_.text("prefix"); !p.empty()) list.insert(list.end(), {"--prefix", p});
    const auto f = aws(list);
    if (!f || !take(*f, &parse_objects, "list-objects-v2")) return;
    report_.inventory.raw_sha256 = sha256_hex(f->out);
    const auto v = parse_json(f->out);
    if (!v) return;
    const auto all = read_objects(*v);
    auto& i = report_.inventory;
    i.snapshots.emplace();
    i.snapshots_total = 0;
    const auto most = static_cast<std::size_t>(
        std::clamp<std::int64_t>(spec_.settings.integer_or("detail", 3), 0, 100));
    std::optional<std::string> least;
    bool unlocked = false;
    for (std::size_t n = 0; n < all.size(); ++n) {
      auto& run =
          report_.add_run(sha256_hex(all[n].key + std::to_string(all[n].changed.us)).substr(0, 16));
      run.finished = run.data_time = rfc3339(all[n].changed);
      run.bytes_total = all[n].size;
      run.level = "full";
      if (n + most < all.size() || look_.stopped()) continue;
      const auto head = aws({"head-object", "--key", all[n].key});
      if (!head || !head->good() || !parse_head(head->out, report_)) continue;
      const auto until = report_.runs.back().immutable_until;
      if (!until)
        unlocked = true;
      else if (!least || *until < *least)
        least = until;
    }
    if (!unlocked) i.immutable_until = least;
  }

  const ProbeSpec& spec_;
  Look& look_;
  Report& report_;
};

void look(const ProbeSpec& spec, Look& look, Report& report) { Bucket(spec, look, report).run(); }

const ProbeRegistration registration{{
    .tool = "s3",
    .summary = "object lock, versioning and newest objects of an S3 bucket",
    .keys = {{"bucket", "its name", true},
             {"prefix", "only objects whose key begins so"},
             {"endpoint", "https://... of a service that is not Amazon's"},
             {"region", "its region"},
             {"program", "path of aws; credentials come from environment_file"},
             {"detail", "newest objects asked for their retention; default 3"}},
    .look = &look,
    .parsers = {{"versioning", &parse_versioning},
                {"lock", &parse_lock},
                {"objects", &parse_objects},
                {"head", &parse_head}},
}};

}  // namespace
}  // namespace ww::backup
