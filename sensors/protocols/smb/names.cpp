#include <algorithm>
#include <cstdio>

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
  static constexpr Entry entries[] = {{0x00000000, "STATUS_SUCCESS"},
                                      {0x00000103, "STATUS_PENDING"},
                                      {0x0000010b, "STATUS_NOTIFY_CLEANUP"},
                                      {0x0000010c, "STATUS_NOTIFY_ENUM_DIR"},
                                      {0x80000005, "STATUS_BUFFER_OVERFLOW"},
                                      {0x80000006, "STATUS_NO_MORE_FILES"},
                                      {0x8000002d, "STATUS_STOPPED_ON_SYMLINK"},
                                      {0xc0000001, "STATUS_UNSUCCESSFUL"},
                                      {0xc0000002, "STATUS_NOT_IMPLEMENTED"},
                                      {0xc0000003, "STATUS_INVALID_INFO_CLASS"},
                                      {0xc0000004, "STATUS_INFO_LENGTH_MISMATCH"},
                                      {0xc0000008, "STATUS_INVALID_HANDLE"},
                                      {0xc000000d, "STATUS_INVALID_PARAMETER"},
                                      {0xc000000e, "STATUS_NO_SUCH_DEVICE"},
                                      {0xc000000f, "STATUS_NO_SUCH_FILE"},
                                      {0xc0000010, "STATUS_INVALID_DEVICE_REQUEST"},
                                      {0xc0000011, "STATUS_END_OF_FILE"},
                                      {0xc0000016, "STATUS_MORE_PROCESSING_REQUIRED"},
                                      {0xc0000022, "STATUS_ACCESS_DENIED"},
                                      {0xc0000023, "STATUS_BUFFER_TOO_SMALL"},
                                      {0xc0000033, "STATUS_OBJECT_NAME_INVALID"},
                                      {0xc0000034, "STATUS_OBJECT_NAME_NOT_FOUND"},
                                      {0xc0000035, "STATUS_OBJECT_NAME_COLLISION"},
                                      {0xc000003a, "STATUS_OBJECT_PATH_NOT_FOUND"},
                                      {0xc0000043, "STATUS_SHARING_VIOLATION"},
                                      {0xc0000054, "STATUS_FILE_LOCK_CONFLICT"},
                                      {0xc0000055, "STATUS_LOCK_NOT_GRANTED"},
                                      {0xc0000056, "STATUS_DELETE_PENDING"},
                                      {0xc000005e, "STATUS_NO_LOGON_SERVERS"},
                                      {0xc0000061, "STATUS_PRIVILEGE_NOT_HELD"},
                                      {0xc000006a, "STATUS_WRONG_PASSWORD"},
                                      {0xc000006d, "STATUS_LOGON_FAILURE"},
                                      {0xc000006e, "STATUS_ACCOUNT_RESTRICTION"},
                                      {0xc000006f, "STATUS_INVALID_LOGON_HOURS"},
                                      {0xc0000070, "STATUS_INVALID_WORKSTATION"},
                                      {0xc0000071, "STATUS_PASSWORD_EXPIRED"},
                                      {0xc0000072, "STATUS_ACCOUNT_DISABLED"},
                                      {0xc000007f, "STATUS_DISK_FULL"},
                                      {0xc000009a, "STATUS_INSUFFICIENT_RESOURCES"},
                                      {0xc00000ac, "STATUS_PIPE_NOT_AVAILABLE"},
                                      {0xc00000ae, "STATUS_PIPE_BUSY"},
                                      {0xc00000b0, "STATUS_PIPE_DISCONNECTED"},
                                      {0xc00000b5, "STATUS_IO_TIMEOUT"},
                                      {0xc00000ba, "STATUS_FILE_IS_A_DIRECTORY"},
                                      {0xc00000bb, "STATUS_NOT_SUPPORTED"},
                                      {0xc00000c9, "STATUS_NETWORK_NAME_DELETED"},
                                      {0xc00000ca, "STATUS_NETWORK_ACCESS_DENIED"},
                                      {0xc00000cc, "STATUS_BAD_NETWORK_NAME"},
                                      {0xc00000d0, "STATUS_REQUEST_NOT_ACCEPTED"},
                                      {0xc0000101, "STATUS_DIRECTORY_NOT_EMPTY"},
                                      {0xc0000103, "STATUS_NOT_A_DIRECTORY"},
                                      {0xc0000120, "STATUS_CANCELLED"},
                                      {0xc0000121, "STATUS_CANNOT_DELETE"},
                                      {0xc0000128, "STATUS_FILE_CLOSED"},
                                      {0xc000015b, "STATUS_LOGON_TYPE_NOT_GRANTED"},
                                      {0xc0000203, "STATUS_USER_SESSION_DELETED"},
                                      {0xc0000205, "STATUS_INSUFF_SERVER_RESOURCES"},
                                      {0xc0000225, "STATUS_NOT_FOUND"},
                                      {0xc0000234, "STATUS_ACCOUNT_LOCKED_OUT"},
                                      {0xc0000257, "STATUS_PATH_NOT_COVERED"},
                                      {0xc000035c, "STATUS_NETWORK_SESSION_EXPIRED"}};
  for (const auto& e : entries)
    if (e.code == s) return e.name;
  return {};
}

std::string dos_error_name(std::uint8_t error_class, std::uint16_t error) {
  if (error_class == 2) switch (error) {
      case 0x01:
        return "SRV_ERROR";
      case 0x02:
        return "SRV_BADPW";
      case 0x04:
        return "SRV_ACCESS";
      case 0x05:
        return "SRV_BADTID";
      case 0x06:
        return "SRV_BADNETNAME";
      case 0x5b:
        return "SRV_BADUID";
      default:
        break;
    }
  if (error_class == 1) switch (error) {
      case 0x01:
        return "DOS_BADFUNC";
      case 0x02:
        return "DOS_BADFILE";
      case 0x03:
        return "DOS_BADPATH";
      case 0x05:
        return "DOS_NOACCESS";
      case 0x06:
        return "DOS_BADFID";
      case 0x12:
        return "DOS_NOFILES";
      default:
        break;
    }
  return {};
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
      return "unknown";
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

std::optional<Ntlmssp> find_ntlmssp(Bytes blob) {
  static constexpr std::string_view mark("NTLMSSP\0\3\0\0\0", 12);
  const auto text = as_text(blob);
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto m = blob.subspan(at);
  if (m.size() < 64) return std::nullopt;
  const auto flags = load_le32(m.data() + 60);
  const auto field = [&](std::size_t where) {
    const std::size_t length = load_le16(m.data() + where),
                      offset = load_le32(m.data() + where + 4);
    if (offset > m.size() || length > m.size() - offset) return std::string();
    const auto octets = m.subspan(offset, length);
    return (flags & 1) != 0 ? narrow(octets) : std::string(as_text(octets));
  };
  Ntlmssp out{field(28), field(36), field(44), {}};
  if ((flags & 0x02000000) != 0 && m.size() >= 72) {
    char version[48];
    std::snprintf(version, sizeof version, "%u.%u build %u rev %u", m[64], m[65],
                  load_le16(m.data() + 66), m[71]);
    out.version = version;
  }
  return out;
}

}  // namespace ww::sensor::smb
