#pragma once
/// What all carriers of Windows events share: native field names in `fields`, Sigma hints from
/// channel and EventID.
#include <cstdint>
#include <optional>
#include <string_view>

#include "telemetry/logformats/record.hpp"

namespace ww::logs::windows {

/// Sigma service of a channel ("Security" -> security, "Microsoft-Windows-Sysmon/Operational" ->
/// sysmon), or "".
[[nodiscard]] std::string_view service_of_channel(std::string_view channel);
/// Sigma category of an event (Sysmon 1 and Security 4688 -> process_creation, ...), or "".
[[nodiscard]] std::string_view category_of(std::string_view service, std::int64_t event_id);
/// Level number of the event header (1 critical .. 5 verbose; 0 audit) to a severity.
[[nodiscard]] std::string_view severity_of_level(std::int64_t level);
/// Level or keyword text as writers render it ("Information", "AUDIT_FAILURE", ...).
[[nodiscard]] std::string_view severity_of_text(std::string_view text);

/// Sets product, service, category and a message when there is none, from the fields that were
/// added.
void finish(Record& record, std::string_view channel, std::optional<std::int64_t> event_id);

/// An <Event> element as EvtRender and libevtx write it, to a record. @return false when it is not
/// one
[[nodiscard]] bool parse_event_xml(std::string_view xml, Record& record);

}  // namespace ww::logs::windows
