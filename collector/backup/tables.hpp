#pragma once
/// Tables of the module "backup" in control.db.
#include <span>

#include "collector/store/sqlite.hpp"

namespace ww::collector::backup_tables {

/// backup_asset, backup_service  what is to be protected (the register)
/// backup_source                 each job's last look by a probe, and the values accepted as normal
/// backup_run                    each backup seen, missed or vanished
/// backup_finding                what is or was wrong, with its alert and who accepted it
/// backup_restore                restores that were seen
/// restore_check                 what restores proved (restore_check.hpp)
/// incident_indicator            times of compromise of an incident
/// restore_verdict               every answer of the clean restore point
[[nodiscard]] std::span<const sql::Migration> migrations();

}  // namespace ww::collector::backup_tables
