#!/usr/bin/env python3
"""Drills on the real processes, with a real restic repository.

1. Heartbeats of the sensor and of its log file come; a cut network raises one alert within its bound, which closes itself.
2. A restore drill restores the newest snapshot, verifies manifest and database, shows RTO and RPO, leaves nothing behind.
3. The same drill with a damaged repository fails and says why.
4. The collector is killed (SIGKILL) in the middle: the drill goes on and passes. The sensor is killed in the middle: the
   drill ends with that reason. A drill is stopped. Each time nothing is left in the scratch place.
5. A detection drill fires the shipped rule; nobody's inbox gets anything.
6. A planned drill that never passed is overdue (one alert, also over a killed collector) until the collector, when it may, starts it
   by itself and it passes.
7. A table-top exercise is run through its steps, paused over a restart of the collector, and ended by the stop word.

    drills.py --bin FOLDER --source ROOT [--keep]
"""
import argparse
import datetime
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "exactly_once"))
from exactly_once import Estate, free_port  # noqa: E402


class Cable:
    """A TCP forwarder between sensor and collector that can be cut."""

    def __init__(self, to):
        self.to = to
        self.whole = True
        self.pairs = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.listener.accept()
            except OSError:
                return
            if not self.whole:
                a.close()
                continue
            try:
                b = socket.create_connection(("127.0.0.1", self.to), 5)
            except OSError:
                a.close()
                continue
            self.pairs.append((a, b))
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.pump, args=(x, y), daemon=True).start()

    def pump(self, x, y):
        try:
            while True:
                data = x.recv(65536)
                if not data or not self.whole:
                    break
                y.sendall(data)
        except OSError:
            pass
        for s in (x, y):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.whole = False
        for a, b in self.pairs:
            for s in (a, b):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []

    def mend(self):
        self.whole = True


def check(ok, what):
    print(("ok: " if ok else "FAILED: ") + what, flush=True)
    if not ok:
        raise SystemExit(1)


class Drills(Estate):
    grace = 30  # seconds that a heartbeat may be late

    def __init__(self, a):
        super().__init__(a)
        self.ctl_bin = os.path.join(a.bin, "wardwatchctl")
        self.source = a.source

    def restic(self, *words):
        env = dict(os.environ, RESTIC_REPOSITORY=self.path("repo"), RESTIC_PASSWORD_FILE=self.path("password"),
                   RESTIC_CACHE_DIR=self.path("cache"), HOME=self.data)
        done = subprocess.run(["restic", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise SystemExit("restic %s: %s" % (words[0], done.stderr.decode()))
        return done.stdout.decode()

    def make_backup(self):
        os.makedirs(self.path("pacs/db"))
        sums = []
        for i in range(40):
            data = os.urandom(50000)
            with open(self.path("pacs/image%02d.dcm" % i), "wb") as f:
                f.write(data)
            sums.append("%s  image%02d.dcm" % (hashlib.sha256(data).hexdigest(), i))
        self.write("pacs/SHA256SUMS", "\n".join(sums) + "\n")
        db = sqlite3.connect(self.path("pacs/db/app.sqlite"))
        db.execute("create table study(id integer primary key, description text)")
        db.executemany("insert into study(description) values(?)", [("study %d" % i,) for i in range(500)])
        db.commit()
        db.close()
        self.write("password", "correct horse\n")
        self.restic("init")
        self.restic("backup", "--host", "pacs", self.path("pacs"))
        time.sleep(1)
        self.restic("backup", "--host", "pacs", self.path("pacs"))
        # The real tool; after a restore it stays for as long as it is told to, so that there is a middle to be killed in.
        self.write("slow-restic", """#!/bin/sh
restic "$@" || exit $?
case " $* " in *" restore "*) while test -e %s; do sleep 0.2; done;; esac
exit 0
""" % self.path("be-slow"))
        os.chmod(self.path("slow-restic"), 0o755)

    def prepare(self):
        self.make_backup()
        self.collector_port = free_port()
        self.url = "https://127.0.0.1:%d" % self.collector_port
        self.cable = Cable(self.collector_port)
        os.makedirs(self.path("definitions"))
        self.built_page = os.path.join(self.source, "dashboards/web/dist")
        self.has_page = os.path.exists(os.path.join(self.built_page, "index.html"))
        if self.has_page:
            shutil.copytree(self.built_page, self.path("web"))
        else:
            os.makedirs(self.path("web"))
            self.write("web/index.html", "<!doctype html>")
        self.write("definitions/restore-pacs.json", json.dumps({
            "type": "wardwatch-drill", "id": "restore-pacs", "title": "Restore PACS", "kind": "restore",
            "purpose": "test", "safety": ["scratch only"],
            "restore": {"target": "pacs", "rto_target_s": 600, "rpo_target_s": 86400}}))
        with open(self.path("definitions/restore-pacs.json")) as f:
            self.write("definitions/restore-again.json", f.read().replace("restore-pacs", "restore-again").replace("Restore PACS", "Restore again"))
        self.collector_config = self.write("collector.yaml", """\
server: { listen: ["%s"], public_url: %s }
data: { folder: %s }
rules: { sigma: [ %s/rules/packs/sigma ] }
dashboard: { folder: %s }
drills:
  playbooks: [ %s/playbooks/library ]
  definitions: [ %s/playbooks/drills, %s ]
  heartbeat_grace_seconds: %d
  automatic: [ restore ]
  order_seconds: 600
""" % (self.url[8:], self.url, self.path("collector"), self.source, self.path("web"), self.source, self.source, self.path("definitions"), self.grace))
        made = json.loads(self.run_once(self.collector_bin, "init", "--config", self.collector_config, "--login-link", "--json"))
        with open(made["token_file"]) as f:
            self.token = f.read().strip()
        self.ca = made["ca"]
        self.token_file = made["token_file"]
        self.link = made.get("login_link")
        import ssl
        self.tls = ssl.create_default_context(cafile=made["ca"])
        self.start("collector")
        self.until("the collector's first answer", lambda: self.call("/api/v1/events?limit=1") is not None)
        token = self.write("token", self.call("/api/v1/enrolments", {"site": "trust-a", "sensor": "s1", "expires_in": 3600})["token"])
        os.chmod(token, 0o600)
        self.write("pacs.log", "")
        self.sensor_config = self.write("sensor.yaml", self.configure_sensor("""\
data: { folder: %(data)s/sensor }
collector: { url: https://127.0.0.1:%(port)d }
spool: { sync_interval: 50ms }
uplink: { heartbeat: 1h, pause_first: 50ms, pause_most: 500ms }
logs:
  files:
    - { paths: [ %(data)s/pacs.log ], format: plain }
backup:
  probes:
    - { tool: restic, asset: pacs, job: nightly, every: 1h, repository: %(data)s/repo, password_file: %(data)s/password, program: %(data)s/slow-restic }
drills:
  heartbeat: 1s
  orders: yes
  poll: 300ms
  detection: [log, conversation, hl7, audit_xml, capture]
  scratch: %(data)s/scratch
  min_free: 10MiB
  restore:
    - target: pacs
      asset: pacs
      timeout: 10m
      manifest: [ %(inner)s/SHA256SUMS ]
      min_files: 41
      databases:
        - { type: sqlite, path: %(inner)s/db/app.sqlite, queries: [ { sql: 'select count(*) from study', expect: '500' } ] }
""" % {"data": self.data, "port": self.cable.port, "inner": self.path("pacs")[1:]}))
        self.run_once(self.sensor_bin, "enrol", "--config", self.sensor_config, "--token-file", token)
        self.start("sensor")

    def configure_sensor(self, text):
        return text

    def ctl(self, *words):
        done = subprocess.run([self.ctl_bin, "--url", self.url, "--ca", self.ca, "--token-file", self.token_file, *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def begin(self, definition, **more):
        return self.call("/api/v1/drills", dict({"definition": definition, "site": "trust-a", "sensor": "s1"}, **more))["id"]

    def drill(self, run):
        return self.call("/api/v1/drills/" + run)

    def state(self, run):
        return self.drill(run)["state"]

    def over(self, run, seconds=300):
        self.until("the end of drill " + run, lambda: self.state(run) in ("passed", "failed", "stopped"), seconds)
        return self.drill(run)

    def left(self):
        scratch = self.path("scratch")
        return os.listdir(scratch) if os.path.isdir(scratch) else []

    def open_alerts(self, rule=""):
        path = "/api/v1/alerts?status=new,acknowledged,in_progress,escalated" + ("&rule=" + rule if rule else "")
        return self.call(path)["items"]


def heartbeats(e):
    def present():
        items = {h["source"]: h["state"] for h in e.call("/api/v1/heartbeats")["items"]}
        return items.get("sensor") == "present" and items.get("file:" + e.path("pacs.log")) == "present"

    e.until("heartbeats of the sensor and its log file", present)
    check(True, "heartbeats of sensor and log file come")

    def beats():
        return [h["count"] for h in e.call("/api/v1/heartbeats")["items"] if h["source"] == "sensor"][0]

    enough = beats() + 4
    e.until("more heartbeats", lambda: beats() >= enough)
    check(not e.open_alerts("heartbeat-absent"), "no alert while they come")
    e.cable.cut()
    e.until("the alert about the cut network", lambda: e.open_alerts("heartbeat-absent"))
    found = e.open_alerts("heartbeat-absent")
    first, last = (datetime.datetime.fromisoformat(found[0][k][:19]) for k in ("first_seen", "last_seen"))
    took = (last - first).total_seconds()
    # Two intervals of 1 s and the grace, then a tick of the watch; the machine may be slow.
    check(len(found) == 1 and e.grace + 1 <= took < e.grace + 30, "network cut: one alert %.0f s after the last heartbeat (bound %d s): %s" % (took, e.grace + 2, found[0]["rule"]["title"]))
    e.cable.mend()
    e.until("the alert to close itself", lambda: not e.open_alerts("heartbeat-absent"))
    check(True, "the heartbeat is back: the alert closed itself")


def restore_drills(e):
    code, out, err = e.ctl("drill", "start", "restore-pacs", "--site", "trust-a", "--sensor", "s1", "--watch", "--timeout", "600")
    check(code == 0, "restore drill passes: %s %s" % (out.strip(), err.strip()[-300:] if code else ""))
    run = e.call("/api/v1/drills?definition=restore-pacs")["items"][0]
    r = e.call("/api/v1/drills/%s/report" % run["id"])
    recovery = r["recovery"]
    check(0 < recovery["rto_seconds"] < 600 and recovery["rto_met"] and recovery["rto_time"] == "observed",
          "RTO %.1f s measured against %d s" % (recovery["rto_seconds"], recovery["rto_target_seconds"]))
    check(0 < recovery["rpo_seconds"] < 3600 and recovery["rpo_met"], "RPO %.1f s" % recovery["rpo_seconds"])
    sensor = r["result"]["sensor"]
    check(sensor["cleaned"] and any("500" in p for p in sensor["passed"]) and any(p.startswith("checksums: 40") for p in sensor["passed"]),
          "verified: " + "; ".join(sensor["passed"]))
    check(r["result"].get("restore_check"), "the restore check is on record for the clean restore point")
    check(r["score"]["too_easy"], "a drill without a failed step or gap is flagged as perhaps too easy")
    check(e.left() == [], "nothing is left in the scratch place")
    # an upgrade puts another program in the place of the one that runs, then a named snapshot is restored
    os.unlink(e.sensor_bin)
    shutil.copy2(e.shipped, e.sensor_bin)
    first = json.loads(e.restic("snapshots", "--json"))[0]["id"]
    run = e.over(e.begin("restore-pacs", snapshot=first))
    check(run["state"] == "passed" and run["result"]["sensor"]["snapshot"] == first, "a named snapshot is restored")
    check(len(e.call("/api/v1/drills/%s/report" % run["id"])["comparison"]["earlier"]) == 1, "compared with the earlier run")
    run = e.over(e.begin("restore-pacs", snapshot="deadbeef"))
    check(run["state"] == "failed" and "no snapshot" in run["reason"], "an unknown snapshot: " + run["reason"])
    run = e.over(e.begin("restore-sample"))
    check(run["state"] == "failed" and "no restore target" in run["reason"], "a target the sensor does not allow: " + run["reason"])

    # damage: cut the largest pack short
    packs = []
    for folder, _, files in os.walk(e.path("repo/data")):
        packs += [os.path.join(folder, f) for f in files]
    pack = max(packs, key=os.path.getsize)
    with open(pack, "rb") as f:
        whole = f.read()
    os.chmod(pack, 0o600)
    with open(pack, "wb") as f:
        f.write(whole[: len(whole) // 2])
    run = e.over(e.begin("restore-pacs"))
    check(run["state"] == "failed" and run["reason"], "damaged repository: " + run["reason"][:150])
    check("rpo_seconds" not in run["result"]["recovery"], "what could not be restored has no recovery point")
    check(e.left() == [], "nothing is left in the scratch place")
    with open(pack, "wb") as f:
        f.write(whole)


def crashes(e):
    def middle():
        # restored and waiting: the files are there
        return any(os.path.exists(os.path.join(e.path("scratch"), d, "data")) and os.listdir(os.path.join(e.path("scratch"), d, "data")) for d in e.left())

    def stuck():
        """A drill in the middle, which goes on when be-slow is gone."""
        e.write("be-slow", "")
        run = e.begin("restore-pacs")
        e.until("the middle of the drill", middle)
        return run

    run = stuck()
    e.kill("collector")
    e.until("the collector again", lambda: e.call("/api/v1/drills/" + run) is not None)
    os.unlink(e.path("be-slow"))
    r = e.over(run)
    check(r["state"] == "passed", "collector killed in the middle: the drill went on and passed")
    check(any("restarted" in x.get("text", "") for x in r["entries"]), "the restart is in the evidence")
    check(e.left() == [], "nothing is left in the scratch place")

    run = stuck()
    e.kill("sensor")
    r = e.over(run)
    check(r["state"] == "failed" and "restarted" in r["reason"], "sensor killed in the middle: " + r["reason"])
    check(e.left() == [], "nothing is left in the scratch place")

    run = stuck()
    code, out, err = e.ctl("drill", "stop", run, "--reason", "enough")
    check(code == 0, "drill stop: " + out.strip() + err.strip())
    r = e.over(run)
    check(r["state"] == "stopped", "stopped in the middle")
    check(e.left() == [], "nothing is left in the scratch place")
    os.unlink(e.path("be-slow"))


def detection(e):
    run = e.over(e.begin("detect-suspicious-command"))
    d = run["result"]["detection"]
    check(run["state"] == "passed" and d["met"], "detection drill: event after %.2f s, alert after %.2f s" % (d["seconds_to_event"], d["seconds_to_alert"]))
    check(not e.open_alerts(d["expect"][0]["rule"]), "nobody's inbox got anything")
    alerts = e.call("/api/v1/alerts?disposition=drill")["items"]
    check(len(alerts) == 1 and alerts[0]["status"] == "closed", "the alert is closed as a drill")
    hits = [r for r in e.call("/api/v1/rules?limit=1000")["items"] if r["id"] == alerts[0]["rule"]["id"]]
    check(hits and hits[0]["hits"] == 0, "it is left out of the rule's counts")
    check(e.call("/api/v1/events?type=log&q=vssadmin.exe")["items"] == [], "and out of the events of its type")
    check(len(e.call("/api/v1/events?type=drill&q=vssadmin.exe")["items"]) == 1, "it is stored as a drill")
    e.call("/api/v1/drills/%s/acknowledge" % run["id"], {})
    report = e.call("/api/v1/drills/%s/report" % run["id"])
    check(report["detection"]["seconds_to_acknowledge"] > 0, "acknowledged after %.1f s" % report["detection"]["seconds_to_acknowledge"])


def schedule(e):
    def plan(name):
        return [p for p in e.call("/api/v1/drill-schedule")["items"] if p["id"] == name][0]

    words = ["drill", "schedule", "set", "again", "--drill", "restore-again", "--site", "trust-a", "--sensor", "s1", "--period", "30d", "--grace", "1s"]
    code, out, err = e.ctl(*words)
    check(code == 0 and plan("again")["state"] in ("due", "overdue"), "a plan for a drill that never ran: %s%s" % (out.strip(), err.strip()))
    e.until("the alert that it is overdue", lambda: e.open_alerts("drill-overdue"))
    e.kill("collector")
    e.until("the collector again", lambda: e.call("/api/v1/drill-schedule") is not None)
    time.sleep(2)
    alerts = e.open_alerts("drill-overdue")
    check(len(alerts) == 1 and plan("again")["state"] == "overdue", "overdue over a killed collector, one alert: " + alerts[0]["explanation"])
    code, out, err = e.ctl(*(words + ["--start"]))
    check(code == 0, "the collector may start it: " + out.strip() + err.strip())
    e.until("the drill to pass by itself", lambda: plan("again")["state"] == "on_time")
    run = e.drill(plan("again")["last_passed"]["run"])
    check(run["by"] == "plan again" and run["result"]["recovery"]["rto_seconds"] > 0, "it was started by the plan and measured: RTO %.1f s" % run["result"]["recovery"]["rto_seconds"])
    e.until("the alert to close itself", lambda: not e.open_alerts("drill-overdue"))
    said = e.call("/api/v1/alerts/" + alerts[0]["id"])["comments"][-1]["text"]
    check("passed" in said, "the alert: " + said)
    check(e.left() == [], "nothing is left in the scratch place")
    code, out, err = e.ctl("drill", "schedule", "list")
    check(code == 0 and "on_time" in out and "Restore again" in out, "wardwatchctl drill schedule list")
    code, out, err = e.ctl("drill", "schedule", "set", "bad", "--drill", "restore-again", "--site", "trust-a", "--period", "often")
    check(code != 0 and "period" in err, "a wrong plan is refused: " + err.strip().split("\n")[0])
    check(e.ctl("drill", "schedule", "drop", "again")[0] == 0, "and it can be dropped")


def tabletop(e):
    run = e.begin("tabletop-hscn-link-cut")
    d = e.drill(run)
    check(d["tasks"] and d["tasks"][0]["kind"] == "manual", "exercise begins with: " + d["tasks"][0]["name"])
    e.until("the first inject", lambda: any(x["kind"] == "inject" for x in e.drill(run)["entries"]))
    for _ in range(3):
        task = e.drill(run)["tasks"][0]
        e.call("/api/v1/drills/%s/tasks/%d" % (run, task["id"]), {"outcome": "done", "note": "read aloud"})
    e.until("a check that runs by itself", lambda: any("sensor" in s["note"] for s in e.drill(run)["steps"]))
    done = len([s for s in e.drill(run)["steps"] if s["finished"]])
    e.call("/api/v1/drills/%s/pause" % run, {})
    e.kill("collector")
    e.until("the collector again", lambda: e.call("/api/v1/drills/" + run) is not None)
    d = e.drill(run)
    check(d["state"] == "paused" and not d["tasks"] and len([s for s in d["steps"] if s["finished"]]) == done, "paused over a restart")
    e.call("/api/v1/drills/%s/resume" % run, {})
    check(e.drill(run)["tasks"], "it goes on")
    gap = e.call("/api/v1/drills/%s/entries" % run, {"kind": "gap", "description": "The contact list was old", "severity": "high"})["id"]
    e.call("/api/v1/drills/%s/entries" % run, {"kind": "person", "role": "Network engineer", "name": "N. Cable", "presence": "in person"})
    action = e.call("/api/v1/drills/%s/actions" % run, {"gap": gap, "text": "Print the list again", "owner": "ann", "due": "2020-01-01T00:00:00Z"})
    e.call("/api/v1/drills/%s/entries" % run, {"kind": "note", "text": "Stop drill!"})
    d = e.drill(run)
    check(d["state"] == "stopped", "the stop word ended it")
    r = e.call("/api/v1/drills/%s/report" % run)
    check(r["gaps"][0]["time"] == "entered" and r["actions"][0]["owner"] == "ann" and "Facilitator" in r["score"]["unfilled_roles"]
          and "Network engineer" not in r["score"]["unfilled_roles"], "gaps, actions and unfilled roles are in the report")
    check(e.call("/api/v1/drill-actions")["items"][0]["overdue"], "the action is overdue")
    code, out, err = e.ctl("drill", "report", run)
    check(code == 0 and "too_easy" in out, "wardwatchctl drill report")
    metrics = e.ctl("drill", "list")[1]
    check("Restore PACS" in metrics, "wardwatchctl drill list")
    return action


def pages(e, shots):
    if not e.has_page or shutil.which("node") is None or not os.path.isdir(os.path.join(e.source, "dashboards/web/node_modules")):
        print("skipped: the page is not built (deploy/lib/web ci && deploy/lib/web build)")
        return
    done = subprocess.run(["node", "e2e/drills.mjs", e.link, "trust-a", "s1"] + ([shots] if shots else []),
                          cwd=os.path.join(e.source, "dashboards/web"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    check(done.returncode == 0, "the pages in Chromium: " + done.stdout.decode()[-1500:].strip())


def arguments(what):
    p = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", required=True)
    p.add_argument("--source", required=True)
    p.add_argument("--collector")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--shots", help="folder for screenshots of the pages")
    a = p.parse_args()
    a.bin, a.source = os.path.abspath(a.bin), os.path.abspath(a.source)  # the programs run in folders of their own
    return a


def main():
    a = arguments(__doc__)
    if shutil.which("restic") is None:
        print("skipped: restic is not installed (deploy/packages-test)")
        return 77
    e = Drills(a)
    e.grace = 6
    e.shipped, e.sensor_bin = e.sensor_bin, e.path("wardwatch-sensor")
    shutil.copy2(e.shipped, e.sensor_bin)
    try:
        e.prepare()
        heartbeats(e)
        restore_drills(e)
        detection(e)
        schedule(e)
        tabletop(e)
        pages(e, a.shots)
        crashes(e)
        return 0
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
