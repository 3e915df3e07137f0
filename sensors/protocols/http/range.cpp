#include "sensors/protocols/http/range.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

namespace ww::sensor::http {
namespace {

constexpr std::uint64_t max_piece = 64ULL << 20;  // octets of one piece
constexpr std::size_t max_files = 4096, max_pieces = 1024;

/// One file being put together: a prefix that is whole and pieces beyond it.
struct Partial {
  std::uint64_t size = 0;
  std::vector<std::uint8_t> front;
  std::map<std::uint64_t, std::vector<std::uint8_t>> beyond;  // by start
  Timestamp last;
  std::uint64_t memory = 0;
};

struct Table {
  std::mutex mutex;
  std::unordered_map<std::string, Partial> files;
  std::uint64_t memory = 0;
};
Table& table() {
  static Table t;
  return t;
}

void add(Partial& file, std::uint64_t start, std::vector<std::uint8_t> data) {
  if (start > file.front.size()) {
    auto& slot = file.beyond[start];
    if (data.size() > slot.size()) slot = std::move(data);
    return;
  }
  const auto known = static_cast<std::size_t>(file.front.size() - start);
  if (known < data.size())
    file.front.insert(file.front.end(), data.begin() + static_cast<std::ptrdiff_t>(known),
                      data.end());
}

void join(Partial& file) {
  while (!file.beyond.empty() && file.beyond.begin()->first <= file.front.size()) {
    auto piece = file.beyond.extract(file.beyond.begin());
    add(file, piece.key(), std::move(piece.mapped()));
  }
}

std::uint64_t measure(const Partial& file) {
  std::uint64_t sum = file.front.size();
  for (const auto& [start, data] : file.beyond) sum += data.size();
  return sum;
}

void forget_old(Table& t, Timestamp now, const RangeLimits& limits) {
  for (auto it = t.files.begin(); it != t.files.end();) {
    const bool old = now.seconds() - it->second.last.seconds() > limits.timeout_seconds;
    if (old || t.memory > limits.memory || t.files.size() > max_files) {
      t.memory -= it->second.memory;
      it = t.files.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace

RangeWriter::RangeWriter(std::string key, std::uint64_t start, std::uint64_t end,
                         std::uint64_t size)
    : key_(std::move(key)), start_(start), end_(end), size_(size) {}

void RangeWriter::append(Bytes data) {
  if (broken_) return;
  if (data_.size() + data.size() > std::min(max_piece, end_ - start_ + 1)) {
    broken_ = true;  // more than announced, or more than is worth holding
    std::vector<std::uint8_t>().swap(data_);
    return;
  }
  data_.insert(data_.end(), data.begin(), data.end());
}

std::optional<std::vector<std::uint8_t>> RangeWriter::finish(Timestamp now,
                                                             const RangeLimits& limits) {
  if (broken_ || data_.empty()) return {};
  auto& t = table();
  const std::lock_guard lock(t.mutex);
  auto& file = t.files[key_];
  if (file.size != size_ ||
      file.beyond.size() >= max_pieces) {  // another version of the file: start over
    t.memory -= file.memory;
    file = Partial{};
    file.size = size_;
  }
  add(file, start_, std::move(data_));
  join(file);
  t.memory -= file.memory;
  file.memory = measure(file);
  t.memory += file.memory;
  file.last = now;
  std::optional<std::vector<std::uint8_t>> whole;
  if (file.front.size() >= file.size) {
    file.front.resize(static_cast<std::size_t>(file.size));
    whole = std::move(file.front);
    t.memory -= file.memory;
    t.files.erase(key_);
  }
  forget_old(t, now, limits);
  return whole;
}

std::uint64_t range_memory() {
  auto& t = table();
  const std::lock_guard lock(t.mutex);
  return t.memory;
}

}  // namespace ww::sensor::http
