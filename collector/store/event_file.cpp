#include "collector/store/event_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

namespace ww::collector {
namespace {

constexpr std::array<sql::Migration, 2> migrations{{
    {1, "blocks, filters, facets, minutes and tail",
     "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
     "CREATE TABLE stream(id INTEGER PRIMARY KEY, site TEXT NOT NULL, sensor TEXT NOT NULL, type "
     "TEXT NOT NULL,"
     " UNIQUE(site, sensor, type)) STRICT;"
     "CREATE TABLE block(id INTEGER PRIMARY KEY, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,"
     " id_min INTEGER NOT NULL, id_max INTEGER NOT NULL, events INTEGER NOT NULL, raw_octets "
     "INTEGER NOT NULL,"
     " streams BLOB NOT NULL) STRICT;"
     "CREATE TABLE block_body(id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
     "CREATE TABLE block_filter(id INTEGER PRIMARY KEY, filter BLOB NOT NULL) STRICT;"
     "CREATE TABLE facet(path TEXT NOT NULL, block INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY "
     "KEY(path, block))"
     " STRICT, WITHOUT ROWID;"
     "CREATE TABLE minute(minute INTEGER NOT NULL, stream INTEGER NOT NULL, events INTEGER NOT "
     "NULL,"
     " octets INTEGER NOT NULL, PRIMARY KEY(minute, stream)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE tail(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, id_time INTEGER NOT NULL,"
     " stream INTEGER NOT NULL, json TEXT NOT NULL) STRICT;"},
    {2, "facets of runs of blocks",
     "CREATE TABLE run(level INTEGER NOT NULL, first INTEGER NOT NULL, t_min INTEGER NOT NULL,"
     " t_max INTEGER NOT NULL, blocks INTEGER NOT NULL, streams BLOB NOT NULL,"
     " PRIMARY KEY(level, first)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE run_facet(path TEXT NOT NULL, level INTEGER NOT NULL, first INTEGER NOT NULL,"
     " counts BLOB NOT NULL, by_stream BLOB NOT NULL, PRIMARY KEY(path, level, first)) STRICT;"},
}};

/// SQLite integers are signed; the 48 bits of a UUIDv7 fit, "none" is clamped.
std::int64_t clamp_id(std::uint64_t v) {
  constexpr std::uint64_t most = (std::uint64_t{1} << 48) - 1;
  return static_cast<std::int64_t>(std::min(v, most));
}

bool sync_path(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT;
  const bool ok = ::fsync(fd) == 0;
  ::close(fd);
  return ok;
}

}  // namespace

std::span<const sql::Migration> event_file_migrations() { return migrations; }

std::vector<StreamCount> decode_streams(std::string_view encoded) {
  std::vector<StreamCount> out;
  Decoder in(encoded);
  while (in.ok() && in.left() > 0) {
    StreamCount c;
    c.stream = static_cast<StreamId>(in.var());
    c.events = static_cast<std::uint32_t>(in.var());
    if (in.ok()) out.push_back(c);
  }
  return out;
}

std::vector<RunMeta> read_runs(sql::Database& db, std::size_t level, std::uint32_t from,
                               std::uint32_t to) {
  std::vector<RunMeta> out;
  auto s = db.prepare(
      "SELECT first, t_min, t_max, blocks, streams FROM run WHERE level=?1 AND first BETWEEN ?2 "
      "AND ?3 ORDER BY first");
  s.with(static_cast<std::int64_t>(level), std::int64_t{from}, std::int64_t{to});
  while (s.step()) {
    auto& r = out.emplace_back();
    r.level = level;
    r.first = static_cast<std::uint32_t>(s.integer(0));
    r.t_min.us = s.integer(1);
    r.t_max.us = s.integer(2);
    r.blocks = static_cast<std::uint32_t>(s.integer(3));
    Decoder in(s.blob(4));
    while (in.ok() && in.left() > 0) {
      const auto id = static_cast<StreamId>(in.var());
      if (in.ok()) r.streams.push_back(id);
    }
  }
  return out;
}

bool sync_database_files(const std::string& path) {
  return sync_path(path + "-wal") && sync_path(path);
}

void FilePlan::encode(Encoder& out) const {
  out.text(file.event_class);
  out.i64(file.day);
  out.var(streams.size());
  for (const auto& [id, s] : streams) {
    out.var(id);
    out.text(s.site);
    out.text(s.sensor);
    out.text(s.type);
  }
  out.var(minutes.size());
  for (const auto& m : minutes) {
    out.i64(m.minute);
    out.var(m.stream);
    out.var(m.events);
    out.var(m.octets);
  }
  out.u8(clear_tail ? 1 : 0);
  out.var(blocks.size());
  for (const auto& b : blocks) {
    out.u32(b.id);
    out.i64(b.t_min.us);
    out.i64(b.t_max.us);
    out.u64(b.id_min);
    out.u64(b.id_max);
    out.u32(b.events);
    out.u64(b.raw_octets);
    out.var(b.streams.size());
    for (const auto& s : b.streams) {
      out.var(s.stream);
      out.var(s.events);
    }
    out.var(b.facets.size());
    for (const auto& f : b.facets) {
      out.text(f.path);
      out.text(f.data);
    }
    out.text(b.filter);
    out.text(b.body);
  }
  out.var(tail.size());
  for (const auto& t : tail) {
    out.i64(t.time.us);
    out.u64(t.id_time);
    out.var(t.stream);
    out.text(t.json);
  }
  out.u64(events);
  out.u64(octets);
  out.i64(t_min.us);
  out.i64(t_max.us);
}

FilePlan FilePlan::decode(Decoder& in) {
  FilePlan p;
  p.file.event_class = in.copy();
  p.file.day = in.i64();
  p.streams.resize(in.count());
  for (auto& [id, s] : p.streams) {
    id = static_cast<StreamId>(in.var());
    s.site = in.copy();
    s.sensor = in.copy();
    s.type = in.copy();
  }
  p.minutes.resize(in.count());
  for (auto& m : p.minutes) {
    m.minute = in.i64();
    m.stream = static_cast<StreamId>(in.var());
    m.events = in.var();
    m.octets = in.var();
  }
  p.clear_tail = in.u8() != 0;
  p.blocks.resize(in.count());
  for (auto& b : p.blocks) {
    b.id = in.u32();
    b.t_min.us = in.i64();
    b.t_max.us = in.i64();
    b.id_min = in.u64();
    b.id_max = in.u64();
    b.events = in.u32();
    b.raw_octets = in.u64();
    b.streams.resize(in.count());
    for (auto& s : b.streams) {
      s.stream = static_cast<StreamId>(in.var());
      s.events = static_cast<std::uint32_t>(in.var());
    }
    b.facets.resize(in.count());
    for (auto& f : b.facets) {
      f.path = in.copy();
      f.data = in.copy();
    }
    b.filter = in.copy();
    b.body = in.copy();
  }
  p.tail.resize(in.count());
  for (auto& t : p.tail) {
    t.time.us = in.i64();
    t.id_time = in.u64();
    t.stream = static_cast<StreamId>(in.var());
    t.json = in.copy();
  }
  p.events = in.u64();
  p.octets = in.u64();
  p.t_min.us = in.i64();
  p.t_max.us = in.i64();
  return p;
}

Result<std::unique_ptr<EventFile>, sql::Error> EventFile::open(const std::string& path,
                                                               const FileKey& key) {
  // The journal guards what NORMAL could lose; checkpoints are the store's business.
  auto db =
      sql::Database::open(path, {.full_sync = false, .auto_checkpoint = false, .page_size = 8192});
  if (!db) return fail(db.error());
  if (auto done = sql::migrate(**db, "events", migrations); !done)
    return fail(sql::Error{(*db)->failed() ? (*db)->error()->code : 1, done.error().what, path});
  std::unique_ptr<EventFile> f(new EventFile);
  f->db_ = std::move(*db);
  f->key_ = key;
  auto& d = *f->db_;
  d.begin_read();
  {
    auto s = d.prepare("SELECT key, value FROM meta");
    while (s.step()) {
      const auto k = s.text(0);
      const auto v = s.integer(1);
      if (k == "applied") f->applied_ = static_cast<std::uint64_t>(v);
      if (k == "events") f->events_ = static_cast<std::uint64_t>(v);
      if (k == "octets") f->octets_ = static_cast<std::uint64_t>(v);
      if (k == "t_min") f->t_min_.us = v;
      if (k == "t_max") f->t_max_.us = v;
    }
  }
  {
    auto s = d.prepare("SELECT id, site, sensor, type FROM stream");
    while (s.step()) {
      const auto id = static_cast<StreamId>(s.integer(0));
      f->streams_.emplace(StreamKey(s.copy(1), s.copy(2), s.copy(3)), id);
      f->next_stream_ = std::max(f->next_stream_, id + 1);
    }
  }
  {
    auto s = d.prepare("SELECT coalesce(max(id),0) FROM block");
    if (s.step()) f->next_block_ = static_cast<std::uint32_t>(s.integer(0)) + 1;
  }
  for (std::size_t level = 0; level < run_blocks.size(); ++level) {
    auto s = d.prepare("SELECT count(*) FROM run WHERE level=?1");
    s.bind(static_cast<std::int64_t>(level));
    if (s.step() && s.integer(0) < std::int64_t{f->next_block_ / run_blocks[level]})
      f->may_lack_runs_ = true;
  }
  {
    auto s = d.prepare("SELECT time, id_time, stream, json FROM tail ORDER BY id");
    while (s.step()) {
      f->tail_.push_back({s.copy(3),
                          {s.integer(0)},
                          static_cast<std::uint64_t>(s.integer(1)),
                          static_cast<StreamId>(s.integer(2))});
      f->tail_octets_ += f->tail_.back().json.size();
    }
  }
  if (auto done = d.commit(); !done) return fail(done.error());
  return f;
}

FilePlan EventFile::plan(std::vector<NewEvent>& events, const FileLimits& limits,
                         BlockBuilder& builder) const {
  FilePlan p;
  p.file = key_;
  p.t_min = {INT64_MAX};
  p.t_max = {INT64_MIN};
  p.events = events.size();
  std::stable_sort(events.begin(), events.end(),
                   [](const NewEvent& a, const NewEvent& b) { return a.time < b.time; });

  std::map<StreamKey, StreamId> used;
  auto next_stream = next_stream_;
  std::map<std::pair<std::int64_t, StreamId>, MinuteCount> minutes;
  std::vector<EventRef> refs;
  refs.reserve(tail_.size() + events.size());
  // Events of one sensor come in runs, so the last stream found is usually the next one.
  const NewEvent* last = nullptr;
  StreamId last_stream = 0;
  MinuteCount* last_minute = nullptr;
  std::size_t new_octets = 0;
  for (const auto& e : events) {
    const bool same = last != nullptr && *last->type == *e.type && *last->sensor == *e.sensor &&
                      *last->site == *e.site;
    if (!same) {
      const StreamKey k(*e.site, *e.sensor, *e.type);
      const auto [at, first_use] = used.try_emplace(k);
      if (first_use) {
        const auto it = streams_.find(k);
        at->second = it != streams_.end() ? it->second : next_stream++;
        p.streams.emplace_back(at->second, StreamName{*e.site, *e.sensor, *e.type});
      }
      last_stream = at->second;
    }
    last = &e;
    const auto minute = Timestamp{e.time.us}.seconds() / 60 - (e.time.seconds() % 60 < 0 ? 1 : 0);
    if (last_minute == nullptr || last_minute->minute != minute ||
        last_minute->stream != last_stream) {
      last_minute = &minutes[{minute, last_stream}];
      last_minute->minute = minute;
      last_minute->stream = last_stream;
    }
    ++last_minute->events;
    last_minute->octets += e.json->size();
    new_octets += e.json->size();
    p.t_min = std::min(p.t_min, e.time);
    p.t_max = std::max(p.t_max, e.time);
    refs.push_back({*e.json, e.time, e.id_time, last_stream});
  }
  p.octets = new_octets;
  p.minutes.reserve(minutes.size());
  for (const auto& [k, m] : minutes) p.minutes.push_back(m);

  const auto total = refs.size() + tail_.size();
  const bool seal =
      total >= limits.block_events / 2 || new_octets + tail_octets_ >= limits.block_octets / 2;
  if (!seal) {
    p.tail.reserve(refs.size());
    for (const auto& r : refs) p.tail.push_back({std::string(r.json), r.time, r.id_time, r.stream});
    return p;
  }
  if (!tail_.empty()) {
    p.clear_tail = true;
    std::map<StreamId, const StreamKey*> names;
    for (const auto& [k, id] : streams_) names.emplace(id, &k);
    for (const auto& t : tail_) {
      const auto it = names.find(t.stream);
      if (it == names.end() || !used.try_emplace(*it->second, t.stream).second) continue;
      const auto& [site, sensor, type] = *it->second;
      p.streams.emplace_back(t.stream, StreamName{site, sensor, type});
    }
    for (const auto& t : tail_) refs.push_back({t.json, t.time, t.id_time, t.stream});
    std::stable_sort(refs.begin(), refs.end(),
                     [](const EventRef& a, const EventRef& b) { return a.time < b.time; });
  }
  const auto count =
      std::max<std::size_t>(1, (total + limits.block_events - 1) / limits.block_events);
  const auto each = (total + count - 1) / count;
  auto next = next_block_;
  for (std::size_t at = 0; at < refs.size();) {
    std::size_t n = 0;
    std::size_t octets = 0;
    while (at + n < refs.size() && n < each &&
           (n == 0 || octets + refs[at + n].json.size() <= limits.block_octets)) {
      octets += refs[at + n].json.size();
      ++n;
    }
    p.blocks.push_back(builder.build(next++, refs.data() + at, n));
    at += n;
  }
  return p;
}

Result<void, sql::Error> EventFile::apply(const FilePlan& p, std::uint64_t number) {
  if (number <= applied_) return {};
  auto& d = *db_;
  d.begin();
  for (const auto& [id, s] : p.streams)
    d.prepare("INSERT OR IGNORE INTO stream(id, site, sensor, type) VALUES(?1,?2,?3,?4)")
        .with(std::int64_t{id}, s.site, s.sensor, s.type)
        .run();
  for (const auto& m : p.minutes)
    d.prepare(
         "INSERT INTO minute VALUES(?1,?2,?3,?4) ON CONFLICT DO UPDATE SET "
         "events=events+excluded.events,"
         " octets=octets+excluded.octets")
        .with(m.minute, std::int64_t{m.stream}, static_cast<std::int64_t>(m.events),
              static_cast<std::int64_t>(m.octets))
        .run();
  if (p.clear_tail) d.prepare("DELETE FROM tail").run();
  for (const auto& b : p.blocks) {
    Encoder streams;
    for (const auto& s : b.streams) {
      streams.var(s.stream);
      streams.var(s.events);
    }
    const std::int64_t id = b.id;
    d.prepare("INSERT INTO block VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")
        .with(id, b.t_min.us, b.t_max.us, clamp_id(b.id_min), clamp_id(b.id_max),
              std::int64_t{b.events}, static_cast<std::int64_t>(b.raw_octets))
        .bind_blob(streams.out())
        .run();
    d.prepare("INSERT INTO block_body VALUES(?1,?2)").bind(id).bind_blob_borrowed(b.body).run();
    d.prepare("INSERT INTO block_filter VALUES(?1,?2)").bind(id).bind_blob_borrowed(b.filter).run();
    for (const auto& f : b.facets)
      d.prepare("INSERT INTO facet VALUES(?1,?2,?3)")
          .with(f.path, id)
          .bind_blob_borrowed(f.data)
          .run();
    for (std::size_t level = 0; level < run_blocks.size(); ++level) {
      if ((b.id + 1) % run_blocks[level] != 0) break;
      std::vector<std::string> paths;
      for (const auto& f : b.facets)
        if (f.path != columns_path) paths.push_back(f.path);
      roll_up(level, b.id + 1 - run_blocks[level], paths);
    }
  }
  for (const auto& t : p.tail)
    d.prepare("INSERT INTO tail(time, id_time, stream, json) VALUES(?1,?2,?3,?4)")
        .with(t.time.us, clamp_id(t.id_time), std::int64_t{t.stream})
        .bind_borrowed(t.json)
        .run();
  const auto t_min = p.events > 0 ? std::min(t_min_, p.t_min) : t_min_;
  const auto t_max = p.events > 0 ? std::max(t_max_, p.t_max) : t_max_;
  const auto meta = [&d](std::string_view key, std::int64_t value) {
    d.prepare("INSERT INTO meta VALUES(?1,?2) ON CONFLICT DO UPDATE SET value=excluded.value")
        .with(key, value)
        .run();
  };
  meta("applied", static_cast<std::int64_t>(number));
  meta("events", static_cast<std::int64_t>(events_ + p.events));
  meta("octets", static_cast<std::int64_t>(octets_ + p.octets));
  meta("t_min", t_min.us);
  meta("t_max", t_max.us);
  if (auto done = d.commit(); !done) return fail(done.error());

  applied_ = number;
  events_ += p.events;
  octets_ += p.octets;
  t_min_ = t_min;
  t_max_ = t_max;
  for (const auto& [id, s] : p.streams) {
    streams_.emplace(StreamKey(s.site, s.sensor, s.type), id);
    next_stream_ = std::max(next_stream_, id + 1);
  }
  if (p.clear_tail) {
    tail_.clear();
    tail_octets_ = 0;
  }
  for (const auto& t : p.tail) {
    tail_.push_back(t);
    tail_octets_ += t.json.size();
  }
  for (const auto& b : p.blocks) next_block_ = std::max(next_block_, b.id + 1);
  return {};
}

bool EventFile::roll_up(std::size_t level, std::uint32_t first,
                        const std::vector<std::string>& paths) {
  auto& d = *db_;
  RunMeta run{level, first, {INT64_MAX}, {INT64_MIN}, 0, {}};
  std::vector<std::uint32_t> blocks;  // what it is made of: blocks, or runs of the level below
  std::vector<RunMeta> runs;
  std::set<StreamId> streams;
  const auto cover = [&](Timestamp t_min, Timestamp t_max) {
    run.t_min = std::min(run.t_min, t_min);
    run.t_max = std::max(run.t_max, t_max);
  };
  if (level == 0) {
    auto s = d.prepare("SELECT id, t_min, t_max, streams FROM block WHERE id BETWEEN ?1 AND ?2");
    s.with(std::int64_t{run.first}, std::int64_t{run.last()});
    while (s.step()) {
      blocks.push_back(static_cast<std::uint32_t>(s.integer(0)));
      cover({s.integer(1)}, {s.integer(2)});
      for (const auto& c : decode_streams(s.blob(3))) streams.insert(c.stream);
    }
    run.blocks = static_cast<std::uint32_t>(blocks.size());
    if (blocks.empty()) return false;
  } else {
    runs = read_runs(d, level - 1, run.first, run.last());
    for (const auto& r : runs) {
      cover(r.t_min, r.t_max);
      run.blocks += r.blocks;
      streams.insert(r.streams.begin(), r.streams.end());
    }
    // In a file that an older program began some blocks have no run.
    auto s = d.prepare("SELECT count(*) FROM block WHERE id BETWEEN ?1 AND ?2");
    s.with(std::int64_t{run.first}, std::int64_t{run.last()});
    if (!s.step() || runs.empty() || s.integer(0) != std::int64_t{run.blocks}) return false;
  }
  Encoder ids;
  for (const auto id : streams) ids.var(id);
  d.prepare("INSERT INTO run VALUES(?1,?2,?3,?4,?5,?6)")
      .with(static_cast<std::int64_t>(level), std::int64_t{run.first}, run.t_min.us, run.t_max.us,
            std::int64_t{run.blocks})
      .bind_blob(ids.out())
      .run();
  for (const auto& path : paths) {
    const auto row =
        level == 0 ? roll_up_blocks(path, blocks) : roll_up_runs(path, level - 1, runs);
    if (!row) continue;
    d.prepare("INSERT INTO run_facet VALUES(?1,?2,?3,?4,?5)")
        .with(path, static_cast<std::int64_t>(level), std::int64_t{run.first})
        .bind_blob_borrowed(row->counts)
        .bind_blob_borrowed(row->by_stream)
        .run();
  }
  return true;
}

std::optional<RunFacetRow> EventFile::roll_up_blocks(std::string_view path,
                                                     const std::vector<std::uint32_t>& blocks) {
  RunFacetBuilder builder;
  auto s = db_->prepare(
      "SELECT block, data FROM facet WHERE path=?1 AND block BETWEEN ?2 AND ?3 ORDER BY block");
  s.with(path, std::int64_t{blocks.front()}, std::int64_t{blocks.back()});
  auto at = blocks.begin();
  while (s.step()) {
    const auto block = static_cast<std::uint32_t>(s.integer(0));
    for (; at != blocks.end() && *at < block; ++at) builder.add_block(*at, {});
    if (at == blocks.end() || *at != block) continue;
    builder.add_block(block, s.blob(1));
    ++at;
  }
  for (; at != blocks.end(); ++at) builder.add_block(*at, {});
  return builder.finish();
}

std::optional<RunFacetRow> EventFile::roll_up_runs(std::string_view path, std::size_t level,
                                                   const std::vector<RunMeta>& runs) {
  RunFacetBuilder builder;
  auto s = db_->prepare(
      "SELECT first, counts, by_stream FROM run_facet WHERE path=?1 AND level=?2 AND first BETWEEN "
      "?3 AND ?4 ORDER BY first");
  s.with(path, static_cast<std::int64_t>(level), std::int64_t{runs.front().first},
         std::int64_t{runs.back().first});
  auto at = runs.begin();
  for (; s.step(); ++at) {
    if (at == runs.end() || std::int64_t{at->first} != s.integer(0)) return {};
    builder.add_run(at->blocks, s.blob(1), s.blob(2));
  }
  if (at != runs.end()) return {};  // one of them saved too little
  return builder.finish();
}

Result<void, sql::Error> EventFile::add_lacking_run() {
  auto& d = *db_;
  d.begin();
  std::optional<std::pair<std::size_t, std::uint32_t>> lacking;
  for (std::size_t level = 0; level < run_blocks.size() && !lacking; ++level) {
    const std::int64_t size = run_blocks[level];
    auto s = d.prepare(
        "SELECT id/?1*?1 AS at FROM block WHERE id<?2/?1*?1 EXCEPT SELECT first FROM run WHERE "
        "level=?3 ORDER BY at DESC LIMIT 1");
    s.with(size, std::int64_t{next_block_}, static_cast<std::int64_t>(level));
    if (s.step()) lacking.emplace(level, static_cast<std::uint32_t>(s.integer(0)));
  }
  bool made = false;
  if (lacking) {
    std::vector<std::string> paths;
    auto s = d.prepare(
        "WITH RECURSIVE p(path) AS (SELECT min(path) FROM facet UNION ALL SELECT (SELECT "
        "min(facet.path) FROM facet WHERE facet.path>p.path) FROM p WHERE p.path IS NOT NULL) "
        "SELECT path FROM p WHERE path IS NOT NULL AND path<>?1");
    s.bind(columns_path);
    while (s.step()) paths.push_back(s.copy(0));
    s.reset();
    made = roll_up(lacking->first, lacking->second, paths);
  }
  if (auto done = d.commit(); !done) return fail(done.error());
  may_lack_runs_ = made;
  return {};
}

bool EventFile::sync() { return db_->checkpoint(false) || sync_database_files(db_->path()); }

}  // namespace ww::collector
