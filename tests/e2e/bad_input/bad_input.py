#!/usr/bin/env python3
"""What an operator gets wrong, given to the real programs: each thing ends with one line that says what, where and what to do, and with
the right exit code; what could be read of a damaged capture is used.

    bad_input.py --bin FOLDER_OF_PROGRAMS"""
import argparse
import gzip
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CAPTURE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "fixtures", "captures", "http.pcap")
GOOD = "data: { folder: d }\ncollector: { enabled: no }\nidentity: { site: a, sensor: b }\n"
LOGS = "logs: { files: [ { paths: [ /var/log/x.log ] } ] }\n"

# Name, content, what the line must say. A place is FILE or FILE:LINE.
SENSOR = [
    ("empty", b"", "sensor.yaml: data.folder: is required"),
    ("scalar", b"hello\n", "sensor.yaml:1: not valid YAML: the file must hold KEY: VALUE"),
    ("binary", b"\0\1\xff", "sensor.yaml: not a text file"),
    ("tab", b"data:\n\tfolder: d\n", "sensor.yaml:2: not valid YAML"),
    ("twice", GOOD + "data: { folder: e }\n", "sensor.yaml:4: not valid YAML: 'data' is given twice"),
    ("second", GOOD + LOGS + "---\nuser: x\n", "second document"),
    ("tab", GOOD + LOGS + "spool:\n\tmax_size: 1GiB\n", "sensor.yaml:6: not valid YAML: the line begins with a tab; indent with spaces"),
    ("hasty heartbeat", GOOD + LOGS + "uplink: { heartbeat: 0s }\n", "sensor.yaml:5: uplink.heartbeat: too short; give at least 1s"),
    ("nothing kept", GOOD + LOGS + "spool: { max_age: 0s }\n", "sensor.yaml:5: spool.max_age: too short"),
    ("listen by name", GOOD + "logs: { syslog: [ { transport: udp, listen: 'sensor:514' } ] }\n",
     "sensor.yaml:4: logs.syslog.0.listen: 'sensor' is not an address of this machine"),
    ("no interface", GOOD + "capture: { interfaces: [ absent0 ] }\n", "interface absent0: "),
    ("an interface twice", GOOD + "capture: { interfaces: [ lo, { name: lo } ] }\n",
     "sensor.yaml:4: capture.interfaces.1: interface lo is listed twice"),
    ("no capture", GOOD + "capture: { files: [ none.pcap ] }\n", "none.pcap: cannot open: No such file"),
    ("no user", GOOD + LOGS + "user: no-such-user\n", "user: no-such-user: no such user"),
    ("no privacy key", GOOD + LOGS + "privacy: { key_file: none.key }\n", "none.key: cannot read the privacy key"),
    ("typo", GOOD + LOGS + "spool: { max_sise: 1GiB }\n", "sensor.yaml:5: unknown key 'spool.max_sise'; did you mean 'max_size'?"),
    ("list", "data: [ d ]\n", "sensor.yaml:1: data: must hold keys, not a list"),
    ("value", GOOD + "capture: { interfaces: eth0 }\n", "sensor.yaml:4: capture.interfaces: must be a list, not 'eth0'"),
    ("flag", GOOD + LOGS + "drills: { orders: maybe }\n", "orders: neither yes nor no: maybe"),
    ("number", GOOD + LOGS + "capture: { workers: many }\n", "sensor.yaml:5: capture.workers: not a whole number"),
    ("nothing", GOOD, "sensor.yaml: nothing to watch"),
    ("relative", GOOD + "logs: { files: [ { paths: [ x.log ] } ] }\n", "sensor.yaml:4: logs.files.0.paths: 'x.log' is not absolute"),
    ("certificate", GOOD + "logs: { syslog: [ { transport: tls, listen: ':1', cert: no.pem } ] }\n", "/no.pem: No such file"),
    ("format", GOOD + "logs: { files: [ { paths: [ /x.log ], format: jsn } ] }\n", "sensor.yaml:4: logs.files.0.format: unknown log format; use auto"),
    ("slug", GOOD.replace("site: a", "site: A B") + LOGS, "sensor.yaml:3: identity.site: not a name: A B"),
    ("variable", GOOD + LOGS + "vars: { HOME_NET: { a: b } }\n", "sensor.yaml:5: vars.HOME_NET: must be a list"),
]
COLLECTOR = [
    ("empty", "", "collector.yaml: 'data.folder' is missing"),
    ("twice", "data:\n  folder: d\n  folder: e\n", "collector.yaml:3: not valid YAML: 'data.folder' is given twice"),
    ("typo", "data: { foldr: d }\n", "collector.yaml:1: unknown key 'data.foldr'; did you mean 'data.folder'?"),
    ("listen", "data: { folder: d }\nserver: { listen: 8443 }\n", "collector.yaml:2: 'server.listen' has '8443', which is not ADDRESS:PORT"),
    ("class", "data: { folder: d, retention: { flows: 3 } }\n", "collector.yaml:1: 'data.retention.flows' is no event class; there are "),
    ("name", "data: { folder: d }\nserver: { names: [ 'our collector' ] }\n", "collector.yaml:2: 'server.names' has 'our collector'"),
    ("second", "data: { folder: d }\n---\nlog: { level: warn }\n", "second document"),
]


class Tries:
    def __init__(self, binaries, folder):
        self.bin, self.folder, self.wrong, self.count = binaries, folder, 0, 0

    def run(self, program, *arguments, **options):
        return subprocess.run([os.path.join(self.bin, program), *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, timeout=120,
                              stdout=options.get("stdout", subprocess.PIPE), stderr=subprocess.PIPE, env=options.get("env"))

    def expect(self, name, done, code, text, lines=1):
        self.count += 1
        err = done.stderr.decode("utf-8", "replace")
        said = [l for l in err.splitlines() if not re.match(r"\d+ packets", l)]
        if done.returncode == code and len(said) == lines and (not lines or text in said[0]):
            return
        self.wrong += 1
        print("%s: status %d (wanted %d), wanted %r in one line, got:\n%s" % (name, done.returncode, code, text, err), flush=True)

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return name


def configurations(t):
    for name, content, text in SENSOR:
        t.file("sensor.yaml", content)
        for command in ("check", "run"):
            t.expect("sensor %s, %s" % (command, name), t.run("wardwatch-sensor", command, "--config", "sensor.yaml"), 2, text)
    for name, content, text in COLLECTOR:
        t.file("collector.yaml", content)
        for command in ("check", "run"):
            t.expect("collector %s, %s" % (command, name), t.run("wardwatch-collector", command, "--config", "collector.yaml"), 2, text)
    for name in ("one", "two"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-days", "2",
                        "-subj", "/CN=" + name], cwd=t.folder, stderr=subprocess.DEVNULL, check=True)
    for name, certificate, key, text in [("another's key", "one.pem", "two.key", "two.key: not the key of one.pem"),
                                         ("no certificate", "collector.yaml", "one.key", "collector.yaml: not a certificate"),
                                         ("missing", "none.pem", "one.key", "none.pem: cannot read the file")]:
        t.file("collector.yaml", "data: { folder: d }\nserver: { certificate: %s, key: %s }\n" % (certificate, key))
        t.expect("collector check, " + name, t.run("wardwatch-collector", "check", "--config", "collector.yaml"), 2, text)
    for name, more, text in [("playbooks", "drills: { playbooks: [ none ] }", "none: no such file or folder; correct drills.playbooks"),
                             ("keys", "drills: { trusted_keys: [ none.pem ] }", "none.pem: no such file or folder; correct drills.trusted_keys")]:
        t.file("collector.yaml", "data: { folder: d }\n" + more + "\n")
        t.expect("collector check, " + name, t.run("wardwatch-collector", "check", "--config", "collector.yaml"), 2, text)
    t.file("collector.yaml", "data: { folder: one.pem/d }\n")
    t.expect("collector check, a file above", t.run("wardwatch-collector", "check", "--config", "collector.yaml"), 2,
             "/one.pem: is a file, not a folder; correct data.folder")
    t.file("collector.yaml", "data: { folder: c }\n")
    t.expect("collector init", t.run("wardwatch-collector", "init", "--config", "collector.yaml"), 0, "", 0)
    t.file("c/control.db", "")
    t.expect("accounts emptied", t.run("wardwatch-collector", "run", "--config", "collector.yaml"), 2, "c/control.db: the file is empty")
    for program in ("wardwatch-sensor", "wardwatch-collector"):
        t.expect("no file", t.run(program, "check", "--config", "no.yaml"), 2, "no.yaml: cannot open the file: No such file")
        t.expect("a folder", t.run(program, "check", "--config", "."), 2, ".: is a folder, not a file")
        t.expect("an option misspelt", t.run(program, "check", "--confg", "x"), 2, "unknown option --confg")
        t.expect("no command", t.run(program), 2, "--help")
    t.file("sensor.yaml", GOOD + LOGS + "vars: { HOME_NET: [ 10.0.0.0/8, 192.168.0.0/16 ] }\n")
    t.expect("a list of networks is good", t.run("wardwatch-sensor", "check", "--config", "sensor.yaml"), 0, "", 0)


def enrolment(t):
    for name, url, token, text in [("in the clear", "http://127.0.0.1:1", "wwe_x", "http://127.0.0.1:1: must start with https://"),
                                   ("garbled token", "https://127.0.0.1:1", "wwe_x", "token: not an enrolment token")]:
        t.expect(name, t.run("wardwatch-sensor", "enrol", "--folder", "identity", "--url", url, "--token", token), 2, text)
    t.expect("no token file", t.run("wardwatch-sensor", "enrol", "--folder", "identity", "--url", "https://127.0.0.1:1", "--token-file", "none"),
             2, "none: cannot read the token")


def captures(t):
    with open(CAPTURE, "rb") as f:
        whole = f.read()
    first = 24 + 16 + struct.unpack("<I", whole[32:36])[0]
    for name, content, code, text in [
            ("zero.pcap", b"", 2, "zero.pcap: the file is empty"),
            ("text.pcap", b"these are words\n" * 10, 2, "text.pcap: not a capture file"),
            ("header.pcap", whole[:10], 2, "header.pcap: the file ends inside its header"),
            ("cut.pcap", whole[:-7], 0, "cut.pcap: the file ends inside a packet (after packet 83"),
            ("cut.pcap.gz", gzip.compress(whole)[:-20], 0, "cut.pcap.gz: the gzip data ends too early"),
            ("claims.pcap", whole[:first] + struct.pack("<4I", 1, 1, 1 << 30, 100) + whole[first:], 0, "a packet claims 1073741824 octets"),
            ("text.pcap.gz", gzip.compress(b"these are words\n"), 2, "text.pcap.gz: not a capture file")]:
        t.file(name, content)
        t.expect(name, t.run("wardwatch-sensor", "replay", name, "--eve", "out.json"), code, text)
    t.expect("missing", t.run("wardwatch-sensor", "replay", "no.pcap"), 2, "no.pcap: cannot open: No such file")
    os.mkdir(os.path.join(t.folder, "none"))
    t.expect("no rules in the folder", t.run("wardwatch-sensor", "replay", CAPTURE, "--rules", "none", "--eve", "out.json"), 2,
             "none: no *.rules in the folder")
    t.file("bad.rules", "alert tcp $HOME_NET any -> any any (msg:\"x\"; sid:1;)\n")
    t.file("sensor.yaml", GOOD + LOGS + "rules: [ bad.rules ]\n")
    t.expect("rules", t.run("wardwatch-sensor", "check", "--config", "sensor.yaml"), 0, "", 0)
    t.file("sensor.yaml", GOOD + LOGS + "rules: [ bad.rules ]\nvars: { HOME_NET: '10.0.0.0/99' }\n")
    t.expect("no rule usable", t.run("wardwatch-sensor", "check", "--config", "sensor.yaml"), 2, "'10.0.0.0/99' is not an address", 2)
    t.expect("a variable without value", t.run("wardwatch-sensor", "replay", CAPTURE, "--var", "HOME_NET", "--eve", "out.json"), 2,
             "--var HOME_NET: expected NAME=VALUE")
    t.expect("empty folder", t.run("wardwatch-sensor", "replay", "none"), 2, "none: no capture files in the folder")
    shutil.copy(CAPTURE, os.path.join(t.folder, "good.pcap"))
    t.expect("eve nowhere", t.run("wardwatch-sensor", "replay", "good.pcap", "--eve", "no/where.json"), 2, "no/where.json: cannot write events")
    t.expect("eve on a full disk", t.run("wardwatch-sensor", "replay", "good.pcap", "--eve", "/dev/full"), 1,
             "/dev/full: cannot write events: No space left on device; 2")
    with open("/dev/full", "wb") as full:
        t.expect("standard output on a full disk", t.run("wardwatch-sensor", "replay", "good.pcap", "--eve", "-", stdout=full), 1,
                 "standard output: cannot write events: No space left on device")
    t.expect("a setting misspelt", t.run("wardwatch-sensor", "replay", "good.pcap", "--eve", "out.json", "--set", "stream.midstrem=yes"), 0,
             "--set stream.midstrem: unknown key 'stream.midstrem'; did you mean 'midstream'?")
    for name, words, code, text in [
            ("a filter behind everything", ["good.pcap", "-k", "none", "tcp", "port", "1"], 0, ""),
            ("a filter in one word", ["good.pcap", "tcp port 1"], 0, ""),
            ("a filter that is none", ["good.pcap", "tcp port port"], 2, "tcp port port"),
            ("a second file that is not there", ["good.pcap", "tcp.pcap"], 2, "tcp.pcap: cannot open: No such file"),
            ("a filter twice", ["good.pcap", "-F", "x.bpf", "udp"], 2, "-F x.bpf and udp: a filter is given twice"),
            ("no capture", ["-k", "none"], 2, "no captures are named"),
            ("a user that is not there", ["good.pcap", "--user", "no-such-user"], 2 if os.geteuid() == 0 else 0, "no-such-user"),
            ("switches with a value", ["--reject-dev", "eth0", "--group", "suricata", "--pidfile", "x.pid", "-r", "good.pcap"], 0,
             "ignored, without meaning here: --group, --reject-dev, --pidfile")]:
        t.file("x.bpf", "tcp\n")
        t.expect(name, t.run("wardwatch-sensor", "replay", *words, "--eve", "out.json"), code, text, 1 if text else 0)
        if code == 0 and "filter" in name:
            t.count += 1
            if os.path.getsize(os.path.join(t.folder, "out.json")):
                with open(os.path.join(t.folder, "out.json")) as f:
                    if '"event_type":"http"' in f.read():
                        t.wrong += 1
                        print(name + ": not heeded")
    os.chmod(t.folder, 0o755)
    done = t.run("wardwatch-sensor", "replay", "good.pcap", "--user", "nobody", "--eve", "out.json")
    t.expect("another user", done, 0, "", 0)
    t.file("x.rules", 'alert http any any -> $WARD any (msg:"ward"; flow:established; sid:1;)\n')
    t.file("sensor.yaml", GOOD + LOGS + "rules: [ x.rules ]\nvars: { WARD: [ 0.0.0.0/0 ] }\n")
    done = t.run("wardwatch-sensor", "replay", "good.pcap", "--config", "sensor.yaml", "--eve", "out.json")
    t.expect("rules and variables of the configuration", done, 0, "", 0)
    with open(os.path.join(t.folder, "out.json")) as f:
        t.count += 1
        if '"signature":"ward"' not in f.read():
            t.wrong += 1
            print("replay --config: no alert of the configuration's rules")
    t.expect("configuration with a mistake", t.run("wardwatch-sensor", "replay", "good.pcap", "--config", "no.yaml"), 2, "no.yaml: cannot open")


def commands(t):
    os.mkdir(os.path.join(t.folder, "void"))
    t.file("classification.config", "config classification: ours,Our own,2\n")
    t.file("classed.rules", 'alert tcp any any -> any any (msg:"x"; content:"abcdef"; classtype:ours; sid:1;)\n')
    for name, words, code, text, lines in [
            ("an address in the clear", ["--url", "http://127.0.0.1:1", "whoami"], 2, "http://127.0.0.1:1: must start with https://", 1),
            ("a sign-in in the clear", ["--url", "http://127.0.0.1:1", "login", "--user", "ann", "--password-file", "classed.rules"], 2,
             "http://127.0.0.1:1: must start with https://", 1),
            ("an address without scheme", ["--url", "collector:8443", "whoami"], 2, "collector:8443: must start with https://", 1),
            ("a folder of logs", ["logs", "parse", "void"], 2, "void: is a folder, not a file", 1),
            ("no rule file", ["rules", "check", "none.rules"], 2, "none.rules: no such rule file or folder", 1),
            ("a folder without Sigma rules", ["sigma", "check", "--rules", "void"], 2, "void: no Sigma rules are found", 1),
            ("a folder without rules", ["rules", "check", "void"], 2, "void: no *.rules in the folder", 1)]:
        t.expect(name, t.run("wardwatchctl", *words), code, text, lines)
    done = t.run("wardwatchctl", "rules", "check", "classed.rules")
    t.expect("classes beside the rules", done, 0, "", 0)
    if b"unknown classtype" in done.stdout:
        t.wrong += 1
        print("classification.config beside the rules is not read:\n%s" % done.stdout.decode())


def interrupted(t):
    """--once with something that never ends: Ctrl-C must be heard."""
    t.file("sensor.yaml", GOOD + "capture: { interfaces: [ lo ] }\n")
    for how in (signal.SIGINT, signal.SIGTERM):
        sensor = subprocess.Popen([os.path.join(t.bin, "wardwatch-sensor"), "run", "--once", "--config", "sensor.yaml"], cwd=t.folder,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        first = sensor.stdout.readline()
        if "cannot capture" in first:
            print("no live capture here: Ctrl-C is not tried")
            return
        sensor.send_signal(how)
        t.count += 1
        try:
            said = first + sensor.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            sensor.kill()
            said = first + sensor.communicate()[0]
        if sensor.returncode != 1 or "stopped before the end" not in said:
            t.wrong += 1
            print("%s: status %s, got:\n%s" % (how.name, sensor.returncode, said), flush=True)


def rotated(t):
    """logrotate renames the collector's log and sends SIGHUP; somebody has edited the configuration in between."""
    log = os.path.join(t.folder, "log", "collector.log")
    config = "data: { folder: h }\nserver: { listen: '127.0.0.1:0' }\nlog: { file: log/collector.log }\n"
    t.file("collector.yaml", config)
    collector = subprocess.Popen([os.path.join(t.bin, "wardwatch-collector"), "run", "--config", "collector.yaml"], cwd=t.folder)

    def until(text, log=log):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if os.path.exists(log):
                with open(log) as f:
                    if text in f.read():
                        return
            time.sleep(0.05)
        t.wrong += 1
        print("no %r in %s" % (text, log), flush=True)

    t.count += 1
    until("listening on")
    os.rename(log, log + ".1")
    t.file("collector.yaml", config + "ingest: { queue: 32 MiB }\n")
    collector.send_signal(signal.SIGHUP)
    until("collector.yaml has changed since the start")
    until("reloaded: ")
    # Where the log's folder was is now a file: what is open stays in use.
    os.rename(os.path.dirname(log), os.path.join(t.folder, "log.old"))
    t.file("log", "")
    collector.send_signal(signal.SIGHUP)
    until("cannot write the log: Not a directory", os.path.join(t.folder, "log.old", "collector.log"))
    collector.terminate()
    if collector.wait(60) != 0:
        t.wrong += 1
        print("the collector ended with %d after its log could not be opened again" % collector.returncode, flush=True)
    until("stopped", os.path.join(t.folder, "log.old", "collector.log"))


def people(t):
    """An admin sets a password; with it, and no other, the person signs in."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    t.file("collector.yaml", "data: { folder: p }\nserver: { listen: '127.0.0.1:%d' }\n" % port)
    made = json.loads(t.run("wardwatch-collector", "init", "--config", "collector.yaml", "--json").stdout)
    collector = subprocess.Popen([os.path.join(t.bin, "wardwatch-collector"), "run", "--config", "collector.yaml"], cwd=t.folder,
                                 stderr=subprocess.DEVNULL)
    url = ["--url", "https://127.0.0.1:%d" % port]
    admin = url + ["--ca", made["ca"], "--token-file", made["token_file"]]
    home = dict(os.environ, XDG_CONFIG_HOME=os.path.join(t.folder, "profile"))
    t.file("good", "correct horse battery\n")
    t.file("short", "abc\n")
    login = url + ["login", "--user", "ann", "--ca-sha256", made["ca_sha256"], "--password-file"]
    try:
        end = time.monotonic() + 60
        while t.run("wardwatchctl", *admin, "user", "add", "ann", "--role", "lead").returncode != 0 and time.monotonic() < end:
            time.sleep(0.05)
        for name, words, code, text, lines in [
                ("nothing to change", admin + ["user", "set", "ann"], 2, "nothing to change is given", 1),
                ("no password yet", login + ["good"], 1, "check user name and password", 1),
                ("a short password", admin + ["user", "set", "ann", "--password-file", "short"], 1, "12", 1),
                ("no password file", admin + ["user", "set", "ann", "--password-file", "none"], 2, "none: cannot read", 1),
                ("a password", admin + ["user", "set", "ann", "--password-file", "good"], 0, "", 0),
                ("another password", login + ["short"], 1, "check user name and password", 1),
                ("the password", login + ["good"], 0, "", 0)]:
            t.expect(name, t.run("wardwatchctl", *words, env=home), code, text, lines)
        who = t.run("wardwatchctl", "whoami", env=home)
        t.expect("signed in", who, 0, "", 0)
        if b"lead" not in who.stdout:
            t.wrong += 1
            print("whoami: %s" % who.stdout.decode())
    finally:
        collector.terminate()
        collector.wait(60)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="ww-bad-")
    try:
        t = Tries(os.path.abspath(a.bin), folder)
        configurations(t)
        enrolment(t)
        captures(t)
        commands(t)
        interrupted(t)
        rotated(t)
        people(t)
        print("%d tries, %d wrong" % (t.count, t.wrong))
        return 1 if t.wrong else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
