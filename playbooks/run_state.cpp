#include <boost/json.hpp>

#include "playbooks/json_text.hpp"
#include "playbooks/run_data.hpp"

namespace ww::playbooks {
namespace json = boost::json;
namespace {

constexpr std::int64_t format = 1;

json::object write(const Variables& vars) {
  json::object out;
  for (const auto& [name, v] : vars) {
    json::object o{{"type", v.type}, {"constant", v.constant}};
    if (v.value) o["value"] = *v.value;
    out[name] = std::move(o);
  }
  return out;
}

/// Reads members; a missing or wrong one makes the whole state unusable, never a crash.
class Source {
 public:
  explicit Source(const json::object& o) : o_(o) {}
  static inline thread_local bool good = true;

  std::string text(std::string_view name) const {
    const auto* v = o_.if_contains(name);
    if (v == nullptr || !v->is_string()) {
      good = false;
      return {};
    }
    return std::string(v->get_string());
  }
  std::int64_t number(std::string_view name) const {
    const auto* v = o_.if_contains(name);
    boost::system::error_code ec;
    if (v == nullptr || !v->is_number()) {
      good = false;
      return 0;
    }
    const auto n = v->to_number<std::int64_t>(ec);
    if (ec) good = false;
    return n;
  }
  template <class T>
  T as(std::string_view name, std::int64_t most) const {
    const auto n = number(name);
    if (n < 0 || n > most) {
      good = false;
      return T{};
    }
    return static_cast<T>(n);
  }
  bool flag(std::string_view name) const {
    const auto* v = o_.if_contains(name);
    return v != nullptr && v->is_bool() && v->get_bool();
  }
  Timestamp time(std::string_view name) const { return {number(name)}; }
  json::array list(std::string_view name) const {
    const auto* v = o_.if_contains(name);
    if (v == nullptr || !v->is_array()) {
      good = false;
      return {};
    }
    return v->get_array();
  }
  std::vector<std::string> texts(std::string_view name) const {
    std::vector<std::string> out;
    for (const auto& v : list(name))
      if (v.is_string()) out.emplace_back(v.get_string());
    return out;
  }
  Variables variables(std::string_view name) const {
    Variables out;
    const auto* v = o_.if_contains(name);
    if (v == nullptr || !v->is_object()) {
      good = false;
      return out;
    }
    for (const auto& m : v->get_object()) {
      if (!m.value().is_object()) continue;
      const auto& o = m.value().get_object();
      Variable x;
      x.type = text_of(o, "type");
      x.constant = Source(o).flag("constant");
      if (o.contains("value")) x.value = text_of(o, "value");
      out.emplace(m.key(), std::move(x));
    }
    return out;
  }

 private:
  const json::object& o_;
};

json::array write_texts(const std::vector<std::string>& all) {
  json::array out;
  for (const auto& t : all) out.emplace_back(t);
  return out;
}

json::object write(const Task& t) {
  json::array headers;
  for (const auto& [k, v] : t.http.headers) headers.push_back(json::array{k, v});
  return {{"id", t.id},
          {"kind", static_cast<int>(t.kind)},
          {"playbook", t.playbook},
          {"step", t.step},
          {"step_name", t.step_name},
          {"command", t.command},
          {"type", t.command_type},
          {"text", t.text},
          {"why", t.why},
          {"agent", t.agent},
          {"targets", write_texts(t.targets)},
          {"out_args", write_texts(t.out_args)},
          {"origin", t.http.origin},
          {"method", t.http.method},
          {"target", t.http.target},
          {"content", t.http.content},
          {"headers", std::move(headers)},
          {"entry", t.local.entry},
          {"argv", write_texts(t.local.argv)},
          {"timeout_ms", t.local.timeout_ms},
          {"since", t.since.us},
          {"deadline", t.deadline.us},
          {"begun", t.begun}};
}

Task read_task(const json::object& o) {
  const Source s(o);
  Task t;
  t.id = s.as<std::uint64_t>("id", INT64_MAX);
  t.kind = s.as<TaskKind>("kind", 4);
  t.playbook = s.text("playbook");
  t.step = s.text("step");
  t.step_name = s.text("step_name");
  t.command = s.as<std::size_t>("command", 10'000);
  t.command_type = s.text("type");
  t.text = s.text("text");
  t.why = s.text("why");
  t.agent = s.text("agent");
  t.targets = s.texts("targets");
  t.out_args = s.texts("out_args");
  t.http = {s.text("origin"), s.text("method"), s.text("target"), s.text("content"), {}};
  for (const auto& h : s.list("headers"))
    if (h.is_array() && h.get_array().size() == 2 && h.get_array()[0].is_string() &&
        h.get_array()[1].is_string())
      t.http.headers.emplace_back(h.get_array()[0].get_string(), h.get_array()[1].get_string());
  t.local = {s.text("entry"), s.texts("argv"), s.as<std::uint32_t>("timeout_ms", UINT32_MAX)};
  t.since = s.time("since");
  t.deadline = s.time("deadline");
  t.begun = s.flag("begun");
  return t;
}

json::object write(const Branch& b) {
  return {{"at", static_cast<int>(b.at)},
          {"id", b.id},
          {"parent", b.parent},
          {"instance", b.instance},
          {"step", b.step},
          {"join", b.join},
          {"jump", b.jump},
          {"failed", b.failed},
          {"exception", b.exception},
          {"due", b.due.us},
          {"task", b.task},
          {"record", b.record},
          {"command", b.command},
          {"round", b.round},
          {"variables", write(b.variables)}};
}

Branch read_branch(const json::object& o) {
  const Source s(o);
  Branch b;
  b.at = s.as<Branch::At>("at", 4);
  b.id = s.as<std::uint32_t>("id", UINT32_MAX);
  b.parent = s.as<std::uint32_t>("parent", UINT32_MAX);
  b.instance = s.as<std::uint32_t>("instance", UINT32_MAX);
  b.step = s.text("step");
  b.join = s.text("join");
  b.jump = s.text("jump");
  b.failed = s.flag("failed");
  b.exception = s.flag("exception");
  b.due = s.time("due");
  b.task = s.as<std::uint64_t>("task", INT64_MAX);
  b.record = s.as<std::uint64_t>("record", INT64_MAX);
  b.command = s.as<std::size_t>("command", 10'000);
  b.round = s.as<std::uint32_t>("round", UINT32_MAX);
  b.variables = s.variables("variables");
  return b;
}

json::object write(const StepRecord& r) {
  return {{"playbook", r.playbook},
          {"step", r.step},
          {"name", r.name},
          {"type", static_cast<int>(r.type)},
          {"started", r.started.us},
          {"finished", r.finished.us},
          {"outcome", static_cast<int>(r.outcome)},
          {"by", r.by},
          {"note", r.note},
          {"observed", r.observed},
          {"round", r.round}};
}

StepRecord read_record(const json::object& o, std::uint64_t seq) {
  const Source s(o);
  StepRecord r;
  r.seq = seq;
  r.playbook = s.text("playbook");
  r.step = s.text("step");
  r.name = s.text("name");
  r.type = s.as<StepType>("type", 7);
  r.started = s.time("started");
  r.finished = s.time("finished");
  r.outcome = s.as<StepOutcome>("outcome", 5);
  r.by = s.text("by");
  r.note = s.text("note");
  r.observed = s.flag("observed");
  r.round = s.as<std::uint32_t>("round", UINT32_MAX);
  return r;
}

/// What the members say of each other.
bool coherent(const RunData& d) {
  if (!d.instances.contains(1)) return false;
  if (!ended(d.state) && !d.branches.contains(1)) return false;
  for (const auto& [id, b] : d.branches) {
    if (!d.instances.contains(b.instance)) return false;
    if (b.parent != 0 && (b.parent >= id || !d.branches.contains(b.parent))) return false;
    if ((b.parent == 0) != (id == 1)) return false;
    const auto* s = d.instances.at(b.instance).playbook->step(b.step);
    const bool entered = b.at == Branch::At::task || b.at == Branch::At::branches;
    if (entered && (s == nullptr || b.record >= d.records.size())) return false;
    if (b.at == Branch::At::delayed && s == nullptr) return false;
    if (b.at == Branch::At::task && (!d.tasks.contains(b.task) || b.command >= s->commands.size()))
      return false;
  }
  return true;
}

}  // namespace

std::string write_state(const RunData& d) {
  json::array instances, branches, tasks, records;
  for (const auto& [id, i] : d.instances)
    instances.push_back({{"id", i.id},
                         {"playbook", i.playbook->id},
                         {"version", i.playbook->modified},
                         {"sha256", i.playbook->sha256},
                         {"depth", i.depth},
                         {"variables", write(i.variables)}});
  for (const auto& [id, b] : d.branches) branches.push_back(write(b));
  for (const auto& [id, t] : d.tasks) tasks.push_back(write(t));
  for (const auto& r : d.records) records.push_back(write(r));
  return json::serialize(json::object{{"format", format},
                                      {"state", static_cast<int>(d.state)},
                                      {"reason", d.reason},
                                      {"started", d.started.us},
                                      {"finished", d.finished.us},
                                      {"paused_at", d.paused_at.us},
                                      {"next", d.next},
                                      {"steps", d.steps},
                                      {"instances", std::move(instances)},
                                      {"branches", std::move(branches)},
                                      {"tasks", std::move(tasks)},
                                      {"records", std::move(records)}});
}

Result<RunData, std::string> read_state(std::string_view text, const Library& library) {
  boost::system::error_code ec;
  const auto parsed = json::parse(text, ec);
  if (ec || !parsed.is_object()) return fail(std::string("the stored state is no JSON object"));
  const Source s(parsed.get_object());
  Source::good = true;
  RunData d;
  if (s.number("format") != format)
    return fail(std::string("the stored state is of another format"));
  d.state = s.as<RunState>("state", 4);
  d.reason = s.text("reason");
  d.started = s.time("started");
  d.finished = s.time("finished");
  d.paused_at = s.time("paused_at");
  d.next = s.as<std::uint64_t>("next", INT64_MAX);
  d.steps = s.as<std::uint32_t>("steps", UINT32_MAX);
  const auto refused = [](const std::string& id, const std::string& version, const char* why) {
    return fail("the playbook " + id + " of " + version + why);
  };
  for (const auto& v : s.list("instances")) {
    if (!v.is_object()) return fail(std::string("the stored state is damaged"));
    const Source i(v.get_object());
    Instance x;
    x.id = i.as<std::uint32_t>("id", UINT32_MAX);
    x.depth = i.as<std::uint32_t>("depth", 1000);
    x.variables = i.variables("variables");
    const auto id = i.text("playbook"), version = i.text("version");
    x.playbook = library.find(id, version);
    if (x.playbook == nullptr) return refused(id, version, " is no longer in the library");
    if (x.playbook->sha256 != i.text("sha256"))
      return refused(id, version, " was changed since the run began");
    d.instances.emplace(x.id, std::move(x));
  }
  for (const auto& v : s.list("branches"))
    if (v.is_object()) {
      auto b = read_branch(v.get_object());
      d.branches.emplace(b.id, std::move(b));
    }
  for (const auto& v : s.list("tasks"))
    if (v.is_object()) {
      auto t = read_task(v.get_object());
      d.tasks.emplace(t.id, std::move(t));
    }
  for (const auto& v : s.list("records"))
    if (v.is_object()) d.records.push_back(read_record(v.get_object(), d.records.size()));
  if (!Source::good || !coherent(d)) return fail(std::string("the stored state is damaged"));
  return d;
}

}  // namespace ww::playbooks
