#include "rules/signature/ruleset.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>

#include "rules/signature/protocols.hpp"
#include "rules/signature/rule_text.hpp"
#include "rules/signature/state.hpp"
#include "telemetry/edit_distance.hpp"

namespace ww::sig {

namespace fs = std::filesystem;

// --------------------------------------------------------------------------- sets

SetTable::SetTable() {
  AddressSet any;
  any.any = true;
  addresses_.push_back(any);
  PortSet ports;
  ports.add(0, 65535);
  ports_.push_back(ports);
}

Result<std::uint32_t, std::string> SetTable::addresses(std::string_view text,
                                                       const Variables& vars) {
  if (const auto it = address_index_.find(text); it != address_index_.end()) return it->second;
  auto set = parse_addresses(text, vars);
  if (!set) return bad(set.error());
  std::uint32_t index = 0;
  if (!set->any) {
    index = static_cast<std::uint32_t>(addresses_.size());
    addresses_.push_back(std::move(*set));
  }
  address_index_.emplace(std::string(text), index);
  return index;
}

Result<std::uint32_t, std::string> SetTable::ports(std::string_view text, const Variables& vars) {
  if (const auto it = port_index_.find(text); it != port_index_.end()) return it->second;
  auto set = parse_ports(text, vars);
  if (!set) return bad(set.error());
  std::uint32_t index = 0;
  if (!set->full()) {
    index = static_cast<std::uint32_t>(ports_.size());
    ports_.push_back(std::move(*set));
  }
  port_index_.emplace(std::string(text), index);
  return index;
}

Variables default_address_variables() {
  return {{"HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"},
          {"EXTERNAL_NET", "!$HOME_NET"},
          {"HTTP_SERVERS", "$HOME_NET"},
          {"SMTP_SERVERS", "$HOME_NET"},
          {"SQL_SERVERS", "$HOME_NET"},
          {"DNS_SERVERS", "$HOME_NET"},
          {"TELNET_SERVERS", "$HOME_NET"},
          {"AIM_SERVERS", "$EXTERNAL_NET"},
          {"DC_SERVERS", "$HOME_NET"},
          {"DNP3_SERVER", "$HOME_NET"},
          {"DNP3_CLIENT", "$HOME_NET"},
          {"MODBUS_CLIENT", "$HOME_NET"},
          {"MODBUS_SERVER", "$HOME_NET"},
          {"ENIP_CLIENT", "$HOME_NET"},
          {"ENIP_SERVER", "$HOME_NET"}};
}
Variables default_port_variables() {
  return {{"HTTP_PORTS", "80"},
          {"SHELLCODE_PORTS", "!80"},
          {"ORACLE_PORTS", "1521"},
          {"SSH_PORTS", "22"},
          {"DNP3_PORTS", "20000"},
          {"MODBUS_PORTS", "502"},
          {"FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"},
          {"FTP_PORTS", "21"},
          {"GENEVE_PORTS", "6081"},
          {"VXLAN_PORTS", "4789"},
          {"TEREDO_PORTS", "3544"},
          {"SIP_PORTS", "[5060, 5061]"}};
}

// --------------------------------------------------------------------------- files

RuleSet::RuleSet(const EngineOptions& options, std::shared_ptr<SharedState> shared)
    : options_(options), shared_(std::move(shared)) {
  for (auto& [k, v] : default_address_variables()) options_.address_vars.try_emplace(k, v);
  for (auto& [k, v] : default_port_variables()) options_.port_vars.try_emplace(k, v);
  classes_ = default_classifications();
  references_ = default_references();
  LoadReport ignored;
  load_classifications(ignored);
  load_references(ignored);
}
RuleSet::~RuleSet() = default;

void RuleSet::load_classifications(LoadReport& report) {
  if (options_.classification_file.empty()) return;
  std::ifstream in(options_.classification_file);
  if (!in) {
    report.problems.push_back({RuleProblem::Severity::warning, options_.classification_file, 0, 0,
                               0, "cannot read the classification file; the built-in one is used"});
    return;
  }
  std::string line;
  while (std::getline(in, line)) {
    auto s = trim(line);
    if (!s.starts_with("config") || s.find("classification:") == std::string_view::npos) continue;
    const auto parts = split_list(s.substr(s.find(':') + 1));
    if (parts.size() != 3) continue;
    const auto priority = parse_unsigned(parts[2]);
    if (priority && *priority <= 255)
      classes_[lower(parts[0])] = {std::string(parts[1]), static_cast<std::uint32_t>(*priority)};
  }
}

void RuleSet::load_references(LoadReport& report) {
  if (options_.reference_file.empty()) return;
  std::ifstream in(options_.reference_file);
  if (!in) {
    report.problems.push_back({RuleProblem::Severity::warning, options_.reference_file, 0, 0, 0,
                               "cannot read the reference file; the built-in one is used"});
    return;
  }
  std::string line;
  while (std::getline(in, line)) {
    const auto s = trim(line);
    if (!s.starts_with("config") || s.find("reference:") == std::string_view::npos) continue;
    const auto words = split_words(s.substr(s.find(':') + 1));
    if (words.size() == 2) references_[lower(words[0])] = words[1];
  }
}

void RuleSet::load(const std::string& path, LoadReport& report) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) {
    for (const auto& f : list_rule_files(path)) load(f, report);
    return;
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    report.problems.push_back(
        {RuleProblem::Severity::error, path, 0, 0, 0, "cannot read the rule file"});
    return;
  }
  const auto keep = options_.base_folder;
  if (keep.empty()) options_.base_folder = fs::path(path).parent_path().string();
  // In pieces: rule files are a third of what all their rules take in memory.
  Lines lines(*this, path, report);
  std::string piece(read_octets, '\0');
  while (in) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    lines.feed(std::string_view(piece).substr(0, static_cast<std::size_t>(in.gcount())));
  }
  lines.finish();
  options_.base_folder = keep;
}

void RuleSet::load_text(std::string_view text, const std::string& file, LoadReport& report) {
  Lines lines(*this, file, report);
  lines.feed(text);
  lines.finish();
}

void RuleSet::Lines::feed(std::string_view text) {
  while (!text.empty()) {
    const auto eol = text.find('\n');
    if (eol == std::string_view::npos) {
      keep(text);
      return;
    }
    if (pending_.empty()) {
      line(text.substr(0, eol));
    } else {
      keep(text.substr(0, eol));
      line(pending_);
      pending_.clear();
    }
    text.remove_prefix(eol + 1);
  }
}

/// The start of a line whose end is not here yet. What is over the limit is not kept; that it was
/// longer is.
void RuleSet::Lines::keep(std::string_view text) {
  constexpr auto most = max_rule_octets + 1;
  pending_ += text.substr(0, most - std::min(pending_.size(), most));
}

void RuleSet::Lines::finish() {
  if (!pending_.empty()) line(std::exchange(pending_, {}));
  if (joining_) rule(joined_, first_);
  joining_ = false;
}

void RuleSet::Lines::line(std::string_view line) {
  if (++number_ == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto bare = trim(line);
  if (!joining_ && (bare.empty() || bare.front() == '#')) return;
  if (bare.ends_with('\\')) {
    if (!joining_) {
      first_ = number_;
      joined_.clear();
    }
    joining_ = true;
    if (joined_.size() <= max_rule_octets) joined_ += line.substr(0, line.rfind('\\'));
  } else if (joining_) {
    if (joined_.size() <= max_rule_octets) joined_ += line;
    joining_ = false;
    rule(joined_, first_);
  } else {
    rule(line, number_);
  }
}

void RuleSet::Lines::rule(std::string_view text, std::uint32_t line) {
  text = trim(text);
  if (text.empty() || text.front() == '#') return;
  if (text.size() > max_rule_octets || set_.rules.size() >= max_rules) {
    report_.problems.push_back(
        {RuleProblem::Severity::error, file_, line, 1, 0,
         set_.rules.size() >= max_rules ? "more than a million rules" : "a rule over 64 KiB"});
    ++report_.refused;
    return;
  }
  if (!set_.parse_rule(text, file_, line, report_)) ++report_.refused;
}

// --------------------------------------------------------------------------- one rule

namespace {

std::string unknown_keyword(std::string_view name) {
  std::string text = "unknown keyword '" + std::string(name.substr(0, 64)) + "'";
  if (name.size() > 64) return text;
  std::size_t best = 3;
  std::string_view nearest;
  for (const auto& [known, k] : keywords())
    if (const auto d = edit_distance(name, known); d < best) {
      best = d;
      nearest = known;
    }
  if (!nearest.empty()) text += "; did you mean '" + std::string(nearest) + "'?";
  return text;
}

Result<Action, std::string> parse_action(std::string_view s) {
  if (s == "alert" || s == "config") return Action::alert;
  if (s == "pass") return Action::pass;
  if (s == "drop") return Action::drop;
  if (s == "reject" || s == "rejectsrc" || s == "rejectdst" || s == "rejectboth")
    return Action::reject;
  return bad("unknown action '" + std::string(s.substr(0, 40)) +
             "'; alert, config, pass, drop and reject are known");
}

/// `drop:flow`: what the action is for, where the rule says so itself.
Result<Action, std::string> parse_scoped_action(std::string_view s, Rule::Scope& scope) {
  const auto first = s.substr(0, s.find_first_of(":,"));
  if (first == "accept" || s.find(',') != std::string_view::npos)
    return bad("action '" + std::string(s.substr(0, 40)) +
               "' is for a firewall; Wardwatch only watches");
  const auto colon = s.find(':');
  auto action = parse_action(s.substr(0, colon));
  if (!action || colon == std::string_view::npos) return action;
  const auto word = s.substr(colon + 1);
  if (word == "hook" || word == "tx")
    return bad("scope '" + std::string(word) +
               "' of an action is for a firewall; Wardwatch only "
               "watches");
  if (*action != Action::pass && *action != Action::drop)
    return bad("only pass and drop take a scope");
  if (word == "packet")
    scope = Rule::Scope::packet;
  else if (word == "flow")
    scope = Rule::Scope::flow;
  else
    return bad("scope '" + std::string(word.substr(0, 40)) + "' is not packet or flow");
  return action;
}

}  // namespace

bool RuleSet::parse_rule(std::string_view text, const std::string& file, std::uint32_t line,
                         LoadReport& report) {
  std::uint32_t sid = 0;
  const auto refuse = [&](std::size_t column, std::string why) {
    report.problems.push_back({RuleProblem::Severity::error, file, line,
                               static_cast<std::uint32_t>(column), sid, std::move(why)});
    return false;
  };
  const auto open = text.find('(');
  if (open == std::string_view::npos) return refuse(text.size(), "no ( that starts the options");
  const auto close = text.rfind(')');
  if (close == std::string_view::npos || close < open)
    return refuse(text.size(), "no ) that ends the options");
  if (!trim(text.substr(close + 1)).empty() && trim(text.substr(close + 1)).front() != '#')
    return refuse(close + 2, "text after the closing )");

  auto rule = std::make_unique<Rule>();
  rule->info.text = text;
  rule->info.file = shared_text(file);
  rule->info.line = line;
  RuleBuilder b(*rule, options_, *shared_);

  const auto words = header_words(text.substr(0, open));
  if (words.size() != 7)
    return refuse(1,
                  "the header needs 7 words: action protocol source port direction destination "
                  "port; there are " +
                      std::to_string(words.size()));
  Status split;
  const auto options = split_options(text.substr(open + 1, close - open - 1),
                                     static_cast<std::uint32_t>(open + 2), split);
  for (const auto& o : options)  // so that every later message can name the rule
    if (o.keyword == "sid")
      if (const auto v = parse_unsigned(o.value); v && *v <= UINT32_MAX)
        sid = static_cast<std::uint32_t>(*v);
  if (!split) return refuse(close + 1, split.error());

  const auto apply = [&](const Option& o) -> Status {
    const auto* k = find_keyword(o.keyword);
    if (!k) return bad(unknown_keyword(o.keyword));
    if (!k->refused.empty()) return bad("'" + k->name + "' is not supported: " + k->refused);
    if (k->value == Keyword::Value::required && (!o.has_value || o.value.empty()))
      return bad("'" + k->name + "' needs a value");
    if (k->value == Keyword::Value::none && o.has_value && !o.value.empty())
      return bad("'" + k->name + "' takes no value");
    if (++b.seen[k->name] > 1 && k->once) return bad("'" + k->name + "' may appear only once");
    if (auto ok = k->setup(b, o, *k); !ok) return bad(std::string(o.keyword) + ": " + ok.error());
    return {};
  };
  // A rule for another engine may say anything that has the outline of a rule.
  for (const auto& o : options)
    if (o.keyword == "requires") {
      if (auto ok = apply(o); !ok) return refuse(o.column, ok.error());
      if (!b.skipped.empty()) {
        ++report.left_out;
        report.problems.push_back(
            {RuleProblem::Severity::warning, file, line, o.column, sid, "left out: " + b.skipped});
        return true;
      }
    }

  const auto column_of = [&](std::string_view word) {
    return static_cast<std::size_t>(word.data() - text.data()) + 1;
  };
  const auto action = parse_scoped_action(words[0], rule->scope);
  if (!action) return refuse(1, action.error());
  rule->info.action = *action;
  rule->info.noalert = words[0] == "config";
  if (auto ok = set_header_protocol(b, words[1]); !ok)
    return refuse(column_of(words[1]), ok.error());
  const auto side = [&](std::string_view addresses, std::string_view ports, std::uint32_t& a,
                        std::uint32_t& p) -> Status {
    auto set = sets.addresses(addresses, options_.address_vars);
    if (!set) return bad(set.error());
    a = *set;
    rule->negated_address |= addresses.find('!') != std::string_view::npos;
    auto port = sets.ports(ports, options_.port_vars);
    if (!port) return bad(port.error());
    p = *port;
    return {};
  };
  if (auto ok = side(words[2], words[3], rule->src, rule->sport); !ok)
    return refuse(column_of(words[2]), ok.error());
  if (auto ok = side(words[5], words[6], rule->dst, rule->dport); !ok)
    return refuse(column_of(words[5]), ok.error());
  if (words[4] == "<>")
    rule->bidirectional = true;
  else if (words[4] == "=>")
    rule->transactional = true;
  else if (words[4] != "->")
    return refuse(column_of(words[4]),
                  "direction '" + std::string(words[4]) + "' is not ->, <> or =>");

  for (const auto& o : options) {
    if (o.keyword == "requires") continue;
    if (auto ok = apply(o); !ok) return refuse(o.column, ok.error());
  }
  if (rule->info.sid == 0) return refuse(close + 1, "no sid");
  if (!rule->info.classtype.empty()) {
    const auto it = classes_.find(lower(rule->info.classtype));
    if (it != classes_.end()) {
      rule->info.classification = shared_text(it->second.description);
      if (!b.seen.contains("priority")) rule->info.priority = it->second.priority;
    } else {
      b.remark("unknown classtype '" + std::string(rule->info.classtype) + "': priority 3 is used");
    }
  }
  const auto references = rule->info.references();
  for (std::size_t i = 0; i < references.size(); ++i)
    if (const auto it = references_.find(references[i].first); it != references_.end())
      rule->info.reference_at[i].system = shared_text(it->second);
  if (auto ok = finish_rule(b); !ok) return refuse(1, ok.error());
  rule->compact();
  for (const auto& [what, performance] : b.remarks())
    report.problems.push_back(
        {performance ? RuleProblem::Severity::performance : RuleProblem::Severity::warning, file,
         line, 1, sid, what});

  const auto id = (static_cast<std::uint64_t>(rule->info.gid) << 32) | rule->info.sid;
  if (const auto it = by_id_.find(id); it != by_id_.end()) {
    auto& old = rules[it->second];
    if (old->info.rev >= rule->info.rev)
      return refuse(1, "sid " + std::to_string(rule->info.sid) + " is already defined at " +
                           std::string(old->info.file) + ":" + std::to_string(old->info.line) +
                           " with revision " + std::to_string(old->info.rev));
    report.problems.push_back({RuleProblem::Severity::warning, file, line, 1, sid,
                               "replaces revision " + std::to_string(old->info.rev) + " at " +
                                   std::string(old->info.file) + ":" +
                                   std::to_string(old->info.line)});
    old = std::move(rule);
    return true;
  }
  by_id_.emplace(id, rules.size());
  rules.push_back(std::move(rule));
  return true;
}

/// Which actions go first: Suricata's `action-order`, which has to name all four once.
std::array<int, 4> RuleSet::action_ranks(LoadReport& report) const {
  constexpr std::array<std::pair<std::string_view, Action>, 4> usual{{{"pass", Action::pass},
                                                                      {"drop", Action::drop},
                                                                      {"reject", Action::reject},
                                                                      {"alert", Action::alert}}};
  std::array<int, 4> ranks{};
  for (std::size_t i = 0; i < usual.size(); ++i)
    ranks[static_cast<std::size_t>(usual[i].second)] = static_cast<int>(i);
  constexpr std::string_view key = "action-order";
  if (options_.settings == nullptr) return ranks;
  const auto given = options_.settings->children(key);
  if (given.empty()) return ranks;
  auto named = ranks;
  std::set<std::string> seen;
  for (const auto& i : given) {
    const auto name = options_.settings->text_or(std::string(key) + "." + i, "");
    const auto known =
        std::find_if(usual.begin(), usual.end(), [&](const auto& u) { return u.first == name; });
    if (known == usual.end() || !seen.insert(name).second) break;
    named[static_cast<std::size_t>(known->second)] = static_cast<int>(seen.size()) - 1;
  }
  if (seen.size() == usual.size() && given.size() == usual.size()) return named;
  report.problems.push_back({RuleProblem::Severity::warning, std::string(key), 0, 0, 0,
                             "has to name pass, drop, reject and alert, each once: left out"});
  return ranks;
}

void RuleSet::finish(LoadReport& report) {
  const auto ranks = action_ranks(report);
  std::stable_sort(rules.begin(), rules.end(), [&](const auto& x, const auto& y) {
    const Rule &a = *x, &c = *y;
    const auto key = [&](const Rule& r) {
      return std::tuple(ranks[static_cast<std::size_t>(r.info.action)],
                        -static_cast<int>(r.order_flowbits), -static_cast<int>(r.order_flowint),
                        -static_cast<int>(r.order_flowvar), -static_cast<int>(r.order_pktvar),
                        -static_cast<int>(r.order_hostbits), -static_cast<int>(r.order_xbits),
                        r.info.priority, r.info.gid, r.info.sid);
    };
    return key(a) < key(c);
  });
  for (std::size_t i = 0; i < rules.size(); ++i) rules[i]->index = static_cast<std::uint32_t>(i);
  by_id_.clear();
  report.loaded += static_cast<std::uint32_t>(rules.size());
}

// --------------------------------------------------------------------------- threshold.config

namespace {
Result<Track, std::string> parse_track(std::string_view s) {
  if (s == "by_src") return Track::by_src;
  if (s == "by_dst") return Track::by_dst;
  if (s == "by_both") return Track::by_both;
  if (s == "by_rule") return Track::by_rule;
  if (s == "by_flow") return Track::by_flow;
  return bad("'" + std::string(s) + "' is not by_src, by_dst, by_both, by_rule or by_flow");
}
}  // namespace

Result<ThresholdSpec, std::string> parse_threshold(std::string_view value, ThresholdSpec spec,
                                                   std::vector<NameValue>* rest) {
  bool has_type = false, has_track = false, has_count = false, has_seconds = false;
  for (const auto& [name, v] : split_pairs(value)) {
    const auto number = [&, n = name](std::string_view t) -> Result<std::uint32_t, std::string> {
      const auto x = parse_unsigned(t);
      if (!x || *x > UINT32_MAX)
        return bad("'" + std::string(n) + " " + std::string(t) + "' is not a number");
      return static_cast<std::uint32_t>(*x);
    };
    const auto take = [&](std::uint32_t& to) -> Status {
      auto x = number(v);
      if (!x) return bad(x.error());
      to = *x;
      return {};
    };
    Status ok;
    if (name == "type") {
      using T = ThresholdSpec::Type;
      has_type = true;
      if (v == "limit")
        spec.type = T::limit;
      else if (v == "threshold")
        spec.type = T::threshold;
      else if (v == "both")
        spec.type = T::both;
      else if (v == "backoff")
        spec.type = T::backoff;
      else
        return bad("type '" + std::string(v) + "' is not limit, threshold, both or backoff");
    } else if (name == "track") {
      auto t = parse_track(v);
      if (!t) return bad(t.error());
      spec.track = *t;
      has_track = true;
    } else if (name == "count") {
      ok = take(spec.count);
      has_count = true;
    } else if (name == "seconds") {
      ok = take(spec.seconds);
      has_seconds = true;
    } else if (name == "unique_on" && spec.type == ThresholdSpec::Type::detection_filter) {
      if (v == "src_port")
        spec.unique = ThresholdSpec::Unique::src_port;
      else if (v == "dst_port")
        spec.unique = ThresholdSpec::Unique::dst_port;
      else
        return bad("unique_on is src_port or dst_port");
    } else if (name == "multiplier") {
      ok = take(spec.multiplier);
    } else if (name == "timeout") {
      ok = take(spec.timeout);
    } else if (name == "new_action") {
      auto a = parse_action(v);
      if (!a) return bad(a.error());
      spec.new_action = *a;
    } else if (rest) {
      rest->push_back({name, v});
    } else {
      return bad("unknown part '" + std::string(name) + "'");
    }
    if (!ok) return bad(ok.error());
  }
  using T = ThresholdSpec::Type;
  if (spec.type != T::detection_filter && spec.type != T::rate && !has_type)
    return bad("needs a type");
  if (!has_track) return bad("needs a track");
  if (!has_count || spec.count == 0) return bad("needs a count of 1 or more");
  if (spec.type == T::backoff) {
    if (spec.track != Track::by_flow) return bad("type backoff needs track by_flow");
    if (spec.multiplier < 2) return bad("multiplier must be 2 or more");
  } else if (!has_seconds) {
    return bad("needs seconds");
  }
  return spec;
}

void RuleSet::load_thresholds(const std::string& path, LoadReport& report) {
  std::ifstream in(path);
  if (!in) {
    report.problems.push_back(
        {RuleProblem::Severity::warning, path, 0, 0, 0, "cannot read the threshold file"});
    return;
  }
  std::string raw, text;
  std::uint32_t number = 0;
  while (std::getline(in, raw)) {
    ++number;
    auto line = trim(raw);
    if (line.empty() || line.front() == '#') {
      if (text.empty()) continue;
    }
    if (line.ends_with('\\')) {
      text += line.substr(0, line.size() - 1);
      continue;
    }
    text += line;
    const std::string whole = std::move(text);
    text.clear();
    const auto wrong = [&](std::string why) {
      report.problems.push_back({RuleProblem::Severity::error, path, number, 1, 0, std::move(why)});
    };
    const auto words = split_words(whole);
    if (words.empty() || words[0].front() == '#') continue;
    const auto command = words[0];
    const auto value = trim(std::string_view(whole).substr(command.size()));
    std::vector<NameValue> rest;
    ThresholdSpec spec;
    SuppressSpec suppress;
    const bool is_suppress = command == "suppress";
    if (is_suppress) {
      bool has_track = false, has_ip = false;
      // The address may be a group with commas: it is the last part.
      auto head = value;
      std::string_view ip;
      if (const auto at = value.find("ip ");
          at != std::string_view::npos &&
          (at == 0 || value[at - 1] == ' ' || value[at - 1] == ',')) {
        ip = trim(value.substr(at + 3));
        head = value.substr(0, at);
        has_ip = true;
      }
      bool failed = false;
      for (const auto& p : split_pairs(head)) {
        if (p.name.empty()) continue;
        if (p.name == "track") {
          has_track = true;
          if (p.value == "by_src")
            suppress.track = SuppressSpec::Track::by_src;
          else if (p.value == "by_dst")
            suppress.track = SuppressSpec::Track::by_dst;
          else if (p.value == "by_either")
            suppress.track = SuppressSpec::Track::by_either;
          else {
            wrong("suppress: track '" + std::string(p.value) +
                  "' is not by_src, by_dst or by_either");
            failed = true;
          }
        } else {
          rest.push_back(p);
        }
      }
      if (failed) continue;
      if (has_track != has_ip) {
        wrong("suppress: track and ip belong together");
        continue;
      }
      if (has_ip) {
        auto set = sets.addresses(ip, options_.address_vars);
        if (!set) {
          wrong("suppress: " + set.error());
          continue;
        }
        suppress.addresses = *set;
      }
    } else if (command == "event_filter" || command == "threshold" || command == "rate_filter") {
      if (command == "rate_filter") spec.type = ThresholdSpec::Type::rate;
      auto parsed = parse_threshold(value, spec, &rest);
      if (!parsed) {
        wrong(std::string(command) + ": " + parsed.error());
        continue;
      }
      spec = *parsed;
    } else {
      wrong("'" + std::string(command) +
            "' is not event_filter, threshold, rate_filter or suppress");
      continue;
    }
    std::optional<std::uint64_t> gid, sid;
    for (const auto& p : rest) {
      if (p.name == "gen_id")
        gid = parse_unsigned(p.value);
      else if (p.name == "sig_id")
        sid = parse_unsigned(p.value);
      else
        wrong("unknown part '" + std::string(p.name) + "'");
    }
    if (!gid || !sid) {
      wrong("needs gen_id and sig_id");
      continue;
    }
    bool any = false;
    for (auto& r : rules) {
      if (*sid != 0 && r->info.sid != *sid) continue;
      if (*gid != 0 && r->info.gid != *gid) continue;
      any = true;
      if (is_suppress)
        r->suppressions.push_back(suppress);
      else if (*sid == 0 && (r->threshold || r->detection_filter) &&
               spec.type != ThresholdSpec::Type::rate)
        continue;  // a rule's own threshold is stronger than one for all rules
      else if (spec.type != ThresholdSpec::Type::rate)
        r->threshold = spec;
      else
        r->config_thresholds.push_back(spec);
    }
    if (!any && *sid != 0)
      report.problems.push_back({RuleProblem::Severity::warning, path, number, 1,
                                 static_cast<std::uint32_t>(*sid), "no such rule is loaded"});
  }
}

}  // namespace ww::sig
