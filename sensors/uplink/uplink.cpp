#include "sensors/uplink/uplink.hpp"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "sensors/uplink/event_sink.hpp"
#include "telemetry/batch/batch.hpp"
#include "telemetry/ingest.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/net/enrol.hpp"
#include "telemetry/spool.hpp"

namespace ww {
namespace {

using std::chrono::milliseconds;

std::optional<std::uint64_t> number_in(std::string_view json, const char* name) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  std::uint64_t v = 0;
  if (parser.parse(json.data(), json.size(), true).get(object) != simdjson::SUCCESS ||
      object[name].get(v) != simdjson::SUCCESS)
    return {};
  return v;
}

/// Retry-After in seconds (a date, which the collector does not send, counts as absent).
std::optional<milliseconds> retry_after(const http::Response& r) {
  const auto text = r.headers.get("Retry-After");
  if (text.empty() || text.size() > 6 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return {};
  return std::chrono::seconds(std::min(std::stol(std::string(text)), 3600L));
}

class SpoolUplink final : public Uplink {
 public:
  SpoolUplink(UplinkOptions options, Spool& spool, SpoolSink& sink, const Clock& clock,
              std::function<void(JsonWriter&)> status)
      : o_(std::move(options)),
        spool_(spool),
        sink_(sink),
        clock_(clock),
        status_(std::move(status)),
        encoder_(o_.compression) {}
  ~SpoolUplink() override { stop(); }

  Result<void, Problem> prepare() {
    if (o_.connect) return {};
    auto loaded = net::load_identity(o_.identity_folder);
    if (!loaded) return fail(loaded.error());
    if (!*loaded)
      return fail(Problem{"this sensor has no identity yet", o_.identity_folder,
                          "run wardwatch-sensor enrol with a token from wardwatchctl enrol"});
    identity_ = std::move(**loaded);
    stats_.certificate_ends = identity_.not_after;
    o_.connect = [this] {
      http::ClientOptions c;
      c.url = o_.url.empty() ? identity_.url : o_.url;
      c.ca_file = identity_.ca_file;
      c.own_authority = true;
      c.cert_file = identity_.cert_file;
      c.key_file = identity_.key_file;
      c.timeout = o_.timeout;
      c.user_agent = "wardwatch-sensor";
      c.max_response_octets = 1U << 20;
      return http::Client::create(c);
    };
    has_identity_ = true;
    return {};
  }

  void start() override {
    sink_.on_synced([this] { wake(); });
    thread_ = std::thread([this] { run(); });
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      if (client_) client_->cancel();
    }
    condition_.notify_all();
    drained_.notify_all();
    if (thread_.joinable()) {
      thread_.join();
      sink_.on_synced({});
    }
  }

  bool drain(milliseconds most) override {
    (void)sink_.sync();
    const auto target = spool_.stats().next_seq - 1;
    std::unique_lock lock(mutex_);
    return drained_.wait_for(lock, most, [&] {
      return stopping_ || spool_.stats().acked_seq >= target;
    }) && !stopping_;
  }

  UplinkStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      fresh_ = true;
    }
    condition_.notify_all();
  }

  bool stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  /// Sleeps until the time is over or stop() is called.
  void pause(milliseconds time) {
    std::unique_lock lock(mutex_);
    const auto until = std::chrono::steady_clock::now() + time;
    while (!stopping_) {
      const auto beat = std::min(until, next_heartbeat_);
      if (condition_.wait_until(lock, beat, [&] { return stopping_; })) return;
      if (std::chrono::steady_clock::now() >= until) return;
      lock.unlock();
      heartbeat();
      lock.lock();
    }
  }

  void run() {
    const auto spooled = spool_.stats();
    next_ = spooled.acked_seq + 1;
    expected_ = next_;
    next_heartbeat_ = std::chrono::steady_clock::now();
    while (!stopping()) {
      heartbeat();
      renew_if_due();
      if (!step()) wait_for_events();
    }
  }

  void wait_for_events() {
    std::unique_lock lock(mutex_);
    condition_.wait_until(
        lock, std::min(next_heartbeat_, std::chrono::steady_clock::now() + std::chrono::seconds(5)),
        [&] { return stopping_ || fresh_; });
    fresh_ = false;
  }

  /// Sends one batch if there is one. @return false when there is nothing to send
  bool step() {
    {
      const std::lock_guard lock(mutex_);
      fresh_ = false;
    }
    batch_.clear();
    const auto read = spool_.read(next_, batch_events_, batch_octets_, batch_);
    if (!read) {
      note_failure("waiting", read.error().text());
      pause_after_failure({});
      return true;
    }
    if (*read == 0) return false;
    // A batch has no holes: what follows one goes into the next.
    std::size_t n = 1;
    while (n < batch_.entries.size() && batch_.entries[n].seq == batch_.entries[n - 1].seq + 1) ++n;
    const auto first = batch_.entries.front().seq;
    const auto last = batch_.entries[n - 1].seq;
    const auto epoch = spool_.epoch();
    encoder_.begin();
    std::size_t used = 0;
    for (; used < n; ++used) {
      const auto& e = batch_.entries[used];
      if (used > 0 && encoder_.plain_octets() + e.length + 64 > ingest::max_batch_octets) break;
      encoder_.add(batch_.payload(e), epoch, e.seq);
    }
    const auto plain = encoder_.plain_octets();
    http::Request request;
    request.method = "POST";
    request.target = std::string(ingest::path);
    request.headers.add("Content-Type", "application/x-ndjson");
    request.headers.add("Content-Encoding", "zstd");
    request.headers.add(ingest::batch_header, ingest::batch_id_text({epoch, first}));
    const auto skipped = first > expected_ ? first - expected_ : 0;
    if (skipped > 0) {
      request.headers.add(ingest::skipped_header,
                          std::to_string(expected_) + "-" + std::to_string(first - 1));
      lost_ = losses(expected_, first - 1);
      if (const auto why = ingest::skipped_why_text(lost_); !why.empty())
        request.headers.add(ingest::why_header, why);
    }
    request.body = encoder_.finish();
    const auto octets = request.body.size();
    send(request, first, used == n ? last : batch_.entries[used - 1].seq, skipped, used, octets,
         plain);
    return true;
  }

  void send(const http::Request& request, std::uint64_t first, std::uint64_t last,
            std::uint64_t skipped, std::size_t count, std::size_t octets, std::size_t plain) {
    if (!connect()) return;
    const auto answer = client_->send(request);
    if (stopping()) return;
    if (!answer) {
      const bool timeout = answer.error().code == http::ClientErrc::timeout;
      drop_client();
      // A batch that takes longer than the deadline would never get through: try a smaller one.
      if (timeout) shrink();
      note_failure("waiting", answer.error().problem.text());
      pause_after_failure({});
      return;
    }
    const auto& r = *answer;
    if (r.status == 200) {
      const auto ack = number_in(r.body, "ack");
      if (!ack || *ack < first) {
        note_failure("waiting", "the collector's answer has no usable ack");
        pause_after_failure({});
        return;
      }
      acknowledged(std::min(*ack, last), skipped, count, octets, plain);
      return;
    }
    if (r.status == 409) {
      out_of_order(r);
      return;
    }
    if (r.status == 413 || r.status == 400) {
      too_much(r, first, count);
      return;
    }
    // 401 and 403: revoked or unknown; 429 and 503: full; anything else: a fault over there. All
    // are tried again.
    const bool refused = r.status == 401 || r.status == 403;
    if (r.status == 401)
      note_failure(
          "refused",
          "the collector does not take this sensor's certificate: revoked, or of another "
          "authority; events wait in the spool; get a new token (wardwatchctl enrol) and run "
          "wardwatch-sensor enrol again");
    else
      note_failure(
          refused ? "refused" : "waiting",
          "the collector answered " + std::to_string(r.status) + " " + r.body.substr(0, 200));
    if (refused) drop_client();  // a renewed certificate needs a new connection
    pause_after_failure(retry_after(r));
  }

  void acknowledged(std::uint64_t ack, std::uint64_t skipped, std::size_t count, std::size_t octets,
                    std::size_t plain) {
    if (auto ok = spool_.acknowledge(ack); !ok) logging::error("{}", ok.error().text());
    next_ = ack + 1;
    expected_ = next_;
    failures_ = 0;
    conflicts_ = 0;
    // After a batch had to be made smaller, grow back slowly.
    batch_events_ = std::min(o_.batch_events, batch_events_ * 2);
    batch_octets_ = std::min(o_.batch_octets, batch_octets_ * 2);
    {
      const std::lock_guard lock(mutex_);
      if (stats_.state != "connected")
        logging::info("uplink: connected, {} events behind", spool_.stats().next_seq - next_);
      stats_.state = "connected";
      stats_.last_error.clear();
      ++stats_.batches;
      stats_.events += count;
      stats_.octets += octets;
      stats_.plain_octets += plain;
      stats_.skipped_events += skipped;
      stats_.last_ack = clock_.now();
    }
    if (skipped > 0)
      if (const auto text = loss_text(); !text.empty()) logging::warn("uplink: {}", text);
    renumbered_ = 0;
    std::erase_if(refused_, [&](const auto& r) { return r.to <= ack; });
    drained_.notify_all();
  }

  /// Why the events of a hole are not sent. Those that the collector refused one by one are known
  /// here, the others to the spool.
  std::vector<ingest::Lost> losses(std::uint64_t from, std::uint64_t to) const {
    std::vector<ingest::Lost> out;
    const auto spooled = spool_.lost(from, to);
    for (const auto& run : spooled) {
      auto at = run.from;
      for (const auto& r : refused_) {
        if (r.to < at || r.from > run.to) continue;
        if (r.from > at) out.push_back({at, r.from - 1, run.reason});
        out.push_back({std::max(at, r.from), std::min(r.to, run.to), ingest::lost::refused});
        at = out.back().to + 1;
      }
      if (at <= run.to) out.push_back({at, run.to, run.reason});
    }
    if (renumbered_ > 0) {
      std::vector<ingest::Lost> parts;
      for (const auto& l : out) {
        if (l.reason != ingest::lost::acknowledged || l.from > renumbered_) {
          parts.push_back(l);
          continue;
        }
        parts.push_back({l.from, std::min(l.to, renumbered_), ingest::lost::renumbered});
        if (l.to > renumbered_) parts.push_back({renumbered_ + 1, l.to, l.reason});
      }
      out = std::move(parts);
    }
    return out;
  }

  /// Empty when nothing is lost.
  [[nodiscard]] std::string loss_text() const {
    using Reason = std::pair<std::string_view, const char*>;
    static constexpr Reason reasons[] = {
        {ingest::lost::shed, "shed as the spool reached its bound (spool.max_size, spool.max_age)"},
        {ingest::lost::damaged, "damaged in the spool (check its disk)"},
        {ingest::lost::refused, "refused by the collector"},
        {ingest::lost::acknowledged, "acknowledged before by a collector whose data is older now"}};
    std::string out;
    for (const auto& [reason, text] : reasons) {
      std::uint64_t n = 0;
      for (const auto& l : lost_)
        if (l.reason == reason) n += l.to - l.from + 1;
      if (n > 0) out += (out.empty() ? "" : ", ") + std::to_string(n) + " " + text;
    }
    return out.empty() ? out : "told the collector which events are lost: " + out;
  }

  /// The collector wants another number or has seen a later epoch.
  void out_of_order(const http::Response& r) {
    const auto expected = number_in(r.body, "expected").value_or(0);
    const auto epoch = number_in(r.body, "epoch").value_or(0);
    if (epoch > spool_.epoch())
      note_failure("waiting",
                   "another spool sent as " +
                       (has_identity_ ? identity_.site + "/" + identity_.sensor
                                      : std::string("this sensor")) +
                       " after this one began: two sensors share one identity, or this data folder "
                       "is an older copy; nothing is lost; enrol each sensor with a token of its "
                       "own");
    else
      note_failure("waiting", "the collector expects event " + std::to_string(expected) +
                                  " of epoch " + std::to_string(epoch));
    if (expected == 0 || ++conflicts_ > 3) {
      pause_after_failure({});  // it does not settle; do not spin
      return;
    }
    if (epoch > spool_.epoch()) {
      if (auto ok = spool_.renew_epoch(epoch + 1); !ok) {
        note_failure("waiting", ok.error().text());
        pause_after_failure({});
        return;
      }
      renumbered_ = next_ - 1;  // these it has under the epoch before
      expected_ = 1;
      return;
    }
    renumbered_ = 0;
    expected_ = expected;
    if (epoch == spool_.epoch() &&
        expected > next_) {  // it has more than we knew: an answer got lost
      if (auto ok = spool_.acknowledge(expected - 1); !ok) logging::error("{}", ok.error().text());
      next_ = std::max(next_, std::min(expected, spool_.stats().next_seq));
      expected_ = next_;
      drained_.notify_all();
    } else if (epoch == spool_.epoch() && expected < next_) {
      next_ = expected;  // resend what is still held; the rest is told as skipped
    }
  }

  void too_much(const http::Response& r, std::uint64_t first, std::size_t count) {
    note_failure("waiting", "the collector answered " + std::to_string(r.status) + " " +
                                r.body.substr(0, 200));
    if (count > 1) {
      shrink();
      if (r.status == 400) pause_after_failure({});
      return;
    }
    if (r.status == 400 && ++single_refusals_ < 3) {
      pause_after_failure({});
      return;
    }
    single_refusals_ = 0;
    logging::error("uplink: event {} is refused for good ({}); it is left out", first, r.status);
    next_ = first + 1;  // the next batch says that it is skipped
    if (!refused_.empty() && refused_.back().to + 1 == first)
      refused_.back().to = first;
    else if (refused_.size() < ingest::max_lost_ranges)
      refused_.push_back({first, first});
    const std::lock_guard lock(mutex_);
    ++stats_.refused_events;
  }

  void shrink() {
    batch_events_ = std::max<std::size_t>(1, batch_events_ / 2);
    batch_octets_ = std::max<std::size_t>(16 << 10, batch_octets_ / 2);
    if (!batch_.entries.empty())
      batch_events_ = std::max<std::size_t>(1, std::min(batch_events_, batch_.entries.size() / 2));
  }

  bool connect() {
    if (client_) return true;
    auto made = o_.connect();
    if (!made) {
      note_failure("waiting", made.error().problem.text());
      pause_after_failure({});
      return false;
    }
    const std::lock_guard lock(mutex_);
    client_ = std::move(*made);
    return !stopping_;
  }
  void drop_client() {
    const std::lock_guard lock(mutex_);
    client_.reset();
  }

  void note_failure(const char* state, const std::string& why) {
    const std::lock_guard lock(mutex_);
    ++stats_.retries;
    if (stats_.last_error != why)
      logging::warn("uplink: {}", why);  // once for each kind of trouble
    stats_.state = state;
    stats_.last_error = why;
  }

  void pause_after_failure(std::optional<milliseconds> asked) {
    const auto most = o_.pause_most.count(), first = o_.pause_first.count();
    auto wait = std::min(most, first << std::min(failures_, 16U));
    ++failures_;
    // Full sites come back together after an outage: half of the pause is chance.
    std::uniform_int_distribution<std::int64_t> chance(wait / 2, wait);
    wait = chance(random_);
    if (asked)
      wait = std::max<std::int64_t>(asked->count(), 1) +
             chance(random_) % std::max<std::int64_t>(1, first);
    pause(milliseconds(wait));
  }

  void renew_if_due() {
    const auto now = std::chrono::steady_clock::now();
    if (!has_identity_ || now < next_renewal_try_) return;
    // Some twenty tries between the time when it is due and the end, whatever the life is.
    next_renewal_try_ =
        now + std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(
                             (identity_.not_after - identity_.not_before) / 60),
                         std::chrono::milliseconds(1000), std::chrono::milliseconds(600'000));
    if (!identity_.renewal_due(clock_.now())) return;
    auto renewed = net::renew(identity_, o_.identity_folder, o_.timeout);
    if (!renewed) {
      logging::warn("uplink: the certificate ends {} and could not be renewed: {}",
                    rfc3339(identity_.not_after), renewed.error().problem.text());
      return;
    }
    identity_ = std::move(*renewed);
    drop_client();
    const std::lock_guard lock(mutex_);
    ++stats_.renewals;
    stats_.certificate_ends = identity_.not_after;
    logging::info("uplink: certificate renewed, ends {}", rfc3339(identity_.not_after));
  }

  void heartbeat() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_heartbeat_) return;
    next_heartbeat_ = now + o_.heartbeat;
    const auto spool = spool_.stats();
    const auto up = stats();
    const auto sink = sink_.stats();
    std::string text;
    JsonWriter json(text);
    const auto at = clock_.now();
    json.begin_object();
    json.field("timestamp", eve_time(at));
    json.field("event_type", "sensor");
    json.begin_object("sensor");
    json.field("status", spool.refusing                               ? "disk_full"
                         : up.state == "connected" || up.batches == 0 ? "running"
                                                                      : "catching_up");
    json.field("uptime_seconds",
               std::chrono::duration_cast<std::chrono::seconds>(now - started_).count());
    json.begin_object("spool");
    json.field("octets", spool.octets);
    json.field("events", spool.next_seq - 1 - std::min(spool.acked_seq, spool.next_seq - 1));
    json.field("oldest_age_seconds",
               spool.oldest.us == 0
                   ? 0
                   : std::max<std::int64_t>(0, (at - spool.oldest).count() / 1'000'000));
    json.field("shed_events", spool.shed_events);
    json.field("corrupt_records", spool.corrupt_records);
    json.field("torn_octets", spool.torn_octets);
    json.field("write_errors", spool.write_errors);
    json.end_object();
    json.begin_object("uplink");
    json.field("state", up.state);
    json.field("batches", up.batches);
    json.field("events", up.events);
    json.field("octets", up.octets);
    json.field("retries", up.retries);
    json.field("skipped_events", up.skipped_events);
    json.field("refused_events", up.refused_events);
    if (up.certificate_ends.us != 0) json.field("certificate_ends", rfc3339(up.certificate_ends));
    json.end_object();
    json.begin_object("drops");
    for (const auto& [reason, count] : sink.dropped) {
      json.key_text(reason);
      json.value(count);
    }
    json.end_object();
    if (status_) status_(json);
    json.end_object();
    json.end_object();
    sink_.submit_or_drop(text, "heartbeat");
  }

  UplinkOptions o_;
  Spool& spool_;
  SpoolSink& sink_;
  const Clock& clock_;
  std::function<void(JsonWriter&)> status_;
  net::SensorIdentity identity_;
  bool has_identity_ = false;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();

  // Uplink thread only.
  batch::Encoder encoder_;
  SpoolBatch batch_;
  std::vector<ingest::Lost> lost_;        // of the batch under way
  std::uint64_t renumbered_ = 0;          // up to here the collector has all under an earlier epoch
  std::vector<ingest::Skipped> refused_;  // in order; not told yet
  std::uint64_t next_ = 1;                // first event that is not acknowledged
  std::uint64_t expected_ = 1;            // what the collector waits for, as far as we know
  std::size_t batch_events_ = o_.batch_events, batch_octets_ = o_.batch_octets;
  unsigned failures_ = 0, conflicts_ = 0, single_refusals_ = 0;
  std::mt19937_64 random_{std::random_device{}()};
  std::chrono::steady_clock::time_point next_heartbeat_, next_renewal_try_;

  mutable std::mutex mutex_;
  std::condition_variable condition_, drained_;
  std::unique_ptr<http::Client> client_;  // replaced under the mutex, so that stop() may cancel it
  UplinkStats stats_;
  bool stopping_ = false, fresh_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Uplink>, Problem> Uplink::make(UplinkOptions options, Spool& spool,
                                                      SpoolSink& sink, const Clock& clock,
                                                      std::function<void(JsonWriter&)> status) {
  auto uplink =
      std::make_unique<SpoolUplink>(std::move(options), spool, sink, clock, std::move(status));
  if (auto ok = uplink->prepare(); !ok) return fail(ok.error());
  return uplink;
}

}  // namespace ww
