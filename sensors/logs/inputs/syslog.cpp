#include "sensors/logs/inputs/syslog.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>

#include "telemetry/logging.hpp"

namespace ww::logs {

// Octet counting starts with a non-zero digit; a syslog line starts with '<', a letter or a digit
// of a date. A count is at most 7 digits and one space, then '<' in all that count (RFC
// 6587 3.4.1); a date has a dash or colon early on.
bool Deframer::next(std::string_view in, std::size_t& used, std::string_view& message) const {
  if (in[0] >= '1' && in[0] <= '9') {
    std::size_t n = 0, i = 0;
    while (i < in.size() && i < 8 && in[i] >= '0' && in[i] <= '9')
      n = n * 10 + static_cast<std::size_t>(in[i++] - '0');
    if (i == in.size() && i < 8) return false;  // the count may go on
    if (i < 8 && in[i] == ' ') {
      if (i + 1 == in.size()) return false;
      if (in[i + 1] == '<' || n <= max_) {
        const bool cut = n > max_;
        const auto want = cut ? max_ : n;
        if (in.size() - i - 1 < want) return false;
        message = in.substr(i + 1, want);
        used = i + 1 + want;  // the rest of an oversized frame goes on as lines: kept, not lost
        while (message.ends_with('\n') || message.ends_with('\r')) message.remove_suffix(1);
        return true;
      }
    }
  }
  // LF ends a message; some senders end with NUL.
  const auto end = in.find_first_of(std::string_view("\n\0", 2));
  if (end == std::string_view::npos) {
    if (in.size() < max_) return false;
    message = in.substr(0, max_);
    used = max_;
    return true;
  }
  message = in.substr(0, std::min(end, max_));
  used = end > max_ ? max_ : end + 1;
  if (message.ends_with('\r')) message.remove_suffix(1);
  return true;
}

namespace {

using Steady = std::chrono::steady_clock;

std::string address_text(const sockaddr_storage& a) {
  char text[INET6_ADDRSTRLEN] = {};
  if (a.ss_family == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(a).sin_addr, text, sizeof text);
  else if (a.ss_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(a).sin6_addr, text, sizeof text);
  std::string out = text;
  if (out.starts_with("::ffff:")) out.erase(0, 7);
  return out;
}

class Syslog : public SyslogInput {
 public:
  Syslog(SyslogOptions options, Surroundings& around)
      : o_(std::move(options)), a_(around), out_(around) {
    if (o_.source.format != "auto") hint_default_ = a_.formats.find(o_.source.format);
  }
  ~Syslog() override {
    if (fd_ >= 0) {
      a_.loop.remove(fd_);
      ::close(fd_);
    }
  }
  std::uint16_t port() const override { return bound_; }
  std::string label() const override {
    static constexpr const char* names[] = {"udp", "tcp", "tls"};
    return std::string("syslog:") + names[static_cast<int>(o_.transport)] + ":" + o_.address + ":" +
           std::to_string(o_.port);
  }

 protected:
  Result<void, Problem> bind_socket(int type) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = type;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST;
    const auto port = std::to_string(o_.port);
    const auto where = o_.address + ":" + port;
    if (::getaddrinfo(o_.address.c_str(), port.c_str(), &hints, &found) != 0)
      return fail(Problem{"not an address to listen on", where, "write for example 0.0.0.0 or ::"});
    fd_ = ::socket(found->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int one = 1, zero = 0;
    // For TCP only: two UDP sockets that both ask for it share the port, and one of the processes
    // gets nothing without being told.
    if (type == SOCK_STREAM) ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (found->ai_family == AF_INET6)
      ::setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    const bool ok = fd_ >= 0 && ::bind(fd_, found->ai_addr, found->ai_addrlen) == 0 &&
                    (type == SOCK_DGRAM || ::listen(fd_, 128) == 0);
    ::freeaddrinfo(found);
    if (!ok)
      return fail(Problem{std::string("cannot listen: ") + std::strerror(errno), where,
                          "choose a free port, or one above 1023 without privileges"});
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &length);
    bound_ = ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                              : reinterpret_cast<sockaddr_in&>(name).sin_port);
    return {};
  }

  void message(std::string_view text, const std::string& sender, const Format*& hint) {
    while (text.ends_with('\n') || text.ends_with('\r') || text.ends_with('\0'))
      text.remove_suffix(1);
    if (text.empty()) return;
    const auto now = a_.clock.now();
    a_.counters.lines.fetch_add(1, std::memory_order_relaxed);
    a_.counters.octets.fetch_add(text.size(), std::memory_order_relaxed);
    in_pieces(text, o_.source.max_line_octets, a_.counters, [&](std::string_view piece) {
      if (hint == nullptr) hint = hint_default_;
      parse_line(a_.formats, piece, {now, &o_.source.zone}, record_, hint);
      if (!o_.source.product.empty()) record_.product = o_.source.product;
      if (!o_.source.service.empty()) record_.service = o_.source.service;
      if (!o_.source.category.empty()) record_.category = o_.source.category;
      if (record_.host.empty())
        record_.host = o_.source.host.empty() ? std::string_view(sender) : o_.source.host;
      Origin origin;
      origin.source = "syslog";
      origin.sender = sender;
      out_.event(record_, origin, piece, now);
    });
  }

  SyslogOptions o_;
  Surroundings& a_;
  Outlet out_;
  Record record_;
  const Format* hint_default_ = nullptr;
  int fd_ = -1;
  std::uint16_t bound_ = 0;
};

class Udp final : public Syslog {
 public:
  using Syslog::Syslog;
  Result<void, Problem> open() override {
    if (auto ok = bind_socket(SOCK_DGRAM); !ok) return ok;
    const int size = static_cast<int>(o_.receive_octets);
    if (::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return {};
  }
  void start() override {
    for (std::size_t i = 0; i < batch; ++i) {
      io_[i] = {buffers_[i].data(), buffers_[i].size()};
      messages_[i].msg_hdr.msg_iov = &io_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
      messages_[i].msg_hdr.msg_name = &from_[i];
    }
    a_.loop.add(fd_, EPOLLIN, [this](std::uint32_t) { receive(); });
    a_.loop.every(std::chrono::milliseconds(100), [this] { (void)out_.hand_over(); });
  }
  void finish() override {
    receive();
    (void)out_.hand_over();
  }

 private:
  // No datagram is longer, so none is cut. Pages of the buffers are only there once long ones came.
  static constexpr std::size_t batch = 32, max_datagram = 64 << 10;

  void receive() {
    for (int round = 0; round < 64; ++round) {
      for (auto& m : messages_) m.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
      const int n = ::recvmmsg(fd_, messages_.data(), batch, MSG_DONTWAIT, nullptr);
      if (n <= 0) break;
      // A datagram cannot wait: while the spool refuses and our group is full, it is dropped and
      // counted.
      if (out_.full() && !out_.hand_over()) {
        a_.counters.dropped.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
        continue;
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        auto& sender = sender_of(from_[i]);
        message({buffers_[i].data(), messages_[i].msg_len}, sender.first, sender.second);
      }
      if (n < static_cast<int>(batch)) break;
    }
    if (out_.full()) (void)out_.hand_over();
  }

  std::pair<std::string, const Format*>& sender_of(const sockaddr_storage& from) {
    const auto* octets = reinterpret_cast<const char*>(&from);
    const auto key = from.ss_family == AF_INET6
                         ? std::string(octets + offsetof(sockaddr_in6, sin6_addr), 16)
                         : std::string(octets + offsetof(sockaddr_in, sin_addr), 4);
    if (senders_.size() > 4096)
      senders_.clear();  // only a cache; forged senders must not fill the memory
    const auto it = senders_.find(key);
    if (it != senders_.end()) return it->second;
    return senders_.emplace(key, std::pair{address_text(from), hint_default_}).first->second;
  }

  std::array<std::array<char, max_datagram>, batch> buffers_;
  std::array<iovec, batch> io_{};
  std::array<mmsghdr, batch> messages_{};
  std::array<sockaddr_storage, batch> from_{};
  std::map<std::string, std::pair<std::string, const Format*>> senders_;
};

class Stream final : public Syslog {
 public:
  using Syslog::Syslog;
  ~Stream() override {
    while (!connections_.empty()) close(connections_.begin()->first);
    if (tls_ != nullptr) SSL_CTX_free(tls_);
  }
  Result<void, Problem> open() override {
    if (o_.transport == SyslogOptions::Transport::tls)
      if (auto ok = load_tls(); !ok) return ok;
    return bind_socket(SOCK_STREAM);
  }
  void start() override {
    a_.loop.add(fd_, EPOLLIN, [this](std::uint32_t) { accept(); });
    a_.loop.every(std::chrono::milliseconds(100), [this] { hand_over(); });
    a_.loop.every(std::chrono::seconds(5), [this] { close_silent(); });
  }
  void finish() override {
    for (auto& [fd, c] : connections_) {
      for (int i = 0; i < 64 && read_once(c) > 0; ++i) {
      }
      c.frames.finish([&, &connection = c](std::string_view m) {
        message(m, connection.sender, connection.hint);
      });
    }
    (void)out_.hand_over();
  }

 private:
  struct Connection {
    explicit Connection(std::size_t max) : frames(max) {}
    int fd = -1;
    SSL* ssl = nullptr;
    bool shaken = false;
    std::string sender;
    Deframer frames;
    const Format* hint = nullptr;
    Steady::time_point last = Steady::now();
  };

  Result<void, Problem> load_tls() {
    tls_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(tls_, TLS1_2_VERSION);
    if (SSL_CTX_use_certificate_chain_file(tls_, o_.cert_file.c_str()) != 1)
      return fail(Problem{"cannot read the TLS certificate", o_.cert_file,
                          "give a PEM file with the certificate and its chain"});
    if (SSL_CTX_use_PrivateKey_file(tls_, o_.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls_) != 1)
      return fail(Problem{"cannot use the TLS key", o_.key_file,
                          "give the PEM key of the certificate, readable by the sensor"});
    if (!o_.client_ca_file.empty()) {
      if (SSL_CTX_load_verify_locations(tls_, o_.client_ca_file.c_str(), nullptr) != 1)
        return fail(
            Problem{"cannot read the clients' authority", o_.client_ca_file, "give a PEM file"});
      SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return {};
  }

  void accept() {
    while (true) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const int fd =
          ::accept4(fd_, reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return;
      if (connections_.size() >= o_.max_connections) {
        if (!std::exchange(warned_full_, true))
          logging::warn(
              "logs: syslog on port {}: {} senders are connected; {} and others are refused; "
              "raise max_connections",
              o_.port, connections_.size(), address_text(from));
        a_.counters.refused_connections.fetch_add(1, std::memory_order_relaxed);
        ::close(fd);
        continue;
      }
      auto& c = connections_.emplace(fd, o_.source.max_line_octets).first->second;
      c.fd = fd;
      c.sender = address_text(from);
      c.hint = hint_default_;
      if (tls_ != nullptr) {
        c.ssl = SSL_new(tls_);
        SSL_set_fd(c.ssl, fd);
        SSL_set_accept_state(c.ssl);
      }
      a_.loop.add(fd, EPOLLIN, [this, fd](std::uint32_t) { readable(fd); });
      if (stopped_) a_.loop.change(fd, 0);
    }
  }

  void readable(int fd) {
    const auto it = connections_.find(fd);
    if (it == connections_.end()) return;
    auto& c = it->second;
    c.last = Steady::now();
    for (int round = 0; round < 16; ++round) {
      if (out_.full() && !hand_over()) return;
      const auto n = read_once(c);
      if (n == 0) return;
      if (n < 0) {
        c.frames.finish([&](std::string_view m) { message(m, c.sender, c.hint); });
        close(fd);
        return;
      }
    }
    // TLS may hold decrypted octets that epoll knows nothing of.
    while (c.ssl != nullptr && SSL_pending(c.ssl) > 0 && !stopped_) {
      if (read_once(c) <= 0) break;
      if (out_.full() && !hand_over()) return;
    }
  }

  /// @return octets, 0 for nothing now, -1 for the end
  long read_once(Connection& c) {
    long n = 0;
    if (c.ssl == nullptr) {
      n = ::recv(c.fd, buffer_.data(), buffer_.size(), 0);
      if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
      if (n == 0) return -1;
    } else {
      ERR_clear_error();
      n = SSL_read(c.ssl, buffer_.data(), static_cast<int>(buffer_.size()));
      if (n <= 0) {
        const int e = SSL_get_error(c.ssl, static_cast<int>(n));
        if (e == SSL_ERROR_WANT_READ) return 0;
        if (e == SSL_ERROR_WANT_WRITE) {
          a_.loop.change(c.fd, EPOLLIN | EPOLLOUT);
          return 0;
        }
        if (!SSL_is_init_finished(c.ssl))
          a_.counters.refused_connections.fetch_add(1, std::memory_order_relaxed);
        return -1;
      }
      if (!c.shaken) {
        c.shaken = true;
        a_.loop.change(c.fd, EPOLLIN);
      }
    }
    c.frames.feed({buffer_.data(), static_cast<std::size_t>(n)},
                  [&](std::string_view m) { message(m, c.sender, c.hint); });
    return n;
  }

  /// A refusing spool stops reading, so that TCP slows the senders down; nothing is dropped.
  bool hand_over() {
    const bool ok = out_.hand_over();
    if (ok == !stopped_) return ok;
    stopped_ = !ok;
    for (auto& [fd, c] : connections_) a_.loop.change(fd, ok ? EPOLLIN : 0U);
    return ok;
  }

  void close_silent() {
    const auto now = Steady::now();
    for (auto it = connections_.begin(); it != connections_.end();) {
      auto& c = (it++)->second;
      const auto limit = c.ssl != nullptr && !c.shaken ? std::chrono::seconds(30) : o_.idle_timeout;
      if (now - c.last > limit && !stopped_) close(c.fd);
    }
  }

  void close(int fd) {
    const auto it = connections_.find(fd);
    if (it == connections_.end()) return;
    a_.loop.remove(fd);
    if (it->second.ssl != nullptr) SSL_free(it->second.ssl);
    ::close(fd);
    connections_.erase(it);
  }

  std::map<int, Connection> connections_;
  bool warned_full_ = false;
  std::array<char, 64 << 10> buffer_;
  SSL_CTX* tls_ = nullptr;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<SyslogInput> make_syslog(SyslogOptions options, Surroundings& around) {
  if (options.transport == SyslogOptions::Transport::udp)
    return std::make_unique<Udp>(std::move(options), around);
  return std::make_unique<Stream>(std::move(options), around);
}

}  // namespace ww::logs
