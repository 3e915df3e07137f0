/// NFS version 4 (RFC 7530, 8881): COMPOUND procedures. A list of operations is read up to the
/// first one whose layout is not needed for names and files.
#include "sensors/protocols/nfs/nfs.hpp"

namespace ww::sensor::nfs {
namespace {

const EventId malformed = sig::events().intern("nfs.malformed_data");

constexpr std::size_t state_id = 16, session_id = 16, verifier = 8, change_info = 20;
constexpr std::size_t max_handle = 128, max_name = 255, max_opaque = 64 * 1024, max_bitmap = 8;
constexpr std::uint32_t max_operations = 64;
constexpr std::uint32_t highest_operation = 75;  ///< RFC 8276
constexpr std::uint32_t stable_file_sync = 2;

namespace op {
constexpr std::uint32_t access = 3, close = 4, commit = 5, create = 6, delegpurge = 7,
                        delegreturn = 8, getattr = 9, getfh = 10, link = 11, lookup = 15,
                        lookupp = 16, nverify = 17, open = 18, openattr = 19, open_confirm = 20,
                        open_downgrade = 21, putfh = 22, putpubfh = 23, putrootfh = 24, read = 25,
                        readdir = 26, readlink = 27, remove = 28, rename = 29, renew = 30,
                        restorefh = 31, savefh = 32, secinfo = 33, setattr = 34, setclientid = 35,
                        setclientid_confirm = 36, verify = 37, write = 38, release_lockowner = 39,
                        sequence = 53, destroy_session = 44, secinfo_no_name = 52,
                        destroy_clientid = 57, reclaim_complete = 58, illegal = 10044;
}

void skip_opaque(ByteReader& in) { (void)read_opaque(in, max_opaque); }
void skip_bitmap(ByteReader& in) {
  const std::size_t words = in.u32be();
  if (words > max_bitmap)
    in.fail();
  else
    in.skip(words * 4);
}
void skip_attributes(ByteReader& in) {
  skip_bitmap(in);
  skip_opaque(in);
}
bool known(std::uint32_t code) {
  return (code >= 3 && code <= highest_operation) || code == op::illegal;
}

/// Reads over an OPEN's arguments. @return the name, when it says one
std::string open_arguments(ByteReader& in) {
  in.skip(4 + 4 + 4 + 8);  // sequence, share access and deny, client
  skip_opaque(in);         // owner
  if (in.u32be() == 1) {
    switch (in.u32be()) {
      case 0:
      case 1:
        skip_attributes(in);
        break;
      case 2:
        in.skip(verifier);
        break;
      case 3:
        in.skip(verifier);
        skip_attributes(in);
        break;
      default:
        in.fail();
    }
  }
  switch (in.u32be()) {
    case 2:
      in.skip(state_id);
      [[fallthrough]];
    case 0:
    case 3:
      return std::string(as_text(read_opaque(in, max_name)));
    case 1:
      in.skip(4);
      return {};
    case 5:
      in.skip(state_id);
      return {};
    case 4:
    case 6:
      return {};
    default:
      in.fail();
      return {};
  }
}

void open_result(ByteReader& in) {
  in.skip(state_id + change_info + 4);
  skip_bitmap(in);
  const auto ace = [&] {
    in.skip(3 * 4);
    skip_opaque(in);
  };
  switch (in.u32be()) {
    case 0:
      break;
    case 1:
      in.skip(state_id + 4);
      ace();
      break;
    case 2:
      in.skip(state_id + 4 + 4 + 8);
      ace();
      break;
    case 3: {
      const auto why = in.u32be();
      if (why == 1 || why == 2) in.skip(4);
      break;
    }
    default:
      in.fail();
  }
}

/// Arguments that carry neither names nor files. @return false: their layout is not known here
bool skip_arguments(std::uint32_t code, ByteReader& in) {
  switch (code) {
    case op::access:
    case op::secinfo_no_name:
    case op::reclaim_complete:
    case op::openattr:
      in.skip(4);
      return true;
    case op::delegreturn:
      in.skip(state_id);
      return true;
    case op::getattr:
      skip_bitmap(in);
      return true;
    case op::getfh:
    case op::lookupp:
    case op::putpubfh:
    case op::putrootfh:
    case op::readlink:
    case op::restorefh:
    case op::savefh:
    case op::illegal:
      return true;
    case op::link:
    case op::secinfo:
      skip_opaque(in);
      return true;
    case op::open_confirm:
      in.skip(state_id + 4);
      return true;
    case op::open_downgrade:
      in.skip(state_id + 3 * 4);
      return true;
    case op::readdir:
      in.skip(8 + verifier + 4 + 4);
      skip_bitmap(in);
      return true;
    case op::rename:
      skip_opaque(in);
      skip_opaque(in);
      return true;
    case op::renew:
    case op::delegpurge:
    case op::destroy_clientid:
      in.skip(8);
      return true;
    case op::setattr:
      in.skip(state_id);
      skip_attributes(in);
      return true;
    case op::nverify:
    case op::verify:
      skip_attributes(in);
      return true;
    case op::setclientid:
      in.skip(verifier);
      skip_opaque(in);
      in.skip(4);
      skip_opaque(in);
      skip_opaque(in);
      in.skip(4);
      return true;
    case op::setclientid_confirm:
      in.skip(8 + verifier);
      return true;
    case op::release_lockowner:
      in.skip(8);
      skip_opaque(in);
      return true;
    case op::destroy_session:
      in.skip(session_id);
      return true;
    case op::sequence:
      in.skip(session_id + 4 * 4);
      return true;
    default:
      return false;
  }
}

/// Results that carry neither handles nor files. @return false: nothing behind it can be read
bool skip_result(std::uint32_t code, std::uint32_t status, ByteReader& in) {
  if (code == op::setattr) {  // says what it set also when it failed
    skip_bitmap(in);
    return true;
  }
  if (status != 0) return false;
  switch (code) {
    case op::access:
      in.skip(8);
      return true;
    case op::close:
    case op::open_confirm:
    case op::open_downgrade:
      in.skip(state_id);
      return true;
    case op::commit:
      in.skip(verifier);
      return true;
    case op::create:
      in.skip(change_info);
      skip_bitmap(in);
      return true;
    case op::getattr:
      skip_attributes(in);
      return true;
    case op::link:
    case op::remove:
      in.skip(change_info);
      return true;
    case op::rename:
      in.skip(2 * change_info);
      return true;
    case op::open:
      open_result(in);
      return true;
    case op::readlink:
      skip_opaque(in);
      return true;
    case op::write:
      in.skip(4 + 4 + verifier);
      return true;
    case op::setclientid:
      in.skip(8 + verifier);
      return true;
    case op::sequence:
      in.skip(session_id + 5 * 4);
      return true;
    case op::putfh:
    case op::putpubfh:
    case op::putrootfh:
    case op::lookup:
    case op::lookupp:
    case op::nverify:
    case op::verify:
    case op::openattr:
    case op::renew:
    case op::restorefh:
    case op::savefh:
    case op::delegpurge:
    case op::delegreturn:
    case op::setclientid_confirm:
    case op::release_lockowner:
    case op::destroy_session:
    case op::destroy_clientid:
    case op::reclaim_complete:
      return true;
    default:
      return false;
  }
}

/// RPCSEC_GSS with integrity (RFC 2203 5.3.2.2): the sequence number, the data, a checksum behind.
ByteReader unwrap(ByteReader in) {
  const std::size_t length = in.u32be();
  ByteReader inner(in.bytes(length));
  inner.skip(4);
  if (!in.ok()) inner.fail();
  return inner;
}

}  // namespace

void NfsParser::call4(ParserContext& ctx, const Call& c, ByteReader in, Asked& asked) {
  if (c.procedure != op4::compound) return;
  asked.wrapped = c.credentials.flavor == auth::gss && c.credentials.gss_procedure == 0 &&
                  c.credentials.gss_service == 2;
  // Private: nothing to read (service 3).
  if (c.credentials.flavor == auth::gss && c.credentials.gss_service == 3) return;
  if (asked.wrapped) in = unwrap(in);
  skip_opaque(in);  // tag
  in.skip(4);       // minor version
  const auto count = in.u32be();
  std::string handle;
  bool has_handle = false;
  std::uint32_t main = 0;
  for (std::uint32_t n = 0; n < std::min(count, max_operations) && in.ok(); ++n) {
    const auto code = in.u32be();
    if (!in.ok() || !known(code)) {
      event(malformed);
      break;
    }
    if (code == op::putfh) {
      handle = as_text(read_opaque(in, max_handle));
      has_handle = true;
    } else if (code == op::read) {
      in.skip(state_id);
      const auto offset = in.u64be();
      in.skip(4);
      if (has_handle && in.ok()) {
        asked.offset = offset;
        asked.handle = handle;
        name_of(asked);
      }
    } else if (code == op::open) {
      const auto name = open_arguments(in);
      if (in.ok() && !name.empty()) asked.filename = name;
    } else if (code == op::lookup) {
      asked.filename = as_text(read_opaque(in, max_name));
    } else if (code == op::write) {
      Chunk chunk;
      in.skip(state_id);
      chunk.offset = in.u64be();
      chunk.last = in.u32be() == stable_file_sync;
      chunk.length = in.u32be();
      chunk.data = in.bytes(chunk.length);
      in.skip(padding_of(chunk.length));
      if (!in.ok() || !has_handle) continue;
      chunk.handle = handle;
      if (const auto* name = names_.find(handle)) chunk.filename = *name;
      written(ctx, c, chunk, op4::write);
    } else if (code == op::commit) {
      in.skip(8 + 4);
      if (has_handle && in.ok()) commit(ctx, c.xid, handle, 0);
    } else if (code == op::close) {
      in.skip(4 + state_id);
      if (has_handle && in.ok()) commit(ctx, c.xid, handle, 0);
    } else if (code == op::create) {
      const auto type = in.u32be();
      if (type == 5) skip_opaque(in);              // symbolic link: where to
      if (type == 3 || type == 4) in.skip(2 * 4);  // device numbers
      asked.filename = as_text(read_opaque(in, max_name));
      skip_attributes(in);
      if (has_handle) asked.handle = handle;
      main = op4::create;
    } else if (code == op::remove) {
      asked.filename = as_text(read_opaque(in, max_name));
      main = op4::remove;
    } else if (!skip_arguments(code, in)) {
      break;
    }
  }
  if (!in.ok()) event(malformed);
  if (main != 0) fresh(ctx, c, main, asked);
}

void NfsParser::reply4(ParserContext& ctx, const Reply& r, ByteReader in, Asked asked) {
  if (asked.procedure != op4::compound) return;
  if (asked.wrapped) in = unwrap(in);
  in.skip(4);  // status of the last operation
  skip_opaque(in);
  const auto count = in.u32be();
  bool opened = false;
  for (std::uint32_t n = 0; n < std::min(count, max_operations) && in.ok(); ++n) {
    const auto code = in.u32be();
    const auto status = in.u32be();
    if (!in.ok() || !known(code)) {
      event(malformed);
      break;
    }
    if (code == op::create || code == op::remove) answered(r, status, {});
    if (code == op::read && status == 0) {
      Chunk chunk;
      chunk.last = in.u32be() != 0;
      chunk.length = in.u32be();
      chunk.data = in.bytes(chunk.length);
      in.skip(padding_of(chunk.length));
      if (in.ok()) was_read(ctx, r, asked, chunk, status);
      continue;
    }
    if (code == op::getfh && status == 0) {
      const auto handle = as_text(read_opaque(in, max_handle));
      if (opened && in.ok()) names_.put(std::string(handle), asked.filename);
      continue;
    }
    if (code == op::putrootfh && status == 0 && asked.filename.empty())
      asked.filename = "<mount_root>";
    opened = opened || (code == op::open && status == 0);
    if (!skip_result(code, status, in)) break;
  }
  if (!in.ok()) event(malformed);
}

}  // namespace ww::sensor::nfs
