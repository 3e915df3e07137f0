/// SMB 1 (MS-CIFS): commands, their AndX chains and answers.
#include <algorithm>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {
namespace {

constexpr unsigned max_chain = 16;

bool has_andx(std::uint8_t c) {
  return c == 0x24 || c == 0x2d || c == 0x2e || c == 0x2f || c == 0x73 || c == 0x74 || c == 0x75 ||
         c == 0xa2;
}
/// A null-terminated string; UTF-16 strings start on an even offset of the message.
std::string text(ByteReader& in, bool unicode) {
  if (!unicode) {
    const auto rest = as_text(in.rest());
    const auto end = std::min(rest.find('\0'), rest.size());
    in.skip(std::min(end + 1, rest.size()));
    return std::string(rest.substr(0, end));
  }
  if (in.offset() % 2 != 0) in.skip(1);
  if (!in.ok()) return {};
  const auto rest = in.rest();
  std::size_t n = 0;
  while (n + 1 < rest.size() && (rest[n] != 0 || rest[n + 1] != 0)) n += 2;
  auto out = narrow(rest.first(std::min(n, rest.size())));
  in.skip(std::min(n + 2, rest.size()));
  return out;
}
std::string file_key(std::uint16_t fid) {
  return {static_cast<char>(fid & 0xff), static_cast<char>(fid >> 8)};
}
}  // namespace

void SmbParser::smb1(ParserContext& ctx, Dir dir, Bytes all, std::uint64_t missing) {
  version_ = 1;
  const auto flags2 = load_le16(all.data() + 10);
  unicode_ = (flags2 & 0x8000) != 0;
  dos_ = (flags2 & 0x4000) == 0;
  status_ = load_le32(all.data() + 5);
  const bool response = dir == Dir::to_client;
  tree_ = load_le16(all.data() + 24);
  session_ = load_le16(all.data() + 28);
  message_ = load_le16(all.data() + 30);
  std::uint8_t command = all[4];
  std::size_t at = 32;
  for (unsigned n = 0; n < max_chain && at < all.size(); ++n) {
    ByteReader in(all);
    in.seek(at);
    command_ = command;
    if (response)
      smb1_response(ctx, command, in, all, missing);
    else
      smb1_request(ctx, command, in, all, missing);
    if (!has_andx(command) || all[at] < 2 || at + 5 > all.size()) return;
    const auto next = all[at + 1];
    const std::size_t to = load_le16(all.data() + at + 3);
    if (next == 0xff || to <= at) return;  // a chain only goes forward
    command = next;
    at = to;
  }
}

void SmbParser::smb1_request(ParserContext& ctx, std::uint8_t command, ByteReader in, Bytes all,
                             std::uint64_t missing) {
  const std::size_t words = in.u8(), start = in.offset();
  const auto w16 = [&](std::size_t i) {
    return start + i * 2 + 2 <= all.size() ? load_le16(all.data() + start + i * 2)
                                           : std::uint16_t{0};
  };
  const auto w32 = [&](std::size_t octet) {
    return start + octet + 4 <= all.size() ? load_le32(all.data() + start + octet) : 0U;
  };
  in.skip(words * 2);
  in.u16le();  // byte count
  if (!in.ok()) return;
  switch (command) {
    case 0x72: {
      if (auto* open = open_negotiate(1)) {
        open->add_event(event_id(Event::duplicate_negotiate));
        ++open->revision;
        return;
      }
      auto& tx = fresh(ctx, Kind::negotiate);
      while (in.ok() && !in.empty() && tx.dialects.size() < 64) {
        in.skip(1);  // buffer format
        tx.dialects.push_back(text(in, false));
        if (tx.dialects.back().empty()) tx.add_event(event_id(Event::negotiate_malformed_dialects));
      }
      return;
    }
    case 0x73: {
      auto& tx = fresh(ctx, Kind::session_setup);
      if (words == 12) {
        const auto blob = in.bytes(std::min<std::size_t>(w16(7), in.left()));
        security(tx, blob);
      } else if (words == 13) {
        in.skip(std::min<std::size_t>(in.left(), std::size_t{w16(7)} + w16(8)));
        Ntlmssp account;
        account.user = text(in, unicode_);
        account.domain = text(in, unicode_);
        tx.ntlmssp = std::move(account);
      } else {
        return;
      }
      tx.has_request_host = true;
      tx.request_os = text(in, unicode_);
      tx.request_lm = text(in, unicode_);
      return;
    }
    case 0x75: {
      auto& tx = fresh(ctx, Kind::tree_connect);
      in.skip(std::min<std::size_t>(w16(3), in.left()));
      tx.share = text(in, unicode_);
      tx.request_service = text(in, false);
      return;
    }
    case 0xa2: {
      auto& tx = fresh(ctx, Kind::create);
      tx.disposition = w32(35);
      tx.delete_on_close = (w32(39) & 0x1000) != 0;
      tx.directory = (w32(39) & 1) != 0;
      tx.filename = text(in, unicode_);
      if (const auto* t = tree()) {
        tx.share = t->share;
        tx.pipe = t->pipe;
      }
      return;
    }
    case 0x2e: {
      const std::uint64_t high = words >= 12 ? w32(20) : 0;
      keep(pending_, "r" + std::to_string(message_),
           Pending{file_key(w16(2)), high << 32 | w32(6)});
      return;
    }
    case 0x2f: {
      const std::uint64_t high = words >= 14 ? w32(24) : 0;
      const std::uint64_t offset = high << 32 | w32(6);
      const std::size_t length = w16(10) + (std::size_t{w16(9)} << 16), where = w16(11);
      if (words < 12 || where > all.size()) return;
      const auto octets = all.subspan(where, std::min(length, all.size() - where));
      const auto key = file_key(w16(2));
      if (is_pipe(key)) return pipe(ctx, Dir::to_server, key, octets, missing);
      data(ctx, Dir::to_server, key, offset, octets,
           std::min<std::uint64_t>(missing, length - octets.size()));
      return;
    }
    case 0x0b: {  // WRITE
      if (words < 5) return;
      in.skip(1);
      const std::size_t length = in.u16le();
      if (!in.ok()) return;
      const auto octets = in.bytes(std::min(length, in.left()));
      data(ctx, Dir::to_server, file_key(w16(0)), w32(4), octets,
           std::min<std::uint64_t>(missing, length - octets.size()));
      return;
    }
    case 0x25: {  // TRANS: an exchange over a pipe, or a mail slot
      const std::size_t length = w16(11), where = w16(12);
      const auto key = file_key(w16(15));
      if (words < 16 || where > all.size()) return;
      if (rpc(ctx, Dir::to_server, key, all.subspan(where, std::min(length, all.size() - where))))
        keep(pending_, "t" + std::to_string(message_), Pending{key, 0});
      return;
    }
    case 0x32:  // TRANS2
      if (words >= 15 && !trans2(ctx, all, start)) flag(Event::malformed_data);
      return;
    case 0x71:
      trees_.erase(tree_);
      fresh(ctx, Kind::generic);
      return;
    case 0x04:
      fresh(ctx, Kind::generic);
      close(ctx, file_key(w16(0)));
      return;
    case 0x07: {  // RENAME
      auto& tx = fresh(ctx, Kind::rename);
      in.skip(1);
      tx.filename = text(in, unicode_);
      in.skip(1);
      tx.rename_to = text(in, unicode_);
      return;
    }
    case 0x0a:
    case 0xa4:
      return;
    default:
      fresh(ctx, Kind::generic);
      return;
  }
}

/// SET_PATH_INFO and SET_FILE_INFORMATION (MS-CIFS 2.2.6.7, 2.2.6.9) that delete or rename. False:
/// it is cut off.
bool SmbParser::trans2(ParserContext& ctx, Bytes all, std::size_t words_at) {
  const auto word = [&](std::size_t i) {
    return load_le16(all.data() + words_at + i * 2);  // 15 words are there
  };
  const auto part = [&](std::size_t offset, std::size_t length) {
    return offset <= all.size() ? all.subspan(offset, std::min(length, all.size() - offset))
                                : Bytes();
  };
  const auto subcommand = word(14);
  constexpr std::uint16_t path_info = 6, file_info = 8, rename = 1010, disposition = 1013;
  if (subcommand != path_info && subcommand != file_info) return true;
  ByteReader parameters(part(word(10), word(9))), body(part(word(12), word(11)));
  std::string key, name;
  std::uint16_t level = 0;
  if (subcommand == file_info) {
    key = file_key(parameters.u16le());
    level = parameters.u16le();
    const auto known = handles_.find(key);
    name = known != handles_.end() ? known->second.name : "<unknown>";
  } else {
    level = parameters.u16le();
    parameters.skip(4);
    name = unicode_ ? narrow(parameters.rest()) : text(parameters, false);
  }
  if (!parameters.ok()) return false;
  if (level != rename && level != disposition) return true;
  auto& tx = fresh(ctx, level == rename ? Kind::rename : Kind::set_info);
  tx.filename = std::move(name);
  tx.fuid = file_id_text(key);
  tx.subcommand = subcommand;
  tx.level = level;
  if (level == disposition) {
    tx.delete_on_close = (body.u8() & 1) != 0;
  } else {
    body.skip(8);
    const std::size_t length = body.u32le();
    const auto to = body.bytes(std::min(length, body.left()));
    tx.rename_to = unicode_ ? narrow(to) : std::string(as_text(to));
  }
  return body.ok();
}

void SmbParser::smb1_response(ParserContext& ctx, std::uint8_t command, ByteReader in, Bytes all,
                              std::uint64_t missing) {
  const std::size_t words = in.u8(), start = in.offset();
  const auto w16 = [&](std::size_t i) {
    return i < words && start + i * 2 + 2 <= all.size() ? load_le16(all.data() + start + i * 2)
                                                        : std::uint16_t{0};
  };
  in.skip(words * 2);
  in.u16le();
  if (command == 0x2e) {
    const auto it = pending_.find("r" + std::to_string(message_));
    if (it == pending_.end()) return;
    const auto p = it->second;
    pending_.erase(it);
    if (status_ != 0 && status_ != 0x80000005) return;
    const std::size_t length = w16(5) + (std::size_t{w16(7)} << 16), where = w16(6);
    if (words < 12 || where > all.size()) return;
    const auto octets = all.subspan(where, std::min(length, all.size() - where));
    if (is_pipe(p.key))
      pipe(ctx, Dir::to_client, p.key, octets, missing);
    else
      data(ctx, Dir::to_client, p.key, p.offset, octets,
           std::min<std::uint64_t>(missing, length - octets.size()));
    return;
  }
  if (command == 0x25 && words >= 10) {
    const std::size_t length = w16(6), where = w16(7);
    const auto it = pending_.find("t" + std::to_string(message_));
    const auto key = it != pending_.end() ? it->second.key : std::string();
    if (it != pending_.end()) pending_.erase(it);
    if (where <= all.size() &&
        rpc(ctx, Dir::to_client, key, all.subspan(where, std::min(length, all.size() - where))))
      return;
  }
  Tx* tx = open(command);
  if (tx == nullptr) return;
  switch (command) {
    case 0x72: {
      const auto index = w16(0);
      if (index < tx->dialects.size())
        dialect_ = tx->dialects[index];
      else
        tx->add_event(event_id(Event::negotiate_malformed_dialects));
      const auto raw = in.bytes(16);
      // With extended security the answer carries the server's identity.
      if (words == 17 && raw.size() == 16 &&
          (load_le32(all.data() + start + 19) & 0x80000000U) != 0) {
        Guid g{};
        std::copy(raw.begin(), raw.end(), g.begin());
        tx->server_guid = guid_text(g);
      }
      break;
    }
    case 0x73:
      if (words == 4) in.skip(std::min<std::size_t>(w16(3), in.left()));
      if (words == 3 || words == 4) {
        tx->has_response_host = true;
        tx->response_os = text(in, unicode_);
        tx->response_lm = text(in, unicode_);
      }
      break;
    case 0x75:
      tx->tree = tree_;
      if (status_ != 0) break;
      if (words > 0) tx->share_type = text(in, false);
      tx->pipe = tx->share_type == "IPC";
      keep(trees_, tree_, Tree{tx->share, tx->pipe});
      break;
    case 0xa2:
      if (status_ == 0 && words >= 34) {
        ByteReader body(all);
        body.seek(start + 5);
        const auto fid = body.u16le();
        body.skip(4);
        for (auto& t : tx->times) t = unix_time(body.u64le());
        body.skip(12);
        tx->size = body.u64le();
        if (!body.ok()) {
          tx->add_event(event_id(Event::malformed_data));
          break;
        }
        tx->fuid = file_id_text(file_key(fid));
        Handle h;
        h.name = tx->filename;
        h.pipe = tx->pipe;
        keep(handles_, file_key(fid), std::move(h));
      }
      break;
    default:
      break;
  }
  answer(*tx);
}

}  // namespace ww::sensor::smb
