#pragma once
/// Playbooks from folders: every *.json file, all versions kept, the newest found first.
#include <map>
#include <string>
#include <vector>

#include "playbooks/run.hpp"

namespace ww::playbooks {

struct LibraryEntry {
  PlaybookPtr playbook;
  std::string file;
  std::vector<SignatureCheck> signatures;
  [[nodiscard]] bool trusted() const;
};
struct LibraryProblem {
  std::string file;
  std::vector<Finding> findings;
};

class FolderLibrary final : public Library {
 public:
  /// Reads the folders (not deeper). Files that are refused are in problems(); the rest is there.
  /// @param signature_needed  only playbooks that a trusted key signed are taken
  FolderLibrary(const std::vector<std::string>& folders, const TrustedKeys& keys,
                bool signature_needed, Timestamp now);
  [[nodiscard]] PlaybookPtr find(std::string_view id, std::string_view version) const override;
  /// Newest version of each, by name.
  [[nodiscard]] std::vector<const LibraryEntry*> newest() const;
  [[nodiscard]] const LibraryEntry* entry(std::string_view id, std::string_view version = {}) const;
  [[nodiscard]] const std::vector<LibraryProblem>& problems() const { return problems_; }

 private:
  std::map<std::string, std::map<std::string, LibraryEntry>> all_;  // id, version
  std::vector<LibraryProblem> problems_;
};

}  // namespace ww::playbooks
