#!/usr/bin/env python3
"""Real restic, borg and PostgreSQL/pgBackRest backups, broken in twelve ways under a real sensor and collector.

For each way: the state of the job, an open alert, and that both end when what was wrong is mended. Breaks of different
jobs go together, so that the whole takes about a minute and a half.

    backups.py --bin FOLDER [--keep]
"""
import argparse
import calendar
import glob
import json
import os
import pwd
import random
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "exactly_once"))
from exactly_once import Estate  # noqa: E402

SITE = "trust-a"
WORDS = "patient ward clinic letter discharge result image report theatre order bed note scan blood plan".split()


class Failed(Exception):
    pass


def tool(words, env=None, user=None, ok=(0,), **more):
    e = {"PATH": os.environ["PATH"], "HOME": "/tmp", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    e.update(env or {})
    if user:
        words = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] + words
    done = subprocess.run(words, env=e, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, **more)
    if done.returncode not in ok:
        raise Failed("%s: code %d: %s" % (" ".join(words[:6]), done.returncode, done.stdout.decode("utf-8", "replace")[-800:]))
    return done.stdout.decode("utf-8", "replace")


def text_of(chance, octets):
    out = []
    while sum(map(len, out)) < octets:
        out.append(chance.choice(WORDS) + " ")
    return "".join(out)


class BackupEstate(Estate):
    """Serves the dashboard, too, when it is built."""

    web = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "dashboards", "web")

    def start(self, name):
        if name == "collector" and self.has_page():
            with open(self.collector_config) as f:
                text = f.read()
            if "dashboard:" not in text:
                with open(self.collector_config, "a") as f:
                    f.write("dashboard: { folder: %s }\n" % os.path.join(self.web, "dist"))
        super().start(name)

    def has_page(self):
        return (os.path.exists(os.path.join(self.web, "dist", "index.html")) and os.path.isdir(os.path.join(self.web, "node_modules", "playwright-core"))
                and shutil.which("node") and (shutil.which("chromium") or shutil.which("google-chrome")))

    def drive_page(self, link, asset, shots):
        words = ["node", os.path.join(self.web, "e2e", "backups.mjs"), link, SITE, asset] + ([shots] if shots else [])
        print(self.run_once(*words).strip(), flush=True)


class Source:
    """A folder of documents that changes a little from night to night."""

    def __init__(self, folder, chance, files=30):
        self.folder, self.chance = folder, chance
        os.makedirs(folder)
        for i in range(files):
            self.put(i)

    def file(self, i):
        return os.path.join(self.folder, "letter-%03d.txt" % i)

    def put(self, i):
        with open(self.file(i), "w") as f:
            f.write(text_of(self.chance, 6000))

    def night(self):
        for i in self.chance.sample(range(30), 2):
            if os.path.exists(self.file(i)):
                self.put(i)

    def keep(self, to):
        shutil.copytree(self.folder, to)

    def bring_back(self, copy):
        shutil.rmtree(self.folder)
        shutil.copytree(copy, self.folder)

    def encrypt(self):
        for p in glob.glob(self.folder + "/*"):
            with open(p, "wb") as f:
                f.write(self.chance.randbytes(6000))


class Restic:
    def __init__(self, folder, password):
        self.folder = folder
        self.env = {"RESTIC_REPOSITORY": folder, "RESTIC_PASSWORD_FILE": password, "RESTIC_CACHE_DIR": folder + ".cache"}

    def __call__(self, *words, **more):
        return tool(["restic"] + list(words), self.env, **more)

    def backup(self, source, *more):
        self("backup", "-q", *more, source)


class Borg:
    def __init__(self, folder, password):
        self.folder = folder
        self.n = 0
        self.env = {"BORG_REPO": folder, "BORG_PASSCOMMAND": "cat " + password, "BORG_BASE_DIR": folder + ".base",
                    "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}

    def __call__(self, *words, **more):
        return tool(["borg"] + list(words), self.env, **more)

    def backup(self, source, *more, ok=(0,)):
        self.n += 1
        return self("create", *more, "::night-%d" % self.n, source, ok=ok)


class Postgres:
    """A PostgreSQL cluster of its own with a pgBackRest repository."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.user = None
        if os.geteuid() == 0:
            self.user = "postgres"
            u = pwd.getpwnam("postgres")
            os.chown(folder, u.pw_uid, u.pw_gid)
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.conf = folder + "/pgbackrest.conf"
        self.write_conf(4)
        data = folder + "/data"
        self.run([self.bin + "/initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"])
        with open(data + "/postgresql.conf", "a") as f:
            f.write("listen_addresses=''\nunix_socket_directories='%s'\nwal_level=replica\narchive_mode=on\nfsync=off\n"
                    "archive_command='pgbackrest --config=%s --stanza=pas archive-push %%p'\n" % (folder, self.conf))
        self.run([self.bin + "/pg_ctl", "-D", data, "-w", "-l", folder + "/log", "start"])
        self.backrest("stanza-create")

    def write_conf(self, keep):
        with open(self.conf, "w") as f:
            f.write("[global]\nrepo1-path=%s/repo\nrepo1-retention-full=%d\nlog-path=%s\nlock-path=%s/lock\nstart-fast=y\n"
                    "[pas]\npg1-path=%s/data\npg1-socket-path=%s\npg1-user=postgres\n" % ((self.folder, keep) + (self.folder,) * 4))
        os.chmod(self.conf, 0o644)

    def run(self, words):
        return tool(words, user=self.user, cwd=self.folder)

    def backrest(self, *words):
        return self.run(["pgbackrest", "--config=" + self.conf, "--stanza=pas"] + list(words))

    def backup(self, kind):
        self.backrest("backup", "--type=" + kind)

    def stop(self):
        try:
            self.run([self.bin + "/pg_ctl", "-D", self.folder + "/data", "-m", "immediate", "stop"])
        except (Failed, OSError):
            pass


class Watch:
    """What the collector says."""

    def __init__(self, estate):
        self.e = estate
        self.lines = []

    def call(self, path, body=None, method=None):
        q = urllib.request.Request(self.e.url + path, data=None if body is None else json.dumps(body).encode(), method=method)
        q.add_header("Authorization", "Bearer " + self.e.token)
        if body is not None:
            q.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(q, timeout=120, context=self.e.tls) as r:
            text = r.read()
        return json.loads(text) if text else {}

    def job(self, asset, job):
        for a in self.call("/api/v1/backups")["items"]:
            for j in a["jobs"] if a["asset"] == asset else []:
                if j["name"] == job:
                    return j
        return None

    def findings(self, asset, rule, subject=None):
        return [f for f in self.call("/api/v1/backups/findings?open=no&limit=1000&asset=" + asset)["items"]
                if f["rule"] == rule and subject in (None, f.get("subject", ""))]

    def alerts(self, asset, rule, open_only):
        q = "/api/v1/alerts?engine=backup&limit=1000&rule=%s&entity=asset:%s" % (rule, asset)
        return [a for a in self.call(q)["items"] if not open_only or a["status"] != "closed"]

    def until(self, what, test, seconds=300):
        """The bound is far from what a slow machine takes: only a fault reaches it."""
        end = time.monotonic() + seconds
        while True:
            try:
                got = test()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                got = None
            if got:
                return got
            if time.monotonic() > end:
                raise Failed("%s did not happen within %d s" % (what, seconds))
            time.sleep(0.25)


class Break:
    """One way to break a backup: how, what must be seen, how it is mended."""

    def __init__(self, name, asset, job, rule, states, do, mend, subject=None, note=""):
        self.name, self.asset, self.job, self.rule, self.subject = name, asset, job, rule, subject
        self.states, self.do, self.mend, self.note = states, do, mend, note

    def seen(self, w):
        j = w.job(self.asset, self.job)
        found = [f for f in w.findings(self.asset, self.rule, self.subject) if "cleared" not in f]
        alerts = w.alerts(self.asset, self.rule, True)
        if not (j and found and alerts and set(self.states) <= set(j["states"]) and "ok" not in j["states"]):
            return None
        return alerts[0]

    def over(self, w):
        j = w.job(self.asset, self.job)
        found = w.findings(self.asset, self.rule, self.subject)
        if not j or any("cleared" not in f for f in found) or w.alerts(self.asset, self.rule, True):
            return None
        return not set(self.states) & set(j["states"]) and found


def btrfs(e):
    """Snapshots of a real file system, where the kernel has it and lets us mount."""
    image, at = e.path("btrfs.img"), e.path("btrfs")
    os.mkdir(at)
    with open(image, "wb") as f:
        f.truncate(160 << 20)
    made = shutil.which("mkfs.btrfs") and subprocess.run(["mkfs.btrfs", "-q", "-f", image], stderr=subprocess.DEVNULL).returncode == 0
    if not made or not e.mount("btrfs", at, "-o", "loop", image):
        print("left out: btrfs (no such file system, or mounting is not allowed here)", flush=True)
        return
    tool(["btrfs", "subvolume", "create", at + "/data"])
    tool(["btrfs", "subvolume", "snapshot", "-r", at + "/data", at + "/night-1"])
    out = e.run_once(e.sensor_bin, "probe", "--tool", "btrfs", "--asset", "fs", "--set", "path=" + at)
    found = [json.loads(line)["backup"] for line in out.splitlines()]
    if [f["kind"] for f in found] != ["run", "inventory"] or found[1]["integrity"] != "passed" or found[1]["repository_kind"] != "snapshot":
        raise Failed("btrfs: " + out)
    print("ok: btrfs snapshots", flush=True)


def watch_signins(e):
    with open(e.sensor_config) as f:
        text = f.read()
    with open(e.sensor_config, "w") as f:
        f.write(text.replace("  files:\n", "  files:\n    - { paths: [ %s ] }\n" % e.write("auth.log", "")))


def access(e, w):
    """Sign-ins to a backup server from its real log, and reads from its repository: learnt, then told, then accepted."""
    to_midnight = 86400 - time.time() % 86400
    if to_midnight < 300:  # what follows speaks of days
        time.sleep(to_midnight + 1)
    w.call("/api/v1/backups/hosts/%s/pg-01" % SITE, {"addresses": ["10.1.0.5"], "assets": ["pas"]}, "PUT")

    def host():
        return w.call("/api/v1/backups/hosts")["items"][0]

    def sign_in(who, source, times=1):
        with open(e.path("auth.log"), "a") as f:
            for _ in range(times):
                f.write("%s pg-01 sshd[811]: Accepted publickey for %s from %s port 52144 ssh2: ED25519 SHA256:abc\n" % (time.strftime("%b %d %H:%M:%S", time.gmtime()), who, source))

    def flows(client, octets, days_ago):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days_ago * 86400))
        line = json.dumps({"timestamp": at, "event_type": "flow", "src_ip": client, "dest_ip": "10.1.0.5", "dest_port": 8000, "proto": "TCP",
                           "flow": {"bytes_toserver": 1000, "bytes_toclient": octets, "pkts_toserver": 1, "pkts_toclient": 1, "start": at, "end": at}})
        q = urllib.request.Request(e.url + "/api/v1/eve", data=(line + "\n").encode(), method="POST")
        q.add_header("Authorization", "Bearer " + flows.token)
        q.add_header("Content-Type", "application/x-ndjson")
        urllib.request.urlopen(q, timeout=30, context=e.tls).read()

    flows.token = w.call("/api/v1/tokens", {"name": "flows", "role": "ingest", "site": SITE, "source": "netflow"})["token"]
    w.until("the server to be known", lambda: w.call("/api/v1/backups/hosts")["items"])
    sign_in("backupadmin", "10.0.0.7", 4)
    w.until("four sign-ins", lambda: host()["sign_ins"] == 4)
    if not host()["learning_sign_ins"] or host()["findings"]:
        raise Failed("it is still to learn: %s" % host())
    sign_in("backupadmin", "10.0.0.7", 5)
    w.until("what is usual", lambda: not host()["learning_sign_ins"])
    sign_in("mallory", "10.0.0.66")
    alert = w.until("the alert about a new sign-in", lambda: w.alerts("pg-01", "bk-10", True))[0]
    print("ok: %s" % alert["explanation"], flush=True)
    flows("10.0.0.99", 5 << 30, 0)
    w.until("a read", lambda: host()["readers"])
    if not host()["learning_reads"] or w.alerts("pg-01", "bk-15", True):
        raise Failed("reads are still to be learnt: %s" % host())
    for day in range(1, 11):
        flows("10.0.0.20", 200 << 20, day)
    flows("10.0.0.20", 210 << 20, 0)
    alert = w.until("the alert about a large read", lambda: w.alerts("pg-01", "bk-15", True))
    if len(alert) != 1 or "10.0.0.99 read 5120 MiB" not in alert[0]["explanation"]:
        raise Failed("the large read: %s" % [a["explanation"] for a in alert])
    print("ok: %s" % alert[0]["explanation"], flush=True)
    for f in host()["findings"]:
        w.call("/api/v1/backups/findings/%s/accept" % f["id"], {"reason": "planned_change", "note": "new colleague, migration"})
    w.until("the end of both", lambda: not host()["findings"] and not w.alerts("pg-01", "bk-10", True) and not w.alerts("pg-01", "bk-15", True))
    sign_in("mallory", "10.0.0.66")
    w.until("the next sign-in", lambda: host()["sign_ins"] >= 11)
    if host()["findings"]:
        raise Failed("what was accepted is usual: %s" % host()["findings"])
    print("ok: accepted, and usual from then on", flush=True)


def phase(w, breaks, act_between=None):
    begin = time.monotonic()
    for b in breaks:
        b.do()
    opened = {}
    for b in breaks:
        opened[b.name] = w.until("%s: state %s and alert %s" % (b.name, b.states, b.rule), lambda b=b: b.seen(w))
    if act_between:
        act_between()
    for b in breaks:
        b.mend()
    ended = {}

    def all_over():
        for b in breaks:
            if b.name not in ended and b.over(w):
                ended[b.name] = b.over(w) or True
        return len(ended) == len(breaks)

    try:
        w.until("", all_over)
    except Failed:
        raise Failed("no end: " + ", ".join("%s (%s)" % (b.name, b.rule) for b in breaks if b.name not in ended)) from None
    for b in breaks:
        alert = w.call("/api/v1/alerts/" + opened[b.name]["id"])
        said = [c["text"] for c in alert.get("comments", [])]
        if alert["status"] != "closed" or not said:
            raise Failed("%s: the alert is %s, comments %s" % (b.name, alert["status"], said))
        print("ok: %-24s %-14s %-16s %s" % (b.name, "/".join(b.states), b.rule, said[-1][:60]), flush=True)
        w.lines.append(b.name)
    print("    (%.1f s)" % (time.monotonic() - begin), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--collector")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--shots", help="folder for screenshots of the page")
    a = p.parse_args()
    for program in ("restic", "borg", "pgbackrest", "setpriv"):
        if not shutil.which(program):
            raise SystemExit("%s is missing: deploy/install-packages packages-test" % program)
    begin = time.monotonic()
    e = BackupEstate(a)
    w = Watch(e)
    mounted = False
    os.chmod(e.data, 0o755)
    try:
        chance = random.Random(7)
        password = e.write("password", "correct horse\n")
        lab_password = e.write("lab-password", "battery staple\n")
        docs_source, other = Source(e.path("docs"), chance), Source(e.path("other"), chance)
        docs, pacs = Restic(e.path("docs-repo"), password), Restic(e.path("pacs-repo"), password)
        lab = Borg(e.path("lab-repo"), lab_password)
        disk = e.path("disk")
        os.mkdir(disk)
        mounted = e.mount("tmpfs", disk, "-o", "size=24m", "tmpfs")
        mail = Borg(disk + "/mail-repo", lab_password)

        # Quiet nights: eight with a night before them, so that statistics know what is usual.
        for r in (docs, pacs):
            r("init", "-q")
        for b in (lab, mail):
            b("init", "-e", "repokey")
        for _ in range(9):
            docs_source.night()
            docs.backup(docs_source.folder)
        for _ in range(2):
            pacs.backup(other.folder)
            lab.backup(other.folder)
        mail.backup(other.folder)
        database = Postgres(e.path("pas"))
        e.endings.append(database.stop)
        database.backup("full")
        print("real backups made (%.1f s)" % (time.monotonic() - begin), flush=True)

        e.prepare()
        btrfs(e)
        e.processes["sensor"].terminate()
        e.processes["sensor"].wait(120)
        watch_signins(e)
        with open(e.sensor_config, "a") as f:
            f.write("""\
backup:
  workers: 4
  probes:
    - { tool: restic, asset: docs, job: nightly, every: 1s, repository: %s, password_file: %s, detail: 20, sample: 2 }
    - { tool: restic, asset: pacs, job: nightly, every: 1s, repository: %s, password_file: %s, detail: 0, check_every: 1s }
    - { tool: borg, asset: lab, job: nightly, every: 1s, repository: %s, password_file: %s, detail: 0, lock_seconds: 0 }
    - { tool: borg, asset: mail, job: nightly, every: 1s, repository: %s, password_file: %s, detail: 0, min_free: 4MiB }
    - { tool: pgbackrest, asset: pas, job: nightly, every: 1s, config_file: %s, stanza: pas, check_every: 1h }
""" % (docs.folder, password, pacs.folder, password, lab.folder, lab_password, mail.folder, lab_password, database.conf))
        e.start("sensor")

        targets = {"rpo": "24h", "verify_every": 0, "restore_test_every": 0, "copies": 2, "media": 1, "offsite": 0, "immutable": 0}

        def register(asset, schedule="24h", grace="1h"):
            w.call("/api/v1/backups/assets/%s/%s" % (SITE, asset),
                   {"service": "", "targets": targets, "jobs": [{"name": "nightly", "schedule": schedule, "grace": grace}]}, "PUT")

        for asset in ("docs", "pacs", "lab", "mail", "pas"):
            register(asset)
        for asset, least in (("docs", 9), ("pacs", 2), ("lab", 2), ("mail", 1), ("pas", 1)):
            w.until(asset + ": all is well", lambda a=asset, n=least: (w.job(a, "nightly") or {}).get("states") == ["ok"]
                    and w.job(a, "nightly")["backups"] == n)
        if w.job("docs", "nightly")["learning"] or not w.job("pacs", "nightly")["learning"]:
            raise Failed("learning: docs must know its pattern, pacs must not")
        print("ok: all five jobs are well (%.1f s)" % (time.monotonic() - begin), flush=True)

        # 1
        good_docs = e.path("docs.good")
        docs_source.keep(good_docs)
        # The largest pack holds data; a cut tree pack would make restic retry for a minute.
        pack = max(glob.glob(pacs.folder + "/data/*/*"), key=os.path.getsize)
        shutil.copy2(pack, e.path("pack"))

        def encrypted():
            docs_source.encrypt()
            docs.backup(docs_source.folder)

        def decrypted():
            docs_source.bring_back(good_docs)
            docs.backup(docs_source.folder)
            w.until("the restored source was backed up", lambda: w.job("docs", "nightly")["backups"] == 11)
            docs_source.night()
            docs.backup(docs_source.folder)

        def cut_pack():
            os.chmod(pack, 0o600)
            with open(pack, "r+b") as f:
                f.truncate(os.path.getsize(pack) // 2)

        def whole_pack():
            os.remove(pack)
            shutil.copy2(e.path("pack"), pack)

        def lock():
            os.mkdir(lab.folder + "/lock.exclusive")

        phase(w, [
            Break("encrypted-looking source", "docs", "nightly", "bk-04", ["out_of_pattern"], encrypted, decrypted),
            Break("truncated pack", "pacs", "nightly", "bk-13", ["failed"], cut_pack, whole_pack, "repository"),
            Break("lock left behind", "lab", "nightly", "backup-lock", ["warnings"], lock, lambda: lab("break-lock")),
            Break("retention shortened", "pas", "nightly", "bk-07", ["failed"], lambda: database.write_conf(1),
                  lambda: database.write_conf(4), "policy"),
        ])
        w.until("the burst of changes was seen, and ended", lambda: all("cleared" in f for f in w.findings("docs", "bk-01")) and w.findings("docs", "bk-01"))

        # 2
        docs_source.keep(e.path("docs.second"))
        snapshot = sorted(glob.glob(pacs.folder + "/snapshots/*"), key=os.path.getmtime)[-1]

        def shrink():
            for i in range(20):
                os.remove(docs_source.file(i))
            docs.backup(docs_source.folder)

        def grow():
            docs_source.bring_back(e.path("docs.second"))
            docs.backup(docs_source.folder)
            # All files came back at once, which is a jump of its own; a quiet night ends that.
            count = w.until("the source is whole again", lambda: w.job("docs", "nightly")["backups"] == 14 and 14)
            docs_source.night()
            docs.backup(docs_source.folder)
            return count

        def run_at_last():
            # A pace that the last run does not keep and the next one will, for a while; then the usual one.
            finished = w.job("pas", "nightly")["last_good"]["finished"]
            age = time.time() - calendar.timegm(time.strptime(finished[:19], "%Y-%m-%dT%H:%M:%S"))
            register("pas", "%ds" % (age - 2), "0s")
            if not [f for f in w.findings("pas", "bk-12", "missed") if "cleared" not in f]:
                raise Failed("the missed run was forgotten when the schedule changed")
            before = w.job("pas", "nightly")["backups"]
            database.backup("incr")
            w.until("the new run", lambda: w.job("pas", "nightly")["backups"] > before)
            register("pas")

        phase(w, [
            Break("shrunken source", "docs", "nightly", "bk-06", ["out_of_pattern"], shrink, grow),
            Break("deleted snapshot", "pacs", "nightly", "bk-07", ["failed"], lambda: shutil.move(snapshot, e.path("snapshot")),
                  lambda: shutil.move(e.path("snapshot"), snapshot), "vanished"),
            Break("wrong password", "lab", "nightly", "bk-09", ["unknown"], lambda: e.write("lab-password", "guess\n"),
                  lambda: e.write("lab-password", "battery staple\n"), "password"),
            Break("missed run", "pas", "nightly", "bk-12", ["late"], lambda: register("pas", "2s", "1s"),
                  run_at_last, "missed"),
        ])
        register("pas")

        # 3
        def another_repository():
            os.rename(pacs.folder, pacs.folder + ".real")
            pacs("init", "-q")
            pacs.backup(other.folder)

        def real_repository():
            shutil.rmtree(pacs.folder)
            os.rename(pacs.folder + ".real", pacs.folder)

        def fill():
            with open(disk + "/fill", "wb") as f:
                try:
                    while True:
                        f.write(chance.randbytes(1 << 16))
                except OSError:
                    pass
            other.night()
            if mail.backup(other.folder, ok=(0, 1, 2)).find("No space left") < 0:
                raise Failed("the disk is not full")

        breaks = [
            Break("changed repository id", "pacs", "nightly", "bk-09", ["unknown"], another_repository, real_repository, "repository"),
            Break("clock back", "lab", "nightly", "bk-14", ["unknown"],
                  lambda: lab.backup(other.folder, "--timestamp", "2020-01-01T00:00:00"), lambda: lab.backup(other.folder), "back"),
            Break("future timestamp", "docs", "nightly", "bk-14", ["unknown"],
                  lambda: docs.backup(docs_source.folder, "--time", "2090-01-01 00:00:00"),
                  lambda: docs("forget", "-q", [s["id"] for s in json.loads(docs("snapshots", "--json", "--no-lock"))
                                                if s["time"].startswith("2090")][0]), "future"),
        ]
        if mounted:
            breaks.append(Break("full disk", "mail", "nightly", "backup-disk-full", ["failed"], fill,
                                lambda: (os.remove(disk + "/fill"), mail("break-lock"), mail.backup(other.folder))))
        else:
            print("left out: full disk (mounting is not allowed here)", flush=True)
        phase(w, breaks)
        # The repository that was put in its place is gone with its snapshot; nobody has to accept that.
        w.until("pacs to be well by itself", lambda: w.job("pacs", "nightly")["states"] == ["ok"])
        swapped = w.findings("pacs", "bk-07", "vanished")
        if not swapped or any("cleared" not in f or f.get("accepted_by") for f in swapped):
            raise Failed("the swapped repository: %s" % swapped)
        print("ok: the old repository is back and nothing of the other one is missed", flush=True)

        # A snapshot that somebody removed on purpose: only a person can say so.
        gone = w.until("the forgotten snapshot is missed", lambda: [f for f in w.findings("docs", "bk-07", "vanished") if "cleared" not in f])
        if e.has_page():
            link = w.call("/api/v1/users/admin/login-link", {})["link"]
            e.drive_page(e.url + link[link.index("/#"):], "docs", a.shots)
        else:
            print("left out: the page (not built, or no Chromium)", flush=True)
            w.call("/api/v1/backups/findings/%s/accept" % gone[0]["id"], {"reason": "planned_change", "note": "test snapshot"})
        w.until("docs is well again", lambda: w.job("docs", "nightly")["states"] == ["ok"])
        print("ok: accepted with a reason, all is well", flush=True)

        access(e, w)

        # A run that did not come is missed by the schedule, also while the sensor is away.
        e.processes["sensor"].terminate()
        e.processes["sensor"].wait(120)
        register("pas", "2s", "1s")
        w.until("a missed run while the sensor is away", lambda: [f for f in w.findings("pas", "bk-12", "missed") if "cleared" not in f])
        database.backup("incr")
        register("pas")
        e.start("sensor")
        w.until("the end of it", lambda: w.job("pas", "nightly")["states"] == ["ok"])
        print("ok: missed while the sensor was away", flush=True)

        q = urllib.request.Request(e.url + "/metrics")
        q.add_header("Authorization", "Bearer " + e.token)
        with urllib.request.urlopen(q, timeout=30, context=e.tls) as r:
            metrics = r.read().decode()
        for name in ("last_success_age_seconds", "rpo_ratio", "last_status", "copies", "state", "verify_age_seconds"):
            if 'wardwatch_backup_%s{' % name not in metrics:
                raise Failed("no metric wardwatch_backup_" + name)
        for secret in ("correct horse", "battery staple"):
            for out in ("sensor.out", "collector.out"):
                with open(e.path(out)) as f:
                    if secret in f.read():
                        raise Failed("a password is in " + out)
        print("ok: %d ways broken and mended in %.0f s" % (len(w.lines), time.monotonic() - begin), flush=True)
    except Failed as problem:
        print("FAILED: %s" % problem, flush=True)
        try:
            for f in w.call("/api/v1/backups/findings?open=yes&limit=100")["items"]:
                print("  open: %s %s %s %s" % (f["asset"], f["rule"], f.get("subject", ""), f["detail"]))
            for i in w.call("/api/v1/backups")["items"]:
                for j in i["jobs"]:
                    print("  job: %s %s %s %s" % (i["asset"], j["states"], j.get("backups"), j.get("error", "")))
        except Exception as other_problem:
            print("  the collector does not answer: %s" % other_problem)
        sys.exit(1)
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    main()
