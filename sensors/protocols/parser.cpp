#include "sensors/protocols/parser.hpp"

#include <algorithm>
#include <stdexcept>

#include "rules/signature/protocols.hpp"

namespace ww::sensor {
namespace {

std::vector<Protocol>& table() {
  static std::vector<Protocol> t;
  return t;
}

}  // namespace

const std::vector<Protocol>& protocols() { return table(); }

const Protocol* find_protocol(std::string_view name) {
  for (const auto& p : table())
    if (p.name == name) return &p;
  return nullptr;
}

const Protocol* find_protocol(AppProto proto) {
  return find_protocol(sig::app_protos().name(proto));
}

ProtocolRegistration::ProtocolRegistration(Protocol protocol) {
  auto& t = table();
  const auto at =
      std::lower_bound(t.begin(), t.end(), protocol.name,
                       [](const Protocol& a, const std::string& name) { return a.name < name; });
  if (at != t.end() && at->name == protocol.name)
    throw std::logic_error("protocol registered twice: " + protocol.name);
  const auto id = sig::app_protos().intern(protocol.name);
  protocol.buffers.proto = id;
  sig::register_events(protocol.events);
  sig::protocol_buffers().push_back(protocol.buffers);
  t.insert(at, std::move(protocol));
}

void Parser::own(std::unique_ptr<Transaction> tx, ParserContext& ctx) {
  tx->id = next_id_++;
  tx->first_seen = ctx.now();
  view_.push_back(tx.get());
  owned_.push_back(std::move(tx));
}

void Parser::release(const std::function<bool(const Transaction&)>& done) {
  std::size_t n = 0;
  while (n < owned_.size() && done(*owned_[n])) ++n;
  if (n != 0) {
    owned_.erase(owned_.begin(), owned_.begin() + static_cast<std::ptrdiff_t>(n));
    view_.erase(view_.begin(), view_.begin() + static_cast<std::ptrdiff_t>(n));
  }
  if (!release_any_ || owned_.size() < 2) return;
  const auto before = owned_.size();
  std::erase_if(owned_, [&](const auto& tx) { return done(*tx); });
  if (owned_.size() == before) return;
  view_.clear();
  for (const auto& tx : owned_) view_.push_back(tx.get());
}

}  // namespace ww::sensor
