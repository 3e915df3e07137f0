#include "telemetry/spool_segment.hpp"

#include <bit>
#include <cstring>

#include "telemetry/bytes.hpp"
#include "telemetry/crc32c.hpp"

namespace ww::spool {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the layout is little-endian; add swaps here");

constexpr std::string_view segment_magic = "WWSPOOL1";
constexpr std::string_view cursor_magic = "WWCURSR1";

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

}  // namespace

void append_segment_header(std::string& out, const SegmentHeader& h) {
  const auto start = out.size();
  out += segment_magic;
  put(out, h.epoch);
  put(out, h.first_seq);
  put(out, h.created_us);
  put(out, crc32c(std::string_view(out).substr(start)));
  put(out, std::uint32_t{0});
}

bool read_segment_header(std::string_view octets, SegmentHeader& out) {
  if (octets.size() < segment_header_octets || !octets.starts_with(segment_magic)) return false;
  ByteReader r(as_bytes(octets.substr(8)));
  out.epoch = r.u64le();
  out.first_seq = r.u64le();
  out.created_us = static_cast<std::int64_t>(r.u64le());
  return r.u32le() == crc32c(octets.substr(0, 32));
}

// The checksum covers the length, the flags, seq, time and payload, so that no bit of a record is
// trusted unchecked.
void append_record(std::string& out, std::uint8_t flags, std::uint64_t seq, Timestamp time,
                   std::string_view head, std::string_view rest) {
  const auto length =
      static_cast<std::uint32_t>(head.size() + rest.size()) | (std::uint32_t{flags} << 24);
  char h[record_header_octets];
  std::memcpy(h, &length, 4);
  std::memcpy(h + 8, &seq, 8);
  std::memcpy(h + 16, &time.us, 8);
  auto crc = crc32c({h, 4});
  crc = crc32c({h + 8, 16}, crc);
  crc = crc32c(head, crc);
  crc = crc32c(rest, crc);
  std::memcpy(h + 4, &crc, 4);
  out.append(h, sizeof h);
  out += head;
  out += rest;
}

void mark_last(std::string& out, std::size_t offset) {
  RecordView r;
  if (read_record(std::string_view(out).substr(offset), r) != Read::ok) return;
  std::string again;
  append_record(again, r.flags | flag_last, r.seq, r.time, r.payload, {});
  out.replace(offset, again.size(), again);
}

Read read_record(std::string_view octets, RecordView& out) {
  if (octets.size() < record_header_octets) return Read::more;
  ByteReader r(as_bytes(octets));
  const auto word = r.u32le();
  const auto crc = r.u32le();
  out.seq = r.u64le();
  out.time = Timestamp{static_cast<std::int64_t>(r.u64le())};
  out.flags = static_cast<std::uint8_t>(word >> 24);
  const std::size_t length = word & 0xFFFFFF;
  if ((out.flags & 0xF0) != 0 || (out.flags & (flag_event | flag_memory)) == 0 || out.seq == 0)
    return Read::corrupt;
  if (octets.size() - record_header_octets < length) return Read::more;
  out.payload = octets.substr(record_header_octets, length);
  out.octets = record_header_octets + length;
  auto sum = crc32c(octets.substr(0, 4));
  sum = crc32c(octets.substr(8, 16 + length), sum);
  return sum == crc ? Read::ok : Read::corrupt;
}

std::size_t resynchronise(std::string_view octets, std::size_t from) {
  // Checksums are only computed for headers that could be real, and for at most 4 GiB in all:
  // bounded work.
  std::uint64_t budget = 4ULL << 30;
  for (auto at = from; at + record_header_octets <= octets.size(); ++at) {
    RecordView r;
    const auto word = load_le32(reinterpret_cast<const std::uint8_t*>(octets.data()) + at);
    const auto flags = static_cast<std::uint8_t>(word >> 24);
    const std::size_t length = word & 0xFFFFFF;
    if ((flags & 0xF0) != 0 || (flags & 3) == 0 || (flags & 3) == 3) continue;
    if (length + record_header_octets > octets.size() - at) continue;
    if (budget < length) break;
    budget -= length;
    if (read_record(octets.substr(at), r) == Read::ok) return at;
  }
  return octets.size();
}

std::string memory_payload(std::string_view key, std::string_view value) {
  std::string out;
  put(out, static_cast<std::uint16_t>(key.size()));
  out += key;
  out += value;
  return out;
}

bool read_memory(std::string_view payload, std::string_view& key, std::string_view& value) {
  ByteReader r(as_bytes(payload));
  key = r.text(r.u16le());
  if (!r.ok()) return false;
  value = as_text(r.rest());
  return true;
}

std::string cursor_slot(const Cursor& c) {
  std::string out(cursor_magic);
  put(out, c.epoch);
  put(out, c.acked);
  put(out, c.given);
  put(out, c.generation);
  put(out, crc32c(out));
  out.resize(cursor_slot_octets, '\0');
  return out;
}

bool read_cursor_slot(std::string_view octets, Cursor& out) {
  if (octets.size() < cursor_slot_octets || !octets.starts_with(cursor_magic)) return false;
  ByteReader r(as_bytes(octets.substr(8)));
  out.epoch = r.u64le();
  out.acked = r.u64le();
  out.given = r.u64le();
  out.generation = r.u64le();
  return r.u32le() == crc32c(octets.substr(0, 40));
}

}  // namespace ww::spool
