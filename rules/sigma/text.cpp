#include "rules/sigma/text.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace ww::sigma {

Str Str::parse(std::string_view text) {
  Str out;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) out.push_literal(literal);
    literal.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size() &&
        (text[i + 1] == '*' || text[i + 1] == '?' || text[i + 1] == '\\')) {
      literal += text[++i];
    } else if (c == '*' || c == '?') {
      flush();
      out.push(c == '*' ? Piece::Kind::many : Piece::Kind::one);
    } else {
      literal += c;
    }
  }
  flush();
  return out;
}

Str Str::plain(std::string_view text) {
  Str out;
  if (!text.empty()) out.push_literal(text);
  return out;
}

void Str::push_literal(std::string_view text) {
  if (text.empty()) return;
  if (!pieces_.empty() && pieces_.back().kind == Piece::Kind::literal)
    pieces_.back().text += text;
  else
    pieces_.push_back({Piece::Kind::literal, std::string(text)});
}

void Str::push(Piece::Kind kind) {
  if (kind == Piece::Kind::many && ends_with_many()) return;  // ** is *
  pieces_.push_back({kind, {}});
}

void Str::push(const Piece& piece) {
  if (piece.kind == Piece::Kind::literal)
    push_literal(piece.text);
  else if (piece.kind == Piece::Kind::placeholder)
    pieces_.push_back(piece);
  else
    push(piece.kind);
}

void Str::prepend_many() {
  if (!starts_with_many()) pieces_.insert(pieces_.begin(), Piece{Piece::Kind::many, {}});
}
void Str::append_many() { push(Piece::Kind::many); }

bool Str::is_plain() const {
  return pieces_.empty() || (pieces_.size() == 1 && pieces_[0].kind == Piece::Kind::literal);
}
std::string Str::plain_text() const { return pieces_.empty() ? std::string() : pieces_[0].text; }

std::string Str::written() const {
  std::string out;
  for (const auto& piece : pieces_) {
    switch (piece.kind) {
      case Piece::Kind::many:
        out += '*';
        break;
      case Piece::Kind::one:
        out += '?';
        break;
      case Piece::Kind::dash:
        out += '-';
        break;
      case Piece::Kind::placeholder:
        out += '%' + piece.text + '%';
        break;
      case Piece::Kind::literal:
        for (std::size_t i = 0; i < piece.text.size(); ++i) {
          const char c = piece.text[i];
          const char next = i + 1 < piece.text.size() ? piece.text[i + 1] : '*';
          if (c == '*' || c == '?' || (c == '\\' && (next == '*' || next == '?' || next == '\\')))
            out += '\\';
          out += c;
        }
    }
  }
  return out;
}

Str Str::folded() const {
  Str out = *this;
  for (auto& piece : out.pieces_)
    if (piece.kind == Piece::Kind::literal) piece.text = sigma::folded(piece.text);
  return out;
}

std::vector<Str> Str::without_dashes(std::size_t most) const {
  std::vector<Str> out(1);
  for (const auto& piece : pieces_) {
    if (piece.kind != Piece::Kind::dash) {
      for (auto& s : out) s.push(piece);
      continue;
    }
    if (out.size() * std::size(dashes) > most) return {};
    std::vector<Str> next;
    next.reserve(out.size() * std::size(dashes));
    for (const auto& s : out)
      for (const auto dash : dashes) {
        next.push_back(s);
        next.back().push_literal(dash);
      }
    out = std::move(next);
  }
  return out;
}

namespace {

/// Octets that the pieces [from, to) without `*` take at the start of `text`, or npos.
std::size_t match_run(const std::vector<Piece>& pieces, std::size_t from, std::size_t to,
                      std::string_view text) {
  std::size_t at = 0;
  for (std::size_t i = from; i < to; ++i) {
    const auto& piece = pieces[i];
    const auto rest = text.substr(at);
    if (piece.kind == Piece::Kind::literal) {
      if (!rest.starts_with(piece.text)) return std::string_view::npos;
      at += piece.text.size();
    } else if (piece.kind == Piece::Kind::one) {
      if (rest.empty()) return std::string_view::npos;
      at += std::min(rest.size(), utf8_step(static_cast<unsigned char>(rest[0])));
    } else {
      bool found = false;
      for (const auto dash : dashes)
        if (rest.starts_with(dash)) {
          at += dash.size();
          found = true;
          break;
        }
      if (!found) return std::string_view::npos;
    }
  }
  return at;
}

std::size_t next_start(std::string_view text, std::size_t at) {
  return at + (at < text.size() ? utf8_step(static_cast<unsigned char>(text[at])) : 1);
}

}  // namespace

bool wildcard_match(const std::vector<Piece>& pieces, std::string_view text) {
  // Split at `*`: the first run is anchored at the start, the last at the end, the ones between are
  // found leftmost one after the other. Leftmost is right because runs have no `*` inside.
  std::size_t run = 0, at = 0;
  bool first = true;
  for (;;) {
    std::size_t end = run;
    while (end < pieces.size() && pieces[end].kind != Piece::Kind::many) ++end;
    const bool last = end == pieces.size();
    if (first) {
      const auto n = match_run(pieces, run, end, text);
      if (n == std::string_view::npos) return false;
      if (last) return n == text.size();
      at = n;
      first = false;
    } else if (last) {
      if (run == end) return true;
      // The last run must end the text: its width is fixed in code points but not in octets, so try
      // each start.
      for (std::size_t s = at; s <= text.size(); s = next_start(text, s))
        if (const auto n = match_run(pieces, run, end, text.substr(s));
            n != std::string_view::npos && s + n == text.size())
          return true;
      return false;
    } else if (run != end) {
      bool found = false;
      for (std::size_t s = at; s <= text.size(); s = next_start(text, s)) {
        if (pieces[run].kind ==
            Piece::Kind::literal) {  // jump to the next place where it can start
          s = text.find(pieces[run].text, s);
          if (s == std::string_view::npos) return false;
        }
        if (const auto n = match_run(pieces, run, end, text.substr(s));
            n != std::string_view::npos) {
          at = s + n;
          found = true;
          break;
        }
      }
      if (!found) return false;
    }
    if (last) return true;
    run = end + 1;
  }
}

namespace {

struct FoldRange {
  std::uint32_t first, last;
  std::uint8_t stride;
  std::int32_t delta;
};
constexpr FoldRange fold_ranges[] = {
#include "rules/sigma/fold_table.inc"
};

std::uint32_t fold_code_point(std::uint32_t cp) {
  const auto* it =
      std::upper_bound(std::begin(fold_ranges), std::end(fold_ranges), cp,
                       [](std::uint32_t c, const FoldRange& r) { return c < r.first; });
  if (it == std::begin(fold_ranges)) return cp;
  --it;
  if (cp > it->last || (cp - it->first) % it->stride != 0) return cp;
  return static_cast<std::uint32_t>(static_cast<std::int64_t>(cp) + it->delta);
}

std::size_t encode(std::uint32_t cp, char* out) {
  const auto put = [&](std::size_t i, std::uint32_t v) {
    out[i] = static_cast<char>(static_cast<unsigned char>(v));
  };
  if (cp < 0x80) {
    put(0, cp);
    return 1;
  }
  if (cp < 0x800) {
    put(0, 0xc0U | (cp >> 6));
    put(1, 0x80U | (cp & 0x3fU));
    return 2;
  }
  if (cp < 0x10000) {
    put(0, 0xe0U | (cp >> 12));
    put(1, 0x80U | ((cp >> 6) & 0x3fU));
    put(2, 0x80U | (cp & 0x3fU));
    return 3;
  }
  put(0, 0xf0U | (cp >> 18));
  put(1, 0x80U | ((cp >> 12) & 0x3fU));
  put(2, 0x80U | ((cp >> 6) & 0x3fU));
  put(3, 0x80U | (cp & 0x3fU));
  return 4;
}

/// Decodes one sequence; 0 octets when it is not valid UTF-8.
std::size_t decode(std::string_view text, std::uint32_t& cp) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t n = utf8_step(byte(0));
  if (n == 1 || n > text.size()) return 0;
  cp = n == 2 ? byte(0) & 0x1fU : n == 3 ? byte(0) & 0x0fU : byte(0) & 0x07U;
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
    cp = (cp << 6) | (byte(i) & 0x3fU);
  }
  return n;
}

template <class Word>
bool fold_word_pair(char* out, const char* in, std::size_t n) {
  constexpr Word ones = static_cast<Word>(~Word{0}) / 0xff;
  Word a, b;  // the first and the last octets, which may overlap
  std::memcpy(&a, in, sizeof a);
  std::memcpy(&b, in + n - sizeof b, sizeof b);
  if (((a | b) & (ones * 0x80)) != 0) return false;
  const auto lower = [](Word w) {
    const Word from_a = w + ones * (0x80 - 'A'), above_z = w + ones * (0x7f - 'Z');
    return static_cast<Word>(w | ((from_a & ~above_z & (ones * 0x80)) >> 2U));
  };
  a = lower(a);
  b = lower(b);
  std::memcpy(out, &a, sizeof a);
  std::memcpy(out + n - sizeof b, &b, sizeof b);
  return true;
}

/// Folds fewer than 16 octets of ASCII. @return false, with nothing of use written, when others are
/// among them
bool fold_small(char* out, const char* in, std::size_t n) {
  if (n >= 8) return fold_word_pair<std::uint64_t>(out, in, n);
  if (n >= 4) return fold_word_pair<std::uint32_t>(out, in, n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto c = static_cast<unsigned char>(in[i]);
    if (c >= 0x80) return false;
    out[i] = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  }
  return true;
}

}  // namespace

std::uint64_t short_hash(std::string_view s) {
  const char* p = s.data();
  const auto n = s.size();
  std::uint64_t h = n * 0x9e3779b97f4a7c15ULL;
  std::uint64_t last = 0;
  if (n >= 8) {
    std::uint64_t w;
    for (std::size_t i = 0; i + 8 < n; i += 8) {
      std::memcpy(&w, p + i, 8);
      h = (h ^ w) * 0xff51afd7ed558ccdULL;
      h ^= h >> 32U;
    }
    std::memcpy(&last, p + n - 8, 8);
  } else if (n >= 4) {
    std::uint32_t a, b;
    std::memcpy(&a, p, 4);
    std::memcpy(&b, p + n - 4, 4);
    last = std::uint64_t{a} << 32U | b;
  } else if (n > 0) {
    const auto octet = [&](std::size_t i) {
      return std::uint64_t{static_cast<unsigned char>(p[i])};
    };
    last = octet(0) << 16U | octet(n / 2) << 8U | octet(n - 1);
  }
  h = (h ^ last) * 0xc4ceb9fe1a85ec53ULL;
  return h ^ h >> 29U;
}

std::size_t fold_to(char* out, std::string_view text) {
  char* const begin = out;
  const char* in = text.data();
  const char* const end = in + text.size();
  const __m128i below_a = _mm_set1_epi8('A' - 1), above_z = _mm_set1_epi8('Z' + 1),
                bit = _mm_set1_epi8(0x20);
  while (in != end) {
    while (end - in >= 16) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
      if (_mm_movemask_epi8(v) != 0) break;
      const __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(v, below_a), _mm_cmplt_epi8(v, above_z));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_or_si128(v, _mm_and_si128(upper, bit)));
      in += 16;
      out += 16;
    }
    const auto rest = static_cast<std::size_t>(end - in);
    if (rest < 16 && fold_small(out, in, rest)) return static_cast<std::size_t>(out - begin) + rest;
    for (int i = 0; i < 16 && in != end; ++i) {
      const auto c = static_cast<unsigned char>(*in);
      if (c < 0x80) {
        *out++ = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        ++in;
        continue;
      }
      std::uint32_t cp = 0;
      const auto n = decode({in, static_cast<std::size_t>(end - in)}, cp);
      if (n == 0) {
        *out++ = *in++;
        continue;
      }
      out += encode(fold_code_point(cp), out);
      in += n;
    }
  }
  return static_cast<std::size_t>(out - begin);
}

void append_folded(std::string& out, std::string_view text) {
  const auto old = out.size();
  out.resize(old + fold_room(text.size()));
  out.resize(old + fold_to(out.data() + old, text));
}

std::string folded(std::string_view text) {
  std::string out;
  append_folded(out, text);
  return out;
}

}  // namespace ww::sigma
