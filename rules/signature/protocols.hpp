#pragma once
/// Protocol words of rule headers, their hooks, and the classifications and reference systems that
/// ship.
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/ruleset.hpp"

namespace ww::sig {

/// Reads `tcp`, `http`, `http1:response_line`... into the rule.
[[nodiscard]] Status set_header_protocol(RuleBuilder& b, std::string_view word);
[[nodiscard]] Classifications default_classifications();
[[nodiscard]] ReferenceSystems default_references();
/// Application protocols that a rule word stands for ("http" is HTTP/1 and HTTP/2), or empty.
[[nodiscard]] std::vector<std::string_view> protocol_family(std::string_view word);
/// The name in EVE of a rule word: "http1" is "http", "ssl" is "tls".
[[nodiscard]] std::string_view protocol_name(std::string_view word);

/// A parser's events ("ssh.invalid_banner"), told when it registers. From then on a rule that names
/// an event which the protocol does not have is refused.
void register_events(const std::vector<std::string>& names);
[[nodiscard]] bool has_registered_events(std::string_view protocol);

[[nodiscard]] Result<ThresholdSpec, std::string> parse_threshold(std::string_view value,
                                                                 ThresholdSpec spec,
                                                                 std::vector<NameValue>* rest);

}  // namespace ww::sig
