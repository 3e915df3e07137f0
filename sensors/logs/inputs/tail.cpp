#include "sensors/logs/inputs/tail.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "sensors/logs/inputs/archive.hpp"
#include "sensors/logs/inputs/tail_state.hpp"
#include "telemetry/logging.hpp"

namespace ww::logs {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t chunk_octets = 64
                                     << 10;  // a chunk becomes one group, about four times as large

/// How a file's characters are written; its first octets say it (a byte order mark).
enum class Text : std::uint8_t { octets, utf16le, utf16be };

Text text_of(std::string_view first) {
  if (first.starts_with("\xFF\xFE")) return Text::utf16le;
  if (first.starts_with("\xFE\xFF")) return Text::utf16be;
  return Text::octets;
}

/// @param octets  whole two-octet units; half a pair of surrogates becomes U+FFFD
std::string to_utf8(std::string_view octets, Text text) {
  const std::size_t low = text == Text::utf16le ? 0 : 1;
  const auto unit = [&](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(octets[i + low]) |
           static_cast<std::uint32_t>(static_cast<unsigned char>(octets[i + 1 - low])) << 8;
  };
  std::string out;
  out.reserve(octets.size());
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
    auto c = unit(i);
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < octets.size() && unit(i + 2) >= 0xDC00 &&
        unit(i + 2) < 0xE000) {
      c = 0x10000 + ((c - 0xD800) << 10) + (unit(i + 2) - 0xDC00);
      i += 2;
    } else if (c >= 0xD800 && c < 0xE000) {
      c = 0xFFFD;
    }
    const auto put = [&](std::uint32_t v) { out += static_cast<char>(v); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
    } else {
      put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)),
          put(0x80 | (c & 0x3F));
    }
  }
  return out;
}

struct LineEnd {
  std::size_t at, next;  ///< where the line ends, where the one behind it starts
};
/// The first line end at or behind `from`. `data` starts with a line.
std::optional<LineEnd> line_end(std::string_view data, std::size_t from, Text text) {
  while (from < data.size()) {
    const auto i = data.find('\n', from);
    if (i == std::string_view::npos) break;
    if (text == Text::octets) return LineEnd{i, i + 1};
    const bool little = text == Text::utf16le;
    const auto unit = little ? i : i - 1;  // where its two octets start
    if ((little || i > 0) && unit % 2 == 0 && unit + 1 < data.size() &&
        data[little ? i + 1 : i - 1] == '\0')
      return LineEnd{unit, unit + 2};
    if (little && i % 2 == 0 && i + 1 == data.size()) break;  // its other half is not here yet
    from = i + 1;
  }
  return {};
}

/// One open file. Octets come from a descriptor at an offset, or from an archive in order.
struct Followed {
  FileState
      state;  // its path is the one that the configuration names, also for a rotated successor
  std::string path;  // where it is
  std::string key;
  int fd = -1;
  std::unique_ptr<ArchiveReader> archive;
  std::uint64_t archive_size = 0;  // of the file, when the archive was opened
  bool cut = false;                // the archive ended inside: more may come
  std::unique_ptr<SourceParser> parser;
  std::string partial;  // a line without its end yet; state.offset is its start
  Text text = Text::octets;
  bool dirty = true;     // may have more to read
  bool rotated = false;  // no longer at a path that we follow
  bool gone = false;     // no name at all
  Steady::time_point last_growth = Steady::now();
  Timestamp reference;  // the file's modification time
  std::uint64_t seen_size = 0;

  ~Followed() {
    if (fd >= 0) ::close(fd);
  }
  Followed() = default;
  Followed(const Followed&) = delete;
  Followed& operator=(const Followed&) = delete;
};

class Tail final : public Input {
 public:
  Tail(TailOptions options, Surroundings& around)
      : o_(std::move(options)), a_(around), out_(around) {}
  ~Tail() override {
    if (inotify_ >= 0) {
      a_.loop.remove(inotify_);
      ::close(inotify_);
    }
  }

  std::string label() const override {
    std::string out = "file:";
    for (const auto& p : o_.paths) out += (out.size() > 5 ? "," : "") + p;
    return out.substr(0, 200);
  }
  bool watching() const override { return !files_.empty(); }

  Result<void, Problem> open() override {
    SourceParser::Options
        probe;  // says now what is wrong with the format, not when the first file comes
    probe.format = o_.source.format;
    probe.multiline_start = o_.source.multiline_start;
    if (auto p = SourceParser::make(probe, a_.formats); !p) return fail(p.error());
    inotify_ = ::inotify_init1(IN_CLOEXEC |
                               IN_NONBLOCK);  // without it (limits) the poll does all the work
    return {};
  }

  void start() override {
    recall();
    scan();
    first_scan_ = false;
    if (inotify_ >= 0) a_.loop.add(inotify_, EPOLLIN, [this](std::uint32_t) { notified(); });
    a_.loop.every(o_.poll, [this] {
      scan();
      check_sizes();
    });
    // Writers that write line by line are read in portions: a wake-up each 20 ms at most.
    a_.loop.every(std::chrono::milliseconds(20), [this] { work(); });
    a_.loop.every(std::chrono::milliseconds(200), [this] { close_idle(); });
  }

  void finish() override {
    scan();
    check_sizes();
    for (int i = 0; i < 10'000 && unread(); ++i) {
      work();
      if (out_.blocked()) break;
    }
    // Open records and unfinished lines are not flushed: the position says where they start, the
    // next run has them.
    (void)out_.hand_over();
  }

  [[nodiscard]] bool unread() const {
    for (const auto& [key, f] : files_)
      if (f->dirty) return true;
    return rescan_ || !out_.group().empty();
  }
  bool idle() const override {
    if (out_.blocked() || !out_.group().empty()) return false;
    for (const auto& [key, f] : files_)
      if (f->dirty || !f->partial.empty() || f->parser->pending()) return false;
    return !rescan_;
  }

 private:
  // --- knowing files ---

  void recall() {
    for (auto& [key, value] : a_.sink.recall_all("tail:"))
      if (auto state = FileState::parse(value); state && ours(state->path))
        known_.emplace(key, std::move(*state));
    had_memory_ = !known_.empty();
  }

  // Whether a remembered file belongs to this input: its path matches one of the globs.
  [[nodiscard]] bool ours(const std::string& path) const {
    for (const auto& p : o_.paths)
      if (::fnmatch(p.c_str(), path.c_str(), FNM_PATHNAME) == 0) return true;
    return false;
  }
  [[nodiscard]] bool excluded(const std::string& path) const {
    const auto slash = path.rfind('/');
    const auto name = slash == std::string::npos ? path : path.substr(slash + 1);
    for (const auto& e : o_.exclude)
      if (::fnmatch(e.c_str(), path.c_str(), 0) == 0 || ::fnmatch(e.c_str(), name.c_str(), 0) == 0)
        return true;
    return false;
  }

  void watch(const std::string& folder) {
    if (inotify_ < 0 || watched_.contains(folder) || watched_.size() > 1024) return;
    const int wd = ::inotify_add_watch(
        inotify_, folder.c_str(),
        IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY | IN_ONLYDIR);
    if (wd < 0) return;
    watched_[folder] = wd;
    folders_[wd] = folder;
  }

  void notified() {
    alignas(inotify_event) char buffer[16 << 10];
    while (true) {
      const auto n = ::read(inotify_, buffer, sizeof buffer);
      if (n <= 0) return;
      for (const char* p = buffer; p < buffer + n;) {
        inotify_event e{};
        std::memcpy(&e, p, sizeof e);
        if ((e.mask & IN_MODIFY) != 0 && e.len > 0 && folders_.contains(e.wd)) {
          const auto it = by_path_.find(folders_[e.wd] + "/" + (p + sizeof e));
          if (it != by_path_.end()) it->second->dirty = true;
        } else if ((e.mask & IN_IGNORED) != 0) {
          watched_.erase(folders_[e.wd]);
          folders_.erase(e.wd);
        } else {
          rescan_ = true;  // includes IN_Q_OVERFLOW
        }
        p += sizeof e + e.len;
      }
    }
  }

  void scan() {
    rescan_ = false;
    std::set<std::string> here;
    by_path_.clear();
    for (const auto& pattern : o_.paths) {
      const auto slash = pattern.rfind('/');
      if (slash != std::string::npos && pattern.find_first_of("*?[") > slash)
        watch(pattern.substr(0, slash));
      glob_t g{};
      bool found = false;
      if (::glob(pattern.c_str(), 0, nullptr, &g) == 0)
        for (std::size_t i = 0; i < g.gl_pathc; ++i) found = see(g.gl_pathv[i], here) || found;
      if (found)
        nothing_at_.erase(pattern);
      else
        say_nothing(pattern, g.gl_pathc > 0 ? g.gl_pathv[0] : "");
      ::globfree(&g);
    }
    for (auto& [key, f] : files_) {
      if (here.contains(key) || f->rotated) continue;
      f->rotated = true;
      f->dirty = true;
      f->last_growth = Steady::now();
    }
    if (first_scan_) adopt_lost(here);
  }

  /// A pattern that finds no file is a mistake more often than not: says so, with what is there
  /// instead. That a file is missing is said at the start only: rotation makes it so for a moment.
  void say_nothing(const std::string& pattern, const std::string& instead) {
    std::string why, remedy = "correct logs.files.paths";
    struct stat st{};
    if (!instead.empty() && ::stat(instead.c_str(), &st) == 0) {
      why = S_ISDIR(st.st_mode) ? "is a folder, not a file" : "is not a regular file";
      remedy = S_ISDIR(st.st_mode) ? "name its files: " + instead + "/*.log"
                                   : "pipes and devices are not read; " + remedy;
    } else {
      // The part before the first pattern character, up to where it can be looked at.
      auto folder = pattern.substr(0, pattern.find_first_of("*?["));
      folder.erase(std::min(folder.rfind('/'), folder.size()));
      const int wanted = folder.size() == pattern.rfind('/') ? R_OK | X_OK : X_OK;
      if (!folder.empty() && ::access(folder.c_str(), wanted) != 0) {
        why = "cannot look into " + folder + ": " + std::strerror(errno);
        remedy = errno == EACCES ? "give the sensor's user read access" : remedy;
      } else if (first_scan_) {
        why = "no such file yet";
        remedy = "it is read when it comes; else " + remedy;
      }
    }
    if (why.empty()) return;
    auto& said = nothing_at_[pattern];
    if (std::exchange(said, why) != why) logging::warn("logs: {}: {}; {}", pattern, why, remedy);
  }

  /// @return whether a file is there, followed or left out on purpose
  bool see(const std::string& path, std::set<std::string>& here) {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
    if (!excluded(path)) look_at(path, st, here);
    return true;
  }

  void look_at(const std::string& path, const struct stat& st, std::set<std::string>& here) {
    const auto key = state_key(st);
    here.insert(key);
    if (const auto slash = path.rfind('/'); slash != std::string::npos)
      watch(path.substr(0, slash));
    if (const auto it = files_.find(key); it != files_.end()) {
      it->second->state.path = it->second->path = path;
      it->second->rotated = false;
      by_path_[path] = it->second.get();
      return;
    }
    if (const auto it = finished_.find(key);
        it != finished_.end() && it->second.size == static_cast<std::uint64_t>(st.st_size))
      return;
    if (files_.size() >= o_.max_files) {
      if (!warned_full_)
        logging::warn("logs: more than {} files match; the others wait", o_.max_files);
      warned_full_ = true;
      return;
    }
    follow(path, key, st);
  }

  void follow(const std::string& path, const std::string& key, const struct stat& st) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
      if (unreadable_.insert(path).second)
        logging::warn("logs: cannot read {}: {}; give the sensor's user read access", path,
                      std::strerror(errno));
      return;
    }
    unreadable_.erase(path);
    auto f = std::make_unique<Followed>();
    f->fd = fd;
    f->key = key;
    f->path = path;
    const auto first = first_octets(path);
    FileState state;
    bool known = false;
    if (const auto it = known_.find(key); it != known_.end()) {
      if (fits(first, it->second.print) &&
          (is_compressed(fd) || static_cast<std::uint64_t>(st.st_size) >= it->second.offset)) {
        state = it->second;
        known = true;
        resumed_.insert(key);
      }
    }
    // Read to its end before, and longer now: in an earlier life, or in this one.
    if (known && state.done && state.archive_size > 0 &&
        state.archive_size != static_cast<std::uint64_t>(st.st_size))
      state.done = false;
    if (const auto it = finished_.find(key); !known && it != finished_.end()) {
      if (fits(first, it->second.state.print)) {
        state = it->second.state;
        state.done = false;
        known = true;
      }
      finished_.erase(it);
    }
    if (!known) {
      if (const auto original = find_original(path, first, key); original.found) {
        if (original.live)
          return;  // copy-truncate is under way: what is unread is read once, from the one or the
                   // other
        state.offset = original.state.offset;
        state.print = original.state.print;
        state.open_record = original.state.open_record;
      } else if (o_.from_end && first_scan_ && !had_memory_ && !is_compressed(fd)) {
        state.offset = static_cast<std::uint64_t>(st.st_size);
        state.print = fingerprint(first, state.offset);
      }
    }
    state.path = path;
    f->text = text_of(first);
    if (state.done) {
      finished_[key] = {static_cast<std::uint64_t>(st.st_size), state};
      return;
    }
    auto parser = SourceParser::make(o_.source.parser_options(), a_.formats);
    if (!parser) return;
    f->parser = std::move(*parser);
    f->parser->restore(state.open_record);
    state.open_record.clear();
    f->state = std::move(state);
    if (is_compressed(fd)) open_archive(*f);
    by_path_[path] = f.get();
    files_.emplace(key, std::move(f));
    a_.counters.files = files_.size();
  }

  /// Opens an archive, or opens it again when it has grown, and goes to where its reading stands.
  static void open_archive(Followed& f) {
    struct stat st{};
    f.archive_size = ::fstat(f.fd, &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
    f.archive = ArchiveReader::open(f.path);
    f.cut = false;
    std::string skipped;
    for (std::uint64_t left = f.state.offset + f.partial.size(); f.archive && left > 0;) {
      skipped.clear();
      if (!f.archive->read(skipped,
                           static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_octets))))
        break;
      left -= skipped.size();
    }
  }

  void finish_archive(Followed& f) {
    if (f.archive->end() != ArchiveReader::End::whole)
      logging::warn("logs: {}: the archive is {}; what could be read of it is used; copy it again",
                    f.path, f.archive->end() == ArchiveReader::End::cut ? "cut off" : "damaged");
    flush_partial(f);
    f.parser->flush(f.reference, emitter(f));
    f.cut = false;
    f.state.done = true;
    f.state.archive_size = f.archive_size;
  }

  [[nodiscard]] static bool grown(const Followed& f) {
    struct stat st{};
    return ::fstat(f.fd, &st) == 0 && static_cast<std::uint64_t>(st.st_size) != f.archive_size;
  }

  /// What we read of the file that `path` is a copy or a compressed successor of.
  struct Original {
    FileState state;
    bool found = false;
    bool live = false;  ///< the original is still being read: its copy can wait
  };
  Original find_original(const std::string& path, std::string_view first,
                         const std::string& key) const {
    Original best;
    const auto consider = [&](const FileState& s, bool live) {
      if (s.print.length < Fingerprint::enough_for_copies || !successor_name(s.path, path) ||
          !fits(first, s.print))
        return false;
      if (best.found && s.offset <= best.state.offset) return false;
      best = {s, true, live};
      return true;
    };
    for (const auto& [k, s] : known_)
      if (k != key) consider(s, false);
    for (const auto& [k, s] : truncated_) consider(s, false);
    for (const auto& [k, f] : files_)
      if (k != key && consider(f->state, !f->rotated)) best.state.open_record = f->parser->save();
    return best;
  }

  /// "x.log.1", "x.log-20261122.gz" and "x-2026.log" may follow "x.log"; "y.log" may not, whatever
  /// it starts with.
  static bool successor_name(const std::string& original, const std::string& path) {
    const auto name = [](const std::string& p) {
      return std::string_view(p).substr(p.rfind('/') + 1);
    };
    const auto stem = name(original).substr(0, name(original).find('.'));
    return !stem.empty() && name(path).starts_with(stem);
  }

  /// Names that rotation gives, for files that no glob of ours names: "x.log.1",
  /// "x.log-20261122.gz", and "x-20261122.log" (logrotate's `extension`).
  static bool rotated_name(const std::string& original, const std::string& path) {
    if (path == original) return false;
    const auto old = std::string_view(original).substr(original.rfind('/') + 1);
    const auto name = std::string_view(path).substr(path.rfind('/') + 1);
    if (name.starts_with(old)) return true;
    const auto stem = old.substr(0, old.find('.'));
    return name.starts_with(stem) && name.size() > stem.size() + 1 &&
           std::string_view("-_.").find(name[stem.size()]) != std::string_view::npos &&
           name[stem.size() + 1] >= '0' && name[stem.size() + 1] <= '9';
  }

  /// Regular files beside a log and in the folders of its archives whose names rotation may have
  /// given them. Bounded by the folders and the names in each.
  template <class F>
  void for_each_rotated(const std::string& log, F f) const {
    namespace fs = std::filesystem;
    constexpr std::size_t most_folders = 64, most_names = 10'000;
    const auto own = fs::path(log).parent_path().string();
    const auto below = own + "/";
    std::vector<std::string> folders{own};
    for (const auto& a : o_.archives) {
      const auto pattern = a.starts_with('/') ? a : below + a;
      glob_t g{};
      if (::glob(pattern.c_str(), 0, nullptr, &g) == 0)
        for (std::size_t i = 0; i < g.gl_pathc && folders.size() < most_folders; ++i)
          if (std::find(folders.begin(), folders.end(), g.gl_pathv[i]) == folders.end())
            folders.emplace_back(g.gl_pathv[i]);
      ::globfree(&g);
    }
    for (const auto& folder : folders) {
      std::error_code ec;
      std::size_t looked = 0;
      for (fs::directory_iterator it(folder, ec), end; !ec && it != end && ++looked < most_names;
           it.increment(ec)) {
        const auto path = it->path().string();
        struct stat st{};
        if (!rotated_name(log, path) || ::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode))
          continue;
        if (!f(path, st)) return;
      }
    }
  }

  // Files that were being read when the last run ended and match no glob now: renamed beside, moved
  // to a folder of archives, or compressed.
  void adopt_lost(const std::set<std::string>& here) {
    for (const auto& [key, state] : known_) {
      if (resumed_.contains(key) || state.done) continue;
      const bool reused =
          here.contains(key);  // the inode is another file's now, or the file was truncated
      bool found = false;
      std::string copy;
      for_each_rotated(state.path, [&](const std::string& path, const struct stat& st) {
        if (!reused && state_key(st) == key) {
          follow(path, key, st);
          adopted(key, state.path);
          found = true;
          return false;
        }
        if (copy.empty() && !here.contains(state_key(st)) &&
            state.print.length >= Fingerprint::enough_for_copies &&
            fits(first_octets(path), state.print))
          copy = path;
        return true;
      });
      if (!found && !copy.empty()) {
        struct stat st{};
        if (::stat(copy.c_str(), &st) == 0) {
          const auto copy_key = state_key(st);
          follow(copy, copy_key, st);
          adopted(copy_key, state.path);
        }
      }
      if (!found && !reused) out_.group().state.emplace_back(key, "");
    }
    known_.clear();
    resumed_.clear();
  }

  void adopted(const std::string& key, const std::string& named) {
    const auto f = files_.find(key);
    if (f == files_.end()) return;
    f->second->rotated = true;
    f->second->state.path = named;
  }

  // --- reading ---

  void check_sizes() {
    for (auto& [key, f] : files_) {
      struct stat st{};
      if (f->cut && grown(*f)) f->dirty = true;
      if (f->archive || ::fstat(f->fd, &st) != 0) continue;
      f->gone = st.st_nlink == 0;
      const auto size = static_cast<std::uint64_t>(st.st_size);
      if (size != f->seen_size) f->dirty = true;
      // Truncated and already longer than before: only the first octets can tell.
      if (size >= f->state.offset && size != f->seen_size && f->state.print.length > 0 &&
          !same_start(*f))
        restart(*f);
      f->seen_size = size;
    }
  }

  [[nodiscard]] static bool same_start(const Followed& f) {
    char first[Fingerprint::most];
    const auto n = ::pread(f.fd, first, f.state.print.length, 0);
    return n == static_cast<ssize_t>(f.state.print.length) &&
           fits({first, static_cast<std::size_t>(n)}, f.state.print);
  }

  // Copy-truncate: what we had not read may be in the copy beside.
  void restart(Followed& f) {
    flush_partial(f);
    const auto emit = emitter(f);
    f.parser->flush(f.reference, emit);
    const auto old = f.state;
    truncated_[f.key] = old;
    f.state.offset = 0;
    f.state.print = {};
    f.dirty = true;
    const auto copy = copy_of(old);
    if (copy.empty()) return;
    struct stat st{};
    if (::stat(copy.c_str(), &st) != 0) return;
    const auto key = state_key(st);
    follow(copy, key, st);
    if (const auto it = files_.find(key); it != files_.end()) {
      by_path_.erase(copy);
      it->second->rotated = !ours(copy);
      if (it->second->rotated) it->second->state.path = old.path;
    }
  }

  /// The copy of a file that was truncated: beside it or among its archives, with a name that may
  /// follow its own
  /// ("app.log.1", "app.log-20261122"), starting as it did and holding at least what was read. Of
  /// several (all files of a program may start alike) the newest; a plain one before the archive
  /// that is made of it.
  /// @return "" when there is none, or it is being read already
  std::string copy_of(const FileState& old) const {
    if (old.print.length < Fingerprint::enough_for_copies) return {};
    std::string best;
    std::pair<bool, std::int64_t> best_rank;
    bool taken = false;
    for_each_rotated(old.path, [&](const std::string& path, const struct stat& st) {
      const bool plain = !path.ends_with(".gz") && !path.ends_with(".zst");
      const std::pair rank{
          plain, static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec};
      if ((!best.empty() && rank <= best_rank) ||
          (plain && static_cast<std::uint64_t>(st.st_size) < old.offset) ||
          !fits(first_octets(path), old.print))
        return true;
      best = path;
      best_rank = rank;
      taken = files_.contains(state_key(st)) || finished_.contains(state_key(st));
      return true;
    });
    return taken ? std::string() : best;
  }

  SourceParser::Emit emitter(Followed& f) {
    return [this, &f](Record& record, std::string_view line) {
      Origin origin;
      origin.file = f.path;
      out_.event(record, origin, line, a_.clock.now());
    };
  }

  void work() {
    if (rescan_) scan();
    if (out_.blocked() && !out_.hand_over()) return;
    bool more = true;
    const auto until = Steady::now() + std::chrono::milliseconds(
                                           200);  // then the timers and sockets have their turn
    while (more && Steady::now() < until) {
      more = false;
      for (auto it = files_.begin(); it != files_.end();) {
        auto& f = *(it++)->second;  // restart() may add files
        if (!f.dirty) continue;
        if (!read_some(f)) return;
        more = more || f.dirty;
      }
    }
    if (!out_.group().empty()) (void)out_.hand_over();
  }

  /// Reads a chunk and hands it over. @return false when the sink refuses
  bool read_some(Followed& f) {
    buffer_.clear();
    const auto at = f.state.offset + f.partial.size();
    bool ended = false;
    // An archive that was empty when it was first seen, as those of gzip are for a moment.
    if (!f.archive && at == 0 && is_compressed(f.fd)) open_archive(f);
    if (f.cut) {
      f.dirty = false;
      if (!grown(f)) return true;
      open_archive(f);
    }
    if (f.archive) {
      while (buffer_.size() < chunk_octets && !ended)
        ended = !f.archive->read(buffer_, chunk_octets - buffer_.size());
    } else {
      struct stat st{};
      if (::fstat(f.fd, &st) == 0) {
        f.reference = {static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000 +
                       st.st_mtim.tv_nsec / 1000};
        if (static_cast<std::uint64_t>(st.st_size) < at) {
          restart(f);
          return true;
        }
        if (f.state.print.length > 0 && !same_start(f)) {
          restart(f);
          return true;
        }
      }
      buffer_.resize(chunk_octets);
      const auto n = ::pread(f.fd, buffer_.data(), buffer_.size(), static_cast<off_t>(at));
      buffer_.resize(static_cast<std::size_t>(std::max<ssize_t>(0, n)));
      ended = buffer_.size() < chunk_octets;
    }
    if (f.archive && f.reference.us == 0) {
      struct stat st{};
      if (::fstat(f.fd, &st) == 0)
        f.reference = {static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000};
    }
    f.dirty = !ended;
    if (!buffer_.empty()) {
      f.last_growth = Steady::now();
      a_.counters.octets.fetch_add(buffer_.size(), std::memory_order_relaxed);
      feed(f);
    }
    if (f.archive && ended) {
      if (f.archive->end() == ArchiveReader::End::cut)
        f.cut = true;  // perhaps it is still being written
      else
        finish_archive(f);
    }
    remember(f);
    if (!out_.hand_over()) {
      f.dirty = true;
      return false;
    }
    return true;
  }

  void feed(Followed& f) {
    const auto emit = emitter(f);
    const auto old_partial = f.partial.size();
    std::string_view data;
    if (old_partial > 0) {
      f.partial += buffer_;
      data = f.partial;
    } else {
      data = buffer_;
    }
    std::size_t at = 0;
    if (f.state.offset == 0) {
      f.text = text_of(data);
      if (f.text != Text::octets)
        at = 2;
      else if (data.starts_with("\xEF\xBB\xBF"))
        at = 3;  // a mark, no part of the first line
    }
    auto search = std::max(at, old_partial - std::min<std::size_t>(old_partial, 1));
    while (const auto end = line_end(data, search, f.text)) {
      line(f, data.substr(at, end->at - at), emit);
      at = search = end->next;
    }
    auto rest = data.substr(at);
    const auto most = o_.source.max_line_octets / 2 * 2;  // whole units of UTF-16
    while (rest.size() > most) {  // a line without an end must not eat the memory
      a_.counters.cut_lines.fetch_add(1, std::memory_order_relaxed);
      line(f, rest.substr(0, most), emit);
      rest.remove_prefix(most);
      at += most;
    }
    f.state.offset += at;
    std::string keep(rest);
    f.partial = std::move(keep);
    if (f.state.print.length < Fingerprint::most) update_print(f);
  }

  void line(Followed& f, std::string_view text, const SourceParser::Emit& emit) {
    std::string decoded;
    if (f.text != Text::octets) text = decoded = to_utf8(text, f.text);
    // A file that was truncated under a writer that does not append has a hole up to where the
    // writer goes on: NUL octets that nobody wrote, gigabytes of them perhaps.
    text.remove_prefix(std::min(text.find_first_not_of('\0'), text.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    a_.counters.lines.fetch_add(1, std::memory_order_relaxed);
    if (text.empty()) return;  // an empty line says nothing; it is still counted
    in_pieces(text, o_.source.max_line_octets, a_.counters,
              [&](std::string_view piece) { f.parser->feed(piece, f.reference, emit); });
  }

  void update_print(Followed& f) {
    if (f.archive) {
      f.state.print = fingerprint(first_octets(f.path), f.state.offset);
      return;
    }
    char first[Fingerprint::most];
    const auto n = ::pread(f.fd, first, sizeof first, 0);
    if (n > 0) f.state.print = fingerprint({first, static_cast<std::size_t>(n)}, f.state.offset);
  }

  void flush_partial(Followed& f) {
    if (f.partial.empty()) return;
    const auto text = std::move(f.partial);
    f.partial.clear();
    line(f, text, emitter(f));
    f.state.offset += text.size();
    if (!f.archive && f.state.print.length < Fingerprint::most) update_print(f);
  }

  void remember(Followed& f) {
    f.state.open_record = f.parser->save();
    out_.group().state.emplace_back(f.key, f.state.text());
    f.state.open_record.clear();
  }

  // --- ends ---

  void close_idle() {
    if (out_.blocked()) return;
    const auto now = Steady::now();
    for (auto it = files_.begin(); it != files_.end();) {
      auto& f = *it->second;
      const auto quiet = now - f.last_growth;
      bool changed = false;
      if (f.cut && !f.dirty && quiet >= o_.rotated_wait) {
        finish_archive(f);
        changed = true;
      }
      if (!f.dirty && !f.cut && quiet >= o_.source.multiline_timeout && f.parser->pending()) {
        f.parser->flush(f.reference, emitter(f));
        changed = true;
      }
      // The last line of a file that somebody closed without a line end.
      if (!f.dirty && !f.cut && !f.partial.empty() &&
          quiet >= std::max(o_.source.multiline_timeout, std::chrono::milliseconds(2000))) {
        flush_partial(f);
        f.parser->flush(f.reference, emitter(f));
        changed = true;
      }
      const bool done = f.archive && f.state.done;
      const bool over = f.rotated && !f.dirty && (f.gone || quiet >= o_.rotated_wait);
      if (!done && !over) {
        if (changed) remember(f);
        ++it;
        continue;
      }
      flush_partial(f);
      f.parser->flush(f.reference, emitter(f));
      if (over && !done) {
        out_.group().state.emplace_back(f.key, "");  // nobody asks for this file again
      } else {
        finished_[f.key] = {f.archive_size, f.state};
        if (f.rotated)
          out_.group().state.emplace_back(f.key, "");
        else
          remember(f);
      }
      std::erase_if(by_path_, [&](const auto& p) { return p.second == &f; });
      it = files_.erase(it);
      a_.counters.files = files_.size();
    }
    if (!out_.group().empty()) (void)out_.hand_over();
  }

  TailOptions o_;
  Surroundings& a_;
  mutable Outlet out_;
  int inotify_ = -1;
  std::map<std::string, int> watched_;
  std::map<int, std::string> folders_;
  std::map<std::string, std::unique_ptr<Followed>> files_;  // by key
  std::map<std::string, Followed*> by_path_;
  std::map<std::string, FileState> known_;  // from the run before; only while starting
  std::map<std::string, FileState>
      truncated_;  // what a copy-truncated file was, to recognise its copy
  struct Finished {
    std::uint64_t size = 0;
    FileState state;
  };
  std::map<std::string, Finished> finished_;  // archives read to the end, by key
  std::set<std::string> unreadable_, resumed_;
  std::map<std::string, std::string> nothing_at_;  ///< what was said of patterns without a file
  std::string buffer_;
  bool rescan_ = false, first_scan_ = true, had_memory_ = false, warned_full_ = false;
};

}  // namespace

std::unique_ptr<Input> make_tail(TailOptions options, Surroundings& around) {
  return std::make_unique<Tail>(std::move(options), around);
}

}  // namespace ww::logs
