#!/usr/bin/env python3
"""Detection drills of every kind of input on the real processes: log lines, an HL7 conversation, an audit message, a TCP
conversation, a capture. For each: time to event, alert, notification and acknowledgement; the rule that must fire and one that must
not. Two real webhook receivers: the one for rehearsals gets every alert of a drill and nothing else, the pager gets none of them.

    detection.py --bin FOLDER --source ROOT [--keep]
"""
import http.server
import json
import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from drills import Drills, arguments, check  # noqa: E402

LOG_RULE = "0c4d5d70-0000-4000-8000-000000000001"
AUDIT_RULE = "0c4d5d70-0000-4000-8000-000000000002"
QUIET_RULE = "0c4d5d70-0000-4000-8000-000000000003"
AUDIT = """<AuditMessage><EventIdentification EventActionCode="R" EventDateTime="2026-11-27T02:00:00Z" EventOutcomeIndicator="0">
<EventID csd-code="110112" codeSystemName="DCM" originalText="Query"/></EventIdentification>
<ActiveParticipant UserID="REHEARSAL-AUDITOR" UserIsRequestor="true"/><AuditSourceIdentification AuditSourceID="rehearsal"/></AuditMessage>"""


class Receiver:
    """A webhook's other end: keeps what it is sent."""

    def __init__(self):
        self.alerts = []
        keep = self.alerts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                keep.extend(dict(alert, drill=body.get("drill", False)) for alert in body["alerts"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/alerts" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data + (b"\0" if len(data) % 2 else b"")))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def capture(payload):
    """A capture of one UDP packet, of some years ago."""
    udp = struct.pack("!4H", 40000, 5514, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2"))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    frame = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip + udp
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 1600000000, 0, len(frame), len(frame)) + frame


def sigma(rule, title, word):
    return "title: %s\nid: %s\nstatus: test\nlevel: high\nlogsource: { product: rehearsal }\ndetection:\n  keywords: [ '%s' ]\n  condition: keywords\n" % (title, rule, word)


INPUTS = {
    "log": ({"kind": "log", "format": "plain", "product": "rehearsal", "lines": ["app: REHEARSAL-LOG happened"]}, LOG_RULE),
    "audit": ({"kind": "audit_xml", "product": "rehearsal", "documents": [AUDIT]}, AUDIT_RULE),
    "hl7": ({"kind": "hl7", "messages": ["MSH|^~\\&|REHEARSAL|A|B|C|20261127||ADT^A01|1|P|2.4\nPID|1||REHEARSALPID"],
             "answer": "MSH|^~\\&|B|C|REHEARSAL|A|20261127||ACK|2|P|2.4\nMSA|AA|1"}, "9900001"),
    "conversation": ({"kind": "conversation", "port": 80, "client": "GET /rehearsal-cmd HTTP/1.1\r\nHost: rehearsal.example\r\n\r\n",
                      "server": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, "9900002"),
    "capture": ({"kind": "capture", "file": "rehearsal.pcap"}, "9900003"),
}


class Detection(Drills):
    def make_backup(self):
        os.makedirs(self.path("sigma"))
        for rule, title, word in ((LOG_RULE, "Rehearsal log", "REHEARSAL-LOG"), (AUDIT_RULE, "Rehearsal audit", "REHEARSAL-AUDITOR"), (QUIET_RULE, "Quiet", "NEVER-SAID")):
            self.write("sigma/%s.yml" % rule, sigma(rule, title, word))
        self.write("rehearsal.rules", """\
alert tcp any any -> any 2575 (msg:"Rehearsal HL7"; content:"REHEARSALPID"; classtype:misc-activity; sid:9900001; rev:1;)
alert http any any -> any any (msg:"Rehearsal HTTP"; http.uri; content:"/rehearsal-cmd"; sid:9900002; rev:1;)
alert udp any any -> any 5514 (msg:"Rehearsal capture"; content:"REHEARSAL-CAPTURE"; sid:9900003; rev:1;)
""")
        self.write("password", "x")
        self.rehearsals, self.pager = Receiver(), Receiver()

    def define(self):
        def detection(name, inputs, expect, must_not, settle=1, timeout=300):
            self.write("definitions/%s.json" % name, json.dumps({
                "type": "wardwatch-drill", "id": name, "title": name, "kind": "detection", "purpose": "test", "safety": ["harmless"],
                "detection": {"inputs": inputs, "expect": [{"rule": r, "within_s": timeout, "min": 1} for r in expect], "must_not_fire": must_not, "settle_s": settle, "timeout_s": timeout}}))

        for name, (one, rule) in INPUTS.items():
            detection("detect-" + name, [one], [rule], [QUIET_RULE])
        with open(self.path("definitions/rehearsal.pcap"), "wb") as f:
            f.write(capture(b"<13>REHEARSAL-CAPTURE"))
        detection("detect-all", [one for one, _ in INPUTS.values()], [rule for _, rule in INPUTS.values()], [QUIET_RULE])
        detection("detect-too-much", [INPUTS["log"][0]], [], [LOG_RULE], settle=10)
        detection("detect-nothing", [INPUTS["log"][0]], [QUIET_RULE], [], timeout=15)

    def start(self, name):
        if name == "collector" and not os.path.exists(self.path("definitions/detect-all.json")):
            self.define()
            with open(self.collector_config) as f:
                text = f.read()
            with open(self.collector_config, "w") as f:
                f.write(text.replace("sigma: [ ", "sigma: [ %s, " % self.path("sigma")) + """\
notify:
  webhooks:
    - { url: "%s", drills: true }
    - { url: "%s", min_level: informational }
""" % (self.rehearsals.url, self.pager.url))
        super().start(name)

    def configure_sensor(self, text):
        at = text.index("backup:\n")
        return "rules: [ %s ]\n" % self.path("rehearsal.rules") + text[:at] + text[text.index("drills:\n"):text.index("  restore:\n")]


def main():
    a = arguments(__doc__)
    e = Detection(a)
    try:
        e.prepare()
        e.until("heartbeats", lambda: e.call("/api/v1/heartbeats")["items"])
        for name, (_, rule) in INPUTS.items():
            run = e.over(e.begin("detect-" + name))
            d = run["result"]["detection"]
            check(run["state"] == "passed" and d["met"] and d["expect"][0]["rule"] == rule,
                  "%-12s event after %.2f s, alert after %.2f s %s" % (name, d.get("seconds_to_event", -1), d.get("seconds_to_alert", -1), run["reason"]))
            e.until("the notification", lambda: "seconds_to_notification" in e.call("/api/v1/drills/%s/report" % run["id"])["detection"])
            code, out, err = e.ctl("drill", "acknowledge", run["id"])
            d = e.call("/api/v1/drills/%s/report" % run["id"])["detection"]
            check(code == 0 and d["seconds_to_alert"] <= d["seconds_to_notification"] <= d["seconds_to_acknowledge"],
                  "             notification after %.2f s, acknowledged after %.2f s" % (d["seconds_to_notification"], d["seconds_to_acknowledge"]))
        run = e.over(e.begin("detect-all"))
        d = run["result"]["detection"]
        check(run["state"] == "passed" and len([x for x in d["expect"] if x["met"]]) == len(INPUTS), "all kinds of input in one drill: %d rules fired" % len(d["expect"]))
        run = e.over(e.begin("detect-too-much"))
        check(run["state"] == "failed" and "must not" in run["reason"], "a rule that must not fire: " + run["reason"])
        run = e.over(e.begin("detect-nothing"))
        check(run["state"] == "failed" and "not every expected rule" in run["reason"], "a rule that stays silent: " + run["reason"])

        told = {x["rule"]["id"] for x in e.rehearsals.alerts}
        check({rule for _, rule in INPUTS.values()} <= told and all(x.get("drill") is True for x in e.rehearsals.alerts),
              "the receiver of rehearsals got %d alerts, all marked" % len(e.rehearsals.alerts))
        check(e.pager.alerts == [], "the pager got none")
        check(e.open_alerts() == [], "nobody's inbox has any")
        hits = {r["id"]: r["hits"] for r in e.call("/api/v1/rules?limit=1000")["items"]}
        check(all(hits.get(rule, 0) == 0 for _, rule in INPUTS.values()), "no rule counted them")
        kinds = [k for k in ("log", "http", "flow", "alert", "hl7", "fileinfo") if e.call("/api/v1/events?limit=10&q=REHEARSAL&type=" + k)["items"]]
        check(kinds == [], "no event of them is among those of its own type")

        # The same line, unmarked: now it pages, and counts.
        with open(e.path("pacs.log"), "a") as f:
            f.write("app: REHEARSAL-LOG happened for real\n")
        e.until("the real alert", lambda: e.open_alerts(LOG_RULE))
        e.until("the page", lambda: e.pager.alerts)
        check(len(e.pager.alerts) == 1 and e.pager.alerts[0]["drill"] is False, "the same line for real pages, once")
        check(all(x.get("drill") is True for x in e.rehearsals.alerts), "and does not go to the receiver of rehearsals")
        hits = {r["id"]: r["hits"] for r in e.call("/api/v1/rules?limit=1000")["items"]}
        check(hits.get(LOG_RULE) == 1, "and it counts: 1 hit")
        return 0
    finally:
        e.close(a.keep)


if __name__ == "__main__":
    sys.exit(main())
