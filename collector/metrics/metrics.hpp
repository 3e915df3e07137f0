#pragma once
/// The collector's own numbers, in Prometheus' text format (contracts.md "Metrics"). Counters that
/// other parts keep are read when somebody scrapes (sources); durations are observed here.
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace ww::collector {

/// What a source writes into during a scrape. Names carry the wardwatch_ prefix and the unit.
class MetricWriter {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  virtual ~MetricWriter() = default;
  virtual void counter(std::string_view name, std::string_view help, Labels labels,
                       double value) = 0;
  virtual void gauge(std::string_view name, std::string_view help, Labels labels, double value) = 0;
};

/// Thread-safe.
class Metrics {
 public:
  [[nodiscard]] static std::unique_ptr<Metrics> create(std::string_view version);
  virtual ~Metrics() = default;

  /// Called at each scrape, one at a time. What it refers to must outlive this object, or
  /// clear_sources() be called.
  virtual void add_source(std::function<void(MetricWriter&)> source) = 0;
  virtual void clear_sources() = 0;
  [[nodiscard]] virtual std::string text() = 0;

  virtual void observe_request(std::string_view route, double seconds) = 0;
  virtual void count_refusal(unsigned status) = 0;  ///< 401 and 403
  virtual void count_exception(std::string_view route, std::string_view what) = 0;
  virtual void observe_commit(double seconds) = 0;
  virtual void observe_detection(double seconds) = 0;
  /// An input's batch: source is one of the names in pipeline.hpp; outcome accepted, dead, refused,
  /// busy.
  virtual void count_ingest(std::string_view source, std::string_view outcome, double events,
                            double octets) = 0;
  virtual void observe_acknowledgement(std::string_view level, double seconds) = 0;
};

}  // namespace ww::collector
