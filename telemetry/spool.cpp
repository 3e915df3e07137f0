#include "telemetry/spool.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "telemetry/spool_segment.hpp"

namespace ww {
namespace {

using spool::RecordView;

/// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Fd& operator=(Fd&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

Problem system_problem(const char* what, const std::string& where, const char* remedy) {
  return {std::string(what) + ": " + std::strerror(errno), where, remedy};
}

/// All of the file between two offsets, or as much as there is.
std::string read_range(int fd, std::uint64_t from, std::size_t octets) {
  std::string out(octets, '\0');
  std::size_t have = 0;
  while (have < octets) {
    const auto n = ::pread(fd, out.data() + have, octets - have, static_cast<off_t>(from + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

struct Segment {
  std::string path;
  std::uint64_t first_seq = 1;  ///< of the first event that it holds or will hold
  std::uint64_t last_seq = 0;   ///< first_seq - 1 when it has no event
  std::uint64_t octets = 0;     ///< written
  std::uint64_t synced = 0;     ///< readable up to here
  Timestamp created, newest;
};

using Memory = std::map<std::string, std::string, std::less<>>;

void apply(Memory& memory, const std::string& key, const std::string& value) {
  if (value.empty())
    memory.erase(key);
  else
    memory.insert_or_assign(key, value);
}

class DiskSpool final : public Spool {
 public:
  DiskSpool(SpoolOptions options, const Clock& clock)
      : o_(std::move(options)), clock_(clock), opened_wall_(clock.now()) {
    o_.segment_octets =
        std::max<std::uint64_t>(64 << 10, std::min(o_.segment_octets, o_.max_octets / 4));
  }
  ~DiskSpool() override { (void)sync(); }

  Result<void, Problem> recover();

  Result<void, Problem> begin() override {
    const std::lock_guard lock(mutex_);
    if (refusing_) {
      flush();
      if (refusing_) return fail(refusal_);
    }
    if (last_record_ != std::string::npos) {  // the group before was given up
      buffer_.resize(group_start_);
      group_memory_.clear();
    }
    group_start_ = buffer_.size();
    last_record_ = std::string::npos;
    group_next_seq_ = next_seq_;
    return {};
  }

  std::uint64_t append(std::string_view head, std::string_view rest) override {
    if (head.size() + rest.size() > max_payload)
      rest = {};  // callers keep far below; never write a wrong length
    last_record_ = buffer_.size();
    const auto now = clock_.now();
    spool::append_record(buffer_, spool::flag_event, group_next_seq_, now, head, rest);
    group_newest_ = now;
    return group_next_seq_++;
  }

  void remember(std::string_view key, std::string_view value) override {
    if (key.size() > 4096 || value.size() > 1U << 20) return;
    last_record_ = buffer_.size();
    spool::append_record(buffer_, spool::flag_memory,
                         std::max<std::uint64_t>(1, group_next_seq_ - 1), clock_.now(),
                         spool::memory_payload(key, value), {});
    group_memory_.emplace_back(key, value);
  }

  void commit() override {
    const std::lock_guard lock(mutex_);
    if (last_record_ == std::string::npos) return;
    spool::mark_last(buffer_, last_record_);
    last_record_ = std::string::npos;
    next_seq_ = group_next_seq_;
    buffer_newest_ = group_newest_;
    for (auto& change : group_memory_) {
      apply(memory_, change.first, change.second);
      buffer_memory_.push_back(std::move(change));
    }
    group_memory_.clear();
    if (buffer_.size() >= o_.write_octets) flush();
    if (unsynced_ >= o_.sync_octets) sync_file();
  }

  Result<void, Problem> sync() override {
    const std::lock_guard lock(mutex_);
    flush();
    sync_file();
    if (refusing_) return fail(refusal_);
    return {};
  }

  void tick() override {
    const std::lock_guard lock(mutex_);
    flush();
    sync_file();
    // A clock that jumps ahead must not throw events away: age counts at most as far as this
    // process has seen time pass.
    const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - opened_);
    const auto now = std::min(clock_.now(), opened_wall_ + passed + std::chrono::hours(1));
    const auto limit = now + -std::chrono::duration_cast<std::chrono::microseconds>(o_.max_age);
    while (segments_.size() > 1 && segments_.front().newest < limit) shed_oldest();
  }

  std::string recall(std::string_view key) const override {
    const std::lock_guard lock(mutex_);
    const auto it = memory_.find(key);
    return it == memory_.end() ? std::string() : it->second;
  }
  std::vector<std::pair<std::string, std::string>> recall_all(
      std::string_view prefix) const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, std::string>> out;
    for (auto it = memory_.lower_bound(prefix);
         it != memory_.end() && it->first.starts_with(prefix); ++it)
      out.emplace_back(*it);
    return out;
  }

  Result<std::size_t, Problem> read(std::uint64_t from, std::size_t max_events,
                                    std::size_t max_octets, SpoolBatch& out) override;
  Result<void, Problem> acknowledge(std::uint64_t seq) override;
  Result<void, Problem> renew_epoch(std::uint64_t minimum) override;
  std::vector<ingest::Lost> lost(std::uint64_t from, std::uint64_t to) const override;

  std::uint64_t epoch() const override {
    const std::lock_guard lock(mutex_);
    return cursor_.epoch;
  }
  SpoolStats stats() const override;

 private:
  // All below: mutex_ held, except where said.
  void flush();
  void sync_file();
  bool open_segment();
  void refuse(const char* what);
  void shed_oldest();
  void note_damage(std::uint64_t from, std::uint64_t to);
  bool write_cursor(bool durable);
  [[nodiscard]] std::uint64_t total_octets() const {
    std::uint64_t n = 0;
    for (const auto& s : segments_) n += s.octets;
    return n;
  }
  [[nodiscard]] std::string segment_path(std::uint64_t first_seq) const {
    char name[40];
    std::snprintf(name, sizeof name, "/%020llu.seg", static_cast<unsigned long long>(first_seq));
    return o_.folder + name;
  }
  void load_cursor();
  void load_segments();
  std::uint64_t scan_tail(Segment& segment, bool cut);
  void sync_folder() const {
    const Fd folder(::open(o_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) ::fsync(folder.get());
  }

  SpoolOptions o_;
  const Clock& clock_;
  Fd lock_, cursor_fd_;

  mutable std::mutex mutex_;
  std::deque<Segment> segments_;  // the last one is written to when active_ is open
  Fd active_;
  Memory memory_;          // with the groups that are still in the buffer
  Memory written_memory_;  // as the files have it: what a new segment starts from
  std::vector<std::pair<std::string, std::string>> buffer_memory_;  // changes between the two
  std::uint64_t next_seq_ = 1;
  spool::Cursor cursor_;
  SpoolStats counters_;
  std::string buffer_;  // committed groups that are not written yet, and the group that is open
  Timestamp buffer_newest_;
  std::uint64_t written_seq_ = 0;  // last event in the files
  std::uint64_t unsynced_ = 0;
  std::vector<ingest::Skipped> damaged_;  // in order, without overlaps; not acknowledged yet
  bool refusing_ = false;
  Problem refusal_;
  Timestamp oldest_time_;
  std::uint64_t oldest_seq_ = 0;

  const std::chrono::steady_clock::time_point opened_ = std::chrono::steady_clock::now();
  const Timestamp opened_wall_;

  // The open group: writer thread only.
  std::size_t group_start_ = 0, last_record_ = std::string::npos;
  std::uint64_t group_next_seq_ = 1;
  Timestamp group_newest_;
  std::vector<std::pair<std::string, std::string>> group_memory_;

  // Reader thread only.
  Fd reading_;
  std::string reading_path_;
  std::uint64_t reading_offset_ = 0, reading_seq_ = 0;
  std::string window_;
};

void DiskSpool::refuse(const char* what) {
  ++counters_.write_errors;
  refusal_ = system_problem(what, o_.folder, "free space on that disk or lower spool.max_octets");
  refusing_ = true;
}

bool DiskSpool::open_segment() {
  const auto first = written_seq_ + 1;
  Segment s;
  s.path = segment_path(first);
  s.first_seq = first;
  s.last_seq = first - 1;
  s.created = s.newest = clock_.now();
  // Under its own name only when its first groups are on the disk: there is never a segment without
  // the memory.
  Fd fd(::open((s.path + ".new").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) {
    refuse("cannot create a spool segment");
    return false;
  }
  active_ = std::move(fd);
  if (!segments_.empty() && segments_.back().path == s.path)
    segments_.pop_back();  // it never held an event
  segments_.push_back(std::move(s));
  return true;
}

// Writes the buffer whole or not at all: after a failure the file ends where it did before.
void DiskSpool::flush() {
  if (last_record_ != std::string::npos) return;  // inside a group; commit() flushes
  if (buffer_.empty()) {
    refusing_ = false;
    return;
  }
  if (!active_ || segments_.back().octets >= o_.segment_octets) {
    if (active_) sync_file();
    if (refusing_ && unsynced_ > 0) return;
    if (!open_segment()) return;
  }
  auto& s = segments_.back();
  std::string lead;
  if (s.octets == 0) {  // header and the memory as the segment before left it
    spool::append_segment_header(lead, {cursor_.epoch, s.first_seq, s.created.us});
    bool first = true;
    const auto n = written_memory_.size();
    std::size_t i = 0;
    for (const auto& [k, v] : written_memory_) {
      const auto flags = spool::flag_memory | (first ? spool::flag_snapshot : 0) |
                         (++i == n ? spool::flag_last : 0);
      spool::append_record(lead, static_cast<std::uint8_t>(flags),
                           std::max<std::uint64_t>(1, written_seq_), s.created,
                           spool::memory_payload(k, v), {});
      first = false;
    }
    lead += buffer_;
    buffer_.swap(lead);
  }
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const auto n = ::pwrite(active_.get(), buffer_.data() + done, buffer_.size() - done,
                            static_cast<off_t>(s.octets + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (n == 0) errno = ENOSPC;
      refuse("cannot write to the spool");
      const int saved = errno;
      if (::ftruncate(active_.get(), static_cast<off_t>(s.octets)) != 0) ++counters_.write_errors;
      errno = saved;
      if (s.octets == 0) buffer_.swap(lead);  // without the header again
      return;
    }
    done += static_cast<std::size_t>(n);
  }
  if (s.octets == 0) {
    if (::fdatasync(active_.get()) != 0 ||
        ::rename((s.path + ".new").c_str(), s.path.c_str()) != 0) {
      refuse("cannot start a spool segment");
      buffer_.swap(lead);
      return;
    }
    sync_folder();
    s.synced = buffer_.size();
  } else {
    unsynced_ += buffer_.size();
  }
  refusing_ = false;
  for (const auto& [k, v] : buffer_memory_) apply(written_memory_, k, v);
  buffer_memory_.clear();
  s.octets += buffer_.size();
  s.last_seq = next_seq_ - 1;
  s.newest = buffer_newest_.us != 0 ? buffer_newest_ : s.newest;
  written_seq_ = next_seq_ - 1;
  buffer_.clear();
  if (buffer_.capacity() > 4 * o_.write_octets) buffer_.shrink_to_fit();
  while (segments_.size() > 1 && total_octets() > o_.max_octets) shed_oldest();
}

void DiskSpool::sync_file() {
  if (unsynced_ == 0 || !active_) return;
  if (::fdatasync(active_.get()) != 0) {
    refuse("cannot sync the spool");
    return;
  }
  ++counters_.syncs;
  unsynced_ = 0;
  segments_.back().synced = segments_.back().octets;
}

void DiskSpool::shed_oldest() {
  const auto& s = segments_.front();
  const auto from = std::max(s.first_seq, cursor_.acked + 1);
  if (s.last_seq >= from) {
    counters_.shed_events += s.last_seq - from + 1;
    counters_.shed_octets += s.octets;
  }
  ::unlink(s.path.c_str());
  segments_.pop_front();
}

bool DiskSpool::write_cursor(bool durable) {
  ++cursor_.generation;
  const auto slot = spool::cursor_slot(cursor_);
  const auto at = static_cast<off_t>((cursor_.generation % 2) * spool::cursor_slot_octets);
  if (::pwrite(cursor_fd_.get(), slot.data(), slot.size(), at) !=
      static_cast<ssize_t>(slot.size())) {
    ++counters_.write_errors;
    return false;
  }
  return !durable || ::fdatasync(cursor_fd_.get()) == 0;
}

Result<void, Problem> DiskSpool::acknowledge(std::uint64_t seq) {
  const std::lock_guard lock(mutex_);
  if (seq <= cursor_.acked) return {};
  cursor_.acked = std::min(seq, next_seq_ - 1);
  const bool deletes = segments_.size() > 1 && segments_.front().last_seq <= cursor_.acked;
  // Without a sync a power cut may bring an older cursor back; the collector then gets a repeat and
  // says so.
  if (!write_cursor(deletes))
    return fail(
        system_problem("cannot write the spool's cursor", o_.folder + "/cursor", "check the disk"));
  while (segments_.size() > 1 && segments_.front().last_seq <= cursor_.acked) {
    ::unlink(segments_.front().path.c_str());
    segments_.pop_front();
  }
  std::erase_if(damaged_, [&](const auto& d) { return d.to <= cursor_.acked; });
  return {};
}

Result<void, Problem> DiskSpool::renew_epoch(std::uint64_t minimum) {
  const std::lock_guard lock(mutex_);
  cursor_.epoch =
      std::max({minimum, cursor_.epoch + 1,
                static_cast<std::uint64_t>(std::max<std::int64_t>(0, clock_.now().seconds()))});
  if (!write_cursor(true))
    return fail(
        system_problem("cannot write the spool's cursor", o_.folder + "/cursor", "check the disk"));
  return {};
}

// Damage is noted when it is met, as the segment may be shed before somebody asks.
void DiskSpool::note_damage(std::uint64_t from, std::uint64_t to) {
  constexpr std::size_t most = 1000;
  if (!damaged_.empty()) from = std::max(from, damaged_.back().to + 1);
  if (from > to || damaged_.size() >= most) return;
  if (!damaged_.empty() && damaged_.back().to + 1 == from)
    damaged_.back().to = to;
  else
    damaged_.push_back({from, to});
}

std::vector<ingest::Lost> DiskSpool::lost(std::uint64_t from, std::uint64_t to) const {
  const std::lock_guard lock(mutex_);
  // What is no longer held and not known as damaged went because of a bound; what should be held
  // was not readable.
  std::vector<ingest::Lost> known;
  const auto add = [&](std::uint64_t a, std::uint64_t b, std::string_view reason) {
    if (!known.empty()) a = std::max(a, known.back().to + 1);
    if (a <= b) known.push_back({a, b, reason});
  };
  if (cursor_.acked > 0) add(1, cursor_.acked, ingest::lost::acknowledged);
  const auto held = segments_.empty() ? next_seq_ : segments_.front().first_seq;
  for (const auto& d : damaged_)
    if (d.from < held) add(d.from, d.to, ingest::lost::damaged);
  add(held, UINT64_MAX, ingest::lost::damaged);
  return ingest::lost_runs({from, to}, known);
}

Result<std::size_t, Problem> DiskSpool::read(std::uint64_t from, std::size_t max_events,
                                             std::size_t max_octets, SpoolBatch& out) {
  constexpr std::size_t window_octets = 1U << 20;
  const auto wanted_first = from;
  std::size_t count = 0, taken = 0;
  while (count < max_events && taken < max_octets) {
    Segment s;
    {
      const std::lock_guard lock(mutex_);
      const auto it = std::find_if(segments_.begin(), segments_.end(), [&](const Segment& x) {
        return x.last_seq >= from && x.synced > 0;
      });
      if (it == segments_.end()) break;
      s = *it;
    }
    if (reading_path_ != s.path || reading_seq_ > from || !reading_) {
      reading_ = Fd(::open(s.path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!reading_) {
        if (errno == ENOENT) {  // shed between the look and the open, or somebody removed the file
          const std::lock_guard lock(mutex_);
          const auto it = std::find_if(segments_.begin(), segments_.end(),
                                       [&](const Segment& x) { return x.path == s.path; });
          if (it == segments_.end()) continue;
          if (std::next(it) == segments_.end()) break;
          ++counters_.corrupt_records;
          note_damage(std::max(from, it->first_seq), it->last_seq);
          segments_.erase(it);
          continue;
        }
        return fail(system_problem("cannot read a spool segment", s.path, "check the disk"));
      }
      reading_path_ = s.path;
      reading_offset_ = spool::segment_header_octets;
      reading_seq_ = s.first_seq;
    }
    if (reading_offset_ >= s.synced) {
      if (from > s.last_seq) break;
      // Everything readable of this segment is behind us although it should hold `from`: unreadable
      // records.
      const std::lock_guard lock(mutex_);
      const auto it = std::find_if(segments_.begin(), segments_.end(),
                                   [&](const Segment& x) { return x.path == s.path; });
      if (it == segments_.end()) continue;
      if (it == std::prev(segments_.end()) && it->synced < it->octets) break;  // more is coming

      if (std::next(it) == segments_.end()) {
        if (it->synced == s.synced) break;
        continue;
      }
      from = std::max(from, std::next(it)->first_seq);
      continue;
    }
    window_ = read_range(reading_.get(), reading_offset_,
                         static_cast<std::size_t>(
                             std::min<std::uint64_t>(window_octets, s.synced - reading_offset_)));
    std::size_t at = 0;
    while (at < window_.size() && count < max_events && taken < max_octets) {
      RecordView r;
      const auto rest = std::string_view(window_).substr(at);
      auto status = spool::read_record(rest, r);
      if (status == spool::Read::more && reading_offset_ + window_.size() < s.synced) {
        if (at > 0) break;  // read the window again from this record on
        const auto wanted = std::min<std::uint64_t>(s.synced - reading_offset_,
                                                    spool::record_header_octets + max_payload);
        if (window_.size() < wanted) {
          window_ = read_range(reading_.get(), reading_offset_, static_cast<std::size_t>(wanted));
          if (window_.size() < wanted)
            status = spool::Read::corrupt;
          else
            continue;
        } else {
          status = spool::Read::corrupt;
        }
      }
      if (status != spool::Read::ok) {
        // Look for the next readable record in all the rest of the segment.
        const auto all = read_range(reading_.get(), reading_offset_ + at,
                                    static_cast<std::size_t>(s.synced - reading_offset_ - at));
        const auto skip = spool::resynchronise(all, std::min<std::size_t>(1, all.size()));
        const std::lock_guard lock(mutex_);
        ++counters_.corrupt_records;
        reading_offset_ += at + std::max<std::size_t>(skip, 1);
        if (all.empty()) reading_offset_ = s.synced;
        at = std::string::npos;
        break;
      }
      at += r.octets;
      if ((r.flags & spool::flag_event) == 0) continue;
      reading_seq_ = r.seq + 1;
      if (r.seq < from) continue;
      out.entries.push_back({r.seq, r.time, out.octets.size(), r.payload.size()});
      out.octets += r.payload;
      taken += r.payload.size();
      ++count;
      from = r.seq + 1;
    }
    if (at != std::string::npos) reading_offset_ += at;
  }
  if (count > 0) {
    const std::lock_guard lock(mutex_);
    const auto& first = out.entries[out.entries.size() - count];
    const auto held = segments_.empty() ? first.seq : segments_.front().first_seq;
    if (first.seq > wanted_first) note_damage(std::max(wanted_first, held), first.seq - 1);
    if (first.seq > oldest_seq_) {
      oldest_seq_ = first.seq;
      oldest_time_ = first.time;
    }
    if (out.entries.back().seq > cursor_.given) {
      cursor_.given = out.entries.back().seq;
      (void)write_cursor(false);
    }
  }
  return count;
}

SpoolStats DiskSpool::stats() const {
  const std::lock_guard lock(mutex_);
  auto s = counters_;
  s.epoch = cursor_.epoch;
  s.octets = total_octets();
  s.segments = segments_.size();
  s.acked_seq = cursor_.acked;
  s.next_seq = next_seq_;
  s.first_seq = segments_.empty() ? next_seq_ : segments_.front().first_seq;
  s.refusing = refusing_;
  if (cursor_.acked + 1 < next_seq_) {
    s.oldest = clock_.now();
    for (const auto& seg : segments_)
      if (seg.last_seq > cursor_.acked) {
        s.oldest = seg.created;
        break;
      }
    if (oldest_seq_ > cursor_.acked && oldest_time_ > s.oldest) s.oldest = oldest_time_;
  }
  return s;
}

void DiskSpool::load_cursor() {
  const auto text = read_range(cursor_fd_.get(), 0, 2 * spool::cursor_slot_octets);
  for (std::size_t i = 0; i < 2; ++i) {
    spool::Cursor c;
    if (text.size() >= (i + 1) * spool::cursor_slot_octets &&
        spool::read_cursor_slot(std::string_view(text).substr(i * spool::cursor_slot_octets), c) &&
        c.generation > cursor_.generation)
      cursor_ = c;
  }
}

// Walks a segment from its start, filling the memory. @return the offset behind the last whole
// group
std::uint64_t DiskSpool::scan_tail(Segment& s, bool cut) {
  const Fd fd(::open(s.path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return 0;
  const auto text = read_range(fd.get(), 0, static_cast<std::size_t>(s.octets));
  std::size_t at = spool::segment_header_octets;
  std::uint64_t good = 0, last = s.first_seq - 1;
  Memory pending = memory_;
  while (at < text.size()) {
    RecordView r;
    const auto status = spool::read_record(std::string_view(text).substr(at), r);
    if (status != spool::Read::ok) {
      const auto next = spool::resynchronise(text, at + 1);
      if (next >= text.size()) break;
      ++counters_.corrupt_records;
      at = next;
      continue;
    }
    at += r.octets;
    if ((r.flags & spool::flag_snapshot) != 0) pending.clear();
    if ((r.flags & spool::flag_memory) != 0) {
      std::string_view k, v;
      if (spool::read_memory(r.payload, k, v)) {
        if (v.empty())
          pending.erase(std::string(k));
        else
          pending.insert_or_assign(std::string(k), std::string(v));
      }
    } else {
      last = std::max(last, r.seq);
      s.newest = r.time;
    }
    if ((r.flags & spool::flag_last) != 0) {
      good = at;
      memory_ = pending;
      s.last_seq = last;
    }
  }
  if (cut && good < s.octets) {
    counters_.torn_octets += s.octets - good;
    if (good > 0 && ::ftruncate(fd.get(), static_cast<off_t>(good)) == 0) ::fdatasync(fd.get());
    s.octets = good;
  }
  s.synced = s.octets;
  return good;
}

void DiskSpool::load_segments() {
  std::vector<std::string> names, set_aside;
  if (DIR* dir = ::opendir(o_.folder.c_str()); dir != nullptr) {
    while (const auto* e = ::readdir(dir)) {
      const std::string_view name = e->d_name;
      if (name.size() == 24 && name.ends_with(".seg")) names.emplace_back(name);
      if (name.size() == 28 && name.ends_with(".seg.bad")) set_aside.emplace_back(name);
      if (name.ends_with(".seg.new")) ::unlink((o_.folder + "/" + e->d_name).c_str());
    }
    ::closedir(dir);
  }
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    Segment s;
    s.path = o_.folder + "/" + name;
    const Fd fd(::open(s.path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st{};
    spool::SegmentHeader h;
    if (!fd || ::fstat(fd.get(), &st) != 0 ||
        !spool::read_segment_header(read_range(fd.get(), 0, spool::segment_header_octets), h) ||
        (!segments_.empty() && h.first_seq < segments_.back().first_seq)) {
      if (fd && st.st_size < static_cast<off_t>(spool::segment_header_octets)) {
        counters_.torn_octets += static_cast<std::uint64_t>(std::max<off_t>(0, st.st_size));
        ::unlink(s.path.c_str());  // the process died while it made the file
      } else {
        ++counters_.corrupt_records;
        ::rename(s.path.c_str(), (s.path + ".bad").c_str());
        set_aside.push_back(name);
      }
      continue;
    }
    s.first_seq = h.first_seq;
    s.created = s.newest = Timestamp{h.created_us};
    s.octets = s.synced = static_cast<std::uint64_t>(st.st_size);
    if (cursor_.epoch < h.epoch) cursor_.epoch = h.epoch;
    if (!segments_.empty()) {
      segments_.back().last_seq = h.first_seq - 1;
      segments_.back().newest = s.created;
    }
    segments_.push_back(std::move(s));
  }
  // The last segment decides where writing goes on; one that holds no whole group is none.
  while (!segments_.empty()) {
    if (segments_.size() > 1) {
      auto before = segments_[segments_.size() - 2];
      (void)scan_tail(before, false);
    }
    auto& last = segments_.back();
    if (scan_tail(last, true) > 0) break;
    ::unlink(last.path.c_str());
    segments_.pop_back();
    memory_.clear();
  }
  written_memory_ = memory_;
  if (!segments_.empty()) written_seq_ = segments_.back().last_seq;
  // What was set aside, now or in an earlier life, held what stands between its name and the next
  // segment.
  std::sort(set_aside.begin(), set_aside.end());
  for (const auto& name : set_aside) {
    const auto first = std::strtoull(name.c_str(), nullptr, 10);
    const auto next = std::find_if(segments_.begin(), segments_.end(),
                                   [&](const Segment& s) { return s.first_seq > first; });
    const auto end =
        next == segments_.end() ? std::max(written_seq_, cursor_.given) + 1 : next->first_seq;
    if (first > 0) note_damage(std::max<std::uint64_t>(first, cursor_.acked + 1), end - 1);
  }
}

Result<void, Problem> DiskSpool::recover() {
  if (::mkdir(o_.folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(system_problem("cannot make the spool folder", o_.folder,
                               "make its parent folder and give it to the sensor's user"));
  // The last segment is only deleted when another begins, so it must be a small part of a small
  // disk.
  struct statvfs disk{};
  if (::statvfs(o_.folder.c_str(), &disk) == 0) {
    const auto part = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize / 16;
    o_.segment_octets = std::max<std::uint64_t>(32 << 10, std::min(o_.segment_octets, part));
  }
  o_.write_octets = std::min(o_.write_octets, o_.segment_octets / 4);
  lock_ = Fd(::open((o_.folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_)
    return fail(system_problem("cannot open the spool", o_.folder,
                               "check the owner and mode of the folder"));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Problem{"the spool is in use by another process", o_.folder,
                        "stop the other sensor or give this one a folder of its own"});
  cursor_fd_ = Fd(::open((o_.folder + "/cursor").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!cursor_fd_)
    return fail(system_problem("cannot open the spool's cursor", o_.folder + "/cursor",
                               "check the owner and mode of the folder"));
  load_cursor();
  const auto from_cursor = cursor_.epoch;
  load_segments();
  // The epoch file is gone but segments are here: they carry it. Nothing at all: a new life, a
  // later epoch.
  if (cursor_.epoch == 0)
    cursor_.epoch = static_cast<std::uint64_t>(std::max<std::int64_t>(1, clock_.now().seconds()));
  if (from_cursor == 0 && !segments_.empty()) cursor_.acked = segments_.front().first_seq - 1;
  // A number that was handed out is never given to another event, even when its record was lost.
  next_seq_ = std::max({written_seq_, cursor_.acked, cursor_.given}) + 1;
  note_damage(std::max(written_seq_, cursor_.acked) + 1, next_seq_ - 1);
  written_seq_ = next_seq_ - 1;
  if (!segments_.empty()) {
    auto& last = segments_.back();
    if (last.last_seq == written_seq_ && last.octets < o_.segment_octets) {
      active_ = Fd(::open(last.path.c_str(), O_RDWR | O_CLOEXEC));
      if (!active_)
        return fail(
            system_problem("cannot open a spool segment", last.path, "check its owner and mode"));
    }
  }
  if (!write_cursor(true)) {
    // A full disk must not keep the sensor from starting: what is spooled can still be sent.
    refuse("cannot write the spool's cursor");
    refusing_ = false;
  }
  sync_folder();
  return {};
}

}  // namespace

Result<std::unique_ptr<Spool>, Problem> Spool::open(const SpoolOptions& options,
                                                    const Clock& clock) {
  auto spool = std::make_unique<DiskSpool>(options, clock);
  if (auto ok = spool->recover(); !ok) return fail(ok.error());
  return spool;
}

}  // namespace ww
