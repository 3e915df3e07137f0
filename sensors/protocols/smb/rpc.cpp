/// DCE/RPC over named pipes: fragments come whole, cut, or several in one message.
#include <algorithm>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {
namespace {

constexpr std::size_t max_bound = 256;

}  // namespace

/// @param missing  octets of the record that come later
void SmbParser::pipe(ParserContext& ctx, Dir dir, const std::string& key, Bytes octets,
                     std::uint64_t missing) {
  rpc(ctx, dir, key, octets);
  if (missing > 0)
    pipe_rest_[sig::index(dir)] = {true,     key,      version_, command_,
                                   session_, message_, tree_,    status_};
}

/// False: what goes through that pipe is no DCE/RPC.
bool SmbParser::rpc(ParserContext& ctx, Dir dir, const std::string& key, Bytes octets) {
  auto& h = handle(key);
  auto& held = h.rpc[sig::index(dir)];
  if (held.empty() && octets.size() >= dcerpc::header_octets && !dcerpc::parse_header(octets))
    return false;
  if (held.empty() && (octets.empty() || octets[0] != 5)) return false;
  std::string all = std::move(held);
  held.clear();
  all += as_text(octets);
  bool any = false;
  std::size_t at = 0;
  while (at < all.size()) {
    const auto rest = as_bytes(all).subspan(at);
    if (rest.size() < dcerpc::header_octets) break;
    const auto header = dcerpc::parse_header(rest);
    if (!header) return any;
    if (rest.size() < header->frag_length) break;
    any = fragment(ctx, dir, *header, rest.first(header->frag_length)) || any;
    at += header->frag_length;
  }
  // No more than one fragment, 64 KiB.
  handle(key).rpc[sig::index(dir)] = all.substr(at);
  return any || at < all.size();
}

void SmbParser::call_part(Tx& tx, const dcerpc::Header& h, Bytes octets) {
  const auto call = dcerpc::parse_call(h, octets);
  if (!call) {
    tx.add_event(event_id(Event::malformed_data));
    return;
  }
  if (h.type == dcerpc::response) {
    // Hint, context and cancel count are no part of the stub here.
    tx.call.res.add(h, call->stub.subspan(std::min<std::size_t>(8, call->stub.size())));
    return;
  }
  tx.call.req.add(h, call->stub);
  tx.call.context = call->context;
  tx.call.opnum = call->opnum;
  tx.call.interfaces.clear();
  tx.call.iface.clear();
  for (const auto& f : bound_) {
    if (f.context == call->context) tx.call.interfaces.push_back(f);
    // Any interface that the pipe has accepted, in whatever fragment it was bound.
    if (f.answered && f.result == 0) tx.call.add_interface(f, true);
  }
}

bool SmbParser::fragment(ParserContext& ctx, Dir dir, const dcerpc::Header& h, Bytes octets) {
  const bool is_answer = dir == Dir::to_client;
  Tx* tx = nullptr;
  const auto all = transactions();
  for (auto it = all.rbegin(); it != all.rend() && tx == nullptr; ++it) {
    auto& x = static_cast<Tx&>(**it);
    if (x.kind == Kind::dcerpc && x.call.call_id == h.call_id && x.session == session_ &&
        (is_answer ? !x.call.res.done : !x.call.req.done && x.call.req.seen))
      tx = &x;
  }
  if (tx == nullptr) {
    if (is_answer && h.type != dcerpc::response && h.type != dcerpc::fault) return true;
    tx = &fresh(ctx, Kind::dcerpc);
    tx->call.call_id = h.call_id;
    if (is_answer) tx->complete[0] = true;  // the request was lost
  }
  auto& half = is_answer ? tx->call.res : tx->call.req;
  switch (h.type) {
    case dcerpc::request:
    case dcerpc::response:
      call_part(*tx, h, octets);
      break;
    case dcerpc::bind:
    case dcerpc::alter_context:
      half.seen = half.done = true;
      half.type = h.type;
      tx->call.interfaces = dcerpc::parse_bind(h, octets);
      break;
    case dcerpc::bind_ack:
    case dcerpc::alter_context_resp: {
      half.seen = half.done = true;
      half.type = h.type;
      const auto results = dcerpc::parse_bind_ack(h, octets);
      if (h.type == dcerpc::bind_ack) bound_.clear();
      for (std::size_t i = 0; i < tx->call.interfaces.size(); ++i) {
        auto& f = tx->call.interfaces[i];
        if (i < results.size()) {
          f.result = results[i].result;
          f.reason = results[i].reason;
          f.answered = true;
        }
        if (bound_.size() >= max_bound) bound_.erase(bound_.begin());
        bound_.push_back(f);
      }
      break;
    }
    default:
      half.seen = half.done = true;
      half.type = h.type;
      if (h.type == dcerpc::auth3) tx->call.res.done = true;
      break;
  }
  tx->complete[0] = tx->complete[0] || tx->call.req.done;
  ++tx->revision;
  if (tx->call.res.done) answer(*tx);
  return true;
}

}  // namespace ww::sensor::smb
