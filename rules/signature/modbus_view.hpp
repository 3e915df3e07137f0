#pragma once
/// The octets of the buffer `modbus.request`: what the keyword `modbus` looks at and the protocol's
/// parser writes. All numbers big-endian.
///
///   0 function code without the exception bit   1 unit   2 category bits   3 access bits
///   4 1 = there is a subfunction   5-6 subfunction
///   7 1 = there is a range of addresses   8-11 first, 12-15 last (counted from 1)
///   16 how values are written: 0 none, 1 one register, 2 one coil, 3 registers, 4 coils
///   17-20 address of the first value (counted from 1)   21... values as on the wire
#include <cstdint>

namespace ww::sig::modbus {

namespace category {
constexpr std::uint8_t assigned = 1, unassigned = 2, user = 4, reserved = 8;
}
namespace access {
constexpr std::uint8_t read = 1, write = 2, discretes = 4, coils = 8, input = 16, holding = 32,
                       single = 64, multiple = 128, tables = discretes | coils | input | holding;
}
enum class Values : std::uint8_t { none, one_register, one_coil, registers, coils };

}  // namespace ww::sig::modbus
