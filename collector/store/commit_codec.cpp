#include "collector/store/commit_codec.hpp"

namespace ww::collector {
namespace {
constexpr std::uint8_t version = 1;
}

std::string encode(const CommitPlan& plan) {
  Encoder out;
  std::size_t octets = 4096;
  for (const auto& f : plan.files) {
    for (const auto& b : f.blocks) octets += b.body.size() + b.filter.size() + 8192;
    for (const auto& t : f.tail) octets += t.json.size() + 64;
  }
  for (const auto& r : plan.records) octets += r.payload.size() + 32;
  out.out().reserve(octets);
  out.u8(version);
  out.var(plan.files.size());
  for (const auto& f : plan.files) f.encode(out);
  out.var(plan.batches.size());
  for (std::size_t i = 0; i < plan.batches.size(); ++i) {
    const auto& b = plan.batches[i];
    out.text(b.site);
    out.text(b.sensor);
    out.text(b.source);
    out.i64(b.received.us);
    out.var(plan.batch_events[i]);
    out.u8(b.cursor ? 1 : 0);
    if (b.cursor) {
      out.u64(b.cursor->epoch);
      out.u64(b.cursor->seq);
    }
    out.var(b.dead.size());
    for (const auto& d : b.dead) {
      out.text(d.line);
      out.text(d.reason);
      out.u64(d.seq);
    }
    out.var(b.gaps.size());
    for (const auto& g : b.gaps) {
      out.u64(g.epoch);
      out.u64(g.from);
      out.u64(g.to);
      out.text(g.reason);
      out.i64(g.noticed.us);
    }
  }
  out.var(plan.records.size());
  for (const auto& r : plan.records) {
    out.text(r.module);
    out.text(r.payload);
  }
  return out.take();
}

std::optional<CommitPlan> decode_commit(std::string_view payload) {
  Decoder in(payload);
  CommitPlan plan;
  if (in.u8() != version) return {};
  for (auto n = in.count(); n > 0 && in.ok(); --n) plan.files.push_back(FilePlan::decode(in));
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    auto& b = plan.batches.emplace_back();
    b.site = in.copy();
    b.sensor = in.copy();
    b.source = in.copy();
    b.received.us = in.i64();
    plan.batch_events.push_back(in.var());
    if (in.u8() != 0) {
      SensorCursor c;
      c.epoch = in.u64();
      c.seq = in.u64();
      b.cursor = c;
    }
    for (auto d = in.count(); d > 0 && in.ok(); --d) {
      auto& letter = b.dead.emplace_back();
      letter.line = in.copy();
      letter.reason = in.copy();
      letter.seq = in.u64();
    }
    for (auto g = in.count(); g > 0 && in.ok(); --g) {
      auto& gap = b.gaps.emplace_back();
      gap.epoch = in.u64();
      gap.from = in.u64();
      gap.to = in.u64();
      gap.reason = in.copy();
      gap.noticed.us = in.i64();
    }
  }
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    auto& r = plan.records.emplace_back();
    r.module = in.copy();
    r.payload = in.copy();
  }
  if (!in.ok()) return {};
  return plan;
}

}  // namespace ww::collector
