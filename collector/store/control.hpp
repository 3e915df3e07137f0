#pragma once
/// The control database (control.db): the small, precious rows. Cursors, gaps, dead letters,
/// alerts, incidents, detection state, tokens. Each part of the collector brings its own tables
/// (migrations) as a ControlModule.
///
/// Two ways in:
///  - what detection and ingest found travels as ControlRecords inside a Store::commit, so the
///  journal makes it
///    durable together with the events; a module's `apply` turns the record into rows, exactly
///    once.
///  - what a person or the API does is a write() of its own, durable (synchronous=FULL) when it
///  returns.
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/store/sqlite.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {

/// Something to write into the control database within a commit. `module` names who reads the
/// payload.
struct ControlRecord {
  std::string module;
  std::string payload;
};

struct ControlModule {
  std::string name;
  std::vector<sql::Migration> migrations;
  /// Writes rows inside the open transaction. Called with each record of this module in order, once
  /// for every durable commit (also during recovery at start-up). Must not fail on a payload: skip
  /// and count.
  std::function<void(sql::Database&, std::string_view payload)> apply;
  /// The transaction that held the last apply() calls is committed (or was rolled back: `committed`
  /// is false).
  std::function<void(bool committed)> done;
};

class ControlDb {
 public:
  virtual ~ControlDb() = default;
  /// Runs `body` in a durable transaction; serialised with all other writers. Any thread.
  [[nodiscard]] virtual Result<void, Problem> write(
      const std::function<void(sql::Database&)>& body) = 0;
  /// Runs `body` on a read snapshot. Any thread; readers do not wait for writers.
  [[nodiscard]] virtual Result<void, Problem> read(
      const std::function<void(sql::Database&)>& body) const = 0;
  /// Adds a module's tables after open() (for modules without `apply`, such as identity).
  [[nodiscard]] virtual Result<void, Problem> add_tables(std::string_view module,
                                                         std::span<const sql::Migration> steps) = 0;
};

}  // namespace ww::collector
