/// `wide`: the value as UTF-16, little-endian, usually before a base64 modifier.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_plain(item, "wide", [](const std::string& text) {
    return std::vector<std::string>{to_utf16(text, false)};
  });
}

const ModifierRegistration registration{{
    .name = "wide",
    .summary = "value as UTF-16 little-endian",
    .example = "CommandLine|wide|base64offset|contains: 'ping'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
