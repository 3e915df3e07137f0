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
[[nodiscard]] std::string status_name(std::uint32_t status);  ///< empty when unknown
[[nodiscard]] std::string dos_error_name(std::uint8_t error_class, std::uint16_t error);
[[nodiscard]] std::string dialect2_name(std::uint16_t dialect);
/// UTF-16LE with every character beyond Latin-1 left as its low octet's escape; stops at a null.
[[nodiscard]] std::string narrow(Bytes utf16);

struct Ntlmssp {
  std::string domain, user, host, version;
};
/// The authenticate message (type 3) inside a security blob.
[[nodiscard]] std::optional<Ntlmssp> find_ntlmssp(Bytes blob);

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
  bool has_session = false, has_tree = false, has_status = false, dos_status = false, pipe = false,
       delete_on_close = false, created_known = false;
  std::uint32_t status = 0;
  std::string dialect;
  std::vector<std::string> dialects;
  std::string client_guid, server_guid, share, share_type, filename, fuid;
  bool directory = false;
  std::uint32_t disposition = 0;
  std::uint64_t times[4] = {0, 0, 0, 0},
                size = 0;  ///< created, accessed, modified, changed: seconds since 1970
  std::optional<Ntlmssp> ntlmssp;
  std::string request_os, request_lm, response_os, response_lm, rename_to;
  std::uint32_t function = 0;
  dcerpc::Exchange call;
  sig::File* file = nullptr;
  Dir dir = Dir::to_server;  ///< of a file's data
};

struct Handle {
  std::string name;
  bool pipe = false, directory = false;
  std::uint64_t tx = UINT64_MAX;  ///< file transaction, once there was data
  std::uint64_t position = 0;     ///< next octet of the file
  std::uint64_t size = 0;
};
struct Tree {
  std::string share;
  bool pipe = false;
};
struct Pending {
  std::string key;  ///< of a handle
  std::uint64_t offset = 0;
};

class SmbParser final : public Parser {
 public:
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
  void smb2(ParserContext& ctx, Dir dir, Bytes octets, std::uint64_t missing);
  void request2(ParserContext& ctx, Bytes all, std::uint64_t missing);
  void response2(ParserContext& ctx, Bytes all, std::uint64_t missing);
  Tx& fresh(ParserContext& ctx, Kind kind);
  Tx* open(std::uint16_t command);
  Tx* find(std::uint64_t id);
  void answer(Tx& tx);
  void data(ParserContext& ctx, Dir dir, const std::string& key, std::uint64_t offset, Bytes octets,
            std::uint64_t missing);
  void close(ParserContext& ctx, const std::string& key);
  bool rpc(ParserContext& ctx, Dir dir, const std::string& key, Bytes octets);

  // The message being read.
  std::uint8_t version_ = 2;
  std::uint16_t command_ = 0;
  std::uint64_t session_ = 0, message_ = 0;
  std::uint32_t tree_ = 0, status_ = 0;
  bool unicode_ = true, dos_ = false;

  std::string dialect_;
  std::vector<std::string> dialects_;
  std::map<std::uint64_t, Tree> trees_;     ///< by session and tree
  std::map<std::string, Handle> handles_;   ///< by file id
  std::map<std::string, Pending> pending_;  ///< by message: creates and reads
  std::vector<dcerpc::Interface> bound_;
  bool lost_[2] = {false, false};
  std::uint64_t skip_[2] = {0, 0};  ///< octets of a large record still to come
  sig::File* streaming_[2] = {nullptr, nullptr};
  std::uint64_t stream_tx_[2] = {UINT64_MAX, UINT64_MAX};
};

}  // namespace ww::sensor::smb
