#include "sensors/protocols/http/parser.hpp"

#include <algorithm>

#include "sensors/files/file_store.hpp"
#include "sensors/protocols/http/events.hpp"

namespace ww::sensor::http {
namespace {

sig::FrameType frame_type(Dir dir) {
  static const auto request = sig::frame_types().intern("http1.request");
  static const auto response = sig::frame_types().intern("http1.response");
  return dir == Dir::to_server ? request : response;
}
sig::FrameType stream_frame_type() {
  static const auto type = sig::frame_types().intern("http1.stream");
  return type;
}
sig::AppProto http_proto() {
  static const auto id = sig::app_protos().find("http");
  return id;
}

}  // namespace

HttpParser::HttpParser(std::shared_ptr<const Config> config) : config_(std::move(config)) {}
HttpParser::~HttpParser() = default;

void HttpParser::connect(const sig::Flow& flow) {
  server_ = &config_->for_server(flow.dst);
  connection_ = std::make_unique<Connection>(*server_, *this, flow.sport, flow.dport);
}

ParseResult HttpParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  ctx_ = &ctx;
  feeding_ = dir;
  if (!connection_) connect(ctx.flow());
  ctx.files().begin_batch();
  trim_windows();
  const auto status = feed(dir, input);
  const auto result = answer(dir, input, status);
  ctx_ = nullptr;
  return result;
}

Connection::Status HttpParser::feed(Dir dir, const StreamInput& input) {
  auto& side = side_[sig::index(dir)];
  auto status = Connection::Status::ok;
  if (input.gap != 0) {
    side.base = input.offset - input.gap;
    status = connection_->gap(dir, input.gap, ctx_->now());
  }
  side.base = input.offset;
  if (!side.stream_frame && !input.data.empty()) {
    side.stream_frame = true;
    ctx_->add_frame(stream_frame_type(), dir, input.offset, -1);
  }
  if (status == Connection::Status::ok && !input.data.empty())
    status = connection_->feed(dir, input.data, ctx_->now());
  if (input.end && status != Connection::Status::error)
    connection_->end(dir, ctx_->now(), input.cut);
  return status;
}

ParseResult HttpParser::answer(Dir dir, const StreamInput& input, Connection::Status status) {
  if (status == Connection::Status::error) return ParseResult::error();
  if (status == Connection::Status::tunnel && !tunnel_) enter_tunnel();
  if (!change_to_) return ParseResult::ok();
  const auto next = std::move(*change_to_);
  change_to_.reset();
  const auto taken = std::min(connection_->consumed(dir), input.data.size());
  if (!ctx_->change_protocol(next) && !transactions().empty()) {
    auto& tx = static_cast<HttpTransaction&>(*transactions().back());
    tx.add_event(event("failed_protocol_change"));
    ++tx.revision;
  }
  return taken < input.data.size() ? ParseResult::more(taken) : ParseResult::ok();
}

/// Bodies keep what the next inspection may need again, and no more.
void HttpParser::trim_windows() {
  for (auto* t : transactions()) {
    auto& tx = static_cast<HttpTransaction&>(*t);
    for (const auto d : {Dir::to_server, Dir::to_client}) {
      const auto& limits = server_->body[sig::index(d)];
      auto& m = tx.of(d);
      if (m.body_octets >= limits.inspect_min)
        m.body.trim(std::max(limits.inspect_min, limits.inspect_window));
    }
  }
}

std::uint64_t HttpParser::position(Dir dir) const {
  return side_[sig::index(dir)].base + (dir == feeding_ ? connection_->consumed(dir) : 0);
}

HttpTransaction* HttpParser::on_transaction() {
  if (transactions().size() >= server_->max_transactions) return nullptr;
  auto tx = std::make_unique<HttpTransaction>();
  tx->proto = http_proto();
  tx->min_inspect[0] = server_->body[0].inspect_min;
  tx->min_inspect[1] = server_->body[1].inspect_min;
  return &add(std::move(tx), *ctx_);
}

HttpTransaction* HttpParser::find_transaction(std::uint64_t id) {
  const auto all = transactions();  // in order of their ids
  const auto at =
      std::lower_bound(all.begin(), all.end(), id,
                       [](const Transaction* tx, std::uint64_t wanted) { return tx->id < wanted; });
  return at != all.end() && (*at)->id == id ? static_cast<HttpTransaction*>(*at) : nullptr;
}

void HttpParser::on_start(HttpTransaction& tx, Dir dir) {
  auto& side = side_[sig::index(dir)];
  tx.progress[sig::index(dir)] = in_line;
  ++tx.revision;
  side.body.reset();
  side.frame_start = position(dir);
  side.frame = ctx_->add_frame(frame_type(dir), dir, side.frame_start, -1, tx.id);
}

void HttpParser::on_line(HttpTransaction& tx, Dir dir) {
  tx.progress[sig::index(dir)] = in_headers;
  ++tx.revision;
}

void HttpParser::on_headers(HttpTransaction& tx, Dir dir) {
  tx.progress[sig::index(dir)] = in_body;
  ++tx.revision;
}

Body& HttpParser::body(HttpTransaction& tx, Dir dir) {
  auto& made = side_[sig::index(dir)].body;
  if (!made) made = std::make_unique<Body>(tx, dir, *server_, Body::Version::http1);
  return *made;
}

void HttpParser::on_body(HttpTransaction& tx, Dir dir, Bytes data) {
  if (!tx.complete[sig::index(dir)]) body(tx, dir).data(*ctx_, data);
}

void HttpParser::on_body_gap(HttpTransaction& tx, Dir dir, std::uint64_t octets) {
  if (!tx.complete[sig::index(dir)]) body(tx, dir).gap(*ctx_, octets);
}

void HttpParser::on_trailer(HttpTransaction& tx, Dir dir) {
  tx.progress[sig::index(dir)] = in_trailer;
  ++tx.revision;
}

void HttpParser::on_complete(HttpTransaction& tx, Dir dir) {
  if (tx.complete[sig::index(dir)]) return;
  end_message(tx, dir);
  if (dir == Dir::to_server) return;
  ++responses_;
  finish_connect(tx);
  finish_upgrade(tx);
}

void HttpParser::end_message(HttpTransaction& tx, Dir dir) {
  auto& side = side_[sig::index(dir)];
  if (side.body) side.body->end(*ctx_, true);
  side.body.reset();
  if (side.frame != 0)
    ctx_->set_frame_length(side.frame, static_cast<std::int64_t>(position(dir) - side.frame_start));
  side.frame = 0;
  tx.progress[sig::index(dir)] = complete;
  tx.complete[sig::index(dir)] = true;
  ++tx.revision;
}

/// A CONNECT that was answered with success makes the rest of the connection a tunnel (RFC 9110
/// section 9.3.6).
void HttpParser::finish_connect(HttpTransaction& tx) {
  if (tx.method != "CONNECT" || tx.status_code < 200 || tx.status_code > 299 || responses_ != 1)
    return;
  if (!tx.complete[0]) end_message(tx, Dir::to_server);
  change_to_ = "";
}

/// libhtp stops behind the header of a 101 and ends neither direction of that exchange.
void HttpParser::enter_tunnel() {
  tunnel_ = true;
  for (auto* t : transactions()) {
    auto& tx = static_cast<HttpTransaction&>(*t);
    if (tx.status_code != 101 || tx.complete[1]) continue;
    if (!tx.complete[0]) end_message(tx, Dir::to_server);
    on_complete(tx, Dir::to_client);
    return;
  }
}

/// 101 Switching Protocols to something that we know.
void HttpParser::finish_upgrade(HttpTransaction& tx) {
  if (tx.status_code != 101) return;
  const auto to = tx.response().headers.find("upgrade");
  if (!to) return;
  if (contains_text(*to, "h2c") && find_protocol("http2") != nullptr) {
    auto note = std::make_shared<Upgrade>();
    note->method = tx.method;
    note->uri = tx.uri_raw;
    note->headers = tx.request().headers;
    note->settings = tx.request().headers.find("http2-settings").value_or(std::string_view());
    ctx_->hand_over(std::move(note));
    change_to_ = "http2";
  }
  if (same_text(*to, "websocket") && find_protocol("websocket") != nullptr)
    change_to_ = "websocket";
}

void HttpParser::on_event(HttpTransaction* tx, sig::EventId event) {
  if (tx == nullptr && !transactions().empty())
    tx = static_cast<HttpTransaction*>(transactions().back());
  if (tx == nullptr) {
    ctx_->add_event(event);
    return;
  }
  tx->add_event(event);
  ++tx->revision;
}

}  // namespace ww::sensor::http
