/// Syslog framing cut at places that the input chooses, spool records and segments, batch bodies,
/// tokenisation, tail state.
#include <cstdlib>
#include <string>

#include "sensors/logs/inputs/syslog.hpp"
#include "sensors/logs/inputs/tail_state.hpp"
#include "sensors/privacy/privacy.hpp"
#include "telemetry/batch/batch.hpp"
#include "telemetry/spool_segment.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 5) {
    case 0: {
      // The messages do not depend on how TCP cut the stream.
      std::string whole, pieces;
      const auto keep = [](std::string& to) {
        return [&to](std::string_view m) {
          to += m;
          to += '\x01';
        };
      };
      logs::Deframer a(512), b(512);
      a.feed(text, keep(whole));
      const std::size_t step = data[1] % 32 + 1;
      for (std::size_t at = 0; at < text.size(); at += step)
        b.feed(text.substr(at, step), keep(pieces));
      a.finish(keep(whole));
      b.finish(keep(pieces));
      if (whole != pieces) std::abort();
      break;
    }
    case 1: {
      spool::RecordView r;
      for (std::size_t at = 0; at < text.size();) {
        if (spool::read_record(text.substr(at), r) == spool::Read::ok) {
          at += r.octets;
          std::string_view k, v;
          (void)spool::read_memory(r.payload, k, v);
        } else {
          at = spool::resynchronise(text, at + 1);
        }
      }
      spool::SegmentHeader h;
      (void)spool::read_segment_header(text, h);
      spool::Cursor c;
      (void)spool::read_cursor_slot(text, c);
      break;
    }
    case 2:
      (void)batch::decode(data[1] % 2 == 0 ? "zstd" : "gzip", text, 1 << 20);
      break;
    case 3: {
      static const Privacy privacy(std::string(32, 'k'));
      std::string out;
      (void)privacy.tokenise(text, out);
      break;
    }
    default:
      if (const auto s = logs::FileState::parse(text)) (void)s->text();
  }
  return 0;
}
