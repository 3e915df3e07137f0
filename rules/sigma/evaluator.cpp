/// One pass over each event: read the fields that rules name, find patterns in their values, run
/// the programs of the rules that a found pattern makes possible.
#include <algorithm>
#include <charconv>
#include <chrono>

#include "rules/sigma/engine.hpp"
#include "rules/sigma/explain.hpp"

namespace ww::sigma {
namespace {

constexpr std::size_t max_cached_plans = 1024;

class EvaluatorImpl final : public Evaluator {
 public:
  explicit EvaluatorImpl(std::shared_ptr<const EngineImpl> engine)
      : engine_(std::move(engine)),
        reader_(engine_->fields),
        memo_(engine_->patterns.all().size()),
        seen_(engine_->infos.size()),
        costs_(engine_->infos.size()) {
    for (const auto& fi : engine_->index)
      if (fi && !fi->anywhere.empty() &&
          hs_alloc_scratch(fi->anywhere.database(), &scratch_) != HS_SUCCESS)
        throw std::bad_alloc();
    for (const auto* plan : engine_->plans()) make_room_for(*plan);
    candidates_.reserve(engine_->infos.size());
  }
  ~EvaluatorImpl() override { hs_free_scratch(scratch_); }
  EvaluatorImpl(const EvaluatorImpl&) = delete;
  EvaluatorImpl& operator=(const EvaluatorImpl&) = delete;

  std::span<const Match> evaluate(std::span<const std::string_view> events,
                                  std::size_t readable) override {
    matches_.clear();
    for (std::size_t i = 0; i < events.size(); ++i)
      one(events[i], readable, static_cast<std::uint32_t>(i));
    return matches_;
  }

  void explain(std::uint32_t rule, std::string_view event, JsonWriter& out) override {
    explain_rule(*engine_, reader_, rule, event, out);
  }

  [[nodiscard]] std::uint64_t unparsable() const override { return unparsable_; }
  [[nodiscard]] std::span<const RuleCost> costs() const override { return costs_; }

 private:
  // A pattern's truth for the current event: epoch in the upper bits, so nothing has to be cleared.
  static constexpr std::uint32_t is_true = 1, is_hinted = 2, is_false = 3;

  void make_room_for(const Plan& plan) {
    if (plan.keywords != nullptr && !plan.keywords->parts.empty() &&
        hs_alloc_scratch(plan.keywords->parts.database(), &scratch_) != HS_SUCCESS)
      throw std::bad_alloc();
  }

  void one(std::string_view event, std::size_t readable, std::uint32_t position) {
    if (!reader_.read(event, readable)) {
      ++unparsable_;
      return;
    }
    if (++epoch_ >= (1U << 30U)) {
      std::fill(memo_.begin(), memo_.end(), 0);
      std::fill(seen_.begin(), seen_.end(), 0);
      epoch_ = 1;
    }
    const Plan& plan = choose_plan();
    candidates_.clear();
    for (const auto rule : plan.always) consider(rule, plan);
    for (const auto slot : reader_.filled())
      if (!plan.looks_at(slot))
        continue;
      else if (const auto* fi = engine_->index[slot].get())
        scan(*fi, slot, plan);
    plan_ = &plan;
    keywords_done_ = false;
    if (plan.keywords != nullptr && keywords_possible(*plan.keywords)) find_keywords();
    const auto before = matches_.size();
    const bool sampled = epoch_ % cost_sample == 0;
    for (std::size_t i = 0; i < candidates_.size();
         ++i) {  // may grow: keywords come when asked for
      const auto rule = candidates_[i];
      if (sampled ? run_and_measure(rule) : run(rule))
        matches_.push_back({&engine_->infos[rule], position});
    }
    if (matches_.size() - before > 1)
      std::sort(matches_.begin() + static_cast<std::ptrdiff_t>(before), matches_.end(),
                [](const Match& a, const Match& b) { return a.rule->index < b.rule->index; });
  }

  /// Whether the event's text holds what a keyword rule of this plan waits for. Gathering all
  /// values costs more than all the rest, and few events need it.
  bool keywords_possible(const KeywordHints& hints) {
    if (!hints.usable) return true;
    const auto text = reader_.plain_text(hints.ascii);
    return text.empty() || hints.parts.any_in(text, scratch_) ||
           (hints.numeric && reader_.has_odd_number());
  }

  void find_keywords() {
    keywords_done_ = true;
    if (const auto* fi = engine_->index[0].get(); fi != nullptr && !fi->anywhere.empty())
      fi->anywhere.scan(reader_.all_folded(), scratch_, [&](PatternId id) { found(id, *plan_); });
  }

  void scan(const FieldIndex& fi, Slot slot, const Plan& plan) {
    const auto on_found = [&](PatternId id) { found(id, plan); };
    for (const auto id : fi.present) found(id, plan);
    for (const auto* value = reader_.first(slot); value != nullptr; value = reader_.next(*value)) {
      if (!value->comparable()) continue;
      const auto text = reader_.folded(*value);
      if (!fi.exact.empty()) fi.exact.find(text, on_found);
      if (text.empty()) continue;
      if (!fi.prefix.empty()) fi.prefix.walk<false>(text, on_found);
      if (!fi.suffix.empty()) fi.suffix.walk<true>(text, on_found);
      if (!fi.anywhere.empty()) fi.anywhere.scan(text, scratch_, on_found);
    }
  }

  void found(PatternId id, const Plan& plan) {
    auto& memo = memo_[id];
    if (memo >> 2 == epoch_) return;
    memo = epoch_ << 2 | (engine_->how_found[id] == Pattern::Found::index ? is_true : is_hinted);
    const auto* rules = engine_->trigger_rules.data();
    for (auto k = engine_->trigger_first[id]; k < engine_->trigger_first[id + 1]; ++k)
      consider(rules[k], plan);
  }

  void consider(std::uint32_t rule, const Plan& plan) {
    if (seen_[rule] == epoch_ || !plan.has(rule)) return;
    seen_[rule] = epoch_;
    candidates_.push_back(rule);
  }

  bool holds_now(PatternId id) {
    auto& memo = memo_[id];
    if (!keywords_done_ && memo >> 2 != epoch_ && engine_->any_value[id]) find_keywords();
    if (memo >> 2 == epoch_) {
      const auto state = memo & 3U;
      if (state == is_true) return true;
      if (state == is_false) return false;
    } else if (engine_->how_found[id] != Pattern::Found::by_hand) {
      return false;
    }
    const bool truth = holds(engine_->patterns.all()[id], reader_);
    memo = epoch_ << 2 | (truth ? is_true : is_false);
    return truth;
  }

  bool run_and_measure(std::uint32_t rule) {
    const auto start = std::chrono::steady_clock::now();
    const bool truth = run(rule);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    auto& cost = costs_[rule];
    cost.looked_at += cost_sample;
    cost.seconds += took.count() * cost_sample;
    return truth;
  }

  bool run(std::uint32_t rule) {
    const auto* tests = engine_->tests.data() + engine_->programs[rule].first;
    for (std::uint16_t at = 0;;) {
      const auto& test = tests[at];
      const auto* ids = engine_->test_patterns.data() + test.first;
      bool truth = test.all;
      for (std::uint32_t k = 0; k < test.count; ++k)
        if (holds_now(ids[k]) != test.all) {
          truth = !test.all;
          break;
        }
      at = truth ? test.on_true : test.on_false;
      if (at == program_match) return true;
      if (at == program_miss) return false;
    }
  }

  [[nodiscard]] std::string_view text_of(Slot slot) const {
    const auto* value = reader_.first(slot);
    return value != nullptr && value->comparable() ? value->text : std::string_view();
  }

  const Plan& choose_plan() {
    if (!engine_->route) return engine_->everything;
    if (const auto* channel = reader_.first(engine_->channel);
        channel != nullptr && channel->comparable()) {
      // Events come in runs of one channel and id.
      std::int64_t id = -1;
      const auto text = text_of(engine_->event_id);
      std::from_chars(text.data(), text.data() + text.size(), id);
      const auto it = engine_->channels.find(reader_.folded(*channel));
      if (it == engine_->channels.end()) return engine_->unknown_channel;
      for (const auto& [known, plan] : it->second.by_id)
        if (known == id) return plan;
      return it->second.other;
    }
    const auto type = text_of(engine_->event_type);
    if (type.empty() || (reader_.first(engine_->marker_ww) == nullptr &&
                         reader_.first(engine_->marker_flow) == nullptr && type != "log"))
      return engine_->everything;
    return declared_plan(type);
  }

  const Plan& declared_plan(std::string_view type) {
    Declared declared;
    if (type == "log") {
      declared.product = text_of(engine_->log_product);
      declared.service = text_of(engine_->log_service);
      declared.category = text_of(engine_->log_category);
      if (declared.product.empty() && declared.service.empty() && declared.category.empty())
        return engine_->everything;
    } else {
      declared.event_type = type;
    }
    plan_key_.clear();
    for (const auto* part :
         {&declared.event_type, &declared.product, &declared.service, &declared.category}) {
      plan_key_ += *part;
      plan_key_ += '\n';
    }
    if (const auto it = plans_.find(plan_key_); it != plans_.end()) return it->second;
    if (plans_.size() >= max_cached_plans) {
      plans_.clear();
      hint_cache_.clear();
    }
    std::vector<bool> wanted(engine_->infos.size());
    for (std::size_t rule = 0; rule < wanted.size(); ++rule)
      wanted[rule] = declared_applies(engine_->sources[rule], declared);
    const auto& plan =
        plans_.emplace(plan_key_, engine_->make_plan(wanted, hint_cache_)).first->second;
    make_room_for(plan);
    return plan;
  }

  std::shared_ptr<const EngineImpl> engine_;
  EventReader reader_;
  hs_scratch_t* scratch_ = nullptr;
  std::vector<std::uint32_t> memo_;
  std::vector<std::uint32_t> seen_;
  std::vector<RuleCost> costs_;
  std::vector<std::uint32_t> candidates_;
  std::vector<Match> matches_;
  const Plan* plan_ = nullptr;  // of the current event
  bool keywords_done_ = false;  // its keywords have been looked for
  std::uint32_t epoch_ = 0;
  std::uint64_t unparsable_ = 0;
  std::map<std::string, Plan, std::less<>> plans_;
  EngineImpl::HintCache hint_cache_;
  std::string plan_key_;
};

}  // namespace

std::unique_ptr<Evaluator> Evaluator::create(std::shared_ptr<const Engine> engine) {
  return std::make_unique<EvaluatorImpl>(
      std::static_pointer_cast<const EngineImpl>(std::move(engine)));
}

}  // namespace ww::sigma
