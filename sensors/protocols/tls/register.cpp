/// TLS as a sensor protocol: one transaction a connection; records, handshake reassembly, events,
/// buffers, EVE.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/tls/tls.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

constexpr std::size_t max_handshake_octets = 256 * 1024;  ///< one message, reassembled over records

namespace content {
constexpr std::uint8_t change_cipher = 20, alert = 21, handshake = 22, application = 23,
                       heartbeat = 24;
}
namespace message {
constexpr std::uint8_t client_hello = 1, server_hello = 2, certificate = 11, request = 13,
                       done = 14, client_key = 16;
}
// Interned before threads start: the name tables are read without a lock afterwards.
const sig::FrameType pdu = sig::frame_types().intern("tls.pdu");
const sig::FrameType hdr = sig::frame_types().intern("tls.hdr");
const sig::FrameType body_frame = sig::frame_types().intern("tls.data");
const sig::FrameType alert_frame = sig::frame_types().intern("tls.alert_data");
const sig::FrameType heartbeat_frame = sig::frame_types().intern("tls.hb_data");
const sig::FrameType ssl2_hdr = sig::frame_types().intern("tls.ssl2.hdr");
const sig::FrameType ssl2_pdu = sig::frame_types().intern("tls.ssl2.pdu");

/// Progress of a direction; rules and the logger wait for these.
namespace step {
constexpr std::uint8_t hello = 1, certificate = 2, handshake_done = 3, finished = 4;
}

struct Events {
  EventId ssl2_header, header, record_version, record_type, record_length, handshake_message,
      certificate, missing_element, unknown_element, length, error_message, certificate_version,
      serial, algorithm, issuer, validity, subject, extensions, der, multiple_sni, sni_length,
      sni_type, overflow_heartbeat, invalid_heartbeat, dataleak_heartbeat, too_many_records,
      ssl_record, handshake_length;
};
const Events& ev() {
  const auto id = [](std::string_view n) { return sig::events().intern(n); };
  static const Events e{
      id("tls.invalid_sslv2_header"),         id("tls.invalid_tls_header"),
      id("tls.invalid_record_version"),       id("tls.invalid_record_type"),
      id("tls.invalid_record_length"),        id("tls.invalid_handshake_message"),
      id("tls.invalid_certificate"),          id("tls.certificate_missing_element"),
      id("tls.certificate_unknown_element"),  id("tls.certificate_invalid_length"),
      id("tls.error_message_encountered"),    id("tls.certificate_invalid_version"),
      id("tls.certificate_invalid_serial"),   id("tls.certificate_invalid_algorithmidentifier"),
      id("tls.certificate_invalid_x509name"), id("tls.certificate_invalid_date"),
      id("tls.certificate_invalid_subject"),  id("tls.certificate_invalid_extensions"),
      id("tls.certificate_invalid_der"),      id("tls.multiple_sni_extensions"),
      id("tls.invalid_sni_length"),           id("tls.invalid_sni_type"),
      id("tls.overflow_heartbeat_message"),   id("tls.invalid_heartbeat_message"),
      id("tls.dataleak_heartbeat_mismatch"),  id("tls.too_many_records_in_packet"),
      id("tls.invalid_ssl_record"),           id("tls.invalid_handshake_length")};
  return e;
}

const sig::AppProto tls_proto = sig::app_protos().intern("tls");

struct TlsTx final : Transaction {
  struct Side {
    bool hello_seen = false, certificates_seen = false, certificate_requested = false,
         cipher_changed = false;
    tls::Hello hello;
    std::vector<tls::Certificate> chain;
    std::uint16_t record_version = 0;
    std::string random_tail;  ///< not used for the first four octets: kept for tls.random_bytes
  };
  Side side[2];
  std::uint16_t version = 0;  ///< agreed, or the best known so far
  bool version_agreed = false;
  bool resumed = false;
  bool tls13 = false;
  bool encrypted = false;
  bool ended = false;
  std::string from_proto;
  std::string ja3, ja3_hash, ja3s, ja3s_hash, ja4;
};

/// ja3-fingerprints and ja4-fingerprints: yes, no or auto. Read when a parser is made.
struct Fingerprints {
  bool ja3 = true, ja4 = true;
};
Fingerprints& fingerprints() {
  thread_local Fingerprints f;
  return f;
}

/// app-layer.protocols.tls.encryption-handling: after the handshake go on with everything, with the
/// records but not with rules on payload (the default), or with nothing.
enum class Encryption : std::uint8_t { full, track, bypass };

class TlsParser final : public Parser {
 public:
  explicit TlsParser(Encryption encryption) : encryption_(encryption) {}

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    // The connection's only transaction is done with (a fatal alert): nothing that follows can be
    // read.
    if (tx_ != nullptr && owned_.empty()) return ParseResult::ok();
    auto& tx = transaction(ctx);
    auto& d = dirs_[sig::index(dir)];
    if (input.gap > 0) {
      // The octets after a hole cannot be cut into records; what was read stands.
      finish(tx, dir);
      d.lost = true;
    }
    std::size_t at = 0;
    bool wait = false;
    std::size_t need = 0;
    while (!d.lost && at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      const auto used = record(ctx, tx, dir, rest, input.offset + at, need);
      if (used == 0) {
        wait = true;
        break;
      }
      if (used == npos) {
        finish(tx, dir);
        return ParseResult::error();
      }
      at += used;
    }
    if (input.end) {
      finish(tx, dir);
      return ParseResult::ok();
    }
    if (d.lost) return ParseResult::ok();
    return wait ? ParseResult::more(at, need) : ParseResult::ok();
  }
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  static constexpr std::size_t npos = SIZE_MAX;
  struct Direction {
    std::string pending;  ///< handshake octets that are not yet a whole message
    bool lost = false;
    std::uint64_t skip = 0;  ///< octets of an application record still to come
  };

  TlsTx& transaction(ParserContext& ctx) {
    if (tx_ == nullptr) {
      auto owned = std::make_unique<TlsTx>();
      owned->proto = tls_proto;
      owned->revision = 1;
      tx_ = &add(std::move(owned), ctx);
      if (const auto orig = ctx.flow().app_proto_original; orig != sig::AppProto{})
        tx_->from_proto = sig::app_protos().name(orig);
    }
    return *tx_;
  }

  void finish(TlsTx& tx, Dir dir) {
    auto& complete = tx.complete[sig::index(dir)];
    if (complete) return;
    complete = true;
    tx.progress[sig::index(dir)] = std::max(tx.progress[sig::index(dir)], step::finished);
    tx.ended = tx.complete[0] && tx.complete[1];
    ++tx.revision;
  }

  void advance(TlsTx& tx, Dir dir, std::uint8_t to) {
    auto& p = tx.progress[sig::index(dir)];
    if (to > p) {
      p = to;
      ++tx.revision;
    }
  }

  void flag(TlsTx& tx, EventId e) {
    tx.add_event(e);
    ++tx.revision;
  }

  // One record. Returns octets used, 0 for "more is needed" (and how many), npos for "this is not
  // TLS".
  std::size_t record(ParserContext& ctx, TlsTx& tx, Dir dir, Bytes data, std::uint64_t offset,
                     std::size_t& need) {
    auto& d = dirs_[sig::index(dir)];
    if (d.skip > 0) {
      const auto n = std::min<std::uint64_t>(d.skip, data.size());
      d.skip -= n;
      return static_cast<std::size_t>(n);
    }
    auto& side = tx.side[sig::index(dir)];
    if (!side.hello_seen && (data[0] & 0x80) != 0 && data.size() >= 3 &&
        (data[2] == 1 || data[2] == 4 || data[2] == 2))
      return ssl2(ctx, tx, dir, data, offset, need);
    if (data.size() < 5) {
      need = 5;
      return 0;
    }
    const std::uint8_t type = data[0];
    const std::uint16_t version = load_be16(data.data() + 1);
    const std::size_t length = load_be16(data.data() + 3);
    if (type < content::change_cipher || type > content::heartbeat) {
      flag(tx, ev().record_type);
      flag(tx, ev().header);
      return npos;
    }
    if (!tls::version_known(version)) {
      flag(tx, ev().record_version);
      if (!side.hello_seen) return npos;
    }
    if (length > (1U << 14) + 2048) {
      flag(tx, ev().record_length);
      return npos;
    }
    side.record_version = version;
    if (tx.version == 0) tx.version = version;
    if (type == content::application || (side.cipher_changed && type == content::handshake)) {
      // Encrypted: the length is all that matters, so nothing waits for the body.
      frame(ctx, pdu, dir, offset, 5 + length, tx);
      frame(ctx, hdr, dir, offset, 5, tx);
      frame(ctx, body_frame, dir, offset + 5, length, tx);
      encrypted(ctx, tx, dir);
      d.skip = length;
      return 5;
    }
    if (data.size() < 5 + length) {
      need = 5 + length;
      return 0;
    }
    frame(ctx, pdu, dir, offset, 5 + length, tx);
    frame(ctx, hdr, dir, offset, 5, tx);
    frame(ctx,
          type == content::alert       ? alert_frame
          : type == content::heartbeat ? heartbeat_frame
                                       : body_frame,
          dir, offset + 5, length, tx);
    const auto body = data.subspan(5, length);
    switch (type) {
      case content::change_cipher:
        side.cipher_changed = !tx.tls13;
        if (dir == Dir::to_client && !side.certificates_seen && side.hello_seen && !tx.tls13)
          tx.resumed = true;
        advance(tx, dir, step::handshake_done);
        if (!tx.tls13)
          advance(tx, sig::opposite(dir),
                  std::min(tx.progress[sig::index(sig::opposite(dir))], step::handshake_done));
        ++tx.revision;
        break;
      case content::alert:
        if (length == 2 && body[0] == 2 && !side.cipher_changed) {
          flag(tx, ev().error_message);
          // A fatal alert in clear ends the handshake for both sides.
          finish(tx, Dir::to_server);
          finish(tx, Dir::to_client);
        }
        break;
      case content::handshake:
        if (!handshake(tx, dir, body)) return npos;
        break;
      case content::heartbeat:
        heartbeat(tx, body);
        break;
      default:
        break;
    }
    return 5 + length;
  }

  static void frame(ParserContext& ctx, sig::FrameType type, Dir dir, std::uint64_t offset,
                    std::size_t length, const TlsTx& tx) {
    ctx.add_frame(type, dir, offset, static_cast<std::int64_t>(length), tx.id);
  }

  void encrypted(ParserContext& ctx, TlsTx& tx, Dir dir) {
    if (!tx.encrypted) {
      tx.encrypted = true;
      ++tx.revision;
    }
    advance(tx, dir, step::handshake_done);
    // Both hellos known and application data flowing: nothing readable will come.
    const auto both = tx.side[0].hello_seen && tx.side[1].hello_seen;
    if (!both) return;
    seen_encrypted_[sig::index(dir)] = true;
    if (tx.tls13 || (seen_encrypted_[0] && seen_encrypted_[1])) {
      advance(tx, Dir::to_server, step::handshake_done);
      advance(tx, Dir::to_client, step::handshake_done);
      if (encryption_ == Encryption::bypass) ctx.bypass_payload();
      if (encryption_ == Encryption::track) ctx.payload_encrypted();
    }
  }

  std::size_t ssl2(ParserContext& ctx, TlsTx& tx, Dir dir, Bytes data, std::uint64_t offset,
                   std::size_t& need) {
    const std::size_t length = load_be16(data.data()) & 0x7fffU;
    if (length < 3) {
      flag(tx, ev().ssl2_header);
      return npos;
    }
    if (data.size() < 2 + length) {
      need = 2 + length;
      return 0;
    }
    frame(ctx, ssl2_hdr, dir, offset, 2, tx);
    frame(ctx, ssl2_pdu, dir, offset, 2 + length, tx);
    if (data[2] == 1) {
      auto hello = tls::parse_ssl2_hello(data.subspan(2, length));
      if (!hello) {
        flag(tx, ev().ssl2_header);
        return npos;
      }
      take_client_hello(tx, std::move(*hello));
    } else {
      tx.version = tls::version::ssl2;
      tx.side[sig::index(dir)].hello_seen = true;
      advance(tx, dir, step::hello);
    }
    return 2 + length;
  }

  bool handshake(TlsTx& tx, Dir dir, Bytes body) {
    auto& pending = dirs_[sig::index(dir)].pending;
    Bytes all = body;
    if (!pending.empty()) {
      if (pending.size() + body.size() > max_handshake_octets) {
        flag(tx, ev().handshake_length);
        pending.clear();
        return true;
      }
      pending += as_text(body);
      all = as_bytes(pending);
    }
    std::size_t at = 0;
    while (all.size() - at >= 4) {
      const std::size_t length =
          (std::size_t{all[at + 1]} << 16) | (std::size_t{all[at + 2]} << 8) | all[at + 3];
      if (!known_message(all[at])) {
        flag(tx, ev().handshake_message);
        pending.clear();
        return true;
      }
      if (length > max_handshake_octets) {
        flag(tx, ev().handshake_length);
        pending.clear();
        return true;
      }
      if (all.size() - at - 4 < length) break;
      one(tx, dir, all[at], all.subspan(at + 4, length));
      at += 4 + length;
    }
    std::string left(as_text(all.subspan(at)));
    pending = std::move(left);
    return true;
  }

  void one(TlsTx& tx, Dir dir, std::uint8_t type, Bytes body) {
    auto& side = tx.side[sig::index(dir)];
    switch (type) {
      case message::client_hello: {
        tls::Errc error{};
        auto hello = tls::parse_hello(body, true, error);
        hello_event(tx, error);
        if (error != tls::Errc::truncated) take_client_hello(tx, std::move(hello));
        break;
      }
      case message::server_hello: {
        tls::Errc error{};
        auto hello = tls::parse_hello(body, false, error);
        hello_event(tx, error);
        if (error != tls::Errc::truncated) take_server_hello(tx, std::move(hello));
        break;
      }
      case message::certificate:
        take_certificates(tx, dir, side, body);
        break;
      case message::request:
        side.certificate_requested = true;
        break;
      case message::done:
        advance(tx, dir, step::handshake_done);
        break;
      case message::client_key:
        advance(tx, dir, step::handshake_done);
        break;
      default:
        break;
    }
  }

  /// IANA "TLS HandshakeType"; the rest is garbage or an attack.
  static bool known_message(std::uint8_t type) { return type <= 25 || type == 67 || type == 254; }

  void hello_event(TlsTx& tx, tls::Errc error) {
    switch (error) {
      case tls::Errc::none:
        break;
      case tls::Errc::bad_sni_length:
        flag(tx, ev().sni_length);
        break;
      case tls::Errc::bad_sni_type:
        flag(tx, ev().sni_type);
        break;
      case tls::Errc::multiple_sni:
        flag(tx, ev().multiple_sni);
        break;
      default:
        flag(tx, ev().handshake_message);
        break;
    }
  }

  void take_client_hello(TlsTx& tx, tls::Hello hello) {
    auto& side = tx.side[0];
    if (side.hello_seen) return;  // a second hello after HelloRetryRequest repeats the first
    side.hello = std::move(hello);
    side.hello_seen = true;
    if (!tx.version_agreed) tx.version = side.hello.legacy_version;
    if (fingerprints().ja3) {
      tx.ja3 = tls::ja3_text(side.hello);
      tx.ja3_hash = tls::md5_hex(tx.ja3);
    }
    if (fingerprints().ja4) tx.ja4 = tls::ja4(side.hello, 't');
    advance(tx, Dir::to_server, step::hello);
  }

  void take_server_hello(TlsTx& tx, tls::Hello hello) {
    auto& side = tx.side[1];
    if (side.hello_seen) return;
    side.hello = std::move(hello);
    side.hello_seen = true;
    tx.version = side.hello.version;
    tx.version_agreed = true;
    tx.tls13 =
        tx.version == tls::version::tls13 || (tx.version >> 8) == 0x7f || (tx.version >> 8) == 0xfb;
    if (fingerprints().ja3) {
      tx.ja3s = tls::ja3s_text(side.hello);
      tx.ja3s_hash = tls::md5_hex(tx.ja3s);
    }
    const auto& client = tx.side[0].hello;
    if (!tx.tls13 && tx.side[0].hello_seen && !side.hello.session_id.empty() &&
        side.hello.session_id == client.session_id)
      tx.resumed = true;
    advance(tx, Dir::to_client, step::hello);
  }

  static EventId certificate_event(tls::CertificateError error) {
    using E = tls::CertificateError;
    switch (error) {
      case E::invalid_der:
        return ev().der;
      case E::bad_length:
        return ev().length;
      case E::bad_version:
        return ev().certificate_version;
      case E::bad_serial:
        return ev().serial;
      case E::bad_algorithm:
        return ev().algorithm;
      case E::bad_issuer:
      case E::bad_subject:
        return ev().issuer;
      case E::bad_validity:
        return ev().validity;
      case E::bad_extensions:
        return ev().extensions;
      case E::none:
      case E::invalid:
        break;
    }
    return ev().certificate;
  }

  void take_certificates(TlsTx& tx, Dir dir, TlsTx::Side& side, Bytes body) {
    const auto ders = tls::parse_certificates(body, tx.tls13);
    if (!ders) {
      flag(tx, ev().certificate);
      return;
    }
    side.certificates_seen = true;
    for (const auto der : *ders) {
      tls::CertificateError error{};
      auto c = tls::parse_certificate(der, error);
      if (error != tls::CertificateError::none) flag(tx, certificate_event(error));
      side.chain.push_back(std::move(c));
    }
    advance(tx, dir, step::certificate);
  }

  // RFC 6520: a request whose stated length is more than the record holds is Heartbleed.
  void heartbeat(TlsTx& tx, Bytes body) {
    if (tx.encrypted || body.size() < 3) return;
    const std::size_t stated = load_be16(body.data() + 1);
    if (body[0] != 1 && body[0] != 2) {
      flag(tx, ev().invalid_heartbeat);
    } else if (body[0] == 1 && stated + 3 + 16 > body.size()) {
      flag(tx, ev().overflow_heartbeat);
      flag(tx, ev().invalid_heartbeat);
    } else if (body[0] == 2 && stated + 3 < body.size() - 16) {
      flag(tx, ev().dataleak_heartbeat);
    }
  }

  TlsTx* tx_ = nullptr;
  Direction dirs_[2];
  bool seen_encrypted_[2] = {false, false};
  Encryption encryption_;
};

// ---------------------------------------------------------------- what rules can look at

const TlsTx& as_tls(const Transaction& tx) { return static_cast<const TlsTx&>(tx); }

BufferStatus text(std::string_view value, BufferSlice& out) {
  out.data = as_bytes(value);
  return BufferStatus::ready;
}
/// Not there: never when the step was passed, else not yet.
BufferStatus missing(const Transaction& tx, Dir dir, std::uint8_t wanted) {
  return tx.progress[sig::index(dir)] >= wanted || tx.complete[sig::index(dir)]
             ? BufferStatus::absent
             : BufferStatus::not_ready;
}

template <std::string TlsTx::* Member>
BufferStatus get_member(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tls(t);
  if (i != 0) return BufferStatus::absent;
  if (!tx.side[sig::index(dir)].hello_seen) return missing(t, dir, step::hello);
  return (tx.*Member).empty() ? BufferStatus::absent : text(tx.*Member, out);
}
BufferStatus get_sni(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[0];
  if (i != 0) return BufferStatus::absent;
  if (!side.hello_seen) return missing(t, dir, step::hello);
  return side.hello.sni.empty() ? BufferStatus::absent : text(side.hello.sni, out);
}
BufferStatus get_alpn(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (!side.hello_seen) return missing(t, dir, step::hello);
  return i < side.hello.alpn.size() ? text(side.hello.alpn[i], out) : BufferStatus::absent;
}
template <std::size_t From, std::size_t Count>
BufferStatus get_random(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.hello_seen) return missing(t, dir, step::hello);
  if (side.hello.random.size() != 32) return BufferStatus::absent;
  return text(std::string_view(side.hello.random).substr(From, Count), out);
}
template <std::string tls::Certificate::* Member>
BufferStatus get_leaf(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  if (side.chain.empty() || (side.chain.front().*Member).empty()) return BufferStatus::absent;
  return text(side.chain.front().*Member, out);
}
BufferStatus get_certs(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  return i < side.chain.size() ? text(side.chain[i].der, out) : BufferStatus::absent;
}
BufferStatus get_alt_names(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  if (side.chain.empty() || i >= side.chain.front().alt_names.size()) return BufferStatus::absent;
  return text(side.chain.front().alt_names[i], out);
}

BufferStatus get_version(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tls(t);
  if (i != 0) return BufferStatus::absent;
  if (tx.version == 0 || !tx.side[sig::index(dir)].hello_seen) return missing(t, dir, step::hello);
  out = tx.version;
  return BufferStatus::ready;
}
/// Bits of ssl_state: 1 client_hello, 2 server_hello, 4 client_keyx, 8 server_keyx, 16 unknown.
BufferStatus get_state(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tls(t);
  if (i != 0) return BufferStatus::absent;
  out = (tx.side[0].hello_seen ? 1U : 0U) | (tx.side[1].hello_seen ? 2U : 0U) |
        (tx.progress[0] >= step::handshake_done ? 4U : 0U) |
        (tx.progress[1] >= step::handshake_done ? 8U : 0U);
  return BufferStatus::ready;
}
BufferStatus get_chain_length(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  out = side.chain.size();
  return BufferStatus::ready;
}
template <std::int64_t tls::Certificate::* Member>
BufferStatus get_validity(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  if (side.chain.empty() || side.chain.front().not_after == 0) return BufferStatus::absent;
  out = static_cast<std::uint64_t>(std::max<std::int64_t>(0, side.chain.front().*Member));
  return BufferStatus::ready;
}

// ---------------------------------------------------------------- EVE

enum Column : std::uint32_t {
  subject = 1U << 0,
  issuer = 1U << 1,
  resumed = 1U << 2,
  serial = 1U << 3,
  fingerprint = 1U << 4,
  sni = 1U << 5,
  version_ = 1U << 6,
  not_before = 1U << 7,
  not_after = 1U << 8,
  certificate = 1U << 9,
  chain = 1U << 10,
  ja3 = 1U << 11,
  ja3s = 1U << 12,
  client = 1U << 13,
  client_certificate = 1U << 14,
  client_chain = 1U << 15,
  ja4 = 1U << 16,
  alt_names = 1U << 17,
  client_alpns = 1U << 18,
  server_alpns = 1U << 19,
  client_handshake = 1U << 20,
  server_handshake = 1U << 21
};
constexpr std::uint32_t basic = subject | issuer;
constexpr std::uint32_t extended = basic | serial | fingerprint | sni | version_ | not_before |
                                   not_after | ja3 | ja3s | ja4 | client | alt_names |
                                   client_alpns | server_alpns;

std::uint32_t read_columns(const Settings& s) {
  static const std::map<std::string, std::uint32_t, std::less<>> names{
      {"subject", subject},
      {"issuer", issuer},
      {"session_resumed", resumed},
      {"serial", serial},
      {"fingerprint", fingerprint},
      {"sni", sni},
      {"version", version_},
      {"not_before", not_before},
      {"not_after", not_after},
      {"certificate", certificate},
      {"chain", chain},
      {"ja3", ja3},
      {"ja3s", ja3s},
      {"ja4", ja4},
      {"client", client},
      {"client_certificate", client_certificate},
      {"client_chain", client_chain},
      {"subjectaltname", alt_names},
      {"client_alpns", client_alpns},
      {"server_alpns", server_alpns},
      {"client_handshake", client_handshake},
      {"server_handshake", server_handshake}};
  if (const auto custom = s.list("custom"); !custom.empty()) {
    std::uint32_t out = 0;
    for (const auto& name : custom)
      if (const auto it = names.find(name); it != names.end()) out |= it->second;
    return out;
  }
  std::uint32_t out = s.flag_or("extended", false) ? extended : basic;
  // A bare `- tls` in the list of types has no options at all, and then leaves resumed sessions
  // out.
  if (!s.children("").empty() && s.flag_or("session-resumption", true)) out |= resumed;
  if (s.flag_or("ja4", false)) out |= ja4;
  return out;
}
std::uint32_t columns_of(const Settings& s) {
  thread_local const Settings* last = nullptr;
  thread_local std::uint64_t revision = 0;
  thread_local std::uint32_t columns = 0;
  if (last != &s || revision != s.revision()) {
    columns = read_columns(s);
    last = &s;
    revision = s.revision();
  }
  return columns;
}

void write_list(std::string_view key, const std::vector<std::string>& values, JsonWriter& json) {
  if (values.empty()) return;
  json.begin_array(key);
  for (const auto& v : values) json.value_bytes(as_bytes(v));
  json.end_array();
}

std::string day_time(std::int64_t seconds) {
  return rfc3339(Timestamp{seconds * 1'000'000}).substr(0, 19);
}

void write_certificate(const tls::Certificate& c, std::uint32_t columns, JsonWriter& json) {
  if ((columns & subject) != 0 && !c.subject.empty())
    json.field_bytes("subject", as_bytes(c.subject));
  if ((columns & issuer) != 0 && !c.issuer.empty())
    json.field_bytes("issuerdn", as_bytes(c.issuer));
  if ((columns & alt_names) != 0) write_list("subjectaltname", c.alt_names, json);
  if ((columns & serial) != 0 && !c.serial.empty()) json.field("serial", c.serial);
  if ((columns & fingerprint) != 0 && !c.fingerprint.empty())
    json.field("fingerprint", c.fingerprint);
}

void write_validity(const tls::Certificate& c, std::uint32_t columns, JsonWriter& json) {
  if ((columns & not_before) != 0 && c.not_before != 0)
    json.field("notbefore", day_time(c.not_before));
  if ((columns & not_after) != 0 && c.not_after != 0) json.field("notafter", day_time(c.not_after));
}

void write_ders(const TlsTx::Side& side, bool one, bool all, JsonWriter& json) {
  if (one && !side.chain.empty()) {
    json.key("certificate");
    json.value_base64(as_bytes(side.chain.front().der));
  }
  if (all && !side.chain.empty()) {
    json.begin_array("chain");
    for (const auto& c : side.chain) json.value_base64(as_bytes(c.der));
    json.end_array();
  }
}

void write_handshake(std::string_view key, const tls::Hello& h, JsonWriter& json) {
  json.begin_object(key);
  json.field("version", tls::version_text(h.version));
  const auto numbers = [&](std::string_view k, const std::vector<std::uint16_t>& values) {
    if (values.empty()) return;
    json.begin_array(k);
    for (const auto v : values)
      if (!tls::is_grease(v)) json.value(v);
    json.end_array();
  };
  if (h.client)
    numbers("ciphers", h.ciphers);
  else if (!h.ciphers.empty())
    json.field("cipher", h.ciphers.front());
  numbers("exts", h.extensions);
  if (h.client) numbers("sig_algs", h.signature_algorithms);
  json.end_object();
}

void write_tls(const TlsTx& tx, std::uint32_t columns, JsonWriter& json) {
  const auto& server = tx.side[1];
  const auto& cl = tx.side[0];
  json.begin_object("tls");
  if (!server.chain.empty()) write_certificate(server.chain.front(), columns, json);
  if ((columns & resumed) != 0 && tx.resumed && server.chain.empty() && !tx.tls13)
    json.field("session_resumed", true);
  if ((columns & sni) != 0 && !cl.hello.sni.empty())
    json.field_bytes("sni", as_bytes(cl.hello.sni));
  if ((columns & version_) != 0 && tx.version != 0)
    json.field("version", tls::version_text(tx.version));
  if (!server.chain.empty()) write_validity(server.chain.front(), columns, json);
  if ((columns & certificate) != 0 || (columns & chain) != 0)
    write_ders(server, (columns & certificate) != 0, (columns & chain) != 0, json);
  const auto fingerprint_object = [&](std::string_view key, const std::string& hash,
                                      const std::string& value) {
    if (value.empty()) return;
    json.begin_object(key);
    json.field("hash", hash);
    json.field("string", value);
    json.end_object();
  };
  if ((columns & ja3) != 0 && fingerprints().ja3) fingerprint_object("ja3", tx.ja3_hash, tx.ja3);
  if ((columns & ja3s) != 0 && fingerprints().ja3)
    fingerprint_object("ja3s", tx.ja3s_hash, tx.ja3s);
  if ((columns & ja4) != 0 && fingerprints().ja4 && !tx.ja4.empty()) json.field("ja4", tx.ja4);
  if ((columns & client_alpns) != 0) write_list("client_alpns", cl.hello.alpn, json);
  if ((columns & server_alpns) != 0) write_list("server_alpns", server.hello.alpn, json);
  if ((columns & client_handshake) != 0 && cl.hello_seen)
    write_handshake("client_handshake", cl.hello, json);
  if ((columns & server_handshake) != 0 && server.hello_seen)
    write_handshake("server_handshake", server.hello, json);
  if ((columns & (client | client_certificate | client_chain)) != 0 && !cl.chain.empty()) {
    json.begin_object("client");
    if ((columns & client) != 0) {
      write_certificate(cl.chain.front(), subject | issuer | serial | fingerprint, json);
      write_validity(cl.chain.front(), not_before | not_after, json);
    }
    write_ders(cl, (columns & client_certificate) != 0, (columns & client_chain) != 0, json);
    json.end_object();
  }
  if (!tx.from_proto.empty()) json.field("from_proto", tx.from_proto);
  json.end_object();
}

bool ready(const Transaction& t) {
  const auto& tx = as_tls(t);
  if (tx.ended) return true;
  if (tx.progress[1] < step::handshake_done) return false;
  // All that is logged is known when the server is done, unless it asked the client for a
  // certificate.
  if (!tx.tls13 && !tx.side[1].certificate_requested && !tx.side[1].chain.empty())
    return tx.side[0].hello_seen;
  return tx.progress[0] >= step::handshake_done;
}

bool log_tls(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  const auto& tx = as_tls(t);
  const auto named = [](const TlsTx::Side& s) {
    return !s.chain.empty() &&
           (!s.chain.front().subject.empty() || !s.chain.front().issuer.empty());
  };
  const auto columns = columns_of(ctx.options);
  const bool nameless = !named(tx.side[1]) && !named(tx.side[0]) && !tx.tls13;
  if (nameless && (tx.resumed ? (columns & resumed) == 0 : !tx.side[0].hello_seen)) return false;

  write_tls(tx, columns, json);
  return true;
}

bool alert_tls(const Transaction& t, const LogContext&, JsonWriter& json) {
  write_tls(as_tls(t), extended | resumed, json);
  return true;
}

Probe probe(Bytes data, Dir, const sig::Flow&) {
  if (data.size() < 3) return Probe::maybe;
  const std::uint16_t version = load_be16(data.data() + 1);
  if (data[0] >= content::change_cipher && data[0] <= content::application && version >= 0x0300 &&
      version <= 0x0304)
    return Probe::yes;
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
    return std::make_unique<TlsParser>(encryption);
  };
  Logger logger;
  logger.event_type = logger.settings_name = "tls";
  logger.ready = &ready;
  logger.write = &log_tls;
  logger.write_alert = &alert_tls;
  p.loggers = {logger};
  const auto buffer = [&](std::string_view name, std::initializer_list<Dir> dirs,
                          sig::BufferGetter get) {
    for (const auto d : dirs) p.buffers.buffers.push_back({sig::buffers().intern(name), d, get});
  };
  const auto number = [&](std::string_view name, std::initializer_list<Dir> dirs,
                          sig::NumberGetter get) {
    for (const auto d : dirs) p.buffers.numbers.push_back({sig::numbers().intern(name), d, get});
  };
  constexpr auto ts = Dir::to_server, tc = Dir::to_client;
  buffer("tls.sni", {ts}, &get_sni);
  buffer("tls.alpn", {ts, tc}, &get_alpn);
  buffer("tls.random", {ts, tc}, &get_random<0, 32>);
  buffer("tls.random_time", {ts, tc}, &get_random<0, 4>);
  buffer("tls.random_bytes", {ts, tc}, &get_random<4, 28>);
  buffer("tls.cert_subject", {ts, tc}, &get_leaf<&tls::Certificate::subject>);
  buffer("tls.cert_issuer", {ts, tc}, &get_leaf<&tls::Certificate::issuer>);
  buffer("tls.cert_serial", {ts, tc}, &get_leaf<&tls::Certificate::serial>);
  buffer("tls.cert_fingerprint", {ts, tc}, &get_leaf<&tls::Certificate::fingerprint>);
  buffer("tls.certs", {ts, tc}, &get_certs);
  buffer("tls.subjectaltname", {ts, tc}, &get_alt_names);
  buffer("ja3.hash", {ts}, &get_member<&TlsTx::ja3_hash>);
  buffer("ja3.string", {ts}, &get_member<&TlsTx::ja3>);
  buffer("ja3s.hash", {tc}, &get_member<&TlsTx::ja3s_hash>);
  buffer("ja3s.string", {tc}, &get_member<&TlsTx::ja3s>);
  buffer("ja4.hash", {ts}, &get_member<&TlsTx::ja4>);
  number("tls.version", {ts, tc}, &get_version);
  number("ssl_version", {ts, tc}, &get_version);
  number("ssl_state", {ts, tc}, &get_state);
  number("tls.cert_chain_len", {ts, tc}, &get_chain_length);
  number("tls.cert_notbefore", {ts, tc}, &get_validity<&tls::Certificate::not_before>);
  number("tls.cert_notafter", {ts, tc}, &get_validity<&tls::Certificate::not_after>);
  p.events = {"tls.invalid_sslv2_header",
              "tls.invalid_tls_header",
              "tls.invalid_record_version",
              "tls.invalid_record_type",
              "tls.invalid_record_length",
              "tls.invalid_handshake_message",
              "tls.heartbeat_message",
              "tls.invalid_heartbeat_message",
              "tls.overflow_heartbeat_message",
              "tls.dataleak_heartbeat_mismatch",
              "tls.handshake_invalid_length",
              "tls.invalid_handshake_length",
              "tls.multiple_sni_extensions",
              "tls.invalid_sni_type",
              "tls.invalid_sni_length",
              "tls.too_many_records_in_packet",
              "tls.invalid_certificate",
              "tls.certificate_missing_element",
              "tls.certificate_unknown_element",
              "tls.certificate_invalid_length",
              "tls.certificate_invalid_version",
              "tls.certificate_invalid_serial",
              "tls.certificate_invalid_algorithmidentifier",
              "tls.certificate_invalid_x509name",
              "tls.certificate_invalid_date",
              "tls.certificate_invalid_extensions",
              "tls.certificate_invalid_der",
              "tls.certificate_invalid_subject",
              "tls.certificate_invalid_string",
              "tls.error_message_encountered",
              "tls.invalid_ssl_record",
              "tls.dataleak_heartbeat_request"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
