#pragma once
/// What the Sigma benchmarks measure of their own process.
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

namespace ww::bench {

/// Processor time of this process: what else the machine does hardly moves it.
inline double seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

inline double resident_mib() {
  std::ifstream in("/proc/self/status");
  std::string line;
  while (std::getline(in, line))
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

}  // namespace ww::bench
