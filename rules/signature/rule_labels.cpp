#include "rules/signature/rule_labels.hpp"

#include <algorithm>
#include <array>

#include "rules/signature/protocols.hpp"
#include "rules/signature/rule_text.hpp"

namespace ww::sig {

namespace {

/// What one stage of the rule under construction is called so far.
struct StageLabels {
  std::string name;
  std::vector<std::string> ops, inner, files;
};

struct Labels {
  std::vector<StageLabels> stages;
  std::vector<std::string> tests;
  std::string* last = nullptr;  ///< what modifiers belong to

  /// Takes in what one option changed.
  void update(const Rule& r, const std::string& text);

 private:
  static bool is_pattern(const std::string& label) {
    return label.starts_with("content") || label.starts_with("pcre") ||
           label.starts_with("uricontent");
  }
};

constexpr std::array<std::string_view, 9> modifiers = {"nocase",   "depth",    "offset",
                                                       "distance", "within",   "startswith",
                                                       "endswith", "rawbytes", "fast_pattern"};

void Labels::update(const Rule& r, const std::string& text) {
  std::string moved;
  bool changed = false;
  if (stages.size() > r.stages.size()) stages.resize(r.stages.size());
  for (std::size_t i = 0; i < stages.size(); ++i)  // an old-style modifier took a pattern away
    if (auto& ops = stages[i].ops; ops.size() > r.stages[i].ops.size()) {
      const auto at = std::find_if(ops.rbegin(), ops.rend(), is_pattern);
      if (at != ops.rend()) {
        moved = *at;
        ops.erase(std::next(at).base());
      }
      ops.resize(r.stages[i].ops.size());
      last = nullptr;
      changed = true;
    }
  const auto label = moved.empty() ? text : moved + " " + text;
  for (; tests.size() < r.tests.size(); changed = true) tests.push_back(text);
  for (std::size_t i = 0; i < r.stages.size(); ++i) {
    const auto& s = r.stages[i];
    if (i == stages.size()) {
      using K = Stage::Kind;
      const bool own = s.kind == K::number || s.kind == K::event || s.kind == K::hook;
      stages.push_back({own ? text : s.name, {}, {}, {}});
      changed = true;
      last = nullptr;
    }
    const auto grow = [&](std::vector<std::string>& list, std::size_t to) {
      for (; list.size() < to; changed = true) {
        list.push_back(label);
        last = &list.back();
      }
    };
    grow(stages[i].ops, s.ops.size());
    grow(stages[i].inner, s.inner.size());
    grow(stages[i].files, s.file_tests.size());
  }
  const auto word = std::string_view(text).substr(0, text.find(':'));
  if (!changed && last != nullptr &&
      std::find(modifiers.begin(), modifiers.end(), word) != modifiers.end())
    *last += " " + text;
}

}  // namespace

RuleLabels label_rule(const Rule& rule, std::shared_ptr<SharedState> shared) {
  RuleLabels out;
  const auto line = read_rule_line(rule.info.text);
  if (!line) return out;
  out.header = line->header;
  Rule scratch;
  EngineOptions options;
  options.shared = shared;
  RuleBuilder b(scratch, options, *shared);
  Labels labels;
  if (const auto words = header_words(line->header); words.size() > 1) {
    (void)set_header_protocol(b, words[1]);
    labels.update(scratch, std::string(words[1]));
  }
  for (const auto& item : line->options) {
    const auto* k = find_keyword(item.keyword);
    auto text = item.keyword;
    if (item.has_value) (text += ':') += item.value;
    if (item.keyword == "flow") out.flow = text;
    if (k == nullptr || k->setup == nullptr) continue;
    const auto before = scratch.tests.size();
    const auto ok = k->setup(b, {item.keyword, item.value, item.has_value, 0}, *k);
    // What needs a file that is not at hand here (geoip, iprep) is a test all the same.
    if (!ok && scratch.tests.size() == before) scratch.tests.emplace_back();
    labels.update(scratch, text);
  }
  // As finish_rule has it: a payload stage whose contents all moved is gone.
  if (scratch.payload >= 0) {
    const auto at = static_cast<std::ptrdiff_t>(scratch.payload);
    if (labels.stages[static_cast<std::size_t>(at)].ops.empty())
      labels.stages.erase(labels.stages.begin() + at);
  }
  out.tests = std::move(labels.tests);
  for (std::size_t i = 0; i < rule.stages.size(); ++i) {
    const auto& s = rule.stages[i];
    const bool known = i < labels.stages.size() && labels.stages[i].ops.size() == s.ops.size() &&
                       labels.stages[i].inner.size() == s.inner.size();
    out.stages.push_back(known ? labels.stages[i].name : s.name);
    out.files.push_back(known ? labels.stages[i].files : std::vector<std::string>());
    if (!known) continue;
    for (std::size_t k = 0; k < s.ops.size(); ++k) out.ops[&s.ops[k]] = labels.stages[i].ops[k];
    for (std::size_t k = 0; k < s.inner.size(); ++k)
      out.ops[&s.inner[k]] = labels.stages[i].inner[k];
  }
  return out;
}

std::string RuleLabels::op(const PayloadOp& op) const {
  if (const auto it = ops.find(&op); it != ops.end()) return it->second;
  static constexpr std::array<const char*, std::variant_size_v<PayloadOp>> names = {
      "content",
      "pcre",
      "isdataat",
      "byte_test",
      "byte_jump",
      "byte_extract",
      "byte_math",
      "bsize",
      "base64_decode",
      "dataset",
      "datarep",
      "entropy",
      "a check of the buffer"};
  return names[op.index()];
}

std::string RuleLabels::test(std::size_t index) const {
  return index < tests.size() ? tests[index] : "test " + std::to_string(index + 1);
}

}  // namespace ww::sig
