/// NTP versions 3 and 4 (RFC 1305, RFC 5905) as a sensor protocol: one transaction a packet.
#include <algorithm>
#include <array>
#include <optional>

#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto ntp_proto = sig::app_protos().intern("ntp");
const EventId malformed_data = sig::events().intern("ntp.malformed_data");

constexpr std::size_t header_octets = 48;  ///< extensions and a signature may follow

struct Header {
  std::uint8_t version = 0, mode = 0, stratum = 0;
  std::array<std::uint8_t, 4> reference_id{};
};

std::optional<Header> parse_header(Bytes octets) {
  if (octets.size() < header_octets) return {};
  Header h;
  h.version = (octets[0] >> 3) & 7;
  h.mode = octets[0] & 7;
  h.stratum = octets[1];
  std::copy_n(octets.begin() + 12, 4, h.reference_id.begin());
  return h.version == 3 || h.version == 4 ? std::optional(h) : std::nullopt;
}

struct NtpTx final : Transaction {
  Header header;
};

class NtpParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (input.data.empty()) return ParseResult::ok();
    const auto header = parse_header(input.data);
    if (!header) {
      if (owned_.empty())
        ctx.add_event(malformed_data);
      else
        owned_.back()->add_event(malformed_data);
      return ParseResult::error();
    }
    auto owned = std::make_unique<NtpTx>();
    auto& tx = *owned;
    tx.proto = ntp_proto;
    tx.header = *header;
    tx.only[sig::index(dir)] = true;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    tx.revision = 1;
    add(std::move(owned), ctx);
    return ParseResult::ok();
  }
};

Probe probe(Bytes data, Dir, const sig::Flow&) {
  return parse_header(data) ? Probe::yes : Probe::no;
}

const Header& header_of(const Transaction& t) { return static_cast<const NtpTx&>(t).header; }

template <std::uint8_t Header::* member>
BufferStatus get_number(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  out = header_of(t).*member;
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus get_reference(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  if (i > 0) return BufferStatus::absent;
  out.data = header_of(t).reference_id;
  return BufferStatus::ready;
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& h = header_of(t);
  json.begin_object("ntp");
  json.field("version", h.version);
  json.field("mode", h.mode);
  json.field("stratum", h.stratum);
  json.key("reference_id");
  json.value_hex(h.reference_id, ':');
  json.end_object();
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "ntp";
  p.rule_names = {"ntp"};
  p.udp = true;
  p.udp_ports = "123";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<NtpParser>(); };
  Logger logger;
  logger.event_type = logger.settings_name = "ntp";
  logger.write = &log;
  logger.direction = [](const Transaction& t) {
    return t.only[1] ? Dir::to_client : Dir::to_server;
  };
  logger.on_by_default = false;  // every clock asks every few minutes
  p.loggers = {logger};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.buffers.push_back({sig::buffers().intern("ntp.reference_id"), dir, &get_reference});
    const auto number = [&](std::string_view name, sig::NumberGetter get) {
      p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
    };
    number("ntp.version", &get_number<&Header::version>);
    number("ntp.mode", &get_number<&Header::mode>);
    number("ntp.stratum", &get_number<&Header::stratum>);
  }
  // Only malformed_data is raised; the others keep rules that name them loading.
  p.events = {"ntp.malformed_data", "ntp.unsolicited_response", "ntp.not_request",
              "ntp.not_response"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
