/// DNS transactions: names, events and getters.
#include "sensors/protocols/dns/transaction.hpp"

namespace ww::sensor::dns_app {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

struct Events {
  EventId z_flag, opcode, name_too_long, infinite_loop, too_many_labels, bad_authorities,
      bad_additionals;
};
const Events& event_ids() {
  static const Events e{sig::events().intern("dns.z_flag_set"),
                        sig::events().intern("dns.invalid_opcode"),
                        sig::events().intern("dns.name_too_long"),
                        sig::events().intern("dns.infinite_loop"),
                        sig::events().intern("dns.too_many_labels"),
                        sig::events().intern("dns.invalid_authorities"),
                        sig::events().intern("dns.invalid_additionals")};
  return e;
}

void collect_names(DnsTx& tx) {
  auto& out = tx.response_names;
  const auto& m = tx.message;
  for (const auto& q : m.questions) out.emplace_back(q.name.text);
  for (const auto* section : {&m.answers, &m.authorities, &m.additionals})
    for (const auto& r : *section) {
      out.emplace_back(r.name.text);
      if (!r.known) continue;
      if (r.type == 2 || r.type == 5 || r.type == 12 || r.type == 15)
        out.emplace_back(r.target.text);
      if (r.type == 6) out.emplace_back(r.soa.mname.text);
      if (r.type == 33) out.emplace_back(r.srv.target.text);
    }
}

void name_events(DnsTx& tx) {
  std::uint8_t flags = 0;
  for (const auto& q : tx.message.questions) flags |= q.name.flags;
  for (const auto* section :
       {&tx.message.answers, &tx.message.authorities, &tx.message.additionals})
    for (const auto& r : *section)
      flags |= r.name.flags | r.target.flags | r.soa.mname.flags | r.soa.rname.flags;
  if ((flags & dns::name_flag::truncated) != 0) tx.add_event(event_ids().name_too_long);
  if ((flags & dns::name_flag::infinite_loop) != 0) tx.add_event(event_ids().infinite_loop);
  if ((flags & dns::name_flag::label_limit) != 0) tx.add_event(event_ids().too_many_labels);
}

const DnsTx& as_dns(const Transaction& tx) { return static_cast<const DnsTx&>(tx); }

BufferStatus slice(std::string_view text, BufferSlice& out) {
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
template <class Section>
BufferStatus name_of(const Section& section, std::uint32_t i, BufferSlice& out) {
  return i < section.size() ? slice(section[i].name.text, out) : BufferStatus::absent;
}
}  // namespace

std::unique_ptr<DnsTx> make_transaction(dns::Message message, Dir dir) {
  static const auto proto = sig::app_protos().find("dns");
  auto tx = std::make_unique<DnsTx>();
  tx->message = std::move(message);
  tx->dir = dir;
  tx->proto = proto;
  tx->only[sig::index(dir)] = true;
  tx->complete[0] = tx->complete[1] = true;
  tx->progress[0] = tx->progress[1] = 1;
  tx->revision = 1;
  const auto& m = tx->message;
  if ((m.flags & 0x0040) != 0) tx->add_event(event_ids().z_flag);
  if (m.opcode() >= 7) tx->add_event(event_ids().opcode);
  if (m.bad_authorities) tx->add_event(event_ids().bad_authorities);
  if (m.bad_additionals) tx->add_event(event_ids().bad_additionals);
  name_events(*tx);
  if (tx->response()) collect_names(*tx);
  return tx;
}

std::vector<std::string> event_names() {
  (void)event_ids();
  return {"dns.malformed_data",     "dns.not_request",     "dns.not_response",
          "dns.z_flag_set",         "dns.invalid_opcode",  "dns.name_too_long",
          "dns.infinite_loop",      "dns.too_many_labels", "dns.invalid_additionals",
          "dns.invalid_authorities"};
}

BufferStatus query(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.questions, i, out);
}
BufferStatus answer(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.answers, i, out);
}
BufferStatus authority(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.authorities, i, out);
}
BufferStatus additional(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.additionals, i, out);
}
BufferStatus response_name(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& names = as_dns(tx).response_names;
  return i < names.size() ? slice(names[i], out) : BufferStatus::absent;
}
BufferStatus opcode(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_dns(tx).message.opcode();
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus rcode(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_dns(tx).message.rcode();
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus rrtype(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& m = as_dns(tx).message;
  if (i < m.questions.size()) {
    out = m.questions[i].type;
    return BufferStatus::ready;
  }
  const std::size_t j = i - m.questions.size();
  if (j >= m.answers.size()) return BufferStatus::absent;
  out = m.answers[j].type;
  return BufferStatus::ready;
}
}  // namespace ww::sensor::dns_app
