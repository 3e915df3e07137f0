#pragma once
/// A DCE/RPC exchange as keywords and EVE see it; shared by TCP, UDP and SMB named pipes.
#include <string>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "sensors/protocols/dcerpc/dcerpc.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::dcerpc {

constexpr std::size_t max_stub = 1U << 20;  ///< octets kept of one direction's stub

struct Half {
  bool seen = false, done = false;
  bool little = true;  ///< byte order of its integers
  std::uint8_t type = 0;
  std::uint32_t fragments = 0;
  std::uint64_t stub_size = 0;
  std::string stub;
  void add(const Header& h, Bytes octets);
};

struct Exchange {
  std::uint32_t call_id = 0;
  std::uint16_t context = 0, opnum = 0;
  Half req, res;
  std::vector<Interface> interfaces;  ///< what a bind proposed, what a request's context stands for
  std::vector<std::string> iface;     ///< of a request: encoded as dcerpc.iface wants them

  void add_interface(const Interface& f, bool first_fragment);
};

/// What `dce` of byte_test and its like asks for: 1 when the stub's integers have their least
/// significant octet first.
inline sig::BufferStatus little_endian(const Half& half, std::uint64_t& out) {
  if (!half.seen) return sig::BufferStatus::absent;
  out = half.little ? 1 : 0;
  return sig::BufferStatus::ready;
}

/// Writes "request", "req", "interfaces", "response", "res" into the open object.
/// @param pipe  as SMB's events have it: the operation outside of "req", reasons of refusals
void write_exchange(const Exchange& x, bool pipe, JsonWriter& json);

}  // namespace ww::dcerpc
