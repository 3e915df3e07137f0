#include "collector/api/server.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "telemetry/json_writer.hpp"

namespace ww::collector {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Strand = asio::strand<asio::io_context::executor_type>;
using Stream = beast::ssl_stream<beast::tcp_stream>;
using SteadyClock = std::chrono::steady_clock;
constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t max_stream_octets = 1U << 20;
constexpr std::size_t max_rate_entries = 16'384;

http::Response error_response(unsigned status, std::string_view what) {
  http::Response r;
  r.status = status;
  r.headers.add("Content-Type", "application/json");
  JsonWriter json(r.body);
  json.begin_object();
  json.field("error", what);
  json.end_object();
  return r;
}

/// Token buckets by peer. When the table is full the bucket that was used longest ago makes room.
class RateLimiter {
 public:
  explicit RateLimiter(std::uint32_t per_second) : rate_(per_second) {}
  bool allow(const std::string& key) {
    if (rate_ == 0) return true;
    const auto now = SteadyClock::now();
    const std::lock_guard lock(mutex_);
    auto it = buckets_.find(key);
    if (it == buckets_.end()) {
      if (buckets_.size() >= max_rate_entries) {
        buckets_.erase(order_.back());
        order_.pop_back();
      }
      order_.push_front(key);
      it = buckets_.emplace(key, Bucket{2.0 * rate_, now, order_.begin()}).first;
    } else {
      order_.splice(order_.begin(), order_, it->second.place);
    }
    auto& b = it->second;
    b.tokens =
        std::min(2.0 * rate_, b.tokens + rate_ * std::chrono::duration<double>(now - b.at).count());
    b.at = now;
    if (b.tokens < 1) return false;
    b.tokens -= 1;
    return true;
  }

 private:
  struct Bucket {
    double tokens;
    SteadyClock::time_point at;
    std::list<std::string>::iterator place;
  };
  const double rate_;
  std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
  std::list<std::string> order_;
};

struct Counters {
  std::atomic<std::uint64_t> connections{0}, open{0}, refused{0}, handshake_failures{0},
      requests{0}, bad{0}, timeouts{0}, rate_limited{0}, too_large{0}, inflight{0};
};

/// Octets of a body that count against max_inflight_octets while this lives.
class Inflight {
 public:
  Inflight(std::atomic<std::uint64_t>& total, std::uint64_t octets)
      : total_(total), octets_(octets) {
    total_ += octets_;
  }
  Inflight(const Inflight&) = delete;
  Inflight& operator=(const Inflight&) = delete;
  ~Inflight() { total_ -= octets_; }

 private:
  std::atomic<std::uint64_t>& total_;
  std::uint64_t octets_;
};

/// Where the answer of a handler meets the coroutine that writes it. Members but `answered` belong
/// to the strand.
struct Rendezvous {
  explicit Rendezvous(const Strand& s) : strand(s), timer(s) {}
  Strand strand;
  asio::steady_timer timer;
  std::atomic<bool> answered{false};
  std::optional<http::Response> response;
  bool streaming = false;
  // Stream state: `waiting` is bounded by max_stream_octets through `queued`.
  std::string waiting;
  bool closed = false;
  std::atomic<std::size_t> queued{0};
  std::atomic<bool> gone{false};
};

class Writer final : public StreamWriter {
 public:
  explicit Writer(std::shared_ptr<Rendezvous> meeting) : meeting_(std::move(meeting)) {}
  ~Writer() override { close(); }
  bool write(std::string_view octets) override {
    if (meeting_->gone) return false;
    if (meeting_->queued.fetch_add(octets.size()) + octets.size() > max_stream_octets) {
      close();
      meeting_->gone = true;
      return false;
    }
    asio::post(meeting_->strand, [m = meeting_, text = std::string(octets)] {
      m->waiting += text;
      m->timer.cancel();
    });
    return true;
  }
  void close() override {
    asio::post(meeting_->strand, [m = meeting_] {
      m->closed = true;
      m->timer.cancel();
    });
  }

 private:
  std::shared_ptr<Rendezvous> meeting_;
};

class ExchangeImpl final : public Exchange {
 public:
  ExchangeImpl(std::shared_ptr<Rendezvous> meeting, std::shared_ptr<Inflight> inflight)
      : meeting_(std::move(meeting)), inflight_(std::move(inflight)) {}
  ~ExchangeImpl() override {
    reply(error_response(500, "the request was not answered; report this"));
  }
  void reply(http::Response response) override {
    if (meeting_->answered.exchange(true)) return;
    asio::post(meeting_->strand, [m = meeting_, r = std::move(response)]() mutable {
      m->response = std::move(r);
      m->timer.cancel();
    });
  }
  std::shared_ptr<StreamWriter> stream(http::Response head) override {
    if (meeting_->answered.exchange(true)) return nullptr;
    asio::post(meeting_->strand, [m = meeting_, r = std::move(head)]() mutable {
      m->response = std::move(r);
      m->streaming = true;
      m->timer.cancel();
    });
    return std::make_shared<Writer>(meeting_);
  }

 private:
  std::shared_ptr<Rendezvous> meeting_;
  std::shared_ptr<Inflight> inflight_;
};

Peer describe_peer(SSL* ssl, std::string address) {
  Peer peer;
  peer.address = std::move(address);
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return peer;
  peer.has_certificate = true;
  if (BIGNUM* serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr)) {
    char* text = BN_bn2hex(serial);
    if (text != nullptr) peer.certificate_serial = text;
    OPENSSL_free(text);
    BN_free(serial);
  }
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    peer.certificate_uris.emplace_back(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier)),
        static_cast<std::size_t>(ASN1_STRING_length(name->d.uniformResourceIdentifier)));
  }
  GENERAL_NAMES_free(names);
  return peer;
}

std::string last_ssl_error() {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  return text;
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in,
                unsigned in_length, void*) {
  static constexpr unsigned char offered[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, length, offered, sizeof offered - 1, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/// Clients that know the collector's own authority and no other say so in the protocols that they
/// offer (RFC 7301), and are shown its certificate. @param context  SSL_CTX with that one
int choose_certificate(SSL* ssl, int*, void* context) {
  const unsigned char* list = nullptr;
  std::size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list,
                                &length) != 1 ||
      length < 2)
    return SSL_CLIENT_HELLO_SUCCESS;
  std::string_view names(reinterpret_cast<const char*>(list) + 2, length - 2);
  while (!names.empty()) {
    const auto size = static_cast<unsigned char>(names.front());
    if (names.substr(1, size) == http::own_authority_protocol) {
      SSL_set_SSL_CTX(ssl, static_cast<SSL_CTX*>(context));
      break;
    }
    names.remove_prefix(std::min<std::size_t>(names.size(), 1U + size));
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

using TlsContext = std::shared_ptr<asio::ssl::context>;

Result<TlsContext, Problem> make_tls(const std::string& certificate, const std::string& key,
                                     const std::string& client_ca) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  auto* native = context->native_handle();
  error_code ec;
  context->use_certificate_chain(asio::buffer(certificate), ec);
  if (ec)
    return fail(
        Problem{"the server certificate cannot be read: " + ec.message(), "", "give a PEM chain"});
  context->use_private_key(asio::buffer(key), asio::ssl::context::pem, ec);
  if (ec)
    return fail(Problem{"the server key does not fit its certificate: " + ec.message(), "",
                        "give its PEM key"});
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(
      native, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
  static constexpr unsigned char session_context[] = "wardwatch";
  SSL_CTX_set_session_id_context(native, session_context, sizeof session_context - 1);
  SSL_CTX_set_alpn_select_cb(native, &select_alpn, nullptr);
  if (!client_ca.empty()) {
    context->add_certificate_authority(asio::buffer(client_ca), ec);
    if (ec)
      return fail(
          Problem{"the client authority cannot be read: " + last_ssl_error(), "", "give PEM"});
    // Named in the handshake, so that browsers do not offer unrelated certificates.
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
        BIO_new_mem_buf(client_ca.data(), static_cast<int>(client_ca.size())), &BIO_free);
    while (X509* authority = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
      SSL_CTX_add_client_CA(native, authority);
      X509_free(authority);
    }
    ERR_clear_error();
    context->set_verify_mode(asio::ssl::verify_peer, ec);  // asked for, not required
  }
  return context;
}

Result<tcp::endpoint, Problem> parse_endpoint(const std::string& text) {
  const auto bad =
      fail(Problem{"not ADDRESS:PORT", text, "write for example 0.0.0.0:8443 or [::]:8443"});
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return bad;
  auto host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto r = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  error_code ec;
  const auto address = asio::ip::make_address(host, ec);
  if (ec || r.ec != std::errc() || r.ptr != text.data() + text.size()) return bad;
  return tcp::endpoint(address, port);
}

/// Owns the io_context, the acceptors and the threads. Connections live in coroutines on strands of
/// their own and are known here only by a stop function, so that shutdown can end the idle ones.
class ServerImpl final : public Server {
 public:
  ServerImpl(ServerOptions options, Application& application)
      : options_(std::move(options)),
        limits_(options_.limits),
        application_(application),
        rate_(limits_.requests_per_second),
        workers_(std::max(1U, options_.worker_threads)) {}
  ~ServerImpl() override { stop(); }

  Result<void, Problem> open() {
    if (auto done = reload(options_); !done) return fail(std::move(done.error()));
    for (const auto& address : options_.listen) {
      const auto endpoint = parse_endpoint(address);
      if (!endpoint) return fail(endpoint.error());
      auto acceptor = std::make_unique<tcp::acceptor>(asio::make_strand(io_));
      error_code ec;
      acceptor->open(endpoint->protocol(), ec);
      if (!ec) acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
      if (!ec) acceptor->bind(*endpoint, ec);
      if (!ec) acceptor->listen(asio::socket_base::max_listen_connections, ec);
      if (ec)
        return fail(Problem{"cannot listen: " + ec.message(), address,
                            "check who uses the port, or choose another"});
      acceptors_.push_back(std::move(acceptor));
    }
    if (acceptors_.empty())
      return fail(Problem{"no address to listen on", "listen", "add ADDRESS:PORT"});
    port_ = acceptors_.front()->local_endpoint().port();
    for (auto& a : acceptors_)
      asio::co_spawn(a->get_executor(), accept_loop(*a), [](std::exception_ptr) {});
    for (unsigned i = 0; i < std::max(1U, options_.network_threads); ++i)
      threads_.emplace_back([this] { io_.run(); });
    return {};
  }

  std::uint16_t port() const override { return port_; }

  Result<void, Problem> reload(const Credentials& c) override {
    auto context = make_tls(c.certificate_pem, c.key_pem, c.client_ca_pem);
    if (!context) return fail(context.error());
    if (!c.sensor_certificate_pem.empty()) {
      auto sensors = make_tls(c.sensor_certificate_pem, c.sensor_key_pem, c.client_ca_pem);
      if (!sensors) return fail(sensors.error());
      SSL_CTX_set_client_hello_cb((*context)->native_handle(), &choose_certificate,
                                  (*sensors)->native_handle());
      using Both = std::pair<TlsContext, TlsContext>;  // the first refers to the second
      auto both = std::make_shared<Both>(*context, *sensors);
      *context = TlsContext(both, both->first.get());
    }
    const std::lock_guard lock(mutex_);
    tls_ = *context;
    return {};
  }

  void stop() override {
    if (stopped_.exchange(true)) return;
    for (auto& a : acceptors_)
      asio::post(a->get_executor(), [&a] {
        error_code ec;
        a->close(ec);
      });
    {
      std::unique_lock lock(mutex_);
      for (auto& [id, session] : sessions_) session.stop();
      all_ended_.wait_for(lock, limits_.drain, [&] { return sessions_.empty(); });
    }
    io_.stop();
    for (auto& t : threads_) t.join();
    threads_.clear();
    workers_.join();
  }

  ServerStats stats() const override {
    ServerStats s;
    s.connections = counters_.connections;
    s.connections_open = counters_.open;
    s.connections_refused = counters_.refused;
    s.handshake_failures = counters_.handshake_failures;
    s.requests = counters_.requests;
    s.bad_requests = counters_.bad;
    s.timeouts = counters_.timeouts;
    s.rate_limited = counters_.rate_limited;
    s.too_large = counters_.too_large;
    s.inflight_octets = counters_.inflight;
    return s;
  }

 private:
  struct Session {
    std::string address;
    std::function<void()> stop;
  };
  /// State of one connection shared with its stop function. Strand only.
  struct Link {
    Link(tcp::socket&& socket, TlsContext context)
        : tls(std::move(context)), stream(std::move(socket), *tls) {}
    TlsContext tls;
    Stream stream;
    bool idle = true;   // no request under way: may be closed at any time
    bool last = false;  // shutdown was asked for: close after this answer
    std::shared_ptr<Rendezvous> live;
  };
  using LinkPtr = std::shared_ptr<Link>;

  asio::awaitable<void> accept_loop(tcp::acceptor& acceptor) {
    for (;;) {
      const Strand strand = asio::make_strand(io_);
      auto [ec, socket] = co_await acceptor.async_accept(strand, token);
      if (stopped_ || ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor)
        co_return;
      if (ec) {  // out of descriptors: wait for some to come back
        asio::steady_timer pause(acceptor.get_executor(), std::chrono::milliseconds(100));
        co_await pause.async_wait(token);
        continue;
      }
      ++counters_.connections;
      error_code ignored;
      const auto remote = socket.remote_endpoint(ignored);
      if (ignored) continue;
      auto address = remote.address();
      if (address.is_v6() && address.to_v6().is_v4_mapped())
        address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
      socket.set_option(tcp::no_delay(true), ignored);
      start_session(std::move(socket), strand, address.to_string());
    }
  }

  void start_session(tcp::socket socket, const Strand& strand, const std::string& address) {
    LinkPtr link;
    std::uint64_t id = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_ || sessions_.size() >= limits_.max_connections ||
          per_address_[address] >= limits_.max_connections_per_peer) {
        if (const auto it = per_address_.find(address); it->second == 0) per_address_.erase(it);
        ++counters_.refused;
        return;  // closes the socket
      }
      link = std::make_shared<Link>(std::move(socket), tls_);
      id = ++next_session_;
      ++per_address_[address];
      sessions_[id] = {address, [strand, weak = std::weak_ptr(link)] {
                         asio::post(strand, [weak] {
                           const auto l = weak.lock();
                           if (!l) return;
                           l->last = true;
                           if (l->live) {
                             l->live->closed = true;
                             l->live->timer.cancel();
                           }
                           if (l->idle) beast::get_lowest_layer(l->stream).cancel();
                         });
                       }};
    }
    ++counters_.open;
    asio::co_spawn(strand, serve(link, strand, address),
                   [this, id](std::exception_ptr) { end_session(id); });
  }

  void end_session(std::uint64_t id) {
    --counters_.open;
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    if (const auto a = per_address_.find(it->second.address);
        a != per_address_.end() && --a->second == 0)
      per_address_.erase(a);
    sessions_.erase(it);
    if (sessions_.empty()) all_ended_.notify_all();
  }

  // `this` outlives every coroutine: stop() joins the threads before the members go.
  asio::awaitable<void> serve(LinkPtr link, Strand strand, std::string address) {
    auto& lowest = beast::get_lowest_layer(link->stream);
    lowest.expires_after(limits_.handshake);
    const auto [handshake_error] =
        co_await link->stream.async_handshake(asio::ssl::stream_base::server, token);
    if (handshake_error) {
      ++counters_.handshake_failures;
      if (handshake_error == beast::error::timeout) ++counters_.timeouts;
      co_return;
    }
    const auto peer = describe_peer(link->stream.native_handle(), std::move(address));
    beast::flat_buffer buffer(std::max<std::size_t>(limits_.header_octets, 16 * 1024) + 16 * 1024);
    while (!link->last && co_await one_request(link, strand, peer, buffer)) {
    }
    lowest.expires_after(std::chrono::seconds(2));
    (void)co_await link->stream.async_shutdown(token);
  }

  // True when the connection may carry another request.
  asio::awaitable<bool> one_request(LinkPtr link, Strand strand, const Peer& peer,
                                    beast::flat_buffer& buffer) {
    auto& stream = link->stream;
    auto& lowest = beast::get_lowest_layer(stream);
    link->idle = true;
    bhttp::request_parser<bhttp::string_body> parser;
    parser.header_limit(limits_.header_octets);
    parser.body_limit(boost::none);  // decided when the head is there
    if (buffer.size() == 0) {  // wait for the first octet with the idle timeout, not the header's
      lowest.expires_after(limits_.idle);
      const auto [ec, n] = co_await stream.async_read_some(buffer.prepare(8192), token);
      if (ec) co_return false;
      buffer.commit(n);
    }
    link->idle = false;
    lowest.expires_after(limits_.header);
    const auto [header_error, header_octets] =
        co_await bhttp::async_read_header(stream, buffer, parser, token);
    if (header_error) {
      if (header_error == beast::error::timeout) ++counters_.timeouts;
      // Also after end of stream: what came was not a whole head.
      if (header_error.category() == bhttp::make_error_code(bhttp::error::bad_method).category() &&
          header_error != bhttp::error::end_of_stream &&
          header_error != bhttp::error::partial_message) {
        ++counters_.bad;
        const bool large = header_error == bhttp::error::header_limit ||
                           header_error == bhttp::error::buffer_overflow;
        // Named, here and below: gcc 12 destroys temporaries with ?: in a co_await expression
        // twice.
        const std::string what = large ? std::string("the request head is too large")
                                       : "not HTTP/1.1: " + header_error.message();
        http::Response refusal = error_response(large ? 431 : 400, what);
        co_await answer(link, std::move(refusal), false, false);
      }
      co_return false;
    }
    ++counters_.requests;
    http::Request head;
    head.method = {parser.get().method_string().data(), parser.get().method_string().size()};
    head.target = {parser.get().target().data(), parser.get().target().size()};
    for (const auto& field : parser.get())
      head.headers.add({field.name_string().data(), field.name_string().size()},
                       {field.value().data(), field.value().size()});
    const bool keep = parser.get().keep_alive();
    const bool is_head = head.method == "HEAD";

    if (!rate_.allow(peer.has_certificate ? peer.certificate_serial : peer.address)) {
      ++counters_.rate_limited;
      auto r = error_response(429, "too many requests from this peer; wait a second");
      r.headers.add("Retry-After", "1");
      co_return co_await refuse(link, buffer, std::move(r), parser.is_done(), keep, is_head);
    }
    auto admission = application_.admit(head, peer);
    const auto announced = parser.content_length().value_or(0);
    if (admission.accepted && announced > admission.body_limit) {
      ++counters_.too_large;
      admission.accepted = false;
      admission.refusal =
          error_response(413, "the body is larger than " + std::to_string(admission.body_limit) +
                                  " octets; send less at a time");
    }
    const auto reserve = parser.is_done() ? 0 : announced > 0 ? announced : admission.body_limit;
    if (admission.accepted && reserve > 0 &&
        counters_.inflight + reserve > limits_.max_inflight_octets) {
      admission.accepted = false;
      admission.refusal = error_response(503, "too much is under way; try again");
      admission.refusal.headers.add("Retry-After", "1");
    }
    if (!admission.accepted)
      co_return co_await refuse(link, buffer, std::move(admission.refusal), parser.is_done(), keep,
                                is_head);

    auto inflight = std::make_shared<Inflight>(counters_.inflight, reserve);
    if (!parser.is_done()) {
      if (http::same_name(head.headers.get("Expect"), "100-continue")) {
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        lowest.expires_after(limits_.write);
        const auto [ec, n] = co_await asio::async_write(stream, asio::buffer(go_on), token);
        if (ec) co_return false;
      }
      parser.body_limit(admission.body_limit);
      lowest.expires_after(limits_.body);
      const auto [body_error, n] = co_await bhttp::async_read(stream, buffer, parser, token);
      if (body_error) {
        if (body_error == beast::error::timeout) ++counters_.timeouts;
        if (body_error == bhttp::error::body_limit) {
          ++counters_.too_large;
          http::Response refusal = error_response(413, "the body is larger than " +
                                                           std::to_string(admission.body_limit) +
                                                           " octets; send less at a time");
          co_return co_await refuse(link, buffer, std::move(refusal), false, false, is_head);
        }
        if (body_error.category() == bhttp::make_error_code(bhttp::error::bad_method).category() &&
            body_error != bhttp::error::partial_message) {
          http::Response refusal =
              error_response(400, "the body is not valid HTTP: " + body_error.message());
          co_await answer(link, std::move(refusal), false, false);
        }
        co_return false;
      }
    }
    auto meeting = std::make_shared<Rendezvous>(strand);
    {
      auto exchange = std::make_shared<ExchangeImpl>(meeting, std::move(inflight));
      exchange->request = std::move(head);
      exchange->request.body = std::move(parser.get().body());
      exchange->peer = peer;
      exchange->context = std::move(admission.context);
      asio::post(workers_, [this, exchange = std::move(exchange)]() mutable {
        application_.handle(std::move(exchange));
      });
    }
    lowest.expires_never();
    meeting->timer.expires_after(limits_.handler);
    while (!meeting->response) {
      const auto [ec] = co_await meeting->timer.async_wait(token);
      if (!ec && !meeting->response) {
        meeting->answered = true;
        ++counters_.timeouts;
        auto r = error_response(503, "no answer in time; try again");
        r.headers.add("Retry-After", "5");
        meeting->response = std::move(r);
      }
    }
    if (meeting->streaming) {
      link->live = meeting;
      co_await stream_answer(link, meeting);
      link->live.reset();
      meeting->gone = true;
      co_return false;
    }
    co_return co_await answer(link, std::move(*meeting->response), keep, is_head);
  }

  // Answers before the body was read. What the peer still sends is read away for a moment, or its
  // stack would answer our close with a reset and the peer would never see why.
  asio::awaitable<bool> refuse(LinkPtr link, beast::flat_buffer& buffer, http::Response response,
                               bool body_done, bool keep, bool is_head) {
    if (body_done) co_return co_await answer(link, std::move(response), keep, is_head);
    co_await answer(link, std::move(response), false, is_head);
    auto& lowest = beast::get_lowest_layer(link->stream);
    buffer.clear();
    // A client that sends all before it reads would see the connection reset in place of the
    // answer.
    lowest.expires_after(std::chrono::seconds(5));
    std::size_t budget = 32U << 20;  // twice the largest body there is
    while (budget > 0) {
      const auto [ec, n] = co_await link->stream.async_read_some(buffer.prepare(16 * 1024), token);
      if (ec) break;
      budget -= std::min(budget, n);
    }
    co_return false;
  }

  asio::awaitable<bool> answer(LinkPtr link, http::Response response, bool keep, bool is_head) {
    keep = keep && !link->last && !stopped_;
    application_.finish(response);
    bhttp::response<bhttp::string_body> message;
    message.version(11);
    message.result(response.status);
    for (const auto& [name, value] : response.headers.all()) message.insert(name, value);
    message.keep_alive(keep);
    const bool bodiless = response.status == 204 || response.status == 304;
    if (!bodiless) message.content_length(response.body.size());
    if (!is_head && !bodiless) message.body() = std::move(response.body);
    beast::get_lowest_layer(link->stream).expires_after(limits_.write);
    bhttp::response_serializer<bhttp::string_body> serializer(message);
    error_code ec;
    if (is_head)
      std::tie(ec, std::ignore) =
          co_await bhttp::async_write_header(link->stream, serializer, token);
    else
      std::tie(ec, std::ignore) = co_await bhttp::async_write(link->stream, serializer, token);
    if (ec == beast::error::timeout) ++counters_.timeouts;
    co_return !ec && keep;
  }

  asio::awaitable<void> stream_answer(LinkPtr link, std::shared_ptr<Rendezvous> meeting) {
    auto& lowest = beast::get_lowest_layer(link->stream);
    application_.finish(*meeting->response);
    std::string out = "HTTP/1.1 " + std::to_string(meeting->response->status) + " OK\r\n";
    for (const auto& [name, value] : meeting->response->headers.all())
      out.append(name).append(": ").append(value).append("\r\n");
    out += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    for (;;) {
      if (!meeting->waiting.empty()) {
        const auto octets = std::exchange(meeting->waiting, {});
        char size[20];
        const auto end = std::to_chars(size, size + sizeof size, octets.size(), 16).ptr;
        out.append(size, end).append("\r\n").append(octets).append("\r\n");
        meeting->queued -= octets.size();
      }
      const bool over = meeting->closed && meeting->waiting.empty();
      if (over) out += "0\r\n\r\n";
      if (!out.empty()) {
        lowest.expires_after(limits_.write);
        const auto [ec, n] = co_await asio::async_write(link->stream, asio::buffer(out), token);
        if (ec) co_return;
        out.clear();
      }
      if (over) co_return;
      if (!meeting->waiting.empty() || meeting->closed) continue;
      lowest.expires_never();
      meeting->timer.expires_after(std::chrono::seconds(15));
      const auto [ec] = co_await meeting->timer.async_wait(token);
      if (!ec && meeting->waiting.empty())
        out = "e\r\n: keep-alive\n\n\r\n";  // shows that we are there, finds dead peers
    }
  }

  ServerOptions options_;
  const ServerLimits limits_;
  Application& application_;
  asio::io_context io_;
  Counters counters_;
  RateLimiter rate_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;  // tls_, sessions_, per_address_
  TlsContext tls_;
  std::map<std::uint64_t, Session> sessions_;
  std::map<std::string, std::uint32_t> per_address_;
  std::uint64_t next_session_ = 0;
  std::condition_variable all_ended_;
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors_;
  std::uint16_t port_ = 0;
  asio::thread_pool workers_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<Server>, Problem> Server::start(const ServerOptions& options,
                                                       Application& application) {
  auto server = std::make_unique<ServerImpl>(options, application);
  if (auto opened = server->open(); !opened) return fail(std::move(opened.error()));
  return server;
}

}  // namespace ww::collector
