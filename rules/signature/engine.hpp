#pragma once
/// The signature engine: Suricata-language rules to alerts.
///   RuleSet (parse, check) -> Engine (compiled, immutable, shared) -> Matcher (one per worker
///   thread).
/// Sources: Suricata 8 user guide, chapter "Rules".
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/result.hpp"
#include "telemetry/settings.hpp"

namespace ww::sig {

/// State shared by workers (thresholds, xbits, hostbits, datasets): bounded, sharded, survives a
/// reload.
class SharedState;

/// Why a rule was refused or deserves a remark.
struct RuleProblem {
  enum class Severity : std::uint8_t { error, warning, performance } severity = Severity::error;
  std::string file;
  std::uint32_t line = 0, column = 0;
  std::uint32_t sid = 0;
  std::string what;
};

enum class Action : std::uint8_t { alert, pass, drop, reject };

/// Where in a packet's way a rule is looked at, when its header says so (`tcp:pre_flow`).
enum class PacketHook : std::uint8_t { none, all, flow_start, pre_flow, pre_stream };

/// What outputs need to know of a rule. Lives as long as the Engine.
struct RuleInfo {
  Action action{};
  std::uint32_t gid = 1, sid = 0, rev = 0;
  std::string msg;
  /// Shared by all rules (see shared_text). `classification` is the description, EVE's `category`.
  std::string_view classtype, classification, file;
  std::uint32_t priority = 3;
  /// Where in `text` the values of `metadata` and `reference` stand: they are wanted for alerts
  /// only, and twenty thousand rules would hold them otherwise.
  struct Span {
    std::uint32_t offset, length;
  };
  struct Reference {
    Span at;
    std::string_view system;  ///< what a value of its type follows in a link ("https://"); shared
  };
  std::vector<Span> metadata_at;
  std::vector<Reference> reference_at;
  using Metadata = std::vector<std::pair<std::string_view, std::vector<std::string_view>>>;
  [[nodiscard]] Metadata metadata() const;  ///< in rule order, values joined by key
  [[nodiscard]] std::vector<std::pair<std::string, std::string_view>> references()
      const;                                             ///< type (lower case), value
  [[nodiscard]] std::vector<std::string> links() const;  ///< where the references lead
  enum class Target : std::uint8_t { none, src_ip, dest_ip } target = Target::none;
  bool noalert = false;
  std::string text;  ///< the rule as written
  std::uint32_t line = 0;
};

/// One copy of a text that many rules have (file names, classes); lives as long as the process.
[[nodiscard]] std::string_view shared_text(std::string_view text);

/// One alert on one packet.
struct Alert {
  const RuleInfo* rule = nullptr;
  Action action{};            ///< after rule and threshold actions
  Transaction* tx = nullptr;  ///< when a transaction made it match
  std::uint64_t tx_id = UINT64_MAX;
  const Frame* frame = nullptr;
  bool tx_guessed = false;    ///< the only transaction of the flow at the time
  bool stream_match = false;  ///< matched in the reassembled stream
  bool state_match = false;   ///< matched on transaction state
  enum class Reach : std::uint8_t { automatic, packet, flow } reach = Reach::automatic;
  ///< what `drop:packet` and `drop:flow` say; automatic: by the kind of match
  Dir dir{};
  /// EVE `alert.context`: key and its value as JSON text (dataset JSON, pcre `alert:` captures).
  std::vector<std::pair<std::string, std::string>> context;
  std::uint32_t order = 0;  ///< the rule's place in inspection order
};

/// How rules are to be read: variables, side files, limits.
struct EngineOptions {
  std::map<std::string, std::string> address_vars, port_vars;  ///< HOME_NET ...
  std::string classification_file, reference_file, threshold_file;
  std::string base_folder;             ///< relative dataset, iprep and lua paths start here
  std::string cache_folder;            ///< compiled databases; empty = none
  const Settings* settings = nullptr;  ///< Suricata keys (detect.*, datasets.*, ...)
  /// From the engine that these rules replace, so that bits, thresholds and datasets go on; null:
  /// fresh.
  std::shared_ptr<SharedState> shared;
  std::uint64_t max_state_octets = 64ULL << 20;  ///< xbits, hostbits, thresholds, flowvars
};

struct LoadReport {
  std::uint32_t loaded = 0, refused = 0;
  std::uint32_t left_out = 0;  ///< their `requires` asks for another engine
  std::vector<RuleProblem> problems;
};

struct MatchProfile;  // rules/signature/profile.hpp
class RuleSet;        // parsed rules; rules/signature/ruleset.hpp

/// What loading cost and made, for start-up logs and metrics.
struct EngineFigures {
  std::size_t rules = 0, patterns = 0, databases = 0, database_octets = 0;
  std::size_t without_fast_pattern = 0;     ///< rules checked wherever their header fits
  bool from_cache = false;                  ///< databases came from the cache folder
  std::uint32_t refused = 0, left_out = 0;  ///< as the LoadReport says
  Timestamp loaded;
};

/// Compiled rules; immutable, shared by all workers.
class Engine {
 public:
  /// Parses and compiles files. A refused rule is reported and left out, never its neighbours.
  [[nodiscard]] static Result<std::shared_ptr<const Engine>, Problem> load(
      const std::vector<std::string>& files, const EngineOptions& options, LoadReport& report);
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::size_t rule_count() const = 0;
  /// True when some rule needs it, so that the sensor may skip the work otherwise.
  [[nodiscard]] virtual bool wants_md5() const = 0;
  [[nodiscard]] virtual bool wants_sha1() const = 0;
  [[nodiscard]] virtual bool wants_sha256() const = 0;
  [[nodiscard]] virtual bool wants_magic() const = 0;
  [[nodiscard]] virtual bool wants_stream() const = 0;
  [[nodiscard]] virtual bool wants_frames() const = 0;
  /// Some rule is to be looked at before the flow or the stream is (`tcp:pre_flow`).
  [[nodiscard]] virtual bool wants_early(PacketHook hook) const = 0;
  /// Some rule uses a keyword whose name begins like that ("ssh.hassh").
  [[nodiscard]] virtual bool wants_keyword(std::string_view prefix) const = 0;
  [[nodiscard]] virtual std::shared_ptr<SharedState> shared_state() const = 0;
  [[nodiscard]] virtual EngineFigures figures() const = 0;
  /// Rules in inspection order and scanners by number, as MatchProfile counts them.
  [[nodiscard]] virtual const RuleInfo& rule(std::size_t index) const = 0;
  [[nodiscard]] virtual std::vector<std::string> scanner_names() const = 0;
  /// Octets that `rule` waits for before it is looked at; empty: none, it is checked wherever its
  /// header fits.
  [[nodiscard]] virtual std::string_view fast_pattern(std::size_t rule) const = 0;
};

/// One per worker thread. Not thread-safe.
class Matcher {
 public:
  [[nodiscard]] static std::unique_ptr<Matcher> create(std::shared_ptr<const Engine> engine);
  virtual ~Matcher() = default;

  /// Inspects one packet with what it made available. Call once per packet, after flow, stream and
  /// application layer have taken it in, with the new chunks of its flow's stream in this packet's
  /// direction.
  /// @return alerts in Suricata's order (action, priority, then sid), borrowed until the next call;
  /// `pass` applied.
  virtual std::span<const Alert> inspect(Packet& packet, std::span<const StreamChunk> chunks) = 0;
  /// Looks at the packet before its flow (pre_flow) or its stream (pre_stream) takes it in, when
  /// the engine wants that; may set Packet::untracked. Alerts come with those of inspect(), which
  /// must follow for the same packet.
  virtual void inspect_early(Packet& packet, PacketHook hook) = 0;

  /// True when a `tag` is active for this packet's session or host: EVE packet logging.
  [[nodiscard]] virtual bool tagged(const Packet& packet) = 0;
  /// EVE `metadata` of an alert or flow: flowbits, flowints, pktvars, flowvars, traffic labels.
  virtual void write_metadata(const Packet* packet, Flow* flow, JsonWriter& json) = 0;
  /// Counts into `profile` from now on (sized here); null ends it. Borrowed.
  virtual void set_profile(MatchProfile* profile) = 0;
  /// Swaps the rules; flows keep their bits.
  virtual void replace(std::shared_ptr<const Engine> engine) = 0;
};

}  // namespace ww::sig
