#pragma once
/// One worker's matcher: packet rules, stream rules, frames, transactions, then what becomes of the
/// matches.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rules/signature/compiled.hpp"
#include "rules/signature/payload.hpp"
#include "rules/signature/profile.hpp"
#include "rules/signature/trace.hpp"

namespace ww::sig {

/// Kept with a transaction: which buffers were scanned, which rules wait for more, which have
/// matched.
class TxState final : public EngineState {
 public:
  static constexpr std::size_t max_slots = 256, max_pending = 4096;
  struct Pending {
    std::uint32_t tx_rule;
    std::uint64_t latched;  ///< bit per stage that held
  };
  struct Scanned {
    std::uint16_t slot;
    std::uint64_t to;
  };
  struct Side {
    std::array<std::uint64_t, max_slots / 64> done{};
    bool started = false, was_complete = false, waits_for_packets = false;
    std::uint64_t revision = UINT64_MAX;
    std::vector<Pending> pending;
    std::vector<std::uint32_t>
        finished;  ///< TxRules that matched or can no longer match while a scan may name them again
    std::vector<Scanned> scanned;
    [[nodiscard]] bool is_done(std::size_t slot) const {
      return done[slot / 64] >> (slot % 64) & 1;
    }
    void set_done(std::size_t slot) { done[slot / 64] |= 1ULL << (slot % 64); }
  };
  Side sides[2];
  std::vector<Pending> both;  ///< `=>` rules under way
  std::vector<std::uint32_t> both_finished;
  std::uint64_t generation = 0;  ///< engine that this state belongs to
};

class WorkerMatcher final : public Matcher {
 public:
  explicit WorkerMatcher(std::shared_ptr<const CompiledEngine> engine);
  ~WorkerMatcher() override;
  std::span<const Alert> inspect(Packet& packet, std::span<const StreamChunk> chunks) override;
  void inspect_early(Packet& packet, PacketHook hook) override;
  [[nodiscard]] bool tagged(const Packet& packet) override;
  void write_metadata(const Packet* packet, Flow* flow, JsonWriter& json) override;
  void replace(std::shared_ptr<const Engine> engine) override;
  void set_profile(MatchProfile* profile) override;
  /// Of this engine's rules; ends when the engine is replaced.
  void set_trace(Trace* trace) { trace_ = trace; }

 private:
  using Verdict = Trace::Verdict;
  /// The trace hears of one check of its rule while this lives.
  class Watch {
   public:
    Watch(WorkerMatcher& m, const Rule& r, const Transaction* tx, const Frame* frame) : m_(m) {
      if (m.trace_ != nullptr && &m.trace_->rule == &r) [[unlikely]] {
        m.scratch_.trace = m.trace_;
        m.trace_->begin(*m.services_.packet, tx, frame);
      }
    }
    ~Watch() {
      if (m_.scratch_.trace != nullptr) [[unlikely]] {
        m_.scratch_.trace->end(verdict_);
        m_.scratch_.trace = nullptr;
      }
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    bool verdict(bool held) {
      verdict_ = held ? Verdict::yes : Verdict::no;
      return held;
    }
    void verdict(Verdict v) { verdict_ = v; }

   private:
    WorkerMatcher& m_;
    Verdict verdict_ = Verdict::no;
  };

  // packet side
  void begin(Packet& packet);
  void adopt(std::shared_ptr<const CompiledEngine> engine);
  void collect(std::uint32_t rule);
  void scan_payload(std::uint32_t scanner, Bytes data);
  void scan_stream(const StreamChunk& chunk);
  void collect_bucket(const PacketBucket& bucket);
  void run_ip_only();
  void run_packet_rules(std::span<const StreamChunk> chunks);
  void run_proto_only();
  void scan(std::uint32_t scanner, Bytes data, void (*f)(void*, std::uint32_t), void* context);
  [[nodiscard]] bool header(const Rule& rule) const;
  [[nodiscard]] HeaderPart fit_header(const Rule& rule) const;
  [[nodiscard]] HeaderPart fit_addresses(const Rule& rule) const;
  [[nodiscard]] bool tests(const Rule& rule);
  [[nodiscard]] bool packet_rule(const Rule& rule, std::span<const StreamChunk> chunks,
                                 bool& stream_match);
  [[nodiscard]] bool payload_matches(const Rule& rule, const Stage& stage,
                                     std::span<const StreamChunk> chunks, bool& stream_match);
  [[nodiscard]] bool packet_buffers(const Rule& rule);
  // frames
  struct FramePiece {
    Bytes data;
    std::uint64_t at;  ///< position in the frame
  };
  void run_frames();
  std::int64_t frame_pieces(const Frame& frame);
  // transactions
  void run_transactions(std::span<const StreamChunk> chunks);
  void inspect_transaction(Transaction& tx, TxPlan& plan, std::span<const StreamChunk> chunks);
  [[nodiscard]] bool fires_again(const TxRule& rule, const Transaction& tx) const;
  void scan_slot(Transaction& tx, TxState::Side& side, TxPlan& plan, std::size_t slot);
  [[nodiscard]] Verdict check(const TxRule& rule, std::uint64_t& latched, Transaction& tx,
                              std::span<const StreamChunk> chunks, bool& fresh_payload);
  [[nodiscard]] Verdict check_stage(const BoundStage& b, Transaction& tx);
  [[nodiscard]] Verdict check_buffer(const BoundStage& b, Transaction& tx);
  [[nodiscard]] Verdict check_number(const BoundStage& b, Transaction& tx);
  [[nodiscard]] Verdict check_files(const BoundStage& b, Transaction& tx);
  [[nodiscard]] bool run_stage(const Stage& stage, const Window& window);
  // outcome
  /// Marks files that a rule asked for before they came.
  static void store_files(Flow& flow);
  void matched(const Rule& rule, Transaction* tx, const Frame* frame, bool stream_match);
  void finalize(Packet& packet);
  [[nodiscard]] bool suppressed(const Rule& rule) const;
  void tell_fate(const Alert& alert, Trace::Fate fate, const Rule* by = nullptr) const {
    if (trace_ != nullptr && trace_->rule.index == alert.order) [[unlikely]]
      trace_->fate(fate, by);
  }
  /// What a threshold makes of a match.
  enum class Counted : std::uint8_t {
    not_yet,  ///< as if there had been no match
    silent,   ///< a match, but no alert
    alert
  };
  /// May change the action (rate_filter).
  [[nodiscard]] Counted threshold(const Rule& rule, const ThresholdSpec& spec, Action& action,
                                  std::uint64_t salt);
  [[nodiscard]] bool unique_ports(const Rule& rule, const ThresholdSpec& spec);
  void start_tag(const Rule& rule, const TagSpec& tag);

  std::shared_ptr<const CompiledEngine> engine_;
  std::uint64_t generation_ = 0;
  MatchProfile* profile_ = nullptr;
  Trace* trace_ = nullptr;
  hs_scratch* hs_ = nullptr;
  EvalScratch scratch_;
  Gates gates_;
  MatchServices services_;
  struct FreshTags {
    bool session = false, src = false, dst = false;
  } fresh_tags_;  ///< tags that the packet under way started
  std::vector<FramePiece> frame_pieces_;
  std::vector<std::uint32_t> stamp_;  ///< by rule: last round that collected it
  std::uint32_t round_ = 0;
  std::vector<std::uint32_t> candidates_, tx_hits_;
  std::vector<Alert> queue_, alerts_;
  const Packet* early_ = nullptr;  ///< the queue already holds what its early hooks matched
  std::vector<PacketVar> packet_vars_;
  const Packet* vars_of_ = nullptr;
  std::uint64_t last_packet_number_ = UINT64_MAX;
};

}  // namespace ww::sig
