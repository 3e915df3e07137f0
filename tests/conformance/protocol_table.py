#!/usr/bin/env python3
"""What the protocols register against what tests assert: events, keywords, EVE fields.

    protocol_table.py SOURCE_DIR WARDWATCHCTL

An event counts as tested when a test of its protocol names it, in full or without the protocol. The run fails when a
documented event is not registered, or is neither tested nor listed as never raised, or is listed so and yet tested,
and when a rule keyword is named by no test or a field of a protocol's EVE record by none of its protocol's tests.
"""
import pathlib
import re
import subprocess
import sys

# Protocols whose tests live in another's folder.
FOLDERS = {"bittorrent-dht": "bittorrent_dht", "mdns": "dns", "ftp_data": "ftp"}
# Fields are written as json.field("name"...), json_.key("name") and the like; text(json, "name") where it repeats. What is asked
# of settings looks the same and is none.
FIELD = re.compile(r'(?<!\bs\.)(?<!settings\.)(?<!options\.)(?<!server\.)'
                   r'\b(?:field|field_bytes|key|begin_object|begin_array|key_text|text|number|flag|object|list|write_name|write_list)'
                   r'\((?:json_?, )?"([a-z0-9_]+)"')


def tests_of(source, protocol):
    folder = source / "tests/sensors/protocols" / FOLDERS.get(protocol, protocol)
    files = list(folder.glob("*.cpp")) if folder.is_dir() else []
    return "\n".join(f.read_text(errors="replace") for f in files)


def events(source, listed):
    everywhere = "\n".join(f.read_text(errors="replace") for f in (source / "tests").rglob("*_test.cpp"))
    code = "\n".join(f.read_text(errors="replace") for f in (source / "sensors").rglob("*.cpp"))
    rows, bad = [], []
    for name, never in listed:
        protocol, short = name.split(".", 1)
        mentioned = name in everywhere or re.search(rf'["/ .]{re.escape(short)}["\\ ]', tests_of(source, protocol)) is not None
        registered = f'"{name}"' in code or f'"{short}"' in code or (protocol == "mdns" and f'"dns.{short}"' in code)
        if not registered:
            bad.append(f"{name}: not registered")
        elif not never and not mentioned:
            bad.append(f"{name}: raised by no test")
        rows.append((name, registered, mentioned, never))
    return rows, bad


def keywords(source, ctl):
    out = subprocess.run([ctl, "rules", "keywords"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in out.splitlines()[1:] if line.strip()]
    texts = "\n".join(f.read_text(errors="replace") for f in (source / "tests").rglob("*_test.cpp"))
    texts += "\n".join(f.read_text(errors="replace") for f in (source / "tests").rglob("*.py"))
    return names, [n for n in names if not re.search(rf"(?<![\w.]){re.escape(n)}(?![\w])", texts)]


def fields(source):
    all_fields, missing = 0, {}
    for folder in sorted((source / "sensors/protocols").iterdir()):
        if not folder.is_dir():
            continue
        found = set()
        for f in folder.glob("*.cpp"):
            found |= set(FIELD.findall(f.read_text(errors="replace")))
        text = tests_of(source, folder.name)
        untested = sorted(n for n in found if not re.search(rf'\b{n}\b', text))
        all_fields += len(found)
        if untested:
            missing[folder.name] = untested
    return all_fields, missing


def main():
    source, ctl = pathlib.Path(sys.argv[1]), sys.argv[2]
    listed = []
    for line in (pathlib.Path(__file__).parent / "protocol_events.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            listed.append((name, rest))
    rows, bad = events(source, listed)
    never = sum(1 for r in rows if r[3])
    tested = sum(1 for r in rows if r[2] and not r[3])
    print(f"events: {len(rows)} documented, {sum(1 for r in rows if r[1])} registered, {tested} raised by a test, "
          f"{never} never raised (with the reason)")
    names, unseen = keywords(source, ctl)
    print(f"keywords: {len(names)}, {len(names) - len(unseen)} in a test")
    bad += [f"{n}: a keyword that no test names" for n in unseen]
    count, missing = fields(source)
    untested = sum(len(v) for v in missing.values())
    print(f"EVE fields of protocols: {count}, {count - untested} in a test of their protocol")
    bad += [f"{folder}: the field {n} is named by no test" for folder, lost in missing.items() for n in lost]
    for line in bad:
        print("FAIL", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
