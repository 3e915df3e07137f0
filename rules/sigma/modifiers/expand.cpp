/// `expand`: %placeholders% are replaced by values that the site gives. A placeholder without
/// values is an error.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

constexpr std::size_t max_values = 100'000;

/// Appends a literal to every string in `done`, with its placeholders replaced (which multiplies
/// the strings).
Result<void, std::string> expand_literal(std::string_view text, const ModifierContext& context,
                                         std::vector<Str>& done) {
  while (!text.empty()) {
    const auto open = text.find('%');
    const auto close = open == std::string_view::npos ? open : text.find('%', open + 1);
    if (close == std::string_view::npos || close == open + 1) {
      for (auto& s : done) s.push_literal(text);
      return {};
    }
    for (auto& s : done) s.push_literal(text.substr(0, open));
    const std::string name(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
    if (context.keep_placeholders) {
      for (auto& s : done) s.push(Piece{Piece::Kind::placeholder, name});
      continue;
    }
    const auto it = context.placeholders == nullptr ? Placeholders::const_iterator{}
                                                    : context.placeholders->find(name);
    if (context.placeholders == nullptr || it == context.placeholders->end() || it->second.empty())
      return fail("placeholder %" + name +
                  "% has no value: give it in the placeholders file or a pipeline");
    if (done.size() * it->second.size() > max_values)
      return fail("placeholders expand to too many values at %" + name + "%");
    std::vector<Str> next;
    next.reserve(done.size() * it->second.size());
    for (const auto& s : done)
      for (const auto& replacement : it->second) {
        next.push_back(s);
        const auto parsed = Str::parse(replacement);
        for (const auto& piece : parsed.pieces()) next.back().push(piece);
      }
    done = std::move(next);
  }
  return {};
}

Result<void, std::string> apply(Item& item, const ModifierContext& context) {
  std::vector<Operand> out;
  for (const auto& value : item.values) {
    if (value.kind != Operand::Kind::string) {
      out.push_back(value);
      continue;
    }
    std::vector<Str> done(1);
    for (const auto& piece : value.str.pieces()) {
      if (piece.kind != Piece::Kind::literal) {
        for (auto& s : done) s.push(piece);
        continue;
      }
      if (auto ok = expand_literal(piece.text, context, done); !ok) return ok;
    }
    for (auto& s : done) {
      Operand next = value;
      next.str = std::move(s);
      out.push_back(std::move(next));
    }
  }
  item.values = std::move(out);
  return {};
}

const ModifierRegistration registration{{
    .name = "expand",
    .summary = "replace %placeholders% by the site's values",
    .example = "User|expand: '%Administrators%'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
