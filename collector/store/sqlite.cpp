#include "collector/store/sqlite.hpp"

#include <sqlite3.h>

#include <cerrno>

#include "telemetry/clock.hpp"

namespace ww::collector::sql {

bool Error::full() const {
  const int primary = code & 0xff;
  if (primary == SQLITE_FULL || primary == SQLITE_READONLY) return true;
  return primary == SQLITE_IOERR && text.find("disk full") != std::string::npos;
}
bool Error::corrupt() const {
  const int primary = code & 0xff;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}
bool Error::busy() const {
  const int primary = code & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
}
Problem Error::problem() const {
  std::string remedy = "look at the disk and the system log";
  if (full())
    remedy = "free space on the disk or lower the retention limits";
  else if (corrupt())
    remedy = "the file is damaged: restore it, or move it away to go on without it";
  else if (busy())
    remedy = "another process holds the file; stop it";
  else if ((code & 0xff) == SQLITE_CANTOPEN)
    remedy = "check that the folder exists and that this user may write to it";
  return {text, file, remedy};
}

// --- Statement

Statement& Statement::bind(std::int64_t v) {
  if (s_ != nullptr) sqlite3_bind_int64(s_, ++at_, v);
  return *this;
}
Statement& Statement::bind(double v) {
  if (s_ != nullptr) sqlite3_bind_double(s_, ++at_, v);
  return *this;
}
Statement& Statement::bind(std::string_view v) {
  // A null pointer would bind NULL; an empty view is an empty text.
  if (s_ != nullptr)
    sqlite3_bind_text64(s_, ++at_, v.data() == nullptr ? "" : v.data(), v.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
  return *this;
}
Statement& Statement::bind(std::nullptr_t) {
  if (s_ != nullptr) sqlite3_bind_null(s_, ++at_);
  return *this;
}
Statement& Statement::bind_blob(std::string_view octets) {
  if (s_ != nullptr)
    sqlite3_bind_blob64(s_, ++at_, octets.data() == nullptr ? "" : octets.data(), octets.size(),
                        SQLITE_TRANSIENT);
  return *this;
}
Statement& Statement::bind_borrowed(std::string_view v) {
  if (s_ != nullptr)
    sqlite3_bind_text64(s_, ++at_, v.data() == nullptr ? "" : v.data(), v.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  return *this;
}
Statement& Statement::bind_blob_borrowed(std::string_view octets) {
  if (s_ != nullptr)
    sqlite3_bind_blob64(s_, ++at_, octets.data() == nullptr ? "" : octets.data(), octets.size(),
                        SQLITE_STATIC);
  return *this;
}

bool Statement::step() {
  if (s_ == nullptr || db_->failed()) return false;
  const int rc = sqlite3_step(s_);
  if (rc == SQLITE_ROW) return true;
  if (rc != SQLITE_DONE) db_->fail(sqlite3_extended_errcode(db_->handle()), sqlite3_sql(s_));
  return false;
}
void Statement::run() {
  while (step()) {
  }
  reset();
}
void Statement::reset() {
  if (s_ != nullptr) {
    sqlite3_reset(s_);
    sqlite3_clear_bindings(s_);
  }
  at_ = 0;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(s_, column); }
double Statement::real(int column) const { return sqlite3_column_double(s_, column); }
std::string_view Statement::text(int column) const {
  const auto* p = static_cast<const char*>(sqlite3_column_blob(s_, column));
  if (p == nullptr) return {};
  return {p, static_cast<std::size_t>(sqlite3_column_bytes(s_, column))};
}
bool Statement::is_null(int column) const { return sqlite3_column_type(s_, column) == SQLITE_NULL; }

// --- Database

Result<std::unique_ptr<Database>, Error> Database::open(const std::string& path,
                                                        const OpenOptions& options) {
  std::unique_ptr<Database> db(new Database);
  db->path_ = path;
  const int flags =
      (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
      SQLITE_OPEN_NOMUTEX;
  const int rc = sqlite3_open_v2(path.c_str(), &db->db_, flags, nullptr);
  if (rc != SQLITE_OK) {
    Error error{rc, db->db_ != nullptr ? sqlite3_errmsg(db->db_) : "cannot open", path};
    return ww::fail(std::move(error));
  }
  sqlite3_extended_result_codes(db->db_, 1);
  sqlite3_busy_timeout(db->db_, 10'000);
  std::string setup;
  if (!options.read_only)
    setup =
        "PRAGMA page_size=" + std::to_string(options.page_size) +
        ";PRAGMA journal_mode=WAL;PRAGMA synchronous=" + (options.full_sync ? "FULL" : "NORMAL") +
        ";";
  setup +=
      "PRAGMA cache_size=-" + std::to_string(options.cache_kib) +
      // No memory map: a file that a failing disk cuts short would end the process with SIGBUS.
      ";PRAGMA foreign_keys=ON;PRAGMA temp_store=MEMORY;PRAGMA mmap_size=0;";
  if (!options.auto_checkpoint) setup += "PRAGMA wal_autocheckpoint=0;";
  db->exec(setup);
  // Reading the schema finds a file that is not a database at all.
  db->exec("SELECT count(*) FROM sqlite_schema");
  if (db->failed()) {
    Error error = *db->error();
    return ww::fail(std::move(error));
  }
  return db;
}

Database::~Database() {
  for (auto& [text, statement] : prepared_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

void Database::fail(int code, std::string_view context) {
  if (error_) return;
  std::string text = sqlite3_errstr(code);
  const char* detail = sqlite3_errmsg(db_);
  if (detail != nullptr && text != detail) text += std::string(": ") + detail;
  if ((code & 0xff) == SQLITE_IOERR && sqlite3_system_errno(db_) == ENOSPC) text += " (disk full)";
  constexpr std::size_t shown = 60;
  if (!context.empty()) text += " in '" + std::string(context.substr(0, shown)) + "'";
  error_ = Error{code, std::move(text), path_};
}

Statement Database::prepare(std::string_view sql) {
  if (failed()) return {};
  if (const auto it = prepared_.find(sql); it != prepared_.end()) {
    sqlite3_reset(it->second);
    return {this, it->second};
  }
  sqlite3_stmt* s = nullptr;
  const int rc = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &s, nullptr);
  if (rc != SQLITE_OK) {
    fail(sqlite3_extended_errcode(db_), sql);
    return {};
  }
  prepared_.emplace(sql, s);
  return {this, s};
}

OwnedStatement Database::prepare_once(const std::string& sql) {
  if (failed()) return OwnedStatement(this, nullptr);
  sqlite3_stmt* s = nullptr;
  const int rc = sqlite3_prepare_v2(db_, sql.c_str(), static_cast<int>(sql.size()), &s, nullptr);
  if (rc != SQLITE_OK) fail(sqlite3_extended_errcode(db_), sql);
  return OwnedStatement(this, s);
}

OwnedStatement::~OwnedStatement() {
  sqlite3_stmt* s = s_;
  s_ = nullptr;
  sqlite3_finalize(s);
}

void Database::exec(const std::string& sql) {
  if (failed()) return;
  const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) fail(sqlite3_extended_errcode(db_), sql);
}

void Database::begin() {
  error_.reset();
  prepare("BEGIN IMMEDIATE").run();
}
void Database::begin_read() {
  error_.reset();
  prepare("BEGIN DEFERRED").run();
}
Result<void, Error> Database::commit() {
  if (!failed()) prepare("COMMIT").run();
  if (!failed()) return {};
  Error error = *error_;
  rollback();
  return ww::fail(std::move(error));
}
void Database::rollback() {
  error_.reset();
  if (sqlite3_get_autocommit(db_) == 0) exec("ROLLBACK");
  error_.reset();
}

std::int64_t Database::changes() const { return sqlite3_changes64(db_); }
std::int64_t Database::last_row() const { return sqlite3_last_insert_rowid(db_); }

bool Database::checkpoint(bool truncate) {
  int frames = 0;
  int done = 0;
  const int rc = sqlite3_wal_checkpoint_v2(
      db_, nullptr, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &frames,
      &done);
  return rc == SQLITE_OK && frames == done;
}

// --- migrations

int schema_version(Database& db, std::string_view component) {
  auto s = db.prepare("SELECT coalesce(max(version),0) FROM migration WHERE component=?1");
  s.bind(component);
  return s.step() ? static_cast<int>(s.integer(0)) : 0;
}

Result<void, Problem> migrate(Database& db, std::string_view component,
                              std::span<const Migration> steps) {
  const auto refuse = [&](std::string what, std::string remedy) {
    return ww::fail(Problem{std::move(what), db.path(), std::move(remedy)});
  };
  db.begin();
  db.exec(
      "CREATE TABLE IF NOT EXISTS migration(component TEXT NOT NULL, version INTEGER NOT NULL, "
      "name TEXT NOT NULL,"
      " applied TEXT NOT NULL, PRIMARY KEY(component, version)) STRICT, WITHOUT ROWID");
  const int now = schema_version(db, component);
  if (const auto done = db.commit(); !done) return ww::fail(done.error().problem());
  const int newest = steps.empty() ? 0 : steps.back().version;
  if (now > newest)
    return refuse("tables of '" + std::string(component) + "' have version " + std::to_string(now) +
                      ", this program knows up to " + std::to_string(newest),
                  "start the newer program, or restore the copy made before the upgrade");
  for (const auto& step : steps) {
    if (step.version <= now) continue;
    db.begin();
    db.exec(std::string(step.sql));
    db.prepare("INSERT INTO migration VALUES(?1,?2,?3,?4)")
        .with(component, std::int64_t{step.version}, step.name, rfc3339(SystemClock().now()))
        .run();
    if (const auto done = db.commit(); !done) {
      auto problem = done.error().problem();
      problem.what = "migration " + std::string(component) + "/" + std::to_string(step.version) +
                     " (" + std::string(step.name) + "): " + problem.what;
      return ww::fail(std::move(problem));
    }
  }
  return {};
}

}  // namespace ww::collector::sql
