/// Protocols that are recognised and not parsed: IMAP (RFC 9051) and MSN Messenger.
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

Protocol::Pattern pattern(Dir dir, std::string_view octets, bool nocase, std::uint16_t offset = 0,
                          std::uint16_t depth = 0) {
  Protocol::Pattern p{};
  p.ip_proto = 6;
  p.dir = dir;
  p.octets = octets;
  p.nocase = nocase;
  p.offset = offset;
  p.depth = depth != 0 ? depth : static_cast<std::uint16_t>(octets.size());
  return p;
}

Protocol detection_only(std::string_view name, std::vector<Protocol::Pattern> patterns) {
  Protocol p;
  p.name = p.settings_name = name;
  p.rule_names = {p.name};
  p.tcp = true;
  p.patterns = std::move(patterns);
  return p;
}

const ProtocolRegistration imap{detection_only(
    "imap", {pattern(Dir::to_client, "* OK ", true), pattern(Dir::to_client, "1 OK ", true),
             pattern(Dir::to_server, "1 capability", true)})};
const ProtocolRegistration msn{
    detection_only("msn", {pattern(Dir::to_server, "msn", false, 6, 10)})};

}  // namespace
}  // namespace ww::sensor
