#!/usr/bin/env python3
"""Runs a demo care system on this machine with the real binaries.

Three sites: St Elsewhere (an acute trust) has a sensor that replays recorded captures and tails log files through the live path;
Riverside (a community trust) has a sensor that tails what Winlogbeat wrote; the Meadow GP federation has no sensor and sends with the
Elasticsearch bulk protocol. Standard library only.
"""
import argparse
import calendar
import collections
import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
FIXTURES = os.path.join(TOP, "tests", "fixtures")
PACKS = os.path.join(TOP, "rules", "packs")
WAIT_SECONDS = 90


class Trouble(Exception):
    """A sentence for the person at the terminal."""


def free_port(wanted):
    for port in range(wanted, wanted + 50):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Trouble("no free port from %d on; set WARDWATCH_PORT" % wanted)


class Demo:
    def __init__(self, options):
        self.bin = os.path.abspath(options.bin)
        self.data = os.path.abspath(options.data)
        self.port = free_port(options.port)
        self.url = "https://127.0.0.1:%d" % self.port
        self.processes = []
        self.tls = None
        self.token = None

    # ---------------------------------------------------------------- processes
    def tool(self, name, *arguments):
        done = subprocess.run([os.path.join(self.bin, name), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise Trouble("%s %s failed: %s" % (name, " ".join(arguments[:2]), done.stderr.decode("utf-8", "replace").strip()))
        return done.stdout.decode()

    def start(self, name, *words):
        log = open(os.path.join(self.data, name + ".log"), "ab")
        process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self.processes.append((name, process))

    def check_alive(self):
        for name, process in self.processes:
            if process.poll() is not None:
                with open(os.path.join(self.data, name + ".log"), "rb") as f:
                    tail = f.read()[-1500:].decode("utf-8", "replace")
                raise Trouble("%s ended with status %d; the end of its log:\n%s" % (name, process.returncode, tail))

    def stop(self):
        for _, process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name, process in reversed(self.processes):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                print("%s did not stop within 20 s and was killed" % name, file=sys.stderr)
                process.kill()

    # ---------------------------------------------------------------- API
    def call(self, path, body=None, token=None, content_type="application/json"):
        request = urllib.request.Request(self.url + path, data=body if isinstance(body, bytes) or body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Bearer " + (token or self.token))
        if body is not None:
            request.add_header("Content-Type", content_type)
        with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def until(self, what, test, seconds=WAIT_SECONDS):
        end = time.monotonic() + seconds
        while True:
            self.check_alive()
            try:
                if test():
                    return True
            except (urllib.error.URLError, ConnectionError, socket.timeout, ssl.SSLError):
                pass
            if time.monotonic() > end:
                if what is None:
                    return False
                raise Trouble("%s did not happen within %d s; logs are in %s" % (what, seconds, self.data))
            time.sleep(0.2)

    # ---------------------------------------------------------------- steps
    def prepare(self):
        if os.path.exists(self.data):
            if not os.path.exists(os.path.join(self.data, ".wardwatch-demo")):
                raise Trouble("%s exists and was not made by this script; set WARDWATCH_DEMO to another folder" % self.data)
            shutil.rmtree(self.data)
        os.makedirs(self.data, mode=0o700)
        open(os.path.join(self.data, ".wardwatch-demo"), "w").close()
        for folder in ("st-elsewhere/logs", "riverside/logs"):
            os.makedirs(os.path.join(self.data, folder))

    def write(self, name, text):
        path = os.path.join(self.data, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def collector(self):
        config = self.write("collector.yaml", """\
server:
  listen: ["127.0.0.1:{port}"]
  public_url: {url}
data:
  folder: {data}/collector
rules:
  sigma: [{packs}/sigma]
drills:
  playbooks: [{top}/playbooks/library]
  definitions: [{top}/playbooks/drills, {data}/drills]
dashboard:
  folder: {top}/dashboards/web/dist
log:
  level: info
""".format(port=self.port, url=self.url, data=self.data, packs=PACKS, top=TOP))
        os.makedirs(os.path.join(self.data, "drills"))
        self.write("drills/restore-clinic-records.json", json.dumps({
            "type": "wardwatch-drill", "id": "restore-clinic-records", "title": "Restore the clinic's records", "kind": "restore",
            "site": "riverside-community", "sensor": "ward-1", "systems": ["the demo's restic repository (read only)"],
            "purpose": "Restores a backup of the demo's clinic into the sensor's scratch place, checks it, and measures how long it takes.",
            "safety": ["Nothing that runs is touched: the restore goes into a scratch folder and is removed."], "caf": ["B5.c", "D1.c"],
            "restore": {"target": "clinic-records", "rto_target_s": 600, "rpo_target_s": 172800}}))
        made = json.loads(self.tool("wardwatch-collector", "init", "--config", config, "--login-link", "--json"))
        self.login = made["login_link"]
        with open(made["token_file"]) as f:
            self.token = f.read().strip()
        self.ca = made["ca"]
        self.tls = ssl.create_default_context(cafile=self.ca)
        self.start("collector", os.path.join(self.bin, "wardwatch-collector"), "run", "--config", config)

        def healthy():
            with urllib.request.urlopen(self.url + "/healthz", timeout=5, context=self.tls) as a:
                return a.status == 200

        self.until("the collector's first answer", healthy, 30)

    def enrol(self, site, sensor):
        return self.call("/api/v1/enrolments", {"site": site, "sensor": sensor, "expires_in": 3600})["token"]

    def sensor(self, name, site, sensor, rest):
        token = self.write(name + ".token", self.enrol(site, sensor))
        os.chmod(token, 0o600)
        config = self.write(name + ".yaml", """\
data:
  folder: {data}/{name}/state
collector:
  url: {url}
uplink:
  heartbeat: 5s
""".format(url=self.url, data=self.data, name=name) + rest)
        self.tool("wardwatch-sensor", "enrol", "--config", config, "--token-file", token)
        self.start(name, os.path.join(self.bin, "wardwatch-sensor"), "run", "--config", config)

    def sensors(self):
        settings = self.write("suricata.yaml", "%%YAML 1.1\n---\nclassification-file: %s/network/classification.config\n" % PACKS)
        captures = sorted(glob.glob(os.path.join(FIXTURES, "captures", "*.pcap")))
        self.sensor("st-elsewhere", "st-elsewhere", "core-1", """\
capture:
  files: [{captures}]
rules: [{packs}/network/hospital.rules]
suricata_yaml: {settings}
logs:
  files:
    - paths: ["{data}/st-elsewhere/logs/auth.log"]
      product: linux
      service: sshd
    - paths: ["{data}/st-elsewhere/logs/access.log"]
      category: webserver
""".format(captures=", ".join(captures), packs=PACKS, data=self.data, settings=settings))
        self.sensor("riverside", "riverside-community", "ward-1", """\
logs:
  files:
    - paths: ["{data}/riverside/logs/*.jsonl"]
backup:
  probes:
    - {{ tool: script, asset: clinic-files, job: nightly, every: 5s, source: {nights}, medium: disk }}
""".format(data=self.data, nights=self.backups()) + self.records())

    def intrusion(self):
        """When the intrusion in Riverside's logs began, in seconds since 1970."""
        with open(os.path.join(FIXTURES, "logs", "winlogbeat.jsonl")) as f:
            first = min(json.loads(line)["@timestamp"] for line in f)
        return calendar.timegm(time.strptime(first[:19], "%Y-%m-%dT%H:%M:%S"))

    def records(self):
        """A real restic repository with nights before and after the intrusion, and leave to restore it into a scratch place."""
        self.has_records = shutil.which("restic") is not None
        if not self.has_records:
            return ""
        folder = os.path.join(self.data, "riverside/records")
        os.makedirs(folder)
        password = self.write("riverside/restic.password", "a demo needs no secret\n")
        env = dict(os.environ, RESTIC_REPOSITORY=os.path.join(self.data, "riverside/restic"), RESTIC_PASSWORD_FILE=password,
                   RESTIC_CACHE_DIR=os.path.join(self.data, "riverside/cache"), TZ="UTC")

        def restic(*words):
            done = subprocess.run(["restic", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if done.returncode != 0:
                raise Trouble("restic %s: %s" % (words[0], done.stderr.decode("utf-8", "replace")))

        restic("init")
        struck = self.intrusion()
        for night in range(-4, 3):
            for i in range(20):
                with open(os.path.join(folder, "letter%02d.txt" % i), "wb") as f:
                    f.write(os.urandom(4000) if night > 0 else b"Dear colleague, thank you for seeing this patient. " * 80)
            names = sorted(n for n in os.listdir(folder) if n.endswith(".txt"))
            sums = subprocess.run(["sha256sum", *names], cwd=folder, stdout=subprocess.PIPE, check=True).stdout.decode()
            with open(os.path.join(folder, "SHA256SUMS"), "w") as f:
                f.write(sums)
            at = struck + 86400 * night - 3600
            restic("backup", "--host", "fs-01", "--time", time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)), folder)
        return """\
    - {{ tool: restic, asset: clinic-records, job: nightly, every: 5s, repository: {data}/riverside/restic, password_file: {data}/riverside/restic.password, medium: disk }}
drills:
  heartbeat: 10s
  orders: yes
  poll: 1s
  detection: [log, capture, conversation, hl7, audit_xml]
  scratch: {data}/riverside/scratch
  min_free: 100MiB
  restore:
    - {{ target: clinic-records, asset: clinic-records, min_files: 21, manifest: [ "{inner}/SHA256SUMS" ] }}
""".format(data=self.data, inner=folder[1:])

    def restore_drill(self, base):
        """Restores from the point that the collector named, for real, and shows the times."""
        if not self.has_records:
            print("restic is not installed: no restore drill is run (apt-get install restic)")
            return True
        self.until("the nights of the records", lambda: len(self.call("/api/v1/backups/assets/riverside-community/clinic-records/runs")["items"]) >= 7, 300)
        point = self.call(base + "restore-point", {"site": "riverside-community", "asset": "clinic-records"})
        if "chosen" not in point:
            return False
        run = self.call("/api/v1/drills", {"definition": "restore-clinic-records", "site": "riverside-community", "sensor": "ward-1",
                                           "snapshot": point["chosen"]["snapshot"], "incident_time": point["first_sign"]})
        path = "/api/v1/drills/%s" % run["id"]
        self.until("the restore drill", lambda: self.call(path)["state"] in ("passed", "failed", "stopped"), 300)
        run = self.call(path)
        recovery = run["result"].get("recovery", {})
        print("restore drill from %s, data of %s: %s %s" % (point["chosen"]["snapshot"][:8], point["chosen"]["data_time"], run["state"], run["reason"]))
        if run["state"] == "passed":
            print("  RTO %.1f s (target %d s), RPO %.1f h (target %d h); %s" % (
                recovery["rto_seconds"], recovery["rto_target_seconds"], recovery["rpo_seconds"] / 3600, recovery["rpo_target_seconds"] // 3600,
                "; ".join(run["result"]["sensor"]["passed"])))
        return run["state"] == "passed"

    def backups(self):
        """What a backup tool of Riverside would print: a backup a night, from before the intrusion in its logs until today. From the night
        of the intrusion on, the files look encrypted."""
        struck = self.intrusion()
        midnight = struck - struck % 86400
        nights = [midnight - 86400 * n for n in range(14, -4, -1)]
        nights = [t for t in nights if t + 7200 < time.time()] + [t for t in range(int(time.time()) // 86400 * 86400 - 9 * 86400, int(time.time()) - 7200, 86400)]
        runs = []
        for n, t in enumerate(sorted(set(nights))):
            hit = t > struck
            runs.append({"snapshot": "riverside-%s" % time.strftime("%Y%m%d", time.gmtime(t)), "status": "success", "level": "snapshot", "host": "fs-01",
                         "started": time.strftime("%Y-%m-%dT01:00:00Z", time.gmtime(t)), "finished": time.strftime("%Y-%m-%dT01:20:00Z", time.gmtime(t)),
                         "bytes_total": 42_000_000_000 + 20_000_000 * n, "bytes_added": 38_000_000_000 if hit else 900_000_000 + 10_000_000 * (n % 5),
                         "bytes_stored": 37_800_000_000 if hit else 400_000_000, "files_total": 180_000 + 40 * n,
                         "files_changed": 171_000 if hit else 2_100 + 30 * (n % 4), "files_new": 60, "files_deleted": 20, "entropy": 7.97 if hit else 4.6})
        return self.write("riverside/nights.json", json.dumps({"version": 1, "repository": {"id": "riverside-1", "kind": "disk"}, "runs": runs}))

    def restore_point(self):
        """From the intrusion's alerts to the backup that can be trusted."""
        signs = [a for a in self.alerts() if a["site"] == "riverside-community" and a["engine"] != "backup"]
        if not signs:
            return False
        made = self.call("/api/v1/incidents", {"title": "Intrusion at Riverside", "level": "critical", "alerts": [a["id"] for a in signs]})["incident"]
        first = min(signs, key=lambda a: a["first_seen"])
        base = "/api/v1/incidents/%s/" % made["id"]
        self.call(base + "indicators", {"id": "alert:" + first["id"], "offset_seconds": 0, "note": "the first of them"})
        point = self.call(base + "restore-point", {"site": "riverside-community", "asset": "clinic-files"})
        print()
        print("incident %s: %s" % (made["id"], made["title"]))
        print("first sign %s (%s); a backup must be older than %s" % (first["first_seen"], first["rule"]["title"], point["window_start"]))
        if "chosen" in point:
            print("restore point of clinic-files: %s, data of %s, %s: %d h of data lost" % (
                point["chosen"]["snapshot"], point["chosen"]["data_time"], point["verdict"], point["data_loss_seconds"] // 3600))
        for text in point["missing"]:
            print("  not known: " + text)
        for c in [c for c in point["candidates"] if not c["kept"]][:3]:
            print("  dropped: %s: %s" % (c["snapshot"], "; ".join(c["dropped"])))
        return self.restore_drill(base) and point["verdict"] == "clean_candidate"

    def logs(self):
        """The files grow while the sensors follow them, as logs do."""
        for source, target in (("auth.log", "st-elsewhere/logs/auth.log"), ("nginx-access.log", "st-elsewhere/logs/access.log"),
                               ("winlogbeat.jsonl", "riverside/logs/winlogbeat.jsonl")):
            with open(os.path.join(FIXTURES, "logs", source), "rb") as f, open(os.path.join(self.data, target), "ab", buffering=0) as out:
                for line in f:
                    out.write(line)

    def bulk(self):
        token = self.call("/api/v1/tokens", {"name": "meadow-winlogbeat", "role": "ingest", "site": "meadow-gp-federation", "source": "winlogbeat",
                                             "expires_in": 86400})["token"]
        lines = b""
        with open(os.path.join(HERE, "meadow.jsonl"), "rb") as f:
            for line in f:
                lines += b'{"create":{"_index":"winlogbeat"}}\n' + line
        answer = self.call("/_bulk", lines, token=token, content_type="application/x-ndjson")
        if answer.get("errors"):
            raise Trouble("the bulk endpoint refused events: %s" % json.dumps(answer)[:300])

    # ---------------------------------------------------------------- what was found
    def alerts(self):
        items, cursor = [], ""
        while True:
            page = self.call("/api/v1/alerts?limit=500" + cursor)
            items += page["items"]
            if not page.get("next"):
                return items
            cursor = "&cursor=" + page["next"]

    def missing(self):
        seen = collections.defaultdict(set)
        for a in self.alerts():
            seen[a["site"]].add(str(a["rule"]["id"]))
        return [(site, rule) for site, rules in self.expected.items() for rule in rules if self.ids.get(rule, rule) not in seen[site]]

    def load_expected(self):
        with open(os.path.join(HERE, "expected.json")) as f:
            self.expected = json.load(f)
        self.ids = {}
        for path in glob.glob(os.path.join(PACKS, "sigma", "*.yml")):
            with open(path, encoding="utf-8") as f:
                found = re.search(r"^id: (\S+)", f.read(), re.M)
            self.ids[os.path.basename(path)[:-4]] = found.group(1)

    def table(self):
        rows = [(a["site"], a["level"], a["engine"], str(a["count"]), a["rule"]["title"]) for a in self.alerts()]
        order = ["critical", "high", "medium", "low", "informational"]
        rows.sort(key=lambda r: (r[0], order.index(r[1]), r[4]))
        head = ("SITE", "LEVEL", "ENGINE", "COUNT", "ALERT")
        widths = [max(len(r[i]) for r in rows + [head]) for i in range(4)]
        print()
        for r in [head] + rows:
            print("  ".join(r[i].ljust(widths[i]) for i in range(4)) + "  " + r[4])
        overview = self.call("/api/v1/stats/overview?minutes=100000000")
        print()
        print("%d alerts from %d stored events (%s)" % (
            len(rows), overview["store"]["events"],
            ", ".join("%d %s" % (t["count"], t["type"]) for t in overview["events"]["by_type"]) or "none"))
        for s in self.call("/api/v1/sensors")["items"]:
            print("sensor %s/%s: %s, stored up to event %s" % (s["site"], s["sensor"], s["status"], s.get("ack", 0)))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--bin", required=True)
    ap.add_argument("--data", required=True)
    ap.add_argument("--port", type=int, default=8443)
    ap.add_argument("--once", action="store_true", help="stop after the table; exit 0 only if every expected alert arrived")
    ap.add_argument("--then", nargs=argparse.REMAINDER, metavar="COMMAND", help="after the table run this ({login} is the login link) and exit as it does")
    options = ap.parse_args()
    demo = Demo(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        demo.load_expected()
        demo.prepare()
        demo.collector()
        print("collector: %s" % demo.url)
        demo.sensors()
        print("sensors: st-elsewhere/core-1 (captures and logs), riverside-community/ward-1 (logs); meadow-gp-federation sends bulk requests")
        demo.logs()
        demo.bulk()
        print("waiting for the expected alerts (at most %d s)" % WAIT_SECONDS)
        demo.until(None, lambda: not demo.missing())
        missing = demo.missing()
        demo.table()
        for site, rule in missing:
            print("MISSING: %s did not raise %s" % (site, rule))
        if not demo.restore_point():
            print("MISSING: no restore point, or no restore drill that passed, for Riverside")
            missing.append(("riverside-community", "restore point"))
        if options.once:
            return 1 if missing else 0
        if options.then:
            sys.stdout.flush()
            return subprocess.call([word.replace("{login}", demo.login) for word in options.then]) or (1 if missing else 0)
        print()
        print("Dashboard: %s" % demo.url)
        print("Sign in once with: %s" % demo.login)
        print("The certificate is the demo's own (%s); your browser will ask." % demo.ca)
        print("Data and logs: %s.  Ctrl-C stops everything." % demo.data)
        sys.stdout.flush()
        while True:
            demo.check_alive()
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nstopping")
        return 0
    except (Trouble, urllib.error.HTTPError) as e:
        text = e.read().decode("utf-8", "replace") if isinstance(e, urllib.error.HTTPError) else ""
        print("quickstart: %s %s" % (e, text), file=sys.stderr)
        return 1
    finally:
        demo.stop()


if __name__ == "__main__":
    sys.exit(main())
