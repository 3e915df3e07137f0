#pragma once
/// The tables of backups in memory: nothing is left on a disk, however a run ends.
#include <cstdlib>
#include <memory>

#include "collector/backup/tables.hpp"

namespace ww::collector {

inline std::unique_ptr<sql::Database> make_backup_database() {
  auto db = sql::Database::open(":memory:", {});
  if (!db || !sql::migrate(**db, "backup", backup_tables::migrations())) std::abort();
  return std::move(*db);
}

}  // namespace ww::collector
