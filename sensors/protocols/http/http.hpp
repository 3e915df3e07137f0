#pragma once
/// What HTTP/1 and HTTP/2 have in common once parsed: a transaction of a request and a response,
/// their header fields and bodies. Rules and events read these through getters that do not care
/// which version it was.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "sensors/files/window.hpp"

namespace ww::sensor::http {

using sig::Dir;

/// How far one direction of a transaction has come; Suricata's numbers, which rule hooks name.
enum Progress : std::uint8_t {
  not_started = 0,
  in_line = 1,
  in_headers = 2,
  in_body = 3,
  in_trailer = 4,
  complete = 5
};

/// Header fields in order of first appearance, in one allocation. Field lookup ignores case.
class Headers {
 public:
  struct Field {
    std::string_view name, value;
  };
  void add(std::string_view name, std::string_view value);
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] Field at(std::size_t index) const;
  /// Value of the first field of that name; NULs inside a name on the wire do not hide it.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  void clear();

 private:
  struct Item {
    std::uint32_t name, name_length, value, value_length;
  };
  std::string arena_;
  std::vector<Item> items_;
};

/// One direction of a transaction.
struct Message {
  std::string line;         ///< request or status line as sent, without its end
  std::string protocol;     ///< "HTTP/1.1"
  Headers headers;          ///< repeated fields joined by ", "
  std::string raw_headers;  ///< the header block as sent, its empty line and any trailer included
  bool line_done = false, headers_done = false;
  Window body;  ///< decoded body, what is held, unless `body_file` holds the same octets
  const sig::File* body_file = nullptr;  ///< file that is this body from its first octet on
  [[nodiscard]] Bytes body_data() const { return body_file ? body_file->data : body.data(); }
  [[nodiscard]] std::uint64_t body_offset() const {
    return body_file ? body_file->data_offset : body.offset();
  }
  std::uint64_t body_octets =
      0;  ///< decoded octets taken into inspection (bounded by the body limit)
  std::uint64_t decoded_octets = 0;  ///< decoded octets seen
  std::uint64_t wire_octets = 0;     ///< body as sent, chunk framing included: EVE `length`
  std::uint64_t stray_octets = 0;    ///< lines before the status line that no body was made of
  bool body_cut = false;             ///< the body limit was reached
  sig::File* file = nullptr;         ///< file being filled
  bool file_refused = false;

  // Built from the above when a rule first asks; `derived_from` says for how many header fields
  // they hold.
  mutable std::string header_text, header_names, start_text, one_field;
  mutable std::size_t header_text_from = SIZE_MAX, header_names_from = SIZE_MAX,
                      start_text_from = SIZE_MAX;
};

/// The request that an HTTP/1 connection was upgraded to HTTP/2 with: it becomes stream 1 there
/// (RFC 7540 section 3.2). Handed over as the note of the protocol change.
struct Upgrade {
  std::string method, uri;
  std::string settings;  ///< HTTP2-Settings, base64url
  Headers headers;
};

/// HTTP/2 members of a transaction, see sensors/protocols/http2.
struct Http2Extra {
  virtual ~Http2Extra() = default;
};

/// A request and its response.
struct HttpTransaction : sig::Transaction {
  Message message[2];  ///< by Dir
  [[nodiscard]] Message& of(Dir d) { return message[sig::index(d)]; }
  [[nodiscard]] const Message& of(Dir d) const { return message[sig::index(d)]; }
  Message& request() { return message[0]; }
  Message& response() { return message[1]; }
  [[nodiscard]] const Message& request() const { return message[0]; }
  [[nodiscard]] const Message& response() const { return message[1]; }

  std::string method;
  std::string uri_raw;   ///< request target as sent
  std::string uri;       ///< normalised: path, query and fragment decoded
  std::string path;      ///< normalised path: names the file when nothing better does
  std::string host;      ///< from the target or the Host field, without port, lower case
  std::string host_raw;  ///< as sent
  std::optional<std::uint16_t> port;  ///< named by target or Host field
  std::string status;                 ///< as sent ("200")
  std::string status_message;
  int status_code = 0;  ///< 0: absent or not a number
  bool has_uri = false, has_host = false, has_host_raw = false, has_status = false;
  bool version_0_9 = false;
  bool continue_seen = false;
  std::unique_ptr<Http2Extra> http2;
  std::uint64_t min_inspect[2] = {0, 0};  ///< octets of body worth waiting for before inspecting it
};

/// Case-insensitive comparison of ASCII.
[[nodiscard]] bool same_text(std::string_view a, std::string_view b);
/// Whether `text` has `part` somewhere, ignoring case.
[[nodiscard]] bool contains_text(std::string_view text, std::string_view part);
[[nodiscard]] std::string lower_text(std::string_view text);
[[nodiscard]] inline std::string_view trim_blank(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

}  // namespace ww::sensor::http
