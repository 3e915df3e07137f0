#pragma once
/// Base64 to octets (RFC 4648 sections 4 and 5). The other way is append_base64 of json_writer.hpp.
#include <optional>
#include <string>
#include <string_view>

namespace ww {

/// Both alphabets, with or without padding. Nothing for any other octet (white space too), for a
/// length that no octets give, for more than two `=`, and where bits behind the last octet are set:
/// one text for one value.
/// Cost: linear.  Threads: any.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace ww
