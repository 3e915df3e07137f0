#pragma once
/// SMTP (RFC 5321, pipelining RFC 2920, STARTTLS RFC 3207, chunking RFC 3030) as a sensor protocol:
/// one transaction a message.
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sensors/files/digest.hpp"
#include "sensors/files/file_store.hpp"
#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/smtp/mime.hpp"

namespace ww::sensor::smtp {

enum class Event : std::uint8_t {
  invalid_reply,
  unable_to_match_reply_with_request,
  max_command_line_len_exceeded,
  max_reply_line_len_exceeded,
  invalid_pipelined_sequence,
  bdat_chunk_len_exceeded,
  no_server_welcome_message,
  tls_rejected,
  data_command_rejected,
  failed_protocol_change,
  mime_parse_failed,
  mime_malformed_msg,
  mime_invalid_base64,
  mime_invalid_qp,
  mime_long_line,
  mime_long_enc_line,
  mime_long_header_name,
  mime_long_header_value,
  mime_long_boundary,
  mime_long_filename,
  duplicate_fields,
  unparsable_content,
  truncated_line,
  count
};
[[nodiscard]] const std::vector<std::string>& event_names();
[[nodiscard]] EventId event_id(Event e);

struct Config {
  bool decode_mime = true, raw_extraction = false, body_md5 = true;
  mime::Options mime;
  std::size_t max_tx = 256;
};
[[nodiscard]] Config read_config(const Settings& settings);

struct Tx final : Transaction {
  std::string helo, mail_from;
  std::vector<std::string> rcpt_to;
  std::unique_ptr<mime::Sink> sink;        ///< outlives the message
  std::unique_ptr<mime::Message> message;  ///< null before DATA
  sig::File* file = nullptr;               ///< being written
  std::string body_md5;
  bool data_started = false;  ///< DATA or BDAT was sent
  bool over = false;          ///< the client is done with it
};

class SmtpParser final : public Parser {
 public:
  explicit SmtpParser(Config config) : config_(std::move(config)) {}
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;

 private:
  enum class Command : std::uint8_t { other, helo, starttls, data, bdat, rset, quit, mail_data };
  struct Queued {
    Command command;
    std::uint64_t tx;  ///< id, UINT64_MAX = none
  };
  enum class Mode : std::uint8_t { command, data, bdat };
  struct Side {
    std::string line;
    std::uint64_t line_start = 0;
    bool long_line = false;  ///< the rest of the line up to its end is dropped
    bool seen = false;
  };

  bool octets(ParserContext& ctx, Dir dir, Bytes data, std::uint64_t offset, std::size_t& taken);
  bool line(ParserContext& ctx, Dir dir, std::string_view text, std::string_view eol);
  void command(ParserContext& ctx, std::string_view text);
  void data_line(ParserContext& ctx, std::string_view text, std::string_view eol);
  bool reply(ParserContext& ctx, std::string_view text);
  void start_message(ParserContext& ctx, Tx& tx);
  void end_message(ParserContext& ctx, Tx& tx);
  void abandon(Tx& tx);
  void mime_events(Tx& tx);
  void push(Command c);
  void flag(Event e);
  void settle(Tx& tx);
  Tx* find(std::uint64_t id);
  Tx& current(ParserContext& ctx);
  Tx& renew(ParserContext& ctx);

  Config config_;
  Side side_[2];
  Mode mode_ = Mode::command;
  std::uint64_t bdat_left_ = 0;
  bool bdat_last_ = false, bdat_open_line_ = false, continued_ = false;
  bool pipelining_ = false, first_reply_ = false, tls_ = false;
  std::optional<std::uint64_t> tx_;  ///< the transaction the client talks about
  std::string helo_;
  std::deque<Queued> queue_;
  std::optional<std::uint64_t> data_frame_;
  std::uint64_t data_start_ = 0;
};

}  // namespace ww::sensor::smtp
