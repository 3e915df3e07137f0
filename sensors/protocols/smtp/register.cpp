/// SMTP and the mail it carries: keywords, EVE and recognition.
#include <algorithm>
#include <utility>

#include "sensors/protocols/smtp/smtp.hpp"

namespace ww::sensor::smtp {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

const Tx& as_tx(const Transaction& t) { return static_cast<const Tx&>(t); }

BufferStatus give(std::string_view text, BufferSlice& out) {
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
BufferStatus later(const Tx& tx) {
  return tx.over || tx.complete[0] ? BufferStatus::absent : BufferStatus::not_ready;
}

BufferStatus get_helo(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  return tx.helo.empty() ? later(tx) : give(tx.helo, out);
}
BufferStatus get_mail_from(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  return tx.mail_from.empty() ? later(tx) : give(tx.mail_from, out);
}
BufferStatus get_rcpt_to(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  return i < tx.rcpt_to.size() ? give(tx.rcpt_to[i], out) : later(tx);
}

template <std::size_t N>
struct Name {
  char text[N];
  consteval Name(const char (&s)[N]) { std::copy_n(s, N, text); }
};
template <Name name>
BufferStatus get_header(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (!tx.message || !tx.message->headers_done()) return later(tx);
  const auto* h = i == 0 ? tx.message->header(name.text) : nullptr;
  return h != nullptr ? give(h->value, out) : BufferStatus::absent;
}
BufferStatus get_received(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (!tx.message || !tx.message->headers_done()) return later(tx);
  for (const auto& h : tx.message->headers()) {
    static constexpr std::string_view received = "received";
    const bool same =
        std::equal(h.name.begin(), h.name.end(), received.begin(), received.end(),
                   [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
    if (same && i-- == 0) return give(h.value, out);
  }
  return BufferStatus::absent;
}
BufferStatus get_url(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (!tx.message) return later(tx);
  return i < tx.message->urls().size() ? give(tx.message->urls()[i], out) : later(tx);
}
BufferStatus get_body_md5(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_tx(t);
  if (i > 0) return BufferStatus::absent;
  return tx.body_md5.empty() ? later(tx) : give(tx.body_md5, out);
}

// ---------------------------------------------------------------- EVE

enum class Shape : std::uint8_t { text, comma, repeats };
struct Field {
  std::string_view header, key;
  Shape shape;
  bool extended;
};
constexpr Field optional_fields[] = {{"reply-to", "reply_to", Shape::comma, false},
                                     {"bcc", "bcc", Shape::comma, true},
                                     {"message-id", "message_id", Shape::text, true},
                                     {"subject", "subject", Shape::text, true},
                                     {"x-mailer", "x_mailer", Shape::text, true},
                                     {"user-agent", "user_agent", Shape::text, true},
                                     {"received", "received", Shape::repeats, false},
                                     {"x-originating-ip", "x_originating_ip", Shape::text, false},
                                     {"in-reply-to", "in_reply_to", Shape::text, false},
                                     {"references", "references", Shape::text, false},
                                     {"importance", "importance", Shape::text, false},
                                     {"priority", "priority", Shape::text, false},
                                     {"sensitivity", "sensitivity", Shape::text, false},
                                     {"organization", "organization", Shape::text, false},
                                     {"content-md5", "content_md5", Shape::text, false},
                                     {"date", "date", Shape::text, false},
                                     {"relays", "relays", Shape::text, false}};

struct LogOptions {
  bool extended = false, body_md5 = false, subject_md5 = false;
  std::vector<std::string> custom;
};
const LogOptions& options_of(const Settings& s) {
  thread_local const Settings* last = nullptr;
  thread_local std::uint64_t revision = 0;
  thread_local LogOptions options;
  if (last != &s || revision != s.revision()) {
    options = {};
    options.extended = s.flag_or("extended", false);
    options.custom = s.list("custom");
    for (auto& c : options.custom)
      for (auto& ch : c) ch = ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch + 32) : ch;
    for (const auto& m : s.list("md5")) {
      options.body_md5 |= m == "body";
      options.subject_md5 |= m == "subject";
    }
    last = &s;
    revision = s.revision();
  }
  return options;
}

/// A list of addresses, parted at the commas that stand in no quotes, without the blanks before
/// each; nothing where there is no address at all.
void split_commas(JsonWriter& json, std::string_view key, std::string_view value) {
  bool any = false, quoted = false;
  std::string_view one;
  const auto put = [&] {
    one.remove_prefix(std::min(one.find_first_not_of(" \t"), one.size()));
    if (one.empty()) return;
    if (!std::exchange(any, true)) json.begin_array(key);
    json.value_bytes(as_bytes(one));
  };
  std::size_t from = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '"') quoted = !quoted;
    if (value[i] != ',' || quoted) continue;
    one = value.substr(from, i - from);
    put();
    from = i + 1;
  }
  one = value.substr(from);
  put();
  if (any) json.end_array();
}

void write_field(JsonWriter& json, const mime::Message& m, const Field& f) {
  if (f.shape == Shape::repeats) {
    bool any = false;
    for (const auto& h : m.headers()) {
      if (h.name.size() != f.header.size() ||
          !std::equal(h.name.begin(), h.name.end(), f.header.begin(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; }))
        continue;
      if (!any) json.begin_array(f.key);
      any = true;
      json.value_bytes(as_bytes(h.value));
    }
    if (any) json.end_array();
    return;
  }
  const auto* h = m.header(f.header);
  if (h == nullptr) return;
  if (f.shape == Shape::comma)
    split_commas(json, f.key, h->value);
  else
    json.field_bytes(f.key, as_bytes(h->value));
}

void write_email(const Tx& tx, const LogOptions& o, JsonWriter& json) {
  const auto& m = *tx.message;
  json.begin_object("email");
  if (const auto* h = m.header("from")) json.field_bytes("from", as_bytes(h->value));
  for (const char* key : {"to", "cc"})
    if (const auto* h = m.header(key)) split_commas(json, key, h->value);
  json.field("status", "PARSE_DONE");
  if (!m.attachments().empty()) {
    json.begin_array("attachment");
    for (const auto& a : m.attachments()) json.value_bytes(as_bytes(a));
    json.end_array();
  }
  if (!m.urls().empty()) {
    json.begin_array("url");  // the last one found comes first, as readers of EVE know it
    for (auto it = m.urls().rbegin(); it != m.urls().rend(); ++it) json.value_bytes(as_bytes(*it));
    json.end_array();
  }
  for (const auto& f : optional_fields)
    if ((o.extended && f.extended) ||
        std::find(o.custom.begin(), o.custom.end(), f.header) != o.custom.end())
      write_field(json, m, f);
  if (o.body_md5 && !tx.body_md5.empty()) json.field("body_md5", tx.body_md5);
  if (o.subject_md5)
    if (const auto* h = m.header("subject")) {
      Digest d(Digest::Kind::md5);
      d.update(as_bytes(h->value));
      json.field("subject_md5", d.finish());
    }
  json.end_object();
}

bool log(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  const auto& tx = as_tx(t);
  json.begin_object("smtp");
  if (!tx.helo.empty()) json.field_bytes("helo", as_bytes(tx.helo));
  if (!tx.mail_from.empty()) json.field_bytes("mail_from", as_bytes(tx.mail_from));
  if (!tx.rcpt_to.empty()) {
    json.begin_array("rcpt_to");
    for (const auto& r : tx.rcpt_to) json.value_bytes(as_bytes(r));
    json.end_array();
  }
  json.end_object();
  if (tx.message && (tx.message->headers_done() || tx.message->done()))
    write_email(tx, options_of(ctx.options), json);
  return true;
}

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  const auto text = as_text(data);
  if (dir == Dir::to_server) return Probe::no;  // the patterns knew
  if (!text.starts_with(std::string_view("220").substr(0, std::min<std::size_t>(3, text.size()))))
    return Probe::no;
  if (text.size() < 5) return Probe::maybe;
  return text[3] == ' ' || text[3] == '-' ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "smtp";
  p.rule_names = {"smtp"};
  p.tcp = true;
  p.tcp_ports = "[25,465,587]";
  for (const char* word : {"EHLO", "HELO", "QUIT"})
    p.patterns.push_back({.ip_proto = 6,
                          .dir = Dir::to_server,
                          .octets = word,
                          .offset = 0,
                          .depth = 4,
                          .nocase = true});
  p.probe = &probe;
  p.probe_min = 5;
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    return std::make_unique<SmtpParser>(read_config(s));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "smtp";
  logger.write = &log;
  p.loggers = {logger};
  const auto add = [&](std::string_view name, sig::BufferGetter get) {
    p.buffers.buffers.push_back({sig::buffers().intern(name), Dir::to_server, get});
  };
  add("smtp.helo", &get_helo);
  add("smtp.mail_from", &get_mail_from);
  add("smtp.rcpt_to", &get_rcpt_to);
  add("email.from", &get_header<"from">);
  add("email.to", &get_header<"to">);
  add("email.cc", &get_header<"cc">);
  add("email.subject", &get_header<"subject">);
  add("email.date", &get_header<"date">);
  add("email.message_id", &get_header<"message-id">);
  add("email.x_mailer", &get_header<"x-mailer">);
  add("email.received", &get_received);
  add("email.url", &get_url);
  add("email.body_md5", &get_body_md5);
  p.buffers.buffers.push_back({sig::buffers().intern("file.data"), Dir::to_server, nullptr, true});
  p.events = event_names();
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::smtp
