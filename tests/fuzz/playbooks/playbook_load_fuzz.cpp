/// Playbooks from anywhere: loading, and running what loads with every task failing or done.
#include <algorithm>
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "playbooks/run.hpp"

namespace {
struct NoLibrary final : ww::playbooks::Library {
  ww::playbooks::PlaybookPtr one;
  [[nodiscard]] ww::playbooks::PlaybookPtr find(std::string_view, std::string_view) const override {
    return one;
  }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::playbooks;  // NOLINT
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  NoLibrary library;
  const Policy policy;
  RunLimits limits;
  limits.steps = 300;
  limits.rounds = 10;
  limits.branches = 64;
  if (auto old = Run::restore(policy, library, text, limits)) (*old)->advance({1});
  const auto p = load(text);
  if (!p) return 0;
  (void)reading_order(**p);
  const TrustedKeys keys;
  (void)verify_signatures((*p)->document, keys, {1});
  library.one = *p;
  auto run = Run::start(policy, library, *p, {}, {1'790'000'000'000'000}, limits);
  if (!run) return 0;
  ww::Timestamp now{1'790'000'000'000'000};
  for (int i = 0; i < 200 && !ended((*run)->state()); ++i) {
    const auto tasks = (*run)->tasks();
    if (tasks.empty()) {
      const auto next = (*run)->next_deadline();
      if (!next) break;
      now = std::max(now, *next);
      (*run)->advance(now);
      continue;
    }
    Outcome o;
    if ((size + static_cast<std::size_t>(i)) % 3 == 0) o.outcome = StepOutcome::failed;
    (void)(*run)->complete(tasks.front().id, o, now);
    auto again = Run::restore(policy, library, (*run)->save(), limits);
    if (!again) __builtin_trap();
    run = std::move(again);
  }
  return 0;
}
