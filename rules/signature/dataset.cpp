#include "rules/signature/dataset.hpp"

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <vector>

#include "rules/signature/base64_digits.hpp"
#include "rules/signature/text.hpp"
#include "telemetry/ip.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::sig {

namespace {
constexpr std::uint64_t entry_overhead = 96;
constexpr std::uintmax_t max_file_octets = 1ULL << 30;

std::optional<std::string> decode_hex(std::string_view s, std::size_t octets) {
  if (s.size() != octets * 2) return std::nullopt;
  std::string out;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (std::size_t i = 0; i < s.size(); i += 2) {
    const int a = digit(s[i]), b = digit(s[i + 1]);
    if (a < 0 || b < 0) return std::nullopt;
    out += static_cast<char>(a * 16 + b);
  }
  return out;
}

/// IPv6 form of an address, so that ::ffff:a.b.c.d and a.b.c.d are the same member.
std::string mapped(const IpAddress& a) {
  std::string out(16, '\0');
  if (a.family == 4) {
    out[10] = out[11] = static_cast<char>(0xff);
    std::copy_n(a.octets.data(), 4, reinterpret_cast<std::uint8_t*>(out.data()) + 12);
  } else {
    std::copy_n(a.octets.data(), 16, reinterpret_cast<std::uint8_t*>(out.data()));
  }
  return out;
}

const boost::json::value* walk(const boost::json::value& root, std::string_view path) {
  const auto* v = &root;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto* o = v->if_object();
    if (!o) return nullptr;
    v = o->if_contains(path.substr(0, dot));
    if (!v) return nullptr;
    if (dot == std::string_view::npos) break;
    path.remove_prefix(dot + 1);
  }
  return v;
}
void erase_path(boost::json::value& root, std::string_view path) {
  auto* v = &root;
  for (;;) {
    auto* o = v->if_object();
    if (!o) return;
    const auto dot = path.find('.');
    if (dot == std::string_view::npos) {
      o->erase(path);
      return;
    }
    v = o->if_contains(path.substr(0, dot));
    if (!v) return;
    path.remove_prefix(dot + 1);
  }
}
}  // namespace

std::optional<std::string> decode_base64_strict(std::string_view text) {
  std::string out;
  Base64Digits digits(out);
  std::size_t i = 0;
  for (; i < text.size() && text[i] != '='; ++i)
    if (!digits.take(static_cast<std::uint8_t>(text[i]))) return std::nullopt;
  const auto data = i;
  while (i < text.size() && text[i] == '=') ++i;
  if (i != text.size() || text.size() % 4 != 0 || data % 4 == 1) return std::nullopt;
  return out;
}

Result<std::shared_ptr<Dataset>, std::string> Dataset::make(Options options) {
  auto set = std::make_shared<Dataset>();
  set->options_ = std::move(options);
  const auto& o = set->options_;
  if (!o.load.empty()) {
    std::error_code ec;
    if (!std::filesystem::is_regular_file(o.load, ec)) {
      if (o.must_exist) return bad("cannot read dataset file '" + o.load + "'");
      return set;
    }
    if (std::filesystem::file_size(o.load, ec) > max_file_octets)
      return bad("dataset file '" + o.load + "' is over 1 GiB");
    std::ifstream in(o.load, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) return bad("cannot read dataset file '" + o.load + "'");
    const auto loaded =
        o.format == Format::csv ? set->load_csv(text.str()) : set->load_json(text.str());
    if (!loaded) return bad("dataset file '" + o.load + "': " + loaded.error());
  }
  set->changed_ = false;
  return set;
}

Result<void, std::string> Dataset::compatible(const Options& other) const {
  if (other.type != options_.type)
    return bad("dataset '" + options_.name + "' was defined with another type");
  if (!other.load.empty() && !options_.load.empty() && other.load != options_.load)
    return bad("dataset '" + options_.name + "' was defined with load file '" + options_.load +
               "'");
  if (!other.save.empty() && !options_.save.empty() && other.save != options_.save)
    return bad("dataset '" + options_.name + "' was defined with save file '" + options_.save +
               "'");
  return {};
}

Result<std::string, std::string> Dataset::decode_text(std::string_view text) const {
  switch (options_.type) {
    case Type::string:
      return std::string(text);
    case Type::md5:
      if (auto v = decode_hex(text, 16)) return *v;
      return bad("'" + std::string(text) + "' is not an MD5 in hexadecimal");
    case Type::sha256:
      if (auto v = decode_hex(text, 32)) return *v;
      return bad("'" + std::string(text) + "' is not a SHA-256 in hexadecimal");
    case Type::ipv4:
      if (const auto a = parse_ip(text); a && a->family == 4)
        return std::string(reinterpret_cast<const char*>(a->octets.data()), 4);
      return bad("'" + std::string(text) + "' is not an IPv4 address");
    case Type::ip:
      if (const auto a = parse_ip(text)) return mapped(*a);
      return bad("'" + std::string(text) + "' is not an IP address");
  }
  return bad("unknown type");
}

Result<void, std::string> Dataset::load_csv(std::string_view text) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const auto eol = text.find('\n');
    auto line = trim(text.substr(0, eol));
    text.remove_prefix(eol == std::string_view::npos ? text.size() : eol + 1);
    if (line.empty() || line.front() == '#') continue;
    Value value;
    if (const auto comma = line.rfind(','); comma != std::string_view::npos) {
      const auto rep = parse_unsigned(line.substr(comma + 1));
      if (!rep || *rep > 65535)
        return bad("line " + std::to_string(number) + ": '" +
                   std::string(trim(line.substr(comma + 1))) +
                   "' is not a reputation from 0 to 65535");
      value.reputation = static_cast<std::uint16_t>(*rep);
      value.has_reputation = true;
      line = trim(line.substr(0, comma));
    } else if (options_.reputation) {
      return bad("line " + std::to_string(number) + ": needs value,reputation");
    }
    std::string k;
    if (options_.type == Type::string) {
      auto v = decode_base64_strict(line);
      if (!v) return bad("line " + std::to_string(number) + ": a string must be in base64");
      k = std::move(*v);
    } else {
      auto v = decode_text(line);
      if (!v) return bad("line " + std::to_string(number) + ": " + v.error());
      k = std::move(*v);
    }
    if (!insert(std::move(k), std::move(value)))
      return bad("line " + std::to_string(number) + ": the set's memory limit is reached");
  }
  return {};
}

Result<void, std::string> Dataset::load_json(std::string_view text) {
  boost::json::parse_options limits;
  limits.max_depth = 32;
  const auto take = [&](boost::json::value& item,
                        const std::string& where) -> Result<void, std::string> {
    const auto* v = walk(item, options_.value_key);
    if (!v) return {};  // an element without the key does not take part
    std::string text_value;
    if (const auto* s = v->if_string())
      text_value = *s;
    else
      return bad(where + ": '" + options_.value_key + "' is not a string");
    auto k = decode_text(text_value);
    if (!k) return bad(where + ": " + k.error());
    if (options_.remove_key) erase_path(item, options_.value_key);
    Value value;
    value.json = std::make_unique<std::string>(boost::json::serialize(item));
    if (!insert(std::move(*k), std::move(value)))
      return bad(where + ": the set's memory limit is reached");
    return {};
  };
  if (options_.format == Format::ndjson) {
    std::size_t number = 0;
    while (!text.empty()) {
      ++number;
      const auto eol = text.find('\n');
      const auto line = trim(text.substr(0, eol));
      text.remove_prefix(eol == std::string_view::npos ? text.size() : eol + 1);
      if (line.empty()) continue;
      boost::json::error_code ec;
      auto item =
          boost::json::parse(boost::json::string_view(line.data(), line.size()), ec, {}, limits);
      const auto where = "line " + std::to_string(number);
      if (ec) return bad(where + ": not JSON");
      if (auto ok = take(item, where); !ok) return ok;
    }
    return {};
  }
  boost::json::error_code ec;
  auto root =
      boost::json::parse(boost::json::string_view(text.data(), text.size()), ec, {}, limits);
  if (ec) return bad("not JSON");
  auto* list = const_cast<boost::json::value*>(walk(root, options_.array_key));
  if (!list || !list->is_array())
    return bad(options_.array_key.empty() ? "the top level is not an array"
                                          : "'" + options_.array_key + "' is not an array");
  std::size_t number = 0;
  for (auto& item : list->as_array())
    if (auto ok = take(item, "element " + std::to_string(number++)); !ok) return ok;
  return {};
}

std::optional<std::string> Dataset::key(Bytes value) const {
  switch (options_.type) {
    case Type::string:
      return std::string(as_text(value));
    case Type::md5:
      if (value.size() != 16) return std::nullopt;
      return std::string(as_text(value));
    case Type::sha256:
      if (value.size() != 32) return std::nullopt;
      return std::string(as_text(value));
    case Type::ipv4:
      if (value.size() != 4) return std::nullopt;
      return std::string(as_text(value));
    case Type::ip:
      if (value.size() == 4) return mapped(IpAddress::v4(value.data()));
      if (value.size() == 16) return mapped(IpAddress::v6(value.data()));
      return std::nullopt;
  }
  return std::nullopt;
}

bool Dataset::insert(std::string k, Value value) {
  const auto cost = k.size() + entry_overhead + (value.json ? value.json->size() : 0);
  if (octets_ + cost > options_.max_octets) {
    ++refused_;
    return false;
  }
  if (values_.try_emplace(std::move(k), std::move(value)).second) {
    octets_ += cost;
    changed_ = true;
  }
  return true;
}

Dataset::Found Dataset::find(Bytes value) const {
  const auto look = [&](std::string_view k) -> Found {
    const std::shared_lock lock(mutex_);
    const auto it = values_.find(k);
    if (it == values_.end()) return {};
    return {true, it->second.reputation, it->second.has_reputation, it->second.json.get()};
  };
  if (options_.type == Type::string) return look(as_text(value));  // the common case copies nothing
  const auto k = key(value);
  return k ? look(*k) : Found{};
}

bool Dataset::add(Bytes value) {
  auto k = key(value);
  if (!k) return false;
  const std::unique_lock lock(mutex_);
  if (values_.find(*k) != values_.end()) return false;
  return insert(std::move(*k), {});
}

bool Dataset::remove(Bytes value) {
  const auto k = key(value);
  if (!k) return false;
  const std::unique_lock lock(mutex_);
  const auto it = values_.find(*k);
  if (it == values_.end()) return false;
  octets_ -= std::min<std::uint64_t>(octets_, k->size() + entry_overhead);
  values_.erase(it);
  changed_ = true;
  return true;
}

std::size_t Dataset::size() const {
  const std::shared_lock lock(mutex_);
  return values_.size();
}

void Dataset::save() const {
  if (options_.save.empty()) return;
  const std::shared_lock lock(mutex_);
  std::string text;
  for (const auto& [k, v] : values_) {
    const Bytes octets{reinterpret_cast<const std::uint8_t*>(k.data()), k.size()};
    switch (options_.type) {
      case Type::string:
        append_base64(text, octets);
        break;
      case Type::md5:
      case Type::sha256:
        append_hex(text, octets);
        break;
      case Type::ipv4:
        text += ip_text(IpAddress::v4(octets.data()));
        break;
      case Type::ip:
        text += ip_text(IpAddress::v6(octets.data()));
        break;
    }
    if (v.has_reputation) (text += ',') += std::to_string(v.reputation);
    text += '\n';
  }
  const auto temporary = options_.save + ".new";
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << text;
    if (!out.flush()) return;
  }
  std::error_code ec;
  std::filesystem::rename(temporary, options_.save, ec);
  if (!ec) changed_ = false;
}

}  // namespace ww::sig
