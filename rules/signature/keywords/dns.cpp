/// DNS and multicast DNS.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

const BufferRegistration dns_buffers{
    "dns", "dns,doh2", {
        {"dns.query", "each name asked for, in queries", "content:\"example.org\"; endswith;", {"dns_query"}, "", true},
        {"dns.queries.rrname", "each name asked for, in queries and responses", "content:\"example\";", {"dns.query.name"}, "", true},
        {"dns.answers.rrname", "each name of the answers", "content:\"example\";", {"dns.answer.name"}, "", true},
        {"dns.authorities.rrname", "each name of the authorities", "content:\"example\";", {}, "", true},
        {"dns.additionals.rrname", "each name of the additionals", "content:\"example\";", {}, "", true},
        {"dns.response.rrname", "each name in a response", "content:\"example\";", {}, "", true},
    }};
const BufferRegistration mdns_buffers{
    "mdns", "mdns", {
        {"mdns.queries.rrname", "each name asked for", "content:\"local\";", {}, "", true},
        {"mdns.answers.rrname", "each name of the answers", "content:\"local\";", {}, "", true},
        {"mdns.authorities.rrname", "each name of the authorities", "content:\"local\";", {}, "", true},
        {"mdns.additionals.rrname", "each name of the additionals", "content:\"local\";", {}, "", true},
        {"mdns.response.rrname", "each name in a response", "content:\"local\";", {}, "", true},
    }};
const NumberRegistration dns_numbers{
    "dns", "dns,doh2", {
        {"dns.opcode", "operation code", "4", 15, {{"QUERY", 0}, {"IQUERY", 1}, {"STATUS", 2}, {"NOTIFY", 4}, {"UPDATE", 5}, {"DSO", 6}}},
        {"dns.rcode", "response code", "NXDOMAIN", 65535,
         {{"NOERROR", 0}, {"FORMERR", 1}, {"SERVFAIL", 2}, {"NXDOMAIN", 3}, {"NOTIMP", 4}, {"REFUSED", 5}, {"YXDOMAIN", 6}, {"YXRRSET", 7},
          {"NXRRSET", 8}, {"NOTAUTH", 9}, {"NOTZONE", 10}, {"BADVERS", 16}, {"BADSIG", 16}, {"BADKEY", 17}, {"BADTIME", 18}, {"BADMODE", 19},
          {"BADNAME", 20}, {"BADALG", 21}, {"BADTRUNC", 22}, {"BADCOOKIE", 23}}},
        {"dns.rrtype", "type of any record", "AAAA", 65535,
         {{"A", 1}, {"NS", 2}, {"CNAME", 5}, {"SOA", 6}, {"NULL", 10}, {"PTR", 12}, {"HINFO", 13}, {"MX", 15}, {"TXT", 16}, {"AAAA", 28},
          {"LOC", 29}, {"SRV", 33}, {"NAPTR", 35}, {"DNAME", 39}, {"DS", 43}, {"SSHFP", 44}, {"RRSIG", 46}, {"NSEC", 47}, {"DNSKEY", 48},
          {"NSEC3", 50}, {"NSEC3PARAM", 51}, {"TLSA", 52}, {"SVCB", 64}, {"HTTPS", 65}, {"SPF", 99}, {"TKEY", 249}, {"TSIG", 250},
          {"IXFR", 251}, {"AXFR", 252}, {"ANY", 255}, {"URI", 256}, {"CAA", 257}},
         {}, "", true},
    }};

}  // namespace
}  // namespace ww::sig
