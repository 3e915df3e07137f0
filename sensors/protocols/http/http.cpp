#include "sensors/protocols/http/http.hpp"

#include <algorithm>

namespace ww::sensor::http {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// As same_text, but NULs in `text` do not count: some programs read over them.
bool same_name(std::string_view text, std::string_view name) {
  std::size_t at = 0;
  for (const char c : text) {
    if (c == 0) continue;
    if (at == name.size() || lower(c) != lower(name[at])) return false;
    ++at;
  }
  return at == name.size();
}

}  // namespace

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

bool contains_text(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char x, char y) { return lower(x) == lower(y); }) != text.end();
}

std::string lower_text(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

void Headers::add(std::string_view name, std::string_view value) {
  Item item;
  item.name = static_cast<std::uint32_t>(arena_.size());
  item.name_length = static_cast<std::uint32_t>(name.size());
  arena_ += name;
  item.value = static_cast<std::uint32_t>(arena_.size());
  item.value_length = static_cast<std::uint32_t>(value.size());
  arena_ += value;
  items_.push_back(item);
}

Headers::Field Headers::at(std::size_t index) const {
  const auto& i = items_[index];
  const std::string_view all = arena_;
  return {all.substr(i.name, i.name_length), all.substr(i.value, i.value_length)};
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (std::size_t i = 0; i < items_.size(); ++i)
    if (const auto f = at(i); same_name(f.name, name)) return f.value;
  return {};
}

void Headers::clear() {
  arena_.clear();
  items_.clear();
}

}  // namespace ww::sensor::http
