#include "rules/sigma/yaml.hpp"

#include <yaml.h>

#include <algorithm>
#include <map>
#include <unordered_set>

namespace ww::sigma {

bool YamlNode::is_null() const {
  return kind == Kind::scalar && !quoted &&
         (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL");
}

std::optional<bool> YamlNode::boolean() const {
  if (kind != Kind::scalar || quoted) return std::nullopt;
  for (const auto* yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
    if (text == yes) return true;
  for (const auto* no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
    if (text == no) return false;
  return std::nullopt;
}

const YamlNode* YamlNode::find(std::string_view key) const {
  if (kind != Kind::mapping) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2)
    if (items[i].text == key) return &items[i + 1];
  return nullptr;
}
YamlNode* YamlNode::find(std::string_view key) {
  return const_cast<YamlNode*>(static_cast<const YamlNode*>(this)->find(key));
}

std::string_view YamlNode::get(std::string_view key) const {
  const auto* node = find(key);
  return node != nullptr && node->is_scalar() ? std::string_view(node->text) : std::string_view();
}

std::vector<std::string> YamlNode::texts() const {
  std::vector<std::string> out;
  if (is_scalar() && !is_null()) out.push_back(text);
  if (is_list())
    for (const auto& item : items)
      if (item.is_scalar() && !item.is_null()) out.push_back(item.text);
  return out;
}

std::vector<YamlPart> split_documents(std::string_view file) {
  std::vector<YamlPart> parts;
  std::size_t start = 0;
  std::uint32_t line = 1, start_line = 1;
  bool content = false;
  const auto flush = [&](std::size_t end) {
    if (content) parts.push_back({file.substr(start, end - start), start_line});
  };
  std::size_t at = file.starts_with("\xef\xbb\xbf") ? 3 : 0;
  start = at;
  for (; at < file.size(); ++line) {
    auto end = file.find('\n', at);
    end = end == std::string_view::npos ? file.size() : end + 1;
    const auto row = file.substr(at, end - at);
    const bool marker =
        (row.starts_with("---") || row.starts_with("...")) &&
        (row.size() == 3 || row[3] == ' ' || row[3] == '\t' || row[3] == '\n' || row[3] == '\r');
    if (marker) {
      flush(at);
      content = false;
      const bool inline_content = row[0] == '-' &&
                                  row.find_first_not_of(" \t\r\n", 3) != std::string_view::npos &&
                                  row[row.find_first_not_of(" \t\r\n", 3)] != '#';
      start = inline_content ? at : end;
      start_line = inline_content ? line : line + 1;
      content = inline_content;
    } else {
      const auto first = row.find_first_not_of(" \t\r\n");
      if (first != std::string_view::npos && row[first] != '#' && row[0] != '%') content = true;
    }
    at = end;
  }
  flush(file.size());
  return parts;
}

namespace {

/// Builds the tree from libyaml's events, without recursion on input depth beyond the limit.
class Builder {
 public:
  Builder(const YamlPart& part, const YamlLimits& limits)
      : limits_(limits), base_(part.first_line) {
    ok_ = yaml_parser_initialize(&parser_) != 0;
    if (ok_)
      yaml_parser_set_input_string(
          &parser_, reinterpret_cast<const unsigned char*>(part.text.data()), part.text.size());
  }
  ~Builder() {
    if (ok_) yaml_parser_delete(&parser_);
  }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  Result<YamlNode, YamlError> run() {
    if (!ok_) return fail(YamlError{"out of memory", base_});
    YamlNode root;
    for (;;) {
      yaml_event_t event;
      if (yaml_parser_parse(&parser_, &event) == 0) return fail(parser_error());
      const auto type = event.type;
      std::optional<YamlError> bad;
      if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT ||
          type == YAML_MAPPING_START_EVENT || type == YAML_ALIAS_EVENT) {
        bad = value(event, root);
      } else if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT) {
        bad = close(root);
      } else if (type == YAML_DOCUMENT_END_EVENT) {
        done_ = true;
      } else if (type == YAML_DOCUMENT_START_EVENT && done_) {
        bad = YamlError{"a second document without a --- line", line(event)};
      }
      yaml_event_delete(&event);
      if (bad) return fail(std::move(*bad));
      if (type == YAML_STREAM_END_EVENT) break;
    }
    if (!have_root_) return fail(YamlError{"empty document", base_});
    return root;
  }

 private:
  [[nodiscard]] std::uint32_t line(const yaml_event_t& event) const {
    return base_ + static_cast<std::uint32_t>(event.start_mark.line);
  }
  [[nodiscard]] YamlError parser_error() const {
    std::string text = "YAML: ";
    if (parser_.context != nullptr) text += std::string(parser_.context) + ": ";
    text += parser_.problem != nullptr ? parser_.problem : "cannot be read";
    return {text, base_ + static_cast<std::uint32_t>(parser_.problem_mark.line)};
  }

  std::optional<YamlError> value(const yaml_event_t& event, YamlNode& root) {
    YamlNode node;
    node.line = line(event);
    std::string anchor;
    if (++nodes_ > limits_.max_nodes)
      return YamlError{"too many values in one document", node.line};
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        node.text.assign(reinterpret_cast<const char*>(event.data.scalar.value),
                         event.data.scalar.length);
        nodes_ += static_cast<std::uint32_t>(node.text.size() /
                                             64);  // long texts count too: aliases copy them
        node.quoted = event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (event.data.scalar.anchor != nullptr)
          anchor = reinterpret_cast<const char*>(event.data.scalar.anchor);
        break;
      case YAML_SEQUENCE_START_EVENT:
        node.kind = YamlNode::Kind::sequence;
        if (event.data.sequence_start.anchor != nullptr)
          anchor = reinterpret_cast<const char*>(event.data.sequence_start.anchor);
        break;
      case YAML_MAPPING_START_EVENT:
        node.kind = YamlNode::Kind::mapping;
        if (event.data.mapping_start.anchor != nullptr)
          anchor = reinterpret_cast<const char*>(event.data.mapping_start.anchor);
        break;
      default: {
        const auto* name = reinterpret_cast<const char*>(event.data.alias.anchor);
        const auto it = anchors_.find(name);
        if (it == anchors_.end())
          return YamlError{std::string("alias to an unknown anchor *") + name, node.line};
        nodes_ += it->second.second;
        if (nodes_ > limits_.max_nodes)
          return YamlError{"aliases expand to too many values", node.line};
        node = it->second.first;
      }
    }
    if (event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT) {
      if (stack_.size() >= limits_.max_depth) return YamlError{"nested too deeply", node.line};
      stack_.push_back({std::move(node), std::move(anchor), nodes_});
      return std::nullopt;
    }
    if (!anchor.empty())
      anchors_[anchor] = {node, 1 + static_cast<std::uint32_t>(node.text.size() / 64)};
    return place(std::move(node), root);
  }

  std::optional<YamlError> close(YamlNode& root) {
    auto open = std::move(stack_.back());
    stack_.pop_back();
    if (open.node.is_map())
      if (auto bad = finish_map(open.node)) return bad;
    if (!open.anchor.empty()) anchors_[open.anchor] = {open.node, nodes_ - open.nodes_before + 1};
    return place(std::move(open.node), root);
  }

  std::optional<YamlError> place(YamlNode&& node, YamlNode& root) {
    if (stack_.empty()) {
      root = std::move(node);
      have_root_ = true;
      return std::nullopt;
    }
    auto& parent = stack_.back().node;
    if (parent.is_map() && parent.items.size() % 2 == 0 && !node.is_scalar())
      return YamlError{"a list or map as a key", node.line};
    parent.items.push_back(std::move(node));
    return std::nullopt;
  }

  /// Refuses duplicate keys and folds `<<` merge keys in.
  static std::optional<YamlError> finish_map(YamlNode& map) {
    std::unordered_set<std::string_view> seen;
    bool merge = false;
    for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const auto& key = map.items[i];
      if (key.text == "<<" && !key.quoted) {
        merge = true;
        continue;
      }
      if (!seen.insert(key.text).second)
        return YamlError{"duplicate key '" + key.text + "'", key.line};
    }
    if (!merge) return std::nullopt;
    std::vector<YamlNode> own, merged;
    for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
      auto& target = map.items[i].text == "<<" && !map.items[i].quoted ? merged : own;
      target.push_back(std::move(map.items[i]));
      target.push_back(std::move(map.items[i + 1]));
    }
    map.items = std::move(own);
    const auto take = [&map](const YamlNode& from) {
      for (std::size_t k = 0; k + 1 < from.items.size(); k += 2)
        if (map.find(from.items[k].text) == nullptr) {
          map.items.push_back(from.items[k]);
          map.items.push_back(from.items[k + 1]);
        }
    };
    for (std::size_t i = 0; i + 1 < merged.size(); i += 2) {
      const auto& source = merged[i + 1];
      if (source.is_map()) {
        take(source);
      } else if (source.is_list()) {
        for (const auto& item : source.items)
          if (item.is_map()) take(item);
      } else {
        return YamlError{"'<<' needs a map", merged[i].line};
      }
    }
    return std::nullopt;
  }

  struct Open {
    YamlNode node;
    std::string anchor;
    std::uint32_t nodes_before;
  };
  YamlLimits limits_;
  std::uint32_t base_;
  std::uint32_t nodes_ = 0;
  bool ok_ = false, done_ = false, have_root_ = false;
  yaml_parser_t parser_{};
  std::vector<Open> stack_;
  std::map<std::string, std::pair<YamlNode, std::uint32_t>> anchors_;
};

}  // namespace

Result<YamlNode, YamlError> parse_yaml(const YamlPart& part, const YamlLimits& limits) {
  return Builder(part, limits).run();
}

}  // namespace ww::sigma
