#!/usr/bin/env python3
"""Restore drills of a real borg repository and a real PostgreSQL cluster backed up by pgBackRest. The sensor runs as the user
that owns the backups, as it would at a site.

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
from backups import Postgres, tool  # noqa: E402


class Tools(Drills):
    def make_backup(self):
        os.chmod(self.data, 0o755)
        self.pg = Postgres(self.path("pg"))
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
        for name in ("drill-borg", "drill-pg"):
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
drills:
  heartbeat: 1s
  orders: yes
  poll: 300ms
  scratch: %(d)s/sensor/scratch
  min_free: 10MiB
  restore:
    - { target: drill-borg, asset: files, min_files: 30, files: [ %(inner)s/ward/note7.txt ] }
    - target: drill-pg
      asset: pas
      databases: [ { type: postgres, path: postgres, queries: [ { sql: 'select count(*) from patient', expect: '1234' } ] } ]
""" % {"d": self.data, "pg": self.pg.folder, "inner": self.path("files")[1:]}
        if self.user:  # everything the sensor reads and writes is that user's
            os.makedirs(self.path("sensor"), exist_ok=True)
            uid = pwd.getpwnam(self.user)
            for top in ("sensor", "borg", "borg-base", "password"):
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
        run = e.over(e.begin("drill-pg"), 120)
        check(run["state"] == "passed", "pgBackRest: " + (run["reason"] or "; ".join(run["result"]["sensor"]["passed"])))
        check(any("= 1234" in p for p in run["result"]["sensor"]["passed"]), "the restored PostgreSQL answered")
        check(e.left() == [], "nothing is left in the scratch place")
        left = subprocess.run(["pgrep", "-f", e.path("sensor/scratch")], stdout=subprocess.PIPE).stdout.decode().strip()
        check(left == "", "no server is left running")
        return 0
    finally:
        e.stop()
        if hasattr(e, "pg"):
            e.pg.stop()
        if sys.exc_info()[0] or a.keep:
            print("data: %s" % e.data)
        else:
            shutil.rmtree(e.data, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
