#pragma once
/// SIP messages (RFC 3261 section 7).
#include <optional>
#include <string>
#include <vector>

#include "sensors/protocols/sip/sdp.hpp"
#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

namespace ww::sip {

struct Header {
  std::string name;   ///< as sent, compact forms ("v") written out ("Via")
  std::string value;  ///< trimmed; folded lines with their line ends
};

struct Limits {
  std::size_t max_head = 65536;  ///< octets of first line and headers
  std::size_t max_headers = 512;
  std::size_t max_body = 1U << 20;  ///< octets of a body over a stream
};

struct Message {
  bool request = false;
  std::string line;          ///< first line without its end
  std::string method, uri;   ///< request
  std::string code, reason;  ///< response
  std::string version;
  std::vector<Header> headers;
  std::optional<sdp::Description> sdp;
  // Where the parts are, counted from the start of the message.
  std::size_t line_length = 0;     ///< with its end
  std::size_t headers_length = 0;  ///< without the empty line
  std::size_t body_offset = 0, body_length = 0;
};

enum class Errc : std::uint8_t {
  incomplete,  ///< ends before the empty line, or a stream before the end of the body
  invalid      ///< no first line or header of SIP, or a limit was reached
};

/// Reads one message.
///
/// @param octets  untrusted; nothing returned refers to it
/// @param stream  Content-Length says where the body ends; else it is the rest of the datagram
/// Cost: linear in octets.size().
[[nodiscard]] Result<Message, Errc> parse(Bytes octets, bool stream, const Limits& limits = {});

/// The nth value of a header by its full name, case-insensitively; null when there is none.
[[nodiscard]] const std::string* find_header(const Message& m, std::string_view name,
                                             std::size_t n = 0);

}  // namespace ww::sip
