#include "sensors/protocols/dns/dns.hpp"

#include <algorithm>
#include <array>

namespace ww::dns {
namespace {

struct TypeName {
  std::uint16_t number;
  std::string_view name;
};
// IANA "Domain Name System (DNS) Parameters", resource record types.
constexpr std::array type_names{
    TypeName{1, "A"},      TypeName{2, "NS"},       TypeName{3, "MD"},
    TypeName{4, "MF"},     TypeName{5, "CNAME"},    TypeName{6, "SOA"},
    TypeName{7, "MB"},     TypeName{8, "MG"},       TypeName{9, "MR"},
    TypeName{10, "NULL"},  TypeName{11, "WKS"},     TypeName{12, "PTR"},
    TypeName{13, "HINFO"}, TypeName{14, "MINFO"},   TypeName{15, "MX"},
    TypeName{16, "TXT"},   TypeName{17, "RP"},      TypeName{18, "AFSDB"},
    TypeName{19, "X25"},   TypeName{20, "ISDN"},    TypeName{21, "RT"},
    TypeName{22, "NSAP"},  TypeName{23, "NSAPPTR"}, TypeName{24, "SIG"},
    TypeName{25, "KEY"},   TypeName{26, "PX"},      TypeName{27, "GPOS"},
    TypeName{28, "AAAA"},  TypeName{29, "LOC"},     TypeName{30, "NXT"},
    TypeName{31, "EID"},   TypeName{32, "NIMLOC"},  TypeName{33, "SRV"},
    TypeName{34, "ATMA"},  TypeName{35, "NAPTR"},   TypeName{36, "KX"},
    TypeName{37, "CERT"},  TypeName{38, "A6"},      TypeName{39, "DNAME"},
    TypeName{40, "SINK"},  TypeName{41, "OPT"},     TypeName{42, "APL"},
    TypeName{43, "DS"},    TypeName{44, "SSHFP"},   TypeName{45, "IPSECKEY"},
    TypeName{46, "RRSIG"}, TypeName{47, "NSEC"},    TypeName{48, "DNSKEY"},
    TypeName{49, "DHCID"}, TypeName{50, "NSEC3"},   TypeName{51, "NSEC3PARAM"},
    TypeName{52, "TLSA"},  TypeName{53, "SMIMEA"},  TypeName{55, "HIP"},
    TypeName{56, "NINFO"}, TypeName{57, "RKEY"},    TypeName{58, "TALINK"},
    TypeName{59, "CDS"},   TypeName{60, "CDNSKEY"}, TypeName{61, "OPENPGPKEY"},
    TypeName{62, "CSYNC"}, TypeName{63, "ZONEMD"},  TypeName{64, "SVCB"},
    TypeName{65, "HTTPS"}, TypeName{99, "SPF"},     TypeName{100, "UINFO"},
    TypeName{101, "UID"},  TypeName{102, "GID"},    TypeName{103, "UNSPEC"},
    TypeName{104, "NID"},  TypeName{105, "L32"},    TypeName{106, "L64"},
    TypeName{107, "LP"},   TypeName{108, "EUI48"},  TypeName{109, "EUI64"},
    TypeName{249, "TKEY"}, TypeName{250, "TSIG"},   TypeName{251, "IXFR"},
    TypeName{252, "AXFR"}, TypeName{253, "MAILB"},  TypeName{254, "MAILA"},
    TypeName{255, "ANY"},  TypeName{256, "URI"},    TypeName{257, "CAA"},
    TypeName{258, "AVC"},  TypeName{259, "DOA"},    TypeName{260, "AMTRELAY"},
    TypeName{32768, "TA"}, TypeName{32769, "DLV"}};

constexpr std::array<std::string_view, 12> rcode_names{
    "NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
    "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE", "DSOTYPENI"};

class Parser {
 public:
  Parser(Bytes octets, const Limits& limits) : in_(octets), limits_(limits) {}

  ByteReader& in() { return in_; }

  /// Reads a name at the cursor; the cursor ends behind it, also when the name jumps away.
  bool name(Name& out) {
    const Bytes all = in_.all();
    std::size_t at = in_.offset();
    bool jumped = false;
    std::uint32_t pointers = 0, labels = 0;
    for (;;) {
      if (at >= all.size()) return fail();
      const std::uint8_t length = all[at];
      if (length == 0) {
        ++at;
        break;
      }
      if ((length & 0xc0) == 0xc0) {
        if (at + 1 >= all.size()) return fail();
        const std::size_t to = load_be16(all.data() + at) & 0x3fffU;
        if (!jumped) in_.seek(at + 2);
        jumped = true;
        if (++pointers > limits_.max_pointers) {
          out.flags |= name_flag::infinite_loop;
          break;
        }
        if (to > all.size()) return fail();
        at = to;
        continue;
      }
      if ((length & 0xc0) != 0) {
        bad_label_ = true;
        return fail();
      }
      if (at + 1 + length > all.size()) return fail();
      if (++labels > limits_.max_labels) {
        // A name that went nowhere through pointers was a loop; one that is just long has too many
        // labels.
        out.flags |= name_flag::label_limit;
        if (jumped) break;
      }
      append(out, all.subspan(at + 1, length));
      at += 1U + length;
    }
    if (!jumped) in_.seek(at);
    return true;
  }

  bool question(Question& q) {
    if (!name(q.name)) return false;
    q.type = in_.u16be();
    q.klass = in_.u16be();
    return in_.ok();
  }

  bool record(Record& r) {
    if (!name(r.name)) return false;
    r.type = in_.u16be();
    r.klass = in_.u16be();
    r.ttl = in_.u32be();
    const std::size_t length = in_.u16be();
    const std::size_t start = in_.offset();
    if (!in_.ok() || length > in_.left()) return fail();
    // The data may refer to any place of the message, but is read only up to its own end.
    Parser inside(in_.all().first(start + length), limits_);
    inside.work_ = work_;
    inside.in_.seek(start);
    r.known = inside.data(r, length) && inside.in_.ok();
    work_ = inside.work_;
    in_.seek(start + length);
    return true;
  }

  [[nodiscard]] Error error() const {
    return {bad_label_ ? Errc::bad_name : Errc::truncated, in_.offset()};
  }

 private:
  bool fail() {
    in_.fail();
    return false;
  }

  void append(Name& out, Bytes label) {
    auto& text = out.text;
    if ((out.flags & (name_flag::truncated | name_flag::label_limit)) != 0) return;
    const std::size_t before = text.size();
    if (!text.empty()) text += '.';
    text += as_text(label);
    work_ += static_cast<std::uint32_t>(label.size() + 1);
    if (text.size() > limits_.max_name_octets || work_ > limits_.max_name_work) {
      text.resize(std::max<std::size_t>(
          before, std::min<std::size_t>(text.size(), limits_.max_name_octets)));
      out.flags |= name_flag::truncated;
    }
  }

  bool data(Record& r, std::size_t length) {
    switch (r.type) {
      case 1:
        r.octets = in_.text(4);
        return in_.ok() && length == 4;
      case 28:
        r.octets = in_.text(16);
        return in_.ok() && length == 16;
      case 2:
      case 5:
      case 12:
        return name(r.target);
      case 15:
        in_.u16be();
        return name(r.target);
      case 16:
        while (in_.left() > 0) {
          const std::size_t n = in_.u8();
          r.texts.emplace_back(in_.text(n));
          if (!in_.ok()) return false;
        }
        return true;
      case 6:
        if (!name(r.soa.mname) || !name(r.soa.rname)) return false;
        r.soa.serial = in_.u32be();
        r.soa.refresh = in_.u32be();
        r.soa.retry = in_.u32be();
        r.soa.expire = in_.u32be();
        r.soa.minimum = in_.u32be();
        return true;
      case 33:
        r.srv.priority = in_.u16be();
        r.srv.weight = in_.u16be();
        r.srv.port = in_.u16be();
        return name(r.srv.target);
      case 44:
        r.sshfp.algorithm = in_.u8();
        r.sshfp.type = in_.u8();
        r.sshfp.fingerprint = in_.text(in_.left());
        return true;
      case 41:
        while (in_.left() > 0) {
          Option o;
          o.code = in_.u16be();
          const std::size_t n = in_.u16be();
          o.data = in_.text(n);
          if (!in_.ok()) return false;
          r.options.push_back(std::move(o));
        }
        return true;
      default:
        r.octets = in_.text(in_.left());
        return true;
    }
  }

  ByteReader in_;
  const Limits& limits_;
  std::uint32_t work_ = 0;
  bool bad_label_ = false;
};

}  // namespace

Result<Message, Error> parse_message(Bytes octets, const Limits& limits) {
  Parser p(octets, limits);
  Message m;
  m.id = p.in().u16be();
  m.flags = p.in().u16be();
  const auto questions = p.in().u16be(), answers = p.in().u16be(), authorities = p.in().u16be(),
             additionals = p.in().u16be();
  if (!p.in().ok()) return fail(p.error());
  // Counts are not trusted with a reserve: a record needs octets, so the input bounds the vectors.
  for (unsigned i = 0; i < questions; ++i)
    if (!p.question(m.questions.emplace_back())) return fail(p.error());
  for (unsigned i = 0; i < answers; ++i)
    if (!p.record(m.answers.emplace_back())) return fail(p.error());
  const auto lenient = [&](unsigned count, std::vector<Record>& to) {
    for (unsigned i = 0; i < count; ++i) {
      if (!p.record(to.emplace_back())) {
        to.pop_back();
        return false;
      }
    }
    return true;
  };
  m.bad_authorities = !lenient(authorities, m.authorities);
  m.bad_additionals = !m.bad_authorities && !lenient(additionals, m.additionals);
  return m;
}

bool counts_fit(Bytes octets) {
  constexpr std::size_t header = 12;
  ByteReader in(octets);
  in.u16be();
  const auto flags = in.u16be();
  const std::size_t questions = in.u16be(), answers = in.u16be(), authorities = in.u16be(),
                    additionals = in.u16be();
  if (!in.ok()) return false;
  const auto records = questions + answers + authorities + additionals;
  if (records * 2 > octets.size() || (records == 0 && octets.size() > header)) return false;
  return (flags & 0x8000) != 0 || questions > 0;
}

bool looks_like_dns(Bytes octets, bool whole) {
  ByteReader head(octets);
  head.u16be();
  const auto flags = head.u16be();
  const auto questions = head.u16be(), answers = head.u16be(), authorities = head.u16be(),
             additionals = head.u16be();
  if (!head.ok()) return false;
  const unsigned opcode = (flags >> 11) & 0xf;
  if (opcode == 3 || opcode > 6 || (flags & 0x0040) != 0) return false;
  // Every question takes five octets and every record eleven.
  if (questions == 0 ||
      (whole && 12U + questions * 5U + (answers + authorities + additionals) * 11U > octets.size()))
    return false;
  if ((flags & 0x8000) == 0 && (answers > 16 || additionals > 16)) return false;
  const Limits limits;
  Parser p(octets, limits);
  p.in().skip(12);
  Question q;
  if (!p.question(q)) return false;
  const bool class_known =
      (q.klass & 0x7fff) >= 1 && ((q.klass & 0x7fff) <= 4 || (q.klass & 0x7fff) == 255);
  if (!class_known || type_number(type_text(q.type)) == 0) return false;
  if (!whole) return true;
  const auto m = parse_message(octets);
  return m && !m->bad_authorities && !m->bad_additionals && authorities == m->authorities.size();
}

std::string type_text(std::uint16_t type) {
  const auto it = std::lower_bound(type_names.begin(), type_names.end(), type,
                                   [](const TypeName& t, std::uint16_t n) { return t.number < n; });
  return it != type_names.end() && it->number == type ? std::string(it->name)
                                                      : std::to_string(type);
}

std::uint16_t type_number(std::string_view name) {
  const auto same = [&](const TypeName& t) {
    return t.name.size() == name.size() &&
           std::equal(name.begin(), name.end(), t.name.begin(), [](char a, char b) {
             return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 32) : a) == b;
           });
  };
  const auto it = std::find_if(type_names.begin(), type_names.end(), same);
  return it == type_names.end() ? std::uint16_t{0} : it->number;
}

std::string rcode_text(std::uint8_t rcode) {
  return rcode < rcode_names.size() ? std::string(rcode_names[rcode]) : std::to_string(rcode);
}

}  // namespace ww::dns
