#!/usr/bin/env python3
"""Sigma rules as a security team meets them, with the real collector and wardwatchctl: an alert and why, a correlation whose
state outlives SIGKILL and counts a late event, an exception with its review date, a back-test, rules swapped while it runs.

    detection.py --bin FOLDER --source ROOT [--keep]
"""
import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "bench", "ingest"))
import detect  # noqa: E402

SHADOW = """\
title: Shadow copies deleted
id: 11111111-1111-4111-8111-111111111111
status: test
logsource: {product: windows, category: process_creation}
detection:
  selection: {CommandLine|contains: 'delete shadows'}
  filter: {User: 'backup'}
  condition: selection and not filter
level: high
"""
FAILED = """\
title: Failed logon
id: 22222222-2222-4222-8222-222222222222
name: failed_logon
status: test
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4625}, condition: selection}
level: low
---
title: Many failed logons
id: 33333333-3333-4333-8333-333333333333
status: test
correlation:
  type: event_count
  rules: [failed_logon]
  group-by: [TargetUserName]
  timespan: 10m
  condition: {gte: 3}
level: high
"""
REMOTE = """\
title: Remote tool started
id: 44444444-4444-4444-8444-444444444444
status: test
logsource: {product: windows, category: process_creation}
detection: {selection: {Image|endswith: '\\anydesk.exe'}, condition: selection}
level: medium
"""


def check(truth, what):
    print("%s %s" % ("ok  " if truth else "FAIL", what), flush=True)
    if not truth:
        raise SystemExit("failed: " + what)


class Detection(detect.Bench):
    def ctl(self, *words, code=0):
        env = dict(os.environ, WARDWATCH_URL=self.url, WARDWATCH_TOKEN=self.token, WARDWATCH_CA=self.path("collector/tls/ca.pem"))
        done = subprocess.run([os.path.join(self.a.bin, "wardwatchctl")] + list(words), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        if done.returncode != code:
            raise SystemExit("%s: exit status %d, not %d: %s" % (" ".join(words), done.returncode, code, done.stderr.decode()))
        return done.stdout.decode() if code == 0 else done.stderr.decode()

    def answers(self):
        try:
            return self.call("/api/v1/events?limit=1") is not None
        except OSError:
            return False

    def items(self, *words):
        return json.loads(self.ctl("--output", "json", *words))

    def tell(self, *events):
        connection = self.connection()
        first, _, body = self.batch(events)
        self.post(connection, first, body)
        connection.close()

    def event(self, fields, ago=0):
        e = json.loads(detect.log_event(fields, 0) + "}")
        e["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%S.000000+0000", time.gmtime(time.time() - ago))
        return json.dumps(e)[:-1]

    def process(self, command, image="C:\\Windows\\System32\\vssadmin.exe", user="eve"):
        return self.event({"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Image": image, "CommandLine": command, "User": user, "Computer": "ws1"})

    def failed(self, user, ago=0):
        return self.event({"Channel": "Security", "EventID": 4625, "TargetUserName": user, "Computer": "dc1"}, ago)

    def alerts(self, title):
        return [a for a in self.items("alerts", "list", "--all") if a["rule"]["title"] == title]


def run(e):
    e.prepare()

    e.tell(e.process("vssadmin delete shadows /all"), e.process("vssadmin delete shadows /all", user="backup"))
    found = e.alerts("Shadow copies deleted")
    check(len(found) == 1 and found[0]["count"] == 1, "a match is an alert; the filter of its rule holds")
    why = e.ctl("alerts", "explain", found[0]["id"])
    check("condition: selection and not filter" in why and "CommandLine|contains = vssadmin delete shadows /all" in why and "false" in why,
          "the alert says which part was true, and of what value")

    e.tell(e.failed("ann", 20))
    e.tell(e.failed("ann"))
    e.kill("collector")
    e.until("the collector again", lambda: e.answers())
    check(not e.alerts("Many failed logons"), "two failed logons are not many")
    e.tell(e.failed("ann", 120))  # it happened before the two and comes after them
    found = e.alerts("Many failed logons")
    check(len(found) == 1 and found[0]["engine"] == "correlation", "a late third one after SIGKILL makes them many")
    why = e.ctl("alerts", "explain", found[0]["id"])
    check("3 x Failed logon" in why and "TargetUserName = ann" in why and "gte 3" in why, "the correlation says what met it")
    explained = e.items("alerts", "explain", found[0]["id"])
    for part in explained["explanation"]["parts"]:
        stored = e.items("events", "show", part["event"])
        check(json.dumps(stored).count('"ann"') >= 1, "its event %s is in the store" % part["event"])
    check(explained["rules"] and explained["rules"][0]["matches"], "and the rule below is explained on one of them")
    e.kill("collector")
    e.until("the collector again", lambda: e.answers())
    check(len(e.alerts("Many failed logons")) == 1 and e.alerts("Many failed logons")[0]["count"] == found[0]["count"], "a restart raises nothing again")

    said = e.ctl("detect", "except", "11111111-1111-4111-8111-111111111111", "--reason", "x", "--review", "2020-01-01", code=1)
    check("review" in said, "an exception that has lapsed is refused")
    e.ctl("detect", "except", "11111111-1111-4111-8111-111111111111", "--site", "trust-a", "--query", "log.host:ws1",
          "--reason", "the backup agent of this server prunes its own copies", "--review", time.strftime("%Y-%m-%d", time.gmtime(time.time() + 90 * 86400)))
    e.tell(e.process("vssadmin delete shadows /all"))
    excepted = e.items("detect", "exceptions")
    check(len(excepted) == 1 and excepted[0]["suppressed"] == 1 and excepted[0]["holds"] and excepted[0]["author"], "an exception keeps reason, author and review date, and counts")
    check(e.alerts("Shadow copies deleted")[0]["count"] == 1, "what it covers raises nothing")
    e.ctl("detect", "unexcept", excepted[0]["id"])
    e.tell(e.process("vssadmin delete shadows /all"))
    check(e.alerts("Shadow copies deleted")[0]["count"] == 2, "without it the rule alerts again")

    trial = e.write("trial.yml", SHADOW.replace("11111111", "55555555").replace("and not filter", "").replace("title: Shadow", "title: Trial shadow"))
    tried = e.items("detect", "backtest", "--rules", trial, "--from", "1h")
    check(tried["matches"] == 4 and tried["rules"][0]["title"] == "Trial shadow copies deleted", "a back-test finds what the changed rule would have raised")
    check(not e.alerts("Trial shadow copies deleted"), "and raises nothing")
    broken = e.write("broken.yml", "title: x\ndetection: 5\n")
    said = e.ctl("detect", "backtest", "--rules", broken, "--from", "1h", code=1)
    check("broken.yml:1: the rule has no logsource" in said, "a broken rule is named with its line")

    e.tell(e.failed("bob"), e.failed("bob"))
    e.write("rules/remote.yml", REMOTE)
    loaded = e.items("detect", "reload")
    check(loaded["loaded"] == 4 and loaded["refused"] == 0, "rules are read again while it runs")
    e.tell(e.failed("bob"), e.process("x", image="C:\\Users\\eve\\AnyDesk.exe"))
    check(len(e.alerts("Remote tool started")) == 1, "the new rule works at once")
    check(len(e.alerts("Many failed logons")) == 2, "and windows go on under the new rules")
    e.write("rules/broken.yml", "title: x\ndetection: 5\n")
    loaded = e.items("detect", "reload")
    check(loaded["loaded"] == 4 and loaded["refused"] == 1 and loaded["errors"][0]["file"].endswith("broken.yml"), "a broken file is reported and takes no neighbour down")
    counted = {r["title"]: r for r in e.items("detect", "rules")}
    check(counted["Failed logon"]["hits"] == 0 and counted["Many failed logons"]["hits"] >= 2 and counted["Shadow copies deleted"]["suppressed"] == 1,
          "each rule has its counters")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", required=True)
    p.add_argument("--source", required=True)
    p.add_argument("--collector")
    p.add_argument("--keep", action="store_true")
    a = p.parse_args()
    a.sigma, a.groups, a.cpus = [], 0, None
    e = Detection(a)
    os.makedirs(e.path("rules"))
    e.write("rules/shadow.yml", SHADOW)
    e.write("rules/failed.yml", FAILED)
    a.sigma = [e.path("rules")]
    try:
        run(e)
    finally:
        e.close(a.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
