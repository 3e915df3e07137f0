/// TFTP (RFC 1350) requests: one transaction each. Data goes over ports of its own and is not
/// followed.
#include <algorithm>
#include <array>

#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto tftp_proto = sig::app_protos().intern("tftp");

constexpr std::uint16_t read_request = 1, write_request = 2, error_packet = 5;

struct TftpTx final : Transaction {
  std::uint16_t opcode = 0;
  std::string file, mode;  ///< mode in lower case
};
const TftpTx& as_tx(const Transaction& t) { return static_cast<const TftpTx&>(t); }

/// Text up to its zero octet; not ok() when there is none.
std::string_view zero_ended(ByteReader& in) {
  const auto rest = as_text(in.rest());
  const auto end = rest.find('\0');
  if (end == std::string_view::npos) {
    in.fail();
    return {};
  }
  in.skip(end + 1);
  return rest.substr(0, end);
}

class TftpParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    ByteReader in(input.data);
    const auto opcode = in.u16be();
    if (opcode != read_request && opcode != write_request) return ParseResult::ok();
    auto tx = std::make_unique<TftpTx>();
    tx->file = zero_ended(in);
    tx->mode = zero_ended(in);
    for (auto& c : tx->mode)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    const bool known = tx->mode == "netascii" || tx->mode == "octet" || tx->mode == "mail";
    if (!in.ok() || tx->file.empty() || !known) return ParseResult::error();
    tx->proto = tftp_proto;
    tx->opcode = opcode;
    tx->only[sig::index(dir)] = true;
    tx->complete[0] = tx->complete[1] = true;
    tx->progress[0] = tx->progress[1] = 1;
    tx->revision = 1;
    add(std::move(tx), ctx);
    return ParseResult::ok();
  }
};

template <std::string TftpTx::* member>
BufferStatus text(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  if (i > 0) return BufferStatus::absent;
  out.data = as_bytes(as_tx(t).*member);
  return BufferStatus::ready;
}
BufferStatus opcode(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  if (i > 0) return BufferStatus::absent;
  out = as_tx(t).opcode;
  return BufferStatus::ready;
}

bool write_eve(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("tftp");
  json.field("packet", tx.opcode == read_request ? "read" : "write");
  json.field_bytes("file", as_bytes(tx.file));
  json.field_bytes("mode", as_bytes(tx.mode));
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir, const sig::Flow&) {
  if (data.size() < 4) return Probe::no;
  const auto code = load_be16(data.data());
  return code >= read_request && code <= error_packet ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "tftp";
  p.rule_names = {"tftp"};
  p.udp = true;
  p.udp_ports = "69";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<TftpParser>();
  };
  Logger logger;
  logger.event_type = logger.settings_name = "tftp";
  logger.write = &write_eve;
  p.loggers = {logger};
  const auto up = Dir::to_server;
  p.buffers.buffers.push_back({sig::buffers().intern("tftp.file"), up, &text<&TftpTx::file>});
  p.buffers.buffers.push_back({sig::buffers().intern("tftp.mode"), up, &text<&TftpTx::mode>});
  p.buffers.numbers.push_back({sig::numbers().intern("tftp.opcode"), up, &opcode});
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
