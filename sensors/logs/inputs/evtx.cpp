#include <glob.h>
#include <libevtx.h>
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <vector>

#include "sensors/logs/inputs/others.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/windows.hpp"
#include "telemetry/logging.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_xml = 512 << 10;
constexpr int records_at_a_time = 500;

/// An open EVTX file of libevtx.
class EvtxFile {
 public:
  explicit EvtxFile(const std::string& path) {
    if (libevtx_file_initialize(&file_, nullptr) == 1 &&
        libevtx_file_open(file_, path.c_str(), LIBEVTX_OPEN_READ, nullptr) == 1) {
      open_ = true;
      libevtx_file_get_number_of_records(file_, &count_, nullptr);
    }
  }
  ~EvtxFile() {
    if (open_) libevtx_file_close(file_, nullptr);
    if (file_ != nullptr) libevtx_file_free(&file_, nullptr);
  }
  EvtxFile(const EvtxFile&) = delete;
  EvtxFile& operator=(const EvtxFile&) = delete;
  [[nodiscard]] bool open() const { return open_; }
  [[nodiscard]] int count() const { return count_; }

  /// @return false when the record cannot be read
  bool record(int index, std::uint64_t& id, std::string& xml) {
    libevtx_record_t* r = nullptr;
    if (libevtx_file_get_record_by_index(file_, index, &r, nullptr) != 1) return false;
    std::size_t size = 0;
    bool ok = libevtx_record_get_identifier(r, &id, nullptr) == 1 &&
              libevtx_record_get_utf8_xml_string_size(r, &size, nullptr) == 1 && size > 1 &&
              size <= max_xml;
    if (ok) {
      xml.resize(size);
      ok = libevtx_record_get_utf8_xml_string(r, reinterpret_cast<std::uint8_t*>(xml.data()), size,
                                              nullptr) == 1;
      if (ok) xml.resize(size - 1);  // the size counts the terminating NUL
    }
    libevtx_record_free(&r, nullptr);
    return ok;
  }

 private:
  libevtx_file_t* file_ = nullptr;
  bool open_ = false;
  int count_ = 0;
};

class Evtx final : public Input {
 public:
  Evtx(EvtxOptions options, Surroundings& around)
      : o_(std::move(options)), a_(around), out_(around) {}

  Result<void, Problem> open() override { return {}; }
  void start() override {
    a_.loop.every(std::chrono::milliseconds(50), [this] { read(); });
    a_.loop.every(o_.poll, [this] { scan(); });
    scan();
  }
  void finish() override {
    for (int i = 0; i < 100'000 && !idle() && !out_.blocked(); ++i) read();
    (void)out_.hand_over();
  }
  std::string label() const override {
    std::string out = "evtx:";
    for (const auto& p : o_.paths) out += (out.size() > 5 ? "," : "") + p;
    return out.substr(0, 200);
  }
  bool idle() const override { return queue_.empty() && !out_.blocked(); }

 private:
  struct Seen {
    std::int64_t mtime_ns = 0;
    off_t size = 0;
  };

  void scan() {
    for (const auto& pattern : o_.paths) {
      glob_t g{};
      if (::glob(pattern.c_str(), 0, nullptr, &g) == 0)
        for (std::size_t i = 0; i < g.gl_pathc; ++i) {
          struct stat st{};
          const std::string path = g.gl_pathv[i];
          if (::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
          const Seen now{
              static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec,
              st.st_size};
          auto& before = seen_[path];
          if (before.mtime_ns == now.mtime_ns && before.size == now.size) continue;
          before = now;
          if (std::find(queue_.begin(), queue_.end(), path) == queue_.end()) queue_.push_back(path);
        }
      ::globfree(&g);
    }
  }

  void read() {
    if (out_.blocked() && !out_.hand_over()) return;
    if (queue_.empty()) return;
    if (!file_) {
      path_ = queue_.front();
      file_ = std::make_unique<EvtxFile>(path_);
      index_ = 0;
      const auto last = a_.sink.recall("evtx:" + path_);
      last_id_ = static_cast<std::uint64_t>(to_number(last).value_or(0));
      highest_ = last_id_;
      if (!file_->open()) {
        logging::warn("logs: {} is not a readable EVTX file", path_);
        next_file();
        return;
      }
      // A log that was cleared or replaced counts from 1 again.
      std::uint64_t id = 0;
      std::string xml;
      if (file_->count() > 0 && file_->record(file_->count() - 1, id, xml) && id < last_id_)
        last_id_ = highest_ = 0;
    }
    for (int n = 0; n < records_at_a_time && index_ < file_->count(); ++n, ++index_) {
      std::uint64_t id = 0;
      if (!file_->record(index_, id, xml_)) {
        a_.counters.unparsed.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      if (id <= last_id_) continue;
      highest_ = std::max(highest_, id);
      event(id);
    }
    out_.group().state.emplace_back(
        "evtx:" + path_,
        std::to_string(index_ >= file_->count() ? highest_ : std::max(last_id_, highest_)));
    if (index_ >= file_->count()) next_file();
    (void)out_.hand_over();
  }

  void event(std::uint64_t id) {
    record_.clear();
    a_.counters.lines.fetch_add(1, std::memory_order_relaxed);
    a_.counters.octets.fetch_add(xml_.size(), std::memory_order_relaxed);
    if (!windows::parse_event_xml(xml_, record_)) {
      record_.clear();
      record_.message = std::string_view(xml_).substr(0, o_.source.max_line_octets);
      record_.add_number("EventRecordID", static_cast<std::int64_t>(id));
      record_.product = "windows";
    }
    record_.format = "evtx";
    if (!o_.source.host.empty() && record_.host.empty()) record_.host = o_.source.host;
    out_.event(record_, {"windows", path_, {}}, {}, a_.clock.now());
  }

  void next_file() {
    file_.reset();
    queue_.erase(queue_.begin());
  }

  EvtxOptions o_;
  Surroundings& a_;
  Outlet out_;
  Record record_;
  std::map<std::string, Seen> seen_;
  std::vector<std::string> queue_;
  std::unique_ptr<EvtxFile> file_;
  std::string path_, xml_;
  int index_ = 0;
  std::uint64_t last_id_ = 0, highest_ = 0;
};

}  // namespace

std::unique_ptr<Input> make_evtx(EvtxOptions options, Surroundings& around) {
  return std::make_unique<Evtx>(std::move(options), around);
}

}  // namespace ww::logs
