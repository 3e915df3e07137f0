#pragma once
/// The register: services and assets with their owners, targets and jobs. It comes from a YAML file
/// (deploy/backup-register.example.yaml) and is changed through the API; what was changed there
/// stays until it is deleted there, and then the file holds again.
#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <vector>

#include "collector/backup/model.hpp"
#include "collector/store/control.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/settings.hpp"

namespace ww::collector {

struct BackupRegister {
  std::map<std::string, BackupServiceSpec> services;
  std::map<std::pair<std::string, std::string>, BackupAssetSpec> assets;  ///< by site and name
  std::map<std::pair<std::string, std::string>, BackupHostSpec> hosts;    ///< by site and name
};

/// Reads and checks the file. An unknown key is an error that names key, line and what is known.
[[nodiscard]] Result<BackupRegister, Problem> read_register(const std::string& path);
[[nodiscard]] Result<BackupRegister, Problem> read_register(const Settings& settings);

/// One asset or service as the API takes and gives it.
[[nodiscard]] Result<BackupAssetSpec, std::string> asset_from_json(const boost::json::value& v);
[[nodiscard]] Result<BackupServiceSpec, std::string> service_from_json(const boost::json::value& v);
[[nodiscard]] Result<BackupHostSpec, std::string> host_from_json(const boost::json::value& v);
void write_json(JsonWriter& out, const BackupHostSpec& host);
void write_json(JsonWriter& out, const BackupAssetSpec& asset);
void write_json(JsonWriter& out, const BackupServiceSpec& service);

/// Puts the file's register into the database: rows of origin `config` are replaced, rows of origin
/// `api` stay.
[[nodiscard]] Result<void, Problem> store_register(ControlDb& control, const BackupRegister& r);
[[nodiscard]] BackupRegister load_register(sql::Database& db);
/// "90s", "15m", "24h", "30d" or seconds.
[[nodiscard]] std::optional<std::chrono::seconds> backup_duration(std::string_view text);

}  // namespace ww::collector
