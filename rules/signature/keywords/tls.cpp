/// TLS, its certificates, and JA3/JA4.
#include <algorithm>

#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"
#include "telemetry/clock.hpp"

namespace ww::sig {
namespace {

const BufferRegistration tls_buffers{
    "tls",
    "tls",
    {
        {"tls.sni",
         "server name of the client hello",
         "content:\"example.org\"; endswith;",
         {"tls_sni"}},
        {"tls.alpn", "protocols offered or chosen", "content:\"h2\";", {}, "", true},
        {"tls.cert_subject",
         "subject of the server's certificate",
         "content:\"CN=example\";",
         {"tls_cert_subject"}},
        {"tls.cert_issuer",
         "issuer of the server's certificate",
         "content:\"O=Example\";",
         {"tls_cert_issuer"}},
        {"tls.cert_serial",
         "serial number, XX:XX upper case",
         "content:\"5C:19:B7\";",
         {"tls_cert_serial"}},
        {"tls.cert_fingerprint",
         "SHA-1 of the certificate, xx:xx lower case",
         "content:\"4a:a3:66\";",
         {"tls_cert_fingerprint"}},
        {"tls.certs",
         "each certificate of the chain, DER",
         "content:\"|30 82|\"; startswith;",
         {},
         "",
         true},
        {"tls.subjectaltname",
         "each subject alternative name",
         "content:\"example.org\";",
         {},
         "",
         true},
        {"tls.random", "the 32 octets of the hello's random", "content:\"|9b ce|\";"},
        {"tls.random_time", "the first 4 octets of random", "content:\"|9b ce|\";"},
        {"tls.random_bytes", "the last 28 octets of random", "content:\"|57 5d|\";"},
    }};
const BufferRegistration ja_buffers{
    "tls",
    "tls,quic",
    {
        {"ja3.hash",
         "JA3 of the client",
         "content:\"e7eca2baf4458d095b7f45da28c16c34\";",
         {"ja3_hash"}},
        {"ja3.string", "text behind JA3", "content:\"771,\"; startswith;", {"ja3_string"}},
        {"ja3s.hash", "JA3S of the server", "content:\"5d79edf64e03689ff559a54e9d9487bc\";", {}},
        {"ja3s.string", "text behind JA3S", "content:\"771,\"; startswith;", {}},
        {"ja4.hash", "JA4 of the client", "content:\"t13d\"; startswith;", {"ja4_hash"}},
    }};
const NumberRegistration tls_numbers{
    "tls",
    "tls",
    {
        {"tls.cert_chain_len", "number of certificates in the chain", "<4", UINT32_MAX},
    }};

constexpr std::pair<std::string_view, std::uint64_t> versions[] = {
    {"sslv2", 0x0200},  {"sslv3", 0x0300},  {"tls1.0", 0x0301}, {"tls1.1", 0x0302},
    {"tls1.2", 0x0303}, {"tls1.3", 0x0304}, {"1.0", 0x0301},    {"1.1", 0x0302},
    {"1.2", 0x0303},    {"1.3", 0x0304}};

Status version(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern("tls.version");
  auto value = trim(o.value);
  if (const auto q = unquote(value)) value = *q;
  for (auto part : split_list(value)) {
    const bool negated = part.starts_with('!');
    if (negated) part = trim(part.substr(1));
    const auto* v = std::find_if(std::begin(versions), std::end(versions),
                                 [&](const auto& x) { return iequals(x.first, part); });
    std::uint64_t wire = 0;
    if (v != std::end(versions)) {
      wire = v->second;
    } else if (const auto n = part.starts_with("0x") ? parse_unsigned(part) : std::nullopt;
               n && *n <= 0xffff) {
      wire = *n;
    } else {
      return bad("unknown version '" + std::string(part) + "'");
    }
    (negated ? s.none_of : s.one_of).push_back(wire);
  }
  // A list is an "or", also of "is not": one negated part lets everything else in.
  if (!s.none_of.empty()) {
    std::erase_if(s.none_of, [&](std::uint64_t v) {
      return std::find(s.one_of.begin(), s.one_of.end(), v) != s.one_of.end();
    });
    s.one_of.clear();
  }
  b.add_stage(std::move(s));
  return {};
}

Status state(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  std::uint64_t mask = 0, unwanted = 0;
  for (auto part : split_list(o.value, '|')) {
    for (auto word : split_list(part)) {
      const bool negated = word.starts_with('!');
      if (negated) word = trim(word.substr(1));
      bool found = false;
      for (const auto& [name, bit] : k.names)
        if (iequals(name, word)) {
          mask |= bit;
          if (negated) unwanted |= bit;
          found = true;
        }
      if (!found) return bad("unknown state '" + std::string(word) + "'");
    }
  }
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern("ssl_state");
  // Any of the wanted is there, or any of the unwanted is missing.
  s.number_test = {unwanted, unwanted, mask, true};
  b.add_stage(std::move(s));
  return {};
}

/// The keywords of old that carry their pattern: tls.subject, tls.issuerdn, tls.fingerprint.
Status pattern(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  auto value = trim(o.value);
  ContentOp c;
  if (value.starts_with('!')) {
    c.negated = true;
    value = trim(value.substr(1));
  }
  if (const auto q = unquote(value)) value = *q;
  auto octets = decode_content(value);
  if (!octets) return bad(octets.error());
  c.octets = std::move(*octets);
  if (k.name == "tls.fingerprint") {
    c.octets = lower(c.octets);
    c.startswith = c.endswith = true;
  }
  Stage s;
  s.kind = Stage::Kind::buffer;
  s.name = k.name;
  s.buffer = buffers().intern(k.buffer);
  s.ops.emplace_back(std::move(c));
  b.add_stage(std::move(s));
  return {};
}

/// "2026", "2026-11-22", "2026-11-22T10:00:00", and relative "1d".
std::optional<std::int64_t> date(std::string_view text) {
  std::string t(trim(text));
  static constexpr std::string_view shape = "YYYY-01-01T00:00:00";
  if (t.size() < 4 || t.size() > shape.size()) return std::nullopt;
  if (t.size() == 10 && t.find_first_not_of("0123456789") == std::string::npos)
    return parse_integer(t);
  t += shape.substr(t.size());
  const auto v = parse_time(t + "Z");
  return v ? std::optional(v->seconds()) : std::nullopt;
}
Status validity(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(k.buffer);
  auto v = trim(o.value);
  if (const auto q = unquote(v)) v = *q;
  const auto wrong = [&] {
    return bad("'" + std::string(v) + "' is not a date or range of dates");
  };
  if (const auto at = v.find("<>"); at != std::string_view::npos) {
    const auto a = date(v.substr(0, at)), z = date(v.substr(at + 2));
    if (!a || !z || *a >= *z) return wrong();
    s.number_test = {static_cast<std::uint64_t>(*a) + 1, static_cast<std::uint64_t>(*z) - 1,
                     UINT64_MAX, false};
  } else {
    const char op = v.empty() ? '=' : v.front();
    const auto a = date(op == '<' || op == '>' ? v.substr(1) : v);
    if (!a || *a < 1) return wrong();
    const auto n = static_cast<std::uint64_t>(*a);
    s.number_test = op == '<'   ? NumberTest{0, n - 1, UINT64_MAX, false}
                    : op == '>' ? NumberTest{n + 1, UINT64_MAX, UINT64_MAX, false}
                                : NumberTest::equal(n);
  }
  b.add_stage(std::move(s));
  return {};
}
/// Compared with the packet's time when it is checked.
template <bool Expired>
Status validity_now(RuleBuilder& b, const Option&, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  const auto add = [&](const char* number, bool before) {
    Stage s;
    s.kind = Stage::Kind::number;
    s.name = k.name;
    s.number = numbers().intern(number);
    s.against_now = before ? Stage::Now::before : Stage::Now::not_before;
    b.add_stage(std::move(s));
  };
  if (Expired) {
    add("tls.cert_notafter", true);
  } else {
    add("tls.cert_notafter", false);
  }
  return {};
}
Status store(RuleBuilder& b, const Option&, const Keyword& k) {
  return b.restrict_protos(std::string_view(k.protos));
}

using V = Keyword::Value;
const KeywordRegistration registration{{
    {.name = "tls.version",
     .group = "tls",
     .summary = "version in use",
     .example = "tls.version:1.2;",
     .setup = &version,
     .protos = "tls"},
    {.name = "ssl_version",
     .group = "tls",
     .summary = "one of these versions, or not the one written with !",
     .example = "ssl_version:tls1.0,tls1.1;",
     .setup = &version,
     .protos = "tls"},
    {.name = "ssl_state",
     .group = "tls",
     .summary = "state of the handshake",
     .example = "ssl_state:client_hello;",
     .setup = &state,
     .protos = "tls",
     .names = {{"client_hello", 1},
               {"server_hello", 2},
               {"client_keyx", 4},
               {"server_keyx", 8},
               {"unknown", 16}}},
    {.name = "tls.subject",
     .group = "tls",
     .summary = "old form of tls.cert_subject; content",
     .example = "tls.subject:\"CN=example\";",
     .setup = &pattern,
     .buffer = "tls.cert_subject",
     .protos = "tls"},
    {.name = "tls.issuerdn",
     .group = "tls",
     .summary = "old form of tls.cert_issuer; content",
     .example = "tls.issuerdn:!\"CN=Example\";",
     .setup = &pattern,
     .buffer = "tls.cert_issuer",
     .protos = "tls"},
    {.name = "tls.fingerprint",
     .group = "tls",
     .summary = "SHA-1 of the certificate",
     .example = "tls.fingerprint:\"90:86:a4\";",
     .setup = &pattern,
     .buffer = "tls.cert_fingerprint",
     .protos = "tls"},
    {.name = "tls_cert_notbefore",
     .aliases = {"tls.cert_notbefore"},
     .group = "tls",
     .summary = "start of the certificate's validity",
     .example = "tls_cert_notbefore:1998-05-01<>2008-05-01;",
     .setup = &validity,
     .buffer = "tls.cert_notbefore",
     .protos = "tls"},
    {.name = "tls_cert_notafter",
     .aliases = {"tls.cert_notafter"},
     .group = "tls",
     .summary = "end of the certificate's validity",
     .example = "tls_cert_notafter:>2026;",
     .setup = &validity,
     .buffer = "tls.cert_notafter",
     .protos = "tls"},
    {.name = "tls_cert_expired",
     .group = "tls",
     .summary = "the certificate's validity has ended",
     .example = "tls_cert_expired;",
     .value = V::none,
     .setup = &validity_now<true>,
     .protos = "tls"},
    {.name = "tls_cert_valid",
     .group = "tls",
     .summary = "the certificate's validity has not ended",
     .example = "tls_cert_valid;",
     .value = V::none,
     .setup = &validity_now<false>,
     .protos = "tls"},
    {.name = "tls.store",
     .aliases = {"tls_store"},
     .group = "tls",
     .summary = "accepted; certificates are in the tls events",
     .example = "tls.sni; content:\"a\"; tls.store;",
     .value = V::none,
     .setup = &store,
     .protos = "tls"},
}};

}  // namespace
}  // namespace ww::sig
