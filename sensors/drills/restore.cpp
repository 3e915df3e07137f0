#include "sensors/drills/restore.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>

#include "sensors/backup/access.hpp"
#include "sensors/drills/scratch.hpp"
#include "sensors/drills/verify.hpp"
#include "telemetry/net/enrol.hpp"

namespace ww::drills {
namespace json = boost::json;
namespace {

using Steady = std::chrono::steady_clock;
using backup::Command;
using backup::Finished;

std::string member(const json::value& v, std::string_view name) {
  if (!v.is_object()) return {};
  const auto* m = v.get_object().if_contains(name);
  return m != nullptr && m->is_string() ? std::string(m->get_string()) : std::string();
}
std::int64_t number(const json::value& v) {
  boost::system::error_code ec;
  return v.is_number() ? v.to_number<std::int64_t>(ec) : 0;
}
json::value parse(const std::string& text) {
  json::parse_options options;
  options.max_depth = 16;
  boost::system::error_code ec;
  auto v = json::parse(text, ec, {}, options);
  return ec ? json::value() : v;
}

struct Chosen {
  std::string id;
  Timestamp time;
  std::uint64_t octets = 0;  // expected; 0: not known
};

/// The run of one drill; each step gives an error text or "".
class Restoring {
 public:
  Restoring(const DrillConfig& config, const RestoreTarget& target, const RestoreRequest& request,
            const Clock& clock, const std::atomic<bool>& stop, const Tell& tell)
      : config_(config),
        target_(target),
        request_(request),
        clock_(clock),
        stop_(stop),
        tell_(tell),
        deadline_(Steady::now() + target.timeout) {}

  events::Drill run() {
    report_.kind = "restore";
    report_.order = request_.order;
    report_.run = request_.run;
    report_.target = target_.name;
    report_.scope = target_.include.empty() ? "full" : "sample";
    report_.tool = target_.probe.tool;
    report_.asset = target_.probe.asset;
    report_.job = target_.probe.job;
    report_.repository = target_.probe.redact(target_.probe.repository());
    report_.started = rfc3339(clock_.now());
    auto scratch = Scratch::make(config_.scratch, request_.order);
    if (!scratch) return finished("failed", scratch.error().text(), true);
    scratch_ = scratch->path();
    report_.isolation = scratch->isolation();
    std::string error = steps();
    bool good = error.empty();
    if (good) report_.finished = rfc3339(clock_.now());
    phase("cleaning", "");
    const auto begin = Steady::now();
    const bool cleaned = scratch->clean();
    took("cleaning", begin);
    if (!cleaned) {
      good = false;
      error +=
          (error.empty() ? "" : "; ") + ("the scratch folder could not be removed: " + scratch_);
    }
    if (stop_.load()) return finished("stopped", "stopped; what was restored is removed", cleaned);
    return finished(good ? "passed" : "failed",
                    good ? "restored " + report_.snapshot.value_or("") + " and verified it" : error,
                    cleaned);
  }

 private:
  std::string steps() {
    phase("preparing", "looking for the snapshot");
    auto begin = Steady::now();
    Chosen chosen;
    if (auto error = choose(chosen); !error.empty()) return error;
    report_.snapshot = chosen.id;
    if (chosen.time.us != 0) report_.data_time = rfc3339(chosen.time);
    took("preparing", begin);
    const auto free = free_octets(scratch_);
    if (chosen.octets > config_.max_octets)
      return "the snapshot needs " + std::to_string(chosen.octets) +
             " octets, more than drills.max_size";
    if (free < config_.min_free + chosen.octets)
      return "not enough room: " + std::to_string(free) + " octets are free, " +
             std::to_string(chosen.octets) + " are needed beside drills.min_free";
    begin = Steady::now();
    if (auto error = fetch(chosen); !error.empty()) return error;
    took("restoring", begin);
    phase("verifying", "");
    begin = Steady::now();
    auto error = check();
    took("verifying", begin);
    return error;
  }

  void took(const char* name, Steady::time_point begin) {
    report_.took_ms[name] = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begin).count());
  }

  void phase(std::string_view name, std::string_view text, std::uint64_t percent = 0) {
    phase_ = name;
    events::Drill e;
    e.kind = "restore";
    e.order = request_.order;
    e.run = request_.run;
    e.state = "progress";
    e.phase = name;
    if (!text.empty()) e.text = text;
    e.percent = percent;
    tell_(e);
  }

  events::Drill finished(std::string_view result, std::string text, bool cleaned) {
    report_.state = "finished";
    report_.result = result;
    report_.text = target_.probe.redact(text).substr(0, 2000);
    report_.cleaned = cleaned;
    return report_;
  }

  /// Runs the tool with the probe's access, within what is left of the time.
  std::optional<Finished> tool(std::vector<std::string> arguments, std::string& error,
                               const std::string& folder = {}) {
    const auto access = backup::tool_access(target_.probe);
    Command c;
    c.argv = access.command;
    c.argv.insert(c.argv.end(), arguments.begin(), arguments.end());
    c.environment = target_.probe.environment;
    for (const auto& [k, v] : access.environment) c.environment[k] = v;
    c.folder = folder.empty() ? scratch_ : folder;
    return run(std::move(c), error);
  }

  std::optional<Finished> run(Command c, std::string& error) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Steady::now());
    if (left.count() <= 0) {
      error = "the time limit of the target is over";
      return {};
    }
    c.timeout = left;
    const auto name = c.argv.front();
    auto done = backup::run(c, &abort_);
    if (!done) {
      error = done.error().text();
      return {};
    }
    if (stop_.load()) {
      error = "stopped";
      return {};
    }
    if (over_.load()) {
      error = "more than drills.max_size was written";
      return {};
    }
    if (done->timed_out) {
      error = "the time limit of the target is over";
      return {};
    }
    if (!done->good()) {
      auto said = done->err.substr(done->err.size() > 600 ? done->err.size() - 600 : 0);
      std::replace(said.begin(), said.end(), '\n', ' ');
      error = name + " ended with " + std::to_string(done->exit_code) + ": " + said;
      return {};
    }
    return std::move(*done);
  }

  // --- which snapshot

  std::string choose(Chosen& out) {
    const Watch watch(*this, 0);
    const auto& tool_name = target_.probe.tool;
    if (tool_name == "restic") return choose_restic(out);
    if (tool_name == "borg") return choose_borg(out);
    return choose_pgbackrest(out);
  }

  std::string choose_restic(Chosen& out) {
    std::string error;
    std::vector<std::string> a{"snapshots", "--json", "--no-lock"};
    for (const auto* key : {"host", "tag", "path"})
      if (const auto v = target_.probe.text(key); !v.empty()) {
        a.push_back(std::string("--") + key);
        a.push_back(v);
      }
    const auto done = tool(a, error);
    if (!done) return error;
    const auto list = parse(done->out);
    if (!list.is_array()) return "restic gave no list of snapshots";
    for (const auto& s : list.get_array()) {
      const auto id = member(s, "id");
      const auto time = parse_time(member(s, "time"));
      if (id.empty() || !time) continue;
      const bool wanted =
          request_.snapshot == "latest" ? out.time < *time : id.starts_with(request_.snapshot);
      if (wanted) {
        out.id = id;
        out.time = *time;
      }
    }
    if (out.id.empty()) return "no snapshot " + request_.snapshot + " in the repository";
    if (target_.include.empty()) {
      const auto stats =
          tool({"stats", "--json", "--no-lock", "--mode", "restore-size", out.id}, error);
      if (!stats) return error;
      const auto v = parse(stats->out);
      if (v.is_object())
        if (const auto* n = v.get_object().if_contains("total_size"))
          out.octets = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(*n)));
    }
    return {};
  }

  std::string choose_borg(Chosen& out) {
    std::string error;
    const auto done = tool({"list", "--json"}, error, target_.probe.folder);
    if (!done) return error;
    const auto v = parse(done->out);
    const auto* list = v.is_object() ? v.get_object().if_contains("archives") : nullptr;
    if (list == nullptr || !list->is_array()) return "borg gave no list of archives";
    for (const auto& s : list->get_array()) {
      const auto name = member(s, "name");
      const auto time = parse_time(member(s, "start"));  // local time: TZ is UTC for the program
      if (name.empty() || !time) continue;
      if (request_.snapshot == "latest"
              ? out.time < *time
              : request_.snapshot == name || request_.snapshot == member(s, "id")) {
        out.id = name;
        out.time = *time;
      }
    }
    if (out.id.empty()) return "no archive " + request_.snapshot + " in the repository";
    if (!target_.include.empty()) return {};
    const auto info = tool({"info", "--json", "::" + out.id}, error, target_.probe.folder);
    if (!info) return error;
    const auto i = parse(info->out);
    boost::system::error_code ec;
    if (const auto* n = i.find_pointer("/archives/0/stats/original_size", ec))
      out.octets = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(*n)));
    return {};
  }

  std::string choose_pgbackrest(Chosen& out) {
    std::string error;
    const auto done = tool({"info", "--output=json"}, error);
    if (!done) return error;
    const auto v = parse(done->out);
    if (!v.is_array()) return "pgbackrest gave no information";
    for (const auto& stanza : v.get_array()) {
      const auto* list = stanza.is_object() ? stanza.get_object().if_contains("backup") : nullptr;
      if (list == nullptr || !list->is_array()) continue;
      for (const auto& b : list->get_array()) {
        boost::system::error_code ec;
        const auto label = member(b, "label");
        const auto* stop_at = b.find_pointer("/timestamp/stop", ec);
        const auto* size = b.find_pointer("/info/size", ec);
        if (label.empty() || stop_at == nullptr) continue;
        const Timestamp time{number(*stop_at) * 1'000'000};
        if (request_.snapshot == "latest" ? out.time < time : request_.snapshot == label) {
          out.id = label;
          out.time = time;
          out.octets = size != nullptr
                           ? static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(*size)))
                           : 0;
        }
      }
    }
    return out.id.empty() ? "no backup " + request_.snapshot + " in the repository" : "";
  }

  // --- restoring

  /// Watches size, time and the stop flag while a program runs, and tells how far it is.
  class Watch {
   public:
    Watch(Restoring& r, std::uint64_t expected) : r_(r), expected_(expected) {
      thread_ = std::thread([this] { loop(); });
    }
    ~Watch() {
      {
        const std::lock_guard lock(mutex_);
        done_ = true;
      }
      wake_.notify_all();
      thread_.join();
    }

   private:
    void loop() {
      std::unique_lock lock(mutex_);
      auto next = Steady::now() + std::chrono::seconds(1);
      while (!wake_.wait_for(lock, std::chrono::milliseconds(50), [this] { return done_; })) {
        if (r_.stop_.load()) r_.abort_ = true;
        if (expected_ == 0 && r_.phase_ != "restoring") continue;
        if (Steady::now() < next) continue;
        const auto size = tree_size(r_.scratch_);
        // Walking a large tree takes a while: not more than a tenth of the time.
        const auto cost = Steady::now() - next;
        next = Steady::now() + std::max<Steady::duration>(std::chrono::seconds(2), cost * 10);
        if (size.octets > r_.config_.max_octets) {
          r_.over_ = true;
          r_.abort_ = true;
        }
        r_.phase("restoring",
                 std::to_string(size.files) + " files, " + std::to_string(size.octets) + " octets",
                 expected_ == 0 ? 0 : std::min<std::uint64_t>(99, size.octets * 100 / expected_));
      }
    }
    Restoring& r_;
    std::uint64_t expected_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_ = false;
    std::thread thread_;
  };

  [[nodiscard]] std::string data() const { return scratch_ + "/data"; }

  std::string fetch(const Chosen& chosen) {
    phase("restoring", chosen.id);
    const Watch watch(*this, chosen.octets);
    std::error_code ec;
    std::filesystem::create_directory(data(), ec);
    std::string error;
    std::vector<std::string> a;
    if (target_.probe.tool == "restic") {
      a = {"restore", chosen.id, "--no-lock", "--target", data()};
      for (const auto& i : target_.include) {
        a.emplace_back("--include");
        a.push_back(i);
      }
      return tool(a, error) ? "" : error;
    }
    if (target_.probe.tool == "borg") {
      a = {"extract", "::" + chosen.id};
      for (const auto& i : target_.include) a.push_back(i.starts_with('/') ? i.substr(1) : i);
      return tool(a, error, data()) ? "" : error;
    }
    // --type=immediate: as far as the backup itself is consistent, no later log.
    a = {"restore",
         "--set=" + chosen.id,
         "--pg1-path=" + data(),
         "--lock-path=" + scratch_ + "/lock",
         "--type=immediate",
         "--target-action=promote",
         "--archive-mode=off"};
    return tool(a, error) ? "" : error;
  }

  // --- verifying

  std::string check() {
    const Watch watch(*this, 0);
    const auto spec = scratch_ + "/verify.json";
    if (auto written = net::write_file(spec, verify_spec(data(), target_), 0600); !written)
      return written.error().text();
    Command c;
    char self[4096];
    const auto n = ::readlink("/proc/self/exe", self, sizeof self);
    c.argv = {std::string(self, n > 0 ? static_cast<std::size_t>(n) : 0), "verify-restore",
              "--spec", spec};
    c.folder = scratch_;
    c.max_output = 1U << 20;
    std::string error;
    const auto done = run(std::move(c), error);
    if (!done) return "verifying: " + error;
    auto result = read_verify_result(done->out);
    if (!result) return "verifying: " + result.error();
    report_.files = result->files;
    report_.bytes = result->octets;
    if (target_.probe.tool == "pgbackrest") check_postgres(*result);
    if (auto why = scan(*result); !why.empty()) return why;
    report_.passed = result->passed;
    report_.failed = result->failed;
    return result->failed.empty() ? "" : "verified and found wrong: " + result->failed.front();
  }

  /// The site's own scanner over what was restored: 0 is clean, 1 found something, as clamscan
  /// says.
  std::string scan(VerifyResult& r) {
    if (target_.scan.empty()) return {};
    Command c;
    c.argv = target_.scan;
    c.argv.push_back(data());
    c.folder = scratch_;
    c.max_output = 16U << 20;
    c.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Steady::now());
    const auto done = backup::run(c, &abort_);
    if (!done) return "scan: " + done.error().text();
    if (stop_.load()) return "stopped";
    if (done->timed_out || done->too_large || done->exit_code > 1)
      return "the scanner ended with " + std::to_string(done->exit_code) + ": " +
             (done->err + done->out).substr(0, 300);
    report_.scan = done->exit_code == 0 ? "clean" : "found";
    (done->exit_code == 0 ? r.passed : r.failed)
        .push_back("scan: " + (done->exit_code == 0 ? "clean" : done->out.substr(0, 300)));
    return {};
  }

  /// Starts the restored server on a socket in the scratch place, asks, stops it.
  void check_postgres(VerifyResult& r) {
    std::string bin;
    std::error_code ec;
    for (std::filesystem::directory_iterator it("/usr/lib/postgresql", ec), end; !ec && it != end;
         it.increment(ec))
      if (std::filesystem::exists(it->path() / "bin/pg_ctl", ec))
        bin = (it->path() / "bin").string();
    if (bin.empty()) {
      r.failed.emplace_back("opens: no PostgreSQL server is installed here to start it with");
      return;
    }
    std::string error;
    const auto call = [&](std::vector<std::string> argv) {
      Command c;
      c.argv = std::move(argv);
      c.folder = scratch_;
      c.max_output = 1U << 20;
      return run(std::move(c), error);
    };
    const auto started = call(
        {bin + "/pg_ctl", "-D", data(), "-w", "-t", "120", "-l", scratch_ + "/postgres.log", "-o",
         "-c listen_addresses='' -c unix_socket_directories='" + scratch_ + "' -c hba_file='" +
             hba() + "' -c archive_mode=off -c logging_collector=off",
         "start"});
    if (!started) {
      std::ifstream log(scratch_ + "/postgres.log");
      std::string said((std::istreambuf_iterator<char>(log)), {});
      if (said.size() > 600) said.erase(0, said.size() - 600);
      std::replace(said.begin(), said.end(), '\n', ' ');
      r.failed.push_back("opens: " + error.substr(0, 200) + ": " + said);
      return;
    }
    r.passed.emplace_back("opens: PostgreSQL");
    for (const auto& d : target_.databases) {
      if (d.type != "postgres") continue;
      for (const auto& q : d.queries) {
        error.clear();
        // A transaction that cannot write: the query only looks.
        auto done = call({bin + "/psql", "-XAtq", "-h", scratch_, "-U", "postgres", "-d",
                          d.path.empty() ? "postgres" : d.path, "-c",
                          "set default_transaction_read_only = on", "-c", q.sql});
        std::string value = done ? done->out.substr(0, done->out.find('\n')) : error;
        const bool good = done && (!q.expect || value == *q.expect) &&
                          (!q.min || std::strtod(value.c_str(), nullptr) >= *q.min);
        (good ? r.passed : r.failed)
            .push_back("queries: " + q.sql.substr(0, 120) + " = " + value.substr(0, 120));
      }
    }
    Command c;  // also when the drill is stopped or its time is over
    c.argv = {bin + "/pg_ctl", "-D", data(), "-w", "-t", "20", "-m", "immediate", "stop"};
    c.folder = scratch_;
    c.timeout = std::chrono::seconds(30);
    (void)backup::run(c, nullptr);
  }
  /// Only processes of this user reach the socket's folder (0700), so it trusts them.
  std::string hba() {
    const auto path = scratch_ + "/pg_hba.conf";
    (void)net::write_file(path, "local all all trust\n", 0600);
    return path;
  }

  const DrillConfig& config_;
  const RestoreTarget& target_;
  const RestoreRequest& request_;
  const Clock& clock_;
  const std::atomic<bool>& stop_;
  const Tell& tell_;
  const Steady::time_point deadline_;
  std::atomic<bool> abort_{false}, over_{false};
  std::string scratch_;
  std::string phase_;
  events::Drill report_;
};

}  // namespace

bool valid_snapshot(std::string_view id) {
  return !id.empty() && id.size() <= 200 && id.front() != '-' &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.' || c == ':';
         });
}

events::Drill restore(const DrillConfig& config, const RestoreTarget& target,
                      const RestoreRequest& request, const Clock& clock,
                      const std::atomic<bool>& stop, const Tell& tell) {
  return Restoring(config, target, request, clock, stop, tell).run();
}

}  // namespace ww::drills
