#pragma once
/// One file whose octets come in chunks at any offset.
#include <map>
#include <memory>
#include <string>

#include "sensors/files/file_store.hpp"

namespace ww::sensor::nfs {

/// Puts chunks in order: what is ahead waits (bounded, for one file and for all of a flow), what
/// was seen is dropped, a hole that does not fill is a gap of the file.
class Transfer {
 public:
  static constexpr std::size_t max_waiting_octets = 2 << 20, max_waiting_chunks = 256,
                               max_waiting_of_flow = 8 << 20;

  Transfer() = default;
  ~Transfer() { release(waiting_octets_); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// @param waiting  octets that wait in all transfers of the flow
  void open(FileStore& files, sig::Transaction& tx, sig::Dir dir, Bytes name,
            std::shared_ptr<std::size_t> waiting) {
    file_ = files.open(tx, dir, name);
    of_flow_ = std::move(waiting);
  }
  void write(FileStore& files, std::uint64_t offset, Bytes data);
  /// Octets at `offset` that were lost on the way.
  void lose(FileStore& files, std::uint64_t offset, std::uint64_t octets);
  void close(FileStore& files, sig::FileState state = sig::FileState::closed);
  [[nodiscard]] bool is_open() const { return file_ != nullptr; }

 private:
  void drain(FileStore& files);
  void skip_to(FileStore& files, std::uint64_t offset);
  void release(std::size_t octets) {
    waiting_octets_ -= octets;
    if (of_flow_) *of_flow_ -= octets;
  }

  sig::File* file_ = nullptr;
  std::uint64_t position_ = 0;
  std::map<std::uint64_t, std::string> waiting_;
  std::size_t waiting_octets_ = 0;
  std::shared_ptr<std::size_t> of_flow_;
};

}  // namespace ww::sensor::nfs
