#pragma once
/// A DNS message as a transaction: what rules see of it and how EVE's `dns` object shows it. Used
/// by the DNS parser, and by others that carry DNS messages inside (DNS over HTTP/2, multicast
/// DNS).
#include <memory>
#include <string_view>
#include <vector>

#include "sensors/protocols/dns/dns.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::dns_app {

/// One message, request or response.
struct DnsTx final : Transaction {
  dns::Message message;
  Dir dir = Dir::to_server;
  std::vector<std::string_view>
      response_names;  ///< every name of a response, for dns.response.rrname
  [[nodiscard]] bool response() const { return dir == Dir::to_client || message.response(); }
};

/// Makes the transaction and notes what is odd about the message as `dns.*` events.
[[nodiscard]] std::unique_ptr<DnsTx> make_transaction(dns::Message message, Dir dir);

// What rules look at: getters for a DnsTx.
sig::BufferStatus query(const Transaction& tx, Dir, std::uint32_t i, sig::BufferSlice& out);
sig::BufferStatus answer(const Transaction& tx, Dir, std::uint32_t i, sig::BufferSlice& out);
sig::BufferStatus authority(const Transaction& tx, Dir, std::uint32_t i, sig::BufferSlice& out);
sig::BufferStatus additional(const Transaction& tx, Dir, std::uint32_t i, sig::BufferSlice& out);
sig::BufferStatus response_name(const Transaction& tx, Dir, std::uint32_t i, sig::BufferSlice& out);
sig::BufferStatus opcode(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out);
sig::BufferStatus rcode(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out);
sig::BufferStatus rrtype(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out);

/// The `dns` object of a DnsTx, as the options of the eve-log type `dns` want it; false when they
/// leave it out.
bool log(const Transaction& tx, const LogContext& context, JsonWriter& json);
/// The `dns` object with everything, for alerts.
bool log_alert(const Transaction& tx, const LogContext& context, JsonWriter& json);
/// The data of a record as one member named `key`, or as an array item when key is empty; false
/// when the record has none that can be shown.
bool write_data(const dns::Record& record, JsonWriter& json, std::string_view key);
/// `key` and, when it was cut, `key_truncated`.
void write_name(JsonWriter& json, std::string_view key, const dns::Name& name);

/// Names usable in app-layer-event.
[[nodiscard]] std::vector<std::string> event_names();

}  // namespace ww::sensor::dns_app
