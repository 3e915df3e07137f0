// Fragments of one datagram, compared with an owner per octet. Input: policy, then (offset, length,
// more) triples in units of eight octets.
#include <algorithm>
#include <cstdlib>

#include "sensors/decode/defrag.hpp"

namespace {

struct Part {
  std::uint32_t begin, end;
  bool more;
  std::uint8_t fill;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::decode;
  if (size < 1) return 0;
  const auto policy = static_cast<OverlapPolicy>(data[0] % 7);
  DefragConfig config;
  config.policies.push_back({*ww::parse_network("0.0.0.0/0"), policy});
  Defrag defrag(config);
  std::vector<std::uint8_t> header(20, 0);
  header[0] = 0x45;
  std::vector<std::uint8_t> out;
  std::vector<Part> parts;
  std::vector<int> owner(8 * 512, -1);
  long end = -1;
  for (std::size_t i = 1; i + 2 < size && parts.size() < 200; i += 3) {
    const std::uint32_t begin = data[i] * 8U, length = (data[i + 1] % 32U) * 8U;
    const Part p{begin, begin + length, (data[i + 2] & 1) != 0,
                 static_cast<std::uint8_t>(parts.size() + 1)};
    const std::vector<std::uint8_t> body(length, p.fill);
    Fragment f;
    f.key.src = *ww::parse_ip("10.0.0.1");
    f.key.dst = *ww::parse_ip("10.0.0.2");
    f.offset = begin;
    f.more = p.more;
    f.header = header;
    f.data = body;
    const auto outcome = defrag.add(f, ww::Timestamp{1}, out);

    parts.push_back(p);
    for (auto at = p.begin; at < p.end; ++at) {
      const int old = owner[at];
      const auto& q = parts[old < 0 ? 0 : static_cast<std::size_t>(old)];
      if (old < 0 || new_wins(policy, q.begin, q.end, p.begin, p.end))
        owner[at] = static_cast<int>(parts.size()) - 1;
    }
    if (!p.more) end = end < 0 ? static_cast<long>(p.end) : std::min(end, static_cast<long>(p.end));
    const bool any = std::any_of(owner.begin(), owner.end(), [](int o) { return o >= 0; });
    const bool whole =
        end >= 0 && any && owner[0] >= 0 &&
        std::none_of(owner.begin(), owner.begin() + end, [](int o) { return o < 0; });
    if (whole != (outcome.result == DefragResult::rebuilt)) std::abort();
    if (!whole) continue;
    if (out.size() != 20 + static_cast<std::size_t>(end)) std::abort();
    for (long at = 0; at < end; ++at)
      if (out[20 + static_cast<std::size_t>(at)] !=
          parts[static_cast<std::size_t>(owner[static_cast<std::size_t>(at)])].fill)
        std::abort();
    if (defrag.trackers() != 0 || defrag.memory() != 0) std::abort();
    parts.clear();
    std::fill(owner.begin(), owner.end(), -1);
    end = -1;
  }
  return 0;
}
