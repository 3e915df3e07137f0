/// NFS as a sensor protocol: EVE, rule buffers, probing.
#include "sensors/protocols/nfs/nfs.hpp"

#include <fmt/format.h>

namespace ww::sensor {
namespace {

using nfs::Tx;
using sig::BufferStatus;

const Tx& as_tx(const Transaction& t) { return static_cast<const Tx&>(t); }

void write_file(const Tx& tx, std::string_view name, JsonWriter& json) {
  json.begin_object(name);
  json.field("first", tx.first);
  json.field("last", tx.last);
  json.field("last_xid", tx.last_xid);
  json.field("chunks", tx.chunks);
  json.end_object();
}

void write_rpc(const Tx& tx, JsonWriter& json) {
  json.begin_object("rpc");
  json.field("xid", tx.xid);
  json.field("status", nfs::rpc_status_name(tx.rpc_status));
  json.field("auth_type", nfs::auth_name(tx.auth));
  if (tx.has_credentials) {
    json.begin_object("creds");
    json.field_bytes("machine_name", as_bytes(tx.machine_name));
    json.field("uid", tx.uid);
    json.field("gid", tx.gid);
    json.end_object();
  }
  json.end_object();
}

bool write(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  write_rpc(tx, json);
  json.begin_object("nfs");
  json.field("version", tx.version);
  json.field("procedure", nfs::procedure_name(tx.version, tx.procedure));
  json.field_bytes("filename", as_bytes(tx.filename));
  if (!tx.handle.empty()) json.field("hhash", fmt::format("{:x}", nfs::handle_hash(tx.handle)));
  json.field("id", tx.id + 1);
  json.field("file_tx", tx.is_file);
  json.field("type", "response");
  json.field("status", nfs::status_name(tx.status));
  if (tx.is_file && tx.version < 4)
    write_file(tx, tx.dir == Dir::to_client ? "read" : "write", json);
  if (tx.is_rename) {
    json.begin_object("rename");
    json.field_bytes("from", as_bytes(tx.filename));
    json.field_bytes("to", as_bytes(tx.rename_to));
    json.end_object();
  }
  json.end_object();
  return true;
}

bool log(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  // Too many of them to be of use.
  const auto& tx = as_tx(t);
  if (tx.version < 4 && tx.procedure == nfs::proc3::getattr) return false;
  return write(t, ctx, json);
}

BufferStatus get_procedure(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > tx.more_procedures.size())
    return tx.is_file && !tx.closed ? BufferStatus::not_ready : BufferStatus::absent;
  out = i == 0 ? tx.procedure : tx.more_procedures[i - 1];
  return BufferStatus::ready;
}
/// Version 2 goes with 3: names are those of 3 and 4.
BufferStatus get_versioned(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto status = get_procedure(t, dir, i, out);
  if (status == BufferStatus::ready) out |= std::uint64_t{as_tx(t).version < 4 ? 3U : 4U} << 32;
  return status;
}
BufferStatus get_version(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  if (i > 0) return BufferStatus::absent;
  out = as_tx(t).version;
  return BufferStatus::ready;
}

Probe probe(Bytes data, Dir dir, const sig::Flow& flow) {
  constexpr std::size_t min_call = 20, min_reply = 12, longest = 1 << 24;
  auto message = data;
  if (flow.ip_proto == 6) {
    if (data.size() < 4) return Probe::maybe;
    const auto length = load_be32(data.data()) & 0x7fffffffU;
    if (length < min_reply || length > longest) return Probe::no;
    message = data.subspan(4);
  }
  if (message.size() < min_reply) return flow.ip_proto == 6 ? Probe::maybe : Probe::no;
  const auto kind = load_be32(message.data() + 4);
  if (kind == 0) {
    if (message.size() < min_call) return flow.ip_proto == 6 ? Probe::maybe : Probe::no;
    if (!nfs::looks_like_call(message)) return Probe::no;
    // A lone NULL call in a datagram asks whether somebody is there: what comes next decides.
    constexpr std::size_t null_call = 40;
    if (flow.ip_proto == 17 && message.size() <= null_call) return Probe::maybe;
    return dir == Dir::to_server ? Probe::yes : Probe::reversed;
  }
  // A reply does not say what it answers: the port has to.
  const bool usual =
      (dir == Dir::to_client ? flow.sport == 2049 || flow.dport == 2049 : flow.sport == 2049);
  constexpr std::size_t null_reply = 24;
  if (kind != 1 || !usual || load_be32(message.data() + 8) > 1) return Probe::no;
  if (flow.ip_proto == 17 && message.size() <= null_reply) return Probe::no;
  return dir == Dir::to_client ? Probe::yes : Probe::reversed;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "nfs";
  p.rule_names = {"nfs"};
  p.tcp = p.udp = true;
  p.tcp_ports = p.udp_ports = "2049";
  p.probe = &probe;
  p.probe_any_port = true;
  p.probe_min = 12;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto most = s.integer_or("app-layer.protocols.nfs.max-tx", 1024);
    return std::make_unique<nfs::NfsParser>(
        static_cast<std::size_t>(std::clamp<std::int64_t>(most, 1, 65536)));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "nfs";
  logger.write = &log;
  logger.write_alert = &write;
  logger.direction = [](const Transaction& t) {
    const auto& tx = as_tx(t);
    return tx.is_file ? tx.dir : Dir::to_client;
  };
  p.loggers = {logger};
  p.buffers.numbers = {
      {sig::numbers().intern("nfs.procedure"), Dir::to_server, &get_procedure},
      {sig::numbers().intern("nfs.versioned_procedure"), Dir::to_server, &get_versioned},
      {sig::numbers().intern("nfs.version"), Dir::to_server, &get_version}};
  for (const auto dir : {Dir::to_server, Dir::to_client})
    p.buffers.buffers.push_back({sig::buffers().intern("file.data"), dir, nullptr, true});
  p.events = {"nfs.malformed_data", "nfs.non_existing_version", "nfs.unsupported_version",
              "nfs.too_many_transactions"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
