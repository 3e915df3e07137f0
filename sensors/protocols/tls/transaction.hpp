#pragma once
/// What the TLS parser keeps of a connection, and what looks at it: rules (buffers.cpp), EVE
/// (eve.cpp).
#include <memory>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/tls/tls.hpp"

namespace ww::sensor::tls_app {

/// Progress of a direction; rules and the logger wait for these.
namespace step {
constexpr std::uint8_t hello = 1, certificate = 2, handshake_done = 3, finished = 4;
}

/// Bits of ssl_state.
namespace state {
constexpr std::uint8_t client_hello = 1, server_hello = 2, client_keyx = 4, server_keyx = 8;
}

struct TlsTx final : Transaction {
  struct Side {
    bool hello_seen = false, certificates_seen = false, certificate_requested = false,
         cipher_changed = false;
    tls::Hello hello;
    std::vector<tls::Certificate> chain;
    std::uint16_t record_version = 0;
  };
  Side side[2];
  std::uint16_t version = 0;  ///< agreed, or the best known so far
  bool version_agreed = false;
  bool resumed = false;            ///< the client offers a ticket, or both name the same session
  bool abbreviated = false;        ///< the server went on without showing a certificate
  std::uint8_t current_state = 0;  ///< bit of ssl_state for the last message of what was just read
  bool tls13 = false;
  bool encrypted = false;
  bool ended = false;
  std::string from_proto;
  std::string ja3, ja3_hash, ja3s, ja3s_hash, ja4;
};

inline const TlsTx& as_tls(const Transaction& tx) { return static_cast<const TlsTx&>(tx); }

/// ja3-fingerprints and ja4-fingerprints: yes, no or auto. Read when a parser is made.
struct Fingerprints {
  bool ja3 = true, ja4 = true;
};
inline Fingerprints& fingerprints() {
  thread_local Fingerprints f;
  return f;
}

/// app-layer.protocols.tls.encryption-handling: after the handshake go on with everything, with the
/// records but not with rules on payload (the default), or with nothing.
enum class Encryption : std::uint8_t { full, track, bypass };

[[nodiscard]] std::unique_ptr<Parser> make_parser(Encryption encryption);
/// Names of the events the parser raises, and of those that Suricata has and never raises.
[[nodiscard]] std::vector<std::string> event_names();
/// Buffers and numbers of rules.
void add_buffers(Protocol& p);

/// Logger (parser.hpp).
[[nodiscard]] bool ready(const Transaction& t);
bool log_tls(const Transaction& t, const LogContext& ctx, JsonWriter& json);
bool alert_tls(const Transaction& t, const LogContext& ctx, JsonWriter& json);

}  // namespace ww::sensor::tls_app
