#include "telemetry/net/enrol.hpp"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "telemetry/json_writer.hpp"

namespace ww::net {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using http::ClientErrc;
using http::ClientError;

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Request = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const auto n = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(n)};
}
Bio from_text(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

std::string request_for(EVP_PKEY* key, std::string_view common_name) {
  const Request request(X509_REQ_new());
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  X509_REQ_set_pubkey(request.get(), key);
  X509_REQ_sign(request.get(), key, EVP_sha256());
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return bio_text(bio.get());
}

std::string key_text(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return bio_text(bio.get());
}

Timestamp read_time(const ASN1_TIME* field) {
  std::tm tm{};
  ASN1_TIME_to_tm(field, &tm);
  return {static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000};
}

ClientError local(Problem p) { return {ClientErrc::configuration, std::move(p)}; }

std::string member(const json::value& v, const char* name) {
  const auto* object = v.if_object();
  const auto* found = object != nullptr ? object->if_contains(name) : nullptr;
  const auto* text = found != nullptr ? found->if_string() : nullptr;
  return text != nullptr ? std::string(text->data(), text->size()) : std::string();
}

// Sends the request and stores what comes back beside the key.
Result<SensorIdentity, ClientError> ask(http::Client& client, const std::string& url,
                                        const char* path, std::string body,
                                        const std::string& key_pem, const std::string& folder) {
  http::Request request;
  request.method = "POST";
  request.target = path;
  request.headers.add("Content-Type", "application/json");
  request.body = std::move(body);
  auto response = client.send(request);
  if (!response) return fail(std::move(response.error()));
  boost::system::error_code ec;
  const auto answer = json::parse(response->body, ec);
  if (response->status != 200) {
    const auto why = member(ec ? json::value() : answer, "error");
    return fail(ClientError{
        ClientErrc::configuration,
        {why.empty() ? "the collector refused (status " + std::to_string(response->status) + ")"
                     : why,
         url + path, "ask for a new token: wardwatchctl enrol --site SITE --sensor SENSOR"}});
  }
  const auto certificate = member(answer, "certificate"), ca = member(answer, "ca");
  const auto site = member(answer, "site"), sensor = member(answer, "sensor");
  if (ec || certificate.empty() || ca.empty() || site.empty() || sensor.empty())
    return fail(ClientError{ClientErrc::broken,
                            {"the answer is not an enrolment", url + path, "check the address"}});
  std::string about;
  JsonWriter w(about);
  w.begin_object();
  w.field("site", site);
  w.field("sensor", sensor);
  w.field("url", url);
  w.end_object();
  about += '\n';
  const fs::path f(folder);
  // Key and certificate are one file, so that a cut at any moment leaves the old pair or the new
  // one.
  const std::string pair = certificate + key_pem;
  for (const auto& [name, text, mode] :
       {std::tuple{"identity.json", std::string_view(about), 0644U},
        std::tuple{"ca.pem", std::string_view(ca), 0644U},
        std::tuple{"sensor.pem", std::string_view(pair), 0600U}})
    if (auto written = write_file((f / name).string(), text, mode); !written)
      return fail(local(written.error()));
  std::error_code ignored;
  fs::remove(f / "new.key", ignored);
  auto identity = load_identity(folder);
  if (!identity) return fail(local(identity.error()));
  if (!*identity)
    return fail(local({"the identity is not there after writing it", folder, "check the disk"}));
  return **identity;
}

Key key_in(const fs::path& path) {
  const auto text = read_file(path);
  if (!text) return {};
  const auto bio = from_text(*text);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return key;
}

// The key of an attempt that was cut off is used again: the collector gives the same token the same
// certificate. A renewal is to bring a new key, so not the one in use, which an attempt that was
// cut off at its very end leaves behind.
Result<Key, Problem> pending_key(const std::string& folder, bool renewal) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec)
    return fail(Problem{"cannot make the folder: " + ec.message(), folder,
                        "check its parent's permissions"});
  const auto path = fs::path(folder) / "new.key";
  if (auto key = key_in(path)) {
    const auto used = renewal ? key_in(fs::path(folder) / "sensor.pem") : Key();
    if (!used || EVP_PKEY_eq(key.get(), used.get()) != 1) return key;
  }
  Key key(EVP_EC_gen("P-256"));
  if (auto written = write_file(path.string(), key_text(key.get()), 0600); !written)
    return fail(written.error());
  return key;
}

}  // namespace

std::optional<EnrolmentToken> parse_enrolment_token(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  const auto dot = text.find('.');
  if (!text.starts_with("wwe_") || dot == std::string_view::npos || text.size() - dot - 1 != 64)
    return {};
  const auto pin = text.substr(dot + 1);
  if (!std::all_of(pin.begin(), pin.end(),
                   [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }))
    return {};
  return EnrolmentToken{std::string(text.substr(0, dot)), std::string(pin)};
}

std::string enrolment_token_text(const EnrolmentToken& token) {
  return token.secret + "." + token.ca_pin;
}

KeyAndRequest make_request(std::string_view common_name) {
  const Key key(EVP_EC_gen("P-256"));
  return {key_text(key.get()), request_for(key.get(), common_name)};
}

bool SensorIdentity::renewal_due(Timestamp now) const {
  return now.us > not_before.us + (not_after.us - not_before.us) / 3 * 2;
}

Result<std::optional<SensorIdentity>, Problem> load_identity(const std::string& folder) {
  const fs::path f(folder);
  const auto certificate = read_file(f / "sensor.pem");
  if (!certificate) return std::optional<SensorIdentity>();
  const auto about = read_file(f / "identity.json");
  boost::system::error_code ec;
  const auto parsed = json::parse(about.value_or(""), ec);
  const auto bio = from_text(*certificate);
  const Certificate leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  SensorIdentity identity;
  identity.site = ec ? "" : member(parsed, "site");
  identity.sensor = ec ? "" : member(parsed, "sensor");
  identity.url = ec ? "" : member(parsed, "url");
  if (!leaf || identity.site.empty() || identity.sensor.empty() || !fs::exists(f / "ca.pem"))
    return fail(
        Problem{"the sensor's identity is damaged", folder, "remove the folder and enrol again"});
  identity.cert_file = (f / "sensor.pem").string();
  identity.key_file = identity.cert_file;
  identity.ca_file = (f / "ca.pem").string();
  identity.not_before = read_time(X509_get0_notBefore(leaf.get()));
  identity.not_after = read_time(X509_get0_notAfter(leaf.get()));
  return std::optional(std::move(identity));
}

Result<SensorIdentity, ClientError> enrol(const std::string& url, std::string_view token,
                                          const std::string& folder,
                                          std::chrono::milliseconds timeout) {
  if (!url.starts_with("https://"))  // the secret goes to nobody who has not shown the authority
    return fail(local({"must start with https://", url, "write https://collector.example:8443"}));
  const auto parsed = parse_enrolment_token(token);
  if (!parsed)
    return fail(local({"not an enrolment token", "token",
                       "copy the whole line that wardwatchctl enrol printed"}));
  const auto key = pending_key(folder, false);
  if (!key) return fail(local(key.error()));
  http::ClientOptions options;
  options.url = url;
  options.ca_pin = parsed->ca_pin;
  options.timeout = timeout;
  options.own_authority = true;
  auto client = http::Client::create(options);
  if (!client) return fail(std::move(client.error()));
  std::string body;
  JsonWriter w(body);
  w.begin_object();
  w.field("token", parsed->secret);
  w.field("csr", request_for(key->get(), "sensor"));
  w.end_object();
  return ask(**client, url, "/api/v1/enrol", std::move(body), key_text(key->get()), folder);
}

Result<SensorIdentity, ClientError> renew(const SensorIdentity& identity, const std::string& folder,
                                          std::chrono::milliseconds timeout) {
  const auto key = pending_key(folder, true);
  if (!key) return fail(local(key.error()));
  http::ClientOptions options;
  options.url = identity.url;
  options.ca_file = identity.ca_file;
  options.cert_file = identity.cert_file;
  options.key_file = identity.key_file;
  options.timeout = timeout;
  options.own_authority = true;
  auto client = http::Client::create(options);
  if (!client) return fail(std::move(client.error()));
  std::string body;
  JsonWriter w(body);
  w.begin_object();
  w.field("csr", request_for(key->get(), "sensor"));
  w.end_object();
  return ask(**client, identity.url, "/api/v1/renew", std::move(body), key_text(key->get()),
             folder);
}

Result<void, Problem> write_file(const std::string& path, std::string_view text, unsigned mode) {
  const auto temporary = path + ".tmp";
  const auto bad = [&](const char* what) {
    return fail(Problem{std::string(what) + ": " + std::strerror(errno), path,
                        "check the folder and the disk"});
  };
  ::unlink(temporary.c_str());
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(mode));
  if (fd < 0) return bad("cannot create the file");
  const bool ok = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                  ::fsync(fd) == 0;
  if (::close(fd) != 0 || !ok) return bad("cannot write the file");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return bad("cannot rename the file");
  return {};
}

}  // namespace ww::net
