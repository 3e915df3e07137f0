#pragma once
/// Where frames come from: capture files, standard input, live interfaces.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::capture {

/// One frame as captured. `octets` stays valid until the next call of next() on the same source.
struct CapturedFrame {
  Bytes octets;
  std::uint32_t wire_length = 0;  ///< before the snapshot length cut it
  int datalink = 1;               ///< DLT_ value
  Timestamp time;
  std::uint64_t number = 0;  ///< 1-based over all files of the source; 0 live
  std::uint16_t interface_index = 0;
};

/// What a source counts. Drops are the kernel's and the card's own numbers.
struct CaptureCounters {
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;
  std::uint64_t filtered = 0;         ///< read from a file and left out by the filter
  std::uint64_t unsupported = 0;      ///< of a link type nobody here decodes
  std::uint64_t kernel_packets = 0;   ///< EVE capture.kernel_packets
  std::uint64_t kernel_drops = 0;     ///< EVE capture.kernel_drops: ring was full
  std::uint64_t interface_drops = 0;  ///< EVE capture.kernel_ifdrops
  std::uint64_t files = 0;            ///< opened
};

enum class Read : std::uint8_t {
  frame,  ///< a frame was delivered
  idle,   ///< nothing now (live): do the periodic work and call again
  end     ///< nothing will come any more
};

/// One thread reads a source. Only stop() may be called from another thread or a signal handler.
class PacketSource {
 public:
  virtual ~PacketSource() = default;
  /// Gives the next frame. A Problem is reported once, after everything before it was delivered;
  /// calling again goes on with what can still be read (the next file, a reopened interface) or
  /// gives `end`.
  [[nodiscard]] virtual Result<Read, Problem> next(CapturedFrame& out) = 0;
  /// The frame behind the last one that next() or following() gave, when the source happens to hold
  /// it already; octets and link type only. Valid until next() is called again.
  [[nodiscard]] virtual bool following(CapturedFrame& /*out*/) { return false; }
  [[nodiscard]] virtual CaptureCounters counters() = 0;
  /// The file being read, or the interface.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Makes a waiting or the following next() give `end`.
  virtual void stop() = 0;
};

struct FileOptions {
  std::string filter = {};  ///< BPF expression as tcpdump takes it; "" for all
};

/// Reads captures in the given order: pcap (either byte order, micro- and nanoseconds) and pcapng,
/// plain or compressed with gzip or zstd; "-" is standard input; a folder stands for the captures
/// in it, ordered by their first packet's time. Problems at once: a path that cannot be read, a
/// folder without captures, a filter that does not compile.
[[nodiscard]] Result<std::unique_ptr<PacketSource>, Problem> open_files(
    const std::vector<std::string>& paths, const FileOptions& options = {});

struct LiveOptions {
  std::string interface = {};         ///< "eth0", "any"
  std::uint16_t interface_index = 0;  ///< what frames carry
  int snaplen_octets = 262144;
  int ring_octets = 64 << 20;  ///< TPACKET_V3 ring
  int block_timeout_ms = 100;  ///< the kernel hands over a block that is not full after this long
  bool promiscuous = true;
  std::string filter = {};  ///< BPF expression; "" for all
};

/// Captures from an interface through libpcap: a TPACKET_V3 ring without immediate mode (which
/// would halve what one core can take). Needs CAP_NET_RAW. An interface that goes away is a Problem
/// once and is tried again every second.
[[nodiscard]] Result<std::unique_ptr<PacketSource>, Problem> open_live(const LiveOptions& options);

/// Interfaces of this host that can be captured from.
[[nodiscard]] std::vector<std::string> capture_interfaces();

/// Checks a BPF expression for an Ethernet link without capturing.
[[nodiscard]] Result<void, Problem> check_filter(const std::string& expression);

}  // namespace ww::capture
