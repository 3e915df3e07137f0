#include "telemetry/logging.hpp"

#include <spdlog/spdlog.h>

namespace ww::logging {
namespace {

spdlog::level::level_enum of(Level level) {
  switch (level) {
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

bool wanted(Level level) { return spdlog::should_log(of(level)); }

void write(Level level, std::string_view line) {
  spdlog::default_logger_raw()->log(of(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace ww::logging
