#pragma once
/// A thin owner of SQLite handles for everything in the collector that keeps rows: the store,
/// alerts, identity.
///
/// Errors latch, as in ByteReader: after the first failure every call on the database is a no-op,
/// and the transaction's commit() rolls back and returns that failure. So a block of statements
/// needs one test. Threads: one connection belongs to one thread at a time; nothing here locks.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace ww::collector::sql {

struct Error {
  int code = 0;  ///< SQLite's extended result code
  std::string text;
  std::string file;
  [[nodiscard]] bool full() const;     ///< no room: the disk, a quota, or a read-only disk
  [[nodiscard]] bool corrupt() const;  ///< not a database, or damaged
  [[nodiscard]] bool busy() const;
  /// For people: what happened to which file and what to do.
  [[nodiscard]] Problem problem() const;
};

struct OpenOptions {
  bool read_only = false;
  bool full_sync = true;  ///< false: synchronous=NORMAL (somebody else guards the last commits)
  bool auto_checkpoint = true;     ///< false: the owner calls checkpoint()
  std::uint32_t page_size = 4096;  ///< for a new file
  std::uint32_t cache_kib = 2048;
};

class Database;

/// A prepared statement, borrowed from its database. reset() on destruction, so `auto s =
/// db.prepare(..)` is enough.
class Statement {
 public:
  Statement() = default;
  Statement(Database* db, sqlite3_stmt* s) : db_(db), s_(s) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement(Statement&& o) noexcept : db_(o.db_), s_(std::exchange(o.s_, nullptr)), at_(o.at_) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() { reset(); }

  /// Binds the next parameter, from 1 up. Text and blobs are copied unless bind_borrowed is used.
  Statement& bind(std::int64_t v);
  Statement& bind(double v);
  Statement& bind(std::string_view v);
  Statement& bind(const char* v) { return bind(std::string_view(v)); }
  Statement& bind(const std::string& v) { return bind(std::string_view(v)); }
  Statement& bind(std::nullptr_t);
  Statement& bind_blob(std::string_view octets);
  /// As bind / bind_blob, but `octets` must stay where they are until the statement is stepped and
  /// reset.
  Statement& bind_borrowed(std::string_view octets);
  Statement& bind_blob_borrowed(std::string_view octets);
  template <class... V>
  Statement& with(V&&... v) {
    (bind(std::forward<V>(v)), ...);
    return *this;
  }

  /// True while there is a row. False at the end or after an error (ask the database).
  bool step();
  /// Runs to the end and resets, ready for other values.
  void run();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  /// Valid until the next step or reset.
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string_view blob(int column) const { return text(column); }
  [[nodiscard]] std::string copy(int column) const { return std::string(text(column)); }
  [[nodiscard]] bool is_null(int column) const;
  /// Copies the row's columns into `to`, in order from the first; a null empties an optional.
  template <class... V>
  void into(V&... to) const {
    int column = 0;
    (get(column++, to), ...);
  }

 private:
  void get(int column, std::string& to) const { to = text(column); }
  void get(int column, std::string_view& to) const { to = text(column); }
  void get(int column, std::int64_t& to) const { to = integer(column); }
  void get(int column, std::uint64_t& to) const {
    to = static_cast<std::uint64_t>(integer(column));
  }
  void get(int column, bool& to) const { to = integer(column) != 0; }
  void get(int column, double& to) const { to = real(column); }
  template <class T>
  void get(int column, std::optional<T>& to) const {
    if (is_null(column))
      to.reset();
    else
      get(column, to.emplace());
  }

 protected:
  Database* db_ = nullptr;
  sqlite3_stmt* s_ = nullptr;
  int at_ = 0;
};

/// A statement of its own, for text built at run time (filters); finalised on destruction.
class OwnedStatement : public Statement {
 public:
  OwnedStatement(Database* db, sqlite3_stmt* s) : Statement(db, s) {}
  OwnedStatement(OwnedStatement&&) noexcept = default;
  ~OwnedStatement();
};

class Database {
 public:
  /// Opens or makes a WAL database.
  [[nodiscard]] static Result<std::unique_ptr<Database>, Error> open(const std::string& path,
                                                                     const OpenOptions& options);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// A statement kept prepared under its text. `sql` must outlive the database (a literal).
  [[nodiscard]] Statement prepare(std::string_view sql);
  /// A statement for text built at run time.
  [[nodiscard]] OwnedStatement prepare_once(const std::string& sql);
  void exec(const std::string& sql);

  void begin();       ///< BEGIN IMMEDIATE; forgets an earlier error
  void begin_read();  ///< BEGIN DEFERRED
  [[nodiscard]] Result<void, Error> commit();
  void rollback();
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  void forget_error() { error_.reset(); }
  void fail(int code, std::string_view context);

  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_row() const;
  /// Moves the WAL into the database file; true when all of it went (no reader held it back).
  bool checkpoint(bool truncate);
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] sqlite3* handle() const { return db_; }

 private:
  friend class Statement;
  Database() = default;
  sqlite3* db_ = nullptr;
  std::string path_;
  std::map<std::string_view, sqlite3_stmt*> prepared_;
  std::optional<Error> error_;
};

/// One step of a schema. Steps are never changed once they shipped; a new one is appended.
struct Migration {
  int version;
  std::string_view name;
  std::string_view sql;
};
/// Brings the tables of one component to the newest version, each step in a transaction of its own.
/// A database written by a newer program is refused.
[[nodiscard]] Result<void, Problem> migrate(Database& db, std::string_view component,
                                            std::span<const Migration> steps);
[[nodiscard]] int schema_version(Database& db, std::string_view component);

}  // namespace ww::collector::sql
