/// `wardwatch-sensor verify-restore`: what a restore drill runs in a process of its own, so that
/// restored files cannot hurt the sensor.
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "sensors/app/command.hpp"
#include "sensors/drills/verify.hpp"
#include "sensors/host/sandbox.hpp"

namespace ww::sensor {
namespace {

int verify(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto spec = drills::read_verify_spec(text);
  if (!spec) {
    std::fprintf(stderr, "wardwatch-sensor: %s: %s; it is made by a restore drill\n", file.c_str(),
                 spec.error().c_str());
    return 2;
  }
  // Nothing here needs another program, much memory, or to write.
  const rlimit memory{2ULL << 30, 2ULL << 30}, no_files{0, 0};
  ::setrlimit(RLIMIT_AS, &memory);
  ::setrlimit(RLIMIT_FSIZE, &no_files);
  SandboxOptions sandbox;
  if (auto ok = enter_sandbox(sandbox); !ok) {
    std::fprintf(stderr, "wardwatch-sensor: %s\n", ok.error().text().c_str());
    return 2;
  }
  std::puts(drills::verify_result(drills::verify(spec->first, spec->second)).c_str());
  return 0;
}

const CommandRegistration registration{{
    .name = "verify-restore",
    .summary = "look whether restored files are whole (started by restore drills)",
    .setup =
        [](CLI::App& app) {
          auto file = std::make_shared<std::string>();
          app.add_option("--spec", *file, "what to look at, as the drill wrote it")->required();
          return [file] { return verify(*file); };
        },
}};

}  // namespace
}  // namespace ww::sensor
