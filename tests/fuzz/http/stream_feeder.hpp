#pragma once
/// Cuts fuzzer input into pieces of two directions. A piece: a control octet (bit 0 the direction,
/// bit 1 a gap before it, bit 2 the end of the direction), two octets of length, then the data.
#include "tests/sensors/protocols/http/support.hpp"

namespace ww::sensor::test {

inline void feed_parser(Parser& parser, const std::uint8_t* data, std::size_t size) {
  TestContext ctx;
  std::uint64_t offset[2] = {0, 0};
  ByteReader in(Bytes(data, size));
  const auto finish = [&](Dir d) {
    StreamInput last;
    last.offset = offset[sig::index(d)];
    last.end = true;
    return parser.parse(ctx, d, last).status != ParseResult::Status::error;
  };
  bool alive = true;
  while (alive && !in.empty()) {
    const auto control = in.u8();
    const auto length = std::min<std::size_t>(in.u16be(), in.left());
    const auto d = (control & 1) != 0 ? Dir::to_client : Dir::to_server;
    StreamInput piece;
    piece.gap = (control & 2) != 0 ? control >> 3 : 0;
    piece.data = in.bytes(length);
    piece.offset = offset[sig::index(d)] + piece.gap;
    piece.end = (control & 4) != 0;
    offset[sig::index(d)] = piece.offset + length;
    alive = parser.parse(ctx, d, piece).status != ParseResult::Status::error;
    // Every getter, as rules would use them.
    std::string text;
    const Settings none;
    for (auto* tx : parser.transactions()) {
      for (const auto& p : sig::protocol_buffers()) {
        if (p.proto != tx->proto) continue;
        for (const auto& b : p.buffers) {
          sig::BufferSlice slice;
          if (b.get != nullptr)
            for (std::uint32_t i = 0; i < 3; ++i) (void)b.get(*tx, b.dir, i, slice);
        }
        std::uint64_t number = 0;
        for (const auto& n : p.numbers) (void)n.get(*tx, n.dir, 0, number);
      }
      text.clear();
      JsonWriter json(text);
      json.begin_object();
      find_protocol(tx->proto)->loggers[0].write(*tx, {ctx.flow(), none}, json);
      json.end_object();
    }
    parser.release([](const Transaction& tx) { return tx.complete[0] && tx.complete[1]; });
  }
  if (alive && finish(Dir::to_server)) (void)finish(Dir::to_client);
}

}  // namespace ww::sensor::test
