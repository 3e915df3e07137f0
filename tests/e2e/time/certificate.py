#!/usr/bin/env python3
"""Certificates end, on the real processes.

1. A sensor's certificate is renewed before its end while lines flow: another key, put in place whole, and nothing is lost.
2. The sensor is killed with SIGKILL at every step of a renewal; each time it comes back with a certificate and a key that fit, and the
   next renewal brings another key.
3. The collector's certificate has ended while it was away: its own it issues again; in place of an operator's it serves its own. Both it says.

4. A collector that shows browsers a certificate of another authority: sensors are shown the one they know, at enrolment too.

    certificate.py --bin FOLDER --moved-time LIBRARY"""
import os
import ssl
import subprocess
import sys
import threading
import time

from moved import DAY, Moved, arguments, check

LIFE = 300  # seconds; due for renewal when two thirds are over
STEPS = ["rename:new.key", "rename:identity.json", "rename:ca.pem", "rename:sensor.pem", "remove:new.key"]


class Pair:
    """Watches the file with certificate and key: at every moment they must fit."""

    def __init__(self, path):
        self.path, self.broken, self.over = path, [], threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        last = None
        while not self.over.is_set():
            try:
                with open(self.path, "rb") as f:
                    now = f.read()
                if now != last:
                    copy = self.path + ".seen"
                    with open(copy, "wb") as f:
                        f.write(now)
                    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(copy)  # refuses what does not fit
                    os.unlink(copy)
                last = now
            except (OSError, ssl.SSLError) as e:
                self.broken.append(str(e))
            time.sleep(0.002)

    def end(self):
        self.over.set()
        self.thread.join()
        return self.broken


def main():
    a = arguments()
    e = Moved(a)
    e.collector_more = "identity: { sensor_certificate_life: %dm }\n" % (LIFE // 60)
    pair = e.path("sensor/identity/sensor.pem")

    def of(*what):
        return e.run_once("openssl", *what)

    def identity():
        return of("x509", "-in", pair, "-noout", "-serial"), of("pkey", "-in", pair, "-pubout")

    watch = None
    try:
        e.prepare()
        watch = Pair(pair)
        serial, key = identity()
        due = LIFE * 2 // 3 + 10
        e.flow()
        e.until("lines in the store", lambda: len(e.stored()) > 100)
        e.move(due)
        e.until("a renewed certificate", lambda: identity()[0] != serial)
        check(identity()[1] != key and os.stat(pair).st_mode & 0o777 == 0o600, "renewed before its end, with another key, for its owner only")
        e.until("a word about it", lambda: "certificate renewed" in e.said("sensor"))
        seen = len(e.stored())
        e.until("lines over the new certificate", lambda: len(e.stored()) > seen)

        serial, key = identity()
        e.end("sensor")
        e.move(2 * due)
        for step in STEPS:
            e.start("sensor", DIE_BEFORE=step)
            if e.processes["sensor"].wait(120) != -9:
                check(False, "%s is a step of a renewal" % step)
            check((identity() == (serial, key)) == (step != STEPS[-1]), "killed before %s: %s" % (
                step.replace(":", " of "), "the old pair is there" if step != STEPS[-1] else "the new pair is there"))
        key = identity()[1]
        e.start("sensor")
        e.move(3 * due)
        e.until("a renewal after the kills", lambda: identity()[1] != key)
        e.halt()
        e.all_once("renewed %d times, killed %d times" % (e.said("sensor").count("certificate renewed") + 1, len(STEPS)))
        broken = watch.end()
        watch = None
        check(not broken, "certificate and key fit at every moment %s" % broken[:1])
        check(not os.path.exists(e.path("sensor/identity/new.key")), "no key is left over")

        e.end("sensor")
        e.end("collector")
        e.move(500 * DAY)
        e.start("collector")
        e.until("an answer with the clock far ahead", lambda: e.ctl("whoami").returncode in (0, 1))
        check("a server certificate was issued (the old one ended " in e.said("collector"), "the collector's own certificate is issued again, and said")
        e.end("collector")
        of("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", e.path("own.key"), "-out", e.path("own.pem"), "-days", "2", "-subj", "/CN=localhost",
           "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        with open(e.collector_config) as f:
            text = f.read()
        with open(e.collector_config, "w") as f:
            f.write(text.replace("server:\n", "server:\n  certificate: own.pem\n  key: own.key\n"))
        e.move(503 * DAY)
        done = subprocess.run([e.collector_bin, "check", "--config", e.collector_config], env=e.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(done.returncode == 2 and b"own.pem: the certificate ended " in done.stderr, "check refuses an operator's certificate that has ended")
        e.start("collector")
        e.until("an answer in place of the ended certificate", lambda: e.ctl("whoami").returncode in (0, 1))
        check("own.pem: the certificate ended " in e.said("collector"), "the collector runs with its own, and says so")
    finally:
        if watch is not None:
            watch.end()
        e.close(a.keep)
    other_authority(a)
    return 0


def other_authority(a):
    e = Moved(a)
    try:
        e.shown_ca = e.path("own.pem")
        e.server_more = "  certificate: own.pem\n  key: own.key\n"
        e.run_once("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", e.path("own.key"), "-out", e.shown_ca, "-days", "2",
                   "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        e.prepare()
        e.append(500)
        e.all_once("a collector with a certificate of another authority")
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
