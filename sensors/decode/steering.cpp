#include "sensors/decode/decoder.hpp"

namespace ww::decode {
namespace {

std::uint64_t pair_hash(Bytes a, Bytes b) {
  // Adding the two sides makes both directions equal.
  const auto one = [](Bytes x) {
    std::uint64_t h = 0x2545f4914f6cdd1dULL;
    for (std::size_t i = 0; i + 4 <= x.size(); i += 4)
      h = (h ^ load_be32(&x[i])) * 0x9fb21c651e98df25ULL;
    return h ^ (h >> 29);
  };
  auto h = one(a) + one(b);
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ULL;
  return h ^ (h >> 32);
}

std::uint64_t ip_hash(Bytes b) {
  if (b.size() >= 20 && b[0] >> 4 == 4) return pair_hash(b.subspan(12, 4), b.subspan(16, 4));
  if (b.size() >= 40 && b[0] >> 4 == 6) return pair_hash(b.subspan(8, 16), b.subspan(24, 16));
  return 0;
}

std::uint64_t network_hash(Bytes b, std::uint16_t type) {
  for (int n = 0; n < 4; ++n) {
    switch (type) {
      case 0x0800:
      case 0x86dd:
        return ip_hash(b);
      case 0x8100:
      case 0x88a8:
      case 0x9100:
        if (b.size() < 4) return 0;
        type = load_be16(&b[2]);
        b = b.subspan(4);
        break;
      case 0x8926:
        if (b.size() < 6) return 0;
        type = load_be16(&b[4]);
        b = b.subspan(6);
        break;
      case 0x8847:
      case 0x8848:
        while (b.size() >= 4 && (b[2] & 1) == 0) b = b.subspan(4);
        return b.size() >= 4 ? ip_hash(b.subspan(4)) : 0;
      case 0x8864:
        return b.size() >= 8 ? ip_hash(b.subspan(8)) : 0;
      default:
        return 0;
    }
  }
  return 0;
}

}  // namespace

std::uint64_t steering_hash(Bytes b, int datalink) {
  switch (datalink) {
    case 1:
      return b.size() < 14 ? 0 : network_hash(b.subspan(14), load_be16(&b[12]));
    case 113:
      return b.size() < 16 ? 0 : network_hash(b.subspan(16), load_be16(&b[14]));
    case 276:
      return b.size() < 20 ? 0 : network_hash(b.subspan(20), load_be16(b.data()));
    case 104:
      return b.size() < 4 ? 0 : network_hash(b.subspan(4), load_be16(&b[2]));
    case 0:
    case 108:
      return b.size() < 4 ? 0 : ip_hash(b.subspan(4));
    case 9:
    case 50: {
      if (b.size() >= 2 && b[0] == 0xff && b[1] == 3) b = b.subspan(2);
      const std::size_t protocol = !b.empty() && (b[0] & 1) != 0 ? 1 : 2;
      return b.size() <= protocol ? 0 : ip_hash(b.subspan(protocol));
    }
    case 51:
      return b.size() < 8 ? 0 : ip_hash(b.subspan(8));
    default:
      return ip_hash(b);
  }
}

}  // namespace ww::decode
