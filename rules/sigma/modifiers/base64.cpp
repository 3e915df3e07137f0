/// `base64`: the value is looked for in base64, encoded as a whole.
#include "rules/sigma/modifier.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_plain(item, "base64", [](const std::string& octets) {
    std::string out;
    append_base64(out, as_bytes(octets));
    return std::vector<std::string>{out};
  });
}

const ModifierRegistration registration{{
    .name = "base64",
    .summary = "value encoded in base64",
    .example = "CommandLine|base64|contains: 'whoami'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
