#include "rules/signature/rule_text.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace ww::sig {

std::vector<std::string_view> header_words(std::string_view s) {
  std::vector<std::string_view> out;
  std::size_t i = 0;
  while (i < s.size()) {
    while (i < s.size() && (s[i] == ' ' || s[i] == '\t')) ++i;
    const auto from = i;
    int depth = 0;
    while (i < s.size() && (depth > 0 || (s[i] != ' ' && s[i] != '\t'))) {
      if (s[i] == '[') ++depth;
      if (s[i] == ']' && depth > 0) --depth;
      ++i;
    }
    if (i > from) out.push_back(s.substr(from, i - from));
  }
  return out;
}

std::vector<Option> split_options(std::string_view body, std::uint32_t column, Status& status) {
  std::vector<Option> out;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= body.size(); ++i) {
    if (i < body.size() && (body[i] != ';' || (i > 0 && body[i - 1] == '\\'))) continue;
    const auto raw = body.substr(from, i - from);
    const auto text = trim(raw);
    const auto at =
        column +
        static_cast<std::uint32_t>(
            from + (text.empty() ? 0 : static_cast<std::size_t>(text.data() - raw.data())));
    from = i + 1;
    if (text.empty()) continue;
    if (i == body.size()) {
      status = bad("option '" + std::string(text.substr(0, 40)) + "' has no closing ;");
      return out;
    }
    Option o;
    o.column = at;
    const auto colon = text.find(':');
    o.keyword = trim(text.substr(0, colon));
    if (colon != std::string_view::npos) {
      o.value = trim(text.substr(colon + 1));
      o.has_value = true;
    }
    out.push_back(o);
  }
  return out;
}

const RuleLine::Item* RuleLine::find(std::string_view keyword) const {
  const auto it = std::find_if(options.begin(), options.end(),
                               [&](const Item& o) { return o.keyword == keyword; });
  return it == options.end() ? nullptr : &*it;
}

std::optional<RuleLine> read_rule_line(std::string_view line) {
  // Actions of the language, those that loading refuses included: a list may name their rules.
  static constexpr std::array<std::string_view, 11> actions = {
      "alert",      "pass",   "drop",   "reject", "rejectsrc", "rejectdst",
      "rejectboth", "accept", "config", "log",    "sdrop"};
  RuleLine out;
  line = trim(line);
  while (line.starts_with('#')) {
    out.enabled = false;
    line = trim(line.substr(1));
  }
  const auto open = line.find('('), close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::nullopt;
  const auto header = trim(line.substr(0, open));
  const auto words = header_words(header);
  if (words.empty() || std::find(actions.begin(), actions.end(), words[0]) == actions.end())
    return std::nullopt;
  Status ok;
  const auto options = split_options(line.substr(open + 1, close - open - 1), 1, ok);
  const auto number = [](std::string_view text, std::uint32_t& to) {
    if (const auto v = parse_unsigned(text); v && *v <= UINT32_MAX)
      to = static_cast<std::uint32_t>(*v);
  };
  for (const auto& o : options) {
    if (o.keyword == "sid") number(o.value, out.sid);
    if (o.keyword == "gid") number(o.value, out.gid);
    if (o.keyword == "rev") number(o.value, out.rev);
    if (o.keyword == "msg") out.msg = unquote(o.value).value_or(o.value);
    out.options.push_back({std::string(o.keyword), std::string(o.value), o.has_value});
  }
  if (!ok || out.sid == 0) return std::nullopt;
  out.text = line.substr(0, close + 1);
  out.action = words[0];
  out.header = header;
  return out;
}

std::vector<RuleLine> read_rule_lines(std::string_view text, const std::string& file) {
  std::vector<RuleLine> out;
  std::string joined;
  bool joining = false;
  std::uint32_t number = 0, first = 0;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    ++number;
    const auto eol = text.find('\n');
    auto line = text.substr(0, eol);
    text.remove_prefix(eol == std::string_view::npos ? text.size() : eol + 1);
    line = trim(line);
    if (!joining) first = number;
    const bool more = line.ends_with('\\');
    if (more) line.remove_suffix(1);
    if (more || joining) {
      joined += line;
      joining = more;
      if (more) continue;
    }
    auto rule = read_rule_line(joined.empty() ? line : std::string_view(joined));
    joined.clear();
    if (!rule) continue;
    rule->line = first;
    rule->file = file;
    out.push_back(std::move(*rule));
  }
  return out;
}

std::vector<std::string> list_rule_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ec;
  if (!fs::is_directory(path, ec)) return {path};
  std::vector<std::string> files;
  for (auto it = fs::recursive_directory_iterator(
           path, fs::directory_options::skip_permission_denied, ec);
       it != fs::recursive_directory_iterator(); it.increment(ec)) {
    if (ec) break;
    if (it->is_regular_file(ec) && it->path().extension() == ".rules")
      files.push_back(it->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<RuleLine>, Problem> read_rule_files(const std::string& path) {
  std::vector<RuleLine> out;
  for (const auto& file : list_rule_files(path)) {
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) return fail(Problem{"cannot read the rule file", file, ""});
    auto lines = read_rule_lines(text, file);
    std::move(lines.begin(), lines.end(), std::back_inserter(out));
  }
  return out;
}

}  // namespace ww::sig
