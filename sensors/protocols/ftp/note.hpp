#pragma once
/// What an FTP control connection tells the parser of the data connection it expects.
#include <string>

namespace ww::sensor::ftp {
struct DataNote {
  std::string filename;
  bool store = false;  ///< STOR; else RETR
};
}  // namespace ww::sensor::ftp
