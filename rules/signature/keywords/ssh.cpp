/// SSH banners and HASSH.
#include "rules/signature/keyword.hpp"
#include "rules/signature/pcre.hpp"

namespace ww::sig {
namespace {

const BufferRegistration ssh_buffers{
    "ssh",
    "ssh",
    {
        {"ssh.proto", "protocol version of the banner", "content:\"2.0\";", {"ssh_proto"}},
        {"ssh.software",
         "software version of the banner",
         "content:\"openssh\"; nocase;",
         {"ssh_software"}},
        {"ssh.hassh", "HASSH of the client", "content:\"ec7378c1\";"},
        {"ssh.hassh.string", "text behind HASSH", "content:\"none,zlib\";"},
        {"ssh.hassh.server", "HASSH of the server", "content:\"ec7378c1\";"},
        {"ssh.hassh.server.string", "text behind the server's HASSH", "content:\"none,zlib\";"},
    }};

Status banner(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  auto v = trim(o.value);
  if (const auto q = unquote(v)) v = *q;
  Stage s;
  s.kind = Stage::Kind::buffer;
  s.name = k.name;
  s.buffer = buffers().intern(k.buffer);
  ContentOp c;
  if (k.name == "ssh.protoversion" && v == "2_compat") {
    // Servers that speak both announce 1.99.
    auto code = CompiledPcre::compile("^(2\\.|1\\.99)", 0);
    if (!code) return bad(code.error());
    PcreOp p;
    p.code = std::move(*code);
    s.ops.emplace_back(std::move(p));
  } else {
    auto octets = decode_content(v);
    if (!octets) return bad(octets.error());
    c.octets = std::move(*octets);
    c.startswith = k.name == "ssh.protoversion";
    c.endswith = c.startswith;
    s.ops.emplace_back(std::move(c));
  }
  b.add_stage(std::move(s));
  return {};
}
const KeywordRegistration registration{{
    {.name = "ssh.protoversion",
     .group = "ssh",
     .summary = "protocol version: a number or 2_compat",
     .example = "ssh.protoversion:2_compat;",
     .setup = &banner,
     .buffer = "ssh.proto",
     .protos = "ssh"},
    {.name = "ssh.softwareversion",
     .group = "ssh",
     .summary = "the software version holds this",
     .example = "ssh.softwareversion:\"PuTTY\";",
     .setup = &banner,
     .buffer = "ssh.software",
     .protos = "ssh"},
}};

}  // namespace
}  // namespace ww::sig
