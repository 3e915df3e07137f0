#include "sensors/backup/policy.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "sensors/backup/json.hpp"

namespace ww::backup {
namespace {

constexpr std::size_t max_settings = 64;

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool about_retention(std::string_view word) {
  for (const std::string_view part : {"keep", "retention", "retain"})
    if (word.find(part) != std::string_view::npos) return true;
  return false;
}

void read_line(std::string_view line, std::map<std::string, std::uint64_t>& out) {
  for (std::size_t i = 0; i < line.size();) {
    if (line[i] == '#') return;
    if (!word_char(line[i])) {
      ++i;
      continue;
    }
    std::string word;
    for (; i < line.size() && word_char(line[i]); ++i)
      word += line[i] == '_'
                  ? '-'
                  : static_cast<char>(line[i] >= 'A' && line[i] <= 'Z' ? line[i] + 32 : line[i]);
    word.erase(0, word.find_first_not_of('-'));
    if (word.size() > 60 || !about_retention(word)) continue;
    auto at = i;
    while (at < line.size() &&
           std::string_view(" \t=:\"'").find(line[at]) != std::string_view::npos)
      ++at;
    if (at == i) continue;
    std::uint64_t n = 0;
    const auto r = std::from_chars(line.data() + at, line.data() + line.size(), n);
    if (r.ec != std::errc()) continue;
    i = static_cast<std::size_t>(r.ptr - line.data());
    if (const auto it = out.find(word); it != out.end())
      it->second = std::min(it->second, n);
    else if (out.size() < max_settings)
      out.emplace(word, n);
  }
}

}  // namespace

std::map<std::string, std::uint64_t> retention_settings(std::string_view text) {
  std::map<std::string, std::uint64_t> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    read_line(text.substr(0, end), out);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

std::optional<std::string> read_small_file(const std::string& path, std::size_t most) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  std::string out(most, '\0');
  in.read(out.data(), static_cast<std::streamsize>(most));
  if (in.bad()) return {};
  out.resize(static_cast<std::size_t>(in.gcount()));
  return out;
}

void read_policies(const std::vector<std::string>& files, Report& report) {
  if (files.empty()) return;
  std::string all;
  for (const auto& file : files) {
    const auto text = read_small_file(file);
    if (!text) {
      report.warn("unreadable", "cannot read the policy file " + file);
      all += file + "\nmissing\n";
      continue;
    }
    all += file + "\n" + *text + "\n";
    for (const auto& [name, n] : retention_settings(*text)) {
      const auto [it, fresh] = report.inventory.policy.emplace(name, n);
      if (!fresh) it->second = std::min(it->second, n);
    }
  }
  report.inventory.policy_sha256 = sha256_hex(all);
}

}  // namespace ww::backup
