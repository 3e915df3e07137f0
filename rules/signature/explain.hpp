#pragma once
/// Why a rule fired, and why it did not: follows one rule through a Matcher and keeps what a person
/// needs to see.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/engine.hpp"

namespace ww::sig {

struct ExplainOptions {
  std::size_t max_matches = 100;  ///< kept; all are counted
  std::size_t max_octets = 64;    ///< shown of what stood somewhere
};

/// One keyword, or the header, at one place.
struct ExplainStep {
  std::string keyword;  ///< as the rule has it
  bool held = false;
  std::string buffer;  ///< "payload", "stream", "http.uri" ...; empty: not about a buffer
  std::optional<std::uint64_t> offset;  ///< in the buffer
  std::uint64_t length = 0;             ///< octets there
  std::string octets;  ///< the first max_octets: what matched, or what stood where it should have
  std::string note;    ///< for a person: what was there instead
};

/// The rule as a candidate on one packet, transaction or frame.
struct ExplainTry {
  std::uint64_t packet = 0;  ///< 0: no packet of the wire, the end of its flow
  std::int64_t time_us = 0;
  std::string source, destination;  ///< address and port
  std::string protocol;             ///< "TCP", "UDP", ...
  std::uint64_t flow = 0;           ///< 0: none
  std::optional<std::uint64_t> transaction;
  std::string frame;  ///< type, or empty
  std::vector<ExplainStep> steps;
  bool held = false;
  bool waits = false;  ///< ended while something could still come
  std::string fate;    ///< of a match: "alert", "threshold" ...
  std::string by;      ///< the pass rule that took it
};

struct ExplainReport {
  std::uint32_t gid = 1, sid = 0, rev = 0;
  std::string msg, text;
  std::string fast_pattern, fast_buffer;   ///< octets; where they are looked for
  std::uint64_t packets = 0, skipped = 0;  ///< inspected; in flows passed or bypassed before
  std::uint64_t header_held = 0;           ///< packets that the header fits
  std::uint64_t scans = 0, scanned_octets = 0, found = 0;  ///< of the fast pattern
  std::uint64_t checks = 0, matches = 0, alerts = 0;
  std::vector<ExplainTry> matched;
  std::optional<ExplainTry> closest;  ///< of those that failed, the one that came furthest
  std::string reason;                 ///< one line when there was no alert
};

class Trace;

class Explainer {
 public:
  /// Fails when no rule of the engine has that id.
  [[nodiscard]] static Result<std::unique_ptr<Explainer>, Problem> create(
      std::shared_ptr<const Engine> engine, std::uint32_t gid, std::uint32_t sid,
      const ExplainOptions& options = {});
  virtual ~Explainer() = default;
  /// For set_trace.
  [[nodiscard]] virtual Trace& trace() = 0;
  /// After the last packet.
  [[nodiscard]] virtual ExplainReport finish() = 0;
};

/// `GET |0d 0a|`: printable octets as they are, the rest in hex.
[[nodiscard]] std::string visible_octets(std::string_view octets);

}  // namespace ww::sig
