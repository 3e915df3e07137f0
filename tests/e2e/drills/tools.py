#!/usr/bin/env python3
"""Restore drills of what other tools made: a real borg repository, a real PostgreSQL cluster backed up by pgBackRest, a dump of
it by pg_dump, a tar archive. The sensor runs as the user that owns the backups, as it would at a site.

Then, as root: a real Btrfs snapshot, and the signed program of a site that restores something outside the scratch place; it is
stopped, the sensor is killed in the middle of it, and it is changed after it was signed.

    tools.py --bin FOLDER --source ROOT [--keep]
"""
import os
import pwd
import shutil
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "backups"))
sys.path.insert(0, here)
from drills import Drills, arguments, check  # noqa: E402
from backups import Failed, Postgres, tool  # noqa: E402


class Tools(Drills):
    def make_backup(self):
        os.chmod(self.data, 0o755)
        self.pg = Postgres(self.path("pg"))
        self.endings.append(self.pg.stop)
        self.user = self.pg.user
        sql = "create table patient(id int primary key); insert into patient select generate_series(1,1234)"
        self.pg.run([self.pg.bin + "/psql", "-XAtq", "-h", self.pg.folder, "-U", "postgres", "-d", "postgres", "-c", sql])
        self.pg.backup("full")
        os.makedirs(self.path("files/ward"))
        for i in range(30):
            self.write("files/ward/note%d.txt" % i, "note %d\n" % i)
        self.write("password", "correct horse\n")
        env = {"BORG_REPO": self.path("borg"), "BORG_PASSPHRASE": "correct horse", "BORG_BASE_DIR": self.path("borg-base")}
        tool(["borg", "init", "--encryption=repokey"], env)
        tool(["borg", "create", "::night-1", self.path("files")], env)
        os.makedirs(self.path("dumps"))
        self.pg.run([self.pg.bin + "/pg_dump", "-h", self.pg.folder, "-U", "postgres", "-Fc", "-f", self.pg.folder + "/pas.dump", "postgres"])
        shutil.move(self.pg.folder + "/pas.dump", self.path("dumps/pas.dump"))
        os.makedirs(self.path("tars"))
        with open(self.path("files/SHA256SUMS"), "w") as f:
            f.write(tool(["sh", "-c", "cd %s && sha256sum ward/*" % self.path("files")]))
        tool(["tar", "-C", self.path("files"), "-czf", self.path("tars/ward.tar.gz"), "."])
        for name in ("drill-borg", "drill-pg", "drill-dump", "drill-tar"):
            self.definition(name)

    def definition(self, name):
        import json
        os.makedirs(self.path("more"), exist_ok=True)
        self.write("more/%s.json" % name, json.dumps({
            "type": "wardwatch-drill", "id": name, "title": name, "kind": "restore", "purpose": "test", "safety": ["scratch only"],
            "restore": {"target": name, "rto_target_s": 120}}))

    def configure_sensor(self, text):
        head = text[: text.index("backup:\n")]
        text = head + """\
backup:
  probes:
    - { tool: borg, asset: files, every: 1h, repository: %(d)s/borg, password_file: %(d)s/password }
    - { tool: pgbackrest, asset: pas, every: 1h, config_file: %(pg)s/pgbackrest.conf, stanza: pas }
    - { tool: files, asset: dumps, every: 1h, path: %(d)s/dumps, pattern: "*.dump", settle_seconds: 0 }
    - { tool: files, asset: tars, every: 1h, path: %(d)s/tars, settle_seconds: 0 }
drills:
  heartbeat: 1s
  orders: yes
  poll: 300ms
  scratch: %(d)s/sensor/scratch
  min_free: 10MiB
  restore:
    - { target: drill-borg, asset: files, min_files: 30, files: [ %(inner)s/ward/note7.txt ] }
    - { target: drill-tar, asset: tars, min_files: 31, manifest: [ SHA256SUMS ] }
    - target: drill-dump
      asset: dumps
      databases: [ { type: postgres, queries: [ { sql: 'select count(*) from patient', expect: '1234' }, { sql: 'select current_user', expect: restored } ] } ]
    - target: drill-pg
      asset: pas
      databases: [ { type: postgres, path: postgres, queries: [ { sql: 'select count(*) from patient', expect: '1234' } ] } ]
""" % {"d": self.data, "pg": self.pg.folder, "inner": self.path("files")[1:]}
        if self.user:  # everything the sensor reads and writes is that user's
            os.makedirs(self.path("sensor"), exist_ok=True)
            uid = pwd.getpwnam(self.user)
            for top in ("sensor", "borg", "borg-base", "password", "dumps", "tars"):
                for folder, _, files in os.walk(self.path(top)):
                    for f in [folder] + [os.path.join(folder, x) for x in files]:
                        os.chown(f, uid.pw_uid, uid.pw_gid)
                if os.path.isfile(self.path(top)):
                    os.chown(self.path(top), uid.pw_uid, uid.pw_gid)
        return text

    def start(self, name):
        if name == "collector" or not self.user:
            if name == "collector":
                with open(self.collector_config) as f:
                    text = f.read()
                if self.path("more") not in text:
                    with open(self.collector_config, "w") as f:
                        f.write(text.replace("definitions: [ ", "definitions: [ %s, " % self.path("more")))
            return super().start(name)
        uid = pwd.getpwnam(self.user)
        for folder, _, files in os.walk(self.path("sensor")):
            for f in [folder] + [os.path.join(folder, x) for x in files]:
                os.chown(f, uid.pw_uid, uid.pw_gid)
        with open(self.path(name + ".out"), "ab") as out:
            self.processes[name] = subprocess.Popen(
                ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups", self.sensor_bin, "run", "--config", self.sensor_config],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def left(self):
        scratch = self.path("sensor/scratch")
        return os.listdir(scratch) if os.path.isdir(scratch) else []


class Site(Tools):
    """As root, which listing Btrfs snapshots needs: a snapshot, and a program of the site."""

    user = None

    def make_backup(self):
        self.mounted = None
        os.makedirs(self.path("vm"))
        self.write("vm/disk", "disk of the virtual machine\n")
        self.write("site-restore", """#!/bin/sh
case $1 in
  list) echo '{"version":1,"snapshots":[{"id":"job-7","time":"2026-11-20T02:00:00Z","bytes":100}]}' ;;
  restore) cp -r %(d)s/vm %(d)s/vm-restored && cp %(d)s/vm/disk "$3/disk" || exit 5
           while test -e %(d)s/be-slow; do sleep 0.2; done
           echo '{"version":1,"passed":["the virtual machine answers"]}' ;;
  clean) rm -rf %(d)s/vm-restored ;;
esac
""" % {"d": self.data})
        os.chmod(self.path("site-restore"), 0o755)
        tool(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.path("site.key")])
        tool(["openssl", "pkey", "-in", self.path("site.key"), "-pubout", "-out", self.path("site.pem")])
        tool(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.path("site.key"), "-in", self.path("site-restore"), "-out", self.path("site-restore.sig")])
        for name in ("drill-btrfs", "drill-site"):
            self.definition(name)
        image, at = self.path("btrfs.img"), self.path("btrfs")
        os.mkdir(at)
        try:
            with open(image, "wb") as f:
                f.truncate(160 << 20)
            tool(["mkfs.btrfs", "-q", "-f", image])
        except (Failed, FileNotFoundError):
            return
        if not self.mount("btrfs", at, "-o", "loop", image):
            return
        self.mounted = at
        tool(["btrfs", "subvolume", "create", at + "/data"])
        for i in range(20):
            self.write("btrfs/data/note%d" % i, "note %d\n" % i)
        with open(at + "/data/SHA256SUMS", "w") as f:
            f.write(tool(["sh", "-c", "cd %s/data && sha256sum note*" % at]))
        tool(["btrfs", "subvolume", "snapshot", "-r", at + "/data", at + "/night-1"])
        os.remove(at + "/data/note7")  # what is in the snapshot counts

    def configure_sensor(self, text):
        # What the sensor began must be on its disk before it begins, not only when the next sync comes.
        text = text.replace("sync_interval: 50ms", "sync_interval: 5s")
        text = text[: text.index("backup:\n")] + """\
backup:
  probes:
    - { tool: script, asset: vm, every: 1h, command: [ %(d)s/site-restore, list ] }
%(probe)s
drills:
  heartbeat: 1s
  orders: yes
  poll: 300ms
  scratch: %(d)s/sensor/scratch
  min_free: 10MiB
  restore:
    - { target: drill-site, asset: vm, command: [ %(d)s/site-restore ], signature: %(d)s/site-restore.sig, signed_by: %(d)s/site.pem, files: [ disk ] }
%(target)s
""" % {"d": self.data,
       "probe": "    - { tool: btrfs, asset: fs, every: 1h, path: %s }" % self.mounted if self.mounted else "",
       "target": "    - { target: drill-btrfs, asset: fs, min_files: 21, manifest: [ SHA256SUMS ] }" if self.mounted else ""}
        return text


def site_tools(a):
    e = Site(a)
    try:
        e.prepare()
        if e.mounted:
            run = e.over(e.begin("drill-btrfs"))
            check(run["state"] == "passed" and any(p.startswith("checksums: 20") for p in run["result"]["sensor"]["passed"]),
                  "Btrfs: " + (run["reason"] or "; ".join(run["result"]["sensor"]["passed"])))
        else:
            print("left out: Btrfs (no such file system, or mounting is not allowed here)", flush=True)
        outside = e.path("vm-restored")
        run = e.over(e.begin("drill-site"))
        check(run["state"] == "passed" and "command: the virtual machine answers" in run["result"]["sensor"]["passed"],
              "a program of the site: " + (run["reason"] or "; ".join(run["result"]["sensor"]["passed"])))
        check(run["result"]["recovery"]["rto_seconds"] > 0 and not os.path.exists(outside) and e.left() == [], "measured by us, cleaned up by it")
        e.write("be-slow", "")
        run = e.begin("drill-site")
        e.until("the middle of it", lambda: os.path.exists(outside))
        e.call("/api/v1/drills/%s/stop" % run, {"reason": "enough"})
        run = e.over(run)
        check(run["state"] == "stopped" and not os.path.exists(outside) and e.left() == [], "stopped in the middle: cleaned up, outside too")
        run = e.begin("drill-site")
        e.until("the middle of it", lambda: os.path.exists(outside))
        e.kill("sensor")
        run = e.over(run)
        check(run["state"] == "failed" and "restarted" in run["reason"], "the sensor was killed in the middle: " + run["reason"])
        check(not os.path.exists(outside) and e.left() == [], "its start cleaned up, outside too")
        os.unlink(e.path("be-slow"))
        with open(e.path("site-restore"), "a") as f:
            f.write("touch %s\n" % e.path("pwned"))
        run = e.over(e.begin("drill-site"))
        check(run["state"] == "failed" and "signature" in run["reason"], "changed after it was signed: " + run["reason"])
        check(not os.path.exists(e.path("pwned")), "and it did not run")
    finally:
        e.close(a.keep)


def main():
    a = arguments(__doc__)
    for program in ("restic", "borg", "pgbackrest", "setpriv"):
        if shutil.which(program) is None:
            print("skipped: %s is not installed (deploy/packages-test)" % program)
            return 77
    e = Tools(a)
    try:
        e.prepare()
        run = e.over(e.begin("drill-borg"))
        check(run["state"] == "passed" and run["result"]["sensor"]["snapshot"] == "night-1", "borg: " + (run["reason"] or "; ".join(run["result"]["sensor"]["passed"])))
        run = e.over(e.begin("drill-pg"))
        check(run["state"] == "passed", "pgBackRest: " + (run["reason"] or "; ".join(run["result"]["sensor"]["passed"])))
        check(any("= 1234" in p for p in run["result"]["sensor"]["passed"]), "the restored PostgreSQL answered")
        run = e.over(e.begin("drill-tar"))
        check(run["state"] == "passed" and any(p.startswith("checksums: 30") for p in run["result"]["sensor"]["passed"]),
              "tar: " + (run["reason"] or "; ".join(run["result"]["sensor"]["passed"])))
        run = e.over(e.begin("drill-dump"))
        check(run["state"] == "passed" and run["result"]["recovery"]["rto_seconds"] > 0, "pg_dump: " + (run["reason"] or "; ".join(run["result"]["sensor"]["passed"])))
        with open(e.path("dumps/pas.dump"), "r+b") as f:
            f.truncate(os.path.getsize(e.path("dumps/pas.dump")) // 2)
        run = e.over(e.begin("drill-dump"))
        check(run["state"] == "failed", "a dump cut short: " + run["reason"][:160])
        check(e.left() == [], "nothing is left in the scratch place")
        left = subprocess.run(["pgrep", "-f", e.path("sensor/scratch")], stdout=subprocess.PIPE).stdout.decode().strip()
        check(left == "", "no server is left running")
    finally:
        e.close(a.keep)
    if os.geteuid() == 0:
        site_tools(a)
    else:
        print("left out: Btrfs and the program of a site (not root)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
