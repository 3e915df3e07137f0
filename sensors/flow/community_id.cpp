#include "sensors/flow/community_id.hpp"

#include <openssl/sha.h>

#include <array>
#include <cstring>

#include "telemetry/json_writer.hpp"

namespace ww::sensor {

int icmp_counterpart(std::uint8_t type) {
  switch (type) {
    case 0:
      return 8;  // echo reply
    case 8:
      return 0;
    case 9:
      return 10;  // router advertisement, solicitation
    case 10:
      return 9;
    case 13:
      return 14;  // timestamp
    case 14:
      return 13;
    case 15:
      return 16;  // information
    case 16:
      return 15;
    case 17:
      return 18;  // address mask
    case 18:
      return 17;
    default:
      return -1;
  }
}

int icmpv6_counterpart(std::uint8_t type) {
  switch (type) {
    case 128:
      return 129;  // echo
    case 129:
      return 128;
    case 130:
      return 131;  // multicast listener query, report
    case 131:
      return 130;
    case 133:
      return 134;  // router solicitation, advertisement
    case 134:
      return 133;
    case 135:
      return 136;  // neighbour solicitation, advertisement
    case 136:
      return 135;
    case 139:
      return 140;  // node information
    case 140:
      return 139;
    case 144:
      return 145;  // home agent discovery
    case 145:
      return 144;
    default:
      return -1;
  }
}

std::string community_id(const sig::Flow& flow, std::uint16_t seed) {
  const auto size = flow.src.size();
  if (size == 0 || flow.dst.size() != size) return {};
  std::uint16_t sp = flow.sport, dp = flow.dport;
  bool ports = true, one_way = false;
  switch (flow.ip_proto) {
    case 1:
    case 58: {
      const auto type = static_cast<std::uint8_t>(flow.sport & 0xff);
      const auto code = static_cast<std::uint8_t>(flow.sport >> 8);
      const int other = flow.ip_proto == 1 ? icmp_counterpart(type) : icmpv6_counterpart(type);
      sp = type;
      one_way = other < 0;
      dp = one_way ? code : static_cast<std::uint16_t>(other);
      break;
    }
    case 6:
    case 17:
    case 132:
      break;
    default:
      ports = false;
  }
  const int order = std::memcmp(flow.src.octets.data(), flow.dst.octets.data(), size);
  const bool swap = !one_way && (order > 0 || (order == 0 && ports && sp > dp));
  std::array<std::uint8_t, 40> text{};
  std::size_t n = 0;
  const auto u16 = [&](std::uint16_t v) {
    text[n++] = static_cast<std::uint8_t>(v >> 8);
    text[n++] = static_cast<std::uint8_t>(v);
  };
  const auto address = [&](const IpAddress& a) {
    std::memcpy(text.data() + n, a.octets.data(), size);
    n += size;
  };
  u16(seed);
  address(swap ? flow.dst : flow.src);
  address(swap ? flow.src : flow.dst);
  text[n++] = flow.ip_proto;
  text[n++] = 0;
  if (ports) {
    u16(swap ? dp : sp);
    u16(swap ? sp : dp);
  }
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
  SHA1(text.data(), n, digest.data());
  std::string out = "1:";
  append_base64(out, digest);
  return out;
}

}  // namespace ww::sensor
