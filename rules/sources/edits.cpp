#include "rules/sources/edits.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "rules/signature/pcre.hpp"

namespace ww::sources {

namespace {

using sig::RuleLine;

constexpr std::size_t max_edited_octets = 64 * 1024;

/// Puts an edited text in the place of a rule; false when it is none any more.
bool replace(RuleLine& rule, const std::string& text) {
  auto made = sig::read_rule_line(text);
  if (!made) return false;
  made->file = rule.file;
  made->line = rule.line;
  rule = std::move(*made);
  return true;
}

/// A replacement with references to groups: \1, \g<1>, ${1}; \n, \t and \\ too.
std::string expand(std::string_view to, std::string_view subject, const sig::PcreScratch& groups) {
  std::string out;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto group = [&](std::string_view number) {
    const auto n = sig::parse_unsigned(number);
    if (!n || *n > 99) return;
    const auto g = groups.group(static_cast<std::size_t>(*n));
    if (g.set) out += subject.substr(g.from, g.to - g.from);
  };
  const auto bracketed = [&](std::size_t& i, std::string_view open, char close) {
    if (!to.substr(i).starts_with(open)) return false;
    const auto from = i + open.size();
    const auto end = to.find(close, from);
    if (end == std::string_view::npos || end == from) return false;
    if (!std::all_of(to.begin() + static_cast<std::ptrdiff_t>(from),
                     to.begin() + static_cast<std::ptrdiff_t>(end), digit))
      return false;
    group(to.substr(from, end - from));
    i = end + 1;
    return true;
  };
  for (std::size_t i = 0; i < to.size();) {
    if (bracketed(i, "${", '}') || bracketed(i, "\\g<", '>')) continue;
    if (to[i] != '\\' || i + 1 == to.size()) {
      out += to[i++];
      continue;
    }
    const char next = to[i + 1];
    if (digit(next)) {
      const std::size_t n = i + 2 < to.size() && digit(to[i + 2]) ? 2 : 1;
      group(to.substr(i + 1, n));
      i += 1 + n;
      continue;
    }
    if (next == 'n')
      out += '\n';
    else if (next == 't')
      out += '\t';
    else if (next == '\\')
      out += '\\';
    else
      (out += '\\') += next;
    i += 2;
  }
  return out;
}

class Substitute final : public RuleEdit {
 public:
  Substitute(std::unique_ptr<RuleMatcher> m, std::shared_ptr<const sig::CompiledPcre> from,
             std::string to)
      : matcher_(std::move(m)), from_(std::move(from)), to_(std::move(to)) {}
  bool matches(const RuleLine& r) const override { return matcher_->matches(r); }
  std::string apply(const std::string& text) const override {
    std::string out;
    std::size_t at = 0, copied = 0;
    while (at <= text.size() && out.size() <= max_edited_octets &&
           from_->search(as_bytes(text), at, scratch_)) {
      const auto whole = scratch_.group(0);
      out.append(text, copied, whole.from - copied);
      out += expand(to_, text, scratch_);
      copied = whole.to;
      at = whole.to > whole.from ? whole.to : whole.to + 1;
    }
    if (copied < text.size()) out.append(text, copied);
    return out;
  }

 private:
  std::unique_ptr<RuleMatcher> matcher_;
  std::shared_ptr<const sig::CompiledPcre> from_;
  std::string to_;
  mutable sig::PcreScratch scratch_;
};

class AddMetadata final : public RuleEdit {
 public:
  AddMetadata(std::unique_ptr<RuleMatcher> m, const std::string& key, const std::string& value)
      : matcher_(std::move(m)), option_(" metadata: " + key + " " + value + ";)") {}
  bool matches(const RuleLine& r) const override { return matcher_->matches(r); }
  std::string apply(const std::string& text) const override {
    const auto close = text.rfind(')');
    return close == std::string::npos ? text : text.substr(0, close) + option_;
  }

 private:
  std::unique_ptr<RuleMatcher> matcher_;
  std::string option_;
};

bool no_alert(const RuleLine& r) {
  return std::any_of(r.options.begin(), r.options.end(), [](const auto& o) {
    return o.keyword == "noalert" || (o.keyword == "flowbits" && o.value == "noalert");
  });
}

/// Names of `flowbits:COMMAND,a|b` where COMMAND is one of the list.
std::vector<std::string> bits(const RuleLine& r, std::initializer_list<std::string_view> commands) {
  std::vector<std::string> out;
  for (const auto& o : r.options) {
    if (o.keyword != "flowbits") continue;
    const auto comma = o.value.find(',');
    if (comma == std::string::npos) continue;
    const auto command = sig::trim(std::string_view(o.value).substr(0, comma));
    if (std::find(commands.begin(), commands.end(), command) == commands.end()) continue;
    for (const auto n : sig::split_list(std::string_view(o.value).substr(comma + 1), '|'))
      out.emplace_back(n);
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>, std::string> shell_words(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\t') {
      if (in_word) out.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else if (c == '\'' || c == '"') {
      in_word = true;
      for (++i; i < text.size() && text[i] != c; ++i) {
        // In double quotes a backslash stays unless it protects a quote or itself.
        if (c == '"' && text[i] == '\\' && i + 1 < text.size() &&
            (text[i + 1] == '"' || text[i + 1] == '\\'))
          ++i;
        word += text[i];
      }
      if (i == text.size()) return fail(std::string("a quote is not closed"));
    } else if (c == '\\') {
      if (++i == text.size()) return fail(std::string("nothing follows the last \\"));
      in_word = true;
      word += text[i];
    } else {
      in_word = true;
      word += c;
    }
  }
  if (in_word) out.push_back(std::move(word));
  return out;
}

Result<std::unique_ptr<RuleEdit>, std::string> parse_edit(std::string_view line) {
  using Made = std::unique_ptr<RuleEdit>;
  auto words = shell_words(line);
  if (!words) return fail(words.error());
  auto& w = *words;
  if (!w.empty() && w[0] == "metadata-add") {
    if (w.size() != 4) return fail(std::string("metadata-add needs MATCH, key and value"));
    auto matcher = parse_matcher(w[1]);
    if (!matcher) return fail(matcher.error());
    return Made(std::make_unique<AddMetadata>(std::move(*matcher), w[2], w[3]));
  }
  if (w.size() > 3 && w[0] == "modifysid") {
    w.erase(w.begin());
    if (w.size() == 4 && w[2] == "|") w.erase(w.begin() + 2);
  }
  if (w.size() != 3) return fail(std::string("needs MATCH \"from\" \"to\""));
  auto matcher = parse_matcher(w[0]);
  if (!matcher) return fail(matcher.error());
  auto code = sig::CompiledPcre::compile(w[1], 0, false);
  if (!code) return fail("'" + w[1] + "': " + code.error());
  return Made(std::make_unique<Substitute>(std::move(*matcher), std::move(*code), w[2]));
}

Result<std::vector<std::unique_ptr<RuleEdit>>, Problem> load_edits(const std::string& path) {
  auto text = read_file(path);
  if (!text) return fail(text.error());
  std::vector<std::unique_ptr<RuleEdit>> out;
  for (const auto& [line, number] : list_lines(*text)) {
    auto edit = parse_edit(line);
    if (!edit) return fail(Problem{edit.error(), path + ":" + std::to_string(number), ""});
    out.push_back(std::move(*edit));
  }
  return out;
}

std::string format_rule(const RuleLine& rule) { return (rule.enabled ? "" : "# ") + rule.text; }

void merge_duplicates(std::vector<RuleLine>& rules, EditFigures& figures) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> first;
  std::vector<RuleLine> out;
  for (auto& r : rules) {
    const auto [it, fresh] = first.try_emplace({r.gid, r.sid}, out.size());
    if (fresh) {
      out.push_back(std::move(r));
      continue;
    }
    ++figures.duplicates;
    if (r.rev > out[it->second].rev) out[it->second] = std::move(r);
  }
  rules = std::move(out);
}

void apply_lists(std::vector<RuleLine>& rules, const Lists& lists, EditFigures& figures) {
  const auto any = [](const auto& list, const RuleLine& r) {
    return std::any_of(list.begin(), list.end(), [&](const auto& m) { return m->matches(r); });
  };
  for (auto& r : rules) {
    if (r.enabled && any(lists.disable, r)) {
      r.enabled = false;
      ++figures.disabled;
    }
    if (!r.enabled && any(lists.enable, r)) {
      r.enabled = true;
      ++figures.enabled;
    }
    if (!no_alert(r) && any(lists.drop, r)) {
      const bool enabled = r.enabled;
      if (replace(r, "drop" + r.text.substr(r.action.size()))) ++figures.dropped;
      r.enabled = enabled;
    }
  }
  for (const auto& edit : lists.modify)
    for (auto& r : rules) {
      if (!edit->matches(r)) continue;
      const auto before = format_rule(r);
      const auto after = edit->apply(before);
      if (after == before) continue;
      if (after.size() <= max_edited_octets && replace(r, after))
        ++figures.modified;
      else
        figures.failed_edits.push_back(std::to_string(r.gid) + ":" + std::to_string(r.sid));
    }
}

void resolve_flowbits(std::vector<RuleLine>& rules, EditFigures& figures) {
  std::map<std::string, std::vector<std::size_t>> setters;
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (auto& b : bits(rules[i], {"set", "setx", "unset", "toggle"}))
      setters[std::move(b)].push_back(i);
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (rules[i].enabled) open.push_back(i);
  std::set<std::string> settled;
  while (!open.empty()) {
    const auto i = open.back();
    open.pop_back();
    for (const auto& b : bits(rules[i], {"isset", "isnotset"})) {
      if (!settled.insert(b).second) continue;
      const auto it = setters.find(b);
      if (it == setters.end()) continue;
      for (const auto s : it->second) {
        auto& r = rules[s];
        if (r.enabled) continue;
        // It was off on purpose: it sets its bit and says nothing.
        if (!no_alert(r)) (void)replace(r, r.text.substr(0, r.text.rfind(')')) + " noalert;)");
        r.enabled = true;
        ++figures.for_flowbits;
        open.push_back(s);
      }
    }
  }
}

}  // namespace ww::sources
