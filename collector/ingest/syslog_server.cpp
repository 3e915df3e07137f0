#include "collector/ingest/syslog_server.hpp"

#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "collector/ingest/log_event.hpp"

namespace ww::collector {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;
constexpr auto token = asio::as_tuple(asio::use_awaitable);

struct Address {
  asio::ip::address host;
  std::uint16_t port = 0;
};
Result<Address, Problem> parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  auto host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  Address out;
  error_code ec;
  out.host = asio::ip::make_address(host, ec);
  const auto* begin = colon == std::string::npos ? text.data() : text.data() + colon + 1;
  const auto r = std::from_chars(begin, text.data() + text.size(), out.port);
  if (colon == std::string::npos || ec || r.ec != std::errc() || r.ptr != text.data() + text.size())
    return fail(Problem{"not ADDRESS:PORT", text, "write for example 0.0.0.0:6514"});
  return out;
}

/// Everything but the counters and `waiting_` belongs to the one thread of io_.
class SyslogServerImpl final : public SyslogServer {
 public:
  SyslogServerImpl(SyslogOptions options, Pipeline& pipeline, const Clock& clock)
      : options_(std::move(options)),
        pipeline_(pipeline),
        clock_(clock),
        tls_(asio::ssl::context::tls_server) {}

  ~SyslogServerImpl() override {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
      stopping_ = true;
      for (auto& a : acceptors_) {
        error_code ec;
        a->close(ec);
      }
      flush();
      const std::lock_guard lock(mutex_);
      flushed_ = true;
      answered_.notify_all();
    });
    {
      std::unique_lock lock(mutex_);
      answered_.wait_for(lock, std::chrono::seconds(30), [&] { return flushed_ && waiting_ == 0; });
    }
    io_.stop();
    thread_.join();
  }

  Result<void, Problem> open() {
    const auto cannot = [](const error_code& ec, const std::string& where) {
      return fail(Problem{"cannot listen for syslog: " + ec.message(), where,
                          "check who uses the port; ports below 1024 need CAP_NET_BIND_SERVICE"});
    };
    for (const auto& text : options_.udp) {
      const auto a = parse_address(text);
      if (!a) return fail(a.error());
      auto socket = std::make_unique<udp::socket>(io_);
      const udp::endpoint endpoint(a->host, a->port);
      error_code ec;
      socket->open(endpoint.protocol(), ec);
      if (!ec) socket->bind(endpoint, ec);
      if (ec) return cannot(ec, text);
      error_code ignored;
      socket->set_option(asio::socket_base::receive_buffer_size(8 << 20), ignored);
      if (udp_port_ == 0) udp_port_ = socket->local_endpoint().port();
      udp_.push_back(std::move(socket));
    }
    if (!options_.tls.empty()) {
      error_code ec;
      tls_.use_certificate_chain(asio::buffer(options_.certificate_pem), ec);
      if (!ec) tls_.use_private_key(asio::buffer(options_.key_pem), asio::ssl::context::pem, ec);
      if (!ec && !options_.client_ca_pem.empty())
        tls_.add_certificate_authority(asio::buffer(options_.client_ca_pem), ec);
      if (!ec && !options_.client_ca_pem.empty())
        tls_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, ec);
      if (ec)
        return fail(Problem{"the certificate for syslog over TLS cannot be used: " + ec.message(),
                            "syslog.tls", "check the certificate and key"});
      SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
    }
    for (const bool secure : {false, true})
      for (const auto& text : secure ? options_.tls : options_.tcp) {
        const auto a = parse_address(text);
        if (!a) return fail(a.error());
        auto acceptor = std::make_unique<tcp::acceptor>(io_);
        const tcp::endpoint endpoint(a->host, a->port);
        error_code ec;
        acceptor->open(endpoint.protocol(), ec);
        if (!ec) acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
        if (!ec) acceptor->bind(endpoint, ec);
        if (!ec) acceptor->listen(asio::socket_base::max_listen_connections, ec);
        if (ec) return cannot(ec, text);
        auto& port = secure ? tls_port_ : tcp_port_;
        if (port == 0) port = acceptor->local_endpoint().port();
        asio::co_spawn(io_, accept(*acceptor, secure), [](std::exception_ptr) {});
        acceptors_.push_back(std::move(acceptor));
      }
    for (auto& s : udp_) asio::co_spawn(io_, receive(*s), [](std::exception_ptr) {});
    asio::co_spawn(io_, flush_loop(), [](std::exception_ptr) {});
    thread_ = std::thread([this] { io_.run(); });
    return {};
  }

  std::uint16_t udp_port() const override { return udp_port_; }
  std::uint16_t tcp_port() const override { return tcp_port_; }
  std::uint16_t tls_port() const override { return tls_port_; }
  SyslogStats stats() const override {
    return {messages_,    octets_, dropped_, too_long_, bad_frames_,
            connections_, open_,   refused_, failed_};
  }

 private:
  asio::awaitable<void> receive(udp::socket& socket) {
    std::string buffer(65536, '\0');
    for (;;) {
      udp::endpoint sender;
      const auto [ec, n] = co_await socket.async_receive_from(asio::buffer(buffer), sender, token);
      if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
      if (ec) continue;
      if (busy()) {
        ++dropped_;
        continue;
      }
      auto text = std::string_view(buffer.data(), n);
      while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
        text.remove_suffix(1);
      if (text.size() > options_.max_message_octets) {
        ++too_long_;
        text = text.substr(0, options_.max_message_octets);
      }
      if (!text.empty()) take(text, sender.address().to_string());
    }
  }

  asio::awaitable<void> accept(tcp::acceptor& acceptor, bool secure) {
    for (;;) {
      auto [ec, socket] = co_await acceptor.async_accept(token);
      if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
      if (ec) {
        asio::steady_timer pause(io_, std::chrono::milliseconds(100));
        co_await pause.async_wait(token);
        continue;
      }
      ++connections_;
      if (open_ >= options_.max_connections) {
        ++refused_;
        continue;
      }
      ++open_;
      asio::co_spawn(io_, secure ? serve_tls(std::move(socket)) : serve_tcp(std::move(socket)),
                     [this](std::exception_ptr) { --open_; });
    }
  }

  asio::awaitable<void> serve_tcp(tcp::socket socket) {
    error_code ec;
    const auto sender = socket.remote_endpoint(ec).address().to_string();
    beast::tcp_stream stream(std::move(socket));
    co_await read(stream, stream, sender);
  }

  asio::awaitable<void> serve_tls(tcp::socket socket) {
    error_code ec;
    const auto sender = socket.remote_endpoint(ec).address().to_string();
    beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), tls_);
    beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(10));
    const auto [failed] = co_await stream.async_handshake(asio::ssl::stream_base::server, token);
    if (failed) {
      ++refused_;
      co_return;
    }
    co_await read(stream, beast::get_lowest_layer(stream), sender);
  }

  template <class Stream>
  asio::awaitable<void> read(Stream& stream, beast::tcp_stream& lowest, std::string sender) {
    SyslogFramer framer(options_.max_message_octets);
    std::string buffer(16 * 1024, '\0'), message;
    std::uint64_t long_before = 0;
    for (;;) {
      while (busy()) {  // not reading is how TCP tells the sender to wait
        asio::steady_timer pause(io_, std::chrono::milliseconds(20));
        co_await pause.async_wait(token);
      }
      lowest.expires_after(options_.idle);
      const auto [ec, n] = co_await stream.async_read_some(asio::buffer(buffer), token);
      framer.feed(std::string_view(buffer.data(), n));
      while (framer.next(message)) take(message, sender);
      too_long_ += framer.too_long() - long_before;
      long_before = framer.too_long();
      if (framer.broken()) {
        ++bad_frames_;
        co_return;
      }
      if (ec) break;
    }
    if (framer.rest(message)) take(message, sender);
  }

  bool busy() const {
    return stopping_ || waiting_ + pending_.events.size() >= options_.max_waiting_events;
  }

  void take(std::string_view message, const std::string& sender) {
    ++messages_;
    octets_ += message.size();
    const auto now = clock_.now();
    LabelledLine line;
    line.source = "syslog";
    line.line = message;
    line.sender = sender;
    std::string json;
    append_line_event(json, line, now);
    pending_.events.push_back({std::move(json)});
    if (pending_.events.size() >= options_.batch_events) flush();
  }

  void flush() {
    if (pending_.events.empty()) return;
    Batch batch = std::move(pending_);
    pending_ = {};
    batch.site = options_.site;
    batch.sensor = options_.sensor;
    batch.source = "syslog";
    batch.received = clock_.now();
    waiting_ += batch.events.size();
    submit(std::make_shared<const Batch>(std::move(batch)), 0);
  }

  // A busy pipeline is asked again: what was read from a TCP sender is not thrown away.
  void submit(std::shared_ptr<const Batch> batch, int attempt) {
    pipeline_.submit(*batch, [this, batch, attempt](const CommitAnswer& answer) {
      if (answer.kind == CommitAnswer::Kind::committed) return done(batch->events.size());
      if (attempt >= 600 || io_.stopped()) {
        ++failed_;
        dropped_ += batch->events.size();
        return done(batch->events.size());
      }
      asio::post(io_, [this, batch, attempt] {
        asio::co_spawn(io_, later(batch, attempt + 1), [](std::exception_ptr) {});
      });
    });
  }
  asio::awaitable<void> later(std::shared_ptr<const Batch> batch, int attempt) {
    asio::steady_timer pause(io_, std::chrono::milliseconds(100));
    co_await pause.async_wait(token);
    submit(batch, attempt);
  }
  void done(std::size_t events) {
    const std::lock_guard lock(mutex_);
    waiting_ -= events;
    answered_.notify_all();
  }

  asio::awaitable<void> flush_loop() {
    for (;;) {
      asio::steady_timer timer(io_, options_.batch_delay);
      co_await timer.async_wait(token);
      flush();
    }
  }

  SyslogOptions options_;
  Pipeline& pipeline_;
  const Clock& clock_;
  asio::io_context io_{1};
  asio::ssl::context tls_;
  std::vector<std::unique_ptr<udp::socket>> udp_;
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors_;
  bool stopping_ = false;  // of the io thread
  bool flushed_ = false;   // under mutex_
  std::uint16_t udp_port_ = 0, tcp_port_ = 0, tls_port_ = 0;
  Batch pending_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::uint64_t> messages_{0}, octets_{0}, dropped_{0}, too_long_{0}, bad_frames_{0},
      connections_{0}, open_{0}, refused_{0}, failed_{0};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<SyslogServer>, Problem> SyslogServer::start(const SyslogOptions& options,
                                                                   Pipeline& pipeline,
                                                                   const Clock& clock) {
  auto server = std::make_unique<SyslogServerImpl>(options, pipeline, clock);
  if (auto opened = server->open(); !opened) return fail(std::move(opened.error()));
  return server;
}

}  // namespace ww::collector
