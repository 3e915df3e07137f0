/// Registered names: IANA "Internet Key Exchange (IKE) Attributes" and "IKEv2 Parameters", spelled
/// as EVE spells them.
#include <algorithm>
#include <cstdio>
#include <iterator>

#include "sensors/protocols/ike/message.hpp"

namespace ww::ike {
namespace {

struct Named {
  std::uint16_t code;
  std::string_view name;
};

template <std::size_t N>
std::string_view look_up(const Named (&table)[N], std::uint16_t code) {
  const auto* const end = std::end(table);
  const auto* const at = std::lower_bound(
      std::begin(table), end, code, [](const Named& n, std::uint16_t c) { return n.code < c; });
  return at != end && at->code == code ? at->name : std::string_view();
}
std::string or_number(std::string_view name, const char* kind, std::uint16_t code) {
  if (!name.empty()) return std::string(name);
  char text[64];
  std::snprintf(text, sizeof text, "%s(%u / 0x%x)", kind, unsigned{code}, unsigned{code});
  return text;
}

constexpr Named attributes[] = {{1, "alg_enc"},
                                {2, "alg_hash"},
                                {3, "alg_auth"},
                                {4, "alg_dh"},
                                {5, "sa_group_type"},
                                {6, "sa_group_prime"},
                                {7, "sa_group_generator_one"},
                                {8, "sa_group_generator_two"},
                                {9, "sa_group_curve_a"},
                                {10, "sa_group_curve_b"},
                                {11, "sa_life_type"},
                                {12, "sa_life_duration"},
                                {13, "alg_prf"},
                                {14, "sa_key_length"},
                                {15, "sa_field_size"},
                                {16, "sa_group_order"}};
constexpr Named encryption1[] = {
    {1, "EncDesCbc"},       {2, "EncIdeaCbc"}, {3, "EncBlowfishCbc"}, {4, "EncRc5R16B64Cbc"},
    {5, "EncTripleDesCbc"}, {6, "EncCastCbc"}, {7, "EncAesCbc"},      {8, "EncCamelliaCbc"}};
constexpr Named hash1[] = {{1, "HashMd5"},      {2, "HashSha"},      {3, "HashTiger"},
                           {4, "HashSha2_256"}, {5, "HashSha2_384"}, {6, "HashSha2_512"}};
constexpr Named auth1[] = {{1, "AuthPreSharedKey"},
                           {2, "AuthDssSignatures"},
                           {3, "AuthRsaSignatures"},
                           {4, "AuthEncryptionWithRsa"},
                           {5, "AuthRevisedEncryptionWithRsa"},
                           {6, "AuthReserved"},
                           {7, "AuthReserved"},
                           {8, "AuthReserved"},
                           {9, "AuthEcdsaSha256"},
                           {10, "AuthEcdsaSha384"},
                           {11, "AuthEcdsaSha512"}};
constexpr Named group1[] = {{1, "GroupDefault768BitModp"},
                            {2, "GroupAlternate1024BitModpGroup"},
                            {3, "GroupEc2nOnGp2p155"},
                            {4, "GroupEc2nOnGp2p185"},
                            {5, "GroupModp1536Bit"},
                            {6, "GroupEc2nOverGf2p163"},
                            {7, "GroupEc2nOverGf2p163"},
                            {8, "GroupEc2nOverGf2p283"},
                            {9, "GroupEc2nOverGf2p283"},
                            {10, "GroupEc2nOverGf2p409"},
                            {11, "GroupEc2nOverGf2p409"},
                            {12, "GroupEc2nOverGf2p571"},
                            {13, "GroupEc2nOverGf2p571"},
                            {14, "GroupModp2048Bit"},
                            {15, "GroupModp3072Bit"},
                            {16, "GroupModp4096Bit"},
                            {17, "GroupModp6144Bit"},
                            {18, "GroupModp8192Bit"},
                            {19, "GroupRandomEcp256"},
                            {20, "GroupRandomEcp384"},
                            {21, "GroupRandomEcp521"},
                            {22, "GroupModp1024With160BitPrime"},
                            {23, "GroupModp2048With224BitPrime"},
                            {24, "GroupModp2048With256BitPrime"},
                            {25, "GroupRandomEcp192"},
                            {26, "GroupRandomEcp224"},
                            {27, "GroupBrainpoolEcp224"},
                            {28, "GroupBrainpoolEcp256"},
                            {29, "GroupBrainpoolEcp384"},
                            {30, "GroupBrainpoolEcp512"}};
constexpr Named life1[] = {{1, "LifeTypeSeconds"}, {2, "LifeTypeKilobytes"}};
constexpr Named payloads1[] = {{0, "None"},
                               {1, "SecurityAssociation"},
                               {2, "Proposal"},
                               {3, "Transform"},
                               {4, "KeyExchange"},
                               {5, "Identification"},
                               {6, "Certificate"},
                               {7, "CertificateRequest"},
                               {8, "Hash"},
                               {9, "Signature"},
                               {10, "Nonce"},
                               {11, "Notification"},
                               {12, "Delete"},
                               {13, "VendorID"},
                               {15, "SaKekPayload"},
                               {16, "SaTekPayload"},
                               {17, "KeyDownload"},
                               {18, "SequenceNumber"},
                               {19, "ProofOfPossession"},
                               {20, "NatDiscovery"},
                               {21, "NatOriginalAddress"},
                               {22, "GroupAssociatedPolicy"}};
constexpr Named exchanges1[] = {
    {0, "Unknown Exchange Type"},     {1, "Base"},        {2, "Identity Protection"},
    {3, "Authentication Only"},       {4, "Aggressive"},  {5, "Informational"},
    {6, "Transaction (Config Mode)"}, {32, "Quick Mode"}, {33, "New Group Mode"}};

constexpr Named payloads2[] = {{0, "NoNextPayload"},
                               {33, "SecurityAssociation"},
                               {34, "KeyExchange"},
                               {35, "IdentInitiator"},
                               {36, "IdentResponder"},
                               {37, "Certificate"},
                               {38, "CertificateRequest"},
                               {39, "Authentication"},
                               {40, "Nonce"},
                               {41, "Notify"},
                               {42, "Delete"},
                               {43, "VendorID"},
                               {44, "TrafficSelectorInitiator"},
                               {45, "TrafficSelectorResponder"},
                               {46, "EncryptedAndAuthenticated"},
                               {47, "Configuration"},
                               {48, "ExtensibleAuthentication"},
                               {49, "GenericSecurePasswordMethod"},
                               {50, "GroupIdentification"},
                               {51, "GroupSecurityAssociation"},
                               {52, "KeyDownload"},
                               {53, "EncryptedAndAuthenticatedFragment"}};
constexpr Named encryption2[] = {{1, "ENCR_DES_IV64"},
                                 {2, "ENCR_DES"},
                                 {3, "ENCR_3DES"},
                                 {4, "ENCR_RC5"},
                                 {5, "ENCR_IDEA"},
                                 {6, "ENCR_CAST"},
                                 {7, "ENCR_BLOWFISH"},
                                 {8, "ENCR_3IDEA"},
                                 {9, "ENCR_DES_IV32"},
                                 {11, "ENCR_NULL"},
                                 {12, "ENCR_AES_CBC"},
                                 {13, "ENCR_AES_CTR"},
                                 {14, "ENCR_AES_CCM_8"},
                                 {15, "ENCR_AES_CCM_12"},
                                 {16, "ENCR_AES_CCM_16"},
                                 {18, "ENCR_AES_GCM_8"},
                                 {19, "ENCR_AES_GCM_12"},
                                 {20, "ENCR_AES_GCM_16"},
                                 {21, "ENCR_NULL_AUTH_AES_GMAC"},
                                 {23, "ENCR_CAMELLIA_CBC"},
                                 {24, "ENCR_CAMELLIA_CTR"},
                                 {25, "ENCR_CAMELLIA_CCM_8"},
                                 {26, "ENCR_CAMELLIA_CCM_12"},
                                 {27, "ENCR_CAMELLIA_CCM_16"},
                                 {28, "ENCR_CHACHA20_POLY1305"}};
constexpr Named prf2[] = {
    {0, "PRF_NULL"},          {1, "PRF_HMAC_MD5"},      {2, "PRF_HMAC_SHA1"},
    {3, "PRF_HMAC_TIGER"},    {4, "PRF_AES128_XCBC"},   {5, "PRF_HMAC_SHA2_256"},
    {6, "PRF_HMAC_SHA2_384"}, {7, "PRF_HMAC_SHA2_512"}, {8, "PRF_AES128_CMAC"}};
constexpr Named integrity2[] = {{0, "NONE"},
                                {1, "AUTH_HMAC_MD5_96"},
                                {2, "AUTH_HMAC_SHA1_96"},
                                {3, "AUTH_DES_MAC"},
                                {4, "AUTH_KPDK_MD5"},
                                {5, "AUTH_AES_XCBC_96"},
                                {6, "AUTH_HMAC_MD5_128"},
                                {7, "AUTH_HMAC_SHA1_160"},
                                {8, "AUTH_AES_CMAC_96"},
                                {9, "AUTH_AES_128_GMAC"},
                                {10, "AUTH_AES_192_GMAC"},
                                {11, "AUTH_AES_256_GMAC"},
                                {12, "AUTH_HMAC_SHA2_256_128"},
                                {13, "AUTH_HMAC_SHA2_384_192"},
                                {14, "AUTH_HMAC_SHA2_512_256"}};
constexpr Named dh2[] = {{0, "None"},
                         {1, "Modp768"},
                         {2, "Modp1024"},
                         {5, "Modp1536"},
                         {14, "Modp2048"},
                         {15, "Modp3072"},
                         {16, "Modp4096"},
                         {17, "Modp6144"},
                         {18, "Modp8192"},
                         {19, "Ecp256"},
                         {20, "Ecp384"},
                         {21, "Ecp521"},
                         {22, "Modp1024s160"},
                         {23, "Modp2048s224"},
                         {24, "Modp2048s256"},
                         {25, "Ecp192"},
                         {26, "Ecp224"},
                         {27, "BrainpoolP224r1"},
                         {28, "BrainpoolP256r1"},
                         {29, "BrainpoolP384r1"},
                         {30, "BrainpoolP512r1"},
                         {31, "Curve25519"},
                         {32, "Curve448"}};
constexpr Named esn2[] = {{0, "NoESN"}, {1, "ESN"}};
constexpr Named notifications[] = {{1, "UNSUPPORTED_CRITICAL_PAYLOAD"},
                                   {4, "INVALID_IKE_SPI"},
                                   {5, "INVALID_MAJOR_VERSION"},
                                   {7, "INVALID_SYNTAX"},
                                   {9, "INVALID_MESSAGE_ID"},
                                   {11, "INVALID_SPI"},
                                   {14, "NO_PROPOSAL_CHOSEN"},
                                   {17, "INVALID_KE_PAYLOAD"},
                                   {24, "AUTHENTICATION_FAILED"},
                                   {34, "SINGLE_PAIR_REQUIRED"},
                                   {35, "NO_ADDITIONAL_SAS"},
                                   {36, "INTERNAL_ADDRESS_FAILURE"},
                                   {37, "FAILED_CP_REQUIRED"},
                                   {38, "TS_UNACCEPTABLE"},
                                   {39, "INVALID_SELECTORS"},
                                   {43, "TEMPORARY_FAILURE"},
                                   {44, "CHILD_SA_NOT_FOUND"},
                                   {16384, "INITIAL_CONTACT"},
                                   {16385, "SET_WINDOW_SIZE"},
                                   {16386, "ADDITIONAL_TS_POSSIBLE"},
                                   {16387, "IPCOMP_SUPPORTED"},
                                   {16388, "NAT_DETECTION_SOURCE_IP"},
                                   {16389, "NAT_DETECTION_DESTINATION_IP"},
                                   {16390, "COOKIE"},
                                   {16391, "USE_TRANSPORT_MODE"},
                                   {16392, "HTTP_CERT_LOOKUP_SUPPORTED"},
                                   {16393, "REKEY_SA"},
                                   {16394, "ESP_TFC_PADDING_NOT_SUPPORTED"},
                                   {16395, "NON_FIRST_FRAGMENTS_ALSO"}};

}  // namespace

std::string_view attribute_name(std::uint16_t type) {
  const auto name = look_up(attributes, type);
  return name.empty() ? "unknown" : name;
}

std::string_view attribute_value(const Attribute& a) {
  std::string_view name;
  if (a.number && *a.number <= UINT16_MAX) {
    const auto v = static_cast<std::uint16_t>(*a.number);
    if (a.type == 1) name = look_up(encryption1, v);
    if (a.type == 2) name = look_up(hash1, v);
    if (a.type == 3) name = look_up(auth1, v);
    if (a.type == 4) name = look_up(group1, v);
    if (a.type == 11) name = look_up(life1, v);
  }
  return name.empty() ? "Unknown" : name;
}

std::string_view payload_name1(std::uint8_t type) { return look_up(payloads1, type); }
std::string_view exchange_name1(std::uint8_t exchange) { return look_up(exchanges1, exchange); }

std::string payload_name2(std::uint8_t type) {
  return or_number(look_up(payloads2, type), "IkePayloadType", type);
}

std::string transform_name2(Kind2 kind, std::uint16_t id) {
  switch (kind) {
    case Kind2::encryption:
      return or_number(look_up(encryption2, id), "IkeTransformEncType", id);
    case Kind2::prf:
      return or_number(look_up(prf2, id), "IkeTransformPRFType", id);
    case Kind2::integrity:
      return or_number(look_up(integrity2, id), "IkeTransformAuthType", id);
    case Kind2::dh:
      return or_number(look_up(dh2, id), "IkeTransformDHType", id);
    case Kind2::esn:
      return or_number(look_up(esn2, id), "IkeTransformESNType", id);
  }
  return {};
}

std::string notification_name(std::uint16_t type) {
  return or_number(look_up(notifications, type), "NotifyType", type);
}

bool is_aead(std::uint16_t e) {
  return (e >= 14 && e <= 16) || (e >= 18 && e <= 20) || (e >= 25 && e <= 28);
}

}  // namespace ww::ike
