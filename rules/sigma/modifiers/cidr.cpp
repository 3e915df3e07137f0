/// `cidr`: the field is an IPv4 or IPv6 address inside the network.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  for (auto& value : item.values) {
    const auto network =
        value.raw.find('/') == std::string::npos ? std::nullopt : parse_network(value.raw);
    if (value.kind == Operand::Kind::null || !network)
      return fail("|cidr needs a network such as 10.0.0.0/8, not '" + value.raw + "'");
    value.kind = Operand::Kind::cidr;
    value.network = *network;
  }
  return {};
}

const ModifierRegistration registration{{
    .name = "cidr",
    .summary = "address inside a network",
    .example = "DestinationIp|cidr: 10.0.0.0/8",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
