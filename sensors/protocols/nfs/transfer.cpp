#include "sensors/protocols/nfs/transfer.hpp"

namespace ww::sensor::nfs {

void Transfer::write(FileStore& files, std::uint64_t offset, Bytes data) {
  if (file_ == nullptr || data.empty()) return;
  if (offset > position_) {
    auto& slot = waiting_[offset];
    if (data.size() > slot.size()) {
      const auto more = data.size() - slot.size();
      waiting_octets_ += more;
      if (of_flow_) *of_flow_ += more;
      slot.assign(as_text(data));
    }
    while (!waiting_.empty() &&
           (waiting_octets_ > max_waiting_octets || waiting_.size() > max_waiting_chunks ||
            (of_flow_ && *of_flow_ > max_waiting_of_flow))) {
      skip_to(files, waiting_.begin()->first);
      drain(files);
    }
    return;
  }
  const auto seen = position_ - offset;
  if (seen >= data.size()) return;
  files.append(*file_, data.subspan(static_cast<std::size_t>(seen)));
  position_ = offset + data.size();
  drain(files);
}

void Transfer::lose(FileStore& files, std::uint64_t offset, std::uint64_t octets) {
  if (file_ == nullptr || octets == 0 || offset > position_ || offset + octets <= position_) return;
  skip_to(files, offset + octets);
  drain(files);
}

void Transfer::close(FileStore& files, sig::FileState state) {
  if (file_ == nullptr) return;
  while (!waiting_.empty()) {
    skip_to(files, waiting_.begin()->first);
    drain(files);
  }
  files.close(*file_, state);
  file_ = nullptr;
}

void Transfer::skip_to(FileStore& files, std::uint64_t offset) {
  if (offset <= position_) return;
  files.gap(*file_, offset - position_);
  position_ = offset;
}

void Transfer::drain(FileStore& files) {
  while (!waiting_.empty() && waiting_.begin()->first <= position_) {
    const auto chunk = waiting_.extract(waiting_.begin());
    release(chunk.mapped().size());
    const auto seen = position_ - chunk.key();
    if (seen >= chunk.mapped().size()) continue;
    files.append(*file_, as_bytes(chunk.mapped()).subspan(static_cast<std::size_t>(seen)));
    position_ = chunk.key() + chunk.mapped().size();
  }
}

}  // namespace ww::sensor::nfs
