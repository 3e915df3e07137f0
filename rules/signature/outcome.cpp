/// What becomes of a match: bits and variables, thresholds, suppression, pass, tags, the order and
/// number of alerts.
#include <algorithm>
#include <cstring>

#include "rules/signature/matcher.hpp"

namespace ww::sig {

namespace {

enum : std::uint64_t {
  kind_threshold = 1,
  kind_detection_filter = 2,
  kind_rate = 3,
  kind_tag = 4,
  kind_unique = 5,
  kind_unique_port = 6
};
constexpr std::uint32_t default_tag_packets = 256, max_tag = 1'000'000;

/// What goes either way between two hosts is one pair.
CounterTable::Key pair_key(std::uint64_t kind, std::uint64_t id, const Packet& p) {
  const bool swap = p.dst < p.src;
  return address_key(kind, id, swap ? &p.dst : &p.src, swap ? &p.src : &p.dst);
}

std::uint64_t rule_key(const Rule& r) {
  return (static_cast<std::uint64_t>(r.info.gid) << 32) | r.info.sid;
}

}  // namespace

void WorkerMatcher::store_files(Flow& flow) {
  if (!flow.engine) return;
  auto& data = FlowData::of(flow);
  if (data.store_files == 0 && data.store_tx.empty()) return;
  const auto all = flow.transactions();
  std::erase_if(data.store_tx, [&](const FlowData::StoreTx& s) {
    return std::ranges::none_of(all, [&](const Transaction* tx) { return tx->id == s.id; });
  });
  for (auto* tx : all) {
    auto dirs = data.store_files;
    for (const auto& s : data.store_tx)
      if (s.id == tx->id) dirs |= s.dirs;
    for (auto* f : tx->files)
      if (f != nullptr && (dirs & (f->dir == Dir::to_server ? 1 : 2)) != 0) f->stored = true;
  }
}

void WorkerMatcher::matched(const Rule& r, Transaction* tx, const Frame* frame, bool stream_match) {
  services_.rule = &r;
  auto* const tx_before = services_.tx;
  services_.tx = tx;
  for (const auto& a : r.actions) a.run(a, services_);
  services_.tx = tx_before;
  if (services_.flow) {
    auto& data = FlowData::of(*services_.flow);
    for (const auto& [id, value] : scratch_.captured_flow)
      data.set_var(id, Bytes{reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
  }
  for (const auto& v : scratch_.captured_packet)
    if (packet_vars_.size() < FlowData::max_vars) packet_vars_.push_back(v);
  if (queue_.size() >= 1024) {
    if (trace_ != nullptr && &trace_->rule == &r) [[unlikely]]
      trace_->fate(Trace::Fate::queue_full, nullptr);
    return;
  }
  Alert a;
  a.rule = &r.info;
  a.action = r.info.action;
  a.tx = tx;
  if (tx) a.tx_id = tx->id;
  a.frame = frame;
  if (frame && !tx && frame->tx_id != UINT64_MAX) a.tx_id = frame->tx_id;
  a.stream_match = stream_match;
  a.state_match = r.type == RuleType::transaction;
  a.reach = static_cast<Alert::Reach>(r.scope);
  a.dir = services_.packet->dir;
  if (!scratch_.context.empty()) a.context = scratch_.context;
  a.order = r.index;
  queue_.push_back(std::move(a));
}

bool WorkerMatcher::suppressed(const Rule& r) const {
  const auto& p = *services_.packet;
  for (const auto& s : r.suppressions) {
    using T = SuppressSpec::Track;
    const auto& set = engine_->sets.address_set(s.addresses);
    switch (s.track) {
      case T::all:
        return true;
      case T::by_src:
        if (set.contains(p.src)) return true;
        break;
      case T::by_dst:
        if (set.contains(p.dst)) return true;
        break;
      case T::by_either:
        if (set.contains(p.src) || set.contains(p.dst)) return true;
        break;
    }
  }
  return false;
}

/// `detection_filter: ..., unique_on`: counts different ports of a window. A port is remembered by
/// the window that it was seen in, so that a new window starts from nothing.
bool WorkerMatcher::unique_ports(const Rule& r, const ThresholdSpec& spec) {
  const auto& p = *services_.packet;
  const auto now = services_.now_us;
  const auto window = static_cast<std::int64_t>(spec.seconds) * 1'000'000;
  const auto id = rule_key(r);
  CounterTable::Key key;
  switch (spec.track) {
    case Track::by_src:
      key = address_key(kind_unique, id, &p.src, nullptr);
      break;
    case Track::by_dst:
      key = address_key(kind_unique, id, nullptr, &p.dst);
      break;
    case Track::by_both:
      key = pair_key(kind_unique, id, p);
      break;
    case Track::by_rule:
      key = address_key(kind_unique, id, nullptr, nullptr);
      break;
    case Track::by_flow:
      if (!p.flow) return false;
      key = address_key(kind_unique, id, nullptr, nullptr);
      std::memcpy(key.addresses.data(), &p.flow->id, sizeof p.flow->id);
      break;
  }
  auto& table = services_.shared->thresholds;
  std::int64_t start = now;
  table.with(key, now, [&](CounterTable::Entry& e) {
    if (!e.used || now - e.start_us > window) {
      e.used = true;
      e.start_us = now;
      e.count = 0;
    }
    start = e.start_us;
  });
  auto port_key = key;
  port_key.a = kind_unique_port;
  port_key.b = id ^ (static_cast<std::uint64_t>(
                         spec.unique == ThresholdSpec::Unique::src_port ? p.sport : p.dport)
                     << 44);
  bool fresh = false;
  table.with(port_key, now, [&](CounterTable::Entry& e) {
    fresh = !e.used || e.start_us != start;
    e.used = true;
    e.start_us = start;
  });
  std::uint32_t count = 0;
  table.with(key, now, [&](CounterTable::Entry& e) {
    e.used = true;
    e.start_us = start;
    e.count += fresh ? 1 : 0;
    count = e.count;
  });
  return count > spec.count;
}

WorkerMatcher::Counted WorkerMatcher::threshold(const Rule& r, const ThresholdSpec& spec,
                                                Action& action, std::uint64_t salt) {
  const auto& p = *services_.packet;
  const auto now = services_.now_us;
  const auto window = static_cast<std::int64_t>(spec.seconds) * 1'000'000;
  using T = ThresholdSpec::Type;
  using enum Counted;
  const auto step = [&](CounterTable::Entry& e) -> Counted {
    if (!e.used) {
      e.used = true;
      e.start_us = now;
      e.count = 0;
      e.extra = spec.count;
    }
    const bool expired = now - e.start_us > window;
    switch (spec.type) {
      case T::limit:
        if (expired) {
          e.start_us = now;
          e.count = 0;
        }
        return ++e.count <= spec.count ? alert : silent;
      case T::threshold:
        if (expired) {
          e.start_us = now;
          e.count = 0;
        }
        if (++e.count < spec.count) return not_yet;
        e.count = 0;
        return alert;
      case T::both:
        if (expired) {
          e.start_us = now;
          e.count = 0;
        }
        ++e.count;
        return e.count < spec.count ? not_yet : e.count == spec.count ? alert : silent;
      case T::detection_filter:
        if (expired) {
          e.start_us = now;
          e.count = 0;
        }
        return ++e.count > spec.count ? alert : not_yet;
      case T::backoff: {
        ++e.count;
        if (e.count < e.extra) return silent;
        const auto next = static_cast<std::uint64_t>(e.extra) * spec.multiplier;
        e.extra = static_cast<std::uint32_t>(std::min<std::uint64_t>(next, UINT32_MAX));
        return alert;
      }
      case T::rate: {
        // The new action holds for whole seconds; the count stays, so that a flood that goes on is
        // met again by the packet after the one that found the time over.
        const auto timeout = static_cast<std::int64_t>(spec.timeout);
        const auto second = now / 1'000'000;
        if (e.until_us != 0) {
          if (second > e.until_us / 1'000'000)
            e.until_us = 0;
          else
            action = spec.new_action;
        } else if (expired) {
          e.start_us = now;
          e.count = 1;
        } else if (++e.count > spec.count) {
          e.until_us = (second + timeout) * 1'000'000;
          action = spec.new_action;
        }
        return alert;
      }
    }
    return alert;
  };
  CounterTable::Key key;
  const auto id = rule_key(r);
  if (spec.unique != ThresholdSpec::Unique::none) return unique_ports(r, spec) ? alert : not_yet;
  switch (spec.track) {
    case Track::by_src:
      key = address_key(salt, id, &p.src, nullptr);
      break;
    case Track::by_dst:
      key = address_key(salt, id, nullptr, &p.dst);
      break;
    case Track::by_both:
      key = pair_key(salt, id, p);
      break;
    case Track::by_rule:
      key = address_key(salt, id, nullptr, nullptr);
      break;
    case Track::by_flow: {
      if (!p.flow) return not_yet;
      auto& list = FlowData::of(*p.flow).flow_thresholds;
      const auto mine = id * 8 + salt;
      auto it =
          std::find_if(list.begin(), list.end(), [&](const auto& x) { return x.key == mine; });
      CounterTable::Entry e{};
      if (it != list.end()) {
        e.used = true;
        e.start_us = it->start_us;
        e.until_us = it->until_us;
        e.count = it->count;
        e.extra = it->next;
      }
      const auto pass = step(e);
      if (it == list.end()) {
        if (list.size() >= 256) return pass;
        it = list.insert(list.end(), FlowData::FlowThreshold{});
      }
      *it = {mine, e.start_us, e.until_us, e.count, e.extra};
      return pass;
    }
  }
  auto pass = alert;
  services_.shared->thresholds.with(key, now, [&](CounterTable::Entry& e) { pass = step(e); });
  return pass;
}

void WorkerMatcher::start_tag(const Rule& r, const TagSpec& spec) {
  const auto& p = *services_.packet;
  const auto now = services_.now_us;
  FlowData::Tag tag;
  tag.sid = r.info.sid;
  tag.metric = static_cast<std::uint8_t>(spec.metric);
  const auto count = std::min(spec.count, max_tag);
  switch (spec.metric) {
    case TagSpec::Metric::packets:
      tag.left = count ? count : default_tag_packets;
      break;
    case TagSpec::Metric::seconds:
      // Whole seconds are compared.
      tag.until_us = (now / 1'000'000 + static_cast<std::int64_t>(count) + 1) * 1'000'000 - 1;
      break;
    case TagSpec::Metric::octets:
      tag.octets_left = count;
      break;
  }
  if (spec.session) {
    if (p.flow) {
      auto& data = FlowData::of(*p.flow);
      fresh_tags_.session = fresh_tags_.session || !data.tag;
      // The same rule starts its tag again; another's goes on.
      if (!data.tag || data.tag->sid == tag.sid) data.tag = tag;
    }
    return;
  }
  const auto key = address_key(kind_tag, 0, spec.src ? &p.src : &p.dst, nullptr);
  services_.shared->tags_used = true;
  auto& fresh = spec.src ? fresh_tags_.src : fresh_tags_.dst;
  services_.shared->host_tags.with(key, now, [&](CounterTable::Entry& e) {
    if (e.used && (e.count > 0 || e.until_us > now)) return;  // the tag under way goes on
    fresh = e.used = true;
    e.count = spec.metric == TagSpec::Metric::octets ? static_cast<std::uint32_t>(tag.octets_left)
                                                     : tag.left;
    e.until_us = tag.until_us;
    e.extra = tag.metric;
    e.start_us = now;
  });
}

/// The packet that starts a tag counts for it, but only its alert is reported.
bool WorkerMatcher::tagged(const Packet& p) {
  if (p.stream_pseudo) return false;
  const auto now = p.time.us;
  bool yes = false;
  const auto use = [&](std::uint8_t metric, std::uint32_t& left, std::int64_t until,
                       std::uint64_t* octets) {
    switch (static_cast<TagSpec::Metric>(metric)) {
      case TagSpec::Metric::packets:
        if (left == 0) return false;
        --left;
        return true;
      case TagSpec::Metric::seconds:
        return now <= until;
      case TagSpec::Metric::octets: {
        std::uint64_t have = octets ? *octets : left;
        if (have == 0) return false;
        const bool within = p.frame.size() <= have;
        have = within ? have - p.frame.size() : 0;
        if (octets)
          *octets = have;
        else
          left = static_cast<std::uint32_t>(have);
        return within;
      }
    }
    return false;
  };
  if (p.flow && p.flow->engine) {
    auto& data = static_cast<FlowData&>(*p.flow->engine);
    if (data.tag) {
      if (!use(data.tag->metric, data.tag->left, data.tag->until_us, &data.tag->octets_left))
        data.tag.reset();
      else
        yes = !fresh_tags_.session;
    }
  }
  auto& shared = *engine_->shared;
  if (!shared.tags_used.load(std::memory_order_relaxed) || p.ip_version == 0) return yes;
  for (const auto* a : {&p.src, &p.dst})
    shared.host_tags.with(address_key(kind_tag, 0, a, nullptr), now, [&](CounterTable::Entry& e) {
      if (!e.used) return;
      if (!use(static_cast<std::uint8_t>(e.extra), e.count, e.until_us, nullptr))
        e.used = false;
      else if (!(a == &p.src ? fresh_tags_.src : fresh_tags_.dst))
        yes = true;
    });
  return yes;
}

void WorkerMatcher::finalize(Packet& p) {
  std::stable_sort(queue_.begin(), queue_.end(), [](const Alert& a, const Alert& b) {
    if (a.order != b.order) return a.order < b.order;
    return a.tx_id < b.tx_id;
  });
  using Fate = Trace::Fate;
  // Those behind the last one that was looked at share its end.
  const auto tell_rest = [&](const Alert& last, Fate fate, const Rule* by) {
    for (const auto* rest = &last; rest != queue_.data() + queue_.size(); ++rest)
      tell_fate(*rest, fate, by);
  };
  for (auto& a : queue_) {
    const auto& r = *engine_->rules[a.order];
    services_.rule = &r;
    // What changes state does so whether or not the match is told of; a tag needs a match that is
    // counted.
    if (r.bypass && p.flow && !p.stream_pseudo) p.flow->state = FlowState::bypassed;
    const auto tag = [&] {
      for (const auto& t : r.tags) start_tag(r, t);
    };
    if (suppressed(r)) {
      tag();
      tell_fate(a, Fate::suppressed);
      continue;
    }
    if (r.detection_filter &&
        threshold(r, *r.detection_filter, a.action, kind_detection_filter) != Counted::alert) {
      tell_fate(a, Fate::detection_filter);
      continue;
    }
    for (const auto& c : r.config_thresholds) (void)threshold(r, c, a.action, kind_rate);
    if (a.action == Action::pass) {
      tag();
      // Nothing after a pass is reported for this packet; what is bound to the flow passes all of
      // it.
      bool flow_wide =
          r.type != RuleType::decode_event && r.type != RuleType::packet &&
          ((r.type != RuleType::packet_stream && r.type != RuleType::stream) || a.stream_match);
      if (r.scope != Rule::Scope::automatic) flow_wide = r.scope == Rule::Scope::flow;
      if (flow_wide && p.flow) p.flow->passed = true;
      p.no_inspect = true;
      tell_fate(a, Fate::is_pass);
      if (trace_ != nullptr && trace_->rule.index != a.order) [[unlikely]]
        tell_rest(a, Fate::passed, &r);
      break;
    }
    const auto counted =
        r.threshold ? threshold(r, *r.threshold, a.action, kind_threshold) : Counted::alert;
    if (counted != Counted::not_yet) tag();
    if (counted != Counted::alert) {
      tell_fate(a, Fate::threshold);
      continue;
    }
    if (r.info.noalert) {
      tell_fate(a, Fate::noalert);
      continue;
    }
    if (alerts_.size() >= engine_->max_alerts) {
      if (trace_ != nullptr) [[unlikely]]
        tell_rest(a, Fate::over_limit, nullptr);
      break;
    }
    tell_fate(a, Fate::alert);
    alerts_.push_back(std::move(a));
  }
  if (p.flow && !alerts_.empty()) p.flow->alerted = true;
}

void WorkerMatcher::write_metadata(const Packet* packet, Flow* flow, JsonWriter& json) {
  const auto* data =
      flow && flow->engine ? static_cast<const FlowData*>(flow->engine.get()) : nullptr;
  constexpr std::string_view id_prefix = "traffic/id/", label_prefix = "traffic/label/";
  std::vector<std::string> ids, labels, bits;
  if (data)
    for (const auto b : data->bits) {
      auto name = variable_name(b);
      if (name.starts_with(id_prefix))
        ids.push_back(name.substr(id_prefix.size()));
      else if (name.starts_with(label_prefix))
        labels.push_back(name.substr(label_prefix.size()));
      bits.push_back(std::move(name));
    }
  if (!ids.empty() || !labels.empty()) {
    json.begin_object("traffic");
    for (const auto& [key, list] :
         {std::pair<const char*, const std::vector<std::string>*>{"id", &ids},
          {"label", &labels}}) {
      if (list->empty()) continue;
      json.begin_array(key);
      for (const auto& v : *list) json.value(v);
      json.end_array();
    }
    json.end_object();
  }
  const bool packet_vars = packet && packet == vars_of_ && !packet_vars_.empty();
  if (!packet_vars && (!data || (data->bits.empty() && data->ints.empty() && data->vars.empty() &&
                                 data->entropies.empty())))
    return;
  json.begin_object("metadata");
  if (data && !data->vars.empty()) {
    json.begin_array("flowvars");
    for (const auto& [id, value] : data->vars) {
      json.begin_object();
      json.key_text(variable_name(id));
      json.value_bytes(Bytes{reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
      json.end_object();
    }
    json.end_array();
  }
  if (!bits.empty()) {
    json.begin_array("flowbits");
    for (const auto& b : bits) json.value(b);
    json.end_array();
  }
  if (data && !data->ints.empty()) {
    json.begin_object("flowints");
    for (const auto& [id, value] : data->ints) {
      json.key_text(variable_name(id));
      json.value(value);
    }
    json.end_object();
  }
  if (data && !data->entropies.empty()) {
    json.begin_object("entropy");
    for (const auto& [buffer, value] : data->entropies) json.field(buffer, value);
    json.end_object();
  }
  if (packet_vars) {
    json.begin_array("pktvars");
    for (const auto& v : packet_vars_) {
      json.begin_object();
      json.key_text(v.name.empty() ? variable_name(v.id) : v.name);
      json.value_bytes(as_bytes(v.value));
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

}  // namespace ww::sig
