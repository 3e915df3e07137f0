#include "telemetry/json_writer.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>

namespace ww {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

// 0: copy as it is, 1: escape by \uXXXX or a short form, 2: part of a multi-octet UTF-8 sequence.
constexpr auto make_classes() {
  std::array<std::uint8_t, 256> c{};
  for (unsigned i = 0; i < 0x20; ++i) c[i] = 1;
  c['"'] = c['\\'] = 1;
  c[0x7f] = 0;
  for (unsigned i = 0x80; i < 256; ++i) c[i] = 2;
  return c;
}
constexpr auto classes = make_classes();

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    default:
      out += "\\u00";
      out += hex_digits[c >> 4];
      out += hex_digits[c & 15];
  }
}

// Length of the valid UTF-8 sequence at p (RFC 3629), or 0.
std::size_t utf8_length(const unsigned char* p, std::size_t left) {
  const unsigned c = p[0];
  const auto follows = [&](std::size_t i) { return i < left && (p[i] & 0xc0) == 0x80; };
  if (c >= 0xc2 && c <= 0xdf) return follows(1) ? 2 : 0;
  if ((c & 0xf0) == 0xe0) {
    if (!follows(1) || !follows(2)) return 0;
    if (c == 0xe0 && p[1] < 0xa0) return 0;
    if (c == 0xed && p[1] > 0x9f) return 0;  // surrogates
    return 3;
  }
  if (c >= 0xf0 && c <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (c == 0xf0 && p[1] < 0x90) return 0;
    if (c == 0xf4 && p[1] > 0x8f) return 0;
    return 4;
  }
  return 0;
}

/// Octets at the start of p that are written as they are, 16 at a time: ASCII but for controls,
/// quote and backslash. It may stop too early, never too late.
std::size_t plain_length(const unsigned char* p, std::size_t n) {
  std::size_t i = 0;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                space = _mm_set1_epi8(' ');
  for (; i + 16 <= n; i += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    // As signed numbers, octets from 0x80 on are less than a space too.
    const __m128i special =
        _mm_or_si128(_mm_cmplt_epi8(v, space),
                     _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
    if (mask != 0) return i + static_cast<unsigned>(std::countr_zero(mask));
  }
#endif
  return i;
}

/// memcpy without the call, for the few octets that keys and most values have.
char* put(char* to, const char* from, std::size_t n) {
  if (n >= 8) {
    while (n > 16) {
      std::memcpy(to, from, 16);
      to += 16;
      from += 16;
      n -= 16;
    }
    if (n >= 8) {
      std::memcpy(to, from, 8);  // the two may overlap
      std::memcpy(to + n - 8, from + n - 8, 8);
      return to + n;
    }
  }
  if (n >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + n - 4, from + n - 4, 4);
    return to + n;
  }
  for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
  return to + n;
}

/// Whether every octet of a short text is written as it is.
bool all_plain(const char* p, std::size_t n) {
  const auto* octets = reinterpret_cast<const unsigned char*>(p);
  std::size_t i = plain_length(octets, n);
  for (; i < n; ++i)
    if (classes[octets[i]] != 0) return false;
  return true;
}

template <class OnBad>
void append_text(std::string& out, std::string_view text, OnBad on_bad) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t n = text.size();
  std::size_t run = 0;
  std::size_t i = 0;
  const auto flush = [&] {
    if (i > run) out.append(text.data() + run, i - run);
  };
  while (i < n) {
    if (n - i >= 16) {
      i += plain_length(p + i, n - i);
      if (i == n) break;
    }
    const auto cls = classes[p[i]];
    if (cls == 0) {
      ++i;
    } else if (cls == 1) {
      flush();
      append_escape(out, p[i]);
      run = ++i;
    } else if (const auto len = utf8_length(p + i, n - i)) {
      i += len;
    } else {
      flush();
      on_bad(p[i]);
      run = ++i;
    }
  }
  flush();
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  append_text(out, text, [&](unsigned char) { out += "\\ufffd"; });
}

void append_base64(std::string& out, Bytes in) {
  static constexpr char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t i = 0;
  out.reserve(out.size() + (in.size() + 2) / 3 * 4);
  for (; i + 3 <= in.size(); i += 3) {
    const std::uint32_t v =
        (std::uint32_t{in[i]} << 16) | (std::uint32_t{in[i + 1]} << 8) | in[i + 2];
    const char four[] = {alphabet[v >> 18], alphabet[(v >> 12) & 63], alphabet[(v >> 6) & 63],
                         alphabet[v & 63]};
    out.append(four, 4);
  }
  const std::size_t rest = in.size() - i;
  if (rest == 0) return;
  const std::uint32_t v =
      (std::uint32_t{in[i]} << 16) | (rest == 2 ? std::uint32_t{in[i + 1]} << 8 : 0U);
  const char four[] = {alphabet[v >> 18], alphabet[(v >> 12) & 63],
                       rest == 2 ? alphabet[(v >> 6) & 63] : '=', '='};
  out.append(four, 4);
}

void append_hex(std::string& out, Bytes octets, char separator) {
  char text[96];  // a whole digest at once
  std::size_t n = 0;
  bool first = true;
  for (const auto c : octets) {
    if (!first && separator != 0) text[n++] = separator;
    first = false;
    text[n++] = hex_digits[c >> 4];
    text[n++] = hex_digits[c & 15];
    if (n > sizeof text - 3) {
      out.append(text, n);
      n = 0;
    }
  }
  out.append(text, n);
}

/// Comma, quotes and colon are put together with the key, for one append in place of four.
void JsonWriter::key(std::string_view k) {
  char text[64];
  constexpr std::size_t around = 4;
  if (k.size() > sizeof text - around) {
    if (!first_) out_ += ',';
    out_ += '"';
    out_ += k;
    out_ += "\":";
    first_ = true;
    return;
  }
  auto* to = text;
  *to = ',';
  to += first_ ? 0 : 1;
  *to++ = '"';
  to = put(to, k.data(), k.size());
  *to++ = '"';
  *to++ = ':';
  out_.append(text, static_cast<std::size_t>(to - text));
  first_ = true;
}

void JsonWriter::key_text(std::string_view k) {
  if (!first_) out_ += ',';
  out_ += '"';
  append_json_escaped(out_, k);
  out_ += "\":";
  first_ = true;
}

void JsonWriter::value(std::string_view v) {
  char text[64];
  constexpr std::size_t around = 3;
  if (v.size() <= sizeof text - around && all_plain(v.data(), v.size())) {
    auto* to = text;
    *to = ',';
    to += first_ ? 0 : 1;
    *to++ = '"';
    to = put(to, v.data(), v.size());
    *to++ = '"';
    out_.append(text, static_cast<std::size_t>(to - text));
    first_ = false;
    return;
  }
  separate();
  out_ += '"';
  append_json_escaped(out_, v);
  out_ += '"';
}

void JsonWriter::value(double v) {
  separate();
  if (!std::isfinite(v)) {
    out_ += "null";
    return;
  }
  char buffer[40];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  out_.append(buffer, r.ptr);
}

template <class I>
void JsonWriter::number(I v) {
  char text[24] = {','};
  const auto r = std::to_chars(text + 1, std::end(text), v);
  out_.append(text + (first_ ? 1 : 0), r.ptr);
  first_ = false;
}
void JsonWriter::integer(std::int64_t v) { number(v); }
void JsonWriter::unsigned_integer(std::uint64_t v) { number(v); }

void JsonWriter::value_bytes(Bytes octets) {
  separate();
  out_ += '"';
  append_text(out_, as_text(octets), [&](unsigned char c) {
    out_ += "\\\\x";
    out_ += hex_digits[c >> 4];
    out_ += hex_digits[c & 15];
  });
  out_ += '"';
}

void JsonWriter::value_hex(Bytes octets, char separator) {
  separate();
  out_ += '"';
  append_hex(out_, octets, separator);
  out_ += '"';
}

void JsonWriter::value_base64(Bytes octets) {
  separate();
  out_ += '"';
  append_base64(out_, octets);
  out_ += '"';
}

}  // namespace ww
