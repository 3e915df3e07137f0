/// `wardwatchctl logs`: what the log formats make of a file, without a sensor or a collector.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "ctl/commands/command.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/logformats/declared.hpp"
#include "telemetry/logformats/format.hpp"

namespace ww::ctl {
namespace {

struct Options {
  std::vector<std::string> files, declared;
  std::string format = "auto", zone = "UTC", multiline, reference;
};

Timestamp modified(const std::string& path) {
  struct stat st{};
  if (path == "-" || ::stat(path.c_str(), &st) != 0) return SystemClock().now();
  return {static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000 + st.st_mtim.tv_nsec / 1000};
}

void parse_stream(std::istream& in, const std::string& name, Timestamp reference,
                  logs::SourceParser& parser) {
  const SystemClock clock;
  const logs::Origin origin{name == "-" ? "stdin" : "file",
                            name == "-" ? std::string_view() : std::string_view(name),
                            {}};
  std::string out;
  const auto emit = [&](logs::Record& record, std::string_view line) {
    logs::append_log_event(out, record, origin, line, clock.now());
    out += '\n';
    if (out.size() > 1U << 16) {
      std::fwrite(out.data(), 1, out.size(), stdout);
      out.clear();
    }
  };
  std::string line;
  while (std::getline(in, line)) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;  // as a sensor does: it says nothing
    parser.feed(line, reference, emit);
  }
  parser.flush(reference, emit);
  std::fwrite(out.data(), 1, out.size(), stdout);
}

void parse(const Options& o) {
  logs::Formats formats;
  for (const auto& path : o.declared)
    if (auto ok = formats.add_declared_file(path); !ok) throw Failure{Exit::usage, ok.error()};
  auto zone = logs::Zone::parse(o.zone);
  if (!zone) throw Failure{Exit::usage, zone.error()};
  std::optional<Timestamp> given;
  if (!o.reference.empty()) {
    given = parse_time(o.reference);
    if (!given)
      throw Failure{Exit::usage,
                    {"not a time", "--reference " + o.reference, "write 2026-11-22T02:30:00Z"}};
  }
  for (const auto& file : o.files) {
    logs::SourceParser::Options options;
    options.format = o.format;
    options.zone = *zone;
    options.multiline_start = o.multiline;
    auto parser = logs::SourceParser::make(options, formats);
    if (!parser) throw Failure{Exit::usage, parser.error()};
    const auto reference = given.value_or(modified(file));
    if (file == "-") {
      parse_stream(std::cin, file, reference, **parser);
      continue;
    }
    std::error_code ec;
    if (std::filesystem::is_directory(file, ec))
      throw Failure{Exit::usage, {"is a folder, not a file", file, "name its files"}};
    std::ifstream in(file, std::ios::binary);
    if (!in)
      throw Failure{Exit::usage,
                    {"cannot open the file", file, "check the path and its permissions"}};
    parse_stream(in, file, reference, **parser);
  }
}

void setup(cli::Command group, Context& context) {
  group.require_command();
  auto o = std::make_shared<Options>();
  auto parse_command = group.add_command("parse", "print the events of log files as NDJSON");
  parse_command.add_option("file", o->files, "log files; - reads standard input").required();
  parse_command.add_option("--format", o->format, "a format's name, plain, or auto (default)");
  parse_command.add_option("--declared", o->declared, "declared format files (YAML)");
  parse_command.add_option("--zone", o->zone,
                           "zone of times without one: UTC, local, +01:00, Europe/London");
  parse_command.add_option("--multiline-start", o->multiline,
                           "expression that the first line of a record matches");
  parse_command.add_option("--reference", o->reference,
                           "times without a year are nearest to this; else the file's age");
  parse_command.callback([o] { parse(*o); });
  group.add_command("formats", "list the formats in the order of detection").callback([&context] {
    Table table({"format", "summary", "example"});
    for (const auto& f : logs::Formats::builtin().all())
      table.add({std::string(f->name()), std::string(f->summary()), std::string(f->example())});
    table.print(context);
  });
}

const Registration registration{{"logs", "log formats: parse a file, list formats", &setup}};

}  // namespace
}  // namespace ww::ctl
