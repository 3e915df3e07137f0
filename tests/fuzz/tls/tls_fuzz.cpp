/// Any octets as a hello, a certificate list and a certificate: no crash; fingerprints are always
/// made.
#include <cstdlib>

#include "sensors/protocols/tls/tls.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::tls;
  const ww::Bytes octets(data, size);
  for (const bool client : {true, false}) {
    Errc error{};
    const auto hello = parse_hello(octets, client, error);
    if (ja4(hello, 't').size() != 36) std::abort();
    (void)ja3_text(hello);
    (void)ja3s_text(hello);
  }
  (void)parse_ssl2_hello(octets);
  for (const bool tls13 : {true, false})
    if (const auto chain = parse_certificates(octets, tls13))
      for (const auto der : *chain) {
        CertificateError error{};
        (void)parse_certificate(der, error);
      }
  CertificateError error{};
  (void)parse_certificate(octets, error);
  return 0;
}
