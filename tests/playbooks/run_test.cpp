#include "playbooks/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/playbooks/made.hpp"

namespace ww::playbooks {
namespace {
using namespace made;  // NOLINT
using std::chrono::milliseconds;
using ::testing::HasSubstr;

struct Played {
  Policy policy;
  OneLibrary library;
  std::unique_ptr<Run> run;
  Timestamp now{1'000'000'000};

  explicit Played(const json::object& p, std::map<std::string, std::string> given = {},
                  const RunLimits& limits = {}) {
    policy.checks = {"backups.fresh"};
    begin(p, std::move(given), limits);
  }
  void begin(const json::object& p, std::map<std::string, std::string> given,
             const RunLimits& limits) {
    auto l = loaded(p);
    ASSERT_TRUE(l.has_value()) << text(l.error());
    library.all.push_back(*l);
    auto r = Run::start(policy, library, *l, given, now, limits);
    ASSERT_TRUE(r.has_value()) << r.error();
    run = std::move(*r);
  }
  void pass(milliseconds d) {
    now = now + d;
    run->advance(now);
  }
  std::string waiting() const {
    std::string out;
    for (const auto& t : run->tasks()) out += (out.empty() ? "" : ",") + t.text;
    return out;
  }
  /// Completes the waiting task with this text.
  void answer(const std::string& text, Outcome o = {}) {
    for (const auto& t : run->tasks())
      if (t.text == text) {
        const auto done = run->complete(t.id, o, now);
        EXPECT_TRUE(done.has_value()) << done.error();
        return;
      }
    ADD_FAILURE() << "no task " << text << ", waiting: " << waiting();
  }
  /// The state through text, as after a restart.
  void restart() {
    auto again = Run::restore(policy, library, run->save());
    ASSERT_TRUE(again.has_value()) << again.error();
    run = std::move(*again);
  }
  std::string outcomes() const {
    std::string out;
    for (const auto& r : run->records())
      if (r.type == StepType::action)
        out += (out.empty() ? "" : ",") + r.name + "=" + std::string(name(r.outcome));
    return out;
  }
};

Outcome failed() {
  Outcome o;
  o.outcome = StepOutcome::failed;
  return o;
}

TEST(CacaoRun, SmallestWaitsForAPersonAndEnds) {
  Played p(smallest());
  EXPECT_EQ(p.waiting(), "look");
  EXPECT_EQ(p.run->tasks()[0].kind, TaskKind::manual);
  p.answer("look", {StepOutcome::done, "ann", "seen", false, {}});
  EXPECT_EQ(p.run->state(), RunState::succeeded);
  EXPECT_EQ(p.run->records()[1].by, "ann");
  EXPECT_FALSE(p.run->records()[1].observed);
}

json::object branching() {
  return playbook(
      {{id("start", 1), start(id("action", 2))},
       {id("action", 2),
        [] {
          auto a = action("ask", id("if-condition", 3));
          a["out_args"] = json::array{"__severity__"};
          return a;
        }()},
       {id("if-condition", 3),
        {{"type", "if-condition"},
         {"condition", "__severity__:value > 5"},
         {"on_true", id("parallel", 4)},
         {"on_false", id("action", 7)},
         {"on_completion", id("action", 8)}}},
       {id("parallel", 4),
        {{"type", "parallel"}, {"next_steps", json::array{id("action", 5), id("action", 6)}}}},
       {id("action", 5), action("left", "")},
       {id("action", 6), action("right", "")},
       {id("action", 7), action("calm", "")},
       {id("action", 8), action("report", id("end", 9))},
       {id("end", 9), end()}},
      {{"__severity__", {{"type", "integer"}, {"value", "0"}}}});
}

TEST(CacaoRun, ConditionParallelAndJoin) {
  Played p(branching());
  p.answer("ask", {StepOutcome::done, "ann", "", false, {{"__severity__", "9"}}});
  EXPECT_EQ(p.waiting(), "left,right");
  p.answer("left");
  EXPECT_EQ(p.waiting(), "right") << "the join waits for both";
  p.restart();
  p.answer("right");
  EXPECT_EQ(p.waiting(), "report");
  p.answer("report");
  EXPECT_EQ(p.run->state(), RunState::succeeded);

  Played calm(branching());
  calm.answer("ask");
  EXPECT_EQ(calm.waiting(), "calm");
  calm.answer("calm");
  calm.answer("report");
  EXPECT_EQ(calm.outcomes(), "ask=done,calm=done,report=done");
}

TEST(CacaoRun, ParallelWithoutJoinRunsWhatFollowsOnce) {
  Played p(playbook(
      {{id("start", 1), start(id("parallel", 2))},
       {id("parallel", 2),
        {{"type", "parallel"}, {"next_steps", json::array{id("action", 3), id("action", 4)}}}},
       {id("action", 3), action("a", id("action", 5))},
       {id("action", 4), action("b", id("action", 5))},
       {id("action", 5), action("after", id("end", 6))},
       {id("end", 6), end()}}));
  p.answer("a");
  p.answer("b");
  EXPECT_EQ(p.waiting(), "after");
  p.answer("after");
  EXPECT_EQ(p.outcomes(), "a=done,b=done,after=done");
  EXPECT_EQ(p.run->state(), RunState::succeeded);
}

TEST(CacaoRun, WhileRepeatsUntilFalse) {
  for (const bool back : {true, false}) {
    auto body = action("try", back ? id("while-condition", 2) : "");
    body["out_args"] = json::array{"__left__"};
    Played p(playbook({{id("start", 1), start(id("while-condition", 2))},
                       {id("while-condition", 2),
                        {{"type", "while-condition"},
                         {"condition", "__left__:value > 0"},
                         {"on_true", id("action", 3)},
                         {"on_completion", id("end", 4)}}},
                       {id("action", 3), std::move(body)},
                       {id("end", 4), end()}},
                      {{"__left__", {{"type", "integer"}, {"value", "2"}}}}));
    p.answer("try", {StepOutcome::done, "", "", false, {{"__left__", "1"}}});
    p.restart();
    p.answer("try", {StepOutcome::done, "", "", false, {{"__left__", "0"}}});
    EXPECT_EQ(p.run->state(), RunState::succeeded);
    EXPECT_EQ(p.outcomes(), "try=done,try=done");
  }
}

TEST(CacaoRun, WhileWithoutEndIsCut) {
  // A body of conditions only: nothing waits, so only the limit ends it.
  RunLimits limits;
  limits.rounds = 50;
  Played p(
      playbook({{id("start", 1), start(id("while-condition", 2))},
                {id("while-condition", 2),
                 {{"type", "while-condition"},
                  {"condition", "'a' = 'a'"},
                  {"on_true", id("if-condition", 5)},
                  {"on_completion", id("action", 3)}}},
                {id("if-condition", 5),
                 {{"type", "if-condition"}, {"condition", "'a' = 'b'"}, {"on_true", id("end", 6)}}},
                {id("action", 3), action("after", id("end", 4))},
                {id("end", 6), end()},
                {id("end", 4), end()}}),
      {}, limits);
  EXPECT_EQ(p.waiting(), "after") << "the while failed and has on_completion";
}

TEST(CacaoRun, SwitchTakesTheCaseOrTheDefault) {
  const auto made_switch = [] {
    return playbook({{id("start", 1), start(id("switch-condition", 2))},
                     {id("switch-condition", 2),
                      {{"type", "switch-condition"},
                       {"switch", "__what__:value"},
                       {"cases", {{"pacs", id("action", 3)}, {"default", id("action", 4)}}},
                       {"on_completion", id("end", 5)}}},
                     {id("action", 3), action("images", "")},
                     {id("action", 4), action("other", "")},
                     {id("end", 5), end()}},
                    {{"__what__", {{"type", "string"}, {"value", "x"}, {"external", true}}}});
  };
  EXPECT_EQ(Played(made_switch(), {{"__what__", "pacs"}}).waiting(), "images");
  EXPECT_EQ(Played(made_switch(), {{"__what__", "lab"}}).waiting(), "other");
}

TEST(CacaoRun, FailureGoesItsWay) {
  auto p = smallest();
  auto& s = p["workflow"].get_object()[id("action", 2)].get_object();
  s.erase("on_completion");
  s["on_success"] = id("end", 3);
  Played plain(p);
  plain.answer("look", failed());
  EXPECT_EQ(plain.run->state(), RunState::failed);
  EXPECT_THAT(plain.run->reason(), HasSubstr("look"));

  s["on_failure"] = id("action", 5);
  p["workflow"].get_object()[id("action", 5)] = action("repair", id("end", 3));
  Played repaired(p);
  repaired.answer("look", failed());
  repaired.answer("repair");
  EXPECT_EQ(repaired.run->state(), RunState::succeeded);

  s.erase("on_failure");
  p["workflow_exception"] = id("action", 5);
  Played excepted(p);
  excepted.answer("look", failed());
  EXPECT_EQ(excepted.waiting(), "repair");
  excepted.answer("repair");
  EXPECT_EQ(excepted.outcomes(), "look=failed,repair=done");
}

TEST(CacaoRun, DelayTimeoutAndPause) {
  auto p = smallest();
  auto& s = p["workflow"].get_object()[id("action", 2)].get_object();
  s["delay"] = 1000;
  s["timeout"] = 5000;
  Played x(p);
  EXPECT_EQ(x.waiting(), "");
  EXPECT_EQ(x.run->next_deadline()->us, x.now.us + 1'000'000);
  x.pass(milliseconds(1000));
  EXPECT_EQ(x.waiting(), "look");
  x.pass(milliseconds(4000));
  ASSERT_TRUE(x.run->pause(x.now));
  EXPECT_EQ(x.waiting(), "");
  x.restart();
  x.pass(milliseconds(60'000));
  EXPECT_EQ(x.run->state(), RunState::paused);
  ASSERT_TRUE(x.run->resume(x.now));
  x.pass(milliseconds(999));
  EXPECT_EQ(x.waiting(), "look") << "paused time does not count";
  x.pass(milliseconds(1));
  EXPECT_EQ(x.run->state(), RunState::succeeded) << "on_completion goes on after a failure";
  EXPECT_EQ(x.outcomes(), "look=failed");
  EXPECT_THAT(x.run->records()[1].note, HasSubstr("ACTION_TIMEOUT"));
}

TEST(CacaoRun, StopWordEndsEverything) {
  Played p(branching());
  p.answer("ask", {StepOutcome::done, "", "", false, {{"__severity__", "9"}}});
  EXPECT_FALSE(p.run->say("please stop", p.now, "bob"));
  EXPECT_TRUE(p.run->say("  STOP drill! ", p.now, "bob"));
  EXPECT_EQ(p.run->state(), RunState::stopped);
  EXPECT_TRUE(p.run->tasks().empty());
  EXPECT_EQ(p.outcomes(), "ask=done,left=stopped,right=stopped");
  EXPECT_FALSE(p.run->complete(1, {}, p.now).has_value());
}

TEST(CacaoRun, CommandsOfAStepComeOneByOneAndSkippedIsNotHidden) {
  auto p = smallest();
  p["workflow"].get_object()[id("action", 2)].get_object()["commands"] = {
      {{"type", "manual"}, {"command", "one"}}, {{"type", "manual"}, {"command_b64", "dHdv"}}};
  Played x(p);
  EXPECT_EQ(x.waiting(), "one");
  Outcome skipped;
  skipped.outcome = StepOutcome::skipped;
  x.answer("one", skipped);
  EXPECT_EQ(x.waiting(), "two");
  x.answer("two");
  EXPECT_EQ(x.outcomes(), "look=skipped");
}

TEST(CacaoRun, CallsAnotherPlaybookWithArguments) {
  auto inner = smallest();
  inner["id"] = id("playbook", 2000);
  inner["playbook_variables"] = {{"__who__", {{"type", "string"}}},
                                 {"__found__", {{"type", "string"}}}};
  auto& a = inner["workflow"].get_object()[id("action", 2)].get_object();
  a["commands"] = {{{"type", "manual"}, {"command", "find __who__:value"}}};
  a["out_args"] = json::array{"__found__"};
  Policy policy;
  OneLibrary library;
  library.all.push_back(*loaded(inner));
  auto outer = playbook(
      {{id("start", 1), start(id("playbook-action", 2))},
       {id("playbook-action", 2),
        {{"type", "playbook-action"},
         {"playbook_id", id("playbook", 2000)},
         {"in_args", json::array{"__who__"}},
         {"out_args", json::array{"__found__"}},
         {"on_completion", id("action", 3)}}},
       {id("action", 3), action("got __found__:value", id("end", 4))},
       {id("end", 4), end()}},
      {{"__who__", {{"type", "string"}, {"value", "ann"}}}, {"__found__", {{"type", "string"}}}});
  library.all.push_back(*loaded(outer));
  auto run = *Run::start(policy, library, library.all[1], {}, {0});
  ASSERT_EQ(run->tasks().size(), 1U);
  EXPECT_EQ(run->tasks()[0].text, "find ann");
  run = *Run::restore(policy, library, run->save());
  ASSERT_TRUE(run->complete(run->tasks()[0].id,
                            {StepOutcome::done, "", "", false, {{"__found__", "yes"}}}, {1}));
  ASSERT_EQ(run->tasks().size(), 1U);
  EXPECT_EQ(run->tasks()[0].text, "got yes");
}

TEST(CacaoRun, APlaybookThatCallsItselfIsCut) {
  auto p = playbook({{id("start", 1), start(id("playbook-action", 2))},
                     {id("playbook-action", 2),
                      {{"type", "playbook-action"},
                       {"playbook_id", id("playbook", 1000)},
                       {"on_success", id("end", 4)}}},
                     {id("end", 4), end()}});
  Played x(p);
  EXPECT_EQ(x.run->state(), RunState::failed);
}

TEST(CacaoRun, OutputsAreOnlyWhatTheStepDeclares) {
  Played p(branching());
  const auto task = p.run->tasks()[0].id;
  EXPECT_FALSE(
      p.run->complete(task, {StepOutcome::done, "", "", false, {{"__other__", "1"}}}, p.now));
  EXPECT_FALSE(
      p.run->complete(task, {StepOutcome::done, "", "", false, {{"__severity__", "much"}}}, p.now));
  EXPECT_EQ(p.waiting(), "ask");
}

TEST(CacaoRun, ExternalVariablesAreChecked) {
  Policy policy;
  OneLibrary library;
  auto p = smallest();
  p["playbook_variables"] = {{"__n__", {{"type", "integer"}, {"external", true}}},
                             {"__own__", {{"type", "string"}}}};
  const auto l = *loaded(p);
  EXPECT_TRUE(Run::start(policy, library, l, {{"__n__", "3"}}, {0}).has_value());
  EXPECT_FALSE(Run::start(policy, library, l, {{"__n__", "x"}}, {0}).has_value());
  EXPECT_FALSE(Run::start(policy, library, l, {{"__own__", "x"}}, {0}).has_value());
}

TEST(CacaoRun, StateFromElsewhereIsRefused) {
  Played p(branching());
  const auto good = p.run->save();
  EXPECT_TRUE(Run::restore(p.policy, p.library, good).has_value());
  OneLibrary empty;
  EXPECT_FALSE(Run::restore(p.policy, empty, good).has_value());
  EXPECT_FALSE(Run::restore(p.policy, p.library, "{}").has_value());
  // Whatever is cut out or changed is refused or runs; it never crashes.
  for (std::size_t i = 0; i < good.size(); i += 7) {
    auto bad = good;
    bad[i] = bad[i] == '1' ? '9' : '1';
    if (auto r = Run::restore(p.policy, p.library, bad)) {
      (*r)->advance({5});
      for (const auto& t : (*r)->tasks()) (void)(*r)->complete(t.id, {}, {6});
    }
  }
}

TEST(CacaoPolicy, NothingRunsThatIsNotAllowed) {
  auto p = smallest();
  auto& a = p["workflow"].get_object()[id("action", 2)].get_object();
  a["agent"] = id("http-api", 901);
  p["agent_definitions"] = {
      {id("http-api", 901),
       {{"type", "http-api"},
        {"name", "tickets"},
        {"address", {{"url", json::array{"https://tickets.example/base"}}}}}}};
  const auto kind_of = [&](json::object command, const Policy& policy) {
    a["commands"] = json::array{std::move(command)};
    OneLibrary library;
    const auto l = loaded(p);
    EXPECT_TRUE(l.has_value()) << (l ? "" : text(l.error()));
    auto run = Run::start(policy, library, *l, {}, {0});
    return (*run)->tasks().at(0);
  };
  Policy none, some;
  some.http_hosts = {{"https://tickets.example", {"GET"}}};
  some.checks = {"backups.fresh"};
  const json::object get{{"type", "http-api"}, {"command", "GET /api/1 HTTP/1.1"}};
  EXPECT_EQ(kind_of(get, none).kind, TaskKind::shown);
  const auto http = kind_of(get, some);
  EXPECT_EQ(http.kind, TaskKind::http);
  EXPECT_EQ(http.http.target, "/api/1");
  EXPECT_EQ(http.http.origin, "https://tickets.example");
  EXPECT_EQ(kind_of({{"type", "http-api"}, {"command", "POST /api/1 HTTP/1.1"}}, some).kind,
            TaskKind::shown);
  EXPECT_EQ(kind_of({{"type", "http-api"}, {"command", "GET http://other/ HTTP/1.1"}}, some).kind,
            TaskKind::shown);
  const auto bash = kind_of({{"type", "bash"}, {"command", "rm -rf /"}}, some);
  EXPECT_EQ(bash.kind, TaskKind::shown);
  EXPECT_EQ(bash.text, "rm -rf /");
  EXPECT_EQ(kind_of({{"type", "wardwatch-check"}, {"command", "backups.fresh pacs"}}, some).kind,
            TaskKind::check);
  EXPECT_EQ(kind_of({{"type", "wardwatch-check"}, {"command", "format.disk"}}, some).kind,
            TaskKind::shown);
}

TEST(CacaoRun, AMachineTaskThatWasBegunIsNotRepeatedAfterARestart) {
  auto p = smallest();
  auto& a = p["workflow"].get_object()[id("action", 2)].get_object();
  a["agent"] = id("http-api", 901);
  a["commands"] = {{{"type", "http-api"}, {"command", "POST /reboot HTTP/1.1"}}};
  p["agent_definitions"] = {{id("http-api", 901),
                             {{"type", "http-api"},
                              {"name", "x"},
                              {"address", {{"dname", json::array{"x.example"}}}},
                              {"port", "8443"}}}};
  Played x(smallest());
  x.policy.http_hosts = {{"https://x.example:8443", {"POST"}}};
  x.begin(p, {}, {});
  ASSERT_EQ(x.run->tasks()[0].kind, TaskKind::http);
  ASSERT_TRUE(x.run->begin(x.run->tasks()[0].id));
  EXPECT_FALSE(x.run->begin(x.run->tasks()[0].id)) << "once";
  x.library.all.erase(x.library.all.begin());
  x.restart();
  EXPECT_EQ(x.run->tasks()[0].kind, TaskKind::shown);
  EXPECT_THAT(x.run->tasks()[0].why, HasSubstr("interrupted"));
}

}  // namespace
}  // namespace ww::playbooks
