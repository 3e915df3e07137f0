#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include "sensors/capture/bpf.hpp"
#include "sensors/capture/reader.hpp"
#include "sensors/capture/source.hpp"

namespace ww::capture {
namespace {

constexpr std::size_t max_files = 100'000;

class FileSource final : public PacketSource {
 public:
  FileSource(std::vector<std::string> paths, std::string filter)
      : paths_(std::move(paths)), filter_(std::move(filter)) {}

  Result<Read, Problem> next(CapturedFrame& out) override {
    while (!stopped_.load(std::memory_order_relaxed)) {
      if (!reader_) {
        if (at_ == paths_.size()) return Read::end;
        name_ = paths_[at_++];
        auto octets = open_octets(name_);
        if (!octets) return fail(octets.error());
        ++counters_.files;
        reader_.emplace(Input(std::move(*octets), name_ == "-" ? "standard input" : name_));
      }
      const auto read = reader_->next(out);
      if (!read) {
        keep_unsupported();
        return fail(read.error());
      }
      if (*read == Read::end) {
        keep_unsupported();
        unsupported_before_ = counters_.unsupported;
        reader_.reset();
        continue;
      }
      ++number_;
      if (!filter_.empty()) {
        const auto pass = passes(out);
        if (!pass) return fail(pass.error());
        if (!*pass) {
          ++counters_.filtered;
          continue;
        }
      }
      out.number = number_;
      out.interface_index = 0;
      ++counters_.packets;
      counters_.octets += out.octets.size();
      return Read::frame;
    }
    return Read::end;
  }

  bool following(CapturedFrame& out) override {
    return reader_ && filter_.empty() && reader_->following(out);
  }

  CaptureCounters counters() override {
    keep_unsupported();
    return counters_;
  }
  std::string name() const override { return name_; }
  void stop() override { stopped_.store(true, std::memory_order_relaxed); }

 private:
  void keep_unsupported() {
    if (reader_) counters_.unsupported = unsupported_before_ + reader_->unsupported();
  }
  Result<bool, Problem> passes(const CapturedFrame& f) {
    auto it = filters_.find(f.datalink);
    if (it == filters_.end()) {
      auto compiled = BpfFilter::compile(filter_, f.datalink);
      if (!compiled) {
        filters_.emplace(f.datalink, std::nullopt);
        return fail(compiled.error());
      }
      it = filters_.emplace(f.datalink, std::move(*compiled)).first;
    }
    return it->second && it->second->passes(f.octets, f.wire_length);
  }

  std::vector<std::string> paths_;
  std::string filter_;
  std::map<int, std::optional<BpfFilter>>
      filters_;  ///< by link type; empty when it does not compile there
  std::size_t at_ = 0;
  std::string name_;
  std::optional<Reader> reader_;
  CaptureCounters counters_;
  std::uint64_t unsupported_before_ = 0;
  std::uint64_t number_ = 0;
  std::atomic<bool> stopped_{false};
};

/// The captures of a folder by the time of their first packet, then by name. Files that are no
/// captures are left out.
Result<std::vector<std::string>, Problem> captures_in(const std::string& folder) {
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr)
    return fail(Problem{std::string("cannot open the folder: ") + std::strerror(errno), folder,
                        "check the path and its permissions"});
  std::vector<std::pair<std::int64_t, std::string>> found;
  const auto prefix = folder.ends_with('/') ? folder : folder + "/";
  while (const auto* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.starts_with('.') || found.size() >= max_files) continue;
    const auto path = prefix + name;
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    auto octets = open_octets(path);
    if (!octets) continue;
    Reader reader(Input(std::move(*octets), path));
    CapturedFrame first;
    if (const auto r = reader.next(first); r && *r == Read::frame)
      found.emplace_back(first.time.us, path);
  }
  ::closedir(dir);
  if (found.empty())
    return fail(Problem{"no capture files in the folder", folder,
                        "name a folder with pcap or pcapng files"});
  std::sort(found.begin(), found.end());
  std::vector<std::string> out;
  for (auto& [time, path] : found) out.push_back(std::move(path));
  return out;
}

}  // namespace

Result<std::unique_ptr<PacketSource>, Problem> open_files(const std::vector<std::string>& paths,
                                                          const FileOptions& options) {
  if (auto r = check_filter(options.filter); !r) return fail(r.error());
  if (paths.empty())
    return fail(Problem{"no capture file given", "command line", "name a pcap or pcapng file"});
  std::vector<std::string> files;
  for (const auto& path : paths) {
    struct stat info{};
    if (path != "-" && ::stat(path.c_str(), &info) != 0)
      return fail(Problem{std::string("cannot open: ") + std::strerror(errno), path,
                          "check the path and its permissions"});
    if (path == "-" || !S_ISDIR(info.st_mode)) {
      files.push_back(path);
      continue;
    }
    auto inside = captures_in(path);
    if (!inside) return fail(inside.error());
    files.insert(files.end(), inside->begin(), inside->end());
  }
  return std::make_unique<FileSource>(std::move(files), options.filter);
}

}  // namespace ww::capture
