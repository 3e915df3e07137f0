#include "sensors/protocols/smtp/mime.hpp"

#include <algorithm>

namespace ww::mime {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool iequals(std::string_view a, std::string_view lower_b) {
  return a.size() == lower_b.size() && std::equal(a.begin(), a.end(), lower_b.begin(),
                                                  [](char x, char y) { return lower(x) == y; });
}
bool istarts(std::string_view a, std::string_view lower_b) {
  return a.size() >= lower_b.size() && iequals(a.substr(0, lower_b.size()), lower_b);
}
std::string_view trim(std::string_view s) {
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const Header* find(const std::vector<Header>& headers, std::string_view lower_name) {
  for (const auto& h : headers)
    if (iequals(h.name, lower_name)) return &h;
  return nullptr;
}

/// Ends a URL in text: blanks, quotes and brackets that stand around URLs, the end of the line.
bool url_end(char c) {
  static constexpr std::string_view ends = " \t\r\n\"'<>]";
  return ends.find(c) != std::string_view::npos;
}

}  // namespace

std::string parameter(std::string_view value, std::string_view lower_name, std::size_t max) {
  std::string plain, sections;
  bool have_plain = false;
  unsigned next_section = 0;
  std::size_t at = value.find(';');
  while (at != std::string_view::npos && at < value.size()) {
    ++at;
    while (at < value.size() && (blank(value[at]) || value[at] == ';')) ++at;
    const auto eq = value.find_first_of("=;", at);
    if (eq == std::string_view::npos) break;
    if (value[eq] == ';') {
      at = eq;
      continue;
    }
    const auto name = trim(value.substr(at, eq - at));
    std::size_t v = eq + 1;
    while (v < value.size() && blank(value[v])) ++v;
    std::string text;
    if (v < value.size() && value[v] == '"') {
      for (++v; v < value.size() && value[v] != '"'; ++v) {
        if (value[v] == '\\' && v + 1 < value.size() &&
            (value[v + 1] == '"' || value[v + 1] == '\\'))
          ++v;
        if (text.size() < max) text += value[v];
      }
      at = value.find(';', std::min(v, value.size()));
    } else {
      const auto end = value.find(';', v);
      text = trim(value.substr(v, end == std::string_view::npos ? end : end - v)).substr(0, max);
      at = end;
    }
    if (iequals(name, lower_name)) {
      if (!have_plain) plain = std::move(text);
      have_plain = true;
    } else if (name.size() > lower_name.size() + 1 && istarts(name, lower_name) &&
               name[lower_name.size()] == '*') {
      unsigned section = 0;
      bool number = true;
      for (const char c : name.substr(lower_name.size() + 1)) {
        if (c == '*') break;
        number = number && c >= '0' && c <= '9' && section < 1000;
        if (number) section = section * 10 + static_cast<unsigned>(c - '0');
      }
      if (number && section == next_section && sections.size() < max) {
        sections.append(text, 0, max - sections.size());
        ++next_section;
      }
    } else if (name.size() == lower_name.size() + 1 && istarts(name, lower_name) &&
               name.back() == '*') {
      // charset'language'value, percent-encoded
      const auto quote =
          text.find('\'', text.find('\'') == std::string::npos ? 0 : text.find('\'') + 1);
      const std::string_view coded = quote == std::string::npos
                                         ? std::string_view(text)
                                         : std::string_view(text).substr(quote + 1);
      std::string decoded;
      for (std::size_t i = 0; i < coded.size(); ++i) {
        if (coded[i] == '%' && i + 2 < coded.size() + 0 && hex_value(coded[i + 1]) >= 0 &&
            hex_value(coded[i + 2]) >= 0) {
          decoded += static_cast<char>(hex_value(coded[i + 1]) * 16 + hex_value(coded[i + 2]));
          i += 2;
        } else {
          decoded += coded[i];
        }
      }
      sections = std::move(decoded);
    }
  }
  return have_plain ? plain : sections;
}

const Header* Message::header(std::string_view lower_name) const {
  return find(headers_, lower_name);
}

void Message::line(Bytes octets, std::string_view eol) {
  if (done_) return;
  if (octets.size() > 998 && !continued_) anomalies_ |= anomaly::long_line;
  const bool whole_start = !continued_;
  continued_ = eol.empty();
  if (main_done_) {
    if (!body_eol_.empty()) sink_.body(as_bytes(body_eol_));
    sink_.body(octets);
    body_eol_ = eol;
  }
  if (whole_start && boundary(octets)) return;
  switch (state_) {
    case State::headers:
      if (!whole_start) {
        // The tail of an oversized header line.
        auto& to = main_done_ ? part_headers_ : headers_;
        if (!to.empty()) {
          auto& v = to.back().value;
          const auto room =
              options_.header_value_depth - std::min(options_.header_value_depth, v.size());
          v.append(as_text(octets.first(std::min(room, octets.size()))));
          if (room < octets.size()) anomalies_ |= anomaly::long_header_value;
        }
        return;
      }
      if (octets.empty())
        end_headers();
      else
        header_line(octets);
      return;
    case State::body:
      body_line(octets, eol);
      return;
    case State::preamble:
      return;
  }
}

void Message::header_line(Bytes octets) {
  auto& to = main_done_ ? part_headers_ : headers_;
  const auto text = as_text(octets);
  const auto cap = [&](std::string& v) {
    if (v.size() <= options_.header_value_depth) return;
    v.resize(options_.header_value_depth);
    anomalies_ |= anomaly::long_header_value;
  };
  if (text[0] == ' ' || text[0] == '\t') {
    if (to.empty()) {
      anomalies_ |= anomaly::malformed;
      return;
    }
    auto rest = text;
    while (!rest.empty() && blank(rest.front())) rest.remove_prefix(1);
    to.back().value += rest;
    cap(to.back().value);
    return;
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    anomalies_ |= anomaly::malformed;
    return;
  }
  if (to.size() >= Limits::headers) {
    anomalies_ |= anomaly::gave_up;
    return;
  }
  auto name = trim(text.substr(0, colon));
  if (name.size() > Limits::usual_header_name) anomalies_ |= anomaly::long_header_name;
  name = name.substr(0, Limits::header_name);
  auto value = text.substr(colon + 1);
  while (!value.empty() && blank(value.front())) value.remove_prefix(1);
  to.push_back({std::string(name), std::string(value)});
  cap(to.back().value);
}

void Message::end_headers() {
  if (!main_done_) {
    main_done_ = true;
    part_headers_ = headers_;
  }
  begin_part();
  part_headers_.clear();
}

void Message::begin_part() {
  encoding_ = Encoding::plain;
  quad_size_ = 0;
  qp_rest_.clear();
  pending_eol_.clear();
  text_line_.clear();
  text_ = false;
  state_ = State::body;
  const auto* type = find(part_headers_, "content-type");
  const auto* disposition = find(part_headers_, "content-disposition");
  const auto* encoding = find(part_headers_, "content-transfer-encoding");
  std::string_view kind = type != nullptr ? std::string_view(type->value) : "text/plain";
  kind = trim(kind.substr(0, kind.find(';')));
  if (istarts(kind, "multipart/")) {
    auto mark = parameter(type->value, "boundary");
    if (mark.size() > Limits::boundary) {
      anomalies_ |= anomaly::long_boundary;
      mark.resize(Limits::boundary);
    }
    if (boundaries_.size() >= Limits::depth) anomalies_ |= anomaly::gave_up;
    if (!mark.empty() && boundaries_.size() < Limits::depth) {
      boundaries_.push_back(std::move(mark));
      state_ = State::preamble;
      return;
    }
  }
  if (!options_.decode) {
    state_ = State::preamble;
    return;
  }
  if (encoding != nullptr) {
    const auto v = trim(encoding->value);
    if (istarts(v, "base64") && options_.decode_base64) encoding_ = Encoding::base64;
    if (istarts(v, "quoted-printable") && options_.decode_quoted_printable)
      encoding_ = Encoding::quoted_printable;
  }
  std::string name;
  if (disposition != nullptr) name = parameter(disposition->value, "filename");
  if (name.empty() && type != nullptr) name = parameter(type->value, "name");
  if (iequals(kind, "message/rfc822")) {
    // The body is a message of its own: its headers come next, with an encoding of their own (RFC
    // 2046 5.2.1 allows no encoding here; believing one would hide the message from inspection).
    encoding_ = Encoding::plain;
    state_ = State::headers;
    return;
  }
  if (!name.empty()) {
    if (name.size() > Limits::filename) {
      name.resize(Limits::filename);
      anomalies_ |= anomaly::long_filename;
    }
    if (attachments_.size() < Limits::attachments)
      attachments_.push_back(name);
    else
      anomalies_ |= anomaly::gave_up;
    sink_.file_open(name);
    file_open_ = true;
  }
  // URLs are looked for in what people read and in what they open.
  text_ = options_.extract_urls &&
          (!name.empty() || iequals(kind, "text/plain") || iequals(kind, "text/html"));
  // Text is searched as it came: only attachments are decoded from quoted-printable.
  if (name.empty() && encoding_ == Encoding::quoted_printable) encoding_ = Encoding::plain;
}

void Message::end_part() {
  if (quad_size_ > 0) {
    // A group that was not filled: what it has is content.
    if (quad_size_ == 1) anomalies_ |= anomaly::invalid_base64;
    while (quad_size_ > 0 && quad_size_ < 4) quad_[quad_size_++] = '=';
    const std::string last(quad_.data(), 4);
    quad_size_ = 0;
    base64(as_bytes(last));
    quad_size_ = 0;
  }
  if (!qp_rest_.empty()) {
    anomalies_ |= anomaly::invalid_qp;
    qp_rest_.clear();
  }
  if (text_) scan_urls();
  text_ = false;
  pending_eol_.clear();
  if (file_open_) sink_.file_close();
  file_open_ = false;
}

bool Message::boundary(Bytes octets) {
  if (octets.size() < 3 || octets[0] != '-' || octets[1] != '-' || boundaries_.empty())
    return false;
  const auto text = as_text(octets.subspan(2));
  for (std::size_t n = boundaries_.size(); n-- > 0;) {
    if (!text.starts_with(boundaries_[n])) continue;
    const auto rest = trim(text.substr(boundaries_[n].size()));
    if (!rest.empty() && !rest.starts_with("--")) continue;
    end_part();
    boundaries_.resize(n + 1);
    part_headers_.clear();
    if (rest.starts_with("--")) {
      boundaries_.pop_back();
      state_ = State::preamble;
    } else {
      state_ = State::headers;
    }
    return true;
  }
  return false;
}

void Message::body_line(Bytes octets, std::string_view eol) {
  switch (encoding_) {
    case Encoding::base64:
      if (octets.size() > 76) anomalies_ |= anomaly::long_encoded_line;
      base64(octets);
      return;
    case Encoding::quoted_printable:
      if (octets.size() > 76) anomalies_ |= anomaly::long_encoded_line;
      quoted_printable(octets, eol);
      return;
    case Encoding::plain:
      content(octets);
      pending_eol_ = eol;
      return;
  }
}

void Message::base64(Bytes octets) {
  std::string out;
  out.reserve(octets.size() * 3 / 4 + 3);
  for (const auto o : octets) {
    const char c = static_cast<char>(o);
    if (base64_value(c) < 0 && c != '=') continue;  // RFC 2045 6.8: other characters are ignored
    quad_[quad_size_++] = c;
    if (quad_size_ < 4) continue;
    quad_size_ = 0;
    unsigned value = 0, pads = 0;
    for (const char q : quad_) {
      value = value << 6 | static_cast<unsigned>(std::max(0, base64_value(q)));
      if (q == '=') ++pads;
    }
    if (pads > 2 || quad_[0] == '=' || quad_[1] == '=' || (pads == 1 && quad_[3] != '=')) {
      anomalies_ |= anomaly::invalid_base64;
      continue;
    }
    out += static_cast<char>(value >> 16);
    if (pads < 2) out += static_cast<char>(value >> 8 & 0xff);
    if (pads < 1) out += static_cast<char>(value & 0xff);
  }
  content(as_bytes(out));
}

void Message::quoted_printable(Bytes octets, std::string_view eol) {
  std::string text = std::move(qp_rest_);
  qp_rest_.clear();
  text += as_text(octets);
  bool soft = false;
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    if (i + 2 < text.size()) {
      const int a = hex_value(text[i + 1]), b = hex_value(text[i + 2]);
      if (a >= 0 && b >= 0) {
        out += static_cast<char>(a * 16 + b);
        i += 2;
        continue;
      }
    }
    if (trim(std::string_view(text).substr(i + 1)).empty() && !eol.empty()) {
      soft = true;
      break;
    }
    if (eol.empty() && i + 2 >= text.size()) {
      qp_rest_ = text.substr(i);
      break;
    }
    anomalies_ |= anomaly::invalid_qp;
    out += text[i];
  }
  if (out.empty() && soft) return;
  content(as_bytes(out));
  pending_eol_ = soft ? std::string_view() : eol;
}

void Message::content(Bytes decoded) {
  const auto give = [&](Bytes data) {
    if (data.empty()) return;
    if (file_open_) sink_.file_data(data);
    if (!text_) return;
    for (const auto o : data) {
      const char c = static_cast<char>(o);
      if (c == '\n' || text_line_.size() >= Limits::line) scan_urls();
      if (c != '\n') text_line_ += c;
    }
  };
  if (!pending_eol_.empty()) {
    const auto eol = std::move(pending_eol_);
    pending_eol_.clear();
    give(as_bytes(eol));
  }
  give(decoded);
}

void Message::scan_urls() {
  const std::string text = std::move(text_line_);
  text_line_.clear();
  for (const auto& scheme : options_.url_schemes) {
    std::size_t from = 0;
    for (;;) {
      const auto mark = text.find("://", from);
      if (mark == std::string::npos || urls_.size() >= Limits::urls) break;
      from = mark + 3;
      if (mark < scheme.size() ||
          !iequals(std::string_view(text).substr(mark - scheme.size(), scheme.size()), scheme))
        continue;
      std::size_t end = from;
      while (end < text.size() && !url_end(text[end])) ++end;
      const auto start = options_.keep_url_scheme ? mark - scheme.size() : from;
      if (end > from) urls_.push_back(text.substr(start, std::min(end - start, Limits::url)));
      from = end;
    }
  }
}

void Message::finish() {
  if (done_) return;
  if (!main_done_) {
    // Headers only.
    main_done_ = true;
  } else {
    end_part();
  }
  done_ = true;
}

}  // namespace ww::mime
