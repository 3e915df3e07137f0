#include "sensors/setup/known_keys.hpp"

#include <gtest/gtest.h>

#include "sensors/pipeline/defaults.hpp"
#include "sensors/setup/options.hpp"

namespace ww::sensor {
namespace {

std::string unknown(const std::string& yaml, const std::vector<std::string>& sets = {}) {
  auto s = Settings::from_yaml(yaml, "suricata.yaml").value();
  for (const auto& assignment : sets) EXPECT_TRUE(s.set_assignment(assignment));
  std::string out;
  for (const auto& k : unknown_keys(s)) out += k.text() + "\n";
  return out;
}

TEST(KnownKeys, AMisspeltKeyIsNamedWithItsPlaceAndTheNearestOne) {
  EXPECT_EQ(unknown("stream:\n  midstraem: yes\n  reassembly:\n    detph: 1mb\n"),
            "suricata.yaml:2: unknown key 'stream.midstraem'; did you mean 'midstream'?\n"
            "suricata.yaml:4: unknown key 'stream.reassembly.detph'; did you mean 'depth'?\n");
  EXPECT_EQ(unknown("flow_timeouts:\n  tcp: { new: 3 }\n"),
            "suricata.yaml:2: unknown key 'flow_timeouts'; did you mean 'flow-timeouts'?\n");
  EXPECT_EQ(unknown("flow-timeouts: { tcp: { establised: 3 } }\n"),
            "suricata.yaml:1: unknown key 'flow-timeouts.tcp.establised'; did you mean "
            "'established'?\n");
  EXPECT_EQ(
      unknown("app-layer:\n  protocols:\n    htpp: { enabled: yes }\n    http:\n      libhtp:\n"
              "        default-config:\n          request-body-limt: 1\n"),
      "suricata.yaml:3: unknown key 'app-layer.protocols.htpp'; did you mean 'http'?\n"
      "suricata.yaml:7: unknown key "
      "'app-layer.protocols.http.libhtp.default-config.request-body-limt'; did you mean "
      "'request-body-limit'?\n");
  EXPECT_EQ(unknown("outputs:\n  - eve-log:\n      enabld: yes\n      types:\n        - alrt\n"
                    "        - dns:\n            querry: no\n"),
            "suricata.yaml:3: unknown key 'outputs.0.eve-log.enabld'; did you mean 'enabled'?\n"
            "suricata.yaml:7: unknown key 'outputs.0.eve-log.types.1.dns.querry'; did you mean "
            "'query'?\n");
  EXPECT_EQ(unknown("app-layer: { protocols: { tls: { encrypt-handling: full } } }\n"),
            "suricata.yaml:1: unknown key 'app-layer.protocols.tls.encrypt-handling'; did you mean "
            "'encryption-handling'?\n");
  EXPECT_EQ(unknown("", {"stream.midstrem=true"}),
            "--set stream.midstrem: unknown key 'stream.midstrem'; did you mean 'midstream'?\n");
}

TEST(KnownKeys, WhatSuricataKnowsIsNoMistakeWhetherItHasAMeaningHereOrNot) {
  EXPECT_EQ(unknown("%YAML 1.1\n---\nsuricata-version: \"8.0\"\n"
                    "vars:\n  address-groups: { HOME_NET: any, MINE: any }\n"
                    "  port-groups: { OURS: 80 }\n"
                    "af-packet:\n  - interface: eth0\n    anything: 3\n"
                    "threading: { set-cpu-affinity: no }\n"
                    "stream: { prealloc-sessions: 2k, midstream: true }\n"
                    "defrag:\n  host-config:\n    - dmz: { timeout: 30, address: [10.0.0.0/8] }\n"
                    "app-layer:\n  protocols:\n    tls: { detection-ports: { dp: 443 } }\n"
                    "    http:\n      libhtp:\n        server-config:\n"
                    "          - apache: { address: [10.0.0.0/8], personality: Apache_2 }\n"
                    "outputs:\n  - fast: { enabled: no }\n  - eve-log:\n      types:\n"
                    "        - alert: { payload: yes, packet: no }\n        - http\n"
                    "  - pcap-log: { lz4-level: 0 }\n"
                    "datasets:\n  mine: { type: string }\n"),
            "");
  Settings ours;
  add_default_settings(ours);
  EXPECT_TRUE(unknown_keys(ours).empty());
}

TEST(KnownKeys, WithNothingNearThereIsNoSuggestionAndWhatStandsBelowIsNotToldAgain) {
  EXPECT_EQ(unknown("stream: { quite-another: { midstrem: 1, x: 2 } }\n"),
            "suricata.yaml:1: unknown key 'stream.quite-another'\n");
  std::string many = "stream:\n  oddity: 1\n";
  for (char c = 'a'; c <= 'z'; ++c) many += std::string("  midstrem") + c + ": 1\n";
  std::vector<std::string> said;
  name_unknown(Settings::from_yaml(many, "s.yaml").value(),
               [&](const std::string& line) { said.push_back(line); });
  ASSERT_EQ(said.size(), 12U);
  EXPECT_EQ(said[10], "... and 16 more unknown keys");
  EXPECT_NE(said[11].find("passed over: stream.oddity"), std::string::npos);
}

}  // namespace
}  // namespace ww::sensor
