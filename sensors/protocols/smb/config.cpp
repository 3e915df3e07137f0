/// Settings and names of events.
#include <algorithm>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {

Config read_config(const Settings& s) {
  Config c;
  const std::string base = "app-layer.protocols.smb.";
  const auto number = [&](const char* key, std::uint32_t& out) {
    out =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(s.size_or(base + key, out), UINT32_MAX));
  };
  number("max-read-size", c.max_read_size);
  number("max-write-size", c.max_write_size);
  number("max-read-queue-size", c.max_read_queue_size);
  number("max-write-queue-size", c.max_write_queue_size);
  number("max-read-queue-cnt", c.max_read_queue_cnt);
  number("max-write-queue-cnt", c.max_write_queue_cnt);
  c.max_tx = static_cast<std::size_t>(
      std::clamp<std::int64_t>(s.integer_or(base + "max-tx", 1024), 1, 65536));
  return c;
}

const std::vector<std::string>& event_names() {
  static const std::vector<std::string> names{"smb.internal_error",
                                              "smb.malformed_data",
                                              "smb.record_overflow",
                                              "smb.malformed_ntlmssp_request",
                                              "smb.malformed_ntlmssp_response",
                                              "smb.duplicate_negotiate",
                                              "smb.negotiate_malformed_dialects",
                                              "smb.file_overlap",
                                              "smb.negotiate_max_read_size_too_large",
                                              "smb.negotiate_max_write_size_too_large",
                                              "smb.read_request_too_large",
                                              "smb.read_response_too_large",
                                              "smb.read_queue_size_exceeded",
                                              "smb.read_queue_cnt_exceeded",
                                              "smb.write_request_too_large",
                                              "smb.write_queue_size_exceeded",
                                              "smb.write_queue_cnt_exceeded"};
  return names;
}

EventId event_id(Event e) {
  static const std::vector<EventId> ids = [] {
    std::vector<EventId> v;
    for (const auto& n : event_names()) v.push_back(sig::events().intern(n));
    return v;
  }();
  return ids[static_cast<std::size_t>(e)];
}
static_assert(static_cast<std::size_t>(Event::count) == 17);

}  // namespace ww::sensor::smb
