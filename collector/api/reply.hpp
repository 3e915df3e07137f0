#pragma once
/// Small helpers that route files share: pages of items, arguments as values.
#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "collector/api/route.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {

/// `limit` of the query, within 1..max.
[[nodiscard]] inline std::uint32_t limit_arg(const Call& call, std::uint32_t fallback = 100,
                                             std::uint32_t max = 1000) {
  const auto text = call.arg("limit");
  std::uint32_t n = fallback;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return std::clamp<std::uint32_t>(n, 1, max);
}

[[nodiscard]] inline std::int64_t integer_arg(const Call& call, std::string_view name,
                                              std::int64_t fallback) {
  const auto text = call.arg(name);
  std::int64_t n = fallback;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

/// Whether these arguments are whole numbers where they are given. Answers 400 itself when not.
inline bool numbers_ok(const CallPtr& call, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    const auto text = call->arg(name);
    std::int64_t n = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || (r.ec == std::errc() && r.ptr == text.data() + text.size())) continue;
    call->reply_error(400, std::string(name) + " is no whole number");
    return false;
  }
  return true;
}

/// A time argument. Answers 400 itself when the text is there but is no time; then `ok` is false.
inline Timestamp time_arg(const CallPtr& call, std::string_view name, Timestamp fallback,
                          bool& ok) {
  const auto text = call->arg(name);
  if (text.empty() || !ok) return fallback;
  const auto t = parse_time(text);
  if (!t) {
    ok = false;
    call->reply_error(400,
                      std::string(name) + " is not a time; write for example 2026-11-22T02:30:00Z");
    return fallback;
  }
  return *t;
}

/// `{"items":[...` : each() writes one value; finish() adds what follows.
class PageWriter {
 public:
  PageWriter() : json_(text_) {
    json_.begin_object();
    json_.begin_array("items");
  }
  JsonWriter& item() { return json_; }
  /// Ends the array; more members of the page may follow through item().
  JsonWriter& end_items() {
    json_.end_array();
    return json_;
  }
  [[nodiscard]] std::string finish(std::string_view next = {}) {
    if (!next.empty()) json_.field("next", next);
    json_.end_object();
    return std::move(text_);
  }

 private:
  std::string text_;
  JsonWriter json_;
};

/// Answers an AccountError with the status that fits.
inline void reply_account_error(const CallPtr& call, const AccountError& e) {
  using Kind = AccountError::Kind;
  call->reply_error(e.kind == Kind::not_found  ? 404
                    : e.kind == Kind::conflict ? 409
                    : e.kind == Kind::failed   ? 503
                                               : 400,
                    e.what);
}

inline void time_field(JsonWriter& json, std::string_view name, Timestamp t) {
  if (t.us != 0) json.field(name, rfc3339(t));
}

}  // namespace ww::collector
