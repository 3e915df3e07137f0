#include "sensors/protocols/nfs/rpc.hpp"

namespace ww::sensor::nfs {
namespace {

constexpr std::size_t max_auth = 400;  ///< RFC 5531 section 8.2
constexpr std::size_t max_machine_name = 255;

void read_credentials(Call& call, ByteReader& in) {
  auto& c = call.credentials;
  call.credentials_at = in.offset();
  c.flavor = in.u32be();
  const std::size_t length = in.u32be();
  if (length > max_auth) {
    in.fail();
    return;
  }
  ByteReader body(in.bytes(length));
  in.skip(padding_of(static_cast<std::uint32_t>(length)));
  call.credentials_length = in.offset() - call.credentials_at;
  if (!in.ok()) return;
  if (c.flavor == auth::unix_style) {
    body.skip(4);  // stamp
    const std::size_t name = body.u32be();
    if (name > max_machine_name) return;
    c.machine_name = body.text(name);
    // Right behind the name, without its padding: what Suricata reports and rules and dashboards
    // were made for. The numbers are exact only for names of a multiple of four octets.
    c.uid = body.u32be();
    c.gid = body.u32be();
  } else if (c.flavor == auth::gss) {
    body.skip(4);  // version
    c.gss_procedure = body.u32be();
    body.skip(4);  // sequence
    c.gss_service = body.u32be();
  }
}

void skip_verifier(ByteReader& in) {
  in.skip(4);
  (void)read_opaque(in, max_auth);
}

}  // namespace

Bytes read_opaque(ByteReader& in, std::size_t max) {
  const auto length = in.u32be();
  if (length > max) {
    in.fail();
    return {};
  }
  const auto out = in.bytes(length);
  in.skip(padding_of(length));
  return out;
}

std::optional<Call> parse_call(Bytes message) {
  ByteReader in(message);
  Call call;
  call.xid = in.u32be();
  if (in.u32be() != 0 || in.u32be() != 2) return {};
  call.program = in.u32be();
  call.version = in.u32be();
  call.procedure = in.u32be();
  read_credentials(call, in);
  skip_verifier(in);
  if (!in.ok()) return {};
  call.body_at = in.offset();
  return call;
}

std::optional<Reply> parse_reply(Bytes message) {
  ByteReader in(message);
  Reply reply;
  reply.xid = in.u32be();
  if (in.u32be() != 1) return {};
  reply.state = in.u32be();
  if (reply.state == 0) {
    skip_verifier(in);
    reply.accept = in.u32be();
  }
  if (!in.ok()) return {};
  reply.body_at = in.offset();
  return reply;
}

bool looks_like_call(Bytes message) {
  ByteReader in(message);
  in.skip(4);
  const bool call = in.u32be() == 0 && in.u32be() == 2 && in.u32be() == nfs_program;
  const auto version = in.u32be();
  return in.ok() && call && version >= 2 && version <= 4;
}

}  // namespace ww::sensor::nfs
