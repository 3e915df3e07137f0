/// NFS version 2 (RFC 1094) and 3 (RFC 1813): arguments and results.
#include "sensors/protocols/nfs/nfs.hpp"

namespace ww::sensor::nfs {
namespace {

const EventId malformed = sig::events().intern("nfs.malformed_data");

constexpr std::size_t v2_handle = 32, v2_attributes = 68, v3_handle = 64, v3_attributes = 84;
constexpr std::size_t max_name = 255;
constexpr std::uint32_t stable_file_sync = 2;
constexpr std::size_t max_entries = 2048;  ///< of one directory listing

std::string handle3(ByteReader& in) { return std::string(as_text(read_opaque(in, v3_handle))); }
std::string handle2(ByteReader& in) { return std::string(in.text(v2_handle)); }
std::string name(ByteReader& in) { return std::string(as_text(read_opaque(in, max_name))); }
void attributes3(ByteReader& in) {
  if (in.u32be() != 0) in.skip(v3_attributes);
}
/// As much of the file's octets as is there.
Bytes available(ByteReader& in, std::uint32_t length) {
  return in.ok() ? in.rest().first(std::min<std::size_t>(length, in.left())) : Bytes{};
}

}  // namespace

/// Whether the octets of a chunk are all there, or are still to come.
bool NfsParser::whole(const ByteReader& in, const Chunk& chunk) {
  const bool good = in.ok() && (wait_for_more_ || chunk.data.size() >= chunk.length);
  if (!good) event(malformed);
  return good;
}
void NfsParser::asked_for(ParserContext& ctx, const Call& c, Asked& asked, bool good, bool rename,
                          std::string to) {
  if (!good) {
    asked.filename.clear();
    event(malformed);
  }
  auto& tx = fresh(ctx, c, c.procedure, asked);
  tx.is_rename = rename;
  tx.rename_to = std::move(to);
}

void NfsParser::call2(ParserContext& ctx, const Call& c, ByteReader in, Asked& asked) {
  std::string rename_to;
  switch (c.procedure) {
    case proc2::read:
      asked.handle = handle2(in);
      asked.offset = in.u32be();
      name_of(asked);
      if (!in.ok()) event(malformed);
      return;
    case proc2::lookup:
    case proc2::create:
    case proc2::remove:
    case proc2::mkdir:
    case proc2::rmdir:
      asked.handle = handle2(in);
      asked.filename = name(in);
      break;
    case proc2::rename:
      asked.handle = handle2(in);
      asked.filename = name(in);
      in.skip(v2_handle);
      rename_to = name(in);
      break;
    default:
      break;
  }
  asked_for(ctx, c, asked, in.ok(), c.procedure == proc2::rename, std::move(rename_to));
}

void NfsParser::reply2(ParserContext& ctx, const Reply& r, ByteReader in, const Asked& asked) {
  const auto status = in.empty() ? 0 : in.u32be();  // NULL has no result
  if (asked.procedure == proc2::read) {
    if (status != 0) return;
    ByteReader attributes(in.bytes(v2_attributes));
    attributes.skip(5 * 4);
    const std::uint64_t size = attributes.u32be();
    Chunk chunk;
    chunk.length = in.u32be();
    chunk.data = available(in, chunk.length);
    chunk.last = size == asked.offset + chunk.length;
    if (whole(in, chunk)) was_read(ctx, r, asked, chunk, status);
    return;
  }
  if (status == 0 && (asked.procedure == proc2::lookup || asked.procedure == proc2::create)) {
    const auto handle = handle2(in);
    if (in.ok()) names_.put(handle, asked.filename);
  }
  answered(r, status, {});
}

void NfsParser::call3(ParserContext& ctx, const Call& c, ByteReader in, Asked& asked) {
  std::string rename_to;
  switch (c.procedure) {
    case proc3::lookup:
      (void)handle3(in);
      asked.filename = name(in);
      break;
    case proc3::access:
    case proc3::getattr:
    case proc3::readdirplus:
      asked.handle = handle3(in);
      name_of(asked);
      break;
    case proc3::read: {
      asked.handle = handle3(in);
      asked.offset = in.u64be();
      in.skip(4);
      name_of(asked);
      if (!in.ok()) {
        event(malformed);
        return;
      }
      if (find_file(asked.handle, Dir::to_client) != nullptr) return;
      auto& tx =
          file(ctx, Dir::to_client, c.xid, c.version, c.procedure, asked.handle, asked.filename);
      set_credentials(tx, c);
      return;
    }
    case proc3::write: {
      Chunk chunk;
      chunk.handle = handle3(in);
      chunk.offset = in.u64be();
      chunk.length = in.u32be();
      chunk.last = in.u32be() == stable_file_sync;
      in.skip(4);  // length of the opaque data: the count again
      chunk.data = available(in, chunk.length);
      if (!whole(in, chunk)) return;
      asked.handle = chunk.handle;
      if (const auto* known = names_.find(chunk.handle)) chunk.filename = *known;
      written(ctx, c, chunk, c.procedure);
      return;
    }
    case proc3::create:
    case proc3::mkdir:
    case proc3::remove:
    case proc3::rmdir:
      asked.handle = handle3(in);
      asked.filename = name(in);
      break;
    case proc3::rename:
      asked.handle = handle3(in);
      asked.filename = name(in);
      (void)handle3(in);
      rename_to = name(in);
      break;
    case proc3::commit: {
      const auto handle = handle3(in);
      if (in.ok())
        commit(ctx, c.xid, handle, c.procedure);
      else
        event(malformed);
      return;
    }
    default:
      break;
  }
  asked_for(ctx, c, asked, in.ok(), c.procedure == proc3::rename, std::move(rename_to));
}

void NfsParser::reply3(ParserContext& ctx, const Reply& r, ByteReader in, const Asked& asked) {
  const auto status = in.empty() ? 0 : in.u32be();  // NULL has no result
  std::string handle;
  if (asked.procedure == proc3::read) {
    attributes3(in);
    if (status != 0) return;
    Chunk chunk;
    chunk.length = in.u32be();
    chunk.last = in.u32be() != 0;
    in.skip(4);
    chunk.data = available(in, chunk.length);
    if (whole(in, chunk)) was_read(ctx, r, asked, chunk, status);
    return;
  }
  if (status == 0 && asked.procedure == proc3::lookup) {
    handle = handle3(in);
  } else if (status == 0 && asked.procedure == proc3::create) {
    if (in.u32be() != 0) handle = handle3(in);
  } else if (status == 0 && asked.procedure == proc3::readdirplus) {
    directory(in);
  }
  if (!in.ok() && status == 0) event(malformed);
  if (!handle.empty()) names_.put(handle, asked.filename);
  answered(r, status, handle);
}

/// READDIRPLUS gives names and handles at once: later reads have only the handle.
void NfsParser::directory(ByteReader& in) {
  attributes3(in);
  in.skip(8);  // cookie verifier
  for (std::size_t n = 0; n < max_entries && in.ok() && in.u32be() != 0; ++n) {
    in.skip(8);  // file id
    const auto entry = name(in);
    in.skip(8);  // cookie
    attributes3(in);
    if (in.u32be() == 0) continue;
    const auto handle = handle3(in);
    if (in.ok()) names_.put(handle, entry);
  }
}

}  // namespace ww::sensor::nfs
