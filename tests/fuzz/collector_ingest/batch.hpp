#pragma once
/// What the fuzz targets of foreign bodies share.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "collector/ingest/foreign.hpp"

namespace ww::collector {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline ForeignLimits small_limits() {
  ForeignLimits limits;
  limits.max_events = 200;
  return limits;
}
inline Batch empty_batch() {
  Batch batch;
  batch.received = {1'790'000'000'000'000};
  return batch;
}
/// What the pipeline is given must be one JSON object each, whatever came in.
inline void check(const Batch& batch) {
  static simdjson::dom::parser parser;
  for (const auto& e : batch.events) {
    simdjson::dom::element root;
    if (parser.parse(e.json).get(root) != simdjson::SUCCESS || !root.is_object()) std::abort();
  }
}

}  // namespace ww::collector
