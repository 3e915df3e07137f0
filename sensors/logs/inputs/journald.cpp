#include <sys/epoll.h>
#include <systemd/sd-journal.h>

#include <cstdlib>
#include <cstring>

#include "sensors/logs/inputs/others.hpp"
#include "telemetry/logformats/text.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_fields = 256;

class Journald final : public Input {
 public:
  Journald(JournaldOptions options, Surroundings& around)
      : o_(std::move(options)), a_(around), out_(around) {}
  ~Journald() override {
    if (journal_ == nullptr) return;
    if (fd_ >= 0) a_.loop.remove(fd_);
    sd_journal_close(journal_);
  }
  Journald(const Journald&) = delete;
  Journald& operator=(const Journald&) = delete;

  Result<void, Problem> open() override {
    const int r = o_.folder.empty() ? sd_journal_open(&journal_, SD_JOURNAL_LOCAL_ONLY)
                                    : sd_journal_open_directory(&journal_, o_.folder.c_str(), 0);
    if (r < 0)
      return fail(Problem{std::string("cannot open the journal: ") + std::strerror(-r),
                          o_.folder.empty() ? "journald" : o_.folder,
                          "put the sensor's user into the group systemd-journal"});
    sd_journal_set_data_threshold(journal_, o_.source.max_line_octets);
    for (const auto& unit : o_.units) {
      const auto match =
          "_SYSTEMD_UNIT=" + unit + (unit.find('.') == std::string::npos ? ".service" : "");
      sd_journal_add_match(journal_, match.data(), match.size());
      sd_journal_add_disjunction(journal_);
    }
    return {};
  }

  void start() override {
    key_ = "journald:" + o_.folder;
    if (const auto cursor = a_.sink.recall(key_);
        !cursor.empty() && sd_journal_seek_cursor(journal_, cursor.c_str()) >= 0) {
      // The cursor is the last entry that was taken; if it is gone, the journal is at the next one.
      if (sd_journal_next(journal_) > 0 && sd_journal_test_cursor(journal_, cursor.c_str()) <= 0)
        sd_journal_previous(journal_);
    } else if (o_.from_end) {
      sd_journal_seek_tail(journal_);
      sd_journal_previous(journal_);
    } else {
      sd_journal_seek_head(journal_);
    }
    fd_ = sd_journal_get_fd(journal_);
    if (fd_ >= 0)
      a_.loop.add(fd_, EPOLLIN, [this](std::uint32_t) {
        sd_journal_process(journal_);
        more_ = true;
      });
    a_.loop.every(std::chrono::milliseconds(50), [this] {
      if (more_) read();
    });
    a_.loop.every(std::chrono::seconds(2), [this] { more_ = true; });
    more_ = true;
  }
  void finish() override {
    sd_journal_process(journal_);
    more_ = true;
    for (int i = 0; i < 1000 && more_ && !out_.blocked(); ++i) read();
    (void)out_.hand_over();
  }
  std::string label() const override { return "journald:" + o_.folder; }
  bool idle() const override { return !more_ && !out_.blocked(); }

 private:
  void read() {
    if (out_.blocked() && !out_.hand_over()) return;
    bool any = false;
    while (true) {
      const int r = sd_journal_next(journal_);
      if (r <= 0) {
        more_ = false;
        break;
      }
      entry();
      any = true;
      if (out_.full()) break;
    }
    if (any) {
      char* cursor = nullptr;
      if (sd_journal_get_cursor(journal_, &cursor) >= 0)
        out_.group().state.emplace_back(key_, cursor);
      std::free(cursor);
    }
    (void)out_.hand_over();
  }

  void entry() {
    record_.clear();
    std::uint64_t stamp = 0;
    if (sd_journal_get_realtime_usec(journal_, &stamp) >= 0)
      record_.time = Timestamp{static_cast<std::int64_t>(stamp)};
    const void* data = nullptr;
    std::size_t length = 0;
    SD_JOURNAL_FOREACH_DATA(journal_, data, length) {
      const std::string_view field(static_cast<const char*>(data), length);
      const auto equals = field.find('=');
      if (equals == std::string_view::npos || record_.fields.size() >= max_fields) continue;
      // The next call may move the data: keep a copy.
      const auto name = record_.keep(field.substr(0, equals));
      const auto value = record_.keep(field.substr(equals + 1));
      if (name == "MESSAGE")
        record_.message = value;
      else
        record_.add(name, value);
    }
    a_.counters.lines.fetch_add(1, std::memory_order_relaxed);
    a_.counters.octets.fetch_add(record_.message.size(), std::memory_order_relaxed);
    if (const auto n = to_number(record_.field("PRIORITY")); n && *n >= 0)
      record_.severity = severity_name(static_cast<unsigned>(*n & 7));
    if (const auto n = to_number(record_.field("SYSLOG_FACILITY")); n && *n >= 0 && *n < 24)
      record_.facility = facility_name(static_cast<unsigned>(*n));
    record_.host = record_.field("_HOSTNAME");
    record_.product = "linux";
    record_.service = linux_service(record_.field("SYSLOG_IDENTIFIER"));
    record_.format = "journald";
    const auto now = a_.clock.now();
    const auto message = record_.message;
    parse_inner(message, {now, &o_.source.zone}, record_);
    if (!o_.source.product.empty()) record_.product = o_.source.product;
    if (!o_.source.service.empty()) record_.service = o_.source.service;
    out_.event(record_, {"journald", {}, {}}, message, now);
  }

  JournaldOptions o_;
  Surroundings& a_;
  Outlet out_;
  Record record_;
  sd_journal* journal_ = nullptr;
  std::string key_;
  int fd_ = -1;
  bool more_ = false;
};

}  // namespace

std::unique_ptr<Input> make_journald(JournaldOptions options, Surroundings& around) {
  return std::make_unique<Journald>(std::move(options), around);
}

}  // namespace ww::logs
