#pragma once
/// Events for store tests: many shapes, reproducible, with values that repeat often, seldom and
/// never.
#include <random>
#include <string>
#include <vector>

#include "collector/store/store.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector::test {

struct MadeEvent {
  std::string site, sensor;
  EventWrite write;
  std::string id;
};

class EventMaker {
 public:
  explicit EventMaker(unsigned seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  template <class T>
  const T& pick(const std::vector<T>& v) {
    return v[below(v.size())];
  }

  MadeEvent make(Timestamp t) {
    static const std::vector<std::string> sites{"royal-hill", "st-anne", "meadow-gp"};
    static const std::vector<std::string> types{"log",  "log",   "log",    "dns",     "http",
                                                "flow", "alert", "backup", "odd_type"};
    MadeEvent e;
    e.site = pick(sites);
    e.sensor = below(2) == 0 ? "net-1" : "log-1";
    e.write.type = pick(types);
    e.write.time = t;
    e.id = uuid7(t);
    e.write.id_time = std::stoull(e.id.substr(0, 8) + e.id.substr(9, 4), nullptr, 16);
    auto& out = e.write.json;
    JsonWriter j(out);
    j.begin_object();
    j.field("timestamp", eve_time(t));
    j.field("event_type", e.write.type);
    j.field("src_ip", "10." + std::to_string(below(3)) + "." + std::to_string(below(4)) + "." +
                          std::to_string(below(250)));
    j.field("dest_ip", below(20) == 0 ? std::string("2001:0db8:0000:0000:0000:0000:0000:0007")
                                      : "192.0.2." + std::to_string(below(40)));
    j.field("dest_port", static_cast<std::int64_t>(pick(
                             std::vector<std::uint64_t>{53, 80, 443, 445, 3389, below(65536)})));
    if (below(3) == 0) j.field("flow_id", random_());
    if (e.write.type == "dns") {
      j.begin_object("dns");
      j.field("rrname", pick(std::vector<std::string>{"www.Example.org", "mail.nhs.uk",
                                                      "evil.example.com", "a.b.c.d"}));
      j.begin_array("answers");
      for (auto n = below(3); n > 0; --n) {
        j.begin_object();
        j.field("rdata", "198.51.100." + std::to_string(below(9)));
        j.field("ttl", static_cast<std::int64_t>(below(300)));
        j.end_object();
      }
      j.end_array();
      j.end_object();
    } else if (e.write.type == "log") {
      j.begin_object("log");
      j.field("host", "ws" + std::to_string(below(30)));
      j.field("message", message());
      j.begin_object("fields");
      j.field("EventID",
              static_cast<std::int64_t>(pick(std::vector<std::uint64_t>{4624, 4625, 4688, 1})));
      j.field("Image",
              R"(C:\Windows\System32\)" +
                  pick(std::vector<std::string>{"cmd.exe", "PowerShell.exe", "vssadmin.exe"}));
      if (below(4) == 0) j.field("a.b", "dotted key");
      j.end_object();
      j.end_object();
    } else if (e.write.type == "alert") {
      j.begin_object("alert");
      j.field("signature_id", static_cast<std::int64_t>(2'000'000 + below(5)));
      j.field("severity", static_cast<std::int64_t>(1 + below(4)));
      j.field("score", static_cast<double>(below(100)) / 4);
      j.end_object();
    }
    if (below(5) == 0) {
      j.key("nothing");
      j.null();
    }
    j.field("flag", below(2) == 0);
    j.begin_object("ww");
    j.field("id", e.id);
    j.field("site", e.site);
    j.field("sensor", e.sensor);
    j.end_object();
    j.end_object();
    return e;
  }

  std::string message() {
    static const std::vector<std::string> parts{"Failed password for root from 10.1.2.3 port 22",
                                                "session opened for user alice",
                                                "mimikatz.exe was started",
                                                "r\xc3\xa9sum\xc3\xa9 of M\xc3\xbcller printed",
                                                "line one\nline two\t\"quoted\"",
                                                "connection 10.1.2.33:443 closed",
                                                "user_name=bob; status=OK",
                                                "1.2.3.4.5 is no address"};
    auto out = pick(parts) + " " + pick(parts);
    if (below(6) == 0) out += ", needle" + std::to_string(below(20));
    return out;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace ww::collector::test
