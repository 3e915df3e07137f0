#pragma once
/// The dashboard's files, from one folder, with ETag. Paths without a file extension give
/// index.html (the page has its own routes). Nothing outside the folder is ever read, links
/// included.
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "telemetry/net/http.hpp"

namespace ww::collector {

class StaticFiles {
 public:
  explicit StaticFiles(std::string folder) : folder_(std::move(folder)) {}
  /// True when GET of this path (as on the wire) may be answered here. Reads no file.
  [[nodiscard]] bool serves(std::string_view path) const;
  /// 200, 304 or 404. Worker threads.
  [[nodiscard]] http::Response serve(const http::Request& request);

 private:
  struct Entry {
    std::int64_t modified = 0;
    std::string etag;
    std::shared_ptr<const std::string> body;
  };
  [[nodiscard]] std::shared_ptr<const Entry> load(const std::string& relative);
  std::string folder_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Entry>> cache_;
};

}  // namespace ww::collector
