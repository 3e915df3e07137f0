#include "rules/sources/archive.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <memory>

namespace ww::sources {

namespace {

/// By the first octets; a text of rules has none of these.
bool is_archive(std::string_view octets) {
  using namespace std::string_view_literals;
  for (const auto magic : {"\x1f\x8b"sv, "PK\x03\x04"sv,
                           "\xfd"
                           "7zXZ"sv,
                           "\x28\xb5\x2f\xfd"sv, "BZh"sv})
    if (octets.starts_with(magic)) return true;
  return octets.size() > 262 && octets.substr(257, 5) == "ustar";
}

std::string clean_name(const char* path) {
  std::string_view name = path ? path : "";
  while (name.starts_with("./") || name.starts_with('/'))
    name.remove_prefix(name.starts_with('/') ? 1 : 2);
  return std::string(name);
}

}  // namespace

Result<std::vector<NamedText>, std::string> unpack_rules(std::string_view octets,
                                                         const std::string& name,
                                                         const ArchiveLimits& limits) {
  std::vector<NamedText> out;
  if (!is_archive(octets)) {
    if (octets.size() > limits.max_octets) return fail(std::string("larger than allowed"));
    out.push_back({name, std::string(octets)});
    return out;
  }
  const std::unique_ptr<archive, decltype(&archive_read_free)> in(archive_read_new(),
                                                                  &archive_read_free);
  auto* a = in.get();
  for (const auto enable : {archive_read_support_filter_gzip, archive_read_support_filter_xz,
                            archive_read_support_filter_zstd, archive_read_support_filter_bzip2,
                            archive_read_support_format_tar, archive_read_support_format_zip})
    (void)enable(a);  // what this build of the library lacks, it will say when it is needed
  const auto wrong = [&](std::string_view what) {
    const char* why = archive_error_string(a);
    return fail(std::string(what) + (why ? std::string(": ") + why : ""));
  };
  if (archive_read_open_memory(a, octets.data(), octets.size()) != ARCHIVE_OK)
    return wrong("not an archive of a kind that is read here");
  std::size_t entries = 0, total = 0;
  std::array<char, 64 * 1024> buffer{};
  for (;;) {
    archive_entry* entry = nullptr;
    const int rc = archive_read_next_header(a, &entry);
    if (rc == ARCHIVE_EOF) break;
    if (rc != ARCHIVE_OK) return wrong("damaged archive");
    if (++entries > limits.max_entries)
      return fail("more than " + std::to_string(limits.max_entries) + " entries");
    if (archive_entry_is_encrypted(entry) != 0) return fail(std::string("encrypted archive"));
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    NamedText file{clean_name(archive_entry_pathname(entry)), {}};
    const bool wanted = file.name.ends_with(".rules");
    // What is not kept is unpacked all the same to reach what follows: it counts too.
    for (;;) {
      const auto n = archive_read_data(a, buffer.data(), buffer.size());
      if (n == 0) break;
      if (n < 0) return wrong("damaged archive");
      total += static_cast<std::size_t>(n);
      if (total > limits.max_octets)
        return fail("unpacks to more than " + std::to_string(limits.max_octets) + " octets");
      if (wanted) file.text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    if (wanted) out.push_back(std::move(file));
  }
  return out;
}

}  // namespace ww::sources
