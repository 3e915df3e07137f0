#pragma once
/// Formats that a person declares in a YAML file instead of writing code. docs/sensor-logs.md is
/// the manual of the keys and of the pattern language; in short:
///
///   name: zookeeper
///   pattern: '{time} - {level} [{node}:{component}@{id:int}] - {message}'
///   time: '%Y-%m-%d %H:%M:%S,%f'
///   multiline: true
///   example: '2015-07-29 17:41:44,747 - INFO  [main:QuorumPeer@774] - Notification'
///
/// Patterns and layouts may be lists, tried in turn. `time`, `level`, `host` and `message` have a
/// meaning; all names but host and message also become `fields`.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/logformats/format.hpp"
#include "telemetry/result.hpp"

namespace ww::logs {

[[nodiscard]] Result<std::shared_ptr<const Format>, Problem> make_declared_format(
    std::string_view yaml, const std::string& where);

/// File name and text of the declared formats that ship (telemetry/logformats/declared/), compiled
/// in.
[[nodiscard]] const std::vector<std::pair<std::string_view, std::string_view>>&
shipped_declared_formats();

}  // namespace ww::logs
