#include "telemetry/deflate/decoder.hpp"

#include <algorithm>
#include <cstring>

#include "telemetry/deflate/adler32.hpp"
#include "telemetry/deflate/copy.hpp"
#include "telemetry/deflate/input.hpp"

namespace ww::deflate {
namespace {

constexpr std::uint8_t has_checksum = 2, has_extra = 4, has_name = 8, has_comment = 16;
/// In this order the lengths of the code of lengths are written (3.2.7).
constexpr std::uint8_t length_order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                           11, 4,  12, 3, 13, 2, 14, 1, 15};

}  // namespace

std::string_view errc_name(Errc code) {
  constexpr std::string_view names[] = {
      "none",           "header",          "window",       "dictionary",
      "block_type",     "stored_length",   "code_counts",  "length_code",
      "length_repeat",  "no_end_of_block", "literal_code", "distance_code",
      "literal_symbol", "distance_symbol", "distance",     "checksum"};
  return names[static_cast<std::size_t>(code)];
}

void Decoder::reset(Format format) noexcept {
  held_ = 0;
  bits_ = 0;
  format_ = format;
  at_ = format == Format::raw    ? At::block
        : format == Format::zlib ? At::zlib_header
                                 : At::gzip_header;
  error_ = Errc::none;
  last_block_ = false;
  end_ = given_ = summed_ = lapped_ = 0;
  left_ = 0;
  sum_ = 1;
  flags_ = seen_ = 0;
}

Decoder::Step Decoder::step(Bytes octets, std::size_t most) noexcept {
  if (given_ == end_ && end_ >= ring_octets) {
    end_ -= ring_octets;
    std::memcpy(ring_.data(), ring_.data() + ring_octets, end_);
    given_ = summed_ = end_;
    lapped_ = ~std::size_t{0};
  }
  const auto room = ring_octets - std::min(given_, ring_octets);
  const auto limit = given_ + std::min(most, room);
  Input in{octets.data(), octets.data(), octets.data() + octets.size(), held_, bits_};
  Go go = Go::on;
  while (go == Go::on) go = advance(in, limit);
  if (go == Go::halt) in.give_back();
  held_ = in.held;
  bits_ = in.bits;
  if (format_ == Format::zlib) sum();

  Step s{Status::more, static_cast<std::size_t>(in.next - in.begin),
         Bytes(ring_.data() + given_, std::min(most, end_ - given_))};
  given_ += s.made.size();
  if (given_ != end_)
    s.status = Status::output;
  else if (at_ == At::end)
    s.status = Status::end;
  else if (at_ == At::failed)
    s.status = Status::failed;
  else if (go == Go::halt)
    s.status = Status::output;
  return s;
}

Decoder::Go Decoder::advance(Input& in, std::size_t limit) {
  switch (at_) {
    case At::zlib_header:
      return zlib_header(in);
    case At::zlib_dictionary:
      return zlib_dictionary(in);
    case At::gzip_header:
    case At::gzip_extra_length:
    case At::gzip_extra:
    case At::gzip_name:
    case At::gzip_comment:
    case At::gzip_checksum:
      return gzip_octet(in);
    case At::block:
      return block(in);
    case At::stored_length:
      return stored_length(in);
    case At::stored:
      return stored(in, limit);
    case At::counts:
      return counts(in);
    case At::length_lengths:
      return length_lengths(in);
    case At::lengths:
      return lengths(in);
    case At::symbols:
      return symbols(in, limit);
    case At::checksum:
      return checksum(in);
    case At::end:
    case At::failed:
      break;
  }
  return Go::halt;
}

Decoder::Go Decoder::fail(Errc why) {
  error_ = why;
  at_ = At::failed;
  return Go::halt;
}

// The frames.

/// RFC 1950 2.2.
Decoder::Go Decoder::zlib_header(Input& in) {
  if (!in.have(16)) return Go::input;
  const auto method = in.take(8), flags = in.take(8);
  if ((method * 256 + flags) % 31 != 0 || (method & 15) != 8) return fail(Errc::header);
  if (method >> 4 > 7) return fail(Errc::window);
  at_ = (flags & 0x20) != 0 ? At::zlib_dictionary : At::block;
  return Go::on;
}

Decoder::Go Decoder::zlib_dictionary(Input& in) {
  return in.have(32) ? fail(Errc::dictionary) : Go::input;
}

Decoder::Go Decoder::checksum(Input& in) {
  in.drop(in.bits & 7);
  if (!in.have(32)) return Go::input;
  sum();
  if (__builtin_bswap32(in.take(32)) != sum_) return fail(Errc::checksum);
  at_ = At::end;
  return Go::on;
}

void Decoder::sum() {
  sum_ = adler32(sum_, Bytes(ring_.data() + summed_, end_ - summed_));
  summed_ = end_;
}

/// RFC 1952 2.3.
Decoder::Go Decoder::gzip_octet(Input& in) {
  if (!in.have(8)) return Go::input;
  const auto octet = static_cast<std::uint8_t>(in.take(8));
  switch (at_) {
    case At::gzip_header:
      return gzip_fixed(octet);
    case At::gzip_extra_length:
      left_ |= static_cast<std::uint32_t>(octet) << (8 * seen_);
      if (++seen_ == 2) enter_gzip(left_ != 0 ? At::gzip_extra : after_gzip(At::gzip_extra));
      break;
    case At::gzip_extra:
      if (--left_ == 0) enter_gzip(after_gzip(at_));
      break;
    case At::gzip_name:
    case At::gzip_comment:
      if (octet == 0) enter_gzip(after_gzip(at_));
      break;
    default:  // gzip_checksum
      if (++seen_ == 2) enter_gzip(At::block);
      break;
  }
  return Go::on;
}

Decoder::Go Decoder::gzip_fixed(std::uint8_t octet) {
  constexpr std::uint8_t magic[] = {0x1f, 0x8b, 8};
  if (seen_ < 3 && octet != magic[seen_]) return fail(Errc::header);
  if (seen_ == 3) flags_ = octet;
  if (++seen_ == 10)
    enter_gzip((flags_ & has_extra) != 0 ? At::gzip_extra_length : after_gzip(At::gzip_extra));
  return Go::on;
}

Decoder::At Decoder::after_gzip(At part) const {
  if (part < At::gzip_name && (flags_ & has_name) != 0) return At::gzip_name;
  if (part < At::gzip_comment && (flags_ & has_comment) != 0) return At::gzip_comment;
  if (part < At::gzip_checksum && (flags_ & has_checksum) != 0) return At::gzip_checksum;
  return At::block;
}

void Decoder::enter_gzip(At part) {
  at_ = part;
  seen_ = 0;
}

// Blocks.

Decoder::At Decoder::after_block() const {
  if (!last_block_) return At::block;
  return format_ == Format::zlib ? At::checksum : At::end;
}

/// RFC 1951 3.2.3.
Decoder::Go Decoder::block(Input& in) {
  if (!in.have(3)) return Go::input;
  last_block_ = in.take(1) != 0;
  switch (in.take(2)) {
    case 0:
      at_ = At::stored_length;
      break;
    case 1: {
      const auto& fixed = fixed_code();
      literals_ = fixed.literals.data();
      distances_ = fixed.distances.data();
      literal_mask_ = (1U << fixed.literal_bits) - 1;
      distance_mask_ = (1U << fixed.distance_bits) - 1;
      at_ = At::symbols;
      break;
    }
    case 2:
      at_ = At::counts;
      break;
    default:
      return fail(Errc::block_type);
  }
  return Go::on;
}

Decoder::Go Decoder::stored_length(Input& in) {
  in.drop(in.bits & 7);
  if (!in.have(32)) return Go::input;
  const auto v = in.take(32);
  if ((v & 0xffff) != (~v >> 16)) return fail(Errc::stored_length);
  left_ = v & 0xffff;
  at_ = At::stored;
  in.give_back();  // now all that is held: it was read together with the length
  return Go::on;
}

Decoder::Go Decoder::stored(Input& in, std::size_t limit) {
  if (left_ == 0) {
    at_ = after_block();
    return Go::on;
  }
  if (end_ >= limit) return Go::halt;
  const auto n = std::min<std::size_t>({left_, limit - end_, in.octets()});
  if (n == 0) return Go::input;
  std::memcpy(ring_.data() + end_, in.next, n);
  in.next += n;
  end_ += n;
  left_ -= static_cast<std::uint32_t>(n);
  return Go::on;
}

/// RFC 1951 3.2.7.
Decoder::Go Decoder::counts(Input& in) {
  if (!in.have(14)) return Go::input;
  literal_codes_ = static_cast<std::uint16_t>(in.take(5) + 257);
  distance_codes_ = static_cast<std::uint16_t>(in.take(5) + 1);
  length_codes_ = static_cast<std::uint16_t>(in.take(4) + 4);
  if (literal_codes_ > 286 || distance_codes_ > 30) return fail(Errc::code_counts);
  have_ = 0;
  length_lengths_.fill(0);
  at_ = At::length_lengths;
  return Go::on;
}

Decoder::Go Decoder::length_lengths(Input& in) {
  for (; have_ < length_codes_; ++have_) {
    if (!in.have(3)) return Go::input;
    length_lengths_[length_order[have_]] = static_cast<std::uint8_t>(in.take(3));
  }
  const auto bits = build_table(Kind::lengths, length_lengths_, distance_table_);
  if (bits == 0) return fail(Errc::length_code);
  distance_mask_ = (1U << bits) - 1;
  have_ = 0;
  at_ = At::lengths;
  return Go::on;
}

Decoder::Go Decoder::lengths(Input& in) {
  const unsigned all = literal_codes_ + distance_codes_;
  while (have_ < all) {
    if (in.bits < 14) in.fill();
    const Entry e = distance_table_[in.held & distance_mask_];
    const unsigned symbol = value(e);
    const unsigned extra = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    if (in.bits < dropped(e) + extra) return Go::input;
    in.drop(dropped(e));
    if (symbol < 16) {
      lengths_[have_++] = static_cast<std::uint8_t>(symbol);
      continue;
    }
    if (symbol == 16 && have_ == 0) return fail(Errc::length_repeat);
    const std::uint8_t length = symbol == 16 ? lengths_[have_ - 1U] : std::uint8_t{0};
    const unsigned times = in.take(extra) + (symbol == 18 ? 11 : 3);
    if (have_ + times > all) return fail(Errc::length_repeat);
    std::memset(lengths_.data() + have_, length, times);
    have_ = static_cast<std::uint16_t>(have_ + times);
  }
  return codes_ready();
}

Decoder::Go Decoder::codes_ready() {
  if (lengths_[256] == 0) return fail(Errc::no_end_of_block);
  const std::span<const std::uint8_t> all(lengths_);
  const auto literal_bits = build_table(Kind::literals, all.first(literal_codes_), literal_table_);
  if (literal_bits == 0) return fail(Errc::literal_code);
  const auto distance_bits =
      build_table(Kind::distances, all.subspan(literal_codes_, distance_codes_), distance_table_);
  if (distance_bits == 0) return fail(Errc::distance_code);
  literals_ = literal_table_.data();
  distances_ = distance_table_.data();
  literal_mask_ = (1U << literal_bits) - 1;
  distance_mask_ = (1U << distance_bits) - 1;
  at_ = At::symbols;
  return Go::on;
}

// Symbols.

Decoder::Go Decoder::symbols(Input& in, std::size_t limit) {
  for (Go go = Go::on; go == Go::on && at_ == At::symbols;) {
    if (end_ >= limit) return Go::halt;
    if (in.octets() >= fast_input)
      fast_symbols(in, limit);
    else
      go = symbol(in);
    if (go != Go::on) return go;
  }
  return Go::on;
}

/// One literal, match or end of block, when all its bits are there.
Decoder::Go Decoder::symbol(Input& in) {
  in.fill();
  unsigned used = 0;  // of the bits held
  const auto look = [&](const Entry* table, std::uint32_t mask) {
    Entry e = table[(in.held >> used) & mask];
    if ((e & subtable) != 0 && (e & literal) == 0) {
      used += dropped(e);
      e = table[value(e) + ((in.held >> used) & ((1U << code_bits(e)) - 1))];
    }
    return e;
  };
  const auto number = [&](Entry e) {  // base and extra bits
    const auto extra = dropped(e) - code_bits(e);
    const auto v = value(e) + ((in.held >> (used + code_bits(e))) & ((1U << extra) - 1));
    used += dropped(e);
    return static_cast<std::size_t>(v);
  };

  const Entry e = look(literals_, literal_mask_);
  if (in.bits < used + dropped(e)) return Go::input;
  if ((e & literal) != 0) {
    ring_[end_++] = static_cast<std::uint8_t>(value(e));
    in.drop(used + dropped(e));
    return Go::on;
  }
  if ((e & special) != 0) {
    in.drop(used + dropped(e));
    if ((e & end_of_block) == 0) return fail(Errc::literal_symbol);
    at_ = after_block();
    return Go::on;
  }
  const auto length = number(e);
  const Entry d = look(distances_, distance_mask_);
  if (in.bits < used + dropped(d)) return Go::input;
  if ((d & special) != 0) return fail(Errc::distance_symbol);
  const auto distance = number(d);
  if (too_far(distance, end_)) return fail(Errc::distance);
  in.drop(used);
  copy(end_, distance, length);
  end_ += length;
  return Go::on;
}

}  // namespace ww::deflate
