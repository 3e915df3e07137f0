/// What rules can look at in a TLS connection.
#include <algorithm>

#include "sensors/protocols/tls/transaction.hpp"

namespace ww::sensor::tls_app {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

BufferStatus text(std::string_view value, BufferSlice& out) {
  out.data = as_bytes(value);
  return BufferStatus::ready;
}
/// Not there: never when the step was passed, else not yet.
BufferStatus missing(const Transaction& tx, Dir dir, std::uint8_t wanted) {
  return tx.progress[sig::index(dir)] >= wanted || tx.complete[sig::index(dir)]
             ? BufferStatus::absent
             : BufferStatus::not_ready;
}

template <std::string TlsTx::* Member>
BufferStatus get_member(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tls(t);
  if (i != 0) return BufferStatus::absent;
  if (!tx.side[sig::index(dir)].hello_seen) return missing(t, dir, step::hello);
  return (tx.*Member).empty() ? BufferStatus::absent : text(tx.*Member, out);
}
BufferStatus get_sni(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[0];
  if (i != 0) return BufferStatus::absent;
  if (!side.hello_seen) return missing(t, dir, step::hello);
  return side.hello.sni.empty() ? BufferStatus::absent : text(side.hello.sni, out);
}
BufferStatus get_alpn(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (!side.hello_seen) return missing(t, dir, step::hello);
  return i < side.hello.alpn.size() ? text(side.hello.alpn[i], out) : BufferStatus::absent;
}
template <std::size_t From, std::size_t Count>
BufferStatus get_random(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.hello_seen) return missing(t, dir, step::hello);
  if (side.hello.random.size() != 32) return BufferStatus::absent;
  return text(std::string_view(side.hello.random).substr(From, Count), out);
}
template <std::string tls::Certificate::* Member>
BufferStatus get_leaf(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  if (side.chain.empty() || (side.chain.front().*Member).empty()) return BufferStatus::absent;
  return text(side.chain.front().*Member, out);
}
BufferStatus get_certs(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  return i < side.chain.size() ? text(side.chain[i].der, out) : BufferStatus::absent;
}
BufferStatus get_alt_names(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  if (side.chain.empty() || i >= side.chain.front().alt_names.size()) return BufferStatus::absent;
  return text(side.chain.front().alt_names[i], out);
}

BufferStatus get_version(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tls(t);
  if (i != 0) return BufferStatus::absent;
  if (tx.version == 0 || !tx.side[sig::index(dir)].hello_seen) return missing(t, dir, step::hello);
  out = tx.version;
  return BufferStatus::ready;
}
/// State of the handshake after the octets that were just read.
BufferStatus get_state(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  if (i != 0) return BufferStatus::absent;
  out = as_tls(t).current_state;
  return t.complete[sig::index(dir)] ? BufferStatus::ready : BufferStatus::partial;
}
BufferStatus get_chain_length(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  out = side.chain.size();
  return BufferStatus::ready;
}
template <std::int64_t tls::Certificate::* Member>
BufferStatus get_validity(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& side = as_tls(t).side[sig::index(dir)];
  if (i != 0) return BufferStatus::absent;
  if (!side.certificates_seen) return missing(t, dir, step::handshake_done);
  if (side.chain.empty() || side.chain.front().not_after == 0) return BufferStatus::absent;
  out = static_cast<std::uint64_t>(std::max<std::int64_t>(0, side.chain.front().*Member));
  return BufferStatus::ready;
}

/// States that rule hooks name (`tls:client_hello_done`): reached, or passed.
bool reached(const TlsTx& tx, Dir dir, std::uint8_t wanted) {
  const auto d = sig::index(dir);
  return tx.complete[d] || tx.progress[d] >= wanted;
}
bool in_progress(const TlsTx&, Dir) { return true; }
bool hello(const TlsTx& tx, Dir dir) { return reached(tx, dir, step::hello); }
bool certificate(const TlsTx& tx, Dir dir) { return reached(tx, dir, step::certificate); }
bool hello_done(const TlsTx& tx, Dir dir) { return reached(tx, dir, step::handshake_done); }
/// Up to version 1.2 the cipher changes after the last readable message.
bool handshake_done(const TlsTx& tx, Dir dir) {
  const auto d = sig::index(dir);
  return tx.complete[d] || (tx.progress[d] >= step::handshake_done &&
                            (tx.tls13 || tx.encrypted || tx.side[d].cipher_changed));
}
bool finished(const TlsTx& tx, Dir dir) { return tx.complete[sig::index(dir)]; }

template <bool (*Reached)(const TlsTx&, Dir)>
BufferStatus get_state(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  if (i != 0) return BufferStatus::absent;
  out = Reached(as_tls(t), dir) ? 1 : 0;
  return out != 0 ? BufferStatus::ready : BufferStatus::partial;
}

}  // namespace

void add_buffers(Protocol& p) {
  const auto buffer = [&](std::string_view name, std::initializer_list<Dir> dirs,
                          sig::BufferGetter get) {
    for (const auto d : dirs) p.buffers.buffers.push_back({sig::buffers().intern(name), d, get});
  };
  const auto number = [&](std::string_view name, std::initializer_list<Dir> dirs,
                          sig::NumberGetter get) {
    for (const auto d : dirs) p.buffers.numbers.push_back({sig::numbers().intern(name), d, get});
  };
  constexpr auto ts = Dir::to_server, tc = Dir::to_client;
  const auto state = [&](Dir dir, std::string_view name, sig::NumberGetter get) {
    const std::string side = dir == ts ? "client_" : "server_";
    number("tls.progress." + side + std::string(name), {dir}, get);
  };
  state(ts, "in_progress", &get_state<&in_progress>);
  state(ts, "hello_done", &get_state<&hello>);
  state(ts, "cert_done", &get_state<&certificate>);
  state(ts, "handshake_done", &get_state<&handshake_done>);
  state(ts, "finished", &get_state<&finished>);
  state(tc, "in_progress", &get_state<&in_progress>);
  state(tc, "hello", &get_state<&hello>);
  state(tc, "cert_done", &get_state<&certificate>);
  state(tc, "hello_done", &get_state<&hello_done>);
  state(tc, "handshake_done", &get_state<&handshake_done>);
  state(tc, "finished", &get_state<&finished>);
  buffer("tls.sni", {ts}, &get_sni);
  buffer("tls.alpn", {ts, tc}, &get_alpn);
  buffer("tls.random", {ts, tc}, &get_random<0, 32>);
  buffer("tls.random_time", {ts, tc}, &get_random<0, 4>);
  buffer("tls.random_bytes", {ts, tc}, &get_random<4, 28>);
  buffer("tls.cert_subject", {ts, tc}, &get_leaf<&tls::Certificate::subject>);
  buffer("tls.cert_issuer", {ts, tc}, &get_leaf<&tls::Certificate::issuer>);
  buffer("tls.cert_serial", {ts, tc}, &get_leaf<&tls::Certificate::serial>);
  buffer("tls.cert_fingerprint", {ts, tc}, &get_leaf<&tls::Certificate::fingerprint>);
  buffer("tls.certs", {ts, tc}, &get_certs);
  buffer("tls.subjectaltname", {ts, tc}, &get_alt_names);
  buffer("ja3.hash", {ts}, &get_member<&TlsTx::ja3_hash>);
  buffer("ja3.string", {ts}, &get_member<&TlsTx::ja3>);
  buffer("ja3s.hash", {tc}, &get_member<&TlsTx::ja3s_hash>);
  buffer("ja3s.string", {tc}, &get_member<&TlsTx::ja3s>);
  buffer("ja4.hash", {ts}, &get_member<&TlsTx::ja4>);
  number("tls.version", {ts, tc}, &get_version);
  number("ssl_version", {ts, tc}, &get_version);
  number("ssl_state", {ts, tc}, &get_state);
  number("tls.cert_chain_len", {ts, tc}, &get_chain_length);
  number("tls.cert_notbefore", {ts, tc}, &get_validity<&tls::Certificate::not_before>);
  number("tls.cert_notafter", {ts, tc}, &get_validity<&tls::Certificate::not_after>);
}

}  // namespace ww::sensor::tls_app
