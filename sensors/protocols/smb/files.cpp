/// Files that go through SMB handles: octets in any order, out in the order of the file.
#include <algorithm>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {
namespace {

/// What one file may hold back, whatever the settings say.
constexpr std::size_t hard_queue = 4 << 20;

}  // namespace

void SmbParser::data(ParserContext& ctx, Dir dir, const std::string& key, std::uint64_t offset,
                     Bytes octets, std::uint64_t missing) {
  const auto d = sig::index(dir);
  auto& h = handle(key);
  auto& files = ctx.files();
  Tx* tx = h.tx[d] != UINT64_MAX ? find(h.tx[d]) : nullptr;
  if (tx == nullptr) {
    tx = &fresh(ctx, Kind::file);
    tx->dir = dir;
    tx->complete[1 - d] = false;
    tx->filename = h.name;
    tx->has_status = true;
    tx->fuid = file_id_text(key);
    if (const auto* t = tree()) tx->share = t->share;
    tx->file = files.open(*tx, dir, as_bytes(h.name));
    h.tx[d] = tx->id;
    h.queue[d].clear();
    h.queued[d] = 0;
    h.position[d] = offset < (1ULL << 62) ? offset : 0;  // it need not begin at the start
  }
  if (tx->file == nullptr) return;
  ++tx->revision;
  auto& position = h.position[d];
  if (offset < position) {
    tx->add_event(event_id(Event::file_overlap));
    const auto known = std::min<std::uint64_t>(position - offset, octets.size());
    octets = octets.subspan(static_cast<std::size_t>(known));
    offset += known;
    if (offset < position) return;
  }
  if (offset > position && missing == 0) {
    const bool read = dir == Dir::to_client;
    const std::size_t size = read ? config_.max_read_queue_size : config_.max_write_queue_size;
    const std::size_t count = read ? config_.max_read_queue_cnt : config_.max_write_queue_cnt;
    if (size != 0 && h.queued[d] + octets.size() > size) {
      flag(read ? Event::read_queue_size_exceeded : Event::write_queue_size_exceeded);
    } else if (count != 0 && h.queue[d].size() >= count) {
      flag(read ? Event::read_queue_cnt_exceeded : Event::write_queue_cnt_exceeded);
    } else {
      h.queue[d].insert_or_assign(offset, std::string(as_text(octets)));
      h.queued[d] += octets.size();
      if (h.queued[d] > hard_queue) flush(files, *tx, h, true);
    }
    return;
  }
  if (offset > position) {
    flush(files, *tx, h, true);
    if (offset > position) files.gap(*tx->file, offset - position);
  }
  files.append(*tx->file, octets);
  position = offset + octets.size() + missing;
  if (missing > 0) {
    streaming_[d] = tx->file;
    stream_tx_[d] = tx->id;
  } else {
    flush(files, *tx, h, false);
  }
}

/// Hands out what waits and now follows; with `over_gaps` all of it.
void SmbParser::flush(FileStore& files, Tx& tx, Handle& h, bool over_gaps) {
  const auto d = sig::index(tx.dir);
  auto& queue = h.queue[d];
  auto& position = h.position[d];
  while (!queue.empty() && (over_gaps || queue.begin()->first <= position)) {
    const auto first = queue.extract(queue.begin());
    h.queued[d] -= std::min(h.queued[d], first.mapped().size());
    auto octets = as_bytes(first.mapped());
    if (first.key() < position) {
      const auto known = std::min<std::uint64_t>(position - first.key(), octets.size());
      octets = octets.subspan(static_cast<std::size_t>(known));
    } else if (first.key() > position) {
      files.gap(*tx.file, first.key() - position);
      position = first.key();
    }
    files.append(*tx.file, octets);
    position += octets.size();
  }
}

/// No more octets of that direction come.
void SmbParser::end_file(FileStore& files, Handle& h, std::size_t d) {
  if (h.tx[d] == UINT64_MAX) return;
  auto* tx = find(h.tx[d]);
  if (tx == nullptr) return;
  if (tx->file != nullptr) {
    flush(files, *tx, h, true);
    files.close(*tx->file);
    if (streaming_[d] == tx->file) streaming_[d] = nullptr;
  }
  ++tx->revision;
}

void SmbParser::close(ParserContext& ctx, const std::string& key) {
  const auto it = handles_.find(key);
  if (it == handles_.end()) return;
  for (const auto d : {0U, 1U}) {
    end_file(ctx.files(), it->second, d);
    if (auto* tx = it->second.tx[d] != UINT64_MAX ? find(it->second.tx[d]) : nullptr) {
      tx->complete[0] = tx->complete[1] = true;
      tx->progress[0] = tx->progress[1] = 1;
    }
  }
  handles_.erase(it);
}

}  // namespace ww::sensor::smb
