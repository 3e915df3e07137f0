#pragma once
/// The engine behind engine.hpp: rules, scanners and the plans that say what to look at for a
/// packet or transaction.
#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "rules/signature/gate.hpp"
#include "rules/signature/ruleset.hpp"
#include "rules/signature/scanner.hpp"
#include "rules/signature/scanner_cache.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {

/// A stage of a rule tied to the getter of one protocol and direction.
struct BoundStage {
  const Stage* stage = nullptr;
  BufferGetter buffer = nullptr;
  NumberGetter number = nullptr;
  bool from_files = false;
  Dir dir{};
};
/// A rule as it is checked on transactions of one protocol in one direction (or, with `=>`, in
/// both).
struct TxRule {
  const Rule* rule = nullptr;
  std::uint32_t first = 0, count = 0;  ///< in CompiledEngine::bound
  bool both_dirs = false;
  bool has_payload = false;
};

struct ScanSlot {
  std::uint32_t scanner = 0;
  const Stage* stage = nullptr;  ///< for its transforms
  BufferGetter buffer = nullptr;
  bool from_files = false;
};
/// What to do with transactions of one protocol in one direction.
struct TxPlan {
  std::vector<ScanSlot> slots;
  std::vector<std::uint32_t> always;                         ///< TxRules without fast pattern
  std::unordered_map<std::uint32_t, std::uint32_t> of_rule;  ///< rule index -> TxRule
  [[nodiscard]] bool empty() const { return slots.empty() && always.empty(); }
};

/// Packet rules without fast pattern, by what a packet shows at once.
struct PacketBucket {
  std::vector<std::uint32_t> any;
  std::unordered_map<std::uint16_t, std::vector<std::uint32_t>> by_dport, by_sport;
};

/// Addresses of rules that are checked once per flow: elementary intervals with the rules that
/// cover them.
struct AddressIndex {
  struct Piece {
    std::uint32_t from;
    std::uint32_t first, count;  ///< in `rules`
  };
  std::vector<Piece> pieces;  ///< sorted; a piece reaches to the next one
  std::vector<std::uint32_t> rules;
  std::vector<std::uint32_t> unindexed;
};

/// Pattern databases made while no rules are in memory, for the second reading of the same rules.
struct Prepared {
  std::string identity;
  std::vector<Scanner> scanners;      ///< to be compiled
  Databases databases;                ///< compiled
  std::vector<RuleProblem> problems;  ///< of the cache
  [[nodiscard]] Result<void, std::string> compile();
};

class CompiledEngine final : public Engine {
 public:
  CompiledEngine() = default;
  ~CompiledEngine() override;
  [[nodiscard]] std::size_t rule_count() const override { return rules.size(); }
  [[nodiscard]] bool wants_md5() const override { return md5; }
  [[nodiscard]] bool wants_sha1() const override { return sha1; }
  [[nodiscard]] bool wants_sha256() const override { return sha256; }
  [[nodiscard]] bool wants_magic() const override { return magic; }
  [[nodiscard]] bool wants_stream() const override { return stream; }
  [[nodiscard]] bool wants_frames() const override { return !frame_rules.empty(); }
  [[nodiscard]] bool wants_early(PacketHook hook) const override {
    return !(hook == PacketHook::pre_flow ? pre_flow : pre_stream).empty();
  }
  [[nodiscard]] bool wants_keyword(std::string_view prefix) const override;
  [[nodiscard]] std::shared_ptr<SharedState> shared_state() const override { return shared; }
  [[nodiscard]] EngineFigures figures() const override;
  [[nodiscard]] const RuleInfo& rule(std::size_t index) const override {
    return rules[index]->info;
  }
  [[nodiscard]] std::vector<std::string> scanner_names() const override;
  [[nodiscard]] std::string_view fast_pattern(std::size_t rule) const override {
    return rules[rule]->fast_stage < 0 ? std::string_view()
                                       : std::string_view(rules[rule]->fast_pattern);
  }

  /// Builds everything below from a finished rule set.
  /// @return false when the databases are to be compiled apart (Prepared::compile), and all of this
  /// to be done again
  [[nodiscard]] Result<bool, std::string> build(RuleSet& set, const EngineOptions& options,
                                                Prepared& prepared, LoadReport& report);

  std::vector<std::unique_ptr<Rule>> rules;
  std::uint32_t refused = 0, left_out = 0;
  Timestamp loaded;
  SetTable sets;
  std::shared_ptr<SharedState> shared;

  std::vector<Scanner> scanners;
  enum Transport : std::size_t { tcp_packet, tcp_head, tcp_stream, udp, other, transports };
  static constexpr std::uint32_t none = UINT32_MAX;
  std::array<std::array<std::uint32_t, 2>, transports>
      payload_scanner{};  ///< by transport and direction
  std::vector<Gate> gates;
  std::uint32_t payload_gates = none;        ///< scanner of those asked about payloads
  std::array<std::size_t, 2> head_octets{};  ///< of a TCP packet that tcp_head looks at
  std::array<std::array<PacketBucket, 2>, 5>
      buckets;  ///< tcp, udp, icmp, other IP, not IP; by direction
  std::unordered_map<std::uint16_t, std::vector<std::uint32_t>> by_event;  ///< EventId -> rules
  std::array<std::vector<std::uint32_t>, 256>
      by_app;                                ///< AppProto -> rules that need no more than it
  std::vector<std::uint32_t> stream_always;  ///< stream rules without fast pattern
  std::vector<std::uint32_t> proto_only;
  std::vector<std::uint32_t> pre_flow, pre_stream;  ///< rules whose header asks for that hook
  AddressIndex ip_src, ip_dst;
  std::vector<std::uint32_t> frame_rules;

  std::vector<TxRule> tx_rules;
  std::vector<BoundStage> bound;
  std::array<std::array<std::unique_ptr<TxPlan>, 2>, 256> plans;

  bool md5 = false, sha1 = false, sha256 = false, magic = false, stream = false;
  std::uint32_t max_alerts = 15, step_limit = 3000;
  std::uint32_t stream_tx_limit = 4;  ///< detect.stream-tx-log-limit
  bool guess_tx = false;              ///< detect.guess-applayer-tx
  bool from_cache = false;

 private:
  void bind(RuleSet& set, LoadReport& report);
  void index_packets();
  void index_addresses();
  void make_gates();
  [[nodiscard]] Result<bool, std::string> compile_scanners(const EngineOptions& options,
                                                           Prepared& prepared);
  [[nodiscard]] bool restore_scanners(const Databases& databases);
  std::uint32_t scanner_for(const std::string& name);
  std::unordered_map<std::string, std::uint32_t> scanner_names_;
};

}  // namespace ww::sig
