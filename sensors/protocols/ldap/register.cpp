/// LDAP over TCP and CLDAP over UDP as a sensor protocol; StartTLS (RFC 4511 4.14) hands the
/// stream over to TLS.
#include <algorithm>

#include "rules/signature/no_value.hpp"
#include "sensors/protocols/ldap/ldap.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::ldap {

void LdapTx::add_response(std::unique_ptr<Message> m) {
  ++response_count;
  ++revision;
  const bool room =
      responses.size() < max_responses && response_octets + m->octets.size() <= max_response_octets;
  // The last word of an operation is kept whatever came before it.
  if (!room && !(ww::ldap::is_final(m->op) && responses.size() <= max_responses)) return;
  response_octets += m->octets.size();
  responses.push_back(std::move(m));
}

namespace {

using sig::BufferSlice;
using sig::BufferStatus;
using ww::ldap::Status;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto proto = sig::app_protos().intern("ldap");
const sig::FrameType pdu = sig::frame_types().intern("ldap.pdu");
const EventId too_many_transactions = sig::events().intern("ldap.too_many_transactions");
const EventId invalid_data = sig::events().intern("ldap.invalid_data");
const EventId request_not_found = sig::events().intern("ldap.request_not_found");
const EventId incomplete_data = sig::events().intern("ldap.incomplete_data");

constexpr std::string_view starttls = "1.3.6.1.4.1.1466.20037";

class LdapParser final : public Parser {
 public:
  explicit LdapParser(std::size_t max_tx) : max_tx_(max_tx) {}

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (ctx.flow().ip_proto == 17) return datagram(ctx, dir, input.data);
    const auto result = stream(ctx, dir, input);
    if (input.end) end(dir);
    return result;
  }
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  ParseResult stream(ParserContext& ctx, Dir dir, const StreamInput& input) {
    const auto d = sig::index(dir);
    if (input.gap > 0) {
      lost_[d] = true;
      frame_[d] = 0;
    }
    // The client starts the encryption, so that the answer is still inspected as LDAP.
    if (tls_ && dir == Dir::to_server && !input.data.empty()) {
      tls_ = false;
      ctx.change_protocol("tls");
      return ParseResult::more(0);
    }
    std::size_t at = 0;
    while (at < input.data.size()) {
      const auto rest = input.data.subspan(at);
      if (frame_[d] == 0 && !lost_[d]) frame_[d] = ctx.add_frame(pdu, dir, input.offset + at, -1);
      std::unique_ptr<Message> m;
      std::size_t used = 0;
      switch (ww::ldap::parse_message(rest, m, used)) {
        case Status::need_more:
          return ParseResult::more(at, used);
        case Status::malformed:
          // A client's octets that are no LDAP are most often a SASL security layer; behind a gap
          // they may be the middle of a message.
          if (dir == Dir::to_client && !lost_[d]) flag_last(ctx, invalid_data);
          return ParseResult::error();
        case Status::ok:
          break;
      }
      lost_[d] = false;
      const auto frame = frame_[d];
      frame_[d] = 0;
      const auto& tx = take(ctx, dir, std::move(m));
      if (frame != 0) {
        ctx.set_frame_length(frame, static_cast<std::int64_t>(used));
        ctx.set_frame_tx(frame, tx.id);
      }
      at += used;
    }
    return ParseResult::ok();
  }

  ParseResult datagram(ParserContext& ctx, Dir dir, Bytes data) {
    std::size_t at = 0;
    while (at < data.size()) {
      std::unique_ptr<Message> m;
      std::size_t used = 0;
      const auto status = ww::ldap::parse_message(data.subspan(at), m, used);
      if (status != Status::ok) {
        ctx.add_frame(pdu, dir, at, static_cast<std::int64_t>(data.size() - at));
        flag_last(ctx, status == Status::need_more ? incomplete_data : invalid_data);
        return ParseResult::error();
      }
      const auto& tx = take(ctx, dir, std::move(m));
      ctx.add_frame(pdu, dir, at, static_cast<std::int64_t>(used), tx.id);
      at += used;
      if (dir == Dir::to_server) break;  // one request a datagram (RFC 1798)
    }
    return ParseResult::ok();
  }

  LdapTx& take(ParserContext& ctx, Dir dir, std::unique_ptr<Message> m) {
    return dir == Dir::to_server ? request(ctx, std::move(m)) : response(ctx, std::move(m));
  }

  LdapTx& request(ParserContext& ctx, std::unique_ptr<Message> m) {
    if (m->op == Op::extended_request && m->name == starttls) tls_asked_ = true;
    auto& tx = transaction(ctx);
    // No answer will come to these two (4.3, 4.11).
    const bool alone = m->op == Op::unbind_request || m->op == Op::abandon_request;
    tx.request = std::move(m);
    tx.complete[0] = true;
    tx.progress[0] = 1;
    if (alone) tx.finish();
    return tx;
  }

  LdapTx& response(ParserContext& ctx, std::unique_ptr<Message> m) {
    const bool last = ww::ldap::is_final(m->op);
    const bool extended = m->op == Op::extended_response;
    if (tls_asked_ && extended) {
      tls_ = ctx.flow().ip_proto == 6 && m->outcome && m->outcome->code == 0;
      tls_asked_ = false;
    }
    if (auto* tx = find(m->id)) {
      tx->add_response(std::move(m));
      if (last) tx->finish();
      return *tx;
    }
    auto& tx = transaction(ctx);
    tx.add_response(std::move(m));
    tx.finish();
    tx.only[sig::index(Dir::to_client)] = true;
    if (!extended) tx.add_event(request_not_found);  // otherwise an unsolicited notification (4.4)
    return tx;
  }

  LdapTx* find(std::uint32_t id) {
    LdapTx* done = nullptr;
    for (const auto& owned : owned_) {
      auto& tx = static_cast<LdapTx&>(*owned);
      if (!tx.request || tx.request->id != id) continue;
      if (!tx.complete[1]) return &tx;
      if (done == nullptr) done = &tx;
    }
    return done;
  }

  LdapTx& transaction(ParserContext& ctx) {
    if (owned_.size() >= max_tx_) {
      const auto oldest = std::find_if(owned_.begin(), owned_.end(), [](const auto& t) {
        return !(t->complete[0] && t->complete[1]);
      });
      if (oldest != owned_.end()) {
        (*oldest)->add_event(too_many_transactions);
        static_cast<LdapTx&>(**oldest).finish();
      }
    }
    auto owned = std::make_unique<LdapTx>();
    owned->proto = proto;
    owned->revision = 1;
    return add(std::move(owned), ctx);
  }

  /// Nothing more comes that way.
  void end(Dir dir) {
    for (const auto& owned : owned_)
      if (!owned->complete[sig::index(dir)]) {
        owned->complete[sig::index(dir)] = true;
        ++owned->revision;
      }
  }

  void flag_last(ParserContext& ctx, EventId event) {
    if (owned_.empty()) {
      ctx.add_event(event);
    } else {
      owned_.back()->add_event(event);
      ++owned_.back()->revision;
    }
  }

  std::size_t max_tx_;
  std::uint64_t frame_[2] = {0, 0};
  bool lost_[2] = {false, false};
  bool tls_asked_ = false, tls_ = false;
};

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  Op op{};
  switch (ww::ldap::peek_message(data, op)) {
    case Status::need_more:
      return Probe::maybe;
    case Status::malformed:
      return Probe::no;
    case Status::ok:
      break;
  }
  std::unique_ptr<Message> m;
  std::size_t used = 0;
  if (ww::ldap::parse_message(data, m, used) == Status::malformed) return Probe::no;
  return ww::ldap::is_request(op) == (dir == Dir::to_server) ? Probe::yes : Probe::reversed;
}

// ---------------------------------------------------------------- what rules look at

const LdapTx& as_ldap(const Transaction& t) { return static_cast<const LdapTx&>(t); }

BufferStatus give(std::string_view text, BufferSlice& out) {
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
/// More may come as long as the operation runs.
BufferStatus none_yet(const LdapTx& tx) {
  return tx.complete[1] ? BufferStatus::absent : BufferStatus::not_ready;
}

BufferStatus request_dn(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_ldap(t);
  if (i > 0 || !tx.request) return BufferStatus::absent;
  switch (tx.request->op) {
    case Op::unbind_request:
    case Op::abandon_request:
    case Op::extended_request:
      return BufferStatus::absent;
    default:
      return give(tx.request->dn, out);
  }
}

BufferStatus request_attribute(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_ldap(t);
  if (!tx.request) return BufferStatus::absent;
  const auto& m = *tx.request;
  switch (m.op) {
    case Op::search_request:
      return i < m.selection.size() ? give(m.selection[i], out) : BufferStatus::absent;
    case Op::modify_request:
      return i < m.changes.size() ? give(m.changes[i].modification.type, out)
                                  : BufferStatus::absent;
    case Op::add_request:
      return i < m.attributes.size() ? give(m.attributes[i].type, out) : BufferStatus::absent;
    case Op::compare_request:
      return i == 0 && m.name ? give(*m.name, out) : BufferStatus::absent;
    default:
      return BufferStatus::absent;
  }
}

/// What `pick` finds in the i-th response; empty where it has none.
template <class Pick>
BufferStatus of_responses(const Transaction& t, std::uint32_t i, BufferSlice& out, Pick pick) {
  const auto& tx = as_ldap(t);
  return i < tx.responses.size() ? give(pick(*tx.responses[i]), out) : none_yet(tx);
}

BufferStatus response_dn(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  return of_responses(t, i, out, [](const Message& m) -> std::string_view {
    if (m.op == Op::search_result_entry) return m.dn;
    return m.outcome ? std::string_view(m.outcome->matched_dn) : std::string_view();
  });
}

BufferStatus response_message(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  return of_responses(t, i, out, [](const Message& m) -> std::string_view {
    return m.outcome ? std::string_view(m.outcome->message) : std::string_view();
  });
}

BufferStatus response_attribute(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_ldap(t);
  for (const auto& r : tx.responses) {
    if (r->op != Op::search_result_entry) continue;
    if (i < r->attributes.size()) return give(r->attributes[i].type, out);
    i -= static_cast<std::uint32_t>(r->attributes.size());
  }
  return none_yet(tx);
}

BufferStatus request_operation(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_ldap(t);
  if (i > 0 || !tx.request) return BufferStatus::absent;
  out = static_cast<std::uint64_t>(tx.request->op);
  return BufferStatus::ready;
}

BufferStatus response_operation(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_ldap(t);
  if (i >= tx.responses.size()) return none_yet(tx);
  out = static_cast<std::uint64_t>(tx.responses[i]->op);
  return BufferStatus::ready;
}

BufferStatus response_count(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_ldap(t);
  if (i > 0) return BufferStatus::absent;
  out = tx.response_count;
  return tx.complete[1] ? BufferStatus::ready : BufferStatus::partial;
}

BufferStatus response_code(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_ldap(t);
  if (i >= tx.responses.size()) return none_yet(tx);
  const auto& outcome = tx.responses[i]->outcome;
  out = outcome ? outcome->code : sig::no_value;
  return BufferStatus::ready;
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_ldap(t);
  if (!tx.request && tx.responses.empty()) return false;
  write_ldap(tx, json);
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "ldap";
  p.rule_names = {"ldap"};
  p.tcp = p.udp = true;
  p.tcp_ports = p.udp_ports = "[389,3268]";
  p.probe = &probe;
  p.probe_min = 2;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto tx =
        std::clamp<std::int64_t>(s.integer_or("app-layer.protocols.ldap.max-tx", 256), 1, 65536);
    return std::make_unique<LdapParser>(static_cast<std::size_t>(tx));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "ldap";
  logger.write = &log;
  p.loggers = {logger};
  const auto buffer = [&](std::string_view name, Dir dir, sig::BufferGetter get) {
    p.buffers.buffers.push_back({sig::buffers().intern(name), dir, get});
  };
  buffer("ldap.request.dn", Dir::to_server, &request_dn);
  buffer("ldap.request.attribute_type", Dir::to_server, &request_attribute);
  buffer("ldap.responses.dn", Dir::to_client, &response_dn);
  buffer("ldap.responses.message", Dir::to_client, &response_message);
  buffer("ldap.responses.attribute_type", Dir::to_client, &response_attribute);
  const auto number = [&](std::string_view name, Dir dir, sig::NumberGetter get) {
    p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
  };
  number("ldap.request.operation", Dir::to_server, &request_operation);
  number("ldap.responses.operation", Dir::to_client, &response_operation);
  number("ldap.responses.count", Dir::to_client, &response_count);
  number("ldap.responses.result_code", Dir::to_client, &response_code);
  p.events = {"ldap.too_many_transactions", "ldap.invalid_data", "ldap.request_not_found",
              "ldap.incomplete_data"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::ldap
