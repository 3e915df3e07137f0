#pragma once
/// Syslog from the network: UDP (RFC 5426), TCP with both framings of RFC 6587, TLS (RFC 5425).
#include <memory>

#include "sensors/logs/inputs/input.hpp"

namespace ww::logs {

struct SyslogOptions {
  enum class Transport : std::uint8_t { udp, tcp, tls };
  Transport transport = Transport::udp;
  std::string address = "0.0.0.0";
  std::uint16_t port = 514;
  SourceOptions source;
  std::size_t max_connections = 256;
  std::chrono::seconds idle_timeout{3600};  ///< a silent connection is closed
  std::size_t receive_octets = 4U << 20;    ///< kernel buffer asked for (UDP)
  // TLS
  std::string cert_file, key_file;
  std::string client_ca_file;  ///< set: senders must present a certificate of this authority
};

class SyslogInput : public Input {
 public:
  /// The port that was bound (useful when 0 was asked for). After open().
  [[nodiscard]] virtual std::uint16_t port() const = 0;
};
[[nodiscard]] std::unique_ptr<SyslogInput> make_syslog(SyslogOptions options, Surroundings& around);

/// Cuts a TCP byte stream into syslog messages: "LENGTH SP MESSAGE" when a frame starts with a
/// digit, else lines.
class Deframer {
 public:
  explicit Deframer(std::size_t max_message) : max_(max_message) {}
  /// @param f  called with every whole message, views valid for the call
  template <class F>
  void feed(std::string_view octets, F f) {
    buffer_ += octets;
    std::size_t at = 0;
    while (at < buffer_.size()) {
      std::size_t used = 0;
      std::string_view message;
      if (!next(std::string_view(buffer_).substr(at), used, message)) break;
      at += used;
      if (!message.empty()) f(message);
    }
    buffer_.erase(0, at);
  }
  /// What is left when the connection ends: an unfinished line is still a message.
  template <class F>
  void finish(F f) {
    if (!buffer_.empty()) f(std::string_view(buffer_));
    buffer_.clear();
  }
  [[nodiscard]] std::size_t buffered() const { return buffer_.size(); }

 private:
  bool next(std::string_view in, std::size_t& used, std::string_view& message) const;
  std::size_t max_;
  std::string buffer_;
};

}  // namespace ww::logs
