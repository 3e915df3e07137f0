// What the store reads back from its own files may be damaged: journal payloads, block bodies,
// facet rows.
#include "collector/store/commit_codec.hpp"

using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0: {
      const auto plan = decode_commit(rest);
      if (plan) static_cast<void>(decode_commit(encode(*plan)));
      break;
    }
    case 1: {
      BlockReader reader;
      std::vector<EventRef> events;
      static_cast<void>(reader.read(rest, events));
      break;
    }
    default: {
      std::vector<FacetCount> counts;
      static_cast<void>(read_facet(rest, counts));
    }
  }
  return 0;
}
