/// `windash`: a dash or slash that starts a command line option may be written with any of - / and
/// the typographic dashes.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

bool word(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u == '_' ||
         u >= 0x80;
}

/// A dash counts when nothing or no word character stands before it and a word character after it.
Result<void, std::string> change(Operand& value) {
  Str out;
  for (const auto& piece : value.str.pieces()) {
    if (piece.kind != Piece::Kind::literal) {
      out.push(piece);
      continue;
    }
    const std::string& text = piece.text;
    std::size_t from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '-' && text[i] != '/') continue;
      if ((i > 0 && word(text[i - 1])) || i + 1 >= text.size() || !word(text[i + 1])) continue;
      out.push_literal(std::string_view(text).substr(from, i - from));
      out.push(Piece::Kind::dash);
      from = i + 1;
    }
    out.push_literal(std::string_view(text).substr(from));
  }
  value.str = std::move(out);
  return {};
}

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_string(item, "windash", &change);
}

const ModifierRegistration registration{{
    .name = "windash",
    .summary = "any of the dashes Windows accepts",
    .example = "CommandLine|windash|contains: ' -s '",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
