#include "ctl/commands/explanation.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace ww::ctl {
namespace {

TEST(Explanation, ATreeIsALineForEachNodeWithItsTruthAndValue) {
  const auto made = boost::json::parse(R"({"rule":{"id":"r1","title":"Shadow copies"},
    "condition":"sel and not skip","matches":true,"tree":{"op":"all of","result":true,"parts":[
      {"op":"field","name":"CommandLine|contains","result":true,"wants":"any","present":true,
       "event_value":"vssadmin delete shadows","values":[{"value":"delete shadows","result":true,
       "found_in":"vssadmin delete shadows"}]},
      {"op":"not","name":"skip","result":true,"parts":[
        {"op":"field","name":"User","result":false,"wants":"any","present":false,"event_value":null,
         "values":[{"value":"backup","result":false}]}]}]}})");
  EXPECT_EQ(explanation_lines(made),
            "Shadow copies (r1)\n"
            "condition: sel and not skip\n"
            "true   all of\n"
            "true     CommandLine|contains = vssadmin delete shadows\n"
            "true       delete shadows\n"
            "true     not (skip)\n"
            "false      User  (not in the event)\n"
            "false        backup\n");
}

TEST(Explanation, ACorrelationSaysWhatMetIt) {
  const std::string text =
      R"({"type":"value_sum","condition":"bytes gt 10","timespan_seconds":60,"value":12.5,"first":"t1",
      "last":"t2","group":{"user":"ann"},"events":2,"rules":[{"id":"r","title":"Copy","events":2}],
      "parts":[{"event":"e1","time":"t1","rule":"r","number":2.5}]})";
  const std::string expected =
      "value_sum: bytes gt 10 within 60 s; here 12.5\n"
      "t1 to t2, 2 events\n"
      "user = ann\n"
      "  2 x Copy (r)\n"
      "  t1  event e1  rule r  2.5\n";
  EXPECT_EQ(explanation_lines(boost::json::parse(text)), expected);
  EXPECT_EQ(explanation_lines(boost::json::value(text)), expected) << "as an alert holds it";
}

TEST(Explanation, WhatIsNoTreeIsShownAsItIs) {
  EXPECT_EQ(explanation_lines(boost::json::value("Attempted Admin, http")),
            "Attempted Admin, http\n");
  EXPECT_EQ(explanation_lines(boost::json::parse(R"({"error":"gone"})")), "{\"error\":\"gone\"}\n");
  EXPECT_EQ(explanation_lines(boost::json::parse(R"({"tree":[{"op":5}],"parts":1})")),
            " ()\ncondition: \n");
}

}  // namespace
}  // namespace ww::ctl
