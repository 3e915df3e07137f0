#pragma once
/// Writes JSON text straight into a growing buffer: the hot path of event output. No tree, no
/// allocation once the buffer has grown. Text that is not valid UTF-8 is written with each bad
/// octet as U+FFFD unless the caller asks for latin1 (`text_bytes`), so the result is always valid
/// JSON.
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "telemetry/bytes.hpp"

namespace ww {

class JsonWriter {
 public:
  /// @param out  borrowed; appended to, never cleared
  explicit JsonWriter(std::string& out) : out_(out) {}

  void begin_object() {
    separate();
    out_ += '{';
    first_ = true;
  }
  void end_object() {
    out_ += '}';
    first_ = false;
  }
  void begin_array() {
    separate();
    out_ += '[';
    first_ = true;
  }
  void end_array() {
    out_ += ']';
    first_ = false;
  }
  /// Writes a key; a value, object or array must follow. Keys are ours and need no escapes.
  void key(std::string_view k);
  /// A key that came from outside: escaped.
  void key_text(std::string_view k);

  void value(std::string_view v);
  void value(const char* v) { value(std::string_view(v)); }
  void value(const std::string& v) { value(std::string_view(v)); }
  void value(bool v) {
    separate();
    out_ += v ? "true" : "false";
  }
  void value(double v);
  template <class I>
    requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
  void value(I v) {
    if constexpr (std::is_signed_v<I>)
      integer(static_cast<std::int64_t>(v));
    else
      unsigned_integer(static_cast<std::uint64_t>(v));
  }
  void null() {
    separate();
    out_ += "null";
  }
  /// Already valid JSON, written as it is.
  void raw(std::string_view json) {
    separate();
    out_ += json;
  }
  /// Untrusted octets as text; invalid UTF-8 octets become \xNN text as Suricata writes them.
  void value_bytes(Bytes octets);
  /// Lower-case hex.
  void value_hex(Bytes octets, char separator = 0);
  void value_base64(Bytes octets);

  template <class V>
  void field(std::string_view k, const V& v) {
    key(k);
    value(v);
  }
  void field_bytes(std::string_view k, Bytes octets) {
    key(k);
    value_bytes(octets);
  }
  void begin_object(std::string_view k) {
    key(k);
    begin_object();
  }
  void begin_array(std::string_view k) {
    key(k);
    begin_array();
  }
  [[nodiscard]] std::string& buffer() { return out_; }

 private:
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  template <class I>
  void number(I v);
  void integer(std::int64_t v);
  void unsigned_integer(std::uint64_t v);

  std::string& out_;
  bool first_ = true;  // the next value or key needs no comma
};

/// Appends `text` with JSON escapes, without quotes. Invalid UTF-8 octets become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);
/// Standard base64 with padding (RFC 4648 section 4).
void append_base64(std::string& out, Bytes octets);
/// Lower-case hex, with an optional separator between octets.
void append_hex(std::string& out, Bytes octets, char separator = 0);

}  // namespace ww
