#include "sensors/protocols/smtp/smtp.hpp"

#include <algorithm>

namespace ww::sensor::smtp {
namespace {

constexpr std::size_t line_limit = 4096, queue_limit = 1024, rcpt_limit = 1024;
constexpr std::uint64_t none = UINT64_MAX;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto smtp_proto = sig::app_protos().intern("smtp");
const sig::FrameType command_frame = sig::frame_types().intern("smtp.command_line");
const sig::FrameType response_frame = sig::frame_types().intern("smtp.response_line");
const sig::FrameType data_frame_type = sig::frame_types().intern("smtp.data");
const sig::FrameType stream_frame = sig::frame_types().intern("smtp.stream");

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool istarts(std::string_view text, std::string_view lower_prefix) {
  return text.size() >= lower_prefix.size() &&
         std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(),
                    [](char a, char b) { return a == lower(b); });
}
bool icontains(std::string_view text, std::string_view lower_word) {
  return std::search(text.begin(), text.end(), lower_word.begin(), lower_word.end(),
                     [](char a, char b) { return lower(a) == b; }) != text.end();
}

/// Replies of RFC 5321 and its extensions (auth, TLS, chunking, limits).
bool known_reply(unsigned code) {
  static constexpr unsigned codes[] = {211, 214, 220, 221, 235, 250, 251, 252, 334, 354, 401,
                                       402, 421, 432, 435, 450, 451, 452, 454, 455, 500, 501,
                                       502, 503, 504, 511, 521, 522, 525, 530, 534, 535, 538,
                                       541, 543, 550, 551, 552, 553, 554, 555, 556};
  return std::binary_search(std::begin(codes), std::end(codes), code);
}

/// Writes a message's attachments into the flow's file store.
class FileSink final : public mime::Sink {
 public:
  FileSink(FileStore& files, Tx& tx, bool digest) : files_(files), tx_(tx) {
    if (digest) md5_ = Digest(Digest::Kind::md5);
  }
  void file_open(std::string_view name) override {
    tx_.file = files_.open(tx_, Dir::to_server, as_bytes(name));
  }
  void file_data(Bytes data) override {
    if (tx_.file != nullptr) files_.append(*tx_.file, data);
  }
  void file_close() override {
    if (tx_.file != nullptr) files_.close(*tx_.file);
    tx_.file = nullptr;
  }
  void body(Bytes data) override {
    if (md5_.active()) md5_.update(data);
  }
  std::string digest() { return md5_.active() ? md5_.finish() : std::string(); }

 private:
  FileStore& files_;
  Tx& tx_;
  Digest md5_;
};

/// A verb (RFC 5321 4.1.1, and of extensions four or more letters), alone or before a blank.
bool looks_like_command(std::string_view text) {
  std::size_t letters = 0;
  while (letters < text.size() && lower(text[letters]) >= 'a' && lower(text[letters]) <= 'z')
    ++letters;
  return letters >= 4 && letters <= 12 && (letters == text.size() || text[letters] == ' ');
}

/// What follows a command word, without blanks.
std::string_view argument(std::string_view text, std::size_t from) {
  text.remove_prefix(std::min(from, text.size()));
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}
/// The path of MAIL FROM and RCPT TO: up to the blank before parameters.
std::string path_of(std::string_view text, std::size_t from) {
  const auto a = argument(text, from);
  return std::string(a.substr(0, a.find_first_of(" \t")));
}

}  // namespace

const std::vector<std::string>& event_names() {
  static const std::vector<std::string> names{
      "smtp.invalid_reply",
      "smtp.unable_to_match_reply_with_request",
      "smtp.max_command_line_len_exceeded",
      "smtp.max_reply_line_len_exceeded",
      "smtp.invalid_pipelined_sequence",
      "smtp.bdat_chunk_len_exceeded",
      "smtp.no_server_welcome_message",
      "smtp.tls_rejected",
      "smtp.data_command_rejected",
      "smtp.failed_protocol_change",
      "smtp.mime_parse_failed",
      "smtp.mime_malformed_msg",
      "smtp.mime_invalid_base64",
      "smtp.mime_invalid_qp",
      "smtp.mime_long_line",
      "smtp.mime_long_enc_line",
      "smtp.mime_long_header_name",
      "smtp.mime_long_header_value",
      "smtp.mime_long_boundary",
      "smtp.mime_long_filename",
      "smtp.duplicate_fields",
      "smtp.unparsable_content",
      "smtp.truncated_line",
  };
  return names;
}

EventId event_id(Event e) {
  static const std::vector<EventId> ids = [] {
    std::vector<EventId> v;
    for (const auto& n : event_names()) v.push_back(sig::events().intern(n));
    return v;
  }();
  return ids[static_cast<std::size_t>(e)];
}
static_assert(static_cast<std::size_t>(Event::count) == 23);

Config read_config(const Settings& s) {
  Config c;
  const std::string base = "app-layer.protocols.smtp.";
  c.raw_extraction = s.flag_or(base + "raw-extraction", false);
  c.max_tx = static_cast<std::size_t>(
      std::clamp<std::int64_t>(s.integer_or(base + "max-tx", 256), 1, 65536));
  const auto mime = base + "mime.";
  c.decode_mime = s.flag_or(mime + "decode-mime", true);
  c.mime.decode_base64 = s.flag_or(mime + "decode-base64", true);
  c.mime.decode_quoted_printable = s.flag_or(mime + "decode-quoted-printable", true);
  c.mime.extract_urls = s.flag_or(mime + "extract-urls", true);
  c.mime.keep_url_scheme = s.flag_or(mime + "log-url-scheme", false);
  if (const auto schemes = s.list(mime + "extract-urls-schemes"); !schemes.empty())
    c.mime.url_schemes = schemes;
  c.mime.header_value_depth = static_cast<std::size_t>(
      std::clamp<std::int64_t>(s.integer_or(mime + "header-value-depth", 2000), 1, 1 << 20));
  // "auto" means when something asks for it; it costs little enough to be always there.
  if (const auto md5 = s.text(mime + "body-md5"))
    c.body_md5 = *md5 == "auto" || parse_flag(*md5).value_or(false);
  return c;
}

Tx* SmtpParser::find(std::uint64_t id) {
  const auto all = transactions();
  for (auto it = all.rbegin(); it != all.rend(); ++it)
    if ((*it)->id == id) return static_cast<Tx*>(*it);
  return nullptr;
}

Tx& SmtpParser::renew(ParserContext& ctx) {
  if (transactions().size() >= config_.max_tx)
    for (auto* t : transactions()) settle(static_cast<Tx&>(*t));
  auto owned = std::make_unique<Tx>();
  owned->proto = smtp_proto;
  owned->helo = helo_;
  auto& tx = add(std::move(owned), ctx);
  tx.revision = 1;
  tx_ = tx.id;
  return tx;
}

Tx& SmtpParser::current(ParserContext& ctx) {
  Tx* tx = tx_ ? find(*tx_) : nullptr;
  return tx != nullptr && !tx->over ? *tx : renew(ctx);
}

void SmtpParser::flag(Event e) {
  Tx* tx = tx_ ? find(*tx_) : nullptr;
  if (tx == nullptr) return;
  tx->add_event(event_id(e));
  ++tx->revision;
}

void SmtpParser::settle(Tx& tx) {
  tx.over = true;
  tx.complete[0] = tx.complete[1] = true;
  tx.progress[0] = tx.progress[1] = 1;
  ++tx.revision;
}

void SmtpParser::push(Command c) {
  // STARTTLS and DATA end a pipelined group: nothing may follow before their reply (RFC 2920 3.1).
  if (!queue_.empty() &&
      (queue_.back().command == Command::starttls || queue_.back().command == Command::data))
    flag(Event::invalid_pipelined_sequence);
  if (queue_.size() >= queue_limit) queue_.pop_front();
  queue_.push_back({c, tx_.value_or(none)});
}

ParseResult SmtpParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  if (tls_) return ParseResult::ok();
  ctx.files().begin_batch();
  auto& side = side_[sig::index(dir)];
  if (!side.seen && !input.data.empty()) {
    side.seen = true;
    ctx.add_frame(stream_frame, dir, input.offset, -1);
  }
  std::size_t taken = 0;
  const bool ok = octets(ctx, dir, input.data, input.offset, taken);
  if (input.end && !tls_) {
    for (auto* t : transactions()) {
      auto& tx = static_cast<Tx&>(*t);
      tx.complete[sig::index(dir)] = true;
      if (tx.complete[0] && tx.complete[1]) settle(tx);
      ++tx.revision;
    }
  }
  if (!ok) return ParseResult::error();
  if (tls_ && taken < input.data.size()) return ParseResult::more(taken);
  return ParseResult::ok();
}

bool SmtpParser::octets(ParserContext& ctx, Dir dir, Bytes data, std::uint64_t offset,
                        std::size_t& taken) {
  auto& side = side_[sig::index(dir)];
  while (taken < data.size()) {
    const auto rest = data.subspan(taken);
    if (dir == Dir::to_server && mode_ == Mode::bdat && bdat_left_ > 0) {
      // Chunk octets are counted, not searched for an end; lines matter to the decoder alone.
      auto chunk =
          rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), bdat_left_)));
      taken += chunk.size();
      bdat_left_ -= chunk.size();
      side.line += as_text(chunk);
      std::size_t at = 0;
      for (std::size_t nl; (nl = side.line.find('\n', at)) != std::string::npos; at = nl + 1) {
        const bool cr = nl > at && side.line[nl - 1] == '\r';
        data_line(ctx, std::string_view(side.line).substr(at, nl - at - (cr ? 1 : 0)),
                  cr ? "\r\n" : "\n");
      }
      side.line.erase(0, at);
      bdat_open_line_ = !side.line.empty();
      if (side.line.size() > line_limit || (bdat_left_ == 0 && bdat_last_ && !side.line.empty())) {
        data_line(ctx, side.line, "");
        side.line.clear();
      }
      if (bdat_left_ == 0) {
        mode_ = Mode::command;
        if (bdat_last_)
          if (auto* tx = tx_ ? find(*tx_) : nullptr) end_message(ctx, *tx);
      }
      continue;
    }
    const auto text = as_text(rest);
    const auto nl = text.find('\n');
    const auto piece = text.substr(0, nl == std::string_view::npos ? nl : nl + 1);
    if (side.line.empty() && !side.long_line) side.line_start = offset + taken;
    taken += piece.size();
    const bool in_data = dir == Dir::to_server && mode_ == Mode::data;
    if (side.long_line) {
      if (nl != std::string_view::npos) side.long_line = false;
      continue;
    }
    side.line += piece;
    if (nl == std::string_view::npos && side.line.size() < line_limit) break;
    std::string whole = std::move(side.line);
    side.line.clear();
    std::string_view body = whole, eol;
    if (nl != std::string_view::npos) {
      eol = body.size() > 1 && body[body.size() - 2] == '\r' ? "\r\n" : "\n";
      body.remove_suffix(eol.size());
    }
    // A command or reply that does not fit is cut where the limit falls.
    const bool cut = !in_data && (eol.empty() || whole.size() > line_limit);
    if (cut) body = std::string_view(whole).substr(0, line_limit);
    if (in_data && eol.empty() && !body.empty() && body.back() == '\r') {
      // A carriage return may be half of the line's end.
      side.line = '\r';
      side.line_start = offset + taken - 1;
      body.remove_suffix(1);
    }
    if (cut && eol.empty()) side.long_line = true;
    if (!line(ctx, dir, body, eol)) return false;
    if (cut) {
      flag(Event::truncated_line);
      flag(dir == Dir::to_server ? Event::max_command_line_len_exceeded
                                 : Event::max_reply_line_len_exceeded);
    }
    if (tls_) return true;
  }
  return true;
}

bool SmtpParser::line(ParserContext& ctx, Dir dir, std::string_view text, std::string_view eol) {
  auto& side = side_[sig::index(dir)];
  const auto length = static_cast<std::int64_t>(text.size() + eol.size());
  if (dir == Dir::to_client) {
    ctx.add_frame(response_frame, dir, side.line_start, length, tx_.value_or(none));
    return reply(ctx, text);
  }
  if (mode_ == Mode::data) {
    data_line(ctx, text, eol);
    return true;
  }
  const auto start = side.line_start;
  // Where a chunk ends within a line a command follows, or the chunk was longer than it said.
  if (bdat_open_line_ && !looks_like_command(text)) flag(Event::bdat_chunk_len_exceeded);
  bdat_open_line_ = false;
  command(ctx, text);
  ctx.add_frame(command_frame, dir, start, length, tx_.value_or(none));
  if (mode_ == Mode::data) data_start_ = start + static_cast<std::uint64_t>(length);
  return true;
}

void SmtpParser::command(ParserContext& ctx, std::string_view text) {
  Tx* before = tx_ ? find(*tx_) : nullptr;
  const bool rset = istarts(text, "rset"), quit = istarts(text, "quit");
  const bool greeting = istarts(text, "helo") || istarts(text, "ehlo");
  // After a message only what starts another one opens a transaction.
  if ((rset || quit) && tx_ && (before == nullptr || before->over)) {
    push(rset ? Command::rset : Command::quit);
    return;
  }
  auto& tx = current(ctx);
  if (!first_reply_) tx.add_event(event_id(Event::no_server_welcome_message));
  const bool used = !tx.mail_from.empty() || !tx.rcpt_to.empty() || tx.data_started;
  if (greeting) {
    // A greeting within a session resets it like RSET (RFC 5321 4.1.4).
    if (used) abandon(tx);
    auto& to = used ? renew(ctx) : tx;
    push(Command::helo);
    if (!helo_.empty()) {
      to.add_event(event_id(Event::duplicate_fields));
    } else {
      helo_ = argument(text, 4);
      to.helo = helo_;
    }
    ++to.revision;
    return;
  }
  ++tx.revision;
  if (rset) {
    push(Command::rset);
    if (used) abandon(tx);
  } else if (quit) {
    push(Command::quit);
  } else if (istarts(text, "starttls")) {
    push(Command::starttls);
  } else if (istarts(text, "data")) {
    push(Command::data);
    if (tx.data_started) {
      tx.add_event(event_id(Event::unparsable_content));
      return;
    }
    start_message(ctx, tx);
    // A server that pipelines gets the message without being waited for.
    if (pipelining_) mode_ = Mode::data;
  } else if (istarts(text, "bdat")) {
    push(Command::bdat);
    const auto a = argument(text, 4);
    std::uint64_t size = 0;
    std::size_t i = 0;
    for (; i < a.size() && a[i] >= '0' && a[i] <= '9' && size < (1ULL << 40); ++i)
      size = size * 10 + static_cast<std::uint64_t>(a[i] - '0');
    if (i == 0) return;
    if (!tx.data_started) start_message(ctx, tx);
    bdat_left_ = size;
    bdat_last_ = icontains(a.substr(i), "last");
    if (size > 0)
      mode_ = Mode::bdat;
    else if (bdat_last_)
      end_message(ctx, tx);
  } else if (istarts(text, "mail from")) {
    push(Command::other);
    if (!tx.mail_from.empty())
      tx.add_event(event_id(Event::duplicate_fields));
    else
      tx.mail_from = path_of(text, 10);
  } else if (istarts(text, "rcpt to")) {
    push(Command::other);
    if (tx.rcpt_to.size() < rcpt_limit) tx.rcpt_to.push_back(path_of(text, 8));
  } else {
    push(Command::other);
  }
}

void SmtpParser::start_message(ParserContext& ctx, Tx& tx) {
  tx.data_started = true;
  continued_ = false;
  if (config_.raw_extraction) {
    tx.sink = std::make_unique<FileSink>(ctx.files(), tx, false);
    tx.sink->file_open("rawmsg");
    return;
  }
  if (!config_.decode_mime) return;
  tx.sink = std::make_unique<FileSink>(ctx.files(), tx, config_.body_md5);
  tx.message = std::make_unique<mime::Message>(config_.mime, *tx.sink);
}

void SmtpParser::data_line(ParserContext& ctx, std::string_view text, std::string_view eol) {
  Tx* tx = tx_ ? find(*tx_) : nullptr;
  auto& side = side_[0];
  if (mode_ == Mode::data) {
    if (!data_frame_)
      data_frame_ =
          ctx.add_frame(data_frame_type, Dir::to_server, side.line_start, -1, tx_.value_or(none));
    if (!continued_ && text == "." && !eol.empty()) {
      const auto length = side.line_start + 1 + eol.size();
      ctx.set_frame_length(
          *data_frame_, static_cast<std::int64_t>(length > data_start_ ? length - data_start_ : 0));
      data_frame_.reset();
      mode_ = Mode::command;
      push(Command::mail_data);
      if (tx != nullptr) end_message(ctx, *tx);
      return;
    }
    if (!continued_ && text.starts_with('.')) text.remove_prefix(1);
  }
  continued_ = eol.empty();
  if (tx == nullptr) return;
  ++tx->revision;
  if (tx->message) {
    tx->message->line(as_bytes(text), eol);
    mime_events(*tx);
  } else if (tx->sink) {
    tx->sink->file_data(as_bytes(text));
    tx->sink->file_data(as_bytes(eol));
  }
}

void SmtpParser::mime_events(Tx& tx) {
  const auto bits = tx.message->anomalies();
  if (bits == 0) return;
  static constexpr std::pair<std::uint16_t, Event> map[] = {
      {mime::anomaly::gave_up, Event::mime_parse_failed},
      {mime::anomaly::malformed, Event::mime_malformed_msg},
      {mime::anomaly::invalid_base64, Event::mime_invalid_base64},
      {mime::anomaly::invalid_qp, Event::mime_invalid_qp},
      {mime::anomaly::long_line, Event::mime_long_line},
      {mime::anomaly::long_encoded_line, Event::mime_long_enc_line},
      {mime::anomaly::long_header_name, Event::mime_long_header_name},
      {mime::anomaly::long_header_value, Event::mime_long_header_value},
      {mime::anomaly::long_boundary, Event::mime_long_boundary},
      {mime::anomaly::long_filename, Event::mime_long_filename}};
  for (const auto& [bit, event] : map)
    if ((bits & bit) != 0) tx.add_event(event_id(event));
}

void SmtpParser::end_message(ParserContext&, Tx& tx) {
  if (tx.message) {
    tx.message->finish();
    mime_events(tx);
    tx.body_md5 = static_cast<FileSink&>(*tx.sink).digest();
  } else if (tx.sink) {
    tx.sink->file_close();
  }
  continued_ = false;
  tx.over = true;
  tx.complete[0] = true;
  tx.progress[0] = 1;
  ++tx.revision;
}

/// The client gave the transaction up.
void SmtpParser::abandon(Tx& tx) {
  if (tx.sink && tx.file != nullptr) tx.sink->file_close();
  settle(tx);
}

bool SmtpParser::reply(ParserContext& ctx, std::string_view text) {
  unsigned code = 0;
  bool digits = text.size() >= 3;
  for (std::size_t i = 0; digits && i < 3; ++i) {
    digits = text[i] >= '0' && text[i] <= '9';
    code = code * 10 + static_cast<unsigned>(text[i] - '0');
  }
  if (!digits || !known_reply(code)) {
    flag(Event::invalid_reply);
    return false;
  }
  const bool goes_on = text.size() > 3 && text[3] == '-';
  if (!queue_.empty() && queue_.front().command == Command::helo && code == 250 &&
      icontains(text, "pipelining"))
    pipelining_ = true;
  if (goes_on) return true;
  const bool first = !first_reply_;
  first_reply_ = true;
  if (queue_.empty()) {
    if (first) {
      if (code != 220) flag(Event::invalid_reply);
    } else if (code != 421) {
      flag(Event::unable_to_match_reply_with_request);
    }
    return true;
  }
  if (first && code == 220 && queue_.front().command == Command::helo)
    return true;  // greeting of a server that was slower than its client
  const auto item = queue_.front();
  queue_.pop_front();
  Tx* tx = item.tx != none ? find(item.tx) : nullptr;
  switch (item.command) {
    case Command::starttls:
      if (code == 220) {
        tls_ = true;
        queue_.clear();
        if (tx != nullptr) settle(*tx);
        if (!ctx.change_protocol("tls") && tx != nullptr) {
          tx->add_event(event_id(Event::failed_protocol_change));
          ++tx->revision;
        }
      } else if (tx != nullptr) {
        tx->add_event(event_id(Event::tls_rejected));
        ++tx->revision;
      }
      break;
    case Command::data:
      if (code == 354) {
        if (mode_ == Mode::command && tx != nullptr && !tx->over && tx_ == item.tx)
          mode_ = Mode::data;
        break;
      }
      if (mode_ == Mode::data && tx_ == item.tx) mode_ = Mode::command;
      data_frame_.reset();
      if (tx != nullptr) {
        tx->add_event(event_id(Event::data_command_rejected));
        ++tx->revision;
      }
      break;
    case Command::mail_data:
    case Command::bdat:
      if (tx != nullptr && tx->over) settle(*tx);
      break;
    case Command::quit:
      if (tx != nullptr && code == 221) settle(*tx);
      break;
    default:
      break;
  }
  return true;
}

}  // namespace ww::sensor::smtp
