#include "sensors/pipeline/replay.hpp"

#include <mutex>
#include <thread>

#include "sensors/decode/decoder.hpp"
#include "sensors/pipeline/spsc_ring.hpp"
#include "sensors/pipeline/stats_record.hpp"

namespace ww::sensor {
namespace {

constexpr std::size_t block_octets = 64 * 1024;
constexpr std::size_t block_frames = 256;
constexpr std::size_t ring_blocks = 64;
constexpr std::uint32_t blocks_a_publish = 16;    ///< counters are some kilobytes
constexpr std::uint32_t frames_a_publish = 4096;  ///< without threads

/// Frames on their way to a worker, copied once.
struct Block {
  struct Frame {
    std::uint32_t offset = 0, length = 0;
    int datalink = 1;
    Timestamp time;
    std::uint64_t number = 0;
    std::uint16_t interface_index = 0;
  };
  std::vector<std::uint8_t> octets;
  std::vector<Frame> frames;
  enum class Kind : std::uint8_t {
    frames,
    idle,
    engine,
    file,
    interfaces,
    finish
  } kind = Kind::frames;
  Timestamp now;
  std::shared_ptr<const sig::Engine> engine;
  std::string file;
  std::vector<std::string> interfaces;
  void clear() {
    octets.clear();
    frames.clear();
    kind = Kind::frames;
    engine.reset();
  }
};
using BlockPtr = std::unique_ptr<Block>;

}  // namespace

struct Dispatcher::Lane {
  Lane(PipelineShared& shared, std::vector<std::shared_ptr<EventSink>> sinks,
       std::shared_ptr<const sig::Engine> engine)
      : worker(shared, std::move(sinks), std::move(engine)),
        full(ring_blocks),
        empty(ring_blocks * 2) {}

  BlockPtr fresh() {
    BlockPtr b;
    if (!empty.try_pop(b)) {
      b = std::make_unique<Block>();
      b->octets.reserve(block_octets + 65536);
      b->frames.reserve(block_frames);
    }
    b->clear();
    return b;
  }
  void send() {
    if (!filling || filling->frames.empty()) return;
    full.push(std::move(filling));
  }
  void control(Block::Kind kind, const std::function<void(Block&)>& fill) {
    send();
    auto b = fresh();
    b->kind = kind;
    fill(*b);
    full.push(std::move(b));
  }
  void run(const Block& b) {
    const auto octets = [&](const Block::Frame& f) {
      return Bytes(b.octets).subspan(f.offset, f.length);
    };
    for (std::size_t i = 0; i < b.frames.size(); ++i) {
      if (i + Worker::foresight < b.frames.size()) {
        const auto& later = b.frames[i + Worker::foresight];
        worker.foresee(octets(later), later.datalink);
      }
      const auto& f = b.frames[i];
      worker.frame(octets(f), f.datalink, f.time, f.number, f.interface_index);
    }
  }
  void run() {
    for (std::uint32_t blocks = 0;; ++blocks) {
      auto b = full.pop();
      switch (b->kind) {
        case Block::Kind::frames:
          run(*b);
          break;
        case Block::Kind::idle:
          worker.idle(b->now);
          break;
        case Block::Kind::engine:
          worker.replace_engine(b->engine);
          break;
        case Block::Kind::file:
          worker.set_file(b->file);
          break;
        case Block::Kind::interfaces:
          worker.set_interfaces(b->interfaces);
          break;
        case Block::Kind::finish:
          worker.finish();
          publish();
          return;
      }
      if (b->kind != Block::Kind::frames || blocks % blocks_a_publish == 0) publish();
      b->clear();
      (void)empty.try_push(b);
    }
  }
  void publish() {
    const std::lock_guard lock(mutex);
    published = worker.counters();
  }

  Worker worker;
  SpscRing<BlockPtr> full, empty;
  BlockPtr filling;
  std::thread thread;
  std::uint32_t frames = 0;
  mutable std::mutex mutex;  // guards published
  WorkerCounters published;
};

Dispatcher::Dispatcher(PipelineShared& shared, const std::vector<std::shared_ptr<EventSink>>& sinks,
                       const std::shared_ptr<const sig::Engine>& engine) {
  for (std::size_t i = 0; i < std::max<std::size_t>(shared.workers, 1); ++i)
    lanes_.push_back(std::make_unique<Lane>(shared, sinks, engine));
}

/// Threads start with the first work, so that they inherit privileges that were dropped after
/// construction.
void Dispatcher::start() {
  if (started_ || lanes_.size() == 1) return;
  started_ = true;
  for (auto& lane : lanes_) lane->thread = std::thread([l = lane.get()] { l->run(); });
}

Dispatcher::~Dispatcher() {
  if (!finished_) finish();
}

void Dispatcher::frame(const capture::CapturedFrame& f) {
  if (lanes_.size() == 1) {
    auto& lane = *lanes_[0];
    lane.worker.frame(f.octets, f.datalink, f.time, f.number, f.interface_index);
    if (++lane.frames % frames_a_publish == 0) lane.publish();
    return;
  }
  start();
  auto& lane = *lanes_[decode::steering_hash(f.octets, f.datalink) % lanes_.size()];
  if (!lane.filling) lane.filling = lane.fresh();
  auto& b = *lane.filling;
  const auto at = static_cast<std::uint32_t>(b.octets.size());
  b.octets.insert(b.octets.end(), f.octets.begin(), f.octets.end());
  b.frames.push_back({at, static_cast<std::uint32_t>(f.octets.size()), f.datalink, f.time, f.number,
                      f.interface_index});
  if (b.octets.size() >= block_octets || b.frames.size() >= block_frames) lane.send();
}

void Dispatcher::foresee(capture::PacketSource& source) {
  if (lanes_.size() != 1) return;  // lanes have blocks of frames before them
  if (foreseen_ != 0) --foreseen_;
  capture::CapturedFrame later;
  while (foreseen_ < Worker::foresight && source.following(later)) {
    lanes_[0]->worker.foresee(later.octets, later.datalink);
    ++foreseen_;
  }
}

void Dispatcher::idle(Timestamp now) {
  start();
  for (auto& lane : lanes_) {
    if (lanes_.size() == 1) {
      lane->worker.idle(now);
      lane->publish();
    } else {
      lane->control(Block::Kind::idle, [&](Block& b) { b.now = now; });
    }
  }
}

void Dispatcher::replace_engine(std::shared_ptr<const sig::Engine> engine) {
  start();
  for (auto& lane : lanes_) {
    if (lanes_.size() == 1)
      lane->worker.replace_engine(engine);
    else
      lane->control(Block::Kind::engine, [&](Block& b) { b.engine = engine; });
  }
}

void Dispatcher::set_file(const std::string& name) {
  for (auto& lane : lanes_) {
    if (lanes_.size() == 1)
      lane->worker.set_file(name);
    else
      lane->control(Block::Kind::file, [&](Block& b) { b.file = name; });
  }
}

void Dispatcher::set_interfaces(const std::vector<std::string>& names) {
  for (auto& lane : lanes_) {
    if (lanes_.size() == 1)
      lane->worker.set_interfaces(names);
    else
      lane->control(Block::Kind::interfaces, [&](Block& b) { b.interfaces = names; });
  }
}

void Dispatcher::finish() {
  finished_ = true;
  if (lanes_.size() == 1) {
    lanes_[0]->worker.finish();
    lanes_[0]->publish();
    return;
  }
  start();
  for (auto& lane : lanes_) lane->control(Block::Kind::finish, [](Block&) {});
  for (auto& lane : lanes_)
    if (lane->thread.joinable()) lane->thread.join();
}

std::vector<WorkerCounters> Dispatcher::counters() const {
  std::vector<WorkerCounters> out;
  for (const auto& lane : lanes_) {
    const std::lock_guard lock(lane->mutex);
    out.push_back(lane->published);
  }
  return out;
}

ReplayResult replay(capture::PacketSource& source, PipelineShared& shared,
                    const std::vector<std::shared_ptr<EventSink>>& sinks,
                    const std::shared_ptr<const sig::Engine>& engine,
                    const std::function<void(const ReplayProgress&)>& progress) {
  ReplayResult result;
  Dispatcher dispatcher(shared, sinks, engine);
  std::string file;
  capture::CapturedFrame frame;
  Timestamp first, last;
  for (;;) {
    const auto read = source.next(frame);
    if (!read) {
      result.problems.push_back(read.error());
      continue;
    }
    if (*read == capture::Read::end) break;
    if (*read == capture::Read::idle) continue;
    if (result.packets == 0) first = frame.time;
    last = std::max(last, frame.time);
    ++result.packets;
    result.octets += frame.octets.size();
    if ((result.packets & 0xfff) == 1) {
      if (auto name = source.name(); name != file) {
        file = std::move(name);
        dispatcher.set_file(file);
      }
      if (progress) progress({file, result.packets, result.octets});
    }
    dispatcher.foresee(source);
    dispatcher.frame(frame);
  }
  dispatcher.finish();
  result.workers = dispatcher.counters();
  // Time is the capture's, so that the same capture gives the same record.
  StatsRecorder(shared).write(
      sinks, {last, std::chrono::duration_cast<std::chrono::seconds>(last - first), result.workers,
              nullptr, engine.get()});
  return result;
}

}  // namespace ww::sensor
