#pragma once
/// UUID version 7 (RFC 9562 section 5.7): sorts by time, so event ids are also an order.
#include <string>

#include "telemetry/clock.hpp"

namespace ww {

/// A new UUIDv7 in its 36 character text form. Ids made by one thread never go backwards.
[[nodiscard]] std::string uuid7(Timestamp now);
/// Appends it without an allocation of its own.
void append_uuid7(std::string& out, Timestamp now);
/// True for the 8-4-4-4-12 hex form of any version.
/// Version 4 (RFC 9562 section 5.4), from the kernel's generator.
[[nodiscard]] std::string uuid4();
[[nodiscard]] bool is_uuid(std::string_view text);

}  // namespace ww
