#!/usr/bin/env python3
"""`cmake --install` into a folder: the installed programs take the installed examples, and every file that an example or a unit names
is there.

    install.py --build BUILD_FOLDER"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

wrong = []


def expect(what, holds, said=""):
    if not holds:
        wrong.append(what)
        print("WRONG %s %s" % (what, said), flush=True)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    expect(" ".join(words[:2]), done.returncode == 0, done.stdout)
    return done.stdout


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", required=True)
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="ww-install-")
    try:
        prefix = os.path.join(folder, "usr")
        run("cmake", "--install", a.build, "--prefix", prefix)
        examples = os.path.join(prefix, "share", "doc", "wardwatch", "examples")
        page = os.path.join(prefix, "share", "wardwatch", "dashboard")
        if not os.path.exists(page):  # the page is installed when it was built
            os.makedirs(page)
            open(os.path.join(page, "index.html"), "w", encoding="utf-8").close()
        for name in ("collector", "sensor"):
            text = read(examples, name + ".example.yaml")
            for path in re.findall(r"/usr/(share/wardwatch/[\w./-]+)", text):
                expect("%s example: /usr/%s" % (name, path), os.path.exists(os.path.join(prefix, path)))
            unit = read(prefix, "lib", "systemd", "system", "wardwatch-%s.service" % name)
            programs = re.findall(r"^ExecStart(?:Pre)?=(\S+)", unit, re.M)
            expect("%s unit" % name, len(programs) == 2 and all(os.path.basename(x) == "wardwatch-" + name for x in programs), unit)
        text = read(examples, "collector.example.yaml")
        text = text.replace("/usr/share", os.path.join(prefix, "share")).replace("/var/lib/wardwatch", os.path.join(folder, "data"))
        text = text.replace("register: ", "register: %s/" % examples).replace("127.0.0.1:8443", "127.0.0.1:0")
        config = os.path.join(folder, "collector.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(text)
        bin_folder = os.path.join(prefix, "bin")
        said = run(os.path.join(bin_folder, "wardwatch-collector"), "check", "--config", config)
        found = re.search(r"(\d+) (?:Sigma )?rules", said)
        expect("rules are found", found is not None and int(found.group(1)) >= 15, said)
        said = run(os.path.join(bin_folder, "wardwatchctl"), "rules", "check",
                   os.path.join(prefix, "share", "wardwatch", "rules", "network"))
        expect("signatures are found", re.search(r"\b(1[5-9]|[2-9]\d)\b", said) is not None, said)
        run(os.path.join(bin_folder, "wardwatch-sensor"), "--version")
        print("%d wrong" % len(wrong))
        return 1 if wrong else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
