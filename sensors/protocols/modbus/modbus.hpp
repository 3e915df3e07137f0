#pragma once
/// Modbus/TCP messages: Modbus Application Protocol V1.1b3 and the MBAP header. Pure functions.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "telemetry/bytes.hpp"

namespace ww::modbus {

constexpr std::size_t header_octets = 6;  ///< up to the length, which counts unit and function
constexpr std::uint16_t min_length = 2, max_length = 254;

namespace function {
constexpr std::uint8_t read_coils = 1, read_discretes = 2, read_holding = 3, read_input = 4,
                       write_coil = 5, write_register = 6, exception_status = 7, diagnostic = 8,
                       event_counter = 11, event_log = 12, write_coils = 15, write_registers = 16,
                       server_id = 17, read_file = 20, write_file = 21, mask_write = 22,
                       read_write_registers = 23, read_fifo = 24, mei = 43;
}
/// Bits of Message::errors, in the order events name them.
namespace error {
constexpr std::uint8_t data_value = 1, data_length = 2, exception_code = 4, function_code = 8,
                       protocol_id = 16;
}

enum class Kind : std::uint8_t {
  empty,
  exception,
  diagnostic,
  mei,
  read_request,
  read_response,
  write_multiple,  ///< request
  write_mask,
  write_other,  ///< single writes, and responses to multiple ones
  read_write,   ///< request
  octets
};

struct Message {
  std::uint16_t transaction = 0, protocol = 0, length = 0;
  std::uint8_t unit = 0;
  std::uint8_t raw_function = 0;  ///< with the exception bit
  std::uint8_t function = 0;      ///< without
  std::uint8_t access = 0;        ///< rules/signature/modbus_view.hpp
  std::uint8_t category = 0;      ///< the same
  std::uint8_t errors = 0;
  Kind kind = Kind::empty;
  std::uint16_t code = 0;                               ///< exception, subfunction or MEI type
  std::uint16_t address = 0, quantity = 0;              ///< of a read
  std::uint16_t write_address = 0, write_quantity = 0;  ///< or the value of a single write
  std::uint16_t and_mask = 0, or_mask = 0;
  std::string data;
  [[nodiscard]] bool is_exception() const { return (raw_function & 0x80) != 0; }
};

/// @param octets  a whole message: header_octets and what its length says; just the header is read
///                when that length cannot be
[[nodiscard]] Message parse_message(Bytes octets, bool request);
/// Is this the answer to that? Marks what does not fit in response.errors.
[[nodiscard]] bool answers(const Message& request, Message& response);

// Texts of events.
[[nodiscard]] std::string_view function_name(std::uint8_t function);
[[nodiscard]] std::string_view exception_name(std::uint16_t code);
[[nodiscard]] std::string_view diagnostic_name(std::uint16_t code);
[[nodiscard]] std::string_view mei_name(std::uint16_t code);
[[nodiscard]] std::string access_text(std::uint8_t bits);
[[nodiscard]] std::string category_text(std::uint8_t bits);
[[nodiscard]] std::string error_text(std::uint8_t bits);

}  // namespace ww::modbus
