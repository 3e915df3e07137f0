#include "telemetry/orders.hpp"
#include "telemetry/base64.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <boost/json.hpp>
#include <memory>

namespace ww::orders {
namespace json = boost::json;
namespace {

constexpr std::string_view format = "wardwatch-order-1";

template <auto F>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    F(p);
  }
};

std::string text(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

Result<json::value, std::string> parse_bounded(std::string_view in, std::size_t most) {
  if (in.size() > most) return fail(std::string("too long"));
  json::parse_options options;
  options.max_depth = 16;
  boost::system::error_code ec;
  auto v = json::parse(in, ec, {}, options);
  if (ec) return fail(ec.message());
  return v;
}

/// Empty when it is none.
std::string base64(std::string_view in) {
  constexpr std::size_t longest = 4096;
  return in.size() > longest ? std::string() : decode_base64(in).value_or("");
}

}  // namespace

std::string payload(const Order& o) {
  return json::serialize(json::object{{"order", format},
                                      {"id", o.id},
                                      {"run", o.run},
                                      {"site", o.site},
                                      {"sensor", o.sensor},
                                      {"kind", o.kind},
                                      {"issued", rfc3339(o.issued)},
                                      {"expires", rfc3339(o.expires)},
                                      {"parameters", o.parameters}});
}

Result<Order, std::string> parse(std::string_view in) {
  auto v = parse_bounded(in, max_payload_octets);
  if (!v) return fail(v.error());
  if (!v->is_object()) return fail(std::string("an order is a JSON object"));
  const auto& o = v->get_object();
  if (text(o, "order") != format) return fail(std::string("an order of another format"));
  Order out{text(o, "id"),
            text(o, "run"),
            text(o, "site"),
            text(o, "sensor"),
            text(o, "kind"),
            {},
            {},
            {}};
  const auto issued = parse_time(text(o, "issued")), expires = parse_time(text(o, "expires"));
  if (out.id.empty() || out.id.size() > 64 || out.site.empty() || out.sensor.empty() ||
      out.kind.empty() || !issued || !expires)
    return fail(std::string("an order needs id, site, sensor, kind, issued and expires"));
  out.issued = *issued;
  out.expires = *expires;
  if (const auto* p = o.if_contains("parameters"); p != nullptr && p->is_object())
    out.parameters = p->get_object();
  return out;
}

std::string write(const std::vector<SignedOrder>& all) {
  json::array list;
  for (const auto& o : all) list.push_back({{"payload", o.payload}, {"signature", o.signature}});
  return json::serialize(json::object{{"orders", std::move(list)}});
}

Result<std::vector<SignedOrder>, std::string> read(std::string_view body) {
  constexpr std::size_t most = 64;
  auto v = parse_bounded(body, 8 * max_payload_octets);
  if (!v) return fail(v.error());
  const auto* list = v->is_object() ? v->get_object().if_contains("orders") : nullptr;
  if (list == nullptr || !list->is_array()) return fail(std::string("no list of orders"));
  std::vector<SignedOrder> out;
  for (const auto& x : list->get_array()) {
    if (out.size() == most) break;
    if (x.is_object())
      out.push_back({text(x.get_object(), "payload"), text(x.get_object(), "signature")});
  }
  return out;
}

bool verify(std::string_view authority_pem, const SignedOrder& order) {
  const std::unique_ptr<BIO, Freer<BIO_free_all>> bio(
      BIO_new_mem_buf(authority_pem.data(), static_cast<int>(authority_pem.size())));
  const std::unique_ptr<X509, Freer<X509_free>> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  const auto signature = base64(order.signature);
  bool good = false;
  if (certificate && !signature.empty()) {
    const auto message = std::string(context) + order.payload;
    const std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>> c(EVP_MD_CTX_new());
    good = EVP_DigestVerifyInit(c.get(), nullptr, EVP_sha256(), nullptr,
                                X509_get0_pubkey(certificate.get())) == 1 &&
           EVP_DigestVerify(
               c.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
               reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  }
  ERR_clear_error();
  return good;
}

}  // namespace ww::orders
