/// EVE's `tls` object.
#include <map>

#include "sensors/protocols/tls/transaction.hpp"

namespace ww::sensor::tls_app {
namespace {

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
constexpr std::uint32_t basic = subject | issuer | alt_names;
constexpr std::uint32_t extended = basic | serial | fingerprint | sni | version_ | not_before |
                                   not_after | ja3 | ja3s | ja4 | client | client_alpns |
                                   server_alpns;

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
  std::uint32_t out = s.flag_or("extended", false) ? extended : basic;
  if (const auto custom = s.list("custom"); !custom.empty()) {
    out = 0;
    for (auto name : custom) {
      for (auto& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      if (const auto it = names.find(name); it != names.end()) out |= it->second;
    }
  }
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
  // A ticket was taken when the server shows no certificate.
  if ((columns & resumed) != 0 && tx.resumed && server.hello_seen && server.chain.empty() &&
      !tx.tls13)
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
  // The certificate itself and its chain are parts of `client`, not objects of their own.
  if ((columns & client) != 0 && !cl.chain.empty()) {
    json.begin_object("client");
    write_certificate(cl.chain.front(), subject | issuer | serial | fingerprint, json);
    write_validity(cl.chain.front(), not_before | not_after, json);
    write_ders(cl, (columns & client_certificate) != 0, (columns & client_chain) != 0, json);
    json.end_object();
  }
  if (!tx.from_proto.empty()) json.field("from_proto", tx.from_proto);
  json.end_object();
}

}  // namespace

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
  if (nameless && (tx.abbreviated ? (columns & resumed) == 0 : !tx.side[0].hello_seen))
    return false;

  write_tls(tx, columns, json);
  return true;
}

bool alert_tls(const Transaction& t, const LogContext&, JsonWriter& json) {
  write_tls(as_tls(t), extended, json);
  return true;
}

}  // namespace ww::sensor::tls_app
