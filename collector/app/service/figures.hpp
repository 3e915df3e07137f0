#pragma once
/// The counters that the collector's parts keep, as metrics (contracts.md "Metrics").
#include "telemetry/clock.hpp"

namespace ww::collector {

class Accounts;
class AlertBook;
class Detector;
class LiveFeed;
class LocalPipeline;
class Metrics;
class Server;
class Store;
class SyslogServer;

struct FigureSources {
  Store& store;
  AlertBook& alerts;
  Detector& detector;
  LocalPipeline& pipeline;
  Accounts& accounts;
  Server& server;
  LiveFeed& live;
  SyslogServer* syslog;  ///< may be null
  const Clock& clock;
};
/// All of them must outlive the metrics' sources (Metrics::clear_sources()).
void add_figures(Metrics& metrics, const FigureSources& sources);

}  // namespace ww::collector
