#include <algorithm>

#include "sensors/files/file_store.hpp"

namespace ww::sensor {
namespace {

void want_hashes(FileOptions& options, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (name == "md5") options.md5 = true;
    if (name == "sha1") options.sha1 = true;
    if (name == "sha256") options.sha256 = true;
  }
}

/// Outputs are a sequence of one-key maps; a file may have several of one kind, and any enabled one
/// counts.
template <class F>
void each_output(const Settings& settings, std::string_view kind, F&& use) {
  for (const auto& position : settings.children("outputs")) {
    const auto path = "outputs." + position + "." + std::string(kind);
    if (settings.has(path)) use(settings.below(path));
  }
  if (settings.has(kind)) use(settings.below(kind));
}

void eve_files(FileOptions& options, const Settings& eve) {
  if (!eve.flag_or("enabled", true)) return;
  for (const auto& position : eve.children("types")) {
    const auto files =
        eve.below("types." + position + (eve.has("types." + position + ".files") ? ".files" : ""));
    if (position != "files" && !eve.has("types." + position + ".files")) continue;
    if (files.flag_or("force-magic", false)) options.magic = true;
    want_hashes(options, files.list("force-hash"));
  }
}

}  // namespace

FileOptions FileOptions::from_settings(const Settings& settings, const std::string& log_folder) {
  FileOptions options;
  each_output(settings, "eve-log", [&](const Settings& eve) { eve_files(options, eve); });
  each_output(settings, "file-store", [&](const Settings& store) {
    if (!store.flag_or("enabled", false)) return;
    const auto folder = store.text_or("dir", "filestore");
    options.store_folder =
        folder.starts_with('/') || log_folder.empty() ? folder : log_folder + "/" + folder;
    options.sha256 = true;
    options.store_all = store.flag_or("force-filestore", false);
    options.write_fileinfo = store.flag_or("write-fileinfo", false);
    options.store_depth = store.size_or("stream-depth", 0);
    options.store_follows = store.has("stream-depth");
    if (store.flag_or("force-magic", false)) options.magic = true;
    want_hashes(options, store.list("force-hash"));
  });
  return options;
}

}  // namespace ww::sensor
