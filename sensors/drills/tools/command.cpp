/// A program of the site that restores what we cannot: Veeam, Windows, Bacula, a virtual machine.
/// Its contract is in docs/drills.md:
///
///   PROGRAM list               -> {"version":1,"snapshots":[{"id","time","bytes"}]}
///   PROGRAM restore ID FOLDER  -> {"version":1,"passed":[..],"failed":[..],"data_time":".."}
///   PROGRAM clean ID FOLDER    always, once a restore began: after its end, a stop, a crash
///
/// It runs only when its signature is by the site's key and nobody else could have changed it.
#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "sensors/drills/restore.hpp"
#include "sensors/drills/signed_program.hpp"
#include "sensors/drills/tool.hpp"
#include "telemetry/net/enrol.hpp"

namespace ww::drills {
namespace {

namespace json = boost::json;
constexpr std::size_t max_output = 4U << 20, max_said = 50, max_words = 300;
constexpr auto clean_limit = std::chrono::minutes(2);

/// What clean() needs to know after a crash; beside the data, so that it is no part of it.
std::string note_of(const std::string& scratch) { return scratch + "/restore-command.json"; }

backup::Command command(const RestoreTarget& t, std::vector<std::string> more,
                        const std::string& scratch) {
  backup::Command c;
  c.argv = t.command;
  c.argv.insert(c.argv.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
  c.environment = t.probe.environment;
  c.folder = scratch;
  c.max_output = max_output;
  return c;
}

/// The document, or what is wrong with it.
Result<json::value, std::string> document(const backup::Finished& done) {
  auto v = parse_output(done.out);
  if (!v.is_object()) return fail(std::string("the restore command did not print one JSON object"));
  if (number_in(v, "/version") != 1)
    return fail(std::string("the restore command's \"version\": 1 is missing"));
  return v;
}

void take(const json::value& v, std::string_view name, std::vector<std::string>& out) {
  const auto* list = v.get_object().if_contains(name);
  if (list == nullptr || !list->is_array()) return;
  for (const auto& x : list->get_array())
    if (x.is_string() && out.size() < max_said)
      out.push_back("command: " +
                    std::string(std::string_view(x.get_string()).substr(0, max_words)));
}

std::string choose(Restore& r, Chosen& out) {
  if (const auto wrong =
          check_signed(r.target().command.front(), r.target().signature, r.target().signed_by);
      !wrong.empty())
    return wrong;
  std::string error;
  const auto done = r.run(command(r.target(), {"list"}, r.scratch()), error);
  if (!done) return error;
  const auto v = document(*done);
  if (!v) return v.error();
  const auto* list = v->get_object().if_contains("snapshots");
  if (list == nullptr || !list->is_array()) return "the restore command listed no snapshots";
  for (const auto& s : list->get_array()) {
    Chosen c;
    c.id = text_in(s, "id");
    c.time = parse_time(text_in(s, "time")).value_or(Timestamp{});
    if (!s.is_object() || !valid_snapshot(c.id) || c.time.us == 0) continue;
    c.octets = number_in(s, "/bytes");
    if (r.wanted() == "latest" ? out.time < c.time : r.wanted() == c.id) out = std::move(c);
  }
  return out.id.empty() ? "no snapshot " + r.wanted() + " in what the restore command lists" : "";
}

std::string fetch(Restore& r, const Chosen& chosen) {
  const json::object note{{"target", r.target().name}, {"snapshot", chosen.id}};
  if (auto ok = net::write_file(note_of(r.scratch()), json::serialize(note), 0600); !ok)
    return ok.error().text();
  std::string error;
  const auto done =
      r.run(command(r.target(), {"restore", chosen.id, r.data()}, r.scratch()), error);
  if (!done) return error;
  const auto v = document(*done);
  if (!v) return v.error();
  take(*v, "passed", r.said.passed);
  take(*v, "failed", r.said.failed);
  const auto& t = r.target();
  if (r.said.passed.empty() && t.manifest.empty() && t.files.empty() && t.databases.empty())
    return "nothing was verified: the restore command names nothing that passed, and the target "
           "has no manifest, files or databases";
  return {};
}

json::value read_note(const std::string& scratch) {
  std::ifstream in(note_of(scratch), std::ios::binary);
  return parse_output({std::istreambuf_iterator<char>(in), {}});
}

bool leaves(const RestoreTarget& target, const std::string& scratch) {
  return text_in(read_note(scratch), "target") == target.name;
}

std::string clean(const RestoreTarget& target, const std::string& scratch) {
  const auto note = read_note(scratch);
  if (note.is_null()) return {};  // no restore began
  const auto snapshot = text_in(note, "snapshot");
  if (!valid_snapshot(snapshot)) return "what is to be cleaned cannot be read: " + note_of(scratch);
  if (auto wrong = check_signed(target.command.front(), target.signature, target.signed_by);
      !wrong.empty())
    return wrong;
  auto c = command(target, {"clean", snapshot, scratch + "/data"}, scratch);
  c.timeout = clean_limit;
  const auto done = backup::run(c, nullptr);
  if (!done) return done.error().text();
  if (done->good()) return {};
  return target.command.front() + " clean ended with " + std::to_string(done->exit_code) + ": " +
         done->err.substr(0, max_words);
}

const RestoreRegistration registration{{.tool = "command",
                                        .summary = "a program that the site signed",
                                        .choose = &choose,
                                        .fetch = &fetch,
                                        .clean = &clean,
                                        .leaves = &leaves}};

}  // namespace
}  // namespace ww::drills
