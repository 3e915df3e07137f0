/// Procedures and states as EVE spells them: RFC 1094, 1813, 7530 and 8881.
#include <algorithm>
#include <array>

#include "sensors/protocols/nfs/rpc.hpp"

namespace ww::sensor::nfs {
namespace {

constexpr std::string_view v2_names[] = {
    "NULL",   "GETATTR", "SETATTR", "ROOT", "LOOKUP",  "READLINK", "READ",  "WRITECACHE", "WRITE",
    "CREATE", "REMOVE",  "RENAME",  "LINK", "SYMLINK", "MKDIR",    "RMDIR", "READDIR",    "STATFS"};
constexpr std::string_view v3_names[] = {
    "NULL",    "GETATTR",     "SETATTR", "LOOKUP", "ACCESS",   "READLINK", "READ",   "WRITE",
    "CREATE",  "MKDIR",       "SYMLINK", "MKNOD",  "REMOVE",   "RMDIR",    "RENAME", "LINK",
    "READDIR", "READDIRPLUS", "FSSTAT",  "FSINFO", "PATHCONF", "COMMIT"};
constexpr std::string_view v4_names[] = {"NULL",
                                         "COMPOUND",
                                         "",
                                         "ACCESS",
                                         "CLOSE",
                                         "COMMIT",
                                         "CREATE",
                                         "DELEGPURGE",
                                         "DELEGRETURN",
                                         "GETATTR",
                                         "GETFH",
                                         "LINK",
                                         "LOCK",
                                         "LOCKT",
                                         "LOCKU",
                                         "LOOKUP",
                                         "LOOKUPP",
                                         "NVERIFY",
                                         "OPEN",
                                         "OPENATTR",
                                         "OPEN_CONFIRM",
                                         "OPEN_DOWNGRADE",
                                         "PUTFH",
                                         "PUTPUBFH",
                                         "PUTROOTFH",
                                         "READ",
                                         "READDIR",
                                         "READLINK",
                                         "REMOVE",
                                         "RENAME",
                                         "RENEW",
                                         "RESTOREFH",
                                         "SAVEFH",
                                         "SECINFO",
                                         "SETATTR",
                                         "SETCLIENTID",
                                         "SETCLIENTID_CONFIRM",
                                         "VERIFY",
                                         "WRITE",
                                         "RELEASE_LOCKOWNER"};

template <std::size_t N>
std::string name_of(const std::string_view (&names)[N], std::uint32_t n) {
  return n < N && !names[n].empty() ? std::string(names[n]) : std::to_string(n);
}

}  // namespace

std::string procedure_name(std::uint32_t version, std::uint32_t procedure) {
  if (version == 2) return name_of(v2_names, procedure);
  if (version < 4) return name_of(v3_names, procedure);
  return procedure == 10044 ? "ILLEGAL" : name_of(v4_names, procedure);
}

std::string status_name(std::uint32_t status) {
  struct Named {
    std::uint32_t value;
    std::string_view name;
  };
  static constexpr Named names[] = {{0, "OK"},
                                    {1, "ERR_PERM"},
                                    {2, "ERR_NOENT"},
                                    {5, "ERR_IO"},
                                    {6, "ERR_NXIO"},
                                    {13, "ERR_ACCES"},
                                    {17, "ERR_EXIST"},
                                    {18, "ERR_XDEV"},
                                    {19, "ERR_NODEV"},
                                    {20, "ERR_NOTDIR"},
                                    {21, "ERR_ISDIR"},
                                    {22, "ERR_INVAL"},
                                    {27, "ERR_FBIG"},
                                    {28, "ERR_NOSPC"},
                                    {30, "ERR_ROFS"},
                                    {31, "ERR_MLINK"},
                                    {63, "ERR_NAMETOOLONG"},
                                    {66, "ERR_NOTEMPTY"},
                                    {69, "ERR_DQUOT"},
                                    {70, "ERR_STALE"},
                                    {71, "ERR_REMOTE"},
                                    {10001, "ERR_BADHANDLE"},
                                    {10002, "ERR_NOT_SYNC"},
                                    {10003, "ERR_BAD_COOKIE"},
                                    {10004, "ERR_NOTSUPP"},
                                    {10005, "ERR_TOOSMALL"},
                                    {10006, "ERR_SERVERFAULT"},
                                    {10007, "ERR_BADTYPE"},
                                    {10008, "ERR_JUKEBOX"}};
  for (const auto& n : names)
    if (n.value == status) return std::string(n.name);
  return std::to_string(status);
}

std::string rpc_status_name(std::uint32_t state) {
  return state == 0 ? "ACCEPTED" : state == 1 ? "DENIED" : std::to_string(state);
}

std::string auth_name(std::uint32_t flavor) {
  static constexpr std::string_view names[] = {"NULL", "UNIX", "SHORT", "DH", "KERB", "RSA", "GSS"};
  return name_of(names, flavor);
}

std::uint32_t handle_hash(std::string_view handle) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : handle) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
  }
  return ~crc;
}

}  // namespace ww::sensor::nfs
