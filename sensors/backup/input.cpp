#include "sensors/backup/input.hpp"

#include <glob.h>
#include <sys/stat.h>

#include "sensors/backup/policy.hpp"
#include "sensors/logs/log_config.hpp"

namespace ww::backup {
namespace {

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

}  // namespace

std::string from_utf16(std::string_view octets) {
  const bool little = octets.starts_with("\xff\xfe");
  if (!little && !octets.starts_with("\xfe\xff")) return std::string(octets);
  std::string out;
  std::uint32_t high = 0;
  for (std::size_t i = 2; i + 1 < octets.size(); i += 2) {
    const std::uint32_t a = static_cast<unsigned char>(octets[i]);
    const std::uint32_t b = static_cast<unsigned char>(octets[i + 1]);
    const std::uint32_t u = little ? a | (b << 8U) : b | (a << 8U);
    if (u >= 0xD800 && u < 0xDC00) {
      high = u;
    } else if (u >= 0xDC00 && u < 0xE000) {
      append_utf8(out, high != 0 ? 0x10000 + ((high - 0xD800) << 10U) + (u - 0xDC00) : 0xFFFD);
      high = 0;
    } else {
      append_utf8(out, u);
      high = 0;
    }
  }
  return out;
}

std::optional<std::string> read_input(const ProbeSpec& spec, Look& look, Report& report) {
  if (const auto argv = spec.settings.list("command"); !argv.empty()) {
    auto f = look.run(argv, report);
    if (!f) return {};
    if (!f->good()) {
      report.failed("failed", f->err.empty() ? argv.front() + " ended with code " +
                                                   std::to_string(f->exit_code)
                                             : f->err);
      return {};
    }
    return from_utf16(f->out);
  }
  const auto pattern = spec.text("source");
  if (pattern.empty()) {
    report.failed("failed", "neither source nor command is configured");
    return {};
  }
  glob_t g{};
  std::string newest;
  struct stat best{};
  if (::glob(pattern.c_str(), 0, nullptr, &g) == 0)
    for (std::size_t i = 0; i < g.gl_pathc; ++i) {
      struct stat s{};
      if (::stat(g.gl_pathv[i], &s) != 0 || !S_ISREG(s.st_mode)) continue;
      if (newest.empty() || s.st_mtime > best.st_mtime) {
        newest = g.gl_pathv[i];
        best = s;
      }
    }
  ::globfree(&g);
  if (newest.empty()) {
    report.failed("unreadable", "there is no file " + pattern);
    return {};
  }
  const auto most = logs::parse_duration(spec.text("max_age", "26h"));
  const auto age = look.now().seconds() - static_cast<std::int64_t>(best.st_mtime);
  if (most && age > std::chrono::duration_cast<std::chrono::seconds>(*most).count()) {
    report.failed("stale", "the export " + newest + " is " + std::to_string(age / 3600) +
                               " h old; does its task still run?");
    return {};
  }
  if (best.st_size > static_cast<off_t>(max_export_octets)) {
    report.failed("too_large", newest + " is larger than 32 MiB");
    return {};
  }
  auto text = read_small_file(newest, max_export_octets);
  if (!text) {
    report.failed("unreadable", "cannot read " + newest);
    return {};
  }
  return from_utf16(*text);
}

}  // namespace ww::backup
