#pragma once
/// The octets of a spool segment: encoding, decoding and scanning. Used by the spool only.
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/clock.hpp"

namespace ww::spool {

inline constexpr std::size_t segment_header_octets = 40;
inline constexpr std::size_t record_header_octets = 24;
inline constexpr std::uint8_t flag_event = 1, flag_memory = 2, flag_last = 4, flag_snapshot = 8;

struct SegmentHeader {
  std::uint64_t epoch = 0, first_seq = 0;
  std::int64_t created_us = 0;
};
void append_segment_header(std::string& out, const SegmentHeader& header);
[[nodiscard]] bool read_segment_header(std::string_view octets, SegmentHeader& out);

struct RecordView {
  std::uint8_t flags = 0;
  std::uint64_t seq = 0;
  Timestamp time;
  std::string_view payload;
  std::size_t octets = 0;  ///< header and payload
};
void append_record(std::string& out, std::uint8_t flags, std::uint64_t seq, Timestamp time,
                   std::string_view head, std::string_view rest);
/// Marks the record that starts at `offset` as the last of its group.
void mark_last(std::string& out, std::size_t offset);

enum class Read : std::uint8_t {
  ok,
  more,    ///< the octets end inside the record
  corrupt  ///< header or checksum is wrong
};
[[nodiscard]] Read read_record(std::string_view octets, RecordView& out);

/// Finds the next readable record behind a corrupt one.
/// @return offset of it, or octets.size() when there is none
[[nodiscard]] std::size_t resynchronise(std::string_view octets, std::size_t from);

[[nodiscard]] std::string memory_payload(std::string_view key, std::string_view value);
[[nodiscard]] bool read_memory(std::string_view payload, std::string_view& key,
                               std::string_view& value);

struct Cursor {
  std::uint64_t epoch = 0, acked = 0, given = 0, generation = 0;
};
inline constexpr std::size_t cursor_slot_octets = 64;
[[nodiscard]] std::string cursor_slot(const Cursor& cursor);
[[nodiscard]] bool read_cursor_slot(std::string_view octets, Cursor& out);

}  // namespace ww::spool
