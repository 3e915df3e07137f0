#include "collector/ingest/pipeline_local.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "collector/ingest/pipeline_stamp.hpp"

namespace ww::collector {
namespace {

using Done = std::function<void(CommitAnswer)>;
constexpr std::size_t max_dead_line = 64U << 10;  // octets of a dead letter that are kept

std::uint64_t octets_of(const Batch& b) {
  std::uint64_t n = 256;
  for (const auto& e : b.events) n += e.json.size() + 32;
  for (const auto& d : b.dead) n += d.line.size() + d.reason.size() + 32;
  return n;
}

/// Batches that share one commit, with who waits for it.
struct Prepared {
  struct Waiter {
    Done done;
    CommitAnswer answer;
  };
  CommitGroup group;
  std::vector<Waiter> waiters;
  std::uint64_t generation = 0;
};

class LocalPipelineImpl final : public LocalPipeline {
 public:
  LocalPipelineImpl(const PipelineOptions& options, Store& store, Detector* detector,
                    const Clock& clock)
      : options_(options), store_(store), detector_(detector), clock_(clock) {
    committer_ = std::thread([this] { commit_loop(); });
    preparer_ = std::thread([this] { prepare_loop(); });
  }
  ~LocalPipelineImpl() override { stop(); }

  void submit(Batch batch, Done done) override {
    const auto octets = octets_of(batch);
    {
      const std::lock_guard lock(queue_mutex_);
      const bool full = queue_.size() >= options_.queue_batches ||
                        (!queue_.empty() && queue_octets_ + octets > options_.queue_octets);
      if (!stopping_ && !full) {
        queue_octets_ += octets;
        queue_.push_back({std::move(batch), std::move(done), octets});
        queue_ready_.notify_one();
        return;
      }
    }
    ++busy_;
    CommitAnswer answer;
    answer.kind = CommitAnswer::Kind::busy;
    done(std::move(answer));
  }

  void stop() override {
    {
      const std::lock_guard lock(queue_mutex_);
      stopping_ = true;
    }
    queue_ready_.notify_all();
    if (preparer_.joinable()) preparer_.join();
    if (committer_.joinable()) committer_.join();
  }

  PipelineStats stats() const override {
    PipelineStats s;
    {
      const std::lock_guard lock(stats_mutex_);
      s = stats_;
    }
    s.busy = busy_;
    const std::lock_guard lock(queue_mutex_);
    s.queue_batches = queue_.size();
    s.queue_octets = queue_octets_;
    return s;
  }

 private:
  struct Queued {
    Batch batch;
    Done done;
    std::uint64_t octets;
  };
  using SensorKey = std::pair<std::string, std::string>;
  /// What of a stored event detection wants to know beside the event.
  struct Known {
    std::string id, type, drill_run;
  };

  // --- the preparing thread

  void prepare_loop() {
    for (;;) {
      std::vector<Queued> taken;
      {
        std::unique_lock lock(queue_mutex_);
        queue_ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) break;
        std::uint64_t events = 0;
        std::uint64_t octets = 0;
        while (!queue_.empty() &&
               (taken.empty() ||
                (events + queue_.front().batch.events.size() <= options_.group_events &&
                 octets + queue_.front().octets <= options_.group_octets))) {
          events += queue_.front().batch.events.size();
          octets += queue_.front().octets;
          taken.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
      }
      std::uint64_t octets = 0;
      for (const auto& q : taken) octets += q.octets;
      hand_over(prepare(taken));
      // Room is given back only now, so that what is being worked on counts as waiting too.
      const std::lock_guard lock(queue_mutex_);
      queue_octets_ -= octets;
    }
    const std::lock_guard lock(commit_mutex_);
    no_more_ = true;
    commit_ready_.notify_all();
  }

  Prepared prepare(std::vector<Queued>& taken) {
    if (const auto now = generation_.load(); now != seen_generation_) {
      // A commit failed: what was prepared on top of it is void, so begin again from what is
      // stored.
      cursors_.clear();
      if (detector_ != nullptr) detector_->rewind();
      seen_generation_ = now;
    }
    Prepared out;
    out.generation = seen_generation_;
    std::vector<Known> ids;
    PipelineStats add;
    for (auto& q : taken) {
      CommitAnswer answer;
      auto write = admit(q.batch, answer, ids, add);
      ++add.batches;
      if (!write) {
        q.done(std::move(answer));
        continue;
      }
      out.group.batches.push_back(std::move(*write));
      out.waiters.push_back({std::move(q.done), std::move(answer)});
    }
    if ((detector_ != nullptr || !options_.watchers.empty()) && !ids.empty()) {
      std::vector<DetectEvent> events;
      events.reserve(ids.size());
      std::size_t i = 0;
      for (const auto& b : out.group.batches)
        for (const auto& e : b.events) {
          const auto& known = ids[i++];
          events.push_back({e.json, known.id, b.site, b.sensor, known.type, e.time, known.drill_run,
                            e.json.capacity() - e.json.size()});
        }
      if (detector_ != nullptr) detector_->process(events, out.group.records);
      for (auto* watcher : options_.watchers) watcher->watch(events, out.group.records);
    }
    if (options_.on_detect)
      for (const auto& b : out.group.batches)
        options_.on_detect(
            std::max(0.0, static_cast<double>((clock_.now() - b.received).count()) / 1e6));
    const auto& counts = stamper_.counts();
    const std::lock_guard lock(stats_mutex_);
    stats_.batches += add.batches;
    stats_.events += add.events;
    stats_.octets += add.octets;
    stats_.dead_letters += add.dead_letters;
    stats_.out_of_order += add.out_of_order;
    stats_.repeated_events += add.repeated_events;
    stats_.skipped_events += add.skipped_events;
    stats_.bad_times = counts.bad_times;
    stats_.missing_ids = counts.missing_ids;
    stats_.wrong_identity = counts.wrong_identity;
    stats_.clock_skew = counts.clock_skew;
    return out;
  }

  /// What of the batch is new, ready to store; nothing when it is refused (then `answer` says so).
  std::optional<BatchWrite> admit(Batch& b, CommitAnswer& answer, std::vector<Known>& ids,
                                  PipelineStats& add) {
    const std::uint64_t lines = b.events.size() + b.dead.size();
    BatchWrite w;
    w.site = b.site;
    w.sensor = b.sensor;
    w.source = b.source;
    w.received = b.received.us > 0 ? b.received : clock_.now();
    std::uint64_t known = 0;  // lines at the front that are stored already
    std::uint64_t first_seq = 0;
    if (b.id) {
      const auto at = place(b, lines, w, answer, known, add);
      if (!at) return {};
      first_seq = b.id->seq;
      cursors_[{b.site, b.sensor}] = *at;
      w.cursor = at;
      answer.ack = at->seq;
    }
    answer.accepted = lines;
    add.repeated_events += known;
    const StampContext context{&w.site, &w.sensor, w.received, options_.max_future,
                               options_.is_rehearsal};
    // With positions the dead letters' lines and the events interleave; without, the dead ones come
    // last.
    const bool placed = b.dead_positions.size() == b.dead.size() &&
                        std::is_sorted(b.dead_positions.begin(), b.dead_positions.end());
    std::size_t next_event = 0;
    std::size_t next_dead = 0;
    w.events.reserve(b.events.size());
    for (std::uint64_t line = 0; line < lines; ++line) {
      const bool dead = next_event == b.events.size() || (placed && next_dead < b.dead.size() &&
                                                          b.dead_positions[next_dead] == line);
      const bool skip = line < known;
      const auto seq = b.id ? first_seq + line : 0;
      if (dead) {
        auto& d = b.dead[next_dead++];
        if (!skip) bury(w, std::move(d.line), std::move(d.reason), seq, add);
        continue;
      }
      auto& json = b.events[next_event++].json;
      if (skip) continue;
      auto stamped = stamper_.stamp(json, context);
      if (!stamped) {
        bury(w, std::move(json), std::move(stamped.error()), seq, add);
        continue;
      }
      ++add.events;
      add.octets += stamped->event.json.size();
      w.events.push_back(std::move(stamped->event));
      ids.push_back(
          {std::move(stamped->id), std::move(stamped->type), std::move(stamped->drill_run)});
    }
    return w;
  }

  static void bury(BatchWrite& w, std::string line, std::string reason, std::uint64_t seq,
                   PipelineStats& add) {
    if (line.size() > max_dead_line) {
      reason += "; cut from " + std::to_string(line.size()) + " octets";
      line.resize(max_dead_line);
    }
    w.dead.push_back({std::move(line), std::move(reason), seq});
    ++add.dead_letters;
  }

  /// A sensor whose spool began earlier than one that has sent as the same sensor since. Told once
  /// an hour for each.
  void say_two_spools(const Batch& b) {
    if (!options_.on_shared_identity) return;
    const auto now = clock_.now();
    auto& said = two_spools_[{b.site, b.sensor}];
    if (said.us != 0 && now - said < std::chrono::hours(1) && now >= said) return;
    said = now;
    options_.on_shared_identity(b.site, b.sensor);
  }

  /// The rules of telemetry/ingest.hpp. @return the cursor after the batch, or nothing when it is
  /// out of order
  std::optional<SensorCursor> place(const Batch& b, std::uint64_t lines, BatchWrite& w,
                                    CommitAnswer& answer, std::uint64_t& known,
                                    PipelineStats& add) {
    const auto& id = *b.id;
    auto found = cursors_.find({b.site, b.sensor});
    std::optional<SensorCursor> stored;
    if (found != cursors_.end())
      stored = found->second;
    else
      stored = store_.cursor(b.site, b.sensor);
    SensorCursor at = stored.value_or(SensorCursor{id.epoch, 0});
    const auto refuse = [&](const SensorCursor& c) {
      ++add.out_of_order;
      answer.kind = CommitAnswer::Kind::out_of_order;
      answer.expected = c.seq + 1;
      answer.epoch = c.epoch;
      answer.ack = c.seq;
      return std::nullopt;
    };
    if (id.epoch < at.epoch) {
      say_two_spools(b);
      return refuse(at);
    }
    if (id.epoch > at.epoch) {
      // A new spool. What the old one still held, if anything, is not known and will not come.
      w.gaps.push_back({at.epoch, at.seq + 1, 0, "epoch", w.received});
      at = {id.epoch, 0};
    }
    if (b.skipped && b.skipped->from <= at.seq + 1) {
      const auto to = std::min(b.skipped->to, id.seq - 1);  // what is in the batch is not lost
      if (to > at.seq) {
        for (const auto& run : ingest::lost_runs({at.seq + 1, to}, b.lost)) {
          if (run.reason == ingest::lost::renumbered) continue;  // stored, under other numbers
          w.gaps.push_back({at.epoch, run.from, run.to, std::string(run.reason), w.received});
          add.skipped_events += run.to - run.from + 1;
        }
        at.seq = to;
      }
    }
    if (id.seq > at.seq + 1) return refuse(at);
    const auto last =
        id.seq + lines - 1;  // wraps only with zero lines at seq 0, which no batch id has
    known = std::min(lines, at.seq + 1 - id.seq);
    at.seq = std::max(at.seq, last);
    return at;
  }

  void hand_over(Prepared group) {
    if (group.waiters.empty()) return;
    std::unique_lock lock(commit_mutex_);
    constexpr std::size_t most_ahead = 2;
    commit_room_.wait(lock, [this] { return commit_queue_.size() < most_ahead; });
    commit_queue_.push_back(std::move(group));
    commit_ready_.notify_one();
  }

  // --- the committing thread

  void commit_loop() {
    for (;;) {
      Prepared group;
      {
        std::unique_lock lock(commit_mutex_);
        commit_ready_.wait(lock, [this] { return no_more_ || !commit_queue_.empty(); });
        if (commit_queue_.empty()) return;
        group = std::move(commit_queue_.front());
        commit_queue_.pop_front();
        commit_room_.notify_one();
      }
      if (group.generation != generation_.load()) {
        refuse(group, "an earlier commit failed; send again");
        continue;
      }
      const auto begin = std::chrono::steady_clock::now();
      const auto done = store_.commit(std::move(group.group));
      if (!done) {
        ++generation_;
        tell_trouble(done.error().text());
        refuse(group, done.error().text());
        continue;
      }
      tell_trouble({});
      if (options_.on_commit)
        options_.on_commit(
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
      for (auto& w : group.waiters) w.done(std::move(w.answer));
    }
  }

  void tell_trouble(const std::string& why) {
    const bool before = std::exchange(in_trouble_, !why.empty());
    if (before != in_trouble_ && options_.on_trouble) options_.on_trouble(why);
  }

  void refuse(Prepared& group, const std::string& why) {
    {
      const std::lock_guard lock(stats_mutex_);
      stats_.failed += group.waiters.size();
    }
    for (auto& w : group.waiters) {
      CommitAnswer answer;
      answer.kind = CommitAnswer::Kind::failed;
      answer.error = why;
      w.done(std::move(answer));
    }
  }

  PipelineOptions options_;
  bool in_trouble_ = false;  // the committing thread's
  Store& store_;
  Detector* detector_;
  const Clock& clock_;

  mutable std::mutex queue_mutex_;
  std::condition_variable queue_ready_;
  std::deque<Queued> queue_;
  std::uint64_t queue_octets_ = 0;
  bool stopping_ = false;
  std::atomic<std::uint64_t> busy_{0};

  // preparing thread only
  Stamper stamper_;
  std::map<SensorKey, SensorCursor>
      cursors_;  // after what is prepared, which may be ahead of what is stored
  std::map<std::pair<std::string, std::string>, Timestamp> two_spools_;  // when told last
  std::uint64_t seen_generation_ = 0;

  std::mutex commit_mutex_;
  std::condition_variable commit_ready_, commit_room_;
  std::deque<Prepared> commit_queue_;
  bool no_more_ = false;
  std::atomic<std::uint64_t> generation_{0};  // grows with each failed commit

  mutable std::mutex stats_mutex_;
  PipelineStats stats_;

  std::thread committer_, preparer_;
};

}  // namespace

std::unique_ptr<LocalPipeline> LocalPipeline::create(const PipelineOptions& options, Store& store,
                                                     Detector* detector, const Clock& clock) {
  return std::make_unique<LocalPipelineImpl>(options, store, detector, clock);
}

}  // namespace ww::collector
