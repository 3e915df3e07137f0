"""An estate whose programs see the time of day that the test sets (moved_time.c)."""
import argparse
import os
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "exactly_once"))
from exactly_once import Estate  # noqa: E402

DAY = 86400


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--collector")
    p.add_argument("--moved-time", required=True)
    p.add_argument("--keep", action="store_true")
    return p.parse_args()


def check(ok, what):
    print(("ok: " if ok else "FAILED: ") + what, flush=True)
    if not ok:
        sys.exit(1)


class Moved(Estate):
    def __init__(self, a, seconds=0):
        super().__init__(a)
        self.ctl_bin = os.path.join(a.bin, "wardwatchctl")
        self.clock = self.path("clock")
        with open(self.clock, "wb") as f:
            f.write(struct.pack("=q", seconds))
        self.environment = dict(os.environ, LD_PRELOAD=os.path.abspath(a.moved_time), MOVED_TIME_FILE=self.clock,
                                ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        self.written = 0
        self.writing = None

    def move(self, seconds):
        """From now on the programs' clocks are this far from the machine's."""
        fd = os.open(self.clock, os.O_WRONLY)
        os.pwrite(fd, struct.pack("=q", int(seconds)), 0)
        os.close(fd)

    def end(self, name):
        p = self.processes[name]
        p.terminate()
        p.wait(120)

    def said(self, name):
        with open(self.path(name + ".out"), "rb") as f:
            return f.read().decode("utf-8", "replace")

    def ctl(self, *words):
        """wardwatchctl with the moved clock, so that it takes certificates for what the others take them."""
        return subprocess.run([self.ctl_bin, "--url", self.url, "--ca", self.path("collector/tls/ca.pem"), "--token-file",
                               self.path("collector/admin.token"), *words], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)

    def metric(self, name):
        """The value of a figure, labels and all; None when there is none such."""
        done = self.ctl_get("/metrics")
        for line in done.splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def ctl_get(self, path):
        import urllib.request
        q = urllib.request.Request(self.url + path)
        q.add_header("Authorization", "Bearer " + self.token)
        with urllib.request.urlopen(q, timeout=120, context=self.tls) as r:
            return r.read().decode()

    def append(self, lines, text=lambda i: "x" * (i % 120)):
        with open(self.log, "ab", buffering=0) as out:
            out.write("".join("number %d %s\n" % (i, text(i)) for i in range(self.written + 1, self.written + lines + 1)).encode())
        self.written += lines

    def flow(self):
        """Lines come until halt(), some 500 a second."""
        self.writing = threading.Event()

        def write():
            while not self.writing.is_set():
                self.append(25)
                time.sleep(0.05)

        self.writer = threading.Thread(target=write)
        self.writer.start()

    def halt(self):
        if self.writing is not None:
            self.writing.set()
            self.writer.join()
            self.writing = None

    def all_once(self, what):
        found = {}

        def complete():
            found["seen"] = self.stored()
            return len(found["seen"]) >= self.written

        self.until("every line in the store", complete)
        check(len(found["seen"]) == self.written and max(found["seen"].values()) == 1, "%s: %d lines stored once" % (what, self.written))

    def close(self, keep=False):
        self.halt()
        super().close(keep)
