#!/usr/bin/env python3
"""What a sensor promises while the collector is away, shown on the real processes.

1. The collector is away and everything fits into the spool: every line is in the store afterwards, once.
2. The spool's bound is reached: the oldest events go, the newest are all there, and the number that the sensor reports as lost
   (its `sensor` event) is the number that is missing. What a damaged disk took is told as damaged.
3. The spool's disk is full (a small tmpfs, where mounting is allowed): lines wait in their file, and all arrive later.

    outage.py --bin FOLDER [--collector FILE] [--seconds LENGTH_OF_THE_OUTAGE] [--events N]

Environment: WARDWATCH_OUTAGE_SECONDS (3; 600 shows ten minutes)."""
import argparse
import glob
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "exactly_once"))
from exactly_once import Estate  # noqa: E402


class Args:
    pass


def stop(e, name):
    p = e.processes[name]
    p.terminate()
    p.wait(120)


def append(e, first, last):
    with open(e.log, "ab", buffering=0) as out:
        out.write(b"".join(b"number %d %s\n" % (i, b"x" * 150) for i in range(first, last + 1)))


def settle(e, least):
    """Waits until the store has at least so many and no more come."""
    state = [0, time.monotonic()]

    def quiet():
        n = len(e.stored())
        if n != state[0]:
            state[:] = [n, time.monotonic()]
        return n >= least and time.monotonic() - state[1] > 2

    e.until("%d events in the store" % least, quiet)
    return stored(e)


def stored(e):
    found = {}

    def all_of_it():
        found["seen"] = e.stored()
        return True

    e.until("an answer of the store", all_of_it)
    return found["seen"]


def spooled(e, folder, n):
    """Whether the sensor has taken line n."""
    for name in glob.glob(folder + "/**", recursive=True):
        if os.path.isfile(name):
            with open(name, "rb") as f:
                if b"number %d " % n in f.read():
                    return True
    return False


def sensor_config(e, spool_folder, extra=""):
    with open(e.sensor_config) as f:
        text = f.read()
    lines = ["spool: { sync_interval: 50ms, folder: %s%s }" % (spool_folder, extra) if l.startswith("spool:") else
             l.replace("heartbeat: 1h", "heartbeat: 1s") for l in text.splitlines()]
    with open(e.sensor_config, "w") as f:
        f.write("\n".join(lines) + "\n")


def check(ok, what):
    print(("ok: " if ok else "FAILED: ") + what, flush=True)
    if not ok:
        sys.exit(1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--collector")
    p.add_argument("--seconds", type=float, default=float(os.environ.get("WARDWATCH_OUTAGE_SECONDS", "3")))
    p.add_argument("--events", type=int, default=8000)
    p.add_argument("--keep", action="store_true")
    a = p.parse_args()
    e = Estate(a)
    try:
        e.prepare()
        n = 0
        # 1. away, within the bound
        append(e, 1, 500)
        settle(e, 500)
        stop(e, "collector")
        step = max(1, a.events // 20)
        n = 500
        for _ in range(20):
            append(e, n + 1, n + step)
            n += step
            time.sleep(a.seconds / 20)
        e.start("collector")
        seen = settle(e, n)
        check(len(seen) == n and max(seen.values()) == 1, "outage of %.0f s: all %d lines stored once" % (a.seconds, n))

        # 2. beyond the bound
        stop(e, "sensor")
        sensor_config(e, e.path("sensor/spool"), ", max_size: 1MiB")
        stop(e, "collector")
        away = time.monotonic()
        e.start("sensor")
        before = n
        append(e, n + 1, n + 12000)
        n += 12000
        e.until("the last line in the spool", lambda: spooled(e, e.path("sensor/spool"), n))
        away = time.monotonic() - away
        e.start("collector")
        e.until("the newest event in the store", lambda: n in e.stored())
        seen = stored(e)
        missing = [i for i in range(1, n + 1) if i not in seen]

        def reported():
            page = e.call("/api/v1/events?type=sensor&limit=1000&from=2020-01-01T00:00:00Z")
            return max([i["sensor"]["spool"]["shed_events"] for i in page["items"]] or [0])

        e.until("the sensor's report", lambda: reported() >= len(missing))
        # Heartbeats, one a second, are events too and were shed with the others.
        check(0 < len(missing) <= reported() <= len(missing) + away + 5, "bound reached: %d lines missing, %d events reported as lost" % (len(missing), reported()))
        check(missing[0] == before + 1 and missing[-1] - missing[0] + 1 == len(missing), "the oldest went, the newest %d are all there" % (n - missing[-1]))
        check(max(seen.values()) == 1, "nothing twice")

        # A disk that gives back something else: told as damaged, not as shed.
        stop(e, "collector")
        before = n
        append(e, n + 1, n + 1000)  # within the bound
        n += 1000
        e.until("the lines in the spool", lambda: spooled(e, e.path("sensor/spool"), n))
        stop(e, "sensor")
        for name in glob.glob(e.path("sensor/spool/*.seg")):
            with open(name, "r+b") as f:
                at = f.read().find(b"number %d " % (before + 500))
                if at >= 0:
                    f.seek(at)
                    f.write(b"\xee" * 2000)
        e.start("sensor")
        e.start("collector")
        e.until("the newest event in the store", lambda: n in e.stored())
        seen = stored(e)
        missing = [i for i in range(before + 1, n + 1) if i not in seen]

        def damaged():
            gaps = e.call("/api/v1/gaps?from=2020-01-01T00:00:00Z")["items"]
            return sum(g["events"] for g in gaps if g["reason"] == "damaged")

        e.until("the gap", lambda: damaged() > 0)
        check(0 < len(missing) == damaged(), "damaged spool: %d lines missing, and told as damaged" % len(missing))

        # 3. full disk
        disk = e.path("disk")
        os.mkdir(disk)
        if e.mount("tmpfs", disk, "-o", "size=1m", "tmpfs"):
            stop(e, "sensor")
            stop(e, "collector")
            # A new spool starts a later epoch; positions in files live in the spool, so the file is new as well.
            e.log = e.path("second.log")
            open(e.log, "w").close()
            sensor_config(e, disk + "/spool", ", max_size: 100MiB")
            with open(e.sensor_config) as f:
                text = f.read()
            with open(e.sensor_config, "w") as f:
                f.write(text.replace("numbers.log", "second.log"))
            e.start("sensor")
            first = n + 1
            append(e, first, first + 9999)
            n += 10000

            # How little room is too little for a segment is the spool's affair: full is when nothing is added any more.
            state = [0, time.monotonic()]

            def full():
                now = os.statvfs(disk)
                used = (now.f_blocks - now.f_bfree) * now.f_frsize
                if used != state[0]:
                    state[:] = [used, time.monotonic()]
                return used > 1 << 19 and time.monotonic() - state[1] > 2

            e.until("the full disk", full)
            check(not spooled(e, disk + "/spool", n), "the disk is full, lines wait in their file")
            e.start("collector")
            e.until("all lines after the disk was full", lambda: sum(1 for i in e.stored() if i >= first) == 10000)
            seen = stored(e)
            check(all(seen[i] == 1 for i in range(first, n + 1)), "full disk: all 10000 lines stored once")
        else:
            print("skipped: no right to mount a small disk")
        return 0
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
