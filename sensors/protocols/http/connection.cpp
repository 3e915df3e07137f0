#include "sensors/protocols/http/connection.hpp"

#include <htp/htp.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "sensors/protocols/http/events.hpp"

namespace ww::sensor::http {
namespace {

constexpr std::size_t reported_messages = 512;   // more are one event, as in Suricata
constexpr std::size_t max_messages = 16 * 1024;  // libhtp keeps every one of them in memory
constexpr std::size_t max_raw_headers = 256 * 1024;
constexpr std::size_t max_file_name = UINT16_MAX;
constexpr std::size_t chunk_line =
    256;  // octets before a chunk in which its size line is looked for
constexpr std::size_t junk_after_0_9 = 16;  // octets of blank that may follow an HTTP/0.9 request

std::string_view text(const bstr* b) {
  return b == nullptr ? std::string_view()
                      : std::string_view(reinterpret_cast<const char*>(bstr_ptr(b)), bstr_len(b));
}

struct Names {
  sig::EventId invalid_te = event("invalid_transfer_encoding_value_in_request");
  sig::EventId invalid_cl = event("invalid_content_length_field_in_request");
  sig::EventId no_host = event("missing_host_header");
  sig::EventId ambiguous_host = event("host_header_ambiguous");
  sig::EventId uri_host = event("request_uri_host_invalid");
  sig::EventId header_host = event("request_header_host_invalid");
  sig::EventId auth = event("request_auth_unrecognized");
  sig::EventId line = event("request_line_invalid");
  sig::EventId request_repetition = event("request_header_repetition");
  sig::EventId response_repetition = event("response_header_repetition");
  sig::EventId double_encoded = event("double_encoded_uri");
  sig::EventId warnings = event("too_many_warnings");
  sig::EventId name_too_long = event("file_name_too_long");
  sig::EventId no_protocol = event("request_line_missing_protocol");
  sig::EventId continued_twice = event("100_continue_already_seen");
  sig::EventId chunk_extension[2] = {event("request_chunk_extension"),
                                     event("response_chunk_extension")};  // by Dir
};
const Names& ids() {
  static const Names n;
  return n;
}

}  // namespace

struct Connection::Impl {
  const ServerConfig& config;
  ConnectionSink& sink;
  htp_connp_t* parser = nullptr;
  std::size_t messages = 0;
  bool closed[2] = {false, false};
  bool failed = false;
  Bytes feeding[2];  // what a side is being fed, by Dir
  bool cut = false;  // the connection ended before all was read
  /// How a chunked body is cut. libhtp hands on what is in the chunks and says nothing of the lines
  /// between them.
  struct Chunks {
    bool on = false;
    std::uint64_t left = 0;  // octets of the current chunk to come
    std::string tail;        // the last octets of what was fed before
  };
  Chunks chunks[2];  // by Dir

  Impl(const ServerConfig& c, ConnectionSink& s, std::uint16_t client_port,
       std::uint16_t server_port)
      : config(c), sink(s), parser(htp_connp_create(c.htp.get())) {
    htp_connp_set_user_data(parser, this);
    htp_connp_open(parser, nullptr, client_port, nullptr, server_port, nullptr);
  }
  ~Impl() { htp_connp_destroy_all(parser); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  static Impl& of(const htp_connp_t* p) { return *static_cast<Impl*>(htp_connp_get_user_data(p)); }
  /// libhtp's transactions carry the id of ours plus one: ours may be gone while libhtp still works
  /// on its own.
  static HttpTransaction* of(const htp_tx_t* tx) {
    const auto tag = reinterpret_cast<std::uintptr_t>(htp_tx_get_user_data(tx));
    return tag == 0 ? nullptr : of(tx->connp).sink.find_transaction(tag - 1);
  }

  /// The transaction of a libhtp transaction, made when this is its first sign.
  HttpTransaction* adopt(htp_tx_t* tx) {
    if (htp_tx_get_user_data(tx) != nullptr) return of(tx);
    auto* made = sink.on_transaction();
    if (made == nullptr) return nullptr;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a number, never followed
    htp_tx_set_user_data(tx, reinterpret_cast<void*>(static_cast<std::uintptr_t>(made->id) + 1));
    return made;
  }

  void request_flags(htp_tx_t* tx, HttpTransaction& out) {
    const auto on = [&](std::uint64_t bit, sig::EventId e) {
      if ((tx->flags & bit) != 0) sink.on_event(&out, e);
    };
    on(HTP_REQUEST_INVALID_T_E, ids().invalid_te);
    on(HTP_REQUEST_INVALID_C_L, ids().invalid_cl);
    on(HTP_HOST_MISSING, ids().no_host);
    on(HTP_HOST_AMBIGUOUS, ids().ambiguous_host);
    on(HTP_HOSTU_INVALID, ids().uri_host);
    on(HTP_HOSTH_INVALID, ids().header_host);
    if (tx->request_auth_type == HTP_AUTH_UNRECOGNIZED && !bearer(out))
      sink.on_event(&out, ids().auth);
    if (tx->is_protocol_0_9 != 0 && tx->request_method_number == HTP_M_UNKNOWN &&
        (tx->request_protocol_number == HTP_PROTOCOL_INVALID ||
         tx->request_protocol_number == HTP_PROTOCOL_UNKNOWN))
      sink.on_event(&out, ids().line);
  }

  /// Bearer tokens (RFC 6750) are newer than libhtp's list of schemes.
  static bool bearer(const HttpTransaction& out) {
    const auto value = out.request().headers.find("authorization");
    return value && value->size() > 6 && same_text(value->substr(0, 6), "bearer");
  }

  void double_decode(bstr* part, htp_tx_t* tx, HttpTransaction& out) {
    if (part == nullptr) return;
    std::uint64_t flags = 0;
    const auto before = bstr_len(part);
    if (htp_urldecode_inplace(tx->cfg, HTP_DECODER_URLENCODED, part, &flags) == HTP_OK &&
        bstr_len(part) < before)
      sink.on_event(&out, ids().double_encoded);
  }

  /// Path, query and fragment as one text, the query decoded; scheme to port before them when asked
  /// for.
  std::string normalised(htp_tx_t* tx) const {
    std::string out;
    const auto* u = tx->parsed_uri;
    if (config.whole_target) {
      if (u->scheme != nullptr) out.append(text(u->scheme)).append("://");
      if (u->username != nullptr || u->password != nullptr)
        out.append(text(u->username)).append(":").append(text(u->password)).append("@");
      out.append(text(u->hostname));
      if (u->port != nullptr) out.append(":").append(text(u->port));
    }
    out.append(text(u->path));
    if (u->query != nullptr) {
      bstr* query = bstr_dup(u->query);
      if (query != nullptr) {
        std::uint64_t flags = 0;
        htp_urldecode_inplace(tx->cfg, HTP_DECODER_URLENCODED, query, &flags);
        out.append("?").append(text(query));
        bstr_free(query);
      }
    }
    if (u->fragment != nullptr) out.append("#").append(text(u->fragment));
    return out;
  }

  /// A request line without a protocol is HTTP/0.9 only when nothing but a little blank follows;
  /// else the protocol was left out and header fields may come.
  void refuse_0_9(htp_tx_t* tx, HttpTransaction& out) {
    if (tx->is_protocol_0_9 == 0 || feeding[0].empty()) return;
    const auto rest = unread(Dir::to_server);
    const bool blank = std::all_of(rest.begin(), rest.end(), [](std::uint8_t c) {
      return c == ' ' || (c >= '\t' && c <= '\r');
    });
    if (blank && rest.size() <= junk_after_0_9) return;
    tx->is_protocol_0_9 = 0;
    sink.on_event(&out, ids().no_protocol);
  }

  void request_line(htp_tx_t* tx, HttpTransaction& out) {
    refuse_0_9(tx, out);
    auto& m = out.request();
    m.line = text(tx->request_line);
    m.protocol = text(tx->request_protocol);
    m.line_done = true;
    out.method = text(tx->request_method);
    out.uri_raw = text(tx->request_uri);
    out.has_uri = tx->request_uri != nullptr;
    out.version_0_9 = tx->is_protocol_0_9 != 0;
    if (tx->parsed_uri != nullptr) {
      if (config.double_decode_query) double_decode(tx->parsed_uri->query, tx, out);
      if (config.double_decode_path) double_decode(tx->parsed_uri->path, tx, out);
      out.uri = normalised(tx);
      out.path = text(tx->parsed_uri->path);
      if (out.path.size() > max_file_name) {
        out.path.resize(max_file_name);
        sink.on_event(&out, ids().name_too_long);
      }
    }
    host(tx, out);
    request_flags(tx, out);
  }

  static void host(htp_tx_t* tx, HttpTransaction& out) {
    if (tx->request_hostname != nullptr) {
      out.host = lower_text(text(tx->request_hostname));
      out.has_host = true;
    } else if (tx->parsed_uri != nullptr && tx->parsed_uri->hostname != nullptr) {
      out.host = lower_text(text(tx->parsed_uri->hostname));
      out.has_host = true;
    }
    if (tx->request_port_number > 0) out.port = static_cast<std::uint16_t>(tx->request_port_number);
    if (tx->parsed_uri != nullptr && tx->parsed_uri->hostname != nullptr) {
      out.host_raw = text(tx->parsed_uri->hostname);
      out.has_host_raw = true;
    } else if (const auto h = out.request().headers.find("host")) {
      out.host_raw = *h;
      out.has_host_raw = true;
    }
  }

  static bool copy(const htp_table_t* from, Headers& to) {
    to.clear();
    bool repeated = false;
    for (std::size_t i = 0, n = htp_table_size(from); i < n; ++i) {
      const auto* h = static_cast<const htp_header_t*>(htp_table_get_index(from, i, nullptr));
      if (h == nullptr) continue;
      to.add(text(h->name), text(h->value));
      repeated = repeated || (h->flags & HTP_FIELD_REPEATED) != 0;
    }
    return repeated;
  }

  void request_headers(htp_tx_t* tx, HttpTransaction& out) {
    if (copy(tx->request_headers, out.request().headers))
      sink.on_event(&out, ids().request_repetition);
    host(tx, out);
    out.request().headers_done = true;
    chunks[0] = {tx->request_transfer_coding == HTP_CODING_CHUNKED, 0, {}};
    request_flags(tx, out);
  }

  void response_line(htp_tx_t* tx, HttpTransaction& out) {
    if (tx->seen_100continue != 0 && tx->response_status_number == 100) {
      // libhtp gives up at a second interim response; servers send several.
      sink.on_event(&out, ids().continued_twice);
      tx->seen_100continue = 0;
    }
    auto& m = out.response();
    m.line = text(tx->response_line);
    m.protocol = text(tx->response_protocol);
    m.line_done = tx->response_line != nullptr;
    out.status = text(tx->response_status);
    out.has_status = tx->response_status != nullptr;
    out.status_message = text(tx->response_message);
    out.status_code = tx->response_status_number > 0 ? tx->response_status_number : 0;
  }

  void response_headers(htp_tx_t* tx, HttpTransaction& out) {
    if (copy(tx->response_headers, out.response().headers))
      sink.on_event(&out, ids().response_repetition);
    out.response().headers_done = true;
    chunks[1] = {tx->response_transfer_coding == HTP_CODING_CHUNKED, 0, {}};
  }

  static void append_raw(htp_tx_data_t* d, Dir dir) {
    auto* out = of(d->tx);
    if (out == nullptr || d->data == nullptr || d->len == 0) return;
    auto& raw = out->of(dir).raw_headers;
    const auto room = max_raw_headers - std::min(max_raw_headers, raw.size());
    raw.append(reinterpret_cast<const char*>(d->data), std::min(room, d->len));
  }

  /// What libhtp has not yet read of what a side is being fed.
  Bytes unread(Dir dir) const {
    const auto fed = feeding[sig::index(dir)];
    const auto read = dir == Dir::to_server ? htp_connp_req_data_consumed(parser)
                                            : htp_connp_res_data_consumed(parser);
    return fed.subspan(std::min(fed.size(), read));
  }

  /// A line where a status line should stand is a body, as browsers have it; but not one with next
  /// to nothing in it, nor one that a status line seems to follow, nor one whose end was not read.
  bool stray_line(const htp_tx_data_t* d) const {
    if (d->tx->response_progress > HTP_RESPONSE_LINE) return false;
    if (feeding[sig::index(Dir::to_client)].empty()) return cut;  // the connection ended in it
    const auto rest = unread(Dir::to_client);
    if (rest.size() < 2) return false;
    const std::string_view line(reinterpret_cast<const char*>(d->data), d->len);
    return rest[0] == 'H' || line.find_last_not_of("\r\n") + 1 <= 2;
  }

  /// The line before a chunk: its size, and what may stand behind it (RFC 9112 section 7.1.1).
  void read_chunk_line(const htp_tx_data_t* d, Dir dir, HttpTransaction& out) {
    const auto i = sig::index(dir);
    auto& c = chunks[i];
    if (c.left == 0) {
      const auto fed = feeding[i];
      const std::less_equal<> not_behind;
      if (!not_behind(fed.data(), d->data) || !not_behind(d->data, fed.data() + fed.size())) return;
      const auto before = as_text(fed.first(static_cast<std::size_t>(d->data - fed.data())));
      auto line =
          c.tail + std::string(before.substr(before.size() - std::min(before.size(), chunk_line)));
      line.resize(line.find_last_not_of("\r\n") + 1);
      line.erase(0, line.rfind('\n') + 1);
      line.erase(0, line.find_first_not_of(" \t\r\v\f"));
      if (line.find(';') != std::string::npos) sink.on_event(&out, ids().chunk_extension[i]);
      std::from_chars(line.data(), line.data() + line.size(), c.left, 16);
    }
    c.left -= std::min<std::uint64_t>(c.left, d->len);
  }

  void keep_chunk_tail(Dir dir) {
    auto& c = chunks[sig::index(dir)];
    if (!c.on) return;
    const auto fed = as_text(feeding[sig::index(dir)]);
    c.tail.append(fed.substr(fed.size() - std::min(fed.size(), chunk_line)));
    if (c.tail.size() > chunk_line) c.tail.erase(0, c.tail.size() - chunk_line);
  }

  void body(htp_tx_data_t* d, Dir dir) {
    auto* out = of(d->tx);
    if (out == nullptr || d->len == 0) return;
    if (d->data == nullptr)
      chunks[sig::index(dir)].on = false;
    else if (chunks[sig::index(dir)].on)
      read_chunk_line(d, dir, *out);
    if (dir == Dir::to_client && d->data != nullptr && stray_line(d)) {
      out->response().stray_octets += d->len;
      return;
    }
    if (d->data == nullptr)
      sink.on_body_gap(*out, dir, d->len);
    else
      sink.on_body(*out, dir, Bytes(d->data, d->len));
  }

  void message(const htp_log_t* log) {
    if (++messages > reported_messages) {
      if (messages == reported_messages + 1) sink.on_event(nullptr, ids().warnings);
      if (messages > max_messages) failed = true;
      return;
    }
    const auto e = event_of_message(log->msg);
    if (e != sig::EventId{}) sink.on_event(log->tx == nullptr ? nullptr : of(log->tx), e);
  }

  Status status(int rc) const {
    if (failed || rc == HTP_STREAM_ERROR) return Status::error;
    return rc == HTP_STREAM_TUNNEL ? Status::tunnel : Status::ok;
  }

  int input(Dir dir, const std::uint8_t* data, std::size_t size, Timestamp time) {
    const htp_time_t when{static_cast<time_t>(time.seconds()),
                          static_cast<suseconds_t>(time.us - time.seconds() * 1'000'000)};
    auto& fed = feeding[sig::index(dir)];
    fed = data == nullptr ? Bytes() : Bytes(data, size);
    const int rc = dir == Dir::to_server ? htp_connp_req_data(parser, &when, data, size)
                                         : htp_connp_res_data(parser, &when, data, size);
    keep_chunk_tail(dir);
    fed = {};
    return rc;
  }
};

namespace {

using Impl = Connection::Impl;

int request_start(htp_tx_t* tx) {
  auto& c = Impl::of(tx->connp);
  auto* out = c.adopt(tx);
  if (out == nullptr) {
    // An error returned from here would be ignored, and the start be tried again for ever: the
    // next callback returns it.
    c.failed = c.failed || htp_tx_get_user_data(tx) == nullptr;
    return HTP_OK;
  }
  c.sink.on_start(*out, Dir::to_server);
  return HTP_OK;
}
int response_start(htp_tx_t* tx) {
  auto& c = Impl::of(tx->connp);
  auto* out = c.adopt(tx);
  if (out == nullptr) return htp_tx_get_user_data(tx) != nullptr ? HTP_OK : HTP_ERROR;
  if (!out->request().line_done && tx->request_uri != nullptr)
    c.request_line(tx, *out);  // no request was seen
  c.sink.on_start(*out, Dir::to_client);
  return HTP_OK;
}

template <auto copy_out, auto tell, Dir dir>
int step(htp_tx_t* tx) {
  auto* out = Impl::of(tx);
  auto& c = Impl::of(tx->connp);
  if (out == nullptr) return c.failed ? HTP_ERROR : HTP_OK;
  copy_out(c, tx, *out);
  (c.sink.*tell)(*out, dir);
  return HTP_OK;
}

void keep_request_line(Impl& c, htp_tx_t* tx, HttpTransaction& out) { c.request_line(tx, out); }
void keep_request_headers(Impl& c, htp_tx_t* tx, HttpTransaction& out) {
  c.request_headers(tx, out);
}
void keep_response_line(Impl& c, htp_tx_t* tx, HttpTransaction& out) { c.response_line(tx, out); }
void keep_response_headers(Impl& c, htp_tx_t* tx, HttpTransaction& out) {
  c.response_headers(tx, out);
}
/// Body octets as sent, by libhtp's count.
void keep_length(const htp_tx_t* tx, HttpTransaction& out, Dir dir) {
  auto& m = out.of(dir);
  const auto length = dir == Dir::to_server ? tx->request_message_len : tx->response_message_len;
  const auto octets = static_cast<std::uint64_t>(std::max<std::int64_t>(0, length));
  m.wire_octets = octets - std::min(octets, m.stray_octets);
}
void keep_request_end(Impl& c, htp_tx_t* tx, HttpTransaction& out) {
  c.request_flags(tx, out);
  c.chunks[0] = {};
  keep_length(tx, out, Dir::to_server);
}
void keep_response_end(Impl& c, htp_tx_t* tx, HttpTransaction& out) {
  c.chunks[1] = {};
  keep_length(tx, out, Dir::to_client);
}

template <Dir dir>
int raw_headers(htp_tx_data_t* d) {
  Impl::append_raw(d, dir);
  return HTP_OK;
}
template <Dir dir>
int body_data(htp_tx_data_t* d) {
  Impl::of(d->tx->connp).body(d, dir);
  if (auto* out = Impl::of(d->tx)) keep_length(d->tx, *out, dir);
  return HTP_OK;
}
int log_message(htp_log_t* log) {
  Impl::of(log->connp).message(log);
  return HTP_OK;
}

}  // namespace

void register_callbacks(htp_cfg_t* cfg) {
  constexpr auto up = Dir::to_server, down = Dir::to_client;
  using S = ConnectionSink;
  htp_config_register_log(cfg, log_message);
  htp_config_register_request_start(cfg, request_start);
  htp_config_register_request_line(cfg, step<keep_request_line, &S::on_line, up>);
  htp_config_register_request_header_data(cfg, raw_headers<up>);
  htp_config_register_request_headers(cfg, step<keep_request_headers, &S::on_headers, up>);
  htp_config_register_request_body_data(cfg, body_data<up>);
  htp_config_register_request_trailer_data(cfg, raw_headers<up>);
  htp_config_register_request_trailer(cfg, step<keep_request_headers, &S::on_trailer, up>);
  htp_config_register_request_complete(cfg, step<keep_request_end, &S::on_complete, up>);
  htp_config_register_response_start(cfg, response_start);
  htp_config_register_response_line(cfg, step<keep_response_line, &S::on_line, down>);
  htp_config_register_response_header_data(cfg, raw_headers<down>);
  htp_config_register_response_headers(cfg, step<keep_response_headers, &S::on_headers, down>);
  htp_config_register_response_body_data(cfg, body_data<down>);
  htp_config_register_response_trailer_data(cfg, raw_headers<down>);
  htp_config_register_response_trailer(cfg, step<keep_response_headers, &S::on_trailer, down>);
  htp_config_register_response_complete(cfg, step<keep_response_end, &S::on_complete, down>);
}

Connection::Connection(const ServerConfig& config, ConnectionSink& sink, std::uint16_t client_port,
                       std::uint16_t server_port)
    : impl_(std::make_unique<Impl>(config, sink, client_port, server_port)) {}
Connection::~Connection() = default;

Connection::Status Connection::feed(Dir dir, Bytes data, Timestamp time) {
  if (impl_->failed) return Status::error;
  if (data.empty()) return Status::ok;
  const int rc = impl_->input(dir, data.data(), data.size(), time);
  const auto s = impl_->status(rc);
  impl_->failed = s == Status::error;
  return s;
}

Connection::Status Connection::gap(Dir dir, std::uint64_t octets, Timestamp time) {
  constexpr std::uint64_t most = 1 << 30;
  while (octets != 0 && !impl_->failed) {
    const auto part = std::min(octets, most);
    octets -= part;
    impl_->failed = impl_->status(impl_->input(dir, nullptr, part, time)) == Status::error;
  }
  return impl_->failed ? Status::error : Status::ok;
}

void Connection::end(Dir dir, Timestamp time, bool cut) {
  if (impl_->closed[sig::index(dir)]) return;
  impl_->closed[sig::index(dir)] = true;
  impl_->cut |= cut;
  const htp_time_t when{static_cast<time_t>(time.seconds()), 0};
  if (dir == Dir::to_server)
    htp_connp_req_close(impl_->parser, &when);
  else
    htp_connp_close(impl_->parser, &when);
}

std::size_t Connection::consumed(Dir dir) const {
  return dir == Dir::to_server ? htp_connp_req_data_consumed(impl_->parser)
                               : htp_connp_res_data_consumed(impl_->parser);
}

}  // namespace ww::sensor::http
