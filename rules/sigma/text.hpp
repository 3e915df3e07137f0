#pragma once
/// Sigma strings: wildcards, escapes, and comparison without regard to case (Unicode simple case
/// folding).
///
/// A rule's string is a row of pieces. `*` and `?` are wildcards, a backslash escapes `*`, `?` and
/// itself and is itself everywhere else (specification, "Escaping"). `?` stands for one code point.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ww::sigma {

struct Piece {
  enum class Kind : std::uint8_t {
    literal,
    many,        ///< `*`
    one,         ///< `?`
    dash,        ///< windash: any of - / en dash, em dash, horizontal bar
    placeholder  ///< %name% under |expand; never reaches a compiled rule
  };
  Kind kind = Kind::literal;
  std::string text;  ///< literal or placeholder name
  bool operator==(const Piece&) const = default;
};

/// What windash may stand for.
inline constexpr std::string_view dashes[] = {"-", "/", "\u2013", "\u2014", "\u2015"};

class Str {
 public:
  Str() = default;
  /// Wildcards and escapes are interpreted.
  [[nodiscard]] static Str parse(std::string_view text);
  /// Every character stands for itself.
  [[nodiscard]] static Str plain(std::string_view text);

  void push_literal(std::string_view text);
  void push(Piece::Kind kind);
  void push(const Piece& piece);
  void prepend_many();  ///< `*` in front, unless there is one
  void append_many();
  [[nodiscard]] bool starts_with_many() const {
    return !pieces_.empty() && pieces_.front().kind == Piece::Kind::many;
  }
  [[nodiscard]] bool ends_with_many() const {
    return !pieces_.empty() && pieces_.back().kind == Piece::Kind::many;
  }
  /// True when there is nothing but (at most one) literal.
  [[nodiscard]] bool is_plain() const;
  [[nodiscard]] std::string plain_text() const;  ///< the literal of a plain string
  /// As a rule would write it, escapes included.
  [[nodiscard]] std::string written() const;
  /// Every piece folded.
  [[nodiscard]] Str folded() const;
  /// One string for every way to write the dashes; empty when there would be more than `most`.
  [[nodiscard]] std::vector<Str> without_dashes(std::size_t most = 625) const;
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }
  [[nodiscard]] std::vector<Piece>& pieces() { return pieces_; }
  bool operator==(const Str&) const = default;

 private:
  std::vector<Piece> pieces_;
};

/// Whether the whole of `text` matches. Linear in text times pieces, no recursion.
[[nodiscard]] bool wildcard_match(const std::vector<Piece>& pieces, std::string_view text);

/// Appends `text` with simple case folding. Octets that are not UTF-8 are kept.
void append_folded(std::string& out, std::string_view text);
[[nodiscard]] std::string folded(std::string_view text);
/// For tables of names and values that nobody gains by making collide: a collision costs a compare.
[[nodiscard]] std::uint64_t short_hash(std::string_view text);

/// Folds into memory of the caller, who provides room for `fold_room(text.size())` octets.
/// @return octets written
[[nodiscard]] std::size_t fold_to(char* out, std::string_view text);
[[nodiscard]] constexpr std::size_t fold_room(std::size_t octets) {
  return octets + octets / 2 + 16;
}

/// Length in octets of the UTF-8 sequence that starts with this octet; 1 for stray octets.
[[nodiscard]] constexpr std::size_t utf8_step(unsigned char lead) {
  return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 1;
}

}  // namespace ww::sigma
