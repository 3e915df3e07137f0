/// SMB: keywords, EVE and recognition.
#include <algorithm>
#include <cstdio>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

const Tx& as_tx(const Transaction& t) { return static_cast<const Tx&>(t); }

BufferStatus give(const std::string& text, BufferSlice& out) {
  if (text.empty()) return BufferStatus::absent;
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
BufferStatus get_share(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return i > 0 || tx.kind != Kind::tree_connect || tx.pipe ? BufferStatus::absent
                                                           : give(tx.share, out);
}
BufferStatus get_pipe(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return i > 0 || tx.kind != Kind::tree_connect || !tx.pipe ? BufferStatus::absent
                                                            : give(tx.share, out);
}
BufferStatus get_user(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return i > 0 || !tx.ntlmssp ? BufferStatus::absent : give(tx.ntlmssp->user, out);
}
BufferStatus get_domain(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return i > 0 || !tx.ntlmssp ? BufferStatus::absent : give(tx.ntlmssp->domain, out);
}
BufferStatus get_version(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_tx(t).version;
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus get_stub(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || tx.kind != Kind::dcerpc) return BufferStatus::absent;
  const auto& half = dir == Dir::to_server ? tx.call.req : tx.call.res;
  if (!half.done)
    return tx.complete[sig::index(dir)] ? BufferStatus::absent : BufferStatus::not_ready;
  return give(half.stub, out);
}
BufferStatus get_iface(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return tx.kind != Kind::dcerpc || i >= tx.call.iface.size() ? BufferStatus::absent
                                                              : give(tx.call.iface[i], out);
}
BufferStatus get_little_endian(const Transaction& t, Dir dir, std::uint32_t, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (tx.kind != Kind::dcerpc) return BufferStatus::absent;
  return dcerpc::little_endian(dir == Dir::to_server ? tx.call.req : tx.call.res, out);
}
BufferStatus get_opnum(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || tx.kind != Kind::dcerpc || !tx.call.req.seen || tx.call.req.type != dcerpc::request)
    return BufferStatus::absent;
  out = tx.call.opnum;
  return BufferStatus::ready;
}

std::string_view disposition_name(std::uint32_t d) {
  static constexpr std::string_view names[] = {"FILE_SUPERSEDE", "FILE_OPEN",
                                               "FILE_CREATE",    "FILE_OPEN_IF",
                                               "FILE_OVERWRITE", "FILE_OVERWRITE_IF"};
  return d < std::size(names) ? names[d] : std::string_view("UNKNOWN");
}
bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("smb");
  json.field("id", tx.id + 1);
  json.field("dialect", tx.dialect.empty() ? std::string("unknown") : tx.dialect);
  json.field("command", tx.version == 1 ? command1_name(static_cast<std::uint8_t>(tx.command))
                                        : command2_name(tx.command));
  if (tx.has_status) {
    char code[16];
    if (tx.dos_status) {
      const auto error = static_cast<std::uint16_t>(tx.status >> 16);
      json.field("status", dos_error_name(static_cast<std::uint8_t>(tx.status & 0xff), error));
      std::snprintf(code, sizeof code, "0x%04x", error);
    } else {
      json.field("status", status_name(tx.status));
      std::snprintf(code, sizeof code, "0x%x", tx.status);
    }
    json.field("status_code", static_cast<const char*>(code));
  }
  json.field("session_id", tx.session);
  json.field("tree_id", tx.tree);
  if (tx.kind == Kind::negotiate) {
    json.begin_array("client_dialects");
    for (const auto& d : tx.dialects) json.value_bytes(as_bytes(d));
    json.end_array();
    if (!tx.client_guid.empty()) json.field("client_guid", tx.client_guid);
    json.field("server_guid", tx.server_guid);
    if (tx.max_read_size > 0) json.field("max_read_size", tx.max_read_size);
    if (tx.max_write_size > 0) json.field("max_write_size", tx.max_write_size);
  }
  if (tx.ntlmssp) {
    json.begin_object("ntlmssp");
    json.field_bytes("domain", as_bytes(tx.ntlmssp->domain));
    json.field_bytes("user", as_bytes(tx.ntlmssp->user));
    json.field_bytes("host", as_bytes(tx.ntlmssp->host));
    if (!tx.ntlmssp->version.empty()) json.field("version", tx.ntlmssp->version);
    json.end_object();
  }
  if (tx.kerberos) {
    json.begin_object("kerberos");
    json.field_bytes("realm", as_bytes(tx.kerberos->realm));
    json.begin_array("snames");
    for (const auto& n : tx.kerberos->names) json.value_bytes(as_bytes(n));
    json.end_array();
    json.end_object();
  }
  const auto systems = [&](std::string_view key, const std::string& os, const std::string& lm) {
    json.begin_object(key);
    json.field_bytes("native_os", as_bytes(os));
    json.field_bytes("native_lm", as_bytes(lm));
    json.end_object();
  };
  if (tx.has_request_host) systems("request", tx.request_os, tx.request_lm);
  if (tx.has_response_host) systems("response", tx.response_os, tx.response_lm);
  switch (tx.kind) {
    case Kind::tree_connect:
      json.field_bytes(tx.pipe ? "named_pipe" : "share", as_bytes(tx.share));
      if (tx.version == 1) {
        json.begin_object("service");
        json.field_bytes("request", as_bytes(tx.request_service));
        if (!tx.share_type.empty()) json.field_bytes("response", as_bytes(tx.share_type));
        json.end_object();
      } else {
        json.field("share_type", tx.share_type.empty() ? "UNKNOWN" : tx.share_type);
      }
      break;
    case Kind::create:
      if (tx.filename.empty())
        json.field("filename", "<share_root>");
      else
        json.field_bytes(tx.directory ? "directory" : "filename", as_bytes(tx.filename));
      json.field("disposition", disposition_name(tx.disposition));
      json.field("access", tx.delete_on_close ? "delete on close" : "normal");
      json.field("created", tx.times[0]);
      json.field("accessed", tx.times[1]);
      json.field("modified", tx.times[2]);
      json.field("changed", tx.times[3]);
      json.field("size", tx.size);
      json.field("fuid", tx.fuid);
      break;
    case Kind::file:
      json.field_bytes("filename", as_bytes(tx.filename));
      json.field_bytes("share", as_bytes(tx.share));
      json.field("fuid", tx.fuid);
      break;
    case Kind::rename:
      if (tx.version == 2) {
        json.begin_object("set_info");
        json.field("class", "FILE_INFO");
        json.field("info_level", "SMB2_FILE_RENAME_INFO");
        json.end_object();
      }
      json.begin_object("rename");
      json.field_bytes("from", as_bytes(tx.filename));
      json.field_bytes("to", as_bytes(tx.rename_to));
      json.end_object();
      json.field("fuid", tx.fuid);
      break;
    case Kind::set_info:
      json.field_bytes("filename", as_bytes(tx.filename.empty() ? std::string_view("<share_root>")
                                                                : std::string_view(tx.filename)));
      json.field("access", tx.delete_on_close ? "delete on close" : "normal");
      if (tx.subcommand == 8) json.field("subcmd", "SET_FILE_INFO");
      if (tx.subcommand == 6) json.field("subcmd", "SET_PATH_INFO");
      if (tx.level == 1013) json.field("level_of_interest", "Set Disposition Information");
      json.field("fuid", tx.fuid);
      break;
    case Kind::ioctl:
      json.field("function", function_name(tx.function));
      break;
    case Kind::dcerpc:
      json.begin_object("dcerpc");
      dcerpc::write_exchange(tx.call, true, json);
      json.field("call_id", tx.call.call_id);
      json.end_object();
      break;
    default:
      break;
  }
  json.end_object();
  return true;
}

/// The names that the eve-log option `types` takes.
std::string_view kind_name(Kind k) {
  switch (k) {
    case Kind::file:
      return "file";
    case Kind::tree_connect:
      return "tree_connect";
    case Kind::negotiate:
      return "negotiate";
    case Kind::dcerpc:
      return "dcerpc";
    case Kind::create:
      return "create";
    case Kind::session_setup:
      return "session_setup";
    case Kind::ioctl:
      return "ioctl";
    case Kind::rename:
      return "rename";
    case Kind::set_info:
      return "set_file_path_info";
    default:
      return "generic";
  }
}
bool log_wanted(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  thread_local const Settings* last = nullptr;
  thread_local std::uint64_t revision = 0;
  thread_local std::vector<std::string> types;
  if (last != &ctx.options || revision != ctx.options.revision()) {
    types = ctx.options.list("types");
    last = &ctx.options;
    revision = ctx.options.revision();
  }
  if (!types.empty() &&
      std::find(types.begin(), types.end(), kind_name(as_tx(t).kind)) == types.end())
    return false;
  return log(t, ctx, json);
}

Probe probe(Bytes data, Dir dir, const sig::Flow& flow) {
  if (data.size() < 8) return Probe::maybe;
  const bool usual =
      flow.dport == 445 || flow.sport == 445 || flow.dport == 139 || flow.sport == 139;
  if (usual && data[0] >= 0x81 && data[0] <= 0x85 && data[1] == 0)
    return Probe::yes;  // NetBIOS session messages
  if (data[0] != 0 || as_text(data.subspan(5, 3)) != "SMB") return Probe::no;
  if (data[4] == 0xff && data.size() >= 14)
    return ((data[13] & 0x80) != 0) == (dir == Dir::to_client) ? Probe::yes : Probe::reversed;
  if (data[4] == 0xfe) {
    if (data.size() < 24) return Probe::maybe;
    return ((data[20] & 1) != 0) == (dir == Dir::to_client) ? Probe::yes : Probe::reversed;
  }
  return data[4] == 0xfd || data[4] == 0xff ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "smb";
  p.rule_names = {"smb"};
  p.tcp = true;
  p.tcp_ports = "[139,445]";
  p.probe = &probe;
  p.probe_any_port = true;
  p.probe_min = 8;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    return std::make_unique<SmbParser>(read_config(s));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "smb";
  logger.write = &log_wanted;
  logger.write_alert = &log;
  p.loggers = {logger};
  const auto id = [](std::string_view n) { return sig::buffers().intern(n); };
  p.buffers.buffers = {{id("smb.share"), Dir::to_server, &get_share},
                       {id("smb.named_pipe"), Dir::to_server, &get_pipe},
                       {id("smb.ntlmssp_user"), Dir::to_server, &get_user},
                       {id("smb.ntlmssp_domain"), Dir::to_server, &get_domain}};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    // The answer belongs to what was asked for.
    p.buffers.buffers.push_back({id("dcerpc.iface"), dir, &get_iface});
    p.buffers.numbers.push_back({sig::numbers().intern("dcerpc.opnum"), dir, &get_opnum});
    p.buffers.numbers.push_back(
        {sig::numbers().intern("dcerpc.little_endian"), dir, &get_little_endian});
    p.buffers.buffers.push_back({id("file.data"), dir, nullptr, true});
    p.buffers.buffers.push_back({id("dcerpc.stub_data"), dir, &get_stub});
    p.buffers.numbers.push_back({sig::numbers().intern("smb.version"), dir, &get_version});
  }
  p.events = event_names();
  p.events.insert(p.events.end(), {"smb.response_to_server", "smb.request_to_client"});
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::smb
