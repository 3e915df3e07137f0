// What the store reads back from its own files may be damaged: journal payloads, block bodies,
// facet rows of blocks and of runs, columns.
#include <cstdlib>

#include "collector/store/commit_codec.hpp"
#include "collector/store/facet_run.hpp"

using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 5) {
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
    case 2: {
      std::vector<FacetCount> counts;
      static_cast<void>(read_facet(rest, counts));
      break;
    }
    case 3: {
      // Counts and by-stream, the one behind the other. What is read may be written again.
      const auto cut = rest.empty() ? 0 : static_cast<unsigned char>(rest[0]) * rest.size() / 256;
      const auto counts = rest.substr(rest.empty() ? 0 : 1, cut);
      const auto by_stream = rest.size() > cut + 1 ? rest.substr(cut + 1) : std::string_view();
      RunFacetBuilder builder;
      builder.add_run(1000, counts, by_stream);
      builder.add_run(1000, counts, by_stream);
      builder.add_block(7, by_stream);
      const auto row = builder.finish();
      RunFacet facet;
      if (row && !facet.read(row->counts)) std::abort();
      if (row && !row->by_stream.empty() &&
          !facet.keep(row->by_stream, [](StreamId id) { return id % 2 == 0; }))
        std::abort();
      if (facet.read(counts))
        static_cast<void>(facet.keep(by_stream, [](StreamId id) { return id % 2 == 0; }));
      break;
    }
    default: {
      const std::size_t events = rest.empty() ? 0 : static_cast<unsigned char>(rest[0]) * 5U;
      const std::uint64_t tokens[] = {size, ~size};
      Columns columns;
      if (rest.empty() || !columns.read(rest.substr(1), events)) break;
      for (const std::uint64_t path : {0ULL, 1ULL, 2ULL})
        if (columns.having(path, tokens).size() != columns.having(path).size()) std::abort();
    }
  }
  return 0;
}
