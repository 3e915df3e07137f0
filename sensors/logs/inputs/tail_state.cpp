#include "sensors/logs/inputs/tail_state.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "sensors/logs/inputs/archive.hpp"
#include "telemetry/bytes.hpp"
#include "telemetry/crc32c.hpp"

namespace ww::logs {
namespace {

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

}  // namespace

// 'W' 'T' '1' flags (1 done, 2 archive size), u64 offset, u32 print length, u32 print sum, u64
// archive size when it is known, u16 path length, path, open record.
std::string FileState::text() const {
  std::string out = "WT1";
  out += static_cast<char>((done ? 1 : 0) | (archive_size > 0 ? 2 : 0));
  put(out, offset);
  put(out, print.length);
  put(out, print.sum);
  if (archive_size > 0) put(out, archive_size);
  put(out, static_cast<std::uint16_t>(std::min<std::size_t>(path.size(), 4096)));
  out += path.substr(0, 4096);
  out += open_record;
  return out;
}

std::optional<FileState> FileState::parse(std::string_view text) {
  ByteReader r(as_bytes(text));
  if (r.text(3) != "WT1") return {};
  FileState s;
  const auto flags = r.u8();
  s.done = (flags & 1) != 0;
  s.offset = r.u64le();
  s.print.length = r.u32le();
  s.print.sum = r.u32le();
  if ((flags & 2) != 0) s.archive_size = r.u64le();
  s.path = r.text(r.u16le());
  if (!r.ok()) return {};
  s.open_record = as_text(r.rest());
  return s;
}

std::string state_key(const struct stat& st) {
  char text[48];
  std::snprintf(text, sizeof text, "tail:%" PRIx64 ":%" PRIx64,
                static_cast<std::uint64_t>(st.st_dev), static_cast<std::uint64_t>(st.st_ino));
  return text;
}

std::string first_octets(const std::string& path) {
  std::string out;
  const auto reader = ArchiveReader::open(path);
  if (!reader) return out;
  while (out.size() < Fingerprint::most && reader->read(out, Fingerprint::most - out.size())) {
  }
  return out;
}

Fingerprint fingerprint(std::string_view first, std::uint64_t up_to) {
  const auto n =
      static_cast<std::uint32_t>(std::min<std::uint64_t>({first.size(), up_to, Fingerprint::most}));
  return {n, crc32c(first.substr(0, n))};
}

bool fits(std::string_view first, const Fingerprint& print) {
  return first.size() >= print.length && crc32c(first.substr(0, print.length)) == print.sum;
}

}  // namespace ww::logs
