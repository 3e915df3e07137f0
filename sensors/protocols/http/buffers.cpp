#include "sensors/protocols/http/buffers.hpp"

#include "sensors/protocols/http/http.hpp"

namespace ww::sensor::http {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;
using sig::Transaction;

const HttpTransaction& http(const Transaction& tx) {
  return static_cast<const HttpTransaction&>(tx);
}

/// A value that is settled once the direction is past a stage.
BufferStatus settled(bool present, std::string_view value, bool past, BufferSlice& out) {
  if (present) {
    out.data = as_bytes(value);
    out.offset = 0;
    return BufferStatus::ready;
  }
  return past ? BufferStatus::absent : BufferStatus::not_ready;
}

bool past_line(const Transaction& tx, Dir d) {
  return tx.progress[sig::index(d)] > in_line || tx.complete[sig::index(d)];
}
bool past_headers(const Transaction& tx, Dir d) {
  return http(tx).of(d).headers_done || tx.complete[sig::index(d)];
}

template <auto member, auto has>
BufferStatus request_value(const Transaction& tx, Dir, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& t = http(tx);
  return settled(t.*has, t.*member, past_line(tx, Dir::to_server), out);
}

template <auto member>
BufferStatus request_text(const Transaction& tx, Dir, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& value = http(tx).*member;
  return settled(!value.empty(), value, past_line(tx, Dir::to_server), out);
}

/// The host may come from the Host field, which follows the line.
template <auto member, auto has>
BufferStatus host_value(const Transaction& tx, Dir, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& t = http(tx);
  if (!past_headers(tx, Dir::to_server)) return BufferStatus::not_ready;
  return settled(t.*has, t.*member, true, out);
}

template <auto member>
BufferStatus response_text(const Transaction& tx, Dir, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& value = http(tx).*member;
  return settled(!value.empty(), value, past_line(tx, Dir::to_client), out);
}

template <auto member>
BufferStatus line_text(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& value = http(tx).of(d).*member;
  return settled(!value.empty(), value, past_line(tx, d), out);
}

struct FieldName {
  char text[32];
  constexpr FieldName(const char* s) : text{} {  // NOLINT: lets a literal be a template argument
    for (std::size_t i = 0; s[i] != 0; ++i) text[i] = s[i];
  }
};
template <FieldName name>
BufferStatus field(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  if (!past_headers(tx, d)) return BufferStatus::not_ready;
  const auto value = http(tx).of(d).headers.find(name.text);
  return settled(value.has_value(), value.value_or(std::string_view()), true, out);
}

bool is_cookie(std::string_view name, Dir d) {
  return same_text(name, d == Dir::to_server ? "cookie" : "set-cookie");
}

void join(const Headers& headers, Dir d, bool with_cookies, std::string& out) {
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto f = headers.at(i);
    if (!with_cookies && is_cookie(f.name, d)) continue;
    out.append(f.name).append(": ").append(f.value).append("\r\n");
  }
}

/// All fields but cookies, a line each.
BufferStatus header_text(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& m = http(tx).of(d);
  if (!past_headers(tx, d)) return BufferStatus::not_ready;
  if (m.header_text_from != m.headers.size()) {
    m.header_text.clear();
    join(m.headers, d, false, m.header_text);
    m.header_text_from = m.headers.size();
  }
  return settled(!m.header_text.empty(), m.header_text, true, out);
}

/// "\r\nHost\r\nUser-Agent\r\n\r\n"
BufferStatus header_names(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& m = http(tx).of(d);
  if (!past_headers(tx, d)) return BufferStatus::not_ready;
  if (m.headers.empty()) return BufferStatus::absent;
  if (m.header_names_from != m.headers.size()) {
    m.header_names = "\r\n";
    for (std::size_t i = 0; i < m.headers.size(); ++i)
      m.header_names.append(m.headers.at(i).name).append("\r\n");
    m.header_names += "\r\n";
    m.header_names_from = m.headers.size();
  }
  return settled(true, m.header_names, true, out);
}

/// The line and all fields up to the empty line.
BufferStatus start_text(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& m = http(tx).of(d);
  if (!past_headers(tx, d)) return BufferStatus::not_ready;
  if (m.line.empty()) return BufferStatus::absent;
  if (m.start_text_from != m.headers.size()) {
    m.start_text = m.line;
    m.start_text += "\r\n";
    join(m.headers, d, true, m.start_text);
    m.start_text += "\r\n";
    m.start_text_from = m.headers.size();
  }
  return settled(true, m.start_text, true, out);
}

BufferStatus raw_headers(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& m = http(tx).of(d);
  if (!past_headers(tx, d)) return BufferStatus::not_ready;
  return settled(!m.raw_headers.empty(), m.raw_headers, true, out);
}

/// One field a time, "Name: value".
BufferStatus each_header(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  const auto& m = http(tx).of(d);
  if (!past_headers(tx, d)) return BufferStatus::not_ready;
  if (index >= m.headers.size()) return BufferStatus::absent;
  const auto f = m.headers.at(index);
  m.one_field.assign(f.name).append(": ").append(f.value);
  out.data = as_bytes(m.one_field);
  out.offset = 0;
  return BufferStatus::ready;
}

/// What is held of a body: not before there is enough of it, or all.
BufferStatus body(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  if (index != 0) return BufferStatus::absent;
  const auto& t = http(tx);
  const auto& m = t.of(d);
  const bool whole = tx.complete[sig::index(d)] || m.body_cut;
  if (m.body_octets == 0) return whole ? BufferStatus::absent : BufferStatus::not_ready;
  if (!whole && m.body_octets < t.min_inspect[sig::index(d)]) return BufferStatus::not_ready;
  out.data = m.body_data();
  out.offset = m.body_offset();
  return whole ? BufferStatus::ready : BufferStatus::partial;
}

BufferStatus uri_length(const Transaction& tx, Dir, std::uint32_t index, std::uint64_t& out) {
  const auto& t = http(tx);
  if (index != 0 || !t.has_uri)
    return past_line(tx, Dir::to_server) ? BufferStatus::absent : BufferStatus::not_ready;
  out = t.uri.size();
  return BufferStatus::ready;
}
BufferStatus raw_uri_length(const Transaction& tx, Dir, std::uint32_t index, std::uint64_t& out) {
  const auto& t = http(tx);
  if (index != 0 || !t.has_uri)
    return past_line(tx, Dir::to_server) ? BufferStatus::absent : BufferStatus::not_ready;
  out = t.uri_raw.size();
  return BufferStatus::ready;
}

constexpr auto up = Dir::to_server, down = Dir::to_client;

}  // namespace

sig::ProtocolBuffers http_buffers() {
  sig::ProtocolBuffers b;
  using T = HttpTransaction;
  const auto add = [&](std::string_view name, Dir d, sig::BufferGetter get) {
    b.buffers.push_back({sig::buffers().intern(name), d, get, false});
  };
  const auto both = [&](std::string_view name, sig::BufferGetter get) {
    add(name, up, get);
    add(name, down, get);
  };
  add("http.uri", up, request_text<&T::uri>);
  add("http.uri.raw", up, request_value<&T::uri_raw, &T::has_uri>);
  add("http.method", up, request_text<&T::method>);
  add("http.host", up, host_value<&T::host, &T::has_host>);
  add("http.host.raw", up, host_value<&T::host_raw, &T::has_host_raw>);
  add("http.request_line", up, line_text<&Message::line>);
  add("http.response_line", down, line_text<&Message::line>);
  both("http.protocol", line_text<&Message::protocol>);
  add("http.stat_code", down, response_text<&T::status>);
  add("http.stat_msg", down, response_text<&T::status_message>);
  both("http.header", header_text);
  both("http.header.raw", raw_headers);
  both("http.header_names", header_names);
  both("http.start", start_text);
  add("http.request_header", up, each_header);
  add("http.response_header", down, each_header);
  add("http.cookie", up, field<"cookie">);
  add("http.cookie", down, field<"set-cookie">);
  add("http.user_agent", up, field<"user-agent">);
  add("http.accept", up, field<"accept">);
  add("http.accept_enc", up, field<"accept-encoding">);
  add("http.accept_lang", up, field<"accept-language">);
  add("http.referer", up, field<"referer">);
  both("http.connection", field<"connection">);
  both("http.content_len", field<"content-length">);
  both("http.content_type", field<"content-type">);
  add("http.server", down, field<"server">);
  add("http.location", down, field<"location">);
  add("http.request_body", up, body);
  add("http.response_body", down, body);
  for (const auto d : {up, down})
    b.buffers.push_back({sig::buffers().intern("file.data"), d, nullptr, true});
  b.numbers.push_back({sig::numbers().intern("urilen"), up, uri_length});
  b.numbers.push_back({sig::numbers().intern("urilen.raw"), up, raw_uri_length});
  return b;
}

}  // namespace ww::sensor::http
