#pragma once
/// SMB 1, 2 and 3 as a sensor protocol: one transaction a command with its answer, one a file.
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sensors/files/file_store.hpp"
#include "sensors/protocols/dcerpc/call.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::smb {

using Guid = std::array<std::uint8_t, 16>;
[[nodiscard]] std::string guid_text(const Guid& g);
[[nodiscard]] std::string command1_name(std::uint8_t command);
[[nodiscard]] std::string command2_name(std::uint16_t command);
[[nodiscard]] std::string status_name(std::uint32_t status);  ///< its decimal number when unknown
[[nodiscard]] std::string dos_error_name(std::uint8_t error_class, std::uint16_t error);
[[nodiscard]] std::string function_name(std::uint32_t function);  ///< of an IOCTL
[[nodiscard]] std::string dialect2_name(std::uint16_t dialect);
/// UTF-16LE with every character beyond Latin-1 left as its low octet's escape; stops at a null.
[[nodiscard]] std::string narrow(Bytes utf16);

struct Ntlmssp {
  std::string domain, user, host, version;
};
/// The authenticate message (type 3) inside a security blob.
/// @param malformed  set when the blob has a message that cannot be read
[[nodiscard]] std::optional<Ntlmssp> find_ntlmssp(Bytes blob, bool& malformed);

/// What a Kerberos AP-REQ (RFC 4120 5.5.1) inside a security blob (RFC 4121 4.1) asks for.
struct Kerberos {
  std::string realm;
  std::vector<std::string> names;  ///< parts of the service's name
};
[[nodiscard]] std::optional<Kerberos> find_kerberos(Bytes blob);

/// Limits of `app-layer.protocols.smb`; 0 = none.
struct Config {
  std::uint32_t max_read_size = 16 << 20, max_write_size = 16 << 20;
  std::uint32_t max_read_queue_size = 64 << 20, max_write_queue_size = 64 << 20;  ///< of one file
  std::uint32_t max_read_queue_cnt = 64, max_write_queue_cnt = 64;                ///< of one file
  std::size_t max_tx = 1024;
};
[[nodiscard]] Config read_config(const Settings& settings);

enum class Event : std::uint8_t {
  internal_error,
  malformed_data,
  record_overflow,
  malformed_ntlmssp_request,
  malformed_ntlmssp_response,
  duplicate_negotiate,
  negotiate_malformed_dialects,
  file_overlap,
  negotiate_max_read_size_too_large,
  negotiate_max_write_size_too_large,
  read_request_too_large,
  read_response_too_large,
  read_queue_size_exceeded,
  read_queue_cnt_exceeded,
  write_request_too_large,
  write_queue_size_exceeded,
  write_queue_cnt_exceeded,
  count
};
[[nodiscard]] const std::vector<std::string>& event_names();
[[nodiscard]] EventId event_id(Event e);

enum class Kind : std::uint8_t {
  generic,
  negotiate,
  session_setup,
  tree_connect,
  create,
  file,
  dcerpc,
  ioctl,
  rename,
  set_info
};

struct Tx final : Transaction {
  Kind kind = Kind::generic;
  std::uint8_t version = 2;
  std::uint16_t command = 0;
  std::uint64_t session = 0, message = 0;
  std::uint32_t tree = 0;
  bool has_status = false, dos_status = false, delete_on_close = false, directory = false;
  /// The share is a pipe: known from the answer to the tree connect.
  bool pipe = false;
  std::uint32_t status = 0;
  std::string dialect;
  std::vector<std::string> dialects;
  std::string client_guid, server_guid, share, share_type, request_service, filename, fuid;
  std::uint32_t disposition = 0, max_read_size = 0, max_write_size = 0;
  std::uint64_t times[4] = {0, 0, 0, 0},
                size = 0;  ///< created, accessed, modified, changed: seconds since 1970
  std::optional<Ntlmssp> ntlmssp;
  std::optional<Kerberos> kerberos;
  bool has_request_host = false, has_response_host = false;
  std::string request_os, request_lm, response_os, response_lm, rename_to;
  std::uint16_t subcommand = 0, level = 0;  ///< of a version 1 TRANS2
  std::uint32_t function = 0;
  dcerpc::Exchange call;
  sig::File* file = nullptr;
  Dir dir = Dir::to_server;  ///< of a file's data
};

/// Octets of a file that came before what is in front of them.
using Queue = std::map<std::uint64_t, std::string>;

struct Handle {
  std::string name;
  bool pipe = false;
  // By direction: a file may be read and written.
  std::uint64_t tx[2] = {UINT64_MAX, UINT64_MAX};  ///< file transaction, once there was data
  std::uint64_t position[2] = {0, 0};              ///< next octet of the file
  Queue queue[2];
  std::size_t queued[2] = {0, 0};  ///< octets in it
  std::string rpc[2];              ///< a DCE/RPC fragment that is not whole yet
};
struct Tree {
  std::string share;
  bool pipe = false;
};
struct Pending {
  std::string key;  ///< of a handle
  std::uint64_t offset = 0;
};

/// Octets of a pipe that are still to come, and the message that brings them.
struct PipeRest {
  bool wanted = false;
  std::string key;
  std::uint8_t version = 2;
  std::uint16_t command = 0;
  std::uint64_t session = 0, message = 0;
  std::uint32_t tree = 0, status = 0;
};

class SmbParser final : public Parser {
 public:
  explicit SmbParser(const Config& config) : config_(config) {}
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  void record(ParserContext& ctx, Dir dir, Bytes octets, std::uint64_t offset,
              std::uint64_t missing);
  void smb1(ParserContext& ctx, Dir dir, Bytes octets, std::uint64_t missing);
  void smb1_request(ParserContext& ctx, std::uint8_t command, ByteReader in, Bytes all,
                    std::uint64_t missing);
  void smb1_response(ParserContext& ctx, std::uint8_t command, ByteReader in, Bytes all,
                     std::uint64_t missing);
  bool trans2(ParserContext& ctx, Bytes all, std::size_t words_at);
  void smb2(ParserContext& ctx, Dir dir, Bytes octets, std::uint64_t missing);
  void request2(ParserContext& ctx, Bytes all, std::uint64_t missing);
  void response2(ParserContext& ctx, Bytes all, std::uint64_t missing);
  void read_answer2(ParserContext& ctx, Bytes all, std::uint64_t missing);
  void set_info2(ParserContext& ctx, Bytes all);
  void create_answer2(Tx& tx, ByteReader in);
  void negotiate_answer2(Tx* tx, ByteReader in);
  Tx& fresh(ParserContext& ctx, Kind kind);
  Tx* open(std::uint16_t command);
  Tx* open_negotiate(std::uint8_t version);
  Tx* find(std::uint64_t id);
  void answer(Tx& tx);
  void flag(Event e);
  void security(Tx& tx, Bytes blob);
  Handle& handle(const std::string& key);
  [[nodiscard]] bool is_pipe(const std::string& key) const;
  [[nodiscard]] const Tree* tree() const;
  void data(ParserContext& ctx, Dir dir, const std::string& key, std::uint64_t offset, Bytes octets,
            std::uint64_t missing);
  void flush(FileStore& files, Tx& tx, Handle& h, bool over_gaps);
  void end_file(FileStore& files, Handle& h, std::size_t d);
  void close(ParserContext& ctx, const std::string& key);
  void pipe(ParserContext& ctx, Dir dir, const std::string& key, Bytes octets,
            std::uint64_t missing);
  void rest_of_record(ParserContext& ctx, Dir dir, Bytes octets);
  void gap(ParserContext& ctx, Dir dir, std::uint64_t octets);
  bool rpc(ParserContext& ctx, Dir dir, const std::string& key, Bytes octets);
  bool fragment(ParserContext& ctx, Dir dir, const dcerpc::Header& h, Bytes octets);
  void call_part(Tx& tx, const dcerpc::Header& h, Bytes octets);

  Config config_;
  // The message being read.
  std::uint8_t version_ = 2;
  std::uint16_t command_ = 0;
  std::uint64_t session_ = 0, message_ = 0;
  std::uint32_t tree_ = 0, status_ = 0;
  bool unicode_ = true, dos_ = false;
  /// Name of the file that a command of the same compound creates; its id is not known yet
  /// (MS-SMB2 3.3.5.2.7.2).
  std::optional<std::string> related_;

  std::string dialect_;
  std::uint32_t max_read_ = 0, max_write_ = 0;  ///< as negotiated
  std::map<std::uint64_t, Tree> trees_;         ///< by session and tree
  std::map<std::string, Handle> handles_;       ///< by file id
  std::map<std::string, Pending> pending_;      ///< by message: reads and calls
  std::vector<dcerpc::Interface> bound_;
  bool lost_[2] = {false, false};
  std::uint64_t skip_[2] = {0, 0};  ///< octets of a large record still to come
  sig::File* streaming_[2] = {nullptr, nullptr};
  std::uint64_t stream_tx_[2] = {UINT64_MAX, UINT64_MAX};
  PipeRest pipe_rest_[2];
};

// Shared by the two versions.
constexpr std::size_t max_map = 4096;
/// A table that hostile traffic cannot grow without end.
template <class Map, class Value>
void keep(Map& map, const typename Map::key_type& key, Value&& value) {
  if (map.size() >= max_map && !map.contains(key)) map.erase(map.begin());
  map.insert_or_assign(key, std::forward<Value>(value));
}
/// 100 ns since 1601 to seconds since 1970.
[[nodiscard]] std::uint64_t unix_time(std::uint64_t filetime);
/// As EVE prints a file id: version 1 has two octets, version 2 sixteen.
[[nodiscard]] std::string file_id_text(std::string_view key);

}  // namespace ww::sensor::smb
