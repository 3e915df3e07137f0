#pragma once
/// Formats that a person declares in a YAML file instead of writing code.
///
///   name: zookeeper                      # required, unique
///   summary: Apache ZooKeeper server log
///   product: zookeeper                   # Sigma logsource hints: product, service, category
///   pattern: '{time} - {level} +[{node}:{component}@{id:int}] - {message}'   # or a list, tried in
///   turn time: '%Y-%m-%d %H:%M:%S,%f'         # one layout or a list (time_format.hpp); absent: no
///   time of its own zone: Europe/London                  # optional; else the source's levels:
///   {INFO: informational, WARN: warning}     # else the usual spellings are known multiline: true
///   # lines that do not fit continue the record before order: 500                           #
///   detection order; 500 unless given, lower is asked first example: '2015-07-29 17:41:44,747 -
///   INFO  [main:QuorumPeer@774] - Notification'
///
/// In a pattern `{name}` takes the shortest text that lets the rest fit, at the end of the pattern
/// all the rest;
/// `{name:word}` no spaces, `{name:int}` digits, `{name:rest}` everything, `{name:quoted}` text
/// between double quotes,
/// `{name:ip}` an address, `{name:/EXPR/}` a PCRE2 expression; `{?...?}` is optional; `{{` and `}}`
/// are braces; a space stands for one or more spaces or tabs. `time`, `level`, `host`, `message`
/// and `program` have a meaning; all names also become `fields`. Instead of `pattern`, `regex`
/// takes a PCRE2 expression with named groups.
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
