#!/usr/bin/env python3
"""Numbered lines flow from a file through a sensor into a collector's store while both processes are killed with SIGKILL at
random moments. In the end every line is in the store exactly once.

    exactly_once.py --bin FOLDER_OF_PROGRAMS [--collector FILE] [--rounds N] [--events N] [--seed N] [--keep]

Environment: WARDWATCH_KILL_ROUNDS (6), WARDWATCH_KILL_EVENTS (20000)."""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request


def free_port():
    """A port below those that the kernel gives to outgoing connections, one of which could take it before the server does."""
    for _ in range(1000):
        port = random.randrange(15000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise SystemExit("no free port")


class Partial(TimeoutError):
    """The store answered in part: on a busy machine a query may reach its budget of time. Asked again, it may not."""


class Estate:
    def __init__(self, a):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is to be done at the end is done
        self.data = tempfile.mkdtemp(prefix="ww-e2e-")
        self.environment = None  # of the programs; None: the test's own
        self.collector_more = self.sensor_more = self.server_more = ""  # of their configuration
        self.shown_ca = None  # of the certificate that the collector shows to browsers; None: its own authority
        self.endings = []  # called when the processes have ended
        self.sensor_bin = os.path.join(a.bin, "wardwatch-sensor")
        self.collector_bin = a.collector or os.path.join(a.bin, "wardwatch-collector")
        self.url = "https://127.0.0.1:%d" % free_port()
        self.log = os.path.join(self.data, "numbers.log")
        self.processes = {}
        self.kills = collections.Counter()

    def path(self, name):
        return os.path.join(self.data, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def run_once(self, *words):
        done = subprocess.run(words, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        if done.returncode != 0:
            raise SystemExit("%s failed: %s" % (" ".join(words[:2]), done.stderr.decode("utf-8", "replace")))
        return done.stdout.decode()

    def prepare(self):
        self.collector_config = self.write("collector.yaml", """\
server:
  listen: ["%s"]
  public_url: %s
%sdata:
  folder: %s
%s""" % (self.url[8:], self.url, self.server_more, self.path("collector"), self.collector_more))
        made = json.loads(self.run_once(self.collector_bin, "init", "--config", self.collector_config, "--login-link", "--json"))
        with open(made["token_file"]) as f:
            self.token = f.read().strip()
        self.tls = ssl.create_default_context(cafile=self.shown_ca or made["ca"])
        self.start("collector")
        self.until("the collector's first answer", lambda: self.call("/api/v1/events?limit=1") is not None)
        token = self.write("token", self.call("/api/v1/enrolments", {"site": "trust-a", "sensor": "s1", "expires_in": 3600})["token"])
        os.chmod(token, 0o600)
        open(self.log, "w").close()
        self.sensor_config = self.write("sensor.yaml", """\
data: { folder: %s }
collector: { url: %s }
spool: { sync_interval: 50ms }
uplink: { heartbeat: 1h, pause_first: 50ms, pause_most: 500ms, batch_events: 2000 }
logs:
  files:
    - { paths: [ %s ], format: plain }
%s""" % (self.path("sensor"), self.url, self.log, self.sensor_more))
        self.run_once(self.sensor_bin, "enrol", "--config", self.sensor_config, "--token-file", token)
        self.start("sensor")

    def start(self, name, **environment):
        words = [self.collector_bin, "run", "--config", self.collector_config] if name == "collector" else [
            self.sensor_bin, "run", "--config", self.sensor_config]
        with open(self.path(name + ".out"), "ab") as out:
            self.processes[name] = subprocess.Popen(words, env=dict(self.environment or os.environ, **environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def kill(self, name):
        p = self.processes[name]
        if p.poll() is not None:
            with open(self.path(name + ".out"), "rb") as f:
                raise SystemExit("%s ended by itself with %d:\n%s" % (name, p.returncode, f.read()[-2000:].decode("utf-8", "replace")))
        p.send_signal(signal.SIGKILL)
        p.wait()
        self.kills[name] += 1
        self.start(name)

    def stop(self):
        for p in self.processes.values():
            if p.poll() is None:
                p.terminate()
        for p in self.processes.values():
            try:
                p.wait(120)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def close(self, keep=False):
        """The end: processes, mounts and servers, then the data. Of a test that failed the ends of the logs are shown."""
        failed = sys.exc_info()[0] is not None
        self.stop()
        for ending in reversed(self.endings):
            ending()
        if keep:
            print("data: %s" % self.data)
            return
        for name in self.processes if failed else []:
            with open(self.path(name + ".out"), "rb") as f:
                print("--- %s\n%s" % (name, f.read()[-4000:].decode("utf-8", "replace")), flush=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def mount(self, kind, at, *options):
        """False where there is no right to mount, or no such file system."""
        if subprocess.run(["mount", "-t", kind, *options, at], stderr=subprocess.DEVNULL).returncode != 0:
            return False
        self.endings.append(lambda: subprocess.run(["umount", at]))
        return True

    def call(self, path, body=None):
        q = urllib.request.Request(self.url + path, data=None if body is None else json.dumps(body).encode())
        q.add_header("Authorization", "Bearer " + self.token)
        if body is not None:
            q.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(q, timeout=120, context=self.tls) as r:
            text = r.read()
        return json.loads(text) if text else {}

    def until(self, what, test, seconds=300):
        """Waits for what must happen. The bound is far from what a slow machine takes: only a fault reaches it."""
        end = time.monotonic() + seconds
        while True:
            try:
                if test():
                    return
            except (urllib.error.URLError, ConnectionError, socket.timeout, ssl.SSLError, TimeoutError):
                pass
            if time.monotonic() > end:
                raise SystemExit("%s did not happen within %d s" % (what, seconds))
            time.sleep(0.3)

    def stored(self):
        """How often each number is in the store."""
        seen = collections.Counter()
        cursor = None
        while True:
            page = self.call("/api/v1/events?type=log&limit=1000&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z" + ("&cursor=" + urllib.request.quote(cursor) if cursor else ""))
            for e in page["items"]:
                message = e["log"]["message"]
                if message.startswith("number "):
                    seen[int(message.split()[1])] += 1
            cursor = page.get("next")
            if not cursor:
                if page.get("partial"):
                    raise Partial("the store answered in part only: %s" % page.get("partial_reason"))
                return seen


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--collector")
    p.add_argument("--rounds", type=int, default=int(os.environ.get("WARDWATCH_KILL_ROUNDS", "6")))
    p.add_argument("--events", type=int, default=int(os.environ.get("WARDWATCH_KILL_EVENTS", "20000")))
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--keep", action="store_true")
    a = p.parse_args()
    chance = random.Random(a.seed)
    print("seed %d, %d events, %d kills" % (a.seed, a.events, a.rounds), flush=True)
    e = Estate(a)
    try:
        e.prepare()
        done = threading.Event()

        def writer():
            # Spread over the kills, in bursts, with rotation on the way.
            burst = max(1, a.events // (a.rounds * 10 + 10))
            n = 0
            out = open(e.log, "ab", buffering=0)
            while n < a.events:
                last = min(a.events, n + burst)
                out.write(b"".join(b"number %d %s\n" % (i, b"x" * (i % 120)) for i in range(n + 1, last + 1)))
                n = last
                if n % (burst * 12) == 0:
                    os.rename(e.log, e.log + ".1")
                    out = open(e.log, "ab", buffering=0)
                time.sleep(0.1)
            done.set()

        thread = threading.Thread(target=writer)
        thread.start()
        for i in range(a.rounds):
            time.sleep(chance.uniform(0.2, 1.8))
            e.kill(chance.choice(["sensor", "collector"]))
        thread.join()
        last = [0, time.monotonic()]
        found = {}

        def complete():
            found["seen"] = e.stored()
            seen = len(found["seen"])
            if seen != last[0]:
                last[:] = [seen, time.monotonic()]
            return seen >= a.events or time.monotonic() - last[1] > 180

        e.until("all events in the store", complete, 1800)
        seen = found["seen"]
        missing = [n for n in range(1, a.events + 1) if n not in seen]
        twice = [n for n, count in seen.items() if count > 1]
        print("killed: %s; stored %d; missing %d %s; more than once %d %s" %
              (dict(e.kills), len(seen), len(missing), missing[:5], len(twice), twice[:5]))
        return 0 if not missing and not twice and len(seen) == a.events else 1
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
