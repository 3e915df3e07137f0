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
const EventId response_to_server = sig::events().intern("smb.response_to_server");
const EventId request_to_client = sig::events().intern("smb.request_to_client");

constexpr std::size_t whole_record = 256 * 1024;  ///< larger records are read in parts
constexpr std::size_t first_part = 64 * 1024;
constexpr std::size_t data_head = 128;  ///< has all but the data of a read's answer or a write
constexpr std::size_t max_chain = 64;

}  // namespace

Tx* SmbParser::find(std::uint64_t id) {
  const auto all = transactions();
  for (auto it = all.rbegin(); it != all.rend(); ++it)
    if ((*it)->id == id) return static_cast<Tx*>(*it);
  return nullptr;
}

Tx& SmbParser::fresh(ParserContext& ctx, Kind kind) {
  if (transactions().size() >= config_.max_tx)
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
    // A call over a pipe is answered by its own read, unless it went in one exchange.
    const bool exchange = version_ == 1 ? command == 0x25 : command == 11;
    if (tx.kind != Kind::file && (tx.kind != Kind::dcerpc || exchange) && !tx.complete[1] &&
        tx.message == message_ && tx.version == version_ && tx.command == command)
      return &tx;
  }
  return nullptr;
}

Tx* SmbParser::open_negotiate(std::uint8_t version) {
  for (auto* t : transactions()) {
    auto& tx = static_cast<Tx&>(*t);
    if (tx.kind == Kind::negotiate && !tx.complete[1] && tx.version == version) return &tx;
  }
  return nullptr;
}

/// Events without a transaction of their own go to the newest one.
void SmbParser::flag(Event e) {
  if (transactions().empty()) return;
  auto& tx = static_cast<Tx&>(*transactions().back());
  tx.add_event(event_id(e));
  ++tx.revision;
}

void SmbParser::security(Tx& tx, Bytes blob) {
  bool malformed = false;
  tx.ntlmssp = find_ntlmssp(blob, malformed);
  tx.kerberos = find_kerberos(blob);
  if (malformed) tx.add_event(event_id(Event::malformed_ntlmssp_request));
}

Handle& SmbParser::handle(const std::string& key) {
  auto it = handles_.find(key);
  if (it == handles_.end()) {
    keep(handles_, key, Handle{});
    it = handles_.find(key);
  }
  return it->second;
}

const Tree* SmbParser::tree() const {
  const auto it = trees_.find(version_ == 1 ? tree_ : session_ * 1000003 + tree_);
  return it == trees_.end() ? nullptr : &it->second;
}

bool SmbParser::is_pipe(const std::string& key) const {
  const auto it = handles_.find(key);
  if (it != handles_.end() && it->second.pipe) return true;
  const auto* t = tree();
  return t != nullptr && t->pipe;
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

/// A gap inside the octets of a file costs those octets; anywhere else the next record has to be
/// found.
void SmbParser::gap(ParserContext& ctx, Dir dir, std::uint64_t octets) {
  const auto d = sig::index(dir);
  if (pipe_rest_[d].wanted) {
    handle(pipe_rest_[d].key).rpc[d].clear();
    pipe_rest_[d] = {};
  }
  if (skip_[d] >= octets) {
    skip_[d] -= octets;
    const auto* tx = find(stream_tx_[d]);
    if (tx != nullptr && streaming_[d] != nullptr && tx->file == streaming_[d])
      ctx.files().gap(*streaming_[d], octets);
    return;
  }
  skip_[d] = 0;
  streaming_[d] = nullptr;
  lost_[d] = true;
}

void SmbParser::rest_of_record(ParserContext& ctx, Dir dir, Bytes octets) {
  const auto d = sig::index(dir);
  skip_[d] -= octets.size();
  if (pipe_rest_[d].wanted) {
    const auto m = pipe_rest_[d];
    version_ = m.version;
    command_ = m.command;
    session_ = m.session;
    message_ = m.message;
    tree_ = m.tree;
    status_ = m.status;
    rpc(ctx, dir, m.key, octets);
    if (skip_[d] == 0) pipe_rest_[d] = {};
    return;
  }
  if (streaming_[d] != nullptr) {
    // The transaction may be gone by now, and its file with it.
    if (auto* tx = find(stream_tx_[d]); tx != nullptr && tx->file == streaming_[d]) {
      ctx.files().append(*streaming_[d], octets);
      ++tx->revision;
    }
  }
  if (skip_[d] == 0) streaming_[d] = nullptr;
}

namespace {

/// Octets of a record of `length` that have to be there before it is read. What carries data is
/// read as it comes.
std::size_t needed_of(Dir dir, Bytes record, std::size_t length) {
  if (length > whole_record) return first_part;
  if (length <= data_head) return length;
  if (record.size() < data_head) return data_head;
  const bool answer = dir == Dir::to_client;
  if (record[0] == 0xfe) {
    const auto command = load_le16(record.data() + 12);
    if (load_le32(record.data() + 20) == 0 && command == (answer ? 8 : 9)) return data_head;
  } else if (record[0] == 0xff && record[33] == 0xff && record[4] == (answer ? 0x2e : 0x2f)) {
    return data_head;
  }
  return length;
}

/// Where the next record may begin after a loss; npos when nowhere in `text`.
std::size_t find_record(std::string_view text) {
  auto found = text.find("SMB", 5);
  while (found != std::string_view::npos &&
         (text[found - 5] != 0 || static_cast<std::uint8_t>(text[found - 1]) < 0xfc))
    found = text.find("SMB", found + 1);
  return found == std::string_view::npos ? found : found - 5;
}

}  // namespace

ParseResult SmbParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  ctx.files().begin_batch();
  const auto d = sig::index(dir);
  if (input.gap > 0) gap(ctx, dir, input.gap);
  std::size_t at = 0;
  auto result = ParseResult::ok();
  while (at < input.data.size()) {
    const auto rest = input.data.subspan(at);
    if (skip_[d] > 0) {
      const auto part =
          rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(skip_[d], rest.size())));
      rest_of_record(ctx, dir, part);
      at += part.size();
      continue;
    }
    if (lost_[d]) {
      const auto found = find_record(as_text(rest));
      if (found == std::string_view::npos) {
        if (rest.size() >= 8) at = input.data.size() - 7;
        result = ParseResult::more(at, 8);
        break;
      }
      at += found;
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
    const auto needed = needed_of(dir, rest.subspan(4), length);
    if (rest.size() < 4 + needed) {
      result = ParseResult::more(at, 4 + needed);
      break;
    }
    const std::size_t have = needed < length ? std::min(length, rest.size() - 4) : length;
    const auto offset = input.offset + at;
    ctx.add_frame(nbss_pdu, dir, offset, static_cast<std::int64_t>(4 + length));
    ctx.add_frame(nbss_hdr, dir, offset, 4);
    ctx.add_frame(nbss_data, dir, offset + 4, static_cast<std::int64_t>(length));
    skip_[d] = length - have;
    streaming_[d] = nullptr;
    pipe_rest_[d] = {};
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
  related_.reset();
  std::size_t at = 0;
  for (std::size_t n = 0; n < max_chain && all.size() - at >= 4; ++n) {
    const auto rest = all.subspan(at);
    if (rest[1] != 'S' || rest[2] != 'M' || rest[3] != 'B') return;
    const auto total = static_cast<std::int64_t>(rest.size() + missing);
    if (rest[0] == 0xff) {
      ctx.add_frame(pdu1, dir, offset + at, total);
      ctx.add_frame(hdr1, dir, offset + at, 32);
      if (total > 32) ctx.add_frame(data1, dir, offset + at + 32, total - 32);
      if (rest.size() < 33) return;
      if (((rest[9] & 0x80) != 0) == (dir == Dir::to_client))
        smb1(ctx, dir, rest, missing);
      else
        ctx.add_event(dir == Dir::to_client ? request_to_client : response_to_server);
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
    if (((one[16] & 1) != 0) == (dir == Dir::to_client))
      smb2(ctx, dir, one, chained ? 0 : missing);
    else
      ctx.add_event(dir == Dir::to_client ? request_to_client : response_to_server);
    if (!chained) return;
    at += next;
  }
}

}  // namespace ww::sensor::smb
