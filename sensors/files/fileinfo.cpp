#include "sensors/files/file_store.hpp"

namespace ww::sensor {
namespace {

std::string_view state_name(sig::FileState state) {
  switch (state) {
    case sig::FileState::closed:
      return "CLOSED";
    case sig::FileState::truncated:
      return "TRUNCATED";
    case sig::FileState::error:
      return "ERROR";
    case sig::FileState::open:
      break;
  }
  return "UNKNOWN";
}

}  // namespace

void write_fileinfo(const sig::File& file, bool storing, JsonWriter& json) {
  json.begin_object("fileinfo");
  json.field_bytes("filename", as_bytes(file.name));
  if (!file.sids.empty()) {
    json.begin_array("sid");
    for (const auto sid : file.sids) json.value(sid);
    json.end_array();
  }
  if (!file.magic.empty()) json.field_bytes("magic", as_bytes(file.magic));
  json.field("gaps", file.gaps);
  json.field("state", state_name(file.state));
  if (!file.md5.empty()) json.field("md5", file.md5);
  if (!file.sha1.empty()) json.field("sha1", file.sha1);
  if (!file.sha256.empty()) json.field("sha256", file.sha256);
  const bool asked = storing && file.stored;
  const bool stored = asked && file.state != sig::FileState::open && !file.gaps;
  json.field("stored", stored);
  if (stored) json.field("file_id", file.file_id);
  if (asked && !stored) json.field("storing", true);
  json.field("size", file.size);
  if (file.has_range && file.end > 0) {
    json.field("start", file.start);
    json.field("end", file.end);
  }
  json.field("tx_id", file.tx_id);
  json.end_object();
}

}  // namespace ww::sensor
