#include "sensors/files/file_store.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sensors/files/window.hpp"
#include "tests/temp_folder.hpp"

namespace ww::sensor {
namespace {

namespace fs = std::filesystem;

struct Folder {
  ww::test::TempFolder temp;
  const fs::path path = temp.path();
};

std::string read(const fs::path& p) {
  std::ifstream in(p, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

constexpr std::string_view abc_sha256 =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

FileOptions hashes() {
  FileOptions o;
  o.md5 = o.sha1 = o.sha256 = o.magic = true;
  return o;
}

TEST(FileStore, HashesWhatIsAppended) {
  const auto options = hashes();
  FileStore store(options);
  sig::Transaction tx;
  auto* f = store.open(tx, sig::Dir::to_client, as_bytes("a.txt"));
  ASSERT_EQ(tx.files, std::vector<sig::File*>{f});
  for (const auto* part : {"a", "b", "c"}) store.append(*f, as_bytes(part));
  EXPECT_TRUE(f->md5.empty());
  store.close(*f);
  EXPECT_EQ(f->md5, "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(f->sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(f->sha256, abc_sha256);
  EXPECT_EQ(f->size, 3U);
  EXPECT_EQ(f->state, sig::FileState::closed);
  EXPECT_NE(f->magic.find("ASCII"), std::string::npos) << f->magic;
}

TEST(FileStore, EndsAFileWithAGapAsTruncated) {
  const auto options = hashes();
  FileStore store(options);
  sig::Transaction tx;
  auto* f = store.open(tx, sig::Dir::to_client, as_bytes("a"));
  store.append(*f, as_bytes("abc"));
  store.gap(*f, 10);
  store.close(*f);
  EXPECT_TRUE(f->gaps);
  EXPECT_EQ(f->size, 13U);
  EXPECT_EQ(f->state, sig::FileState::truncated);
  EXPECT_TRUE(f->md5.empty());
  EXPECT_EQ(f->sha256, abc_sha256);
}

TEST(FileStore, KeepsAWindowAndAllOfABatch) {
  FileOptions options;
  options.window = 10;
  FileStore store(options);
  sig::Transaction tx;
  auto* f = store.open(tx, sig::Dir::to_client, as_bytes("a"));
  store.append(*f, as_bytes("0123456789"));
  store.begin_batch();
  store.append(*f, as_bytes("abcdefghijklmnopqrst"));
  EXPECT_EQ(as_text(f->data), "0123456789abcdefghijklmnopqrst");
  store.begin_batch();
  EXPECT_EQ(as_text(f->data), "klmnopqrst");
  EXPECT_EQ(f->data_offset, 20U);
}

TEST(FileStore, RefusesMoreFilesThanAllowed) {
  FileOptions options;
  options.max_files = 2;
  FileStore store(options);
  sig::Transaction tx;
  EXPECT_NE(store.open(tx, sig::Dir::to_client, {}), nullptr);
  EXPECT_NE(store.open(tx, sig::Dir::to_client, {}), nullptr);
  EXPECT_EQ(store.open(tx, sig::Dir::to_client, {}), nullptr);
  store.drop(tx);
  EXPECT_TRUE(store.files().empty());
}

TEST(FileStore, WritesWhatIsAskedForUnderItsHash) {
  const Folder folder;
  FileOptions options;
  options.store_folder = folder.path / "filestore";
  options.write_fileinfo = true;
  FileStore store(options);
  sig::Transaction tx;
  auto* kept = store.open(tx, sig::Dir::to_client, as_bytes("a"));
  auto* other = store.open(tx, sig::Dir::to_client, as_bytes("b"));
  store.append(*kept, as_bytes("ab"));
  store.append(*other, as_bytes("xyz"));
  kept->stored = true;  // a rule asks after the first data
  store.settle();
  store.append(*kept, as_bytes("c"));
  store.close(*kept);
  store.close(*other);
  store.settle();
  const auto path = fs::path(options.store_folder) / "ba" / abc_sha256;
  EXPECT_EQ(read(path), "abc");
  store_fileinfo(options, *kept, {1'600'000'000'000'000}, "{}");
  EXPECT_EQ(read(path.string() + ".1600000000." + std::to_string(kept->file_id) + ".json"), "{}");
  std::size_t files = 0;
  for (const auto& e : fs::recursive_directory_iterator(options.store_folder))
    files += e.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 2U);
}

TEST(FileStore, LeavesNothingOfAnUnfinishedFile) {
  const Folder folder;
  FileOptions options;
  options.store_folder = folder.path;
  options.store_all = true;
  {
    FileStore store(options);
    sig::Transaction tx;
    auto* f = store.open(tx, sig::Dir::to_client, as_bytes("a"));
    store.append(*f, as_bytes("abc"));
    store.settle();
  }
  EXPECT_TRUE(fs::is_empty(folder.path / "tmp"));
}

TEST(FileInfo, HasSuricatasMembers) {
  sig::File f;
  f.name = "x.pdf";
  f.size = 3;
  f.sha256 = abc_sha256;
  f.state = sig::FileState::closed;
  f.sids = {7};
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_fileinfo(f, false, json);
  json.end_object();
  EXPECT_EQ(
      out, R"({"fileinfo":{"filename":"x.pdf","sid":[7],"gaps":false,"state":"CLOSED","sha256":")" +
               std::string(abc_sha256) + R"(","stored":false,"size":3,"tx_id":0}})");
}

TEST(FileOptions, AreReadFromSuricatasOutputs) {
  const auto s = Settings::from_yaml(R"(
outputs:
  - eve-log:
      types:
        - files: {force-magic: yes, force-hash: [md5]}
  - file-store: {version: 2, enabled: yes, dir: store, force-filestore: yes, stream-depth: 10kb, write-fileinfo: yes}
)",
                                     "t.yaml")
                     .value();
  const auto o = FileOptions::from_settings(s, "/var/log");
  EXPECT_TRUE(o.md5 && o.sha256 && o.magic && o.store_all && o.write_fileinfo);
  EXPECT_FALSE(o.sha1);
  EXPECT_EQ(o.store_folder, "/var/log/store");
  EXPECT_EQ(o.store_depth, 10240U);
}

TEST(Window, SlidesWithinItsLimit) {
  Window w;
  for (int i = 0; i < 100; ++i) w.append(as_bytes("0123456789"), 55);
  EXPECT_EQ(w.end(), 1000U);
  EXPECT_EQ(w.held(), 55U);
  EXPECT_EQ(w.offset(), 945U);
  w.trim(5);
  EXPECT_EQ(as_text(w.data()), "56789");
  w.skip(7);
  EXPECT_EQ(w.offset(), 1007U);
  w.append(as_bytes(std::string(200, 'x')), 55);
  EXPECT_EQ(w.held(), 55U);
  EXPECT_EQ(w.end(), 1207U);
}

}  // namespace
}  // namespace ww::sensor
