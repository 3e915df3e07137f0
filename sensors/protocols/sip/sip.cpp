#include "sensors/protocols/sip/sip.hpp"

namespace ww::sensor::sip {
namespace {

using ww::sip::Errc;
using ww::sip::Message;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto sip_proto = sig::app_protos().intern("sip");
const EventId incomplete_data = sig::events().intern("sip.incomplete_data");
const EventId invalid_data = sig::events().intern("sip.invalid_data");
sig::FrameType frame(std::string_view name) {
  return sig::frame_types().intern("sip." + std::string(name));
}
const sig::FrameType frame_pdu = frame("pdu");
const sig::FrameType frame_line[2] = {frame("request.line"), frame("response.line")};
const sig::FrameType frame_headers[2] = {frame("request.headers"), frame("response.headers")};
const sig::FrameType frame_body[2] = {frame("request.body"), frame("response.body")};

/// Octets before a message that mean nothing: empty lines (RFC 3261 7.5), which are also sent to
/// keep a connection alive (RFC 5626 3.5.1), and zeroes that some phones send for the same.
std::size_t padding(Bytes data) {
  std::size_t n = 0;
  while (n < data.size() && (data[n] == '\r' || data[n] == '\n' || data[n] == 0)) ++n;
  return n;
}

}  // namespace

ParseResult SipParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  if (ctx.flow().ip_proto == 6) return parse_stream(ctx, dir, input);
  parse_datagram(ctx, dir, input);
  return ParseResult::ok();
}

ParseResult SipParser::parse_stream(ParserContext& ctx, Dir dir, const StreamInput& input) {
  auto& open = open_pdu_[sig::index(dir)];
  std::size_t at = 0;
  for (;;) {
    if (!open) at += padding(input.data.subspan(at));
    const auto rest = input.data.subspan(at);
    if (rest.empty()) return ParseResult::ok();
    if (!open) open = ctx.add_frame(frame_pdu, dir, input.offset + at, -1);
    auto message = ww::sip::parse(rest, true);
    if (!message) {
      if (message.error() == Errc::incomplete && !input.end)
        return ParseResult::more(at, rest.size() + 1);
      refuse(ctx, dir, message.error() == Errc::incomplete ? incomplete_data : invalid_data);
      return message.error() == Errc::incomplete ? ParseResult::ok() : ParseResult::error();
    }
    const auto length = message->body_offset + message->body_length;
    ctx.set_frame_length(*open, static_cast<std::int64_t>(length));
    ctx.set_frame_tx(*open, transaction_count());
    open.reset();
    keep(ctx, dir, input.offset + at, std::move(*message));
    at += length;
  }
}

void SipParser::parse_datagram(ParserContext& ctx, Dir dir, const StreamInput& input) {
  const auto skip = padding(input.data);
  const auto data = input.data.subspan(skip);
  if (data.empty()) return;
  ctx.add_frame(frame_pdu, dir, input.offset + skip, static_cast<std::int64_t>(data.size()));
  auto message = ww::sip::parse(data, false);
  if (message)
    keep(ctx, dir, input.offset + skip, std::move(*message));
  else
    refuse(ctx, dir, message.error() == Errc::incomplete ? incomplete_data : invalid_data);
}

void SipParser::keep(ParserContext& ctx, Dir dir, std::uint64_t offset, Message m) {
  const auto id = transaction_count();
  const std::size_t kind = m.request ? 0 : 1;
  const auto add_part = [&](sig::FrameType type, std::size_t from, std::size_t length) {
    ctx.add_frame(type, dir, offset + from, static_cast<std::int64_t>(length), id);
  };
  add_part(frame_line[kind], 0, m.line_length);
  add_part(frame_headers[kind], m.line_length, m.headers_length);
  if (m.body_length > 0) add_part(frame_body[kind], m.body_offset, m.body_length);
  auto tx = std::make_unique<SipTx>();
  tx->proto = sip_proto;
  tx->dir = dir;
  tx->only[sig::index(dir)] = true;
  tx->complete[0] = tx->complete[1] = true;
  tx->progress[0] = tx->progress[1] = 1;
  tx->revision = 1;
  tx->message = std::move(m);
  add(std::move(tx), ctx);
}

void SipParser::refuse(ParserContext& ctx, Dir dir, EventId event) {
  auto tx = std::make_unique<SipTx>();
  tx->proto = sip_proto;
  tx->dir = dir;
  tx->only[sig::index(dir)] = true;
  tx->complete[0] = tx->complete[1] = true;
  tx->revision = 1;
  tx->add_event(event);
  add(std::move(tx), ctx);
}

}  // namespace ww::sensor::sip
