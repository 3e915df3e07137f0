#!/usr/bin/env python3
"""Fires every shipped Sigma rule, and shows that its near miss stays silent.

    sigma.py WARDWATCHCTL

tests/packs/sigma/NAME.jsonl: one object a line, {"expect": "fires"|"silent", "event": {...}}; for a correlation one object a
line, {"expect": ..., "events": [{...}, ...]}. Events are evaluated by the real engine; a correlation sees all shipped rules, another rule
only itself (a rule that feeds a correlation is silent beside it).
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
PACK = os.path.join(os.path.dirname(os.path.dirname(HERE)), "rules", "packs", "sigma")


def fired(ctl, rules, events):
    """Ids of the rules that matched, in one evaluation of these events."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        for e in events:
            f.write(json.dumps(e) + "\n")
        f.flush()
        done = subprocess.run([ctl, "sigma", "eval", "--rules", rules, "--events", f.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode("utf-8", "replace")[-300:])
    return [(m["rule"]["id"], m.get("event_index")) for m in map(json.loads, done.stdout.decode().splitlines())]


def main():
    ctl = sys.argv[1]
    bad, ran = [], 0
    check = json.loads(subprocess.run([ctl, "sigma", "check", "--rules", PACK, "--json"], stdout=subprocess.PIPE, timeout=60).stdout)
    bad += ["refused: %s" % e for e in check["errors"]]
    for path in sorted(glob.glob(os.path.join(PACK, "*.yml"))):
        name = os.path.basename(path)[:-4]
        with open(path, encoding="utf-8") as f:
            rule = yaml.safe_load(f)
        for key in ("title", "id", "description", "tags", "falsepositives", "level", "license"):
            if not rule.get(key):
                bad.append("%s: no %s" % (name, key))
        if not any(t.startswith("caf.") for t in rule.get("tags") or []):
            bad.append("%s: no CAF tag" % name)
        try:
            with open(os.path.join(HERE, "sigma", name + ".jsonl"), encoding="utf-8") as f:
                cases = [json.loads(line) for line in f if line.strip()]
        except OSError as e:
            bad.append("%s: no cases (%s)" % (name, e.strerror))
            continue
        if {c["expect"] for c in cases} != {"fires", "silent"}:
            bad.append("%s: needs a case that fires and one that stays silent" % name)
        for case in cases:
            ran += 1
            got = rule["id"] in {i for i, _ in fired(ctl, PACK if "correlation" in rule else path, case.get("events") or [case["event"]])}
            if got != (case["expect"] == "fires"):
                bad.append("%s: %s, expected %s: %s" % (name, "fired" if got else "silent", case["expect"], json.dumps(case)[:200]))
    for line in bad:
        print(line)
    print("%d cases, %d problems" % (ran, len(bad)))
    return 1 if bad or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
