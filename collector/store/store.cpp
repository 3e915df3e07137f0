#include "collector/store/store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "collector/store/commit_codec.hpp"
#include "collector/store/control_db.hpp"
#include "collector/store/journal.hpp"
#include "collector/store/retention.hpp"
#include "collector/store/searcher.hpp"

namespace ww::collector {
namespace fs = std::filesystem;

std::vector<EventClass> default_classes() {
  using std::chrono::hours;
  return {
      {"alert", {"alert", "anomaly"}, hours(24 * 400), 0},
      {"clinical", {"record_access", "hl7", "dicom", "fhir"}, hours(24 * 400), 0},
      {"health", {"backup", "host", "sensor", "drill", "stats"}, hours(24 * 400), 0},
      {"log", {"log"}, hours(24 * 90), 0},
      {"network", {}, hours(24 * 60), 0},
      {"flow", {"flow", "netflow"}, hours(24 * 30), 0},
  };
}

std::vector<std::string> StoreOptions::default_facets() {
  return {"event_type",
          "src_ip",
          "dest_ip",
          "dest_port",
          "app_proto",
          "dns.rrname",
          "http.hostname",
          "http.http_user_agent",
          "tls.sni",
          "alert.signature",
          "log.host",
          "log.service",
          "log.product",
          "log.severity",
          "log.fields.EventID",
          "fileinfo.filename",
          "backup.asset"};
}

namespace {

constexpr std::size_t max_problems = 50;
constexpr std::size_t max_open_writers = 16;
constexpr std::int64_t max_dead_letters = 200'000;

class FolderLock {
 public:
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  Result<void, Problem> take(const std::string& folder) {
    const auto path = folder + "/lock";
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd_ < 0)
      return fail(Problem{std::string("cannot open: ") + std::strerror(errno), path,
                          "let this user write to the folder"});
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0)
      return fail(Problem{"another process uses this store", folder,
                          "stop it, or give this one a folder of its own"});
    return {};
  }

 private:
  int fd_ = -1;
};

std::string day_text(std::int64_t day) {
  return rfc3339(Timestamp{day * 86'400'000'000}).substr(0, 10);
}

std::optional<std::int64_t> parse_day(std::string_view text) {
  constexpr std::size_t length = 10;
  if (text.size() != length) return {};
  const auto t = parse_time(text);
  if (!t) return {};
  return t->seconds() / 86400;
}

std::string size_text(std::uint64_t octets) {
  return octets >> 20 >= 10 ? std::to_string(octets >> 20) + " MiB"
                            : std::to_string(octets >> 10) + " KiB";
}

std::uint64_t size_on_disk(const std::string& path) {
  std::uint64_t n = 0;
  std::error_code ec;
  for (const char* suffix : {"", "-wal"}) {
    const auto s = fs::file_size(path + suffix, ec);
    if (!ec) n += s;
  }
  return n;
}

class EmbeddedStore final : public Store {
 public:
  EmbeddedStore(const StoreOptions& options, const Clock& clock)
      : options_(options),
        clock_(clock),
        builder_(options.facets, options.zstd_level),
        searcher_([this](const sql::Error& e) { note(e.problem()); }) {}

  ~EmbeddedStore() override {
    const std::lock_guard lock(commit_mutex_);
    if (journal_ != nullptr && !pending_) trim(true);
  }

  Result<void, Problem> start(std::vector<ControlModule> modules) {
    std::error_code ec;
    fs::create_directories(options_.folder, ec);
    if (!ec) fs::create_directories(options_.folder + "/events", ec);
    if (ec)
      return fail(Problem{"cannot make the folder: " + ec.message(), options_.folder,
                          "create it and let this user write to it"});
    if (auto done = lock_.take(options_.folder); !done) return done;
    for (const auto& c : options_.classes) {
      if (c.name.empty() ||
          c.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
        return fail(Problem{"'" + c.name + "' is no name for an event class", "store.classes",
                            "use small letters, digits and dashes"});
      fs::create_directories(options_.folder + "/events/" + c.name, ec);
      for (const auto& t : c.types) class_of_type_[t] = c.name;
      if (c.types.empty()) default_class_ = c.name;
    }
    if (default_class_.empty())
      return fail(Problem{"no event class takes the types that no other names", "store.classes",
                          "give one class an empty list of types"});
    auto control = ControlFile::open(options_.folder + "/control.db", std::move(modules));
    if (!control) return fail(control.error());
    control_ = std::move(*control);
    if (auto done = list_files(); !done) return done;

    std::uint64_t newest = control_->applied();
    auto journal =
        Journal::open({options_.folder + "/journal", options_.journal_segment_octets},
                      [&](std::uint64_t number, std::string_view payload) -> Result<void, Problem> {
                        auto plan = decode_commit(payload);
                        if (!plan) {
                          note({"a journal record cannot be read", options_.folder + "/journal",
                                "it was skipped; report this"});
                          return {};
                        }
                        const bool was_needed = number > control_->applied();
                        if (auto done = apply(*plan, number); !done) return done;
                        if (was_needed) ++stats_.recovered_records;
                        return {};
                      });
    if (!journal) return fail(journal.error());
    journal_ = std::move(*journal);
    newest = std::max({newest, control_->applied(), journal_->last()});
    for (const auto& [key, summary] : catalogue_) newest = std::max(newest, applied_by_file_[key]);
    next_number_ = newest + 1;
    if (journal_->corrupt_octets() > 0)
      note({std::to_string(journal_->corrupt_octets()) +
                " damaged octets in the journal were passed over",
            options_.folder + "/journal", "check the disk; what they held was not applied"});
    load_cursors();
    retention_.start(clock_.now(), newest_day());
    trim(false);
    return {};
  }

  Result<void, Problem> commit(CommitGroup&& group) override {
    const std::lock_guard lock(commit_mutex_);
    if (pending_) {
      if (auto done = apply(pending_->plan, pending_->number); !done) {
        ++stats_.commit_failures;
        return done;
      }
      pending_.reset();
      healthy_ = true;
    }
    const auto now = clock_.now();
    observe_clock(now);
    auto plan = make_plan(group, now.seconds() / 86400);
    if (!plan) {
      ++stats_.commit_failures;
      healthy_ = false;
      return fail(plan.error());
    }
    const auto number = next_number_++;
    auto payload = encode(*plan);
    if (auto done = journal_->append(number, payload); !done) {
      ++stats_.commit_failures;
      healthy_ = false;
      note(done.error());
      return done;
    }
    stats_.stored_octets += payload.size();
    // From here on the group is durable, so the answer is yes whatever happens below.
    ++stats_.commits;
    for (std::size_t i = 0; i < plan->batches.size(); ++i) {
      const auto& b = plan->batches[i];
      stats_.events += plan->batch_events[i];
      stats_.dead_letters += b.dead.size();
      if (b.cursor) {
        const std::lock_guard cursors_lock(cursor_mutex_);
        cursors_[{b.site, b.sensor}] = *b.cursor;
      }
    }
    for (const auto& f : plan->files) stats_.event_octets += f.octets;
    if (auto done = apply(*plan, number); !done) {
      pending_ = Pending{number, std::move(*plan)};
      healthy_ = false;
    } else {
      healthy_ = true;
      if (journal_->wants_trim()) trim(false);
    }
    return {};
  }

  std::optional<SensorCursor> cursor(const std::string& site,
                                     const std::string& sensor) const override {
    const std::lock_guard lock(cursor_mutex_);
    const auto it = cursors_.find({site, sensor});
    if (it == cursors_.end()) return {};
    return it->second;
  }

  Result<SearchResult, QueryError> search(const SearchQuery& q) const override {
    ++searches_;
    auto r = searcher_.search(q, files());
    if (r && r->partial) ++partial_;
    return r;
  }
  Result<CountResult, QueryError> count(const CountQuery& q) const override {
    ++searches_;
    auto r = searcher_.count(q, files());
    if (r && r->partial) ++partial_;
    return r;
  }
  Result<TopResult, QueryError> top(const TopQuery& q) const override {
    ++searches_;
    auto r = searcher_.top(q, files());
    if (r && r->partial) ++partial_;
    return r;
  }
  std::optional<StoredEvent> event(
      std::string_view id, const std::optional<std::vector<std::string>>& visible) const override {
    return searcher_.event(id, visible, files());
  }
  void scan(Timestamp from, Timestamp to, const std::vector<std::string>& types,
            const std::function<bool(std::span<const StoredEvent>)>& each) const override {
    searcher_.scan(from, to, types, each, files());
  }

  std::vector<CursorRow> cursors() const override {
    std::vector<CursorRow> out;
    const auto done = control_->read([&](sql::Database& db) {
      auto s = db.prepare(
          "SELECT site, sensor, epoch, seq, last_batch, events, dead, skipped FROM cursor ORDER BY "
          "site, sensor");
      while (s.step())
        out.push_back(
            {s.copy(0),
             s.copy(1),
             {static_cast<std::uint64_t>(s.integer(2)), static_cast<std::uint64_t>(s.integer(3))},
             {s.integer(4)},
             static_cast<std::uint64_t>(s.integer(5)),
             static_cast<std::uint64_t>(s.integer(6)),
             static_cast<std::uint64_t>(s.integer(7))});
    });
    if (!done) note(done.error());
    return out;
  }

  std::vector<Gap> gaps(Timestamp from, Timestamp to) const override {
    std::vector<Gap> out;
    const auto done = control_->read([&](sql::Database& db) {
      auto s = db.prepare(
          "SELECT site, sensor, reason, epoch, first, last, noticed FROM gap WHERE noticed>=?1 AND "
          "noticed<?2"
          " ORDER BY noticed DESC, id DESC LIMIT 10000");
      s.with(from.us, to.us);
      while (s.step())
        out.push_back({s.copy(0),
                       s.copy(1),
                       s.copy(2),
                       static_cast<std::uint64_t>(s.integer(3)),
                       static_cast<std::uint64_t>(s.integer(4)),
                       static_cast<std::uint64_t>(s.integer(5)),
                       {s.integer(6)}});
    });
    if (!done) note(done.error());
    return out;
  }

  std::vector<DeadLetterRow> dead_letters(std::uint32_t limit,
                                          std::int64_t before_id) const override {
    std::vector<DeadLetterRow> out;
    const auto done = control_->read([&](sql::Database& db) {
      auto s = db.prepare(
          "SELECT id, site, sensor, source, line, reason, seq, received FROM dead_letter WHERE "
          "id<?1"
          " ORDER BY id DESC LIMIT ?2");
      s.with(before_id > 0 ? before_id : INT64_MAX,
             std::int64_t{std::min<std::uint32_t>(limit, 10'000)});
      while (s.step())
        out.push_back({s.integer(0),
                       s.copy(1),
                       s.copy(2),
                       s.copy(3),
                       s.copy(4),
                       s.copy(5),
                       static_cast<std::uint64_t>(s.integer(6)),
                       {s.integer(7)}});
    });
    if (!done) note(done.error());
    return out;
  }

  ControlDb& control() override { return *control_; }

  void maintain() override {
    const std::lock_guard lock(commit_mutex_);
    const auto now = clock_.now();
    observe_clock(now);
    if (pending_) {
      if (apply(pending_->plan, pending_->number)) {
        pending_.reset();
        healthy_ = true;
      }
    }
    auto list = files();
    for (auto& f : list) f.octets = size_on_disk(f.path);
    {
      const std::unique_lock files_lock(files_mutex_);
      for (const auto& f : list)
        if (const auto it = catalogue_.find(f.key); it != catalogue_.end())
          it->second.octets = f.octets;
    }
    std::error_code ec;
    const auto space = fs::space(options_.folder, ec);
    const auto drop = retention_.choose(list, options_, now, ec ? UINT64_MAX : space.available);
    if (!drop.empty()) trim(true);  // else a replay would bring back a part of a dropped file
    for (const auto& key : drop) drop_file(key);
    std::erase_if(list, [&](const auto& f) {
      return std::find(drop.begin(), drop.end(), f.key) != drop.end();
    });
    look_at_bounds(list);
    const bool short_of_room = !ec && space.available < options_.min_free_octets;
    if (short_of_room)
      note({"only " + std::to_string(space.available >> 20) + " MiB free on the disk",
            options_.folder, "free space or lower the retention limits"});
    if (short_of_room != short_of_room_)
      tell({short_of_room,
            short_of_room
                ? options_.folder + ": only " + std::to_string(space.available >> 20) +
                      " MiB free on the disk, less than data.min_free; free space or lower the "
                      "retention limits"
                : options_.folder + ": there is room on the disk again"});
    short_of_room_ = short_of_room;
    if (!short_of_room) add_lacking_runs();
    // Files of earlier days get no more events: their writers need not stay open.
    std::erase_if(writers_, [&](const auto& w) {
      return w.first.day < now.seconds() / 86400 && w.second->sync() && !pending_;
    });
    const auto done = control_->write([&](sql::Database& db) {
      db.prepare(
            "DELETE FROM dead_letter WHERE id <= (SELECT coalesce(max(id),0) FROM dead_letter) - "
            "?1")
          .bind(max_dead_letters)
          .run();
    });
    if (!done) note(done.error());
    if (journal_->wants_trim()) trim(false);
  }

  std::vector<Problem> problems() const override {
    const std::lock_guard lock(problem_mutex_);
    return {problems_.begin(), problems_.end()};
  }

  std::vector<StoreNews> news() override {
    const std::lock_guard lock(problem_mutex_);
    return std::exchange(news_, {});
  }

  StoreStats stats() const override {
    StoreStats s;
    {
      const std::lock_guard lock(commit_mutex_);
      s = stats_;
      s.journal_octets = journal_->octets();
      s.journal_corrupt_octets = journal_->corrupt_octets();
      s.clock_jumps = retention_.clock_jumps();
    }
    s.healthy = healthy_;
    s.searches = searches_;
    s.partial_searches = partial_;
    std::int64_t oldest = INT64_MAX;
    for (const auto& f : files()) {
      ++s.files;
      s.file_octets += f.octets;
      s.held_events += f.events;
      if (f.events > 0) oldest = std::min(oldest, f.t_min.us);
    }
    s.oldest.us = oldest == INT64_MAX ? 0 : oldest;
    return s;
  }

 private:
  struct Pending {
    std::uint64_t number;
    CommitPlan plan;
  };

  void note(Problem p) const {
    const std::lock_guard lock(problem_mutex_);
    std::erase_if(problems_,
                  [&](const Problem& o) { return o.what == p.what && o.where == p.where; });
    problems_.push_front(std::move(p));
    if (problems_.size() > max_problems) problems_.pop_back();
  }

  void tell(StoreNews n) const {
    const std::lock_guard lock(problem_mutex_);
    if (news_.size() < max_problems) news_.push_back(std::move(n));
  }

  void observe_clock(Timestamp now) {
    if (auto jump = retention_.observe(now)) {
      tell({true, jump->text()});
      note(*jump);
    }
  }

  void look_at_bounds(const std::vector<FileSummary>& kept) {
    auto bounds = Retention::bounds(kept, options_);
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      const auto& b = bounds[i];
      const bool was = i < stats_.bounds.size() && stats_.bounds[i].exceeded();
      if (b.exceeded() == was) continue;
      const auto held = "data." + b.name + ": " + size_text(b.octets) + " held of " +
                        size_text(b.limit) + " allowed";
      tell(b.exceeded() ? StoreNews{true, held + "; only the running day is left, which is never "
                                                 "dropped while it is written; raise the bound, or "
                                                 "send less"}
                        : StoreNews{false, held + "; the bound is kept again"});
    }
    stats_.bounds = std::move(bounds);
  }

  [[nodiscard]] std::string path_of(const FileKey& key) const {
    return options_.folder + "/events/" + key.event_class + "/" + day_text(key.day) + ".db";
  }
  [[nodiscard]] std::vector<FileSummary> files() const {
    const std::shared_lock lock(files_mutex_);
    std::vector<FileSummary> out;
    out.reserve(catalogue_.size());
    for (const auto& [key, f] : catalogue_) out.push_back(f);
    return out;
  }
  /// The newest day before a leap in the days held: a file dated by a clock that was wrong proves
  /// nothing.
  [[nodiscard]] std::optional<std::int64_t> newest_day() const {
    std::set<std::int64_t> days;
    for (const auto& [key, f] : catalogue_) days.insert(key.day);
    std::optional<std::int64_t> newest;
    for (const auto day : days) {
      if (newest && std::chrono::hours(24) * (day - *newest) > Retention::away) break;
      newest = day;
    }
    return newest;
  }
  [[nodiscard]] const std::string& class_of(const std::string& type) const {
    const auto it = class_of_type_.find(type);
    return it == class_of_type_.end() ? default_class_ : it->second;
  }

  Result<void, Problem> list_files() {
    std::error_code ec;
    for (const auto& folder : fs::directory_iterator(options_.folder + "/events", ec)) {
      if (!folder.is_directory()) continue;
      for (const auto& entry : fs::directory_iterator(folder.path(), ec)) {
        const auto& path = entry.path();
        const auto day = path.extension() == ".db" ? parse_day(path.stem().string()) : std::nullopt;
        if (!day) continue;
        const FileKey key{folder.path().filename().string(), *day};
        auto file = EventFile::open(path.string(), key);
        if (!file) {
          if (file.error().corrupt()) {
            set_aside(path.string(), file.error());
            continue;
          }
          return fail(file.error().problem());
        }
        remember(**file);
        applied_by_file_[key] = (*file)->applied();
        if ((*file)->may_lack_runs()) lack_runs_.insert(key);
      }
    }
    if (ec)
      return fail(Problem{"cannot read: " + ec.message(), options_.folder + "/events",
                          "check the folder's rights"});
    return {};
  }

  void remember(const EventFile& f) {
    const std::unique_lock lock(files_mutex_);
    auto& s = catalogue_[f.key()];
    s.key = f.key();
    s.path = f.path();
    s.t_min = f.t_min();
    s.t_max = f.t_max();
    s.events = f.events();
    if (s.octets == 0) s.octets = size_on_disk(s.path);
  }

  /// Moves a damaged file away, so that the day can go on in a new one. Its name says what
  /// happened.
  void set_aside(const std::string& path, const sql::Error& error) {
    std::error_code ec;
    std::string target;
    for (int n = 1;; ++n) {
      target = path + ".damaged-" + std::to_string(n);
      if (!fs::exists(target, ec)) break;
    }
    searcher_.pool().forget(path);
    for (const char* suffix : {"", "-wal", "-shm"})
      if (fs::exists(path + suffix, ec)) fs::rename(path + suffix, target + suffix, ec);
    ++stats_.files_corrupt;
    tell({true, path + ": damaged (" + error.text + "), moved to " + target});
    note({"damaged (" + error.text + "), moved to " + target, path,
          "restore it from a copy, or delete it"});
  }

  Result<EventFile*, sql::Error> writer(const FileKey& key) {
    if (const auto it = writers_.find(key); it != writers_.end()) return it->second.get();
    const auto path = path_of(key);
    std::error_code ec;
    fs::create_directories(fs::path(path).parent_path(), ec);
    auto file = EventFile::open(path, key);
    if (!file && file.error().corrupt()) {
      set_aside(path, file.error());
      file = EventFile::open(path, key);
    }
    if (!file) return fail(file.error());
    if (writers_.size() >= max_open_writers) {
      // Recovery may touch many days; the oldest writer makes room.
      if (writers_.begin()->second->sync()) writers_.erase(writers_.begin());
    }
    auto* f = file->get();
    writers_[key] = std::move(*file);
    remember(*f);
    return f;
  }

  Result<CommitPlan, Problem> make_plan(CommitGroup& group, std::int64_t day) {
    CommitPlan plan;
    std::map<std::string_view, std::vector<NewEvent>> by_class;
    for (const auto& b : group.batches) {
      plan.batch_events.push_back(b.events.size());
      for (const auto& e : b.events)
        by_class[class_of(e.type)].push_back(
            {&e.json, &b.site, &b.sensor, &e.type, e.time, e.id_time});
    }
    const FileLimits limits{options_.block_events, options_.block_octets};
    for (auto& [name, events] : by_class) {
      auto file = writer({std::string(name), day});
      if (!file) {
        note(file.error().problem());
        return fail(file.error().problem());
      }
      plan.files.push_back((*file)->plan(events, limits, builder_));
    }
    plan.batches = std::move(group.batches);
    for (auto& b : plan.batches) b.events = {};
    plan.records = std::move(group.records);
    return plan;
  }

  Result<void, Problem> apply(const CommitPlan& plan, std::uint64_t number) {
    const auto failed = [&](const sql::Error& e) {
      ++stats_.apply_failures;
      note(e.problem());
      return fail(e.problem());
    };
    for (const auto& f : plan.files) {
      auto file = writer(f.file);
      if (!file) return failed(file.error());
      auto done = (*file)->apply(f, number);
      if (!done && done.error().corrupt()) {
        const auto path = (*file)->path();
        writers_.erase(f.file);
        set_aside(path, done.error());
        file = writer(f.file);
        if (!file) return failed(file.error());
        done = (*file)->apply(f, number);
      }
      if (!done) return failed(done.error());
      remember(**file);
    }
    if (auto done = control_->apply(number, plan.batches, plan.records, plan.batch_events); !done)
      return failed(done.error());
    return {};
  }

  /// Files that an older program wrote get the runs that they lack, the newest day first, for a
  /// moment at a time: commits wait meanwhile.
  void add_lacking_runs() {
    constexpr std::chrono::milliseconds moment{100};
    const auto start = std::chrono::steady_clock::now();
    while (!lack_runs_.empty() && !pending_ && std::chrono::steady_clock::now() - start < moment) {
      const auto newest =
          std::max_element(lack_runs_.begin(), lack_runs_.end(),
                           [](const FileKey& a, const FileKey& b) { return a.day < b.day; });
      auto file = writer(*newest);
      const auto done =
          file ? (*file)->add_lacking_run() : Result<void, sql::Error>(fail(file.error()));
      if (!done) note(done.error().problem());
      if (!done || !(*file)->may_lack_runs()) lack_runs_.erase(newest);
    }
  }

  /// Makes all files durable and lets go of the journal behind them.
  void trim(bool all) {
    bool durable = control_->sync();
    for (auto& [key, w] : writers_) durable = w->sync() && durable;
    if (!durable) {
      note({"the disk refused to sync", options_.folder, "look at the disk and the system log"});
      return;
    }
    journal_->trim(pending_ ? pending_->number - 1 : next_number_ - 1, all);
  }

  void drop_file(const FileKey& key) {
    std::string path;
    {
      const std::unique_lock lock(files_mutex_);
      const auto it = catalogue_.find(key);
      if (it == catalogue_.end()) return;
      path = it->second.path;
      catalogue_.erase(it);
    }
    writers_.erase(key);
    lack_runs_.erase(key);
    searcher_.pool().forget(path);
    std::error_code ec;
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix, ec);
    ++stats_.files_dropped;
  }

  void load_cursors() {
    for (const auto& row : cursors())
      if (row.cursor.seq > 0 || row.cursor.epoch > 0) cursors_[{row.site, row.sensor}] = row.cursor;
  }

  StoreOptions options_;
  const Clock& clock_;
  FolderLock lock_;
  BlockBuilder builder_;
  mutable Searcher searcher_;
  std::map<std::string, std::string> class_of_type_;
  std::string default_class_;

  mutable std::mutex commit_mutex_;  // guards everything down to stats_
  std::unique_ptr<ControlFile> control_;
  std::unique_ptr<Journal> journal_;
  std::map<FileKey, std::unique_ptr<EventFile>> writers_;
  std::map<FileKey, std::uint64_t> applied_by_file_;
  std::set<FileKey> lack_runs_;
  std::optional<Pending> pending_;
  std::uint64_t next_number_ = 1;
  Retention retention_;
  StoreStats stats_;
  bool short_of_room_ = false;

  std::atomic<bool> healthy_{true};
  mutable std::atomic<std::uint64_t> searches_{0}, partial_{0};
  mutable std::shared_mutex files_mutex_;
  std::map<FileKey, FileSummary> catalogue_;
  mutable std::mutex cursor_mutex_;
  std::map<std::pair<std::string, std::string>, SensorCursor> cursors_;
  mutable std::mutex problem_mutex_;
  mutable std::deque<Problem> problems_;
  mutable std::vector<StoreNews> news_;
};

}  // namespace

Result<std::unique_ptr<Store>, Problem> Store::open(const StoreOptions& options, const Clock& clock,
                                                    std::vector<ControlModule> modules) {
  auto store = std::make_unique<EmbeddedStore>(options, clock);
  if (auto done = store->start(std::move(modules)); !done) return fail(done.error());
  return store;
}

}  // namespace ww::collector
