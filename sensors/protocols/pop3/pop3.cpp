/// POP3 (RFC 1939): commands and replies, EVE `pop3`, events.
#include <algorithm>
#include <array>
#include <charconv>

#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

constexpr std::size_t max_command = 255, max_reply = 512;  ///< RFC 2449 section 4, with CR LF
constexpr std::size_t max_line = 8192;                     ///< of a line that is kept
constexpr std::size_t max_data = 64 * 1024;                ///< of a reply's lines
constexpr std::size_t default_max_tx = 256;

struct Command {
  std::string_view name;
  std::uint8_t min_args, max_args;
};
constexpr std::uint8_t any_number = 255;
constexpr std::array<Command, 15> commands{{{"USER", 1, 1},
                                            {"PASS", 1, any_number},
                                            {"STAT", 0, 0},
                                            {"LIST", 0, 1},
                                            {"RETR", 1, 1},
                                            {"DELE", 1, 1},
                                            {"NOOP", 0, 0},
                                            {"RSET", 0, 0},
                                            {"QUIT", 0, 0},
                                            {"APOP", 2, 2},
                                            {"TOP", 2, 2},
                                            {"UIDL", 0, 1},
                                            {"CAPA", 0, 0},
                                            {"AUTH", 0, any_number},
                                            {"STLS", 0, 0}}};

const struct Events {
  EventId too_many = sig::events().intern("pop3.too_many_transactions"),
          request_long = sig::events().intern("pop3.request_too_long"),
          arguments = sig::events().intern("pop3.incorrect_argument_count"),
          unknown = sig::events().intern("pop3.unknown_command"),
          reply_long = sig::events().intern("pop3.response_too_long");
} ev;

const sig::AppProto pop3_proto = sig::app_protos().intern("pop3");

std::string upper(std::string_view s) {
  std::string out(s);
  for (auto& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}
const Command* find_command(std::string_view name) {
  const auto* at = std::find_if(commands.begin(), commands.end(),
                                [&](const Command& c) { return c.name == name; });
  return at == commands.end() ? nullptr : at;
}

struct Pop3Tx final : Transaction {
  std::string command;
  std::vector<std::string> args;
  bool has_command = false, has_reply = false, ok = false;
  std::string header;
  std::vector<std::string> data;
  std::size_t data_octets = 0;
};

class Pop3Parser final : public Parser {
 public:
  explicit Pop3Parser(std::size_t max_tx) : max_tx_(max_tx) {}
  [[nodiscard]] bool accepts_gaps() const override { return true; }

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (input.gap != 0) lose(dir);
    std::size_t at = 0;
    while (at < input.data.size()) {
      const auto rest = as_text(input.data.subspan(at));
      const auto end = rest.find('\n');
      if (end == std::string_view::npos && rest.size() < max_line && !input.end)
        return ParseResult::more(at, rest.size() + 1);
      // A line without end is taken in pieces: its start says what it is.
      const auto taken = end == std::string_view::npos ? rest.size() : end + 1;
      auto line = rest.substr(0, std::min(taken, max_line));
      while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
      auto& inside = inside_line_[sig::index(dir)];
      if (!inside) {
        const bool good =
            dir == Dir::to_server ? request(ctx, line, taken) : reply(ctx, line, taken);
        if (!good) return ParseResult::error();
      }
      inside = end == std::string_view::npos;
      at += taken;
      if (upgraded_) return ParseResult::ok();
    }
    if (input.end)
      for (auto* tx : transactions()) finish(static_cast<Pop3Tx&>(*tx), dir);
    return ParseResult::ok();
  }

 private:
  static void finish(Pop3Tx& tx, Dir dir) {
    const auto d = sig::index(dir);
    if (tx.complete[d]) return;
    tx.complete[d] = true;
    tx.progress[d] = 1;
    ++tx.revision;
  }

  /// Octets are missing: what was under way is over.
  void lose(Dir dir) {
    inside_line_[sig::index(dir)] = true;  // the rest of some line comes first
    if (dir == Dir::to_client) {
      if (auto* tx = waiting()) finish(*tx, Dir::to_client);
      many_lines_ = false;
    }
    sasl_ = false;
  }

  Pop3Tx* make(ParserContext& ctx) {
    if (transactions().size() > max_tx_) {
      for (auto* t : transactions())
        if (auto& tx = static_cast<Pop3Tx&>(*t); !tx.complete[0] || !tx.complete[1]) {
          tx.add_event(ev.too_many);
          finish(tx, Dir::to_server);
          finish(tx, Dir::to_client);
        }
      return nullptr;
    }
    auto owned = std::make_unique<Pop3Tx>();
    owned->proto = pop3_proto;
    owned->revision = 1;
    return &add(std::move(owned), ctx);
  }

  /// The oldest command without a whole reply.
  Pop3Tx* waiting() {
    for (auto* t : transactions())
      if (auto& tx = static_cast<Pop3Tx&>(*t); !tx.complete[1]) return &tx;
    return nullptr;
  }

  bool request(ParserContext& ctx, std::string_view line, std::size_t octets) {
    if (line.empty()) return true;
    auto* tx = make(ctx);
    if (tx == nullptr) return false;
    tx->has_command = true;
    if (sasl_) {
      sasl_ = false;
      tx->command = "<SASL DATA>";
      finish(*tx, Dir::to_server);
      return true;
    }
    std::vector<std::string_view> words;
    while (!line.empty()) {
      const auto blank = line.find(' ');
      if (const auto word = line.substr(0, blank); !word.empty()) words.push_back(word);
      line = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
    }
    if (words.empty()) words.emplace_back();
    const auto* known = find_command(upper(words[0]));
    tx->command = known != nullptr ? std::string(known->name) : std::string(words[0]);
    for (std::size_t i = 1; i < words.size(); ++i) tx->args.emplace_back(words[i]);
    if (octets > max_command) tx->add_event(ev.request_long);
    if (known == nullptr)
      tx->add_event(ev.unknown);
    else if (tx->args.size() < known->min_args ||
             (known->max_args != any_number && tx->args.size() > known->max_args))
      tx->add_event(ev.arguments);
    finish(*tx, Dir::to_server);
    return true;
  }

  bool reply(ParserContext& ctx, std::string_view line, std::size_t octets) {
    if (many_lines_) {
      more(line);
      return true;
    }
    auto* tx = waiting();
    const bool good = line.starts_with("+OK"), bad = line.starts_with("-ERR");
    const bool challenge = line == "+" || line.starts_with("+ ");
    if (!good && !bad && !challenge) return any_reply_ || tx != nullptr;
    any_reply_ = true;
    if (tx == nullptr) {  // the greeting comes before any command
      tx = make(ctx);
      if (tx == nullptr) return false;
      finish(*tx, Dir::to_server);
    }
    if (octets > max_reply) tx->add_event(ev.reply_long);
    tx->has_reply = true;
    tx->ok = !bad;
    tx->header = line.substr(std::min<std::size_t>(line.size(), bad ? 4 : good ? 3 : 1));
    if (tx->header.starts_with(' ')) tx->header.erase(0, 1);
    if (tx->command == "AUTH" && !bad) sasl_ = true;
    if (tx->command == "STLS" && good) {
      upgraded_ = true;
      finish(*tx, Dir::to_client);
      ctx.change_protocol("tls");
      return true;
    }
    const bool listing = tx->command == "LIST" || tx->command == "UIDL";
    many_lines_ = good && ((listing && tx->args.empty()) || tx->command == "TOP" ||
                           tx->command == "RETR" || tx->command == "CAPA");
    if (!many_lines_) finish(*tx, Dir::to_client);
    return true;
  }

  void more(std::string_view line) {
    auto* tx = waiting();
    if (line == ".") {
      many_lines_ = false;
      if (tx != nullptr) finish(*tx, Dir::to_client);
      return;
    }
    if (tx == nullptr || tx->command == "RETR" || tx->data_octets + line.size() > max_data) return;
    tx->data_octets += line.size() + 1;
    if (line.starts_with("..")) line.remove_prefix(1);  // dot-stuffed
    tx->data.emplace_back(line);
  }

  std::size_t max_tx_;
  bool inside_line_[2] = {false, false};
  bool many_lines_ = false;  ///< the lines of a reply are coming
  bool sasl_ = false;        ///< the client's next line belongs to AUTH
  bool upgraded_ = false;
  bool any_reply_ = false;  ///< the server has spoken POP3 before
};

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = static_cast<const Pop3Tx&>(t);
  json.begin_object("pop3");
  if (tx.has_command) {
    json.begin_object("request");
    json.field_bytes("command", as_bytes(tx.command));
    json.begin_array("args");
    for (const auto& a : tx.args) json.value_bytes(as_bytes(a));
    json.end_array();
    json.end_object();
  }
  if (tx.has_reply) {
    json.begin_object("response");
    json.field("success", tx.ok);
    json.field("status", tx.ok ? "OK" : "ERR");
    json.field_bytes("header", as_bytes(tx.header));
    json.begin_array("data");
    for (const auto& line : tx.data) json.value_bytes(as_bytes(line));
    json.end_array();
    json.end_object();
  }
  json.end_object();
  return true;
}

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  const auto text = as_text(data);
  if (dir == Dir::to_client)
    return text.starts_with("+OK") || text.starts_with("-ERR") ? Probe::yes : Probe::no;
  const auto word = text.substr(0, text.find_first_of(" \r\n"));
  return find_command(upper(word.substr(0, 5))) != nullptr ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "pop3";
  p.rule_names = {"pop3"};
  p.tcp = true;
  p.tcp_ports = "110";
  p.probe = &probe;
  p.probe_min = 5;
  p.probe_max = 16;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    return std::make_unique<Pop3Parser>(
        s.size_or("app-layer.protocols.pop3.max-tx", default_max_tx));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "pop3";
  logger.write = &log;
  p.loggers = {logger};
  p.buffers.proto = pop3_proto;
  p.events = {"pop3.too_many_transactions", "pop3.request_too_long",
              "pop3.incorrect_argument_count", "pop3.unknown_command", "pop3.response_too_long"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
