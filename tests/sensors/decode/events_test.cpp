// One malformed packet for every decoder event.
#include <gtest/gtest.h>

#include <set>

#include "tests/sensors/decode/builder.hpp"

namespace ww::decode::test {
namespace {

struct Case {
  std::string_view event;
  std::vector<Octets> frames;
  int datalink = 1;
};

Octets ip4(const Octets& payload, unsigned proto) {
  return eth(0x0800, ipv4({.proto = proto}, payload));
}
Octets ip6(const Octets& payload, unsigned next) {
  return eth(0x86dd, ipv6({.next = next}, payload));
}
Octets ip4_options(const Octets& options) {
  return eth(0x0800, ipv4({.proto = 253, .options = options}, {}));
}
Octets tcp_options(const Octets& options) { return ip4(tcp({.options = options}, {}), 6); }
/// A hop-by-hop or destination options header of 8 octets (or more) with these options.
Octets options6(unsigned next, const Octets& options) {
  auto o = Octets{static_cast<std::uint8_t>(next),
                  static_cast<std::uint8_t>((options.size() + 2) / 8 - 1)} +
           options;
  EXPECT_EQ(o.size() % 8, 0U);
  return o;
}
Octets fragment6(unsigned next, unsigned offset_flags, const Octets& data, unsigned reserved = 0,
                 std::uint32_t id = 7) {
  return Octets{static_cast<std::uint8_t>(next), static_cast<std::uint8_t>(reserved)} +
         be16(offset_flags) + be32(id) + data;
}
Octets frag4(unsigned flags_offset, const Octets& data) {
  return eth(0x0800, ipv4({.proto = 17, .id = 77, .flags_offset = flags_offset}, data));
}
Octets arp(std::string_view fields) { return eth(0x0806, hex(fields) + zeros(20)); }
Octets mpls(std::string_view label_entry, const Octets& payload) {
  return eth(0x8847, hex(label_entry) + payload);
}
Octets gre(std::string_view header, const Octets& rest = {}) { return ip4(hex(header) + rest, 47); }
Octets nsh(std::string_view header, const Octets& rest = {}) {
  return eth(0x894f, hex(header) + rest);
}
Octets pad6(unsigned next) { return options6(next, hex("010400000000")); }

std::vector<Case> cases() {
  const auto tiny_v4 = ipv4({.proto = 253}, zeros(8));
  Octets deep = ipv4({.proto = 253}, zeros(8));
  for (int i = 0; i < 20; ++i) deep = ipv4({.proto = 4}, deep);
  std::vector<Case> c = {
      {"ipv4.pkt_too_small", {eth(0x0800, zeros(19))}},
      {"ipv4.hlen_too_small", {eth(0x0800, ipv4({.header_words = 4}, {}))}},
      {"ipv4.iplen_smaller_than_hlen", {eth(0x0800, ipv4({.total = 19}, {}))}},
      {"ipv4.trunc_pkt", {eth(0x0800, ipv4({.total = 100}, {}))}},
      {"ipv4.wrong_ip_version", {eth(0x0800, ipv4({.version = 5}, {}))}},
      {"ipv4.opt_invalid", {ip4_options(hex("99040000 00000000"))}},
      {"ipv4.opt_invalid_len", {ip4_options(hex("88030000 00000000"))}},
      {"ipv4.opt_malformed", {ip4_options(hex("07070300 00000000"))}},
      {"ipv4.opt_pad_required", {ip4_options(hex("01010101"))}},
      {"ipv4.opt_eol_required", {ip4_options(hex("01010101 01010107"))}},
      {"ipv4.opt_duplicate", {ip4_options(hex("94040000 94040000"))}},
      {"ipv4.icmpv6", {ip4(zeros(8), 58)}},
      {"ipv4.frag_pkt_too_large", {frag4(0x1fff, zeros(16))}},
      {"ipv4.frag_overlap", {frag4(0x2000, zeros(16)), frag4(0x2001, zeros(16))}},
      {"icmpv4.pkt_too_small", {ip4(zeros(7), 1)}},
      {"icmpv4.unknown_type", {ip4(icmp(99, 0), 1)}},
      {"icmpv4.unknown_code", {ip4(icmp(8, 7), 1)}},
      {"icmpv4.ipv4_trunc_pkt", {ip4(icmp(3, 1, zeros(4) + zeros(19)), 1)}},
      {"icmpv4.ipv4_unknown_ver", {ip4(icmp(3, 1, zeros(4) + hex("65") + zeros(19)), 1)}},
      {"icmpv6.pkt_too_small", {ip6(zeros(7), 58)}},
      {"icmpv6.unknown_type", {ip6(icmp(127, 0), 58)}},
      {"icmpv6.unassigned_type", {ip6(icmp(5, 0), 58)}},
      {"icmpv6.experimentation_type", {ip6(icmp(200, 0), 58)}},
      {"icmpv6.unknown_code", {ip6(icmp(128, 1), 58)}},
      {"icmpv6.ipv6_trunc_pkt", {ip6(icmp(1, 0, zeros(4) + zeros(39)), 58)}},
      {"icmpv6.ipv6_unknown_version", {ip6(icmp(1, 0, zeros(4) + hex("45") + zeros(39)), 58)}},
      {"icmpv6.mld_message_with_invalid_hl", {ip6(icmp(130, 0, zeros(20)), 58)}},
      {"ipv6.pkt_too_small", {eth(0x86dd, zeros(39))}},
      {"ipv6.trunc_pkt", {eth(0x86dd, ipv6({.length = 100}, {}))}},
      {"ipv6.wrong_ip_version", {eth(0x86dd, ipv6({.version = 4}, {}))}},
      {"ipv6.trunc_exthdr", {ip6(hex("0609000000000000"), 0)}},
      {"ipv6.exthdr_dupl_fh", {ip6(fragment6(44, 0, fragment6(58, 0, icmp(128, 0))), 44)}},
      {"ipv6.exthdr_useless_fh", {ip6(fragment6(58, 0, icmp(128, 0)), 44)}},
      {"ipv6.exthdr_dupl_rh", {ip6(hex("2b00020000000000 3a00020000000000") + icmp(128, 0), 43)}},
      {"ipv6.exthdr_dupl_hh", {ip6(pad6(0) + pad6(58) + icmp(128, 0), 0)}},
      {"ipv6.exthdr_dupl_dh", {ip6(pad6(60) + pad6(60) + pad6(58) + icmp(128, 0), 60)}},
      {"ipv6.exthdr_dupl_ah",
       {ip6(hex("33010000 00000000 00000000 3a010000 00000000 00000000") + icmp(128, 0), 51)}},
      {"ipv6.exthdr_invalid_optlen", {ip6(options6(58, hex("05ff00000000")) + icmp(128, 0), 0)}},
      {"ipv6.exthdr_ah_res_not_null", {ip6(hex("3a010001 00000000 00000000") + icmp(128, 0), 51)}},
      {"ipv6.hopopts_unknown_opt", {ip6(options6(58, hex("1e0400000000")) + icmp(128, 0), 0)}},
      {"ipv6.hopopts_only_padding", {ip6(pad6(58) + icmp(128, 0), 0)}},
      {"ipv6.dstopts_unknown_opt", {ip6(options6(58, hex("1e0400000000")) + icmp(128, 0), 60)}},
      {"ipv6.dstopts_only_padding", {ip6(pad6(58) + icmp(128, 0), 60)}},
      {"ipv6.rh_type_0", {ip6(hex("3a00000000000000") + icmp(128, 0), 43)}},
      {"ipv6.zero_len_padn", {ip6(options6(58, hex("010001000100")) + icmp(128, 0), 0)}},
      {"ipv6.fh_non_zero_reserved_field", {ip6(fragment6(58, 0, icmp(128, 0), 1), 44)}},
      {"ipv6.data_after_none_header", {ip6(zeros(1), 59)}},
      {"ipv6.unknown_next_header", {ip6(zeros(8), 200)}},
      {"ipv6.icmpv4", {ip6(icmp(8, 0), 1)}},
      {"ipv6.frag_pkt_too_large", {ip6(fragment6(17, 0xfff8, zeros(16)), 44)}},
      {"ipv6.frag_overlap",
       {ip6(fragment6(17, 0x0001, zeros(16)), 44), ip6(fragment6(17, 0x0009, zeros(16)), 44)}},
      {"ipv6.frag_invalid_length", {ip6(fragment6(17, 0x0001, zeros(15)), 44)}},
      {"ipv6.ipv4_in_ipv6_too_small", {ip6(zeros(19), 4)}},
      {"ipv6.ipv4_in_ipv6_wrong_version", {ip6(zeros(20), 4)}},
      {"ipv6.ipv6_in_ipv6_too_small", {ip6(zeros(39), 41)}},
      {"ipv6.ipv6_in_ipv6_wrong_version", {ip6(zeros(40), 41)}},
      {"tcp.pkt_too_small", {ip4(zeros(19), 6)}},
      {"tcp.hlen_too_small", {ip4(tcp({.header_words = 15}, {}), 6)}},
      {"tcp.invalid_optlen", {ip4(tcp({.header_words = 4}, {}), 6)}},
      {"tcp.opt_invalid_len", {tcp_options(hex("0203 0000"))}},
      {"tcp.opt_duplicate", {tcp_options(hex("020405b4 020405b4"))}},
      {"udp.pkt_too_small", {ip4(udp(1, 2, {}, 9), 17)}},
      {"udp.len_invalid", {ip4(udp(1, 2, {}, 7), 17)}},
      {"sll.pkt_too_small", {zeros(15)}, 113},
      {"sll2.pkt_too_small", {zeros(19)}, 276},
      {"ethernet.pkt_too_small", {zeros(13)}},
      {"ethernet.unknown_ethertype", {eth(0x1234, zeros(30))}},
      {"ppp.pkt_too_small", {hex("ff03")}, 9},
      {"ppp.vju_pkt_too_small", {hex("ff03002f") + zeros(19)}, 9},
      {"ppp.ip4_pkt_too_small", {hex("ff030021") + zeros(19)}, 9},
      {"ppp.ip6_pkt_too_small", {hex("ff030057") + zeros(39)}, 9},
      {"ppp.wrong_type", {hex("ff031234") + zeros(20)}, 9},
      {"ppp.unsup_proto", {hex("ff03c021") + zeros(20)}, 9},
      {"pppoe.pkt_too_small", {eth(0x8864, zeros(6))}},
      {"pppoe.wrong_code", {eth(0x8863, hex("11420000 0000"))}},
      {"pppoe.malformed_tags", {eth(0x8863, hex("11090000 0005"))}},
      {"gre.pkt_too_small", {gre("000008")}},
      {"gre.wrong_version", {gre("00020800")}},
      {"gre.version0_recur", {gre("01000800")}},
      {"gre.version0_flags", {gre("00080800")}},
      {"gre.version0_hdr_too_big", {gre("20000800")}},
      {"gre.version0_malformed_sre_hdr", {gre("40000800 00000000 000100ff")}},
      {"gre.version1_chksum", {gre("a001880b 00000000")}},
      {"gre.version1_route", {gre("6001880b 00000000")}},
      {"gre.version1_ssr", {gre("2801880b 00000000")}},
      {"gre.version1_recur", {gre("2101880b 00000000")}},
      {"gre.version1_flags", {gre("2009880b 00000000")}},
      {"gre.version1_no_key", {gre("0001880b 00000000")}},
      {"gre.version1_wrong_protocol", {gre("20010800 00000000")}},
      {"gre.version1_hdr_too_big", {gre("3001880b 00000000")}},
      {"vlan.header_too_small", {eth(0x8100, zeros(3))}},
      {"vlan.unknown_type", {eth(0x8100, hex("00011234") + zeros(30))}},
      {"vlan.too_many_layers", {eth(0x8100, hex("00018100 00028100 00038100 00040800") + tiny_v4)}},
      {"ieee8021ah.header_too_small", {eth(0x88e7, zeros(17))}},
      {"vntag.header_too_small", {eth(0x8926, zeros(5))}},
      {"vntag.unknown_type", {eth(0x8926, hex("000000001234") + zeros(30))}},
      {"ipraw.invalid_ip_version", {zeros(20)}, 12},
      {"ltnull.pkt_too_small", {zeros(3)}, 0},
      {"ltnull.unsupported_type", {hex("63000000") + zeros(20)}, 0},
      {"sctp.pkt_too_small", {ip4(zeros(11), 132)}},
      {"esp.pkt_too_small", {ip4(zeros(7), 50)}},
      {"arp.pkt_too_small", {eth(0x0806, zeros(27))}},
      {"arp.unsupported_pkt", {eth(0x0806, zeros(47))}},
      {"arp.unsupported_hardware", {arp("0002080006040001")}},
      {"arp.unsupported_protocol", {arp("000186dd06040001")}},
      {"arp.invalid_hardware_size", {arp("0001080005040001")}},
      {"arp.invalid_protocol_size", {arp("0001080006050001")}},
      {"arp.unsupported_opcode", {arp("0001080006040063")}},
      {"mpls.header_too_small", {mpls("000100", {})}},
      {"mpls.pkt_too_small", {mpls("00010140", hex("45"))}},
      {"mpls.bad_label_router_alert", {mpls("00001100", zeros(20))}},
      {"mpls.bad_label_implicit_null", {mpls("00003100", zeros(20))}},
      {"mpls.bad_label_reserved", {mpls("00007100", zeros(20))}},
      {"mpls.unknown_payload_type", {mpls("00064100", hex("50") + zeros(20))}},
      {"vxlan.unknown_payload_type",
       {ip4(udp(1, 4789, hex("0800000000000100") + eth(0x1234, zeros(30))), 17)}},
      {"geneve.unknown_payload_type", {ip4(udp(1, 6081, hex("0000123400000100") + zeros(30)), 17)}},
      {"erspan.header_too_small", {gre("100088be 00000001", zeros(7))}},
      {"erspan.unsupported_version",
       {gre("100088be 00000001", hex("2000000000000000") + zeros(20))}},
      {"dce.pkt_too_small", {eth(0x8903, zeros(15))}},
      {"chdlc.pkt_too_small", {zeros(3)}, 104},
      {"nsh.header_too_small", {eth(0x894f, zeros(7))}},
      {"nsh.unsupported_version", {nsh("4002020100000000", tiny_v4)}},
      {"nsh.bad_header_length", {nsh("0001020100000000", tiny_v4)}},
      {"nsh.reserved_type", {nsh("0002000100000000", tiny_v4)}},
      {"nsh.unsupported_type", {nsh("0002020400000000", tiny_v4)}},
      {"nsh.unknown_payload", {nsh("000202fe00000000", tiny_v4)}},
      {"too_many_layers", {eth(0x0800, deep)}},
  };
  return c;
}

TEST(DecoderEvents, AreRaisedByThePacketMadeForThem) {
  for (const auto& c : cases()) {
    const auto seen = decode_all(c.frames, c.datalink);
    bool raised = false;
    std::string others;
    for (const auto& s : seen) {
      raised |= s.event(c.event);
      for (const auto& e : s.events) others += e + " ";
    }
    EXPECT_TRUE(raised) << c.event << "; raised instead: " << others;
  }
}

TEST(DecoderEvents, AreAllCovered) {
  // Names that rules may use but that no packet can raise, as in Suricata 8: the conditions were
  // folded into others, or an earlier check always comes first.
  const std::set<std::string_view> unreachable = {
      "ipv4.opt_unknown",    "udp.hlen_too_small",
      "udp.hlen_invalid",    "gre.version1_malformed_sre_hdr",
      "ipv6.exthdr_dupl_eh", "erspan.too_many_vlan_layers"};
  const std::set<std::string_view> elsewhere = {"ipv4.frag_ignored", "ipv6.frag_ignored"};  // below
  std::set<std::string_view> covered(unreachable);
  covered.insert(elsewhere.begin(), elsewhere.end());
  const auto all = cases();
  for (const auto& c : all) covered.insert(c.event);
  for (std::size_t i = 0; i < event_count; ++i) {
    const auto name = event_name(static_cast<Event>(i));
    ASSERT_TRUE(name.starts_with("decoder."));
    EXPECT_TRUE(covered.contains(name.substr(8))) << name;
    EXPECT_NE(sig::events().find(name), sig::EventId{});
  }
}

TEST(DecoderEvents, SayThatAFragmentWasNotKept) {
  const auto full = settings({"defrag.max-frags=1"});
  const auto v4 = decode_all({frag4(0x2000, zeros(16)), frag4(0x2004, zeros(16))}, 1, full);
  EXPECT_TRUE(v4.at(1).event("ipv4.frag_ignored"));
  const auto v6 = decode_all(
      {ip6(fragment6(17, 0x0001, zeros(16)), 44), ip6(fragment6(17, 0x0021, zeros(16)), 44)}, 1,
      full);
  EXPECT_TRUE(v6.at(1).event("ipv6.frag_ignored"));
}

TEST(DecoderEvents, AreCountedPerPacket) {
  Decoder d(settings());
  Collect sink;
  const auto frame = ip4(zeros(19), 6);
  for (int i = 0; i < 3; ++i) d.decode(frame, 1, Timestamp{1}, 1, sink);
  EXPECT_EQ(d.counters().events[static_cast<std::size_t>(Event::tcp_pkt_too_small)], 3U);
  EXPECT_EQ(d.counters().get(Counter::invalid), 3U);
  EXPECT_EQ(counter_name(Counter::invalid), "decoder.invalid");
}

TEST(DecoderEvents, OfBrokenTunnelContentAppearOnTheCarrier) {
  const auto seen = decode(gre("00000800", zeros(30)));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(seen[0].event("ipv4.wrong_ip_version"));
  EXPECT_FALSE(seen[0].packet.invalid);
}

TEST(DecoderEvents, NeverStopACleanPacket) {
  EXPECT_TRUE(decode(ip4(tcp({}, text("x")), 6)).at(0).events.empty());
  EXPECT_TRUE(decode(ip6(udp(1, 2, text("x")), 17)).at(0).events.empty());
  EXPECT_TRUE(decode(eth(0x0806, hex("0001080006040001") + zeros(20))).at(0).events.empty());
}

}  // namespace
}  // namespace ww::decode::test
