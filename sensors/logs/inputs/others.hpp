#pragma once
/// Journald, JSON lines on standard input, Windows EVTX files.
#include <memory>

#include "sensors/logs/inputs/input.hpp"

namespace ww::logs {

struct JournaldOptions {
  SourceOptions source;
  std::string folder;  ///< journal files of another machine; empty: this machine's journal
  std::vector<std::string> units;  ///< only these systemd units; empty: all
  bool from_end = true;            ///< at the very first start; later the position is remembered
};
[[nodiscard]] std::unique_ptr<Input> make_journald(JournaldOptions options, Surroundings& around);

struct StdinOptions {
  SourceOptions source;
  int fd = 0;
};
/// Lines on a descriptor. An object that has `event_type` is passed on as the event that it is.
[[nodiscard]] std::unique_ptr<Input> make_stdin(StdinOptions options, Surroundings& around);

struct EvtxOptions {
  SourceOptions source;
  std::vector<std::string>
      paths;  ///< files or globs; read again when they change, only records above the last one
  std::chrono::milliseconds poll{5000};
};
[[nodiscard]] std::unique_ptr<Input> make_evtx(EvtxOptions options, Surroundings& around);

}  // namespace ww::logs
