#include "rules/signature/explain.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <tuple>

#include "rules/signature/compiled.hpp"
#include "rules/signature/rule_labels.hpp"
#include "rules/signature/trace.hpp"

namespace ww::sig {

namespace {

constexpr std::size_t max_waiting = 1024;  ///< transactions under way that are kept in mind
constexpr std::size_t max_samples = 3;

std::string protocol_name_of(const Packet& p) {
  switch (p.ip_proto) {
    case 6:
      return "TCP";
    case 17:
      return "UDP";
    case 1:
      return "ICMP";
    case 58:
      return "ICMPv6";
    case 132:
      return "SCTP";
    default:
      return p.ip_version == 0 ? "no IP" : "IP protocol " + std::to_string(p.ip_proto);
  }
}

std::string endpoint(const IpAddress& a, std::uint16_t port, const Packet& p) {
  if (p.ip_version == 0) return "-";
  auto text = ip_text(a);
  if (!p.has_l4 && !p.stream_pseudo) return text;
  if (p.ip_proto != 6 && p.ip_proto != 17 && p.ip_proto != 132) return text;
  return (a.family == 6 ? "[" + text + "]" : text) + ":" + std::to_string(port);
}

std::string flag_letters(std::uint8_t flags) {
  std::string out;
  constexpr std::string_view letters = "FSRPAUEC";
  for (std::size_t i = 0; i < letters.size(); ++i)
    if (flags >> i & 1) out += letters[i];
  return out.empty() ? "none" : out;
}

/// What a packet shows to a test of that name.
std::string packet_fact(std::string_view keyword, const Packet& p) {
  const auto n = [](auto v) { return std::to_string(v); };
  if (keyword == "flowbits" || keyword == "flowint") {
    const auto* data =
        p.flow && p.flow->engine ? static_cast<const FlowData*>(p.flow->engine.get()) : nullptr;
    std::string out;
    if (data && keyword == "flowbits")
      for (const auto b : data->bits) (out += out.empty() ? "" : ", ") += variable_name(b);
    if (data && keyword == "flowint")
      for (const auto& [id, v] : data->ints)
        (out += out.empty() ? "" : ", ") += variable_name(id) + "=" + n(v);
    return "set in the flow: " + (out.empty() ? "none" : out);
  }
  if (keyword == "dsize") return "payload of " + n(p.payload.size()) + " octets";
  if (keyword == "ttl" || keyword == "hlim") return "ttl " + n(p.ttl);
  if (keyword == "tos") return "tos " + n(p.tos);
  if (keyword == "id") return "id " + n(p.ip_id);
  if (keyword == "ip_proto") return "IP protocol " + n(p.ip_proto);
  if (keyword == "flags" || keyword == "tcp.flags") return "flags " + flag_letters(p.tcp_flags);
  if (keyword == "seq") return "seq " + n(p.tcp_seq);
  if (keyword == "ack") return "ack " + n(p.tcp_ack);
  if (keyword == "window" || keyword == "tcp.window") return "window " + n(p.tcp_window);
  if (keyword == "tcp.mss") return p.tcp_mss ? "mss " + n(*p.tcp_mss) : "no mss option";
  if (keyword == "itype") return "type " + n(p.icmp_type);
  if (keyword == "icode") return "code " + n(p.icmp_code);
  if (keyword == "fragoffset") return "fragment offset " + n(p.fragment_offset);
  if (keyword == "fragbits")
    return std::string("bits") + (p.more_fragments ? " M" : "") + (p.dont_fragment ? " D" : "") +
           (p.reserved_bit ? " R" : "");
  if (keyword == "stream_size" && p.flow)
    return n(p.flow->stream_octets[0]) + " octets to the server, " + n(p.flow->stream_octets[1]) +
           " to the client";
  if (keyword.starts_with("app-layer-protocol") && p.flow)
    return "application protocol " + std::string(p.flow->app_proto == AppProto{}
                                                     ? "unknown"
                                                     : app_protos().name(p.flow->app_proto));
  if (keyword == "decode-event" || keyword == "stream-event" || keyword == "app-layer-event") {
    std::string out;
    for (const auto e : p.events()) (out += out.empty() ? "" : ", ") += events().name(e);
    return "events of the packet: " + (out.empty() ? "none" : out);
  }
  return protocol_name_of(p) + " packet with " + n(p.payload.size()) + " octets of payload";
}

std::string_view fate_name(Trace::Fate f) {
  using F = Trace::Fate;
  switch (f) {
    case F::alert:
      return "alert";
    case F::threshold:
      return "threshold";
    case F::detection_filter:
      return "detection_filter";
    case F::suppressed:
      return "suppressed";
    case F::passed:
      return "passed";
    case F::is_pass:
      return "pass";
    case F::noalert:
      return "noalert";
    case F::over_limit:
      return "packet-alert-max";
    case F::queue_full:
      return "queue full";
  }
  return "alert";
}

/// A try with what its ranking needs.
struct Attempt {
  ExplainTry seen;
  ExplainStep header;
  HeaderPart part = HeaderPart::held;
  std::vector<ExplainStep> tests;
  std::vector<std::vector<ExplainStep>> stages;  ///< by Rule::stages
  std::vector<bool> stage_done;
  bool made_up = false;  ///< no packet of the wire: what a flow's end leaves to inspect
  [[nodiscard]] std::size_t rank() const {
    if (part != HeaderPart::held) return static_cast<std::size_t>(part);
    std::size_t n = 100;
    for (const auto& t : tests) n += t.held;
    for (const auto& s : stages)
      for (const auto& x : s) n += x.held;
    for (const auto d : stage_done) n += d;
    return n;
  }
};

class RuleExplainer final : public Explainer, public Trace {
 public:
  RuleExplainer(std::shared_ptr<const CompiledEngine> engine, const Rule& watched,
                const ExplainOptions& options)
      : Trace(watched),
        engine_(std::move(engine)),
        options_(options),
        labels_(label_rule(watched, engine_->shared)) {
    find_scanners();
  }
  Trace& trace() override { return *this; }
  ExplainReport finish() override;

  // Trace
  void packet(const Packet& p, HeaderPart part) override;
  void skipped(const Packet& p) override;
  void scanned(std::uint32_t scanner, Bytes data) override;
  void begin(const Packet& p, const Transaction* tx, const Frame* frame) override;
  void header(HeaderPart part) override;
  void test(std::size_t index, bool held) override;
  void source(bool stream) override { stream_ = stream; }
  void item(const Stage& s, std::uint32_t index, BufferStatus status) override;
  void window(const Stage& s, Bytes data, std::uint64_t base, bool transformed) override;
  void op(const OpEvent& e) override;
  void number(const Stage& s, std::uint32_t index, std::uint64_t value, bool held) override;
  void file(const Stage& s, const File& f, std::size_t test, FileTest::Result result) override;
  void stage(const Stage& s, Verdict verdict) override;
  void end(Verdict verdict) override;
  void fate(Fate fate, const Rule* by) override;

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;
  void find_scanners();
  [[nodiscard]] std::size_t index_of(const Stage& s) const {
    return static_cast<std::size_t>(&s - rule.stages.data());
  }
  [[nodiscard]] std::string buffer_name(const Stage& s) const;
  [[nodiscard]] std::string cut(Bytes data, std::size_t from, std::size_t to) const;
  void describe_header(ExplainStep& step, HeaderPart part, const Packet& p) const;
  /// The path that ends now is kept when it is the longest of its stage, or the one that held.
  void settle_stage();
  void flatten(Attempt& a, bool held) const;
  void keep_closest(Attempt a);
  [[nodiscard]] std::string why() const;

  std::shared_ptr<const CompiledEngine> engine_;
  const ExplainOptions options_;
  RuleLabels labels_;
  ExplainReport report_;
  std::vector<bool> is_mine_;  ///< by scanner

  const Packet* packet_ = nullptr;
  const Transaction* tx_ = nullptr;
  Attempt now_;
  Key key_{};
  bool stream_ = false;
  std::map<Key, Attempt> waiting_;
  // the stage under way
  const Stage* stage_ = nullptr;
  Bytes window_;
  std::uint64_t window_base_ = 0;
  std::vector<std::pair<const PayloadOp*, ExplainStep>> path_, best_;
  std::size_t first_open_ = 0;  ///< matches whose fate is not known yet: matched[first_open_ ...]

  std::optional<Attempt> closest_;
  std::size_t closest_rank_ = 0;
  HeaderPart best_part_ = HeaderPart::not_ip;
  std::string best_part_note_;
  bool any_packet_ = false;
  std::set<std::string> app_seen_;
  std::map<std::string, std::uint64_t> fates_;
  std::vector<std::string> samples_;
};

void RuleExplainer::find_scanners() {
  is_mine_.assign(engine_->scanners.size(), false);
  report_.gid = rule.info.gid;
  report_.sid = rule.info.sid;
  report_.rev = rule.info.rev;
  report_.msg = rule.info.msg;
  report_.text = rule.info.text;
  if (rule.fast_stage < 0) return;
  const auto& s = rule.stages[static_cast<std::size_t>(rule.fast_stage)];
  report_.fast_pattern = rule.fast_pattern;
  report_.fast_buffer = s.kind == Stage::Kind::payload ? "payload" : s.name;
  auto name = std::string(buffers().name(s.buffer));
  for (const auto& t : s.transforms) (name += '|') += t.name;
  for (std::size_t i = 0; i < engine_->scanners.size(); ++i) {
    const auto& have = engine_->scanners[i].name;
    is_mine_[i] = s.kind == Stage::Kind::payload ? have.starts_with("payload ") : have == name;
  }
}

std::string RuleExplainer::buffer_name(const Stage& s) const {
  if (s.kind == Stage::Kind::payload) return stream_ ? "stream" : "payload";
  auto name = labels_.stages[index_of(s)];
  for (const auto& t : s.transforms) (name += ", ") += t.name;
  return name;
}

std::string RuleExplainer::cut(Bytes data, std::size_t from, std::size_t to) const {
  if (from > data.size() || to < from) return {};
  to = std::min({to, data.size(), from + options_.max_octets});
  return std::string(as_text(data.subspan(from, to - from)));
}

// --------------------------------------------------------------------------- packets

void RuleExplainer::describe_header(ExplainStep& step, HeaderPart part, const Packet& p) const {
  using H = HeaderPart;
  step.held = part == H::held;
  step.keyword = labels_.header;
  const auto app = [&] {
    return std::string(!p.flow || p.flow->app_proto == AppProto{}
                           ? "unknown"
                           : app_protos().name(p.flow->app_proto));
  };
  const auto towards = p.dir == Dir::to_server ? "to the server" : "to the client";
  switch (part) {
    case H::not_ip:
      step.note = "protocol: the packet is not IP";
      break;
    case H::ip_version:
      step.note = "protocol: the packet is IPv" + std::to_string(p.ip_version);
      break;
    case H::protocol:
      step.note = "protocol: the packet is " + protocol_name_of(p);
      break;
    case H::direction:
      step.keyword = labels_.flow;
      step.note = p.flow ? std::string("direction: the packet goes ") + towards
                         : std::string("direction: the packet belongs to no flow");
      break;
    case H::established:
      step.keyword = labels_.flow;
      step.note =
          std::string("flow state: ") + (!p.flow              ? "the packet belongs to no flow"
                                         : p.flow_established ? "the flow is established"
                                                              : "the flow is not established");
      break;
    case H::fragment:
      step.keyword = labels_.flow;
      step.note = p.is_fragment || p.rebuilt ? "fragment: the packet is or was fragmented"
                                             : "fragment: the packet is none";
      break;
    case H::keyword_side:
      step.note = std::string("direction: the packet goes ") + towards +
                  ", the keywords look at the other side";
      break;
    case H::app_protocol:
      step.note = "application protocol: the flow is " + app();
      break;
    case H::no_ports:
      step.note = "port: a packet of " + protocol_name_of(p) + " has none";
      break;
    case H::source_port:
      step.note = "source port: " + std::to_string(p.sport);
      break;
    case H::destination_port:
      step.note = "destination port: " + std::to_string(p.dport);
      break;
    case H::source:
      step.note = "source address: " + ip_text(p.src);
      break;
    case H::destination:
      step.note = "destination address: " + ip_text(p.dst);
      break;
    case H::held:
      break;
  }
}

void RuleExplainer::packet(const Packet& p, HeaderPart part) {
  ++report_.packets;
  report_.header_held += part == HeaderPart::held;
  if (p.flow && p.flow->app_proto != AppProto{} && app_seen_.size() < 64)
    app_seen_.emplace(app_protos().name(p.flow->app_proto));
  if (!any_packet_ || part > best_part_) {
    any_packet_ = true;
    best_part_ = part;
    ExplainStep step;
    describe_header(step, part, p);
    best_part_note_ = step.note + " (packet " + std::to_string(p.number) + ")";
  }
  first_open_ = report_.matched.size();
}

void RuleExplainer::skipped(const Packet&) { ++report_.skipped; }

void RuleExplainer::scanned(std::uint32_t scanner, Bytes data) {
  if (scanner >= is_mine_.size() || !is_mine_[scanner]) return;
  ++report_.scans;
  report_.scanned_octets += data.size();
  const auto text = as_text(data);
  const auto same = [&](char a, char b) {
    return rule.fast_nocase
               ? std::tolower(static_cast<unsigned char>(a)) == static_cast<unsigned char>(b)
               : a == b;
  };
  const auto at = std::search(text.begin(), text.end(), rule.fast_pattern.begin(),
                              rule.fast_pattern.end(), same);
  if (at != text.end())
    ++report_.found;
  else if (samples_.size() < max_samples)
    samples_.push_back(cut(data, 0, data.size()));
}

// --------------------------------------------------------------------------- one check

void RuleExplainer::begin(const Packet& p, const Transaction* tx, const Frame* frame) {
  ++report_.checks;
  packet_ = &p;
  tx_ = tx;
  stage_ = nullptr;
  path_.clear();
  best_.clear();
  now_ = {};
  key_ = {p.flow ? p.flow->id : 0, tx ? tx->id : UINT64_MAX,
          rule.transactional ? 2 : static_cast<std::uint64_t>(index(p.dir))};
  if (tx != nullptr)
    if (const auto it = waiting_.find(key_); it != waiting_.end()) {
      now_ = std::move(it->second);
      waiting_.erase(it);
    }
  now_.tests.clear();
  now_.part = HeaderPart::held;
  now_.stages.resize(rule.stages.size());
  now_.stage_done.resize(rule.stages.size());
  auto& t = now_.seen;
  t.packet = p.number;
  t.time_us = p.time.us;
  t.source = endpoint(p.src, p.sport, p);
  t.destination = endpoint(p.dst, p.dport, p);
  t.protocol = protocol_name_of(p);
  t.flow = p.flow ? p.flow->id : 0;
  if (tx != nullptr) t.transaction = tx->id;
  if (frame != nullptr) t.frame = frame_types().name(frame->type);
}

void RuleExplainer::header(HeaderPart part) {
  now_.part = part;
  now_.header = {};
  describe_header(now_.header, part, *packet_);
}

void RuleExplainer::test(std::size_t index, bool held) {
  ExplainStep step;
  step.keyword = labels_.test(index);
  step.held = held;
  if (!held) step.note = packet_fact(step.keyword.substr(0, step.keyword.find(':')), *packet_);
  now_.tests.push_back(std::move(step));
}

void RuleExplainer::settle_stage() {
  if (stage_ == nullptr) return;
  if (path_.size() > best_.size()) best_ = path_;
  auto& steps = now_.stages[index_of(*stage_)];
  // The longest of several windows (packet, stream, instances) tells most.
  const auto held = [](const auto& list) {
    return std::count_if(list.begin(), list.end(), [](const auto& x) { return x.held; });
  };
  std::vector<ExplainStep> fresh;
  for (const auto& [op, step] : best_) fresh.push_back(step);
  if (steps.empty() || held(fresh) >= held(steps)) steps = std::move(fresh);
  stage_ = nullptr;
  path_.clear();
  best_.clear();
}

void RuleExplainer::item(const Stage& s, std::uint32_t index, BufferStatus status) {
  if (status == BufferStatus::ready || status == BufferStatus::partial) return;
  settle_stage();
  auto& steps = now_.stages[index_of(s)];
  if (index > 0 || !steps.empty()) return;
  ExplainStep step;
  step.buffer = buffer_name(s);
  step.keyword = s.ops.empty() ? step.buffer : labels_.op(s.ops.front());
  step.note = status == BufferStatus::absent ? step.buffer + " is not in this transaction"
                                             : step.buffer + " has not come yet";
  steps.push_back(std::move(step));
}

void RuleExplainer::window(const Stage& s, Bytes data, std::uint64_t base, bool transformed) {
  settle_stage();
  // "not yet there" is over.
  auto& steps = now_.stages[index_of(s)];
  std::erase_if(steps, [](const auto& x) { return !x.held && !x.offset; });
  if (!transformed) {
    ExplainStep step;
    step.buffer = labels_.stages[index_of(s)];
    step.keyword = s.transforms.back().name;
    step.offset = 0;
    step.length = data.size();
    step.octets = cut(data, 0, data.size());
    step.note = "the transform failed on this";
    steps.push_back(std::move(step));
    return;
  }
  stage_ = &s;
  window_ = data;
  window_base_ = base;
}

void RuleExplainer::op(const OpEvent& e) {
  const auto at =
      std::find_if(path_.begin(), path_.end(), [&](const auto& x) { return x.first == &e.op; });
  if (at != path_.end()) path_.erase(at, path_.end());
  ExplainStep step;
  step.keyword = labels_.op(e.op);
  step.held = e.held;
  const bool inner = !e.stage.inner.empty() && &e.op >= e.stage.inner.data() &&
                     &e.op < e.stage.inner.data() + e.stage.inner.size();
  step.buffer = inner ? "base64_data" : buffer_name(e.stage);
  const bool placed = e.from <= e.data.size() && e.to >= e.from && e.to <= e.data.size();
  step.offset = e.base + (placed ? e.from : 0);
  step.length = placed ? e.to - e.from : 0;
  if (placed) step.octets = cut(e.data, e.from, e.to);
  const auto* content = std::get_if<ContentOp>(&e.op);
  const auto* pcre = std::get_if<PcreOp>(&e.op);
  const bool negated = (content && content->negated) || (pcre && pcre->negated);
  if (e.has_value) step.note = "value " + std::to_string(e.value);
  if (e.held && negated) step.note = "not found, as wanted";
  if (!e.held) {
    const auto size = std::to_string(e.base + e.data.size());
    if (negated)
      step.note = "found";
    else if (content || pcre)
      step.note = step.length == 0 ? "no octets to look at there (the buffer has " + size + ")"
                                   : "not found there";
    else if (std::holds_alternative<SizeOp>(e.op))
      step.note = "the buffer has " + size + " octets";
    else if (!e.has_value && (std::holds_alternative<ByteTestOp>(e.op) ||
                              std::holds_alternative<ByteJumpOp>(e.op) ||
                              std::holds_alternative<ByteExtractOp>(e.op) ||
                              std::holds_alternative<ByteMathOp>(e.op)))
      step.note = "no number can be read there (the buffer has " + size + " octets)";
  }
  path_.emplace_back(&e.op, std::move(step));
  const auto held = [](const auto& list) {
    return std::count_if(list.begin(), list.end(), [](const auto& x) { return x.second.held; });
  };
  // A later path of equal length that holds to its end is the one that matched.
  if (best_.empty() || path_.size() > best_.size() ||
      (path_.size() == best_.size() && held(path_) >= held(best_)))
    best_ = path_;
}

void RuleExplainer::number(const Stage& s, std::uint32_t index, std::uint64_t value, bool held) {
  auto& steps = now_.stages[index_of(s)];
  if (index == 0 || (held && s.which == Stage::Which::any)) steps.clear();
  if (steps.size() >= 16) return;
  ExplainStep step;
  step.keyword = labels_.stages[index_of(s)];
  step.held = held;
  step.buffer = s.name;
  step.offset = index;
  step.note = "value " + std::to_string(value);
  steps.push_back(std::move(step));
}

void RuleExplainer::file(const Stage& s, const File& f, std::size_t test, FileTest::Result result) {
  auto& steps = now_.stages[index_of(s)];
  if (test == 0) steps.clear();
  const auto& names = labels_.files[index_of(s)];
  ExplainStep step;
  step.keyword = test < names.size() ? names[test] : "file condition " + std::to_string(test + 1);
  step.held = result == FileTest::Result::yes;
  step.buffer = "file";
  step.offset = f.file_id;
  step.length = f.size;
  step.octets = f.name.substr(0, options_.max_octets);
  step.note = std::to_string(f.size) + " octets";
  if (!f.magic.empty()) step.note += ", " + f.magic;
  for (const auto* hash : {&f.md5, &f.sha1, &f.sha256})
    if (!hash->empty()) step.note += ", " + *hash;
  if (result == FileTest::Result::not_yet) step.note += "; not known before the file ends";
  steps.push_back(std::move(step));
}

void RuleExplainer::stage(const Stage& s, Verdict verdict) {
  settle_stage();
  const auto i = index_of(s);
  now_.stage_done[i] = verdict == Verdict::yes;
  auto& steps = now_.stages[i];
  using K = Stage::Kind;
  if (s.absent != Stage::Absent::no && verdict == Verdict::yes) {
    for (auto& x : steps) x.held = true;
  } else if (s.absent == Stage::Absent::must && verdict == Verdict::no) {
    steps.assign(1, ExplainStep{"absent", false, buffer_name(s), {}, 0, {}, "the buffer is there"});
  } else if (s.kind == K::number && verdict == Verdict::yes && s.which == Stage::Which::any) {
    std::erase_if(steps, [](const auto& x) { return !x.held; });
  } else if (s.kind == K::event || s.kind == K::hook) {
    ExplainStep step;
    step.keyword = labels_.stages[i];
    step.held = verdict == Verdict::yes;
    if (!step.held && s.kind == K::event && tx_ != nullptr) {
      for (const auto e : tx_->event_ids)
        (step.note += step.note.empty() ? "events: " : ", ") += events().name(e);
      if (step.note.empty()) step.note = "the transaction has no events";
    } else if (!step.held) {
      step.note = "the transaction has not come that far";
    }
    steps.clear();
    steps.push_back(std::move(step));
  } else if (steps.empty() && verdict != Verdict::yes) {
    ExplainStep step;
    step.buffer = buffer_name(s);
    step.keyword = s.ops.empty() ? labels_.stages[i] : labels_.op(s.ops.front());
    step.note = s.kind == K::file || s.buffer == buffers().find("file.data")
                    ? "no file in this direction of the transaction"
                    : "nothing to look at";
    steps.push_back(std::move(step));
  }
}

void RuleExplainer::flatten(Attempt& a, bool held) const {
  auto& out = a.seen.steps;
  out.clear();
  out.push_back(a.header);
  out.insert(out.end(), a.tests.begin(), a.tests.end());
  for (std::size_t i = 0; i < a.stages.size(); ++i) {
    for (auto step : a.stages[i]) {
      // A rule that held did so with every stage; numbers of `all` and the like show their values.
      if (held && rule.stages[i].kind == Stage::Kind::number) step.held = true;
      out.push_back(std::move(step));
    }
  }
  if (held || std::any_of(out.begin(), out.end(), [](const auto& s) { return !s.held; })) return;
  ExplainStep step;
  if (a.made_up) {
    step.keyword = "a packet of the wire";
    step.note = "this is the end of a flow, the rule looks at single packets";
  } else {
    step.keyword = "octets that are new";
    step.note = "all that matched was there before and has been looked at";
  }
  out.push_back(std::move(step));
}

void RuleExplainer::keep_closest(Attempt a) {
  const auto rank = a.rank();
  if (closest_ && rank <= closest_rank_) return;
  closest_rank_ = rank;
  closest_ = std::move(a);
}

void RuleExplainer::end(Verdict verdict) {
  settle_stage();
  // A payload that was never looked at: the packet has none of what the rule wants.
  if (verdict != Verdict::yes && now_.part == HeaderPart::held && rule.payload >= 0 &&
      now_.stages[static_cast<std::size_t>(rule.payload)].empty() &&
      std::all_of(now_.tests.begin(), now_.tests.end(), [](const auto& t) { return t.held; })) {
    const auto& s = rule.stages[static_cast<std::size_t>(rule.payload)];
    ExplainStep step;
    step.keyword = s.ops.empty() ? "payload" : labels_.op(s.ops.front());
    step.buffer = rule.require_packet ? "payload" : "stream";
    step.note = packet_->no_payload ? "the payload is encrypted from here on"
                                    : "no such octets with this packet";
    now_.stages[static_cast<std::size_t>(rule.payload)].push_back(std::move(step));
  }
  now_.made_up = packet_->stream_pseudo;
  now_.seen.held = verdict == Verdict::yes;
  now_.seen.waits = verdict == Verdict::wait;
  if (verdict == Verdict::yes) {
    ++report_.matches;
    flatten(now_, true);
    if (report_.matched.size() < options_.max_matches)
      report_.matched.push_back(std::move(now_.seen));
  } else if (verdict == Verdict::no || tx_ == nullptr) {
    keep_closest(std::move(now_));
  } else if (waiting_.size() < max_waiting) {
    waiting_.insert_or_assign(key_, std::move(now_));
  } else {
    keep_closest(std::move(now_));
  }
  packet_ = nullptr;
}

void RuleExplainer::fate(Fate f, const Rule* by) {
  const std::string name(fate_name(f));
  ++fates_[by ? name + " by sid " + std::to_string(by->info.sid) : name];
  report_.alerts += f == Fate::alert;
  if (first_open_ >= report_.matched.size()) return;
  auto& t = report_.matched[first_open_++];
  t.fate = name;
  if (by) t.by = "sid " + std::to_string(by->info.sid);
}

// --------------------------------------------------------------------------- the end

std::string RuleExplainer::why() const {
  if (report_.alerts > 0) return {};
  if (report_.matches > 0) {
    std::string out = "it matched, but no alert came of it: ";
    bool first = true;
    for (const auto& [name, n] : fates_) {
      if (!first) out += ", ";
      first = false;
      out += name + " (" + std::to_string(n) + ")";
    }
    return out;
  }
  if (report_.packets == 0)
    return report_.skipped ? "no packet was inspected: their flows had been passed"
                           : "the capture has no packets";
  if (report_.checks > 0) {
    const auto& steps = closest_ ? closest_->seen.steps : std::vector<ExplainStep>();
    for (const auto& s : steps)
      if (!s.held)
        return (closest_->seen.waits ? "it waited for " : "it failed at ") + s.keyword +
               (s.note.empty() ? "" : ": " + s.note);
    return "no candidate held";
  }
  if (report_.header_held == 0) {
    std::string out = "never a candidate: no packet fits its header; closest: " + best_part_note_;
    if (best_part_ == HeaderPart::app_protocol) {
      out += "; application protocols seen: ";
      std::string list;
      for (const auto& n : app_seen_) (list += list.empty() ? "" : ", ") += n;
      out += list.empty() ? "none" : list;
    }
    return out;
  }
  if (!report_.fast_pattern.empty()) {
    const auto quoted = "'" + visible_octets(report_.fast_pattern) + "'";
    if (report_.scans == 0)
      return "never a candidate: " + report_.fast_buffer + ", where its fast pattern " + quoted +
             " is looked for, never came";
    std::string out = "never a candidate: its fast pattern " + quoted + " was not found in " +
                      report_.fast_buffer + " (" + std::to_string(report_.scans) + " looked at, " +
                      std::to_string(report_.scanned_octets) + " octets)";
    for (std::size_t i = 0; i < samples_.size(); ++i)
      out += (i == 0 ? "; there was '" : "', '") + visible_octets(samples_[i]);
    return out + (samples_.empty() ? "" : "'");
  }
  std::string out =
      "never a candidate: nothing of what its keywords look at came with a packet that fits its "
      "header";
  if (rule.is_transaction()) out = "never a candidate: no transaction of its protocol came";
  return out;
}

ExplainReport RuleExplainer::finish() {
  for (auto& [key, a] : waiting_) keep_closest(std::move(a));
  waiting_.clear();
  if (closest_) {
    flatten(*closest_, false);
    if (report_.alerts == 0) report_.closest = closest_->seen;
  }
  report_.reason = why();
  return std::move(report_);
}

}  // namespace

Result<std::unique_ptr<Explainer>, Problem> Explainer::create(std::shared_ptr<const Engine> engine,
                                                              std::uint32_t gid, std::uint32_t sid,
                                                              const ExplainOptions& options) {
  auto compiled = std::dynamic_pointer_cast<const CompiledEngine>(engine);
  if (compiled)
    for (const auto& r : compiled->rules)
      if (r->info.sid == sid && r->info.gid == gid)
        return std::unique_ptr<Explainer>(
            std::make_unique<RuleExplainer>(std::move(compiled), *r, options));
  return fail(Problem{"no loaded rule has sid " + std::to_string(sid), "",
                      "see `wardwatchctl rules check` for rules that were refused"});
}

std::string visible_octets(std::string_view octets) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  bool hex = false;
  for (const char ch : octets) {
    const auto c = static_cast<unsigned char>(ch);
    const bool plain = c >= 32 && c < 127 && c != '|';
    if (plain == hex) {
      out += '|';
      hex = !hex;
    } else if (hex) {
      out += ' ';
    }
    if (plain) {
      out += ch;
    } else {
      out += digits[c >> 4];
      out += digits[c & 15];
    }
  }
  if (hex) out += '|';
  return out;
}

}  // namespace ww::sig
