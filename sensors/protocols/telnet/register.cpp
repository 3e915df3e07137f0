/// Telnet (RFC 854): commands and lines of text as frames. There is nothing to log about it.
#include <array>
#include <optional>

#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::FrameType frame_pdu = sig::frame_types().intern("telnet.pdu");
const sig::FrameType frame_ctl = sig::frame_types().intern("telnet.ctl");
const sig::FrameType frame_data = sig::frame_types().intern("telnet.data");

constexpr std::uint8_t iac = 255, se = 240, sb = 250, will = 251;
constexpr std::size_t max_command = 65536;  ///< octets of a subnegotiation
constexpr std::size_t max_line = 65536;     ///< octets of a line; then another one begins

/// Octets of the command at the start of `data`; nothing while its end is not there.
std::optional<std::size_t> command_length(Bytes data) {
  if (data.size() < 2) return {};
  if (data[1] >= will) {
    if (data.size() < 3) return {};
    return 3;
  }
  if (data[1] != sb) return 2;
  // Up to IAC SE; IAC IAC is an octet of the parameters (RFC 855).
  for (std::size_t i = 2; i + 1 < data.size(); ++i) {
    if (data[i] != iac) continue;
    if (data[i + 1] == se) return i + 2;
    if (data[i + 1] == iac) ++i;
  }
  if (data.size() >= max_command) return data.size();
  return {};
}

/// Octets of text at the start of `data`: to the end of the line or to the next command.
struct Text {
  std::size_t length = 0;
  bool ended = false;
  bool waits = false;  ///< a lone IAC at the end: the next octet says what it is
};
Text text_length(Bytes data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == '\n') return {i + 1, true, false};
    if (data[i] != iac) continue;
    if (i + 1 == data.size()) return {i, false, true};
    if (data[i + 1] != iac) return {i, true, false};
    ++i;  // an escaped 255
  }
  return {data.size(), false, false};
}

class TelnetParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    auto& side = sides_[sig::index(dir)];
    if (input.gap > 0) close(ctx, side, input.offset - input.gap);
    std::size_t at = 0;
    while (at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      const auto offset = input.offset + at;
      const auto text = text_length(rest);
      if (text.length > 0) {
        if (!side.line) {
          side.line = {ctx.add_frame(frame_pdu, dir, offset, -1),
                       ctx.add_frame(frame_data, dir, offset, -1)};
          side.start = offset;
        }
        at += text.length;
        if (text.ended || offset + text.length - side.start >= max_line)
          close(ctx, side, offset + text.length);
        continue;
      }
      if (text.waits) return ParseResult::more(at, 2);
      close(ctx, side, offset);
      const auto length = command_length(rest);
      if (!length) return ParseResult::more(at, rest.size() + 1);
      for (const auto type : {frame_pdu, frame_ctl})
        ctx.add_frame(type, dir, offset, static_cast<std::int64_t>(*length));
      at += *length;
    }
    if (input.end) close(ctx, side, input.offset + input.data.size());
    return ParseResult::ok();
  }
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  struct Side {
    std::optional<std::array<std::uint64_t, 2>> line;  ///< frames of text that has not ended
    std::uint64_t start = 0;
  };
  static void close(ParserContext& ctx, Side& side, std::uint64_t end) {
    if (!side.line) return;
    for (const auto frame : *side.line)
      ctx.set_frame_length(frame, static_cast<std::int64_t>(end - side.start));
    side.line.reset();
  }
  Side sides_[2];
};

/// A command at the start: both sides begin by negotiating.
Probe probe(Bytes data, Dir, const sig::Flow&) {
  if (data.empty()) return Probe::maybe;
  if (data[0] != iac) return Probe::no;
  if (data.size() < 2) return Probe::maybe;
  return data[1] >= se && data[1] != iac ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "telnet";
  p.rule_names = {"telnet"};
  p.tcp = true;
  p.tcp_ports = "23";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<TelnetParser>();
  };
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
