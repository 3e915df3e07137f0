/// A Btrfs snapshot: read file by file and copied off the file system that holds it.
#include <filesystem>
#include <sstream>

#include "sensors/drills/tool.hpp"
#include "sensors/drills/tree.hpp"

namespace ww::drills {
namespace {

/// `btrfs subvolume list -s -u PATH`; the path stands last and is relative to the top of the file
/// system.
std::string choose(Restore& r, Chosen& out) {
  std::string error;
  const auto at = r.target().probe.text("path");
  const auto done = r.tool({"subvolume", "list", "-s", "-u", at}, error);
  if (!done) return error;
  std::istringstream lines(done->out);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Chosen c;
    std::string uuid, id;
    for (std::string word; words >> word;) {
      if (word == "ID") words >> id;
      if (word == "uuid") words >> uuid;
      if (word == "otime") {
        std::string day, time;
        words >> day >> time;
        c.time = parse_time(day.append("T").append(time)).value_or(Timestamp{});
      }
      if (word != "path") continue;
      std::getline(words >> std::ws, c.from);
      break;
    }
    c.id = uuid.empty() ? id : uuid;
    if (c.id.empty() || c.time.us == 0 || c.from.empty()) continue;
    if (r.wanted() == "latest" ? out.time <= c.time : r.wanted() == c.id) out = std::move(c);
  }
  if (out.id.empty()) return "no snapshot " + r.wanted() + " below " + at;
  out.from = (std::filesystem::path(at) / out.from).lexically_normal().string();
  std::error_code ec;
  if (!std::filesystem::is_directory(out.from, ec))
    return "the snapshot is not at " + out.from +
           ": let the probe's path be the mounted top of the file system";
  return {};
}

std::string fetch(Restore& r, const Chosen& chosen) {
  const auto copied =
      copy_tree(chosen.from, r.data(), [&] { return !r.stopped() && r.left().count() > 0; });
  return copied.error;
}

const RestoreRegistration registration{{.tool = "btrfs",
                                        .summary = "a snapshot, copied off its file system",
                                        .choose = &choose,
                                        .fetch = &fetch}};

}  // namespace
}  // namespace ww::drills
