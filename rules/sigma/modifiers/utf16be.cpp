/// `utf16be`: the value as UTF-16, big-endian.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_plain(item, "utf16be", [](const std::string& text) {
    return std::vector<std::string>{to_utf16(text, true)};
  });
}

const ModifierRegistration registration{{
    .name = "utf16be",
    .summary = "value as UTF-16 big-endian",
    .example = "CommandLine|utf16be|base64offset|contains: 'ping'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
