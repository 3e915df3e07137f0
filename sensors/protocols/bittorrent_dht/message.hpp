#pragma once
/// BitTorrent's distributed hash table: KRPC messages (BEP 5, and BEP 32 for IPv6) in bencoding.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/ip.hpp"

namespace ww::bittorrent_dht {

struct Peer {
  IpAddress ip;
  std::uint16_t port = 0;
};
struct Node {
  std::string id;  ///< 20 octets
  Peer peer;
};
struct Request {
  std::string id;
  std::optional<std::string> target, info_hash, token;
  std::optional<std::uint64_t> implied_port, port;
};
struct Response {
  std::string id;
  std::vector<Node> nodes, nodes6;
  std::vector<Peer> values;
  std::optional<std::string> token;
};
struct Error {
  std::int64_t number = 0;
  std::string text;
};
struct Message {
  bool malformed = false;  ///< not bencoding, or without what its kind must have
  std::string transaction;
  std::optional<std::string> request_type, client_version;
  std::optional<Request> request;
  std::optional<Response> response;
  std::optional<Error> error;
};

struct Limits {
  std::size_t max_depth = 16;    ///< lists and dictionaries within each other
  std::size_t max_values = 256;  ///< peers and nodes kept of each list
};

/// Reads a datagram. What could be read of a malformed one is there.
/// Cost: linear in octets.size().
[[nodiscard]] Message parse(Bytes octets, const Limits& limits = {});

}  // namespace ww::bittorrent_dht
