#include <algorithm>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {
namespace {

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto smb_proto = sig::app_protos().intern("smb");
const sig::FrameType nbss_pdu = sig::frame_types().intern("smb.nbss.pdu");
const sig::FrameType nbss_hdr = sig::frame_types().intern("smb.nbss.hdr");
const sig::FrameType nbss_data = sig::frame_types().intern("smb.nbss.data");
const sig::FrameType pdu1 = sig::frame_types().intern("smb.smb1.pdu"),
                     hdr1 = sig::frame_types().intern("smb.smb1.hdr"),
                     data1 = sig::frame_types().intern("smb.smb1.data");
const sig::FrameType pdu2 = sig::frame_types().intern("smb.smb2.pdu"),
                     hdr2 = sig::frame_types().intern("smb.smb2.hdr"),
                     data2 = sig::frame_types().intern("smb.smb2.data");
const sig::FrameType pdu3 = sig::frame_types().intern("smb.smb3.pdu"),
                     hdr3 = sig::frame_types().intern("smb.smb3.hdr"),
                     data3 = sig::frame_types().intern("smb.smb3.data");
const EventId file_overlap = sig::events().intern("smb.file_overlap");
const EventId malformed = sig::events().intern("smb.malformed_data");

constexpr std::size_t whole_record = 256 * 1024;  ///< larger records are read in parts
constexpr std::size_t first_part = 64 * 1024;
constexpr std::size_t max_live = 1024, max_map = 4096, max_bound = 256, max_chain = 64;

std::string number_key(std::uint64_t a, std::uint64_t b) {
  std::string k(16, '\0');
  std::memcpy(k.data(), &a, 8);
  std::memcpy(k.data() + 8, &b, 8);
  return k;
}
/// A table that hostile traffic cannot grow without end.
template <class Map, class Value>
void keep(Map& map, const typename Map::key_type& key, Value&& value) {
  if (map.size() >= max_map && !map.contains(key)) map.erase(map.begin());
  map.insert_or_assign(key, std::forward<Value>(value));
}
/// 100 ns since 1601 to seconds since 1970.
std::uint64_t unix_time(std::uint64_t filetime) {
  constexpr std::uint64_t epoch = 116444736000000000ULL;
  return filetime < epoch ? 0 : (filetime - epoch) / 10000000;
}
bool is_pipe(std::string_view share) {
  if (share.size() < 4) return false;
  const auto tail = share.substr(share.size() - 4);
  return (tail[0] | 32) == 'i' && (tail[1] | 32) == 'p' && (tail[2] | 32) == 'c' && tail[3] == '$';
}

}  // namespace

Tx* SmbParser::find(std::uint64_t id) {
  const auto all = transactions();
  for (auto it = all.rbegin(); it != all.rend(); ++it)
    if ((*it)->id == id) return static_cast<Tx*>(*it);
  return nullptr;
}

Tx& SmbParser::fresh(ParserContext& ctx, Kind kind) {
  if (transactions().size() >= max_live)
    for (auto* t : transactions()) {
      auto& old = static_cast<Tx&>(*t);
      if (old.kind != Kind::file || old.file == nullptr) old.complete[0] = old.complete[1] = true;
    }
  auto owned = std::make_unique<Tx>();
  owned->proto = smb_proto;
  owned->kind = kind;
  owned->version = version_;
  owned->command = command_;
  owned->session = session_;
  owned->message = message_;
  owned->tree = tree_;
  owned->has_session = owned->has_tree = true;
  owned->dialect = dialect_;
  auto& tx = add(std::move(owned), ctx);
  tx.revision = 1;
  tx.progress[0] = 1;
  tx.complete[0] = kind != Kind::file;
  return tx;
}

Tx* SmbParser::open(std::uint16_t command) {
  const auto all = transactions();
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    auto& tx = static_cast<Tx&>(**it);
    if (tx.kind != Kind::file && !tx.complete[1] && tx.message == message_ &&
        tx.version == version_ && tx.command == command)
      return &tx;
  }
  return nullptr;
}

void SmbParser::answer(Tx& tx) {
  tx.has_status = true;
  tx.status = status_;
  tx.dos_status = dos_;
  tx.complete[1] = true;
  tx.progress[1] = 1;
  if (session_ != 0) tx.session = session_;
  tx.dialect = dialect_;
  ++tx.revision;
}

ParseResult SmbParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  auto& files = ctx.files();
  files.begin_batch();
  const auto d = sig::index(dir);
  if (input.gap > 0) {
    // A gap inside the octets of a file costs those octets; anywhere else the next record has to be
    // found.
    if (skip_[d] >= input.gap) {
      skip_[d] -= input.gap;
      const auto* tx = find(stream_tx_[d]);
      if (tx != nullptr && streaming_[d] != nullptr && tx->file == streaming_[d])
        files.gap(*streaming_[d], input.gap);
    } else {
      skip_[d] = 0;
      streaming_[d] = nullptr;
      lost_[d] = true;
    }
  }
  std::size_t at = 0;
  auto result = ParseResult::ok();
  while (at < input.data.size()) {
    const auto rest = input.data.subspan(at);
    if (skip_[d] > 0) {
      const auto part =
          rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(skip_[d], rest.size())));
      if (streaming_[d] != nullptr) {
        // The transaction may be gone by now, and its file with it.
        if (auto* tx = find(stream_tx_[d]); tx != nullptr && tx->file == streaming_[d]) {
          files.append(*streaming_[d], part);
          ++tx->revision;
        }
      }
      skip_[d] -= part.size();
      if (skip_[d] == 0) streaming_[d] = nullptr;
      at += part.size();
      continue;
    }
    if (lost_[d]) {
      const auto text = as_text(rest);
      auto found = text.find("SMB", 5);
      while (found != std::string_view::npos &&
             (text[found - 5] != 0 || static_cast<std::uint8_t>(text[found - 1]) < 0xfc))
        found = text.find("SMB", found + 1);
      if (found == std::string_view::npos) {
        if (rest.size() < 8) return ParseResult::more(at, 8);
        at = input.data.size() - 7;
        return ParseResult::more(at, 8);
      }
      at += found - 5;
      lost_[d] = false;
      continue;
    }
    if (rest.size() < 4) {
      result = ParseResult::more(at, 4);
      break;
    }
    const std::size_t length = load_be32(rest.data()) & 0xffffff;
    if (rest[0] != 0) {  // session request, keep-alive...
      if (rest[0] < 0x81 || rest[0] > 0x85) {
        lost_[d] = true;
        ++at;
        continue;
      }
      if (rest.size() < 4 + length) {
        result = ParseResult::more(at, 4 + length);
        break;
      }
      at += 4 + length;
      continue;
    }
    const std::size_t needed = length > whole_record ? first_part : length;
    if (rest.size() < 4 + needed) {
      result = ParseResult::more(at, 4 + needed);
      break;
    }
    const std::size_t have = length > whole_record ? std::min(length, rest.size() - 4) : length;
    const auto offset = input.offset + at;
    ctx.add_frame(nbss_pdu, dir, offset, static_cast<std::int64_t>(4 + length));
    ctx.add_frame(nbss_hdr, dir, offset, 4);
    ctx.add_frame(nbss_data, dir, offset + 4, static_cast<std::int64_t>(length));
    skip_[d] = length - have;
    streaming_[d] = nullptr;
    record(ctx, dir, rest.subspan(4, have), offset + 4, length - have);
    at += 4 + have;
  }
  if (input.end) {
    for (auto* t : transactions()) {
      auto& tx = static_cast<Tx&>(*t);
      tx.complete[d] = true;
      ++tx.revision;
    }
  }
  return result;
}

void SmbParser::record(ParserContext& ctx, Dir dir, Bytes all, std::uint64_t offset,
                       std::uint64_t missing) {
  std::size_t at = 0;
  for (std::size_t n = 0; n < max_chain && all.size() - at >= 4; ++n) {
    const auto rest = all.subspan(at);
    if (rest[1] != 'S' || rest[2] != 'M' || rest[3] != 'B') return;
    const auto total = static_cast<std::int64_t>(rest.size() + missing);
    if (rest[0] == 0xff) {
      ctx.add_frame(pdu1, dir, offset + at, total);
      ctx.add_frame(hdr1, dir, offset + at, 32);
      if (total > 32) ctx.add_frame(data1, dir, offset + at + 32, total - 32);
      if (rest.size() >= 33) smb1(ctx, dir, rest, missing);
      return;
    }
    if (rest[0] == 0xfd) {  // encrypted
      ctx.add_frame(pdu3, dir, offset + at, total);
      ctx.add_frame(hdr3, dir, offset + at, 52);
      if (total > 52) ctx.add_frame(data3, dir, offset + at + 52, total - 52);
      return;
    }
    if (rest[0] != 0xfe || rest.size() < 64) return;
    const std::size_t next = load_le32(rest.data() + 20);
    const bool chained = next >= 64 && next <= rest.size();
    const auto one = chained ? rest.first(next) : rest;
    const auto length = static_cast<std::int64_t>(one.size() + (chained ? 0 : missing));
    ctx.add_frame(pdu2, dir, offset + at, length);
    ctx.add_frame(hdr2, dir, offset + at, 64);
    if (length > 64) ctx.add_frame(data2, dir, offset + at + 64, length - 64);
    smb2(ctx, dir, one, chained ? 0 : missing);
    if (!chained) return;
    at += next;
  }
}

void SmbParser::smb2(ParserContext& ctx, Dir dir, Bytes all, std::uint64_t missing) {
  version_ = 2;
  dos_ = false;
  status_ = load_le32(all.data() + 8);
  command_ = load_le16(all.data() + 12);
  const auto flags = load_le32(all.data() + 16);
  message_ = load_le64(all.data() + 24);
  tree_ = (flags & 2) != 0 ? 0 : load_le32(all.data() + 36);
  session_ = load_le64(all.data() + 40);
  const bool response = (flags & 1) != 0;
  if (response != (dir == Dir::to_client)) return;
  if (response)
    response2(ctx, all, missing);
  else
    request2(ctx, all, missing);
}

void SmbParser::request2(ParserContext& ctx, Bytes all, std::uint64_t missing) {
  ByteReader in(all);
  in.skip(64);
  const auto id = [&](std::size_t at) {
    return as_text(all.subspan(std::min(at, all.size()), at + 16 <= all.size() ? 16 : 0));
  };
  const auto part = [&](std::size_t offset, std::size_t length) {
    return offset <= all.size() ? all.subspan(offset, std::min(length, all.size() - offset))
                                : Bytes();
  };
  const auto tree_of = [&]() -> const Tree* {
    const auto it = trees_.find(session_ * 1000003 + tree_);
    return it == trees_.end() ? nullptr : &it->second;
  };
  switch (command_) {
    case 0: {  // NEGOTIATE
      in.skip(2);
      const auto count = in.u16le();
      in.skip(8);
      Guid g{};
      const auto raw = in.bytes(16);
      std::copy(raw.begin(), raw.end(), g.begin());
      in.skip(8);
      auto& tx = fresh(ctx, Kind::negotiate);
      tx.client_guid = guid_text(g);
      for (unsigned i = 0; i < count && i < 64; ++i) {
        const auto v = in.u16le();
        if (!in.ok()) break;
        tx.dialects.push_back(dialect2_name(v));
      }
      return;
    }
    case 1: {  // SESSION_SETUP
      in.skip(12);
      const auto offset = in.u16le(), length = in.u16le();
      auto& tx = fresh(ctx, Kind::session_setup);
      tx.ntlmssp = find_ntlmssp(part(offset, length));
      return;
    }
    case 3: {  // TREE_CONNECT
      in.skip(4);
      const auto offset = in.u16le(), length = in.u16le();
      auto& tx = fresh(ctx, Kind::tree_connect);
      tx.share = narrow(part(offset, length));
      tx.pipe = is_pipe(tx.share);
      return;
    }
    case 5: {  // CREATE
      in.skip(36);
      const auto disposition = in.u32le(), options = in.u32le();
      const auto offset = in.u16le(), length = in.u16le();
      auto& tx = fresh(ctx, Kind::create);
      tx.disposition = disposition;
      tx.delete_on_close = (options & 0x1000) != 0;
      tx.directory = (options & 1) != 0;
      tx.filename = length > 0 ? narrow(part(offset, length)) : std::string("<share_root>");
      if (const auto* tree = tree_of()) {
        tx.share = tree->share;
        tx.pipe = tree->pipe;
      }
      return;
    }
    case 6: {  // CLOSE
      fresh(ctx, Kind::generic);
      close(ctx, std::string(id(72)));
      return;
    }
    case 8: {  // READ
      in.skip(4);
      in.skip(4);
      const auto offset = in.u64le();
      if (in.ok()) keep(pending_, number_key(message_, 8), Pending{std::string(id(80)), offset});
      return;
    }
    case 9: {  // WRITE
      in.skip(2);
      const std::size_t where = in.u16le(), length = in.u32le();
      const auto offset = in.u64le();
      const std::string key(id(80));
      if (!in.ok() || key.empty() || where > all.size()) return;
      const auto octets = part(where, length);
      const auto handle = handles_.find(key);
      const auto* tree = tree_of();
      if ((handle != handles_.end() && handle->second.pipe) || (tree != nullptr && tree->pipe)) {
        rpc(ctx, Dir::to_server, key, octets);
        return;
      }
      data(ctx, Dir::to_server, key, offset, octets,
           std::min<std::uint64_t>(missing, length - octets.size()));
      return;
    }
    case 11: {  // IOCTL
      in.skip(4);
      const auto function = in.u32le();
      const std::string key(id(72));
      in.skip(16);
      const std::size_t where = in.u32le(), length = in.u32le();
      if (function == 0x0011c017 && rpc(ctx, Dir::to_server, key, part(where, length))) return;
      auto& tx = fresh(ctx, Kind::ioctl);
      tx.function = function;
      return;
    }
    case 17: {  // SET_INFO
      in.skip(2);
      const auto type = in.u8(), level = in.u8();
      const std::size_t length = in.u32le(), where = in.u16le();
      const std::string key(id(80));
      const auto body = part(where, length);
      const auto handle = handles_.find(key);
      const std::string name = handle != handles_.end() ? handle->second.name : std::string();
      if (type == 1 && level == 10 && body.size() >= 20) {
        auto& tx = fresh(ctx, Kind::rename);
        tx.filename = name;
        tx.rename_to = narrow(
            body.subspan(20, std::min<std::size_t>(load_le32(body.data() + 16), body.size() - 20)));
      } else if (type == 1 && level == 13 && !body.empty()) {
        auto& tx = fresh(ctx, Kind::set_info);
        tx.filename = name;
        tx.delete_on_close = (body[0] & 1) != 0;
      }
      return;
    }
    case 12:  // CANCEL has no answer
    case 16:
      return;
    default:
      fresh(ctx, Kind::generic);
      return;
  }
}

void SmbParser::response2(ParserContext& ctx, Bytes all, std::uint64_t missing) {
  if (status_ == 0x103) return;  // pending: the answer comes later
  ByteReader in(all);
  in.skip(64);
  const auto part = [&](std::size_t offset, std::size_t length) {
    return offset <= all.size() ? all.subspan(offset, std::min(length, all.size() - offset))
                                : Bytes();
  };
  if (command_ == 8) {  // READ
    const auto it = pending_.find(number_key(message_, 8));
    if (it == pending_.end()) return;
    const auto p = it->second;
    pending_.erase(it);
    if (status_ != 0 && status_ != 0x80000005) return;
    in.skip(2);
    const std::size_t where = in.u8();
    in.skip(1);
    const std::size_t length = in.u32le();
    if (!in.ok() || where > all.size()) return;
    const auto octets = part(where, length);
    const auto handle = handles_.find(p.key);
    const auto tree = trees_.find(session_ * 1000003 + tree_);
    if ((handle != handles_.end() && handle->second.pipe) ||
        (tree != trees_.end() && tree->second.pipe)) {
      rpc(ctx, Dir::to_client, p.key, octets);
      return;
    }
    data(ctx, Dir::to_client, p.key, p.offset, octets,
         std::min<std::uint64_t>(missing, length - octets.size()));
    return;
  }
  if (command_ == 11) {
    in.skip(4);
    const auto function = in.u32le();
    const std::string key(as_text(part(72, 16)));
    in.skip(24);
    const std::size_t where = in.u32le(), length = in.u32le();
    if (in.ok() && function == 0x0011c017 && (status_ == 0 || status_ == 0x80000005) &&
        rpc(ctx, Dir::to_client, key, part(where, length)))
      return;
  }
  Tx* tx = open(command_);
  if (command_ == 0) {
    if (tx == nullptr) {
      // A version 1 negotiation may be answered in version 2.
      for (auto* t : transactions()) {
        auto& x = static_cast<Tx&>(*t);
        if (x.kind == Kind::negotiate && !x.complete[1]) tx = &x;
      }
    }
    in.skip(4);
    dialect_ = dialect2_name(in.u16le());
    in.skip(2);
    Guid g{};
    const auto raw = in.bytes(16);
    std::copy(raw.begin(), raw.end(), g.begin());
    if (tx != nullptr && raw.size() == 16) tx->server_guid = guid_text(g);
  }
  if (tx == nullptr && command_ == 3) {  // picked up in the middle
    return;
  }
  if (tx == nullptr) return;
  if (tx->kind == Kind::tree_connect) {
    tx->tree = tree_;
    in.skip(2);
    const auto type = in.u8();
    tx->pipe = type == 2 || tx->pipe;
    tx->share_type = type == 1 ? "FILE" : type == 2 ? "PIPE" : type == 3 ? "PRINT" : "UNKNOWN";
    if (status_ == 0) keep(trees_, session_ * 1000003 + tree_, Tree{tx->share, tx->pipe});
  }
  if (tx->kind == Kind::create && status_ == 0) {
    in.skip(8);
    for (auto& t : tx->times) t = unix_time(in.u64le());
    in.skip(8);
    tx->size = in.u64le();
    in.skip(8);
    Guid g{};
    const auto raw = in.bytes(16);
    if (raw.size() == 16) {
      std::copy(raw.begin(), raw.end(), g.begin());
      tx->fuid = guid_text(g);
      tx->created_known = true;
      Handle h;
      h.name = tx->filename;
      h.pipe = tx->pipe;
      h.directory = tx->directory;
      h.size = tx->size;
      keep(handles_, std::string(as_text(raw)), std::move(h));
    }
  }
  answer(*tx);
}

void SmbParser::data(ParserContext& ctx, Dir dir, const std::string& key, std::uint64_t offset,
                     Bytes octets, std::uint64_t missing) {
  auto it = handles_.find(key);
  if (it == handles_.end()) {
    keep(handles_, key, Handle{});
    it = handles_.find(key);
  }
  auto& h = it->second;
  auto& files = ctx.files();
  Tx* tx = h.tx != UINT64_MAX ? find(h.tx) : nullptr;
  if (tx != nullptr && tx->dir != dir) {
    // First read, then written: another file for rules and EVE.
    if (tx->file != nullptr) files.close(*tx->file);
    tx->complete[0] = tx->complete[1] = true;
    ++tx->revision;
    tx = nullptr;
  }
  if (tx == nullptr) {
    tx = &fresh(ctx, Kind::file);
    tx->dir = dir;
    tx->complete[1 - sig::index(dir)] = false;
    tx->filename = h.name;
    tx->has_status = true;
    Guid g{};
    if (key.size() == 16) {
      std::copy(key.begin(), key.end(), g.begin());
      tx->fuid = guid_text(g);
    } else {
      for (std::size_t i = 0; i < key.size() && i < 2; ++i)
        g[i] = static_cast<std::uint8_t>(key[i]);
      tx->fuid = guid_text(g);
    }
    const auto tree = trees_.find(session_ * 1000003 + tree_);
    if (tree != trees_.end()) tx->share = tree->second.share;
    tx->file = files.open(*tx, dir, as_bytes(h.name));
    h.tx = tx->id;
    h.position = 0;
    if (offset > 0 && offset < (1ULL << 62)) h.position = offset;  // does not begin at the start
  }
  if (tx->file == nullptr) return;
  ++tx->revision;
  if (offset < h.position) {
    tx->add_event(file_overlap);
    const auto known = std::min<std::uint64_t>(h.position - offset, octets.size());
    octets = octets.subspan(static_cast<std::size_t>(known));
    offset += known;
    if (offset < h.position) return;
  } else if (offset > h.position) {
    files.gap(*tx->file, offset - h.position);
  }
  files.append(*tx->file, octets);
  h.position = offset + octets.size() + missing;
  if (missing > 0) {
    streaming_[sig::index(dir)] = tx->file;
    stream_tx_[sig::index(dir)] = tx->id;
  }
}

void SmbParser::close(ParserContext& ctx, const std::string& key) {
  const auto it = handles_.find(key);
  if (it == handles_.end()) return;
  if (it->second.tx != UINT64_MAX)
    if (auto* tx = find(it->second.tx)) {
      if (tx->file != nullptr) ctx.files().close(*tx->file);
      for (const auto d : {0, 1})
        if (streaming_[d] == tx->file) streaming_[d] = nullptr;
      tx->complete[0] = tx->complete[1] = true;
      tx->progress[0] = tx->progress[1] = 1;
      ++tx->revision;
    }
  handles_.erase(it);
}

bool SmbParser::rpc(ParserContext& ctx, Dir dir, const std::string& key, Bytes octets) {
  (void)key;
  const auto h = dcerpc::parse_header(octets);
  if (!h) return false;
  const auto fragment = octets.first(std::min<std::size_t>(octets.size(), h->frag_length));
  const bool is_answer = dir == Dir::to_client;
  Tx* tx = nullptr;
  const auto all = transactions();
  for (auto it = all.rbegin(); it != all.rend() && tx == nullptr; ++it) {
    auto& x = static_cast<Tx&>(**it);
    if (x.kind == Kind::dcerpc && x.call.call_id == h->call_id && x.session == session_ &&
        (is_answer ? x.call.req.done && !x.call.res.done : !x.call.req.done))
      tx = &x;
  }
  if (tx == nullptr) {
    if (is_answer) return false;
    tx = &fresh(ctx, Kind::dcerpc);
    tx->call.call_id = h->call_id;
  }
  auto& half = is_answer ? tx->call.res : tx->call.req;
  switch (h->type) {
    case dcerpc::request:
    case dcerpc::response:
      if (const auto call = dcerpc::parse_call(*h, fragment)) {
        half.add(*h, call->stub);
        if (h->type == dcerpc::request) {
          tx->call.context = call->context;
          tx->call.opnum = call->opnum;
          for (auto it = bound_.rbegin(); it != bound_.rend(); ++it)
            if (it->context == call->context && it->answered && it->result == 0) {
              tx->call.set_interface(*it, h->first() || !tx->call.iface.empty());
              break;
            }
        }
      }
      break;
    case dcerpc::bind:
    case dcerpc::alter_context:
      half.seen = half.done = true;
      half.type = h->type;
      tx->call.interfaces = dcerpc::parse_bind(*h, fragment);
      break;
    case dcerpc::bind_ack:
    case dcerpc::alter_context_resp: {
      half.seen = half.done = true;
      half.type = h->type;
      const auto results = dcerpc::parse_bind_ack(*h, fragment);
      for (std::size_t i = 0; i < results.size() && i < tx->call.interfaces.size(); ++i) {
        auto& f = tx->call.interfaces[i];
        f.result = results[i];
        f.answered = true;
        if (bound_.size() >= max_bound) bound_.erase(bound_.begin());
        bound_.push_back(f);
      }
      break;
    }
    default:
      half.seen = half.done = true;
      half.type = h->type;
      if (h->type == dcerpc::auth3) tx->call.res.done = true;
      break;
  }
  tx->complete[0] = tx->call.req.done;
  ++tx->revision;
  if (tx->call.res.done) answer(*tx);
  return true;
}

}  // namespace ww::sensor::smb
