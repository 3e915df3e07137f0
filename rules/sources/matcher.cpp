#define PCRE2_CODE_UNIT_WIDTH 8
#include "rules/sources/matcher.hpp"

#include <fnmatch.h>
#include <pcre2.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <tuple>

#include "rules/signature/pcre.hpp"

namespace ww::sources {

namespace {

using sig::iequals;
using sig::RuleLine;
using sig::trim;

class All final : public RuleMatcher {
 public:
  bool matches(const RuleLine&) const override { return true; }
};

class Ids final : public RuleMatcher {
 public:
  struct Id {
    std::uint32_t gid, sid;
    std::optional<std::uint32_t> rev;
  };
  explicit Ids(std::vector<Id> ids) : ids_(std::move(ids)) {
    std::sort(ids_.begin(), ids_.end(), [](const Id& a, const Id& b) { return key(a) < key(b); });
  }
  bool matches(const RuleLine& r) const override {
    const auto wanted = std::pair(r.gid, r.sid);
    auto it = std::lower_bound(ids_.begin(), ids_.end(), wanted,
                               [](const Id& a, const auto& b) { return key(a) < b; });
    for (; it != ids_.end() && key(*it) == wanted; ++it)
      if (!it->rev || *it->rev == r.rev) return true;
    return false;
  }

 private:
  static std::pair<std::uint32_t, std::uint32_t> key(const Id& i) { return {i.gid, i.sid}; }
  std::vector<Id> ids_;
};

class Regex final : public RuleMatcher {
 public:
  explicit Regex(std::shared_ptr<const sig::CompiledPcre> code) : code_(std::move(code)) {}
  bool matches(const RuleLine& r) const override {
    return code_->search(as_bytes(r.text), 0, scratch_);
  }

 private:
  std::shared_ptr<const sig::CompiledPcre> code_;
  mutable sig::PcreScratch scratch_;
};

bool glob(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

class Filename final : public RuleMatcher {
 public:
  explicit Filename(std::string_view pattern) : pattern_(pattern) {}
  bool matches(const RuleLine& r) const override { return glob(pattern_, r.file); }

 private:
  std::string pattern_;
};

/// The file's name with or without its extension.
class Group final : public RuleMatcher {
 public:
  explicit Group(std::string_view pattern) : pattern_(pattern) {}
  bool matches(const RuleLine& r) const override {
    const auto slash = r.file.rfind('/');
    const auto name = slash == std::string::npos ? r.file : r.file.substr(slash + 1);
    const auto dot = name.rfind('.');
    return glob(pattern_, name) ||
           (dot != std::string::npos && dot > 0 && glob(pattern_, name.substr(0, dot)));
  }

 private:
  std::string pattern_;
};

class Metadata final : public RuleMatcher {
 public:
  Metadata(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  bool matches(const RuleLine& r) const override {
    for (const auto& option : r.options) {
      if (option.keyword != "metadata") continue;
      for (const auto& entry : sig::split_pairs(option.value))
        if (iequals(entry.name, key_) && iequals(entry.value, value_)) return true;
    }
    return false;
  }

 private:
  std::string key_, value_;
};

std::optional<std::vector<Ids::Id>> parse_ids(std::string_view text) {
  std::vector<Ids::Id> out;
  for (const auto entry : sig::split_list(text)) {
    const auto parts = sig::split_list(entry, ':');
    std::vector<std::uint32_t> numbers;
    for (const auto p : parts) {
      const auto n = sig::parse_unsigned(p);
      if (!n || *n > UINT32_MAX) return std::nullopt;
      numbers.push_back(static_cast<std::uint32_t>(*n));
    }
    if (numbers.size() == 1)
      out.push_back({1, numbers[0], std::nullopt});
    else if (numbers.size() == 2)
      out.push_back({numbers[0], numbers[1], std::nullopt});
    else if (numbers.size() == 3)
      out.push_back({numbers[0], numbers[1], numbers[2]});
    else
      return std::nullopt;
  }
  if (out.empty()) return std::nullopt;
  return out;
}

}  // namespace

Result<std::unique_ptr<RuleMatcher>, std::string> parse_matcher(std::string_view text) {
  using Made = std::unique_ptr<RuleMatcher>;
  text = trim(text);
  if (text.empty()) return fail(std::string("names no rules"));
  if (text == "*") return Made(std::make_unique<All>());
  if (auto ids = parse_ids(text)) return Made(std::make_unique<Ids>(std::move(*ids)));
  const auto after = [&](std::string_view word) -> std::optional<std::string_view> {
    if (!text.starts_with(word)) return std::nullopt;
    return trim(text.substr(word.size()));
  };
  if (const auto pattern = after("re:")) {
    // A list is its owner's, so the limits that guard against traffic are lifted.
    auto code = sig::CompiledPcre::compile(*pattern, PCRE2_CASELESS, false);
    if (!code) return fail("re: " + code.error());
    return Made(std::make_unique<Regex>(std::move(*code)));
  }
  if (const auto name = after("filename:")) return Made(std::make_unique<Filename>(*name));
  if (const auto name = after("group:")) return Made(std::make_unique<Group>(*name));
  if (const auto pair = after("metadata:")) {
    const auto blank = pair->find_first_of(" \t");
    if (blank == std::string_view::npos)
      return fail(std::string("metadata: needs a key and a value"));
    return Made(std::make_unique<Metadata>(pair->substr(0, blank), trim(pair->substr(blank))));
  }
  if (text.ends_with(".rules")) return Made(std::make_unique<Group>(text));
  return fail("'" + std::string(text.substr(0, 80)) +
              "' is no SID, GID:SID, *, re:, group:, filename:, metadata: or NAME.rules");
}

std::vector<ListLine> list_lines(std::string_view text) {
  std::vector<ListLine> out;
  std::uint32_t number = 0;
  while (!text.empty()) {
    ++number;
    const auto eol = text.find('\n');
    auto line = trim(text.substr(0, eol));
    text.remove_prefix(eol == std::string_view::npos ? text.size() : eol + 1);
    if (line.starts_with('#')) continue;
    line = trim(line.substr(0, line.find(" #")));
    if (!line.empty()) out.push_back({std::string(line), number});
  }
  return out;
}

Result<std::string, Problem> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) return fail(Problem{"cannot read the file", path, ""});
  return text;
}

Result<std::vector<std::unique_ptr<RuleMatcher>>, Problem> load_matchers(const std::string& path) {
  auto text = read_file(path);
  if (!text) return fail(text.error());
  std::vector<std::unique_ptr<RuleMatcher>> out;
  for (const auto& [line, number] : list_lines(*text)) {
    auto matcher = parse_matcher(line);
    if (!matcher) return fail(Problem{matcher.error(), path + ":" + std::to_string(number), ""});
    out.push_back(std::move(*matcher));
  }
  return out;
}

}  // namespace ww::sources
