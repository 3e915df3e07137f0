#pragma once
/// How commands speak to the collector. Where it is and who we are come from the command line, else
/// the environment (WARDWATCH_URL, WARDWATCH_TOKEN, WARDWATCH_CA), else the profile that
/// `wardwatchctl login` wrote
/// ($XDG_CONFIG_HOME/wardwatch/profile.json, mode 0600).
#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/commands/command.hpp"
#include "telemetry/net/client.hpp"

namespace ww::ctl {

struct Profile {
  std::string url, token, ca_file;
};
[[nodiscard]] std::string profile_path();
[[nodiscard]] Profile load_profile();

/// Throws Failure when tokens and passwords would go to the collector in the clear.
void require_https(const std::string& url);

/// One connection to the collector. Every failure is thrown as Failure: exit code 3 when it cannot
/// be reached, 1 when it refused, 2 when we do not know where it is or who we are.
class ApiClient {
 public:
  explicit ApiClient(const Context& context, bool need_token = true);
  /// The answer's JSON (null for 204). @param body  JSON text, or empty for none
  boost::json::value call(std::string_view method, const std::string& path,
                          const std::string& body = {});
  boost::json::value get(const std::string& path) { return call("GET", path); }
  boost::json::value post(const std::string& path, const boost::json::value& body);
  /// Server-sent events: `each` gets name and data, and returns false to stop.
  void events(const std::string& path,
              const std::function<bool(std::string_view, std::string_view)>& each);
  /// All pages of a list, until `limit` items.
  std::vector<boost::json::value> items(const std::string& path, std::size_t limit);
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  [[noreturn]] void refuse(std::string_view method, const std::string& path, unsigned status,
                           std::string_view body) const;
  std::string url_, token_;
  std::unique_ptr<http::Client> client_;
};

/// "rule.title" of an object as text: strings as they are, arrays joined by commas, the rest as
/// JSON; "" when absent.
[[nodiscard]] std::string text_of(const boost::json::value& object, std::string_view path);
/// Prints values: as a table or CSV with these columns (heading, dotted path), or as JSON in full.
void print_items(const Context& context, const std::vector<boost::json::value>& items,
                 const std::vector<std::pair<std::string, std::string>>& columns);
/// Prints one object: JSON in full, or a row for each member.
void print_object(const Context& context, const boost::json::value& object);
/// "?a=1&b=2" of what is not empty, escaped.
[[nodiscard]] std::string query_string(
    const std::vector<std::pair<std::string, std::string>>& args);
/// "90s", "15m", "24h", "7d" or seconds.
[[nodiscard]] std::optional<std::int64_t> parse_duration(std::string_view text);
/// A time as the API wants it, from RFC 3339 or a duration back from now ("2h").
[[nodiscard]] std::string time_argument(const std::string& text);

}  // namespace ww::ctl
