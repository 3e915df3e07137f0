#include "rules/sources/fetch.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>

#include "rules/signature/text.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/net/client.hpp"

namespace ww::sources {

namespace {

constexpr int max_redirects = 5;

/// Where a redirect leads: absolute, or a path at the same origin.
std::string resolve(const http::Url& base, std::string_view location) {
  if (location.starts_with("https://") || location.starts_with("http://"))
    return std::string(location);
  if (location.starts_with("//")) return (base.tls ? "https:" : "http:") + std::string(location);
  if (location.starts_with('/')) return base.origin() + std::string(location);
  const auto path = base.path.substr(0, base.path.find_first_of("?#"));
  return base.origin() + path.substr(0, path.rfind('/') + 1) + std::string(location);
}

/// The first word that looks like a digest: `HEX`, `HEX  name`, `SHA256 (name) = HEX`.
std::optional<std::string> find_digest(std::string_view text, std::size_t digits) {
  for (const auto word : sig::split_words(text)) {
    auto hex = sig::lower(word);
    if (hex.size() == digits && hex.find_first_not_of("0123456789abcdef") == std::string::npos)
      return hex;
  }
  return std::nullopt;
}

}  // namespace

std::string digest_hex(std::string_view octets, const char* algorithm) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned n = 0;
  std::string out;
  if (EVP_Digest(octets.data(), octets.size(), digest.data(), &n, EVP_get_digestbyname(algorithm),
                 nullptr) == 1)
    append_hex(out, Bytes{digest.data(), n});
  return out;
}

Fetch http_fetch(std::size_t max_octets, std::uint32_t timeout_seconds) {
  return [=](const Source& source, const std::string& first) -> Result<std::string, FetchError> {
    auto address = first;
    bool was_tls = false;
    for (int hop = 0; hop <= max_redirects; ++hop) {
      const auto url = http::parse_url(address);
      if (!url || (was_tls && !url->tls))
        return fail(
            FetchError{false, false, {"redirect to '" + address + "' is not followed", first, ""}});
      was_tls = url->tls;
      http::ClientOptions options;
      options.url = url->origin();
      options.ca_file = source.ca_file;
      options.timeout = std::chrono::seconds(timeout_seconds);
      options.max_response_octets = max_octets;
      options.user_agent = "wardwatchctl";
      auto client = http::Client::create(options);
      if (!client) return fail(FetchError{false, false, client.error().problem});
      http::Request request;
      request.target = url->path.empty() ? "/" : url->path.substr(0, url->path.find('#'));
      // Credentials are for the server that was named, not for where it sends us.
      if (hop == 0)
        for (const auto& [name, value] : source.headers) request.headers.add(name, value);
      auto answer = (*client)->send(request);
      if (!answer) {
        using Code = http::ClientErrc;
        auto [code, problem] = answer.error();
        problem.where = address;
        problem.remedy = code == Code::unreachable || code == Code::timeout
                             ? "is the address right, and may this host reach it?"
                         : code == Code::tls ? "ca-file: names the authority to trust"
                                             : "";
        return fail(FetchError{code != Code::too_large && code != Code::configuration, false,
                               std::move(problem)});
      }
      const auto status = answer->status;
      if (status == 200) return std::move(answer->body);
      if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
        const auto location = answer->headers.get("Location");
        if (!location.empty()) {
          address = resolve(*url, location);
          continue;
        }
      }
      const bool gone = status == 404 || status == 410;
      return fail(FetchError{
          status >= 500, gone, {"the server answers " + std::to_string(status), address, ""}});
    }
    return fail(FetchError{false, false, {"more than 5 redirects", first, ""}});
  };
}

Result<Download, FetchError> download(const Source& source, const Fetch& fetch) {
  auto body = fetch(source, source.url);
  if (!body) return fail(body.error());
  Download out{std::move(*body), ""};
  const auto compare = [&](const char* algorithm, const std::string& wanted,
                           const std::string& from) -> Result<void, FetchError> {
    const auto got = digest_hex(out.octets, algorithm);
    if (got.empty() || got != wanted)
      return fail(
          FetchError{false,
                     false,
                     {std::string(algorithm) + " is " + got + ", " + from + " says " + wanted,
                      source.url, "nothing was replaced; ask the publisher"}});
    out.verified = std::string(algorithm) + " " + from;
    return {};
  };
  if (!source.md5.empty())
    if (auto ok = compare("md5", source.md5, "the configuration"); !ok) return fail(ok.error());
  if (!source.sha256.empty())
    if (auto ok = compare("sha256", source.sha256, "the configuration"); !ok)
      return fail(ok.error());
  if (!out.verified.empty() || source.checksum == Source::Checksum::none) return out;
  for (const auto& [algorithm, digits] : {std::pair{"sha256", 64U}, std::pair{"md5", 32U}}) {
    const auto query = std::min(source.url.find_first_of("?#"), source.url.size());
    auto beside = source.url;
    beside.insert(query, std::string(".") + algorithm);
    const auto text = fetch(source, beside);
    if (!text) {
      if (text.error().not_found) continue;
      if (source.checksum == Source::Checksum::automatic && !text.error().unreachable) continue;
      return fail(text.error());
    }
    const auto wanted = find_digest(*text, digits);
    if (!wanted) continue;  // a page that says there is nothing
    if (auto ok = compare(algorithm, *wanted, beside); !ok) return fail(ok.error());
    return out;
  }
  if (source.checksum == Source::Checksum::required)
    return fail(FetchError{false,
                           false,
                           {"no checksum beside the URL (.sha256, .md5)", source.url,
                            "give sha256: in the configuration"}});
  return out;
}

}  // namespace ww::sources
