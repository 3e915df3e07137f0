#include "telemetry/net/client.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "telemetry/json_writer.hpp"

namespace ww::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using TlsStream = asio::ssl::stream<tcp::socket>;
using OnData = std::function<bool(std::string_view)>;
constexpr auto token = asio::as_tuple(asio::use_awaitable);

std::string sha256_hex(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  std::string out;
  if (X509_digest(certificate, EVP_sha256(), digest, &length) == 1)
    append_hex(out, Bytes{digest, length});
  return out;
}

std::string pem(X509* certificate) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const auto n = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(n)};
}

bool is_address(const std::string& host) {
  error_code ec;
  (void)asio::ip::make_address(host, ec);
  return !ec;
}

// True when the chain ends in the pinned authority, verifies against it alone and names the host.
bool chain_matches_pin(SSL* ssl, const std::string& pin, const std::string& host) {
  X509* leaf = SSL_get0_peer_certificate(ssl);
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  if (leaf == nullptr || chain == nullptr) return false;
  X509* root = nullptr;
  for (int i = 0; i < sk_X509_num(chain); ++i)
    if (sha256_hex(sk_X509_value(chain, i)) == pin) root = sk_X509_value(chain, i);
  if (root == nullptr) return false;
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(),
                                                                      &X509_STORE_free);
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> ctx(X509_STORE_CTX_new(),
                                                                            &X509_STORE_CTX_free);
  if (X509_STORE_add_cert(store.get(), root) != 1) return false;
  if (X509_STORE_CTX_init(ctx.get(), store.get(), leaf, chain) != 1) return false;
  X509_STORE_CTX_set_purpose(ctx.get(), X509_PURPOSE_SSL_SERVER);
  if (X509_verify_cert(ctx.get()) != 1) return false;
  return is_address(host) ? X509_check_ip_asc(leaf, host.c_str(), 0) == 1
                          : X509_check_host(leaf, host.data(), host.size(), 0, nullptr) == 1;
}

class ClientImpl final : public Client {
 public:
  ClientImpl(ClientOptions options, Url url)
      : options_(std::move(options)), url_(std::move(url)), tls_(asio::ssl::context::tls_client) {}

  ~ClientImpl() override {
    drop();
    io_.restart();
    io_.poll();
  }

  Result<void, ClientError> prepare() {
    const auto bad = [](std::string what, const std::string& file) {
      ERR_clear_error();
      return fail(ClientError{
          ClientErrc::configuration,
          {std::move(what), file, "check that the file exists, is readable and is PEM"}});
    };
    error_code ec;
    SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
    if (!options_.ca_file.empty()) {
      tls_.load_verify_file(options_.ca_file, ec);
      if (ec) return bad("cannot read the certificate authority", options_.ca_file);
    } else {
      tls_.set_default_verify_paths(ec);
    }
    if (!options_.cert_file.empty()) {
      tls_.use_certificate_chain_file(options_.cert_file, ec);
      if (ec) return bad("cannot read the client certificate", options_.cert_file);
      tls_.use_private_key_file(options_.key_file, asio::ssl::context::pem, ec);
      if (ec)
        return bad("cannot read the private key, or it does not fit the certificate",
                   options_.key_file);
    }
    if (options_.own_authority) {
      std::string protocols;
      for (const std::string_view name : {own_authority_protocol, std::string_view("http/1.1")}) {
        protocols += static_cast<char>(name.size());
        protocols += name;
      }
      SSL_CTX_set_alpn_protos(tls_.native_handle(),
                              reinterpret_cast<const unsigned char*>(protocols.data()),
                              static_cast<unsigned>(protocols.size()));
    }
    const bool check = options_.verify && options_.ca_pin.empty();
    tls_.set_verify_mode(check ? asio::ssl::verify_peer : asio::ssl::verify_none, ec);
    return {};
  }

  Result<Response, ClientError> send(const Request& request) override {
    return run(request, nullptr, options_.timeout);
  }

  Result<Response, ClientError> stream(const Request& request, OnData on_data,
                                       std::chrono::milliseconds idle) override {
    auto result = run(request, &on_data, idle);
    drop();  // the rest of the stream is still on the wire
    return result;
  }

  void cancel() override {
    cancelled_ = true;
    asio::post(io_, [this] { drop(); });
  }

  std::string server_chain_root() const override { return chain_root_; }

 private:
  using Parser = bhttp::response_parser<bhttp::buffer_body>;

  Result<Response, ClientError> run(const Request& request, OnData* on_data,
                                    std::chrono::milliseconds timeout) {
    std::optional<Result<Response, ClientError>> result;
    if (cancelled_) return fail(error(ClientErrc::cancelled, "the request was cancelled", ""));
    progress_ = 0;
    late_ = false;
    io_.restart();
    asio::co_spawn(io_, exchange(request, on_data),
                   [&](std::exception_ptr e, Result<Response, ClientError> r) {
                     if (e != nullptr)
                       result.emplace(fail(error(
                           ClientErrc::broken, "out of memory or internal failure", "try again")));
                     else
                       result.emplace(std::move(r));
                   });
    for (auto seen = progress_;; seen = progress_) {
      io_.run_for(timeout);
      if (result) break;
      if (on_data != nullptr && seen != progress_)
        continue;  // a stream's timeout counts from its last octet
      late_ = true;
      drop();
      resolver_.cancel();
      io_.restart();
      io_.run();
      result.emplace(fail(
          error(ClientErrc::timeout, "no answer within " + std::to_string(timeout.count()) + " ms",
                "check that the collector runs and that nothing between blocks it")));
      break;
    }
    if (cancelled_) return fail(error(ClientErrc::cancelled, "the request was cancelled", ""));
    if (!*result) drop();
    return std::move(*result);
  }

  ClientError error(ClientErrc code, std::string what, std::string remedy) const {
    return {code, {std::move(what), url_.origin(), std::move(remedy)}};
  }
  ClientError tls_error(const std::string& what, long verdict = X509_V_OK) const {
    const bool time =
        verdict == X509_V_ERR_CERT_NOT_YET_VALID || verdict == X509_V_ERR_CERT_HAS_EXPIRED;
    return error(ClientErrc::tls, "TLS handshake failed: " + what,
                 time ? "check this machine's clock and the server's certificate"
                      : "check the certificate authority, the host name in the server's "
                        "certificate and the client "
                        "certificate");
  }

  void drop() {
    error_code ec;
    if (socket_) socket_->close(ec);
    if (secure_) secure_->lowest_layer().close(ec);
    open_ = false;
  }

  // A server that closed the idle connection has left an end of stream (or a close_notify) to read.
  bool stale() {
    const int fd = url_.tls ? static_cast<int>(secure_->lowest_layer().native_handle())
                            : static_cast<int>(socket_->native_handle());
    char c;
    return ::recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  asio::awaitable<Result<void, ClientError>> connect() {
    socket_.reset();
    secure_.reset();
    const auto [resolve_error, endpoints] =
        co_await resolver_.async_resolve(url_.host, std::to_string(url_.port), token);
    if (resolve_error)
      co_return fail(error(ClientErrc::unreachable,
                           "cannot find the host: " + resolve_error.message(),
                           "check the name and the DNS server"));
    socket_.emplace(io_);
    const auto [connect_error, endpoint] = co_await asio::async_connect(*socket_, endpoints, token);
    if (connect_error)
      co_return fail(error(ClientErrc::unreachable, "cannot connect: " + connect_error.message(),
                           "check that the collector runs and listens there"));
    error_code ec;
    socket_->set_option(tcp::no_delay(true), ec);
    if (url_.tls) {
      secure_.emplace(std::move(*socket_), tls_);
      socket_.reset();
      const auto& name = options_.server_name.empty() ? url_.host : options_.server_name;
      if (!is_address(name)) SSL_set_tlsext_host_name(secure_->native_handle(), name.c_str());
      if (options_.verify && options_.ca_pin.empty())
        secure_->set_verify_callback(asio::ssl::host_name_verification(name), ec);
      const auto [handshake_error] =
          co_await secure_->async_handshake(asio::ssl::stream_base::client, token);
      if (handshake_error) {
        const auto verdict = SSL_get_verify_result(secure_->native_handle());
        co_return fail(tls_error(verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
                                                      : handshake_error.message(),
                                 verdict));
      }
      if (!options_.ca_pin.empty() && options_.verify &&
          !chain_matches_pin(secure_->native_handle(), options_.ca_pin, name))
        co_return fail(tls_error("the server's chain does not end in the pinned authority"));
      if (auto* chain = SSL_get_peer_cert_chain(secure_->native_handle());
          chain != nullptr && sk_X509_num(chain) > 1)
        chain_root_ = pem(sk_X509_value(chain, sk_X509_num(chain) - 1));
    }
    open_ = true;
    co_return Result<void, ClientError>{};
  }

  asio::awaitable<Result<Response, ClientError>> exchange(const Request& request, OnData* on_data) {
    bhttp::request<bhttp::string_body> message;
    message.method_string(request.method);
    message.target(request.target);
    message.version(11);
    for (const auto& [name, value] : request.headers.all()) message.insert(name, value);
    if (!request.headers.has("Host")) {
      const auto origin = url_.origin();
      message.set(bhttp::field::host, origin.substr(origin.find("//") + 2));
    }
    if (!request.headers.has("User-Agent"))
      message.set(bhttp::field::user_agent, options_.user_agent);
    message.body() = request.body;
    message.prepare_payload();

    if (open_ && stale()) drop();
    for (bool retried = false;; retried = true) {
      const bool reused = open_;
      if (!open_)
        if (auto connected = co_await connect(); !connected)
          co_return fail(std::move(connected.error()));
      const auto before = progress_;
      // No co_await inside ?: here: gcc 12 destroys its temporaries twice.
      std::optional<Result<Response, ClientError>> result;
      if (url_.tls)
        result.emplace(co_await converse(*secure_, message, on_data));
      else
        result.emplace(co_await converse(*socket_, message, on_data));
      auto& answer = *result;
      if (answer || !reused || retried || cancelled_ || late_ || progress_ != before ||
          answer.error().code != ClientErrc::broken)
        co_return std::move(answer);
      drop();
    }
  }

  template <class Stream>
  asio::awaitable<Result<Response, ClientError>> converse(
      Stream& stream, const bhttp::request<bhttp::string_body>& message, OnData* on_data) {
    const auto broken = [&](const error_code& ec) {
      if (ec == bhttp::error::body_limit || ec == bhttp::error::header_limit)
        return error(ClientErrc::too_large, "the answer is larger than allowed",
                     "ask for less at a time");
      // With TLS 1.3 a refused client certificate is only seen at the first read.
      if (ec.category() == asio::error::get_ssl_category() &&
          ec != asio::ssl::error::stream_truncated)
        return tls_error(ec.message());
      return error(ClientErrc::broken, "the connection ended: " + ec.message(), "try again");
    };
    const auto [write_error, written] = co_await bhttp::async_write(stream, message, token);
    // A server may answer (413, 401) and close before it has read everything: look for that answer.
    beast::flat_buffer buffer(256 * 1024);
    Parser parser;
    parser.header_limit(64 * 1024);
    parser.body_limit(on_data != nullptr ? std::numeric_limits<std::uint64_t>::max()
                                         : options_.max_response_octets);
    if (message.method() == bhttp::verb::head) parser.skip(true);
    const auto [header_error, header_octets] =
        co_await bhttp::async_read_header(stream, buffer, parser, token);
    if (header_error) co_return fail(broken(write_error ? write_error : header_error));
    ++progress_;
    Response response;
    response.status = parser.get().result_int();
    for (const auto& field : parser.get())
      response.headers.add({field.name_string().data(), field.name_string().size()},
                           {field.value().data(), field.value().size()});
    const bool streaming = on_data != nullptr && response.status == 200;
    std::string chunk(64 * 1024, '\0');
    while (!parser.is_done()) {
      parser.get().body().data = chunk.data();
      parser.get().body().size = chunk.size();
      parser.get().body().more = true;
      const auto [read_error, n] = co_await bhttp::async_read_some(stream, buffer, parser, token);
      const auto filled = chunk.size() - parser.get().body().size;
      ++progress_;
      if (streaming && filled > 0) {
        if (!(*on_data)(std::string_view(chunk.data(), filled))) co_return response;
      } else {
        response.body.append(chunk.data(), filled);
        if (response.body.size() > options_.max_response_octets)
          co_return fail(broken(error_code(bhttp::error::body_limit)));
      }
      if (read_error && read_error != bhttp::error::need_buffer) {
        if (streaming) co_return response;
        co_return fail(broken(read_error));
      }
    }
    if (!parser.keep_alive() || write_error) drop();
    co_return response;
  }

  ClientOptions options_;
  Url url_;
  asio::io_context io_{1};
  asio::ssl::context tls_;
  tcp::resolver resolver_{io_};
  std::optional<tcp::socket> socket_;
  std::optional<TlsStream> secure_;
  bool open_ = false;
  std::uint64_t progress_ = 0;
  bool late_ = false;  // the deadline of this request is over: nothing is tried again
  std::atomic<bool> cancelled_{false};
  std::string chain_root_;
};

}  // namespace

Result<std::unique_ptr<Client>, ClientError> Client::create(const ClientOptions& options) {
  auto url = parse_url(options.url);
  if (!url)
    return fail(ClientError{ClientErrc::configuration,
                            {"not an http:// or https:// address", options.url,
                             "write for example https://collector.example:8443"}});
  if (options.cert_file.empty() != options.key_file.empty())
    return fail(
        ClientError{ClientErrc::configuration,
                    {"a client certificate needs its key", options.cert_file + options.key_file,
                     "give both the certificate and the key file"}});
  auto client = std::make_unique<ClientImpl>(options, std::move(*url));
  if (auto ready = client->prepare(); !ready) return fail(std::move(ready.error()));
  return client;
}

}  // namespace ww::http
