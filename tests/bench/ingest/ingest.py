#!/usr/bin/env python3
"""How fast log lines go from a file at a sensor to the collector's durable commit, both on this machine.

    ingest.py --bin FOLDER [--lines 500000] [--sigma PATH]...
    ingest.py --bin FOLDER --rate 1000 [--seconds 30] [--sigma PATH]...

Prints, for a reference and for the whole path in the same run: events a second, processor seconds of each process, peak memory. The
reference is reading the same file line by line and computing a CRC over each line in Python's C code, so that figures from machines of
different speed can be compared as a ratio.

With --rate it prints what each process costs when nothing happens and when so many lines arrive every second (bars for the sensor: 40 MiB
resident; at 1,000 lines/s 3 % of a core)."""
import argparse
import os
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e", "exactly_once"))
from exactly_once import Estate  # noqa: E402

LINE = "Nov 22 03:%02d:%02d ward-gw%02d sshd[%d]: Failed password for invalid user svc-%d from 10.20.%d.%d port %d ssh2\n"


def usage(process):
    """(processor seconds, peak resident KiB) of a running process."""
    with open("/proc/%d/stat" % process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    with open("/proc/%d/status" % process.pid) as f:
        peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak


def resident(process):
    """KiB of memory that a running process holds now."""
    with open("/proc/%d/status" % process.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def line(i):
    return LINE % (i // 60 % 60, i % 60, i % 40, 1000 + i % 9000, i % 300, i % 250, i % 251, 1024 + i % 60000)


def steady(estate, options):
    """Costs while idle, then while lines arrive at a steady rate."""
    written = 0
    for what, rate in (("idle", 0), ("%d lines/s" % options.rate, options.rate)):
        before = {n: usage(p)[0] for n, p in estate.processes.items()}
        start = time.monotonic()
        with open(estate.log, "a") as out:
            while time.monotonic() - start < options.seconds:
                due = int((time.monotonic() - start) * rate)
                if rate and due > written:
                    out.write("".join(line(i) for i in range(written, due)))
                    out.flush()
                    written = due
                time.sleep(0.02)
        seconds = time.monotonic() - start
        for name, process in estate.processes.items():
            print("%-12s %-9s %5.2f %% of a core, %.0f MiB resident" % (
                what, name, 100 * (usage(process)[0] - before[name]) / seconds, resident(process) / 1024))
    end = time.monotonic() + 30
    while estate.call("/api/v1/stats/overview?minutes=1")["store"]["events"] < written:
        if time.monotonic() > end:
            raise SystemExit("not all %d lines arrived" % written)
        time.sleep(0.1)
    print("all %d lines stored" % written)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--bin", required=True)
    ap.add_argument("--collector")
    ap.add_argument("--lines", type=int, default=500_000)
    ap.add_argument("--rate", type=int)
    ap.add_argument("--seconds", type=float, default=30)
    ap.add_argument("--sigma", action="append", default=[])
    options = ap.parse_args()
    estate = Estate(options)
    write = estate.write

    def with_rules(name, text):
        if name == "collector.yaml" and options.sigma:
            text += "rules:\n  sigma: [%s]\n" % ", ".join(os.path.abspath(p) for p in options.sigma)
        if name == "sensor.yaml":
            text = text.replace("format: plain", "format: auto").replace("batch_events: 2000", "batch_events: 10000")
        return write(name, text)

    estate.write = with_rules
    try:
        estate.prepare()
        if options.rate:
            return steady(estate, options)
        staged = estate.path("staged")
        with open(staged, "w") as f:
            for i in range(options.lines):
                f.write(line(i))
        size = os.path.getsize(staged)
        start = time.process_time()
        with open(staged, "rb") as f:
            for one in f:
                zlib.crc32(one)
        reference = options.lines / (time.process_time() - start)
        before = {n: usage(p) for n, p in estate.processes.items()}
        start = time.monotonic()
        with open(staged, "rb") as f, open(estate.log, "ab") as out:
            while True:
                piece = f.read(1 << 20)
                if not piece:
                    break
                out.write(piece)

        def stored():
            return estate.call("/api/v1/stats/overview?minutes=1")["store"]["events"]

        base = 0
        while stored() - base < options.lines:
            if time.monotonic() - start > 600:
                raise SystemExit("not all lines arrived within 600 s")
            time.sleep(0.1)
        seconds = time.monotonic() - start
        print("lines %d, %.1f MB; wall %.2f s: %.0f events/s, %.1f MB/s" % (options.lines, size / 1e6, seconds, options.lines / seconds, size / 1e6 / seconds))
        for name, process in estate.processes.items():
            cpu, peak = usage(process)
            used = cpu - before[name][0]
            print("%-9s %.2f processor seconds (%.2f us an event), peak %.0f MiB resident" % (name, used, used * 1e6 / options.lines, peak / 1024))
        print("reference %.0f lines/s read with a CRC; the whole path runs at %.3f of it" % (reference, options.lines / seconds / reference))
    finally:
        estate.stop()


if __name__ == "__main__":
    sys.exit(main())
