#pragma once
/// One strict pass over an event's JSON text (RFC 8259), telling a sink of every scalar with its
/// dotted path. No tree, no allocation once the scratch buffers have grown. This is how events are
/// checked, indexed at commit and tested in searches, so all three see the same values.
///
/// Sink:  void scalar(ScalarKind, std::string_view value, std::string_view path)
///   value is unescaped for strings and the literal text for numbers and words; both views end with
///   the call. Elements of arrays have the array's path. A key "a.b" gives the same path as b
///   inside a. void member(std::string_view key, std::size_t begin, std::size_t end)  (optional)
///   each top-level member: from the opening quote of its key to the end of its value.
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ww::collector {

enum class ScalarKind : std::uint8_t { string, number, boolean, null };

class EventScanner {
 public:
  static constexpr std::size_t max_depth = 64;
  static constexpr std::size_t max_path = 1024;  ///< longer paths are cut

  /// True when `json` is one valid JSON object (UTF-8 is not checked here) and nothing but space
  /// follows.
  template <class Sink>
  [[nodiscard]] bool scan(std::string_view json, Sink& sink) {
    begin_ = p_ = json.data();
    end_ = p_ + json.size();
    path_.clear();
    space();
    if (p_ == end_ || *p_ != '{' || !object<Sink, true>(sink, 0)) return false;
    space();
    return p_ == end_;
  }

  /// Where the last scan stopped: of a refused text, the octet that did not fit.
  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(p_ - begin_); }

 private:
  void space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }

  template <class Sink, bool top>
  bool object(Sink& sink, std::size_t depth) {
    if (depth >= max_depth) return false;
    ++p_;
    space();
    if (p_ != end_ && *p_ == '}') {
      ++p_;
      return true;
    }
    const auto path_size = path_.size();
    for (;;) {
      if (p_ == end_ || *p_ != '"') return false;
      const char* member_begin = p_;
      std::string_view name;
      if (!string(name)) return false;
      if (path_.size() + name.size() + 1 <= max_path) {
        if (!top) path_ += '.';
        path_ += name;
      }
      space();
      if (p_ == end_ || *p_ != ':') return false;
      ++p_;
      space();
      if (!value(sink, depth + 1)) return false;
      if constexpr (top &&
                    requires { sink.member(std::string_view(), std::size_t{}, std::size_t{}); })
        sink.member(std::string_view(path_), static_cast<std::size_t>(member_begin - begin_),
                    static_cast<std::size_t>(p_ - begin_));
      path_.resize(path_size);
      space();
      if (p_ == end_) return false;
      if (*p_ == ',') {
        ++p_;
        space();
        continue;
      }
      if (*p_ != '}') return false;
      ++p_;
      return true;
    }
  }

  template <class Sink>
  bool array(Sink& sink, std::size_t depth) {
    if (depth >= max_depth) return false;
    ++p_;
    space();
    if (p_ != end_ && *p_ == ']') {
      ++p_;
      return true;
    }
    for (;;) {
      if (!value(sink, depth + 1)) return false;
      space();
      if (p_ == end_) return false;
      if (*p_ == ',') {
        ++p_;
        space();
        continue;
      }
      if (*p_ != ']') return false;
      ++p_;
      return true;
    }
  }

  template <class Sink>
  bool value(Sink& sink, std::size_t depth) {
    if (p_ == end_) return false;
    switch (*p_) {
      case '{':
        return object<Sink, false>(sink, depth);
      case '[':
        return array(sink, depth);
      case '"': {
        std::string_view text;
        if (!string(text)) return false;
        sink.scalar(ScalarKind::string, text, std::string_view(path_));
        return true;
      }
      case 't':
        return word(sink, "true", ScalarKind::boolean);
      case 'f':
        return word(sink, "false", ScalarKind::boolean);
      case 'n':
        return word(sink, "null", ScalarKind::null);
      default:
        return number(sink);
    }
  }

  template <class Sink>
  bool word(Sink& sink, std::string_view text, ScalarKind kind) {
    if (static_cast<std::size_t>(end_ - p_) < text.size() ||
        std::memcmp(p_, text.data(), text.size()) != 0)
      return false;
    p_ += text.size();
    sink.scalar(kind, text, std::string_view(path_));
    return true;
  }

  [[nodiscard]] static bool digit(char c) { return c >= '0' && c <= '9'; }
  bool digits() {
    if (p_ == end_ || !digit(*p_)) return false;
    while (p_ != end_ && digit(*p_)) ++p_;
    return true;
  }
  template <class Sink>
  bool number(Sink& sink) {
    const char* begin = p_;
    if (*p_ == '-') ++p_;
    if (p_ == end_) return false;
    if (*p_ == '0')
      ++p_;
    else if (!digits())
      return false;
    if (p_ != end_ && *p_ == '.') {
      ++p_;
      if (!digits()) return false;
    }
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!digits()) return false;
    }
    sink.scalar(ScalarKind::number, std::string_view(begin, static_cast<std::size_t>(p_ - begin)),
                std::string_view(path_));
    return true;
  }

  /// Moves to the next quote, backslash or control octet.
  void plain() {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    while (end_ - p_ >= 16) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p_));
      const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, control), v);
      const auto hit = static_cast<unsigned>(_mm_movemask_epi8(
          _mm_or_si128(low, _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)))));
      if (hit != 0) {
        p_ += __builtin_ctz(hit);
        return;
      }
      p_ += 16;
    }
#endif
    while (p_ != end_ && *p_ != '"' && *p_ != '\\' && static_cast<unsigned char>(*p_) >= 0x20) ++p_;
  }

  bool string(std::string_view& out) {
    const char* begin = ++p_;
    plain();
    if (p_ == end_) return false;
    if (*p_ == '"') {
      out = std::string_view(begin, static_cast<std::size_t>(p_ - begin));
      ++p_;
      return true;
    }
    text_.assign(begin, static_cast<std::size_t>(p_ - begin));
    for (;;) {
      if (p_ == end_ || static_cast<unsigned char>(*p_) < 0x20) return false;
      if (*p_ == '"') {
        ++p_;
        out = text_;
        return true;
      }
      if (*p_ == '\\') {
        if (!escape()) return false;
        continue;
      }
      const char* run = p_;
      plain();
      text_.append(run, static_cast<std::size_t>(p_ - run));
    }
  }

  bool hex4(std::uint32_t& v) {
    if (end_ - p_ < 4) return false;
    v = 0;
    for (int i = 0; i < 4; ++i, ++p_) {
      const char c = *p_;
      const int d = digit(c)               ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
      if (d < 0) return false;
      v = v * 16 + static_cast<std::uint32_t>(d);
    }
    return true;
  }
  void append_utf8(std::uint32_t c) {
    if (c < 0x80) {
      text_ += static_cast<char>(c);
    } else if (c < 0x800) {
      text_ += static_cast<char>(0xc0 | (c >> 6));
      text_ += static_cast<char>(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
      text_ += static_cast<char>(0xe0 | (c >> 12));
      text_ += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
      text_ += static_cast<char>(0x80 | (c & 0x3f));
    } else {
      text_ += static_cast<char>(0xf0 | (c >> 18));
      text_ += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
      text_ += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
      text_ += static_cast<char>(0x80 | (c & 0x3f));
    }
  }
  bool escape() {
    ++p_;
    if (p_ == end_) return false;
    const char c = *p_++;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        text_ += c;
        return true;
      case 'b':
        text_ += '\b';
        return true;
      case 'f':
        text_ += '\f';
        return true;
      case 'n':
        text_ += '\n';
        return true;
      case 'r':
        text_ += '\r';
        return true;
      case 't':
        text_ += '\t';
        return true;
      case 'u':
        break;
      default:
        return false;
    }
    constexpr std::uint32_t replacement = 0xfffd;  // for a surrogate without its other half
    std::uint32_t v = 0;
    if (!hex4(v)) return false;
    if (v >= 0xd800 && v < 0xdc00 && end_ - p_ >= 6 && p_[0] == '\\' && p_[1] == 'u') {
      const char* back = p_;
      p_ += 2;
      std::uint32_t low = 0;
      if (!hex4(low)) return false;
      if (low >= 0xdc00 && low < 0xe000) {
        append_utf8(0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00));
        return true;
      }
      p_ = back;
    }
    append_utf8(v >= 0xd800 && v < 0xe000 ? replacement : v);
    return true;
  }

  const char* begin_ = nullptr;
  const char* p_ = nullptr;
  const char* end_ = nullptr;
  std::string path_;
  std::string text_;  // unescaped string
};

}  // namespace ww::collector
