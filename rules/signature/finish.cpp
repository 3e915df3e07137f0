/// The last step of a rule: operands that hang together, kind of rule, and its fast pattern.
#include <algorithm>

#include "rules/signature/required_literals.hpp"
#include "rules/signature/ruleset.hpp"

namespace ww::sig {

namespace {

constexpr std::size_t max_fast_pattern = 96, min_fast_pattern = 2, max_final_nuls = 2;
constexpr std::int64_t max_head = 256;

/// What an operation does with the position that the one before left.
struct Place {
  bool uses = false, sets = false;
};
Place place(const PayloadOp& op) {
  struct Visitor {
    Place operator()(const ContentOp& c) const { return {c.relative(), !c.negated}; }
    Place operator()(const PcreOp& p) const { return {p.relative, !p.negated}; }
    Place operator()(const IsDataAtOp& o) const { return {o.relative, false}; }
    Place operator()(const ByteTestOp& o) const { return {o.read.relative, false}; }
    Place operator()(const ByteJumpOp& o) const { return {o.read.relative, true}; }
    Place operator()(const ByteExtractOp& o) const { return {o.read.relative, true}; }
    Place operator()(const ByteMathOp& o) const { return {o.read.relative, true}; }
    Place operator()(const Base64Op& o) const { return {o.relative, false}; }
    Place operator()(const BufferCheckOp& o) const { return {o.c != 0, false}; }
    Place operator()(const SizeOp&) const { return {}; }
    Place operator()(const DatasetOp&) const { return {}; }
    Place operator()(const DatarepOp&) const { return {}; }
    Place operator()(const EntropyOp&) const { return {}; }
  };
  return std::visit(Visitor{}, op);
}

std::vector<const Operand*> operands(const PayloadOp& op) {
  struct Visitor {
    using List = std::vector<const Operand*>;
    List operator()(const ContentOp& c) const {
      return {&c.offset, &c.depth, &c.distance, &c.within};
    }
    List operator()(const IsDataAtOp& o) const { return {&o.at}; }
    List operator()(const ByteTestOp& o) const {
      return {&o.read.octets, &o.read.offset, &o.value};
    }
    List operator()(const ByteJumpOp& o) const {
      return {&o.read.octets, &o.read.offset, &o.post_offset_operand};
    }
    List operator()(const ByteExtractOp& o) const { return {&o.read.octets, &o.read.offset}; }
    List operator()(const ByteMathOp& o) const {
      return {&o.read.octets, &o.read.offset, &o.rvalue};
    }
    List operator()(const PcreOp&) const { return {}; }
    List operator()(const Base64Op&) const { return {}; }
    List operator()(const BufferCheckOp&) const { return {}; }
    List operator()(const SizeOp&) const { return {}; }
    List operator()(const DatasetOp&) const { return {}; }
    List operator()(const DatarepOp&) const { return {}; }
    List operator()(const EntropyOp&) const { return {}; }
  };
  return std::visit(Visitor{}, op);
}

Status finish_ops(std::vector<PayloadOp>& ops, std::size_t from, std::size_t count,
                  bool& positive) {
  for (std::size_t i = from; i < from + count; ++i) {
    bool next = false;
    for (std::size_t j = i + 1; j < from + count; ++j) {
      const auto p = place(ops[j]);
      next |= p.uses;
      if (p.uses || p.sets) break;
    }
    if (auto* c = std::get_if<ContentOp>(&ops[i])) {
      c->relative_next = next;
      positive |= !c->negated;
      const auto n = static_cast<std::int64_t>(c->octets.size());
      if (c->nocase) c->octets = lower(c->octets);
      if (c->startswith && (c->has_depth || c->has_offset || c->relative()))
        return bad("startswith excludes offset, depth, distance and within on the same content");
      if (c->has_depth && c->depth.var < 0 && c->depth.value < n)
        return bad("depth " + std::to_string(c->depth.value) + " is less than the content's " +
                   std::to_string(n) + " octets");
      if (c->has_within && c->within.var < 0 && c->within.value < n)
        return bad("within " + std::to_string(c->within.value) + " is less than the content's " +
                   std::to_string(n) + " octets");
    } else if (auto* p = std::get_if<PcreOp>(&ops[i])) {
      p->relative_next = next;
      positive |= !p->negated;
    } else if (std::holds_alternative<ByteExtractOp>(ops[i]) ||
               std::holds_alternative<ByteMathOp>(ops[i])) {
      positive = true;
    }
  }
  return {};
}

/// The part of a content that the scanner may use. A literal must not start with NUL there (the
/// scanner refuses it).
std::string usable(const ContentOp& c) {
  std::string s = c.octets;
  if (c.chop_length) s = s.substr(std::min<std::size_t>(c.chop_offset, s.size()), c.chop_length);
  s.erase(0, std::min(s.find_first_not_of('\0'), s.size()));
  if (s.size() > max_fast_pattern) s.resize(max_fast_pattern);
  // A few dozen literals that end in longer runs of NUL make the compiler take 20 times the memory.
  const auto end = s.find_last_not_of('\0');
  if (end != std::string::npos && s.size() - end - 1 > max_final_nuls)
    s.resize(end + 1 + max_final_nuls);
  return s;
}

/// Octets of a packet that the content cannot lie beyond; 0 when it may be anywhere.
std::uint32_t last_octet(const ContentOp& c) {
  if (c.negated || c.relative() || c.offset.var >= 0 || c.depth.var >= 0) return 0;
  const auto end = c.startswith  ? static_cast<std::int64_t>(c.octets.size())
                   : c.has_depth ? (c.has_offset ? c.offset.value : 0) + c.depth.value
                                 : 0;
  return end > 0 && end <= max_head ? static_cast<std::uint32_t>(end) : 0;
}

/// A packet is scanned as far as its rules need: a content near the start serves those that have
/// one which tells nearly as much apart as the best.
void choose_head_pattern(Rule& r) {
  if (r.payload < 0 || r.fast_stage != r.payload) return;
  const int wanted = std::min(strength(r.fast_pattern) / 2, 20);
  int best = 0;
  for (const auto& op : r.stages[static_cast<std::size_t>(r.payload)].ops) {
    const auto* c = std::get_if<ContentOp>(&op);
    if (!c) continue;
    const auto end = last_octet(*c);
    if (end == 0) continue;
    auto pattern = usable(*c);
    if (pattern.size() < min_fast_pattern) continue;
    const int score = strength(pattern);
    if (score < wanted || score <= best) continue;
    best = score;
    r.head_pattern = std::move(pattern);
    r.head_nocase = c->nocase;
    r.head_end = end;
  }
}

void choose_fast_pattern(RuleBuilder& b) {
  auto& r = b.rule();
  const bool transaction = r.type == RuleType::transaction;
  int best = -1;
  bool pinned = false;
  for (std::size_t i = 0; i < r.stages.size(); ++i) {
    const auto& s = r.stages[i];
    if (s.absent != Stage::Absent::no) continue;
    if (transaction ? s.kind != Stage::Kind::buffer : s.kind != Stage::Kind::payload) continue;
    for (const auto& op : s.ops) {
      const auto* c = std::get_if<ContentOp>(&op);
      if (!c || c->negated) continue;
      auto pattern = usable(*c);
      if (pattern.size() < min_fast_pattern) continue;
      const int score = strength(pattern);
      // The author's choice is final; else the pattern that tells most apart.
      if ((c->fast_pattern && !pinned) || (c->fast_pattern == pinned && score > best)) {
        pinned |= c->fast_pattern;
        best = score;
        r.fast_stage = static_cast<std::int32_t>(i);
        r.fast_pattern = std::move(pattern);
        r.fast_nocase = c->nocase;
      }
    }
  }
  if (r.fast_stage >= 0) return;
  bool looks = false, regex = false;
  for (const auto& s : r.stages)
    for (const auto& op : s.ops) {
      looks = true;
      regex |= std::holds_alternative<PcreOp>(op);
    }
  if (regex)
    b.remark(
        "a pcre without a content of two octets or more in the same rule runs on every candidate "
        "buffer",
        true);
  else if (looks && r.type != RuleType::frame)
    b.remark(
        "no content that can serve as fast pattern: the rule is checked wherever its header fits",
        true);
}

RuleType classify(const Rule& r) {
  bool transaction = false, frame = false, packet_buffer = false;
  for (const auto& s : r.stages) {
    using K = Stage::Kind;
    transaction |= s.kind == K::buffer || s.kind == K::number || s.kind == K::event ||
                   s.kind == K::file || s.kind == K::hook;
    frame |= s.kind == K::frame;
    packet_buffer |= s.kind == K::packet_buffer;
  }
  if (frame) return RuleType::frame;
  if (transaction) return RuleType::transaction;
  const bool payload = r.payload >= 0;
  const bool only_tests = !payload && !packet_buffer && !r.app_layer_event_packet;
  const bool only_direction = r.flow.established == FlowTest::Established::any &&
                              !r.flow.stateless && !r.flow.only_frag && !r.flow.no_frag &&
                              !r.flow.only_stream && !r.flow.no_stream;
  if (only_tests && r.app_protos.empty() && !r.tests.empty() && only_direction &&
      std::all_of(r.tests.begin(), r.tests.end(), [](const auto& t) { return t.app_protocol; }))
    return RuleType::proto_only;
  if (only_tests && r.app_protos.empty()) {
    const bool events = std::any_of(r.tests.begin(), r.tests.end(),
                                    [](const auto& t) { return t.event != EventId{}; });
    const bool decode = r.pkthdr && events;
    if (decode) return RuleType::decode_event;
    const bool ports_free = r.sport == 0 && r.dport == 0;
    if (!r.flow.used && !events && !r.pkthdr &&
        (ports_free || (!r.any_proto && !r.protos.test(6) && !r.protos.test(17))) &&
        std::all_of(r.tests.begin(), r.tests.end(),
                    [](const auto& t) { return t.ip_only_compatible; }))
      return r.negated_address ? RuleType::like_ip_only : RuleType::ip_only;
  }
  if (packet_buffer) return RuleType::packet;
  if (payload) {
    if (r.require_packet && !r.require_stream) return RuleType::packet;
    return r.require_packet ? RuleType::packet_stream : RuleType::stream;
  }
  if (!r.app_protos.empty() && r.tests.empty()) return RuleType::app_layer;
  return RuleType::packet;
}

}  // namespace

void Rule::compact() {
  info.metadata_at.shrink_to_fit();
  info.reference_at.shrink_to_fit();
  app_protos.shrink_to_fit();
  tests.shrink_to_fit();
  stages.shrink_to_fit();
  for (auto& s : stages) {
    s.ops.shrink_to_fit();
    s.inner.shrink_to_fit();
    s.transforms.shrink_to_fit();
    s.file_tests.shrink_to_fit();
    for (auto* list : {&s.ops, &s.inner})
      for (auto& op : *list)
        if (auto* c = std::get_if<ContentOp>(&op)) c->octets.shrink_to_fit();
  }
  actions.shrink_to_fit();
  tags.shrink_to_fit();
  fast_pattern.shrink_to_fit();
  head_pattern.shrink_to_fit();
}

Status finish_rule(RuleBuilder& b) {
  auto& r = b.rule();
  // An emptied payload stage (its contents moved to buffers) goes away.
  if (r.payload >= 0 && r.stages[static_cast<std::size_t>(r.payload)].ops.empty()) {
    r.stages.erase(r.stages.begin() + r.payload);
    r.payload = -1;
  }
  r.payload = -1;
  std::vector<std::int32_t> defined(32, -1);
  for (std::size_t i = 0; i < r.stages.size(); ++i) {
    auto& s = r.stages[i];
    if (s.kind == Stage::Kind::payload) r.payload = static_cast<std::int32_t>(i);
    if (auto ok = finish_ops(s.ops, 0, s.ops.size(), s.has_positive); !ok) return ok;
    bool ignored = false;
    for (const auto& op : s.ops)
      if (const auto* d = std::get_if<Base64Op>(&op))
        if (auto ok = finish_ops(s.inner, d->inner_from, d->inner_count, ignored); !ok) return ok;
    for (const auto* list : {&s.ops, &s.inner})
      for (const auto& op : *list) {
        for (const auto* o : operands(op))
          if (o->var >= 0 &&
              defined[static_cast<std::size_t>(o->var)] != static_cast<std::int32_t>(i))
            r.vars_cross_stages = true;
        if (const auto* e = std::get_if<ByteExtractOp>(&op))
          defined[static_cast<std::size_t>(e->var)] = static_cast<std::int32_t>(i);
        if (const auto* m = std::get_if<ByteMathOp>(&op))
          defined[static_cast<std::size_t>(m->var)] = static_cast<std::int32_t>(i);
      }
    // bsize that no content of the buffer fits
    for (const auto& op : s.ops)
      if (const auto* size = std::get_if<SizeOp>(&op); size && !size->test.negate)
        for (const auto& other : s.ops)
          if (const auto* c = std::get_if<ContentOp>(&other);
              c && !c->negated && c->octets.size() > size->test.hi)
            return bad("can never match: a content is longer than bsize allows");
  }

  for (const auto& t : r.tests) r.require_packet |= t.require_packet;
  const bool tcp = r.any_proto || r.protos.test(6);
  if (r.tcp_pkt || r.flow.no_stream) {
    r.require_packet = true;
    r.require_stream = false;
  } else if (r.tcp_stream || r.flow.only_stream) {
    r.require_stream = true;
    r.require_packet = false;
  } else if (r.payload >= 0 && tcp && !r.require_packet) {
    r.require_stream = true;
    for (const auto& op : r.stages[static_cast<std::size_t>(r.payload)].ops)
      if (const auto* c = std::get_if<ContentOp>(&op);
          c && (c->has_depth || c->has_offset || c->startswith))
        r.require_packet = true;
  }
  if (r.payload >= 0 && !tcp) r.require_packet = true;
  r.type = classify(r);
  if (r.hook == PacketHook::pre_flow || r.hook == PacketHook::pre_stream) {
    if (r.type == RuleType::transaction || r.type == RuleType::frame || !r.app_protos.empty())
      return bad("at this hook nothing of the application layer is known yet");
    if (r.hook == PacketHook::pre_flow && r.flow.used)
      return bad("at the hook pre_flow the packet has no flow yet");
    r.type = RuleType::packet;
    r.require_packet = true;
    r.require_stream = false;
  } else if (r.hook == PacketHook::all && (r.type == RuleType::ip_only)) {
    r.type = RuleType::packet;  // every packet, not once a flow
  }
  if (r.transactional && r.type != RuleType::transaction)
    return bad("=> needs keywords that look at a transaction");
  if (r.type == RuleType::frame)
    for (const auto& s : r.stages)
      if (s.kind != Stage::Kind::frame && s.kind != Stage::Kind::packet_buffer)
        return bad("frame cannot be combined with '" + s.name + "'");
  r.dirs = static_cast<std::uint8_t>(r.dirs & r.flow.dirs);
  if (r.dirs == 0) return bad("the flow direction excludes what the keywords look at");
  choose_fast_pattern(b);
  choose_head_pattern(r);
  return {};
}

}  // namespace ww::sig
