#!/usr/bin/env python3
"""Side by side with rsigma on the same rules and events, one core, net of loading the rules.

  compare.py --rules SIGMAHQ --events EVENTS.ndjson[.gz] [--ours wardwatchctl] [--peer rsigma] [--events-per-lane N]

EVENTS are flat Windows events (../shared/conformance/sigma/cases/benign has some). Lanes: sysmon (those of Sysmon),
windows (all channels), evtx (the same nested as converters write them), linux and web (made here from a fixed seed).
Each lane runs with all of its events and with none; the difference is the time of evaluation. Matches are compared
by rule. Without the peer the script says so and prints our numbers alone."""
import argparse, collections, gzip, json, os, random, shutil, subprocess, sys, tempfile, time


def windows_lanes(path):
    opener = gzip.open if path.endswith('.gz') else open
    with opener(path, 'rt', encoding='utf-8') as f: events = [json.loads(line) for line in f]
    sysmon = [e for e in events if e.get('Channel') == 'Microsoft-Windows-Sysmon/Operational']
    system = {'EventID', 'Channel', 'Computer', 'Level', 'Keywords', 'EventRecordID', 'Version', 'Task', 'Opcode'}
    def nested(e):
        out = {'System': {}, 'EventData': {}}
        for k, v in e.items():
            if k.startswith('Provider_'): out['System'].setdefault('Provider', {}).setdefault('#attributes', {})[k[9:]] = v
            elif k == 'TimeCreated_SystemTime': out['System']['TimeCreated'] = {'#attributes': {'SystemTime': v}}
            else: out['System' if k in system else 'EventData'][k] = v
        return {'Event': out}
    return {'sysmon': sysmon, 'windows': events, 'evtx': [nested(e) for e in events]}


def linux_lane(rng):
    tools = ['/usr/bin/ls', '/usr/bin/cat', '/usr/sbin/sshd', '/usr/bin/python3', '/usr/bin/curl', '/usr/bin/tar', '/bin/bash', '/usr/bin/crontab']
    args = ['-la /home', '/etc/passwd', '-c "import socket"', 'http://10.0.0.5/x.sh -o /tmp/x.sh', '-czf /tmp/a.tgz /var/log', '-i', '-l', '--version']
    out = []
    for i in range(4000):
        t = '2026-03-02T%02d:%02d:%02d.000Z' % (i // 3600 % 24, i // 60 % 60, i % 60)
        exe, arg, user = rng.choice(tools), rng.choice(args), rng.choice(['root', 'www-data', 'alice', 'bob'])
        kind = rng.random()
        if kind < 0.5: out.append({'@timestamp': t, 'type': 'SYSCALL', 'syscall': 'execve', 'exe': exe, 'comm': os.path.basename(exe), 'auid': 1000, 'uid': 0, 'key': 'exec', 'success': 'yes', 'pid': rng.randrange(65536)})
        elif kind < 0.8: out.append({'@timestamp': t, 'type': 'EXECVE', 'a0': os.path.basename(exe), 'a1': arg.split(' ')[0], 'a2': arg.split(' ')[-1], 'argc': 3})
        else: out.append({'@timestamp': t, 'host': 'srv%d' % rng.randrange(20), 'program': 'sshd', 'pid': rng.randrange(65536), 'message': rng.choice(['Failed password for invalid user %s from 10.1.2.%d port 4%d ssh2', 'Accepted publickey for %s from 10.1.2.%d port 4%d ssh2']) % (user, rng.randrange(255), rng.randrange(9999))})
    return out


def web_lane(rng):
    paths = ['/', '/index.html', '/api/v1/items', '/login', '/static/app.js', '/wp-login.php', '/cgi-bin/test.cgi', '/../../etc/passwd', '/search?q=select+1', '/.git/config']
    agents = ['Mozilla/5.0 (Windows NT 10.0; Win64; x64)', 'curl/7.88.1', 'python-requests/2.28', 'sqlmap/1.7', 'Googlebot/2.1']
    out = []
    for i in range(4000):
        p = rng.choice(paths)
        out.append({'@timestamp': '2026-03-02T%02d:%02d:%02d.000Z' % (i // 3600 % 24, i // 60 % 60, i % 60), 'c-ip': '10.1.%d.%d' % (rng.randrange(255), rng.randrange(255)), 'cs-method': rng.choice(['GET', 'POST']), 'cs-uri-stem': p.split('?')[0], 'cs-uri-query': p.split('?')[1] if '?' in p else '', 'cs-uri': p, 'c-uri': p, 'cs-host': 'www.example.org', 'cs-user-agent': rng.choice(agents), 'c-useragent': rng.choice(agents), 'sc-status': rng.choice([200, 200, 301, 404, 500]), 'sc-bytes': rng.randrange(100000)})
    return out


def run(command, events):
    start = time.monotonic()
    with open(events, 'rb') as stdin: p = subprocess.run(command, stdin=stdin, capture_output=True)
    return time.monotonic() - start, p


def matches(text):
    out = collections.Counter()
    for line in text.splitlines():
        try: o = json.loads(line)
        except ValueError: continue
        rule = o.get('rule', o.get('header', o))
        out[(rule.get('id') if isinstance(rule, dict) else None) or o.get('rule_id') or o.get('id')] += 1
    return out


def peer_command(peer, rules):
    if not shutil.which(peer): return None
    for words in (['engine', 'eval'], ['eval']):
        p = subprocess.run([peer] + words + ['--help'], capture_output=True, text=True)
        if p.returncode == 0:
            extra = ['--logsource-routing'] if '--logsource-routing' in p.stdout else []
            extra += ['--input-format', 'json'] if '--input-format' in p.stdout else []
            return [peer] + words + ['--rules', rules] + extra
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--rules', required=True); ap.add_argument('--events', required=True)
    ap.add_argument('--ours', default='wardwatchctl'); ap.add_argument('--peer', default='rsigma')
    ap.add_argument('--events-per-lane', type=int, default=50000); ap.add_argument('--repeat', type=int, default=3)
    ap.add_argument('--lane', action='append')
    a = ap.parse_args()
    rng = random.Random(7)
    lanes = windows_lanes(a.events); lanes['linux'] = linux_lane(rng); lanes['web'] = web_lane(rng)
    engines = {'ours': [a.ours, 'sigma', 'eval', '--rules', a.rules, '--events', '-']}
    peer = peer_command(a.peer, a.rules)
    if peer: engines['peer'] = peer
    else: print('%s is not installed: our numbers alone (cargo install --locked rsigma)' % a.peer)
    with tempfile.TemporaryDirectory() as tmp:
        empty = os.path.join(tmp, 'none'); open(empty, 'w').close()
        for name, events in lanes.items():
            if a.lane and name not in a.lane: continue
            path = os.path.join(tmp, name)
            with open(path, 'w', encoding='utf-8') as f:
                for i in range(a.events_per_lane): f.write(json.dumps(events[i % len(events)], ensure_ascii=False) + '\n')
            rates, found = {}, {}
            for who, command in engines.items():
                pin = ['taskset', '-c', '0'] if shutil.which('taskset') else []
                load = min(run(pin + command, empty)[0] for _ in range(a.repeat))
                took, p = min((run(pin + command, path) for _ in range(a.repeat)), key=lambda x: x[0])
                if p.returncode not in (0, 1): print('%s: exit status %d: %s' % (who, p.returncode, p.stderr.decode('utf-8', 'replace')[-200:]))
                rates[who] = a.events_per_lane / max(took - load, 1e-9); found[who] = matches(p.stdout.decode('utf-8', 'replace'))
                print('%-8s %-5s %9.0f events/s  load %.2f s  matches %d' % (name, who, rates[who], load, sum(found[who].values())))
            if 'peer' in rates:
                print('%-8s ratio %.1f' % (name, rates['ours'] / rates['peer']))
                differ = {r: (found['ours'][r], found['peer'][r]) for r in set(found['ours']) | set(found['peer']) if found['ours'][r] != found['peer'][r]}
                for r, (o, q) in sorted(differ.items(), key=str)[:20]: print('         rule %s: ours %d, peer %d' % (r, o, q))
    return 0


if __name__ == '__main__': sys.exit(main())
