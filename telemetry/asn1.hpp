#pragma once
/// Bounded reading of BER and DER (X.690): what LDAP, Kerberos, SNMP and certificates are made of.
/// Definite lengths only, which is all those protocols allow. Nothing here throws; elements borrow
/// the input.
#include <cstdint>
#include <optional>
#include <string>

#include "telemetry/bytes.hpp"

namespace ww::asn1 {

enum class Class : std::uint8_t { universal = 0, application = 1, context = 2, personal = 3 };

/// Universal tag numbers (X.680 8.4).
namespace tag {
constexpr std::uint32_t boolean = 1, integer = 2, bit_string = 3, octet_string = 4, null = 5,
                        oid = 6, enumerated = 10, sequence = 16, set = 17;
}

struct Element {
  Class cls = Class::universal;
  bool constructed = false;
  std::uint32_t number = 0;  ///< tag number
  Bytes content;
  [[nodiscard]] bool is(std::uint32_t universal) const {
    return cls == Class::universal && number == universal;
  }
  [[nodiscard]] bool context(std::uint32_t n) const { return cls == Class::context && number == n; }
};

/// Identifier and length octets without the content.
struct Header {
  Class cls = Class::universal;
  bool constructed = false;
  std::uint32_t number = 0;
  std::size_t header_octets = 0;
  std::uint64_t length = 0;  ///< of the content; may be more than there is
  [[nodiscard]] std::uint64_t whole() const { return header_octets + length; }
};

enum class Status : std::uint8_t {
  ok,
  truncated,  ///< the input ends inside identifier or length octets
  malformed   ///< indefinite or absurd length, tag number above 2^28
};

/// Reads identifier and length octets at the start of `in`.
[[nodiscard]] Status read_header(Bytes in, Header& out);

/// Elements one after the other. The first violation is latched: later reads give nothing and ok()
/// is false, so a whole structure is read first and ok() tested once.
class Reader {
 public:
  explicit Reader(Bytes octets) : in_(octets) {}
  explicit Reader(const Element& e) : in_(e.content) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool empty() const { return in_.empty() || !ok_; }
  [[nodiscard]] Bytes rest() const { return in_; }
  void fail() { ok_ = false; }

  /// The next element of any kind.
  Element next();
  /// The next element, which must be this universal one.
  Element expect(std::uint32_t universal);
  /// The next element when it is context [n]; nothing is taken otherwise.
  std::optional<Element> optional_context(std::uint32_t n);
  /// The element inside the explicit context tag [n], which must come next.
  Element expect_explicit(std::uint32_t n);
  /// Same, when it is there.
  std::optional<Element> optional_explicit(std::uint32_t n);

  std::int64_t integer();     ///< INTEGER of up to eight octets
  std::int64_t enumerated();  ///< ENUMERATED
  bool boolean();             ///< BOOLEAN
  std::string_view octets();  ///< primitive OCTET STRING

 private:
  Bytes in_;
  bool ok_ = true;
};

/// Content of an INTEGER or ENUMERATED; nothing when empty or longer than eight octets.
[[nodiscard]] std::optional<std::int64_t> integer_value(Bytes content);
/// Content of an OBJECT IDENTIFIER in dotted form; empty when malformed or of more than 128 arcs.
[[nodiscard]] std::string oid_text(Bytes content);

}  // namespace ww::asn1
