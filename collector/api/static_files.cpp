#include "collector/api/static_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "collector/identity/secrets.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t max_file_octets = 16U << 20, max_cached = 512;

std::string_view content_type(std::string_view path) {
  static constexpr std::pair<std::string_view, std::string_view> types[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".json", "application/json"},
      {".woff2", "font/woff2"},
      {".woff", "font/woff"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".txt", "text/plain; charset=utf-8"}};
  for (const auto& [suffix, type] : types)
    if (path.ends_with(suffix)) return type;
  return "application/octet-stream";
}

// Letters, digits and . - _ only, no part starting with a dot: what a web build makes, and nothing
// that climbs.
bool plain_path(std::string_view path) {
  if (path.empty() || path[0] != '/' || path.size() > 512) return false;
  char before = '/';
  for (const char c : path.substr(1)) {
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alnum && c != '.' && c != '-' && c != '_' && c != '/' && c != '@' && c != '~')
      return false;
    if (before == '/' && (c == '.' || c == '/')) return false;
    before = c;
  }
  return true;
}

bool has_extension(std::string_view path) {
  return path.substr(path.rfind('/') + 1).find('.') != std::string_view::npos;
}

}  // namespace

bool StaticFiles::serves(std::string_view path) const {
  return !folder_.empty() && plain_path(path) && !path.starts_with("/api/") &&
         !path.starts_with("/v1/") && !path.starts_with("/_");
}

std::shared_ptr<const StaticFiles::Entry> StaticFiles::load(const std::string& relative) {
  std::error_code ec;
  const auto root = fs::canonical(folder_, ec);
  if (ec) return nullptr;
  const auto file = fs::canonical(root / relative, ec);
  if (ec || !file.string().starts_with(root.string() + "/") || !fs::is_regular_file(file, ec))
    return nullptr;
  const auto modified = fs::last_write_time(file, ec).time_since_epoch().count();
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = cache_.find(relative);
        it != cache_.end() && it->second->modified == modified)
      return it->second;
  }
  if (fs::file_size(file, ec) > max_file_octets || ec) return nullptr;
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  auto entry = std::make_shared<Entry>();
  entry->modified = modified;
  entry->body = std::make_shared<const std::string>(text.str());
  entry->etag = "\"" + sha256_hex(*entry->body).substr(0, 32) + "\"";
  const std::lock_guard lock(mutex_);
  if (cache_.size() >= max_cached) cache_.clear();
  cache_[relative] = entry;
  return entry;
}

http::Response StaticFiles::serve(const http::Request& request) {
  const auto path = request.path();
  http::Response r;
  const bool page = path == "/" || !has_extension(path);
  const auto relative = page ? std::string("index.html") : path.substr(1);
  const auto entry = load(relative);
  if (!entry) {
    r.status = 404;
    r.headers.add("Content-Type", "text/plain; charset=utf-8");
    r.body = page ? "The dashboard is not installed here: build it, and set dashboard.folder.\n"
                  : "No such file.\n";
    return r;
  }
  r.headers.add("ETag", entry->etag);
  // Vite puts a digest into the names below /assets/, so they never change.
  r.headers.add("Cache-Control",
                path.starts_with("/assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  if (request.headers.get("If-None-Match").find(entry->etag) != std::string_view::npos) {
    r.status = 304;
    return r;
  }
  r.headers.add("Content-Type", content_type(relative));
  r.body = *entry->body;
  return r;
}

}  // namespace ww::collector
