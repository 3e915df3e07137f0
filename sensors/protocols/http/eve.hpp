#pragma once
/// The EVE `http` object, common to HTTP/1 and HTTP/2 where they agree.
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::http {

/// Writes `"http": {...}` as the type's options ask (extended, custom, dump-all-headers).
bool write_http(const Transaction& tx, const LogContext& log, JsonWriter& json);
/// For alerts and fileinfo: always extended; bodies when the options ask (http-body,
/// http-body-printable).
bool write_http_alert(const Transaction& tx, const LogContext& log, JsonWriter& json);

}  // namespace ww::sensor::http
