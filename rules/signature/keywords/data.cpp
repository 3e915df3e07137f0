/// Lookups: dataset, datarep, iprep, geoip; base64_decode and base64_data; entropy, absent.
#include <maxminddb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "rules/signature/dataset.hpp"
#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

std::string resolve(const RuleBuilder& b, std::string_view path, std::string_view settings_key) {
  const std::filesystem::path p{std::string(path)};
  if (p.is_absolute()) return p.string();
  const auto beside = std::filesystem::path(b.options().base_folder) / p;
  std::error_code ec;
  if (std::filesystem::exists(beside, ec)) return beside.string();
  if (b.options().settings)
    if (const auto folder = b.options().settings->text(settings_key))
      if (std::filesystem::exists(std::filesystem::path(*folder) / p, ec))
        return (std::filesystem::path(*folder) / p).string();
  return beside.string();
}

/// The common part of dataset and datarep. `rest` gets what only one of them knows.
Status dataset_options(RuleBuilder& b, const std::vector<std::string_view>& parts, std::size_t from,
                       Dataset::Options& o, std::string& context_key, bool& typed) {
  for (std::size_t i = from; i < parts.size(); ++i) {
    const auto part = parts[i];
    const auto space = part.find_first_of(" \t");
    const auto name = part.substr(0, space);
    auto value = space == std::string_view::npos ? std::string_view() : trim(part.substr(space));
    if (const auto q = unquote(value)) value = *q;
    if (name == "type") {
      typed = true;
      using T = Dataset::Type;
      if (value == "string")
        o.type = T::string;
      else if (value == "md5")
        o.type = T::md5;
      else if (value == "sha256")
        o.type = T::sha256;
      else if (value == "ipv4")
        o.type = T::ipv4;
      else if (value == "ip" || value == "ipv6")
        o.type = T::ip;
      else
        return bad("type '" + std::string(value) + "' is not string, md5, sha256, ipv4 or ip");
    } else if (name == "load") {
      o.load = resolve(b, value, "default-rule-path");
    } else if (name == "save") {
      o.save = resolve(b, value, "default-log-dir");
    } else if (name == "state") {
      o.load = o.save = resolve(b, value, "default-log-dir");
      o.must_exist = false;
    } else if (name == "memcap") {
      const auto n = parse_size(value);
      if (!n || *n == 0) return bad("memcap is a size");
      o.max_octets = std::min<std::uint64_t>(*n, 4ULL << 30);
    } else if (name == "hashsize") {
      if (!parse_unsigned(value)) return bad("hashsize is a number");
    } else if (name == "format") {
      using F = Dataset::Format;
      if (value == "csv")
        o.format = F::csv;
      else if (value == "json")
        o.format = F::json;
      else if (value == "ndjson" || value == "jsonline")
        o.format = F::ndjson;
      else
        return bad("format is csv, json or ndjson");
    } else if (name == "context_key" || name == "enrichment_key") {
      context_key = value;
    } else if (name == "value_key") {
      o.value_key = value;
    } else if (name == "array_key") {
      o.array_key = value;
    } else if (name == "remove_key") {
      o.remove_key = true;
    } else {
      return bad("unknown part '" + std::string(part) + "'");
    }
  }
  return {};
}

Result<std::shared_ptr<Dataset>, std::string> find_or_make(RuleBuilder& b, Dataset::Options o,
                                                           bool typed) {
  if (auto set = b.shared().dataset(o.name)) {
    if (typed)
      if (auto ok = set->compatible(o); !ok) return bad(ok.error());
    return set;
  }
  // A set that suricata.yaml defines needs no more than its name in the rule.
  if (const auto* s = b.options().settings; s && !typed) {
    const auto base = "datasets." + o.name;
    if (const auto type = s->text(base + ".type")) {
      typed = true;
      using T = Dataset::Type;
      o.type = *type == "md5"      ? T::md5
               : *type == "sha256" ? T::sha256
               : *type == "ipv4"   ? T::ipv4
               : *type == "ip"     ? T::ip
                                   : T::string;
      if (const auto load = s->text(base + ".load"))
        o.load = resolve(b, *load, "default-rule-path");
      if (const auto state = s->text(base + ".state")) {
        o.load = o.save = resolve(b, *state, "default-log-dir");
        o.must_exist = false;
      }
    }
  }
  if (!typed)
    return bad("set '" + o.name + "' needs a type: no rule or configuration defined it before");
  if (o.format != Dataset::Format::csv && o.value_key.empty())
    return bad("a JSON set needs value_key");
  const auto name = o.name;
  auto set = Dataset::make(std::move(o));
  if (!set) return bad(set.error());
  b.shared().add_dataset(name, *set);
  return *set;
}

Status dataset(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  if (parts.size() < 2) return bad("needs command,name");
  DatasetOp op;
  using C = DatasetOp::Command;
  if (parts[0] == "isset")
    op.command = C::isset;
  else if (parts[0] == "isnotset")
    op.command = C::isnotset;
  else if (parts[0] == "set")
    op.command = C::set;
  else if (parts[0] == "unset")
    op.command = C::unset;
  else
    return bad("'" + std::string(parts[0]) + "' is not set, unset, isset or isnotset");
  if (!b.buffer_selected()) return bad("needs a sticky buffer before it");
  Dataset::Options options;
  options.name = parts[1];
  if (options.name.empty() || options.name.size() > 63)
    return bad("the name has 1 to 63 characters");
  bool typed = false;
  if (auto ok = dataset_options(b, parts, 2, options, op.context_key, typed); !ok) return ok;
  auto set = find_or_make(b, std::move(options), typed);
  if (!set) return bad(set.error());
  op.set = std::move(*set);
  b.add(std::move(op));
  return {};
}

Status datarep(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  if (parts.size() < 3) return bad("needs name,operator,value");
  if (!b.buffer_selected()) return bad("needs a sticky buffer before it");
  DatarepOp op;
  using C = DatarepOp::Compare;
  if (parts[1] == "<")
    op.compare = C::lt;
  else if (parts[1] == ">")
    op.compare = C::gt;
  else if (parts[1] == "==" || parts[1] == "=")
    op.compare = C::eq;
  else
    return bad("operator is <, > or ==");
  const auto v = parse_unsigned(parts[2]);
  if (!v || *v > 65535) return bad("value is 0 to 65535");
  op.value = static_cast<std::uint16_t>(*v);
  Dataset::Options options;
  options.name = parts[0];
  options.reputation = true;
  bool typed = false;
  std::string ignored;
  if (auto ok = dataset_options(b, parts, 3, options, ignored, typed); !ok) return ok;
  auto set = find_or_make(b, std::move(options), typed);
  if (!set) return bad(set.error());
  op.set = std::move(*set);
  b.add(std::move(op));
  return {};
}

// --------------------------------------------------------------------------- iprep

/// Reputation by category, from the files that suricata.yaml names. Read once per load.
struct Reputation {
  struct Entry {
    IpNetwork network;
    std::uint8_t category, value;
  };
  std::map<std::string, std::uint8_t> categories;
  std::map<std::pair<IpAddress, std::uint8_t>, std::uint8_t> hosts;
  std::vector<Entry> networks;

  [[nodiscard]] std::uint8_t value(const IpAddress& a, std::uint8_t category) const {
    if (const auto it = hosts.find({a, category}); it != hosts.end()) return it->second;
    std::uint8_t best = 0, length = 0;
    for (const auto& n : networks)
      if (n.category == category && n.network.prefix >= length && n.network.contains(a)) {
        best = n.value;
        length = n.network.prefix;
      }
    return best;
  }
};

template <class F>
void each_line(const std::string& path, F&& f) {
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line)) {
    const auto t = trim(line);
    if (!t.empty() && t.front() != '#') f(split_list(t));
  }
}

Result<std::shared_ptr<const Reputation>, std::string> reputation(const RuleBuilder& b) {
  const auto* s = b.options().settings;
  if (!s) return bad("needs reputation-categories-file and reputation-files in the configuration");
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Reputation>> cache;
  const auto folder = s->text_or("default-reputation-path", "");
  const auto path = [&](const std::string& name) {
    const std::filesystem::path p(name);
    if (p.is_absolute()) return name;
    return (std::filesystem::path(folder.empty() ? b.options().base_folder : folder) / p).string();
  };
  const auto categories = s->text_or("reputation-categories-file", "");
  if (categories.empty()) return bad("needs reputation-categories-file in the configuration");
  std::string key = path(categories);
  const auto files = s->list("reputation-files");
  for (const auto& f : files) (key += '\n') += path(f);
  const std::lock_guard lock(mutex);
  if (const auto it = cache.find(key); it != cache.end()) return it->second;
  auto r = std::make_shared<Reputation>();
  each_line(path(categories), [&](const auto& parts) {
    if (parts.size() < 2) return;
    const auto id = parse_unsigned(parts[0]);
    if (id && *id > 0 && *id < 60)
      r->categories[std::string(parts[1])] = static_cast<std::uint8_t>(*id);
  });
  if (r->categories.empty()) return bad("no category in '" + path(categories) + "'");
  for (const auto& f : files)
    each_line(path(f), [&](const auto& parts) {
      if (parts.size() < 3) return;
      const auto net = parse_network(parts[0]);
      const auto id = parse_unsigned(parts[1]), value = parse_unsigned(parts[2]);
      if (!net || !id || *id >= 60 || !value || *value > 127) return;
      if (net->prefix == net->address.size() * 8)
        r->hosts[{net->address, static_cast<std::uint8_t>(*id)}] =
            static_cast<std::uint8_t>(*value);
      else
        r->networks.push_back(
            {*net, static_cast<std::uint8_t>(*id), static_cast<std::uint8_t>(*value)});
    });
  cache[key] = r;
  return std::shared_ptr<const Reputation>(r);
}

enum : std::uint64_t { side_any, side_src, side_dst, side_both };
bool iprep_test(const PacketTest& t, MatchServices& m) {
  if (!m.packet->ip_version) return false;
  const auto& r = *static_cast<const Reputation*>(t.data.get());
  const auto holds = [&](const IpAddress& a) {
    const auto v = r.value(a, static_cast<std::uint8_t>(t.b));
    if (t.text == "isset") return v > 0;
    if (t.text == "isnotset") return v == 0;
    return v > 0 && t.number.test(v);
  };
  switch (t.a) {
    case side_src:
      return holds(m.packet->src);
    case side_dst:
      return holds(m.packet->dst);
    case side_both:
      return holds(m.packet->src) && holds(m.packet->dst);
    default:
      return holds(m.packet->src) || holds(m.packet->dst);
  }
}
Status iprep(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  if (parts.size() < 3) return bad("needs side,category,test");
  PacketTest t;
  t.test = &iprep_test;
  t.require_packet = false;
  if (parts[0] == "any")
    t.a = side_any;
  else if (parts[0] == "src")
    t.a = side_src;
  else if (parts[0] == "dst")
    t.a = side_dst;
  else if (parts[0] == "both")
    t.a = side_both;
  else
    return bad("side is any, src, dst or both");
  auto r = reputation(b);
  if (!r) return bad(r.error());
  const auto it = (*r)->categories.find(std::string(parts[1]));
  if (it == (*r)->categories.end()) return bad("unknown category '" + std::string(parts[1]) + "'");
  t.b = it->second;
  if (parts[2] == "isset" || parts[2] == "isnotset") {
    t.text = parts[2];
  } else {
    if (parts.size() != 4) return bad("needs side,category,operator,value");
    auto n = parse_number_test(std::string(parts[2]) + std::string(parts[3]), 127);
    if (!n) return bad(n.error());
    t.number = *n;
  }
  t.data = *r;
  b.test(std::move(t));
  return {};
}

// --------------------------------------------------------------------------- geoip

struct Countries {
  MMDB_s db{};
  bool open = false;
  ~Countries() {
    if (open) MMDB_close(&db);
  }
};
struct GeoArgument {
  std::shared_ptr<Countries> db;
  std::vector<std::string> codes;
  bool negated = false;
};
bool country_is(const GeoArgument& g, const IpAddress& a) {
  sockaddr_storage storage{};
  if (a.family == 4) {
    auto* s = reinterpret_cast<sockaddr_in*>(&storage);
    s->sin_family = AF_INET;
    std::copy_n(a.octets.data(), 4, reinterpret_cast<std::uint8_t*>(&s->sin_addr));
  } else {
    auto* s = reinterpret_cast<sockaddr_in6*>(&storage);
    s->sin6_family = AF_INET6;
    std::copy_n(a.octets.data(), 16, reinterpret_cast<std::uint8_t*>(&s->sin6_addr));
  }
  int error = 0;
  auto found = MMDB_lookup_sockaddr(&g.db->db, reinterpret_cast<const sockaddr*>(&storage), &error);
  if (error != MMDB_SUCCESS || !found.found_entry) return false;
  MMDB_entry_data_s data;
  if (MMDB_get_value(&found.entry, &data, "country", "iso_code", nullptr) != MMDB_SUCCESS ||
      !data.has_data || data.type != MMDB_DATA_TYPE_UTF8_STRING)
    return false;
  const std::string_view code(data.utf8_string, data.data_size);
  const bool listed =
      std::any_of(g.codes.begin(), g.codes.end(), [&](const auto& c) { return iequals(c, code); });
  return listed != g.negated;
}
bool geoip_test(const PacketTest& t, MatchServices& m) {
  if (!m.packet->ip_version) return false;
  const auto& g = *static_cast<const GeoArgument*>(t.data.get());
  switch (t.a) {
    case side_src:
      return country_is(g, m.packet->src);
    case side_dst:
      return country_is(g, m.packet->dst);
    case side_both:
      return country_is(g, m.packet->src) && country_is(g, m.packet->dst);
    default:
      return country_is(g, m.packet->src) || country_is(g, m.packet->dst);
  }
}
Status geoip(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto* s = b.options().settings;
  const auto path = s ? s->text_or("geoip-database", "") : "";
  if (path.empty()) return bad("needs geoip-database in the configuration");
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Countries>> open;
  std::shared_ptr<Countries> db;
  {
    const std::lock_guard lock(mutex);
    db = open[path].lock();
    if (!db) {
      db = std::make_shared<Countries>();
      if (const int rc = MMDB_open(path.c_str(), MMDB_MODE_MMAP, &db->db); rc != MMDB_SUCCESS)
        return bad("cannot open '" + path + "': " + MMDB_strerror(rc));
      db->open = true;
      open[path] = db;
    }
  }
  auto g = std::make_shared<GeoArgument>();
  g->db = db;
  PacketTest t;
  t.test = &geoip_test;
  bool first = true;
  for (auto part : split_list(o.value)) {
    if (first) {
      first = false;
      if (part == "any" || part == "src" || part == "dst" || part == "both") {
        t.a = part == "src"    ? side_src
              : part == "dst"  ? side_dst
              : part == "both" ? side_both
                               : side_any;
        continue;
      }
    }
    if (part.starts_with('!')) {
      g->negated = true;
      part = trim(part.substr(1));
    }
    if (part.size() != 2) return bad("'" + std::string(part) + "' is not a country code");
    g->codes.emplace_back(part);
  }
  if (g->codes.empty()) return bad("needs a country code");
  t.data = g;
  t.ip_only_compatible = true;
  b.test(std::move(t));
  return {};
}

// --------------------------------------------------------------------------- base64, entropy,
// absent

Status base64_decode(RuleBuilder& b, const Option& o, const Keyword&) {
  Base64Op op;
  for (const auto& [name, value] : split_pairs(o.value)) {
    if (name == "relative") {
      op.relative = true;
    } else if (name == "bytes" || name == "offset") {
      const auto n = parse_unsigned(value);
      if (!n || *n > 65535) return bad(std::string(name) + " is 0 to 65535");
      (name == "bytes" ? op.octets : op.offset) = static_cast<std::uint32_t>(*n);
    } else {
      return bad("unknown part '" + std::string(name) + "'");
    }
  }
  b.add(op);
  return {};
}
Status base64_data(RuleBuilder& b, const Option&, const Keyword&) { return b.select_base64(); }

/// `4.5`, `>= 4.5`, `4-5` (both ends exclusive), `!4-5`.
Status entropy_value(std::string_view text, EntropyOp& op) {
  using C = EntropyOp::Compare;
  text = trim(text);
  const auto bits = [](std::string_view t) -> std::optional<double> {
    const std::string number(trim(t));
    if (number.empty() || number.find_first_not_of("0123456789.") != std::string::npos)
      return std::nullopt;
    char* end = nullptr;
    const double v = std::strtod(number.c_str(), &end);
    if (*end != '\0' || !(v >= 0.0 && v <= 8.0)) return std::nullopt;
    return v;
  };
  for (const auto& [sign, code] : {std::pair<std::string_view, C>{"<=", C::le},
                                   {">=", C::ge},
                                   {"!=", C::ne},
                                   {"==", C::eq},
                                   {"<", C::lt},
                                   {">", C::gt},
                                   {"=", C::eq},
                                   {"!", C::ne}})
    if (text.starts_with(sign)) {
      op.compare = code;
      text = trim(text.substr(sign.size()));
      break;
    }
  if (const auto dash = text.find('-');
      dash != std::string_view::npos && (op.compare == C::eq || op.compare == C::ne)) {
    const auto from = bits(text.substr(0, dash)), to = bits(text.substr(dash + 1));
    if (!from || !to || *from >= *to)
      return bad("'" + std::string(text) + "' is not a range within 0.0 to 8.0");
    op.compare = op.compare == C::eq ? C::between : C::outside;
    op.value = *from;
    op.upper = *to;
    return {};
  }
  const auto v = bits(text);
  if (!v) return bad("value is 0.0 to 8.0");
  op.value = *v;
  return {};
}

Status entropy(RuleBuilder& b, const Option& o, const Keyword&) {
  EntropyOp op;
  bool value = false;
  const auto parts = split_list(o.value);
  for (const auto part : parts) {
    const auto words = split_words(part);
    if (words.empty()) return bad("an empty part");
    if ((words[0] == "bytes" || words[0] == "offset") && words.size() == 2) {
      const auto n = parse_unsigned(words[1]);
      if (!n || *n > UINT32_MAX) return bad("'" + std::string(words[1]) + "' is not a number");
      (words[0] == "bytes" ? op.octets : op.offset) = static_cast<std::uint32_t>(*n);
      continue;
    }
    // The word `value` may be left out when nothing else is asked for.
    const bool named = words[0] == "value";
    if (!named && parts.size() > 1) return bad("unknown part '" + std::string(part) + "'");
    if (auto ok = entropy_value(named ? part.substr(5) : part, op); !ok) return ok;
    value = true;
  }
  if (!value) return bad("needs a value");
  b.add(op);
  return {};
}

Status absent(RuleBuilder& b, const Option& o, const Keyword&) {
  if (!b.buffer_selected()) return bad("needs a sticky buffer before it");
  if (o.has_value && !o.value.empty() && o.value != "or_else")
    return bad("takes nothing or or_else");
  return b.set_absent(o.value == "or_else" ? Stage::Absent::or_else : Stage::Absent::must);
}

using V = Keyword::Value;
const KeywordRegistration registration{{
    {.name = "dataset",
     .group = "data",
     .summary = "looks the buffer up in a set, or adds it",
     .example = "dns.query; dataset:set,seen-names,type string;",
     .notes = "set, unset, isset, isnotset; type string, md5, sha256, ipv4, ip; load, save, state; "
              "format csv, json, ndjson with value_key, array_key, context_key, remove_key",
     .setup = &dataset},
    {.name = "datarep",
     .group = "data",
     .summary = "compares the reputation of the buffer in a set",
     .example = "dns.query; datarep:bad-names,>,200,type string;",
     .setup = &datarep},
    {.name = "iprep",
     .group = "data",
     .summary = "compares the reputation of an address",
     .example = "",
     .notes = "iprep:any,CnC,>,30; needs reputation files in the configuration",
     .setup = &iprep},
    {.name = "geoip",
     .group = "data",
     .summary = "country of an address, from a MaxMind database",
     .example = "",
     .notes = "geoip:src,!GB,FR; needs geoip-database in the configuration",
     .setup = &geoip},
    {.name = "base64_decode",
     .group = "payload",
     .summary = "decodes base64 for base64_data",
     .example = "content:\"x=\"; base64_decode:relative; base64_data; content:\"abc\";",
     .value = V::optional,
     .setup = &base64_decode},
    {.name = "base64_data",
     .group = "payload",
     .summary = "what base64_decode gave, as a sticky buffer",
     .example = "base64_decode; base64_data; content:\"abc\";",
     .value = V::none,
     .setup = &base64_data},
    {.name = "entropy",
     .group = "payload",
     .summary = "Shannon entropy of the buffer in bits per octet",
     .example = "http.uri; entropy:value >= 5.5;",
     .setup = &entropy},
    {.name = "absent",
     .group = "payload",
     .summary = "the buffer is not there, or (or_else) what follows holds",
     .example = "http.referer; absent;",
     .value = V::optional,
     .setup = &absent},
    {.name = "lua",
     .aliases = {"luajit"},
     .group = "payload",
     .summary = "a Lua script",
     .refused = "Wardwatch runs no scripts from rules"},
}};

}  // namespace
}  // namespace ww::sig
