#pragma once
/// What rules can look at in HTTP, common to HTTP/1 and HTTP/2.
#include "rules/signature/inspect.hpp"

namespace ww::sensor::http {

/// The http.* sticky buffers and numbers, file.data and file.name.
[[nodiscard]] sig::ProtocolBuffers http_buffers();

}  // namespace ww::sensor::http
