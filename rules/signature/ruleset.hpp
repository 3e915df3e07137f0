#pragma once
/// Rule text to checked rules: files, header, options. A refused rule is reported and left out,
/// never its neighbours.
#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/engine.hpp"
#include "rules/signature/keyword.hpp"
#include "rules/signature/sets.hpp"

namespace ww::sig {

class SharedState;

/// Sets that rules refer to by index; equal texts share one. Index 0 is "any".
class SetTable {
 public:
  SetTable();
  [[nodiscard]] Result<std::uint32_t, std::string> addresses(std::string_view text,
                                                             const Variables& vars);
  [[nodiscard]] Result<std::uint32_t, std::string> ports(std::string_view text,
                                                         const Variables& vars);
  [[nodiscard]] const AddressSet& address_set(std::uint32_t i) const { return addresses_[i]; }
  [[nodiscard]] const PortSet& port_set(std::uint32_t i) const { return ports_[i]; }

 private:
  std::vector<AddressSet> addresses_;
  std::vector<PortSet> ports_;
  std::map<std::string, std::uint32_t, std::less<>> address_index_, port_index_;
};

struct Classification {
  std::string description;
  std::uint32_t priority = 3;
};
using Classifications = std::map<std::string, Classification, std::less<>>;
/// By the type of a `reference`: what its values follow in a link.
using ReferenceSystems = std::map<std::string, std::string, std::less<>>;

class RuleSet {
 public:
  static constexpr std::size_t max_rules = 1'000'000, max_rule_octets = 64 * 1024;

  RuleSet(const EngineOptions& options, std::shared_ptr<SharedState> shared);
  ~RuleSet();
  /// Reads a file, or every *.rules file of a folder.
  void load(const std::string& path, LoadReport& report);
  void load_text(std::string_view text, const std::string& file, LoadReport& report);
  /// threshold.config, applied to the rules loaded so far.
  void load_thresholds(const std::string& path, LoadReport& report);
  /// Sorts into inspection order and numbers the rules.
  void finish(LoadReport& report);

  std::vector<std::unique_ptr<Rule>> rules;
  SetTable sets;

 private:
  /// Rules out of text that comes in pieces: lines, continued ones joined.
  class Lines {
   public:
    Lines(RuleSet& set, const std::string& file, LoadReport& report)
        : set_(set), file_(file), report_(report) {}
    void feed(std::string_view text);
    void finish();

   private:
    void keep(std::string_view text);
    void line(std::string_view line);
    void rule(std::string_view text, std::uint32_t line);
    RuleSet& set_;
    const std::string& file_;
    LoadReport& report_;
    std::string pending_, joined_;
    std::uint32_t number_ = 0, first_ = 0;
    bool joining_ = false;
  };
  static constexpr std::size_t read_octets = 256 * 1024;

  void load_classifications(LoadReport& report);
  void load_references(LoadReport& report);
  [[nodiscard]] std::array<int, 4> action_ranks(LoadReport& report) const;
  bool parse_rule(std::string_view text, const std::string& file, std::uint32_t line,
                  LoadReport& report);
  EngineOptions options_;
  std::shared_ptr<SharedState> shared_;
  Classifications classes_;
  ReferenceSystems references_;
  std::map<std::uint64_t, std::size_t> by_id_;  ///< gid << 32 | sid -> rule
};

/// Default variables as Suricata ships them, under those given.
[[nodiscard]] Variables default_address_variables();
[[nodiscard]] Variables default_port_variables();

/// Last checks of a rule: relative operands, directions, type, fast pattern. `why` says what is
/// wrong.
[[nodiscard]] Status finish_rule(RuleBuilder& b);

}  // namespace ww::sig
