#include "telemetry/uuid.hpp"

#include <sys/random.h>

#include <array>
#include <random>

namespace ww {
namespace {

// xoshiro-quality randomness is not needed for secrecy here, only for uniqueness across hosts and
// restarts, so the state is seeded from the kernel and stepped without a system call per event.
struct Source {
  std::mt19937_64 engine;
  std::int64_t last_ms = 0;
  std::uint32_t counter = 0;  // RFC 9562 section 6.2 method 1: a counter within one millisecond
  Source() {
    std::array<std::uint32_t, 8> seed{};
    if (::getrandom(seed.data(), sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
      std::random_device rd;
      for (auto& s : seed) s = rd();
    }
    std::seed_seq seq(seed.begin(), seed.end());
    engine.seed(seq);
  }
};

}  // namespace

void append_uuid7(std::string& out, Timestamp now) {
  thread_local Source source;
  std::int64_t ms = now.us / 1000;
  if (ms <= source.last_ms) {
    ms = source.last_ms;
    if (++source.counter > 0xfff) {
      source.counter = 0;
      ms = ++source.last_ms;
    }
  } else {
    source.last_ms = ms;
    source.counter = static_cast<std::uint32_t>(source.engine() & 0x7ff);
  }
  std::array<std::uint8_t, 16> b{};
  for (std::size_t i = 0; i < 6; ++i) b[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  b[6] = static_cast<std::uint8_t>(0x70 | (source.counter >> 8));
  b[7] = static_cast<std::uint8_t>(source.counter);
  std::uint64_t r = source.engine();
  for (std::size_t i = 8; i < 16; ++i, r >>= 8) b[i] = static_cast<std::uint8_t>(r);
  b[8] = static_cast<std::uint8_t>((b[8] & 0x3f) | 0x80);
  static constexpr char hex[] = "0123456789abcdef";
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += hex[b[i] >> 4];
    out += hex[b[i] & 15];
  }
}

std::string uuid7(Timestamp now) {
  std::string out;
  out.reserve(36);
  append_uuid7(out, now);
  return out;
}

std::string uuid4() {
  std::array<std::uint8_t, 16> b{};
  if (::getrandom(b.data(), b.size(), 0) != static_cast<ssize_t>(b.size())) {
    std::random_device rd;
    for (auto& x : b) x = static_cast<std::uint8_t>(rd());
  }
  b[6] = static_cast<std::uint8_t>(0x40 | (b[6] & 0x0f));
  b[8] = static_cast<std::uint8_t>(0x80 | (b[8] & 0x3f));
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += hex[b[i] >> 4];
    out += hex[b[i] & 15];
  }
  return out;
}

bool is_uuid(std::string_view t) {
  if (t.size() != 36) return false;
  for (std::size_t i = 0; i < 36; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = t[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace ww
