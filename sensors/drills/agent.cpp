#include "sensors/drills/agent.hpp"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "sensors/drills/restore.hpp"
#include "sensors/drills/scratch.hpp"
#include "sensors/drills/tool.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/orders.hpp"

namespace ww::drills {
namespace json = boost::json;
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::string_view memory = "drill:order:";  // key in the spool's memory, by order id

std::string event_line(const events::Drill& d, Timestamp now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("timestamp", eve_time(now));
  json.field("event_type", events::Drill::type);
  json.begin_object("drill");
  write_fields(json, d);
  json.end_object();
  json.end_object();
  return out;
}

class Agent final : public DrillAgent {
 public:
  Agent(AgentOptions options, EventSink& sink, const Clock& clock)
      : o_(std::move(options)), sink_(sink), clock_(clock) {}
  ~Agent() override { stop(); }

  void start() override {
    if (thread_.joinable()) return;
    sigset_t all, before;
    sigfillset(&all);  // signals are the main thread's business
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "drills");
      loop();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      if (client_) client_->cancel();
    }
    stop_order_ = true;
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    if (worker_.joinable()) worker_.join();
  }

  AgentStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  void loop() {
    clean_up();
    announce();
    auto beat = Steady::now(), poll = Steady::now();
    const bool asks = o_.config.orders && !o_.authority_pem.empty() && o_.connect;
    while (true) {
      const auto now = Steady::now();
      if (now >= beat) {
        sink_.submit_or_drop(heartbeat_line("sensor", o_.config.heartbeat, clock_.now()),
                             "heartbeat");
        beat = now + o_.config.heartbeat;
      }
      if (asks && now >= poll) {
        ask();
        // While a drill runs, an order to stop it should not wait long.
        poll = Steady::now() + (busy() ? std::min<std::chrono::milliseconds>(
                                             o_.config.poll, std::chrono::milliseconds(1'000))
                                       : o_.config.poll);
      }
      std::unique_lock lock(mutex_);
      if (wake_.wait_until(lock, asks ? std::min(beat, poll) : beat, [this] { return stopping_; }))
        return;
    }
  }

  bool busy() const {
    const std::lock_guard lock(mutex_);
    return !stats_.running.empty();
  }

  /// What a process before this one left: scratch folders, and orders that it had begun.
  void clean_up() {
    if (!o_.config.restore.empty() || !o_.config.detection.empty()) {
      std::string outside;
      for (const auto& folder : left_in_scratch(o_.config.scratch))
        for (const auto& t : o_.config.restore) {
          const auto* tool = restore_tool(t);
          if (tool == nullptr || tool->clean == nullptr || !tool->leaves(t, folder)) continue;
          if (auto wrong = tool->clean(t, folder); !wrong.empty()) outside = std::move(wrong);
        }
      if (!outside.empty()) {
        // How to clean it is known from the folder alone, so that stays until somebody looked.
        blocked_ = "an earlier drill is not cleaned up: " + outside +
                   "; clean it by hand and empty " + o_.config.scratch;
        logging::error("drills: {}", blocked_);
      }
      const auto removed =
          outside.empty() ? clean_scratch(o_.config.scratch) : Result<std::size_t, Problem>(0U);
      if (!removed) {
        logging::error("drills: {}", removed.error().text());
        blocked_ = removed.error().text();
      } else if (*removed > 0) {
        logging::warn("drills: removed {} folders that an interrupted drill left", *removed);
      }
    }
    const auto now = clock_.now();
    for (const auto& [key, value] : sink_.recall_all(memory)) {
      const auto id = key.substr(memory.size());
      EventGroup group;
      if (value.starts_with("started ")) {
        const auto space = value.rfind(' ');
        events::Drill d;
        d.kind = value.substr(8, space - 8);
        d.order = id;
        d.run = value.substr(space + 1);
        d.state = "finished";
        d.result = "failed";
        d.text = "the sensor was restarted in the middle of the drill";
        d.cleaned = blocked_.empty();
        group.add(event_line(d, now));
        group.state.emplace_back(key, "finished " + std::to_string(now.us));
      } else if (value.starts_with("finished ") &&
                 now.us - std::strtoll(value.c_str() + 9, nullptr, 10) > 7LL * 86'400 * 1'000'000) {
        group.state.emplace_back(key, "");  // its order expired long ago
      }
      if (!group.empty()) (void)sink_.submit(group);
    }
  }

  void announce() {
    events::Drill d;
    d.kind = "sources";
    d.sources = o_.sources;
    sink_.submit_or_drop(event_line(d, clock_.now()), "heartbeat");
  }

  void ask() {
    {
      const std::lock_guard lock(mutex_);
      ++stats_.polls;
    }
    if (!client_) {
      auto made = o_.connect();
      if (!made) return failed(made.error().problem.text());
      const std::lock_guard lock(mutex_);
      client_ = std::move(*made);
      if (stopping_) return;
    }
    http::Request r;
    r.target = std::string(orders::path);
    const auto answer = client_->send(r);
    if (!answer || answer->status != 200) {
      failed(answer ? "the collector answered " + std::to_string(answer->status)
                    : answer.error().problem.text());
      const std::lock_guard lock(mutex_);
      client_.reset();  // also after a renewal of the certificate
      return;
    }
    last_failure_.clear();
    const auto list = orders::read(answer->body);
    if (!list) return failed("orders: " + list.error());
    for (const auto& o : *list) take(o);
  }

  void failed(const std::string& why) {
    if (why != last_failure_) logging::warn("drills: {}", why);
    last_failure_ = why;
    const std::lock_guard lock(mutex_);
    ++stats_.poll_failures;
  }

  void refuse(const std::string& why) {
    logging::warn("drills: an order is refused: {}", why);
    const std::lock_guard lock(mutex_);
    ++stats_.refused;
  }

  void take(const orders::SignedOrder& signed_order) {
    if (!orders::verify(o_.authority_pem, signed_order))
      return refuse("it is not signed by the collector's authority");
    const auto order = orders::parse(signed_order.payload);
    if (!order) return refuse(order.error());
    if (order->site != o_.site || order->sensor != o_.sensor)
      return refuse("it is for " + order->site + "/" + order->sensor);
    const auto now = clock_.now();
    if (order->expires < now || now < order->issued + std::chrono::minutes(-10))
      return refuse("it is not for this time: issued " + rfc3339(order->issued) + ", expires " +
                    rfc3339(order->expires));
    const auto key = std::string(memory) + order->id;
    if (!sink_.recall(key).empty()) return;  // done, or under way
    if (order->kind == "stop") return take_stop(*order, key);
    if (busy()) return;  // it waits at the collector until this one is over
    if (worker_.joinable()) worker_.join();
    {
      const std::lock_guard lock(mutex_);
      stats_.running = order->id;
      ++stats_.orders;
    }
    stop_order_ = false;
    worker_ = std::thread([this, o = *order, key] {
      pthread_setname_np(pthread_self(), "drill");
      carry_out(o, key);
      const std::lock_guard lock(mutex_);
      stats_.running.clear();
    });
  }

  void take_stop(const orders::Order& order, const std::string& key) {
    const auto* v = order.parameters.if_contains("order");
    const std::string other = v != nullptr && v->is_string() ? std::string(v->get_string()) : "";
    bool running = false;
    {
      const std::lock_guard lock(mutex_);
      running = stats_.running == other;
    }
    EventGroup group;
    const auto now = clock_.now();
    group.state.emplace_back(key, "finished " + std::to_string(now.us));
    events::Drill d;  // that the stop itself came
    d.kind = "stop";
    d.order = order.id;
    d.run = order.run;
    d.state = "finished";
    d.result = "passed";
    group.add(event_line(d, now));
    const auto other_key = std::string(memory) + other;
    if (running) {
      stop_order_ = true;
    } else if (sink_.recall(other_key).empty()) {
      // It never began, and shall not.
      group.state.emplace_back(other_key, "finished " + std::to_string(now.us));
      events::Drill never;
      never.kind = "restore";
      never.order = other;
      never.run = order.run;
      never.state = "finished";
      never.result = "stopped";
      never.text = "stopped before it began";
      never.cleaned = true;
      group.add(event_line(never, now));
    }
    (void)sink_.submit(group);
  }

  void tell(const events::Drill& d) {
    EventGroup group;
    group.add(event_line(d, clock_.now()));
    (void)sink_.submit(group);
  }

  /// The last word must arrive: it is offered until the spool takes it.
  void tell_end(events::Drill d, const orders::Order& order, const std::string& key) {
    d.order = order.id;
    d.run = order.run;
    d.state = "finished";
    EventGroup group;
    group.add(event_line(d, clock_.now()));
    group.state.emplace_back(key, "finished " + std::to_string(clock_.now().us));
    while (!sink_.submit(group)) {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) return;
    }
    (void)sink_.sync();
  }

  void carry_out(const orders::Order& order, const std::string& key) {
    events::Drill begun;
    begun.kind = order.kind;
    begun.order = order.id;
    begun.run = order.run;
    begun.state = "started";
    begun.started = rfc3339(clock_.now());
    EventGroup group;
    group.add(event_line(begun, clock_.now()));
    group.state.emplace_back(key, "started " + order.kind + " " + order.run);
    // The disk is full: not now; the order comes again. On the disk before anything is done: a
    // sensor that is killed in the middle must know of it, not begin the drill again.
    if (!sink_.submit(group) || !sink_.sync()) return;
    if (order.kind == "restore") return carry_out_restore(order, key);
    if (order.kind == "detection") return carry_out_detection(order, key);
    events::Drill d;
    d.kind = order.kind;
    d.result = "refused";
    d.text = "this sensor knows no drill of kind " + order.kind;
    tell_end(d, order, key);
  }

  void carry_out_restore(const orders::Order& order, const std::string& key) {
    const auto member = [&](std::string_view name) {
      const auto* v = order.parameters.if_contains(name);
      return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
    };
    events::Drill d;
    d.kind = "restore";
    const auto target = member("target");
    RestoreRequest request{order.id, order.run, member("snapshot")};
    if (request.snapshot.empty()) request.snapshot = "latest";
    const RestoreTarget* found = nullptr;
    for (const auto& t : o_.config.restore)
      if (t.name == target) found = &t;
    if (found == nullptr || !valid_snapshot(request.snapshot) || !blocked_.empty()) {
      d.result = "refused";
      d.cleaned = blocked_.empty();
      d.text = !blocked_.empty()  ? blocked_
               : found == nullptr ? "this sensor's configuration has no restore target " + target
                                  : "the snapshot's id has characters that none has";
      return tell_end(d, order, key);
    }
    tell_end(restore(o_.config, *found, request, clock_, stop_order_,
                     [this](const events::Drill& p) { tell(p); }),
             order, key);
  }

  void carry_out_detection(const orders::Order& order, const std::string& key) {
    events::Drill d;
    d.kind = "detection";
    const auto* inputs = order.parameters.if_contains("inputs");
    auto scratch = Scratch::make(o_.config.scratch, order.id);
    if (inputs == nullptr || !inputs->is_array() || o_.config.detection.empty() || !scratch) {
      d.result = "refused";
      d.text = !scratch                      ? scratch.error().text()
               : o_.config.detection.empty() ? "this sensor plays nothing: see drills.detection"
                                             : "no inputs";
      return tell_end(d, order, key);
    }
    const auto played = play(inputs->get_array(), o_.config.detection, order.run, sink_, clock_,
                             o_.frames, scratch->path());
    d.played = played.count;
    d.cleaned = scratch->clean();
    d.result = played.error.empty() ? "passed" : "failed";
    d.text = played.error.empty() ? "played " + std::to_string(played.count) + " lines and packets"
                                  : played.error;
    tell_end(d, order, key);
  }

  AgentOptions o_;
  EventSink& sink_;
  const Clock& clock_;
  std::string last_failure_, blocked_;  // drills thread
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::unique_ptr<http::Client> client_;
  AgentStats stats_;
  std::atomic<bool> stop_order_{false};
  std::thread thread_, worker_;
};

}  // namespace

std::string heartbeat_line(std::string_view source, std::chrono::milliseconds interval,
                           Timestamp now) {
  events::Drill d;
  d.kind = "heartbeat";
  d.source = source;
  d.interval = static_cast<std::uint64_t>(
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(interval).count()));
  return event_line(d, now);
}

std::unique_ptr<DrillAgent> DrillAgent::make(AgentOptions options, EventSink& sink,
                                             const Clock& clock) {
  return std::make_unique<Agent>(std::move(options), sink, clock);
}

}  // namespace ww::drills
