#include "sensors/protocols/websocket/frame.hpp"

#include <algorithm>

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

void Inflater::reset() {
  if (decoder_ != nullptr) decoder_->reset(deflate::Format::raw);
}

Inflater::Result Inflater::inflate(std::string_view message, std::size_t limit) {
  if (decoder_ == nullptr) decoder_ = deflate::borrow(deflate::Format::raw);
  Result out;
  // An empty stored block ends every message; the sender leaves out its length (RFC 7692 7.2.1).
  constexpr std::string_view left_out("\x00\x00\xff\xff", 4);
  for (const auto part : {message, left_out}) {
    auto in = as_bytes(part);
    for (auto status = deflate::Status::output; status != deflate::Status::more;) {
      const auto s = decoder_->step(in);
      status = s.status;
      in = in.subspan(s.taken);
      const auto room = limit - out.text.size();
      out.cut = s.made.size() > room;
      out.text += as_text(s.made.first(std::min(s.made.size(), room)));
      const bool failed = status == deflate::Status::failed;
      if (failed || out.cut || status == deflate::Status::end) {
        // A last block of its own, damage, or a message of which the end is not known.
        reset();
        out.ok = !failed;
        return out;
      }
    }
  }
  out.ok = true;
  return out;
}

}  // namespace ww::websocket
