#pragma once
/// Frames made for a rehearsal: a TCP conversation with given octets each way (HL7 over MLLP and
/// the like), and captures moved to the present. They go through the sensor's own packet pipeline.
#include <memory>
#include <string>
#include <vector>

#include "sensors/capture/source.hpp"

namespace ww::drills {

struct Conversation {
  std::string client = "10.255.255.10", server = "10.255.255.20";  ///< IPv4
  std::uint16_t client_port = 49'152, server_port = 0;
  /// Turns, beginning with the client's; an empty turn is skipped.
  std::vector<std::string> turns;
};

/// Handshake, turns with acknowledgements, close; Ethernet, valid checksums.
[[nodiscard]] Result<std::unique_ptr<capture::PacketSource>, std::string> make_conversation(
    const Conversation& c, Timestamp start);
/// The frames of another source, so that the first one is at `start`.
[[nodiscard]] std::unique_ptr<capture::PacketSource> shifted(
    std::unique_ptr<capture::PacketSource> source, Timestamp start);
/// MLLP: 0x0B, the message with carriage returns, 0x1C 0x0D.
[[nodiscard]] std::string mllp(std::string_view message);

}  // namespace ww::drills
