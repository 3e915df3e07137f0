#include "collector/store/event_reader.hpp"

#include <algorithm>

#include "collector/store/codec.hpp"

namespace ww::collector {

Result<std::unique_ptr<sql::Database>, sql::Error> ReaderPool::take(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(idle_.rbegin(), idle_.rend(),
                                 [&](const auto& db) { return db->path() == path; });
    if (it != idle_.rend()) {
      auto db = std::move(*it);
      idle_.erase(std::next(it).base());
      return db;
    }
  }
  return sql::Database::open(path, {.read_only = true, .cache_kib = 1024});
}

void ReaderPool::give(std::unique_ptr<sql::Database> db) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(db));
  if (idle_.size() > max_idle_) idle_.erase(idle_.begin());
}

void ReaderPool::forget(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::erase_if(idle_, [&](const auto& db) { return db->path() == path; });
}

Result<std::shared_ptr<FileReader>, sql::Error> FileReader::open(ReaderPool& pool,
                                                                 const std::string& path) {
  auto db = pool.take(path);
  if (!db) return fail(db.error());
  std::shared_ptr<FileReader> r(new FileReader);
  r->pool_ = &pool;
  r->db_ = std::move(*db);
  r->db_->begin_read();
  {
    auto s = r->db_->prepare("SELECT id, site, sensor, type FROM stream");
    while (s.step())
      r->streams_.emplace(static_cast<StreamId>(s.integer(0)),
                          StreamName{s.copy(1), s.copy(2), s.copy(3)});
  }
  if (r->db_->failed()) {
    auto error = *r->db_->error();
    r->db_->rollback();
    r->pool_ = nullptr;  // a damaged file's connection is not worth keeping
    return fail(std::move(error));
  }
  return r;
}

FileReader::~FileReader() {
  const bool bad = db_->failed();
  db_->rollback();
  if (pool_ != nullptr && !bad) pool_->give(std::move(db_));
}

std::vector<BlockMeta> FileReader::blocks(Timestamp from, Timestamp to, std::uint32_t first,
                                          std::uint32_t last) {
  std::vector<BlockMeta> out;
  auto s = db_->prepare(
      "SELECT id, t_min, t_max, id_min, id_max, events, raw_octets, streams FROM block WHERE "
      "t_max>=?1 AND t_min<?2 AND id BETWEEN ?3 AND ?4");
  s.with(from.us, to.us, std::int64_t{first}, std::int64_t{last});
  while (s.step()) {
    auto& b = out.emplace_back();
    b.id = static_cast<std::uint32_t>(s.integer(0));
    b.t_min.us = s.integer(1);
    b.t_max.us = s.integer(2);
    b.id_min = static_cast<std::uint64_t>(s.integer(3));
    b.id_max = static_cast<std::uint64_t>(s.integer(4));
    b.events = static_cast<std::uint32_t>(s.integer(5));
    b.raw_octets = static_cast<std::uint64_t>(s.integer(6));
    b.streams = decode_streams(s.blob(7));
  }
  return out;
}

std::vector<RunMeta> FileReader::runs(std::size_t level, Timestamp from, Timestamp to,
                                      std::uint32_t first, std::uint32_t last) {
  auto out = read_runs(*db_, level, first, last);
  std::erase_if(out, [&](const RunMeta& r) { return r.t_min < from || !(r.t_max < to); });
  return out;
}

std::optional<RunFacetRow> FileReader::run_facet(std::string_view path, const RunMeta& run,
                                                 bool by_stream) {
  auto s = db_->prepare(
      "SELECT counts, CASE WHEN ?4 THEN by_stream END FROM run_facet WHERE path=?1 AND level=?2 "
      "AND "
      "first=?3");
  s.with(path, static_cast<std::int64_t>(run.level), std::int64_t{run.first},
         std::int64_t{by_stream ? 1 : 0});
  if (!s.step()) return {};
  return RunFacetRow{s.copy(0), s.copy(1)};
}

std::vector<TailEvent> FileReader::tail(Timestamp from, Timestamp to) {
  std::vector<TailEvent> out;
  auto s = db_->prepare("SELECT time, id_time, stream, json FROM tail WHERE time>=?1 AND time<?2");
  s.with(from.us, to.us);
  while (s.step())
    out.push_back({s.copy(3),
                   {s.integer(0)},
                   static_cast<std::uint64_t>(s.integer(1)),
                   static_cast<StreamId>(s.integer(2))});
  return out;
}

std::string_view FileReader::filter(std::uint32_t block) {
  auto s = db_->prepare("SELECT filter FROM block_filter WHERE id=?1");
  s.bind(std::int64_t{block});
  filter_ = s.step() ? s.copy(0) : std::string();
  return filter_;
}

std::string_view FileReader::body(std::uint32_t block) {
  auto s = db_->prepare("SELECT body FROM block_body WHERE id=?1");
  s.bind(std::int64_t{block});
  body_ = s.step() ? s.copy(0) : std::string();
  return body_;
}

std::optional<std::string_view> FileReader::facet(std::string_view path, std::uint32_t block) {
  auto s = db_->prepare("SELECT data FROM facet WHERE path=?1 AND block=?2");
  s.bind(path).bind(std::int64_t{block});
  if (!s.step()) return {};
  facet_ = s.copy(0);
  return facet_;
}

std::vector<MinuteCount> FileReader::minutes(std::int64_t from, std::int64_t to) {
  std::vector<MinuteCount> out;
  auto s = db_->prepare(
      "SELECT minute, stream, events, octets FROM minute WHERE minute>=?1 AND minute<?2");
  s.with(from, to);
  while (s.step())
    out.push_back({s.integer(0), static_cast<StreamId>(s.integer(1)),
                   static_cast<std::uint64_t>(s.integer(2)),
                   static_cast<std::uint64_t>(s.integer(3))});
  return out;
}

}  // namespace ww::collector
