#pragma once
/// Internet messages (RFC 5322) with MIME bodies (RFC 2045-2047, 2183, 2231), fed line by line.
/// Keeps the headers of the outer message, names of attachments and URLs; hands decoded attachments
/// to a sink. Every collection has a cap; a line is never kept whole beyond what its decoding
/// needs.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::mime {

/// What a message showed that it should not; a set.
namespace anomaly {
constexpr std::uint16_t malformed = 1, invalid_base64 = 2, invalid_qp = 4, long_line = 8,
                        long_encoded_line = 16, long_header_name = 32, long_header_value = 64,
                        long_boundary = 128, long_filename = 256,
                        gave_up = 512;  ///< there is more of something than is kept
}

struct Options {
  bool decode = true;  ///< false: headers only
  bool decode_base64 = true, decode_quoted_printable = true;
  bool extract_urls = true;
  bool keep_url_scheme = false;
  std::vector<std::string> url_schemes{"http"};
  std::size_t header_value_depth = 2000;
};

/// Hard caps against hostile messages.
struct Limits {
  static constexpr std::size_t usual_header_name = 75, header_name = 998, headers = 512, depth = 32,
                               boundary = 254, filename = 255, attachments = 256, urls = 512,
                               url = 2048, line = 4096;
};

struct Header {
  std::string name, value;  ///< value unfolded: line breaks and the blanks after them are gone
};

/// Receives attachments. Calls come as open, data..., close; never nested.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void file_open(std::string_view name) = 0;
  virtual void file_data(Bytes data) = 0;
  virtual void file_close() = 0;
  /// Octets of the outer message's body, as they came.
  virtual void body(Bytes data) = 0;
};

/// One message. Not thread-safe.
class Message {
 public:
  Message(const Options& options, Sink& sink) : options_(options), sink_(sink) {}

  /// A line or a piece of one, without its line end.
  /// @param eol  the line end that followed ("\r\n", "\n"), empty when the line goes on in the next
  /// call
  void line(Bytes octets, std::string_view eol);
  /// The message is over.
  void finish();

  [[nodiscard]] const std::vector<Header>& headers() const { return headers_; }
  /// First header of that lower-case name; null when there is none.
  [[nodiscard]] const Header* header(std::string_view lower_name) const;
  [[nodiscard]] bool headers_done() const { return main_done_; }
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] const std::vector<std::string>& attachments() const { return attachments_; }
  [[nodiscard]] const std::vector<std::string>& urls() const { return urls_; }
  [[nodiscard]] std::uint16_t anomalies() const { return anomalies_; }

 private:
  enum class State : std::uint8_t { headers, body, preamble };
  enum class Encoding : std::uint8_t { plain, base64, quoted_printable };

  void header_line(Bytes octets);
  void end_headers();
  void begin_part();
  void end_part();
  [[nodiscard]] bool boundary(Bytes octets);
  void body_line(Bytes octets, std::string_view eol);
  void base64(Bytes octets);
  void quoted_printable(Bytes octets, std::string_view eol);
  void content(Bytes decoded);
  void scan_urls();

  Options options_;
  Sink& sink_;
  State state_ = State::headers;
  bool continued_ = false;  ///< the call goes on with a line that began earlier
  bool main_done_ = false, done_ = false, file_open_ = false, text_ = false;
  std::vector<Header> headers_;       ///< of the outer message
  std::vector<Header> part_headers_;  ///< of the part being read
  std::vector<std::string> boundaries_;
  Encoding encoding_ = Encoding::plain;
  std::string pending_eol_;  ///< belongs to the content only when more content follows
  std::string body_eol_;
  std::array<char, 4> quad_{};
  std::uint8_t quad_size_ = 0;
  std::string qp_rest_;  ///< an escape cut by the end of a piece
  std::string text_line_;
  std::vector<std::string> attachments_, urls_;
  std::uint16_t anomalies_ = 0;
};

/// Value of a parameter of a structured header ("boundary" of a Content-Type), with RFC 2231
/// continuations joined. Empty when absent.
[[nodiscard]] std::string parameter(std::string_view value, std::string_view lower_name,
                                    std::size_t max = 4096);

}  // namespace ww::mime
