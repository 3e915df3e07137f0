#!/usr/bin/env python3
"""A sensor that watches its own host, whose checksums are left to the hardware: with `checksums: auto` the very first connection is read.

    own_traffic.py --bin FOLDER"""
import argparse
import glob
import http.client
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"words")

    def log_message(self, *_):
        pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="ww-own-")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    config, out = folder + "/sensor.yaml", folder + "/out"
    with open(config, "w") as f:
        f.write("""\
data: { folder: data }
collector: { enabled: no }
identity: { site: a, sensor: b }
spool: { sync_interval: 20ms }
capture:
  interfaces: [ { name: lo, ring: 8MiB, filter: tcp port %d } ]
""" % port)

    def said():
        with open(out) as f:
            return f.read()

    def spooled(words):
        for name in glob.glob(folder + "/data/spool/*.seg"):
            with open(name, "rb") as f:
                if words in f.read():
                    return True
        return False

    def until(what, test):
        end = time.monotonic() + 60
        while not test():
            if sensor.poll() is not None or time.monotonic() > end:
                print("FAILED: %s\n%s" % (what, said()))
                sys.exit(1)
            time.sleep(0.1)
        print("ok: " + what, flush=True)

    def get(path):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        c.request("GET", path)
        c.getresponse().read()
        c.close()

    with open(out, "w") as f:
        sensor = subprocess.Popen([os.path.join(a.bin, "wardwatch-sensor"), "run", "--config", config], stdin=subprocess.DEVNULL, stdout=f, stderr=f)
    try:
        while "running: 1 interfaces" not in said():
            if sensor.poll() is not None:
                if "lo" in said() and os.geteuid() != 0:
                    print("skipped: no right to capture")
                    return 77
                print("FAILED: " + said())
                return 1
            time.sleep(0.05)
        get("/the-very-first")
        until("the first connection is read", lambda: spooled(b"/the-very-first"))
        for i in range(150):
            get("/more")
        until("what was found is said", lambda: "of the first 1000 packets left them to their sender's network card" in said())
        get("/the-very-last")
        until("the last connection is read", lambda: spooled(b"/the-very-last"))
        return 0
    finally:
        sensor.terminate()
        sensor.wait(60)
        server.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
