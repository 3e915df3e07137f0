/// The shipped formats on lines as the programs write them: whole sources, format found by
/// guessing, columns made by hand.
#include <gtest/gtest.h>

#include <set>

#include "tests/telemetry/logformats/got.hpp"

namespace ww::logs {
namespace {

/// A record that a source must give. Empty texts must be empty too; fields not named are free.
struct Want {
  std::string time, severity, host, message;
  std::map<std::string, std::string> fields;
};
struct Source {
  const char* name;
  const char* format;
  std::vector<std::string> lines;
  std::vector<Want> records;
};

std::ostream& operator<<(std::ostream& out, const Source& s) { return out << s.name; }

class Shipped : public testing::TestWithParam<Source> {};

TEST_P(Shipped, IsRecognisedAndItsColumnsAreRight) {
  const auto& s = GetParam();
  const auto all = parse_all(s.lines);
  ASSERT_EQ(all.size(), s.records.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& g = all[i];
    const auto& w = s.records[i];
    SCOPED_TRACE("record " + std::to_string(i + 1) + ": " + g.message);
    EXPECT_EQ(g.format, s.format);
    EXPECT_EQ(g.time, w.time);
    EXPECT_EQ(g.severity, w.severity);
    EXPECT_EQ(g.host, w.host);
    EXPECT_EQ(g.message, w.message);
    for (const auto& [name, value] : w.fields) EXPECT_EQ(g[name], value) << name;
  }
}

using Fields = std::map<std::string, std::string>;

INSTANTIATE_TEST_SUITE_P(
    Java, Shipped,
    testing::Values(
        Source{"hadoop",
               "log4j",
               {"2015-10-18 18:01:47,978 INFO [main] "
                "org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster for "
                "application appattempt_1445144423722_0020_000001",
                "2015-10-18 18:06:25,777 ERROR [RMCommunicator Allocator] "
                "org.apache.hadoop.mapreduce.v2.app.rm.RMContainerAllocator: ERROR IN CONTACTING "
                "RM. ",
                "java.net.NoRouteToHostException: No Route to Host from  MININT/127.0.0.1",
                "\tat sun.reflect.NativeConstructorAccessorImpl.newInstance0(Native Method)",
                "2015-10-18 18:06:26,414 WARN [DataStreamer for file /tmp/a.jhist block "
                "BP-1347369012-10.190.173.170-1444972147527:blk_1073742514_1708] "
                "org.apache.hadoop.hdfs.DFSClient: DataStreamer Exception",
                "2015-10-18 18:06:27,001 FATAL "
                "org.apache.hadoop.hdfs.server.namenode.NameNode: Failed to start namenode."},
               {{"2015-10-18T18:01:47.978000Z",
                 "informational",
                 "",
                 "Created MRAppMaster for application appattempt_1445144423722_0020_000001",
                 {{"level", "INFO"},
                  {"thread", "main"},
                  {"component", "org.apache.hadoop.mapreduce.v2.app.MRAppMaster"}}},
                {"2015-10-18T18:06:25.777000Z",
                 "error",
                 "",
                 "ERROR IN CONTACTING RM. \njava.net.NoRouteToHostException: No Route to Host from "
                 " MININT/127.0.0.1\n\tat "
                 "sun.reflect.NativeConstructorAccessorImpl.newInstance0(Native Method)",
                 {{"thread", "RMCommunicator Allocator"}}},
                {"2015-10-18T18:06:26.414000Z",
                 "warning",
                 "",
                 "DataStreamer Exception",
                 {{"thread",
                   "DataStreamer for file /tmp/a.jhist block "
                   "BP-1347369012-10.190.173.170-1444972147527:blk_1073742514_1708"},
                  {"component", "org.apache.hadoop.hdfs.DFSClient"}}},
                {"2015-10-18T18:06:27.001000Z",
                 "critical",
                 "",
                 "Failed to start namenode.",
                 {{"thread", "(absent)"},
                  {"component", "org.apache.hadoop.hdfs.server.namenode.NameNode"}}}}},
        Source{"fhir",
               "log4j",
               {"2020-03-04 10:11:12.345 [main] INFO  c.u.f.jpa.config.JpaConfig "
                "[JpaConfig.java:71] Server started",
                "2020-03-04 10:11:13.000 [http-nio-8080-exec-1] WARN  ca.uhn.fhir.Interceptor - "
                "slow search"},
               {{"2020-03-04T10:11:12.345000Z",
                 "informational",
                 "",
                 "Server started",
                 {{"component", "c.u.f.jpa.config.JpaConfig"}, {"file", "JpaConfig.java:71"}}},
                {"2020-03-04T10:11:13.000000Z",
                 "warning",
                 "",
                 "slow search",
                 {{"component", "ca.uhn.fhir.Interceptor"}, {"thread", "http-nio-8080-exec-1"}}}}},
        Source{"spark",
               "spark",
               {"17/06/09 20:10:40 INFO executor.CoarseGrainedExecutorBackend: Registered signal "
                "handlers for [TERM, HUP, INT]",
                "17/06/09 20:10:45 WARN storage.BlockManager: Putting block rdd_1 failed",
                "17/06/09 20:11:11 INFO Executor: Finished task 4.0 in stage 0.0 (TID 4). 2703 "
                "bytes result sent to driver"},
               {{"2017-06-09T20:10:40.000000Z",
                 "informational",
                 "",
                 "Registered signal handlers for [TERM, HUP, INT]",
                 {{"component", "executor.CoarseGrainedExecutorBackend"}, {"level", "INFO"}}},
                {"2017-06-09T20:10:45.000000Z",
                 "warning",
                 "",
                 "Putting block rdd_1 failed",
                 {{"component", "storage.BlockManager"}}},
                {"2017-06-09T20:11:11.000000Z",
                 "informational",
                 "",
                 "Finished task 4.0 in stage 0.0 (TID 4). 2703 bytes result sent to driver",
                 {{"component", "Executor"}}}}},
        Source{"hdfs",
               "hdfs",
               {"081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block "
                "blk_38865049064139660 terminating",
                "081109 204005 35 INFO dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: "
                "blockMap updated: 10.251.73.220:50010 is added to blk_7128370237687728475 size "
                "67108864",
                "081109 214043 2561 WARN dfs.DataNode$DataXceiver: 10.251.30.85:50010:Got "
                "exception while serving blk_-2918118818249673980 to /10.251.90.64:"},
               {{"2008-11-09T20:36:15.000000Z",
                 "informational",
                 "",
                 "PacketResponder 1 for block blk_38865049064139660 terminating",
                 {{"component", "dfs.DataNode$PacketResponder"}, {"pid", "148"}}},
                {"2008-11-09T20:40:05.000000Z",
                 "informational",
                 "",
                 "BLOCK* NameSystem.addStoredBlock: blockMap updated: 10.251.73.220:50010 is added "
                 "to blk_7128370237687728475 size 67108864",
                 {{"component", "dfs.FSNamesystem"}, {"pid", "35"}}},
                {"2008-11-09T21:40:43.000000Z",
                 "warning",
                 "",
                 "10.251.30.85:50010:Got exception while serving blk_-2918118818249673980 to "
                 "/10.251.90.64:",
                 {{"component", "dfs.DataNode$DataXceiver"}}}}},
        Source{"spring",
               "spring-boot",
               {"2019-03-05 10:57:51.112  INFO 45469 --- [           main] "
                "org.apache.catalina.core.StandardEngine  : Starting Servlet Engine: Apache "
                "Tomcat/7.0.52",
                "2023-08-03T11:09:55.203+01:00  WARN 7 --- [portal] [nio-8080-exec-1] "
                "o.h.e.j.s.SqlExceptionHelper            : SQL Error: 0",
                "java.sql.SQLException: refused",
                "2019-03-05 10:57:52.112 ERROR [portal,1a2b,3c4d] 45469 --- [main] a.B : boom"},
               {{"2019-03-05T10:57:51.112000Z",
                 "informational",
                 "",
                 "Starting Servlet Engine: Apache Tomcat/7.0.52",
                 {{"pid", "45469"}, {"component", "org.apache.catalina.core.StandardEngine"}}},
                {"2023-08-03T10:09:55.203000Z",
                 "warning",
                 "",
                 "SQL Error: 0\njava.sql.SQLException: refused",
                 {{"application", "portal"},
                  {"thread", "nio-8080-exec-1"},
                  {"component", "o.h.e.j.s.SqlExceptionHelper"}}},
                {"2019-03-05T10:57:52.112000Z",
                 "error",
                 "",
                 "boom",
                 {{"application", "portal,1a2b,3c4d"}, {"component", "a.B"}}}}},
        Source{"jul",
               "java-logging",
               {"Nov 22, 2026 2:30:00 AM org.apache.catalina.core.StandardService startInternal",
                "INFO: Starting service [Catalina]",
                "Nov 22, 2026 2:30:01 PM org.apache.catalina.core.ContainerBase "
                "addChildInternal",
                "SEVERE: ContainerBase.addChild: start: ",
                "org.apache.catalina.LifecycleException: Failed to start component",
                "Nov 22, 2026, 2:30:02\xE2\x80\xAFPM com.example.Main <init>", "WARNING: last"},
               {{"2026-11-22T02:30:00.000000Z",
                 "informational",
                 "",
                 "Starting service [Catalina]",
                 {{"component", "org.apache.catalina.core.StandardService"},
                  {"method", "startInternal"}}},
                {"2026-11-22T14:30:01.000000Z",
                 "error",
                 "",
                 "ContainerBase.addChild: start: \norg.apache.catalina.LifecycleException: Failed "
                 "to start component",
                 {{"level", "SEVERE"}}},
                {"2026-11-22T14:30:02.000000Z",
                 "warning",
                 "",
                 "last",
                 {{"component", "com.example.Main"}, {"method", "<init>"}}}}},
        Source{"tomcat",
               "tomcat",
               {"22-Nov-2026 02:30:00.123 INFO [main] "
                "org.apache.catalina.startup.VersionLoggerListener.log Server version name:   "
                "Apache Tomcat/9.0.43 (Debian)",
                "22-Nov-2026 02:30:01.000 SEVERE [localhost-startStop-1] "
                "org.apache.catalina.core.StandardContext.startInternal Error listenerStart",
                "\tjava.lang.ClassNotFoundException: x"},
               {{"2026-11-22T02:30:00.123000Z",
                 "informational",
                 "",
                 "Server version name:   Apache Tomcat/9.0.43 (Debian)",
                 {{"component", "org.apache.catalina.startup.VersionLoggerListener.log"}}},
                {"2026-11-22T02:30:01.000000Z",
                 "error",
                 "",
                 "Error listenerStart\n\tjava.lang.ClassNotFoundException: x",
                 {{"thread", "localhost-startStop-1"}}}}},
        Source{"wildfly",
               "wildfly",
               {"2019-03-05 10:57:51,112 INFO  [org.jboss.as] (Controller Boot Thread) "
                "WFLYSRV0025: WildFly Full 15.0.0.Final started in 4500ms",
                "2019-03-05 10:58:00,001 WARN  [org.dcm4che3.net.Dimse] (EE-ManagedExecutorService-"
                "default-Thread-7) STORESCU->DCM4CHEE(1) >> 1:C-ECHO-RQ"},
               {{"2019-03-05T10:57:51.112000Z",
                 "informational",
                 "",
                 "WFLYSRV0025: WildFly Full 15.0.0.Final started in 4500ms",
                 {{"component", "org.jboss.as"}, {"thread", "Controller Boot Thread"}}},
                {"2019-03-05T10:58:00.001000Z",
                 "warning",
                 "",
                 "STORESCU->DCM4CHEE(1) >> 1:C-ECHO-RQ",
                 {{"component", "org.dcm4che3.net.Dimse"}}}}},
        Source{
            "mirth",
            "mirth",
            {"INFO  2021-05-03 14:57:01,058 [Main Server Thread] "
             "com.mirth.connect.server.Mirth: Mirth Connect 3.11.0 (Built on April 6, 2021) "
             "server successfully started.",
             "ERROR 2021-05-03 14:58:00,000 [Database Reader Polling Thread on ADT (7)] "
             "com.mirth.connect.connectors.jdbc.DatabaseReceiver: Failed to poll",
             "java.sql.SQLException: closed"},
            {{"2021-05-03T14:57:01.058000Z",
              "informational",
              "",
              "Mirth Connect 3.11.0 (Built on April 6, 2021) server successfully started.",
              {{"thread", "Main Server Thread"}, {"component", "com.mirth.connect.server.Mirth"}}},
             {"2021-05-03T14:58:00.000000Z",
              "error",
              "",
              "Failed to poll\njava.sql.SQLException: closed",
              {{"component", "com.mirth.connect.connectors.jdbc.DatabaseReceiver"}}}}},
        Source{"elasticsearch",
               "elasticsearch",
               {"[2019-02-12T10:22:33,123][INFO ][o.e.n.Node               ] [node-1] "
                "initializing ...",
                "[2019-02-12T10:22:34,000][WARN ][o.e.b.BootstrapChecks    ] [node-1] max virtual "
                "memory areas vm.max_map_count [65530] is too low"},
               {{"2019-02-12T10:22:33.123000Z",
                 "informational",
                 "",
                 "initializing ...",
                 {{"component", "o.e.n.Node"}, {"node", "node-1"}}},
                {"2019-02-12T10:22:34.000000Z",
                 "warning",
                 "",
                 "max virtual memory areas vm.max_map_count [65530] is too low",
                 {{"component", "o.e.b.BootstrapChecks"}}}}},
        Source{"kafka",
               "kafka",
               {"[2018-09-05 10:10:10,123] INFO [KafkaServer id=0] started "
                "(kafka.server.KafkaServer)",
                "[2018-09-05 10:10:11,000] ERROR Fatal error during startup (prepare) "
                "(kafka.server.KafkaServer)",
                "java.lang.RuntimeException: no", "\tat a.B.c(B.java:1)"},
               {{"2018-09-05T10:10:10.123000Z",
                 "informational",
                 "",
                 "[KafkaServer id=0] started",
                 {{"component", "kafka.server.KafkaServer"}}},
                {"2018-09-05T10:10:11.000000Z",
                 "error",
                 "",
                 "Fatal error during startup (prepare)",
                 {{"stack", "\njava.lang.RuntimeException: no\n\tat a.B.c(B.java:1)"}}}}},
        Source{"logback",
               "logback",
               {"16:06:31.512 [main] DEBUG chapters.introduction.HelloWorld1 - Hello world.",
                "10:57:51,112 INFO  [org.jboss.as] (MSC service thread 1-2) WFLYSRV0049: starting"},
               {{"2026-11-22T16:06:31.512000Z",
                 "debug",
                 "",
                 "Hello world.",
                 {{"component", "chapters.introduction.HelloWorld1"}, {"thread", "main"}}},
                {"2026-11-22T10:57:51.112000Z",
                 "informational",
                 "",
                 "WFLYSRV0049: starting",
                 {{"component", "org.jboss.as"}}}}}),
    [](const auto& i) { return std::string(i.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Clusters, Shipped,
    testing::Values(
        Source{"bluegene",
               "bluegene",
               {"- 1117838570 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.42.50.363779 "
                "R02-M1-N0-C:J12-U11 RAS KERNEL INFO instruction cache parity error corrected",
                "APPREAD 1117869876 2005.06.04 R27-M1-N4-I:J18-U11 2005-06-04-00.24.36.222560 "
                "R27-M1-N4-I:J18-U11 RAS APP FATAL ciod: failed to read message prefix on control "
                "stream",
                "- 1118768275 2005.06.14 UNKNOWN_LOCATION 2005-06-14-09.57.55.738000 "
                "UNKNOWN_LOCATION NULL DISCOVERY SEVERE Can not get assembly information"},
               {{"2005-06-03T15:42:50.363779Z",
                 "informational",
                 "R02-M1-N0-C:J12-U11",
                 "instruction cache parity error corrected",
                 {{"label", "-"},
                  {"epoch", "1117838570"},
                  {"node", "R02-M1-N0-C:J12-U11"},
                  {"type", "RAS"},
                  {"component", "KERNEL"},
                  {"level", "INFO"}}},
                {"2005-06-04T00:24:36.222560Z",
                 "critical",
                 "R27-M1-N4-I:J18-U11",
                 "ciod: failed to read message prefix on control stream",
                 {{"label", "APPREAD"}, {"component", "APP"}, {"level", "FATAL"}}},
                {"2005-06-14T09:57:55.738000Z",
                 "error",
                 "UNKNOWN_LOCATION",
                 "Can not get assembly information",
                 {{"type", "NULL"}, {"component", "DISCOVERY"}}}}},
        Source{"hpc",
               "hpc",
               {"134681 node-246 unix.hw state_change.unavailable 1077804742 1 Component State "
                "Change: Component \\042alt0\\042 is in the unavailable state (HWID=1973)",
                "463903 node-70 action start 1074119817 1 clusterAddMember  (command 1902)",
                "2570 gige7 gige temperature 1131115445 1 warning"},
               {{"2004-02-26T14:12:22.000000Z",
                 "",
                 "node-246",
                 "Component State Change: Component \\042alt0\\042 is in the unavailable state "
                 "(HWID=1973)",
                 {{"component", "unix.hw"}, {"state", "state_change.unavailable"}, {"flag", "1"}}},
                {"2004-01-14T22:36:57.000000Z",
                 "",
                 "node-70",
                 "clusterAddMember  (command 1902)",
                 {{"component", "action"}, {"state", "start"}, {"id", "463903"}}},
                {"2005-11-04T14:44:05.000000Z",
                 "",
                 "gige7",
                 "warning",
                 {{"component", "gige"}, {"state", "temperature"}}}}},
        Source{"android",
               "android",
               {"03-17 16:13:38.811  1702  2395 D WindowManager: printFreezingDisplayLogs: x",
                "03-17 16:13:38.936  1702 14638 E PowerManagerService: release:lock=189667585, "
                "flg=0x0",
                "03-17 16:13:39.000  2227  2227 W Process : "},
               {{"2027-03-17T16:13:38.811000Z",
                 "debug",
                 "",
                 "printFreezingDisplayLogs: x",
                 {{"component", "WindowManager"}, {"pid", "1702"}, {"tid", "2395"}}},
                {"2027-03-17T16:13:38.936000Z",
                 "error",
                 "",
                 "release:lock=189667585, flg=0x0",
                 {{"component", "PowerManagerService"}, {"tid", "14638"}}},
                {"2027-03-17T16:13:39.000000Z", "warning", "", "", {{"component", "Process"}}}}},
        Source{"android_brief",
               "android",
               {"I/ActivityManager(  585): Starting activity: Intent { action=x }",
                "D/dalvikvm( 1702): GC_CONCURRENT freed 2012K"},
               {{"",
                 "informational",
                 "",
                 "Starting activity: Intent { action=x }",
                 {{"component", "ActivityManager"}, {"pid", "585"}}},
                {"",
                 "debug",
                 "",
                 "GC_CONCURRENT freed 2012K",
                 {{"component", "dalvikvm"}, {"pid", "1702"}}}}},
        Source{"android_time",
               "android",
               {"03-17 16:13:38.811 I/ActivityManager(  585): Start proc"},
               {{"2027-03-17T16:13:38.811000Z",
                 "informational",
                 "",
                 "Start proc",
                 {{"component", "ActivityManager"}, {"pid", "585"}}}}},
        Source{"klog",
               "glog",
               {"I1022 14:23:11.123456   12345 controller.go:611] quota admission added evaluator",
                "E1022 14:23:12.000001       1 leaderelection.go:325] error retrieving lock"},
               {{"2026-10-22T14:23:11.123456Z",
                 "informational",
                 "",
                 "quota admission added evaluator",
                 {{"component", "controller.go"}, {"line", "611"}, {"thread", "12345"}}},
                {"2026-10-22T14:23:12.000001Z",
                 "error",
                 "",
                 "error retrieving lock",
                 {{"component", "leaderelection.go"}}}}},
        Source{"orthanc",
               "glog",
               {"W0424 15:07:32.509634 HttpServer.cpp:1062] HTTP server listening on port: 8042",
                "W0226 16:59:10.581066  7906 main.cpp:533] Orthanc has started",
                "I0424 15:07:33.000000 HTTP-0 HttpServer.cpp:1200] GET /studies"},
               {{"2027-04-24T15:07:32.509634Z",
                 "warning",
                 "",
                 "HTTP server listening on port: 8042",
                 {{"component", "HttpServer.cpp"}, {"thread", "(absent)"}}},
                {"2027-02-26T16:59:10.581066Z",
                 "warning",
                 "",
                 "Orthanc has started",
                 {{"component", "main.cpp"}, {"thread", "7906"}, {"line", "533"}}},
                {"2027-04-24T15:07:33.000000Z",
                 "informational",
                 "",
                 "GET /studies",
                 {{"thread", "HTTP-0"}}}}},
        Source{
            "macos",
            "macos",
            {"2021-06-27 15:20:37.224881+0200 0x14d      Default     0x0                  0     "
             " 0    kernel: (AirPortBrcmNIC) ARPT: 97029.211335: DequeueTime: 0xaaaaaaaa",
             "2021-06-27 15:20:38.000000+0200 0x1f2    Error       0x2a                 412    0 "
             "   Microsoft Word: (CFNetwork) Task failed"},
            {{"2021-06-27T13:20:37.224881Z",
              "notice",
              "",
              "ARPT: 97029.211335: DequeueTime: 0xaaaaaaaa",
              {{"program", "kernel"}, {"component", "AirPortBrcmNIC"}, {"pid", "0"}}},
             {"2021-06-27T13:20:38.000000Z",
              "error",
              "",
              "Task failed",
              {{"program", "Microsoft Word"}, {"pid", "412"}}}}},
        Source{"esxi",
               "vmkernel",
               {"2017-02-25T17:34:15.505Z cpu0:65560)ScsiDeviceIO: 2927: Cmd(0x439500a7f200) 0x2a "
                "failed H:0x0 D:0x2 P:0x0",
                "2026-06-28T10:15:02.234Z cpu1:2097153)WARNING: NMP: nmp_PathDetermineFailure"},
               {{"2017-02-25T17:34:15.505000Z",
                 "",
                 "",
                 "2927: Cmd(0x439500a7f200) 0x2a failed H:0x0 D:0x2 P:0x0",
                 {{"component", "ScsiDeviceIO"}, {"cpu", "0"}, {"world", "65560"}}},
                {"2026-06-28T10:15:02.234000Z",
                 "warning",
                 "",
                 "nmp_PathDetermineFailure",
                 {{"component", "NMP"}}}}},
        Source{"vcenter",
               "vmware",
               {"2026-06-13T21:54:00.412Z info vpxd[10442] [Originator@6876 "
                "sub=[SSO][SsoAdminServiceImpl]] Cannot login vcadmin@10.99.8.44",
                "2022-06-03T22:05:58.186Z verbose -[35642] [Originator@6876 sub=Default] "
                "[VdbStatement]Executing SQL:",
                "-->       INSERT INTO PM_CLUSTER_DRAFT_VALIDATION_STATE"},
               {{"2026-06-13T21:54:00.412000Z",
                 "informational",
                 "",
                 "Cannot login vcadmin@10.99.8.44",
                 {{"program", "vpxd"}, {"pid", "10442"}}},
                {"2022-06-03T22:05:58.186000Z",
                 "debug",
                 "",
                 "[VdbStatement]Executing SQL:\n-->       INSERT INTO "
                 "PM_CLUSTER_DRAFT_VALIDATION_STATE",
                 {{"component", "Default"}, {"pid", "35642"}}}}}),
    [](const auto& i) { return std::string(i.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Programs, Shipped,
    testing::Values(
        Source{"python_tutorial",
               "python",
               {"2005-03-19 15:10:26,618 - simple_example - DEBUG - debug message",
                "2005-03-19 15:10:26,697 - simple_example - ERROR - error message",
                "Traceback (most recent call last):", "  File \"a.py\", line 1, in <module>",
                "ZeroDivisionError: division by zero"},
               {{"2005-03-19T15:10:26.618000Z",
                 "debug",
                 "",
                 "debug message",
                 {{"component", "simple_example"}}},
                {"2005-03-19T15:10:26.697000Z",
                 "error",
                 "",
                 "error message\nTraceback (most recent call last):\n  File \"a.py\", line 1, in "
                 "<module>\nZeroDivisionError: division by zero",
                 {{"level", "ERROR"}}}}},
        Source{"python_default",
               "python",
               {"WARNING:root:Watch out!", "ERROR:urllib3.connectionpool:no route"},
               {{"", "warning", "", "Watch out!", {{"component", "root"}}},
                {"", "error", "", "no route", {{"component", "urllib3.connectionpool"}}}}},
        Source{"gunicorn",
               "python",
               {"[2026-11-22 02:30:00 +0000] [4711] [INFO] Starting gunicorn 20.1.0",
                "[2026-11-22 02:30:01 +0100] [4712] [CRITICAL] WORKER TIMEOUT (pid:4713)"},
               {{"2026-11-22T02:30:00.000000Z",
                 "informational",
                 "",
                 "Starting gunicorn 20.1.0",
                 {{"pid", "4711"}}},
                {"2026-11-22T01:30:01.000000Z",
                 "critical",
                 "",
                 "WORKER TIMEOUT (pid:4713)",
                 {{"pid", "4712"}}}}},
        Source{"celery",
               "python",
               {"[2026-11-22 02:30:00,123: INFO/MainProcess] Connected to redis://localhost:6379"},
               {{"2026-11-22T02:30:00.123000Z",
                 "informational",
                 "",
                 "Connected to redis://localhost:6379",
                 {{"program", "MainProcess"}}}}},
        Source{"log4net",
               "log4j",
               {"2026-11-22 02:30:00,123 [5] INFO  Trust.Pas.Service [(null)] - started",
                "2026-11-22 02:30:01,123 [main] ERROR Trust.Pas.Service [NDC x] - lost"},
               {{"2026-11-22T02:30:00.123000Z",
                 "informational",
                 "",
                 "started",
                 {{"component", "Trust.Pas.Service"}, {"thread", "5"}, {"context", "(null)"}}},
                {"2026-11-22T02:30:01.123000Z", "error", "", "lost", {{"context", "NDC x"}}}}},
        Source{"log4j_brackets",
               "log4j",
               {"2026-11-22 02:30:00,123 INFO  [org.x.Store] Warning: disk",
                "2026-11-22 02:30:01,123 INFO  [worker 7] Store: more",
                "2026-11-22 02:30:02,123 INFO  [worker 7] just text"},
               {{"2026-11-22T02:30:00.123000Z",
                 "informational",
                 "",
                 "Warning: disk",
                 {{"component", "org.x.Store"}}},
                {"2026-11-22T02:30:01.123000Z",
                 "informational",
                 "",
                 "more",
                 {{"thread", "worker 7"}, {"component", "Store"}}},
                {"2026-11-22T02:30:02.123000Z",
                 "informational",
                 "",
                 "just text",
                 {{"thread", "worker 7"}, {"component", "(absent)"}}}}},
        Source{"level_first",
               "time-level",
               {"INFO 2026-11-22 02:30:00,123 basehttp 4711 GET /"},
               {{"2026-11-22T02:30:00.123000Z", "informational", "", "basehttp 4711 GET /", {}}}},
        Source{"nlog",
               "nlog",
               {"2026-11-22 02:30:00.1234|WARN|Trust.Pas.Letters|Printer | ward7", "   at X.Y()"},
               {{"2026-11-22T02:30:00.123400Z",
                 "warning",
                 "",
                 "Printer | ward7\n   at X.Y()",
                 {{"component", "Trust.Pas.Letters"}}}}},
        Source{
            "serilog",
            "serilog",
            {"2026-02-06 17:39:02.840 +00:00 [INF] Starting web application",
             "2026-02-06 17:39:03.063 +01:00 [FTL] Host terminated", "System.Exception: x"},
            {{"2026-02-06T17:39:02.840000Z", "informational", "", "Starting web application", {}},
             {"2026-02-06T16:39:03.063000Z",
              "critical",
              "",
              "Host terminated\nSystem.Exception: x",
              {}}}},
        Source{"dotnet_console",
               "dotnet-console",
               {"info: Microsoft.Hosting.Lifetime[14]",
                "      Now listening on: http://localhost:5017",
                "fail: Microsoft.EntityFrameworkCore.Database.Command[20102]",
                "      Failed executing DbCommand (5ms)", "      SELECT 1"},
               {{"",
                 "informational",
                 "",
                 "Now listening on: http://localhost:5017",
                 {{"component", "Microsoft.Hosting.Lifetime"}, {"event", "14"}}},
                {"",
                 "error",
                 "",
                 "Failed executing DbCommand (5ms)\n      SELECT 1",
                 {{"event", "20102"}}}}},
        Source{"ruby",
               "ruby",
               {"I, [1999-03-03T02:34:24.895701 #19074]  INFO -- Main: info.",
                "E, [1999-03-03T02:34:25.895701 #19074] ERROR -- : boom"},
               {{"1999-03-03T02:34:24.895701Z",
                 "informational",
                 "",
                 "info.",
                 {{"program", "Main"}, {"pid", "19074"}}},
                {"1999-03-03T02:34:25.895701Z", "error", "", "boom", {}}}},
        Source{"go",
               "golang",
               {"2009/01/23 01:23:23.123123 main.go:23: listening on :8080",
                "2009/01/23 01:23:24 message"},
               {{"2009-01-23T01:23:23.123123Z",
                 "",
                 "",
                 "listening on :8080",
                 {{"file", "main.go"}, {"line", "23"}}},
                {"2009-01-23T01:23:24.000000Z", "", "", "message", {}}}},
        Source{"unattended",
               "time-level",
               {"2026-11-22 02:30:00,123 INFO Checking if system is running on battery",
                "2026-11-22 02:30:01,000 WARNING Could not figure out development release: x"},
               {{"2026-11-22T02:30:00.123000Z",
                 "informational",
                 "",
                 "Checking if system is running on battery",
                 {}},
                {"2026-11-22T02:30:01.000000Z",
                 "warning",
                 "",
                 "Could not figure out development release: x",
                 {}}}},
        Source{
            "php",
            "php",
            {"[22-Nov-2026 02:30:00 UTC] PHP Fatal error:  Uncaught Exception: x in "
             "/srv/www/a.php:3",
             "Stack trace:", "#0 {main}", "[22-Nov-2026 02:30:01] NOTICE: fpm is running, pid 1"},
            {{"2026-11-22T02:30:00.000000Z",
              "critical",
              "",
              "Uncaught Exception: x in /srv/www/a.php:3\nStack trace:\n#0 {main}",
              {{"level", "Fatal error"}}},
             {"2026-11-22T02:30:01.000000Z", "notice", "", "fpm is running, pid 1", {}}}},
        Source{"dcmtk",
               "dcmtk",
               {"I: Association Received", "W: Presentation Context ID 1 refused",
                "E: Failed to store: No such file", "F: cannot listen on port 104"},
               {{"", "informational", "", "Association Received", {}},
                {"", "warning", "", "Presentation Context ID 1 refused", {}},
                {"", "error", "", "Failed to store: No such file", {}},
                {"", "critical", "", "cannot listen on port 104", {}}}},
        Source{"intersystems",
               "intersystems",
               {"08/11/21-05:49:43:342 (18374) 0 [Generic.Event] INTERSYSTEMS IRIS JOURNALING "
                "SYSTEM MESSAGE",
                "Journaling switched to: /iris/journal1/20210811.003",
                "03/23/12-11:24:33:523 (4128) 2 Journal file is full"},
               {{"2021-08-11T05:49:43.342000Z",
                 "informational",
                 "",
                 "INTERSYSTEMS IRIS JOURNALING SYSTEM MESSAGE\nJournaling switched to: "
                 "/iris/journal1/20210811.003",
                 {{"component", "Generic.Event"}, {"pid", "18374"}}},
                {"2012-03-23T11:24:33.523000Z",
                 "error",
                 "",
                 "Journal file is full",
                 {{"component", "(absent)"}, {"pid", "4128"}}}}}),
    [](const auto& i) { return std::string(i.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Databases, Shipped,
    testing::Values(
        Source{"postgresql_debian",
               "postgresql",
               {"2026-11-22 02:30:00.123 UTC [4711] LOG:  database system is ready to accept "
                "connections",
                "2026-11-22 02:30:01.000 UTC [4712] postgres@pacs ERROR:  relation \"studies\" "
                "does not exist at character 15",
                "2026-11-22 02:30:01.000 UTC [4712] postgres@pacs STATEMENT:  select *",
                "\tfrom studies;",
                "2026-11-22 02:30:02.000 UTC [4713] [unknown]@[unknown] FATAL:  no PostgreSQL user "
                "name specified in startup packet"},
               {{"2026-11-22T02:30:00.123000Z",
                 "informational",
                 "",
                 "database system is ready to accept connections",
                 {{"pid", "4711"}, {"level", "LOG"}}},
                {"2026-11-22T02:30:01.000000Z",
                 "error",
                 "",
                 "relation \"studies\" does not exist at character 15\n2026-11-22 02:30:01.000 UTC "
                 "[4712] postgres@pacs STATEMENT:  select *\n\tfrom studies;",
                 {{"user", "postgres"}, {"database", "pacs"}, {"pid", "4712"}}},
                {"2026-11-22T02:30:02.000000Z",
                 "critical",
                 "",
                 "no PostgreSQL user name specified in startup packet",
                 {{"pid", "4713"}}}}},
        Source{"postgresql_old",
               "postgresql",
               {"2026-11-22 02:30:00 GMT [4711]: LOG:  checkpoint starting: time",
                "2026-07-22 02:30:00 BST [4711]: [3-1] user=app,db=pacs WARNING:  there is no "
                "transaction in progress"},
               {{"2026-11-22T02:30:00.000000Z",
                 "informational",
                 "",
                 "checkpoint starting: time",
                 {{"pid", "4711"}}},
                {"2026-07-22T01:30:00.000000Z",
                 "warning",
                 "",
                 "there is no transaction in progress",
                 {{"pid", "4711"}, {"level", "WARNING"}}}}},
        Source{"mysql8",
               "mysql",
               {"2020-04-22T09:57:45.361205Z 0 [Warning] [MY-010068] [Server] CA certificate "
                "ca.pem is self signed.",
                "2020-04-22T09:57:46.000000Z 8 [System] [MY-010931] [Server] "
                "/usr/sbin/mysqld: ready for connections."},
               {{"2020-04-22T09:57:45.361205Z",
                 "warning",
                 "",
                 "CA certificate ca.pem is self signed.",
                 {{"tid", "0"}, {"code", "MY-010068"}, {"component", "Server"}}},
                {"2020-04-22T09:57:46.000000Z",
                 "notice",
                 "",
                 "/usr/sbin/mysqld: ready for connections.",
                 {{"tid", "8"}}}}},
        Source{"mariadb",
               "mysql",
               {"2026-11-22  2:30:00 0 [Note] InnoDB: Buffer pool(s) load completed at 261122  "
                "2:30:00",
                "2026-11-22  2:30:01 35 [Warning] Access denied for user 'root'@'localhost' "
                "(using password: NO)"},
               {{"2026-11-22T02:30:00.000000Z",
                 "notice",
                 "",
                 "InnoDB: Buffer pool(s) load completed at 261122  2:30:00",
                 {{"level", "Note"}}},
                {"2026-11-22T02:30:01.000000Z",
                 "warning",
                 "",
                 "Access denied for user 'root'@'localhost' (using password: NO)",
                 {{"tid", "35"}}}}},
        Source{
            "mysql5",
            "mysql",
            {"130823  2:30:00 [Note] Event Scheduler: Loaded 0 events",
             "130823 12:30:00 mysqld_safe mysqld from pid file /var/run/mysqld.pid ended",
             "130823 12:30:01  InnoDB: Initializing buffer pool, size = 128.0M"},
            {{"2013-08-23T02:30:00.000000Z", "notice", "", "Event Scheduler: Loaded 0 events", {}},
             {"2013-08-23T12:30:00.000000Z",
              "",
              "",
              "mysqld from pid file /var/run/mysqld.pid ended",
              {{"program", "mysqld_safe"}}},
             {"2013-08-23T12:30:01.000000Z",
              "",
              "",
              "Initializing buffer pool, size = 128.0M",
              {{"component", "InnoDB"}}}}},
        Source{"mongodb",
               "mongodb",
               {"2018-05-20T19:18:40.604+0000 I NETWORK  [initandlisten] waiting for connections "
                "on port 27017",
                "2018-05-20T19:18:41.000+0000 W -        [conn7] slow"},
               {{"2018-05-20T19:18:40.604000Z",
                 "informational",
                 "",
                 "waiting for connections on port 27017",
                 {{"component", "NETWORK"}, {"thread", "initandlisten"}}},
                {"2018-05-20T19:18:41.000000Z", "warning", "", "slow", {{"component", "-"}}}}},
        Source{
            "mongodb_json",
            "json",
            {R"({"t":{"$date":"2020-05-20T19:18:40.604+00:00"},"s":"W","c":"NETWORK","id":22900,"ctx":"listener","msg":"too many","attr":{"n":1}})",
             R"({"t":{"$date":"2020-05-20T19:18:41.604+00:00"},"s":"D1","c":"-","id":1,"ctx":"main","msg":"m"})"},
            {{"2020-05-20T19:18:40.604000Z", "warning", "", "too many", {}},
             {"2020-05-20T19:18:41.604000Z", "debug", "", "m", {}}}},
        Source{"redis",
               "redis",
               {"14856:M 22 Nov 2026 02:30:00.123 * Ready to accept connections",
                "14856:C 22 Nov 2026 02:30:01.000 # Warning: no config file specified"},
               {{"2026-11-22T02:30:00.123000Z",
                 "notice",
                 "",
                 "Ready to accept connections",
                 {{"pid", "14856"}, {"role", "M"}}},
                {"2026-11-22T02:30:01.000000Z",
                 "warning",
                 "",
                 "Warning: no config file specified",
                 {{"role", "C"}}}}},
        Source{"sqlserver",
               "sqlserver",
               {"2016-11-21 14:21:52.30 Server      Microsoft SQL Server 2016 (RTM) - 13.0.1601.5 "
                "(X64)",
                "\tApr 29 2016 23:23:58",
                "2016-11-21 14:23:20.65 Logon       Error: 18456, Severity: 14, State: 7.",
                "2016-11-21 14:23:20.65 Logon       Login failed for user 'sa'. Reason: x [CLIENT: "
                "192.168.56.1]",
                "2016-11-21 14:23:21.05 spid7s      Starting up database 'master'."},
               {{"2016-11-21T14:21:52.300000Z",
                 "",
                 "",
                 "Microsoft SQL Server 2016 (RTM) - 13.0.1601.5 (X64)\n\tApr 29 2016 23:23:58",
                 {{"component", "Server"}}},
                {"2016-11-21T14:23:20.650000Z",
                 "",
                 "",
                 "Error: 18456, Severity: 14, State: 7.",
                 {{"component", "Logon"}, {"error", "18456"}, {"error_severity", "14"}}},
                {"2016-11-21T14:23:20.650000Z",
                 "",
                 "",
                 "Login failed for user 'sa'. Reason: x [CLIENT: 192.168.56.1]",
                 {{"component", "Logon"}}},
                {"2016-11-21T14:23:21.050000Z",
                 "",
                 "",
                 "Starting up database 'master'.",
                 {{"component", "spid7s"}}}}},
        Source{"oracle",
               "oracle-alert",
               {"2019-03-05T10:57:51.112345+00:00", "Starting ORACLE instance (normal) (OS id: 7)",
                "LICENSE_MAX_SESSION = 0", "2019-03-05T10:57:52.000000+00:00",
                "ORA-00600: internal error code"},
               {{"2019-03-05T10:57:51.112345Z",
                 "",
                 "",
                 "Starting ORACLE instance (normal) (OS id: 7)\nLICENSE_MAX_SESSION = 0",
                 {}},
                {"2019-03-05T10:57:52.000000Z", "", "", "ORA-00600: internal error code", {}}}}),
    [](const auto& i) { return std::string(i.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Services, Shipped,
    testing::Values(
        Source{"squid",
               "squid",
               {"1286536309.586    921 192.168.0.68 TCP_MISS/200 507 POST "
                "http://rcv-srv37.inplay.tubemogul.co/event? - DIRECT/174.129.41.128 "
                "application/xml",
                "1286536310.000      0 192.168.0.7 TCP_DENIED/407 3912 CONNECT x.example:443 - "
                "HIER_NONE/- text/html"},
               {{"2010-10-08T11:11:49.586000Z",
                 "",
                 "",
                 "1286536309.586    921 192.168.0.68 TCP_MISS/200 507 POST "
                 "http://rcv-srv37.inplay.tubemogul.co/event? - DIRECT/174.129.41.128 "
                 "application/xml",
                 {{"c-ip", "192.168.0.68"},
                  {"sc-status", "200"},
                  {"cs-method", "POST"},
                  {"c-uri", "http://rcv-srv37.inplay.tubemogul.co/event?"}}},
                {"2010-10-08T11:11:50.000000Z",
                 "",
                 "",
                 "1286536310.000      0 192.168.0.7 TCP_DENIED/407 3912 CONNECT x.example:443 - "
                 "HIER_NONE/- text/html",
                 {{"action", "TCP_DENIED"}, {"sc-status", "407"}}}}},
        Source{"squid_cache",
               "squid-cache",
               {"2026/11/22 02:30:00 kid1| Starting Squid Cache version 5.7",
                "2026/11/22 02:30:01| WARNING: no_suid: setuid(0): (1) Operation not permitted"},
               {{"2026-11-22T02:30:00.000000Z", "", "", "Starting Squid Cache version 5.7", {}},
                {"2026-11-22T02:30:01.000000Z",
                 "warning",
                 "",
                 "no_suid: setuid(0): (1) Operation not permitted",
                 {}}}},
        Source{"haproxy_in_syslog",
               "haproxy",
               {"Feb  6 12:14:14 lb1 haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] "
                "http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "
                "\"GET /index.html HTTP/1.1\"",
                "Feb  6 12:12:56 lb1 haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] "
                "fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
                "Dec  3 18:27:14 lb1 haproxy[6103]: 127.0.0.1:56059 [03/Dec/2012:17:35:10.380] "
                "frt/f1: Connection error during SSL handshake"},
               {{"2009-02-06T12:14:14.655000Z",
                 "",
                 "lb1",
                 "10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 "
                 "2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} \"GET /index.html HTTP/1.1\"",
                 {{"c-ip", "10.0.1.2"},
                  {"frontend", "http-in"},
                  {"backend", "static"},
                  {"server", "srv1"},
                  {"sc-status", "200"},
                  {"cs-method", "GET"},
                  {"cs-uri", "/index.html"},
                  {"pid", "14389"}}},
                {"2009-02-06T12:12:51.443000Z",
                 "",
                 "lb1",
                 "10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 "
                 "0/0",
                 {{"frontend", "fnt"}, {"termination", "--"}}},
                {"2012-12-03T17:35:10.380000Z",
                 "",
                 "lb1",
                 "Connection error during SSL handshake",
                 {{"frontend", "frt/f1"}, {"c-ip", "127.0.0.1"}}}}},
        Source{"samba",
               "samba",
               {"[2026/11/22 02:30:00.123456,  0, pid=4711, effective(0, 0), real(0, 0)] "
                "../../source3/smbd/server.c:1734(main)",
                "  smbd version 4.17.12-Debian started.",
                "  Copyright Andrew Tridgell and the Samba Team 1992-2022",
                "[2012/11/22 02:30:01,  1] smbd/service.c:1070(make_connection_snum)",
                "  ward7 (10.0.0.7) connect to service scans initially as user anna"},
               {{"2026-11-22T02:30:00.123456Z",
                 "",
                 "",
                 "smbd version 4.17.12-Debian started.\n  Copyright Andrew Tridgell and the Samba "
                 "Team 1992-2022",
                 {{"component", "main"}, {"pid", "4711"}, {"debug", "0"}}},
                {"2012-11-22T02:30:01.000000Z",
                 "",
                 "",
                 "ward7 (10.0.0.7) connect to service scans initially as user anna",
                 {{"component", "make_connection_snum"}, {"file", "smbd/service.c"}}}}},
        Source{"openvpn25",
               "openvpn",
               {"2026-11-22 02:30:00 OpenVPN 2.5.1 x86_64-pc-linux-gnu [SSL (OpenSSL)] built on "
                "May 14 2021",
                "2026-11-22 02:30:01 192.0.2.7:51194 TLS: Initial packet from "
                "[AF_INET]192.0.2.7:51194, sid=3d1cbc20 f1bbfd6d",
                "2026-11-22 02:30:02 anna/192.0.2.7:51194 SIGTERM: x",
                "2026-11-22 02:30:03 event_wait : Interrupted system call (code=4)"},
               {{"2026-11-22T02:30:00.000000Z",
                 "",
                 "",
                 "OpenVPN 2.5.1 x86_64-pc-linux-gnu [SSL (OpenSSL)] built on May 14 2021",
                 {}},
                {"2026-11-22T02:30:01.000000Z",
                 "",
                 "",
                 "TLS: Initial packet from [AF_INET]192.0.2.7:51194, sid=3d1cbc20 f1bbfd6d",
                 {{"c-ip", "192.0.2.7"}, {"c-port", "51194"}}},
                {"2026-11-22T02:30:02.000000Z",
                 "",
                 "",
                 "SIGTERM: x",
                 {{"user", "anna"}, {"c-ip", "192.0.2.7"}}},
                {"2026-11-22T02:30:03.000000Z",
                 "",
                 "",
                 "event_wait : Interrupted system call (code=4)",
                 {}}}},
        Source{"openvpn24",
               "openvpn",
               {"Sun Nov 22 02:30:00 2026 OpenVPN 2.4.7 x86_64-pc-linux-gnu built on Feb 20 2019",
                "Sun Nov 22 02:30:01 2026 us=123456 192.0.2.7:51194 peer info: IV_VER=2.4.7"},
               {{"2026-11-22T02:30:00.000000Z",
                 "",
                 "",
                 "OpenVPN 2.4.7 x86_64-pc-linux-gnu built on Feb 20 2019",
                 {}},
                {"2026-11-22T02:30:01.000000Z",
                 "",
                 "",
                 "peer info: IV_VER=2.4.7",
                 {{"us", "123456"}, {"c-ip", "192.0.2.7"}}}}},
        Source{"fail2ban",
               "fail2ban",
               {"2026-11-22 02:30:00,123 fail2ban.actions        [1234]: NOTICE  [sshd] Ban "
                "192.0.2.7",
                "2026-11-22 02:30:01,000 fail2ban.filter         [1234]: INFO    [sshd] Found "
                "192.0.2.7 - 2026-11-22 02:30:00"},
               {{"2026-11-22T02:30:00.123000Z",
                 "notice",
                 "",
                 "Ban 192.0.2.7",
                 {{"component", "fail2ban.actions"}, {"jail", "sshd"}, {"pid", "1234"}}},
                {"2026-11-22T02:30:01.000000Z",
                 "informational",
                 "",
                 "Found 192.0.2.7 - 2026-11-22 02:30:00",
                 {{"component", "fail2ban.filter"}}}}},
        Source{"dpkg",
               "dpkg",
               {"2025-06-24 14:36:25 startup archives unpack",
                "2025-06-24 14:36:25 upgrade libsystemd0:amd64 252.36-1~deb12u1 252.38-1~deb12u1",
                "2025-06-24 14:36:25 status triggers-pending libc-bin:amd64 2.36-9+deb12u10"},
               {{"2025-06-24T14:36:25.000000Z", "", "", "archives unpack", {{"action", "startup"}}},
                {"2025-06-24T14:36:25.000000Z",
                 "",
                 "",
                 "2025-06-24 14:36:25 upgrade libsystemd0:amd64 252.36-1~deb12u1 252.38-1~deb12u1",
                 {{"action", "upgrade"},
                  {"package", "libsystemd0:amd64"},
                  {"version", "252.38-1~deb12u1"}}},
                {"2025-06-24T14:36:25.000000Z",
                 "",
                 "",
                 "2025-06-24 14:36:25 status triggers-pending libc-bin:amd64 2.36-9+deb12u10",
                 {{"state", "triggers-pending"}, {"version", "2.36-9+deb12u10"}}}}},
        Source{"apt",
               "apt-history",
               {"Start-Date: 2025-06-24  14:36:25", "Commandline: apt-get -qqy upgrade",
                "Requested-By: anna (1000)",
                "Upgrade: libsystemd0:amd64 (252.36-1~deb12u1, 252.38-1~deb12u1)",
                "End-Date: 2025-06-24  14:36:26"},
               {{"2025-06-24T14:36:25.000000Z",
                 "",
                 "",
                 "Upgrade: libsystemd0:amd64 (252.36-1~deb12u1, 252.38-1~deb12u1)\nEnd-Date: "
                 "2025-06-24  14:36:26",
                 {{"command", "apt-get -qqy upgrade"}, {"user", "anna (1000)"}}}}},
        Source{"msdns",
               "microsoft-dns",
               {"6/5/2013 10:00:32 AM 0E70 PACKET  00000000033397A0 UDP Rcv 10.161.60.71    5b47   "
                "Q [0001   D   NOERROR] A      (12)somecomputer(6)domain(3)com(0)",
                "22/12/2021 17:32:59 0E1C PACKET  0000017DED1D2C90 UDP Snd ::1             0003 R "
                "Q [8085 A DR  NOERROR] AAAA   (7)wrk10w1(9)cancamusa(3)com(0)"},
               {{"2013-06-05T10:00:32.000000Z",
                 "",
                 "",
                 "6/5/2013 10:00:32 AM 0E70 PACKET  00000000033397A0 UDP Rcv 10.161.60.71    5b47  "
                 " Q [0001   D   NOERROR] A      (12)somecomputer(6)domain(3)com(0)",
                 {{"c-ip", "10.161.60.71"},
                  {"query", "(12)somecomputer(6)domain(3)com(0)"},
                  {"query_type", "A"},
                  {"direction", "Rcv"}}},
                {"2021-12-22T17:32:59.000000Z",
                 "",
                 "",
                 "22/12/2021 17:32:59 0E1C PACKET  0000017DED1D2C90 UDP Snd ::1             0003 R "
                 "Q [8085 A DR  NOERROR] AAAA   (7)wrk10w1(9)cancamusa(3)com(0)",
                 {{"rcode", "NOERROR"}, {"response", "R"}, {"query_type", "AAAA"}}}}},
        Source{"msdhcp",
               "microsoft-dhcp",
               {"10,04/25/26,14:30:15,Assign,10.20.30.50,host123,001122334455,,1234567,0,,,,,,,,,",
                "24,09/29/17,00:00:04,Database Cleanup Begin,,,,,0,6,,,,,,,,,0"},
               {{"2026-04-25T14:30:15.000000Z",
                 "",
                 "",
                 "Assign",
                 {{"c-ip", "10.20.30.50"}, {"client", "host123"}, {"id", "10"}}},
                {"2017-09-29T00:00:04.000000Z", "", "", "Database Cleanup Begin", {{"id", "24"}}}}},
        Source{"bind",
               "bind",
               {"22-Nov-2026 02:30:00.123 queries: info: client @0x7f1234567890 "
                "192.168.1.100#54321 (example.com): query: example.com IN A +E(0)K (192.168.1.1)",
                "22-Nov-2026 02:30:01.000 general: error: zone x/IN: loading from master file "
                "failed"},
               {{"2026-11-22T02:30:00.123000Z",
                 "informational",
                 "",
                 "client @0x7f1234567890 192.168.1.100#54321 (example.com): query: example.com IN "
                 "A +E(0)K (192.168.1.1)",
                 {{"component", "queries"}}},
                {"2026-11-22T02:30:01.000000Z",
                 "error",
                 "",
                 "zone x/IN: loading from master file failed",
                 {{"component", "general"}}}}},
        Source{"unbound",
               "unbound",
               {"[1669084200] unbound[4711:0] info: service stopped (unbound 1.17.1).",
                "[1669084201] unbound[4711:1] error: SERVFAIL <x. A IN>: all servers failed"},
               {{"2022-11-22T02:30:00.000000Z",
                 "informational",
                 "",
                 "service stopped (unbound 1.17.1).",
                 {{"pid", "4711"}, {"program", "unbound"}}},
                {"2022-11-22T02:30:01.000000Z",
                 "error",
                 "",
                 "SERVFAIL <x. A IN>: all servers failed",
                 {{"tid", "1"}}}}},
        Source{"cups",
               "cups",
               {"E [22/Nov/2026:02:30:00 +0000] [Job 42] Stopping job",
                "I [22/Nov/2026:02:30:01 +0100] Listening on [v1.::1]:631 (IPv6)"},
               {{"2026-11-22T02:30:00.000000Z", "error", "", "Stopping job", {{"job", "42"}}},
                {"2026-11-22T01:30:01.000000Z",
                 "informational",
                 "",
                 "Listening on [v1.::1]:631 (IPv6)",
                 {}}}},
        Source{
            "clamav",
            "clamav",
            {"Sun Nov 22 02:30:00 2026 -> /srv/x.doc: Win.Test.EICAR_HDB-1 FOUND",
             "Sun Nov 22 02:30:01 2026 -> ERROR: Can't open /x"},
            {{"2026-11-22T02:30:00.000000Z", "", "", "/srv/x.doc: Win.Test.EICAR_HDB-1 FOUND", {}},
             {"2026-11-22T02:30:01.000000Z", "error", "", "Can't open /x", {}}}},
        Source{"veeam",
               "veeam",
               {"[31.08.2016 01:43:18] <44> Info     [AgentMngr] Starting agent with normal "
                "priority",
                "[2026-09-12 02:11:04] <07> Error    Failed to connect", "   at Veeam.X()"},
               {{"2016-08-31T01:43:18.000000Z",
                 "informational",
                 "",
                 "Starting agent with normal priority",
                 {{"component", "AgentMngr"}, {"thread", "44"}}},
                {"2026-09-12T02:11:04.000000Z",
                 "error",
                 "",
                 "Failed to connect\n   at Veeam.X()",
                 {{"component", "(absent)"}}}}},
        Source{"vsftpd",
               "vsftpd",
               {"Fri Aug 14 13:55:31 2026 [pid 4471] CONNECT: Client \"10.0.0.9\"",
                "Fri Aug 14 13:55:34 2026 [pid 4471] [guest] FAIL LOGIN: Client \"10.0.0.9\""},
               {{"2026-08-14T13:55:31.000000Z",
                 "",
                 "",
                 "CONNECT: Client \"10.0.0.9\"",
                 {{"action", "CONNECT"}, {"client", "10.0.0.9"}}},
                {"2026-08-14T13:55:34.000000Z",
                 "",
                 "",
                 "FAIL LOGIN: Client \"10.0.0.9\"",
                 {{"action", "FAIL LOGIN"}, {"user", "guest"}, {"pid", "4471"}}}}},
        Source{"suricata",
               "suricata",
               {"11/12/2022 -- 15:44:34 - <Notice> - This is Suricata version 6.0.8 RELEASE "
                "running in USER mode",
                "[4711] 11/12/2022 -- 15:44:35 - (util-conf.c:134) <Warning> - no rules"},
               {{"2022-12-11T15:44:34.000000Z",
                 "notice",
                 "",
                 "This is Suricata version 6.0.8 RELEASE running in USER mode",
                 {}},
                {"2022-12-11T15:44:35.000000Z",
                 "warning",
                 "",
                 "no rules",
                 {{"pid", "4711"}, {"file", "util-conf.c:134"}}}}},
        Source{"pgbackrest",
               "pgbackrest",
               {"2026-11-27 19:27:15.923 P00   INFO: check command begin 2.45: --stanza=x",
                "2026-11-27 19:27:16.000 P00  ERROR: [027]: no database found",
                "       HINT: check indexed pg-path/pg-host configurations"},
               {{"2026-11-27T19:27:15.923000Z",
                 "informational",
                 "",
                 "check command begin 2.45: --stanza=x",
                 {{"process", "00"}}},
                {"2026-11-27T19:27:16.000000Z",
                 "error",
                 "",
                 "[027]: no database found\n       HINT: check indexed pg-path/pg-host "
                 "configurations",
                 {}}}},
        Source{"alternatives",
               "alternatives",
               {"update-alternatives 2025-06-24 14:36:53: link group pager updated to point to "
                "/usr/bin/less"},
               {{"2025-06-24T14:36:53.000000Z",
                 "",
                 "",
                 "link group pager updated to point to /usr/bin/less",
                 {}}}},
        Source{"exim",
               "exim",
               {"2026-11-22 02:30:00 1abcDE-0001Xy-7Z <= alice@trust.example H=mail [192.0.2.7] "
                "P=esmtps S=1234"},
               {{"2026-11-22T02:30:00.000000Z",
                 "",
                 "",
                 "<= alice@trust.example H=mail [192.0.2.7] P=esmtps S=1234",
                 {{"message_id", "1abcDE-0001Xy-7Z"}}}}},
        Source{"fast_alert",
               "fast-alert",
               {"11/22/2026-02:30:00.123456  [**] [1:2100498:7] GPL ATTACK_RESPONSE id check "
                "returned root [**] [Classification: Potentially Bad Traffic] [Priority: 2] {TCP} "
                "192.0.2.7:80 -> 10.0.0.5:51234"},
               {{"2026-11-22T02:30:00.123456Z",
                 "",
                 "",
                 "GPL ATTACK_RESPONSE id check returned root",
                 {{"sid", "2100498"}, {"protocol", "TCP"}, {"src", "192.0.2.7:80"}}}}}),
    [](const auto& i) { return std::string(i.param.name); });

// --- headers that name the columns

TEST(W3c, IisNamesItsColumnsAndMayChangeThem) {
  const auto all = parse_all(
      {"#Software: Microsoft Internet Information Services 10.0", "#Version: 1.0",
       "#Date: 2026-11-22 02:29:00",
       "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip "
       "cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
       "2026-11-22 02:30:00 10.0.0.1 GET /portal/ id=7 443 TRUST\\anna 10.0.0.7 "
       "Mozilla/5.0+(Windows+NT+10.0) - 200 0 0 31",
       "#Fields: time c-ip sc-status", "02:30:01 10.0.0.8 404", "not of the columns at all, no"});
  ASSERT_EQ(all.size(), 8U) << "header lines are kept too";
  const auto& g = all[4];
  EXPECT_EQ(g.format, "w3c");
  EXPECT_EQ(g.category, "webserver");
  EXPECT_EQ(g.time, "2026-11-22T02:30:00.000000Z");
  EXPECT_EQ(g["cs-uri-stem"], "/portal/");
  EXPECT_EQ(g["cs-user-agent"], "Mozilla/5.0+(Windows+NT+10.0)");
  EXPECT_EQ(g["cs-referer"], "(absent)");
  EXPECT_EQ(g["cs-username"], "TRUST\\anna");
  EXPECT_EQ(g["sc-status"], "200");
  EXPECT_EQ(g["software"], "Microsoft Internet Information Services 10.0");
  EXPECT_EQ(all[6].time, "2026-11-22T02:30:01.000000Z") << "the header's date";
  EXPECT_EQ(all[6]["sc-status"], "404");
  EXPECT_EQ(all[7].format, "");
  EXPECT_EQ(all[7].message, "not of the columns at all, no");
}

TEST(W3c, FirewallTimesAreLocal) {
  SourceParser::Options options;
  options.zone = *Zone::parse("+01:00");
  const auto all = parse_all(
      {"#Version: 1.5", "#Software: Microsoft Windows Firewall", "#Time Format: Local",
       "#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn "
       "tcpack tcpwin icmptype icmpcode info path pid",
       "2023-11-26 22:27:57 DROP TCP 192.168.10.106 192.229.221.95 65457 80 0 - 0 0 0 - - - SEND "
       "1360"},
      options);
  ASSERT_EQ(all.size(), 5U);
  EXPECT_EQ(all[4].time, "2023-11-26T21:27:57.000000Z");
  EXPECT_EQ(all[4].category, "firewall");
  EXPECT_EQ(all[4]["action"], "DROP");
  EXPECT_EQ(all[4]["dst-port"], "80");
  EXPECT_EQ(all[4]["tcpflags"], "(absent)");
}

TEST(W3c, ExchangeSeparatesByCommas) {
  const auto all = parse_all(
      {"#Software: Microsoft Exchange Server", "#Version: 15.01.2375.007",
       "#Log-type: Message Tracking Log", "#Date: 2022-09-19T15:02:29.339Z",
       "#Fields: date-time,client-ip,server-hostname,source,event-id,recipient-address,message-"
       "subject,sender-address",
       "2022-09-19T15:02:30.000Z,10.0.0.7,EXCH01,SMTP,RECEIVE,bob@trust.example,\"Re: "
       "\"\"scan\"\", "
       "ward 7\",anna@trust.example"});
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(all[5].time, "2022-09-19T15:02:30.000000Z");
  EXPECT_EQ(all[5].host, "EXCH01");
  EXPECT_EQ(all[5]["event-id"], "RECEIVE");
  EXPECT_EQ(all[5]["message-subject"], "Re: \"scan\", ward 7");
  EXPECT_EQ(all[5]["sender-address"], "anna@trust.example");
}

TEST(W3c, ZeekTsv) {
  const auto all =
      parse_all({"#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)",
                 "#unset_field\t-", "#path\tconn", "#open\t2026-11-22-02-30-00",
                 "#fields\tts\tuid\tid.orig_h\tid.orig_p\tproto\tservice\ttunnel_parents",
                 "#types\ttime\tstring\taddr\tport\tenum\tstring\tset[string]",
                 "1795314600.123456\tCHhAvVGS1DHFjwGM9\t10.0.0.7\t51234\ttcp\t-\t(empty)",
                 "#close\t2026-11-22-03-00-00"});
  ASSERT_EQ(all.size(), 10U);
  const auto& g = all[8];
  EXPECT_EQ(g.format, "w3c");
  EXPECT_EQ(g.product, "zeek");
  EXPECT_EQ(g.service, "conn");
  EXPECT_EQ(g.time, "2026-11-22T02:30:00.123456Z");
  EXPECT_EQ(g["id.orig_h"], "10.0.0.7");
  EXPECT_EQ(g["id.orig_p"], "51234");
  EXPECT_EQ(g["service"], "(absent)");
  EXPECT_EQ(all[9].format, "w3c");
}

TEST(W3c, AHeaderIsBounded) {
  std::vector<std::string> lines{"#Fields: date time c-ip sc-status"};
  std::string wide = "#Fields:";
  for (int i = 0; i < 5000; ++i) wide += " c" + std::to_string(i);
  lines.push_back(wide);
  lines.emplace_back("2026-11-22 02:30:00 10.0.0.7 200");
  const auto all = parse_all(lines);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_NE(all[2].format, "w3c") << "no columns are better than wrong ones";
}

// --- formats inside others

TEST(Inside, AContainersLineIsReadAgain) {
  const auto all =
      parse_all({"2026-11-22T02:30:00.123456789Z stdout F 2015-10-18 18:01:47,978 WARN [main] "
                 "org.apache.hadoop.Foo: slow",
                 "2026-11-22T02:30:01.5Z stderr F {\"level\":\"error\",\"msg\":\"boom\",\"n\":7}",
                 "2026-11-22T02:30:02.5+01:00 stdout P just text"});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].format, "log4j");
  EXPECT_EQ(all[0].time, "2026-11-22T02:30:00.123456Z") << "the container's, which has a zone";
  EXPECT_EQ(all[0].severity, "warning");
  EXPECT_EQ(all[0].message, "slow");
  EXPECT_EQ(all[0]["stream"], "stdout");
  EXPECT_EQ(all[0]["component"], "org.apache.hadoop.Foo");
  EXPECT_EQ(all[1].format, "json");
  EXPECT_EQ(all[1].message, "boom");
  EXPECT_EQ(all[1].severity, "error");
  EXPECT_NE(all[1].json.find(R"("stream":"stderr")"), std::string::npos) << all[1].json;
  EXPECT_NE(all[1].json.find(R"("n":7)"), std::string::npos);
  EXPECT_EQ(all[2].format, "cri");
  EXPECT_EQ(all[2].message, "just text");
  EXPECT_EQ(all[2].time, "2026-11-22T01:30:02.500000Z");
}

TEST(Inside, DockersJsonFileToo) {
  const auto all = parse_all(
      {R"({"log":"I1022 14:23:11.123456   12345 controller.go:611] added\n","stream":"stderr","time":"2026-11-22T02:30:00.123456789Z"})"});
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].format, "glog");
  EXPECT_EQ(all[0].message, "added");
  EXPECT_EQ(all[0].severity, "informational");
  EXPECT_EQ(all[0].time, "2026-11-22T02:30:00.123456Z");
  EXPECT_NE(all[0].json.find(R"("stream":"stderr")"), std::string::npos) << all[0].json;
  EXPECT_NE(all[0].json.find(R"("component":"controller.go")"), std::string::npos) << all[0].json;
}

TEST(Inside, PairsInSyslog) {
  auto g = parse(
      "<189>date=2026-11-22 time=02:30:00 devname=\"fg1\" devid=\"FG100\" level=\"warning\" "
      "srcip=10.1.1.1 msg=\"denied: x\"");
  EXPECT_EQ(g.format, "keyvalue");
  EXPECT_EQ(g.host, "fg1");
  EXPECT_EQ(g.severity, "warning");
  EXPECT_EQ(g.facility, "local7");
  EXPECT_EQ(g["srcip"], "10.1.1.1");
  g = parse(
      "Nov 22 02:30:00 host1 dockerd[7]: time=\"2026-11-22T02:30:00.5Z\" level=error "
      "msg=\"no space\"");
  EXPECT_EQ(g.format, "keyvalue");
  EXPECT_EQ(g.message, "no space");
  EXPECT_EQ(g["program"], "dockerd");
  EXPECT_EQ(g.host, "host1");
  g = parse("Nov 22 02:30:00 host1 app[7]: user=anna action=view");
  EXPECT_EQ(g.format, "rfc3164") << "pairs without time or level are only text";
  EXPECT_EQ(g.message, "user=anna action=view");
}

// --- guessing

TEST(Guessing, EveryExampleIsFoundAsASource) {
  for (const auto& f : Formats::builtin().all()) {
    std::vector<std::string> lines;
    for (int twice = 0; twice < 2; ++twice) {
      std::string_view rest = f->example();
      for (std::size_t end = 0; end != std::string_view::npos;) {
        end = rest.find('\n');
        lines.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      }
    }
    const auto all = parse_all(lines);
    EXPECT_EQ(all.size(), 2U) << f->name();
    for (const auto& g : all) EXPECT_EQ(g.format, f->name());
  }
}

// A layout of free text behind a time: detection wants more of a line than it does once it is held.
bool loose(std::string_view name) { return name == "openvpn"; }

TEST(Guessing, AHeldFormatTakesNoLinesOfOthers) {
  for (const auto& held : Formats::builtin().all())
    for (const auto& f : Formats::builtin().all()) {
      if (f == held || loose(held->name()) || f->example().find('\n') != std::string_view::npos)
        continue;
      if (held->example().find('\n') != std::string_view::npos) continue;
      // asctime() begins lines of syslog too (OpenWrt); a source of such keeps them.
      if (held->name() == "rfc3164" &&
          (f->name() == "clamav" || f->name() == "openvpn" || f->name() == "vsftpd"))
        continue;
      // A line without a time of its own may continue the record before it.
      if (held->joins() && parse(f->example()).time.empty()) continue;
      const auto all = parse_all({std::string(held->example()), std::string(f->example())});
      ASSERT_EQ(all.size(), 2U) << held->name() << " then " << f->name();
      std::multiset<std::string> found{all[0].format, all[1].format};
      EXPECT_EQ(found,
                (std::multiset<std::string>{std::string(held->name()), std::string(f->name())}))
          << held->name() << " then " << f->name();
    }
}

TEST(Guessing, AFileThatTwoProgramsWriteIsNotMergedIntoOneRecord) {
  const auto all =
      parse_all({"2015-10-18 18:01:47,978 INFO [main] a.b.C: first", "\tat a.b.C.d(C.java:1)",
                 "Nov 22 02:30:00 web1 sshd[4711]: Failed password for root",
                 "2015-10-18 18:01:48,978 INFO [main] a.b.C: second", "Caused by: x",
                 "22-Nov-2026 02:30:00.123 INFO [main] a.B.c third"});
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].message, "first\n\tat a.b.C.d(C.java:1)");
  EXPECT_EQ(all[1].format, "rfc3164");
  EXPECT_EQ(all[2].message, "second\nCaused by: x");
  EXPECT_EQ(all[3].format, "tomcat");
}

TEST(Guessing, TheHeldFormatAndTheHeaderSurviveARestart) {
  auto parser = SourceParser::make({}, Formats::builtin());
  std::vector<Got> out;
  const auto emit = [&](Record& r, std::string_view line) { out.push_back(got(r, line)); };
  (*parser)->feed("#Fields: date time c-ip sc-status", now, emit);
  auto again = SourceParser::make({}, Formats::builtin());
  (*again)->restore((*parser)->save());
  (*again)->feed("2026-11-22 02:30:00 10.0.0.7 200", now, emit);
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[1]["sc-status"], "200");
}

}  // namespace
}  // namespace ww::logs
