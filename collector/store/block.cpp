#include "collector/store/block.hpp"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "collector/store/codec.hpp"
#include "collector/store/words.hpp"

namespace ww::collector {
namespace {

constexpr std::uint32_t body_version = 1;
constexpr std::size_t line_octets = 64;
constexpr std::size_t head_octets = 16;  // of one event in a body
// Per block and path, at most what a slot can number; beyond, the events are read.
constexpr std::size_t max_facet_values = 4096;

}  // namespace

std::string Filter::finish() {
  std::size_t lines = max_lines;
  std::size_t set = 0;
  for (const auto w : words_) set += static_cast<std::size_t>(std::popcount(w));
  while (lines > 1) {
    const double fill = static_cast<double>(set) / static_cast<double>(lines * 512);
    constexpr double most = 0.30;  // 0.3^4: under one in a hundred
    if (1 - (1 - fill) * (1 - fill) > most) break;
    lines /= 2;
    set = 0;
    for (std::size_t i = 0; i < lines * 8; ++i) {
      words_[i] |= words_[i + lines * 8];
      set += static_cast<std::size_t>(std::popcount(words_[i]));
    }
  }
  return {reinterpret_cast<const char*>(words_.data()), lines * line_octets};
}

bool Filter::may_have(std::string_view filter, std::uint64_t token) {
  const std::size_t lines = filter.size() / line_octets;
  if (lines == 0 || !std::has_single_bit(lines)) return true;
  const char* line = filter.data() + ((token >> 40) & (lines - 1)) * line_octets;
  for (unsigned k = 0; k < 4; ++k, token >>= 9) {
    const auto octet =
        static_cast<unsigned char>(line[((token >> 6) & 7) * 8 + ((token & 63) >> 3)]);
    if ((octet >> (token & 7) & 1) == 0) return false;
  }
  return true;
}

struct BlockBuilder::Sink {
  BlockBuilder& b;
  StreamId stream = 0;
  std::uint32_t event = 0;

  void scalar(ScalarKind kind, std::string_view value, std::string_view path) {
    const auto path_hash = hash64(path);
    if (kind != ScalarKind::null) {
      if (const auto it = b.facet_by_hash_.find(path_hash); it != b.facet_by_hash_.end())
        b.facet_tables_[it->second].add(value, stream, event);
    }
    if (kind == ScalarKind::string) {
      lower_into(b.lowered_, value);
    } else if (kind == ScalarKind::number && !plain_integer(value)) {
      b.lowered_ = canonical_number(value);
      // A word search sees the number as it is written.
      for_each_token(lower(value),
                     [&](std::uint64_t word, std::size_t, std::size_t) { b.filter_.add(word); });
    } else {
      b.lowered_.assign(value);
    }
    std::uint64_t token = 0;
    if (b.lowered_.size() <= max_whole_value) {
      token = mix64(path_hash * 3 + hash64(b.lowered_, 0x9a));
      b.filter_.add(token);
    }
    if (wordless(path)) return;
    b.columns_.add(event - 1, path_hash, token);
    if (kind == ScalarKind::null) return;
    for_each_token(std::string_view(b.lowered_),
                   [&](std::uint64_t word, std::size_t, std::size_t) { b.filter_.add(word); });
  }
};

void BlockBuilder::FacetTable::clear() {
  entries.clear();
  text.clear();
  slots.assign(std::max<std::size_t>(slots.size(), 64), 0);
  complete = true;
}

void BlockBuilder::FacetTable::grow() {
  slots.assign(slots.size() * 2, 0);
  const auto mask = slots.size() - 1;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto at = entries[i].key & mask;
    while (slots[at] != 0) at = (at + 1) & mask;
    slots[at] = static_cast<std::uint16_t>(i + 1);
  }
}

void BlockBuilder::FacetTable::add(std::string_view v, StreamId stream, std::uint32_t event) {
  if (!complete) return;
  if (v.size() > max_whole_value) {
    complete = false;
    return;
  }
  const auto key = mix64(hash64(v) + stream * 0x9e3779b97f4a7c15ULL);
  const auto mask = slots.size() - 1;
  auto at = key & mask;
  for (; slots[at] != 0; at = (at + 1) & mask) {
    auto& e = entries[slots[at] - 1];
    if (e.key != key) continue;
    if (e.stream != stream || value(e) != v) {
      complete = false;  // a collision of hashes: let the reader look at the events
    } else if (e.last_event != event) {
      e.last_event = event;
      ++e.events;
    }
    return;
  }
  if (entries.size() == max_facet_values) {
    complete = false;
    return;
  }
  entries.push_back({key, stream, 1, event, static_cast<std::uint32_t>(text.size()),
                     static_cast<std::uint32_t>(v.size())});
  text += v;
  slots[at] = static_cast<std::uint16_t>(entries.size());
  if (entries.size() * 2 > slots.size()) grow();
}

BlockBuilder::BlockBuilder(std::vector<std::string> facets, int zstd_level)
    : facet_paths_(std::move(facets)),
      facet_tables_(facet_paths_.size()),
      zstd_(ZSTD_createCCtx()),
      level_(zstd_level) {
  std::erase(facet_paths_, columns_path);
  for (std::size_t i = 0; i < facet_paths_.size(); ++i)
    facet_by_hash_.emplace(hash64(facet_paths_[i]), i);
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_compressionLevel, level_);
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_checksumFlag, 1);
}
BlockBuilder::~BlockBuilder() { ZSTD_freeCCtx(zstd_); }

Block BlockBuilder::build(std::uint32_t id, const EventRef* events, std::size_t n) {
  Block out;
  out.id = id;
  out.events = static_cast<std::uint32_t>(n);
  out.t_min = {INT64_MAX};
  out.t_max = {INT64_MIN};
  out.id_min = UINT64_MAX;
  filter_.clear();
  columns_.begin(n);
  for (auto& t : facet_tables_) t.clear();
  std::size_t octets = 8 + n * head_octets;
  for (std::size_t i = 0; i < n; ++i) octets += events[i].json.size();
  raw_.resize(octets);
  char* head = raw_.data();
  const auto put = [&head](auto v) {
    std::memcpy(head, &v, sizeof v);
    head += sizeof v;
  };
  put(body_version);
  put(static_cast<std::uint32_t>(n));
  char* text = raw_.data() + 8 + n * head_octets;
  std::map<StreamId, std::uint32_t> streams;
  Sink sink{*this};
  for (std::size_t i = 0; i < n; ++i) {
    const auto& e = events[i];
    put(e.time.us);
    put(e.stream);
    put(static_cast<std::uint32_t>(e.json.size()));
    std::memcpy(text, e.json.data(), e.json.size());
    text += e.json.size();
    out.t_min = std::min(out.t_min, e.time);
    out.t_max = std::max(out.t_max, e.time);
    out.id_min = std::min(out.id_min, e.id_time);
    out.id_max = std::max(out.id_max, e.id_time);
    ++streams[e.stream];
    sink.stream = e.stream;
    sink.event = static_cast<std::uint32_t>(i + 1);
    if (!scanner_.scan(e.json, sink)) {
      // The pipeline lets only valid objects through; anything else keeps its values out of the
      // facets.
      for (auto& t : facet_tables_) t.complete = false;
    }
  }
  for (const auto& [stream, count] : streams) out.streams.push_back({stream, count});
  out.raw_octets = octets;
  out.filter = filter_.finish();
  for (std::size_t f = 0; f < facet_tables_.size(); ++f) {
    const auto& table = facet_tables_[f];
    Encoder enc;  // a row even without values: no row means that the path was no facet when this
                  // was built
    enc.u8(table.complete ? 1 : 0);
    if (table.complete) {
      enc.var(table.entries.size());
      for (const auto& entry : table.entries) {
        enc.var(entry.stream);
        enc.text(table.value(entry));
        enc.var(entry.events);
      }
    }
    out.facets.push_back({facet_paths_[f], enc.take()});
  }
  out.facets.push_back({std::string(columns_path), compress(columns_.finish())});
  out.body = compress(raw_);
  return out;
}

std::string BlockBuilder::compress(std::string_view in) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  const auto size = ZSTD_compress2(zstd_, out.data(), out.size(), in.data(), in.size());
  // compress2 fails only for a lack of memory or room; room is compressBound.
  out.resize(ZSTD_isError(size) != 0U ? 0 : size);
  return out;
}

bool read_facet(std::string_view data, std::vector<FacetCount>& out) {
  Decoder dec(data);
  if (dec.u8() != 1) return false;
  const auto n = dec.count();
  for (std::size_t i = 0; i < n && dec.ok(); ++i) {
    FacetCount c{};
    c.stream = static_cast<StreamId>(dec.var());
    c.value = dec.text();
    c.events = dec.var();
    if (dec.ok()) out.push_back(c);
  }
  return dec.ok();
}

BlockReader::BlockReader() : zstd_(ZSTD_createDCtx()) {}
BlockReader::~BlockReader() { ZSTD_freeDCtx(zstd_); }

bool BlockReader::unpack(std::string_view packed, std::uint64_t most, std::string& out) {
  const auto octets = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (octets == ZSTD_CONTENTSIZE_UNKNOWN || octets == ZSTD_CONTENTSIZE_ERROR || octets > most)
    return false;
  out.resize(octets);
  return ZSTD_decompressDCtx(zstd_, out.data(), out.size(), packed.data(), packed.size()) == octets;
}

bool BlockReader::read_columns(std::string_view packed, std::size_t events, Columns& out) {
  return unpack(packed, Columns::max_octets, columns_) && out.read(columns_, events);
}

bool BlockReader::read(std::string_view body, std::vector<EventRef>& out) {
  out.clear();
  if (!unpack(body, max_raw_octets, raw_) || raw_.size() < 8) return false;
  const std::size_t octets = raw_.size();
  const char* head = raw_.data();
  std::uint32_t version = 0;
  std::uint32_t n = 0;
  std::memcpy(&version, head, 4);
  std::memcpy(&n, head + 4, 4);
  if (version != body_version || n > (octets - 8) / head_octets) return false;
  head += 8;
  std::size_t text = 8 + std::size_t{n} * head_octets;
  out.reserve(n);
  for (std::uint32_t i = 0; i < n; ++i, head += head_octets) {
    EventRef e;
    std::uint32_t length = 0;
    std::memcpy(&e.time.us, head, 8);
    std::memcpy(&e.stream, head + 8, 4);
    std::memcpy(&length, head + 12, 4);
    if (length > raw_.size() - text) return false;
    e.json = std::string_view(raw_).substr(text, length);
    text += length;
    out.push_back(e);
  }
  return true;
}

}  // namespace ww::collector
