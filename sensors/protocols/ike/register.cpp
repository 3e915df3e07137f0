/// IKE over UDP as a sensor protocol: what each message says, what its flow agreed on, and
/// proposals that are weaker than they should be.
#include <algorithm>
#include <cstdio>

#include "sensors/protocols/ike/ike.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::ike {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;
using ww::ike::Kind2;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto proto = sig::app_protos().intern("ike");
const struct Events {
  EventId malformed = sig::events().intern("ike.malformed_data"),
          no_encryption = sig::events().intern("ike.no_encryption"),
          weak_enc = sig::events().intern("ike.weak_crypto_enc"),
          weak_prf = sig::events().intern("ike.weak_crypto_prf"),
          weak_dh = sig::events().intern("ike.weak_crypto_dh"),
          weak_auth = sig::events().intern("ike.weak_crypto_auth"),
          no_dh = sig::events().intern("ike.weak_crypto_no_dh"),
          no_auth = sig::events().intern("ike.weak_crypto_no_auth"),
          invalid_proposal = sig::events().intern("ike.invalid_proposal"),
          unknown_proposal = sig::events().intern("ike.unknown_proposal"),
          extra_data = sig::events().intern("ike.payload_extra_data"),
          multiple_server_proposal = sig::events().intern("ike.multiple_server_proposal");
} event;

constexpr std::size_t max_selected = 256;  ///< transforms remembered of a responder

std::string spi_text(std::uint64_t spi) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(spi));
  return text;
}

class IkeParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (input.data.empty()) return ParseResult::ok();
    const auto header = ww::ike::parse_header(input.data);
    if (!header || (header->major != 1 && header->major != 2)) {
      flag_last(ctx);
      return ParseResult::error();
    }
    auto owned = std::make_unique<IkeTx>();
    auto& tx = *owned;
    tx.proto = proto;
    tx.header = *header;
    tx.dir = dir;
    tx.init_spi = spi_text(header->init_spi);
    tx.resp_spi = spi_text(header->resp_spi);
    const auto body = input.data.subspan(ww::ike::header_octets);
    const bool good = header->major == 1 ? version1(tx, body) : version2(tx, body);
    if (!good) tx.add_event(event.malformed);
    tx.only[sig::index(dir)] = true;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    tx.revision = 1;
    add(std::move(owned), ctx);
    return ParseResult::ok();
  }

 private:
  bool version1(IkeTx& tx, Bytes body) {
    bool good = true;
    tx.encrypted = (tx.header.flags & 1) != 0;
    if (tx.encrypted) {
      tx.v1.payloads.push_back(tx.header.next_payload);
    } else {
      good = ww::ike::parse_message1(tx.header, body, tx.v1);
      if (tx.v1.doi) doi_ = tx.v1.doi;
      const bool server = tx.dir == Dir::to_client;
      auto& side = server ? server_ : client_;
      const auto& p = tx.v1.payloads;
      // A new SA on the same flow: what was agreed before is over.
      if (std::find(p.begin(), p.end(), 1) != p.end()) side = Side1();
      const auto before = side.transform_count, after = before + tx.v1.transforms.size();
      if (server && before <= 1 && after > 1) tx.add_event(event.multiple_server_proposal);
      side.key_exchange = tx.v1.key_exchange;
      side.nonce = tx.v1.nonce;
      if (before == 0 && after > 0) side.first = tx.v1.transforms.front();
      side.transform_count = after;
      if (tx.v1.extra_data) tx.add_event(event.extra_data);
    }
    tx.v1.doi = doi_;
    tx.client = client_;
    tx.server = server_;
    return good;
  }

  bool version2(IkeTx& tx, Bytes body) {
    const bool good = ww::ike::parse_message2(tx.header, body, tx.v2);
    for (const auto& p : tx.v2.proposals) {
      check(tx, p);
      if (tx.dir == Dir::to_client) select(p);
    }
    tx.chosen = chosen_;
    if (tx.dir == Dir::to_client) tx.selected = selected_;
    return good;
  }

  static void check(IkeTx& tx, const ww::ike::Proposal2& p) {
    bool dh = false, integrity = false, aead = false;
    for (const auto& t : p.transforms) switch (static_cast<Kind2>(t.kind)) {
        case Kind2::encryption:
          aead = aead || ww::ike::is_aead(t.id);
          if ((t.id >= 1 && t.id <= 9) || t.id == 11) tx.add_event(event.weak_enc);
          break;
        case Kind2::prf:
          if (t.id == 0) tx.add_event(event.invalid_proposal);
          if (t.id == 1 || t.id == 2) tx.add_event(event.weak_prf);
          break;
        case Kind2::integrity:
          integrity = integrity || t.id != 0;
          if (t.id >= 1 && t.id <= 7) tx.add_event(event.weak_auth);
          break;
        case Kind2::dh:
          dh = true;
          if (t.id == 0) tx.add_event(event.invalid_proposal);
          if (t.id == 1 || t.id == 2 || t.id == 5 || t.id == 22) tx.add_event(event.weak_dh);
          break;
        case Kind2::esn:
          break;
        default:
          tx.add_event(event.unknown_proposal);
      }
    if (!dh) tx.add_event(event.no_dh);
    constexpr std::uint8_t authentication_header = 2;
    if (p.protocol == authentication_header) tx.add_event(event.no_encryption);
    // An algorithm that authenticates too needs no other (RFC 7296 3.3).
    if (!integrity && !aead) tx.add_event(event.no_auth);
  }

  void select(const ww::ike::Proposal2& p) {
    for (const auto& t : p.transforms) {
      switch (static_cast<Kind2>(t.kind)) {
        case Kind2::encryption:
          chosen_.encryption = t.id;
          break;
        case Kind2::prf:
          chosen_.prf = t.id;
          break;
        case Kind2::integrity:
          chosen_.integrity = t.id;
          break;
        case Kind2::dh:
          chosen_.dh = t.id;
          break;
        case Kind2::esn:
          chosen_.esn = t.id;
          break;
        default:
          continue;
      }
      if (selected_.size() < max_selected) selected_.push_back(t);
    }
  }

  void flag_last(ParserContext& ctx) {
    if (owned_.empty())
      ctx.add_event(event.malformed);
    else
      owned_.back()->add_event(event.malformed);
  }

  std::optional<std::uint32_t> doi_;
  Side1 client_, server_;
  Chosen2 chosen_;
  std::vector<ww::ike::Transform2> selected_;
};

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  const auto h = ww::ike::parse_header(data);
  if (!h) return Probe::no;
  if (h->major == 2) {
    // IKE_SA_INIT to INFORMATIONAL (RFC 7296 3.1)
    if (h->minor != 0 || h->exchange < 34 || h->exchange > 37 || h->length != data.size())
      return Probe::no;
  } else if (h->major != 1) {
    return Probe::no;
  }
  return h->resp_spi == 0 && dir != Dir::to_server ? Probe::reversed : Probe::yes;
}

// ---------------------------------------------------------------- what rules look at

const IkeTx& as_ike(const Transaction& t) { return static_cast<const IkeTx&>(t); }

BufferStatus give(const std::string& text, std::uint32_t i, BufferSlice& out) {
  if (i > 0 || text.empty()) return BufferStatus::absent;
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
BufferStatus init_spi(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  return give(as_ike(t).init_spi, i, out);
}
BufferStatus resp_spi(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  return give(as_ike(t).resp_spi, i, out);
}
BufferStatus key_exchange(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  return give(as_ike(t).v1.key_exchange, i, out);
}
BufferStatus nonce(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  return give(as_ike(t).v1.nonce, i, out);
}
BufferStatus vendor(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& all = as_ike(t).v1.vendors;
  return i < all.size() ? give(all[i], 0, out) : BufferStatus::absent;
}
BufferStatus exchange(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_ike(t).header.exchange;
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus length_of(const std::string& text, std::uint32_t i, std::uint64_t& out) {
  out = text.size();
  return i == 0 && !text.empty() ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus key_exchange_length(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  return length_of(as_ike(t).v1.key_exchange, i, out);
}
BufferStatus nonce_length(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  return length_of(as_ike(t).v1.nonce, i, out);
}

/// An attribute of the chosen proposal by its version 1 type; version 2 knows four of them.
template <std::uint16_t type>
BufferStatus chosen(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_ike(t);
  if (i > 0) return BufferStatus::absent;
  if (tx.header.major == 1) {
    if (tx.v1.transforms.empty()) return BufferStatus::absent;
    for (const auto& a : tx.v1.transforms.front())
      if (a.type == type && a.number) {
        out = *a.number;
        return BufferStatus::ready;
      }
    return BufferStatus::absent;
  }
  constexpr auto kind = type == 1    ? Kind2::encryption
                        : type == 3  ? Kind2::integrity
                        : type == 4  ? Kind2::dh
                        : type == 13 ? Kind2::prf
                                     : static_cast<Kind2>(0);
  for (const auto& s : tx.selected)
    if (static_cast<Kind2>(s.kind) == kind) {
      out = s.id;
      return BufferStatus::ready;
    }
  return BufferStatus::absent;
}

bool log(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  write_ike(as_ike(t), ctx.options.flag_or("extended", false), json);
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "ike";
  p.rule_names = {"ike", "ikev2"};
  p.udp = true;
  p.udp_ports = "500";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<IkeParser>(); };
  Logger logger;
  logger.event_type = logger.settings_name = "ike";
  logger.write = &log;
  logger.direction = [](const Transaction& t) { return as_ike(t).dir; };
  p.loggers = {logger};
  const auto buffer = [&](std::string_view name, Dir dir, sig::BufferGetter get) {
    p.buffers.buffers.push_back({sig::buffers().intern(name), dir, get});
  };
  const auto number = [&](std::string_view name, Dir dir, sig::NumberGetter get) {
    p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
  };
  buffer("ike.init_spi", Dir::to_server, &init_spi);
  buffer("ike.resp_spi", Dir::to_client, &resp_spi);
  buffer("ike.vendor", Dir::to_server, &vendor);
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    buffer("ike.key_exchange_payload", dir, &key_exchange);
    buffer("ike.nonce_payload", dir, &nonce);
    number("ike.exchtype", dir, &exchange);
    number("ike.key_exchange_payload_length", dir, &key_exchange_length);
    number("ike.nonce_payload_length", dir, &nonce_length);
  }
  // What the server answers is what was chosen.
  const auto attribute = [&](const std::string& name, sig::NumberGetter get) {
    number("ike.chosen_sa_attribute." + name, Dir::to_client, get);
  };
  attribute("alg_enc", &chosen<1>);
  attribute("alg_hash", &chosen<2>);
  attribute("alg_auth", &chosen<3>);
  attribute("alg_dh", &chosen<4>);
  attribute("sa_group_type", &chosen<5>);
  attribute("sa_life_type", &chosen<11>);
  attribute("sa_life_duration", &chosen<12>);
  attribute("alg_prf", &chosen<13>);
  attribute("sa_key_length", &chosen<14>);
  attribute("sa_field_size", &chosen<15>);
  p.events = {"ike.malformed_data",    "ike.no_encryption",       "ike.weak_crypto_enc",
              "ike.weak_crypto_prf",   "ike.weak_crypto_dh",      "ike.weak_crypto_auth",
              "ike.weak_crypto_no_dh", "ike.weak_crypto_no_auth", "ike.invalid_proposal",
              "ike.unknown_proposal",  "ike.payload_extra_data",  "ike.multiple_server_proposal"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::ike
