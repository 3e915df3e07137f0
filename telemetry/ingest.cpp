#include "telemetry/ingest.hpp"

#include <algorithm>
#include <charconv>

namespace ww::ingest {
namespace {

bool two_numbers(std::string_view text, std::uint64_t& a, std::uint64_t& b) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return false;
  const auto read = [](std::string_view digits, std::uint64_t& to) {
    const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    return got.ec == std::errc() && got.ptr == digits.data() + digits.size();
  };
  return read(text.substr(0, dash), a) && read(text.substr(dash + 1), b);
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

std::optional<std::vector<Lost>> parse_skipped_why(std::string_view text) {
  std::vector<Lost> out;
  while (!text.empty()) {
    const auto comma = text.find(", ");
    auto part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 2);
    const auto space = part.find(' ');
    if (space == std::string_view::npos || out.size() == max_lost_ranges) return {};
    const auto range = parse_skipped(part.substr(space + 1));
    if (!range || (!out.empty() && range->from <= out.back().to)) return {};
    Lost l{range->from, range->to, {}};
    for (const auto reason : {lost::damaged, lost::refused, lost::acknowledged, lost::renumbered})
      if (part.substr(0, space) == reason) l.reason = reason;
    if (l.reason.empty()) return {};
    out.push_back(l);
  }
  return out;
}

std::string skipped_why_text(std::span<const Lost> lost) {
  std::string out;
  std::size_t n = 0;
  for (const auto& l : lost) {
    if (l.reason == lost::shed) continue;
    if (++n > max_lost_ranges) break;
    if (!out.empty()) out += ", ";
    out += std::string(l.reason) + ' ' + std::to_string(l.from) + '-' + std::to_string(l.to);
  }
  return out;
}

std::vector<Lost> lost_runs(Skipped skipped, std::span<const Lost> known) {
  std::vector<Lost> out;
  const auto add = [&](std::uint64_t from, std::uint64_t to, std::string_view reason) {
    if (from > to) return;
    if (!out.empty() && out.back().reason == reason)
      out.back().to = to;
    else
      out.push_back({from, to, reason});
  };
  auto at = skipped.from;
  for (const auto& k : known) {
    const auto from = std::max(k.from, at), to = std::min(k.to, skipped.to);
    if (from > to) continue;
    if (from > at) add(at, from - 1, lost::shed);
    add(from, to, k.reason);
    if (to == skipped.to) return out;
    at = to + 1;
  }
  add(at, skipped.to, lost::shed);
  return out;
}

}  // namespace ww::ingest
