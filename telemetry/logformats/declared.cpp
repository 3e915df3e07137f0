#include "telemetry/logformats/declared.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <map>
#include <set>

#include "telemetry/logformats/pattern.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

struct Alternative {
  Pattern pattern;
  std::vector<Pattern::Name> names;
  std::size_t time = 0, level = 0, host = 0, message = 0, program = 0;  // group numbers, 0 = none
};

// What `{level:level}` takes: the spellings that severity_from_text() knows and loggers write.
constexpr std::string_view level_words =
    "(?i:trace|debug|verbose|fine(?:r|st)?|config|info(?:rmation(?:al)?)?|notice|warn(?:ing)?|"
    "err(?:or)?|severe|failure|crit(?:ical)?|alert|fatal|emerg(?:ency)?|panic)";

class DeclaredFormat final : public Format {
 public:
  static constexpr int last_resort = 600;
  std::string name_, summary_, product_, service_, category_, example_;
  int order_ = 500;
  bool multiline_ = false, inside_ = false;
  std::optional<Zone> zone_;
  std::vector<TimeFormat> times_;
  std::map<std::string, std::string_view, std::less<>> levels_;
  std::vector<Alternative> alternatives_;
  std::vector<Pattern> starts_, guesses_;
  std::vector<std::string> programs_;
  std::bitset<256> first_;
  /// How lines that begin with a digit go on, when all patterns begin with the time; else empty.
  std::vector<TimeFormat::DigitRun> digit_runs_;

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::string_view summary() const override { return summary_; }
  [[nodiscard]] int order() const override { return order_; }
  [[nodiscard]] std::string_view example() const override { return example_; }
  [[nodiscard]] bool joins() const override { return multiline_; }
  [[nodiscard]] bool yields() const override { return order_ >= last_resort; }
  [[nodiscard]] bool may_start(unsigned char first) const override { return first_.test(first); }
  [[nodiscard]] std::vector<std::string> programs() const override { return programs_; }
  [[nodiscard]] bool plausible(std::string_view line) const override {
    if (!digit_runs_.empty() && !line.empty() && is_digit(line.front()) && !run_fits(line))
      return false;
    return guesses_.empty() || std::any_of(guesses_.begin(), guesses_.end(),
                                           [&](const Pattern& p) { return p.matches(line); });
  }

  [[nodiscard]] Membership membership(std::string_view line) const override {
    if (!multiline_) return {};
    for (const auto& s : starts_)
      if (s.matches(line)) return {Membership::Kind::starts};
    if (!starts_.empty()) return {Membership::Kind::continues};
    for (const auto& a : alternatives_)
      if (a.pattern.matches(line)) return {Membership::Kind::starts};
    return {Membership::Kind::continues};
  }

  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    std::array<std::string_view, Pattern::max_groups + 1> groups;
    for (const auto& a : alternatives_) {
      if (!a.pattern.match(line, std::span(groups).first(a.pattern.groups() + 1))) continue;
      if (a.time != 0 && !times_.empty() && !read_time(groups[a.time], context, out)) continue;
      fill(a, groups, line, out);
      if (inside_) read_inside(context, out);
      return true;
    }
    return false;
  }

 private:
  // Most lines that begin with a digit are told apart here, without a match for each pattern.
  [[nodiscard]] bool run_fits(std::string_view line) const {
    std::size_t n = 1;
    while (n < line.size() && is_digit(line[n])) ++n;
    const char next = n < line.size() ? line[n] : '\0';
    return std::any_of(digit_runs_.begin(), digit_runs_.end(), [&](const auto& r) {
      return n >= r.least && (r.next == '\0' || (next == r.next && n <= r.most));
    });
  }

  bool read_time(std::string_view text, const Context& context, Record& out) const {
    for (const auto& f : times_) {
      WallTime wall;
      if (!f.parse(text, wall)) continue;
      out.time = resolve(wall, context.reference, zone_ ? *zone_ : *context.zone);
      return out.time.has_value();
    }
    return false;
  }

  void fill(const Alternative& a, std::span<const std::string_view> groups, std::string_view line,
            Record& out) const {
    out.product = product_;
    out.service = service_;
    out.category = category_;
    const bool said = a.message != 0 && groups[a.message].data() != nullptr;
    out.message = said ? groups[a.message] : line;
    if (a.host != 0) out.host = groups[a.host];
    if (a.level != 0) {
      const auto text = trim(groups[a.level]);
      const auto mapped = levels_.find(text);
      out.severity = mapped != levels_.end() ? mapped->second : severity_from_text(text);
    }
    for (const auto& n : a.names) {
      if (n.group == a.message || n.group == a.host || groups[n.group].data() == nullptr) continue;
      out.add_number_or_text(n.name, groups[n.group]);
    }
  }
};

bool name_char(char c) { return is_alnum(c) || c == '_'; }

/// The pattern language to PCRE2. PCRE group names allow [A-Za-z0-9_]; other characters of a field
/// name (dots, dashes) are kept in a table by order.
class Translator {
 public:
  Translator(std::string_view pattern, std::string time_expression)
      : in_(pattern), time_(std::move(time_expression)) {}

  Result<std::string, std::string> run() {
    std::string out = "\\A";
    int optional = 0;
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (in_.substr(at_).starts_with("{{") || in_.substr(at_).starts_with("}}")) {
        out += c == '{' ? "\\{" : "\\}";
        at_ += 2;
      } else if (in_.substr(at_).starts_with("{?")) {
        out += "(?:";
        ++optional;
        at_ += 2;
      } else if (in_.substr(at_).starts_with("?}")) {
        if (optional-- == 0) return fail(std::string("?} without {?"));
        out += ")?";
        at_ += 2;
      } else if (c == '{') {
        auto part = take_part();
        if (!part) return fail(part.error());
        out += *part;
      } else if (c == ' ' || c == '\t') {
        while (at_ < in_.size() && (in_[at_] == ' ' || in_[at_] == '\t')) ++at_;
        out += "[ \\t]+";
      } else {
        if (!is_alnum(c) && static_cast<unsigned char>(c) < 0x80) out += '\\';
        out += c;
        ++at_;
      }
    }
    if (optional != 0) return fail(std::string("{? without ?}"));
    out += "\\z";
    return out;
  }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  Result<std::string, std::string> take_part() {
    const auto start = ++at_;
    while (at_ < in_.size() && (name_char(in_[at_]) || in_[at_] == '.' || in_[at_] == '-')) ++at_;
    const std::string name(in_.substr(start, at_ - start));
    if (name.empty()) return fail(std::string("a part without a name; write {name}"));
    if (std::find(names_.begin(), names_.end(), name) != names_.end())
      return fail("the name " + name + " is used twice");
    std::string type;
    if (at_ < in_.size() && in_[at_] == ':') {
      ++at_;
      if (at_ < in_.size() && in_[at_] == '/') {
        const auto end = in_.find("/}", at_ + 1);
        if (end == std::string_view::npos)
          return fail("the expression of {" + name + " is not closed by /}");
        type = "(?:" + std::string(in_.substr(at_ + 1, end - at_ - 1)) + ")";
        at_ = end + 1;
        return close(name, type);
      }
      const auto type_start = at_;
      while (at_ < in_.size() && name_char(in_[at_])) ++at_;
      type = in_.substr(type_start, at_ - type_start);
    }
    if (at_ >= in_.size() || in_[at_] != '}') return fail("{" + name + " is not closed by }");
    const bool last = at_ + 1 == in_.size();
    std::string expression;
    if (type == "word")
      expression = "\\S+";
    else if (type == "int")
      expression = "\\d+";
    else if (type == "level")
      expression = level_words;
    else if (type == "rest")
      expression = ".*";
    else if (type == "quoted")
      return quoted(name);
    else if (type == "ip")
      expression = "[0-9A-Fa-f.:]+(?:%\\w+)?";
    else if (!type.empty() && type != "text")
      return fail("unknown type " + type + " of {" + name + "}");
    else if (name == "time" && !time_.empty())
      expression = time_;
    else
      expression = last ? ".*" : ".*?";
    return close(name, expression);
  }
  Result<std::string, std::string> close(const std::string& name, const std::string& expression) {
    if (at_ >= in_.size() || in_[at_] != '}') return fail("{" + name + " is not closed by }");
    ++at_;
    names_.push_back(name);
    return "(?<p" + std::to_string(names_.size() - 1) + "_>" + expression + ")";
  }
  Result<std::string, std::string> quoted(const std::string& name) {
    auto inner = close(name, "(?:[^\"\\\\]|\\\\.)*");
    if (!inner) return inner;
    return "\"" + *inner + "\"";
  }

  std::string_view in_;
  std::string time_;
  std::size_t at_ = 0;
  std::vector<std::string> names_;
};

struct Loader {
  const YAML::Node& root;
  const std::string& where;

  [[nodiscard]] Problem problem(const YAML::Node& node, std::string what,
                                std::string remedy) const {
    return {std::move(what), where + ":" + std::to_string((node ? node.Mark().line : 0) + 1),
            std::move(remedy)};
  }

  [[nodiscard]] std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> out;
    const auto node = root[key];
    if (!node) return out;
    if (node.IsSequence())
      for (const auto& n : node) out.push_back(n.as<std::string>());
    else
      out.push_back(node.as<std::string>());
    return out;
  }

  /// Nothing unless every pattern begins with the time, and that with a digit.
  [[nodiscard]] std::vector<TimeFormat::DigitRun> digit_runs(
      const std::vector<TimeFormat>& times) const {
    if (root["regex"]) return {};
    for (const char* key : {"pattern", "start"})
      for (const auto& p : texts(key))
        if (!p.starts_with("{time}")) return {};
    std::vector<TimeFormat::DigitRun> out;
    for (const auto& t : times) {
      const auto runs = t.digit_runs();
      if (!runs) return {};
      out.insert(out.end(), runs->begin(), runs->end());
    }
    return out;
  }

  /// A part of a pattern has the name p<number>_ in the expression; a named group that somebody
  /// wrote inside an expression keeps its own.
  static std::string part_name(const std::string& group, const std::vector<std::string>* names) {
    if (names == nullptr || group.size() < 3 || group.front() != 'p' || group.back() != '_')
      return group;
    const auto number = to_number(std::string_view(group).substr(1, group.size() - 2));
    if (!number || *number < 0 || static_cast<std::size_t>(*number) >= names->size()) return group;
    return (*names)[static_cast<std::size_t>(*number)];
  }

  Result<void, Problem> add_alternative(DeclaredFormat& f, const YAML::Node& node,
                                        const std::string& expression,
                                        const std::vector<std::string>* names) const {
    auto compiled = Pattern::compile(expression);
    if (!compiled) return fail(problem(node, compiled.error(), "correct the pattern"));
    Alternative a{std::move(*compiled), {}};
    for (const auto& n : a.pattern.names()) {
      const auto name = part_name(n.name, names);
      a.names.push_back({name, n.group});
      if (name == "time") a.time = n.group;
      if (name == "level") a.level = n.group;
      if (name == "host") a.host = n.group;
      if (name == "message") a.message = n.group;
      if (name == "program") a.program = n.group;
    }
    if (a.names.empty())
      return fail(problem(node, "the pattern names no part", "write for example {time} {message}"));
    if (a.time != 0 && f.times_.empty())
      return fail(problem(node, "the pattern has a {time} but the file gives no layout for it",
                          "add time: '%Y-%m-%d %H:%M:%S'"));
    f.alternatives_.push_back(std::move(a));
    return {};
  }

  /// A pattern of which only counts whether a line fits it.
  static Result<Pattern, std::string> compile_plain(const std::string& pattern,
                                                    const std::string& time_expression) {
    Translator translator(pattern, time_expression);
    auto expression = translator.run();
    if (!expression) return fail(expression.error());
    return Pattern::compile(*expression);
  }

  Result<std::shared_ptr<const Format>, Problem> load() const {
    static const std::set<std::string> known{
        "name",  "summary", "product",  "service", "category",  "pattern",
        "regex", "time",    "zone",     "levels",  "multiline", "start",
        "guess", "inside",  "programs", "order",   "example"};
    if (!root.IsMap())
      return fail(
          problem(root, "not a format: expected keys and values", "start with name: and pattern:"));
    for (const auto& kv : root)
      if (!known.contains(kv.first.as<std::string>()))
        return fail(problem(
            kv.first, "unknown key '" + kv.first.as<std::string>() + "'",
            "known are name, summary, product, service, category, pattern, regex, "
            "time, zone, levels, multiline, start, guess, inside, programs, order, example"));
    auto f = std::make_shared<DeclaredFormat>();
    const auto text = [&](const char* key) {
      return root[key] ? root[key].as<std::string>() : std::string();
    };
    f->name_ = text("name");
    if (f->name_.empty() || !std::all_of(f->name_.begin(), f->name_.end(),
                                         [](char c) { return name_char(c) || c == '-'; }))
      return fail(problem(root["name"] ? root["name"] : root,
                          "a format needs a name of letters, digits, - and _", "add name: my-log"));
    f->summary_ = text("summary");
    f->product_ = text("product");
    f->service_ = text("service");
    f->category_ = text("category");
    f->example_ = text("example");
    if (root["order"]) f->order_ = root["order"].as<int>();
    if (root["multiline"]) f->multiline_ = root["multiline"].as<bool>();
    if (root["inside"]) f->inside_ = root["inside"].as<bool>();
    f->programs_ = texts("programs");
    if (root["zone"]) {
      auto zone = Zone::parse(text("zone"));
      if (!zone) return fail(problem(root["zone"], zone.error().what, zone.error().remedy));
      f->zone_ = std::move(*zone);
    }
    std::string time_expression;
    for (const auto& layout : texts("time")) {
      auto t = TimeFormat::compile(layout);
      if (!t)
        return fail(
            problem(root["time"], t.error(), "see docs/sensor-logs.md for the parts of a layout"));
      time_expression += (time_expression.empty() ? "" : "|") + t->expression();
      f->times_.push_back(std::move(*t));
    }
    for (const auto& kv : root["levels"]) {
      const auto wanted = kv.second.as<std::string>();
      const auto severity = severity_from_text(wanted);
      if (severity.empty())
        return fail(problem(
            kv.second, "unknown level '" + wanted + "'",
            "use emergency, alert, critical, error, warning, notice, informational or debug"));
      f->levels_[kv.first.as<std::string>()] = severity;
    }
    for (const auto& p : texts("pattern")) {
      Translator translator(p, time_expression);
      auto expression = translator.run();
      if (!expression)
        return fail(problem(root["pattern"], expression.error(), "correct the pattern"));
      if (auto ok = add_alternative(*f, root["pattern"], *expression, &translator.names()); !ok)
        return fail(ok.error());
    }
    for (const auto& r : texts("regex"))
      if (auto ok = add_alternative(*f, root["regex"], "\\A(?:" + r + ")\\z", nullptr); !ok)
        return fail(ok.error());
    for (const auto& [key, list] : {std::pair{"start", &f->starts_}, {"guess", &f->guesses_}})
      for (const auto& p : texts(key)) {
        auto compiled = compile_plain(p, time_expression);
        if (!compiled) return fail(problem(root[key], compiled.error(), "correct the pattern"));
        list->push_back(std::move(*compiled));
      }
    if (!f->starts_.empty()) f->multiline_ = true;
    f->digit_runs_ = digit_runs(f->times_);
    for (const auto& a : f->alternatives_) f->first_ |= a.pattern.first_octets();
    for (const auto& p : f->starts_) f->first_ |= p.first_octets();
    if (f->alternatives_.empty())
      return fail(
          problem(root, "a format needs pattern: or regex:", "add pattern: '{time} {message}'"));
    if (!f->example_.empty()) {
      Record record;
      if (!f->parse(f->example_, Context{}, record))
        return fail(problem(root["example"], "the example does not fit the pattern",
                            "correct the one or the other"));
    }
    return f;
  }
};

}  // namespace

Result<std::shared_ptr<const Format>, Problem> make_declared_format(std::string_view yaml,
                                                                    const std::string& where) {
  try {
    const auto root = YAML::Load(std::string(yaml));
    return Loader{root, where}.load();
  } catch (const YAML::Exception& e) {
    return fail(Problem{"not a valid declared format: " + e.msg,
                        where + ":" + std::to_string(e.mark.line + 1),
                        "correct the file at that line"});
  }
}

const std::vector<std::pair<std::string_view, std::string_view>>& shipped_declared_formats() {
  static const std::vector<std::pair<std::string_view, std::string_view>> formats{
#include "telemetry/logformats/shipped_formats.inc"
  };
  return formats;
}

}  // namespace ww::logs
