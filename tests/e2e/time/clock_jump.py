#!/usr/bin/env python3
"""The clock of a machine is set while the real processes run: days ahead, and back again. Nothing is dropped for an age that it only seems
to have, nothing is lost, nothing is stored twice.

    clock_jump.py --bin FOLDER --moved-time LIBRARY"""
import glob
import signal
import sys

from moved import DAY, Moved, arguments, check


def main():
    a = arguments()
    e = Moved(a)
    e.collector_more = "  retention: { log: 1 }\n"

    def look(what, word):
        """Asks for a look at retention, which the collector takes once a minute by itself."""
        e.processes["collector"].send_signal(signal.SIGHUP)
        e.until(what, lambda: word in e.said("collector"))
        before = e.said("collector").count("reloaded")
        e.processes["collector"].send_signal(signal.SIGHUP)
        e.until("another look", lambda: e.said("collector").count("reloaded") > before)

    try:
        e.prepare()
        e.flow()
        e.until("lines in the store", lambda: len(e.stored()) > 100)

        e.move(20 * DAY)
        seen = len(e.stored())
        e.until("lines after the jump", lambda: len(e.stored()) > seen + 100)
        look("word of the jump ahead", "the clock jumped by 1728")
        check(min(e.stored()) == 1 and len(glob.glob(e.path("collector/events/log/*.db"))) == 2, "20 days ahead: said, and no day of the log is dropped at once")
        check(e.metric("wardwatch_store_clock_jumps_total") == 1, "counted")
        for name in ("sensor", "collector"):
            e.kill(name)

        # What waits in the spool does not age by a jump either.
        e.end("collector")
        seen = e.written
        e.until("lines for the spool", lambda: e.written > seen + 500)
        e.move(60 * DAY)
        seen = e.written
        e.until("lines after the second jump", lambda: e.written > seen + 500)
        e.start("collector")
        e.until("the lines that waited", lambda: seen in e.stored())

        e.move(0)
        seen = e.written
        e.until("lines after the jump back", lambda: len(e.stored()) > seen + 100)
        look("word of the jump back", "the clock jumped by -")

        # A day before the sensor was enrolled its certificate is not valid yet: it waits until the clock is right.
        e.move(-DAY)
        e.kill("sensor")
        e.until("word of the sensor", lambda: "not yet valid; check this machine's clock" in e.said("sensor"))
        e.move(0)
        e.halt()
        e.all_once("clock 20 and 60 days ahead, right, a day behind, right")
        return 0
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
