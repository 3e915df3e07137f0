#pragma once
/// What a program says of itself while it runs. spdlog writes it (level, file and layout are set by
/// the program's main); only logging.cpp includes it, because its templates cost each file that
/// uses them two seconds of compiling.
#include <fmt/core.h>

#include <cstdint>
#include <string_view>
#include <utility>

namespace ww::logging {

enum class Level : std::uint8_t { info, warn, error };

[[nodiscard]] bool wanted(Level level);
void write(Level level, std::string_view line);

template <typename... Args>
void say(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (wanted(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  say(Level::info, format, std::forward<Args>(args)...);
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  say(Level::warn, format, std::forward<Args>(args)...);
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  say(Level::error, format, std::forward<Args>(args)...);
}

}  // namespace ww::logging
