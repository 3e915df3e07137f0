#pragma once
/// NFS 2, 3 and 4 as a sensor protocol: one transaction a call with its reply, one a file that is
/// read or written.
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sensors/protocols/nfs/rpc.hpp"
#include "sensors/protocols/nfs/transfer.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::nfs {

namespace proc3 {
constexpr std::uint32_t getattr = 1, lookup = 3, access = 4, read = 6, write = 7, create = 8,
                        mkdir = 9, remove = 12, rmdir = 13, rename = 14, readdirplus = 17,
                        commit = 21;
}
namespace proc2 {
constexpr std::uint32_t lookup = 4, read = 6, create = 9, remove = 10, rename = 11, mkdir = 14,
                        rmdir = 15;
}
namespace op4 {
constexpr std::uint32_t compound = 1, create = 6, read = 25, remove = 28, write = 38;
}

struct Tx final : Transaction {
  std::uint32_t xid = 0, version = 0, procedure = 0, auth = 0, uid = 0, gid = 0, rpc_status = 0,
                status = 0;
  std::string machine_name, filename, handle, rename_to;
  bool has_credentials = false, is_rename = false;
  // Of a file.
  bool is_file = false, closed = false, first = false, last = false;
  Dir dir = Dir::to_client;
  std::uint32_t last_xid = 0, chunks = 0;
  std::vector<std::uint32_t> more_procedures;
  Transfer transfer;
  std::int64_t lost_since = 0;  ///< seconds; 0: nothing lost yet
};

/// A map that forgets its oldest entry when it is full.
template <class Key, class Value, std::size_t max_entries>
class Recent {
 public:
  void put(const Key& key, Value value) {
    const auto [at, is_new] = map_.insert_or_assign(key, std::move(value));
    if (!is_new) return;
    order_.push_back(key);
    while (order_.size() > max_entries) {
      map_.erase(order_.front());
      order_.pop_front();
    }
  }
  const Value* find(const Key& key) const {
    const auto at = map_.find(key);
    return at == map_.end() ? nullptr : &at->second;
  }
  void erase(const Key& key) {
    if (map_.erase(key) == 0) return;
    if (!order_.empty() && order_.front() == key) order_.pop_front();
  }

 private:
  std::unordered_map<Key, Value> map_;
  std::deque<Key> order_;
};

/// What a reply needs to know of its call.
struct Asked {
  std::uint32_t version = 0, procedure = 0;
  std::uint64_t offset = 0;
  std::string filename, handle;
  bool wrapped = false;  ///< RPCSEC_GSS integrity
};

class NfsParser final : public Parser {
 public:
  explicit NfsParser(std::size_t max_transactions) : max_transactions_(max_transactions) {}
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  /// One READ or WRITE argument or result, whole or its first part.
  struct Chunk {
    std::string handle, filename;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    Bytes data;
    bool last = false;
  };
  /// A chunk whose octets are still coming (TCP).
  struct Coming {
    std::uint64_t tx = UINT64_MAX;
    std::uint64_t offset = 0;
    std::uint64_t left = 0;
    bool close = false;
  };

  ParseResult stream(ParserContext& ctx, Dir dir, const StreamInput& input);
  void datagram(ParserContext& ctx, Dir dir, Bytes message);
  std::size_t take_coming(ParserContext& ctx, Dir dir, Bytes data, std::uint64_t missing);
  bool start_large(ParserContext& ctx, Dir dir, Bytes have, std::size_t record);
  void frames(ParserContext& ctx, Dir dir, std::uint64_t at, Bytes message, std::size_t mark,
              std::uint32_t version, std::size_t body_at, std::size_t cred_at,
              std::size_t cred_length);

  bool call(ParserContext& ctx, Bytes message, std::uint64_t at, std::size_t mark);
  bool reply(ParserContext& ctx, Bytes message, std::uint64_t at, std::size_t mark);
  void call2(ParserContext& ctx, const Call& c, ByteReader in, Asked& asked);
  void call3(ParserContext& ctx, const Call& c, ByteReader in, Asked& asked);
  void call4(ParserContext& ctx, const Call& c, ByteReader in, Asked& asked);
  void reply2(ParserContext& ctx, const Reply& r, ByteReader in, const Asked& asked);
  void reply3(ParserContext& ctx, const Reply& r, ByteReader in, const Asked& asked);
  void reply4(ParserContext& ctx, const Reply& r, ByteReader in, Asked asked);
  void directory(ByteReader& in);

  Tx& fresh(ParserContext& ctx, const Call& c, std::uint32_t procedure, const Asked& asked);
  Tx& file(ParserContext& ctx, Dir dir, std::uint32_t xid, std::uint32_t version,
           std::uint32_t procedure, const std::string& handle, const std::string& filename);
  Tx* find(std::uint64_t id) const;
  Tx* find_call(std::uint32_t xid) const;
  Tx* find_file(std::string_view handle, Dir dir) const;
  void make_room(ParserContext& ctx);
  void finish(ParserContext& ctx, Tx& tx);
  static void close_file(ParserContext& ctx, Tx& tx);
  static void set_credentials(Tx& tx, const Call& c);
  bool whole(const ByteReader& in, const Chunk& chunk);
  void asked_for(ParserContext& ctx, const Call& c, Asked& asked, bool good, bool rename,
                 std::string to);
  void answered(const Reply& r, std::uint32_t status, std::string_view handle);
  void written(ParserContext& ctx, const Call& c, const Chunk& chunk, std::uint32_t procedure);
  void was_read(ParserContext& ctx, const Reply& r, const Asked& asked, const Chunk& chunk,
                std::uint32_t status);
  void commit(ParserContext& ctx, std::uint32_t xid, std::string_view handle,
              std::uint32_t procedure);
  void event(EventId e);
  void name_of(Asked& asked) const;
  void after_gap(ParserContext& ctx, Dir dir);
  void forget_stale(ParserContext& ctx);

  std::size_t max_transactions_;
  Recent<std::uint32_t, Asked, 1024> asked_;
  Recent<std::string, std::string, 4096> names_;
  std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);
  Coming coming_[2];
  bool lost_[2] = {false, false};  ///< looking for the next record after a gap
  bool had_gap_ = false;
  bool stream_ = false;
  bool wait_for_more_ = false;  ///< the current record is only its first part
  std::uint64_t skip_[2] = {0, 0};
};

}  // namespace ww::sensor::nfs
