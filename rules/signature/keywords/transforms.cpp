/// Transforms of sticky buffers: what a buffer is turned into before a rule looks at it.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <libpsl.h>
#include <openssl/evp.h>
#include <pcre2.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "rules/signature/base64_digits.hpp"
#include "rules/signature/dataset.hpp"
#include "rules/signature/keyword.hpp"
#include "rules/signature/payload.hpp"

namespace ww::sig {
namespace {

using Out = std::string;
bool blank(std::uint8_t c) { return c == ' ' || (c >= 9 && c <= 13); }
void append(Out& out, Bytes in) { out.append(reinterpret_cast<const char*>(in.data()), in.size()); }

bool dotprefix(const Transform&, Bytes in, Out& out, std::uint64_t) {
  out += '.';
  append(out, in);
  return true;
}

template <const EVP_MD* (*Algorithm)()>
bool hash(const Transform&, Bytes in, Out& out, std::uint64_t) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  if (EVP_Digest(in.data(), in.size(), digest, &n, Algorithm(), nullptr) != 1) return false;
  out.append(reinterpret_cast<const char*>(digest), n);
  return true;
}

bool strip_whitespace(const Transform&, Bytes in, Out& out, std::uint64_t) {
  for (const auto c : in)
    if (!blank(c)) out += static_cast<char>(c);
  return true;
}
bool compress_whitespace(const Transform&, Bytes in, Out& out, std::uint64_t) {
  bool before = false;
  for (const auto c : in) {
    const bool b = blank(c);
    if (!(b && before)) out += static_cast<char>(c);
    before = b;
  }
  return true;
}

/// Lines of header text, each with its end.
template <class F>
void lines(Bytes in, F&& f) {
  while (!in.empty()) {
    const auto* nl = static_cast<const std::uint8_t*>(std::memchr(in.data(), '\n', in.size()));
    const auto n = nl ? static_cast<std::size_t>(nl - in.data()) + 1 : in.size();
    f(in.first(n));
    in = in.subspan(n);
  }
}
bool strip_pseudo_headers(const Transform&, Bytes in, Out& out, std::uint64_t) {
  lines(in, [&](Bytes line) {
    if (line[0] != ':') append(out, line);
  });
  return true;
}
bool header_lowercase(const Transform&, Bytes in, Out& out, std::uint64_t) {
  lines(in, [&](Bytes line) {
    bool name = true;  // up to the first colon, which may be the first octet
    for (const auto c : line) {
      if (c == ':') name = false;
      out += static_cast<char>(name && c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
  });
  return true;
}
bool to_lower_case(const Transform&, Bytes in, Out& out, std::uint64_t) {
  for (const auto c : in) out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return true;
}
bool to_upper_case(const Transform&, Bytes in, Out& out, std::uint64_t) {
  for (const auto c : in) out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return true;
}

int hex(std::uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
bool url_decode(const Transform&, Bytes in, Out& out, std::uint64_t) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] == '+') {
      out += ' ';
    } else if (in[i] == '%' && i + 2 < in.size() && hex(in[i + 1]) >= 0 && hex(in[i + 2]) >= 0) {
      out += static_cast<char>(hex(in[i + 1]) * 16 + hex(in[i + 2]));
      i += 2;
    } else {
      out += static_cast<char>(in[i]);
    }
  }
  return true;
}

bool exclusive_or(const Transform& t, Bytes in, Out& out, std::uint64_t) {
  for (std::size_t i = 0; i < in.size(); ++i)
    out += static_cast<char>(in[i] ^ static_cast<std::uint8_t>(t.text[i % t.text.size()]));
  return true;
}

bool pcrexform(const Transform& t, Bytes in, Out& out, std::uint64_t) {
  thread_local PcreScratch scratch;
  if (!t.pcre->search(in, 0, scratch)) {
    append(out, in);
    return true;
  }
  const auto g = scratch.group(1);
  if (g.set && g.to <= in.size()) append(out, in.subspan(g.from, g.to - g.from));
  return true;
}

constexpr std::uint64_t rfc4648 = 0, rfc2045 = 1, strict = 2;
/// a: offset, b: octets << 8 | mode; octets 0: all. A buffer that does not reach so far stays as it
/// is.
bool from_base64(const Transform& t, Bytes in, Out& out, std::uint64_t) {
  const auto octets = t.b >> 8;
  if ((t.a > 0 && t.a >= in.size()) || (octets > 0 && octets >= in.size() - t.a)) {
    append(out, in);
    return true;
  }
  in = in.subspan(static_cast<std::size_t>(t.a));
  if (octets) in = in.first(static_cast<std::size_t>(octets));
  const auto mode = t.b & 0xff;
  if (mode == strict) {
    auto v = decode_base64_strict(as_text(in));
    if (!v || v->empty()) return false;
    out = std::move(*v);
    return true;
  }
  Base64Digits digits(out);
  for (const auto c : in)
    // RFC 2045 ignores what is not of the alphabet, RFC 4648 ends there; padding ends both.
    if (c == '=' || (!digits.take(c) && mode != rfc2045)) break;
  return !out.empty();
}

/// a: most octets of output; b: zlib window bits.
bool inflate_all(const Transform& t, Bytes in, Out& out, std::uint64_t) {
  z_stream z{};
  if (inflateInit2(&z, static_cast<int>(t.b)) != Z_OK) return false;
  z.next_in = const_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(std::min<std::size_t>(in.size(), UINT32_MAX));
  char piece[4096];
  int rc = Z_OK;
  while (rc == Z_OK && out.size() < t.a) {
    z.next_out = reinterpret_cast<Bytef*>(piece);
    z.avail_out = static_cast<uInt>(std::min<std::uint64_t>(sizeof piece, t.a - out.size()));
    const auto before = z.avail_out;
    rc = inflate(&z, Z_NO_FLUSH);
    out.append(piece, before - z.avail_out);
    if (before == z.avail_out && rc == Z_OK) break;
  }
  inflateEnd(&z);
  return !out.empty();
}

/// The Public Suffix List: the system's, or the one that the library brings when that is newer.
const psl_ctx_t* public_suffixes() {
  static const std::unique_ptr<psl_ctx_t, void (*)(psl_ctx_t*)> list(psl_latest(nullptr),
                                                                     &psl_free);
  return list ? list.get() : psl_builtin();
}
/// The end of a host name that the list knows: its public suffix, or with one label more.
template <const char* (*Part)(const psl_ctx_t*, const char*)>
bool suffix(const Transform&, Bytes in, Out& out, std::uint64_t) {
  constexpr std::size_t max_host = 1024;
  const auto host = as_text(in);
  if (host.empty() || host.size() > max_host || host.front() == '.' ||
      host.find('\0') != std::string_view::npos)
    return false;
  const auto name = lower(host);
  const auto* found = Part(public_suffixes(), name.c_str());
  if (found == nullptr || *found == '\0') return false;
  out = host.substr(static_cast<std::size_t>(found - name.c_str()));
  return true;
}
template <const char* (*Part)(const psl_ctx_t*, const char*)>
Status suffix_setup(RuleBuilder& b, const Option&, const Keyword& k) {
  if (public_suffixes() == nullptr) return bad("the public suffix list cannot be read");
  Transform t;
  t.run = &suffix<Part>;
  t.name = k.name;
  return b.add_transform(std::move(t));
}

/// a, b: offset and length as int64; b INT64_MAX: to the end; negative counts from the end.
bool subslice(const Transform& t, Bytes in, Out& out, std::uint64_t) {
  const auto size = static_cast<std::int64_t>(in.size());
  auto from = static_cast<std::int64_t>(t.a);
  if (from < 0) from += size;
  const auto length = static_cast<std::int64_t>(t.b);
  if (from < 0 || from > size) return false;
  std::int64_t to = length == INT64_MAX ? size : length < 0 ? size + length : from + length;
  to = std::min(to, size);
  if (to <= from) return false;
  append(out, in.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  return true;
}

// --------------------------------------------------------------------------- setup

template <Transform::Function Run, bool (*CanHold)(std::string_view) = nullptr>
Status plain(RuleBuilder& b, const Option&, const Keyword& k) {
  Transform t;
  t.run = Run;
  t.name = k.name;
  t.can_hold = CanHold;
  return b.add_transform(std::move(t));
}

bool no_white_space(std::string_view s) {
  return std::none_of(s.begin(), s.end(),
                      [](char c) { return blank(static_cast<std::uint8_t>(c)); });
}
bool no_two_blanks(std::string_view s) {
  return std::adjacent_find(s.begin(), s.end(), [](char a, char c) {
           return blank(static_cast<std::uint8_t>(a)) && blank(static_cast<std::uint8_t>(c));
         }) == s.end();
}
bool no_capital(std::string_view s) {
  return std::none_of(s.begin(), s.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}
bool no_small(std::string_view s) {
  return std::none_of(s.begin(), s.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

Transform named(const Option& o, const Keyword& k, Transform::Function run) {
  Transform t;
  t.run = run;
  t.name = k.name + ":" + std::string(o.value);
  return t;
}

Status xor_setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  auto v = trim(o.value);
  if (const auto q = unquote(v)) v = *q;
  auto t = named(o, k, &exclusive_or);
  if (v.size() % 2) return bad("the key needs an even number of hexadecimal digits");
  for (std::size_t i = 0; i + 1 < v.size(); i += 2) {
    const int a = hex(static_cast<std::uint8_t>(v[i])),
              c = hex(static_cast<std::uint8_t>(v[i + 1]));
    if (a < 0 || c < 0) return bad("the key is not hexadecimal");
    t.text += static_cast<char>(a * 16 + c);
  }
  if (t.text.empty() || t.text.size() > 255) return bad("the key has 1 to 255 octets");
  return b.add_transform(std::move(t));
}

Status pcrexform_setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  auto v = trim(o.value);
  if (const auto q = unquote(v)) v = *q;
  if (v.size() >= 2 && v.front() == '/' && v.back() == '/') v = v.substr(1, v.size() - 2);
  auto code = CompiledPcre::compile(v, 0);
  if (!code) return bad(code.error());
  if ((*code)->groups() != 1) return bad("needs exactly one capture group");
  auto t = named(o, k, &pcrexform);
  t.pcre = std::move(*code);
  return b.add_transform(std::move(t));
}

Status base64_setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  auto t = named(o, k, &from_base64);
  std::uint64_t octets = 0, mode = rfc4648;
  for (const auto& [name, value] : split_pairs(o.value)) {
    if (name == "offset" || name == "bytes") {
      const auto n = parse_unsigned(value);
      if (!n || *n > 65535) return bad(std::string(name) + " is 0 to 65535");
      (name == "offset" ? t.a : octets) = *n;
    } else if (name == "mode") {
      if (value == "rfc4648")
        mode = rfc4648;
      else if (value == "rfc2045")
        mode = rfc2045;
      else if (value == "strict")
        mode = strict;
      else
        return bad("mode is rfc4648, rfc2045 or strict");
    } else {
      return bad("unknown part '" + std::string(name) + "'");
    }
  }
  t.b = octets << 8 | mode;
  return b.add_transform(std::move(t));
}

template <int WindowBits>
Status inflate_setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  auto t = named(o, k, &inflate_all);
  t.a = 1024;
  t.b = static_cast<std::uint64_t>(WindowBits);
  if (!o.value.empty()) {
    // `max-size 2048` as well as `max-size=2KiB`.
    const auto name = o.value.substr(0, std::min(o.value.find_first_of("= \t"), o.value.size()));
    auto size = trim(o.value.substr(name.size()));
    if (size.starts_with('=')) size.remove_prefix(1);
    const auto n = parse_number_test(size, 16U << 20);
    if (name != "max-size" || !n || n->lo != n->hi || n->negate || n->lo == 0)
      return bad("takes max-size and a number of octets up to 16 MiB");
    t.a = n->lo;
  }
  return b.add_transform(std::move(t));
}

Status subslice_setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  const auto parts = split_list(o.value);
  if (parts.empty() || parts.size() > 2) return bad("needs offset and at most a length");
  auto t = named(o, k, &subslice);
  const auto from = parse_integer(parts[0]);
  if (!from || *from < -65535 || *from > 65535) return bad("offset is -65535 to 65535");
  t.a = static_cast<std::uint64_t>(*from);
  t.b = static_cast<std::uint64_t>(INT64_MAX);
  if (parts.size() == 2) {
    const auto n = parse_integer(parts[1]);
    if (!n || *n == 0 || *n < -65535 || *n > 65535)
      return bad("length is -65535 to 65535 and not 0");
    t.b = static_cast<std::uint64_t>(*n);
  }
  return b.add_transform(std::move(t));
}

using V = Keyword::Value;
constexpr const char* g = "transform";
const KeywordRegistration registration{{
    {.name = "dotprefix",
     .group = g,
     .summary = "puts a dot before the buffer, to match whole domain labels",
     .example = "dns.query; dotprefix; content:\".example.org\"; endswith;",
     .value = V::none,
     .setup = &plain<&dotprefix>},
    {.name = "to_md5",
     .group = g,
     .summary = "MD5 of the buffer, 16 octets",
     .example = "http.uri; to_md5; content:\"|00 11|\";",
     .value = V::none,
     .setup = &plain<&hash<&EVP_md5>>},
    {.name = "to_sha1",
     .group = g,
     .summary = "SHA-1 of the buffer, 20 octets",
     .example = "http.uri; to_sha1; content:\"|00 11|\";",
     .value = V::none,
     .setup = &plain<&hash<&EVP_sha1>>},
    {.name = "to_sha256",
     .group = g,
     .summary = "SHA-256 of the buffer, 32 octets",
     .example = "http.uri; to_sha256; content:\"|00 11|\";",
     .value = V::none,
     .setup = &plain<&hash<&EVP_sha256>>},
    {.name = "strip_whitespace",
     .group = g,
     .summary = "takes all white space away",
     .example = "file.data; strip_whitespace; content:\"window.navigate(\";",
     .value = V::none,
     .setup = &plain<&strip_whitespace, &no_white_space>},
    {.name = "compress_whitespace",
     .group = g,
     .summary = "makes runs of white space one",
     .example = "file.data; compress_whitespace; content:\"window.navigate (\";",
     .value = V::none,
     .setup = &plain<&compress_whitespace, &no_two_blanks>},
    {.name = "strip_pseudo_headers",
     .group = g,
     .summary = "takes HTTP/2 pseudo headers away",
     .example = "http.header.raw; strip_pseudo_headers; content:\"user-agent\";",
     .value = V::none,
     .setup = &plain<&strip_pseudo_headers>},
    {.name = "header_lowercase",
     .group = g,
     .summary = "makes header names lower case",
     .example = "http.header_names; header_lowercase; content:\"|0d 0a|host|0d 0a|\";",
     .value = V::none,
     .setup = &plain<&header_lowercase>},
    {.name = "to_lowercase",
     .group = g,
     .summary = "makes letters lower case",
     .example = "http.uri; to_lowercase; content:\"/admin\";",
     .value = V::none,
     .setup = &plain<&to_lower_case, &no_capital>},
    {.name = "to_uppercase",
     .group = g,
     .summary = "makes letters upper case",
     .example = "http.uri; to_uppercase; content:\"/ADMIN\";",
     .value = V::none,
     .setup = &plain<&to_upper_case, &no_small>},
    {.name = "url_decode",
     .group = g,
     .summary = "decodes %XX and +",
     .example = "http.request_body; url_decode; content:\"<script\";",
     .value = V::none,
     .setup = &plain<&url_decode>},
    {.name = "xor",
     .group = g,
     .summary = "exclusive or with a key in hexadecimal",
     .example = "http.uri; xor:\"0d0ac8ff\"; content:\"abc\";",
     .setup = &xor_setup},
    {.name = "pcrexform",
     .group = g,
     .summary = "the first capture group of an expression; the whole buffer when it does not match",
     .example = "http.request_line; pcrexform:\"[a-zA-Z]+\\s+(.*)\\s+HTTP\"; content:\"/login\";",
     .setup = &pcrexform_setup},
    {.name = "from_base64",
     .group = g,
     .summary = "decodes base64: bytes, offset, mode",
     .example = "http.uri; from_base64:offset 6; content:\"admin\";",
     .value = V::optional,
     .setup = &base64_setup},
    {.name = "gunzip",
     .group = g,
     .summary = "decompresses gzip, up to max-size",
     .example = "http.request_body; gunzip:max-size=2KiB; content:\"abc\";",
     .value = V::optional,
     .setup = &inflate_setup<15 + 16>},
    {.name = "zlib_deflate",
     .group = g,
     .summary = "decompresses zlib, up to max-size",
     .example = "http.request_body; zlib_deflate; content:\"abc\";",
     .value = V::optional,
     .setup = &inflate_setup<15>},
    {.name = "domain",
     .group = g,
     .summary = "the registrable domain of a host name",
     .example = "dns.query; domain; content:\"example.org\";",
     .notes = "by the Public Suffix List; has no data when the name is a public suffix itself",
     .value = V::none,
     .setup = &suffix_setup<&psl_registrable_domain>},
    {.name = "tld",
     .group = g,
     .summary = "the public suffix of a host name",
     .example = "dns.query; tld; content:\"org\";",
     .notes = "by the Public Suffix List: co.uk as well as org",
     .value = V::none,
     .setup = &suffix_setup<&psl_unregistrable_domain>},
    {.name = "subslice",
     .group = g,
     .summary = "a part of the buffer: offset, length; negative counts from the end",
     .example = "http.uri; subslice:1,4; content:\"adm\";",
     .setup = &subslice_setup},
    {.name = "luaxform",
     .group = g,
     .summary = "transforms with a Lua script",
     .refused = "Wardwatch runs no scripts from rules"},
}};

}  // namespace
}  // namespace ww::sig
