#pragma once
/// The service behind service.hpp, whose members lie in four files: service.cpp (what people do,
/// threads), sensor_runs.cpp (restore and detection drills), exercises.cpp (drills that follow a
/// playbook), service_view.cpp (what people see). For those files alone.
#include <atomic>
#include <boost/json/object.hpp>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "collector/drills/heartbeats.hpp"
#include "collector/drills/planner.hpp"
#include "collector/drills/tasks.hpp"
#include "playbooks/run.hpp"

namespace ww::collector {

[[nodiscard]] inline tl::unexpected<DrillError> refuse_drill(DrillError::Kind kind,
                                                             std::string what) {
  return fail(DrillError{kind, std::move(what)});
}

/// What is read from files and replaced as a whole by reload().
struct DrillContent {
  DefinitionSet definitions;
  std::shared_ptr<playbooks::FolderLibrary> library;
  playbooks::AllowList allow_list;
  playbooks::Policy policy;
};

/// One run that is not over.
struct ActiveDrill {
  DrillRun run;
  std::shared_ptr<const DrillContent> content;  // the policy and library that the play refers to
  std::unique_ptr<playbooks::Run> play;
  std::int64_t last_report = 0;
  Timestamp settled;  // detection: everything expected came
  bool dirty = false;
};

class DrillServiceImpl final : public DrillService {
 public:
  DrillServiceImpl(DrillOptions options, const Parts& parts)
      : o_(std::move(options)),
        p_(parts),
        doer_(o_, p_),
        watch_(p_, o_.heartbeat_grace),
        planner_(p_, o_.automatic) {}

  ~DrillServiceImpl() override {
    p_.book.on_news({});
    p_.alerts.unsubscribe(subscription_);
    {
      const std::lock_guard lock(wake_mutex_);
      stopping_ = true;
    }
    stop_tasks_ = true;
    wake_.notify_all();
    work_.notify_all();
    if (thread_.joinable()) thread_.join();
    if (worker_.joinable()) worker_.join();
  }

  Result<void, Problem> open();

  Result<std::string, Problem> reload() override;

  // --- what people do

  Result<DrillRun, DrillError> begin(const DrillStart& s) override;

  Result<void, DrillError> stop(std::string_view id, std::string_view by,
                                std::string_view reason) override;

  Result<void, DrillError> pause(std::string_view id, std::string_view by, bool on) override;

  Result<void, DrillError> complete(std::string_view id, std::uint64_t task,
                                    const playbooks::Outcome& outcome) override;

  Result<std::int64_t, DrillError> enter(const DrillEntry& e) override;

  Result<void, DrillError> acknowledge(std::string_view id, std::string_view alert,
                                       std::string_view by) override;

  void notified(const std::string& alert) override;

  // --- what people see

  std::optional<boost::json::object> view(std::string_view id) override;

  std::optional<boost::json::object> report(std::string_view id) override;

  DefinitionSet definitions() const override;
  std::shared_ptr<const playbooks::FolderLibrary> library() const override;
  Timestamp heartbeat_bound(const Heartbeat& h) const override;
  boost::json::array plans() override;
  Result<void, DrillError> put_plan(const DrillPlan& plan) override;
  Result<void, DrillError> drop_plan(const std::string& id) override;

  void figures(MetricWriter& w) override;

  void tick() override;

 private:
  Result<DrillRun, DrillError> begin_locked(const DrillStart& s);
  ActiveDrill* find(std::string_view id);
  tl::unexpected<DrillError> gone(std::string_view id) const;

  void add(const std::string& run, std::string_view kind, Timestamp at, bool observed,
           std::string_view by, boost::json::object doc);
  void clock(const std::string& run, std::string_view name, Timestamp at, bool observed,
             std::string_view by);

  /// @return what is wrong, or ""
  std::string begin_kind(ActiveDrill& a);

  Result<void, Problem> send_order(const DrillRun& r, const std::string& kind,
                                   std::string_view other = {});

  /// After a start: what was running goes on.
  void take_up();

  void stop_run(ActiveDrill& a, std::string_view by, std::string_view reason);

  void finish(ActiveDrill& a, std::string_view state);

  // --- time and news

  void move(ActiveDrill& a);

  void take_report(ActiveDrill& a, const DrillReport& r);

  void take_restore(ActiveDrill& a, const DrillReport& r, const std::string& result);

  void judge_detection(ActiveDrill& a, Timestamp now);

  void move_play(ActiveDrill& a);

  /// Injects whose minute has come. Time that the exercise was paused does not count: it is what
  /// the step clocks say, so the notes of pause and resume are read back.
  void injects(ActiveDrill& a, Timestamp now);

  void step_clocks(ActiveDrill& a, const playbooks::Task& t, const playbooks::Outcome& o);

  void store_play(ActiveDrill& a);

  void settle_play(ActiveDrill& a);

  template <class F>
  void with_play(const DrillRun& run, F f) {
    if (auto* a = find(run.id)) {
      if (a->play) f(*a->play);
      return;
    }
    if (run.play.empty()) return;
    const auto play = playbooks::Run::restore(content_->policy, *content_->library, run.play);
    if (play) f(**play);
  }

  static boost::json::object task_json(const playbooks::Task& t, const playbooks::Run& play);

  // --- alerts of drills; called from the committing thread

  void on_alert(const AlertNotice& n);

  void keep_alerts();

  // --- threads

  void wake();
  bool wait();

  struct Work {
    std::string run, site;
    playbooks::Task task;
  };
  void work_loop();

  DrillOptions o_;
  Parts p_;
  TaskDoer doer_;
  HeartbeatWatch watch_;
  DrillPlanner planner_;
  mutable std::mutex mutex_;  // guards content_, active_ and planner_
  std::shared_ptr<const DrillContent> content_;
  std::map<std::string, ActiveDrill> active_;
  std::uint64_t subscription_ = 0;

  std::mutex alerts_mutex_;
  std::deque<DrillReport> new_alerts_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool news_ = false, stopping_ = false;
  std::thread thread_;

  std::mutex work_mutex_;
  std::condition_variable work_;
  std::deque<Work> waiting_work_;
  std::atomic<bool> stop_tasks_{false};
  std::thread worker_;
};

}  // namespace ww::collector
