#include "rules/signature/keyword.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace ww::sig {

namespace {
constexpr std::size_t max_variables = 32;  ///< per rule

struct Registry {
  std::map<std::string, const Keyword*, std::less<>> by_name;
  std::vector<std::unique_ptr<Keyword>> owned;
};
Registry& registry() {
  static Registry r;
  return r;
}
void enter(Keyword k) {
  auto& r = registry();
  r.owned.push_back(std::make_unique<Keyword>(std::move(k)));
  const Keyword* kept = r.owned.back().get();
  const auto add = [&](const std::string& name) {
    if (!r.by_name.emplace(name, kept).second) {
      std::fprintf(stderr, "rule keyword '%s' is registered twice\n", name.c_str());
      std::abort();
    }
  };
  add(kept->name);
  for (const auto& a : kept->aliases) add(a);
}

/// A keyword that starts where the match before ended, other than content and pcre, which have
/// their own modifiers.
bool follows(const PayloadOp& op) {
  if (const auto* o = std::get_if<IsDataAtOp>(&op)) return o->relative;
  if (const auto* o = std::get_if<ByteTestOp>(&op)) return o->read.relative;
  if (const auto* o = std::get_if<ByteJumpOp>(&op)) return o->read.relative;
  if (const auto* o = std::get_if<ByteExtractOp>(&op)) return o->read.relative;
  if (const auto* o = std::get_if<ByteMathOp>(&op)) return o->read.relative;
  if (const auto* o = std::get_if<Base64Op>(&op)) return o->relative;
  return false;
}

bool same_buffer(const Stage& a, const Stage& b) {
  if (a.kind != b.kind || a.buffer != b.buffer || a.frames != b.frames ||
      a.only_dir != b.only_dir || a.multi || b.multi || a.absent != b.absent ||
      a.transforms.size() != b.transforms.size())
    return false;
  for (std::size_t i = 0; i < a.transforms.size(); ++i)
    if (a.transforms[i].name != b.transforms[i].name) return false;
  return true;
}
}  // namespace

KeywordRegistration::KeywordRegistration(Keyword keyword) { enter(std::move(keyword)); }
KeywordRegistration::KeywordRegistration(std::initializer_list<Keyword> keywords) {
  for (const auto& k : keywords) enter(k);
}

const std::map<std::string, const Keyword*, std::less<>>& keywords() { return registry().by_name; }

std::vector<const Keyword*> keyword_list() {
  std::vector<const Keyword*> out;
  for (const auto& [name, k] : registry().by_name)
    if (k->name == name) out.push_back(k);
  return out;
}

const Keyword* find_keyword(std::string_view name) {
  const auto& names = registry().by_name;
  const auto it = names.find(name);
  return it == names.end() ? nullptr : it->second;
}

// --------------------------------------------------------------------------- builder

void RuleBuilder::select(Stage stage) {
  pending_ = std::move(stage);
  selection_ = Selection::pending;
}

void RuleBuilder::select_payload() { selection_ = Selection::payload; }

Stage& RuleBuilder::stage() {
  switch (selection_) {
    case Selection::payload:
      if (rule_.payload < 0) {
        rule_.payload = static_cast<std::int32_t>(rule_.stages.size());
        Stage s;
        s.name = "payload";
        rule_.stages.push_back(std::move(s));
      }
      return rule_.stages[static_cast<std::size_t>(rule_.payload)];
    case Selection::pending:
      selection_ = Selection::stage;
      for (std::size_t i = 0; i < rule_.stages.size(); ++i)
        if (same_buffer(rule_.stages[i], pending_)) {
          stage_ = i;
          return rule_.stages[i];
        }
      stage_ = rule_.stages.size();
      rule_.stages.push_back(pending_);
      return rule_.stages.back();
    case Selection::stage:
      return rule_.stages[stage_];
    case Selection::base64:
      return rule_.stages[base64_stage_];
  }
  return rule_.stages.front();
}

void RuleBuilder::add(PayloadOp op) {
  // Old rules: a relative keyword that is no content follows the last content into the buffer that
  // a modifier gave it.
  if (selection_ == Selection::payload && last_ != Last::none && follows(op) &&
      last_stage_ < rule_.stages.size() && rule_.stages[last_stage_].kind == Stage::Kind::buffer &&
      !last_inner_) {
    auto& s = rule_.stages[last_stage_];
    if (std::holds_alternative<Base64Op>(op)) {
      base64_stage_ = last_stage_;
      base64_op_ = s.ops.size();
      std::get<Base64Op>(op).inner_from = static_cast<std::uint32_t>(s.inner.size());
    }
    s.ops.push_back(std::move(op));
    return;
  }
  auto& s = stage();
  last_stage_ = static_cast<std::size_t>(&s - rule_.stages.data());
  last_inner_ = selection_ == Selection::base64;
  last_ = std::holds_alternative<ContentOp>(op) ? Last::content
          : std::holds_alternative<PcreOp>(op)  ? Last::pcre
                                                : last_;
  if (last_inner_) {
    s.inner.push_back(std::move(op));
    ++std::get<Base64Op>(s.ops[base64_op_]).inner_count;
    return;
  }
  if (std::holds_alternative<Base64Op>(op)) {
    base64_stage_ = last_stage_;
    base64_op_ = s.ops.size();
    std::get<Base64Op>(op).inner_from = static_cast<std::uint32_t>(s.inner.size());
  }
  s.ops.push_back(std::move(op));
}

Status RuleBuilder::select_base64() {
  for (std::size_t i = 0; i < rule_.stages.size(); ++i)
    for (const auto& op : rule_.stages[i].ops)
      if (std::holds_alternative<Base64Op>(op)) {
        selection_ = Selection::base64;
        return {};
      }
  return bad("needs a base64_decode before it");
}

Status RuleBuilder::set_absent(Stage::Absent absent) {
  if (selection_ == Selection::stage) return bad("must come right after its sticky buffer");
  if (selection_ != Selection::pending) return bad("needs a sticky buffer before it");
  pending_.absent = absent;
  (void)stage();
  return {};
}

Status RuleBuilder::add_transform(Transform t) {
  if (selection_ == Selection::payload || selection_ == Selection::base64)
    return bad("a transform must follow a sticky buffer");
  if (selection_ == Selection::stage) {
    // After keywords that looked at the buffer as it was: what follows looks at it transformed once
    // more.
    pending_ = rule_.stages[stage_];
    pending_.ops.clear();
    pending_.inner.clear();
    if (rule_.stages[stage_].kind == Stage::Kind::frame && rule_.stages[stage_].ops.empty() &&
        stage_ + 1 == rule_.stages.size())
      rule_.stages.pop_back();  // a frame makes its stage at once; nothing used it yet
    selection_ = Selection::pending;
  }
  if (pending_.transforms.size() >= 16) return bad("more than 16 transforms on a buffer");
  pending_.transforms.push_back(std::move(t));
  return {};
}

Result<ContentOp*, std::string> RuleBuilder::last_content(std::string_view modifier) {
  if (last_ != Last::none && last_stage_ < rule_.stages.size()) {
    auto& ops = last_inner_ ? rule_.stages[last_stage_].inner : rule_.stages[last_stage_].ops;
    for (std::size_t i = ops.size(); i-- > 0;)
      if (auto* c = std::get_if<ContentOp>(&ops[i])) return c;
  }
  return bad("'" + std::string(modifier) + "' needs a content before it");
}

Status RuleBuilder::move_last(const Stage& prototype, bool pcre_only) {
  if (selection_ != Selection::payload)
    return bad("an old-style modifier cannot be used while a sticky buffer is selected");
  if (rule_.payload < 0) return bad("needs a content before it");
  auto& from = rule_.stages[static_cast<std::size_t>(rule_.payload)].ops;
  for (std::size_t i = from.size(); i-- > 0;) {
    const bool fits = pcre_only ? std::holds_alternative<PcreOp>(from[i])
                                : std::holds_alternative<ContentOp>(from[i]);
    if (!fits) continue;
    auto op = std::move(from[i]);
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(i));
    std::size_t target = rule_.stages.size();
    for (std::size_t k = 0; k < rule_.stages.size(); ++k)
      if (same_buffer(rule_.stages[k], prototype)) target = k;
    if (target == rule_.stages.size()) rule_.stages.push_back(prototype);
    rule_.stages[target].ops.push_back(std::move(op));
    last_stage_ = target;
    last_inner_ = false;
    return {};
  }
  return bad("needs a content before it");
}

Stage& RuleBuilder::add_stage(Stage stage) {
  rule_.stages.push_back(std::move(stage));
  return rule_.stages.back();
}

Stage& RuleBuilder::file_stage() {
  for (auto& s : rule_.stages)
    if (s.kind == Stage::Kind::file) return s;
  Stage s;
  s.kind = Stage::Kind::file;
  s.name = "file";
  rule_.uses_files = true;
  return add_stage(std::move(s));
}

Result<std::int16_t, std::string> RuleBuilder::define_var(std::string_view name) {
  name = trim(name);
  if (name.empty()) return bad("a variable needs a name");
  if (const auto it = vars_.find(name); it != vars_.end()) return it->second;
  if (vars_.size() >= max_variables) return bad("more than 32 variables in a rule");
  const auto id = static_cast<std::int16_t>(vars_.size());
  vars_.emplace(std::string(name), id);
  rule_.var_count = static_cast<std::uint16_t>(vars_.size());
  return id;
}

Result<Operand, std::string> RuleBuilder::operand(std::string_view text) {
  text = trim(text);
  if (const auto v = parse_integer(text)) return Operand{*v, -1};
  if (const auto it = vars_.find(text); it != vars_.end()) return Operand{0, it->second};
  return bad("'" + std::string(text) +
             "' is neither a number nor a variable set by byte_extract or byte_math before");
}

Status RuleBuilder::restrict_protos(std::string_view names) {
  std::vector<AppProto> wanted;
  for (const auto n : split_list(names)) wanted.push_back(app_protos().intern(n));
  if (wanted.empty()) return {};
  if (rule_.app_protos.empty()) {
    rule_.app_protos = std::move(wanted);
    return {};
  }
  std::vector<AppProto> both;
  for (const auto p : rule_.app_protos)
    if (std::find(wanted.begin(), wanted.end(), p) != wanted.end()) both.push_back(p);
  if (both.empty())
    return bad("belongs to protocol " + std::string(names) + ", but the rule is for " +
               std::string(app_protos().name(rule_.app_protos.front())));
  rule_.app_protos = std::move(both);
  return {};
}

Status RuleBuilder::restrict_protos(std::initializer_list<std::string_view> names) {
  std::string all;
  for (const auto n : names) (all += n) += ',';
  if (!all.empty()) all.pop_back();
  return restrict_protos(std::string_view(all));
}

void RuleBuilder::remark(std::string text, bool performance) {
  remarks_.emplace_back(std::move(text), performance);
}

// --------------------------------------------------------------------------- tables

Stage buffer_stage(const Keyword& k) {
  Stage s;
  s.kind = k.packet_bytes ? Stage::Kind::packet_buffer : Stage::Kind::buffer;
  s.name = k.name;
  s.buffer = buffers().intern(k.buffer);
  s.packet_bytes = k.packet_bytes;
  s.multi = k.multi;
  return s;
}

Status setup_buffer(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  auto s = buffer_stage(k);
  if (o.has_value) {
    if (o.value == "to_client")
      s.only_dir = Dir::to_client;
    else if (o.value == "to_server")
      s.only_dir = Dir::to_server;
    else
      return bad("takes no value but to_client or to_server");
  }
  b.select(std::move(s));
  return {};
}

namespace {
Status setup_legacy(RuleBuilder& b, const Option&, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  return b.move_last(buffer_stage(k));
}
Status setup_number_row(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  return setup_number(b, k.buffer, o.value, k);
}
}  // namespace

Result<NumberTest, std::string> parse_named_number(std::string_view value, const Keyword& k) {
  value = trim(value);
  if (const auto q = unquote(value)) value = *q;
  const bool negated = value.starts_with('!');
  const auto plain = trim(negated ? value.substr(1) : value);
  for (const auto& [name, v] : k.names)
    if (iequals(name, plain)) {
      auto t = NumberTest::equal(v);
      t.negate = negated;
      return t;
    }
  auto t = parse_number_test(value, k.max ? k.max : UINT64_MAX);
  if (t && k.inclusive && plain.find_first_of("<-", 1) != std::string_view::npos) {
    if (t->lo > 0) --t->lo;
    if (t->hi < UINT64_MAX) ++t->hi;
  }
  if (!t && !k.names.empty())
    return bad("'" + std::string(value) + "' is neither a number nor one of its names");
  return t;
}

Status setup_number(RuleBuilder& b, std::string_view number, std::string_view value,
                    const Keyword& k) {
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(number);
  auto parts = split_list(value);
  if (parts.empty()) return bad("needs a number");
  if (parts.size() > 3) return bad("has too many parts");
  if (parts[0].starts_with("count") && parts[0].size() > 5 &&
      parts[0].find_first_of(" \t<>=!&0123456789") == 5) {
    // How many values there are, whatever they are.
    if (parts.size() != 1) return bad("count stands alone");
    auto t = parse_number_test(parts[0].substr(5), UINT32_MAX);
    if (!t) return bad(t.error());
    s.which = Stage::Which::count;
    s.count_test = *t;
    b.add_stage(std::move(s));
    return {};
  }
  if (parts.size() == 3) {
    const auto colon = parts[2].find(':');
    const auto from = parse_integer(parts[2].substr(0, colon));
    const auto to =
        colon == std::string_view::npos ? std::nullopt : parse_integer(parts[2].substr(colon + 1));
    if (!from || !to)
      return bad("'" + std::string(parts[2]) + "' is not a part of the list, such as 2:4");
    const auto bound = [](std::int64_t v) {
      return static_cast<std::int32_t>(std::clamp<std::int64_t>(v, -65536, 65535));
    };
    s.slice = {bound(*from), bound(*to)};
  }
  if (parts.size() >= 2) {
    auto which = parts[1];
    if (which == "any") {
      s.which = Stage::Which::any;
    } else if (which == "or_absent") {
      s.which = Stage::Which::any;
      s.or_absent = true;
    } else if (which == "all" || which == "all_or_absent") {
      s.which = Stage::Which::all_or_none;
    } else if (which == "all1") {
      s.which = Stage::Which::all;
    } else if (which.starts_with("nb")) {
      auto t = parse_number_test(which.substr(2), UINT32_MAX);
      if (!t) return bad(t.error());
      s.which = Stage::Which::count;
      s.count_test = *t;
    } else {
      if (which.starts_with("oob_or")) {
        s.or_absent = true;
        which = which.substr(6);
      } else if (which.starts_with("index")) {
        which = which.substr(5);
      }
      const auto i = parse_integer(which);
      if (!i)
        return bad("'" + std::string(parts[1]) +
                   "' is not any, all, all1, all_or_absent, or_absent, nb, oob_or or an index");
      s.which = Stage::Which::index;
      s.which_index = static_cast<std::int32_t>(std::clamp<std::int64_t>(*i, -65536, 65535));
    }
  }
  auto t = parse_named_number(parts[0], k);
  if (!t) return bad(t.error());
  s.number_test = *t;
  b.add_stage(std::move(s));
  return {};
}

Status setup_flag_list(RuleBuilder& b, std::string_view number, std::string_view value,
                       const Keyword& k) {
  std::uint64_t on = 0, off = 0;
  for (auto part : split_list(value)) {
    const bool negated = part.starts_with('!');
    if (negated) part = trim(part.substr(1));
    bool found = false;
    for (const auto& [name, bit] : k.names)
      if (iequals(name, part)) {
        (negated ? off : on) |= bit;
        found = true;
      }
    if (!found) return setup_number(b, number, value, k);  // a plain number or mask
  }
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(number);
  s.number_test = {on, on, on | off, false};
  b.add_stage(std::move(s));
  return {};
}

BufferRegistration::BufferRegistration(std::string_view group, std::string_view protos,
                                       std::initializer_list<BufferRow> rows) {
  for (const auto& row : rows) {
    Keyword k;
    k.name = row.name;
    k.aliases = row.aliases;
    k.group = group;
    k.summary = row.summary;
    k.example = row.name + "; " + row.example;
    k.value = Keyword::Value::optional;
    k.setup = &setup_buffer;
    k.buffer = row.buffer.empty() ? row.name : row.buffer;
    k.protos = protos;
    k.multi = row.multi;
    enter(k);
    if (!row.legacy.empty()) {
      Keyword old = k;
      old.name = row.legacy;
      old.aliases.clear();
      old.summary = "old form: puts the content before it into " + row.name;
      old.example = row.example.substr(0, row.example.find(';') + 1) + " " + row.legacy + ";";
      old.value = Keyword::Value::none;
      old.setup = &setup_legacy;
      enter(std::move(old));
    }
  }
}

NumberRegistration::NumberRegistration(std::string_view group, std::string_view protos,
                                       std::initializer_list<NumberRow> rows) {
  for (const auto& row : rows) {
    Keyword k;
    k.name = row.name;
    k.aliases = row.aliases;
    k.group = group;
    k.summary = row.summary;
    k.example = row.name + ":" + row.example + ";";
    k.setup = &setup_number_row;
    k.buffer = row.number.empty() ? row.name : row.number;
    k.protos = protos;
    k.max = row.max;
    k.names = row.names;
    k.multi = row.multi;
    k.inclusive = row.inclusive;
    enter(std::move(k));
  }
}

}  // namespace ww::sig
