#include "rules/sigma/placeholders.hpp"

#include <fstream>
#include <sstream>

#include "rules/sigma/yaml.hpp"

namespace ww::sigma {

Result<std::map<std::string, std::vector<std::string>>, Problem> read_placeholders(
    const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (in) text << in.rdbuf();
  if (!in) return fail(Problem{"cannot be read", path, "check the path of the placeholders"});
  const auto content = text.str();
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& part : split_documents(content)) {
    auto root = parse_yaml(part);
    const auto where = [&](std::uint32_t line) { return path + ":" + std::to_string(line); };
    if (!root)
      return fail(Problem{root.error().message, where(root.error().line), "correct the YAML"});
    if (!root->is_map())
      return fail(Problem{"not a map from placeholder to values", where(root->line),
                          "write 'name: [value, ...]'"});
    for (std::size_t i = 0; i + 1 < root->items.size(); i += 2) {
      const auto& value = root->items[i + 1];
      if (value.is_map())
        return fail(Problem{"placeholder '" + root->items[i].text + "' is a map", where(value.line),
                            "give a value or a list"});
      auto& values = out[root->items[i].text];
      for (auto& v : value.texts()) values.push_back(std::move(v));
    }
  }
  return out;
}

}  // namespace ww::sigma
