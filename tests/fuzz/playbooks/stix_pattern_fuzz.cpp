/// STIX patterns: no crash, bounded time, and what is parsed can be evaluated.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "playbooks/variables.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::playbooks;  // NOLINT
  const auto p = parse_pattern({reinterpret_cast<const char*>(data), size});
  if (!p) return 0;
  Variables vars{{"__a__", {"string", "aaaaaaaaaaaaaaaaaaaaaaaa!", "", false, false}},
                 {"__n__", {"integer", "7", "", false, false}},
                 {"__ip__", {"ipv4-addr", "10.0.0.1", "", false, false}}};
  (void)evaluate(*p, lookup_in({&vars, nullptr}));
  return 0;
}
