#include "rules/sigma/pattern.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "rules/sigma/document.hpp"
#include "telemetry/clock.hpp"

namespace ww::sigma {
namespace {

Slot field_slot(const Item& item, FieldTable& fields) {
  return item.field.empty() ? Slot{0} : fields.intern(item.field);
}

/// A string with wildcards as the simplest predicate that says the same.
void classify(const Str& str, Pattern& out) {
  auto pieces = (out.cased ? str : str.folded()).pieces();
  using Kind = Piece::Kind;
  const bool front = !pieces.empty() && pieces.front().kind == Kind::many;
  const bool back = pieces.size() > (front ? 1U : 0U) && pieces.back().kind == Kind::many;
  const std::size_t begin = front ? 1 : 0, end = pieces.size() - (back ? 1 : 0);
  if (end - begin == 0 && !front) {
    out.kind = Pattern::Kind::exact;
    return;
  }
  if (end - begin == 1 && pieces[begin].kind == Kind::literal) {
    out.kind = front && back ? Pattern::Kind::contains
               : front       ? Pattern::Kind::suffix
               : back        ? Pattern::Kind::prefix
                             : Pattern::Kind::exact;
    out.text = std::move(pieces[begin].text);
    return;
  }
  out.kind = Pattern::Kind::wildcard;
  out.pieces = std::move(pieces);
}

std::string key_of(const Pattern& p) {
  std::string key;
  const auto put = [&](const auto& v) { key.append(reinterpret_cast<const char*>(&v), sizeof v); };
  put(p.kind);
  put(p.cased);
  put(p.op);
  put(p.equal);
  put(p.time);
  put(p.ref);
  put(p.slot);
  put(p.other);
  put(p.number);
  put(p.network.address.octets);
  put(p.network.address.family);
  put(p.network.prefix);
  put(reinterpret_cast<std::uintptr_t>(p.regex));
  key += p.text;
  for (const auto& piece : p.pieces) {
    key += '\0';
    put(piece.kind);
    key += piece.text;
  }
  return key;
}

bool compares(double value, Compare op, double wanted) {
  switch (op) {
    case Compare::lt:
      return value < wanted;
    case Compare::lte:
      return value <= wanted;
    case Compare::gt:
      return value > wanted;
    case Compare::gte:
      return value >= wanted;
  }
  return false;
}

/// Day of the ISO 8601 year to its week: the week of the year's first Thursday is week 1.
int iso_week(Timestamp t) {
  const std::int64_t day =
      t.seconds() >= 0 ? t.seconds() / 86'400 : -((-t.seconds() + 86'399) / 86'400);
  const std::int64_t weekday = ((day % 7) + 7 + 3) % 7;  // Monday = 0; 1970-01-01 was a Thursday
  const std::int64_t thursday = day - weekday + 3;
  const auto year = civil(Timestamp{thursday * 86'400 * 1'000'000}).year;
  return static_cast<int>((thursday - days_from_civil(year, 1, 1)) / 7) + 1;
}

std::optional<Timestamp> time_of(const Value& value) {
  if (const auto parsed = parse_time(value.text)) return parsed;
  const auto number = number_of(value.text);
  if (!number || !(std::fabs(*number) < 9e18)) return std::nullopt;
  // Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size.
  const double magnitude = std::fabs(*number);
  const double us = magnitude < 1e11   ? *number * 1e6
                    : magnitude < 1e14 ? *number * 1e3
                    : magnitude < 1e17 ? *number
                                       : *number / 1e3;
  return Timestamp{static_cast<std::int64_t>(us)};
}

std::optional<double> part_of(const Value& value, TimePart part) {
  const auto time = time_of(value);
  if (!time) return std::nullopt;
  const auto c = civil(*time);
  switch (part) {
    case TimePart::minute:
      return c.minute;
    case TimePart::hour:
      return c.hour;
    case TimePart::day:
      return c.day;
    case TimePart::week:
      return iso_week(*time);
    case TimePart::month:
      return c.month;
    case TimePart::year:
      return c.year;
    case TimePart::none:
      break;
  }
  return std::nullopt;
}

bool refers(const Pattern& p, EventReader& event, const Value& value) {
  for (const auto* other = event.first(p.other); other != nullptr; other = event.next(*other)) {
    if (!other->comparable()) continue;
    const auto a = p.cased ? value.text : event.folded(value);
    const auto b = p.cased ? other->text : event.folded(*other);
    switch (p.ref) {
      case RefMode::equals:
        if (a == b) return true;
        break;
      case RefMode::contains:
        if (a.find(b) != std::string_view::npos) return true;
        break;
      case RefMode::startswith:
        if (a.starts_with(b)) return true;
        break;
      case RefMode::endswith:
        if (a.ends_with(b)) return true;
        break;
    }
  }
  return false;
}

bool contains(std::string_view text, std::string_view needle) {
  return needle.size() <= text.size() &&
         (needle.empty() ||
          memmem(text.data(), text.size(), needle.data(), needle.size()) != nullptr);
}

bool value_holds(const Pattern& p, EventReader& event, const Value& value) {
  const bool as_is = p.cased || p.kind > Pattern::Kind::wildcard;
  const auto text = as_is ? value.text : event.folded(value);
  switch (p.kind) {
    case Pattern::Kind::exact:
      return text == p.text;
    case Pattern::Kind::prefix:
      return text.starts_with(p.text);
    case Pattern::Kind::suffix:
      return text.ends_with(p.text);
    case Pattern::Kind::contains:
      return contains(text, p.text);
    case Pattern::Kind::wildcard:
      return wildcard_match(p.pieces, text);
    case Pattern::Kind::regex:
      return p.regex->search(value.text);
    case Pattern::Kind::compare: {
      const auto number = number_of(value.text);
      return number && compares(*number, p.op, p.number);
    }
    case Pattern::Kind::part: {
      const auto part = part_of(value, p.time);
      return part && (p.equal ? *part == p.number : compares(*part, p.op, p.number));
    }
    case Pattern::Kind::cidr: {
      const auto address = parse_ip(value.text);
      return address && p.network.contains(*address);
    }
    case Pattern::Kind::fieldref:
      return refers(p, event, value);
    case Pattern::Kind::exists:
    case Pattern::Kind::is_null:
      break;
  }
  return false;
}

}  // namespace

bool holds(const Pattern& p, EventReader& event, const Value** matched) {
  if (p.slot == 0 && p.kind != Pattern::Kind::exists && p.kind != Pattern::Kind::is_null) {
    for (const auto& value : event.all_values())
      if (value_holds(p, event, value)) {
        if (matched != nullptr) *matched = &value;
        return true;
      }
    return false;
  }
  const auto* value = event.first(p.slot);
  if (p.kind == Pattern::Kind::exists) {
    if (matched != nullptr) *matched = value;
    return value != nullptr;
  }
  if (p.kind == Pattern::Kind::is_null) {
    if (value == nullptr) return true;
    for (; value != nullptr; value = event.next(*value))
      if (value->kind == Value::Kind::null) {
        if (matched != nullptr) *matched = value;
        return true;
      }
    return false;
  }
  for (; value != nullptr; value = event.next(*value))
    if (value->comparable() && value_holds(p, event, *value)) {
      if (matched != nullptr) *matched = value;
      return true;
    }
  return false;
}

std::vector<std::string> hints(const Pattern& p) {
  std::vector<std::string> out;
  if (p.kind == Pattern::Kind::regex) return required_literals(p.regex->expression());
  if (p.kind == Pattern::Kind::wildcard) {
    const Piece* best = nullptr;
    for (const auto& piece : p.pieces)
      if (piece.kind == Piece::Kind::literal &&
          (best == nullptr || piece.text.size() > best->text.size()))
        best = &piece;
    if (best != nullptr) out.push_back(p.cased ? folded(best->text) : best->text);
  } else if (p.kind == Pattern::Kind::exact || p.kind == Pattern::Kind::prefix ||
             p.kind == Pattern::Kind::suffix || p.kind == Pattern::Kind::contains) {
    if (!p.text.empty()) out.push_back(p.cased ? folded(p.text) : p.text);
  }
  return out;
}

PatternId PatternTable::intern(Pattern pattern, const std::string& key) {
  const auto [it, fresh] = by_key_.try_emplace(key, static_cast<PatternId>(patterns_.size()));
  if (fresh) patterns_.push_back(std::move(pattern));
  return it->second;
}

PatternId PatternTable::add_exists(Slot slot) {
  Pattern p;
  p.kind = Pattern::Kind::exists;
  p.slot = slot;
  return intern(p, key_of(p));
}

Result<PatternId, std::string> PatternTable::add(const Item& item, const Operand& operand,
                                                 FieldTable& fields) {
  Pattern p;
  p.slot = field_slot(item, fields);
  p.cased = item.cased;
  if (p.slot == no_slot) return fail(std::string("too many different fields"));
  if (item.part != TimePart::none) {
    const auto number = number_of(operand.raw);
    if (!number) return fail("'" + operand.raw + "' is not a number");
    p.kind = Pattern::Kind::part;
    p.time = item.part;
    p.number = *number;
    p.equal = operand.kind != Operand::Kind::compare;
    p.op = operand.op;
    p.cased = false;
    return intern(p, key_of(p));
  }
  switch (operand.kind) {
    case Operand::Kind::null:
      p.kind = Pattern::Kind::is_null;
      break;
    case Operand::Kind::exists:
      p.kind = Pattern::Kind::exists;
      break;
    case Operand::Kind::number:
    case Operand::Kind::boolean:
    case Operand::Kind::string:
      for (const auto& piece : operand.str.pieces())
        if (piece.kind == Piece::Kind::placeholder)
          return fail("placeholder %" + piece.text +
                      "% has no value: give it in the placeholders file or a pipeline");
      classify(operand.str, p);
      break;
    case Operand::Kind::compare:
      p.kind = Pattern::Kind::compare;
      p.op = operand.op;
      p.number = operand.number;
      break;
    case Operand::Kind::cidr:
      p.kind = Pattern::Kind::cidr;
      p.network = operand.network;
      break;
    case Operand::Kind::fieldref:
      p.kind = Pattern::Kind::fieldref;
      p.ref = operand.ref;
      p.other = fields.intern(operand.raw);
      if (p.other == no_slot) return fail(std::string("too many different fields"));
      break;
    case Operand::Kind::regex: {
      p.kind = Pattern::Kind::regex;
      const Regex::Flags flags{operand.regex_i, operand.regex_m, operand.regex_s};
      const auto key =
          std::string({flags.i ? 'i' : '-', flags.m ? 'm' : '-', flags.s ? 's' : '-'}) +
          operand.raw;
      auto& known = regexes_[key];
      if (!known) {
        auto compiled = Regex::compile(operand.raw, flags);
        if (!compiled) {
          regexes_.erase(key);
          return fail(compiled.error());
        }
        known = std::move(*compiled);
      }
      p.regex = known.get();
      break;
    }
  }
  if (p.kind != Pattern::Kind::exact && p.kind != Pattern::Kind::prefix &&
      p.kind != Pattern::Kind::suffix && p.kind != Pattern::Kind::contains &&
      p.kind != Pattern::Kind::wildcard && p.kind != Pattern::Kind::fieldref)
    p.cased = false;
  return intern(p, key_of(p));
}

}  // namespace ww::sigma
