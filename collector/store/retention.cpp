#include "collector/store/retention.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace ww::collector {

void Retention::start(Timestamp now, std::optional<std::int64_t> newest_day) {
  last_ = now;
  if (!newest_day) return;
  const Timestamp end_of_newest{(*newest_day + 1) * 86'400'000'000};
  if (now - end_of_newest > away) trial_left_ = trial;
}

std::optional<Problem> Retention::observe(Timestamp now) {
  const auto step = last_ ? now - *last_ : std::chrono::microseconds(0);
  last_ = now;
  if (step > leap || step < -back) {
    ++jumps_;
    trial_left_ = trial;
    return Problem{
        "the clock jumped by " +
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(step).count()) +
            " s to " + rfc3339(now),
        "system clock", "check time synchronisation; nothing is dropped for its age for 24 hours"};
  }
  if (step.count() > 0 && trial_left_.count() > 0) trial_left_ -= step;
  return {};
}

std::vector<FileKey> Retention::choose(std::vector<FileSummary> files, const StoreOptions& options,
                                       Timestamp now, std::uint64_t free_octets) const {
  const auto today = now.seconds() / 86400;
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.key.day < b.key.day; });
  std::vector<FileKey> out;
  std::set<FileKey> dropped;
  std::uint64_t total = 0;
  std::map<std::string, std::uint64_t> by_class;
  for (const auto& f : files) {
    total += f.octets;
    by_class[f.key.event_class] += f.octets;
  }
  const auto drop = [&](const FileSummary& f) {
    if (!dropped.insert(f.key).second) return;
    out.push_back(f.key);
    total -= f.octets;
    by_class[f.key.event_class] -= f.octets;
    free_octets = free_octets > UINT64_MAX - f.octets ? UINT64_MAX : free_octets + f.octets;
  };
  const auto may_go = [&](const FileSummary& f) {
    return f.key.day < today && !dropped.contains(f.key);
  };
  for (const auto& c : options.classes) {
    for (const auto& f : files) {
      if (f.key.event_class != c.name || !may_go(f)) continue;
      const Timestamp end{(f.key.day + 1) * 86'400'000'000};
      const bool old = age_is_trusted() && now - end > c.max_age;
      const bool big = c.max_octets > 0 && by_class[c.name] > c.max_octets;
      if (old || big) drop(f);
    }
  }
  const auto too_much = [&] {
    return (options.max_octets > 0 && total > options.max_octets) ||
           free_octets < options.min_free_octets;
  };
  // The last class sheds first, but every class keeps its last week before any loses that.
  for (const std::int64_t keep_days : {std::int64_t{7}, std::int64_t{0}})
    for (auto c = options.classes.rbegin(); c != options.classes.rend(); ++c)
      for (const auto& f : files) {
        if (!too_much()) return out;
        if (f.key.event_class == c->name && may_go(f) && f.key.day < today - keep_days) drop(f);
      }
  return out;
}

std::vector<StoreBound> Retention::bounds(const std::vector<FileSummary>& kept,
                                          const StoreOptions& options) {
  std::uint64_t total = 0;
  std::map<std::string, std::uint64_t> by_class;
  for (const auto& f : kept) {
    total += f.octets;
    by_class[f.key.event_class] += f.octets;
  }
  std::vector<StoreBound> out;
  if (options.max_octets > 0) out.push_back({"max_size", options.max_octets, total});
  for (const auto& c : options.classes)
    if (c.max_octets > 0)
      out.push_back({"class_max_size." + c.name, c.max_octets, by_class[c.name]});
  return out;
}

}  // namespace ww::collector
