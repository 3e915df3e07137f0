#pragma once
/// Log source routing: which rules an event can concern, by the Sigma taxonomy appendix (Windows
/// channels and event ids), by what our own `log` events declare, and by the type of a network
/// event.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/sigma/detection.hpp"

namespace ww::sigma {

/// Where Windows writes what a category or service of the taxonomy means.
struct WindowsSource {
  std::string_view name;
  std::vector<std::string_view> channels;
  std::vector<int> event_ids;  ///< empty = all of the channel
};
/// nullptr when the taxonomy does not know it.
[[nodiscard]] const WindowsSource* windows_category(std::string_view category);
[[nodiscard]] const WindowsSource* windows_service(std::string_view service);
[[nodiscard]] const std::vector<WindowsSource>& windows_categories();
[[nodiscard]] const std::vector<WindowsSource>& windows_services();

/// Whether an event of this channel and id is what the rule's log source means.
[[nodiscard]] bool windows_applies(const LogSource& rule, std::string_view channel_folded,
                                   std::int64_t event_id);

/// What an event says about itself. Empty = not said, so it excludes nothing.
struct Declared {
  std::string product, service, category;
  std::string event_type;  ///< of a network event or one of our own types
};
[[nodiscard]] bool declared_applies(const LogSource& rule, const Declared& event);

/// A reason why no event can ever be routed to this log source when it comes from Windows, or ""
/// when one can.
[[nodiscard]] std::string unmapped_reason(const LogSource& rule);

}  // namespace ww::sigma
