#include "sensors/protocols/http2/http2.hpp"

#include <algorithm>

#include "sensors/files/file_store.hpp"

namespace ww::sensor::http2 {
namespace {

constexpr std::string_view client_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t head_octets = 9;
constexpr std::uint8_t end_stream_flag = 1, end_headers_flag = 4, padded_flag = 8,
                       priority_flag = 0x20;

constexpr std::uint64_t longest_dns = 65535;
constexpr std::string_view dns_type = "application/dns-message";

sig::FrameType frame_type(std::string_view name) {
  return sig::frame_types().intern("http2." + std::string(name));
}

/// base64url without padding (RFC 4648 section 5), as HTTP2-Settings is written.
std::vector<std::uint8_t> base64url(std::string_view text) {
  std::vector<std::uint8_t> out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    std::uint32_t v = 0;
    if (c >= 'A' && c <= 'Z')
      v = static_cast<std::uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      v = static_cast<std::uint32_t>(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      v = static_cast<std::uint32_t>(c - '0') + 52;
    else if (c == '-' || c == '+')
      v = 62;
    else if (c == '_' || c == '/')
      v = 63;
    else
      break;
    bits = (bits << 6) | v;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  return out;
}

}  // namespace

Http2Parser::Http2Parser(std::shared_ptr<const http::Config> config, const Limits& limits)
    : config_(std::move(config)), limits_(limits) {
  HpackLimits h;
  h.table = limits.table;
  for (auto& s : side_) s.hpack = HpackDecoder(h);
}
Http2Parser::~Http2Parser() = default;

ParseResult Http2Parser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  ctx_ = &ctx;
  if (server_ == nullptr) server_ = &config_->for_server(ctx.flow().dst);
  ctx.files().begin_batch();
  for (auto* t : transactions())
    for (const auto d : {Dir::to_server, Dir::to_client}) {
      auto& m = static_cast<HttpTransaction&>(*t).of(d);
      const auto& l = server_->body[sig::index(d)];
      if (m.body_octets >= l.inspect_min) m.body.trim(std::max(l.inspect_min, l.inspect_window));
    }
  if (!upgrade_taken_) take_upgrade();
  side_[sig::index(dir)].offset = input.offset;
  const bool ok = input.gap == 0 && run(dir, input.data);
  if (ok && input.end)
    for (auto* t : transactions())
      if (!t->complete[sig::index(dir)]) end_stream(dir, static_cast<HttpTransaction&>(*t));
  ctx_ = nullptr;
  return ok ? ParseResult::ok() : ParseResult::error();
}

bool Http2Parser::read_head(Bytes data, FrameHead& head) {
  ByteReader in(data);
  head.length = in.u24be();
  head.kind = in.u8();
  head.flags = in.u8();
  head.stream = in.u32be() & 0x7fffffffU;
  return in.ok();
}

/// The client starts with a fixed text (RFC 9113 section 3.4). A connection picked up later has
/// none.
bool Http2Parser::preface(Dir dir, Bytes& data) {
  auto& side = side_[sig::index(dir)];
  if (dir == Dir::to_client || side.preface_done) return side.preface_done = true;
  const auto need = client_preface.size() - side.held.size();
  const auto part = data.first(std::min(need, data.size()));
  side.held.insert(side.held.end(), part.begin(), part.end());
  const bool fits = client_preface.starts_with(as_text(Bytes(side.held)));
  if (fits && side.held.size() < client_preface.size()) {
    data = {};
    return false;
  }
  side.preface_done = true;
  if (fits) {
    side.held.clear();
    data = data.subspan(part.size());
  } else {
    data = data.subspan(part.size());  // what was taken stays held: it is the start of a frame
    event(nullptr, "invalid_client_magic");
  }
  return true;
}

bool Http2Parser::run(Dir dir, Bytes data) {
  auto& side = side_[sig::index(dir)];
  if (!preface(dir, data)) return true;
  const auto* const first = data.data();
  const auto base = side.offset;
  while (!data.empty() || side.held.size() >= head_octets) {
    if (side.skip != 0) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(side.skip, data.size()));
      side.skip -= n;
      data = data.subspan(n);
      if (data.empty()) break;
      continue;
    }
    if (side.data_left != 0 || side.data_stream != 0) {
      take_data(dir, data);
      if (side.data_left != 0) break;
      continue;
    }
    // A frame's head, then all of a frame that is not DATA, wherever packets end.
    FrameHead head;
    const auto fill = [&](std::size_t want) {
      const auto n = std::min(want - std::min(want, side.held.size()), data.size());
      side.held.insert(side.held.end(), data.begin(),
                       data.begin() + static_cast<std::ptrdiff_t>(n));
      data = data.subspan(n);
      return side.held.size() >= want;
    };
    if (!fill(head_octets)) break;
    read_head(side.held, head);
    if (side.held.size() == head_octets) {
      side.offset = base + static_cast<std::uint64_t>(data.data() - first);
      const auto at = side.offset >= head_octets ? side.offset - head_octets : 0;
      ctx_->add_frame(frame_type("pdu"), dir, at,
                      static_cast<std::int64_t>(head_octets + head.length));
    }
    if (head.kind == static_cast<std::uint8_t>(FrameKind::data)) {
      // Octets beyond the head can be held only when the preface was missing.
      std::vector<std::uint8_t> rest(side.held.begin() + head_octets, side.held.end());
      side.held.clear();
      begin_data(dir, head);
      Bytes early(rest);
      if (!early.empty() && side.data_left != 0) take_data(dir, early);
      side.held.assign(early.begin(), early.end());
      continue;
    }
    if (head.length > limits_.frame) {
      auto* tx = transaction(dir, head, 0);
      event(tx, "long_frame_data");
      side.skip =
          head.length - std::min<std::uint64_t>(head.length, side.held.size() - head_octets);
      side.held.clear();
      continue;
    }
    if (!fill(head_octets + head.length)) break;
    const std::vector<std::uint8_t> whole(
        side.held.begin(),
        side.held.begin() + static_cast<std::ptrdiff_t>(head_octets + head.length));
    side.held.erase(side.held.begin(),
                    side.held.begin() + static_cast<std::ptrdiff_t>(whole.size()));
    if (!frame(dir, head, Bytes(whole).subspan(head_octets))) return false;
  }
  return true;
}

void Http2Parser::begin_data(Dir dir, const FrameHead& head) {
  auto& side = side_[sig::index(dir)];
  auto* tx = transaction(dir, head, 0);
  if (head.stream == 0) event(tx, "data_stream_zero");
  if (head.length > side.max_frame) event(tx, "long_frame_data");
  side.data_stream = head.stream;
  side.data_left = head.length;
  side.data_end = (head.flags & end_stream_flag) != 0;
  side.data_pad_length = (head.flags & padded_flag) != 0 && head.length != 0;
  side.padding = 0;
  if (head.length == 0) {
    side.data_stream = 0;
    if (side.data_end && tx != nullptr && head.stream != 0) end_stream(dir, *tx);
  }
}

void Http2Parser::take_data(Dir dir, Bytes& data) {
  auto& side = side_[sig::index(dir)];
  if (side.data_pad_length && !data.empty()) {
    side.data_pad_length = false;
    side.data_left--;
    side.padding = std::min<std::uint64_t>(data[0], side.data_left);
    data = data.subspan(1);
  }
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(side.data_left, data.size()));
  const auto content = side.data_left > side.padding ? side.data_left - side.padding : 0;
  const auto body = data.first(std::min<std::size_t>(n, static_cast<std::size_t>(content)));
  data = data.subspan(n);
  side.data_left -= n;
  HttpTransaction* tx = nullptr;
  if (side.data_stream != 0)
    for (auto* t : transactions())
      if (static_cast<const Stream&>(*static_cast<HttpTransaction&>(*t).http2).id ==
          side.data_stream)
        tx = static_cast<HttpTransaction*>(t);
  if (tx != nullptr && !tx->complete[sig::index(dir)]) {
    auto& made = static_cast<Stream&>(*tx->http2).side[sig::index(dir)].body;
    if (!made) made = std::make_unique<http::Body>(*tx, dir, *server_, http::Body::Version::http2);
    tx->of(dir).wire_octets += body.size();
    if (!body.empty()) made->data(*ctx_, body);
    check_dns_length(*tx, dir);
    auto& carrier = static_cast<Stream&>(*tx->http2).side[sig::index(dir)];
    if (carrier.carries_dns && carrier.dns_octets.size() + body.size() <= longest_dns)
      carrier.dns_octets += as_text(body);
    if (side.data_left == 0 && side.data_end) end_stream(dir, *tx);
  }
  if (side.data_left == 0) side.data_stream = 0;
}

/// A DNS message over HTTP (RFC 8484) has no more octets than one over TCP.
void Http2Parser::check_dns_length(HttpTransaction& tx, Dir dir) {
  if (tx.of(dir).wire_octets <= longest_dns) return;
  const auto type = tx.of(dir).headers.find("content-type");
  if (type && http::same_text(*type, dns_type))
    event(&tx, dir == Dir::to_server ? "dns_request_too_long" : "dns_response_too_long");
}

HttpTransaction* Http2Parser::make(std::uint32_t stream) {
  if (transactions().size() >= limits_.streams) {
    event(nullptr, "too_many_streams");
    // The oldest gives way: it is done as far as we are concerned.
    for (auto* t : transactions())
      if (!t->complete[0] || !t->complete[1]) {
        close_stream(static_cast<HttpTransaction&>(*t));
        break;
      }
    if (transactions().size() >= 2ULL * limits_.streams) return nullptr;
  }
  static const auto plain = sig::app_protos().find("http2");
  static const auto with_dns = sig::app_protos().find("doh2");
  auto tx = std::make_unique<HttpTransaction>();
  tx->proto = ctx_->flow().app_proto == with_dns ? with_dns : plain;
  tx->min_inspect[0] = server_->body[0].inspect_min;
  tx->min_inspect[1] = server_->body[1].inspect_min;
  auto extra = std::make_unique<Stream>();
  extra->id = stream;
  tx->http2 = std::move(extra);
  auto& ref = add(std::move(tx), *ctx_);
  return &ref;
}

/// The transaction a frame belongs to. Each frame about the connection is one of its own.
HttpTransaction* Http2Parser::transaction(Dir, const FrameHead& head, std::uint32_t promised) {
  const auto kind = static_cast<FrameKind>(head.kind);
  const auto id = promised != 0 ? promised : head.stream;
  if (id == 0) return make(0);
  const auto all = transactions();
  for (std::size_t i = all.size(); i-- > 0;) {
    auto& tx = static_cast<HttpTransaction&>(*all[i]);
    if (Stream::of(tx).id != id) continue;
    const bool late = kind == FrameKind::rst_stream || kind == FrameKind::window_update ||
                      kind == FrameKind::priority;
    if (tx.complete[0] && tx.complete[1] && !late) event(&tx, "stream_id_reuse");
    return &tx;
  }
  return make(id);
}

bool Http2Parser::frame(Dir dir, const FrameHead& head, Bytes payload) {
  ByteReader in(payload);
  std::uint32_t promised = 0;
  const auto kind = static_cast<FrameKind>(head.kind);
  auto& side = side_[sig::index(dir)];
  if (kind == FrameKind::push_promise) {
    ByteReader look(payload);
    if ((head.flags & padded_flag) != 0) look.skip(1);
    promised = look.u32be() & 0x7fffffffU;
  }
  if (kind == FrameKind::continuation && side.block_open) promised = side.block_stream;
  auto* tx = transaction(dir, head, promised);
  if (tx == nullptr) return true;
  ++tx->revision;
  auto& notes = static_cast<Stream&>(*tx->http2).side[sig::index(dir)];
  if (++notes.frame_count > limits_.frames) event(tx, "too_many_frames");
  FrameNote note;
  note.kind = head.kind;
  switch (kind) {
    case FrameKind::headers:
      if ((head.flags & priority_flag) != 0) {
        ByteReader look(payload);
        if ((head.flags & padded_flag) != 0) look.skip(1);
        look.skip(4);
        if (const auto weight = look.u8(); look.ok()) note.weight = weight;
      }
      break;
    case FrameKind::priority:
      in.skip(4);
      note.weight = in.u8();
      break;
    case FrameKind::rst_stream:
      note.error_code = in.u32be();
      break;
    case FrameKind::goaway:
      in.skip(4);
      note.error_code = in.u32be();
      break;
    case FrameKind::window_update:
      note.window = in.u32be() & 0x7fffffffU;
      break;
    default:
      break;
  }
  if (notes.frames.size() < Stream::max_notes) notes.frames.push_back(note);
  if (!in.ok()) event(tx, "invalid_frame_length");
  switch (kind) {
    case FrameKind::headers:
    case FrameKind::push_promise:
    case FrameKind::continuation:
      on_headers(dir, head, ByteReader(payload), *tx);
      break;
    case FrameKind::settings:
      on_settings(dir, *tx, in);
      break;
    case FrameKind::rst_stream:
      close_stream(*tx);
      break;
    default:
      break;
  }
  if (head.stream == 0) close_stream(*tx);
  return true;
}

bool Http2Parser::on_headers(Dir dir, const FrameHead& head, ByteReader in, HttpTransaction& tx) {
  auto& side = side_[sig::index(dir)];
  const auto kind = static_cast<FrameKind>(head.kind);
  std::size_t padding = 0;
  if (kind != FrameKind::continuation) {
    if ((head.flags & padded_flag) != 0) padding = in.u8();
    if (kind == FrameKind::headers && (head.flags & priority_flag) != 0) in.skip(5);
    if (kind == FrameKind::push_promise) in.skip(4);
    side.block.clear();
    side.block_open = true;
    side.block_dropped = false;
    side.block_stream = Stream::of(tx).id;
    side.block_ends_stream = kind == FrameKind::headers && (head.flags & end_stream_flag) != 0;
  } else if (!side.block_open) {
    event(&tx, "invalid_frame_data");
    return false;
  }
  if (!in.ok() || padding > in.left()) {
    event(&tx, "invalid_frame_data");
    return false;
  }
  on_block(dir, tx, in.rest().first(in.left() - padding), (head.flags & end_headers_flag) != 0);
  return true;
}

void Http2Parser::on_block(Dir dir, HttpTransaction& tx, Bytes piece, bool last) {
  auto& side = side_[sig::index(dir)];
  if (side.block.size() + piece.size() > limits_.block) {
    if (!side.block_dropped) event(&tx, "reassembly_limit_reached");
    side.block_dropped = true;
  } else {
    side.block.insert(side.block.end(), piece.begin(), piece.end());
  }
  if (!last) return;
  decode_block(dir, tx);
  side.block_open = false;
  std::vector<std::uint8_t>().swap(side.block);
  if (side.block_ends_stream) end_stream(dir, tx);
}

void Http2Parser::decode_block(Dir dir, HttpTransaction& tx) {
  auto& side = side_[sig::index(dir)];
  auto& notes = static_cast<Stream&>(*tx.http2).side[sig::index(dir)];
  std::vector<HpackEntry> entries;
  if (!side.hpack.decode(side.block, entries)) event(&tx, "reassembly_limit_reached");
  if (side.hpack.left_over()) event(&tx, "extra_header_data");
  const bool trailer = notes.has_headers;
  notes.has_headers = true;
  std::uint64_t logged_last = 0;
  std::vector<std::uint64_t>
      logged;  // dynamic entries already noted: a bomb names one entry thousands of times
  for (const auto& e : entries) {
    HeaderNote note{e.kind, 0, e.number};
    if (e.kind == HpackEntry::Kind::size_update) notes.size_updates.push_back(e.number);
    if (e.kind == HpackEntry::Kind::integer_overflow) event(&tx, "header_integer_overflow");
    if (e.kind != HpackEntry::Kind::field && e.kind != HpackEntry::Kind::size_update)
      event(&tx, "invalid_header");
    if (e.kind == HpackEntry::Kind::field) {
      if (e.table_id != 0) {
        if (e.table_id == logged_last ||
            std::find(logged.begin(), logged.end(), e.table_id) != logged.end())
          continue;
        if (logged.size() < 256) logged.push_back(e.table_id);
        logged_last = e.table_id;
      }
      note.field = static_cast<std::uint32_t>(tx.of(dir).headers.size());
      use_field(dir, tx, e);
    }
    if (notes.headers.size() < Stream::max_notes) notes.headers.push_back(note);
  }
  auto& m = tx.of(dir);
  m.headers_done = m.line_done = true;
  m.protocol = "HTTP/2";
  if (dir == Dir::to_server) {
    m.line = tx.method + " " + tx.uri_raw + " HTTP/2\r\n";
    if (!trailer) check_authority(tx);
  } else {
    m.line = "HTTP/2 " + tx.status + "\r\n";
  }
  tx.progress[sig::index(dir)] = trailer ? http::in_trailer : http::in_body;
  if (!trailer) look_for_dns(dir, tx);
}

void Http2Parser::use_field(Dir dir, HttpTransaction& tx, const HpackEntry& e) {
  tx.of(dir).headers.add(e.name, e.value);
  tx.of(dir).raw_headers.append(e.name).append(": ").append(e.value).append("\r\n");
  if (e.name == ":method") tx.method = e.value;
  if (e.name == ":path") {
    tx.uri_raw = tx.uri = e.value;
    tx.path = e.value.substr(0, e.value.find_first_of("?#"));
    tx.has_uri = true;
  }
  if (e.name == ":status") {
    tx.status = e.value;
    tx.has_status = true;
    tx.status_code = 0;
    if (e.value.size() == 3 &&
        std::all_of(e.value.begin(), e.value.end(), [](char c) { return c >= '0' && c <= '9'; }))
      tx.status_code = std::stoi(e.value);
  }
  if (e.name == ":authority" || (http::same_text(e.name, "host") && !tx.has_host)) {
    tx.host_raw = e.value;
    auto host = std::string_view(e.value);
    if (const auto at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
    const auto colon = host.rfind(':');
    if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos)
      host = host.substr(0, colon);
    tx.host = http::lower_text(host);
    tx.has_host = tx.has_host_raw = true;
  }
}

/// Two names for one server, or credentials in a name, are a way to fool who filters by name.
void Http2Parser::check_authority(HttpTransaction& tx) {
  const auto authority = tx.request().headers.find(":authority");
  if (!authority) return;
  if (authority->find('@') != std::string_view::npos) event(&tx, "userinfo_in_uri");
  const auto host = tx.request().headers.find("host");
  if (host && !http::same_text(*host, *authority)) event(&tx, "authority_host_mismatch");
}

void Http2Parser::on_settings(Dir dir, HttpTransaction& tx, ByteReader in) {
  constexpr std::uint16_t header_table_size = 1, max_frame_size = 5;
  auto& list = static_cast<Stream&>(*tx.http2).side[sig::index(dir)].settings;
  if (in.left() % 6 != 0) event(&tx, "invalid_frame_data");
  while (in.left() >= 6) {
    Setting s;
    s.id = in.u16be();
    s.value = in.u32be();
    if (list.size() < Stream::max_notes) list.push_back(s);
    // What a peer announces is what the other one may use.
    if (s.id == header_table_size)
      side_[sig::index(sig::opposite(dir))].hpack.set_max_table(s.value);
    if (s.id == max_frame_size)
      side_[sig::index(sig::opposite(dir))].max_frame = std::max(s.value, limits_.frame);
  }
}

/// DNS over HTTPS (RFC 8484): the message is the body, or base64url in the request's target.
void Http2Parser::look_for_dns(Dir dir, HttpTransaction& tx) {
  static const auto with_dns = sig::app_protos().find("doh2");
  auto& side = static_cast<Stream&>(*tx.http2).side[sig::index(dir)];
  const auto is_dns = [&](std::string_view header) {
    const auto value = tx.of(dir).headers.find(header);
    return value && http::same_text(*value, dns_type);
  };
  side.carries_dns = is_dns("content-type");
  // Rules that looked at the transaction already keep looking at it as what it was.
  if (side.carries_dns && tx.engine == nullptr) tx.proto = with_dns;
  if (dir == Dir::to_client || !is_dns("accept")) return;
  const auto query = tx.uri_raw.find("?dns=");
  if (query == std::string::npos) return;
  const auto text = std::string_view(tx.uri_raw).substr(query + 5);
  take_dns(dir, tx, base64url(text.substr(0, text.find('&'))));
}

void Http2Parser::take_dns(Dir dir, HttpTransaction& tx, Bytes octets) {
  static const auto with_dns = sig::app_protos().find("doh2");
  auto message = dns::parse_message(octets);
  if (!message || message->response() != (dir == Dir::to_client)) return;
  auto& side = static_cast<Stream&>(*tx.http2).side[sig::index(dir)];
  side.dns = dns_app::make_transaction(std::move(*message), dir);
  for (const auto e : side.dns->event_ids) tx.add_event(e);
  if (tx.engine == nullptr) tx.proto = with_dns;
  ctx_->rename_protocol("doh2");
}

void Http2Parser::end_stream(Dir dir, HttpTransaction& tx) {
  if (tx.complete[sig::index(dir)]) return;
  if (auto& side = static_cast<Stream&>(*tx.http2).side[sig::index(dir)];
      !side.dns_octets.empty()) {
    take_dns(dir, tx, as_bytes(side.dns_octets));
    std::string().swap(side.dns_octets);
  }
  auto& body = static_cast<Stream&>(*tx.http2).side[sig::index(dir)].body;
  if (body) body->end(*ctx_, true);
  body.reset();
  tx.progress[sig::index(dir)] = http::complete;
  tx.complete[sig::index(dir)] = true;
  ++tx.revision;
}

void Http2Parser::close_stream(HttpTransaction& tx) {
  for (const auto d : {Dir::to_server, Dir::to_client}) {
    auto& body = static_cast<Stream&>(*tx.http2).side[sig::index(d)].body;
    if (body) body->end(*ctx_, false);
    body.reset();
    end_stream(d, tx);
  }
}

void Http2Parser::event(HttpTransaction* tx, std::string_view name) {
  const auto id = sig::events().find("http2." + std::string(name));
  if (tx == nullptr && !transactions().empty())
    tx = static_cast<HttpTransaction*>(transactions().back());
  if (tx == nullptr)
    ctx_->add_event(id);
  else
    tx->add_event(id);
}

void Http2Parser::take_upgrade() {
  upgrade_taken_ = true;
  const auto note = std::static_pointer_cast<http::Upgrade>(ctx_->expectation());
  if (!note) return;
  if (auto* settings = make(0)) {
    const auto octets = base64url(note->settings);
    on_settings(Dir::to_server, *settings, ByteReader(octets));
    if (octets.empty()) event(settings, "invalid_http1_settings");
    close_stream(*settings);
  }
  auto* tx = make(1);
  if (tx == nullptr) return;
  auto& notes = static_cast<Stream&>(*tx->http2).side[0];
  const auto use = [&](std::string_view name, std::string_view value) {
    HpackEntry e;
    e.name = http::same_text(name, "host") ? ":authority" : std::string(name);
    e.value = value;
    notes.headers.push_back(
        {HpackEntry::Kind::field, static_cast<std::uint32_t>(tx->request().headers.size()), 0});
    use_field(Dir::to_server, *tx, e);
  };
  use(":method", note->method);
  use(":path", note->uri);
  for (std::size_t i = 0; i < note->headers.size(); ++i)
    use(note->headers.at(i).name, note->headers.at(i).value);
  notes.has_headers = true;
  tx->request().headers_done = tx->request().line_done = true;
  end_stream(Dir::to_server, *tx);
}

}  // namespace ww::sensor::http2
