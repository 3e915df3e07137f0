#pragma once
/// The held part of something that grows: a body or a file. Old octets leave at the front.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::sensor {

/// A sliding window over a stream of octets. Octets stay until trim(), up to a hard limit, so that
/// everything that came since the last inspection is still there when it is inspected.
class Window {
 public:
  /// Appends; beyond `limit` held octets the oldest go.
  void append(Bytes data, std::uint64_t limit) {
    if (data.size() > limit) {
      offset_ += held() + (data.size() - limit);
      data = data.last(limit);
      data_.clear();
      begin_ = 0;
    }
    if (held() + data.size() > limit) forget(held() + data.size() - limit);
    make_room(data.size());
    data_.insert(data_.end(), data.begin(), data.end());
  }
  /// Missing octets: what was held cannot be joined to what follows, so it goes.
  void skip(std::uint64_t octets) {
    offset_ += held() + octets;
    data_.clear();
    begin_ = 0;
  }
  /// Keeps at most the newest `keep` octets.
  void trim(std::uint64_t keep) {
    if (held() > keep) forget(held() - keep);
  }
  void clear() {
    offset_ += held();
    std::vector<std::uint8_t>().swap(data_);
    begin_ = 0;
  }
  [[nodiscard]] Bytes data() const { return Bytes(data_).subspan(begin_); }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }  ///< stream position of data()[0]
  [[nodiscard]] std::uint64_t end() const { return offset_ + held(); }  ///< octets seen so far
  [[nodiscard]] std::uint64_t held() const { return data_.size() - begin_; }

 private:
  /// Thousands of windows grow side by side: room in front is used before more is asked for, and
  /// growth is by a quarter.
  void make_room(std::size_t more) {
    if (data_.size() + more <= data_.capacity()) return;
    if (begin_ > 0) {
      data_.erase(data_.begin(), data_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
    const auto need = data_.size() + more;
    if (need > data_.capacity()) data_.reserve(std::max(need, data_.size() + data_.size() / 4));
  }
  void forget(std::uint64_t count) {
    begin_ += static_cast<std::size_t>(count);
    offset_ += count;
    if (begin_ > data_.size() / 2) {  // moving is paid for by the octets that left
      data_.erase(data_.begin(), data_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
  }
  std::vector<std::uint8_t> data_;
  std::size_t begin_ = 0;  // octets at the front of data_ that are gone
  std::uint64_t offset_ = 0;
};

}  // namespace ww::sensor
