/// Weak stand-ins for a build without the signature engine: rules are refused with a clear message.
/// The engine's own definitions replace these at link time.
#include "rules/signature/engine.hpp"

namespace ww::sig {

__attribute__((weak)) Result<std::shared_ptr<const Engine>, Problem> Engine::load(
    const std::vector<std::string>& files, const EngineOptions&, LoadReport& report) {
  RuleProblem p;
  p.what = "this build has no signature engine";
  p.file = files.empty() ? "" : files.front();
  report.problems.push_back(p);
  return std::shared_ptr<const Engine>();
}

__attribute__((weak)) std::unique_ptr<Matcher> Matcher::create(std::shared_ptr<const Engine>) {
  return nullptr;
}

}  // namespace ww::sig
