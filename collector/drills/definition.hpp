#pragma once
/// Drill definitions: JSON files of the drill folders. docs/drills.md describes every member.
///
///   {"type":"wardwatch-drill","id":"restore-pacs","title":"...","kind":"restore","purpose":"...",
///    "safety":["..."],"restore":{"target":"pacs","rto_target_s":14400}}
#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::collector {

struct DrillDefinition {
  std::string id, title, kind, level, purpose;
  std::string file;
  boost::json::object json;  ///< all of it
};

/// Checks one definition. Untrusted. @param folder  where captures that it names lie
[[nodiscard]] Result<DrillDefinition, std::string> parse_definition(std::string_view text);

struct DefinitionSet {
  std::map<std::string, DrillDefinition> all;
  std::vector<std::pair<std::string, std::string>> problems;  ///< file, what
};
/// Every *.json of the folders whose type is wardwatch-drill.
[[nodiscard]] DefinitionSet load_definitions(const std::vector<std::string>& folders);

/// Members of JSON objects with a fallback.
[[nodiscard]] std::string member_text(const boost::json::object& o, std::string_view name,
                                      std::string_view fallback = {});
[[nodiscard]] std::int64_t member_integer(const boost::json::object& o, std::string_view name,
                                          std::int64_t fallback);
[[nodiscard]] const boost::json::object* member_object(const boost::json::object& o,
                                                       std::string_view name);
[[nodiscard]] const boost::json::array* member_list(const boost::json::object& o,
                                                    std::string_view name);
[[nodiscard]] std::vector<std::string> member_texts(const boost::json::object& o,
                                                    std::string_view name);

}  // namespace ww::collector
