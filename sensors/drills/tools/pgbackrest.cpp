/// pgBackRest: `restore` as far as the backup itself is consistent, then the server is started.
#include <boost/json.hpp>

#include "sensors/drills/postgres.hpp"

namespace ww::drills {
namespace {

std::string choose(Restore& r, Chosen& out) {
  std::string error;
  const auto done = r.tool({"info", "--output=json"}, error);
  if (!done) return error;
  const auto v = parse_output(done->out);
  if (!v.is_array()) return "pgbackrest gave no information";
  for (const auto& stanza : v.get_array()) {
    const auto* list = stanza.is_object() ? stanza.get_object().if_contains("backup") : nullptr;
    if (list == nullptr || !list->is_array()) continue;
    for (const auto& b : list->get_array()) {
      const auto label = text_in(b, "label");
      const Timestamp time{static_cast<std::int64_t>(number_in(b, "/timestamp/stop")) * 1'000'000};
      if (label.empty() || time.us == 0) continue;
      if (r.wanted() == "latest" ? out.time < time : r.wanted() == label) {
        out.id = label;
        out.time = time;
        out.octets = number_in(b, "/info/size");
      }
    }
  }
  return out.id.empty() ? "no backup " + r.wanted() + " in the repository" : "";
}

std::string fetch(Restore& r, const Chosen& chosen) {
  std::string error;
  // --type=immediate: as far as the backup itself is consistent, no later log.
  return r.tool({"restore", "--set=" + chosen.id, "--pg1-path=" + r.data(),
                 "--lock-path=" + r.scratch() + "/lock", "--type=immediate",
                 "--target-action=promote", "--archive-mode=off"},
                error)
             ? ""
             : error;
}

void check(Restore& r, const Chosen&, VerifyResult& result) {
  ScratchPostgres server(r, r.data());
  if (const auto wrong = server.start(); !wrong.empty()) {
    result.failed.push_back("opens: " + wrong);
    return;
  }
  result.passed.emplace_back("opens: PostgreSQL");
  server.ask(result, "postgres");
}

const RestoreRegistration registration{{.tool = "pgbackrest",
                                        .summary = "a PostgreSQL cluster, started and asked",
                                        .choose = &choose,
                                        .fetch = &fetch,
                                        .check = &check,
                                        .clean = &stop_left_server,
                                        .leaves = &left_server}};

}  // namespace
}  // namespace ww::drills
