#include "sensors/protocols/http/config.hpp"

#include <htp/htp.h>

#include <algorithm>
#include <random>

#include "sensors/protocols/http/connection.hpp"
#include "sensors/protocols/http/http.hpp"

namespace ww::sensor::http {
namespace {

constexpr std::string_view root = "app-layer.protocols.http.libhtp";
constexpr std::uint32_t headers_limit = 1024;
constexpr std::uint64_t field_soft_limit = 9000, field_hard_limit = 18000;

struct Personality {
  std::string_view name;
  htp_server_personality_t value;
};
/// The names of Suricata's configuration; libhtp folds some of them together.
constexpr Personality personalities[] = {
    {"Minimal", HTP_SERVER_MINIMAL},   {"Generic", HTP_SERVER_GENERIC},
    {"IDS", HTP_SERVER_IDS},           {"IIS_4_0", HTP_SERVER_IIS_4_0},
    {"IIS_5_0", HTP_SERVER_IIS_5_0},   {"IIS_5_1", HTP_SERVER_IIS_5_1},
    {"IIS_6_0", HTP_SERVER_IIS_6_0},   {"IIS_7_0", HTP_SERVER_IIS_7_0},
    {"IIS_7_5", HTP_SERVER_IIS_7_5},   {"Apache_2", HTP_SERVER_APACHE_2},
    {"Apache", HTP_SERVER_APACHE_2},   {"Apache_2_2", HTP_SERVER_APACHE_2},
    {"Tomcat_6_0", HTP_SERVER_GENERIC}};

void read_personality(htp_cfg_t* cfg, const Settings& s) {
  const auto name = s.text_or("personality", "IDS");
  for (const auto& p : personalities)
    if (same_text(p.name, name)) htp_config_set_server_personality(cfg, p.value);
  // The IDS personality lowers the path; signatures are written for it as sent.
  htp_config_set_convert_lowercase(cfg, HTP_DECODER_URL_PATH, 0);
}

void flag(const Settings& s, std::string_view key, htp_cfg_t* cfg, htp_decoder_ctx_t context,
          void (*set)(htp_cfg_t*, htp_decoder_ctx_t, int)) {
  if (s.has(key)) set(cfg, context, s.flag_or(key, false) ? 1 : 0);
}

void read_uri_decoding(htp_cfg_t* cfg, const Settings& s) {
  const auto path = HTP_DECODER_URL_PATH;
  flag(s, "path-convert-backslash-separators", cfg, path, htp_config_set_backslash_convert_slashes);
  flag(s, "path-compress-separators", cfg, path, htp_config_set_path_separators_compress);
  flag(s, "path-separators-compress", cfg, path, htp_config_set_path_separators_compress);
  flag(s, "path-separators-decode", cfg, path, htp_config_set_path_separators_decode);
  flag(s, "path-u-encoding-decode", cfg, path, htp_config_set_u_encoding_decode);
  flag(s, "path-utf8-convert-bestfit", cfg, path, [](htp_cfg_t* c, htp_decoder_ctx_t x, int on) {
    if (on != 0) htp_config_set_utf8_convert_bestfit(c, x, on);
  });
  flag(s, "path-convert-lowercase", cfg, path, htp_config_set_convert_lowercase);
  flag(s, "set-path-convert-lowercase", cfg, path, htp_config_set_convert_lowercase);
  flag(s, "path-nul-encoded-terminates", cfg, path, htp_config_set_nul_encoded_terminates);
  flag(s, "path-nul-raw-terminates", cfg, path, htp_config_set_nul_raw_terminates);
  flag(s, "query-plusspace-decode", cfg, HTP_DECODER_URLENCODED, htp_config_set_plusspace_decode);
  if (const auto how = s.text("path-url-encoding-invalid-handling")) {
    auto handling = HTP_URL_DECODE_PRESERVE_PERCENT;
    if (same_text(*how, "remove_percent")) handling = HTP_URL_DECODE_REMOVE_PERCENT;
    if (same_text(*how, "decode_invalid")) handling = HTP_URL_DECODE_PROCESS_INVALID;
    htp_config_set_url_encoding_invalid_handling(cfg, path, handling);
  }
}

std::shared_ptr<htp_cfg_t> make_htp(const Settings& s) {
  std::shared_ptr<htp_cfg_t> cfg(htp_config_create(), htp_config_destroy);
  htp_config_set_server_personality(cfg.get(), HTP_SERVER_IDS);
  htp_config_set_parse_request_cookies(cfg.get(), 0);
  htp_config_set_allow_space_uri(cfg.get(), 1);
  htp_config_set_plusspace_decode(cfg.get(), HTP_DECODER_URLENCODED, 0);
  read_personality(cfg.get(), s);
  read_uri_decoding(cfg.get(), s);
  // Bodies are decoded by us (decode.hpp): libhtp's decoder depends on how the body was cut into
  // pieces.
  htp_config_set_response_decompression(cfg.get(), 0);
  htp_config_set_request_decompression(cfg.get(), 0);
  htp_config_set_tx_auto_destroy(cfg.get(), 1);
  const auto hard = s.size_or("meta-field-limit", field_hard_limit);
  htp_config_set_field_limits(cfg.get(), std::min(field_soft_limit, hard), hard);
  htp_config_set_number_headers_limit(
      cfg.get(), static_cast<std::uint32_t>(s.integer_or("headers-limit", headers_limit)));
  register_callbacks(cfg.get());
  return cfg;
}

void read_decoding(DecodeLimits& d, const Settings& s) {
  d.layers =
      static_cast<std::uint32_t>(s.integer_or("response-body-decompress-layer-limit", d.layers));
  if (const auto lzma = s.text("lzma-enabled")) {
    const auto on = parse_flag(*lzma);
    d.lzma_layers =
        on ? (*on ? 1U : 0U) : static_cast<std::uint32_t>(s.integer_or("lzma-enabled", 0));
  }
  d.lzma_memory = s.size_or("lzma-memlimit", d.lzma_memory);
  d.bomb_octets = s.size_or("compression-bomb-limit", d.bomb_octets);
  d.time_microseconds =
      static_cast<std::uint32_t>(s.integer_or("decompression-time-limit", d.time_microseconds));
}

/// So that an attacker cannot know where one inspection ends: sizes move by up to half the range,
/// both ways.
void randomise(ServerConfig& c, double range_percent) {
  std::mt19937_64 source{std::random_device{}()};
  std::uniform_real_distribution<double> part(-0.5, 0.5);
  const auto move = [&](std::uint64_t& v) {
    v = static_cast<std::uint64_t>(static_cast<double>(v) *
                                   (1.0 + part(source) * range_percent / 100.0));
  };
  for (auto& b : c.body) {
    move(b.inspect_min);
    move(b.inspect_window);
  }
}

ServerConfig read_server(const Settings& s) {
  ServerConfig c;
  auto& request = c.body[0];
  auto& response = c.body[1];
  response.inspect_min = 40 * 1024;
  response.inspect_window = 16 * 1024;
  request.limit = s.size_or("request-body-limit", request.limit);
  response.limit = s.size_or("response-body-limit", response.limit);
  request.inspect_min = s.size_or("request-body-minimal-inspect-size", request.inspect_min);
  request.inspect_window = s.size_or("request-body-inspect-window", request.inspect_window);
  response.inspect_min = s.size_or("response-body-minimal-inspect-size", response.inspect_min);
  response.inspect_window = s.size_or("response-body-inspect-window", response.inspect_window);
  c.max_transactions = static_cast<std::uint32_t>(s.integer_or("max-tx", c.max_transactions));
  c.whole_target = s.flag_or("uri-include-all", false);
  c.double_decode_path = s.flag_or("double-decode-path", false);
  c.double_decode_query = s.flag_or("double-decode-query", false);
  (void)s.flag_or("http-body-inline",
                  false);  // inspection follows every packet here, as inline mode does
  read_decoding(c.decode, s);
  // Off unless asked for: the same capture gives the same alerts.
  if (s.flag_or("randomize-inspection-sizes", false))
    randomise(c, static_cast<double>(s.integer_or("randomize-inspection-range", 10)));
  c.htp = make_htp(s);
  return c;
}

}  // namespace

std::shared_ptr<const Config> Config::from(const Settings& settings) {
  auto out = std::make_shared<Config>();
  const auto tree = settings.below(root);
  out->default_ = read_server(tree.below("default-config"));
  for (const auto& position : tree.children("server-config")) {
    const auto item = tree.below("server-config." + position);
    for (const auto& name : item.children("")) {
      const auto server = item.below(name);
      const auto config = std::make_shared<const ServerConfig>(read_server(server));
      for (const auto& text : server.list("address"))
        if (const auto network = parse_network(text)) out->servers_.emplace_back(*network, config);
    }
  }
  std::stable_sort(out->servers_.begin(), out->servers_.end(),
                   [](const auto& a, const auto& b) { return a.first.prefix > b.first.prefix; });
  return out;
}

std::shared_ptr<const Config> Config::cached(const Settings& settings) {
  thread_local std::uint64_t revision = 0;
  thread_local std::shared_ptr<const Config> made;
  if (!made || revision != settings.revision()) {
    made = from(settings);
    revision = settings.revision();
  }
  return made;
}

const ServerConfig& Config::for_server(const IpAddress& address) const {
  for (const auto& [network, config] : servers_)
    if (network.address.family == address.family && network.contains(address)) return *config;
  return default_;
}

}  // namespace ww::sensor::http
