/// Linux audit records: "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e ... comm="cat"
/// key=...". The records of one event share a serial number and are joined into one log event;
/// repeated names become arrays in record order. Values that the kernel wrote as hex (because they
/// hold spaces or control characters) are decoded.
#include <algorithm>
#include <array>

#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_fields = 2048;

// Fields the kernel and auditd may write as hex (audit's "encoded" type), see auparse's typetab.
bool may_be_hex(std::string_view name, std::string_view type) {
  static constexpr std::array<std::string_view, 26> encoded{
      "proctitle", "comm",        "exe",         "name",   "cwd",    "cmd", "data",
      "acct",      "path",        "file",        "vm",     "key",    "dir", "watch",
      "ocomm",     "new-chardev", "old-chardev", "device", "cgroup", "sw",  "root_dir",
      "new-disk",  "old-disk",    "new-fs",      "old-fs", "grp"};
  if (std::find(encoded.begin(), encoded.end(), name) != encoded.end()) return true;
  // EXECVE's arguments: a0, a1, a2[0], ... (SYSCALL's a0..a3 are register values and stay as they
  // are)
  return type == "EXECVE" && name.size() >= 2 && name[0] == 'a' && is_digit(name[1]);
}

struct Head {
  std::string_view node, type, rest;
  std::int64_t seconds = 0, milliseconds = 0;
  std::uint64_t serial = 0;
};

bool take_head(std::string_view line, Head& out) {
  Scan in{line};
  if (in.take("node=")) {
    out.node = in.word();
    in.spaces();
  }
  if (in.take("type=")) {
    out.type = in.word();
    in.spaces();
    if (out.type.empty()) return false;
    in.take("msg=");  // the kernel's own ring buffer form lacks it: "type=1400 audit(...)"
  }
  if (!in.take("audit(")) return false;
  const auto number = [&](std::int64_t& v, std::size_t most) {
    const auto start = in.at;
    v = 0;
    while (is_digit(in.peek()) && in.at - start < most) v = v * 10 + (line[in.at++] - '0');
    return in.at > start;
  };
  std::int64_t serial = 0;
  if (!number(out.seconds, 11)) return false;
  if (in.take('.') && !number(out.milliseconds, 3)) return false;
  if (!in.take(':') || !number(serial, 18) || !in.take(')')) return false;
  in.take(':');
  in.spaces();
  out.serial = static_cast<std::uint64_t>(serial);
  out.rest = in.rest();
  return true;
}

std::string_view decode(std::string_view name, std::string_view value, std::string_view type,
                        Record& out) {
  if (value.size() < 2 || value.size() % 2 != 0 || !may_be_hex(name, type)) return value;
  // The kernel writes upper-case hex; a plain word such as "cafe" in quotes never comes here.
  if (!std::all_of(value.begin(), value.end(),
                   [](char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); }))
    return value;
  const auto text = decode_hex(out, value);
  if (!text) return value;
  // Arguments are separated by NUL in proctitle; a trailing one is no argument.
  auto* data = const_cast<char*>(text->data());  // our own memory, from decode_hex
  auto size = text->size();
  while (size > 0 && data[size - 1] == '\0') --size;
  for (std::size_t i = 0; i < size; ++i)
    if (data[i] == '\0') data[i] = ' ';
  return {data, size};
}

void read_body(std::string_view text, std::string_view type, Record& out) {
  std::size_t at = 0;
  while (at < text.size() && out.fields.size() < max_fields) {
    while (at < text.size() && (text[at] == ' ' || text[at] == ',' || text[at] == '\x1d'))
      ++at;  // GS starts enriched fields
    const auto key_start = at;
    while (at < text.size() && text[at] != '=' && text[at] != ' ') ++at;
    if (at >= text.size()) break;
    if (text[at] == ' ') continue;  // a loose word, as in "avc:  denied  { read } for"
    const auto key = text.substr(key_start, at - key_start);
    ++at;
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
      const char quote = text[at++];
      auto end = text.find(quote, at);
      if (end == std::string_view::npos) end = text.size();
      const auto value = text.substr(at, end - at);
      at = std::min(end + 1, text.size());
      if (quote == '\'' && key == "msg")
        read_body(value, type, out);  // user-space messages nest their fields in msg='...'; one
                                      // level, no quotes inside
      else if (!key.empty())
        out.add(key, value);
      continue;
    }
    const auto start = at;
    while (at < text.size() && text[at] != ' ' && text[at] != '\x1d') ++at;
    auto value = text.substr(start, at - start);
    if (key.empty() || value == "(null)") continue;
    if (value.ends_with(',')) value.remove_suffix(1);
    const auto decoded = decode(key, value, type, out);
    if (decoded.data() == value.data())
      out.add_number_or_text(key, value);
    else
      out.add(key, decoded);
  }
  // "avc:  denied  { read write } for  pid=..."
  if (const auto avc = text.find("avc:"); avc != std::string_view::npos) {
    const auto denied = text.find("denied", avc), granted = text.find("granted", avc);
    const auto open = text.find('{', avc), close = text.find('}', avc);
    if (denied != std::string_view::npos || granted != std::string_view::npos)
      out.add("seresult", denied != std::string_view::npos ? "denied" : "granted");
    if (open != std::string_view::npos && close != std::string_view::npos && open < close)
      out.add("seperms", trim(text.substr(open + 1, close - open - 1)));
  }
}

class Auditd final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "auditd"; }
  [[nodiscard]] std::string_view summary() const override {
    return "Linux audit log; the records of one event joined by serial number";
  }
  [[nodiscard]] int order() const override { return 12; }
  [[nodiscard]] std::string_view example() const override {
    return "type=USER_LOGIN msg=audit(1364475353.159:24270): pid=3280 uid=0 auid=500 ses=1 "
           "msg='op=login acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=10.0.0.7 "
           "terminal=ssh res=failed'";
  }
  [[nodiscard]] bool joins() const override { return true; }
  [[nodiscard]] bool groups() const override { return true; }
  [[nodiscard]] Membership membership(std::string_view line) const override {
    Head head;
    if ((!line.starts_with("type=") && !line.starts_with("node=")) || !take_head(line, head))
      return {};
    // The same serial from another node or boot is another event.
    std::uint64_t key = head.serial * 0x9E3779B97F4A7C15ULL +
                        static_cast<std::uint64_t>(head.seconds) * 1000 +
                        static_cast<std::uint64_t>(head.milliseconds);
    for (const char c : head.node) key = key * 31 + static_cast<unsigned char>(c);
    // User-space events are one record; kernel events end in EOE, or in PROCTITLE since 2013
    // kernels with auditd's EOE hidden.
    const bool last = head.type == "EOE" || head.type == "PROCTITLE" || single_record(head.type);
    return {Membership::Kind::member, key, last};
  }
  [[nodiscard]] bool parse(std::string_view text, const Context&, Record& out) const override {
    Head head;
    const auto first_end = text.find('\n');
    if (!take_head(text.substr(0, first_end), head)) return false;
    out.time = Timestamp{head.seconds * 1'000'000 + head.milliseconds * 1000};
    out.product = "linux";
    out.service = "auditd";
    out.host = head.node;
    out.add_number("serial", static_cast<std::int64_t>(head.serial));
    for (std::size_t at = 0; at < text.size();) {
      auto end = text.find('\n', at);
      if (end == std::string_view::npos) end = text.size();
      Head h;
      if (take_head(text.substr(at, end - at), h) && h.type != "EOE") {
        if (!h.type.empty()) out.add("type", h.type);
        read_body(h.rest, h.type, out);
      }
      at = end + 1;
    }
    out.message = text;
    out.format = "auditd";
    return true;
  }

 private:
  // Everything between AUDIT_FIRST_USER_MSG and AUDIT_LAST_USER_MSG, and auditd's own daemon
  // records.
  static bool single_record(std::string_view type) {
    return type.starts_with("USER") || type.starts_with("CRED_") || type.starts_with("DAEMON_") ||
           type.starts_with("CRYPTO_") || type.starts_with("SERVICE_") ||
           type.starts_with("ADD_") || type.starts_with("DEL_") || type.starts_with("SYSTEM_") ||
           type.starts_with("VIRT_") || type == "LOGIN" || type.starts_with("ACCT_") ||
           type.starts_with("GRP_") || type.starts_with("ROLE_") || type.starts_with("CHGRP_") ||
           type.starts_with("CHUSER_") || type == "TEST" || type.starts_with("SOFTWARE_");
  }
};

const FormatRegistration registration{std::make_shared<const Auditd>()};

}  // namespace
}  // namespace ww::logs
