#pragma once
/// What route handlers work with: references to the collector's parts, put together by
/// collector/app (or a test).
#include <cstdint>
#include <functional>
#include <string>

#include "telemetry/clock.hpp"

namespace ww::collector {

class Accounts;
class AlertBook;
class Authority;
class BackupBook;
class Detector;
class DrillBook;
class DrillService;
class LiveFeed;
class Metrics;
class Pipeline;
class Store;

struct ApiOptions {
  std::string public_url;  ///< what people and sensors use, for links and tokens: https://HOST:PORT
  std::string dashboard_folder;                       ///< built web page; empty: none is served
  std::uint64_t max_compressed_octets = 16ULL << 20;  ///< body of an ingest request as sent
  std::string foreign_site = "unknown";               ///< site of ingest tokens that name none
};

struct Services {
  Accounts& accounts;
  Authority& authority;
  Store& store;
  AlertBook& alerts;
  Detector* detector;  ///< may be null
  Pipeline& pipeline;
  Metrics& metrics;
  LiveFeed& live;
  const Clock& clock;
  ApiOptions options;
  BackupBook* backups = nullptr;  ///< may be null
  DrillBook* drill_book = nullptr;
  DrillService* drills = nullptr;
};

}  // namespace ww::collector
