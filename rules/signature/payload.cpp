#include "rules/signature/payload.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "rules/signature/base64_digits.hpp"
#include "rules/signature/dataset.hpp"
#include "rules/signature/find.hpp"
#include "rules/signature/gate.hpp"
#include "rules/signature/trace.hpp"

namespace ww::sig {

namespace {

/// First occurrence that lies wholly in [from, to).
std::size_t find(const ContentOp& c, Bytes data, std::size_t from, std::size_t to) {
  if (to > data.size()) to = data.size();
  if (from > to) return not_found;
  const auto at = find_literal(data.subspan(from, to - from), c.octets, c.nocase);
  return at == not_found ? at : from + at;
}

/// The order that `dce` stands for: each DCE/RPC message says its sender's. Outside of a stub it is
/// big, as in Suricata.
[[gnu::cold]] bool dce_is_big(const Stage& stage, const MatchServices& services) {
  static const auto stub = buffers().intern("dcerpc.stub_data");
  static const auto little = numbers().intern("dcerpc.little_endian");
  if (services.tx == nullptr || stage.kind != Stage::Kind::buffer || stage.buffer != stub)
    return true;
  std::uint64_t value = 0;
  for (const auto& p : protocol_buffers())
    if (p.proto == services.tx->proto)
      for (const auto& n : p.numbers)
        if (n.id == little && n.dir == services.dir &&
            n.get(*services.tx, services.dir, 0, value) == BufferStatus::ready)
          return value == 0;
  return true;
}

/// Reads the number of a byte_* keyword. On success `end` is where reading stopped.
/// @param big  most significant octet first
bool read_number(const ByteRead& r, bool big, Bytes data, std::int64_t pos,
                 const std::uint64_t* vars, std::uint64_t& value, std::int64_t& start,
                 std::int64_t& end) {
  const auto size = static_cast<std::int64_t>(data.size());
  const auto offset = r.offset.get(vars);
  if (offset > size || offset < -size) return false;
  start = (r.relative ? pos : 0) + offset;
  auto n = r.octets.get(vars);
  if (start < 0 || start > size || n < 0 || n > size - start) return false;
  if (r.relative && start >= size && n > 0) return false;
  const auto* p = data.data() + start;
  if (r.base == NumberBase::raw) {
    if (n > 8) return false;
    value = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = big ? i : n - 1 - i;
      value = (value << 8) | p[k];
    }
    end = start + n;
  } else {
    // As strtoull: blanks, sign, digits up to the first that is none.
    // No octets: all digits that stand there.
    if (n == 0) n = std::min<std::int64_t>(size - start, 64);
    const std::uint64_t base = r.base == NumberBase::hex ? 16 : r.base == NumberBase::oct ? 8 : 10;
    std::int64_t i = 0;
    while (i < n && (p[i] == ' ' || (p[i] >= 9 && p[i] <= 13))) ++i;
    bool minus = false;
    if (i < n && (p[i] == '+' || p[i] == '-')) minus = p[i++] == '-';
    if (base == 16 && n - i > 2 && p[i] == '0' && (p[i + 1] | 32) == 'x') i += 2;
    const auto digits = i;
    value = 0;
    for (; i < n; ++i) {
      const auto d = hex_digit(static_cast<char>(p[i]));
      if (d < 0 || static_cast<std::uint64_t>(d) >= base) break;
      if (value > (UINT64_MAX - static_cast<std::uint64_t>(d)) / base) return false;
      value = value * base + static_cast<std::uint64_t>(d);
    }
    if (i == digits) return false;
    if (minus) value = ~value + 1;
    end = start + i;
  }
  if (r.mask) value = (value & r.mask) >> r.shift;
  return true;
}

double shannon(Bytes data) {
  std::array<std::uint32_t, 256> counts{};
  for (const auto b : data) ++counts[b];
  double sum = 0;
  const auto n = static_cast<double>(data.size());
  for (const auto c : counts)
    if (c) {
      const double p = c / n;
      sum -= p * std::log2(p);
    }
  return sum;
}

class Evaluation {
 public:
  Evaluation(const Stage& stage, const Window& window, EvalScratch& scratch,
             MatchServices& services)
      : stage_(stage),
        s_(scratch),
        services_(services),
        fresh_(stage.has_positive ? window.fresh_from : 0) {}

  bool run(const PayloadOp* ops, std::size_t count, Bytes data, std::uint64_t base, bool to_end) {
    ops_ = ops;
    count_ = count;
    data_ = data;
    base_ = static_cast<std::int64_t>(base);
    to_end_ = to_end;
    return step(0, 0, 0);
  }

 private:
  bool note(std::size_t i, bool matched, std::size_t from = 0, std::size_t to = 0) {
    if (s_.trace) [[unlikely]]
      tell(i, matched, from, to);
    return matched;
  }
  /// As note, for operations that read a number.
  bool note_read(std::size_t i, bool matched) {
    if (s_.trace) [[unlikely]]
      tell_read(i, matched);
    return matched;
  }
  // Out of line: nothing of it burdens the evaluation that nobody watches.
  [[gnu::cold, gnu::noinline]] void tell(std::size_t i, bool matched, std::size_t from,
                                         std::size_t to) const {
    s_.trace->op({stage_, ops_[i], matched, data_, static_cast<std::uint64_t>(base_), from, to});
  }
  [[gnu::cold, gnu::noinline]] void tell_read(std::size_t i, bool matched) const {
    s_.trace->op({stage_, ops_[i], matched, data_, static_cast<std::uint64_t>(base_),
                  static_cast<std::size_t>(read_.start), static_cast<std::size_t>(read_.end),
                  read_.value, read_.end > read_.start});
  }
  bool note_all(std::size_t i, bool matched) { return note(i, matched, 0, data_.size()); }
  bool spend() {
    if (++s_.steps <= s_.step_limit) return true;
    ++s_.limit_hits;
    return false;
  }

  /// Operations i.. hold, the last match having ended at pos and the farthest claimed octet at
  /// `claimed`.
  bool step(std::size_t i, std::int64_t pos, std::size_t claimed) {
    if (i == count_) return claimed > fresh_ || fresh_ == 0;
    if (!spend()) return false;
    const auto& op = ops_[i];
    switch (op.index()) {
      case 0:
        return content(*std::get_if<ContentOp>(&op), i, pos, claimed);
      case 1:
        return pcre(*std::get_if<PcreOp>(&op), i, pos, claimed);
      case 2: {
        const auto& o = *std::get_if<IsDataAtOp>(&op);
        const auto at = o.at.get(s_.vars.data());
        const auto size = static_cast<std::int64_t>(data_.size());
        const bool there =
            o.relative ? at <= size && pos + at <= size && pos + at >= 0 : at - base_ < size;
        const auto wanted = std::clamp<std::int64_t>(o.relative ? pos + at : at - base_, 0, size);
        return note(i, there != o.negated, static_cast<std::size_t>(wanted),
                    static_cast<std::size_t>(size)) &&
               step(i + 1, pos, claimed);
      }
      case 3:
        return note_read(i, byte_test(*std::get_if<ByteTestOp>(&op), pos)) &&
               step(i + 1, pos, claimed);
      case 4: {
        const auto& o = *std::get_if<ByteJumpOp>(&op);
        std::int64_t to = 0;
        return note_read(i, byte_jump(o, pos, to)) && step(i + 1, to, claimed);
      }
      case 5: {
        const auto& o = *std::get_if<ByteExtractOp>(&op);
        read_ = {};
        auto& [v, start, end] = read_;
        if (!note_read(i, read(o.read, pos, s_.vars.data(), v, start, end))) return false;
        v *= o.multiplier;
        if (o.align && v % o.align) v += o.align - v % o.align;
        s_.vars[static_cast<std::size_t>(o.var)] = v;
        return step(i + 1, end, std::max(claimed, static_cast<std::size_t>(end)));
      }
      case 6: {
        const auto& o = *std::get_if<ByteMathOp>(&op);
        std::int64_t end = 0;
        if (!note_read(i, byte_math(o, pos, end))) return false;
        return step(i + 1, end, std::max(claimed, static_cast<std::size_t>(end)));
      }
      case 7: {
        const auto& o = *std::get_if<SizeOp>(&op);
        const auto size = static_cast<std::uint64_t>(base_) + data_.size();
        const bool ok = to_end_ ? o.test.test(size)
                                : !o.test.negate && o.test.hi == UINT64_MAX && size >= o.test.lo;
        return note_all(i, ok) && step(i + 1, pos, claimed);
      }
      case 8:
        return base64(*std::get_if<Base64Op>(&op), i, pos) && step(i + 1, pos, claimed);
      case 9:
        return note_all(i, dataset(*std::get_if<DatasetOp>(&op))) && step(i + 1, pos, claimed);
      case 10: {
        const auto& o = *std::get_if<DatarepOp>(&op);
        const auto f = o.set->find(data_);
        bool ok = f.found && f.has_reputation;
        if (ok) {
          using C = DatarepOp::Compare;
          ok = o.compare == C::lt   ? f.reputation < o.value
               : o.compare == C::gt ? f.reputation > o.value
                                    : f.reputation == o.value;
        }
        return note_all(i, ok) && step(i + 1, pos, claimed);
      }
      case 11:
        return note_all(i, entropy(*std::get_if<EntropyOp>(&op))) && step(i + 1, pos, claimed);
      case 12: {
        const auto& o = *std::get_if<BufferCheckOp>(&op);
        return note_all(i, o.check(o, data_, static_cast<std::size_t>(pos), services_.packet) !=
                               o.negated) &&
               step(i + 1, pos, claimed);
      }
      default:
        return false;
    }
  }

  bool content(const ContentOp& c, std::size_t i, std::int64_t pos, std::size_t claimed) {
    const auto size = static_cast<std::int64_t>(data_.size());
    const auto n = static_cast<std::int64_t>(c.octets.size());
    const auto* vars = s_.vars.data();
    std::int64_t lo = 0, hi = size;
    // Variables hold anything a packet says; sums are kept far from overflow.
    const auto bounded = [](std::int64_t v) {
      return std::clamp<std::int64_t>(v, -(1LL << 40), 1LL << 40);
    };
    if (c.relative()) {
      const auto distance = bounded(c.distance.get(vars));
      lo = pos + distance;
      if (c.has_within) hi = std::min(hi, pos + distance + bounded(c.within.get(vars)));
      if (c.has_offset) lo = std::max(lo, bounded(c.offset.get(vars)) - base_);
      if (c.has_depth) hi = std::min(hi, pos + bounded(c.depth.get(vars)));
    } else {
      const auto offset = c.has_offset ? bounded(c.offset.get(vars)) : 0;
      lo = offset - base_;
      if (c.has_depth) hi = std::min(hi, offset + bounded(c.depth.get(vars)) - base_);
      if (c.startswith) {
        if (base_ > 0) return note(i, c.negated) && step(i + 1, pos, claimed);
        hi = std::min(hi, n);
      }
    }
    lo = std::max<std::int64_t>(lo, 0);
    if (c.endswith) {
      lo = std::max(lo, size - n);
      if (!to_end_) return note(i, c.negated) && step(i + 1, pos, claimed);
    }
    if (hi < lo || hi - lo < n)
      return note(i, c.negated, static_cast<std::size_t>(std::min(lo, size)),
                  static_cast<std::size_t>(std::clamp(hi, std::min(lo, size), size))) &&
             step(i + 1, pos, claimed);
    auto from = static_cast<std::size_t>(lo);
    const auto to = static_cast<std::size_t>(hi);
    if (c.negated) {
      // An occurrence of a negated endswith counts only at the very end; lo was moved there.
      const auto found = find(c, data_, from, to);
      const bool none = found == not_found;
      return note(i, none, none ? from : found, none ? to : found + c.octets.size()) &&
             step(i + 1, pos, claimed);
    }
    if (!c.relative_next) {
      auto at = find(c, data_, from, to);
      if (at == not_found) return note(i, false, from, to);
      const auto len = c.octets.size();
      if (at + len <= fresh_ && claimed <= fresh_) {
        // Any occurrence will do; prefer one with octets that no earlier chunk showed.
        const auto again = find(c, data_,
                                std::max(from, static_cast<std::size_t>(fresh_) + 1 -
                                                   std::min<std::size_t>(len, fresh_)),
                                to);
        if (again != not_found) at = again;
      }
      note(i, true, at, at + len);
      return step(i + 1, static_cast<std::int64_t>(at + len), std::max(claimed, at + len));
    }
    for (;;) {
      const auto at = find(c, data_, from, to);
      if (at == not_found) return note(i, false, from, to);
      const auto end = at + c.octets.size();
      note(i, true, at, end);
      if (step(i + 1, static_cast<std::int64_t>(end), std::max(claimed, end))) return true;
      if (impossible_ || s_.steps > s_.step_limit || !spend()) return false;
      from = at + 1;
    }
  }

  /// Whether the data holds what each match of this expression must; looked at once.
  bool can_match(const PcreOp& p, std::size_t i) {
    const auto& required = p.code->required();
    if (i >= 64 || (known_ >> i & 1) != 0) return true;
    known_ |= 1ULL << i;
    const bool there =
        std::all_of(required.list.begin(), required.list.end(), [&](const std::string& octets) {
          return find_literal(data_, octets, required.nocase) != not_found;
        });
    return there && (p.gate < 0 || s_.gates == nullptr || s_.gates->open(p.gate, data_));
  }

  bool pcre(const PcreOp& p, std::size_t i, std::int64_t pos, std::size_t claimed) {
    const auto start = p.relative ? static_cast<std::size_t>(std::max<std::int64_t>(pos, 0)) : 0;
    if (start > data_.size()) return note(i, p.negated) && step(i + 1, pos, claimed);
    if (!p.negated && !can_match(p, i)) {
      impossible_ = true;
      return note(i, false, start, data_.size());
    }
    const auto subject = data_.subspan(start);
    std::size_t from = 0;
    for (;;) {
      const bool hit = p.code->search(subject, from, s_.pcre);
      if (p.negated) {
        const auto found = hit ? s_.pcre.group(0) : PcreScratch::Group{0, subject.size(), true};
        return note(i, !hit, start + found.from, start + found.to) && step(i + 1, pos, claimed);
      }
      if (!hit) return note(i, false, start + from, data_.size());
      const auto whole = s_.pcre.group(0);
      const auto at = start + whole.from, end = start + whole.to;
      note(i, true, at, end);
      const auto flow_mark = s_.captured_flow.size(), packet_mark = s_.captured_packet.size(),
                 context_mark = s_.context.size();
      std::string key;
      for (std::size_t g = 0; g < p.captures.size(); ++g) {
        const auto group = s_.pcre.group(g + 1);
        if (!group.set) continue;
        const auto text = subject.subspan(
            group.from, std::min<std::size_t>(group.to - group.from, FlowData::max_value_octets));
        const auto& to = p.captures[g];
        if (to.to == PcreOp::Capture::To::flow)
          s_.captured_flow.emplace_back(to.name, std::string(as_text(text)));
        else if (to.to == PcreOp::Capture::To::packet && to.names_next)
          key = as_text(text);
        else if (to.to == PcreOp::Capture::To::packet)
          s_.captured_packet.push_back(
              {to.name, std::exchange(key, {}), std::string(as_text(text))});
        else
          s_.context.emplace_back(variable_name(to.name), json_text(text));
      }
      const bool stale = fresh_ && std::max(claimed, end) <= fresh_;
      if ((!stale || p.relative_next || i + 1 < count_) &&
          step(i + 1, static_cast<std::int64_t>(end), std::max(claimed, end)))
        return true;
      s_.captured_flow.resize(flow_mark);
      s_.captured_packet.resize(packet_mark);
      s_.context.resize(context_mark);
      if (!(p.relative_next || stale) || impossible_ || s_.steps > s_.step_limit || !spend())
        return false;
      from = whole.from + 1;
      if (from > subject.size()) return false;
    }
  }

  static std::string json_text(Bytes text) {
    std::string out = "\"";
    append_json_escaped(out, as_text(text));
    return out += '"';
  }

  bool read(const ByteRead& r, std::int64_t pos, const std::uint64_t* vars, std::uint64_t& value,
            std::int64_t& start, std::int64_t& end) const {
    const bool big =
        r.endian == Endian::dce ? dce_is_big(stage_, services_) : r.endian == Endian::big;
    return read_number(r, big, data_, pos, vars, value, start, end);
  }

  bool byte_test(const ByteTestOp& o, std::int64_t pos) {
    read_ = {};
    auto& [v, start, end] = read_;
    if (!read(o.read, pos, s_.vars.data(), v, start, end)) return false;
    const auto w = static_cast<std::uint64_t>(o.value.get(s_.vars.data()));
    bool ok = false;
    using C = ByteTestOp::Compare;
    switch (o.compare) {
      case C::lt:
        ok = v < w;
        break;
      case C::gt:
        ok = v > w;
        break;
      case C::eq:
        ok = v == w;
        break;
      case C::le:
        ok = v <= w;
        break;
      case C::ge:
        ok = v >= w;
        break;
      case C::band:
        ok = (v & w) != 0;
        break;
      case C::bor:
        ok = (v ^ w) != 0;
        break;
    }
    return ok != o.negated;
  }

  bool byte_jump(const ByteJumpOp& o, std::int64_t pos, std::int64_t& to) {
    read_ = {};
    auto& [v, start, end] = read_;
    if (!read(o.read, pos, s_.vars.data(), v, start, end)) return false;
    const auto size = static_cast<std::int64_t>(data_.size());
    if (v > (1ULL << 40)) return false;
    auto jump = static_cast<std::int64_t>(v) * std::clamp<std::int64_t>(o.multiplier, 1, 65535);
    if (o.align && jump % 4) jump += 4 - jump % 4;
    jump += o.post_offset_operand.var >= 0
                ? std::clamp<std::int64_t>(o.post_offset_operand.get(s_.vars.data()), -(1LL << 40),
                                           1LL << 40)
                : o.post_offset;
    to = o.from_beginning ? jump : o.from_end ? size + jump : end + jump;
    return to >= 0 && to < size;
  }

  bool byte_math(const ByteMathOp& o, std::int64_t pos, std::int64_t& end) {
    read_ = {};
    auto& v = read_.value;
    if (!read(o.read, pos, s_.vars.data(), v, read_.start, read_.end)) return false;
    end = read_.end;
    const auto r = static_cast<std::uint64_t>(o.rvalue.get(s_.vars.data()));
    using Op = ByteMathOp::Operator;
    switch (o.op) {
      case Op::add:
        v += r;
        break;
      case Op::sub:
        v -= r;
        break;
      case Op::mul:
        v *= r;
        break;
      case Op::div:
        if (r == 0) return false;
        v /= r;
        break;
      case Op::lshift:
        v = r < 64 ? v << r : 0;
        break;
      case Op::rshift:
        v = r < 64 ? v >> r : 0;
        break;
    }
    s_.vars[static_cast<std::size_t>(o.var)] = v;
    return true;
  }

  bool base64(const Base64Op& o, std::size_t i, std::int64_t pos) {
    auto start =
        static_cast<std::size_t>(o.relative ? std::max<std::int64_t>(pos, 0) : 0) + o.offset;
    if (start >= data_.size()) return note(i, false);
    auto in = data_.subspan(start);
    if (o.octets && o.octets < in.size()) in = in.first(o.octets);
    std::string decoded;
    decoded.swap(s_.decoded);  // one buffer, also when base64 nests through another stage
    decode_base64_lenient(in, decoded);
    bool ok = !decoded.empty();
    note(i, ok, start, start + in.size());
    if (ok && o.inner_count) {
      Evaluation inner(stage_, Window{}, s_, services_);
      ok = inner.run(stage_.inner.data() + o.inner_from, o.inner_count,
                     Bytes{reinterpret_cast<const std::uint8_t*>(decoded.data()), decoded.size()},
                     0, true);
    }
    decoded.swap(s_.decoded);
    return ok;
  }

  bool dataset(const DatasetOp& o) {
    using C = DatasetOp::Command;
    switch (o.command) {
      case C::set:
        return o.set->add(data_);
      case C::unset:
        return o.set->remove(data_);
      case C::isnotset:
        return !o.set->find(data_).found;
      case C::isset: {
        const auto f = o.set->find(data_);
        if (f.found && f.json && !o.context_key.empty())
          s_.context.emplace_back(o.context_key, *f.json);
        return f.found;
      }
    }
    return false;
  }

  bool entropy(const EntropyOp& o) {
    if (o.offset >= data_.size()) return false;
    auto in = data_.subspan(o.offset);
    if (o.octets) {
      if (o.octets > in.size()) return false;
      in = in.first(o.octets);
    }
    const auto v = shannon(in);
    // The value is worth a look in the flow's metadata whatever the comparison says.
    if (auto* flow = services_.flow_data())
      flow->set_entropy(stage_.kind == Stage::Kind::payload ? "content" : stage_.name, v);
    using C = EntropyOp::Compare;
    switch (o.compare) {
      case C::lt:
        return v < o.value;
      case C::le:
        return v <= o.value;
      case C::gt:
        return v > o.value;
      case C::ge:
        return v >= o.value;
      case C::eq:
        return std::abs(v - o.value) < 1e-9;
      case C::ne:
        return std::abs(v - o.value) >= 1e-9;
      case C::between:
        return v > o.value && v < o.upper;
      case C::outside:
        return v <= o.value || v >= o.upper;
    }
    return false;
  }

  const Stage& stage_;
  EvalScratch& s_;
  MatchServices& services_;
  const std::size_t fresh_;
  const PayloadOp* ops_ = nullptr;
  std::size_t count_ = 0;
  Bytes data_;
  std::int64_t base_ = 0;
  bool to_end_ = true;
  bool impossible_ = false;  ///< no way through the operations can succeed on this data
  std::uint64_t known_ = 0;  ///< expressions that were found able to match
  struct Read {
    std::uint64_t value = 0;
    std::int64_t start = 0, end = 0;
  } read_;  ///< what the last byte_* keyword read, for the trace
};

}  // namespace

bool evaluate(const Stage& stage, const Window& window, EvalScratch& scratch,
              MatchServices& services) {
  scratch.steps = 0;
  Evaluation e(stage, window, scratch, services);
  return e.run(stage.ops.data(), stage.ops.size(), window.data, window.base, window.whole_to_end);
}

bool apply_transforms(const std::vector<Transform>& list, Bytes in, EvalScratch& scratch,
                      Bytes& out) {
  out = in;
  std::size_t side = 0;
  for (const auto& t : list) {
    auto& to = scratch.transformed[side];
    to.clear();
    if (!t.run(t, out, to, 0)) return false;
    out = Bytes{reinterpret_cast<const std::uint8_t*>(to.data()), to.size()};
    side ^= 1;
  }
  return true;
}

void decode_base64_lenient(Bytes in, std::string& out) {
  out.clear();
  Base64Digits digits(out);
  for (const auto c : in)
    if (!digits.take(c) && c != ' ' && c != '\r' && c != '\n' && c != '\t') break;
}

}  // namespace ww::sig
