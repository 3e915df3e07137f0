#pragma once
/// New alerts to a web address: POST {"alerts":[...]} with contracts.md's alert objects, at most
/// one request a second. A receiver that is away is tried again with growing pauses; what waits is
/// bounded, the oldest go first and are counted.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "collector/alerts/alerts.hpp"

namespace ww::collector {

struct WebhookOptions {
  std::string url, ca_file, token_file;
  Level min_level = Level::high;
  std::size_t max_waiting = 1000;
  /// This receiver takes rehearsals only (marked `"drill":true`), of any level: what measures the
  /// way to a person without calling one. Others never get them.
  bool drills = false;
  /// Called for each alert of a rehearsal that the receiver accepted; from the webhook's thread.
  std::function<void(const std::string& alert)> on_rehearsed = {};
};

class Webhook {
 public:
  /// @param alerts  borrowed; outlives the webhook
  [[nodiscard]] static Result<std::unique_ptr<Webhook>, Problem> start(
      const WebhookOptions& options, AlertBook& alerts);
  virtual ~Webhook() = default;
  struct Stats {
    std::uint64_t sent = 0, failed = 0, dropped = 0;
  };
  [[nodiscard]] virtual Stats stats() const = 0;
};

}  // namespace ww::collector
