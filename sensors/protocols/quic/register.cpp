/// QUIC as a sensor protocol: one transaction a packet until the hello of its direction is known.
#include <fmt/format.h>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/quic/quic.hpp"
#include "sensors/protocols/tls/tls.hpp"

namespace ww::sensor {
namespace {

using quic::PacketType;
using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto quic_proto = sig::app_protos().intern("quic");
const EventId failed_decrypt = sig::events().intern("quic.failed_decrypt");
const EventId error_on_data = sig::events().intern("quic.error_on_data");
const EventId crypto_frag_too_long = sig::events().intern("quic.crypto_frag_too_long");

constexpr std::uint16_t server_name = 0, alpn = 16, grease_logged = 0xfafa;

struct Fingerprint {
  std::string hash, text;
};
struct QuicTx final : Transaction {
  Dir dir = Dir::to_server;
  bool short_header = false;
  std::string version, version_octets, sni, ua;
  std::vector<Fingerprint> cyu;
  bool has_hello = false;
  tls::Hello hello;
  Fingerprint ja3;
  std::string ja4;
};

/// JA3 and JA3S here keep GREASE ciphers and groups; extensions of that kind all count as 0xfafa.
/// It differs from TLS over TCP, and published rules rely on it.
std::string quic_ja3_text(const tls::Hello& h) {
  std::string out = std::to_string(h.legacy_version);
  const auto list = [&](const auto& values) {
    char separator = ',';
    for (const auto v : values) {
      out += separator;
      out += std::to_string(v);
      separator = '-';
    }
    if (values.empty()) out += ',';
  };
  std::vector<std::uint16_t> extensions;
  for (const auto e : h.extensions) extensions.push_back(tls::is_grease(e) ? grease_logged : e);
  list(h.ciphers);
  list(extensions);
  if (h.client && !h.extensions.empty()) {
    list(h.groups);
    list(h.point_formats);
  }
  return out;
}

class QuicParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    for (auto rest = input.data; !rest.empty();) {
      const auto header = quic::parse_header(rest);
      if (!header) return ParseResult::error();
      // After the hello everything is encrypted with keys nobody else has.
      if (side_[sig::index(dir)].hello_seen || header->type == PacketType::one_rtt) break;
      const auto used = header->length + header->payload;
      if (!packet(ctx, dir, *header, rest.first(used))) return ParseResult::error();
      rest = rest.subspan(used);
    }
    return ParseResult::ok();
  }

 private:
  struct Side {
    bool hello_seen = false;
    quic::CryptoStream crypto;
  };

  QuicTx& fresh(ParserContext& ctx, Dir dir, const quic::Header& header) {
    auto owned = std::make_unique<QuicTx>();
    owned->proto = quic_proto;
    owned->revision = 1;
    owned->dir = dir;
    owned->only[sig::index(dir)] = true;
    owned->complete[0] = owned->complete[1] = true;
    owned->progress[0] = owned->progress[1] = 1;
    owned->version = quic::version_text(header.version);
    owned->version_octets = as_text(header.version_octets);
    return add(std::move(owned), ctx);
  }

  bool packet(ParserContext& ctx, Dir dir, const quic::Header& header, Bytes octets) {
    if (header.type != PacketType::initial) {
      // The client starts again with a new connection id, and so with new keys (RFC 9001 5.2).
      if (header.type == PacketType::retry && dir == Dir::to_client) {
        keys_.reset();
        side_[0].hello_seen = false;
        side_[0].crypto.clear();
      }
      fresh(ctx, dir, header);
      return true;
    }
    if (!keys_) keys_ = quic::initial_keys(header.version, header.dcid);
    std::string plain;
    auto payload = octets.subspan(header.length);
    if (keys_ && !payload.empty()) {
      auto opened = quic::open_packet(keys_->side[sig::index(dir)], octets, header.length);
      if (!opened) {
        fresh(ctx, dir, header).add_event(failed_decrypt);
        return false;
      }
      plain = std::move(*opened);
      payload = as_bytes(plain);
    }
    const auto frames = quic::parse_frames(payload);
    if (!frames) {
      fresh(ctx, dir, header).add_event(error_on_data);
      return false;
    }
    auto& tx = fresh(ctx, dir, header);
    for (const auto& tags : frames->messages) google_hello(tx, header.version, tags);
    if (frames->crypto.empty()) return true;
    return handshake(tx, side_[sig::index(dir)], frames->crypto);
  }

  static void google_hello(QuicTx& tx, std::uint32_t version, const quic::Tags& tags) {
    for (const auto& [name, value] : tags) {
      if (name == "SNI") tx.sni = value;
      if (name == "UAID") tx.ua = value;
    }
    const std::string_view shown = version == quic::version::q043   ? "43"
                                   : version == quic::version::q044 ? "44"
                                   : version == quic::version::q045 ? "44"
                                   : version == quic::version::q046 ? "46"
                                                                    : "";
    if (shown.empty()) return;
    std::string text;
    for (const auto& [name, value] : tags) {
      text += text.empty() ? "" : "-";
      text += name;
    }
    text = fmt::format("{},{}", shown, text);
    tx.cyu.push_back({tls::md5_hex(text), text});
  }

  /// Looks for a hello in what has come of the handshake so far.
  static bool handshake(QuicTx& tx, Side& side, const std::vector<quic::CryptoPiece>& pieces) {
    for (const auto& piece : pieces)
      if (!side.crypto.add(piece)) {
        tx.add_event(crypto_frag_too_long);
        return true;
      }
    ByteReader in(side.crypto.prefix());
    if (in.empty()) return true;
    const auto type = in.u8();
    const std::size_t length = in.u24be();
    if (type != 1 && type != 2) {
      tx.add_event(error_on_data);
      return false;
    }
    if (!in.ok() || length > in.left()) {
      if (!in.ok() || length <= quic::CryptoStream::max_octets) return true;
      tx.add_event(crypto_frag_too_long);
      return false;
    }
    tls::Errc error{};
    tx.hello = tls::parse_hello(in.bytes(length), type == 1, error);
    if (error == tls::Errc::truncated) {
      tx.add_event(error_on_data);
      return false;
    }
    side.hello_seen = tx.has_hello = true;
    if (!tx.hello.sni.empty()) tx.sni = tx.hello.sni;
    tx.ja3.text = quic_ja3_text(tx.hello);
    tx.ja3.hash = tls::md5_hex(tx.ja3.text);
    if (tx.hello.client) tx.ja4 = tls::ja4(tx.hello, 'q');
    side.crypto.clear();
    return true;
  }

  std::optional<quic::InitialKeys> keys_;
  Side side_[2];
};

const QuicTx& as_tx(const Transaction& t) { return static_cast<const QuicTx&>(t); }

template <auto member>
BufferStatus get(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const std::string& text = as_tx(t).*member;
  if (i > 0 || text.empty()) return BufferStatus::absent;
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
template <auto member, bool client>
BufferStatus get_ja3(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || !tx.has_hello || tx.hello.client != client) return BufferStatus::absent;
  out.data = as_bytes(tx.ja3.*member);
  return BufferStatus::ready;
}
template <auto member>
BufferStatus get_cyu(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i >= tx.cyu.size()) return BufferStatus::absent;
  out.data = as_bytes(tx.cyu[i].*member);
  return BufferStatus::ready;
}

void write_fingerprint(JsonWriter& json, const Fingerprint& f) {
  json.field("hash", f.hash);
  json.field("string", f.text);
  json.end_object();
}
void write_extensions(JsonWriter& json, const tls::Hello& hello) {
  if (hello.extensions.empty()) return;
  json.begin_array("extensions");
  for (const auto raw : hello.extensions) {
    const auto type = tls::is_grease(raw) ? grease_logged : raw;
    json.begin_object();
    if (const auto name = quic::extension_name(type); !name.empty()) json.field("name", name);
    json.field("type", type);
    const bool names = type == server_name && !hello.sni.empty();
    if (names || (type == alpn && !hello.alpn.empty())) {
      json.begin_array("values");
      if (names) json.value_bytes(as_bytes(hello.sni));
      if (type == alpn)
        for (const auto& a : hello.alpn) json.value_bytes(as_bytes(a));
      json.end_array();
    }
    json.end_object();
  }
  json.end_array();
}
bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("quic");
  json.field("version", tx.version);
  if (!tx.sni.empty()) json.field_bytes("sni", as_bytes(tx.sni));
  if (!tx.ua.empty()) json.field_bytes("ua", as_bytes(tx.ua));
  if (!tx.cyu.empty()) {
    json.begin_array("cyu");
    for (const auto& f : tx.cyu) {
      json.begin_object();
      write_fingerprint(json, f);
    }
    json.end_array();
  }
  if (tx.has_hello) {
    json.begin_object(tx.hello.client ? "ja3" : "ja3s");
    write_fingerprint(json, tx.ja3);
    if (!tx.ja4.empty()) json.field("ja4", tx.ja4);
    write_extensions(json, tx.hello);
  }
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir, const sig::Flow&) {
  return quic::parse_header(data) ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "quic";
  p.rule_names = {"quic"};
  p.udp = true;
  p.udp_ports = "[443,80]";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<QuicParser>();
  };
  Logger logger;
  logger.event_type = logger.settings_name = "quic";
  logger.write = &log;
  logger.direction = [](const Transaction& t) { return as_tx(t).dir; };
  p.loggers = {logger};
  const auto add = [&](std::string_view name, Dir dir, sig::BufferGetter getter) {
    p.buffers.buffers.push_back({sig::buffers().intern(name), dir, getter});
  };
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    add("quic.version", dir, &get<&QuicTx::version_octets>);
    add("quic.sni", dir, &get<&QuicTx::sni>);
    add("quic.ua", dir, &get<&QuicTx::ua>);
    add("quic.cyu.hash", dir, &get_cyu<&Fingerprint::hash>);
    add("quic.cyu.string", dir, &get_cyu<&Fingerprint::text>);
  }
  add("ja3.hash", Dir::to_server, &get_ja3<&Fingerprint::hash, true>);
  add("ja3.string", Dir::to_server, &get_ja3<&Fingerprint::text, true>);
  add("ja3s.hash", Dir::to_client, &get_ja3<&Fingerprint::hash, false>);
  add("ja3s.string", Dir::to_client, &get_ja3<&Fingerprint::text, false>);
  add("ja4.hash", Dir::to_server, &get<&QuicTx::ja4>);
  p.events = {"quic.failed_decrypt", "quic.error_on_data", "quic.crypto_frag_too_long"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
