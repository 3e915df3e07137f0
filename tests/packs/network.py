#!/usr/bin/env python3
"""Fires every shipped signature, and shows that its near miss stays silent.

    network.py SENSOR [--only SID]

tests/packs/network_cases.yaml has, per signature id, conversations that must fire it and conversations that must not.
A conversation is turned into a capture here (Ethernet, IPv4, TCP or UDP, correct checksums), replayed through the real
sensor, and the alerts are read from its EVE output. A conversation may also name a recorded capture. Exit 1 when any case
fails or a shipped signature has no pair of cases.
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PACK = os.path.join(TOP, "rules", "packs", "network")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    return bytes(int(p) for p in text.split("."))


class Capture:
    def __init__(self):
        self.out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        self.time = 1_800_000_000_000_000
        self.ident = 0

    def frame(self, src, dst, proto, segment):
        self.ident += 1
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), self.ident, 0x4000, 64, proto, 0, address(src), address(dst))
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        packet = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + header + segment
        self.time += 1000
        self.out += struct.pack("<IIII", self.time // 1_000_000, self.time % 1_000_000, len(packet), len(packet)) + packet

    def udp(self, src, sport, dst, dport, payload):
        head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
        pseudo = address(src) + address(dst) + struct.pack("!BBH", 0, 17, 8 + len(payload))
        self.frame(src, dst, 17, head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload)

    def segment(self, src, sport, dst, dport, seq, ack, flags, payload=b""):
        head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 64240, 0, 0)
        pseudo = address(src) + address(dst) + struct.pack("!BBH", 0, 6, len(head) + len(payload))
        head = head[:16] + struct.pack("!H", checksum(pseudo + head + payload)) + head[18:]
        self.frame(src, dst, 6, head + payload)

    def tcp(self, src, sport, dst, dport, turns):
        mine, theirs = 1000, 5000
        self.segment(src, sport, dst, dport, mine, 0, 2)
        self.segment(dst, dport, src, sport, theirs, mine + 1, 0x12)
        mine, theirs = mine + 1, theirs + 1
        self.segment(src, sport, dst, dport, mine, theirs, 0x10)
        for side, payload in turns:
            for at in range(0, len(payload), 1400):
                piece = payload[at : at + 1400]
                if side == "client":
                    self.segment(src, sport, dst, dport, mine, theirs, 0x18, piece)
                    mine += len(piece)
                    self.segment(dst, dport, src, sport, theirs, mine, 0x10)
                else:
                    self.segment(dst, dport, src, sport, theirs, mine, 0x18, piece)
                    theirs += len(piece)
                    self.segment(src, sport, dst, dport, mine, theirs, 0x10)
        self.segment(src, sport, dst, dport, mine, theirs, 0x11)
        self.segment(dst, dport, src, sport, theirs, mine + 1, 0x11)
        self.segment(src, sport, dst, dport, mine + 1, theirs + 1, 0x10)


def octets(text):
    """Text with Suricata's |hex| notation; `utf16(...)` for names as SMB writes them."""
    out = b""
    for i, part in enumerate(re.split(r"\|([0-9a-fA-F ]*)\|", text)):
        if i % 2:
            out += bytes.fromhex(part)
        else:
            at = 0
            for m in re.finditer(r"utf16\((.*?)\)", part):
                out += part[at : m.start()].encode("latin-1") + m.group(1).encode("utf-16-le")
                at = m.end()
            out += part[at:].encode("latin-1")
    return out


def dns_query(name):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", 0x2A2A, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def client_hello(name):
    host = name.encode()
    sni = struct.pack("!HHHBH", 0, len(host) + 5, len(host) + 3, 0, len(host)) + host
    groups = struct.pack("!HHHH", 10, 4, 2, 29)
    extensions = sni + groups
    body = b"\x03\x03" + bytes(32) + b"\0" + struct.pack("!HH", 2, 0x1301) + b"\x01\0" + struct.pack("!H", len(extensions)) + extensions
    shake = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(shake)) + shake


def server_hello(version):
    body = version + bytes(32) + b"\0" + struct.pack("!HB", 0xC013, 0)
    shake = b"\x02" + struct.pack("!I", len(body))[1:] + body
    return b"\x16" + version + struct.pack("!H", len(shake)) + shake


def http(method, host, uri, headers, body, response):
    text = "%s %s HTTP/1.1\r\nHost: %s\r\n" % (method, uri, host)
    text += "".join("%s: %s\r\n" % kv for kv in headers.items())
    if body:
        text += "Content-Length: %d\r\n" % len(body)
    answer = octets(response)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % len(answer)
    return [("client", text.encode() + b"\r\n" + body.encode()), ("server", head + answer)]


def build(talk, path):
    capture = Capture()
    src, dst = talk.get("src", "10.20.1.15"), talk.get("dst", "10.20.9.10")
    for round_number in range(talk.get("times", 1)):
        sport = 40000 + round_number
        if "dns" in talk:
            capture.udp(src, sport, dst, 53, dns_query(talk["dns"]))
        elif "sni" in talk:
            capture.tcp(src, sport, dst, 443, [("client", client_hello(talk["sni"]))])
        elif "tls_version" in talk:
            version = bytes.fromhex(talk["tls_version"])
            capture.tcp(src, sport, dst, 443, [("client", client_hello("example.nhs.uk")), ("server", server_hello(version))])
        elif "http" in talk:
            h = talk["http"]
            turns = http(h.get("method", "GET"), h.get("host", "app.example.nhs.uk"), h.get("uri", "/"), h.get("headers", {}),
                         h.get("body", ""), h.get("response", "ok"))
            capture.tcp(src, sport, dst, 80, turns)
        else:
            turns = [(side, octets(text)) for turn in talk["tcp"] for side, text in turn.items()]
            capture.tcp(src, sport, dst, talk["port"], turns)
    with open(path, "wb") as f:
        f.write(capture.out)


def alerts(sensor, pcap, folder):
    eve = os.path.join(folder, "eve.json")
    if os.path.exists(eve):
        os.unlink(eve)
    done = subprocess.run([sensor, "replay", pcap, "--rules", os.path.join(PACK, "hospital.rules"), "--eve", eve,
                           "--set", "classification-file=" + os.path.join(PACK, "classification.config")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if done.returncode != 0:
        raise RuntimeError("sensor exit %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")[-400:]))
    with open(eve, encoding="utf-8") as f:
        return [e["alert"]["signature_id"] for e in map(json.loads, f) if e["event_type"] == "alert"]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("sensor")
    ap.add_argument("--only", type=int)
    options = ap.parse_args()
    with open(os.path.join(PACK, "hospital.rules"), encoding="utf-8") as f:
        shipped = {int(m) for line in f if not line.startswith("#") for m in re.findall(r"\bsid:(\d+)", line)}
    with open(os.path.join(HERE, "network_cases.yaml"), encoding="utf-8") as f:
        cases = yaml.safe_load(f)
    bad = ["%d has no case" % sid for sid in sorted(shipped - set(cases))] + ["%d is not shipped" % s for s in set(cases) - shipped]
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        for sid, pair in sorted(cases.items()):
            if options.only and sid != options.only:
                continue
            for kind, wanted in (("fires", True), ("silent", False)):
                if not pair.get(kind):
                    bad.append("%d has no conversation that %s" % (sid, kind))
                for talk in pair.get(kind) or []:
                    ran += 1
                    pcap = os.path.join(folder, "case.pcap")
                    if "capture" in talk:
                        pcap = os.path.join(TOP, "tests", "fixtures", "captures", talk["capture"])
                    else:
                        build(talk, pcap)
                    try:
                        fired = sid in alerts(options.sensor, pcap, folder)
                    except (RuntimeError, subprocess.TimeoutExpired, OSError, ValueError) as e:
                        bad.append("%d: %s" % (sid, e))
                        continue
                    if fired != wanted:
                        bad.append("%d %s although the conversation %s: %s" % (sid, "fired" if fired else "stayed silent", kind, json.dumps(talk)[:160]))
    for line in bad:
        print(line)
    print("%d conversations, %d problems" % (ran, len(bad)))
    return 1 if bad or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
