#pragma once
/// Protocol words of rule headers, their hooks, and the classifications that ship.
#include <string_view>
#include <vector>

#include "rules/signature/ruleset.hpp"

namespace ww::sig {

/// Reads `tcp`, `http`, `http1:response_line`... into the rule.
[[nodiscard]] Status set_header_protocol(RuleBuilder& b, std::string_view word);
[[nodiscard]] Classifications default_classifications();
/// Application protocols that a rule word stands for ("http" is HTTP/1 and HTTP/2), or empty.
[[nodiscard]] std::vector<std::string_view> protocol_family(std::string_view word);
/// The name in EVE of a rule word: "http1" is "http", "ssl" is "tls".
[[nodiscard]] std::string_view protocol_name(std::string_view word);

[[nodiscard]] Result<ThresholdSpec, std::string> parse_threshold(std::string_view value,
                                                                 ThresholdSpec spec,
                                                                 std::vector<NameValue>* rest);

}  // namespace ww::sig
