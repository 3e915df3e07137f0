#pragma once
/// Where probes of exports get their text: the output of a command, or the newest of some files.
#include <optional>
#include <string>

#include "sensors/backup/probe.hpp"

namespace ww::backup {

inline constexpr std::size_t max_export_octets = 32U << 20;

/// `command: [program, argument...]` or `source: /path/of/export-*.json` (the newest that fits).
/// The file's age is checked against `max_age` (default 26 h): an export that nobody writes any
/// more says nothing about today. UTF-16 with a byte order mark becomes UTF-8.
/// @return nothing after a failure, which is in the report
[[nodiscard]] std::optional<std::string> read_input(const ProbeSpec& spec, Look& look,
                                                    Report& report);
[[nodiscard]] std::string from_utf16(std::string_view octets);

/// What such probes have in common, for their key lists.
inline constexpr ProbeKey source_key{"source", "exported file, or a pattern: the newest counts"};
inline constexpr ProbeKey command_key{"command", "program and arguments that print the export"};
inline constexpr ProbeKey max_age_key{"max_age", "an older export is a failure; default 26h"};

}  // namespace ww::backup
