#include <algorithm>
#include <cstdio>
#include <span>

#include "sensors/protocols/smb/smb.hpp"

namespace ww::sensor::smb {

std::string guid_text(const Guid& g) {
  static constexpr std::uint8_t order[] = {3, 2, 1, 0, 5, 4, 7, 6, 9, 8, 11, 10, 15, 14, 13, 12};
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[g[order[i]] >> 4];
    out += digits[g[order[i]] & 15];
  }
  return out;
}

std::string command1_name(std::uint8_t c) {
  switch (c) {
    case 0x00:
      return "SMB1_COMMAND_CREATE_DIRECTORY";
    case 0x01:
      return "SMB1_COMMAND_DELETE_DIRECTORY";
    case 0x02:
      return "SMB1_COMMAND_OPEN";
    case 0x03:
      return "SMB1_COMMAND_CREATE";
    case 0x04:
      return "SMB1_COMMAND_CLOSE";
    case 0x05:
      return "SMB1_COMMAND_FLUSH";
    case 0x06:
      return "SMB1_COMMAND_DELETE";
    case 0x07:
      return "SMB1_COMMAND_RENAME";
    case 0x08:
      return "SMB1_COMMAND_QUERY_INFORMATION";
    case 0x09:
      return "SMB1_COMMAND_SET_INFORMATION";
    case 0x0a:
      return "SMB1_COMMAND_READ";
    case 0x0b:
      return "SMB1_COMMAND_WRITE";
    case 0x10:
      return "SMB1_COMMAND_CHECK_DIRECTORY";
    case 0x24:
      return "SMB1_COMMAND_LOCKING_ANDX";
    case 0x25:
      return "SMB1_COMMAND_TRANS";
    case 0x2b:
      return "SMB1_COMMAND_ECHO";
    case 0x2e:
      return "SMB1_COMMAND_READ_ANDX";
    case 0x2f:
      return "SMB1_COMMAND_WRITE_ANDX";
    case 0x32:
      return "SMB1_COMMAND_TRANS2";
    case 0x34:
      return "SMB1_COMMAND_FIND_CLOSE2";
    case 0x71:
      return "SMB1_COMMAND_TREE_DISCONNECT";
    case 0x72:
      return "SMB1_COMMAND_NEGOTIATE_PROTOCOL";
    case 0x73:
      return "SMB1_COMMAND_SESSION_SETUP_ANDX";
    case 0x74:
      return "SMB1_COMMAND_LOGOFF_ANDX";
    case 0x75:
      return "SMB1_COMMAND_TREE_CONNECT_ANDX";
    case 0x80:
      return "SMB1_COMMAND_QUERY_INFO_DISK";
    case 0xa0:
      return "SMB1_COMMAND_NT_TRANS";
    case 0xa2:
      return "SMB1_COMMAND_NT_CREATE_ANDX";
    case 0xa4:
      return "SMB1_COMMAND_NT_CANCEL";
    default:
      return std::to_string(c);
  }
}

std::string command2_name(std::uint16_t c) {
  static constexpr const char* names[] = {"NEGOTIATE_PROTOCOL",
                                          "SESSION_SETUP",
                                          "SESSION_LOGOFF",
                                          "TREE_CONNECT",
                                          "TREE_DISCONNECT",
                                          "CREATE",
                                          "CLOSE",
                                          "FLUSH",
                                          "READ",
                                          "WRITE",
                                          "LOCK",
                                          "IOCTL",
                                          "CANCEL",
                                          "KEEPALIVE",
                                          "FIND",
                                          "CHANGE_NOTIFY",
                                          "GET_INFO",
                                          "SET_INFO",
                                          "OPLOCK_BREAK"};
  return c < std::size(names) ? std::string("SMB2_COMMAND_") + names[c] : std::to_string(c);
}

std::string status_name(std::uint32_t s) {
  struct Entry {
    std::uint32_t code;
    const char* name;
  };
  static constexpr Entry entries[] = {
      {0x00000000, "STATUS_SUCCESS"},
      {0x00000103, "STATUS_PENDING"},
      {0x00000104, "STATUS_REPARSE"},
      {0x00000105, "STATUS_MORE_ENTRIES"},
      {0x00000107, "STATUS_SOME_NOT_MAPPED"},
      {0x0000010b, "STATUS_NOTIFY_CLEANUP"},
      {0x0000010c, "STATUS_NOTIFY_ENUM_DIR"},
      {0x80000001, "STATUS_GUARD_PAGE_VIOLATION"},
      {0x80000002, "STATUS_DATATYPE_MISALIGNMENT"},
      {0x80000005, "STATUS_BUFFER_OVERFLOW"},
      {0x80000006, "STATUS_NO_MORE_FILES"},
      {0x8000000b, "STATUS_NO_INHERITANCE"},
      {0x80000011, "STATUS_DEVICE_BUSY"},
      {0x80000013, "STATUS_INVALID_EA_NAME"},
      {0x80000014, "STATUS_EA_LIST_INCONSISTENT"},
      {0x8000001a, "STATUS_NO_MORE_ENTRIES"},
      {0x8000002d, "STATUS_STOPPED_ON_SYMLINK"},
      {0xc0000001, "STATUS_UNSUCCESSFUL"},
      {0xc0000002, "STATUS_NOT_IMPLEMENTED"},
      {0xc0000003, "STATUS_INVALID_INFO_CLASS"},
      {0xc0000004, "STATUS_INFO_LENGTH_MISMATCH"},
      {0xc0000005, "STATUS_ACCESS_VIOLATION"},
      {0xc0000008, "STATUS_INVALID_HANDLE"},
      {0xc000000b, "STATUS_INVALID_CID"},
      {0xc000000d, "STATUS_INVALID_PARAMETER"},
      {0xc000000e, "STATUS_NO_SUCH_DEVICE"},
      {0xc000000f, "STATUS_NO_SUCH_FILE"},
      {0xc0000010, "STATUS_INVALID_DEVICE_REQUEST"},
      {0xc0000011, "STATUS_END_OF_FILE"},
      {0xc0000013, "STATUS_NO_MEDIA_IN_DEVICE"},
      {0xc0000016, "STATUS_MORE_PROCESSING_REQUIRED"},
      {0xc0000017, "STATUS_NO_MEMORY"},
      {0xc000001e, "STATUS_INVALID_LOCK_SEQUENCE"},
      {0xc000001f, "STATUS_INVALID_VIEW_SIZE"},
      {0xc0000022, "STATUS_ACCESS_DENIED"},
      {0xc0000023, "STATUS_BUFFER_TOO_SMALL"},
      {0xc0000024, "STATUS_OBJECT_TYPE_MISMATCH"},
      {0xc0000033, "STATUS_OBJECT_NAME_INVALID"},
      {0xc0000034, "STATUS_OBJECT_NAME_NOT_FOUND"},
      {0xc0000035, "STATUS_OBJECT_NAME_COLLISION"},
      {0xc0000039, "STATUS_OBJECT_PATH_INVALID"},
      {0xc000003a, "STATUS_OBJECT_PATH_NOT_FOUND"},
      {0xc000003b, "STATUS_OBJECT_PATH_SYNTAX_BAD"},
      {0xc000003e, "STATUS_DATA_ERROR"},
      {0xc000003f, "STATUS_CRC_ERROR"},
      {0xc0000040, "STATUS_SECTION_TOO_BIG"},
      {0xc0000041, "STATUS_PORT_CONNECTION_REFUSED"},
      {0xc0000042, "STATUS_INVALID_PORT_HANDLE"},
      {0xc0000043, "STATUS_SHARING_VIOLATION"},
      {0xc0000050, "STATUS_EA_TOO_LARGE"},
      {0xc0000051, "STATUS_NONEXISTENT_EA_ENTRY"},
      {0xc0000052, "STATUS_NO_EAS_ON_FILE"},
      {0xc0000054, "STATUS_FILE_LOCK_CONFLICT"},
      {0xc0000055, "STATUS_LOCK_NOT_GRANTED"},
      {0xc0000056, "STATUS_DELETE_PENDING"},
      {0xc000005e, "STATUS_NO_LOGON_SERVERS"},
      {0xc000005f, "STATUS_NO_SUCH_LOGON_SESSION"},
      {0xc0000060, "STATUS_NO_SUCH_PRIVILEGE"},
      {0xc0000061, "STATUS_PRIVILEGE_NOT_HELD"},
      {0xc0000062, "STATUS_INVALID_ACCOUNT_NAME"},
      {0xc0000063, "STATUS_USER_EXISTS"},
      {0xc0000064, "STATUS_NO_SUCH_USER"},
      {0xc0000065, "STATUS_GROUP_EXISTS"},
      {0xc0000066, "STATUS_NO_SUCH_GROUP"},
      {0xc0000067, "STATUS_MEMBER_IN_GROUP"},
      {0xc0000068, "STATUS_MEMBER_NOT_IN_GROUP"},
      {0xc0000069, "STATUS_LAST_ADMIN"},
      {0xc000006a, "STATUS_WRONG_PASSWORD"},
      {0xc000006b, "STATUS_ILL_FORMED_PASSWORD"},
      {0xc000006c, "STATUS_PASSWORD_RESTRICTION"},
      {0xc000006d, "STATUS_LOGON_FAILURE"},
      {0xc000006e, "STATUS_ACCOUNT_RESTRICTION"},
      {0xc000006f, "STATUS_INVALID_LOGON_HOURS"},
      {0xc0000070, "STATUS_INVALID_WORKSTATION"},
      {0xc0000071, "STATUS_PASSWORD_EXPIRED"},
      {0xc0000072, "STATUS_ACCOUNT_DISABLED"},
      {0xc0000073, "STATUS_NONE_MAPPED"},
      {0xc000007a, "STATUS_PROCEDURE_NOT_FOUND"},
      {0xc000007c, "STATUS_NO_TOKEN"},
      {0xc000007e, "STATUS_RANGE_NOT_LOCKED"},
      {0xc000007f, "STATUS_DISK_FULL"},
      {0xc0000098, "STATUS_FILE_INVALID"},
      {0xc000009a, "STATUS_INSUFFICIENT_RESOURCES"},
      {0xc00000a2, "STATUS_MEDIA_WRITE_PROTECTED"},
      {0xc00000a5, "STATUS_BAD_IMPERSONATION_LEVEL"},
      {0xc00000ab, "STATUS_INSTANCE_NOT_AVAILABLE"},
      {0xc00000ac, "STATUS_PIPE_NOT_AVAILABLE"},
      {0xc00000ad, "STATUS_INVALID_PIPE_STATE"},
      {0xc00000ae, "STATUS_PIPE_BUSY"},
      {0xc00000af, "STATUS_ILLEGAL_FUNCTION"},
      {0xc00000b0, "STATUS_PIPE_DISCONNECTED"},
      {0xc00000b1, "STATUS_PIPE_CLOSING"},
      {0xc00000b2, "STATUS_PIPE_CONNECTED"},
      {0xc00000b3, "STATUS_PIPE_LISTENING"},
      {0xc00000b4, "STATUS_INVALID_READ_MODE"},
      {0xc00000b5, "STATUS_IO_TIMEOUT"},
      {0xc00000ba, "STATUS_FILE_IS_A_DIRECTORY"},
      {0xc00000bb, "STATUS_NOT_SUPPORTED"},
      {0xc00000bc, "STATUS_REMOTE_NOT_LISTENING"},
      {0xc00000bd, "STATUS_DUPLICATE_NAME"},
      {0xc00000be, "STATUS_BAD_NETWORK_PATH"},
      {0xc00000bf, "STATUS_NETWORK_BUSY"},
      {0xc00000c0, "STATUS_DEVICE_DOES_NOT_EXIST"},
      {0xc00000c1, "STATUS_TOO_MANY_COMMANDS"},
      {0xc00000c3, "STATUS_INVALID_NETWORK_RESPONSE"},
      {0xc00000c4, "STATUS_UNEXPECTED_NETWORK_ERROR"},
      {0xc00000c6, "STATUS_PRINT_QUEUE_FULL"},
      {0xc00000c9, "STATUS_NETWORK_NAME_DELETED"},
      {0xc00000ca, "STATUS_NETWORK_ACCESS_DENIED"},
      {0xc00000cb, "STATUS_BAD_DEVICE_TYPE"},
      {0xc00000cc, "STATUS_BAD_NETWORK_NAME"},
      {0xc00000ce, "STATUS_TOO_MANY_SESSIONS"},
      {0xc00000cf, "STATUS_SHARING_PAUSED"},
      {0xc00000d0, "STATUS_REQUEST_NOT_ACCEPTED"},
      {0xc00000d4, "STATUS_NOT_SAME_DEVICE"},
      {0xc00000d5, "STATUS_FILE_RENAMED"},
      {0xc00000d9, "STATUS_PIPE_EMPTY"},
      {0xc00000e3, "STATUS_OPLOCK_NOT_GRANTED"},
      {0xc00000e4, "STATUS_INVALID_OPLOCK_PROTOCOL"},
      {0xc00000e5, "STATUS_INTERNAL_DB_CORRUPTION"},
      {0xc00000e9, "STATUS_UNEXPECTED_IO_ERROR"},
      {0xc0000101, "STATUS_DIRECTORY_NOT_EMPTY"},
      {0xc0000102, "STATUS_FILE_CORRUPT_ERROR"},
      {0xc0000103, "STATUS_NOT_A_DIRECTORY"},
      {0xc0000104, "STATUS_BAD_LOGON_SESSION_STATE"},
      {0xc000010a, "STATUS_PROCESS_IS_TERMINATING"},
      {0xc000010b, "STATUS_INVALID_LOGON_TYPE"},
      {0xc000011f, "STATUS_TOO_MANY_OPENED_FILES"},
      {0xc0000120, "STATUS_CANCELLED"},
      {0xc0000121, "STATUS_CANNOT_DELETE"},
      {0xc0000123, "STATUS_FILE_DELETED"},
      {0xc0000128, "STATUS_FILE_CLOSED"},
      {0xc000012b, "STATUS_INVALID_LOCAL_RIGHT"},
      {0xc0000133, "STATUS_TIME_DIFFERENCE_AT_DC"},
      {0xc000013b, "STATUS_LOCAL_DISCONNECT"},
      {0xc000013c, "STATUS_REMOTE_DISCONNECT"},
      {0xc0000148, "STATUS_INVALID_LEVEL"},
      {0xc000014b, "STATUS_PIPE_BROKEN"},
      {0xc000015b, "STATUS_LOGON_TYPE_NOT_GRANTED"},
      {0xc000018b, "STATUS_TRUSTED_DOMAIN_FAILURE"},
      {0xc000018d, "STATUS_TRUSTED_RELATIONSHIP_FAILURE"},
      {0xc0000190, "STATUS_TRUST_FAILURE"},
      {0xc0000192, "STATUS_NETLOGON_NOT_STARTED"},
      {0xc0000193, "STATUS_ACCOUNT_EXPIRED"},
      {0xc0000199, "STATUS_NOLOGON_WORKSTATION_TRUST_ACCOUNT"},
      {0xc000019c, "STATUS_FS_DRIVER_REQUIRED"},
      {0xc0000202, "STATUS_NO_USER_SESSION_KEY"},
      {0xc0000203, "STATUS_USER_SESSION_DELETED"},
      {0xc0000205, "STATUS_INSUFF_SERVER_RESOURCES"},
      {0xc0000206, "STATUS_INVALID_BUFFER_SIZE"},
      {0xc0000207, "STATUS_INVALID_ADDRESS_COMPONENT"},
      {0xc000020c, "STATUS_CONNECTION_DISCONNECTED"},
      {0xc000020d, "STATUS_CONNECTION_RESET"},
      {0xc0000224, "STATUS_PASSWORD_MUST_CHANGE"},
      {0xc0000225, "STATUS_NOT_FOUND"},
      {0xc0000233, "STATUS_DOMAIN_CONTROLLER_NOT_FOUND"},
      {0xc0000234, "STATUS_ACCOUNT_LOCKED_OUT"},
      {0xc0000236, "STATUS_CONNECTION_REFUSED"},
      {0xc000023c, "STATUS_NETWORK_UNREACHABLE"},
      {0xc000023d, "STATUS_HOST_UNREACHABLE"},
      {0xc0000240, "STATUS_REQUEST_ABORTED"},
      {0xc0000241, "STATUS_CONNECTION_ABORTED"},
      {0xc0000257, "STATUS_PATH_NOT_COVERED"},
      {0xc0000267, "STATUS_FILE_IS_OFFLINE"},
      {0xc0000275, "STATUS_NOT_A_REPARSE_POINT"},
      {0xc0000279, "STATUS_IO_REPARSE_TAG_NOT_HANDLED"},
      {0xc000035c, "STATUS_NETWORK_SESSION_EXPIRED"},
      {0xc0000388, "STATUS_DOWNGRADE_DETECTED"},
      {0xc0000413, "STATUS_AUTHENTICATION_FIREWALL_FAILED"},
      {0xc0000418, "STATUS_NTLM_BLOCKED"},
  };
  for (const auto& e : entries)
    if (e.code == s) return e.name;
  return std::to_string(s);
}

std::string dos_error_name(std::uint8_t error_class, std::uint16_t error) {
  struct Entry {
    std::uint16_t code;
    const char* name;
  };
  static constexpr Entry dos[] = {
      {1, "DOS_BADFUNC"},
      {2, "DOS_BADFILE"},
      {3, "DOS_BADPATH"},
      {4, "DOS_NOFIDS"},
      {5, "DOS_NOACCESS"},
      {6, "DOS_BADFID"},
      {7, "DOS_BADMCB"},
      {8, "DOS_NOMEM"},
      {9, "DOS_BADMEM"},
      {10, "DOS_BADENV"},
      {11, "DOS_BADFORMAT"},
      {12, "DOS_BADACCESS"},
      {13, "DOS_BADDATA"},
      {15, "DOS_BADDRIVE"},
      {16, "DOS_REMCD"},
      {17, "DOS_DIFFDEVICE"},
      {18, "DOS_NOFILES"},
      {31, "DOS_GENERAL"},
      {32, "DOS_BADSHARE"},
      {33, "DOS_LOCK"},
      {38, "DOS_EOF"},
      {50, "DOS_UNSUP"},
      {80, "DOS_FILEXISTS"},
      {87, "DOS_INVALID_PARAMETER"},
      {124, "DOS_UNKNOWN_LEVEL"},
      {158, "DOS_NOT_LOCKED"},
      {230, "DOS_BADPIPE"},
      {231, "DOS_PIPEBUSY"},
      {232, "DOS_PIPECLOSING"},
      {233, "DOS_NOTCONNECTED"},
      {234, "DOS_MORE_DATA"},
      {255, "DOS_EAS_DONT_MATCH"},
      {275, "DOS_EAS_NOT_SUPPORTED"},
  };
  static constexpr Entry server[] = {
      {1, "SRV_ERROR"},
      {2, "SRV_BADPW"},
      {3, "SRV_BADPATH"},
      {4, "SRV_ACCESS"},
      {5, "SRV_BADTID"},
      {6, "SRV_BADNETNAME"},
      {7, "SRV_BADDEV"},
      {49, "SRV_QFULL"},
      {50, "SRV_QTOOBIG"},
      {51, "SRV_QEOF"},
      {52, "SRV_INVPFID"},
      {64, "SRV_SMBCMD"},
      {65, "SRV_SRVERROR"},
      {67, "SRV_FILESPECS"},
      {69, "SRV_BADPERMITS"},
      {71, "SRV_SETATTRMODE"},
      {81, "SRV_PAUSED"},
      {82, "SRV_MSGOFF"},
      {83, "SRV_NOROOM"},
      {87, "SRV_RMUNS"},
      {88, "SRV_TIMEOUT"},
      {89, "SRV_NORESOURCE"},
      {90, "SRV_TOOMANYUIDS"},
      {91, "SRV_BADUID"},
      {250, "SRV_USEMPX"},
      {251, "SRV_USESTD"},
      {252, "SRV_CONTMPX"},
      {2239, "SRV_ACCOUNT_EXPIRED"},
      {2240, "SRV_BAD_CLIENT"},
      {2241, "SRV_BAD_LOGON_TIME"},
      {2242, "SRV_PASSWORD_EXPIRED"},
      {65535, "SRV_NOSUPPORT"},
  };
  const auto look = [&](std::span<const Entry> entries) {
    for (const auto& e : entries)
      if (e.code == error) return std::string(e.name);
    return "UNKNOWN_" + std::to_string(error);
  };
  if (error_class == 1) return look(dos);
  if (error_class == 2) return look(server);
  char text[32];
  std::snprintf(text, sizeof text, "UNKNOWN_%02x_%04x", error_class, error);
  return text;
}

std::string dialect2_name(std::uint16_t d) {
  switch (d) {
    case 0x0202:
      return "2.02";
    case 0x0210:
      return "2.10";
    case 0x0222:
      return "2.22";
    case 0x0224:
      return "2.24";
    case 0x02ff:
      return "2.??";
    case 0x0300:
      return "3.00";
    case 0x0302:
      return "3.02";
    case 0x0310:
      return "3.10";
    case 0x0311:
      return "3.11";
    default:
      return std::to_string(d);
  }
}

std::string narrow(Bytes utf16) {
  std::string out;
  for (std::size_t i = 0; i + 1 < utf16.size(); i += 2) {
    const unsigned c = load_le16(utf16.data() + i);
    if (c == 0) break;
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xc0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
      out += static_cast<char>(0xe0 | c >> 12);
      out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
      out += static_cast<char>(0x80 | (c & 0x3f));
    }
  }
  return out;
}

std::string function_name(std::uint32_t f) {
  switch (f) {
    case 0x00060194:
      return "FSCTL_DFS_GET_REFERRALS";
    case 0x000601b0:
      return "FSCTL_DFS_GET_REFERRALS_EX";
    case 0x000900a4:
      return "FSCTL_SET_REPARSE_POINT";
    case 0x00098208:
      return "FSCTL_FILE_LEVEL_TRIM";
    case 0x0011400c:
      return "FSCTL_PIPE_PEEK";
    case 0x00110018:
      return "FSCTL_PIPE_WAIT";
    case 0x0011c017:
      return "FSCTL_PIPE_TRANSCEIVE";
    case 0x001401d4:
      return "FSCTL_LMR_REQUEST_RESILIENCY";
    case 0x001401fc:
      return "FSCTL_QUERY_NETWORK_INTERFACE_INFO";
    case 0x00140204:
      return "FSCTL_VALIDATE_NEGOTIATE_INFO";
    case 0x00140078:
      return "FSCTL_SRV_REQUEST_RESUME_KEY";
    case 0x00144064:
      return "FSCTL_SRV_ENUMERATE_SNAPSHOTS";
    case 0x001440f2:
      return "FSCTL_SRV_COPYCHUNK";
    case 0x001441bb:
      return "FSCTL_SRV_READ_HASH";
    case 0x001480f2:
      return "FSCTL_SRV_COPYCHUNK_WRITE";
    default:
      return std::to_string(f);
  }
}

std::string file_id_text(std::string_view key) {
  if (key.size() == 16) {
    Guid g{};
    std::copy(key.begin(), key.end(), g.begin());
    return guid_text(g);
  }
  if (key.size() != 2) return {};
  char text[8];
  std::snprintf(text, sizeof text, "%02x%02x", static_cast<std::uint8_t>(key[1]),
                static_cast<std::uint8_t>(key[0]));
  return text;
}

std::uint64_t unix_time(std::uint64_t filetime) {
  constexpr std::uint64_t epoch = 116444736000000000ULL;
  return filetime < epoch ? 0 : (filetime - epoch) / 10000000;
}

}  // namespace ww::sensor::smb
