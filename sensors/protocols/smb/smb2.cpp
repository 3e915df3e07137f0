/// SMB 2 and 3 (MS-SMB2): commands and answers.
#include <algorithm>
#include <cstring>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {
namespace {

constexpr std::uint32_t pending = 0x103, buffer_overflow = 0x80000005, end_of_file = 0xc0000011;
constexpr std::uint32_t pipe_transceive = 0x0011c017;

std::string number_key(std::uint64_t a, std::uint64_t b) {
  std::string k(16, '\0');
  std::memcpy(k.data(), &a, 8);
  std::memcpy(k.data() + 8, &b, 8);
  return k;
}
Bytes part(Bytes all, std::size_t offset, std::size_t length) {
  return offset <= all.size() ? all.subspan(offset, std::min(length, all.size() - offset))
                              : Bytes();
}
/// The file id there; empty when it is cut off.
std::string file_id(Bytes all, std::size_t at) {
  return at + 16 <= all.size() ? std::string(as_text(all.subspan(at, 16))) : std::string();
}

}  // namespace

void SmbParser::smb2(ParserContext& ctx, Dir dir, Bytes all, std::uint64_t missing) {
  version_ = 2;
  dos_ = false;
  status_ = load_le32(all.data() + 8);
  command_ = load_le16(all.data() + 12);
  const auto flags = load_le32(all.data() + 16);
  message_ = load_le64(all.data() + 24);
  tree_ = (flags & 2) != 0 ? 0 : load_le32(all.data() + 36);
  session_ = load_le64(all.data() + 40);
  if (dir == Dir::to_client) {
    response2(ctx, all, missing);
  } else {
    if ((flags & 4) == 0) related_.reset();
    request2(ctx, all, missing);
  }
}

void SmbParser::request2(ParserContext& ctx, Bytes all, std::uint64_t missing) {
  ByteReader in(all);
  in.skip(64);
  const auto malformed = [&] {
    fresh(ctx, Kind::generic).add_event(event_id(Event::malformed_data));
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
      if (!in.ok()) return malformed();
      if (open_negotiate(2) != nullptr) return;
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
      security(fresh(ctx, Kind::session_setup), part(all, offset, length));
      return;
    }
    case 3: {  // TREE_CONNECT
      in.skip(4);
      const auto offset = in.u16le(), length = in.u16le();
      if (!in.ok()) return malformed();
      fresh(ctx, Kind::tree_connect).share = narrow(part(all, offset, length));
      return;
    }
    case 4:  // TREE_DISCONNECT
      trees_.erase(session_ * 1000003 + tree_);
      fresh(ctx, Kind::generic);
      return;
    case 5: {  // CREATE
      in.skip(36);
      const auto disposition = in.u32le(), options = in.u32le();
      const auto offset = in.u16le(), length = in.u16le();
      if (!in.ok()) return malformed();
      auto& tx = fresh(ctx, Kind::create);
      tx.disposition = disposition;
      tx.delete_on_close = (options & 0x1000) != 0;
      tx.directory = (options & 1) != 0;
      tx.filename = narrow(part(all, offset, length));
      related_ = tx.filename;
      if (const auto* t = tree()) {
        tx.share = t->share;
        tx.pipe = t->pipe;
      }
      return;
    }
    case 6:  // CLOSE
      if (const auto key = file_id(all, 72); key.empty()) {
        malformed();
      } else {
        fresh(ctx, Kind::generic);
        close(ctx, key);
      }
      return;
    case 8: {  // READ
      in.skip(4);
      const auto length = in.u32le();
      const auto offset = in.u64le();
      const auto key = file_id(all, 80);
      if (!in.ok() || key.empty()) return flag(Event::malformed_data);
      if ((max_read_ != 0 && length > max_read_) ||
          (config_.max_read_size != 0 && length > config_.max_read_size))
        return flag(Event::read_request_too_large);
      keep(pending_, number_key(message_, 8), Pending{key, offset});
      return;
    }
    case 9: {  // WRITE
      in.skip(2);
      const std::size_t where = in.u16le(), length = in.u32le();
      const auto offset = in.u64le();
      const auto key = file_id(all, 80);
      if (!in.ok() || key.empty() || where > all.size()) return flag(Event::malformed_data);
      if ((max_write_ != 0 && length > max_write_) ||
          (config_.max_write_size != 0 && length > config_.max_write_size))
        return flag(Event::write_request_too_large);
      const auto octets = part(all, where, length);
      if (is_pipe(key)) return pipe(ctx, Dir::to_server, key, octets, missing);
      // Without the tree connect a pipe is told by what goes through it.
      if (tree() == nullptr && !handles_.contains(key) && dcerpc::parse_header(octets)) {
        handle(key).pipe = true;
        return pipe(ctx, Dir::to_server, key, octets, missing);
      }
      data(ctx, Dir::to_server, key, offset, octets,
           std::min<std::uint64_t>(missing, length - octets.size()));
      return;
    }
    case 11: {  // IOCTL
      in.skip(4);
      const auto function = in.u32le();
      const auto key = file_id(all, 72);
      in.skip(16);
      const std::size_t where = in.u32le(), length = in.u32le();
      if (function == pipe_transceive && in.ok() &&
          rpc(ctx, Dir::to_server, key, part(all, where, length)))
        return;
      fresh(ctx, in.ok() ? Kind::ioctl : Kind::generic).function = function;
      return;
    }
    case 12:  // CANCEL has no answer
    case 16:  // GET_INFO
      return;
    case 17:
      set_info2(ctx, all);
      return;
    default:
      fresh(ctx, Kind::generic);
      return;
  }
}

void SmbParser::set_info2(ParserContext& ctx, Bytes all) {
  ByteReader in(all);
  in.skip(66);
  const auto type = in.u8(), level = in.u8();
  const std::size_t length = in.u32le(), where = in.u16le();
  const auto key = file_id(all, 80);
  if (!in.ok() || key.empty()) return flag(Event::malformed_data);
  constexpr std::uint8_t file = 1, rename = 10, disposition = 13;
  if (type != file || (level != rename && level != disposition)) return;
  const auto body = part(all, where, length);
  if (body.size() < (level == rename ? 20U : 1U)) return flag(Event::malformed_data);
  auto& tx = fresh(ctx, level == rename ? Kind::rename : Kind::set_info);
  const auto known = handles_.find(key);
  tx.filename = known != handles_.end() ? known->second.name : related_.value_or("<unknown>");
  tx.fuid = file_id_text(key);
  if (level == rename)
    tx.rename_to = narrow(
        body.subspan(20, std::min<std::size_t>(load_le32(body.data() + 16), body.size() - 20)));
  else
    tx.delete_on_close = (body[0] & 1) != 0;
}

void SmbParser::read_answer2(ParserContext& ctx, Bytes all, std::uint64_t missing) {
  const auto it = pending_.find(number_key(message_, 8));
  if (it == pending_.end()) return;
  const auto p = it->second;
  pending_.erase(it);
  if (status_ == end_of_file) {
    const auto known = handles_.find(p.key);
    if (known != handles_.end()) end_file(ctx.files(), known->second, sig::index(Dir::to_client));
    return;
  }
  if (status_ != 0 && status_ != buffer_overflow) return;
  ByteReader in(all);
  in.skip(66);
  const std::size_t where = in.u8();
  in.skip(1);
  const std::size_t length = in.u32le();
  if (!in.ok() || where > all.size()) return flag(Event::malformed_data);
  if ((max_read_ != 0 && length > max_read_) ||
      (config_.max_read_size != 0 && length > config_.max_read_size))
    return flag(Event::read_response_too_large);
  const auto octets = part(all, where, length);
  // An asynchronous answer does not name its tree: what it brings tells a pipe from a file, and
  // what has become a file stays one.
  const bool async = (load_le32(all.data() + 16) & 2) != 0;
  const auto known = handles_.find(p.key);
  const bool file = known != handles_.end() && known->second.tx[1] != UINT64_MAX;
  if (!file && (async ? dcerpc::parse_header(octets).has_value() : is_pipe(p.key)))
    return pipe(ctx, Dir::to_client, p.key, octets, missing);
  data(ctx, Dir::to_client, p.key, p.offset, octets,
       std::min<std::uint64_t>(missing, length - octets.size()));
}

void SmbParser::negotiate_answer2(Tx* tx, ByteReader in) {
  in.skip(4);
  const auto dialect = in.u16le();
  in.skip(2);
  Guid g{};
  const auto raw = in.bytes(16);
  std::copy(raw.begin(), raw.end(), g.begin());
  if (raw.size() != 16) {
    if (tx != nullptr) tx->add_event(event_id(Event::malformed_data));
    return;
  }
  dialect_ = dialect2_name(dialect);
  in.skip(8);  // capabilities, largest transaction
  const auto read = in.u32le(), write = in.u32le();
  if (in.ok()) {
    if (config_.max_read_size != 0 && read > config_.max_read_size)
      flag(Event::negotiate_max_read_size_too_large);
    if (config_.max_write_size != 0 && write > config_.max_write_size)
      flag(Event::negotiate_max_write_size_too_large);
    max_read_ = read;
    max_write_ = write;
  }
  if (tx == nullptr) return;
  tx->server_guid = guid_text(g);
  tx->max_read_size = max_read_;
  tx->max_write_size = max_write_;
}

void SmbParser::create_answer2(Tx& tx, ByteReader in) {
  in.skip(8);
  std::uint64_t times[4];
  for (auto& t : times) t = unix_time(in.u64le());
  in.skip(8);
  const auto size = in.u64le();
  in.skip(8);
  const std::string key(in.text(16));
  if (!in.ok()) {
    tx.add_event(event_id(Event::malformed_data));
    return;
  }
  std::copy(std::begin(times), std::end(times), std::begin(tx.times));
  tx.size = size;
  tx.fuid = file_id_text(key);
  Handle h;
  h.name = tx.filename;
  h.pipe = tx.pipe;
  keep(handles_, key, std::move(h));
}

void SmbParser::response2(ParserContext& ctx, Bytes all, std::uint64_t missing) {
  if (status_ == pending) return;  // the answer comes later
  ByteReader in(all);
  in.skip(64);
  if (command_ == 8) return read_answer2(ctx, all, missing);
  if (command_ == 11) {
    ByteReader body = in;
    body.skip(4);
    const auto function = body.u32le();
    body.skip(24);
    const std::size_t where = body.u32le(), length = body.u32le();
    if (body.ok() && function == pipe_transceive && (status_ == 0 || status_ == buffer_overflow) &&
        rpc(ctx, Dir::to_client, file_id(all, 72), part(all, where, length)))
      return;
  }
  Tx* tx = open(command_);
  if (command_ == 0) {
    if (tx == nullptr) tx = open_negotiate(2);
    if (tx == nullptr) tx = open_negotiate(1);  // one of version 1 may be answered in version 2
    negotiate_answer2(tx, in);
  }
  if (tx == nullptr) return;
  if (tx->kind == Kind::tree_connect) {
    in.skip(2);
    const auto type = in.u8();
    tx->tree = tree_;
    if (status_ == 0) {
      tx->pipe = type == 2;
      tx->share_type = type == 1 ? "FILE" : type == 2 ? "PIPE" : type == 3 ? "PRINT" : "UNKNOWN";
      keep(trees_, session_ * 1000003 + tree_, Tree{tx->share, tx->pipe});
    }
  }
  if (tx->kind == Kind::create && status_ == 0) create_answer2(*tx, in);
  answer(*tx);
}

}  // namespace ww::sensor::smb
