#include "collector/notify/webhook.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>

#include "telemetry/logging.hpp"
#include "telemetry/net/client.hpp"

namespace ww::collector {
namespace {

using namespace std::chrono_literals;

class WebhookImpl final : public Webhook {
 public:
  WebhookImpl(WebhookOptions options, AlertBook& alerts, std::unique_ptr<http::Client> client,
              std::string target)
      : options_(std::move(options)),
        alerts_(alerts),
        client_(std::move(client)),
        target_(std::move(target)) {
    subscription_ = alerts_.subscribe([this](const AlertNotice& n) { on_alert(n); });
    thread_ = std::thread([this] { run(); });
  }
  ~WebhookImpl() override {
    alerts_.unsubscribe(subscription_);
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    client_->cancel();
    wake_.notify_all();
    thread_.join();
  }
  Stats stats() const override { return {sent_, failed_, dropped_}; }

 private:
  struct Waiting {
    std::string text, rehearsed;  // rehearsed: id of a rehearsal's alert
  };
  void on_alert(const AlertNotice& n) {
    if (n.kind != AlertNotice::Kind::created) return;
    const bool rehearsal = n.alert.disposition == Disposition::drill;
    if (rehearsal != options_.drills) return;
    if (!rehearsal && (n.alert.level < options_.min_level || n.alert.status == AlertStatus::closed))
      return;
    Waiting w;
    if (rehearsal) w.rehearsed = n.alert.id;
    JsonWriter json(w.text);
    write_json(json, n.alert);
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(w));
    if (waiting_.size() > options_.max_waiting) {
      waiting_.pop_front();
      ++dropped_;
    }
    wake_.notify_all();
  }

  void run() {
    auto pause = 1s;
    for (;;) {
      std::vector<Waiting> batch;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        const auto n = std::min<std::size_t>(waiting_.size(), 100);
        batch.assign(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(n));
      }
      if (post(batch)) {
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0;
             i < batch.size() && !waiting_.empty() && waiting_.front().text == batch[i].text; ++i)
          waiting_.pop_front();
        sent_ += batch.size();
        pause = 1s;
        if (options_.on_rehearsed)
          for (const auto& w : batch)
            if (!w.rehearsed.empty()) options_.on_rehearsed(w.rehearsed);
      } else {
        ++failed_;
        pause = std::min<std::chrono::seconds>(pause * 2, 300s);
      }
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, pause, [&] { return stopping_; })) return;
    }
  }

  bool post(const std::vector<Waiting>& alerts) {
    http::Request r;
    r.method = "POST";
    r.target = target_;
    r.headers.add("Content-Type", "application/json");
    if (!options_.token_file.empty()) {
      std::ifstream in(
          options_.token_file);  // read each time, so that a changed token needs no restart
      std::string token;
      std::getline(in, token);
      r.headers.add("Authorization", "Bearer " + token);
    }
    JsonWriter json(r.body);
    json.begin_object();
    json.begin_array("alerts");
    for (const auto& a : alerts) json.raw(a.text);
    json.end_array();
    if (options_.drills) json.field("drill", true);
    json.end_object();
    const auto answer = client_->send(r);
    if (answer && answer->status < 300) return true;
    logging::warn("webhook: {}", answer
                                     ? options_.url + ": status " + std::to_string(answer->status)
                                     : answer.error().problem.text());
    return false;
  }

  WebhookOptions options_;
  AlertBook& alerts_;
  std::unique_ptr<http::Client> client_;
  std::string target_;
  std::uint64_t subscription_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::deque<Waiting> waiting_;
  std::atomic<std::uint64_t> sent_{0}, failed_{0}, dropped_{0};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Webhook>, Problem> Webhook::start(const WebhookOptions& options,
                                                         AlertBook& alerts) {
  http::ClientOptions c;
  c.url = options.url;
  c.ca_file = options.ca_file;
  c.timeout = 10s;
  auto client = http::Client::create(c);
  if (!client) return fail(client.error().problem);
  const auto url = http::parse_url(options.url);
  return std::make_unique<WebhookImpl>(options, alerts, std::move(*client),
                                       url->path.empty() ? "/" : url->path);
}

}  // namespace ww::collector
