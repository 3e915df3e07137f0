#!/usr/bin/env python3
"""Runs other people's tests over our binaries and holds the score.

    outside.py eve   SENSOR       Suricata's verification cases
    outside.py sigma WARDWATCHCTL SigmaHQ's regression data, specification cases, whole corpus

The cases are not ours and not in this repository: they are looked for in WARDWATCH_SHARED, then in ../shared beside the
checkout. Without them the test says so and passes. KIND_open.txt lists the cases that do not pass yet, each with the reason.
A case that fails and is not listed breaks the test; so does a listed case that passes (take it off the list).
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def shared():
    for folder in (os.environ.get("WARDWATCH_SHARED"), os.path.join(TOP, "..", "shared")):
        if folder and os.path.isdir(os.path.join(folder, "conformance")):
            return os.path.join(os.path.abspath(folder), "conformance")
    return None


def open_cases(kind):
    path = os.path.join(HERE, kind + "_open.txt")
    out = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.strip()
            if line and not line.startswith("#"):
                name, _, reason = line.partition(" ")
                out[name] = reason
    return out


def run(words, result):
    jobs = os.environ.get("JOBS") or str(os.cpu_count() or 2)
    done = subprocess.run([sys.executable] + words + ["--jobs", jobs, "--json", result], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    sys.stdout.write(done.stdout.decode("utf-8", "replace"))
    with open(result, encoding="utf-8") as f:
        return json.load(f)


def main():
    kind, binary = sys.argv[1], os.path.abspath(sys.argv[2])
    base = shared()
    if not base:
        print("skipped: no outside conformance data; set WARDWATCH_SHARED or put it in ../shared beside the checkout")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        if kind == "eve":
            template = binary + " replay {pcap} --rules {rules} --eve {outdir}/eve.json --suricata-yaml {yaml} {vars} {args}"
            judged = run([os.path.join(base, "eve", "eve_conformance.py"), "--cases", os.path.join(base, "eve", "cases"),
                          "--sensor", template], result)
            failed = {c["name"]: c["detail"] for c in judged["cases"] if c["status"] not in ("pass", "na")}
            total = len(judged["cases"])
        else:
            judged = run([os.path.join(base, "sigma", "sigma_conformance.py"), "--cases", os.path.join(base, "sigma"), "--engine",
                          binary + " sigma eval --rules {rules} --events {events}", "--check",
                          binary + " sigma check --rules {rules} --json"], result)
            failed = {c["name"]: str(c.get("why", "")) for c in judged["results"] if c["verdict"] != "pass"}
            total = len(judged["results"])
    known = open_cases(kind)
    surprises = sorted(set(failed) - set(known))
    mended = sorted(set(known) - set(failed))
    for name in surprises:
        print("NEW FAILURE %s: %s" % (name, failed[name]))
    for name in mended:
        print("PASSES NOW, take it off %s_open.txt: %s" % (kind, name))
    print("%d of %d cases pass, %d are listed as open" % (total - len(failed), total, len(known)))
    return 1 if surprises or mended or not total else 0


if __name__ == "__main__":
    sys.exit(main())
