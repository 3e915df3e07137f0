/// Every registered protocol over hostile streams and datagrams: a line with its name (so that
/// seeds stay right when a protocol joins) and an octet, or an octet alone, pick the protocol, then
/// come pieces of either direction with gaps and ends. What a parser leaves comes again with more
/// behind it, as in the sensor; every getter and logger runs.
#include <cstdlib>

#include "tests/sensors/protocols/http/support.hpp"

namespace {

using namespace ww;
using namespace ww::sensor;

struct Pending {
  std::string octets;
  std::uint64_t offset = 0;
  bool first = true, ended = false;
};

void look_at(Parser& parser, test::TestContext& ctx) {
  static const Settings none;
  std::string text;
  for (auto* tx : parser.transactions()) {
    for (const auto& p : sig::protocol_buffers()) {
      if (p.proto != tx->proto) continue;
      for (const auto& b : p.buffers) {
        sig::BufferSlice slice;
        for (std::uint32_t i = 0; b.get != nullptr && i < 3; ++i)
          if (b.get(*tx, b.dir, i, slice) == sig::BufferStatus::absent) break;
      }
      std::uint64_t number = 0;
      for (const auto& n : p.numbers) (void)n.get(*tx, n.dir, 0, number);
    }
    const auto* protocol = find_protocol(tx->proto);
    if (protocol == nullptr) std::abort();  // a transaction must say whose it is
    for (const auto& logger : protocol->loggers) {
      text.clear();
      JsonWriter json(text);
      json.begin_object();
      if (logger.ready == nullptr || logger.ready(*tx))
        (void)logger.write(*tx, {ctx.flow(), none}, json);
      json.end_object();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in(Bytes(data, size));
  const auto& all = protocols();
  const auto line = as_text(in.rest()).substr(0, 32);
  const auto nl = line.find('\n');
  const auto* named = nl == std::string_view::npos ? nullptr : find_protocol(line.substr(0, nl));
  if (named != nullptr) in.skip(nl + 1);
  const auto choice = in.u8();
  const auto& protocol = named != nullptr ? *named : all[choice % all.size()];
  if (protocol.make == nullptr) return 0;  // recognised only
  static const Settings settings;
  const auto parser = protocol.make(settings);
  test::TestContext ctx;
  const bool datagrams = protocol.udp && (!protocol.tcp || choice >= 128);
  ctx.edit_flow().ip_proto = datagrams ? 17 : 6;
  if (protocol.probe != nullptr) (void)protocol.probe(in.rest(), sig::Dir::to_server, ctx.flow());
  Pending pending[2];
  for (int pieces = 0; !in.empty() && pieces < 512; ++pieces) {
    const auto control = in.u8();
    const auto piece = in.bytes(std::min<std::size_t>(in.u16be(), in.left()));
    const auto dir = (control & 1) != 0 ? sig::Dir::to_client : sig::Dir::to_server;
    auto& p = pending[sig::index(dir)];
    if (p.ended) continue;
    StreamInput input;
    if (!datagrams && (control & 2) != 0) {
      input.gap = p.octets.size() + (control >> 3) + 1;
      p.octets.clear();
    }
    if (datagrams) p.octets.clear();
    p.octets += as_text(piece);
    input.data = as_bytes(p.octets);
    input.offset = p.offset + input.gap;
    input.end = !datagrams && (control & 4) != 0;
    input.first = p.first;
    p.first = false;
    p.ended = input.end;
    if (input.gap > 0 && !parser->accepts_gaps()) break;
    const auto result = parser->parse(ctx, dir, input);
    look_at(*parser, ctx);
    if (result.status == ParseResult::Status::error) break;
    const auto used =
        result.status == ParseResult::Status::need_more ? result.consumed : p.octets.size();
    if (used > p.octets.size()) std::abort();  // more than there was
    p.octets.erase(0, used);
    p.offset = input.offset + used;
    parser->release([&](const Transaction& tx) {
      const bool done = tx.complete[0] && tx.complete[1];
      if (done) ctx.files().drop(tx);
      return done;
    });
  }
  for (const auto dir : {sig::Dir::to_server, sig::Dir::to_client}) {
    auto& p = pending[sig::index(dir)];
    if (datagrams || p.ended) continue;
    StreamInput last;
    last.data = as_bytes(p.octets);
    last.offset = p.offset;
    last.end = true;
    if (parser->parse(ctx, dir, last).status == ParseResult::Status::error) break;
    look_at(*parser, ctx);
  }
  return 0;
}
