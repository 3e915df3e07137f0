/// Where the time of the log path goes: parsing and writing an event by format, the spool, the
/// encoder, and the whole way from a file to the spool. Rates beside a reference measured in the
/// same run: counting the line feeds of the same text.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "sensors/logs/log_service.hpp"
#include "telemetry/batch/batch.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/logformats/format.hpp"
#include "telemetry/spool.hpp"

namespace {

using namespace ww;
namespace fs = std::filesystem;
using Clocks = std::chrono::steady_clock;

double cpu_seconds() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

struct Rate {
  double seconds = 0, cpu = 0;
};
Rate timed(const std::function<void()>& f) {
  const auto start = Clocks::now();
  const auto cpu = cpu_seconds();
  f();
  return {std::chrono::duration<double>(Clocks::now() - start).count(), cpu_seconds() - cpu};
}
void report(const char* what, std::size_t events, std::size_t octets, Rate r) {
  std::printf("%-34s %9.0f events/s  %7.1f MB/s  %5.2f us cpu each\n", what,
              static_cast<double>(events) / r.seconds,
              static_cast<double>(octets) / r.seconds / 1e6,
              r.cpu / static_cast<double>(events) * 1e6);
}

std::string text_of(std::string_view line, std::size_t lines) {
  std::string out;
  for (std::size_t i = 0; i < lines; ++i) {
    out += line;
    out += '\n';
  }
  return out;
}

}  // namespace

int main() {
  constexpr std::size_t lines = 200'000;
  const SystemClock clock;
  const auto folder = fs::temp_directory_path() / ("ww-log-bench-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  std::string events;
  for (const auto& f : logs::Formats::builtin().all()) {
    const auto text = text_of(f->example(), lines / 4);
    auto parser = logs::SourceParser::make({}, logs::Formats::builtin());
    std::string out;
    std::size_t written = 0;
    const auto r = timed([&] {
      const auto emit = [&](logs::Record& record, std::string_view line) {
        logs::append_log_event(out, record, {"file", "/var/log/x.log", {}}, line, Timestamp{});
        written += out.size();
        out.clear();
      };
      std::string_view rest = text;
      while (!rest.empty()) {
        const auto end = rest.find('\n');
        (*parser)->feed(rest.substr(0, end), Timestamp{1'795'312'200'000'000}, emit);
        rest.remove_prefix(end + 1);
      }
      (*parser)->flush({}, emit);
    });
    report((std::string("parse and write ") + std::string(f->name())).c_str(), lines / 4,
           text.size(), r);
  }
  const std::string event =
      "{\"ww\":{\"id\":\"01a20162-9f1a-77a5-bdb9-69e2f4454f0d\",\"site\":\"trust-a\",\"sensor\":"
      "\"s1\",\"schema\":1,\"tokenised\":false},"
      "\"timestamp\":\"2005-12-04T04:47:44.000000+0000\",\"event_type\":\"log\",\"log\":{"
      "\"source\":\"file\",\"product\":\"linux\","
      "\"service\":\"sshd\",\"host\":\"web1\",\"message\":\"Failed password for root from "
      "192.0.2.7 port 42931 ssh2\",\"fields\":{"
      "\"program\":\"sshd\",\"pid\":4711},\"file\":\"/var/log/auth.log\",\"format\":\"rfc3164\"}}";
  {
    SpoolOptions o;
    o.folder = (folder / "spool").string();
    auto spool = Spool::open(o, clock);
    report("spool: append, write, sync", lines, lines * event.size(), timed([&] {
             for (std::size_t i = 0; i < lines; i += 100) {
               if (!(*spool)->begin()) return;
               for (int k = 0; k < 100; ++k) (*spool)->append(event);
               (*spool)->commit();
             }
             (void)(*spool)->sync();
           }));
    SpoolBatch batch;
    std::uint64_t from = 1;
    report("spool: read", lines, lines * event.size(), timed([&] {
             while (true) {
               batch.clear();
               const auto n = (*spool)->read(from, 10'000, 3 << 20, batch);
               if (!n || *n == 0) break;
               from = batch.entries.back().seq + 1;
             }
           }));
    batch::Encoder encoder;
    std::size_t octets = 0;
    from = 1;
    report("spool: read, envelope, zstd", lines, lines * event.size(), timed([&] {
             while (true) {
               batch.clear();
               const auto n = (*spool)->read(from, 10'000, 3 << 20, batch);
               if (!n || *n == 0) break;
               from = batch.entries.back().seq + 1;
               encoder.begin();
               for (const auto& e : batch.entries) encoder.add(batch.payload(e), 1, e.seq);
               octets += encoder.finish().size();
             }
           }));
    std::printf("%-34s %9.1f octets an event\n", "  compressed to",
                static_cast<double>(octets) / lines);
  }
  {
    std::string text;
    for (std::size_t i = 0; i < lines; ++i)
      text += "Nov 22 02:30:00 web1 sshd[" + std::to_string(1000 + i % 9000) +
              "]: Failed password for root from 192.0.2." + std::to_string(i % 256) + " port " +
              std::to_string(i % 65536) + " ssh2\n";
    std::ofstream(folder / "auth.log") << text;
    std::size_t feeds = 0;
    const auto reference = timed([&] {
      std::ifstream in(folder / "auth.log", std::ios::binary);
      std::string buffer(256 << 10, '\0');
      while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
        feeds += static_cast<std::size_t>(
            std::count(buffer.begin(), buffer.begin() + in.gcount(), '\n'));
    });
    report("reference: count line feeds", feeds, text.size(), reference);
    SpoolOptions o;
    o.folder = (folder / "spool2").string();
    auto spool = Spool::open(o, clock);
    auto sink = SpoolSink::make({"trust-a", "s1"}, **spool, nullptr, clock);
    sink->start();
    auto settings = Settings::from_yaml(
        "files:\n  - paths: [" + (folder / "auth.log").string() + "]\n", "bench");
    auto service = LogService::make(*settings, *sink, clock);
    const auto r = timed([&] {
      (*service)->start();
      while ((*service)->stats().events < lines)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      (void)sink->sync();
    });
    report("file to spool, whole path", lines, text.size(), r);
    (*service)->stop();
  }
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  std::printf("largest resident set %ld KiB\n", u.ru_maxrss);
  fs::remove_all(folder);
}
