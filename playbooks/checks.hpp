#pragma once
/// What load.cpp and its parts share: gathering findings, reading members with their types.
#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "playbooks/playbook.hpp"

namespace ww::playbooks {

class Checker {
 public:
  explicit Checker(const LoadLimits& l) : limits(l) {}
  const LoadLimits& limits;

  void add(std::string_view where, std::string what) {
    if (findings_.size() < limits.findings)
      findings_.push_back({std::string(where), std::move(what)});
    else
      ++unsaid_;
  }
  [[nodiscard]] bool good() const { return findings_.empty(); }
  [[nodiscard]] std::vector<Finding> take() {
    if (unsaid_ > 0) findings_.push_back({"", std::to_string(unsaid_) + " more findings"});
    return std::move(findings_);
  }

  /// A member that must be text when it is there.
  std::string text(const boost::json::object& o, std::string_view name, std::string_view at,
                   bool required = false);
  std::vector<std::string> texts(const boost::json::object& o, std::string_view name,
                                 std::string_view at, bool required = false);
  bool flag(const boost::json::object& o, std::string_view name, std::string_view at);
  std::optional<std::int64_t> integer(const boost::json::object& o, std::string_view name,
                                      std::string_view at, std::int64_t least, std::int64_t most);
  const boost::json::object* object(const boost::json::object& o, std::string_view name,
                                    std::string_view at);
  /// RFC 3339, UTC with Z. @param milliseconds  exactly three digits of a second
  std::string time(const boost::json::object& o, std::string_view name, std::string_view at,
                   bool required, bool milliseconds);
  /// Members that the standard does not know there are findings.
  void only(const boost::json::object& o, std::string_view at,
            std::initializer_list<std::string_view> known);

 private:
  std::vector<Finding> findings_;
  std::size_t unsaid_ = 0;
};

/// Reads `workflow`, definitions and variables into the playbook. load_steps.cpp
void read_variables(Checker& c, const boost::json::object* o, const std::string& at,
                    Variables& out);
void read_steps(Checker& c, const boost::json::object& workflow, Playbook& out);
void read_parties(Checker& c, const boost::json::object* o, const std::string& at,
                  std::map<std::string, Party>& out);
/// References, reachability, cycles. graph.cpp
void check_graph(Checker& c, const Playbook& p);
void check_signature_shape(Checker& c, const boost::json::object& document);

}  // namespace ww::playbooks
