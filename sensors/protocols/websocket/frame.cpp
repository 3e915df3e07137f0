#include "sensors/protocols/websocket/frame.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace ww::websocket {

std::string opcode_name(std::uint8_t code) {
  switch (static_cast<Opcode>(code)) {
    case Opcode::continuation:
      return "continuation";
    case Opcode::text:
      return "text";
    case Opcode::binary:
      return "binary";
    case Opcode::connection_close:
      return "connection_close";
    case Opcode::ping:
      return "ping";
    case Opcode::pong:
      return "pong";
  }
  return "unknown-" + std::to_string(code);
}

std::optional<Header> parse_header(Bytes octets) {
  ByteReader in(octets);
  Header h;
  const auto first = in.u8(), second = in.u8();
  h.flags = first & 0xf0;
  h.opcode = first & 0x0f;
  h.payload = second & 0x7f;
  if (h.payload == 126)
    h.payload = in.u16be();
  else if (h.payload == 127)
    h.payload = in.u64be();
  if ((second & 0x80) != 0) h.mask = in.u32be();
  if (!in.ok()) return {};
  h.length = in.offset();
  return h;
}

std::string unmasked(Bytes payload, std::optional<std::uint32_t> mask) {
  std::string out(as_text(payload));
  if (!mask || *mask == 0) return out;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<char>(static_cast<std::uint8_t>(out[i]) ^
                               static_cast<std::uint8_t>(*mask >> (24 - 8 * (i & 3))));
  return out;
}

struct Inflater::State {
  z_stream stream{};
  bool ok = false;
  State() { ok = inflateInit2(&stream, -MAX_WBITS) == Z_OK; }
  ~State() {
    if (ok) inflateEnd(&stream);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Inflater::Inflater() = default;
Inflater::~Inflater() = default;

void Inflater::reset() {
  if (state_ != nullptr && state_->ok) inflateReset(&state_->stream);
}

Inflater::Result Inflater::inflate(std::string_view message, std::size_t limit) {
  if (state_ == nullptr) state_ = std::make_unique<State>();
  Result out;
  if (!state_->ok) return out;
  auto& z = state_->stream;
  // An empty stored block ends every message; the sender leaves out its length (RFC 7692 7.2.1).
  std::string input(message);
  input.append("\x00\x00\xff\xff", 4);
  z.next_in = reinterpret_cast<Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  std::array<char, 16384> chunk{};
  for (;;) {
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = static_cast<uInt>(chunk.size());
    const int rc = ::inflate(&z, Z_SYNC_FLUSH);
    const auto made = chunk.size() - z.avail_out;
    const auto room = limit - out.text.size();
    out.text.append(chunk.data(), std::min(made, room));
    out.cut = made > room || (made == room && z.avail_out == 0);
    const bool failed = rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END;
    if (failed || out.cut || rc == Z_STREAM_END) {
      // A last block of its own, damage, or a message of which the end is not known.
      reset();
      out.ok = !failed;
      return out;
    }
    if (z.avail_out != 0) break;
  }
  out.ok = true;
  return out;
}

}  // namespace ww::websocket
