#pragma once
/// DNS message parser: RFC 1035 section 4, with the records of RFC 2782 (SRV), 3596 (AAAA), 4255
/// (SSHFP) and 6891 (OPT). Lenient where servers are: a compression pointer may point anywhere,
/// names may hold any octet.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

namespace ww::dns {

/// Why a message was refused.
enum class Errc : std::uint8_t {
  truncated,  ///< input ended inside a field
  bad_name    ///< a label type that is neither a label nor a pointer (4.1.4)
};
struct Error {
  Errc code;
  std::size_t offset;  ///< octets from the start of the message
};

/// What a name showed that a name should not; a set.
namespace name_flag {
constexpr std::uint8_t truncated = 1, infinite_loop = 2, label_limit = 4;
}

/// Limits against hostile names. max_octets is what is kept; a longer name is cut and flagged.
struct Limits {
  std::uint16_t max_name_octets = 1025;
  std::uint16_t max_pointers = 255;
  std::uint16_t max_labels = 255;
  std::uint32_t max_name_work = 1U << 16;  ///< octets copied for all names of one message
};

struct Name {
  std::string text;  ///< labels joined by dots, case kept, no trailing dot; any octet may occur
  std::uint8_t flags = 0;
};

struct Question {
  Name name;
  std::uint16_t type = 0, klass = 0;
};

struct Soa {
  Name mname, rname;
  std::uint32_t serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0;
};
struct Srv {
  std::uint16_t priority = 0, weight = 0, port = 0;
  Name target;
};
struct Sshfp {
  std::uint8_t algorithm = 0, type = 0;
  std::string fingerprint;  ///< octets
};
struct Option {
  std::uint16_t code = 0;
  std::string data;
};

/// A resource record. Which member holds the data follows from `type`; `known` is false when it
/// could not be read.
struct Record {
  Name name;
  std::uint16_t type = 0, klass = 0;
  std::uint32_t ttl = 0;
  bool known = false;
  Name target;                     ///< CNAME, NS, PTR, MX
  std::string octets;              ///< A, AAAA (address), NULL and others (rdata)
  std::vector<std::string> texts;  ///< TXT character strings
  std::vector<Option> options;     ///< OPT
  Soa soa;
  Srv srv;
  Sshfp sshfp;
};

struct Message {
  std::uint16_t id = 0, flags = 0;
  std::vector<Question> questions;
  std::vector<Record> answers, authorities, additionals;
  bool bad_authorities = false,
       bad_additionals = false;  ///< section cut short; what came before is kept
  [[nodiscard]] bool response() const { return (flags & 0x8000) != 0; }
  [[nodiscard]] std::uint8_t opcode() const {
    return static_cast<std::uint8_t>((flags >> 11) & 0xf);
  }
  [[nodiscard]] std::uint8_t rcode() const { return static_cast<std::uint8_t>(flags & 0xf); }
};

/// Parses one whole message, without the two-octet length that TCP puts before it.
///
/// @param octets  untrusted; borrowed for the call
/// Cost: linear in octets.size(); names together at most limits.max_name_work octets.  Threads:
/// any.
[[nodiscard]] Result<Message, Error> parse_message(Bytes octets, const Limits& limits = {});

/// Could this be the start of a DNS message? Header plausible, first name and class readable.
/// @param whole  octets is a whole message (UDP), so it must also end where its sections end
/// Can the counts of the header be true for that many octets? What fails is no DNS at all.
[[nodiscard]] bool counts_fit(Bytes octets);
[[nodiscard]] bool looks_like_dns(Bytes octets, bool whole);

/// "A", "AAAA", ... or the number.
[[nodiscard]] std::string type_text(std::uint16_t type);
/// 0 when unknown.
[[nodiscard]] std::uint16_t type_number(std::string_view name);
/// "NOERROR", "NXDOMAIN", ... or the number.
[[nodiscard]] std::string rcode_text(std::uint8_t rcode);

}  // namespace ww::dns
