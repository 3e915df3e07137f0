/// Log and flow events that a stranger shapes, into the rows of sign-ins and reads. Lines of the
/// input are events; a line that begins with R is a record as the journal has it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "collector/backup/access.hpp"
#include "tests/fuzz/collector_backup/database.hpp"

using namespace ww;
using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto db = make_backup_database();
  BackupRegister reg;
  BackupHostSpec spec;
  spec.site = "a";
  spec.name = "h";
  spec.names = {"h"};
  spec.addresses = {"10.1.0.5"};
  reg.hosts.emplace(std::pair{spec.site, spec.name}, spec);
  BackupAccess access;
  access.set_hosts(reg);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Timestamp now{1'790'000'000'000'000};
  db->begin();
  for (int n = 0; n < 30 && !rest.empty(); ++n) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    now = now + std::chrono::minutes(20);
    if (line.starts_with('R')) {
      (void)BackupAccess::apply(*db, line.substr(1));
      continue;
    }
    std::vector<ControlRecord> out;
    const DetectEvent e{
        line, "id", "a", "s", line.find("flow") == std::string_view::npos ? "log" : "flow", now};
    access.watch({&e, 1}, "backup", 3, now, out);
    for (const auto& r : out)
      if (!BackupAccess::apply(*db, std::string_view(r.payload).substr(1))) std::abort();
  }
  if (db->failed()) std::abort();  // no event may break the transaction of a commit
  const auto hosts = BackupAccess::look(*db, reg, {}, now);
  BackupAccess::keep(*db, hosts);
  std::string text;
  JsonWriter w(text);
  for (const auto& h : hosts) {
    write_json(w, h);
    for (const auto& f : h.findings)
      if (!BackupAccess::accept(*db, f, now)) std::abort();
  }
  db->rollback();
  return 0;
}
