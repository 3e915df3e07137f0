#include "sensors/app/command.hpp"

namespace ww::sensor {

std::vector<Command>& commands() {
  static std::vector<Command> table;
  return table;
}

}  // namespace ww::sensor
