#include <cstdio>
#include <cstdlib>

#include "ctl/commands/command.hpp"

namespace ww::ctl {
namespace {

std::map<std::string_view, Command>& all() {
  static std::map<std::string_view, Command> map;
  return map;
}

}  // namespace

const std::map<std::string_view, Command>& commands() { return all(); }

Registration::Registration(const Command& command) {
  if (!all().emplace(command.name, command).second) {
    std::fprintf(stderr, "wardwatchctl: command '%.*s' is registered twice\n",
                 static_cast<int>(command.name.size()), command.name.data());
    std::abort();
  }
}

}  // namespace ww::ctl
