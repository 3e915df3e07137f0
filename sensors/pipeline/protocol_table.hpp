#pragma once
/// Which registered protocols are switched on, how they are recognised, and on which ports they are
/// expected. Made once from the settings; immutable, shared by workers.
#include <array>
#include <bitset>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sensors/flow/flow.hpp"
#include "sensors/protocols/parser.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {

constexpr std::size_t max_protocols = 128;
using ProtocolSet = std::bitset<max_protocols>;

/// A set of ports as rules and settings write them: "53", "[80,8080:8090]", "!22", "any".
class PortSet {
 public:
  static PortSet parse(std::string_view text);
  [[nodiscard]] bool contains(std::uint16_t port) const { return any_ || (set_ && (*set_)[port]); }
  [[nodiscard]] bool empty() const { return !any_ && !set_; }

 private:
  bool any_ = false;
  std::shared_ptr<std::bitset<65536>> set_;
};

/// Detection state of one flow.
struct DetectionState {
  std::uint8_t looks[2] = {0, 0};  ///< datagrams that no probe could decide on
  bool patterns_done[2] = {false, false};
  bool probes_done[2] = {false, false};
  bool expectation_done = false;
  ProtocolSet refused[2];  ///< probes that said no
  void reset() { *this = DetectionState(); }
};

struct Detected {
  const Protocol* protocol = nullptr;
  bool reversed = false;  ///< the other side is the client
};

class ProtocolTable {
 public:
  explicit ProtocolTable(const Settings& settings);

  struct Entry {
    const Protocol* protocol = nullptr;
    bool parse = true;                          ///< false: detection only
    PortSet tcp, udp;                           ///< expected ports of the server
    std::optional<std::uint64_t> stream_depth;  ///< see Protocol::stream_depth
    std::size_t index = 0;
  };
  /// Looks at the octets from the start of a direction.
  [[nodiscard]] Detected detect(Bytes data, Dir dir, const sig::Flow& flow, DetectionState& state,
                                bool midstream) const;
  [[nodiscard]] const Entry* find(AppProto proto) const;
  [[nodiscard]] const Entry* find(std::string_view name) const;
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] static AppProto failed();

 private:
  struct PatternRef {
    const Entry* entry;
    const Protocol::Pattern* pattern;
    // Most patterns can stand at few places, and most data differs from most of them there in their
    // first octet.
    std::uint8_t places = 0;  ///< 0: many
    std::uint8_t first = 0, ignored_bits = 0;
  };
  static PatternRef make_ref(const Entry& entry, const Protocol::Pattern& pattern);
  static bool found(const PatternRef& ref, Bytes data);
  Detected match_patterns(Bytes data, Dir dir, const sig::Flow& flow, DetectionState& state,
                          bool midstream) const;
  Detected run_probes(Bytes data, Dir dir, const sig::Flow& flow, DetectionState& state) const;

  std::vector<Entry> entries_;
  std::vector<PatternRef> patterns_[2][2];  ///< [udp][dir]
  std::size_t pattern_reach_[2][2] = {{0, 0}, {0, 0}};
};

}  // namespace ww::sensor
