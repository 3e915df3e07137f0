#include "sensors/app/metrics_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "telemetry/ip.hpp"

namespace ww::sensor {
namespace {

constexpr std::size_t max_request = 4096;
constexpr int patience_ms = 2000;

bool wait(int descriptor, short events, int ms) {
  pollfd p{descriptor, events, 0};
  return ::poll(&p, 1, ms) == 1;
}

}  // namespace

Result<void, Problem> MetricsServer::open(const std::string& address) {
  const auto colon = address.rfind(':');
  const auto bad = [&](const std::string& what) {
    return fail(Problem{what, "metrics.listen " + address, "write for example 127.0.0.1:9109"});
  };
  if (colon == std::string::npos) return bad("no port");
  auto host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  unsigned port = 0;
  const auto* end = address.data() + address.size();
  if (std::from_chars(address.data() + colon + 1, end, port).ptr != end || port > 65535)
    return bad("not a port number");
  const auto ip = parse_ip(host.empty() ? "127.0.0.1" : host);
  if (!ip) return bad("not an IP address");
  sockaddr_storage name{};
  socklen_t length = 0;
  if (ip->family == 4) {
    auto* a = reinterpret_cast<sockaddr_in*>(&name);
    a->sin_family = AF_INET;
    a->sin_port = htons(static_cast<std::uint16_t>(port));
    std::memcpy(&a->sin_addr, ip->octets.data(), 4);
    length = sizeof(sockaddr_in);
  } else {
    auto* a = reinterpret_cast<sockaddr_in6*>(&name);
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(static_cast<std::uint16_t>(port));
    std::memcpy(&a->sin6_addr, ip->octets.data(), 16);
    length = sizeof(sockaddr_in6);
  }
  listener_ = ::socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  if (listener_ < 0 || ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(listener_, reinterpret_cast<sockaddr*>(&name), length) != 0 ||
      ::listen(listener_, 16) != 0)
    return bad(std::string("cannot listen: ") + std::strerror(errno));
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &length);
  port_ = ntohs(ip->family == 4 ? reinterpret_cast<sockaddr_in*>(&name)->sin_port
                                : reinterpret_cast<sockaddr_in6*>(&name)->sin6_port);
  return {};
}

void MetricsServer::start() {
  if (listener_ >= 0) thread_ = std::thread([this] { serve(); });
}

void MetricsServer::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  if (listener_ >= 0) ::close(listener_);
  listener_ = -1;
}

void MetricsServer::serve() {
  while (!stopping_) {
    if (!wait(listener_, POLLIN, 250)) continue;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) continue;
    answer(connection);
    ::close(connection);
  }
}

void MetricsServer::answer(int connection) {
  std::string request;
  char block[1024];
  while (request.find("\r\n\r\n") == std::string::npos) {
    if (request.size() >= max_request || !wait(connection, POLLIN, patience_ms)) return;
    const auto n = ::recv(connection, block, sizeof block, 0);
    if (n <= 0) return;
    request.append(block, static_cast<std::size_t>(n));
  }
  std::string body, status = "200 OK", type = "text/plain; version=0.0.4; charset=utf-8";
  if (request.starts_with("GET /metrics "))
    body = render_();
  else if (request.starts_with("GET /healthz "))
    body = "ok\n";
  else
    status = "404 Not Found", body = "only /metrics and /healthz are here\n";
  std::string reply = "HTTP/1.1 " + status + "\r\nContent-Type: " + type +
                      "\r\nContent-Length: " + std::to_string(body.size()) +
                      "\r\nConnection: close\r\n\r\n" + body;
  std::string_view left = reply;
  while (!left.empty()) {
    if (!wait(connection, POLLOUT, patience_ms)) return;
    const auto n = ::send(connection, left.data(), left.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    left.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace ww::sensor
