#include "playbooks/library.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "playbooks/json_text.hpp"

namespace ww::playbooks {
namespace fs = std::filesystem;

bool LibraryEntry::trusted() const {
  return std::any_of(signatures.begin(), signatures.end(), [](const auto& s) { return s.trusted; });
}

FolderLibrary::FolderLibrary(const std::vector<std::string>& folders, const TrustedKeys& keys,
                             bool signature_needed, Timestamp now) {
  for (const auto& folder : folders) {
    std::error_code ec;
    std::vector<fs::path> files;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
      if (it->path().extension() == ".json") files.push_back(it->path());
    if (ec) problems_.push_back({folder, {{"", "cannot read the folder: " + ec.message()}}});
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      std::ifstream in(file, std::ios::binary);
      std::string text(max_document_octets + 1, '\0');
      in.read(text.data(), static_cast<std::streamsize>(text.size()));
      text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
      auto loaded = load(text);
      if (!loaded) {
        problems_.push_back({file.string(), loaded.error()});
        continue;
      }
      LibraryEntry e{*loaded, file.string(), verify_signatures((*loaded)->document, keys, now)};
      if (signature_needed && !e.trusted()) {
        problems_.push_back({file.string(), {{"signatures", "no trusted signature"}}});
        continue;
      }
      all_[e.playbook->id][e.playbook->modified] = std::move(e);
    }
  }
}

const LibraryEntry* FolderLibrary::entry(std::string_view id, std::string_view version) const {
  const auto it = all_.find(std::string(id));
  if (it == all_.end() || it->second.empty()) return nullptr;
  if (version.empty()) return &it->second.rbegin()->second;
  const auto v = it->second.find(std::string(version));
  return v == it->second.end() ? nullptr : &v->second;
}

PlaybookPtr FolderLibrary::find(std::string_view id, std::string_view version) const {
  const auto* e = entry(id, version);
  return e == nullptr ? nullptr : e->playbook;
}

std::vector<const LibraryEntry*> FolderLibrary::newest() const {
  std::vector<const LibraryEntry*> out;
  for (const auto& [id, versions] : all_) out.push_back(&versions.rbegin()->second);
  std::sort(out.begin(), out.end(),
            [](const auto* a, const auto* b) { return a->playbook->name < b->playbook->name; });
  return out;
}

}  // namespace ww::playbooks
