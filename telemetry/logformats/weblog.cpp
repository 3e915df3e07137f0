/// Web access logs: NCSA common and combined (Apache, nginx, with or without a virtual host first),
/// W3C field names as Sigma's webserver category uses them.
#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

// Behind an opening quote: up to the closing one. Apache escapes quotes as \", nginx writes \x22.
bool take_quoted(Scan& in, std::string_view& value) {
  if (!in.take('"')) return false;
  const auto start = in.at;
  while (!in.end() && in.peek() != '"') {
    if (in.peek() == '\\' && in.at + 1 < in.text.size()) ++in.at;
    ++in.at;
  }
  if (in.end()) return false;
  value = in.text.substr(start, in.at - start);
  ++in.at;
  return true;
}

bool method_like(std::string_view s) {
  if (s.empty() || s.size() > 24) return false;
  for (const char c : s)
    if (!(c >= 'A' && c <= 'Z') && c != '_' && c != '-') return false;
  return true;
}

class Weblog final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "combined"; }
  [[nodiscard]] std::string_view summary() const override {
    return "Apache and nginx access log, common and combined, with or without virtual host";
  }
  [[nodiscard]] int order() const override { return 40; }
  [[nodiscard]] std::string_view example() const override {
    return "192.0.2.7 - alice [22/Nov/2026:02:30:00 +0000] \"GET /records?id=7 HTTP/1.1\" 200 512 "
           "\"-\" \"Mozilla/5.0\"";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    Scan in{line};
    auto first = in.word();
    if (first.empty() || !in.take(' ')) return false;
    auto second = in.word();
    if (!in.take(' ')) return false;
    std::string_view vhost, client = first, ident = second;
    // vhost_combined: "www.example.org:443 192.0.2.7 - - [..."
    Scan probe = in;
    const auto third = probe.word();
    if (probe.take(" [") || third.empty()) {
      // client ident user [
    } else {
      vhost = first;
      client = second;
      ident = third;
      in = probe;
      if (!in.take(' ')) return false;
    }
    // The user may hold spaces; it ends at " [".
    const auto open = in.rest().find('[');
    if (open == std::string_view::npos || open < 2 || in.rest()[open - 1] != ' ') return false;
    const auto user = in.rest().substr(0, open - 1);
    in.at += open + 1;
    WallTime wall;
    if (!take_clf_time(in, wall) || !in.take("] ")) return false;
    std::string_view request;
    if (!take_quoted(in, request) || !in.take(' ')) return false;
    const auto status = in.word();
    if (status.size() != 3 || !to_number(status) || !in.take(' ')) return false;
    const auto octets = in.word();
    out.time = resolve(wall, context.reference, *context.zone);
    out.category = "webserver";
    out.add("c-ip", client);
    if (!vhost.empty()) out.add("cs-host", vhost);
    if (ident != "-") out.add("ident", ident);
    if (user != "-") out.add("cs-username", user);
    read_request(request, out);
    out.add_number_or_text("sc-status", status);
    if (octets != "-") out.add_number_or_text("sc-bytes", octets);
    std::string_view text;
    in.spaces();
    if (take_quoted(in, text) && text != "-") out.add("cs-referer", text);
    in.spaces();
    if (take_quoted(in, text) && text != "-") out.add("cs-user-agent", text);
    in.spaces();
    if (!in.end()) out.add("extra", in.rest());
    out.message = line;
    return true;
  }

 private:
  static void read_request(std::string_view request, Record& out) {
    const auto space = request.find(' ');
    const auto method = request.substr(0, space);
    if (space == std::string_view::npos || !method_like(method)) {
      out.add("cs-uri", request);  // not HTTP: a scanner's octets, kept as they came
      return;
    }
    auto target = request.substr(space + 1);
    if (const auto version = target.rfind(" HTTP/"); version != std::string_view::npos) {
      out.add("cs-version", target.substr(version + 1));
      target = target.substr(0, version);
    }
    out.add("cs-method", method);
    out.add("cs-uri", target);
    const auto query = target.find('?');
    out.add("cs-uri-stem", target.substr(0, query));
    if (query != std::string_view::npos) out.add("cs-uri-query", target.substr(query + 1));
  }
};

const FormatRegistration registration{std::make_shared<const Weblog>()};

}  // namespace
}  // namespace ww::logs
