/// FTP control connections (RFC 959, 2428): one transaction a command; data connections are
/// expected by address.
#include <algorithm>
#include <charconv>

#include "sensors/protocols/ftp/note.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto ftp_proto = sig::app_protos().intern("ftp");
const EventId request_too_long = sig::events().intern("ftp.request_command_too_long");
const EventId response_too_long = sig::events().intern("ftp.response_command_too_long");
const EventId file_before_port = sig::events().intern("ftp.file_before_port");

constexpr std::size_t max_replies = 256;
constexpr std::string_view auth_tls = "AUTH TLS";

struct FtpTx final : Transaction {
  std::string command, data;
  std::vector<std::string> replies, codes;
  bool has_command = false, answered = false, command_cut = false, reply_cut = false;
  bool active = false, has_mode = false;
  std::uint16_t port = 0;
};

bool number(std::string_view text, unsigned max, unsigned& out) {
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  return r.ec == std::errc() && r.ptr == text.data() + text.size() && out <= max;
}
/// "h1,h2,h3,h4,p1,p2" of PORT and 227.
bool host_port(std::string_view text, unsigned (&n)[6]) {
  for (std::size_t i = 0; i < 6; ++i) {
    const auto end = text.find_first_not_of("0123456789");
    if (!number(text.substr(0, end), 255, n[i])) return false;
    text.remove_prefix(std::min(end, text.size()));
    if (i < 5) {
      if (!text.starts_with(',')) return false;
      text.remove_prefix(1);
    }
  }
  return true;
}

class FtpParser final : public Parser {
 public:
  FtpParser(std::size_t max_line, std::size_t max_tx) : max_line_(max_line), max_tx_(max_tx) {}

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    const auto d = sig::index(dir);
    auto& line = line_[d];
    std::size_t at = 0;
    const bool was_clear = !tls_;
    while (!tls_ && at < input.data.size()) {
      const auto text = as_text(input.data.subspan(at));
      const auto nl = text.find('\n');
      const auto piece = text.substr(0, nl == std::string_view::npos ? nl : nl + 1);
      at += piece.size();
      if (!skip_[d]) line += piece;
      const bool whole = nl != std::string_view::npos;
      if (!skip_[d] && (whole || line.size() > max_line_)) {
        const bool cut = line.size() > max_line_;
        std::string_view content = line;
        if (cut) {
          content = content.substr(0, max_line_);
        } else {
          content.remove_suffix(1);
          if (content.ends_with('\r')) content.remove_suffix(1);
        }
        if (dir == Dir::to_server)
          command(ctx, content, cut);
        else
          reply(ctx, content, cut);
        line.clear();
        skip_[d] = !whole;
      } else if (whole) {
        skip_[d] = false;
      }
    }
    if (input.end)
      for (auto* t : transactions()) {
        t->complete[d] = true;
        ++t->revision;
      }
    return tls_ && was_clear && at < input.data.size() ? ParseResult::more(at) : ParseResult::ok();
  }

 private:
  FtpTx& fresh(ParserContext& ctx) {
    if (transactions().size() >= max_tx_)
      for (auto* t : transactions()) t->complete[0] = t->complete[1] = true;
    auto owned = std::make_unique<FtpTx>();
    owned->proto = ftp_proto;
    auto& tx = add(std::move(owned), ctx);
    tx.revision = 1;
    return tx;
  }
  FtpTx* oldest_open() {
    for (auto* t : transactions())
      if (!t->complete[1]) return static_cast<FtpTx*>(t);
    return nullptr;
  }

  void command(ParserContext& ctx, std::string_view text, bool cut) {
    auto& tx = fresh(ctx);
    tx.has_command = true;
    tx.command_cut = cut;
    if (cut) tx.add_event(request_too_long);
    auto space = text.find(' ');
    tx.command = text.substr(0, space);
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
    for (auto& c : tx.command) c = upper(c);
    // One command of two words (RFC 4217).
    if (std::string whole(text); tx.command == "AUTH") {
      for (auto& c : whole) c = upper(c);
      if (whole == auth_tls || whole.starts_with("AUTH TLS ")) {
        space = auth_tls.size() < text.size() ? auth_tls.size() : std::string_view::npos;
        tx.command = auth_tls;
      }
    }
    if (space != std::string_view::npos) {
      auto rest = text.substr(space + 1);
      while (rest.starts_with(' ')) rest.remove_prefix(1);
      tx.data = rest;
    }
    tx.complete[0] = true;
    tx.progress[0] = 1;
    if (tx.command == "PORT") {
      unsigned n[6];
      if (host_port(tx.data, n)) active(tx, static_cast<std::uint16_t>(n[4] * 256 + n[5]));
    } else if (tx.command == "EPRT") {
      // |family|address|port|
      const std::string_view a = tx.data;
      const auto last = a.size() > 2 ? a.rfind(a[0], a.size() - 2) : std::string_view::npos;
      unsigned port = 0;
      if (last != std::string_view::npos && a.back() == a[0] &&
          number(a.substr(last + 1, a.size() - last - 2), 65535, port))
        active(tx, static_cast<std::uint16_t>(port));
    } else if (tx.command == "RETR" || tx.command == "STOR") {
      if (port_ == 0) {
        tx.add_event(file_before_port);
      } else {
        auto note = std::make_shared<ftp::DataNote>();
        note->filename = tx.data;
        note->store = tx.command == "STOR";
        const auto& f = ctx.flow();
        // Active: the server connects to the client.
        if (active_)
          ctx.expect_flow(f.dst, f.src, port_, "ftp-data", std::move(note));
        else
          ctx.expect_flow(f.src, f.dst, port_, "ftp-data", std::move(note));
        port_ = 0;
      }
    }
  }

  void active(FtpTx& tx, std::uint16_t port) {
    tx.active = tx.has_mode = active_ = true;
    tx.port = port_ = port;
  }

  void passive(FtpTx& tx, std::string_view text, bool extended) {
    const auto open = text.find('(');
    if (open == std::string_view::npos) return;
    const auto inner = text.substr(open + 1, text.find(')', open) - open - 1);
    unsigned port = 0, n[6];
    if (extended) {
      if (inner.size() < 5 || inner[1] != inner[0] || inner[2] != inner[0] ||
          inner.back() != inner[0] || !number(inner.substr(3, inner.size() - 4), 65535, port))
        return;
    } else {
      if (!host_port(inner, n)) return;
      port = n[4] * 256 + n[5];
    }
    active_ = false;
    tx.has_mode = true;
    tx.port = port_ = static_cast<std::uint16_t>(port);
  }

  void reply(ParserContext& ctx, std::string_view text, bool cut) {
    auto* found = oldest_open();
    auto& tx = found != nullptr ? *found : fresh(ctx);
    if (found == nullptr) tx.complete[0] = true;  // the greeting, or more than was asked for
    ++tx.revision;
    tx.reply_cut |= cut;
    if (cut) tx.add_event(response_too_long);
    const bool coded =
        text.size() >= 3 &&
        std::all_of(text.begin(), text.begin() + 3, [](char c) { return c >= '0' && c <= '9'; }) &&
        (text.size() == 3 || text[3] == ' ' || text[3] == '-');
    const bool last = coded && (text.size() == 3 || text[3] == ' ');
    if (tx.replies.size() < max_replies) {
      if (coded && tx.codes.size() < max_replies) tx.codes.emplace_back(text.substr(0, 3));
      tx.replies.emplace_back(coded ? text.substr(std::min<std::size_t>(4, text.size())) : text);
    }
    if (!last) return;
    if (text.starts_with("227")) passive(tx, text, false);
    if (text.starts_with("229")) passive(tx, text, true);
    if (text.starts_with("234 ") && tx.command == auth_tls) {
      tls_ = true;
      ctx.change_protocol("tls");
    }
    tx.answered = tx.has_command;
    if (text[0] == '1') return;  // preliminary: another one follows
    tx.complete[1] = true;
    tx.progress[1] = 1;
  }

  std::size_t max_line_, max_tx_;
  std::string line_[2];
  bool skip_[2] = {false, false};
  std::uint16_t port_ = 0;
  bool active_ = false, tls_ = false;  // after AUTH TLS nothing here is FTP any more
};

const FtpTx& as_tx(const Transaction& t) { return static_cast<const FtpTx&>(t); }

BufferStatus give(std::string_view text, BufferSlice& out) {
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
BufferStatus get_command(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return i > 0 || tx.command.empty() ? BufferStatus::absent : give(tx.command, out);
}
BufferStatus get_data(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return i > 0 || tx.data.empty() ? BufferStatus::absent : give(tx.data, out);
}
BufferStatus get_reply(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i < tx.replies.size()) return give(tx.replies[i], out);
  return tx.complete[1] ? BufferStatus::absent : BufferStatus::not_ready;
}
BufferStatus get_code(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i < tx.codes.size()) return give(tx.codes[i], out);
  return tx.complete[1] ? BufferStatus::absent : BufferStatus::not_ready;
}
BufferStatus later(const FtpTx& tx) {
  return tx.complete[1] ? BufferStatus::absent : BufferStatus::not_ready;
}
BufferStatus get_mode(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  if (!tx.has_mode) return later(tx);
  out = tx.active ? 1 : 0;
  return BufferStatus::ready;
}
BufferStatus get_port(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  if (tx.port == 0) return later(tx);
  out = tx.port;
  return BufferStatus::ready;
}
BufferStatus get_answered(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_tx(t);
  if (i > 0 || !tx.has_command) return BufferStatus::absent;
  if (!tx.answered && !tx.complete[1]) return BufferStatus::not_ready;
  out = tx.answered ? 1 : 0;
  return BufferStatus::ready;
}

void write_list(JsonWriter& json, std::string_view key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  json.begin_array(key);
  for (const auto& v : values) json.value_bytes(as_bytes(v));
  json.end_array();
}
bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("ftp");
  if (tx.has_command) {
    json.field_bytes("command", as_bytes(tx.command));
    if (!tx.data.empty()) json.field_bytes("command_data", as_bytes(tx.data));
  }
  json.field("command_truncated", tx.command_cut);
  write_list(json, "completion_code", tx.codes);
  write_list(json, "reply", tx.replies);
  json.field("reply_truncated", tx.reply_cut);
  if (tx.has_mode) {
    json.field("mode", tx.active ? "active" : "passive");
    json.field("dynamic_port", tx.port);
  }
  if (tx.has_command) json.field("reply_received", tx.answered ? "yes" : "no");
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  const auto text = as_text(data);
  if (dir == Dir::to_client) {
    if (text.size() < 4) return Probe::maybe;
    const bool code =
        std::all_of(text.begin(), text.begin() + 3, [](char c) { return c >= '0' && c <= '9'; });
    return code && (text[3] == ' ' || text[3] == '-') ? Probe::yes : Probe::no;
  }
  std::size_t n = 0;
  while (n < text.size() &&
         ((text[n] >= 'A' && text[n] <= 'Z') || (text[n] >= 'a' && text[n] <= 'z')))
    ++n;
  if (n < 3 || n > 4) return Probe::no;
  return n == text.size()                                       ? Probe::maybe
         : text[n] == ' ' || text[n] == '\r' || text[n] == '\n' ? Probe::yes
                                                                : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "ftp";
  p.rule_names = {"ftp"};
  p.tcp = true;
  p.tcp_ports = "21";
  for (const char* word : {"USER ", "PASS ", "PORT ", "FEAT"})
    p.patterns.push_back({.ip_proto = 6,
                          .dir = Dir::to_server,
                          .octets = word,
                          .offset = 0,
                          .depth = 5,
                          .nocase = true});
  p.probe = &probe;
  p.probe_min = 4;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const std::string base = "app-layer.protocols.ftp.";
    const auto line =
        std::clamp<std::uint64_t>(s.size_or(base + "max-line-length", 4096), 16, 1 << 20);
    const auto tx = std::clamp<std::int64_t>(s.integer_or(base + "max-tx", 1024), 1, 65536);
    return std::make_unique<FtpParser>(static_cast<std::size_t>(line),
                                       static_cast<std::size_t>(tx));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "ftp";
  logger.write = &log;
  p.loggers = {logger};
  p.buffers.buffers = {{sig::buffers().intern("ftp.command"), Dir::to_server, &get_command},
                       {sig::buffers().intern("ftp.command_data"), Dir::to_server, &get_data},
                       {sig::buffers().intern("ftp.reply"), Dir::to_client, &get_reply},
                       {sig::buffers().intern("ftp.completion_code"), Dir::to_client, &get_code}};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.numbers.push_back({sig::numbers().intern("ftp.mode"), dir, &get_mode});
    p.buffers.numbers.push_back({sig::numbers().intern("ftp.dynamic_port"), dir, &get_port});
  }
  p.buffers.numbers.push_back(
      {sig::numbers().intern("ftp.reply_received"), Dir::to_client, &get_answered});
  p.events = {"ftp.request_command_too_long", "ftp.response_command_too_long",
              "ftp.file_before_port"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
