#include "sensors/host/huge_pages.hpp"

#include <mimalloc.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

// Tests and sanitizer builds are not linked with mimalloc.
#pragma weak mi_option_enable

namespace ww::sensor {
namespace {

/// mimalloc's option makes it try hugetlbfs first.
bool pages_set_aside() {
  for (const auto* path : {"/proc/sys/vm/nr_hugepages", "/proc/sys/vm/nr_overcommit_hugepages"}) {
    std::uint64_t pages = 0;
    if (std::ifstream(path) >> pages && pages != 0) return true;
  }
  return false;
}

}  // namespace

void prefer_huge_pages() {
  if (mi_option_enable == nullptr || std::getenv("MIMALLOC_LARGE_OS_PAGES") != nullptr) return;
  if (pages_set_aside()) return;
  mi_option_enable(mi_option_large_os_pages);
  // The segment in use came before the option, and is made usable piece by piece, which keeps huge
  // pages out of it. What is left of it is taken and never touched: addresses, no memory.
  constexpr std::uintptr_t segment = 32 << 20;
  constexpr std::size_t piece = 1 << 20;
  const auto segment_of = [](const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) & ~(segment - 1);
  };
  static std::vector<std::unique_ptr<char[]>> taken;
  do {
    taken.emplace_back(new char[piece]);
  } while (segment_of(taken.back().get()) == segment_of(taken.front().get()) &&
           taken.size() < segment / piece);
  taken.pop_back();  // of a new segment
}

}  // namespace ww::sensor
