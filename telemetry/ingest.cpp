#include "telemetry/ingest.hpp"

#include <charconv>

namespace ww::ingest {
namespace {

bool two_numbers(std::string_view text, std::uint64_t& a, std::uint64_t& b) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return false;
  const auto* mid = text.data() + dash;
  const auto* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), mid, a);
  const auto second = std::from_chars(mid + 1, end, b);
  return first.ec == std::errc() && first.ptr == mid && second.ec == std::errc() &&
         second.ptr == end;
}

}  // namespace

std::optional<BatchId> parse_batch_id(std::string_view text) {
  BatchId id;
  if (!two_numbers(text, id.epoch, id.seq) || id.seq == 0) return {};
  return id;
}

std::string batch_id_text(BatchId id) {
  return std::to_string(id.epoch) + "-" + std::to_string(id.seq);
}

std::optional<Skipped> parse_skipped(std::string_view text) {
  Skipped s;
  if (!two_numbers(text, s.from, s.to) || s.from == 0 || s.to < s.from) return {};
  return s;
}

}  // namespace ww::ingest
