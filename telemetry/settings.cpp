#include "telemetry/settings.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ww {
namespace {

constexpr int max_depth = 32;
constexpr std::size_t max_leaves = 200'000;

std::string join(std::string_view a, std::string_view b) {
  if (a.empty()) return std::string(b);
  std::string out(a);
  out += '.';
  out += b;
  return out;
}

bool below_or_at(std::string_view path, std::string_view prefix) {
  return prefix.empty() || path == prefix ||
         (path.size() > prefix.size() && path.starts_with(prefix) && path[prefix.size()] == '.');
}

bool is_index(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

}  // namespace

class SettingsLoader {
 public:
  SettingsLoader(Settings& out, std::string name, YamlRules rules)
      : out_(out), name_(std::move(name)), rules_(rules) {}

  void walk(const YAML::Node& node, const std::string& path, int depth) {
    if (depth > max_depth) throw YAML::Exception(node.Mark(), "nested too deeply");
    switch (node.Type()) {
      case YAML::NodeType::Map: {
        std::set<std::string> seen;
        for (const auto& kv : node) {
          const auto key = kv.first.Scalar();
          if (rules_ == YamlRules::strict && !seen.insert(key).second)
            throw YAML::Exception(kv.first.Mark(), "'" + join(path, key) + "' is given twice");
          if (key == "include" && path.empty())
            include(kv.second, depth);
          else
            walk(kv.second, join(path, key), depth + 1);
        }
        break;
      }
      case YAML::NodeType::Sequence: {
        int i = 0;
        for (const auto& item : node) walk(item, join(path, std::to_string(i++)), depth + 1);
        if (i == 0) leaf(node, path, "");
        break;
      }
      case YAML::NodeType::Scalar:
        leaf(node, path, node.Scalar());
        break;
      default:
        leaf(node, path, "");
        break;
    }
  }

 private:
  void leaf(const YAML::Node& node, const std::string& path, const std::string& value) {
    if (out_.leaves_.size() > max_leaves) throw YAML::Exception(node.Mark(), "too many settings");
    out_.leaves_.insert_or_assign(
        path, Settings::Leaf{value, name_ + ":" + std::to_string(node.Mark().line + 1),
                             out_.next_order_++});
  }
  void include(const YAML::Node& node, int depth) {
    const auto one = [&](const std::string& file) {
      const auto slash = name_.rfind('/');
      const std::string full = file.starts_with('/') || slash == std::string::npos
                                   ? file
                                   : name_.substr(0, slash + 1) + file;
      std::ifstream probe(full);
      if (!probe)
        return;  // Suricata's sample files name files that not everyone has; what is missing is not
                 // set
      SettingsLoader(out_, full, rules_).walk(YAML::LoadFile(full), "", depth + 1);
    };
    if (node.IsSequence())
      for (const auto& n : node) one(n.Scalar());
    else
      one(node.Scalar());
  }
  Settings& out_;
  std::string name_;
  YamlRules rules_;
};

namespace {

/// The last line up to `last` (counted from 0) whose indentation has a tab, which an editor does
/// not show. @return its number from 1, or 0
int tab_indented(std::string_view text, int last) {
  int found = 0;
  for (int line = 0; line <= last && !text.empty(); ++line) {
    const auto end = text.find('\n');
    const auto indent = text.substr(0, std::min(text.find_first_not_of(" \t"), end));
    if (indent.find('\t') != std::string_view::npos) found = line + 1;
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return found;
}

}  // namespace

Result<Settings, Problem> Settings::from_yaml(std::string_view text, const std::string& name,
                                              YamlRules rules) {
  if (text.find('\0') != std::string_view::npos)
    return fail(Problem{"not a text file: it has NUL octets", name, "write it as YAML in UTF-8"});
  Settings s;
  s.file_ = name;
  try {
    YAML::Node top;
    if (rules == YamlRules::lenient) {
      top = YAML::Load(std::string(text));
    } else {
      for (const auto& document : YAML::LoadAll(std::string(text))) {
        if (document.IsNull()) continue;
        if (!document.IsMap())
          throw YAML::Exception(document.Mark(), "the file must hold KEY: VALUE lines");
        if (!top.IsNull())
          throw YAML::Exception(document.Mark(), "a second document (after '---') in one file");
        top = document;
      }
    }
    SettingsLoader(s, name, rules).walk(top, "", 0);
  } catch (const YAML::Exception& e) {
    if (const auto line = tab_indented(text, e.mark.line); line > 0)
      return fail(Problem{"not valid YAML: the line begins with a tab",
                          name + ":" + std::to_string(line), "indent with spaces"});
    return fail(Problem{"not valid YAML: " + e.msg, name + ":" + std::to_string(e.mark.line + 1),
                        "correct the file at that line"});
  }
  s.leaves_.erase("");
  return s;
}

std::string Settings::file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Result<Settings, Problem> Settings::from_yaml_file(const std::string& path, YamlRules rules) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec))
    return fail(Problem{"is a folder, not a file", path, "name the YAML file"});
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return fail(Problem{std::string("cannot open the file: ") + std::strerror(errno), path,
                        "check the path and its permissions"});
  std::stringstream text;
  text << in.rdbuf();
  if (in.bad())
    return fail(Problem{"cannot read the file", path, "check the path and its permissions"});
  return from_yaml(text.str(), path, rules);
}

std::uint64_t Settings::next_revision() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void Settings::set(std::string_view path, std::string_view value) {
  const auto full = resolve(path);
  revision_ = next_revision();
  if (const auto it = leaves_.find(full); it != leaves_.end())
    it->second.value = value;
  else
    leaves_.emplace(full, Leaf{std::string(value), "--set " + std::string(path), next_order_++});
}

Result<void, Problem> Settings::set_assignment(std::string_view a) {
  const auto eq = a.find('=');
  if (eq == std::string_view::npos || eq == 0)
    return fail(Problem{"expected KEY=VALUE", "--set " + std::string(a),
                        "write for example stream.midstream=true"});
  auto key = a.substr(0, eq);
  auto value = a.substr(eq + 1);
  while (!key.empty() && key.back() == ' ') key.remove_suffix(1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  set(key, value);
  return {};
}

void Settings::merge_defaults(const Settings& other) {
  for (const auto& [k, v] : other.leaves_) {
    if (leaves_.contains(k)) continue;
    auto leaf = v;
    leaf.order = next_order_ + v.order;
    leaves_.emplace(k, std::move(leaf));
  }
  next_order_ += other.next_order_;
  revision_ = next_revision();
}

// Suricata lets "outputs.eve-log" mean the item of the sequence `outputs` whose only key is
// eve-log.
std::string Settings::resolve(std::string_view path) const {
  std::string here;
  std::size_t at = 0;
  while (at <= path.size()) {
    auto dot = path.find('.', at);
    if (dot == std::string_view::npos) dot = path.size();
    const auto step = path.substr(at, dot - at);
    at = dot + 1;
    auto direct = join(here, step);
    const auto exists = [&](const std::string& p) {
      const auto it = leaves_.lower_bound(p);
      for (auto i = it; i != leaves_.end() && i->first.starts_with(p); ++i)
        if (below_or_at(i->first, p)) return true;
      return false;
    };
    if (!is_index(step) && !exists(direct)) {
      for (int i = 0; i < 256; ++i) {
        const auto item = join(here, std::to_string(i));
        if (!exists(item)) break;
        if (auto named = join(item, step); exists(named)) {
          direct = std::move(named);
          break;
        }
      }
    }
    here = std::move(direct);
    if (dot == path.size()) break;
  }
  return here;
}

const Settings::Leaf* Settings::find(std::string_view path) const {
  auto it = leaves_.find(path);
  if (it == leaves_.end()) it = leaves_.find(resolve(path));
  if (it == leaves_.end()) return nullptr;
  read_.insert(it->first);
  return &it->second;
}

bool Settings::has(std::string_view path) const {
  const auto full = resolve(path);
  for (auto it = leaves_.lower_bound(full); it != leaves_.end() && it->first.starts_with(full);
       ++it)
    if (below_or_at(it->first, full)) {
      if (it->first == full) read_.insert(it->first);
      return true;
    }
  return false;
}

std::optional<std::string> Settings::text(std::string_view path) const {
  const auto* leaf = find(path);
  if (leaf == nullptr) return {};
  return leaf->value;
}

std::string Settings::text_or(std::string_view path, std::string_view fallback) const {
  const auto* leaf = find(path);
  return leaf != nullptr ? leaf->value : std::string(fallback);
}

bool Settings::flag_or(std::string_view path, bool fallback) const {
  const auto* leaf = find(path);
  return leaf != nullptr ? parse_flag(leaf->value).value_or(fallback) : fallback;
}

std::int64_t Settings::integer_or(std::string_view path, std::int64_t fallback) const {
  const auto* leaf = find(path);
  if (leaf == nullptr) return fallback;
  std::int64_t v = 0;
  const auto& s = leaf->value;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  return r.ec == std::errc() && r.ptr == s.data() + s.size() ? v : fallback;
}

std::uint64_t Settings::size_or(std::string_view path, std::uint64_t fallback) const {
  const auto* leaf = find(path);
  return leaf != nullptr ? parse_size(leaf->value).value_or(fallback) : fallback;
}

std::vector<std::string> Settings::children(std::string_view path) const {
  const auto full = path.empty() ? std::string() : resolve(path);
  std::map<std::string, std::uint32_t> first;
  for (auto it = leaves_.lower_bound(full); it != leaves_.end() && it->first.starts_with(full);
       ++it) {
    if (!below_or_at(it->first, full) || it->first.size() == full.size()) continue;
    const auto start = full.empty() ? 0 : full.size() + 1;
    auto name = it->first.substr(start, it->first.find('.', start) - start);
    const auto [pos, fresh] = first.emplace(std::move(name), it->second.order);
    if (!fresh) pos->second = std::min(pos->second, it->second.order);
  }
  std::vector<std::pair<std::uint32_t, std::string>> sorted;
  for (auto& [name, order] : first) sorted.emplace_back(order, name);
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> out;
  for (auto& [order, name] : sorted) out.push_back(name);
  return out;
}

std::vector<std::string> Settings::list(std::string_view path) const {
  std::vector<std::string> out;
  const auto full = resolve(path);
  for (int i = 0;; ++i) {
    const auto it = leaves_.find(join(full, std::to_string(i)));
    if (it == leaves_.end()) break;
    read_.insert(it->first);
    out.push_back(it->second.value);
  }
  if (out.empty())
    if (auto one = text(path); one && !one->empty()) out.push_back(*one);
  return out;
}

Settings Settings::below(std::string_view path) const {
  Settings out;
  const auto full = resolve(path);
  for (auto it = leaves_.lower_bound(full); it != leaves_.end() && it->first.starts_with(full);
       ++it) {
    if (!below_or_at(it->first, full)) continue;
    read_.insert(it->first);
    if (it->first.size() > full.size())
      out.leaves_.emplace(it->first.substr(full.size() + 1), it->second);
  }
  out.next_order_ = next_order_;
  out.file_ = file_;
  return out;
}

std::vector<std::string> Settings::unread() const {
  std::vector<std::string> out;
  for (const auto& [k, v] : leaves_)
    if (!read_.contains(k)) out.push_back(k);
  return out;
}

void Settings::mark_read(std::string_view prefix) const {
  for (const auto& [k, v] : leaves_)
    if (below_or_at(k, prefix)) read_.insert(k);
}

std::string Settings::where(std::string_view path) const {
  const auto it = leaves_.find(resolve(path));
  return it == leaves_.end() ? std::string() : it->second.where;
}

std::string Settings::nearest_place(std::string_view path) const {
  for (auto at = path;; at = at.substr(0, at.rfind('.'))) {
    const auto full = at.empty() ? std::string() : resolve(at);
    const Leaf* first = nullptr;
    for (auto it = leaves_.lower_bound(full); it != leaves_.end() && it->first.starts_with(full);
         ++it)
      if (!at.empty() && below_or_at(it->first, full) && !it->second.where.empty() &&
          (first == nullptr || it->second.order < first->order))
        first = &it->second;
    if (first != nullptr) return first->where;
    if (at.find('.') == std::string_view::npos) break;
  }
  return file_.empty() ? "configuration" : file_;
}

Settings::Shape Settings::shape(std::string_view path) const {
  const auto full = resolve(path);
  if (leaves_.contains(full)) return Shape::value;
  const auto below = children(path);
  if (below.empty()) return Shape::absent;
  return is_index(below.front()) ? Shape::list : Shape::map;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  double v = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), v);
  if (r.ec != std::errc() || v < 0 || v > 9e15) return {};
  auto unit =
      lower(std::string_view(r.ptr, static_cast<std::size_t>(text.data() + text.size() - r.ptr)));
  while (!unit.empty() && unit.front() == ' ') unit.erase(0, 1);
  while (!unit.empty() && unit.back() == ' ') unit.pop_back();
  double factor = 1;
  if (unit == "kb" || unit == "kib" || unit == "k")
    factor = 1024;
  else if (unit == "mb" || unit == "mib" || unit == "m")
    factor = 1024.0 * 1024;
  else if (unit == "gb" || unit == "gib" || unit == "g")
    factor = 1024.0 * 1024 * 1024;
  else if (!unit.empty() && unit != "b")
    return {};
  return static_cast<std::uint64_t>(v * factor);
}

std::optional<bool> parse_flag(std::string_view text) {
  const auto t = lower(text);
  if (t == "yes" || t == "true" || t == "on" || t == "1") return true;
  if (t == "no" || t == "false" || t == "off" || t == "0") return false;
  return {};
}

}  // namespace ww
