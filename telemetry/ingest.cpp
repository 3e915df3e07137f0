#include "telemetry/ingest.hpp"

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

}  // namespace ww::ingest
