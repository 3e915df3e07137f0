#pragma once
/// Names of the application events of HTTP/1, as Suricata's http-events.rules spell them.
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "sensors/protocols/http/decode.hpp"

namespace ww::sensor::http {

/// All of them, for registration.
[[nodiscard]] const std::vector<std::string>& event_names();
/// The event of a libhtp log message; unknown_error when it has none of its own.
[[nodiscard]] sig::EventId event_of_message(std::string_view message);
[[nodiscard]] sig::EventId event_of(DecodeEvent event);
/// "http.<name>"
[[nodiscard]] sig::EventId event(std::string_view name);

}  // namespace ww::sensor::http
