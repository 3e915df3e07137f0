#pragma once
/// Conversations of the made-up capture: who says what, without packets. Deterministic for a seed.
#include <cstdint>
#include <string>
#include <vector>

namespace ww::bench {

/// xoshiro256**: the same sequence on every machine, unlike the standard distributions.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  std::uint64_t next();
  /// Uniform in [0, bound).
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  bool chance(std::uint32_t percent) { return below(100) < percent; }
  std::string octets(std::size_t n);
  /// English-like words, for bodies that compress and that literals nearly match.
  std::string words(std::size_t n);
  template <std::size_t N>
  const char* pick(const char* const (&list)[N]) {
    return list[below(N)];
  }

 private:
  std::uint64_t s_[4];
};

struct Message {
  bool from_client = true;
  std::string octets;
};
struct Conversation {
  std::uint8_t ip_proto = 6;
  std::uint16_t port = 80;
  std::size_t mss = 1460;
  bool finish = true;  ///< FIN at the end; else RST
  std::vector<Message> messages;
};

Conversation http_conversation(Random& r);
Conversation tls_conversation(Random& r);
Conversation dns_conversation(Random& r);
Conversation smb_conversation(Random& r);
Conversation other_conversation(Random& r);
/// Traffic made to hurt: near-matches of well-known strings, one-octet segments, half-open flows.
Conversation hostile_conversation(Random& r);

}  // namespace ww::bench
