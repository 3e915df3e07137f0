#pragma once
/// What a run may do by itself. Everything else is shown to a person as text.
///
///   manual            always a person's task
///   wardwatch-check   our own checks, which only read
///   http-api          to a host on the list, by the method allowed for it
///   bash, ssh, ...    only a command that stands on an allow-list signed by the site; it is run
///                     without a shell, each variable one whole argument
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "playbooks/playbook.hpp"
#include "playbooks/signature.hpp"
#include "playbooks/variables.hpp"

namespace ww::playbooks {

enum class TaskKind : std::uint8_t {
  manual,  ///< a person does it
  check,   ///< one of our own read-only checks
  http,    ///< a request to an allowed host
  local,   ///< a program on the site's signed allow-list
  shown,   ///< a command we do not run: a person reads it and decides
};
[[nodiscard]] std::string_view name(TaskKind k);

struct HttpHost {
  std::string origin;                       ///< "https://tickets.example:443"
  std::vector<std::string> methods{"GET"};  ///< upper case
};

/// A request to send, made from an http-api command; nothing in it is a reference any more.
struct HttpTask {
  std::string origin, method, target, content;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct LocalTask {
  std::string entry;              ///< id on the allow-list
  std::vector<std::string> argv;  ///< argv[0] is an absolute path
  std::uint32_t timeout_ms = 0;
};

/// The site's list of programs that playbooks may run:
///   {"type":"wardwatch-allow-list","site":"st-elsewhere","entries":[{"id":"ping","command":"ping
///   -c1
///   __host__:value","argv":["/usr/bin/ping","-c1","__host__:value"],"variables":{"__host__":
///   "[a-z0-9.-]{1,80}"},"timeout_ms":5000}],"signatures":[JSS]}
/// `command` is compared with the playbook's command text octet by octet; each variable's value
/// must match its expression wholly.
class AllowList {
 public:
  /// Untrusted text. Refused unless a trusted key signed it.
  [[nodiscard]] static Result<AllowList, std::string> load(std::string_view json,
                                                           const TrustedKeys& keys,
                                                           std::string_view site);
  /// The program for a command, with the values filled in; or why there is none.
  [[nodiscard]] Result<LocalTask, std::string> find(const Command& command,
                                                    const Scope& scope) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string id, command;
    std::vector<std::string> argv;
    std::vector<std::pair<std::string, std::string>> variables;
    std::uint32_t timeout_ms = 60'000;
  };
  std::vector<Entry> entries_;
};

struct Policy {
  std::vector<HttpHost> http_hosts;
  const AllowList* local = nullptr;  ///< borrowed
  std::vector<std::string> checks;   ///< names of our checks
  std::string stop_word = "stop drill";
  bool signature_needed = false;
};

/// A command as the run hands it out.
struct Task {
  std::uint64_t id = 0;
  TaskKind kind = TaskKind::manual;
  std::string playbook, step, step_name;  ///< ids and the step's name
  std::size_t command = 0;                ///< position in the step
  std::string command_type;
  std::string text;   ///< the command with variables put in
  std::string why;    ///< why it is only shown
  std::string agent;  ///< name
  std::vector<std::string> targets, out_args;
  HttpTask http;
  LocalTask local;
  Timestamp since, deadline;  ///< deadline 0: none
  bool begun = false;
};

/// Kind, text and what is needed to do it.
void classify(const Policy& policy, const Playbook& playbook, const Step& step,
              const Command& command, const Scope& scope, Task& out);

}  // namespace ww::playbooks
