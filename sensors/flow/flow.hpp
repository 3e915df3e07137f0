#pragma once
/// The sensor's record of a flow: what the signature engine sees (sig::Flow) and what only the
/// sensor needs. Owned by a FlowTable; touched on its worker's thread only.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rules/signature/inspect.hpp"

namespace ww::sensor {

using sig::Dir;

/// What a later stage hangs on a flow: the TCP session (sensors/stream), the application layer
/// (sensors/pipeline).
struct FlowPart {
  virtual ~FlowPart() = default;
  [[nodiscard]] virtual std::span<sig::Transaction* const> transactions() { return {}; }
  [[nodiscard]] virtual std::span<const sig::Frame> frames() { return {}; }
  [[nodiscard]] virtual std::span<const sig::EventId> app_events() { return {}; }
  [[nodiscard]] virtual Bytes stream_window(Dir, std::uint64_t /*offset*/,
                                            std::uint64_t /*length*/) {
    return {};
  }
  [[nodiscard]] virtual std::uint64_t stream_held(Dir, std::uint64_t offset) { return offset; }
};

/// Why a flow left the table: EVE `flow.reason`.
enum class FlowEnd : std::uint8_t { timeout, forced, shutdown, tcp_reuse };
[[nodiscard]] std::string_view flow_end_name(FlowEnd reason);
/// EVE `flow.state`.
[[nodiscard]] std::string_view flow_state_name(sig::FlowState state);

/// Ethernet addresses seen with a flow, by direction; only kept when `ethernet` output is on.
struct MacSet {
  static constexpr std::size_t max_each = 10;
  using Mac = std::array<std::uint8_t, 6>;
  std::vector<Mac> src, dst;  ///< of packets to the server; swapped for the other way
  void add(const std::uint8_t* source, const std::uint8_t* destination, Dir dir);
  void swap_sides() { src.swap(dst); }
};

/// A policy that hit a flow: EVE `flow.exception_policy`.
struct PolicyHit {
  std::string target, policy;
};

/// Octets of the last so many seconds, by direction: `flow.rate-tracking`.
class FlowRate {
 public:
  static constexpr std::int64_t max_seconds = 3600;
  explicit FlowRate(std::uint32_t seconds) : seconds_(seconds) {}
  /// Counts a packet; tells the sum of the window that ends with it.
  std::uint64_t add(std::size_t dir, Timestamp time, std::uint64_t octets);
  void swap_sides() { std::swap(sides_[0], sides_[1]); }

 private:
  struct Side {
    std::vector<std::uint64_t> ring;  ///< by second, modulo the window
    std::int64_t last = 0;            ///< newest second counted
    std::uint64_t sum = 0;
  };
  std::uint32_t seconds_;
  Side sides_[2];
};

class Flow final : public sig::Flow {
 public:
  // Table links (FlowTable's own).
  std::uint64_t hash = 0;
  Flow* bucket_next = nullptr;
  Flow* wheel_next = nullptr;
  Flow** wheel_prev = nullptr;
  std::int64_t wheel_second = 0;

  std::uint8_t tunnel_depth = 0;
  std::uint16_t interface_index = 0;
  std::uint8_t min_ttl[2] = {0, 0}, max_ttl[2] = {0, 0};  ///< by Dir; 0 = none seen
  std::uint8_t icmp_type[2] = {0, 0}, icmp_code[2] = {0, 0};
  Timestamp ended;       ///< time of the packet that ended it, for records
  bool swapped = false;  ///< originator and responder were exchanged after the first packet
  bool logged = false;
  bool dropped = false;  ///< a drop rule matched on its stream or a transaction: EVE flow.action
  bool drop_logged[2] = {false, false};  ///< by Dir: a drop record told of it
  std::uint64_t tx_count = 0;
  std::vector<PolicyHit> policies;

  std::unique_ptr<FlowPart> tcp;
  std::unique_ptr<FlowPart> app;
  std::unique_ptr<MacSet> macs;
  std::unique_ptr<FlowRate> rate;
  std::shared_ptr<void> expectation;  ///< note left by the flow that expected this one

  [[nodiscard]] std::span<sig::Transaction* const> transactions() override {
    return app ? app->transactions() : std::span<sig::Transaction* const>{};
  }
  [[nodiscard]] std::span<const sig::Frame> frames() override {
    return app ? app->frames() : std::span<const sig::Frame>{};
  }
  [[nodiscard]] std::span<const sig::EventId> app_events() override {
    return app ? app->app_events() : std::span<const sig::EventId>{};
  }
  [[nodiscard]] Bytes stream_window(Dir dir, std::uint64_t offset, std::uint64_t length) override {
    if (tcp) return tcp->stream_window(dir, offset, length);
    return app ? app->stream_window(dir, offset, length) : Bytes{};
  }
  [[nodiscard]] std::uint64_t stream_held(Dir dir, std::uint64_t offset) override {
    return tcp ? tcp->stream_held(dir, offset) : offset;
  }
  /// Which way a packet goes in this flow.
  [[nodiscard]] Dir direction(const sig::Packet& packet) const;
  /// Exchanges originator and responder with everything kept by direction here (not in `tcp` and
  /// `app`).
  void swap_sides();
  /// Forgets all of a former flow; called by the pool.
  void reset();
};

}  // namespace ww::sensor
