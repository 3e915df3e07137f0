/// Numbers inside payloads: byte_test, byte_jump, byte_extract, byte_math, isdataat, bsize.
#include <algorithm>
#include <bit>

#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

Result<std::uint64_t, std::string> mask_of(std::string_view text) {
  auto v = parse_unsigned(text);
  if (!v) {  // bitmasks are hexadecimal, with or without 0x
    v = parse_unsigned("0x" + std::string(text));
  }
  if (!v || *v == 0 || *v > UINT32_MAX)
    return bad("bitmask '" + std::string(text) + "' is not a number from 1 to 0xFFFFFFFF");
  return *v;
}

Status set_mask(ByteRead& r, std::string_view text) {
  const auto m = mask_of(text);
  if (!m) return bad(m.error());
  r.mask = *m;
  r.shift = static_cast<std::uint8_t>(std::countr_zero(*m));
  return {};
}

/// Options that all readers share. `handled` tells whether the word was one of them.
Status common(ByteRead& r, std::string_view word, bool& string, bool& handled) {
  handled = true;
  if (word == "relative")
    r.relative = true;
  else if (word == "string") {
    string = true;
    if (r.base == NumberBase::raw) r.base = NumberBase::dec;
  } else if (word == "dec")
    r.base = NumberBase::dec;
  else if (word == "hex")
    r.base = NumberBase::hex;
  else if (word == "oct")
    r.base = NumberBase::oct;
  else if (word == "big")
    r.endian = Endian::big;
  else if (word == "little")
    r.endian = Endian::little;
  else if (word == "dce")
    r.endian = Endian::dce;
  else if (word.starts_with("bitmask ") || word.starts_with("bitmask\t"))
    return set_mask(r, trim(word.substr(8)));
  else
    handled = false;
  return {};
}

Status check_octets(const ByteRead& r, bool string, std::int64_t max_raw) {
  if (r.base != NumberBase::raw && !string) return bad("dec, hex and oct need 'string'");
  if (r.octets.var >= 0) return {};
  if (r.octets.value < 0 || r.octets.value > (string ? 23 : max_raw))
    return bad("cannot read " + std::to_string(r.octets.value) + " octets");
  return {};
}

Status byte_test(RuleBuilder& b, const Option& o, const Keyword&) {
  auto parts = split_list(o.value);
  if (parts.size() < 4) return bad("needs octets, operator, value, offset");
  ByteTestOp op;
  auto octets = b.operand(parts[0]);
  if (!octets) return bad(octets.error());
  op.read.octets = *octets;
  auto c = parts[1];
  if (c.starts_with('!')) {
    op.negated = true;
    c = trim(c.substr(1));
  }
  using C = ByteTestOp::Compare;
  if (c == "<")
    op.compare = C::lt;
  else if (c == ">")
    op.compare = C::gt;
  else if (c == "=" || c == "==" || (c.empty() && op.negated))
    op.compare = C::eq;
  else if (c == "<=")
    op.compare = C::le;
  else if (c == ">=")
    op.compare = C::ge;
  else if (c == "&")
    op.compare = C::band;
  else if (c == "^")
    op.compare = C::bor;
  else
    return bad("operator '" + std::string(parts[1]) +
               "' is not one of < > = <= >= & ^ with or without !");
  auto value = b.operand(parts[2]);
  if (!value) return bad(value.error());
  op.value = *value;
  auto offset = b.operand(parts[3]);
  if (!offset) return bad(offset.error());
  op.read.offset = *offset;
  bool string = false;
  for (std::size_t i = 4; i < parts.size(); ++i) {
    bool handled = false;
    if (auto ok = common(op.read, parts[i], string, handled); !ok) return ok;
    if (!handled) return bad("unknown option '" + std::string(parts[i]) + "'");
  }
  if (auto ok = check_octets(op.read, string, 8); !ok) return ok;
  if (op.read.octets.var < 0 && op.read.octets.value < 1 && !string) return bad("reads no octets");
  b.add(op);
  return {};
}

Status byte_jump(RuleBuilder& b, const Option& o, const Keyword&) {
  auto parts = split_list(o.value);
  if (parts.size() < 2) return bad("needs octets and offset");
  ByteJumpOp op;
  auto octets = b.operand(parts[0]);
  if (!octets) return bad(octets.error());
  op.read.octets = *octets;
  auto offset = b.operand(parts[1]);
  if (!offset) return bad(offset.error());
  op.read.offset = *offset;
  bool string = false;
  for (std::size_t i = 2; i < parts.size(); ++i) {
    const auto w = parts[i];
    bool handled = false;
    if (auto ok = common(op.read, w, string, handled); !ok) return ok;
    if (handled) continue;
    if (w == "align")
      op.align = true;
    else if (w == "from_beginning")
      op.from_beginning = true;
    else if (w == "from_end")
      op.from_end = true;
    else if (w.starts_with("multiplier ")) {
      const auto m = parse_unsigned(w.substr(11));
      if (!m || *m == 0 || *m > 65535) return bad("multiplier is 1 to 65535");
      op.multiplier = static_cast<std::int64_t>(*m);
    } else if (w.starts_with("post_offset ")) {
      auto p = b.operand(w.substr(12));
      if (!p) return bad(p.error());
      if (p->var < 0 && (p->value < -65535 || p->value > 65535))
        return bad("post_offset is -65535 to 65535");
      op.post_offset = p->value;
      op.post_offset_operand = *p;
    } else {
      return bad("unknown option '" + std::string(w) + "'");
    }
  }
  if (op.from_beginning && op.from_end)
    return bad("from_beginning and from_end exclude each other");
  if (auto ok = check_octets(op.read, string, 8); !ok) return ok;
  b.add(op);
  return {};
}

Status byte_extract(RuleBuilder& b, const Option& o, const Keyword&) {
  auto parts = split_list(o.value);
  if (parts.size() < 3) return bad("needs octets, offset and a variable name");
  ByteExtractOp op;
  const auto octets = parse_unsigned(parts[0]);
  if (!octets) return bad("'" + std::string(parts[0]) + "' is not a number of octets");
  op.read.octets.value = static_cast<std::int64_t>(std::min<std::uint64_t>(*octets, 1000));
  auto offset = b.operand(parts[1]);
  if (!offset) return bad(offset.error());
  op.read.offset = *offset;
  bool string = false;
  for (std::size_t i = 3; i < parts.size(); ++i) {
    const auto w = parts[i];
    bool handled = false;
    if (auto ok = common(op.read, w, string, handled); !ok) return ok;
    if (handled) continue;
    if (w.starts_with("multiplier ")) {
      const auto m = parse_unsigned(w.substr(11));
      if (!m || *m == 0 || *m > 65535) return bad("multiplier is 1 to 65535");
      op.multiplier = *m;
    } else if (w.starts_with("align ")) {
      const auto a = parse_unsigned(w.substr(6));
      if (!a || (*a != 2 && *a != 4)) return bad("align is 2 or 4");
      op.align = static_cast<std::uint8_t>(*a);
    } else {
      return bad("unknown option '" + std::string(w) + "'");
    }
  }
  if (auto ok = check_octets(op.read, string, 8); !ok) return ok;
  auto var = b.define_var(parts[2]);
  if (!var) return bad(var.error());
  op.var = *var;
  b.add(op);
  return {};
}

Status byte_math(RuleBuilder& b, const Option& o, const Keyword&) {
  ByteMathOp op;
  bool string = false, octets = false, offset = false, oper = false, rvalue = false;
  std::string_view result;
  std::vector<std::string_view> seen;
  for (const auto w : split_list(o.value)) {
    auto first = w.substr(0, w.find_first_of(" \t"));
    if (first == "dce") first = "endian";
    if (std::ranges::find(seen, first) != seen.end())
      return bad("'" + std::string(first) + "' is given twice");
    seen.push_back(first);
    bool handled = false;
    if (auto ok = common(op.read, w, string, handled); !ok) return ok;
    if (handled) continue;
    const auto blank = w.find_first_of(" \t");
    const auto name = w.substr(0, blank);
    const auto value = blank == std::string_view::npos ? std::string_view() : trim(w.substr(blank));
    if (name == "bytes") {
      auto v = b.operand(value);
      if (!v) return bad(v.error());
      op.read.octets = *v;
      octets = true;
    } else if (name == "offset") {
      auto v = b.operand(value);
      if (!v) return bad(v.error());
      op.read.offset = *v;
      offset = true;
    } else if (name == "oper") {
      using Op = ByteMathOp::Operator;
      if (value == "+")
        op.op = Op::add;
      else if (value == "-")
        op.op = Op::sub;
      else if (value == "*")
        op.op = Op::mul;
      else if (value == "/")
        op.op = Op::div;
      else if (value == "<<")
        op.op = Op::lshift;
      else if (value == ">>")
        op.op = Op::rshift;
      else
        return bad("operator '" + std::string(value) + "' is not one of + - * / << >>");
      oper = true;
    } else if (name == "rvalue") {
      auto v = b.operand(value);
      if (!v) return bad(v.error());
      op.rvalue = *v;
      rvalue = true;
    } else if (name == "result") {
      result = value;
    } else if (name == "endian") {
      if (value == "big")
        op.read.endian = Endian::big;
      else if (value == "little")
        op.read.endian = Endian::little;
      else if (value == "dce")
        op.read.endian = Endian::dce;
      else
        return bad("endian is big, little or dce");
    } else if (name == "string") {
      string = true;
      if (value != "hex" && value != "dec" && value != "oct")
        return bad("string is hex, dec or oct");
      op.read.base = value == "hex"   ? NumberBase::hex
                     : value == "oct" ? NumberBase::oct
                                      : NumberBase::dec;
    } else {
      return bad("unknown option '" + std::string(w) + "'");
    }
  }
  if (!octets || !offset || !oper || !rvalue || result.empty())
    return bad("needs bytes, offset, oper, rvalue and result");
  if (op.op == ByteMathOp::Operator::div && op.rvalue.var < 0 && op.rvalue.value == 0)
    return bad("division by 0");
  if (auto ok = check_octets(op.read, string, 4); !ok) return ok;
  auto var = b.define_var(result);
  if (!var) return bad(var.error());
  op.var = *var;
  b.add(op);
  return {};
}

Status isdataat(RuleBuilder& b, const Option& o, const Keyword&) {
  IsDataAtOp op;
  auto parts = split_list(o.value);
  auto first = parts[0];
  if (first.starts_with('!')) {
    op.negated = true;
    first = trim(first.substr(1));
  }
  auto at = b.operand(first);
  if (!at) return bad(at.error());
  if (at->var < 0 && (at->value < 0 || at->value > 65535)) return bad("is 0 to 65535");
  op.at = *at;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "relative")
      op.relative = true;
    else if (parts[i] != "rawbytes")
      return bad("unknown option '" + std::string(parts[i]) + "'");
  }
  b.add(op);
  return {};
}

Status bsize(RuleBuilder& b, const Option& o, const Keyword&) {
  if (!b.buffer_selected()) return bad("needs a sticky buffer before it");
  auto t = parse_number_test(o.value, UINT64_MAX);
  if (!t) return bad(t.error());
  b.add(SizeOp{*t});
  return {};
}

const KeywordRegistration registration{{
    {.name = "byte_test",
     .group = "payload",
     .summary = "compare a number in the payload",
     .example = "byte_test:2,>,1000,4,relative,little;",
     .notes = "octets, [!]operator, value, offset; relative, big|little|dce, string with "
              "dec|hex|oct, bitmask 0x..",
     .setup = &byte_test},
    {.name = "byte_jump",
     .group = "payload",
     .summary = "move the position by a number in the payload",
     .example = "byte_jump:2,0,relative,post_offset -1;",
     .setup = &byte_jump},
    {.name = "byte_extract",
     .group = "payload",
     .summary = "keep a number of the payload in a variable",
     .example = "byte_extract:1,0,len; content:\"x\"; offset:len;",
     .setup = &byte_extract},
    {.name = "byte_math",
     .group = "payload",
     .summary = "compute with a number of the payload and keep the result",
     .example =
         "byte_math:bytes 1, offset 0, oper *, rvalue 4, result len; content:\"x\"; offset:len;",
     .setup = &byte_math},
    {.name = "isdataat",
     .group = "payload",
     .summary = "there are (or with ! are not) so many octets",
     .example = "content:\"abc\"; isdataat:10,relative;",
     .setup = &isdataat},
    {.name = "bsize",
     .group = "payload",
     .summary = "size of the sticky buffer",
     .example = "http.uri; bsize:>20;",
     .setup = &bsize},
}};

}  // namespace
}  // namespace ww::sig
