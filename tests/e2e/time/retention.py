#!/usr/bin/env python3
"""What a collector drops, by age and by size of a class of events: whole days, from disk and from every search. The running day stays.

    retention.py --bin FOLDER --moved-time LIBRARY"""
import glob
import os
import random
import sys
import time

from moved import DAY, Moved, arguments, check

LINES = 2000


def main():
    a = arguments()
    noon = DAY // 2 - int(time.time()) % DAY  # the days of the test do not depend on when it runs
    e = Moved(a, noon - 3 * DAY)
    chance = random.Random(1)

    def days(name):
        return sorted(os.path.basename(f)[:-3] for f in glob.glob(e.path("collector/events/%s/*.db" % name)))

    def octets(name):
        return sum(os.path.getsize(f) for f in glob.glob(e.path("collector/events/%s/*" % name)))

    def again(bounds, then):
        e.end("collector")
        with open(e.collector_config) as f:
            text = [line for line in f.read().splitlines() if "retention:" not in line and "class_max_size:" not in line]
        with open(e.collector_config, "w") as f:
            f.write("\n".join(text + ["  " + b for b in bounds]) + "\n")
        e.start("collector")
        e.until(then[0], then[1])

    try:
        # The certificates are made on the first of these days, so that they are valid on all of them and now.
        e.prepare()
        for back in (3, 2, 1, 0):
            e.move(noon - back * DAY)
            if back != 3:
                for name in ("sensor", "collector"):
                    e.end(name)
                for name in ("collector", "sensor"):
                    e.start(name)
            # Nothing that compression makes small.
            e.append(LINES, lambda i: "%032x%032x" % (chance.getrandbits(128), chance.getrandbits(128)))
            e.until("a day's lines in the store", lambda: len(e.stored()) == e.written)
        four = days("log")
        check(len(four) == 4 and len(days("health")) == 4, "four days of two classes are there")
        held = octets("log")

        again(["retention: { log: 1 }"], ("the drop of old days", lambda: days("log") == four[2:]))
        check(sorted(e.stored()) == list(range(2 * LINES + 1, 4 * LINES + 1)), "by age: two days are dropped, and no search sees them")
        check(octets("log") < held * 0.6 and len(days("health")) == 4, "their room is free; another class keeps its days")
        check(e.metric("wardwatch_store_files_dropped_total") == 2, "counted")

        again(["retention: { log: 1 }", "class_max_size: { log: 64 KiB }"], ("the drop of a large day", lambda: days("log") == four[3:]))
        check(sorted(e.stored()) == list(range(3 * LINES + 1, 4 * LINES + 1)), "by size: the running day is kept whole, and only it")
        e.until("word of the bound", lambda: "data.class_max_size.log: " in e.said("collector"))
        check(e.said("collector").count("only the running day is left") == 1, "that it alone exceeds the bound is said once")
        check(e.metric('wardwatch_store_bound_exceeded{bound="class_max_size.log"}') == 1 and len(days("health")) == 4, "and is a figure")

        again(["class_max_size: { log: 1 GiB }"], ("the collector's answer", lambda: e.metric('wardwatch_store_bound_exceeded{bound="class_max_size.log"}') == 0))
        check(sorted(e.stored()) == list(range(3 * LINES + 1, 4 * LINES + 1)), "nothing comes back from the journal")
        return 0
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
