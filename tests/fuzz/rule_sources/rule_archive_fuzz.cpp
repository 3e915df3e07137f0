/// Any octets as a download: unpacking ends within its limits.
#include <cstdint>
#include <string>

#include "rules/sources/archive.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::sources;
  const ArchiveLimits limits{.max_octets = 1U << 20, .max_entries = 100};
  const auto files =
      unpack_rules({reinterpret_cast<const char*>(data), size}, "fuzz.rules", limits);
  if (!files) return 0;
  std::size_t total = 0;
  for (const auto& f : *files) total += f.text.size();
  if (files->size() > limits.max_entries || total > limits.max_octets) __builtin_trap();
  return 0;
}
