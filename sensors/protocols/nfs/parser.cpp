/// Records and datagrams, transactions, files.
#include <algorithm>

#include "sensors/protocols/nfs/nfs.hpp"

namespace ww::sensor::nfs {
namespace {

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto nfs_proto = sig::app_protos().intern("nfs");
const EventId malformed = sig::events().intern("nfs.malformed_data");
const EventId no_such_version = sig::events().intern("nfs.non_existing_version");
const EventId too_many = sig::events().intern("nfs.too_many_transactions");
const auto frame_type = [](std::string_view n) { return sig::frame_types().intern(n); };
const sig::FrameType rpc_pdu = frame_type("nfs.rpc.pdu"), rpc_hdr = frame_type("nfs.rpc.hdr"),
                     rpc_data = frame_type("nfs.rpc.data"), rpc_creds = frame_type("nfs.rpc.creds"),
                     nfs_pdu = frame_type("nfs.nfs.pdu"), nfs_status = frame_type("nfs.nfs.status"),
                     nfs4_pdu = frame_type("nfs.nfs4.pdu"), nfs4_hdr = frame_type("nfs.nfs4.hdr"),
                     nfs4_ops = frame_type("nfs.nfs4.ops"),
                     nfs4_status = frame_type("nfs.nfs4.status");

constexpr std::uint32_t max_chunk = 16 << 20;              ///< octets of one READ or WRITE
constexpr std::size_t max_record = max_chunk + (1 << 16);  ///< octets behind a record mark
constexpr std::size_t mark_octets = 4, min_record = 24;
constexpr std::size_t large_record = 512;     ///< file octets are taken as they come from here on
constexpr std::size_t enough_to_look = 1024;  ///< headers of a large record are surely within
constexpr std::int64_t stale_after_seconds = 60;

}  // namespace

ParseResult NfsParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  ctx.files().begin_batch();
  stream_ = ctx.flow().ip_proto != 17;
  if (stream_) return stream(ctx, dir, input);
  datagram(ctx, dir, input.data);
  return ParseResult::ok();
}

void NfsParser::datagram(ParserContext& ctx, Dir dir, Bytes message) {
  if (message.empty()) return;
  if (!(dir == Dir::to_server ? call(ctx, message, 0, 0) : reply(ctx, message, 0, 0)))
    event(malformed);
}

ParseResult NfsParser::stream(ParserContext& ctx, Dir dir, const StreamInput& input) {
  const auto d = sig::index(dir);
  if (input.gap > 0) {
    had_gap_ = true;
    auto missing = input.gap;
    missing -= take_coming(ctx, dir, {}, missing);
    const auto skipped = std::min(missing, skip_[d]);
    skip_[d] -= skipped;
    if (missing > skipped) {
      coming_[d] = {};
      skip_[d] = 0;
      lost_[d] = true;
      after_gap(ctx, dir);
    }
  }
  forget_stale(ctx);
  std::size_t at = 0;
  while (at < input.data.size()) {
    auto rest = input.data.subspan(at);
    if (coming_[d].left > 0) {
      at += take_coming(ctx, dir, rest, 0);
      continue;
    }
    if (skip_[d] > 0) {
      const auto n = std::min<std::uint64_t>(skip_[d], rest.size());
      skip_[d] -= n;
      at += static_cast<std::size_t>(n);
      continue;
    }
    if (lost_[d]) {
      // The next thing that looks like the start of a message ends the search.
      if (rest.size() < mark_octets + min_record) return ParseResult::more(at, 28);
      const auto length = load_be32(rest.data()) & 0x7fffffffU;
      const auto message = rest.subspan(mark_octets);
      const bool found =
          length >= min_record && length <= max_record &&
          (dir == Dir::to_server ? looks_like_call(message)
                                 : load_be32(message.data() + 4) == 1 &&
                                       asked_.find(load_be32(message.data())) != nullptr);
      if (!found) {
        ++at;
        continue;
      }
      lost_[d] = false;
    }
    if (rest.size() < mark_octets) return ParseResult::more(at, mark_octets);
    const std::size_t length = load_be32(rest.data()) & 0x7fffffffU;
    if (length > max_record || length < 12) {
      event(malformed);
      return ParseResult::error();
    }
    const auto have = rest.subspan(mark_octets);
    if (have.size() >= length) {
      const auto message = have.first(length);
      const auto offset = input.offset + at;
      if (!(dir == Dir::to_server ? call(ctx, message, offset, mark_octets)
                                  : reply(ctx, message, offset, mark_octets)))
        event(malformed);
      at += mark_octets + length;
      continue;
    }
    if (length >= large_record && start_large(ctx, dir, have, length)) {
      at = input.data.size();
      continue;
    }
    const auto whole = mark_octets + length;
    return ParseResult::more(
        at, rest.size() < enough_to_look ? std::min(whole, enough_to_look) : whole);
  }
  return ParseResult::ok();
}

/// A record that is not whole yet but whose file octets can be taken already.
bool NfsParser::start_large(ParserContext& ctx, Dir dir, Bytes have, std::size_t record) {
  const auto d = sig::index(dir);
  std::uint32_t version = 0, procedure = 0;
  std::size_t body_at = 0;
  if (dir == Dir::to_server) {
    const auto c = parse_call(have);
    if (!c || c->program != nfs_program) return false;
    body_at = c->body_at;
    version = c->version;
    procedure = c->procedure;
  } else {
    const auto r = parse_reply(have);
    const auto* asked = r ? asked_.find(r->xid) : nullptr;
    if (asked == nullptr || r->state != 0) return false;
    body_at = r->body_at;
    version = asked->version;
    procedure = asked->procedure;
  }
  const bool files = dir == Dir::to_server ? version == 3 && procedure == proc3::write
                                           : (version == 3 && procedure == proc3::read) ||
                                                 (version == 2 && procedure == proc2::read);
  // Where the octets start is surely known once this much is there.
  constexpr std::size_t longest_arguments = 128;
  if (!files || have.size() < body_at + longest_arguments) return false;
  const auto behind = record - have.size();
  wait_for_more_ = true;
  const bool taken = dir == Dir::to_server ? call(ctx, have, 0, 0) : reply(ctx, have, 0, 0);
  wait_for_more_ = false;
  if (!taken) event(malformed);
  skip_[d] = behind - std::min<std::uint64_t>(behind, coming_[d].left);
  if (coming_[d].left > behind) coming_[d].left = behind;
  return true;
}

/// Octets (or `missing` ones) of the chunk that is coming. @return how many were taken
std::size_t NfsParser::take_coming(ParserContext& ctx, Dir dir, Bytes data, std::uint64_t missing) {
  auto& c = coming_[sig::index(dir)];
  const auto n = std::min<std::uint64_t>(c.left, missing > 0 ? missing : data.size());
  if (n == 0) return 0;
  auto* tx = find(c.tx);
  if (tx != nullptr && !tx->closed) {
    if (missing > 0) {
      tx->transfer.lose(ctx.files(), c.offset, n);
    } else {
      tx->transfer.write(ctx.files(), c.offset, data.first(static_cast<std::size_t>(n)));
      tx->lost_since = 0;
    }
    ++tx->revision;
  }
  c.left -= n;
  c.offset += n;
  if (c.left == 0) {
    if (tx != nullptr) {
      ++tx->chunks;
      if (c.close) close_file(ctx, *tx);
    }
    c = {};
  }
  return static_cast<std::size_t>(n);
}

void NfsParser::frames(ParserContext& ctx, Dir dir, std::uint64_t at, Bytes message,
                       std::size_t mark, std::uint32_t version, std::size_t body_at,
                       std::size_t cred_at, std::size_t cred_length) {
  if (wait_for_more_) return;
  const auto whole = mark + message.size();
  const auto add = [&](sig::FrameType type, std::size_t from, std::size_t length) {
    ctx.add_frame(type, dir, at + from, static_cast<std::int64_t>(length));
  };
  add(rpc_pdu, 0, whole);
  if (dir == Dir::to_server) {
    add(rpc_creds, mark + cred_at, cred_length);
  } else if (whole > mark + 8) {
    add(rpc_hdr, 0, mark + 8);
    add(rpc_data, mark + 8, whole - mark - 8);
  }
  const auto body = mark + body_at, left = whole - body;
  if (version == 4) {
    if (left > 0) add(nfs4_pdu, body, left);
    if (left >= 4 && dir == Dir::to_client) add(nfs4_status, body, 4);
    if (left > 8) {
      add(nfs4_hdr, body, 8);
      add(nfs4_ops, body + 8, left - 8);
    }
  } else if (left > 0 || dir == Dir::to_server) {
    add(nfs_pdu, body, left);
    if (left >= 4 && dir == Dir::to_client) add(nfs_status, body, 4);
  }
}

bool NfsParser::call(ParserContext& ctx, Bytes message, std::uint64_t at, std::size_t mark) {
  const auto c = parse_call(message);
  if (!c) return false;
  if (c->program != nfs_program) return true;  // mount and lock managers may share the port
  const auto& creds = *c;
  frames(ctx, Dir::to_server, at, message, mark, c->version, c->body_at, creds.credentials_at,
         creds.credentials_length);
  Asked asked;
  asked.version = c->version;
  asked.procedure = c->procedure;
  const ByteReader in(message.subspan(c->body_at));
  switch (c->version) {
    case 2:
      call2(ctx, *c, in, asked);
      break;
    case 3:
      call3(ctx, *c, in, asked);
      break;
    case 4:
      call4(ctx, *c, in, asked);
      break;
    default:
      break;
  }
  asked_.put(c->xid, std::move(asked));
  return true;
}

bool NfsParser::reply(ParserContext& ctx, Bytes message, std::uint64_t at, std::size_t mark) {
  const auto r = parse_reply(message);
  if (!r) return false;
  const auto* known = asked_.find(r->xid);
  if (known == nullptr) return true;
  const Asked asked = *known;
  asked_.erase(r->xid);
  frames(ctx, Dir::to_client, at, message, mark, asked.version, r->body_at, 0, 0);
  const ByteReader in(message.subspan(r->body_at));
  if (r->state != 0 || r->accept != 0) {
    answered(*r, 0, {});
    return true;
  }
  switch (asked.version) {
    case 2:
      reply2(ctx, *r, in, asked);
      break;
    case 3:
      reply3(ctx, *r, in, asked);
      break;
    case 4:
      reply4(ctx, *r, in, asked);
      break;
    default:
      event(no_such_version);
      break;
  }
  return true;
}

void NfsParser::event(EventId e) {
  const auto all = transactions();
  if (all.empty()) return;
  all.back()->add_event(e);
  ++all.back()->revision;
}

void NfsParser::make_room(ParserContext& ctx) {
  if (transactions().size() < max_transactions_) return;
  for (auto* t : transactions())
    if (auto& tx = static_cast<Tx&>(*t); tx.closed && !tx.complete[1]) {
      finish(ctx, tx);
      return;
    }
  for (auto* t : transactions()) {
    auto& tx = static_cast<Tx&>(*t);
    if (tx.complete[0] && tx.complete[1]) continue;
    tx.add_event(too_many);
    finish(ctx, tx);
    return;
  }
}

void NfsParser::set_credentials(Tx& tx, const Call& c) {
  tx.auth = c.credentials.flavor;
  tx.has_credentials = c.credentials.flavor == auth::unix_style;
  tx.machine_name = c.credentials.machine_name;
  tx.uid = c.credentials.uid;
  tx.gid = c.credentials.gid;
}
Tx& NfsParser::fresh(ParserContext& ctx, const Call& c, std::uint32_t procedure,
                     const Asked& asked) {
  make_room(ctx);
  auto owned = std::make_unique<Tx>();
  owned->proto = nfs_proto;
  owned->xid = c.xid;
  owned->version = c.version;
  owned->procedure = procedure;
  set_credentials(*owned, c);
  owned->filename = asked.filename;
  owned->handle = asked.handle;
  owned->complete[0] = true;
  owned->progress[0] = 1;
  owned->revision = 1;
  return add(std::move(owned), ctx);
}

Tx& NfsParser::file(ParserContext& ctx, Dir dir, std::uint32_t xid, std::uint32_t version,
                    std::uint32_t procedure, const std::string& handle,
                    const std::string& filename) {
  make_room(ctx);
  auto owned = std::make_unique<Tx>();
  owned->proto = nfs_proto;
  owned->xid = xid;
  owned->version = version;
  owned->procedure = procedure;
  owned->filename = filename;
  owned->handle = handle;
  owned->is_file = owned->first = true;
  owned->dir = dir;
  owned->revision = 1;
  return add(std::move(owned), ctx);
}

void NfsParser::finish(ParserContext& ctx, Tx& tx) {
  close_file(ctx, tx);
  tx.complete[0] = tx.complete[1] = true;
  tx.progress[0] = tx.progress[1] = 1;
}

/// The file is done with. The transaction of a written one stays until the flow ends or room is
/// needed: more may be said of it, and its event comes once.
void NfsParser::close_file(ParserContext& ctx, Tx& tx) {
  tx.transfer.close(ctx.files());
  tx.closed = tx.is_file;
  tx.complete[0] = true;
  tx.progress[0] = 1;
  if (tx.dir == Dir::to_client) {
    tx.complete[1] = true;
    tx.progress[1] = 1;
  }
  ++tx.revision;
}

Tx* NfsParser::find(std::uint64_t id) const {
  for (auto* t : transactions())
    if (t->id == id) return static_cast<Tx*>(t);
  return nullptr;
}

Tx* NfsParser::find_call(std::uint32_t xid) const {
  for (auto* t : transactions())
    if (auto& tx = static_cast<Tx&>(*t); !tx.is_file && tx.xid == xid && !tx.complete[1])
      return &tx;
  return nullptr;
}

Tx* NfsParser::find_file(std::string_view handle, Dir dir) const {
  for (auto* t : transactions())
    if (auto& tx = static_cast<Tx&>(*t);
        tx.is_file && !tx.closed && tx.dir == dir && tx.handle == handle)
      return &tx;
  return nullptr;
}

void NfsParser::answered(const Reply& r, std::uint32_t status, std::string_view handle) {
  auto* tx = find_call(r.xid);
  if (tx == nullptr) return;
  tx->rpc_status = r.state;
  tx->status = status;
  if (tx->handle.empty()) tx->handle = handle;
  tx->complete[1] = true;
  tx->progress[1] = 1;
  ++tx->revision;
}

void NfsParser::name_of(Asked& asked) const {
  if (const auto* name = names_.find(asked.handle)) asked.filename = *name;
}

void NfsParser::written(ParserContext& ctx, const Call& c, const Chunk& chunk,
                        std::uint32_t procedure) {
  if (chunk.length == 0 || chunk.length > max_chunk) return;
  auto* tx = find_file(chunk.handle, Dir::to_server);
  if (tx == nullptr)
    tx = &file(ctx, Dir::to_server, c.xid, c.version, procedure, chunk.handle, chunk.filename);
  else
    ++tx->chunks;
  if (!tx->transfer.is_open())
    tx->transfer.open(ctx.files(), *tx, Dir::to_server, as_bytes(chunk.filename), waiting_);
  tx->transfer.write(ctx.files(), chunk.offset, chunk.data);
  tx->lost_since = 0;
  ++tx->revision;
  if (chunk.last) {
    tx->last_xid = c.xid;
    tx->last = true;
  }
  if (chunk.data.size() < chunk.length)
    coming_[0] = {tx->id, chunk.offset + chunk.data.size(), chunk.length - chunk.data.size(),
                  chunk.last};
  else if (chunk.last)
    close_file(ctx, *tx);
}

void NfsParser::was_read(ParserContext& ctx, const Reply& r, const Asked& asked, const Chunk& chunk,
                         std::uint32_t status) {
  if (chunk.length == 0 || chunk.length > max_chunk) return;
  auto* tx = find_file(asked.handle, Dir::to_client);
  if (tx == nullptr)
    tx = &file(ctx, Dir::to_client, r.xid, asked.version,
               asked.version < 4 ? proc3::read : op4::read, asked.handle, asked.filename);
  else
    ++tx->chunks;
  if (!tx->transfer.is_open())
    tx->transfer.open(ctx.files(), *tx, Dir::to_client, as_bytes(asked.filename), waiting_);
  tx->transfer.write(ctx.files(), asked.offset, chunk.data);
  tx->lost_since = 0;
  ++tx->revision;
  if (chunk.last) {
    tx->last_xid = r.xid;
    tx->rpc_status = r.state;
    tx->status = status;
    tx->last = true;
  }
  if (chunk.data.size() < chunk.length)
    coming_[1] = {tx->id, asked.offset + chunk.data.size(), chunk.length - chunk.data.size(),
                  chunk.last};
  else if (chunk.last)
    close_file(ctx, *tx);
}

void NfsParser::commit(ParserContext& ctx, std::uint32_t xid, std::string_view handle,
                       std::uint32_t procedure) {
  auto* tx = find_file(handle, Dir::to_server);
  if (tx == nullptr) return;
  if (procedure != 0) {
    ++tx->chunks;
    if (tx->more_procedures.size() < 16) tx->more_procedures.push_back(procedure);
  }
  tx->last_xid = xid;
  tx->last = true;
  close_file(ctx, *tx);
}

/// What was asked before a hole may have been answered in it. Files can live with holes, for a
/// while.
void NfsParser::after_gap(ParserContext& ctx, Dir dir) {
  for (auto* t : transactions()) {
    auto& tx = static_cast<Tx&>(*t);
    if (tx.is_file) {
      if (!tx.closed && tx.lost_since == 0) tx.lost_since = ctx.now().seconds();
    } else if (dir == Dir::to_client && !tx.complete[1]) {
      tx.complete[0] = tx.complete[1] = true;
      ++tx.revision;
    }
  }
}

void NfsParser::forget_stale(ParserContext& ctx) {
  if (!had_gap_) return;
  const auto now = ctx.now().seconds();
  for (auto* t : transactions()) {
    auto& tx = static_cast<Tx&>(*t);
    if (!tx.is_file || tx.closed || tx.lost_since == 0 ||
        now <= tx.lost_since + stale_after_seconds)
      continue;
    tx.transfer.close(ctx.files(), sig::FileState::truncated);
    finish(ctx, tx);
  }
}

}  // namespace ww::sensor::nfs
