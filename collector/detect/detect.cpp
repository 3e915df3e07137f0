#include "collector/detect/detect.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>

#include "collector/alerts/folding.hpp"
#include "collector/detect/state.hpp"
#include "collector/detect/subjects.hpp"
#include "collector/store/query_eval.hpp"
#include "rules/sigma/placeholders.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

using detect_state::Space;
constexpr std::size_t max_evidence_a_hit = 10;
constexpr std::size_t max_explained = 20'000;  // fold keys remembered as explained
constexpr std::size_t max_rows = 100'000;

Level level_of(sigma::Level l) { return static_cast<Level>(static_cast<std::uint8_t>(l)); }
static_assert(static_cast<int>(sigma::Level::critical) == static_cast<int>(Level::critical));

const std::string& rule_key(const sigma::RuleInfo& r) {
  return !r.id.empty() ? r.id : !r.name.empty() ? r.name : r.title;
}

/// The rules in use with what belongs to them.
struct Loaded {
  std::shared_ptr<const sigma::Engine> engine;
  std::unordered_map<std::string, const sigma::RuleInfo*> by_key;

  explicit Loaded(std::shared_ptr<const sigma::Engine> e) : engine(std::move(e)) {
    for (const auto& r : engine->rules()) by_key.emplace(rule_key(r), &r);
  }
};

struct ActiveException {
  RuleException rule;
  std::shared_ptr<const Matcher> matcher;  // null: every event
};

class DetectorImpl final : public Detector {
 public:
  DetectorImpl(const DetectOptions& options, const Clock& clock, AlertBook& alerts)
      : options_(options), clock_(clock), alerts_(alerts) {}

  ControlModule module() override { return detect_state::module(); }

  Result<sigma::LoadReport, Problem> start(Store& store) override {
    store_ = &store;
    auto report = reload();
    if (!report) return report;
    take_new_rules();
    rewind();
    read_exceptions();
    return report;
  }

  Result<sigma::LoadReport, Problem> reload() override {
    sigma::LoadReport report;
    if (options_.sigma_paths.empty()) return report;  // signatures only
    const auto options = load_options();
    if (!options) return fail(options.error());
    auto engine = sigma::Engine::load(options_.sigma_paths, *options, report);
    if (!engine) return fail(engine.error());
    auto loaded = std::make_shared<const Loaded>(std::move(*engine));
    const std::lock_guard lock(mutex_);
    next_ = std::move(loaded);
    stats_.rules = static_cast<std::uint32_t>(next_->engine->rules().size());
    stats_.refused = report.refused;
    ++stats_.reloads;
    return report;
  }

  void process(std::span<const DetectEvent> events, std::vector<ControlRecord>& out) override {
    take_new_rules();
    Pass pass;
    views_.clear();
    auto readable = SIZE_MAX;
    for (const auto& e : events) {
      views_.push_back(e.json);
      readable = std::min(readable, e.readable);
    }
    if (evaluator_ != nullptr) {
      for (const auto& m : evaluator_->evaluate(views_, readable))
        on_match(m, events[m.event_index], pass);
    }
    for (const auto& e : events)
      if (e.type == "alert") on_signature(e, pass);
    for (auto& [key, hit] : pass.hits) out.push_back(alerts_.record(hit));
    for (const auto space : spaces) keep_change(space, out);
    if (!pass.counts.empty() || !pass.suppressions.empty())
      out.push_back(detect_state::count_record(pass.counts, pass.suppressions));
    const std::lock_guard lock(mutex_);
    copy_costs();
    stats_.events += events.size();
    stats_.matches += pass.matches;
    for (const auto& [key, hit] : pass.hits) stats_.hits += hit.count;
    for (const auto& [key, c] : pass.counts) stats_.suppressed += c.suppressed;
    if (evaluator_ != nullptr) stats_.unparsable = evaluator_->unparsable();
    count_state();
  }

  void rewind() override {
    if (store_ == nullptr || rules_ == nullptr) return;
    explained_.clear();
    for (const auto space : spaces) {
      auto& kept = state(space);
      kept = {new_correlator(space), false};
      const auto loaded = detect_state::load(store_->control(), space, *kept.correlator);
      const auto damaged = loaded ? loaded->damaged : 1;
      // Where nothing can be read, nothing of it can be built upon.
      if (!loaded || loaded->damaged == loaded->pieces) kept = {new_correlator(space), true};
      const std::lock_guard lock(mutex_);
      stats_.state_errors += damaged;
      count_state();
    }
  }

  std::vector<RuleCounter> counters() const override {
    std::shared_ptr<const Loaded> rules;
    std::vector<sigma::RuleCost> costs;
    {
      const std::lock_guard lock(mutex_);
      rules = next_;
      if (costs_of_ == next_) costs = costs_;
    }
    auto counts =
        store_ != nullptr ? detect_state::load_counts(store_->control()) : detect_state::Counts{};
    std::vector<RuleCounter> out;
    if (rules != nullptr) {
      for (const auto& r : rules->engine->rules()) {
        const auto engine = r.correlation ? EngineKind::correlation : EngineKind::sigma;
        RuleCounter c{rule_key(r), r.title, engine, level_of(r.level), r.status, r.file, 0, 0,
                      {},          0,       0};
        if (r.index < costs.size()) {
          c.looked_at = costs[r.index].looked_at;
          c.seconds = costs[r.index].seconds;
        }
        if (const auto it = counts.find({engine, c.id}); it != counts.end()) {
          c.hits = it->second.hits;
          c.suppressed = it->second.suppressed;
          c.last_hit = it->second.last;
          counts.erase(it);
        }
        out.push_back(std::move(c));
      }
    }
    // Signatures, and rules that are no longer loaded.
    for (const auto& [key, c] : counts)
      out.push_back(
          {key.rule, c.title, key.engine, c.level, "", "", c.hits, c.suppressed, c.last, 0, 0});
    return out;
  }

  DetectStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  Result<RuleException, Problem> add_exception(const RuleException& wanted) override {
    const auto refuse = [](std::string what, std::string where, std::string remedy) {
      return fail(Problem{std::move(what), std::move(where), std::move(remedy)});
    };
    if (wanted.rule.empty())
      return refuse("no rule is named", "rule", "give a rule id, a sid, or * for all");
    if (wanted.reason.empty())
      return refuse("no reason is given", "reason", "say why this is expected here");
    if (wanted.author.empty()) return refuse("no author is given", "author", "name who decided");
    const auto now = clock_.now();
    if (!(now < wanted.review))
      return refuse("the review date is not in the future", "review", "give a later date");
    if (wanted.rule == "*" && wanted.query.empty() && wanted.site.empty())
      return refuse("this would silence every rule everywhere", "scope",
                    "name a rule, a site or a query");
    auto expr = parse_query(wanted.query);
    if (!expr)
      return refuse(expr.error().what + " (octet " + std::to_string(expr.error().offset) + ")",
                    "query", "correct the query");
    auto e = wanted;
    e.id = uuid7(now);
    e.created = now;
    e.suppressed = 0;
    if (auto done = detect_state::save_exception(store_->control(), e); !done)
      return fail(done.error());
    read_exceptions();
    return e;
  }
  bool remove_exception(std::string_view id) override {
    if (!detect_state::delete_exception(store_->control(), id)) return false;
    read_exceptions();
    return true;
  }
  std::vector<RuleException> exceptions() const override {
    return detect_state::load_exceptions(store_->control());
  }

  Result<BacktestReport, Problem> backtest(const BacktestQuery& q) const override {
    BacktestReport report;
    if (store_ == nullptr)
      return fail(Problem{"there is no history", "backtest", "start the collector's store first"});
    const auto options = load_options();
    if (!options) return fail(options.error());
    auto engine = q.texts.empty() ? sigma::Engine::load(q.paths, *options, report.load)
                                  : sigma::Engine::from_texts(q.texts, *options, report.load);
    if (!engine) return fail(engine.error());
    const auto evaluator = sigma::Evaluator::create(*engine);
    const auto correlator = sigma::Correlator::create(*engine, options_.correlator);
    std::map<std::string, BacktestReport::PerRule> per_rule;
    std::vector<std::string_view> views;
    std::vector<const StoredEvent*> kept;
    std::vector<sigma::CorrelationMatch> fired;
    SiteReader sites;
    const auto wanted = [&](const StoredEvent& e) {
      return !q.sites ||
             std::find(q.sites->begin(), q.sites->end(), sites.read(e.json)) != q.sites->end();
    };
    const auto count = [&](const sigma::RuleInfo& r, const StoredEvent& e, std::string_view id) {
      ++report.matches;
      auto& p = per_rule[rule_key(r)];
      p.rule = rule_key(r);
      p.title = r.title;
      ++p.matches;
      if (report.rows.size() < std::min<std::size_t>(q.max_matches, max_rows))
        report.rows.push_back(
            {rule_key(r), r.title, sites.read(e.json), std::string(id), e.time, r.correlation});
    };
    store_->scan(q.from, q.to, {}, [&](std::span<const StoredEvent> events) {
      views.clear();
      kept.clear();
      for (const auto& e : events)
        if (wanted(e)) {
          kept.push_back(&e);
          views.push_back(e.json);
        }
      for (const auto& m : evaluator->evaluate(views)) {
        const auto& e = *kept[m.event_index];
        if (!m.rule->silent) count(*m.rule, e, e.id);
        fired.clear();
        correlator->add(m, e.json, e.id, fired);
        for (const auto& f : fired)
          if (!f.rule->silent) count(*f.rule, e, f.event_ids.empty() ? e.id : f.event_ids.back());
      }
      report.events += kept.size();
      if (q.progress && !q.progress(report.events)) {
        report.stopped = true;
        return false;
      }
      return true;
    });
    for (auto& [key, p] : per_rule) report.per_rule.push_back(std::move(p));
    std::sort(report.per_rule.begin(), report.per_rule.end(), [](const auto& a, const auto& b) {
      return a.matches != b.matches ? a.matches > b.matches : a.rule < b.rule;
    });
    return report;
  }

  std::optional<std::string> explain(std::string_view rule_id,
                                     std::string_view event) const override {
    const std::lock_guard lock(explain_mutex_);
    std::shared_ptr<const Loaded> rules;
    {
      const std::lock_guard inner(mutex_);
      rules = next_;
    }
    if (rules == nullptr) return {};
    const auto it = rules->by_key.find(std::string(rule_id));
    if (it == rules->by_key.end() || it->second->correlation) return {};
    if (explain_rules_ != rules) {
      explain_evaluator_ = sigma::Evaluator::create(rules->engine);
      explain_rules_ = rules;
    }
    std::string out;
    JsonWriter json(out);
    explain_evaluator_->explain(it->second->index, event, json);
    return out;
  }

 private:
  /// What one call of process() gathers.
  struct Pass {
    std::map<std::string, Hit> hits;  // by fold key: repeats within a batch are one record
    detect_state::Counts counts;
    detect_state::Suppressions suppressions;
    std::uint64_t matches = 0;
  };

  struct SiteReader {
    EventScanner scanner;
    std::string site;
    void scalar(ScalarKind, std::string_view value, std::string_view path) {
      if (path == "ww.site") site.assign(value);
    }
    std::string read(std::string_view json) {
      site.clear();
      static_cast<void>(scanner.scan(json, *this));
      return site;
    }
  };

  [[nodiscard]] Result<sigma::LoadOptions, Problem> load_options() const {
    auto out = options_.sigma;
    if (options_.placeholders_file.empty()) return out;
    auto values = sigma::read_placeholders(options_.placeholders_file);
    if (!values) return fail(values.error());
    for (auto& [name, list] : *values) out.placeholders[name] = std::move(list);
    return out;
  }

  /// Once a second at most: the list is long. Under the mutex, on the thread of process().
  void copy_costs() {
    const auto now = std::chrono::steady_clock::now();
    if (evaluator_ == nullptr || (now < next_costs_ && costs_of_ == rules_)) return;
    next_costs_ = now + std::chrono::seconds(1);
    const auto costs = evaluator_->costs();
    costs_.assign(costs.begin(), costs.end());
    costs_of_ = rules_;
  }

  void take_new_rules() {
    std::shared_ptr<const Loaded> next;
    {
      const std::lock_guard lock(mutex_);
      next = next_;
    }
    if (next == rules_ || next == nullptr) return;
    rules_ = std::move(next);
    evaluator_ = sigma::Evaluator::create(rules_->engine);
    for (const auto space : spaces) {
      auto& s = state(space);
      auto made = new_correlator(space);
      if (s.correlator != nullptr) made->take_over(*s.correlator);
      s.correlator = std::move(made);
    }
  }

  /// Correlation state of one space.
  struct State {
    std::unique_ptr<sigma::Correlator> correlator;
    bool fresh = false;  ///< what is stored is to be replaced by the next change
  };
  static constexpr std::array<Space, 2> spaces{Space::real, Space::rehearsal};
  State& state(Space space) { return state_[static_cast<std::size_t>(space)]; }

  /// Rehearsals are few: an eighth of the memory.
  [[nodiscard]] std::unique_ptr<sigma::Correlator> new_correlator(Space space) const {
    auto limits = options_.correlator;
    if (space == Space::rehearsal) limits.max_octets /= 8;
    limits.keep_log = true;
    return sigma::Correlator::create(rules_->engine, limits);
  }

  /// Under the mutex, on the thread of process().
  void count_state() {
    stats_.evicted = stats_.too_late = stats_.groups = stats_.group_octets = 0;
    for (const auto& s : state_) {
      if (s.correlator == nullptr) continue;
      stats_.evicted += s.correlator->evicted();
      stats_.too_late += s.correlator->too_late();
      stats_.groups += s.correlator->groups();
      stats_.group_octets += s.correlator->octets();
    }
  }

  void keep_change(Space space, std::vector<ControlRecord>& out) {
    auto& kept = state(space);
    if (kept.correlator == nullptr) return;
    const auto change = kept.correlator->take_change();
    if (change.log.empty() && change.slices.empty()) return;
    out.push_back(detect_state::change_record(space, kept.fresh, change));
    kept.fresh = false;
  }

  void read_exceptions() {
    auto all = detect_state::load_exceptions(store_->control());
    std::vector<std::shared_ptr<const ActiveException>> active;
    for (auto& e : all) {
      auto one = std::make_shared<ActiveException>();
      if (!e.query.empty()) {
        auto expr = parse_query(e.query);
        if (!expr) continue;
        one->matcher = std::make_shared<const Matcher>(std::move(*expr));
      }
      one->rule = std::move(e);
      active.push_back(std::move(one));
    }
    const std::lock_guard lock(mutex_);
    exceptions_ = std::move(active);
  }

  /// The exception that covers this hit, or none.
  std::optional<std::string> excepted(const std::string& rule, const DetectEvent& e) {
    std::vector<std::shared_ptr<const ActiveException>> all;
    {
      const std::lock_guard lock(mutex_);
      if (exceptions_.empty()) return {};
      all = exceptions_;
    }
    const auto now = clock_.now();
    for (const auto& x : all) {
      if (x->rule.rule != "*" && x->rule.rule != rule) continue;
      if (!x->rule.site.empty() && x->rule.site != e.site) continue;
      if (!(now < x->rule.review)) continue;
      if (x->matcher != nullptr && !x->matcher->on_event(e.json, scanner_)) continue;
      return x->rule.id;
    }
    return {};
  }

  void on_match(const sigma::Match& m, const DetectEvent& e, Pass& pass) {
    ++pass.matches;
    const auto& rule = *m.rule;
    if (rule.feeds) {
      fired_.clear();
      // A rehearsal must not complete a real pattern, nor a real event a rehearsed one.
      const auto space = e.drill_run.empty() ? Space::real : Space::rehearsal;
      if (auto* correlator = state(space).correlator.get(); correlator != nullptr)
        correlator->add(m, e.json, e.id, fired_);
      for (const auto& f : fired_)
        if (!f.rule->silent) on_correlation(f, e, pass);
    }
    if (rule.silent) return;
    Hit hit = hit_of(rule, EngineKind::sigma, e);
    hit.first = hit.last = e.time;
    hit.window = options_.window;
    const auto& about = subjects_.read(e.json);
    hit.entities = about.entities;
    mark(hit, e);
    hit.evidence.push_back({std::string(e.id), e.time, std::string(e.json)});
    add(std::move(hit), e, pass, &rule);
  }

  void on_correlation(const sigma::CorrelationMatch& f, const DetectEvent& e, Pass& pass) {
    Hit hit = hit_of(*f.rule, EngineKind::correlation, e);
    hit.first = f.first;
    hit.last = f.last;
    hit.window = std::max(options_.window,
                          std::chrono::duration_cast<std::chrono::seconds>(f.last - f.first));
    for (const auto& [field, value] : f.group) hit.entities.push_back({field, value});
    mark(hit, e);
    const auto from =
        f.event_ids.size() > max_evidence_a_hit ? f.event_ids.size() - max_evidence_a_hit : 0;
    std::vector<Timestamp> times(f.event_ids.size(), f.last);
    for (const auto& p : f.parts) times[p.event] = p.time;
    for (auto i = from; i < f.event_ids.size(); ++i) {
      const bool this_event = f.event_ids[i] == e.id;
      hit.evidence.push_back({f.event_ids[i], this_event ? e.time : times[i],
                              this_event ? std::string(e.json) : std::string()});
    }
    hit.explanation.clear();
    JsonWriter json(hit.explanation);
    f.explain(json);
    add(std::move(hit), e, pass, nullptr);
  }

  void on_signature(const DetectEvent& e, Pass& pass) {
    const auto& about = subjects_.read(e.json);
    if (about.sid == 0 && about.signature.empty()) return;
    Hit hit;
    hit.engine = EngineKind::signature;
    hit.level = signature_level(about);
    hit.rule.id =
        (about.gid == 1 ? "" : std::to_string(about.gid) + ":") + std::to_string(about.sid);
    hit.rule.title = about.signature.empty() ? "signature " + hit.rule.id : about.signature;
    hit.rule.rev = std::to_string(about.rev);
    hit.rule.source = "signature";
    hit.site = e.site;
    hit.sensor = e.sensor;
    hit.entities = about.entities;
    hit.first = hit.last = e.time;
    hit.window = options_.window;
    hit.attack = about.techniques;
    hit.caf = about.caf;
    mark(hit, e);
    hit.explanation = about.category;
    if (!about.app_proto.empty())
      hit.explanation += (hit.explanation.empty() ? "" : ", ") + about.app_proto;
    if (about.action == "blocked") hit.explanation += ", blocked by the sensor";
    hit.evidence.push_back({std::string(e.id), e.time, std::string(e.json)});
    add(std::move(hit), e, pass, nullptr);
  }

  /// A rehearsal's hit is about its run, so it folds with nothing else.
  static void mark(Hit& hit, const DetectEvent& e) {
    if (e.drill_run.empty()) return;
    hit.drill = true;
    hit.entities.push_back({"drill", std::string(e.drill_run)});
  }

  Hit hit_of(const sigma::RuleInfo& rule, EngineKind engine, const DetectEvent& e) const {
    Hit hit;
    hit.engine = engine;
    hit.level = level_of(rule.level);
    hit.rule = {rule_key(rule), rule.title, rule.date, rule.file};
    hit.site = e.site;
    hit.sensor = e.sensor;
    split_tags(rule.tags, hit.attack, hit.caf);
    return hit;
  }

  void add(Hit hit, const DetectEvent& e, Pass& pass, const sigma::RuleInfo* explain_with) {
    if (hit.drill) {  // no count, no exception: the drill asks whether the rule fires
      fold_into(std::move(hit), e, pass, explain_with);
      return;
    }
    auto& count = pass.counts[{hit.engine, hit.rule.id}];
    count.title = hit.rule.title;
    count.level = hit.level;
    count.last = std::max(count.last, hit.last);
    if (const auto exception = excepted(hit.rule.id, e)) {
      ++count.suppressed;
      ++pass.suppressions[*exception];
      return;
    }
    ++count.hits;
    fold_into(std::move(hit), e, pass, explain_with);
  }

  void fold_into(Hit hit, const DetectEvent& e, Pass& pass, const sigma::RuleInfo* explain_with) {
    auto key = fold_key(hit);
    const auto it = pass.hits.find(key);
    if (it == pass.hits.end()) {
      // Explaining costs more than matching: once for what is likely to be a new alert.
      if (explain_with != nullptr && explained_.size() < max_explained) {
        const auto [seen, fresh] = explained_.try_emplace(key, e.time);
        if (fresh || e.time - seen->second > hit.window) {
          JsonWriter json(hit.explanation);
          evaluator_->explain(explain_with->index, e.json, json);
        }
        seen->second = e.time;
      } else if (explain_with != nullptr) {
        explained_.clear();
      }
      pass.hits.emplace(std::move(key), std::move(hit));
      return;
    }
    auto& old = it->second;
    old.count += hit.count;
    old.first = std::min(old.first, hit.first);
    old.last = std::max(old.last, hit.last);
    old.level = std::max(old.level, hit.level);
    for (auto& evidence : hit.evidence)
      if (old.evidence.size() < max_evidence_a_hit) old.evidence.push_back(std::move(evidence));
  }

  DetectOptions options_;
  const Clock& clock_;
  AlertBook& alerts_;
  Store* store_ = nullptr;

  // the thread of process()
  std::shared_ptr<const Loaded> rules_;
  std::unique_ptr<sigma::Evaluator> evaluator_;
  std::array<State, 2> state_;
  SubjectReader subjects_;
  EventScanner scanner_;
  std::vector<std::string_view> views_;
  std::vector<sigma::CorrelationMatch> fired_;
  std::unordered_map<std::string, Timestamp> explained_;

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Loaded> next_;
  std::vector<std::shared_ptr<const ActiveException>> exceptions_;
  DetectStats stats_;
  std::vector<sigma::RuleCost> costs_;
  std::shared_ptr<const Loaded> costs_of_;
  std::chrono::steady_clock::time_point next_costs_;

  mutable std::mutex explain_mutex_;
  mutable std::shared_ptr<const Loaded> explain_rules_;
  mutable std::unique_ptr<sigma::Evaluator> explain_evaluator_;
};

}  // namespace

std::unique_ptr<Detector> Detector::create(const DetectOptions& options, const Clock& clock,
                                           AlertBook& alerts) {
  return std::make_unique<DetectorImpl>(options, clock, alerts);
}

}  // namespace ww::collector
