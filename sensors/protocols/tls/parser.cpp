/// TLS records, handshake reassembly and events: one transaction a connection.
#include <algorithm>
#include <utility>

#include "sensors/protocols/tls/transaction.hpp"

namespace ww::sensor::tls_app {
namespace {

constexpr std::size_t max_handshake_octets = 256 * 1024;  ///< one message, reassembled over records

namespace content {
constexpr std::uint8_t change_cipher = 20, alert = 21, handshake = 22, application = 23,
                       heartbeat = 24;
}
namespace message {
constexpr std::uint8_t client_hello = 1, server_hello = 2, certificate = 11, server_key = 12,
                       request = 13, done = 14, client_key = 16;
}
/// Of SSLv2 (draft-hickman-netscape-ssl, section 5).
namespace message2 {
constexpr std::uint8_t error = 0, client_hello = 1, server_hello = 4;
}
// Interned before threads start: the name tables are read without a lock afterwards.
const sig::FrameType pdu = sig::frame_types().intern("tls.pdu");
const sig::FrameType hdr = sig::frame_types().intern("tls.hdr");
const sig::FrameType body_frame = sig::frame_types().intern("tls.data");
const sig::FrameType alert_frame = sig::frame_types().intern("tls.alert_data");
const sig::FrameType heartbeat_frame = sig::frame_types().intern("tls.hb_data");
const sig::FrameType ssl2_hdr = sig::frame_types().intern("tls.ssl2.hdr");
const sig::FrameType ssl2_pdu = sig::frame_types().intern("tls.ssl2.pdu");

struct Events {
  EventId ssl2_header, record_version, record_type, record_length, handshake_message, certificate,
      length, error_message, certificate_version, serial, algorithm, issuer, validity, extensions,
      der, multiple_sni, sni_length, sni_type, overflow_heartbeat, invalid_heartbeat,
      dataleak_heartbeat, too_many_records, ssl_record, handshake_length, alert;
};
const Events& ev() {
  const auto id = [](std::string_view n) { return sig::events().intern(n); };
  static const Events e{id("tls.invalid_sslv2_header"),
                        id("tls.invalid_record_version"),
                        id("tls.invalid_record_type"),
                        id("tls.invalid_record_length"),
                        id("tls.invalid_handshake_message"),
                        id("tls.invalid_certificate"),
                        id("tls.certificate_invalid_length"),
                        id("tls.error_message_encountered"),
                        id("tls.certificate_invalid_version"),
                        id("tls.certificate_invalid_serial"),
                        id("tls.certificate_invalid_algorithmidentifier"),
                        id("tls.certificate_invalid_x509name"),
                        id("tls.certificate_invalid_date"),
                        id("tls.certificate_invalid_extensions"),
                        id("tls.certificate_invalid_der"),
                        id("tls.multiple_sni_extensions"),
                        id("tls.invalid_sni_length"),
                        id("tls.invalid_sni_type"),
                        id("tls.overflow_heartbeat_message"),
                        id("tls.invalid_heartbeat_message"),
                        id("tls.dataleak_heartbeat_mismatch"),
                        id("tls.too_many_records_in_packet"),
                        id("tls.invalid_ssl_record"),
                        id("tls.handshake_invalid_length"),
                        id("tls.invalid_alert_message")};
  return e;
}

const sig::AppProto tls_proto = sig::app_protos().intern("tls");

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
    tx.current_state = 0;
    // A record holds something: more of them than that leaves room for is a flood of empty ones.
    constexpr std::size_t smallest_record = 6;
    const auto max_records = std::max<std::size_t>(1, input.data.size() / smallest_record);
    std::size_t records = 0;
    while (!d.lost && at < input.data.size()) {
      if (records++ > max_records) {
        flag(tx, ev().too_many_records);
        finish(tx, dir);
        return ParseResult::error();
      }
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
    if ((data[0] & 0xc0) != 0) return ssl2(ctx, tx, dir, data, offset, need);
    if (data.size() < 5) {
      need = 5;
      return 0;
    }
    const std::uint8_t type = data[0];
    const std::uint16_t version = load_be16(data.data() + 1);
    const std::size_t length = load_be16(data.data() + 3);
    if (type < content::change_cipher || type > content::heartbeat) {
      flag(tx, ev().record_type);
      // Versions 1.0 and 1.1 pass over records they do not know (RFC 4346 section 6).
      const auto spoken = side.hello_seen ? side.hello.version : side.record_version;
      if (spoken == tls::version::tls10 || spoken == tls::version::tls11) return data.size();
      return npos;
    }
    // After the hello its version counts, not what a record claims.
    if (!side.hello_seen && !tls::version_known(version)) {
      flag(tx, ev().record_version);
      return npos;
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
        cipher_changed_ = true;
        if (dir == Dir::to_client && !side.certificates_seen && side.hello_seen && !tx.tls13)
          tx.abbreviated = true;
        advance(tx, dir, step::handshake_done);
        if (!tx.tls13)
          advance(tx, sig::opposite(dir),
                  std::min(tx.progress[sig::index(sig::opposite(dir))], step::handshake_done));
        ++tx.revision;
        break;
      case content::alert:
        if (length < 2) flag(tx, ev().alert);
        if (length == 2 && body[0] == 2) {
          // A fatal alert in clear ends the handshake for both sides; an encrypted one is longer.
          finish(tx, Dir::to_server);
          finish(tx, Dir::to_client);
        }
        break;
      case content::handshake:
        handshake(tx, dir, body);
        break;
      case content::heartbeat:
        if (!heartbeat(tx, dir, body)) return npos;
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
    // Two octets of length, or three with padding.
    const std::size_t header = (data[0] & 0x80) != 0 ? 2 : 3;
    if (data.size() < header + 1) {
      need = header + 1;
      return 0;
    }
    const std::size_t length = load_be16(data.data()) & (header == 2 ? 0x7fffU : 0x3fffU);
    if (length == 0) {
      flag(tx, ev().ssl2_header);
      flag(tx, ev().ssl_record);
      return npos;
    }
    if (data.size() < header + length) {
      need = header + length;
      return 0;
    }
    frame(ctx, ssl2_hdr, dir, offset, header + 1, tx);
    frame(ctx, ssl2_pdu, dir, offset, header + length, tx);
    constexpr std::size_t smallest_hello = 7;
    switch (data[header]) {
      case message2::error:
        flag(tx, ev().error_message);
        break;
      case message2::client_hello:
        if (length < smallest_hello) {
          flag(tx, ev().ssl_record);
          return npos;
        }
        tx.current_state = state::client_hello;
        if (auto hello = tls::parse_ssl2_hello(data.subspan(header, length)))
          take_client_hello(tx, std::move(*hello), false);
        break;
      case message2::server_hello:
        tx.current_state = state::server_hello;
        tx.version = tls::version::ssl2;
        tx.side[sig::index(dir)].hello_seen = true;
        advance(tx, dir, step::hello);
        break;
      default:
        break;
    }
    return header + length;
  }

  void handshake(TlsTx& tx, Dir dir, Bytes body) {
    const auto& side = tx.side[sig::index(dir)];
    auto& pending = dirs_[sig::index(dir)].pending;
    // A message's header does not straddle records anywhere but in attempts to hide it.
    const bool tiny = body.size() < 4;
    if (tiny) flag(tx, ev().ssl_record);
    Bytes all = body;
    if (!pending.empty()) {
      if (pending.size() + body.size() > max_handshake_octets) {
        flag(tx, ev().handshake_length);
        pending.clear();
        return;
      }
      pending += as_text(body);
      all = as_bytes(pending);
    }
    std::size_t at = 0;
    while (at < all.size()) {
      if (all.size() - at < 4) {
        if (!tiny) {
          flag(tx, ev().ssl_record);
          flag(tx, ev().handshake_message);
        }
        break;
      }
      const std::size_t length =
          (std::size_t{all[at + 1]} << 16) | (std::size_t{all[at + 2]} << 8) | all[at + 3];
      const auto left = all.size() - at - 4;
      if (!known_message(all[at])) {
        if (!side.cipher_changed) flag(tx, ev().handshake_message);
        at += 4 + std::min(length, left);
        continue;
      }
      if (length > max_handshake_octets) {
        flag(tx, ev().handshake_length);
        pending.clear();
        return;
      }
      if (left < length) break;
      one(tx, dir, all[at], all.subspan(at + 4, length));
      at += 4 + length;
    }
    std::string rest(as_text(all.subspan(at)));
    pending = std::move(rest);
  }

  void one(TlsTx& tx, Dir dir, std::uint8_t type, Bytes body) {
    auto& side = tx.side[sig::index(dir)];
    switch (type) {
      case message::client_hello: {
        tls::Errc error{};
        auto hello = tls::parse_hello(body, true, error);
        hello_event(tx, error);
        tx.current_state = state::client_hello;
        if (error != tls::Errc::truncated) take_client_hello(tx, std::move(hello), true);
        break;
      }
      case message::server_hello: {
        tls::Errc error{};
        auto hello = tls::parse_hello(body, false, error);
        hello_event(tx, error);
        tx.current_state = state::server_hello;
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
      case message::server_key:
        tx.current_state = state::server_keyx;
        ++tx.revision;
        break;
      case message::client_key:
        tx.current_state = state::client_keyx;
        advance(tx, dir, step::handshake_done);
        break;
      default:
        break;
    }
  }

  /// Messages that come in clear before the cipher changes; what version 1.3 adds is encrypted.
  static bool known_message(std::uint8_t type) {
    return type <= 2 || type == 4 || (type >= 11 && type <= 16) || (type >= 20 && type <= 22);
  }

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
      case tls::Errc::truncated:
      case tls::Errc::bad_extensions:
        flag(tx, ev().handshake_length);
        break;
    }
  }

  /// @param fingerprint  hellos of SSLv2 have none
  void take_client_hello(TlsTx& tx, tls::Hello hello, bool fingerprint) {
    auto& side = tx.side[0];
    if (side.hello_seen) return;  // a second hello after HelloRetryRequest repeats the first
    side.hello = std::move(hello);
    side.hello_seen = true;
    if (!tx.version_agreed) tx.version = side.hello.legacy_version;
    tx.resumed = side.hello.session_ticket;
    if (fingerprint && fingerprints().ja3) {
      tx.ja3 = tls::ja3_text(side.hello);
      tx.ja3_hash = tls::md5_hex(tx.ja3);
    }
    if (fingerprint && fingerprints().ja4) tx.ja4 = tls::ja4(side.hello, 't');
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
      tx.resumed = tx.abbreviated = true;
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

  /// RFC 6520: a request that states more payload than its record holds is Heartbleed; so is an
  /// encrypted answer longer than what it answers.
  bool heartbeat(TlsTx& tx, Dir dir, Bytes body) {
    constexpr std::size_t header = 3, min_padding = 16;
    constexpr std::uint8_t request = 1, response = 2;
    if (body.size() < header) return true;
    if (!cipher_changed_ && body[0] != request && body[0] != response) {
      flag(tx, ev().invalid_heartbeat);
      return false;
    }
    if (!heartbeat_from_) {
      heartbeat_from_ = dir;
      if (cipher_changed_) {
        heartbeat_octets_ = body.size();
        return true;
      }
      const std::size_t stated = load_be16(body.data() + 1);
      if (stated + header > body.size()) {
        flag(tx, ev().overflow_heartbeat);
        return false;
      }
      if (body.size() - header - stated < min_padding) {
        flag(tx, ev().invalid_heartbeat);
        return false;
      }
      return true;
    }
    if (*heartbeat_from_ == dir) {  // a second one before the first was answered
      flag(tx, ev().invalid_heartbeat);
      return false;
    }
    heartbeat_from_.reset();
    const auto asked = std::exchange(heartbeat_octets_, 0);
    if (!cipher_changed_ || asked == 0 || asked >= body.size()) return true;
    flag(tx, ev().dataleak_heartbeat);
    return false;
  }

  TlsTx* tx_ = nullptr;
  Direction dirs_[2];
  bool seen_encrypted_[2] = {false, false};
  bool cipher_changed_ = false;
  std::optional<Dir> heartbeat_from_;  ///< who asked and waits for the answer
  std::size_t heartbeat_octets_ = 0;   ///< of the encrypted request
  Encryption encryption_;
};

}  // namespace

std::unique_ptr<Parser> make_parser(Encryption encryption) {
  return std::make_unique<TlsParser>(encryption);
}

std::vector<std::string> event_names() {
  (void)ev();
  return {"tls.invalid_sslv2_header",
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
          "tls.invalid_alert_message",
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
}

}  // namespace ww::sensor::tls_app
