#pragma once
/// Flows that a parser announced (an FTP data connection): looked up once per new flow. Shared by
/// all workers because the announced flow may hash to another one; a short lock, taken only while
/// something is expected.
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "telemetry/clock.hpp"
#include "telemetry/ip.hpp"

namespace ww::sensor {

class Expectations {
 public:
  static constexpr std::size_t max_entries = 4096;
  static constexpr std::int64_t lifetime_us = 30'000'000;
  struct Entry {
    IpAddress from, to;
    std::uint16_t to_port = 0;
    std::string protocol;
    std::shared_ptr<void> note;
    std::uint64_t parent = 0;
    Timestamp made;
  };
  /// False when the table is full.
  bool add(Entry entry);
  /// Takes the entry that a flow between these ends fulfils.
  bool take(const IpAddress& a, std::uint16_t a_port, const IpAddress& b, std::uint16_t b_port,
            Timestamp now, Entry& out);

 private:
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace ww::sensor
