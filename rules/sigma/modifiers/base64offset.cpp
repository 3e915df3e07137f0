/// `base64offset`: the value somewhere inside a text that was encoded in base64. Encoding works on
/// groups of three octets, so there are three ways to look, without the characters that the
/// neighbours take part in.
#include "rules/sigma/modifier.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  item.cased = true;
  return each_plain(item, "base64offset", [](const std::string& octets) {
    std::vector<std::string> out;
    for (std::size_t shift = 0; shift < 3; ++shift) {
      std::string text;
      append_base64(text, as_bytes(std::string(shift, ' ') + octets));
      constexpr std::size_t first[] = {0, 2, 3};
      const std::size_t whole =
          (octets.size() + shift) * 8 / 6;  // characters that the value alone decides
      if (whole > first[shift]) out.push_back(text.substr(first[shift], whole - first[shift]));
    }
    return out;
  });
}

const ModifierRegistration registration{{
    .name = "base64offset",
    .summary = "value anywhere inside base64",
    .example = "CommandLine|base64offset|contains: 'http://'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
