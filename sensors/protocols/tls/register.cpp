/// TLS: recognition and registration.
#include "sensors/protocols/tls/transaction.hpp"

namespace ww::sensor::tls_app {
namespace {

/// A client begins with a handshake record; a server met in the middle may be at alerts or data.
Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  constexpr std::uint8_t alert = 21, handshake = 22, application = 23;
  if (data.size() < 3) return Probe::maybe;
  const std::uint16_t version = load_be16(data.data() + 1);
  const bool type = data[0] == handshake ||
                    (dir == Dir::to_client && (data[0] == alert || data[0] == application));
  if (type && version >= tls::version::ssl3 && version <= tls::version::tls12) return Probe::yes;
  // SSLv2 hello that offers SSLv3 or TLS (RFC 5246 appendix E.2): length, type 1, version, three
  // lengths.
  if ((data[0] & 0x80) != 0 && data[2] == 1) {
    if (data.size() < 11) return Probe::maybe;
    const std::uint16_t offered = load_be16(data.data() + 3);
    const std::size_t ciphers = load_be16(data.data() + 5), session = load_be16(data.data() + 7),
                      challenge = load_be16(data.data() + 9);
    const std::size_t length = load_be16(data.data()) & 0x7fffU;
    if ((offered == 0x0002 || (offered >= 0x0300 && offered <= 0x0303)) && ciphers % 3 == 0 &&
        ciphers > 0 && ciphers + session + challenge + 9 == length)
      return Probe::yes;
  }
  return Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = "tls";
  p.settings_name = "tls";
  p.rule_names = {"tls", "ssl"};
  p.tcp = true;
  p.tcp_ports = "443";
  p.probe = &probe;
  p.probe_any_port = true;
  p.probe_min = 3;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    thread_local std::uint64_t read = 0;
    thread_local auto encryption = Encryption::track;
    if (read != s.revision()) {
      read = s.revision();
      const auto on = [&](const char* key) {
        return parse_flag(s.text_or(std::string("app-layer.protocols.tls.") + key, "auto")) !=
               false;
      };
      fingerprints().ja3 = on("ja3-fingerprints");
      fingerprints().ja4 = on("ja4-fingerprints");
      const auto handling = s.text_or("app-layer.protocols.tls.encryption-handling", "default");
      encryption = handling == "bypass" ? Encryption::bypass
                   : handling == "full" ? Encryption::full
                                        : Encryption::track;
    }
    return make_parser(encryption);
  };
  Logger logger;
  logger.event_type = logger.settings_name = "tls";
  logger.ready = &ready;
  logger.write = &log_tls;
  logger.write_alert = &alert_tls;
  p.loggers = {logger};
  add_buffers(p);
  p.events = event_names();
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::tls_app
