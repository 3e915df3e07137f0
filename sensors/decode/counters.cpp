#include "sensors/decode/counters.hpp"

namespace ww::decode {
namespace {
constexpr std::array<std::string_view, counter_count> names = {
#define WW_X(id, name) name,
    WW_DECODE_COUNTERS(WW_X)
#undef WW_X
};
}  // namespace

std::string_view counter_name(Counter c) { return names[static_cast<std::size_t>(c)]; }

}  // namespace ww::decode
