/// The loop in which nearly all symbols are decoded. It may read and write a little too far, for
/// which its caller has left room, and so need not ask about either inside of a turn.
#include "telemetry/deflate/copy.hpp"
#include "telemetry/deflate/input.hpp"

namespace ww::deflate {

struct Decoder::Fast {
  /// The bits, in registers. Only the low octet of `count` has a meaning: an entry is taken off it
  /// as a whole, which saves cutting out its own low octet each time.
  struct Bits {
    const std::uint8_t* next;
    std::uint64_t held;
    std::uint32_t count;

    [[gnu::always_inline]] void fill() {  // to 56 at least
      held |= load_le64(next) << (count & 63);
      next += (~count >> 3) & 7;
      count |= 56;
    }
    [[gnu::always_inline]] void drop(Entry e) {
      held >>= dropped(e) & 63;
      count -= e;
    }
    /// Base and extra bits of a length or distance; of such an entry all bits above 11 but the
    /// base's are zero.
    [[gnu::always_inline]] std::size_t number(Entry e) {
      const auto all = held & ((std::uint64_t{1} << dropped(e)) - 1);
      drop(e);
      return (e >> 16) + (all >> ((e >> 8) & 63));
    }
    [[gnu::always_inline]] Entry behind(const Entry* table, Entry pointer) {
      drop(pointer);
      return table[value(pointer) + (held & ((std::uint64_t{1} << code_bits(pointer)) - 1))];
    }
  };

  /// Bits of a turn: three literals of 10, or up to two and a match, for which there are enough
  /// unless literals came before it. The first look-up of a turn is made at the end of the one
  /// before, with bits that are left, so that it need not wait for more of them.
  static constexpr std::uint32_t match_bits = 15 + 5 + 15 + 13;
  [[gnu::always_inline]] static inline void run(Decoder& self, Input& in, std::size_t limit) {
    Bits b{in.next, in.held, in.bits};
    const std::uint8_t* const stop = in.end - fast_input;
    const Entry* const literals = self.literals_;
    const Entry* const distances = self.distances_;
    const std::uint64_t literal_mask = self.literal_mask_, distance_mask = self.distance_mask_;
    const std::size_t lapped = self.lapped_;
    std::uint8_t* const ring = self.ring_.data();
    std::size_t at = self.end_;
    const auto look = [&] { return literals[b.held & literal_mask]; };
    const auto put = [&](Entry e) {
      ring[at++] = static_cast<std::uint8_t>(e >> 16);
      b.drop(e);
    };
    b.fill();
    Entry e = look();
    do {
      b.fill();
      if ((e & literal) != 0) {
        put(e);
        e = look();
        if ((e & literal) != 0) {
          put(e);
          e = look();
          if ((e & literal) != 0) {
            put(e);
            e = look();
            continue;
          }
        }
      }
      if ((e & special) != 0) [[unlikely]] {
        if ((e & subtable) != 0) e = b.behind(literals, e);
        if ((e & literal) != 0) {
          put(e);
          e = look();
          continue;
        }
        if ((e & special) != 0) {
          b.drop(e);
          if ((e & end_of_block) != 0)
            self.at_ = self.after_block();
          else
            self.fail(Errc::literal_symbol);
          break;
        }
      }
      if ((b.count & 0xff) < match_bits) [[unlikely]]
        b.fill();
      const auto length = b.number(e);
      Entry d = distances[b.held & distance_mask];
      if ((d & special) != 0) [[unlikely]] {
        if ((d & subtable) != 0) d = b.behind(distances, d);
        if ((d & special) != 0) {
          self.fail(Errc::distance_symbol);
          break;
        }
      }
      const auto distance = b.number(d);
      if (distance > (at | lapped)) [[unlikely]] {
        self.fail(Errc::distance);
        break;
      }
      e = look();
      self.copy(at, distance, length);
      at += length;
    } while (at < limit && b.next <= stop);
    self.end_ = at;
    in.next = b.next;
    in.held = b.held;
    in.bits = b.count & 0xff;
    in.give_back();
  }

  static void plain(Decoder& self, Input& in, std::size_t limit) { run(self, in, limit); }
#if defined(__x86_64__)
  __attribute__((target("bmi,bmi2"))) static void bmi2(Decoder& self, Input& in,
                                                       std::size_t limit) {
    run(self, in, limit);
  }
#endif
};

void Decoder::copy_around(std::size_t from, std::size_t to, std::size_t length) {
  for (; length != 0; --length) {
    ring_[to++] = ring_[from];
    if (++from == ring_octets) from = 0;
  }
}

#if defined(__x86_64__)
namespace {
const bool shifts_by_any_register = __builtin_cpu_supports("bmi2") != 0;
}  // namespace
#endif

void Decoder::fast_symbols(Input& in, std::size_t limit) {
#if defined(__x86_64__)
  if (shifts_by_any_register) return Fast::bmi2(*this, in, limit);
#endif
  Fast::plain(*this, in, limit);
}

}  // namespace ww::deflate
