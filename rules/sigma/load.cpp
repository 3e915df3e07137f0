/// From files to documents: folders, several documents in a file, `action: global`.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "rules/sigma/engine.hpp"

namespace ww::sigma {
namespace {

namespace fs = std::filesystem;
constexpr std::uintmax_t max_file = 16 << 20;

/// Values of `from` go into `to`, maps into maps: how `action: global` works.
void merge_into(YamlNode& to, const YamlNode& from) {
  for (std::size_t i = 0; i + 1 < from.items.size(); i += 2) {
    const auto& key = from.items[i];
    const auto& value = from.items[i + 1];
    auto* have = to.find(key.text);
    if (have == nullptr) {
      to.items.push_back(key);
      to.items.push_back(value);
    } else if (have->is_map() && value.is_map()) {
      merge_into(*have, value);
    } else {
      *have = value;
    }
  }
}

void drop_key(YamlNode& map, std::string_view key) {
  for (std::size_t i = 0; i + 1 < map.items.size(); i += 2)
    if (map.items[i].text == key) {
      map.items.erase(map.items.begin() + static_cast<std::ptrdiff_t>(i),
                      map.items.begin() + static_cast<std::ptrdiff_t>(i) + 2);
      return;
    }
}

}  // namespace

void load_text(std::string_view text, const std::string& file, const ModifierContext& context,
               Loaded& out, LoadReport& report) {
  std::optional<YamlNode> global, previous;
  for (const auto& part : split_documents(text)) {
    const auto refuse = [&](LoadError e) {
      e.file = file;
      ++report.refused;
      report.errors.push_back(std::move(e));
    };
    auto root = parse_yaml(part);
    if (!root) {
      refuse({file, root.error().line, root.error().message});
      continue;
    }
    if (root->is_null()) continue;
    if (root->is_map()) {
      const std::string action(root->get("action"));
      drop_key(*root, "action");
      if (action == "global") {
        if (!global) global = YamlNode{YamlNode::Kind::mapping, false, root->line, {}, {}};
        merge_into(*global, *root);
        continue;
      }
      if (action == "reset") {
        global.reset();
        continue;
      }
      if (action == "repeat" && previous) {
        auto merged = *previous;
        merge_into(merged, *root);
        merged.line = root->line;
        *root = std::move(merged);
      } else if (!action.empty() && action != "repeat") {
        refuse({file, root->line, "unknown action '" + action + "'"});
        continue;
      }
      if (global) {
        auto merged = *global;
        merge_into(merged, *root);
        merged.line = root->line;
        *root = std::move(merged);
      }
      previous = *root;
    }
    auto document = read_document(*root, file, context);
    if (!document) {
      refuse(document.error());
      continue;
    }
    if (document->correlation)
      out.correlations.push_back(std::move(*document));
    else if (document->filter)
      out.filters.push_back(std::move(*document));
    else
      out.detections.push_back(std::move(*document));
  }
}

Result<Loaded, Problem> load_documents(const std::vector<std::string>& paths,
                                       const ModifierContext& context, LoadReport& report) {
  std::vector<std::string> files;
  for (const auto& path : paths) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) {
      for (fs::recursive_directory_iterator
               it(path, fs::directory_options::skip_permission_denied, ec),
           end;
           it != end; it.increment(ec)) {
        if (ec)
          return fail(Problem{"cannot be read: " + ec.message(), path,
                              "check that the folder is readable"});
        const auto extension = it->path().extension();
        if ((extension == ".yml" || extension == ".yaml") && it->is_regular_file(ec))
          files.push_back(it->path().string());
      }
      if (ec)
        return fail(
            Problem{"cannot be read: " + ec.message(), path, "check that the folder is readable"});
    } else if (fs::exists(path, ec)) {
      files.push_back(path);
    } else {
      return fail(Problem{"no such file or folder", path, "check the path of the rules"});
    }
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  Loaded out;
  std::string text;
  for (const auto& file : files) {
    std::error_code ec;
    const auto size = fs::file_size(file, ec);
    const auto refuse = [&](std::string why) {
      ++report.refused;
      report.errors.push_back({file, 0, std::move(why)});
    };
    if (ec || size > max_file) {
      refuse(ec ? "cannot be read: " + ec.message() : "larger than 16 MiB");
      continue;
    }
    std::ifstream in(file, std::ios::binary);
    text.resize(static_cast<std::size_t>(size));
    in.read(text.data(), static_cast<std::streamsize>(size));
    if (!in) {
      refuse("cannot be read");
      continue;
    }
    load_text(text, file, context, out, report);
  }
  return out;
}

}  // namespace ww::sigma
