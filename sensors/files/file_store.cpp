#include "sensors/files/file_store.hpp"

#include <algorithm>
#include <atomic>

#include "sensors/files/digest.hpp"
#include "sensors/files/disk.hpp"
#include "sensors/files/window.hpp"

namespace ww::sensor {
namespace {

/// libmagic decides on the first octets; it is asked as soon as this many are there, else at the
/// end.
constexpr std::uint64_t magic_octets = 4096;

struct Counters {
  std::atomic<std::uint64_t> opened{0}, refused{0}, stored{0}, store_errors{0};
};
Counters& counters() {
  static Counters c;
  return c;
}
void count(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

struct FileStore::Entry {
  sig::File file;
  const sig::Transaction* owner = nullptr;
  Window window;
  Digest md5, sha1, sha256;
  DiskFile disk;
  std::vector<std::uint8_t> head;  // first octets, until libmagic was asked
  std::uint64_t followed = 0;      // octets of store_depth used up
  std::uint64_t held = 0;          // octets kept between batches
  bool magic_wanted = false, magic_done = false;
  bool disk_started = false, disk_done = false;
  bool ended = false;
};

struct FileStore::Impl {
  std::vector<std::unique_ptr<Entry>> entries;
  std::vector<sig::File*> view;
};

FileStore::FileStore(const FileOptions& options) : options_(options) {}
FileStore::~FileStore() = default;

FileStore::Impl& FileStore::impl() {
  if (!impl_) impl_ = std::make_unique<Impl>();
  return *impl_;
}

FileStore::Entry* FileStore::entry(const sig::File& file) {
  if (!impl_) return nullptr;
  // Newest first: a parser works on the file that it opened last.
  for (auto it = impl_->entries.rbegin(); it != impl_->entries.rend(); ++it)
    if (&(*it)->file == &file) return it->get();
  return nullptr;
}

void FileStore::begin_batch() {
  if (!impl_ || options_.window == 0) return;
  for (auto& e : impl_->entries) {
    if (e->window.held() <= e->held) continue;
    // A file that rules may still ask to keep must stay whole until the first inspection has been
    // done.
    e->window.trim(e->held);
    e->file.data = e->window.data();
    e->file.data_offset = e->window.offset();
  }
}

sig::File* FileStore::open(sig::Transaction& tx, sig::Dir dir, Bytes name) {
  if (impl().entries.size() >= options_.max_files) {
    count(counters().refused);
    return nullptr;
  }
  static std::atomic<std::uint32_t> serial{0};
  auto e = std::make_unique<Entry>();
  e->owner = &tx;
  e->held = options_.window;
  auto& f = e->file;
  f.tx_id = tx.id;
  f.file_id = serial.fetch_add(1, std::memory_order_relaxed) + 1;
  f.dir = dir;
  f.name.assign(as_text(name));
  f.stored = options_.store_all;
  if (options_.md5) e->md5 = Digest(Digest::Kind::md5);
  if (options_.sha1) e->sha1 = Digest(Digest::Kind::sha1);
  if (options_.sha256 || !options_.store_folder.empty()) e->sha256 = Digest(Digest::Kind::sha256);
  e->magic_wanted = options_.magic;
  count(counters().opened);
  tx.files.push_back(&f);
  impl_->view.push_back(&f);
  impl_->entries.push_back(std::move(e));
  return &f;
}

void FileStore::keep(sig::File& file, std::uint64_t octets) {
  if (auto* e = entry(file); e != nullptr && options_.window != 0) e->held = octets;
}

namespace {

void ask_magic(std::vector<std::uint8_t>& head, sig::File& file) {
  file.magic = file_magic(head);
  std::vector<std::uint8_t>().swap(head);
}

}  // namespace

void FileStore::append(sig::File& file, Bytes data) {
  auto* e = entry(file);
  if (e == nullptr || e->ended || data.empty()) return;
  file.size += data.size();
  if (!file.no_md5) e->md5.update(data);
  if (!file.no_sha1) e->sha1.update(data);
  if (!file.no_sha256) e->sha256.update(data);
  if (e->magic_wanted && !e->magic_done) {
    const auto room = magic_octets - e->head.size();
    const auto part = data.first(std::min<std::size_t>(data.size(), room));
    e->head.insert(e->head.end(), part.begin(), part.end());
    if (e->head.size() >= magic_octets) {
      ask_magic(e->head, file);
      e->magic_done = true;
    }
  }
  if (e->disk.active()) e->disk.append(data);
  if (options_.window != 0) {
    e->window.append(data, std::max(options_.burst, options_.window));
    file.data = e->window.data();
    file.data_offset = e->window.offset();
  } else if (file.stored && !e->disk_started && !options_.store_folder.empty()) {
    e->disk_started = true;
    if (e->disk.begin(options_.store_folder)) e->disk.append(data);
  }
}

void FileStore::gap(sig::File& file, std::uint64_t octets) {
  auto* e = entry(file);
  if (e == nullptr || e->ended || octets == 0) return;
  file.size += octets;
  file.gaps = true;
  e->md5.drop();
  e->sha1.drop();  // SHA-256 goes on: of the octets that were there, as Suricata gives it
  e->disk = DiskFile();
  e->disk_done = true;
  e->window.skip(octets);
  file.data = {};
  file.data_offset = e->window.offset();
}

void FileStore::close(sig::File& file, sig::FileState state) {
  auto* e = entry(file);
  if (e == nullptr || e->ended) return;
  e->ended = true;
  if (file.gaps && state == sig::FileState::closed) state = sig::FileState::truncated;
  file.state = state;
  if (state == sig::FileState::closed) {
    file.md5 = e->md5.finish();
    file.sha1 = e->sha1.finish();
  }
  file.sha256 = e->sha256.finish();
  if (e->magic_wanted && !e->magic_done) {
    ask_magic(e->head, file);
    e->magic_done = true;
  }
}

void FileStore::truncate_all() {
  if (!impl_) return;
  for (auto& e : impl_->entries) close(e->file, sig::FileState::truncated);
}

void FileStore::truncate(sig::Dir dir) {
  if (!impl_) return;
  for (auto& e : impl_->entries)
    if (e->file.dir == dir) close(e->file, sig::FileState::truncated);
}

bool FileStore::stored_by_rule() const {
  return impl_ && std::any_of(impl_->entries.begin(), impl_->entries.end(), [](const auto& e) {
           return e->file.stored && !e->file.sids.empty();
         });
}

void FileStore::settle() {
  if (!impl_ || options_.store_folder.empty()) return;
  for (auto& e : impl_->entries) {
    if (!e->file.stored || e->disk_done) continue;
    if (!e->disk_started && e->window.offset() == 0) {
      e->disk_started = true;
      if (e->disk.begin(options_.store_folder))
        e->disk.append(e->window.data());
      else
        count(counters().store_errors);
    }
    if (!e->ended) continue;
    e->disk_done = true;
    if (e->disk.active() && e->disk.commit(e->file.sha256))
      count(counters().stored);
    else
      count(counters().store_errors);
    e->disk = DiskFile();
  }
}

void FileStore::drop(const sig::Transaction& tx) {
  if (!impl_) return;
  std::erase_if(impl_->view, [&](const sig::File* f) {
    return std::any_of(tx.files.begin(), tx.files.end(),
                       [&](const sig::File* x) { return x == f; });
  });
  std::erase_if(impl_->entries, [&](const auto& e) { return e->owner == &tx; });
}

std::span<sig::File* const> FileStore::files() const {
  return impl_ ? std::span<sig::File* const>(impl_->view) : std::span<sig::File* const>();
}

void store_fileinfo(const FileOptions& options, const sig::File& file, Timestamp time,
                    std::string_view record) {
  if (!options.write_fileinfo || options.store_folder.empty() || !file.stored ||
      file.sha256.empty())
    return;
  const auto path = stored_path(options.store_folder, file.sha256) + "." +
                    std::to_string(time.seconds()) + "." + std::to_string(file.file_id) + ".json";
  if (!write_small_file(path, record)) count(counters().store_errors);
}

FileCounters file_counters() {
  const auto& c = counters();
  return {c.opened.load(), c.refused.load(), c.stored.load(), c.store_errors.load()};
}

}  // namespace ww::sensor
