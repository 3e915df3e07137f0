/// `utf16`: the value as UTF-16 with a byte order mark, little-endian.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_plain(item, "utf16", [](const std::string& text) {
    return std::vector<std::string>{"\xff\xfe" + to_utf16(text, false)};
  });
}

const ModifierRegistration registration{{
    .name = "utf16",
    .summary = "value as UTF-16 with byte order mark",
    .example = "CommandLine|utf16|base64offset|contains: 'ping'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
