/// Windows events as XML: what EvtRender, `wevtutil qe /f:xml`, NXLog's to_xml and libevtx write. A
/// reader for exactly this: elements, attributes, character data, entities, CDATA. No DTD, no
/// external entity, bounded depth and count.
#include <array>

#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/windows.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_elements = 2048;
constexpr std::size_t max_depth = 16;

void append_utf8(char* out, std::size_t& n, std::uint32_t c) {
  const auto put = [&](std::uint32_t v) { out[n++] = static_cast<char>(v); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

// Entities only ever get shorter, so the room of the source is enough.
std::string_view unescape(std::string_view text, Record& out) {
  if (text.find('&') == std::string_view::npos) return text;
  struct Entity {
    std::string_view name;
    char c;
  };
  static constexpr Entity entities[] = {
      {"lt;", '<'}, {"gt;", '>'}, {"amp;", '&'}, {"quot;", '"'}, {"apos;", '\''}};
  const auto room = out.reserve(text.size());
  std::size_t n = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '&') {
      room[n++] = text[i++];
      continue;
    }
    const auto rest = text.substr(i + 1);
    bool done = false;
    for (const auto& e : entities)
      if (rest.starts_with(e.name)) {
        room[n++] = e.c;
        i += 1 + e.name.size();
        done = true;
        break;
      }
    if (done) continue;
    if (rest.starts_with("#")) {
      const auto end = rest.find(';');
      std::uint32_t v = 0;
      bool ok = end != std::string_view::npos && end > 1 && end <= 9;
      if (ok) {
        const bool hex = rest[1] == 'x' || rest[1] == 'X';
        for (std::size_t k = hex ? 2 : 1; k < end && ok; ++k) {
          const char c = rest[k];
          if (is_digit(c))
            v = v * (hex ? 16 : 10) + static_cast<std::uint32_t>(c - '0');
          else if (hex && (c | 32) >= 'a' && (c | 32) <= 'f')
            v = v * 16 + static_cast<std::uint32_t>((c | 32) - 'a' + 10);
          else
            ok = false;
        }
        if (v == 0 || v > 0x10FFFF || (v >= 0xD800 && v < 0xE000)) ok = false;
      }
      if (ok) {
        append_utf8(room.data(), n, v);
        i += 2 + end;
        continue;
      }
    }
    room[n++] = text[i++];
  }
  return {room.data(), n};
}

struct Attribute {
  std::string_view name, value;
};

class Reader {
 public:
  Reader(std::string_view text, Record& out) : text_(text), out_(out) {}

  bool run() {
    std::size_t elements = 0;
    while (at_ < text_.size()) {
      const auto open = text_.find('<', at_);
      if (open == std::string_view::npos) break;
      at_ = open + 1;
      if (text_.substr(at_).starts_with("?") || text_.substr(at_).starts_with("!--")) {
        const auto end = text_.find(text_[at_] == '?' ? "?>" : "-->", at_);
        if (end == std::string_view::npos) return false;
        at_ = end + 2;
        continue;
      }
      if (text_.substr(at_).starts_with("![CDATA[")) {
        const auto end = text_.find("]]>", at_);
        if (end == std::string_view::npos) return false;
        text(text_.substr(at_ + 8, end - at_ - 8), false);
        at_ = end + 3;
        continue;
      }
      if (text_.substr(at_).starts_with("!")) return false;
      if (text_.substr(at_).starts_with("/")) {
        const auto end = text_.find('>', at_);
        if (end == std::string_view::npos || depth_ == 0) return false;
        close();
        at_ = end + 1;
        if (depth_ == 0) return seen_event_;
        continue;
      }
      if (++elements > max_elements || !element()) return false;
    }
    return false;
  }
  std::string_view channel_, message_;
  std::optional<std::int64_t> event_id_, level_;

 private:
  static bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  static std::string_view local(std::string_view name) {
    const auto colon = name.find(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
  }

  bool element() {
    const auto start = at_;
    while (at_ < text_.size() && !space(text_[at_]) && text_[at_] != '>' && text_[at_] != '/')
      ++at_;
    const auto name = local(text_.substr(start, at_ - start));
    if (name.empty()) return false;
    attributes_used_ = 0;
    while (true) {
      while (at_ < text_.size() && space(text_[at_])) ++at_;
      if (at_ >= text_.size()) return false;
      if (text_[at_] == '>') {
        ++at_;
        opened(name, false);
        if (depth_ >= max_depth) return false;
        stack_[depth_++] = {name, data_name_};
        return take_text();
      }
      if (text_[at_] == '/') {
        ++at_;
        if (at_ >= text_.size() || text_[at_] != '>') return false;
        ++at_;
        opened(name, true);
        return true;
      }
      const auto key_start = at_;
      while (at_ < text_.size() && text_[at_] != '=' && !space(text_[at_]) && text_[at_] != '>')
        ++at_;
      const auto key = local(text_.substr(key_start, at_ - key_start));
      while (at_ < text_.size() && space(text_[at_])) ++at_;
      if (at_ >= text_.size() || text_[at_] != '=') return false;
      ++at_;
      while (at_ < text_.size() && space(text_[at_])) ++at_;
      if (at_ >= text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) return false;
      const char quote = text_[at_++];
      const auto end = text_.find(quote, at_);
      if (end == std::string_view::npos) return false;
      if (attributes_used_ < attributes_.size())
        attributes_[attributes_used_++] = {key, unescape(text_.substr(at_, end - at_), out_)};
      at_ = end + 1;
    }
  }

  bool take_text() {
    const auto end = text_.find('<', at_);
    if (end == std::string_view::npos) return false;
    if (end > at_) text(text_.substr(at_, end - at_), true);
    at_ = end;
    return true;
  }

  std::string_view attribute(std::string_view name) const {
    for (std::size_t i = 0; i < attributes_used_; ++i)
      if (attributes_[i].name == name) return attributes_[i].value;
    return {};
  }
  [[nodiscard]] bool inside(std::string_view name) const {
    for (std::size_t i = 0; i < depth_; ++i)
      if (stack_[i].name == name) return true;
    return false;
  }

  void opened(std::string_view name, bool empty) {
    if (depth_ == 0 && name == "Event") seen_event_ = true;
    data_name_ = {};
    if (inside("System")) {
      if (name == "Provider") {
        out_.add("Provider_Name", attribute("Name"));
        if (const auto guid = attribute("Guid"); !guid.empty()) out_.add("Provider_Guid", guid);
      } else if (name == "TimeCreated") {
        out_.time = parse_time(attribute("SystemTime"));
      } else if (name == "Execution") {
        if (const auto v = attribute("ProcessID"); !v.empty())
          out_.add_number_or_text("ExecutionProcessID", v);
        if (const auto v = attribute("ThreadID"); !v.empty())
          out_.add_number_or_text("ThreadID", v);
      } else if (name == "Security") {
        if (const auto v = attribute("UserID"); !v.empty()) out_.add("UserID", v);
      } else if (name == "Correlation") {
        if (const auto v = attribute("ActivityID"); !v.empty()) out_.add("ActivityID", v);
      }
    } else if (inside("EventData") || inside("UserData")) {
      if (name == "Data") {
        data_name_ = attribute("Name");
        if (empty && !data_name_.empty()) out_.add(data_name_, "");
      }
    }
  }

  void text(std::string_view raw, bool escaped) {
    if (depth_ == 0) return;
    const auto& top = stack_[depth_ - 1];
    const auto parent = depth_ > 1 ? stack_[depth_ - 2].name : std::string_view();
    const auto value = escaped ? unescape(raw, out_) : raw;
    if (trim_all(value).empty()) return;
    if (parent == "System") {
      if (top.name == "EventID") {
        event_id_ = to_number(value);
        out_.add_number_or_text("EventID", value);
      } else if (top.name == "Level") {
        level_ = to_number(value);
        out_.add_number_or_text("Level", value);
      } else if (top.name == "Channel") {
        channel_ = value;
        out_.add("Channel", value);
      } else if (top.name == "Computer") {
        out_.host = value;
        out_.add("Computer", value);
      } else if (top.name != "Provider" && top.name != "TimeCreated") {
        out_.add_number_or_text(top.name, value);
      }
    } else if (parent == "RenderingInfo") {
      if (top.name == "Message") message_ = trim_all(value);
    } else if (inside("EventData")) {
      if (top.name == "Data")
        out_.add(top.data.empty() ? std::string_view("Data") : top.data, value);
      else if (top.name == "Binary")
        out_.add("Binary", value);
    } else if (inside("UserData")) {
      out_.add(top.name == "Data" && !top.data.empty() ? top.data : top.name, value);
    }
  }
  static std::string_view trim_all(std::string_view s) {
    while (!s.empty() && space(s.front())) s.remove_prefix(1);
    while (!s.empty() && space(s.back())) s.remove_suffix(1);
    return s;
  }
  void close() { --depth_; }

  struct Open {
    std::string_view name, data;
  };
  std::string_view text_;
  Record& out_;
  std::size_t at_ = 0, depth_ = 0, attributes_used_ = 0;
  std::array<Open, max_depth> stack_;
  std::array<Attribute, 16> attributes_;
  std::string_view data_name_;
  bool seen_event_ = false;
};

}  // namespace

namespace windows {

bool parse_event_xml(std::string_view xml, Record& record) {
  Reader reader(xml, record);
  if (!reader.run()) return false;
  record.message = reader.message_;
  if (reader.level_) record.severity = severity_of_level(*reader.level_);
  finish(record, reader.channel_, reader.event_id_);
  return true;
}

}  // namespace windows

namespace {

class WindowsXml final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "windows-xml"; }
  [[nodiscard]] std::string_view summary() const override {
    return "Windows event as an XML <Event> element on one line";
  }
  [[nodiscard]] int order() const override { return 18; }
  [[nodiscard]] bool may_start(unsigned char first) const override {
    return first == '<' || first == ' ' || first == '\t';
  }
  [[nodiscard]] std::string_view example() const override {
    return "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider "
           "Name='Microsoft-Windows-"
           "Security-Auditing'/><EventID>4625</EventID><Level>0</Level><TimeCreated "
           "SystemTime='2026-11-22T02:30:00.5Z'/>"
           "<Channel>Security</Channel><Computer>ws1.trust.nhs.uk</Computer></"
           "System><EventData><Data Name='TargetUserName'>"
           "jsmith</Data></EventData></Event>";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context&, Record& out) const override {
    auto text = trim(line);
    if (!text.starts_with("<Event") && !text.starts_with("<?xml")) return false;
    if (!windows::parse_event_xml(text, out)) return false;
    out.format = "windows-xml";
    return true;
  }
};

const FormatRegistration registration{std::make_shared<const WindowsXml>()};

}  // namespace
}  // namespace ww::logs
