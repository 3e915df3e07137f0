#include "collector/api/live.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "collector/alerts/alerts.hpp"
#include "collector/store/store.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {
namespace {

constexpr std::size_t max_readers = 500;
constexpr auto stats_interval = std::chrono::seconds(5);
// A reader proves itself again after this long: whoever was signed out or lost a role is gone by
// then.
constexpr auto max_reading = std::chrono::minutes(15);

bool any_of(const std::vector<std::string>& list, std::string_view value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

std::string sse(std::string_view event, std::string_view data) {
  return "event: " + std::string(event) + "\ndata: " + std::string(data) + "\n\n";
}

class LiveFeedImpl final : public LiveFeed {
 public:
  LiveFeedImpl(AlertBook& alerts, Store& store, const Clock& clock)
      : alerts_(alerts), store_(store), clock_(clock) {
    subscription_ = alerts_.subscribe([this](const AlertNotice& notice) { on_alert(notice); });
    ticker_ = std::thread([this] { run(); });
  }
  ~LiveFeedImpl() override {
    alerts_.unsubscribe(subscription_);
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    ticker_.join();
    for (auto& r : readers_) r.writer->close();
  }

  bool full() const override {
    const std::lock_guard lock(mutex_);
    return readers_.size() >= max_readers;
  }
  std::size_t readers() const override {
    const std::lock_guard lock(mutex_);
    return readers_.size();
  }
  bool add(std::shared_ptr<StreamWriter> writer, LiveFilter filter) override {
    const std::lock_guard lock(mutex_);
    if (readers_.size() >= max_readers || stopping_) return false;
    writer->write("retry: 3000\n: welcome\n\n");
    if (!last_stats_.empty() && !filter.visible_sites) writer->write(last_stats_);
    readers_.push_back(
        {std::move(writer), std::move(filter), std::chrono::steady_clock::now() + max_reading});
    return true;
  }

 private:
  struct Reader {
    std::shared_ptr<StreamWriter> writer;
    LiveFilter filter;
    std::chrono::steady_clock::time_point until;
  };

  void on_alert(const AlertNotice& notice) {
    const std::lock_guard lock(mutex_);
    if (readers_.empty()) return;
    std::string data;
    JsonWriter json(data);
    json.begin_object();
    json.field("kind", notice.kind == AlertNotice::Kind::created ? "created" : "updated");
    json.key("alert");
    write_json(json, notice.alert);
    json.end_object();
    const auto text = sse("alert", data);
    std::erase_if(readers_, [&](const Reader& r) {
      if (!any_of(r.filter.sites, notice.alert.site) ||
          !any_of(r.filter.levels, name(notice.alert.level)) ||
          (r.filter.visible_sites && !contains(*r.filter.visible_sites, notice.alert.site)))
        return false;
      return !r.writer->write(text);
    });
  }

  static bool contains(const std::vector<std::string>& list, std::string_view v) {
    return std::find(list.begin(), list.end(), v) != list.end();
  }

  void run() {
    std::uint64_t before = store_.stats().events;
    auto at = std::chrono::steady_clock::now();
    std::map<std::string, std::string> statuses;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (wake_.wait_for(lock, stats_interval, [&] { return stopping_; })) return;
      }
      const auto now = std::chrono::steady_clock::now();
      const auto events = store_.stats().events;
      const double rate =
          static_cast<double>(events - before) / std::chrono::duration<double>(now - at).count();
      before = events;
      at = now;
      std::uint64_t ok = 0, late = 0, silent = 0;
      std::vector<std::pair<std::string, std::string>> changed;  // site, message
      for (const auto& c : store_.cursors()) {
        const auto status = sensor_status(c.last_batch, clock_.now());
        (status == "ok" ? ok : status == "late" ? late : silent) += 1;
        auto& known = statuses[c.site + "/" + c.sensor];
        if (!known.empty() && known != status) {
          std::string data;
          JsonWriter json(data);
          json.begin_object();
          json.field("site", c.site);
          json.field("sensor", c.sensor);
          json.field("status", status);
          json.end_object();
          changed.emplace_back(c.site, sse("sensor", data));
        }
        known = status;
      }
      std::uint64_t open = 0;
      for (const auto& by_status : alerts_.counters().by_level_status)
        for (std::size_t s = 0; s < 4; ++s) open += by_status[s];
      std::string data;
      JsonWriter json(data);
      json.begin_object();
      json.field("events_per_second", rate);
      json.begin_object("sensors");
      json.field("ok", ok);
      json.field("late", late);
      json.field("silent", silent);
      json.end_object();
      json.field("alerts_open", open);
      json.end_object();
      const std::lock_guard lock(mutex_);
      last_stats_ = sse("stats", data);
      std::erase_if(readers_, [&](const Reader& r) {
        if (now >= r.until) {
          r.writer->close();
          return true;
        }
        for (const auto& [site, text] : changed)
          if ((!r.filter.visible_sites || contains(*r.filter.visible_sites, site)) &&
              !r.writer->write(text))
            return true;
        // Totals of the whole estate are not for those who see a part of it.
        return r.filter.visible_sites ? !r.writer->write(": tick\n\n")
                                      : !r.writer->write(last_stats_);
      });
    }
  }

  AlertBook& alerts_;
  Store& store_;
  const Clock& clock_;
  std::uint64_t subscription_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<Reader> readers_;
  std::string last_stats_;
  std::thread ticker_;
};

}  // namespace

std::string_view sensor_status(Timestamp last_batch, Timestamp now) {
  if (last_batch.us == 0) return "never";
  const auto age = now - last_batch;
  return age < std::chrono::minutes(2) ? "ok" : age < std::chrono::minutes(10) ? "late" : "silent";
}

std::unique_ptr<LiveFeed> LiveFeed::start(AlertBook& alerts, Store& store, const Clock& clock) {
  return std::make_unique<LiveFeedImpl>(alerts, store, clock);
}

}  // namespace ww::collector
