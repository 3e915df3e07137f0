/// `wardwatch-sensor verify-restore`: what a restore drill runs in a process of its own, so that
/// restored files cannot hurt the sensor.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "sensors/app/command.hpp"
#include "sensors/drills/verify.hpp"
#include "sensors/host/sandbox.hpp"
#include "telemetry/command_line/command_line.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WW_SHADOW_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WW_SHADOW_MEMORY 1
#endif

namespace ww::sensor {
namespace {

/// Most memory a look at restored files may take. The sanitizers' shadow alone is terabytes of
/// address space.
void limit_memory() {
#ifndef WW_SHADOW_MEMORY
  const rlimit memory{2ULL << 30, 2ULL << 30};
  ::setrlimit(RLIMIT_AS, &memory);
#endif
}

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
  limit_memory();
  const rlimit no_files{0, 0};
  ::setrlimit(RLIMIT_FSIZE, &no_files);
  SandboxOptions sandbox;
  if (auto ok = enter_sandbox(sandbox); !ok) {
    std::fprintf(stderr, "wardwatch-sensor: %s\n", ok.error().text().c_str());
    return 2;
  }
  std::puts(drills::verify_result(drills::verify(spec->first, spec->second)).c_str());
#ifdef WW_SHADOW_MEMORY
  // The sanitizers' leak check at exit needs system calls that the sandbox refuses.
  std::fflush(stdout);
  ::_exit(0);
#endif
  return 0;
}

const CommandRegistration registration{{
    .name = "verify-restore",
    .summary = "look whether restored files are whole (started by restore drills)",
    .setup =
        [](cli::Command app) {
          auto file = std::make_shared<std::string>();
          app.add_option("--spec", *file, "what to look at, as the drill wrote it").required();
          return [file] { return verify(*file); };
        },
}};

}  // namespace
}  // namespace ww::sensor
