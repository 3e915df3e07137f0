/// Any octets as a DNS message: no crash, and names stay within their limits.
#include <cstdlib>

#include "sensors/protocols/dns/dns.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ww::Bytes octets(data, size);
  const ww::dns::Limits limits;
  (void)ww::dns::looks_like_dns(octets, true);
  (void)ww::dns::looks_like_dns(octets, false);
  const auto m = ww::dns::parse_message(octets, limits);
  if (!m) return 0;
  std::size_t total = 0;
  for (const auto& q : m->questions) total += q.name.text.size();
  for (const auto* section : {&m->answers, &m->authorities, &m->additionals})
    for (const auto& r : *section) {
      if (r.name.text.size() > limits.max_name_octets) std::abort();
      total += r.name.text.size() + r.target.text.size();
    }
  if (total > limits.max_name_work + 65536) std::abort();
  return 0;
}
