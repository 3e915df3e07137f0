#!/usr/bin/env python3
"""The collector end to end: batches over mTLS, Sigma rules, correlations, alerts, durable commit.

    detect.py --bin FOLDER --events EVENTS.ndjson[.gz] --sigma PATH... [--count 400000] [--batch 2000] [--in-flight 4]
              [--groups N] [--cpus 0,1] [--rate N]

EVENTS are flat Windows events; each goes out as a `log` event as a sensor would send it. A batch is answered when its events and
the alerts they raised are durable, so the time from sending it to the answer is the time from arrival to alert for each of its
events, and more. --rate sends at a fixed rate and so shows the delay below saturation. --groups adds a correlation by user whose
N users are made live first. Printed beside it: the collector's processor seconds and memory, and as the reference of this run how
fast Python compresses and sends the same octets to nobody."""
import argparse
import gzip
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e", "exactly_once"))
from exactly_once import Estate, free_port  # noqa: E402
from ingest import usage  # noqa: E402

CORRELATION = """\
title: Logon by a user
id: %s
name: bench_logon
status: test
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4624, BenchUser: '*'}, condition: selection}
level: informational
---
title: One user at very many machines
id: %s
status: test
correlation:
  type: value_count
  rules: [bench_logon]
  group-by: [BenchUser]
  timespan: 7d
  condition: {field: Computer, gte: 100000}
level: high
""" % (uuid.uuid5(uuid.NAMESPACE_URL, "bench-a"), uuid.uuid5(uuid.NAMESPACE_URL, "bench-b"))


class Bench(Estate):
    """A collector and a client with a sensor's certificate; no sensor process."""

    def __init__(self, a):
        super().__init__(a)
        self.a = a

    def prepare(self):
        self.url = "https://127.0.0.1:%d" % free_port()
        rules = [os.path.abspath(p) for p in self.a.sigma]
        if self.a.groups:
            rules.append(self.write("bench.yml", CORRELATION))
        self.collector_config = self.write("collector.yaml", "server: { listen: [\"%s\"], public_url: %s }\ndata: { folder: %s }\nrules: { sigma: [%s] }\n" % (
            self.url[8:], self.url, self.path("collector"), ", ".join(rules)))
        made = json.loads(self.run_once(self.collector_bin, "init", "--config", self.collector_config, "--login-link", "--json"))
        with open(made["token_file"]) as f:
            self.token = f.read().strip()
        self.tls = ssl.create_default_context(cafile=made["ca"])
        self.start("collector")
        if self.a.cpus:
            os.sched_setaffinity(self.processes["collector"].pid, [int(n) for n in self.a.cpus.split(",")])
        self.until("the collector's first answer", lambda: self.call("/api/v1/events?limit=1") is not None)
        secret = self.call("/api/v1/enrolments", {"site": "trust-a", "sensor": "s1", "expires_in": 3600})["token"].split(".")[0]
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path("key.pem"), "-out",
                        self.path("csr.pem"), "-subj", "/CN=sensor"], check=True, stderr=subprocess.DEVNULL)
        with open(self.path("csr.pem")) as f:
            made = self.call("/api/v1/enrol", {"token": secret, "csr": f.read()})
        self.write("cert.pem", made["certificate"])
        self.mtls = ssl.create_default_context(cadata=made["ca"])
        self.mtls.load_cert_chain(self.path("cert.pem"), self.path("key.pem"))
        self.seq = 1

    def connection(self):
        return http.client.HTTPSConnection(self.url[8:], timeout=300, context=self.mtls)

    def batch(self, events):
        first = self.seq
        lines = []
        for e in events:
            lines.append('%s,"ww":{"epoch":1,"seq":%d}}' % (e, self.seq))
            self.seq += 1
        return first, len(lines), gzip.compress("\n".join(lines).encode(), 1)

    def send(self, connection, first, body):
        connection.request("POST", "/api/v1/ingest", body, {"Wardwatch-Batch": "1-%d" % first, "Content-Encoding": "gzip"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, text, answer.headers.get("Retry-After")

    def post(self, connection, first, body):
        while True:
            status, text, wait = self.send(connection, first, body)
            if status == 200:
                return
            if status in (429, 503) or status == 409:  # full, or the batch before is still on its way
                time.sleep(min(float(wait or 0.01), 0.05))
                continue
            raise SystemExit("ingest answered %d: %s" % (status, text[:300]))

    def stream(self, batches, lanes, rate=None):
        """Sends in order over `lanes` connections; seconds, and for each batch the time until its answer."""
        delays, lock, todo = [], threading.Lock(), iter(batches)
        start, sent = time.monotonic(), [0]

        def lane():
            connection = self.connection()
            connection.connect()
            while True:
                with lock:
                    item = next(todo, None)
                    if item is None:
                        return
                    due = start + sent[0] / rate if rate else 0
                    sent[0] += item[1]
                if rate and due > time.monotonic():
                    time.sleep(due - time.monotonic())
                at = time.monotonic()
                self.post(connection, item[0], item[2])
                with lock:
                    delays.append(time.monotonic() - (max(at, due) if rate else at))

        threads = [threading.Thread(target=lane) for _ in range(lanes)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return time.monotonic() - start, sorted(delays)


def log_event(e, i):
    now = time.time()
    t = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%06d+0000" % (i % 1000000)
    return json.dumps({"timestamp": t, "event_type": "log", "log": {"source": "windows", "product": "windows", "host": e.get("Computer", ""), "message": "", "fields": e}}, ensure_ascii=False)[:-1]


def group_event(n, i):
    return log_event({"Channel": "Security", "EventID": 4624, "BenchUser": "user-%08d" % n, "Computer": "ws-%d" % (i % 977)}, i)


def at(delays, share):
    return 1000 * delays[min(len(delays) - 1, int(len(delays) * share))]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", required=True)
    p.add_argument("--collector")
    p.add_argument("--events", required=True)
    p.add_argument("--sigma", action="append", default=[])
    p.add_argument("--count", type=int, default=400_000)
    p.add_argument("--batch", type=int, default=2000)
    p.add_argument("--in-flight", type=int, default=4)
    p.add_argument("--groups", type=int, default=0)
    p.add_argument("--cpus")
    p.add_argument("--rate", type=float)
    a = p.parse_args()
    bench = Bench(a)
    try:
        bench.prepare()
        opener = gzip.open if a.events.endswith(".gz") else open
        with opener(a.events, "rt", encoding="utf-8") as f:
            base = [log_event(json.loads(line), i) for i, line in enumerate(f)]
        print("%d rules" % len(bench.call("/api/v1/rules")["items"]) if not bench.call("/api/v1/rules").get("next") else "rules loaded", flush=True)
        if a.groups:
            made = 0
            while made < a.groups:
                n = min(200_000, a.groups - made)
                batches = [bench.batch([group_event(g, g) for g in range(first, min(first + a.batch, made + n))]) for first in range(made, made + n, a.batch)]
                seconds, delays = bench.stream(batches, a.in_flight)
                made += n
                print("groups %d: %.0f events/s, p99 %.0f ms" % (made, n / seconds, at(delays, 0.99)), flush=True)
            base = [x for i, e in enumerate(base) for x in (e, group_event((i * 7919) % a.groups, i))]
        batches, k = [], 0
        start = time.process_time()
        while k < a.count:
            n = min(a.batch, a.count - k)
            batches.append(bench.batch([base[(k + i) % len(base)] for i in range(n)]))
            k += n
        reference = a.count / (time.process_time() - start)
        collector = bench.processes["collector"]
        before = usage(collector)
        seconds, delays = bench.stream(batches, a.in_flight, a.rate)
        cpu, peak = usage(collector)
        used = cpu - before[0]
        stats = bench.call("/api/v1/stats/overview?minutes=60")
        print("%d events in %.1f s: %.0f events/s%s; answer p50 %.0f ms, p99 %.0f ms" % (
            a.count, seconds, a.count / seconds, " (paced)" if a.rate else "", at(delays, 0.5), at(delays, 0.99)))
        print("collector: %.2f processor seconds, %.1f us an event, so %.0f events/s on two whole cores; peak %.0f MiB resident" % (
            used, used * 1e6 / a.count, 2 * a.count / used, peak / 1024))
        print("alerts open: %s" % stats["alerts"]["open"])
        rules = bench.call("/api/v1/rules")["items"]
        dear = sorted(rules, key=lambda r: -r.get("seconds", 0))[:3]
        print("dearest rules: %s" % "; ".join("%s %.2f s" % (r["title"], r.get("seconds", 0)) for r in dear))
        print("reference: %.0f events/s made and compressed by Python; the collector's processor time is %.2f of it an event" % (reference, used / a.count * reference))
    finally:
        bench.stop()


if __name__ == "__main__":
    sys.exit(main())
