#pragma once
/// Secrets that a command is given: typed, or in a file, never on the command line, where every
/// user of the machine could read them.
#include <string>

namespace ww::ctl {

/// A line of standard input; a terminal is prompted and does not show what is typed.
[[nodiscard]] std::string ask_secret(const char* prompt);
/// A file's first line without the line end and spaces of another system's editor at its end.
/// Throws Failure when there is none.
[[nodiscard]] std::string first_line(const std::string& path);

}  // namespace ww::ctl
