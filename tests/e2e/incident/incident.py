#!/usr/bin/env python3
"""One bad week, end to end, with a real restic repository and the real processes.

Nightly backups of PACS; an intrusion whose signs are in a server's log; from that night on the backups hold encrypted files.
An incident is opened from the alert; the collector names the clean restore point and says why the others were dropped; a restore
drill restores exactly that point, scans it, and shows RTO and RPO; only after a person signed is the point called clean.

    incident.py --bin FOLDER --source ROOT [--keep]
"""
import datetime
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "drills"))
from drills import Drills, arguments, check  # noqa: E402

DAY = datetime.timedelta(days=1)


class Week(Drills):
    def make_backup(self):
        self.now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.struck = self.now - 2 * DAY
        os.makedirs(self.path("pacs/db"))
        sums = []
        for i in range(12):
            data = ("image %d " % i).encode() * 5000
            with open(self.path("pacs/image%02d.dcm" % i), "wb") as f:
                f.write(data)
            sums.append("%s  image%02d.dcm" % (hashlib.sha256(data).hexdigest(), i))
        self.write("pacs/SHA256SUMS", "\n".join(sums) + "\n")
        db = sqlite3.connect(self.path("pacs/db/app.sqlite"))
        db.execute("create table study(id integer primary key)")
        db.executemany("insert into study(id) values(?)", [(i,) for i in range(500)])
        db.commit()
        db.close()
        self.write("password", "correct horse\n")
        self.restic("init")
        self.nights = {}
        for n in (7, 6, 5, 4, 3, 2, 1):
            at = self.now - n * DAY - datetime.timedelta(hours=1)
            if at > self.struck:
                for i in range(12):
                    name = self.path("pacs/image%02d.dcm" % i)
                    if os.path.exists(name):
                        os.unlink(name)
                        with open(name + ".locked", "wb") as f:
                            f.write(os.urandom(40000))
            self.restic("backup", "--host", "pacs", "--time", at.astimezone().strftime("%Y-%m-%d %H:%M:%S"), self.path("pacs"))
        for s in json.loads(self.restic("snapshots", "--json")):
            self.nights[s["id"]] = datetime.datetime.fromisoformat(s["time"][:19] + (s["time"][-6:] if s["time"][-1] != "Z" else "+00:00"))
        self.write("slow-restic", "#!/bin/sh\nexec restic \"$@\"\n")
        os.chmod(self.path("slow-restic"), 0o755)
        # What a scanner does: says 1 when it finds something.
        self.write("scanner", "#!/bin/sh\nif find \"$1\" -name '*.locked' | grep .; then exit 1; fi\nexit 0\n")
        os.chmod(self.path("scanner"), 0o755)

    def configure_sensor(self, text):
        return (text.replace("every: 1h", "every: 2s").replace("format: plain", "format: auto, product: windows, category: process_creation")
                .replace("      min_files: 41\n", "      min_files: 10\n      scan: [ %s ]\n" % self.path("scanner")))


def main():
    a = arguments(__doc__)
    if shutil.which("restic") is None:
        print("skipped: restic is not installed (deploy/packages-test)")
        return 77
    e = Week(a)
    try:
        e.prepare()
        e.until("the nights of the backup", lambda: len(e.call("/api/v1/backups/assets/trust-a/pacs/runs")["items"]) >= 7)
        check(True, "seven nights of backups are known")
        with open(e.path("pacs.log"), "a") as f:
            f.write(json.dumps({"@timestamp": e.struck.strftime("%Y-%m-%dT%H:%M:%SZ"), "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational",
                                "Provider_Name": "Microsoft-Windows-Sysmon", "Computer": "pacs.trust-a.example",
                                "Image": "C:\\Windows\\System32\\vssadmin.exe", "OriginalFileName": "VSSADMIN.EXE",
                                "CommandLine": "vssadmin.exe delete shadows /all /quiet", "User": "TRUST\\pacsadmin"}) + "\n")
        rule = "55bc0d9f-aa0d-571f-b511-1d2a61b6fb8c"
        e.until("the alert", lambda: e.open_alerts(rule))
        alert = e.open_alerts(rule)[0]
        check(True, "alert: %s, first seen %s" % (alert["rule"]["title"], alert["first_seen"]))
        incident = e.call("/api/v1/incidents", {"title": "Ransomware at trust A", "level": "critical", "alerts": [alert["id"]]})["incident"]["id"]
        base = "/api/v1/incidents/%s/" % incident
        e.call(base + "indicators", {"id": "alert:" + alert["id"], "offset_seconds": 0, "note": "shadow copies deleted"})
        point = e.call(base + "restore-point", {"site": "trust-a", "asset": "pacs"})
        chosen = point["chosen"]["snapshot"]
        window = datetime.datetime.fromisoformat(point["window_start"][:19] + "+00:00")
        newest = max((t, s) for s, t in e.nights.items() if t < window)[1]
        check(chosen == newest and point["verdict"] == "clean_candidate", "restore point: %s of %s, %s" % (chosen[:8], point["chosen"]["data_time"], point["verdict"]))
        dropped = [c for c in point["candidates"] if not c["kept"]]
        check(dropped and all(c["dropped"] for c in dropped), "dropped with reasons: " + dropped[0]["dropped"][0])
        check(point["restores_measured"] == 0, "no restore of it was measured yet")

        # the newest night: the drill itself finds that it is encrypted
        last = max((t, s) for s, t in e.nights.items())[1]
        run = e.over(e.begin("restore-pacs", snapshot=last))
        check(run["state"] == "failed" and run["result"]["sensor"]["scan"] == "found", "last night's backup: " + run["reason"][:120])

        begun = time.monotonic()
        run = e.over(e.begin("restore-pacs", snapshot=chosen, incident_time=point["first_sign"], incident=incident))
        took = time.monotonic() - begun
        r = e.call("/api/v1/drills/%s/report" % run["id"])["recovery"]
        lost = (e.struck - e.nights[chosen]).total_seconds()
        check(run["state"] == "passed" and run["result"]["sensor"]["scan"] == "clean", "restore drill from that point passes, scanned clean")
        check(0 < r["rto_seconds"] <= took + 1 and abs(r["rpo_seconds"] - lost) < 5, "RTO %.1f s, RPO %.1f h" % (r["rto_seconds"], r["rpo_seconds"] / 3600))
        check(e.left() == [], "nothing is left in the scratch place")

        point = e.call(base + "restore-point", {"site": "trust-a", "asset": "pacs"})
        check(point["chosen"]["snapshot"] == chosen and point["verdict"] == "clean_candidate" and point["restores_measured"] >= 1,
              "the drill is known; without a signature it is still no more than %s" % point["verdict"])
        e.call("/api/v1/restore-checks/%s/sign" % run["result"]["restore_check"], {"statement": "Opened 20 studies with the clinical lead"})

        def newest(wanted):
            items = e.call(base + "restore-point?site=trust-a&asset=pacs&limit=1000")["items"]
            return items[0] if wanted(items[0]) else None

        def told():
            return e.open_alerts("restore-point-changed")

        e.until("the verdict to follow the signature by itself", lambda: newest(lambda v: v["verdict"] == "clean"))
        said = newest(lambda v: True)
        check(said["author"] == "wardwatch" and "signed" in said["cause"], "the verdict followed the signature by itself: %s" % said["cause"])
        check(told() and "(clean)" in told()[0]["explanation"], "and it was announced: " + told()[0]["explanation"])
        point = e.call(base + "restore-point", {"site": "trust-a", "asset": "pacs"})
        check(point["verdict"] == "clean", "signed: the point is called clean; expected restore time %.1f s" % point["expected_restore_seconds"])

        # The attacker comes back and deletes the chosen point: the answer changes while people sleep.
        e.restic("forget", chosen)
        e.until("the verdict to follow the deletion", lambda: newest(lambda v: v.get("snapshot") not in (None, chosen)))
        said = newest(lambda v: True)
        second = max((t, s) for s, t in e.nights.items() if t < window and s != chosen)[1]
        check(said["snapshot"] == second and said["verdict"] == "clean_candidate" and "gone" in said["cause"],
              "the chosen backup was deleted: now %s, because %s" % (said["snapshot"][:8], said["cause"]))
        e.until("one alert about it", lambda: len(told()) == 1 and told()[0]["level"] == "high")
        check(True, "announced: " + told()[0]["explanation"])
        history = e.call(base + "restore-point?limit=1000")["items"]
        check([v["verdict"] for v in history].count("clean") == 1 and all(v["cause"] for v in history), "%d verdicts in the history, each with its cause" % len(history))
        return 0
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
