#include "telemetry/result.hpp"

namespace ww {

std::string Problem::text() const {
  std::string out;
  if (!where.empty()) out += where + ": ";
  out += what;
  if (!remedy.empty()) out += "; " + remedy;
  return out;
}

}  // namespace ww
