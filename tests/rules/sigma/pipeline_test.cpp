#include "rules/sigma/pipeline.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/rules/sigma/support.hpp"
#include "tests/temp_folder.hpp"

namespace ww::sigma::test {
namespace {

/// A pipeline as a file, for as long as the object lives.
class PipelineFile {
 public:
  explicit PipelineFile(const std::string& transformations) {
    options.pipelines = {folder_.write("p.yml", "name: p\ntransformations:\n" + transformations)};
  }
  LoadOptions options;

 private:
  ww::test::TempFolder folder_;
};

Indexes through(const std::string& transformations, const std::string& yaml,
                const std::vector<std::string>& events) {
  const PipelineFile file(transformations);
  return hits(yaml, events, file.options);
}

TEST(SigmaPipeline, MapsFieldsToOneOrSeveral) {
  EXPECT_EQ(through("- {type: field_name_mapping, mapping: {A: B}}", item("A: x"),
                    {R"({"A":"x"})", R"({"B":"x"})"}),
            (Indexes{1}));
  EXPECT_EQ(through("- {type: field_name_mapping, mapping: {A: [A, c.d]}}", item("A: x"),
                    {R"({"A":"x"})", R"({"c":{"d":"x"}})"}),
            (Indexes{0, 1}));
  EXPECT_EQ(through("- {type: field_name_mapping, mapping: {B: C}}", item("A|fieldref: B"),
                    {R"({"A":"x","C":"x"})", R"({"A":"x","B":"x"})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: field_name_prefix_mapping, mapping: {win.: w.}}", item("win.x: 1"),
                    {R"({"w":{"x":1}})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: field_name_prefix, prefix: p.}", item("A: 1"), {R"({"p":{"A":1}})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: field_name_suffix, suffix: .keyword}", item("A: 1"),
                    {R"({"A.keyword":1})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: field_name_transform, transform_func: snake_case}",
                    item("CommandLine: 1"), {R"({"command_line":1})"}),
            (Indexes{0}));
}

TEST(SigmaPipeline, ConditionsChooseRulesItemsAndFields) {
  const std::vector<std::string> events = {R"({"A":"x"})", R"({"B":"x"})"};
  const std::string mapping = "- {type: field_name_mapping, mapping: {A: B}, ";
  EXPECT_EQ(through(mapping + "rule_conditions: [{type: logsource, category: test}]}", item("A: x"),
                    events),
            (Indexes{1}));
  EXPECT_EQ(through(mapping + "rule_conditions: [{type: logsource, category: other}]}",
                    item("A: x"), events),
            (Indexes{0}));
  EXPECT_EQ(
      through(mapping + "rule_cond_not: true, rule_conditions: [{type: contains_field, field: A}]}",
              item("A: x"), events),
      (Indexes{0}));
  EXPECT_EQ(
      through(
          mapping + "detection_item_conditions: [{type: match_string, cond: any, pattern: '^y'}]}",
          item("A: x"), events),
      (Indexes{0}));
  EXPECT_EQ(through(mapping + "field_name_conditions: [{type: exclude_fields, fields: [A]}]}",
                    item("A: x"), events),
            (Indexes{0}));
  EXPECT_EQ(through(mapping + "rule_conditions: {a: {type: is_sigma_rule}, b: {type: tag, tag: "
                              "t}}, rule_cond_expr: a and not b}",
                    item("A: x"), events),
            (Indexes{1}));
}

TEST(SigmaPipeline, StateAndAppliedItemsAreSeenByLaterOnes) {
  const std::vector<std::string> events = {R"({"B":"x"})", R"({"C":"x"})"};
  EXPECT_EQ(through("- {type: set_state, key: k, val: v}\n- {type: field_name_mapping, mapping: "
                    "{A: C}, rule_conditions: [{type: processing_state, key: k, val: v}]}",
                    item("A: x"), events),
            (Indexes{1}));
  EXPECT_EQ(through("- {id: m, type: field_name_mapping, mapping: {A: B}}\n- {type: "
                    "field_name_mapping, mapping: {B: C}, field_name_conditions: [{type: "
                    "processing_item_applied, processing_item_id: m}]}",
                    item("A: x"), events),
            (Indexes{1}));
}

TEST(SigmaPipeline, ChangesConditionsSourcesAndValues) {
  EXPECT_EQ(through("- {type: add_condition, conditions: {E: 1}}", item("A: x"),
                    {R"({"A":"x"})", R"({"A":"x","E":1})"}),
            (Indexes{1}));
  EXPECT_EQ(through("- {type: add_condition, negated: true, conditions: {E: 1}}", item("A: x"),
                    {R"({"A":"x"})", R"({"A":"x","E":1})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: add_condition, template: true, conditions: {E: 'is-$category'}}",
                    item("A: x"), {R"({"A":"x","E":"is-test"})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: change_logsource, product: windows, service: security}", item("A: x"),
                    {R"({"Channel":"Security","A":"x"})", R"({"Channel":"System","A":"x"})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: replace_string, regex: '^a(.)', replacement: 'z\\1'}", item("A: abc"),
                    {R"({"A":"zbc"})", R"({"A":"abc"})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: map_string, mapping: {a: [b, c]}}", item("A: a"),
                    {R"({"A":"b"})", R"({"A":"c"})", R"({"A":"a"})"}),
            (Indexes{0, 1}));
  EXPECT_EQ(through("- {type: drop_detection_item, field_name_conditions: [{type: include_fields, "
                    "fields: [B]}]}",
                    item("A: x, B: y"), {R"({"A":"x"})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: hashes_fields, valid_hash_algos: [MD5, SHA1], field_prefix: File}",
                    item("Hashes|contains: 'MD5=AB'"), {R"({"FileMD5":"ab"})"}),
            (Indexes{0}));
  EXPECT_EQ(through("- {type: nest, items: [{type: field_name_mapping, mapping: {A: B}}]}",
                    item("A: x"), {R"({"B":"x"})"}),
            (Indexes{0}));
}

TEST(SigmaPipeline, FillsPlaceholders) {
  const auto yaml = item("A|expand: '%who%'");
  EXPECT_EQ(through("- {type: wildcard_placeholders}", yaml, {R"({"A":"x"})", "{}"}), (Indexes{0}));
  EXPECT_EQ(through("- {type: value_placeholders}\nvars: {who: [x, y]}", yaml,
                    {R"({"A":"x"})", R"({"A":"z"})"}),
            (Indexes{0}));
}

TEST(SigmaPipeline, FailuresRefuseTheRule) {
  for (const auto* bad :
       {"- {type: rule_failure, message: no}", "- {type: detection_item_failure, message: no}",
        "- {type: strict_field_mapping_failure}", "- {type: drop_detection_item}"}) {
    const PipelineFile file(bad);
    EXPECT_EQ(load(item("A: x"), file.options).report.refused, 1U) << bad;
  }
}

TEST(SigmaPipeline, NamesWhatItDoesNotKnow) {
  const auto bad = Pipeline::from_text("transformations:\n  - {type: fly}\n", "p.yml");
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(bad.error().text().find("p.yml:2"), std::string::npos);
  EXPECT_NE(bad.error().text().find("fly"), std::string::npos);
}

TEST(SigmaPipeline, CorrelationsGroupByTheMappedField) {
  const PipelineFile file("- {type: field_name_mapping, mapping: {H: host.name}}");
  const auto loaded = load(
      "title: t\nname: a\nlogsource: {category: test}\ndetection: {sel: {A: x}, condition: "
      "sel}\n---\ntitle: c\nid: c\ncorrelation: {type: event_count, rules: [a], group-by: [H], "
      "timespan: 1m, condition: {gte: 2}}\n",
      file.options);
  auto evaluator = Evaluator::create(loaded.engine);
  auto correlator = Correlator::create(loaded.engine, {});
  std::vector<CorrelationMatch> fired;
  for (const std::string_view event :
       {R"({"@timestamp":"2026-01-01T00:00:00Z","A":"x","host":{"name":"n"}})",
        R"({"@timestamp":"2026-01-01T00:00:01Z","A":"x","host":{"name":"n"}})"})
    for (const auto& m : evaluator->evaluate({&event, 1})) correlator->add(m, event, "1", fired);
  ASSERT_EQ(fired.size(), 1U);
  EXPECT_EQ(fired[0].group[0].second, "n");
}

TEST(SigmaPipeline, ThoseThatShipLoad) {
  std::size_t n = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(WW_SOURCE_DIR "/rules/sigma/pipelines"))
    if (entry.path().extension() == ".yml") {
      ++n;
      const auto pipeline = Pipeline::from_file(entry.path().string());
      EXPECT_TRUE(pipeline.has_value())
          << entry.path() << (pipeline ? "" : pipeline.error().text());
    }
  EXPECT_EQ(n, 6U);
}

}  // namespace
}  // namespace ww::sigma::test
