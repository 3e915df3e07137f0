#include "collector/metrics/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <vector>

#include "telemetry/logging.hpp"

namespace ww::collector {
namespace {

using prometheus::Histogram;
const Histogram::BucketBoundaries fast{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                       0.1,    0.25,  0.5,    1,     2.5,  5,     10};
const Histogram::BucketBoundaries slow{60, 300, 600, 1800, 3600, 4 * 3600, 8 * 3600, 86400};

class Scrape final : public MetricWriter {
 public:
  void counter(std::string_view name, std::string_view help, Labels labels, double value) override {
    prometheus::ClientMetric m = labelled(labels);
    m.counter.value = value;
    add(name, help, prometheus::MetricType::Counter, std::move(m));
  }
  void gauge(std::string_view name, std::string_view help, Labels labels, double value) override {
    prometheus::ClientMetric m = labelled(labels);
    m.gauge.value = value;
    add(name, help, prometheus::MetricType::Gauge, std::move(m));
  }
  std::map<std::string, prometheus::MetricFamily> families;

 private:
  static prometheus::ClientMetric labelled(Labels labels) {
    prometheus::ClientMetric m;
    for (const auto& [n, v] : labels) m.label.push_back({std::string(n), std::string(v)});
    return m;
  }
  void add(std::string_view name, std::string_view help, prometheus::MetricType type,
           prometheus::ClientMetric m) {
    auto& f = families[std::string(name)];
    f.name = name;
    f.help = help;
    f.type = type;
    f.metric.push_back(std::move(m));
  }
};

class MetricsImpl final : public Metrics {
 public:
  explicit MetricsImpl(std::string_view version)
      : requests_(prometheus::BuildHistogram()
                      .Name("wardwatch_http_request_duration_seconds")
                      .Help("time from a request's head to the end of its handler")
                      .Register(registry_)),
        refusals_(prometheus::BuildCounter()
                      .Name("wardwatch_http_refused_total")
                      .Help("requests without valid credentials (401) or without the right (403)")
                      .Register(registry_)),
        exceptions_(prometheus::BuildCounter()
                        .Name("wardwatch_internal_errors_total")
                        .Help("handlers that failed unexpectedly")
                        .Register(registry_)
                        .Add({})),
        commit_(prometheus::BuildHistogram()
                    .Name("wardwatch_store_commit_duration_seconds")
                    .Help("durable commit of a group of batches")
                    .Register(registry_)
                    .Add({}, fast)),
        detection_(prometheus::BuildHistogram()
                       .Name("wardwatch_detection_latency_seconds")
                       .Help("from the arrival of a batch to the end of detection over it")
                       .Register(registry_)
                       .Add({}, fast)),
        ingest_events_(prometheus::BuildCounter()
                           .Name("wardwatch_ingest_events_total")
                           .Help("events taken or refused, by input and outcome")
                           .Register(registry_)),
        ingest_octets_(prometheus::BuildCounter()
                           .Name("wardwatch_ingest_bytes_total")
                           .Help("octets of events after decompression, by input")
                           .Register(registry_)),
        acknowledgement_(
            prometheus::BuildHistogram()
                .Name("wardwatch_alert_acknowledgement_seconds")
                .Help("from the first event of an alert to its acknowledgement by a person")
                .Register(registry_)) {
    prometheus::BuildGauge()
        .Name("wardwatch_build_info")
        .Help("always 1; the version is a label")
        .Register(registry_)
        .Add({{"version", std::string(version)}, {"component", "collector"}})
        .Set(1);
  }

  void add_source(std::function<void(MetricWriter&)> source) override {
    const std::lock_guard lock(mutex_);
    sources_.push_back(std::move(source));
  }
  void clear_sources() override {
    const std::lock_guard lock(mutex_);
    sources_.clear();
  }

  std::string text() override {
    auto families = registry_.Collect();
    const std::lock_guard lock(mutex_);
    Scrape scrape;
    for (const auto& s : sources_) s(scrape);
    for (auto& [n, f] : scrape.families) families.push_back(std::move(f));
    return prometheus::TextSerializer().Serialize(families);
  }

  void observe_request(std::string_view route, double seconds) override {
    requests_.Add({{"route", std::string(route)}}, fast).Observe(seconds);
  }
  void count_refusal(unsigned status) override {
    refusals_.Add({{"status", std::to_string(status)}}).Increment();
  }
  void count_exception(std::string_view route, std::string_view what) override {
    exceptions_.Increment();
    logging::error("handler of {} failed: {}", route, what);
  }
  void observe_commit(double seconds) override { commit_.Observe(seconds); }
  void observe_detection(double seconds) override { detection_.Observe(seconds); }
  void count_ingest(std::string_view source, std::string_view outcome, double events,
                    double octets) override {
    const std::string s(source);
    if (events > 0)
      ingest_events_.Add({{"source", s}, {"outcome", std::string(outcome)}}).Increment(events);
    if (octets > 0) ingest_octets_.Add({{"source", s}}).Increment(octets);
  }
  void observe_acknowledgement(std::string_view level, double seconds) override {
    acknowledgement_.Add({{"level", std::string(level)}}, slow).Observe(seconds);
  }

 private:
  prometheus::Registry registry_;
  prometheus::Family<Histogram>& requests_;
  prometheus::Family<prometheus::Counter>& refusals_;
  prometheus::Counter& exceptions_;
  Histogram& commit_;
  Histogram& detection_;
  prometheus::Family<prometheus::Counter>& ingest_events_;
  prometheus::Family<prometheus::Counter>& ingest_octets_;
  prometheus::Family<Histogram>& acknowledgement_;
  std::mutex mutex_;
  std::vector<std::function<void(MetricWriter&)>> sources_;
};

}  // namespace

std::unique_ptr<Metrics> Metrics::create(std::string_view version) {
  return std::make_unique<MetricsImpl>(version);
}

}  // namespace ww::collector
