#include <algorithm>

#include "collector/ingest/syslog_server.hpp"

namespace ww::collector {
namespace {

void trim_end(std::string& text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == '\0'))
    text.pop_back();
}

}  // namespace

bool SyslogFramer::next(std::string& out) {
  while (!broken_) {
    if (skip_ > 0) {
      const auto n = std::min(skip_, buffer_.size());
      buffer_.erase(0, n);
      skip_ -= n;
      if (skip_ > 0) return false;
    }
    if (skip_line_) {
      const auto lf = buffer_.find('\n');
      buffer_.erase(0, lf == std::string::npos ? buffer_.size() : lf + 1);
      if (lf == std::string::npos) return false;
      skip_line_ = false;
    }
    // Some senders put LF behind counted messages, or empty lines between.
    const auto start = buffer_.find_first_not_of("\r\n");
    buffer_.erase(0, start == std::string::npos ? buffer_.size() : start);
    if (buffer_.empty()) return false;
    if (buffer_[0] >= '1' && buffer_[0] <= '9') {
      std::size_t i = 0, count = 0;
      while (i < buffer_.size() && i < 9 && buffer_[i] >= '0' && buffer_[i] <= '9')
        count = count * 10 + static_cast<std::size_t>(buffer_[i++] - '0');
      if (i == buffer_.size() && i < 9) return false;  // the count itself is not whole yet
      // A line may start with a digit too: only a count, one space and a priority are a counted
      // message.
      if (i < buffer_.size() && buffer_[i] == ' ') {
        if (i + 1 == buffer_.size()) return false;
        if (buffer_[i + 1] == '<') {
          const auto head = i + 1;
          if (count > (64U << 20)) {
            broken_ = true;
            return false;
          }
          const auto take = std::min(count, max_);
          if (buffer_.size() - head < take) return false;
          out.assign(buffer_, head, take);
          buffer_.erase(0, head + take);
          if (count > take) {
            ++too_long_;
            skip_ = count - take;
          }
          trim_end(out);
          if (out.empty()) continue;
          return true;
        }
      }
    }
    const auto lf = buffer_.find('\n');
    if (lf == std::string::npos && buffer_.size() <= max_) return false;
    const auto take = std::min(lf, max_);
    out.assign(buffer_, 0, take);
    if (lf == std::string::npos || lf > max_) {
      ++too_long_;
      skip_line_ = true;
      buffer_.erase(0, take);
    } else {
      buffer_.erase(0, lf + 1);
    }
    trim_end(out);
    if (!out.empty()) return true;
  }
  return false;
}

bool SyslogFramer::rest(std::string& out) {
  if (broken_ || skip_ > 0 || skip_line_) return false;
  out = std::exchange(buffer_, {});
  trim_end(out);
  return !out.empty();
}

}  // namespace ww::collector
