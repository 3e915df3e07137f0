/// Transactions: scan each buffer once it is there, check the rules it names, keep those that wait
/// for more.
#include <algorithm>

#include "rules/signature/matcher.hpp"
#include "rules/signature/no_value.hpp"

namespace ww::sig {

namespace {
constexpr std::uint32_t max_items =
    4096;  ///< instances of a repeating buffer or number that are looked at
}

void WorkerMatcher::run_transactions(std::span<const StreamChunk> chunks) {
  auto& p = *services_.packet;
  const auto d = index(p.dir);
  for (auto* tx : p.flow->transactions()) {
    if (tx->inspected_end[d]) continue;
    const auto proto =
        static_cast<std::size_t>(tx->proto != AppProto{} ? tx->proto : p.flow->app_proto);
    const auto& plan = engine_->plans[proto][d];
    const auto& other = engine_->plans[proto][d ^ 1];
    const bool here =
        !tx->only[d ^ 1];  // a transaction of the other direction alone has nothing here
    if (here && ((plan && !plan->empty()) || (other && tx->engine))) {
      static TxPlan nothing;
      inspect_transaction(*tx, plan ? *plan : nothing, chunks);
    }
    if (tx->complete[d] || !here) tx->inspected_end[d] = true;
  }
}

void WorkerMatcher::inspect_transaction(Transaction& tx, TxPlan& plan,
                                        std::span<const StreamChunk> chunks) {
  const auto d = index(services_.packet->dir);
  if (!tx.engine) tx.engine = std::make_unique<TxState>();
  auto& state = static_cast<TxState&>(*tx.engine);
  if (state.generation !=
      generation_) {  // new, or the rules changed under it: rule numbers mean something else now
    if (state.generation != 0) state = TxState();
    state.generation = generation_;
  }
  auto& side = state.sides[d];
  if (side.started && side.revision == tx.revision && side.was_complete == tx.complete[d] &&
      !side.waits_for_packets)
    return;
  const bool first = !side.started;
  side.started = true;
  side.revision = tx.revision;
  side.was_complete = tx.complete[d];
  side.waits_for_packets = false;
  services_.tx = &tx;

  tx_hits_.clear();
  ++round_;
  if (first)
    for (const auto i : plan.always) tx_hits_.push_back(i);
  candidates_.clear();
  for (std::size_t s = 0; s < plan.slots.size() && s < TxState::max_slots; ++s)
    if (!side.is_done(s)) scan_slot(tx, side, plan, s);
  for (const auto rule : candidates_)
    if (const auto it = plan.of_rule.find(rule); it != plan.of_rule.end())
      tx_hits_.push_back(it->second);

  // Candidates old and new, each once, in rule order.
  const auto rule_of = [&](std::uint32_t i) { return engine_->tx_rules[i].rule->index; };
  for (const auto i : tx_hits_) {
    const bool both = engine_->tx_rules[i].both_dirs;
    auto& list = both ? state.both : side.pending;
    const auto& finished = both ? state.both_finished : side.finished;
    if (std::find(finished.begin(), finished.end(), i) != finished.end()) continue;
    if (std::any_of(list.begin(), list.end(), [&](const auto& x) { return x.tx_rule == i; }))
      continue;
    if (list.size() < TxState::max_pending) list.push_back({i, 0});
  }
  const auto work = [&](std::vector<TxState::Pending>& list, std::vector<std::uint32_t>& finished) {
    std::sort(list.begin(), list.end(), [&](const auto& a, const auto& b) {
      return rule_of(a.tx_rule) < rule_of(b.tx_rule);
    });
    std::size_t kept = 0;
    for (std::size_t k = 0; k < list.size(); ++k) {
      auto pending = list[k];
      const auto& t = engine_->tx_rules[pending.tx_rule];
      bool stream_match = false;
      const auto verdict = [&] {
        RuleTimer timer(profile_, t.rule->index);
        Watch watch(*this, *t.rule, &tx, nullptr);
        const auto v = check(t, pending.latched, tx, chunks, stream_match);
        timer.verdict(v == Verdict::yes);
        watch.verdict(v);
        return v;
      }();
      if (verdict == Verdict::wait) {
        side.waits_for_packets |= t.has_payload;
        list[kept++] = pending;
        continue;
      }
      if (verdict == Verdict::yes) {
        matched(*t.rule, &tx, nullptr, stream_match);
        if (fires_again(t, tx)) {
          list[kept++] = {pending.tx_rule, 0};
          continue;
        }
      }
      finished.push_back(pending.tx_rule);
    }
    list.resize(kept);
  };
  if (!side.pending.empty()) work(side.pending, side.finished);
  if (!state.both.empty()) work(state.both, state.both_finished);
  services_.tx = nullptr;
}

/// A rule at the hook of a body matches with each piece of it, until the transaction is past it.
bool WorkerMatcher::fires_again(const TxRule& t, const Transaction& tx) const {
  for (std::uint32_t i = 0; i < t.count; ++i) {
    const auto& b = engine_->bound[t.first + i];
    if (b.stage->kind == Stage::Kind::hook && b.stage->each_update)
      return !tx.complete[index(b.dir)] && tx.progress[index(b.dir)] == b.stage->progress;
  }
  return false;
}

void WorkerMatcher::scan_slot(Transaction& tx, TxState::Side& side, TxPlan& plan,
                              std::size_t slot) {
  const auto& s = plan.slots[slot];
  const auto& scanner = engine_->scanners[s.scanner];
  const auto dir = services_.packet->dir;
  const bool complete = tx.complete[index(dir)];
  const auto scan = [&](Bytes data) {
    if (!s.stage->transforms.empty() &&
        !apply_transforms(s.stage->transforms, data, scratch_, data))
      return;
    this->scan(
        s.scanner, data,
        [](void* self, std::uint32_t rule) { static_cast<WorkerMatcher*>(self)->collect(rule); },
        this);
  };
  // Only what is new of something that grows, with enough before it for a pattern across the seam.
  const auto scan_growing = [&](Bytes data, std::uint64_t base, std::uint16_t key, bool last) {
    auto it = std::find_if(side.scanned.begin(), side.scanned.end(),
                           [&](const auto& x) { return x.slot == key; });
    if (it == side.scanned.end()) it = side.scanned.insert(side.scanned.end(), {key, 0});
    const auto end = base + data.size();
    if (end <= it->to && !last) return;
    if (!s.stage->transforms.empty()) {
      scan(data);  // a transform sees the whole window
    } else if (end > it->to) {
      const auto overlap = scanner.longest() ? scanner.longest() - 1 : 0;
      const auto from = it->to > base + overlap ? it->to - overlap - base : 0;
      scan(data.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(from, data.size()))));
    }
    it->to = end;
  };
  if (s.from_files) {
    bool open = tx.files.empty();
    std::size_t n = 0;
    for (const auto* f : tx.files) {
      ++n;
      if (f->dir != dir || n > 1000) continue;
      const bool closed = f->state != FileState::open;
      open |= !closed;
      scan_growing(f->data, f->data_offset, static_cast<std::uint16_t>(slot * 64 + n % 64), closed);
    }
    if (!open && complete) side.set_done(slot);
    return;
  }
  for (std::uint32_t i = 0; i < max_items; ++i) {
    BufferSlice slice;
    const auto status = s.buffer(tx, dir, i, slice);
    if (status == BufferStatus::not_ready) {
      if (complete) side.set_done(slot);
      return;
    }
    if (status == BufferStatus::absent) {
      side.set_done(slot);
      return;
    }
    if (status == BufferStatus::partial) {
      scan_growing(slice.data, slice.offset, static_cast<std::uint16_t>(slot), false);
      if (complete) side.set_done(slot);
      return;
    }
    if (slice.offset > 0)
      scan_growing(slice.data, slice.offset, static_cast<std::uint16_t>(slot), true);
    else
      scan(slice.data);
    if (!s.stage->multi) {
      side.set_done(slot);
      return;
    }
  }
  side.set_done(slot);
}

WorkerMatcher::Verdict WorkerMatcher::check(const TxRule& t, std::uint64_t& latched,
                                            Transaction& tx, std::span<const StreamChunk> chunks,
                                            bool& stream_match) {
  const Rule& r = *t.rule;
  if (!header(r)) {
    // The packet's direction is wrong for a rule that spans both: it may fit later.
    return t.both_dirs ? Verdict::wait : Verdict::no;
  }
  scratch_.captured_flow.clear();
  scratch_.captured_packet.clear();
  scratch_.context.clear();
  services_.files.clear();
  if (!tests(r)) return Verdict::no;
  if (!packet_buffers(r)) return Verdict::no;
  bool waiting = false;
  for (std::uint32_t i = 0; i < t.count; ++i) {
    const bool latch = i < 64 && !r.vars_cross_stages;
    if (latch && (latched >> i & 1)) continue;
    const auto& b = engine_->bound[t.first + i];
    Verdict v = Verdict::no;
    if (b.stage->kind == Stage::Kind::packet_buffer) continue;
    if (b.stage->kind == Stage::Kind::payload) {
      v = payload_matches(r, *b.stage, chunks, stream_match) ? Verdict::yes : Verdict::wait;
      if (v == Verdict::wait && tx.complete[index(services_.packet->dir)]) v = Verdict::no;
    } else {
      v = check_stage(b, tx);
    }
    if (scratch_.trace) [[unlikely]]
      scratch_.trace->stage(*b.stage, v);
    if (v == Verdict::no) return v;
    if (v == Verdict::wait)
      waiting = true;
    else if (latch)
      latched |= 1ULL << i;
  }
  return waiting ? Verdict::wait : Verdict::yes;
}

WorkerMatcher::Verdict WorkerMatcher::check_stage(const BoundStage& b, Transaction& tx) {
  const auto& s = *b.stage;
  const bool complete = tx.complete[index(b.dir)];
  switch (s.kind) {
    case Stage::Kind::buffer:
      return check_buffer(b, tx);
    case Stage::Kind::number:
      return check_number(b, tx);
    case Stage::Kind::file:
      return check_files(b, tx);
    case Stage::Kind::event:
      for (const auto e : tx.event_ids)
        if (e == s.event) return Verdict::yes;
      return complete ? Verdict::no : Verdict::wait;
    case Stage::Kind::hook:
      if (s.at_end) return complete ? Verdict::yes : Verdict::wait;
      return complete || tx.progress[index(b.dir)] >= s.progress ? Verdict::yes : Verdict::wait;
    default:
      return Verdict::yes;
  }
}

WorkerMatcher::Verdict WorkerMatcher::check_buffer(const BoundStage& b, Transaction& tx) {
  const auto& s = *b.stage;
  const bool complete = tx.complete[index(b.dir)];
  const auto saved = scratch_.context.size();
  const auto absent_verdict = [&](bool never) {
    if (s.absent == Stage::Absent::no) return never ? Verdict::no : Verdict::wait;
    return never ? Verdict::yes : Verdict::wait;
  };
  if (b.from_files) {
    bool open = false, any = false;
    for (const auto* f : tx.files) {
      if (f->dir != b.dir) continue;
      any = true;
      if (s.absent == Stage::Absent::must) return Verdict::no;
      const bool closed = f->state != FileState::open;
      open |= !closed;
      if (f->data.empty() && !closed) continue;
      if (run_stage(s, {f->data, f->data_offset, 0, closed})) return Verdict::yes;
      scratch_.context.resize(saved);
    }
    if (!any) return absent_verdict(complete);
    return complete && !open ? Verdict::no : Verdict::wait;
  }
  for (std::uint32_t i = 0; i < max_items; ++i) {
    BufferSlice slice;
    const auto status = b.buffer(tx, b.dir, i, slice);
    if (scratch_.trace) [[unlikely]]
      scratch_.trace->item(s, i, status);
    if (status == BufferStatus::not_ready)
      return i == 0 ? absent_verdict(complete) : complete ? Verdict::no : Verdict::wait;
    if (status == BufferStatus::absent) return i == 0 ? absent_verdict(true) : Verdict::no;
    if (s.absent == Stage::Absent::must) return Verdict::no;
    const bool whole = status == BufferStatus::ready;
    if (!(slice.data.empty() && !whole) &&
        run_stage(s, {slice.data, slice.offset, 0, whole || complete}))
      return Verdict::yes;
    scratch_.context.resize(saved);
    if (!whole) return complete ? Verdict::no : Verdict::wait;
    if (!s.multi) return Verdict::no;
  }
  return Verdict::no;
}

WorkerMatcher::Verdict WorkerMatcher::check_number(const BoundStage& b, Transaction& tx) {
  const auto& s = *b.stage;
  const bool complete = tx.complete[index(b.dir)];
  using W = Stage::Which;
  std::uint64_t seen = 0, hits = 0;
  std::uint64_t at_index = 0;
  bool has_index = false, open = false;
  // The places of values count only in these.
  const bool keep = s.slice || (s.which == W::index && s.which_index < 0);
  std::vector<std::optional<bool>> values;
  for (std::uint32_t i = 0; i < max_items; ++i) {
    std::uint64_t v = 0;
    const auto status = b.number(tx, b.dir, i, v);
    if (scratch_.trace) [[unlikely]]
      scratch_.trace->item(s, i, status);
    if (status == BufferStatus::absent) break;
    if (status == BufferStatus::not_ready) {
      open = !complete;
      break;
    }
    if (v == no_value) {
      if (keep) values.push_back(std::nullopt);
      if (s.which == W::index && !s.slice && s.which_index >= 0 &&
          i == static_cast<std::uint32_t>(s.which_index))
        return Verdict::no;
      continue;
    }
    if (s.number_key_mask && (v & s.number_key_mask) != s.number_key) continue;
    v = (v >> s.number_shift) & s.number_value_mask;
    bool hit = s.number_test.test(v);
    if (!s.one_of.empty() || !s.none_of.empty()) {
      const auto in = [&](const std::vector<std::uint64_t>& list) {
        return std::find(list.begin(), list.end(), v) != list.end();
      };
      hit = !in(s.none_of) && (s.one_of.empty() || in(s.one_of));
    }
    if (s.against_now != Stage::Now::no)
      hit = (static_cast<std::int64_t>(v) < services_.now_us / 1'000'000) ==
            (s.against_now == Stage::Now::before);
    if (scratch_.trace) [[unlikely]]
      scratch_.trace->number(s, i, v, hit);
    if (s.which == W::any && !s.slice && hit)
      return s.absent == Stage::Absent::must ? Verdict::no : Verdict::yes;
    ++seen;
    hits += hit;
    if (s.which == W::index && !s.slice && s.which_index >= 0 &&
        i == static_cast<std::uint32_t>(s.which_index)) {
      at_index = hit;
      has_index = true;
      break;
    }
    if (keep) values.push_back(hit);
    if (status == BufferStatus::partial) {  // a value that may still change
      open = !complete;
      break;
    }
  }
  if (open) return Verdict::wait;
  if (keep) {
    auto from = values.begin(), to = values.end();
    if (s.slice) {
      // An end outside the list leaves nothing.
      const auto place = [&](std::int32_t v) {
        return v < 0 ? v + static_cast<std::int64_t>(values.size()) : std::int64_t{v};
      };
      const auto lo = place(s.slice->first), hi = place(s.slice->second);
      const auto size = static_cast<std::int64_t>(values.size());
      if (lo < 0 || hi > size || lo >= hi)
        to = from;
      else
        to = from + hi, from += lo;
      const auto number_of = [&](auto&& wanted) {
        return static_cast<std::uint64_t>(std::count_if(from, to, wanted));
      };
      seen = number_of([](const auto& v) { return v.has_value(); });
      hits = number_of([](const auto& v) { return v == true; });
    }
    if (s.which == W::index) {
      const auto size = to - from;
      const auto at = s.which_index < 0 ? s.which_index + size : std::ptrdiff_t{s.which_index};
      has_index = at >= 0 && at < size;
      at_index = has_index && from[at] == true;
    }
  }
  switch (s.which) {
    case W::any:
      if (s.slice && hits > 0) return Verdict::yes;
      return seen == 0 && s.or_absent ? Verdict::yes : Verdict::no;
    case W::all:
      return seen > 0 && hits == seen ? Verdict::yes : Verdict::no;
    case W::all_or_none:
      return hits == seen ? Verdict::yes : Verdict::no;
    case W::count:
      return s.count_test.test(hits) ? Verdict::yes : Verdict::no;
    case W::index:
      if (!has_index) return s.or_absent ? Verdict::yes : Verdict::no;
      return at_index ? Verdict::yes : Verdict::no;
  }
  return Verdict::no;
}

WorkerMatcher::Verdict WorkerMatcher::check_files(const BoundStage& b, Transaction& tx) {
  const auto& s = *b.stage;
  const bool complete = tx.complete[index(b.dir)];
  bool wait = !complete, found = false;
  for (const auto* f : tx.files) {
    if (f->dir != b.dir) continue;
    auto all = FileTest::Result::yes;
    for (const auto& t : s.file_tests) {
      const auto r = t.test(t, *f, complete);
      if (scratch_.trace) [[unlikely]]
        scratch_.trace->file(s, *f, static_cast<std::size_t>(&t - s.file_tests.data()), r);
      if (r == FileTest::Result::no) {
        all = r;
        break;
      }
      if (r == FileTest::Result::not_yet) all = r;
    }
    if (all == FileTest::Result::yes) {
      found = true;
      services_.files.push_back(f);  // the others may be wanted too
    }
    if (all == FileTest::Result::not_yet && f->state == FileState::open) wait = true;
  }
  if (found) return Verdict::yes;
  return wait ? Verdict::wait : Verdict::no;
}

}  // namespace ww::sig
