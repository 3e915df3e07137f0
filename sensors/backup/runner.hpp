#pragma once
/// Runs other people's programs for a probe, so that none of them can hurt the sensor: a clean
/// environment, nothing on standard input, no descriptors, a process group of its own that is
/// killed when time is up, output that is bounded.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::backup {

struct Command {
  std::vector<std::string> argv;  ///< argv[0] is looked up in `search_path` when it has no slash
  std::map<std::string, std::string> environment;  ///< beside PATH, HOME, TZ=UTC, LC_ALL=C.UTF-8
  std::string folder;                              ///< working folder and HOME; "" is /
  std::chrono::milliseconds timeout{120'000};
  std::size_t max_output = 32U << 20;  ///< of standard output; more ends the program
  std::size_t stop_after = 0;  ///< enough output: ends the program without a fault; 0: never
  /// A file that is locked while the program runs, made when it is missing: commands that name the
  /// same one run one after the other, in whatever thread or process. Waiting counts against the
  /// timeout. "": waits for nobody.
  std::string turn;
  /// A folder that the program makes anew by itself. When the program fails and names a file in it
  /// (it was killed while it made it), the folder is removed and the program run once more.
  std::string cache;
};

struct Finished {
  int exit_code = -1;  ///< 128 + signal when one ended it
  bool timed_out = false, too_large = false, stopped_early = false, cancelled = false;
  std::string out, err;  ///< err: the last 64 KiB
  std::chrono::milliseconds took{0};
  [[nodiscard]] bool good() const { return exit_code == 0 && !timed_out && !too_large; }
};

inline constexpr const char* search_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
inline constexpr std::size_t max_error_octets = 64U << 10;

/// Runs to the end, or to one of its bounds (timed_out also when its turn never came).
/// @param stop  set by another thread: the program is killed within 100 ms; may be null
/// @return a Problem only when the program could not be started at all
/// Threads: any. Blocks.
[[nodiscard]] Result<Finished, Problem> run(const Command& command, const std::atomic<bool>* stop);

}  // namespace ww::backup
