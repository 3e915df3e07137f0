/// DCE/RPC over TCP and UDP as a sensor protocol: one transaction a call, bind or context change.
#include <algorithm>

#include "sensors/protocols/dcerpc/call.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;
using namespace dcerpc;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto proto_id = sig::app_protos().intern("dcerpc");
const sig::FrameType frame_pdu = sig::frame_types().intern("dcerpc.pdu");
const sig::FrameType frame_hdr = sig::frame_types().intern("dcerpc.hdr");
const sig::FrameType frame_data = sig::frame_types().intern("dcerpc.data");
constexpr std::size_t max_live = 1024;

void add_frames(ParserContext& ctx, Dir dir, std::uint64_t offset, std::size_t header,
                std::size_t all) {
  ctx.add_frame(frame_pdu, dir, offset, static_cast<std::int64_t>(all));
  ctx.add_frame(frame_hdr, dir, offset, static_cast<std::int64_t>(header));
  if (all > header)
    ctx.add_frame(frame_data, dir, offset + header, static_cast<std::int64_t>(all - header));
}

struct DcerpcTx final : Transaction {
  Exchange x;
  Dir dir = Dir::to_server;  ///< of the request
  bool udp = false;
  std::uint8_t minor = 0;  ///< version of the protocol
  std::array<std::uint8_t, 16> activity{};
  std::uint32_t sequence = 0;
};

class DcerpcParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (ctx.flow().ip_proto == 17)
      return input.data.empty() || datagram(ctx, dir, input.data) ? ParseResult::ok()
                                                                  : ParseResult::error();
    auto& lost = lost_[sig::index(dir)];
    if (input.gap > 0) lost = gap_[sig::index(dir)] = true;
    std::size_t at = 0;
    ParseResult result = ParseResult::ok();
    while (at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      if (rest.size() < header_octets) {
        result = ParseResult::more(at, header_octets);
        break;
      }
      const auto h = parse_header(rest);
      if (!h) {
        if (!lost) return ParseResult::error();
        ++at;  // look for the next fragment
        continue;
      }
      if (rest.size() < h->frag_length) {
        result = ParseResult::more(at, h->frag_length);
        break;
      }
      lost = false;
      add_frames(ctx, dir, input.offset + at, header_octets, h->frag_length);
      fragment(ctx, dir, *h, rest.first(h->frag_length));
      at += h->frag_length;
    }
    if (gap_[sig::index(dir)] && !input.data.empty()) settle_lost(dir);
    if (input.end)
      for (auto* t : transactions()) {
        t->complete[sig::index(dir)] = true;
        ++t->revision;
      }
    return result;
  }
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  DcerpcTx& fresh(ParserContext& ctx, Dir request_dir, std::uint32_t call_id) {
    if (transactions().size() >= max_live)
      for (auto* t : transactions()) t->complete[0] = t->complete[1] = true;
    auto owned = std::make_unique<DcerpcTx>();
    owned->proto = proto_id;
    owned->dir = request_dir;
    owned->x.call_id = call_id;
    return add(std::move(owned), ctx);
  }

  /// What should have come in that direction by now went with a gap.
  void settle_lost(Dir dir) {
    const auto d = sig::index(dir);
    for (auto* t : transactions()) {
      auto& tx = static_cast<DcerpcTx&>(*t);
      const bool request_lost = tx.dir == dir && !tx.x.req.done;
      const bool answer_lost = tx.dir != dir && tx.id < answered_ && !tx.x.res.done;
      if (!request_lost && !answer_lost) continue;
      tx.complete[d] = true;
      if (answer_lost) tx.complete[1 - d] = true;
      ++tx.revision;
    }
  }

  DcerpcTx* open(Dir request_dir, std::uint32_t call_id, bool answer) {
    const auto all = transactions();
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
      auto& tx = static_cast<DcerpcTx&>(**it);
      if (tx.dir != request_dir || tx.x.call_id != call_id) continue;
      if (answer ? !tx.x.res.done && !tx.complete[1 - sig::index(request_dir)]
                 : !tx.x.req.done && !tx.complete[sig::index(request_dir)])
        return &tx;
    }
    return nullptr;
  }

  void touch(DcerpcTx& tx) {
    const auto q = sig::index(tx.dir);
    tx.complete[q] = tx.complete[q] || tx.x.req.done;
    tx.complete[1 - q] = tx.complete[1 - q] || tx.x.res.done;
    for (const auto d : {0, 1})
      if (tx.complete[d]) tx.progress[d] = 1;
    ++tx.revision;
  }

  void fragment(ParserContext& ctx, Dir dir, const Header& h, Bytes octets) {
    const bool answer = is_answer(h.type);
    const Dir request_dir = answer ? sig::opposite(dir) : dir;
    DcerpcTx* tx = open(request_dir, h.call_id, answer);
    if (tx == nullptr) {
      // An answer may overtake its request, which then comes later or is lost.
      tx = &fresh(ctx, request_dir, h.call_id);
      tx->minor = h.minor;
    }
    if (answer) answered_ = std::max(answered_, tx->id);
    auto& x = tx->x;
    auto& half = answer ? x.res : x.req;
    switch (h.type) {
      case request:
      case response:
        if (const auto call = parse_call(h, octets)) {
          half.add(h, call->stub);
          if (h.type == request) {
            x.context = call->context;
            x.opnum = call->opnum;
            bind_interface(*tx);
          }
        }
        break;
      case bind:
      case alter_context: {
        auto proposed = parse_bind(h, octets);
        half.seen = half.done = true;
        half.type = h.type;
        x.interfaces = proposed;
        for (auto& f : proposed)
          if (bound_.size() < max_interfaces) bound_.push_back(f);
        break;
      }
      case bind_ack:
      case alter_context_resp: {
        half.seen = half.done = true;
        half.type = h.type;
        const auto results = parse_bind_ack(h, octets);
        for (std::size_t i = 0; i < results.size() && i < x.interfaces.size(); ++i) {
          x.interfaces[i].result = results[i].result;
          x.interfaces[i].reason = results[i].reason;
          x.interfaces[i].answered = true;
          // The newest proposal of that context is the one that was answered.
          for (auto it = bound_.rbegin(); it != bound_.rend(); ++it)
            if (it->context == x.interfaces[i].context && it->uuid == x.interfaces[i].uuid) {
              it->answered = true;
              it->result = results[i].result;
              break;
            }
        }
        break;
      }
      default:
        half.seen = half.done = true;
        half.type = h.type;
        if (h.type == auth3 || h.type == co_cancel || h.type == orphaned)
          x.res.done = true;  // nothing answers these
        break;
    }
    touch(*tx);
  }

  void bind_interface(DcerpcTx& tx) {
    tx.x.interfaces.clear();
    tx.x.iface.clear();
    for (const auto& f : bound_) {
      if (f.context != tx.x.context) continue;
      tx.x.interfaces.push_back(f);
      if (f.answered && f.result == 0) tx.x.add_interface(f, f.first);
    }
  }

  bool datagram(ParserContext& ctx, Dir dir, Bytes octets) {
    const auto d = parse_datagram(octets);
    if (!d) return false;
    add_frames(ctx, dir, 0, cl_header_octets, cl_header_octets + d->stub.size());
    const bool answer = is_answer(d->type);
    DcerpcTx* tx = nullptr;
    const auto all = transactions();
    for (auto it = all.rbegin(); it != all.rend() && tx == nullptr; ++it) {
      auto& t = static_cast<DcerpcTx&>(**it);
      if (t.activity == d->activity && t.sequence == d->sequence &&
          (answer ? !t.x.res.done : !t.x.req.done))
        tx = &t;
    }
    if (tx == nullptr) {
      // Who answers where is not to be told from the addresses alone: both may broadcast.
      tx = &fresh(ctx, answer ? sig::opposite(dir) : dir, d->sequence);
      tx->udp = true;
      tx->activity = d->activity;
      tx->sequence = d->sequence;
      if (answer) tx->complete[1 - sig::index(dir)] = true;
    }
    Header h;
    h.type = d->type;
    h.little = d->little;
    // Flag 4 marks a fragment of several, flag 2 the last one.
    h.flags = (d->flags & 4) == 0 || (d->flags & 2) != 0 ? 2 : 0;
    auto& half = answer ? tx->x.res : tx->x.req;
    half.add(h, d->stub);
    if (!answer) {
      tx->x.opnum = d->opnum;
      Interface f;
      f.uuid = d->interface;
      f.major = static_cast<std::uint16_t>(d->interface_version & 0xffff);
      if (tx->x.iface.empty()) tx->x.add_interface(f, d->fragment == 0);
    }
    touch(*tx);
    return true;
  }

  std::vector<Interface> bound_;
  std::uint64_t answered_ = 0;     ///< newest transaction with an answer
  bool lost_[2] = {false, false};  ///< the next fragment has to be found
  bool gap_[2] = {false, false};   ///< octets were missing
};

const DcerpcTx& as_tx(const Transaction& t) { return static_cast<const DcerpcTx&>(t); }

BufferStatus get_stub(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  const auto& half = dir == tx.dir ? tx.x.req : tx.x.res;
  if (!half.done)
    return tx.complete[sig::index(dir)] ? BufferStatus::absent : BufferStatus::not_ready;
  if (half.stub.empty()) return BufferStatus::absent;
  out.data = as_bytes(half.stub);
  return BufferStatus::ready;
}
BufferStatus get_iface(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& x = as_tx(t).x;
  if (i >= x.iface.size()) return BufferStatus::absent;
  out.data = as_bytes(x.iface[i]);
  return BufferStatus::ready;
}
BufferStatus get_little_endian(const Transaction& t, Dir dir, std::uint32_t, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  return little_endian(dir == tx.dir ? tx.x.req : tx.x.res, out);
}
BufferStatus get_opnum(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& x = as_tx(t).x;
  if (i > 0 || !x.req.seen || x.req.type != request) return BufferStatus::absent;
  out = x.opnum;
  return BufferStatus::ready;
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("dcerpc");
  write_exchange(tx.x, false, json);
  if (tx.udp) {
    // EVE's readers know it swapped whatever the sender's byte order.
    json.field("activityuuid", wire_uuid_text(tx.activity));
    json.field("seqnum", tx.sequence);
    json.field("rpc_version", "4.0");
  } else {
    json.field("call_id", tx.x.call_id);
    json.field("rpc_version", tx.minor == 0 ? "5.0" : "5.1");
  }
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir dir, const sig::Flow& flow) {
  if (flow.ip_proto == 17) {
    const auto d = parse_datagram(data);
    return d && d->fragment <= 1024 && (data[3] & 0xfc) == 0 ? Probe::yes : Probe::no;
  }
  if (data.empty() || data[0] != 5) return Probe::no;
  if (data.size() < header_octets) return Probe::maybe;
  const auto h = parse_header(data);
  if (!h || type_name(h->type).empty()) return Probe::no;
  if (h->type != request && h->type != response && h->type != fault && h->type < bind)
    return Probe::no;
  const bool answer = is_answer(h->type);
  return answer == (dir == Dir::to_client) ? Probe::yes : Probe::reversed;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "dcerpc";
  p.rule_names = {"dcerpc"};
  p.tcp = p.udp = true;
  p.tcp_ports = "135";
  p.probe = &probe;
  p.probe_any_port = true;
  p.probe_min = 16;
  // Requests in datagrams are told by their first octets, before any protocol's port counts.
  p.patterns.push_back({.ip_proto = 17,
                        .dir = Dir::to_server,
                        .octets = std::string("\x04\x00", 2),
                        .offset = 0,
                        .depth = 2,
                        .nocase = false,
                        .min_octets = cl_header_octets});
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<DcerpcParser>();
  };
  Logger logger;
  logger.event_type = logger.settings_name = "dcerpc";
  logger.write = &log;
  logger.direction = [](const Transaction& t) { return as_tx(t).dir; };
  p.loggers = {logger};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.buffers.push_back({sig::buffers().intern("dcerpc.stub_data"), dir, &get_stub});
    // The response belongs to the request's interface and operation.
    p.buffers.buffers.push_back({sig::buffers().intern("dcerpc.iface"), dir, &get_iface});
    p.buffers.numbers.push_back({sig::numbers().intern("dcerpc.opnum"), dir, &get_opnum});
    p.buffers.numbers.push_back(
        {sig::numbers().intern("dcerpc.little_endian"), dir, &get_little_endian});
  }
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
