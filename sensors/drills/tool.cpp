#include "sensors/drills/tool.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>

namespace ww::drills {
namespace json = boost::json;
namespace {

std::map<std::string_view, RestoreTool>& registry() {
  static std::map<std::string_view, RestoreTool> tools;
  return tools;
}

}  // namespace

RestoreRegistration::RestoreRegistration(RestoreTool tool) {
  if (!registry().emplace(tool.tool, tool).second) {
    std::fprintf(stderr, "two restore tools are called %s\n", std::string(tool.tool).c_str());
    std::abort();
  }
}

const std::map<std::string_view, RestoreTool>& restore_tools() { return registry(); }

const RestoreTool* restore_tool(const RestoreTarget& target) {
  const auto it =
      registry().find(target.command.empty() ? std::string_view(target.probe.tool) : "command");
  return it == registry().end() ? nullptr : &it->second;
}

json::value parse_output(const std::string& text) {
  json::parse_options options;
  options.max_depth = 16;
  boost::system::error_code ec;
  auto v = json::parse(text, ec, {}, options);
  return ec ? json::value() : v;
}

std::string text_in(const json::value& v, std::string_view name) {
  if (!v.is_object()) return {};
  const auto* m = v.get_object().if_contains(name);
  return m != nullptr && m->is_string() ? std::string(m->get_string()) : std::string();
}

std::uint64_t number_in(const json::value& v, std::string_view pointer) {
  boost::system::error_code ec;
  const auto* n = v.find_pointer(pointer, ec);
  if (n == nullptr || !n->is_number()) return 0;
  const auto number = n->to_number<std::int64_t>(ec);
  return ec ? 0 : static_cast<std::uint64_t>(std::max<std::int64_t>(0, number));
}

}  // namespace ww::drills
